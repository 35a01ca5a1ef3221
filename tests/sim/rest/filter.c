#include "tests/sim/rest/filter.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef bool (*visit_fn)(json_t *value, void *arg);

/* Calls fn for each value at path until one call says true. */
static bool visit(json_t *v, const char *path, visit_fn fn, void *arg)
{
	json_t *e;
	size_t i, n;

	if (json_is_array(v)) {
		json_array_foreach(v, i, e)
			if (visit(e, path, fn, arg))
				return true;
		return false;
	}
	if (!*path)
		return fn(v, arg);
	n = strcspn(path, ".");
	if (json_is_object(v)) {
		char name[80];

		if (n >= sizeof(name))
			return false;
		memcpy(name, path, n);
		name[n] = '\0';
		e = json_object_get(v, name);
		return e && visit(e, path + n + (path[n] == '.'), fn, arg);
	}
	return false;
}

static bool take_first(json_t *v, void *arg)
{
	*(json_t **)arg = v;
	return true;
}

json_t *value_first(json_t *rec, const char *path)
{
	json_t *v = NULL;

	visit(rec, path, take_first, &v);
	return v;
}

int value_compare(json_t *a, json_t *b)
{
	bool na = !a || json_is_null(a), nb = !b || json_is_null(b);

	if (na || nb)
		return na - nb;
	if (json_is_number(a) && json_is_number(b)) {
		if (json_is_integer(a) && json_is_integer(b)) {
			json_int_t x = json_integer_value(a), y = json_integer_value(b);

			return (x > y) - (x < y);
		}
		return (json_number_value(a) > json_number_value(b)) -
		       (json_number_value(a) < json_number_value(b));
	}
	if (json_is_boolean(a) && json_is_boolean(b))
		return json_is_true(a) - json_is_true(b);
	if (json_is_string(a) && json_is_string(b))
		return strcmp(json_string_value(a), json_string_value(b));
	return (int)json_typeof(a) - (int)json_typeof(b);
}

/* One alternative of an expression, in the form the visitor needs. */
struct term {
	enum { EQ, GLOB, LT, GT, LE, GE, RANGE, SET } op;
	enum field_type type;
	const char *text, *text2;
};

/* Order of a value against text; false when they cannot be compared. */
static bool compare_text(json_t *v, enum field_type type, const char *text, int *ret)
{
	int64_t n, t;

	if (json_is_integer(v)) {
		json_int_t x = json_integer_value(v);

		if (!sim_parse_int(text, INT64_MIN, INT64_MAX, &n) &&
		    !(type == T_SIZE && sim_parse_size(text, &n)))
			return false;
		*ret = (x > n) - (x < n);
		return true;
	}
	if (json_is_real(v)) {
		char *end;
		double d = strtod(text, &end), x = json_real_value(v);

		if (*end || end == text)
			return false;
		*ret = (x > d) - (x < d);
		return true;
	}
	if (json_is_boolean(v)) {
		bool want = !strcasecmp(text, "true");

		if (!want && strcasecmp(text, "false") != 0)
			return false;
		*ret = json_is_true(v) - want;
		return true;
	}
	if (!json_is_string(v))
		return false;
	if (type == T_TIME && sim_parse_iso(text, &n) && sim_parse_iso(json_string_value(v), &t)) {
		*ret = (t > n) - (t < n);
		return true;
	}
	*ret = strcmp(json_string_value(v), text);
	return true;
}

static bool meets(json_t *v, void *arg)
{
	const struct term *t = arg;
	int c = 0, c2 = 0;

	if (json_is_null(v))
		return false;
	if (t->op == SET)
		return true;
	if (t->op == GLOB) {
		AUTO_FREE char *num = NULL;
		const char *s = json_string_value(v);

		if (!s && json_is_integer(v)) {
			num = sim_fmt("%lld", (long long)json_integer_value(v));
			s = num;
		}
		if (!s && json_is_boolean(v))
			s = json_is_true(v) ? "true" : "false";
		return s ? sim_glob(t->text, s) : strcmp(t->text, "*") == 0;
	}
	if (!compare_text(v, t->type, t->text, &c))
		return false;
	switch (t->op) {
	case EQ:
		return c == 0;
	case LT:
		return c < 0;
	case GT:
		return c > 0;
	case LE:
		return c <= 0;
	case GE:
		return c >= 0;
	case RANGE:
		return c >= 0 && compare_text(v, t->type, t->text2, &c2) && c2 <= 0;
	default:
		return false;
	}
}

static bool set_at(json_t *rec, const char *path)
{
	struct term t = { .op = SET };

	return visit(rec, path, meets, &t);
}

/* One alternative, without '|'.  text is scratch. */
static bool match_one(json_t *rec, const char *path, enum field_type type, char *text)
{
	struct term t = { .op = EQ, .type = type };
	size_t len = strlen(text);
	bool negate = false;
	char *dots;

	if (strcmp(text, "null") == 0)
		return !set_at(rec, path);
	if (strcmp(text, "!null") == 0)
		return set_at(rec, path);
	if (*text == '!') {
		negate = true;
		text++;
		len--;
	}
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text[len - 1] = '\0';
		text++;
	} else if (*text == '<' || *text == '>') {
		bool less = *text == '<', equal = text[1] == '=';

		t.op = less ? (equal ? LE : LT) : (equal ? GE : GT);
		text += 1 + equal;
	} else if ((dots = strstr(text, "..")) && dots != text && dots[2]) {
		t.op = RANGE;
		*dots = '\0';
		t.text2 = dots + 2;
	} else if (strchr(text, '*')) {
		t.op = GLOB;
	}
	t.text = text;
	if (!negate)
		return visit(rec, path, meets, &t);
	return set_at(rec, path) && !visit(rec, path, meets, &t);
}

bool filter_match(json_t *rec, const char *path, enum field_type type, const char *expr)
{
	AUTO_FREE char *copy = sim_dup(expr);
	char *p = copy;

	for (;;) {
		bool quoted = false;
		char *end = p;

		for (; *end && (quoted || *end != '|'); end++)
			if (*end == '"')
				quoted = !quoted;
		if (*end == '\0')
			return match_one(rec, path, type, p);
		*end = '\0';
		if (match_one(rec, path, type, p))
			return true;
		p = end + 1;
	}
}
