#include "tests/sim/rest/request.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX (and '+' in a query).  NULL for a bad escape, a NUL or bytes that
 * are not UTF-8: JSON could not carry them back. */
static char *decode(const char *s, size_t len, bool plus)
{
	char *out = sim_fmt("%.*s", (int)len, s), *o = out;
	json_t *probe;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%') {
			int a = i + 1 < len ? hex(s[i + 1]) : -1, b = i + 2 < len ? hex(s[i + 2]) : -1;

			if (a < 0 || b < 0 || a + b == 0)
				goto bad;
			c = (char)(a << 4 | b);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		*o++ = c;
	}
	*o = '\0';
	probe = json_string(out);
	if (!probe)
		goto bad;
	json_decref(probe);
	return out;
bad:
	free(out);
	return NULL;
}

static int split_path(struct req *r, struct fail *f)
{
	const char *p = r->path;

	if (strncmp(p, "/api", 4) != 0 || (p[4] && p[4] != '/'))
		return 0; /* no segments: matches no route */
	for (p += 4; *p;) {
		size_t n;

		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (!n)
			break;
		if (r->nseg == SEG_MAX)
			return fail_set(f, 404, E_UNSUPPORTED, "API not found");
		r->seg[r->nseg] = decode(p, n, false);
		if (!r->seg[r->nseg])
			return fail_set(f, 400, E_BAD_VALUE, "The path is not valid");
		r->nseg++;
		p += n;
	}
	return 0;
}

static int split_query(struct req *r, struct fail *f)
{
	for (const char *p = r->query; *p;) {
		size_t n = strcspn(p, "&"), eq = strcspn(p, "=&");
		struct param *q;

		if (n) {
			if (r->nparam == PARAM_MAX)
				return fail_set(f, 400, E_BAD_VALUE, "Too many query parameters");
			q = &r->param[r->nparam++];
			q->name = decode(p, eq, true);
			q->value = eq < n ? decode(p + eq + 1, n - eq - 1, true) : sim_dup("");
			if (!q->name || !q->value)
				return fail_set(f, 400, E_BAD_VALUE, "The query is not valid");
		}
		p += n + (p[n] == '&');
	}
	return 0;
}

int request_init(struct req *r, const char *uri, struct fail *f)
{
	size_t n = strcspn(uri, "?");

	r->path = sim_fmt("%.*s", (int)n, uri);
	r->query = sim_dup(uri[n] ? uri + n + 1 : "");
	if (split_path(r, f) < 0)
		return -1;
	return split_query(r, f);
}

void request_fini(struct req *r)
{
	free(r->path);
	free(r->query);
	for (int i = 0; i < r->nseg; i++)
		free(r->seg[i]);
	for (int i = 0; i < r->nparam; i++) {
		free(r->param[i].name);
		free(r->param[i].value);
	}
	json_decref(r->body);
}

const char *request_path(const struct req *r, const char *name)
{
	const char *p = r->tmpl;
	size_t len = strlen(name);

	for (int i = 0; i < r->nseg && p && *p; i++) {
		p += *p == '/';
		if (*p == '{' && strncmp(p + 1, name, len) == 0 && p[len + 1] == '}')
			return r->seg[i];
		p = strchr(p, '/');
	}
	return NULL;
}

const char *request_param(const struct req *r, const char *name)
{
	for (int i = 0; i < r->nparam; i++)
		if (strcmp(r->param[i].name, name) == 0)
			return r->param[i].value;
	return NULL;
}

static bool as_bool(const char *s, bool def)
{
	if (!strcasecmp(s, "true") || !strcmp(s, "1"))
		return true;
	if (!strcasecmp(s, "false") || !strcmp(s, "0"))
		return false;
	return def;
}

bool request_flag(const struct req *r, const char *name, bool def)
{
	const char *s = request_param(r, name);

	return s ? as_bool(s, def) : def;
}

char *request_filter_path(const struct field *table, const char *name)
{
	AUTO_FREE char *sub = sim_fmt("%s.name", name);

	if (field_find(table, name))
		return sim_dup(name);
	return field_find(table, sub) ? sim_dup(sub) : NULL;
}

bool request_wants(const struct req *r, const struct field *table, const char *path)
{
	const char *order = request_param(r, "order_by");

	for (size_t i = 0; table[i].path; i++)
		if (r->sel[i] && strcmp(table[i].path, path) == 0)
			return true;
	return order && strstr(order, path); /* filtered fields are selected as well */
}

static bool is_action(const char *const *params, const char *name)
{
	static const char *const common[] = { "order_by", "continue_on_failure", "serial_records",
		                              "privileged_override", "start.", NULL };
	const char *const *lists[] = { common, params };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		for (const char *const *p = lists[l]; p && *p; p++) {
			size_t n = strlen(*p);

			if (strcmp(*p, name) == 0 || ((*p)[n - 1] == '.' && strncmp(*p, name, n) == 0))
				return true;
		}
	return false;
}

static int bad_param(struct fail *f, const struct param *q, const char *want)
{
	return fail_field(f, 400, E_FIELD_VALUE, q->name,
	                  "The value \"%s\" is invalid for field \"%s\" (%s)", q->value, q->name, want);
}

int request_read_query(struct req *r, const struct field *table, const char *const *params,
                       struct fail *f)
{
	const char *fields = request_param(r, "fields");

	r->max_records = 10000;
	r->return_timeout = r->verb == V_GET ? 15 : 0;
	r->return_records = r->verb == V_GET;
	r->ignore_unknown = request_flag(r, "ignore_unknown_fields", false);
	for (int i = 0; i < r->nparam; i++) {
		struct param *q = &r->param[i];

		q->used = true;
		if (strcmp(q->name, "fields") == 0 || strcmp(q->name, "ignore_unknown_fields") == 0) {
			continue;
		} else if (strcmp(q->name, "max_records") == 0) {
			if (!sim_parse_int(q->value, 1, INT64_MAX, &r->max_records))
				return bad_param(f, q, "<integer>, at least 1");
			if (r->max_records > 10000)
				r->max_records = 10000;
		} else if (strcmp(q->name, "return_timeout") == 0) {
			if (!sim_parse_int(q->value, 0, 120, &r->return_timeout))
				return bad_param(f, q, "<integer>, 0 to 120");
		} else if (strcmp(q->name, "return_records") == 0) {
			r->return_records = as_bool(q->value, r->return_records);
			r->return_records_given = true;
		} else if (!is_action(params, q->name)) {
			AUTO_FREE char *path = request_filter_path(table, q->name);

			q->used = false;
			if (!path && r->ignore_unknown)
				q->used = true;
			else if (!path)
				return fail_field(f, 400, E_UNKNOWN_FIELD, q->name,
				                  "Unexpected argument \"%s\".", q->name);
		}
	}
	/* An empty fields= means "not given". */
	r->any_fields = fields && fields[strspn(fields, ", ")];
	return r->any_fields ? field_select(table, fields, r->ignore_unknown, r->sel, f) : 0;
}
