/*
 * /storage/quota/rules.  Kept and shown; the NFS face does not enforce them.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"

static const struct field rule_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "type", F_STD | F_POST, T_STR },
	{ "svm.name", F_KEY | F_STD | F_POST, T_STR },
	{ "svm.uuid", F_KEY | F_STD | F_POST, T_STR },
	{ "volume.name", F_KEY | F_STD | F_POST, T_STR },
	{ "volume.uuid", F_KEY | F_STD | F_POST, T_STR },
	{ "qtree.name", F_STD | F_POST, T_STR },
	{ "qtree.id", F_STD | F_POST, T_INT },
	{ "users.name", F_STD | F_POST, T_STR },
	{ "users.id", F_STD | F_POST, T_STR },
	{ "group.name", F_STD | F_POST, T_STR },
	{ "group.id", F_STD | F_POST, T_STR },
	{ "user_mapping", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "space.hard_limit", F_STD | F_POST | F_PATCH, T_SIZE },
	{ "space.soft_limit", F_STD | F_POST | F_PATCH, T_SIZE },
	{ "files.hard_limit", F_STD | F_POST | F_PATCH, T_INT },
	{ "files.soft_limit", F_STD | F_POST | F_PATCH, T_INT },
	{ NULL, 0, T_ANY },
};

static const char *const limits[] = { "space.hard_limit", "space.soft_limit", "files.hard_limit",
	                              "files.soft_limit", "user_mapping" };

static int list_rules(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT q.seq,q.uuid,q.type,q.target,q.qtree,q.limits,v.name,v.uuid FROM"
	                                     " quota_rules q JOIN volumes v ON v.uuid=q.volume_uuid WHERE"
	                                     " v.deleted_at IS NULL AND (?1 IS NULL OR q.uuid=?1) ORDER BY q.seq",
	                                     "s", key);

	(void)f;
	while (db_row(s)) {
		json_t *rec = json_loads(db_col_text(s, 5), 0, NULL);
		const char *type = db_col_text(s, 2), *target = db_col_text(s, 3), *qtree = db_col_text(s, 4);

		json_put(rec, "uuid", json_string(db_col_text(s, 1)));
		json_put(rec, "type", json_string(type));
		json_put(rec, "svm", make_svm_ref(r->m));
		json_put(rec, "volume", make_ref(db_col_text(s, 6), db_col_text(s, 7), NULL));
		json_put(rec, "qtree.name", json_string(qtree));
		if (strcmp(type, "user") == 0)
			json_put(rec, "users", json_pack("[{s:s}]", "name", target));
		else if (strcmp(type, "group") == 0)
			json_put(rec, "group.name", json_string(target));
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

static char *merge_limits(const char *old, const json_t *body)
{
	AUTO_JSON json_t *all = json_loads(old ? old : "{}", 0, NULL);

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		json_t *v = json_at(body, limits[i]);

		if (v)
			json_put(all, limits[i], json_incref(v));
	}
	return json_dumps(all, JSON_COMPACT);
}

static int job_rule_create(struct model *m, json_t *args, struct fail *f)
{
	int r;

	model_lock(m);
	r = db_int(m->db, 0, "SELECT count(*) FROM quota_rules WHERE volume_uuid=? AND type=? AND target=? AND qtree=?",
	           "ssss", json_text(args, "volume"), json_text(args, "type"), json_text(args, "target"),
	           json_text(args, "qtree")) ?
	            fail_set(f, 409, E_DUPLICATE, "duplicate entry") :
	            model_begin(m, "record a quota rule", f);
	if (r == 0)
		r = model_end(m,
		              db_exec(m->db,
		                      "INSERT INTO quota_rules(uuid,volume_uuid,type,target,qtree,limits)"
		                      " VALUES(?,?,?,?,?,?)",
		                      "ssssss", json_text(args, "uuid"), json_text(args, "volume"),
		                      json_text(args, "type"), json_text(args, "target"), json_text(args, "qtree"),
		                      json_text(args, "limits")),
		              "record a quota rule", f);
	model_unlock(m);
	return r;
}

/* Whom the rule is about: "" is everybody. */
static const char *target_of(const json_t *body, const char *type)
{
	const json_t *who = strcmp(type, "user") == 0 ? json_array_get(json_at(body, "users"), 0) :
	                                                json_at(body, "group");
	const char *name = json_text(who, "name"), *id = json_text(who, "id");

	if (strcmp(type, "tree") == 0)
		return "";
	return name ? name : id ? id : "";
}

static int post_rule(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *type = json_text(body, "type"), *qtree = json_text(body, "qtree.name");
	AUTO_FREE char *text = merge_limits(NULL, body);
	AUTO_VOLUME struct volume v = { 0 };
	char uuid[UUID_BUF];

	if (!type || (strcmp(type, "tree") != 0 && strcmp(type, "user") != 0 && strcmp(type, "group") != 0))
		return fail_field(f, 400, type ? E_FIELD_VALUE : E_FIELD_MISSING, "type",
		                  "Field \"type\" must be \"tree\", \"user\" or \"group\"");
	if (volume_check_svm(r, body, "svm", true, f) < 0 ||
	    volume_of_body(r->m, body, "volume", E_VOL_NOT_FOUND, &v, f) < 0)
		return -1;
	if (qtree && *qtree &&
	    !db_int(r->m->db, 0, "SELECT count(*) FROM qtrees WHERE volume_uuid=? AND name=?", "ss", v.uuid, qtree))
		return fail_field(f, 404, E_NO_ENTRY, "qtree.name", "Qtree \"%.64s\" was not found.", qtree);
	sim_uuid(uuid);
	out->args = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "uuid", uuid, "volume", v.uuid, "type", type,
	                      "target", target_of(body, type), "qtree", qtree ? qtree : "", "limits", text);
	out->fn = job_rule_create;
	out->record = json_pack("{s:s}", "uuid", uuid);
	out->location_now = true;
	return 0;
}

static int job_rule_change(struct model *m, json_t *args, struct fail *f)
{
	const char *uuid = json_text(args, "uuid");
	AUTO_FREE char *old = NULL;
	AUTO_FREE char *text = NULL;
	int r;

	model_lock(m);
	old = db_text(m->db, "SELECT limits FROM quota_rules WHERE uuid=?", "s", uuid);
	text = merge_limits(old, json_at(args, "body"));
	r = old ? model_begin(m, "change a quota rule", f) : fail_set(f, 404, E_NO_ENTRY, "entry doesn't exist");
	if (r == 0)
		r = model_end(m,
		              json_at(args, "body") ?
		                      db_exec(m->db, "UPDATE quota_rules SET limits=? WHERE uuid=?", "ss", text, uuid) :
		                      db_exec(m->db, "DELETE FROM quota_rules WHERE uuid=?", "s", uuid),
		              "change a quota rule", f);
	model_unlock(m);
	return r;
}

static int patch_rule(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	(void)r;
	(void)f;
	out->fn = job_rule_change;
	out->args = json_pack("{s:s, s:O}", "uuid", json_text(rec, "uuid"), "body", body);
	return 0;
}

static int del_rule(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	(void)r;
	(void)f;
	out->fn = job_rule_change;
	out->args = json_pack("{s:s}", "uuid", json_text(rec, "uuid"));
	return 0;
}

const struct resource res_quota_rules = {
	.collection = "/storage/quota/rules",
	.item = "/storage/quota/rules/{uuid}",
	.key = "uuid",
	.fields = rule_fields,
	.list = list_rules,
	.post = post_rule,
	.patch = patch_rule,
	.del = del_rule,
};
