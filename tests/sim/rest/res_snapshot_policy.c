/*
 * /storage/snapshot-policies and their schedules.  Shown and kept; no schedule
 * runs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"

#define COPIES_MAX    5    /* schedules in one policy */
#define SNAPSHOTS_SUM 1023 /* and all their counts together */

/* Codes of snapshot policies. */
enum {
	E_POLICY_IN_USE = 1638415,
	E_POLICY_BUILTIN = 1638431,
	E_POLICY_TOO_MANY = 1638451,
	E_POLICY_EXISTS = 1638527,
	E_POLICY_SCHEDULE = 1638413,
};

static const struct field policy_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD | F_POST, T_STR },
	{ "enabled", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "scope", F_STD, T_STR },
	{ "comment", F_STD | F_POST | F_PATCH, T_STR },
	{ "copies.count", F_STD | F_POST | F_PATCH, T_INT },
	{ "copies.schedule.name", F_STD | F_POST | F_PATCH, T_STR },
	{ "copies.prefix", F_STD | F_POST | F_PATCH, T_STR },
	{ "copies.snapmirror_label", F_STD | F_POST | F_PATCH, T_STR },
	{ "copies.retention_period", F_STD | F_POST | F_PATCH, T_STR },
	{ "svm.name", F_STD | F_POST, T_STR },
	{ "svm.uuid", F_STD | F_POST, T_STR },
	{ NULL, 0, T_ANY },
};

static int list_policies(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT seq,uuid,name,comment,copies,enabled,scope FROM"
	                                     " snapshot_policies WHERE (?1 IS NULL OR uuid=?1) ORDER BY seq",
	                                     "s", key);

	(void)f;
	while (db_row(s)) {
		json_t *rec = json_pack("{s:s, s:s, s:b, s:s, s:s}", "uuid", db_col_text(s, 1), "name",
		                        db_col_text(s, 2), "enabled", (int)db_col_int(s, 5), "scope",
		                        db_col_text(s, 6), "comment", db_col_text(s, 3));

		json_put(rec, "copies", json_loads(db_col_text(s, 4), 0, NULL));
		/* Absent for a policy of the cluster: clients tell them apart by it. */
		if (strcmp(db_col_text(s, 6), "svm") == 0)
			json_put(rec, "svm", make_svm_ref(r->m));
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

/* The schedules that every cluster has. */
static bool known_schedule(const char *name)
{
	static const char *const names[] = { "5min", "8hour", "daily", "hourly", "monthly", "weekly" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int check_copies(const json_t *copies, struct fail *f)
{
	int64_t sum = 0;
	json_t *e;
	size_t i;

	if (json_array_size(copies) > COPIES_MAX)
		return fail_field(f, 400, E_POLICY_TOO_MANY, "copies",
		                  "A policy has at most %d schedules.", COPIES_MAX);
	json_array_foreach(copies, i, e) {
		const char *name = json_text(e, "schedule.name");
		int64_t count = json_num(e, "count", 0);

		if (!name || !known_schedule(name))
			return fail_field(f, 400, E_POLICY_SCHEDULE, "copies.schedule.name",
			                  "Schedule \"%.80s\" was not found.", name ? name : "");
		if (count < 1)
			return fail_field(f, 400, E_FIELD_VALUE, "copies.count", "The count must be 1 or more.");
		if (!json_at(e, "prefix"))
			json_object_set_new(e, "prefix", json_string(name));
		sum += count;
	}
	return sum <= SNAPSHOTS_SUM ? 0 :
	                              fail_field(f, 400, E_POLICY_TOO_MANY, "copies.count",
	                                         "A policy keeps at most %d snapshots.", SNAPSHOTS_SUM);
}

static int post_policy(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name"), *comment = json_text(body, "comment");
	json_t *copies = json_at(body, "copies");
	AUTO_FREE char *text = NULL;
	char uuid[UUID_BUF];
	/* An account of the SVM makes policies of the SVM. */
	bool svm = !r->cluster_admin || json_at(body, "svm");

	if (!name || !*name || strlen(name) > 256)
		return fail_field(f, 400, name ? E_FIELD_VALUE : E_FIELD_MISSING, "name", "Field \"name\" is required");
	if (!json_array_size(copies))
		return fail_field(f, 400, E_FIELD_MISSING, "copies", "Field \"copies\" is required");
	if (volume_check_svm(r, body, "svm", false, f) < 0 || check_copies(copies, f) < 0)
		return -1;
	if (db_int(r->m->db, 0, "SELECT count(*) FROM snapshot_policies WHERE name=?", "s", name))
		return fail_field(f, 409, E_POLICY_EXISTS, "name", "Snapshot policy \"%s\" already exists.", name);
	text = json_dumps(copies, JSON_COMPACT);
	sim_uuid(uuid);
	if (model_begin(r->m, "record a snapshot policy", f) < 0)
		return -1;
	out->record = json_pack("{s:s, s:s}", "uuid", uuid, "name", name);
	return model_end(r->m,
	                 db_exec(r->m->db,
	                         "INSERT INTO snapshot_policies(uuid,name,comment,copies,enabled,scope)"
	                         " VALUES(?,?,?,?,?,?)",
	                         "ssssis", uuid, name, comment ? comment : "", text,
	                         (int64_t)json_flag(body, "enabled", true), svm ? "svm" : "cluster"),
	                 "record a snapshot policy", f);
}

static int patch_policy(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	json_t *copies = json_at(body, "copies");
	AUTO_FREE char *text = copies ? json_dumps(copies, JSON_COMPACT) : NULL;

	(void)out;
	if (check_copies(copies, f) < 0 || model_begin(r->m, "change a snapshot policy", f) < 0)
		return -1;
	return model_end(r->m,
	                 db_exec(r->m->db,
	                         "UPDATE snapshot_policies SET comment=coalesce(?,comment),copies=coalesce(?,copies),"
	                         "enabled=? WHERE uuid=?",
	                         "ssis", json_text(body, "comment"), text,
	                         (int64_t)json_flag(body, "enabled", json_flag(rec, "enabled", true)),
	                         json_text(rec, "uuid")),
	                 "change a snapshot policy", f);
}

static int del_policy(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	static const char *const builtin[] = { "default", "default-1weekly", "none" };
	const char *name = json_text(rec, "name");

	(void)out;
	for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
		if (strcmp(name, builtin[i]) == 0)
			return fail_set(f, 400, E_POLICY_BUILTIN, "Built-in snapshot policy \"%s\" cannot be deleted.",
			                name);
	if (db_int(r->m->db, 0, "SELECT count(*) FROM volumes WHERE snapshot_policy=? AND deleted_at IS NULL", "s",
	           name))
		return fail_set(f, 409, E_POLICY_IN_USE, "Snapshot policy \"%s\" is in use by a volume.", name);
	if (model_begin(r->m, "delete a snapshot policy", f) < 0)
		return -1;
	return model_end(r->m,
	                 db_exec(r->m->db, "DELETE FROM snapshot_policies WHERE uuid=?", "s", json_text(rec, "uuid")),
	                 "delete a snapshot policy", f);
}

const struct resource res_snapshot_policies = {
	.collection = "/storage/snapshot-policies",
	.item = "/storage/snapshot-policies/{uuid}",
	.key = "uuid",
	.fields = policy_fields,
	.list = list_policies,
	.post = post_policy,
	.patch = patch_policy,
	.del = del_policy,
};
