#include "tests/sim/rest/field.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static unsigned release = UINT_MAX; /* as in F_SINCE */

void field_set_release(const char *version)
{
	int major = 15, minor = 1;

	sscanf(version, "%*d.%d.%d", &major, &minor);
	release = F_SINCE(major, minor);
}

/* Does the release have the field? */
static bool is_there(const struct field *fd)
{
	return (fd->flags & 0xffff0000U) <= release;
}

/* Is path equal to above or below it? */
static bool is_within(const char *path, const char *above)
{
	size_t n = strlen(above);

	return strncmp(path, above, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

const struct field *field_find(const struct field *table, const char *path)
{
	for (const struct field *fd = table; fd->path; fd++)
		if (is_there(fd) &&
		    (strcmp(fd->path, path) == 0 || ((fd->flags & F_TREE) && is_within(path, fd->path))))
			return fd;
	return NULL;
}

bool field_known(const struct field *table, const char *path)
{
	if (field_find(table, path))
		return true;
	for (const struct field *fd = table; fd->path; fd++)
		if (is_there(fd) && is_within(fd->path, path))
			return true;
	return false;
}

static int unknown(struct fail *f, const char *name)
{
	return fail_field(f, 400, E_UNKNOWN_FIELD, name,
	                  "The value \"%s\" is invalid for field \"fields\" (<field,...>)", name);
}

int field_select(const struct field *table, const char *list, bool ignore_unknown, bool *sel,
                 struct fail *f)
{
	AUTO_FREE char *copy = sim_dup(list);
	char *save = NULL;

	for (char *name = strtok_r(copy, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		unsigned want = 0;
		size_t len = strlen(name);
		bool hit = false;

		if (strcmp(name, "*") == 0)
			want = F_STD;
		else if (strcmp(name, "**") == 0)
			want = F_STD | F_EXP;
		else if (len > 3 && strcmp(name + len - 3, ".**") == 0)
			name[len - 3] = '\0';
		else if (len > 2 && strcmp(name + len - 2, ".*") == 0)
			name[len - 2] = '\0';
		for (size_t i = 0; table[i].path; i++) {
			const struct field *fd = &table[i];

			if (!is_there(fd))
				continue;
			if (want ? (fd->flags & want) != 0
			         : is_within(fd->path, name) ||
			                   ((fd->flags & F_TREE) && is_within(name, fd->path)))
				sel[i] = hit = true;
		}
		if (!hit && !want && !ignore_unknown)
			return unknown(f, name);
	}
	return 0;
}

/* ---- projection ----------------------------------------------------------- */

static json_t *shell_of(const json_t *src)
{
	return json_is_array(src) ? json_array() : json_object();
}

static bool holds(json_t *src, const char *path);

static bool member_holds(json_t *src, const char *path)
{
	json_t *e;
	size_t i;

	if (json_is_array(src)) {
		json_array_foreach(src, i, e)
			if (holds(e, path))
				return true;
		return json_array_size(src) == 0;
	}
	return holds(src, path);
}

/* Does src have anything at path? */
static bool holds(json_t *src, const char *path)
{
	size_t n = strcspn(path, ".");
	AUTO_FREE char *name = sim_fmt("%.*s", (int)n, path);
	json_t *v = json_object_get(src, name);

	if (!v)
		return false;
	return path[n] ? member_holds(v, path + n + 1) : true;
}

static void copy_path(json_t *dst, json_t *src, const char *path, bool links);

static void copy_into(json_t *dst, json_t *src, const char *path, bool links)
{
	json_t *e;
	size_t i;

	if (!json_is_array(src)) {
		copy_path(dst, src, path, links);
		return;
	}
	json_array_foreach(src, i, e) {
		if (i >= json_array_size(dst))
			json_array_append_new(dst, json_object());
		copy_path(json_array_get(dst, i), e, path, links);
	}
}

static void copy_path(json_t *dst, json_t *src, const char *path, bool links)
{
	size_t n = strcspn(path, ".");
	AUTO_FREE char *name = sim_fmt("%.*s", (int)n, path);
	json_t *from = json_object_get(src, name), *to;

	if (!from)
		return;
	if (links && json_object_get(src, "_links"))
		json_object_set(dst, "_links", json_object_get(src, "_links"));
	if (!path[n]) {
		json_object_set(dst, name, from);
		return;
	}
	if (!member_holds(from, path + n + 1))
		return; /* no empty parent where there is no child */
	to = json_object_get(dst, name);
	if (!to) {
		to = shell_of(from);
		json_object_set_new(dst, name, to);
	}
	copy_into(to, from, path + n + 1, links);
}

static void drop_links(json_t *v)
{
	const char *key;
	json_t *e;
	size_t i;

	json_object_del(v, "_links");
	if (json_is_array(v))
		json_array_foreach(v, i, e)
			drop_links(e);
	else if (json_is_object(v))
		json_object_foreach(v, key, e)
			drop_links(e);
}

json_t *field_project(const struct field *table, const bool *sel, json_t *rec, bool links)
{
	json_t *out = json_object();

	for (size_t i = 0; table[i].path; i++)
		if (is_there(&table[i]) && (sel[i] || (table[i].flags & F_KEY)))
			copy_path(out, rec, table[i].path, links);
	if (!links) {
		json_t *copy = json_deep_copy(out); /* leaves may be shared with rec */

		json_decref(out);
		drop_links(copy);
		return copy;
	}
	return out;
}

/* ---- request bodies ------------------------------------------------------- */

static int bad_value(struct fail *f, const struct field *fd, const char *path, json_t *v)
{
	static const char *const kind[] = { "string", "integer", "size", "Boolean", "datetime", "value" };
	AUTO_FREE char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	return fail_field(f, 400, E_FIELD_VALUE, path, "The value %.80s is invalid for field \"%s\" (<%s>)",
	                  text ? text : "?", path, kind[fd->type]);
}

/* The value in its proper type: NULL when it cannot be had; new reference. */
static json_t *coerce(const struct field *fd, json_t *v)
{
	const char *s = json_string_value(v);
	int64_t n;

	switch (fd->type) {
	case T_STR:
		if (json_is_integer(v)) {
			AUTO_FREE char *t = sim_fmt("%lld", (long long)json_integer_value(v));

			return json_string(t);
		}
		return s ? json_incref(v) : NULL;
	case T_INT:
	case T_SIZE:
		if (json_is_integer(v))
			return json_incref(v);
		if (s && (fd->type == T_SIZE ? sim_parse_size(s, &n) :
		                               sim_parse_int(s, INT64_MIN, INT64_MAX, &n)))
			return json_integer(n);
		return NULL;
	case T_BOOL:
		if (json_is_boolean(v))
			return json_incref(v);
		if (json_is_integer(v) && (json_integer_value(v) == 0 || json_integer_value(v) == 1))
			return json_boolean(json_integer_value(v));
		if (s && (!strcasecmp(s, "true") || !strcmp(s, "1")))
			return json_true();
		if (s && (!strcasecmp(s, "false") || !strcmp(s, "0")))
			return json_false();
		return NULL;
	case T_TIME:
		return s && sim_parse_iso(s, &n) ? json_incref(v) : NULL;
	case T_ANY:
		return json_incref(v);
	}
	return NULL;
}

struct checker {
	const struct field *table;
	unsigned verb;
	bool ignore_unknown;
	struct fail *f;
};

static int check_object(const struct checker *c, json_t *obj, const char *prefix, int depth);

static int check_value(const struct checker *c, json_t *v, const char *path, int depth)
{
	json_t *e;
	size_t i;

	if (json_is_object(v))
		return check_object(c, v, path, depth);
	if (!json_is_array(v))
		return fail_field(c->f, 400, E_FIELD_VALUE, path, "The field \"%s\" must be an object", path);
	json_array_foreach(v, i, e) {
		if (!json_is_object(e))
			return fail_field(c->f, 400, E_FIELD_VALUE, path,
			                  "The field \"%s\" must be a list of objects", path);
		if (check_object(c, e, path, depth) < 0)
			return -1;
	}
	return 0;
}

static int check_object(const struct checker *c, json_t *obj, const char *prefix, int depth)
{
	const char *key;
	json_t *v;
	void *tmp;

	if (depth > 8)
		return fail_set(c->f, 400, E_BAD_VALUE, "The request body is nested too deeply");
	json_object_foreach_safe(obj, tmp, key, v) {
		AUTO_FREE char *path = *prefix ? sim_fmt("%s.%s", prefix, key) : sim_dup(key);
		const struct field *fd = field_find(c->table, path);

		if (strcmp(key, "_links") == 0 || json_is_null(v)) {
			json_object_del(obj, key);
		} else if (fd && !((fd->flags & F_TREE) && json_is_object(v))) {
			json_t *good;

			if (!(fd->flags & c->verb))
				return fail_field(c->f, 400, E_NOT_SETTABLE, path,
				                  "Field \"%s\" cannot be set in this operation", path);
			good = coerce(fd, v);
			if (!good)
				return bad_value(c->f, fd, path, v);
			json_object_set_new(obj, key, good);
		} else if (field_known(c->table, path)) {
			/* Also below a row that stands for a tree: some of its fields have rows
			 * of their own. */
			if (check_value(c, v, path, depth + 1) < 0)
				return -1;
		} else if (c->ignore_unknown) {
			json_object_del(obj, key);
		} else {
			return fail_field(c->f, 400, E_UNKNOWN_FIELD, path, "Unexpected argument \"%s\".",
			                  path);
		}
	}
	return 0;
}

int field_check_body(const struct field *table, json_t *body, unsigned verb, bool ignore_unknown,
                     struct fail *f)
{
	struct checker c = { table, verb, ignore_unknown, f };

	return check_object(&c, body, "", 0);
}
