/* JSON trees with strict getters, on json-c.
 *
 * json-c converts between types on demand (the string "12" reads as 12, a
 * missing key as 0). Nothing of that is wanted for data from the wire or from
 * a configuration file, so every getter checks the type first. */
#include "ontap/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "ontap/ontap.h"

/* ---- parsing ------------------------------------------------------------ */

static void say_where(const char *text, size_t at, const char *what, char why[JS_WHY_LEN])
{
	size_t line = 1, col = 1;
	for (size_t i = 0; i < at; i++) {
		col++;
		if (text[i] == '\n') {
			line++;
			col = 1;
		}
	}
	snprintf(why, JS_WHY_LEN, "line %zu, column %zu (byte %zu): %s", line, col, at, what);
}

struct json_object *js_parse(const char *text, size_t len, bool utf8, char why[JS_WHY_LEN])
{
	if (len > INT_MAX) {
		snprintf(why, JS_WHY_LEN, "too long");
		return NULL;
	}
	const char *nul = memchr(text, '\0', len);
	if (nul) { /* json-c would silently stop there */
		say_where(text, (size_t)(nul - text), "NUL byte", why);
		return NULL;
	}
	struct json_tokener *tok = json_tokener_new_ex(JS_DEPTH_MAX);
	if (!tok) {
		snprintf(why, JS_WHY_LEN, "out of memory");
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | (utf8 ? JSON_TOKENER_VALIDATE_UTF8 : 0));
	struct json_object *root = json_tokener_parse_ex(tok, text, (int)len);
	enum json_tokener_error err = json_tokener_get_error(tok);
	size_t end = json_tokener_get_parse_end(tok);
	if (err == json_tokener_success && !root)
		snprintf(why, JS_WHY_LEN, "null instead of an object");
	else if (err == json_tokener_continue)
		say_where(text, len, "the text ends too early", why);
	else if (err != json_tokener_success)
		say_where(text, end < len ? end : len, json_tokener_error_desc(err), why);
	json_tokener_free(tok);
	if (err != json_tokener_success && root) {
		json_object_put(root);
		root = NULL;
	}
	return root;
}

void js_free(struct json_object *root)
{
	if (root)
		json_object_put(root);
}

/* ---- walking ------------------------------------------------------------ */

#define JS_KEY_MAX 128

/* Reads "[12]" at *p and moves past it. -EINVAL when malformed. */
static int take_index(const char **p, size_t *ret)
{
	const char *s = *p + 1;
	size_t v = 0;
	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > INT_MAX / 10)
			return -EINVAL;
		v = v * 10 + (size_t)(*s - '0');
	}
	if (*s != ']')
		return -EINVAL;
	*p = s + 1;
	*ret = v;
	return 0;
}

int js_find(struct json_object *root, const char *path, struct json_object **ret)
{
	struct json_object *o = root;
	const char *p = path;
	if (!o)
		return -ENOENT;
	while (*p) {
		if (*p == '[') {
			size_t i;
			if (take_index(&p, &i) < 0 || !json_object_is_type(o, json_type_array))
				return -EINVAL;
			if (i >= json_object_array_length(o))
				return -ENOENT;
			o = json_object_array_get_idx(o, i);
		} else {
			size_t n = strcspn(p, ".[");
			char key[JS_KEY_MAX];
			if (n == 0 || n >= sizeof(key) || !json_object_is_type(o, json_type_object))
				return -EINVAL;
			memcpy(key, p, n);
			key[n] = '\0';
			p += n;
			if (!json_object_object_get_ex(o, key, &o))
				return -ENOENT;
		}
		if (*p == '.')
			p++;
		if (!o) /* null counts as absent: ONTAP and people write both */
			return -ENOENT;
	}
	*ret = o;
	return 0;
}

int js_str(struct json_object *root, const char *path, const char **ret)
{
	struct json_object *o;
	int r = js_find(root, path, &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_string))
		return -EINVAL;
	const char *s = json_object_get_string(o);
	if (!s || strlen(s) != (size_t)json_object_get_string_len(o))
		return -EINVAL;
	*ret = s;
	return 0;
}

int js_copy(struct json_object *root, const char *path, char *dst, size_t size)
{
	const char *s;
	int r = js_str(root, path, &s);
	if (r < 0)
		return r;
	size_t n = strlen(s);
	if (n >= size)
		return -ENAMETOOLONG;
	memcpy(dst, s, n + 1);
	return 0;
}

int js_int(struct json_object *root, const char *path, int64_t min, int64_t max, int64_t *ret)
{
	struct json_object *o;
	int r = js_find(root, path, &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_int))
		return -EINVAL;
	int64_t v = json_object_get_int64(o);
	/* Above INT64_MAX json-c keeps an unsigned number and clamps the signed read. */
	if (v == INT64_MAX && json_object_get_uint64(o) > INT64_MAX)
		return -ERANGE;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int js_bool(struct json_object *root, const char *path, bool *ret)
{
	struct json_object *o;
	int r = js_find(root, path, &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_boolean))
		return -EINVAL;
	*ret = json_object_get_boolean(o);
	return 0;
}

int js_uuid(struct json_object *root, const char *path, struct uuid *ret)
{
	const char *s;
	int r = js_str(root, path, &s);
	if (r < 0)
		return r;
	if (strlen(s) != UUID_TEXT_LEN)
		return -EINVAL;
	return uuid_parse(s, ret);
}

/* Reads exactly n digits at *p into *ret. */
static bool take_digits(const char **p, int n, int *ret)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		char c = (*p)[i];
		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (c - '0');
	}
	*p += n;
	*ret = v;
	return true;
}

static bool take_char(const char **p, const char *set)
{
	if (!**p || !strchr(set, **p))
		return false;
	(*p)++;
	return true;
}

int js_parse_time(const char *text, int64_t *ret)
{
	const char *p = text;
	int y, mo, d, h, mi, s, zh = 0, zm = 0;
	if (!take_digits(&p, 4, &y) || !take_char(&p, "-") || !take_digits(&p, 2, &mo) ||
	    !take_char(&p, "-") || !take_digits(&p, 2, &d) || !take_char(&p, "Tt ") ||
	    !take_digits(&p, 2, &h) || !take_char(&p, ":") || !take_digits(&p, 2, &mi) ||
	    !take_char(&p, ":") || !take_digits(&p, 2, &s))
		return -EINVAL;
	if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60)
		return -EINVAL;
	if (take_char(&p, ".,")) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		while (*p >= '0' && *p <= '9')
			p++;
	}
	int sign = 0;
	if (*p == '+' || *p == '-') {
		sign = *p++ == '-' ? -1 : 1;
		if (!take_digits(&p, 2, &zh))
			return -EINVAL;
		take_char(&p, ":");
		if (!take_digits(&p, 2, &zm) || zh > 23 || zm > 59)
			return -EINVAL;
	} else if (!take_char(&p, "Zz")) {
		return -EINVAL; /* local time of an unknown place says nothing */
	}
	if (*p)
		return -EINVAL;
	struct tm tm = {.tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d,
			.tm_hour = h, .tm_min = mi, .tm_sec = s};
	*ret = (int64_t)timegm(&tm) - (int64_t)sign * (zh * 3600 + zm * 60);
	return 0;
}

int js_time(struct json_object *root, const char *path, int64_t *ret)
{
	const char *s;
	int r = js_str(root, path, &s);
	return r < 0 ? r : js_parse_time(s, ret);
}

int js_code(struct json_object *root, const char *path, int64_t *ret)
{
	const char *s;
	int r = js_int(root, path, 0, INT64_MAX, ret);
	if (r != -EINVAL)
		return r;
	r = js_str(root, path, &s);
	if (r < 0)
		return r;
	if (*s < '0' || *s > '9')
		return -EINVAL;
	char *end;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int js_len(struct json_object *root, const char *path)
{
	struct json_object *o;
	int r = js_find(root, path, &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_array))
		return -EINVAL;
	size_t n = json_object_array_length(o);
	return n > INT_MAX ? -ERANGE : (int)n;
}

struct json_object *js_at(struct json_object *array, size_t i)
{
	return i < json_object_array_length(array) ? json_object_array_get_idx(array, i) : NULL;
}

/* ---- the public face ---------------------------------------------------- */

/* A borrowed pointer into a tree, of the public type: the door's opaque
 * `struct ontap_json` is json-c's object under another name, so that other
 * modules need neither its header nor a wrapper to free. */
static struct json_object *from_public(const struct ontap_json *j)
{
	return (struct json_object *)(uintptr_t)j;
}

struct ontap_json *ontap_json_parse(const char *text, size_t len, char ret_text[256])
{
	return (struct ontap_json *)js_parse(text, len, true, ret_text);
}

/* A configuration may hold a password: no text of it stays in free memory. The
 * depth is bounded by JS_DEPTH_MAX. */
static void wipe(struct json_object *o)
{
	struct json_object_iter it;
	switch (json_object_get_type(o)) {
	case json_type_string:
		explicit_bzero((void *)(uintptr_t)json_object_get_string(o),
			       (size_t)json_object_get_string_len(o));
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(o); i++)
			wipe(json_object_array_get_idx(o, i));
		break;
	case json_type_object:
		json_object_object_foreachC(o, it)
			wipe(it.val);
		break;
	default:
		break;
	}
}

void ontap_json_free(struct ontap_json *j)
{
	wipe(from_public(j));
	js_free(from_public(j));
}

int ontap_json_str(const struct ontap_json *j, const char *path, const char **ret)
{
	return js_str(from_public(j), path, ret);
}

int ontap_json_int(const struct ontap_json *j, const char *path, int64_t min, int64_t max,
		   int64_t *ret)
{
	return js_int(from_public(j), path, min, max, ret);
}

int ontap_json_bool(const struct ontap_json *j, const char *path, bool *ret)
{
	return js_bool(from_public(j), path, ret);
}

int ontap_json_len(const struct ontap_json *j, const char *path)
{
	return js_len(from_public(j), path);
}

int ontap_json_double(const struct ontap_json *j, const char *path, double *ret)
{
	struct json_object *o;
	int r = js_find(from_public(j), path, &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_double) && !json_object_is_type(o, json_type_int))
		return -EINVAL;
	double v = json_object_get_double(o);
	if (!__builtin_isfinite(v)) /* json-c reads NaN and Infinity */
		return -ERANGE;
	*ret = v;
	return 0;
}

int ontap_json_keys(const struct ontap_json *j, const char *path,
		    void (*fn)(const char *key, void *priv), void *priv)
{
	struct json_object *o;
	int r = js_find(from_public(j), path, &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_object))
		return -EINVAL;
	struct json_object_iter it;
	json_object_object_foreachC(o, it)
		fn(it.key, priv);
	return 0;
}
