/*
 * /protocols/nfs/export-policies and their rules.  These are the synchronous ones:
 * 201 or 200, no job.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/seed.h"

#define NAME_MAX_LEN 256

enum {
	E_POLICY_IN_USE = 1703945,
	E_POLICY_DEFAULT = 1703947,
	E_POLICY_GONE = 1703954,
	E_RULE_MATCH = 1704049,
	E_RULE_DUPLICATE = 1704070,
};

/* ---- lists of words and clients ------------------------------------------- */

/* "a,b" to ["a","b"]. */
static json_t *words_to_json(const char *text)
{
	AUTO_FREE char *copy = sim_dup(text);
	json_t *list = json_array();
	char *save = NULL;

	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save))
		json_array_append_new(list, json_string(p));
	return list;
}

static json_t *clients_to_json(const char *text)
{
	AUTO_JSON json_t *words = words_to_json(text);
	json_t *list = json_array(), *w;
	size_t i;

	json_array_foreach(words, i, w)
		json_array_append_new(list, json_pack("{s:O}", "match", w));
	return list;
}

/* A list of flavours as "a,b"; NULL with f set when one is unknown. */
static char *take_words(const json_t *v, const char *field, const char *const *known, struct fail *f)
{
	char *out = sim_dup("");
	json_t *e;
	size_t i;

	if (!json_is_array(v) || !json_array_size(v))
		goto bad;
	json_array_foreach(v, i, e) {
		const char *s = json_string_value(e);
		const char *const *k = known;
		char *longer;

		while (s && *k && strcmp(*k, s) != 0)
			k++;
		if (!s || !*k)
			goto bad;
		longer = sim_fmt("%s%s%s", out, i ? "," : "", s);
		free(out);
		out = longer;
	}
	return out;
bad:
	free(out);
	fail_field(f, 400, E_FIELD_VALUE, field, "The value is invalid for field \"%s\"", field);
	return NULL;
}

/* An IPv4 address or subnet; the NFS face of the simulator knows no other kind. */
static bool good_client(const char *s)
{
	char address[INET_ADDRSTRLEN];
	size_t n = strcspn(s, "/");
	struct in_addr a;
	int64_t bits;

	if (!n || n >= sizeof(address))
		return false;
	memcpy(address, s, n);
	address[n] = '\0';
	if (inet_pton(AF_INET, address, &a) != 1)
		return false;
	return !s[n] || sim_parse_int(s + n + 1, 0, 32, &bits);
}

static char *take_clients(const json_t *v, struct fail *f)
{
	char *out = sim_dup("");
	json_t *e;
	size_t i;

	json_array_foreach(v, i, e) {
		const char *s = json_text(e, "match");
		char *longer;

		if (!s || !good_client(s)) {
			fail_field(f, 400, E_RULE_MATCH, "clients.match",
			           "Client match \"%.80s\" is invalid: this cluster takes IPv4 addresses and "
			           "subnets.",
			           s ? s : "");
			free(out);
			return NULL;
		}
		longer = sim_fmt("%s%s%s", out, i ? "," : "", s);
		free(out);
		out = longer;
	}
	if (*out)
		return out;
	free(out);
	fail_field(f, 400, E_FIELD_MISSING, "clients.match", "Field \"clients.match\" is required");
	return NULL;
}

/* ---- one rule ------------------------------------------------------------- */

struct rule {
	char *clients, *ro, *rw, *super, *protocols;
	int64_t anon, index;
};

static void rule_fini(struct rule *u)
{
	free(u->clients);
	free(u->ro);
	free(u->rw);
	free(u->super);
	free(u->protocols);
}

static int take_rule_word(char **to, const json_t *body, const char *field, const char *const *known,
                          const char *def, struct fail *f)
{
	const json_t *v = json_object_get(body, field);

	if (v) {
		free(*to);
		*to = take_words(v, field, known, f);
	} else if (!*to) {
		*to = sim_dup(def);
	}
	return *to ? 0 : -1;
}

/* Puts what the body says into u; on create (u empty) the rest gets its defaults. */
static int take_rule(struct rule *u, const json_t *body, struct fail *f)
{
	static const char *const flavours[] = { "any",   "none", "never", "krb5", "krb5i",
		                                "krb5p", "ntlm", "sys",   NULL };
	static const char *const protocols[] = { "any", "nfs", "nfs3", "nfs4", "cifs", "flexcache", NULL };
	json_t *clients = json_object_get(body, "clients"), *anon = json_object_get(body, "anonymous_user");
	bool fresh = !u->ro;

	if (clients || !u->clients) {
		free(u->clients);
		u->clients = take_clients(clients, f);
		if (!u->clients)
			return -1;
	}
	if (fresh && (!json_object_get(body, "ro_rule") || !json_object_get(body, "rw_rule")))
		return fail_field(f, 400, E_FIELD_MISSING,
		                  json_object_get(body, "ro_rule") ? "rw_rule" : "ro_rule",
		                  "Fields \"ro_rule\" and \"rw_rule\" are required");
	if (anon) {
		const char *s = json_string_value(anon);

		if (json_is_integer(anon))
			u->anon = json_integer_value(anon);
		else if (!s || !sim_parse_int(s, -1, UINT32_MAX, &u->anon))
			return fail_field(f, 400, E_FIELD_VALUE, "anonymous_user",
			                  "The value is invalid for field \"anonymous_user\": this cluster "
			                  "takes numbers.");
	} else if (fresh) {
		u->anon = 65534;
	}
	if (u->anon < -1 || u->anon > UINT32_MAX)
		return fail_field(f, 400, E_FIELD_VALUE, "anonymous_user",
		                  "The value is invalid for field \"anonymous_user\"");
	return take_rule_word(&u->ro, body, "ro_rule", flavours, NULL, f) < 0 ||
	                       take_rule_word(&u->rw, body, "rw_rule", flavours, NULL, f) < 0 ||
	                       take_rule_word(&u->super, body, "superuser", flavours, "none", f) < 0 ||
	                       take_rule_word(&u->protocols, body, "protocols", protocols, "any", f) < 0 ?
	               -1 :
	               0;
}

static int put_rule(struct model *m, const char *policy, const struct rule *u, struct fail *f)
{
	if (db_int(m->db, 0,
	           "SELECT count(*) FROM export_rules WHERE policy=?1 AND idx<>?2 AND clients=?3 AND"
	           " ro_rule=?4 AND rw_rule=?5 AND superuser=?6 AND protocols=?7",
	           "sisssss", policy, u->index, u->clients, u->ro, u->rw, u->super, u->protocols))
		return fail_set(f, 409, E_RULE_DUPLICATE, "An identical rule exists in export policy \"%s\".",
		                policy);
	if (db_exec(m->db,
	            "INSERT OR REPLACE INTO export_rules(policy,idx,clients,ro_rule,rw_rule,superuser,"
	            "anonymous_user,protocols) VALUES(?,?,?,?,?,?,?,?)",
	            "sissssis", policy, u->index, u->clients, u->ro, u->rw, u->super, u->anon,
	            u->protocols) < 0)
		return fail_internal(f, "write an export rule", 5);
	return 0;
}

/* A new rule at the end of the policy, inside the caller's transaction. */
static int append_rule(struct model *m, const char *policy, const json_t *body, int64_t *ret_index,
                       struct fail *f)
{
	struct rule u = { 0 };
	int r;

	u.index = db_int(m->db, 1, "SELECT max(idx)+1 FROM export_rules WHERE policy=?", "s", policy);
	r = take_rule(&u, body, f) < 0 || put_rule(m, policy, &u, f) < 0 ? -1 : 0;
	*ret_index = u.index;
	rule_fini(&u);
	return r;
}

static json_t *make_rule(sqlite3_stmt *s)
{
	json_t *rec = json_pack("{s:I}", "index", (json_int_t)db_col_int(s, 0));
	AUTO_FREE char *anon = sim_fmt("%lld", (long long)db_col_int(s, 5));

	json_put(rec, "clients", clients_to_json(db_col_text(s, 1)));
	json_put(rec, "ro_rule", words_to_json(db_col_text(s, 2)));
	json_put(rec, "rw_rule", words_to_json(db_col_text(s, 3)));
	json_put(rec, "superuser", words_to_json(db_col_text(s, 4)));
	json_put(rec, "anonymous_user", json_string(anon));
	json_put(rec, "protocols", words_to_json(db_col_text(s, 6)));
	return rec;
}

#define RULE_COLUMNS "idx,clients,ro_rule,rw_rule,superuser,anonymous_user,protocols"

static int begin(struct model *m, struct fail *f)
{
	return db_begin(m->db, true) < 0 ? fail_internal(f, "write an export policy", 5) : 0;
}

/* Ends the transaction as r says and passes r on. */
static int end(struct model *m, int r, struct outcome *out, struct fail *f)
{
	if (r < 0) {
		db_rollback(m->db);
		return -1;
	}
	if (db_commit(m->db) < 0)
		return fail_internal(f, "write an export policy", 5);
	out->reload = true;
	return 0;
}

/* ---- policies ------------------------------------------------------------- */

static const struct field policy_fields[] = {
	{ "id", F_KEY | F_STD, T_INT },
	{ "name", F_KEY | F_STD | F_POST | F_PATCH, T_STR },
	{ "svm.name", F_STD | F_POST, T_STR },
	{ "svm.uuid", F_STD | F_POST, T_STR },
	{ "rules.index", F_STD, T_INT },
	{ "rules.clients", F_STD | F_POST | F_PATCH, T_ANY },
	{ "rules.ro_rule", F_STD | F_POST | F_PATCH, T_ANY },
	{ "rules.rw_rule", F_STD | F_POST | F_PATCH, T_ANY },
	{ "rules.superuser", F_STD | F_POST | F_PATCH, T_ANY },
	{ "rules.anonymous_user", F_STD | F_POST | F_PATCH, T_ANY },
	{ "rules.protocols", F_STD | F_POST | F_PATCH, T_ANY },
	{ NULL, 0, T_ANY },
};

static int list_policies(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db, "SELECT id,name FROM export_policies ORDER BY id", "");

	(void)key;
	(void)f;
	while (db_row(s)) {
		json_t *rec = json_pack("{s:I, s:s}", "id", (json_int_t)db_col_int(s, 0), "name",
		                        db_col_text(s, 1));
		AUTO_STMT sqlite3_stmt *u = db_query(
		        r->m->db, "SELECT " RULE_COLUMNS " FROM export_rules WHERE policy=? ORDER BY idx",
		        "s", db_col_text(s, 1));
		json_t *rules = json_array();

		while (db_row(u))
			json_array_append_new(rules, make_rule(u));
		json_put(rec, "svm", make_svm_ref(r->m));
		if (json_array_size(rules))
			json_put(rec, "rules", json_incref(rules));
		json_decref(rules);
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

static int check_policy_name(struct model *m, const char *name, struct fail *f)
{
	if (!*name || strlen(name) > NAME_MAX_LEN)
		return fail_field(f, 400, E_FIELD_VALUE, "name", "An export policy name has 1 to %d characters.",
		                  NAME_MAX_LEN);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_-.", *p))
			return fail_field(f, 400, E_FIELD_VALUE, "name",
			                  "Export policy name \"%.80s\" has a character that is not allowed.",
			                  name);
	if (db_int(m->db, 0, "SELECT count(*) FROM export_policies WHERE name=?", "s", name))
		return fail_field(f, 409, E_DUPLICATE, "name", "Export policy \"%s\" already exists.", name);
	return 0;
}

static int replace_rules(struct model *m, const char *policy, const json_t *rules, struct fail *f)
{
	int64_t index;
	json_t *e;
	size_t i;

	if (!rules)
		return 0;
	if (db_exec(m->db, "DELETE FROM export_rules WHERE policy=?", "s", policy) < 0)
		return fail_internal(f, "write an export rule", 5);
	json_array_foreach(rules, i, e)
		if (append_rule(m, policy, e, &index, f) < 0)
			return -1;
	return 0;
}

static int post_policy(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name"), *svm = json_text(body, "svm.name");
	const char *svm_uuid = json_text(body, "svm.uuid");
	struct model *m = r->m;
	int rc = 0;

	if (!name)
		return fail_field(f, 400, E_FIELD_MISSING, "name", "Field \"name\" is required");
	if (!svm && !svm_uuid)
		return fail_field(f, 400, E_FIELD_MISSING, "svm.name", "Field \"svm.name\" is required");
	if ((svm && strcmp(svm, SIM_SVM) != 0) || (svm_uuid && strcmp(svm_uuid, m->svm_uuid) != 0))
		return fail_field(f, 400, 2621462, "svm.name", "SVM \"%.80s\" does not exist.",
		                  svm ? svm : svm_uuid);
	if (check_policy_name(m, name, f) < 0 || begin(m, f) < 0)
		return -1;
	if (db_exec(m->db, "INSERT INTO export_policies(name) VALUES(?)", "s", name) < 0)
		rc = fail_internal(f, "write an export policy", 5);
	else
		rc = replace_rules(m, name, json_object_get(body, "rules"), f);
	if (end(m, rc, out, f) < 0)
		return -1;
	out->record = json_pack("{s:I, s:s}", "id",
	                        (json_int_t)db_int(m->db, 0, "SELECT id FROM export_policies WHERE name=?",
	                                           "s", name),
	                        "name", name);
	return 0;
}

static int patch_policy(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *old = json_text(rec, "name"), *name = json_text(body, "name");
	struct model *m = r->m;
	int rc = 0;

	if (name && strcmp(name, old) != 0 && check_policy_name(m, name, f) < 0)
		return -1;
	if (begin(m, f) < 0)
		return -1;
	rc = replace_rules(m, old, json_object_get(body, "rules"), f);
	if (rc == 0 && name &&
	    (db_exec(m->db, "UPDATE export_policies SET name=? WHERE name=?", "ss", name, old) < 0 ||
	     db_exec(m->db, "UPDATE export_rules SET policy=? WHERE policy=?", "ss", name, old) < 0 ||
	     db_exec(m->db, "UPDATE volumes SET export_policy=? WHERE export_policy=?", "ss", name, old) < 0))
		rc = fail_internal(f, "rename an export policy", 5);
	return end(m, rc, out, f);
}

static int del_policy(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	const char *name = json_text(rec, "name");
	struct model *m = r->m;
	int rc = 0;

	if (strcmp(name, "default") == 0)
		return fail_set(f, 400, E_POLICY_DEFAULT, "The default export policy cannot be deleted.");
	if (db_int(m->db, 0, "SELECT count(*) FROM volumes WHERE export_policy=?", "s", name))
		return fail_set(f, 409, E_POLICY_IN_USE, "Export policy \"%s\" is in use by a volume.", name);
	if (begin(m, f) < 0)
		return -1;
	if (db_exec(m->db, "DELETE FROM export_rules WHERE policy=?", "s", name) < 0 ||
	    db_exec(m->db, "DELETE FROM export_policies WHERE name=?", "s", name) < 0)
		rc = fail_internal(f, "delete an export policy", 5);
	return end(m, rc, out, f);
}

const struct resource res_export_policies = {
	.collection = "/protocols/nfs/export-policies",
	.item = "/protocols/nfs/export-policies/{id}",
	.key = "id",
	.fields = policy_fields,
	.list = list_policies,
	.post = post_policy,
	.patch = patch_policy,
	.del = del_policy,
};

/* ---- rules ---------------------------------------------------------------- */

static const struct field rule_fields[] = {
	{ "policy.id", F_KEY | F_STD, T_INT },
	{ "policy.name", F_STD, T_STR },
	{ "svm.name", F_STD, T_STR },
	{ "svm.uuid", F_STD, T_STR },
	{ "index", F_KEY | F_STD, T_INT },
	{ "clients", F_STD | F_POST | F_PATCH, T_ANY },
	{ "clients.match", 0, T_STR },
	{ "ro_rule", F_STD | F_POST | F_PATCH, T_ANY },
	{ "rw_rule", F_STD | F_POST | F_PATCH, T_ANY },
	{ "superuser", F_STD | F_POST | F_PATCH, T_ANY },
	{ "anonymous_user", F_STD | F_POST | F_PATCH, T_ANY },
	{ "protocols", F_STD | F_POST | F_PATCH, T_ANY },
	{ "allow_suid", 0, T_BOOL },
	{ "allow_device_creation", 0, T_BOOL },
	{ "chown_mode", 0, T_STR },
	{ "ntfs_unix_security", 0, T_STR },
	{ NULL, 0, T_ANY },
};

/* The policy in the path: its name, freed by the caller, or NULL with f set. */
static char *path_policy(struct req *r, struct fail *f)
{
	const char *id = request_path(r, "policy.id");
	char *name = db_text(r->m->db, "SELECT name FROM export_policies WHERE id=?", "s", id);

	if (!name)
		fail_field(f, 404, E_POLICY_GONE, "policy.id", "Export policy \"%.40s\" does not exist.", id);
	return name;
}

static int list_rules(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_FREE char *policy = path_policy(r, f);
	AUTO_STMT sqlite3_stmt *s = NULL;
	json_int_t id;

	(void)key;
	if (!policy)
		return -1;
	id = (json_int_t)db_int(r->m->db, 0, "SELECT id FROM export_policies WHERE name=?", "s", policy);
	s = db_query(r->m->db, "SELECT " RULE_COLUMNS " FROM export_rules WHERE policy=? ORDER BY idx", "s",
	             policy);
	while (db_row(s)) {
		json_t *rec = make_rule(s);

		json_put(rec, "policy", json_pack("{s:I, s:s}", "id", id, "name", policy));
		json_put(rec, "svm", make_svm_ref(r->m));
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

static int post_rule(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	AUTO_FREE char *policy = path_policy(r, f);
	int64_t index = 0;
	int rc;

	if (!policy || begin(r->m, f) < 0)
		return -1;
	rc = append_rule(r->m, policy, body, &index, f);
	if (end(r->m, rc, out, f) < 0)
		return -1;
	out->record = json_pack("{s:{s:I}, s:I}", "policy", "id",
	                        (json_int_t)db_int(r->m->db, 0, "SELECT id FROM export_policies WHERE name=?",
	                                           "s", policy),
	                        "index", (json_int_t)index);
	return 0;
}

static int patch_rule(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *policy = json_text(rec, "policy.name");
	struct model *m = r->m;
	struct rule u = { 0 };
	int rc = -1;

	u.index = json_num(rec, "index", 0);
	{
		AUTO_STMT sqlite3_stmt *s =
		        db_query(m->db, "SELECT " RULE_COLUMNS " FROM export_rules WHERE policy=? AND idx=?",
		                 "si", policy, u.index);

		if (!db_row(s))
			return fail_set(f, 404, E_NO_ENTRY, "entry doesn't exist");
		u.clients = sim_dup(db_col_text(s, 1));
		u.ro = sim_dup(db_col_text(s, 2));
		u.rw = sim_dup(db_col_text(s, 3));
		u.super = sim_dup(db_col_text(s, 4));
		u.anon = db_col_int(s, 5);
		u.protocols = sim_dup(db_col_text(s, 6));
	}
	if (take_rule(&u, body, f) == 0 && begin(m, f) == 0)
		rc = end(m, put_rule(m, policy, &u, f), out, f);
	rule_fini(&u);
	return rc;
}

static int del_rule(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	int rc = 0;

	if (begin(r->m, f) < 0)
		return -1;
	if (db_exec(r->m->db, "DELETE FROM export_rules WHERE policy=? AND idx=?", "si",
	            json_text(rec, "policy.name"), json_num(rec, "index", 0)) < 0)
		rc = fail_internal(f, "delete an export rule", 5);
	return end(r->m, rc, out, f);
}

const struct resource res_export_rules = {
	.collection = "/protocols/nfs/export-policies/{policy.id}/rules",
	.item = "/protocols/nfs/export-policies/{policy.id}/rules/{index}",
	.key = "index",
	.fields = rule_fields,
	.list = list_rules,
	.post = post_rule,
	.patch = patch_rule,
	.del = del_rule,
};
