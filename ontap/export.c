/* Export policies: one by name, with its rules. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ontap/call.h"
#include "ontap/parse.h"

/* clients: [{"match": "10.0.0.0/8"}, ...] */
static void parse_clients(struct reader *r, char *dst, size_t size)
{
	static const char more[] = ",...";
	struct json_object *list;
	size_t used = 0, room = size - sizeof(more);
	int n = js_len(r->rec, "clients");
	if (n == -ENOENT)
		return;
	if (n < 0 || js_find(r->rec, "clients", &list) < 0) {
		rd_bad(r, "clients", "has the wrong type");
		return;
	}
	for (size_t i = 0; i < (size_t)n; i++) {
		const char *match;
		if (js_str(js_at(list, i), "match", &match) < 0) {
			rd_bad(r, "clients.match", "is missing or no text");
			return;
		}
		if (used + strlen(match) + 1 > room) {
			memcpy(dst + used, more + (used == 0), sizeof(more) - (used == 0));
			return;
		}
		used += (size_t)snprintf(dst + used, size - used, "%s%s", used ? "," : "", match);
	}
}

int export_rule_parse(struct json_object *rec, struct ontap_export_rule *ret, char why[160])
{
	struct ontap_export_rule x = {0};
	struct reader r;
	rd_init(&r, rec);
	rd_int(&r, "index", 0, INT64_MAX, &x.index, OPTIONAL);
	parse_clients(&r, x.clients, sizeof(x.clients));
	rd_words(&r, "ro_rule", x.ro, sizeof(x.ro));
	rd_words(&r, "rw_rule", x.rw, sizeof(x.rw));
	rd_words(&r, "superuser", x.superuser, sizeof(x.superuser));
	rd_words(&r, "protocols", x.protocols, sizeof(x.protocols));
	rd_text(&r, "anonymous_user", x.anonymous_user, sizeof(x.anonymous_user));
	return rd_done(&r, why, ret, &x, sizeof(x));
}

struct export_call {
	struct read_call r; /* its rows are the rules */
	struct ontap_export x;
	bool found;
};

static struct export_call *of(struct call *c)
{
	return (struct export_call *)c;
}

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return export_rule_parse(rec, ret, why);
}

static const struct kind rule_kind = {"a rule of an export policy", sizeof(struct ontap_export_rule), parse,
				      NULL, 0};

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)n;
	((ontap_export_fn)fn)(data, e, priv);
}

static int by_index(const void *a, const void *b)
{
	int64_t x = ((const struct ontap_export_rule *)a)->index, y = ((const struct ontap_export_rule *)b)->index;
	return x < y ? -1 : x > y ? 1 : 0;
}

static void rules_end(struct call *c, const struct ontap_error *e)
{
	struct export_call *xc = of(c);
	if (!e) {
		if (xc->r.n > 1)
			qsort(xc->r.row, xc->r.n, sizeof(struct ontap_export_rule), by_index);
		xc->x.rules = xc->r.row;
		xc->x.nrules = xc->r.n;
		c->result = &xc->x;
	}
	call_end(c, e);
}

/* From their own collection: inside the policy, long lists come cut. */
static void request_rules(struct call *c)
{
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/protocols/nfs/export-policies/%lld/rules?fields=index,clients,ro_rule,rw_rule,superuser,"
		     "protocols,anonymous_user&max_records=1000", (long long)of(c)->x.id);
}

static int policy_record(struct call *c, struct json_object *rec)
{
	struct export_call *xc = of(c);
	const char *name = "";
	int64_t id;
	/* The server's filter is a pattern, ours is exact. */
	if (js_str(rec, "name", &name) == 0 && strcmp(name, xc->x.name) == 0 &&
	    js_int(rec, "id", 0, INT64_MAX, &id) == 0) {
		xc->found = true;
		xc->x.id = id;
	}
	return 0;
}

static void policies_end(struct call *c, const struct ontap_error *e)
{
	if (e)
		call_end(c, e);
	else if (!of(c)->found)
		call_fail(c, -ENOENT, "cannot %s: the SVM has none of that name", c->what);
	else
		read_list(c, &rule_kind, request_rules, rules_end);
}

static void start(struct call *c)
{
	struct export_call *xc = of(c);
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/protocols/nfs/export-policies?fields=id,name");
	param_svm(c);
	if (!query_is_expression(xc->x.name))
		call_param(c, "name", xc->x.name);
	page_run(c, policy_record, policies_end);
}

static const struct call_ops ops = {sizeof(struct export_call), start, tell, read_fini};

void ontap_export_get(struct ontap *o, const char *name, ontap_export_fn fn, void *priv)
{
	struct call *c = call_new(o, &ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "read export policy \"%.250s\"", name);
	call_take(c, of(c)->x.name, sizeof(of(c)->x.name), name);
	if (!*name)
		call_invalid(c);
}
