/*
 * What administration asks for beside storage: /security/accounts and roles,
 * /cluster/licensing/licenses, /svm/peers, /support/ems/application-logs.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/seed.h"

/* ---- /security/accounts --------------------------------------------------- */

static const struct field account_fields[] = {
	{ "owner.uuid", F_KEY | F_STD, T_STR }, { "owner.name", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD, T_STR },       { "scope", F_STD, T_STR },
	{ "role.name", F_STD, T_STR },          { "locked", F_STD, T_BOOL },
	{ "comment", F_STD, T_STR },            { "applications.application", F_STD, T_STR },
	{ "applications.authentication_methods", F_STD, T_ANY },
	{ "applications.second_authentication_method", F_STD, T_STR },
	{ "password_hash_algorithm", F_STD, T_STR }, { "ldap_fastbind", 0, T_BOOL },
	{ NULL, 0, T_ANY },
};

/* The owner of an account or role: the cluster or the SVM. */
static void put_owner(struct model *m, json_t *rec, bool cluster)
{
	if (cluster)
		json_put(rec, "owner", make_ref(SIM_CLUSTER, m->cluster_uuid, NULL));
	else
		json_put(rec, "owner", make_svm_ref(m));
	json_put(rec, "scope", json_string(cluster ? "cluster" : "svm"));
}

static int list_accounts(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT a.name,a.scope,a.rowid,coalesce((SELECT value FROM settings"
	                                     " WHERE key='" ACCOUNT_LOCKED "'||a.name),'0')"
	                                     " FROM accounts a WHERE ?1 IS NULL OR a.name=?1 ORDER BY a.rowid",
	                                     "s", key);

	(void)f;
	while (db_row(s)) {
		bool cluster = strcmp(db_col_text(s, 1), "cluster") == 0;
		json_t *rec;

		if (cluster && !r->cluster_admin)
			continue;
		rec = json_pack("{s:s, s:{s:s}, s:b, s:s, s:[{s:s, s:[s], s:s}]}", "name", db_col_text(s, 0),
		                "role", "name", cluster ? "admin" : "vsadmin", "locked",
		                strcmp(db_col_text(s, 3), "1") == 0, "password_hash_algorithm", "sha512",
		                "applications", "application", "http", "authentication_methods", "password",
		                "second_authentication_method", "none");
		put_owner(r->m, rec, cluster);
		list_add(out, db_col_int(s, 2), rec);
	}
	return 0;
}

const struct resource res_accounts = {
	.collection = "/security/accounts",
	.item = "/security/accounts/{owner.uuid}/{name}",
	.key = "name",
	.fields = account_fields,
	.list = list_accounts,
};

/* ---- /security/roles ------------------------------------------------------ */

static const struct field role_fields[] = {
	{ "owner.uuid", F_KEY | F_STD, T_STR },      { "owner.name", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD, T_STR },            { "scope", F_STD, T_STR },
	{ "builtin", F_STD, T_BOOL },                { "comment", F_STD, T_STR },
	{ "privileges.path", F_STD, T_STR },         { "privileges.access", F_STD, T_STR },
	{ NULL, 0, T_ANY },
};

static int list_roles(struct req *r, const char *key, struct list *out, struct fail *f)
{
	static const char *const name[] = { "admin", "vsadmin" };

	(void)key;
	(void)f;
	for (size_t i = r->cluster_admin ? 0 : 1; i < ARRAY_LEN(name); i++) {
		json_t *rec = json_pack("{s:s, s:b, s:[{s:s, s:s}]}", "name", name[i], "builtin", 1,
		                        "privileges", "path", "/api", "access", "all");

		if (i == 1)
			json_put(rec, "privileges", role_privileges(r->m));
		put_owner(r->m, rec, i == 0);
		list_add(out, (int64_t)i, rec);
	}
	return 0;
}

const struct resource res_roles = {
	.collection = "/security/roles",
	.item = "/security/roles/{owner.uuid}/{name}",
	.key = "name",
	.fields = role_fields,
	.list = list_roles,
};

/* ---- /cluster/licensing/licenses ------------------------------------------ */

static const struct field license_fields[] = {
	{ "name", F_KEY | F_STD, T_STR },  { "scope", F_STD, T_STR },
	{ "state", F_STD, T_STR },         { "description", F_STD, T_STR },
	{ "entitlement", F_TREE, T_ANY },  { "licenses", F_STD | F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static int list_licenses(struct req *r, const char *key, struct list *out, struct fail *f)
{
	static const char *const name[] = { "base", "nfs", "flexclone", "snaprestore", "snapmirror" };

	(void)key;
	(void)f;
	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		json_t *rec;

		if (!license_there(r->m, name[i]))
			continue;
		rec = json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:b}]}", "name", name[i], "scope", "cluster",
		                "state", "compliant", "licenses", "owner", SIM_CLUSTER, "serial_number",
		                "1-80-000008", "active", 1);
		list_add(out, (int64_t)i, rec);
	}
	return 0;
}

bool license_there(struct model *m, const char *name)
{
	AUTO_FREE char *key = sim_fmt(UNLICENSED "%s", name);

	return !db_setting_int(m->db, key, 0);
}

const struct resource res_licenses = {
	.collection = "/cluster/licensing/licenses",
	.item = "/cluster/licensing/licenses/{name}",
	.key = "name",
	.fields = license_fields,
	.flags = R_CLUSTER_ONLY,
	.list = list_licenses,
};

/* ---- /svm/peers ----------------------------------------------------------- */

static const struct field peer_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },          { "name", F_STD, T_STR },
	{ "svm.name", F_STD, T_STR },              { "svm.uuid", F_STD, T_STR },
	{ "peer.svm.name", F_STD, T_STR },         { "peer.svm.uuid", F_STD, T_STR },
	{ "peer.cluster.name", F_STD, T_STR },     { "peer.cluster.uuid", F_STD, T_STR },
	{ "state", F_STD, T_STR },                 { "applications", F_STD, T_ANY },
	{ NULL, 0, T_ANY },
};

/* There is one SVM, and so nobody it could be peered with. */
static int list_peers(struct req *r, const char *key, struct list *out, struct fail *f)
{
	(void)r;
	(void)key;
	(void)out;
	(void)f;
	return 0;
}

const struct resource res_peers = {
	.collection = "/svm/peers",
	.item = "/svm/peers/{uuid}",
	.key = "uuid",
	.fields = peer_fields,
	.list = list_peers,
};

/* ---- /support/ems/application-logs ---------------------------------------- */

static const struct field ems_fields[] = {
	{ "app_version", F_KEY | F_POST, T_STR },   { "autosupport_required", F_KEY | F_POST, T_BOOL },
	{ "category", F_KEY | F_POST, T_STR },      { "computer_name", F_KEY | F_POST, T_STR },
	{ "event_description", F_KEY | F_POST, T_STR }, { "event_id", F_KEY | F_POST, T_INT },
	{ "event_source", F_KEY | F_POST, T_STR },  { "severity", F_KEY | F_POST, T_STR },
	{ NULL, 0, T_ANY },
};

static int post_ems(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	(void)r;
	for (size_t i = 0; ems_fields[i].path; i++)
		if (!json_at(body, ems_fields[i].path))
			return fail_field(f, 400, E_FIELD_MISSING, ems_fields[i].path,
			                  "Field \"%s\" is required", ems_fields[i].path);
	sim_log("ems: %s of %s on %s, event %lld (%s): %s", json_text(body, "severity"),
	        json_text(body, "event_source"), json_text(body, "computer_name"),
	        (long long)json_num(body, "event_id", 0), json_text(body, "category"),
	        json_text(body, "event_description"));
	out->record = json_incref(body);
	return 0;
}

const struct resource res_ems = {
	.collection = "/support/ems/application-logs",
	.fields = ems_fields,
	.post = post_ems,
};
