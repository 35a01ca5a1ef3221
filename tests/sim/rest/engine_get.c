/*
 * Reading: collect, filter, order, page, project.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/engine.h"
#include "tests/sim/rest/filter.h"

#define ORDER_MAX 8

struct order {
	int n;
	struct {
		char path[80];
		bool desc;
	} by[ORDER_MAX];
};

static int read_order(struct req *r, const struct resource *res, struct order *o, struct fail *f)
{
	const char *text = request_param(r, "order_by");
	AUTO_FREE char *copy = sim_dup(text ? text : "");
	char *save = NULL;

	o->n = 0;
	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		char name[80], dir[8] = "asc", rest[2];
		int n = sscanf(p, " %79s %7s %1s", name, dir, rest);
		AUTO_FREE char *path = n > 0 ? request_filter_path(res->fields, name) : NULL;

		if (n == 1 || n == 2) {
			bool desc = strcmp(dir, "desc") == 0;

			if (path && (desc || strcmp(dir, "asc") == 0) && o->n < ORDER_MAX) {
				snprintf(o->by[o->n].path, sizeof(o->by[0].path), "%s", path);
				o->by[o->n++].desc = desc;
				continue;
			}
		}
		return fail_field(f, 400, E_FIELD_VALUE, "order_by",
		                  "The value \"%s\" is invalid for field \"order_by\"", p);
	}
	return 0;
}

/* Order of two records by their keys, then by age. */
static int compare(const struct order *o, json_t *ka, int64_t sa, json_t *kb, int64_t sb)
{
	for (int i = 0; i < o->n; i++) {
		json_t *a = json_array_get(ka, (size_t)i), *b = json_array_get(kb, (size_t)i);
		int c = value_compare(a, b);

		/* Descending turns the values round; what has none stays at the end. */
		if (c && o->by[i].desc && !json_is_null(a) && !json_is_null(b))
			c = -c;
		if (c)
			return c;
	}
	return (sa > sb) - (sa < sb);
}

static int compare_entries(const void *a, const void *b, void *arg)
{
	const struct list_entry *x = a, *y = b;

	return compare(arg, x->key, x->seq, y->key, y->seq);
}

static json_t *order_key(const struct order *o, json_t *rec)
{
	json_t *key = json_array();

	for (int i = 0; i < o->n; i++) {
		json_t *v = value_first(rec, o->by[i].path);

		if (v)
			json_array_append(key, v);
		else
			json_array_append_new(key, json_null());
	}
	return key;
}

static bool is_lazy(const struct resource *res, const char *path)
{
	const struct field *fd = field_find(res->fields, path);

	return fd && (fd->flags & F_LAZY);
}

/* Does a record meet the filters? lazy says which half of them to look at. */
static bool matches(struct req *r, const struct resource *res, bool lazy, json_t *rec)
{
	bool ok = true;

	for (int k = 0; ok && k < r->nparam; k++) {
		AUTO_FREE char *path = NULL;

		if (r->param[k].used)
			continue;
		path = request_filter_path(res->fields, r->param[k].name);
		if (path && is_lazy(res, path) == lazy)
			ok = filter_match(rec, path, field_find(res->fields, path)->type, r->param[k].value);
	}
	return ok;
}

static bool keep_matching(struct req *r, const struct resource *res, json_t *rec)
{
	return matches(r, res, false, rec);
}

static void keep_matching_lazy(struct req *r, const struct resource *res, struct list *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (matches(r, res, true, l->entry[i].rec))
			l->entry[kept++] = l->entry[i];
		else
			json_decref(l->entry[i].rec);
	l->n = kept;
}

static bool filters_lazy(struct req *r, const struct resource *res)
{
	for (int k = 0; k < r->nparam; k++) {
		AUTO_FREE char *path = r->param[k].used ? NULL :
		                                          request_filter_path(res->fields, r->param[k].name);

		if (path && is_lazy(res, path))
			return true;
	}
	return false;
}

/* Are lazy fields wanted: to be shown, filtered or ordered by? */
static bool wants_lazy(struct req *r, const struct resource *res, const struct order *o)
{
	for (size_t i = 0; res->fields[i].path; i++)
		if (r->sel[i] && (res->fields[i].flags & F_LAZY))
			return true;
	if (filters_lazy(r, res))
		return true;
	for (int i = 0; i < o->n; i++)
		if (is_lazy(res, o->by[i].path))
			return true;
	return false;
}

int engine_collect(struct req *r, const struct resource *res, const char *key, struct list *out,
                   struct fail *f)
{
	struct order o;
	size_t kept = 0;
	int rc;

	if (read_order(r, res, &o, f) < 0)
		return -1;
	out->keep = keep_matching;
	out->r = r;
	out->res = res;
	model_lock(r->m);
	rc = res->list(r, key, out, f);
	model_unlock(r->m);
	out->keep = NULL;
	if (rc < 0)
		return -1;
	for (size_t i = 0; key && i < out->n; i++) {
		json_t *v = json_at(out->entry[i].rec, res->key);
		AUTO_FREE char *num = json_is_integer(v) ? sim_fmt("%lld", (long long)json_integer_value(v)) :
		                                           NULL;
		const char *text = num ? num : json_string_value(v);

		if (text && strcmp(text, key) == 0)
			out->entry[kept++] = out->entry[i];
		else
			json_decref(out->entry[i].rec);
	}
	if (key)
		out->n = kept;
	if (res->fill && wants_lazy(r, res, &o)) {
		for (size_t i = 0; i < out->n; i++)
			res->fill(r, out->entry[i].rec);
		keep_matching_lazy(r, res, out);
	}
	for (size_t i = 0; i < out->n; i++)
		out->entry[i].key = order_key(&o, out->entry[i].rec);
	if (out->n) /* an empty list has no array at all */
		qsort_r(out->entry, out->n, sizeof(*out->entry), compare_entries, &o);
	return 0;
}

/* ---- paging --------------------------------------------------------------- */

/* The cursor is the place of the last record shown, not a number of records: what
 * is made or removed meanwhile cannot shift the next page. */
static char *cursor_of(const struct list_entry *e)
{
	AUTO_JSON json_t *c = json_pack("{s:O, s:I}", "k", e->key, "s", (json_int_t)e->seq);
	AUTO_FREE char *text = json_dumps(c, JSON_COMPACT);
	char *b64 = sim_base64(text ? text : "", text ? strlen(text) : 0);

	for (char *p = b64; *p; p++)
		*p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p);
	b64[strcspn(b64, "=")] = '\0';
	return b64;
}

/* The cursor of the request, owned by the caller; NULL when it has none. */
static int read_cursor(struct req *r, const struct order *o, json_t **ret, struct fail *f)
{
	const char *text = request_param(r, "start.key");
	AUTO_FREE char *raw = NULL;
	AUTO_JSON json_t *c = NULL;
	size_t len;

	*ret = NULL;
	if (!text)
		return 0;
	raw = sim_unbase64(text, &len);
	c = raw ? json_loadb(raw, len, 0, NULL) : NULL;
	if (!json_is_array(json_at(c, "k")) || json_array_size(json_at(c, "k")) != (size_t)o->n ||
	    !json_is_integer(json_at(c, "s")))
		return fail_field(f, 400, E_FIELD_VALUE, "start.key",
		                  "The value \"%.60s\" is invalid for field \"start.key\"", text);
	*ret = json_incref(c);
	return 0;
}

/* The index of the first record behind the cursor. */
static size_t find_start(const struct order *o, const struct list *l, const json_t *cursor)
{
	size_t i = 0;

	while (cursor && i < l->n &&
	       compare(o, l->entry[i].key, l->entry[i].seq, json_at(cursor, "k"), json_num(cursor, "s", 0)) <= 0)
		i++;
	return i;
}

static char *next_href(struct req *r, const struct list_entry *last)
{
	AUTO_FREE char *cursor = cursor_of(last);
	AUTO_FREE char *copy = sim_dup(r->query);
	char *save = NULL, *out = sim_fmt("%s?", r->path);

	for (char *p = strtok_r(copy, "&", &save); p; p = strtok_r(NULL, "&", &save)) {
		char *longer;

		if (strncmp(p, "start.", 6) == 0)
			continue;
		longer = sim_fmt("%s%s&", out, p);
		free(out);
		out = longer;
	}
	{
		char *whole = sim_fmt("%sstart.key=%s", out, cursor);

		free(out);
		return whole;
	}
}

/* ---- replies -------------------------------------------------------------- */

static json_t *show(struct req *r, const struct resource *res, json_t *rec)
{
	json_t *out = field_project(res->fields, r->sel, rec, r->links);

	if (r->links) {
		AUTO_FREE char *self = engine_self(r, res, rec);

		json_object_set_new(out, "_links", json_pack("{s:{s:s}}", "self", "href", self));
	}
	return out;
}

static void show_collection(struct req *r, const struct resource *res, struct list *l, size_t from,
                            struct reply *rep)
{
	size_t to = l->n - from > (size_t)r->max_records ? from + (size_t)r->max_records : l->n;
	json_t *body = json_object(), *records = json_array();

	if (r->return_records) {
		for (size_t i = from; i < to; i++)
			json_array_append_new(records, show(r, res, l->entry[i].rec));
		json_object_set(body, "records", records);
	}
	json_decref(records);
	json_object_set_new(body, "num_records", json_integer((json_int_t)(to - from)));
	if (r->links) {
		AUTO_FREE char *self = sim_fmt("%s%s%s", r->path, *r->query ? "?" : "", r->query);

		json_put(body, "_links.self.href", json_string(self));
	}
	if (to < l->n) {
		AUTO_FREE char *next = next_href(r, &l->entry[to - 1]);

		json_put(body, "_links.next.href", json_string(next));
	}
	rep->status = 200;
	rep->body = body;
}

static void select_default(struct req *r, const struct resource *res, bool one)
{
	for (size_t i = 0; res->fields[i].path; i++) {
		/* A field that was filtered by is shown too: clients read it back. */
		for (int k = 0; k < r->nparam; k++) {
			AUTO_FREE char *path = r->param[k].used ?
			                               NULL :
			                               request_filter_path(res->fields, r->param[k].name);

			if (path && strcmp(path, res->fields[i].path) == 0)
				r->sel[i] = true;
		}
		if (one && !r->any_fields && (res->fields[i].flags & F_STD))
			r->sel[i] = true;
	}
}

static int get(struct req *r, const struct resource *res, const char *key, struct list *l,
               struct reply *rep, struct fail *f)
{
	bool one = key || (res->flags & R_SINGLE);
	AUTO_JSON json_t *cursor = NULL;
	struct order o;

	if (request_read_query(r, res->fields, res->params, f) < 0)
		return -1;
	select_default(r, res, one);
	if (read_order(r, res, &o, f) < 0 || (!one && read_cursor(r, &o, &cursor, f) < 0))
		return -1;
	l->after = -1;
	if (!one && o.n == 0 && !filters_lazy(r, res)) {
		l->after = json_num(cursor, "s", -1);
		l->room = (size_t)r->max_records + 1; /* one more tells that there is a next page */
	}
	if (engine_collect(r, res, key, l, f) < 0)
		return -1;
	if (one) {
		if (l->n == 0)
			return fail_field(f, 404, E_NO_ENTRY, res->key ? res->key : "", "entry doesn't exist");
		rep->status = 200;
		rep->body = show(r, res, l->entry[0].rec);
		return 0;
	}
	show_collection(r, res, l, find_start(&o, l, cursor), rep);
	return 0;
}

void engine_get(struct req *r, const struct resource *res, const char *key, struct reply *rep)
{
	struct list l = { 0 };
	struct fail f = { 0 };

	if (get(r, res, key, &l, rep, &f) < 0)
		reply_fail(rep, &f);
	list_fini(&l);
}
