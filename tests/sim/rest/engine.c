/*
 * From an address to a resource, and the forms of errors and links.
 */
#include "tests/sim/rest/engine.h"

#include <stdio.h>
#include <string.h>

bool list_add(struct list *l, int64_t seq, json_t *rec)
{
	if (l->keep && !l->keep(l->r, l->res, rec)) {
		json_decref(rec);
		return false;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct list_entry *e = realloc(l->entry, cap * sizeof(*e));

		if (!e)
			abort(); /* out of memory, not input: collections are small */
		l->entry = e;
		l->cap = cap;
	}
	l->entry[l->n++] = (struct list_entry){ .rec = rec, .seq = seq };
	return true;
}

void list_fini(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		json_decref(l->entry[i].rec);
		json_decref(l->entry[i].key);
	}
	free(l->entry);
	memset(l, 0, sizeof(*l));
}

void reply_fini(struct reply *rep)
{
	json_decref(rep->body);
	free(rep->location);
	free(rep->allow);
	memset(rep, 0, sizeof(*rep));
}

void reply_fail(struct reply *rep, const struct fail *f)
{
	AUTO_FREE char *code = sim_fmt("%lld", (long long)f->code);

	rep->status = f->http ? f->http : 500;
	json_decref(rep->body);
	rep->body = json_pack("{s:{s:s, s:s, s:s*}}", "error", "message", f->text, "code", code, "target",
	                      f->target[0] ? f->target : NULL);
	if (!rep->body) /* the text was cut inside a character */
		rep->body = json_pack("{s:{s:s, s:s}}", "error", "message", "The request is not valid", "code",
		                      code);
}

char *engine_self(const struct req *r, const struct resource *res, json_t *rec)
{
	const char *p = res->item ? res->item : res->collection;
	char *out = sim_dup("/api");

	while (*p) {
		size_t n = strcspn(p, "{");
		AUTO_FREE char *name = NULL;
		AUTO_FREE char *num = NULL;
		char *longer = sim_fmt("%s%.*s", out, (int)n, p);
		const char *value;
		json_t *v;

		free(out);
		out = longer;
		p += n;
		if (!*p)
			break;
		n = strcspn(p, "}");
		name = sim_fmt("%.*s", (int)n - 1, p + 1);
		v = json_at(rec, name);
		value = json_string_value(v);
		if (json_is_integer(v)) {
			num = sim_fmt("%lld", (long long)json_integer_value(v));
			value = num;
		}
		if (!value)
			value = request_path(r, name);
		longer = sim_fmt("%s%s", out, value ? value : "");
		free(out);
		out = longer;
		p += n + (p[n] == '}');
	}
	return out;
}

/* Does the path of the request fit the template? */
static bool fits(const struct req *r, const char *tmpl)
{
	int i = 0;

	while (tmpl && *tmpl) {
		size_t n;

		tmpl += *tmpl == '/';
		n = strcspn(tmpl, "/");
		if (i == r->nseg)
			return false;
		if (*tmpl != '{' && (strncmp(r->seg[i], tmpl, n) != 0 || r->seg[i][n] != '\0'))
			return false;
		i++;
		tmpl += n;
	}
	return tmpl && i == r->nseg;
}

static char *allowed(const struct resource *res, bool item)
{
	bool post = res->post && !item;

	return sim_fmt("%sOPTIONS%s%s%s", res->list ? "GET, HEAD, " : "", post ? ", POST" : "",
	               res->patch ? ", PATCH" : "",
	               res->del ? ", DELETE" : "");
}

static void dispatch(struct req *r, const struct resource *res, bool item, struct reply *rep)
{
	const char *key = item && res->key ? request_path(r, res->key) : NULL;
	struct fail f = { 0 };

	r->tmpl = item ? res->item : res->collection;
	if (item && res->key)
		key = request_path(r, res->key);
	if (((res->flags & R_CLUSTER_ONLY) && !r->cluster_admin) || !role_allows(r)) {
		fail_set(&f, 403, E_PERMISSION, "not authorized for that command");
		reply_fail(rep, &f);
		return;
	}
	switch (r->verb) {
	case V_OPTIONS:
		rep->status = 200;
		rep->allow = allowed(res, item);
		return;
	case V_GET:
		if (res->list) {
			engine_get(r, res, key, rep);
			return;
		}
		break;
	case V_POST:
		if (res->post && !item) {
			engine_write(r, res, NULL, rep);
			return;
		}
		break;
	case V_PATCH:
	case V_DELETE:
		if (r->verb == V_PATCH ? res->patch != NULL : res->del != NULL) {
			engine_write(r, res, key, rep);
			return;
		}
		break;
	case V_OTHER:
		break;
	}
	fail_set(&f, 405, E_UNSUPPORTED, "Method not allowed");
	reply_fail(rep, &f);
	rep->allow = allowed(res, item);
}

void engine_handle(struct req *r, struct reply *rep)
{
	struct fail f = { 0 };

	for (size_t i = 0; routes[i]; i++) {
		bool item = fits(r, routes[i]->item);

		if (item || fits(r, routes[i]->collection)) {
			dispatch(r, routes[i], item, rep);
			return;
		}
	}
	fail_set(&f, 404, E_UNSUPPORTED, "API not found");
	reply_fail(rep, &f);
}
