/* What the account of this client may do, and which licences there are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ontap/call.h"
#include "ontap/parse.h"

int account_parse(struct json_object *rec, struct ontap_account *ret, char why[160])
{
	struct ontap_account a = {0};
	struct reader r;
	rd_init(&r, rec);
	rd_str(&r, "name", a.user, sizeof(a.user), REQUIRED);
	rd_str(&r, "role.name", a.role, sizeof(a.role), REQUIRED);
	rd_str(&r, "owner.name", a.owner, sizeof(a.owner), OPTIONAL);
	rd_bool(&r, "locked", &a.locked, OPTIONAL);
	return rd_done(&r, why, ret, &a, sizeof(a));
}

int privilege_parse(struct json_object *rec, struct ontap_privilege *ret, char why[160])
{
	struct ontap_privilege p = {{0}, {0}};
	struct reader r;
	rd_init(&r, rec);
	rd_str(&r, "path", p.path, sizeof(p.path), REQUIRED);
	rd_str(&r, "access", p.access, sizeof(p.access), REQUIRED);
	return rd_done(&r, why, ret, &p, sizeof(p));
}

/* "state": compliant, noncompliant, unlicensed, unknown. */
int licence_parse(struct json_object *rec, enum ontap_licence *ret, char why[160])
{
	enum ontap_licence l = ONTAP_LICENCE_OK; /* an entry without a state is a licence */
	struct reader r;
	char state[32];
	rd_init(&r, rec);
	rd_str(&r, "state", state, sizeof(state), OPTIONAL);
	if (strcasecmp(state, "unlicensed") == 0)
		l = ONTAP_LICENCE_NONE;
	else if (strcasecmp(state, "noncompliant") == 0)
		l = ONTAP_LICENCE_BAD;
	return rd_done(&r, why, ret, &l, sizeof(l));
}

/* ---- the account ------------------------------------------------------------ */

struct account_call {
	struct read_call r; /* its rows are the privileges */
	struct ontap_account a;
	char user[ONTAP_NAME_MAX + 1];
	struct uuid owner;
	bool found;
};

static struct account_call *of(struct call *c)
{
	return (struct account_call *)c;
}

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return privilege_parse(rec, ret, why);
}

static const struct kind privilege_kind = {"a privilege", sizeof(struct ontap_privilege), parse, NULL, 0};

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)n;
	((ontap_account_fn)fn)(data, e, priv);
}

static void on_role(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct account_call *ac = of(c);
	struct json_object *rec = e ? NULL : page_instance(root), *list = NULL;
	/* Whoever may not read the role is told so; whatever else failed, failed. */
	if (e && e->http_status != 403 && e->err != -ENOENT && e->err != -EOPNOTSUPP) {
		call_end(c, e);
		return;
	}
	int n = rec ? js_len(rec, "privileges") : -ENOENT;
	for (int i = 0; i < n && js_find(rec, "privileges", &list) == 0; i++) {
		struct ontap_privilege p;
		char why[160];
		if (privilege_parse(js_at(list, (size_t)i), &p, why) < 0)
			continue;
		if (read_add(&ac->r, &p) < 0) {
			call_fail(c, -ENOMEM, "cannot %s: out of memory", c->what);
			return;
		}
	}
	ac->a.privileges_known = n >= 0;
	ac->a.privileges = ac->r.row;
	ac->a.nprivileges = ac->r.n;
	c->result = &ac->a;
	call_end(c, NULL);
}

static void ask_role(struct call *c)
{
	struct account_call *ac = of(c);
	char text[UUID_TEXT_LEN + 1];
	ac->r.kind = &privilege_kind;
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/security/roles/%s/", uuid_format(&ac->owner, text));
	http_escape(&c->path, ac->a.role);
	buf_puts(&c->path, "?fields=privileges");
	call_send(c, on_role);
}

static int account_record(struct call *c, struct json_object *rec)
{
	struct account_call *ac = of(c);
	struct ontap_account a;
	struct uuid owner;
	char why[160];
	if (account_parse(rec, &a, why) < 0 || strcmp(a.user, ac->user) != 0 ||
	    js_uuid(rec, "owner.uuid", &owner) < 0)
		return 0;
	/* The same name may exist in several SVMs: ours counts, then the first. */
	bool ours = c->o->svm_known && uuid_eq(&owner, &c->o->svm_uuid);
	if (ac->found && !ours)
		return 0;
	ac->found = true;
	ac->a = a;
	ac->owner = owner;
	return 0;
}

static void accounts_end(struct call *c, const struct ontap_error *e)
{
	if (e)
		call_end(c, e);
	else if (!of(c)->found)
		call_fail(c, -ENOENT, "cannot %s: it does not see itself", c->what);
	else
		ask_role(c);
}

static void account_start(struct call *c)
{
	const char *user = http_who(c->o->http)->user;
	if (!user) {
		call_fail(c, -EOPNOTSUPP, "cannot %s: with a client certificate its name is not known", c->what);
		return;
	}
	snprintf(of(c)->user, sizeof(of(c)->user), "%s", user);
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/security/accounts?fields=name,role.name,owner,locked");
	if (!query_is_expression(user))
		call_param(c, "name", user);
	page_run(c, account_record, accounts_end);
}

static const struct call_ops account_ops = {sizeof(struct account_call), account_start, tell, read_fini};

void ontap_account_get(struct ontap *o, ontap_account_fn fn, void *priv)
{
	struct call *c = call_new(o, &account_ops, (void (*)(void))fn, priv);
	if (c)
		call_what(c, "read the account of this login");
}

/* ---- licences ------------------------------------------------------------------ */

struct licence_call {
	struct call c;
	char name[64];
	enum ontap_licence best; /* of the nodes' licences */
};

static void tell_licence(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	const enum ontap_licence *l = data;
	(void)n;
	((ontap_licence_fn)fn)(l ? *l : ONTAP_LICENCE_NONE, e, priv);
}

static int licence_record(struct call *c, struct json_object *rec)
{
	struct licence_call *lc = (struct licence_call *)c;
	const char *name = "";
	enum ontap_licence l;
	char why[160];
	js_str(rec, "name", &name);
	if (strcasecmp(name, lc->name) == 0 && licence_parse(rec, &l, why) == 0 && l > lc->best)
		lc->best = l;
	return 0;
}

static void licence_start(struct call *c)
{
	struct licence_call *lc = (struct licence_call *)c;
	c->result = &lc->best;
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/cluster/licensing/licenses?fields=name,state");
	call_param(c, "name", lc->name);
	page_run(c, licence_record, call_end);
}

static const struct call_ops licence_ops = {sizeof(struct licence_call), licence_start, tell_licence, NULL};

void ontap_licence_get(struct ontap *o, const char *name, ontap_licence_fn fn, void *priv)
{
	struct call *c = call_new(o, &licence_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct licence_call *lc = (struct licence_call *)c;
	call_what(c, "read the licence \"%.60s\"", name);
	call_take(c, lc->name, sizeof(lc->name), name);
	if (!*name || query_is_expression(name))
		call_invalid(c);
}
