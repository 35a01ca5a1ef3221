/*
 * /storage/volumes: POST, PATCH, DELETE.  What the request alone can get wrong is
 * refused here; the rest is the business of the jobs in volume_jobs.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/sim/rest/jobs.h"
#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/seed.h"

#define COMMENT_MAX 1023

/* ---- checks that create, clone and modify share ---------------------------- */

static int check_comment(const json_t *body, struct fail *f)
{
	const char *text = json_text(body, "comment");

	if (text && strlen(text) > COMMENT_MAX)
		return fail_field(f, 400, E_FIELD_VALUE, "comment",
		                  "The comment is longer than %d characters.", COMMENT_MAX);
	return 0;
}

/* Policies may be named or given by id; both become their name in args. */
static int take_policies(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	sqlite3 *db = r->m->db;
	const char *name = json_text(body, "snapshot_policy.name");
	const char *uuid = json_text(body, "snapshot_policy.uuid");
	AUTO_FREE char *found = NULL;
	AUTO_FREE char *policy = NULL;

	if (name || uuid) {
		found = db_text(db,
		                "SELECT name FROM snapshot_policies WHERE (?1 IS NULL OR name=?1)"
		                " AND (?2 IS NULL OR uuid=?2)",
		                "ss", name, uuid);
		if (!found)
			return fail_field(f, 400, E_POLICY_NOT_FOUND, "snapshot_policy.name",
			                  "Snapshot policy \"%.255s\" was not found.", name ? name : uuid);
		json_object_set_new(args, "snapshot_policy", json_string(found));
	}
	name = json_text(body, "nas.export_policy.name");
	if (name || json_at(body, "nas.export_policy.id")) {
		policy = db_text(db,
		                 "SELECT name FROM export_policies WHERE (?1 IS NULL OR name=?1)"
		                 " AND (?2<0 OR id=?2)",
		                 "si", name, json_num(body, "nas.export_policy.id", -1));
		if (!policy)
			return fail_field(f, 400, E_EXPORT_NOT_FOUND, "nas.export_policy.name",
			                  "Export policy \"%.255s\" was not found.", name ? name : "?");
		json_object_set_new(args, "export_policy", json_string(policy));
	}
	return 0;
}

static int check_word(const json_t *body, const char *path, const char *const *words, struct fail *f)
{
	const char *v = json_text(body, path);

	if (!v)
		return 0;
	for (; *words; words++)
		if (strcasecmp(v, *words) == 0)
			return 0;
	return fail_field(f, 400, E_FIELD_VALUE, path, "The value \"%.80s\" is invalid for field \"%s\"", v,
	                  path);
}

/* Copies body.from to args.to when it is there. */
static void take(json_t *args, const char *to, const json_t *body, const char *from)
{
	json_t *v = json_at(body, from);

	if (v)
		json_object_set(args, to, v);
}

static int take_nas(const json_t *body, json_t *args, struct fail *f)
{
	static const char *const styles[] = { "unix", "ntfs", "mixed", "unified", NULL };
	const char *path = json_text(body, "nas.path");
	json_t *perm = json_at(body, "nas.unix_permissions");
	static const char *const ids[] = { "uid", "gid" };
	unsigned mode;

	if (path && volume_check_junction(path, f) < 0)
		return -1;
	take(args, "path", body, "nas.path");
	if (perm) {
		if (!volume_parse_mode(perm, &mode))
			return fail_field(f, 400, E_FIELD_VALUE, "nas.unix_permissions",
			                  "The value is invalid for field \"nas.unix_permissions\"");
		json_object_set_new(args, "mode", json_integer(mode));
	}
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		AUTO_FREE char *field = sim_fmt("nas.%s", ids[i]);
		int64_t id = json_num(body, field, 0);

		if (id < 0 || id >= UINT32_MAX)
			return fail_field(f, 400, E_FIELD_VALUE, field,
			                  "The value is invalid for field \"%s\"", field);
		take(args, ids[i], body, field);
	}
	if (check_word(body, "nas.security_style", styles, f) < 0)
		return -1;
	take(args, "security_style", body, "nas.security_style");
	return 0;
}

/* What every way of writing a volume may carry. */
static int take_common(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	static const char *const guarantees[] = { "volume", "none", NULL };
	static const char *const tierings[] = { "none", "all", "auto", "snapshot_only", "backup",
		                                "snapshot-only", NULL };
	static const char *const states[] = { "online", "offline", "restricted", NULL };
	int64_t reserve = json_num(body, "space.snapshot.reserve_percent", 0);

	if (reserve < 0 || reserve > 90)
		return fail_field(f, 400, E_VOL_RESERVE, "space.snapshot.reserve_percent",
		                  "The snapshot reserve must be 0 to 90 percent.");
	if (json_num(body, "size", 0) < 0)
		return fail_field(f, 400, E_FIELD_VALUE, "size", "The size is negative.");
	if (check_comment(body, f) < 0 || check_word(body, "guarantee.type", guarantees, f) < 0 ||
	    check_word(body, "tiering.policy", tierings, f) < 0 ||
	    check_word(body, "state", states, f) < 0 || take_policies(r, body, args, f) < 0 ||
	    take_nas(body, args, f) < 0)
		return -1;
	take(args, "comment", body, "comment");
	take(args, "size", body, "size");
	take(args, "state", body, "state");
	take(args, "guarantee", body, "guarantee.type");
	take(args, "tiering", body, "tiering.policy");
	take(args, "snapshot_reserve", body, "space.snapshot.reserve_percent");
	if (json_at(body, "quota.enabled"))
		json_object_set_new(args, "quota", json_integer(json_flag(body, "quota.enabled", false)));
	take(args, "snapdir_access", body, "snapshot_directory_access_enabled");
	return 0;
}

/* ---- create --------------------------------------------------------------- */

int volume_check_svm(struct req *r, const json_t *obj, const char *prefix, bool needed, struct fail *f)
{
	AUTO_FREE char *by_name = sim_fmt("%s.name", prefix);
	AUTO_FREE char *by_uuid = sim_fmt("%s.uuid", prefix);
	const char *name = json_text(obj, by_name), *uuid = json_text(obj, by_uuid);

	if (!name && !uuid)
		return needed ? fail_field(f, 400, E_VOL_NO_SVM, by_name,
		                           "No SVM was specified. Specify \"%s\" or \"%s\".", by_name, by_uuid) :
		                0;
	if ((name && strcmp(name, SIM_SVM) != 0) || (uuid && strcmp(uuid, r->m->svm_uuid) != 0))
		return fail_field(f, 400, E_SVM_NOT_FOUND, by_name, "SVM \"%.80s\" does not exist.",
		                  name ? name : uuid);
	return 0;
}

/* The list of aggregates in the body as names. */
static int take_aggregates(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	json_t *list = json_at(body, "aggregates"), *names = json_array(), *e;
	size_t i;

	json_object_set_new(args, "aggregates", names);
	json_array_foreach(list, i, e) {
		const char *name = json_text(e, "name"), *uuid = json_text(e, "uuid");
		AUTO_FREE char *found = db_text(r->m->db,
		                                "SELECT name FROM aggregates WHERE (?1 IS NULL OR name=?1)"
		                                " AND (?2 IS NULL OR uuid=?2)",
		                                "ss", name, uuid);

		if ((!name && !uuid) || !found)
			return fail_field(f, 400, E_AGGR_NOT_FOUND, "aggregates.name",
			                  "Aggregate \"%.80s\" was not found.",
			                  name ? name : uuid ? uuid : "");
		json_array_append_new(names, json_string(found));
	}
	return 0;
}

/* FlexVol or FlexGroup, and with how many constituents. */
static int take_layout(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	static const char *const styles[] = { "flexvol", "flexgroup", NULL };
	const char *style = json_text(body, "style");
	int64_t per = json_num(body, "constituents_per_aggregate", 0);
	int64_t count = json_num(body, "constituent_count", 0);
	size_t aggrs;
	bool group;

	if (check_word(body, "style", styles, f) < 0 || take_aggregates(r, body, args, f) < 0)
		return -1;
	aggrs = json_array_size(json_object_get(args, "aggregates"));
	if (!aggrs && !style)
		return fail_field(f, 400, E_VOL_NO_PLACE, "aggregates",
		                  "One of \"aggregates.uuid\", \"aggregates.name\", or \"style\" must be "
		                  "provided.");
	group = style ? strcasecmp(style, "flexgroup") == 0 : aggrs > 1 || per > 0;
	if (!group && aggrs != 1)
		return fail_field(f, 400, E_VOL_AGGR_COUNT, "aggregates.name",
		                  "A FlexVol volume needs exactly one aggregate.");
	if (per < 0 || per > 1000 || count < 0 || count > 1000)
		return fail_field(f, 400, E_FIELD_VALUE, "constituents_per_aggregate",
		                  "The number of constituents must be 1 to 1000.");
	if (group && !aggrs) {
		/* Automatic placement: everywhere. */
		AUTO_STMT sqlite3_stmt *s = db_query(r->m->db, "SELECT name FROM aggregates ORDER BY name", "");

		while (db_row(s)) {
			json_array_append_new(json_object_get(args, "aggregates"),
			                      json_string(db_col_text(s, 0)));
			aggrs++;
		}
	}
	json_object_set_new(args, "style", json_string(group ? "flexgroup" : "flexvol"));
	json_object_set_new(args, "constituents",
	                    json_integer(!group ? 0 : count ? count : (per ? per : 4) * (int64_t)aggrs));
	return 0;
}

static int check_unsupported(const json_t *body, struct fail *f)
{
	const char *lock = json_text(body, "snaplock.type");

	if (json_flag(body, "encryption.enabled", false))
		return fail_field(f, 400, E_UNSUPPORTED, "encryption.enabled",
		                  "Volume encryption is not supported on this cluster.");
	if (lock && strcasecmp(lock, "non_snaplock") != 0)
		return fail_field(f, 400, E_UNSUPPORTED, "snaplock.type",
		                  "SnapLock volumes are not supported on this cluster.");
	return 0;
}

static int take_type(const json_t *body, json_t *args, struct fail *f)
{
	const char *type = json_text(body, "type");

	if (type && strcasecmp(type, "rw") != 0 && strcasecmp(type, "dp") != 0)
		return fail_field(f, 400, E_VOL_TYPE, "type", "Volume type \"%.20s\" is invalid.", type);
	json_object_set_new(args, "type", json_string(type && strcasecmp(type, "dp") == 0 ? "dp" : "rw"));
	if (type && strcasecmp(type, "dp") == 0 && json_at(body, "nas"))
		return fail_field(f, 400, E_COMBINATION, "nas", "A DP volume takes no \"nas\" fields.");
	return 0;
}

static int post_plain(struct req *r, json_t *body, json_t *args, struct fail *f)
{
	const char *name = json_text(body, "name");

	if (take_layout(r, body, args, f) < 0 || take_type(body, args, f) < 0 ||
	    check_unsupported(body, f) < 0)
		return -1;
	take(args, "language", body, "language");
	return volume_check_name(name, strcmp(json_text(args, "style"), "flexgroup") == 0, f);
}

/* ---- clone ---------------------------------------------------------------- */

static int take_parent(struct req *r, const json_t *body, json_t *args, struct volume *parent, struct fail *f)
{
	const char *name = json_text(body, "clone.parent_volume.name");
	const char *uuid = json_text(body, "clone.parent_volume.uuid");

	if (!name && !uuid)
		return fail_field(f, 400, E_FIELD_MISSING, "clone.parent_volume.name",
		                  "Field \"clone.parent_volume.name\" is required");
	if (volume_check_svm(r, body, "clone.parent_svm", false, f) < 0)
		return -1;
	if (!volume_load(r->m->db, uuid ? "uuid" : "name", uuid ? uuid : name, false, parent))
		return fail_field(f, 404, E_CLONE_PARENT, "clone.parent_volume.name",
		                  "Parent volume \"%.203s\" was not found.", name ? name : uuid);
	if (volume_is_cache(r->m->db, parent->uuid))
		return fail_field(f, 400, E_VOL_IS_CACHE, "clone.parent_volume.name",
		                  "FlexCache volume \"%s\" cannot be cloned.", parent->name);
	if (name && strcmp(name, parent->name) != 0)
		return fail_field(f, 400, E_VOL_MISMATCH, "clone.parent_volume.uuid",
		                  "The name and the uuid of the parent volume disagree.");
	json_object_set_new(args, "parent", json_string(parent->uuid));
	return 0;
}

static int take_parent_snapshot(struct req *r, const json_t *body, json_t *args,
                                const struct volume *parent, struct fail *f)
{
	const char *name = json_text(body, "clone.parent_snapshot.name");
	const char *uuid = json_text(body, "clone.parent_snapshot.uuid");
	AUTO_FREE char *found = NULL;

	if (!name && !uuid)
		return 0;
	found = db_text(r->m->db, "SELECT uuid FROM snapshots WHERE volume_uuid=?1 AND (name=?2 OR uuid=?3)",
	                "sss", parent->uuid, name, uuid);
	if (!found)
		return fail_field(f, 404, E_CLONE_SNAPSHOT, "clone.parent_snapshot.name",
		                  "Snapshot \"%.255s\" was not found in volume \"%s\".", name ? name : uuid,
		                  parent->name);
	if (name && uuid &&
	    !db_int(r->m->db, 0, "SELECT count(*) FROM snapshots WHERE uuid=? AND name=?", "ss", uuid, name))
		return fail_field(f, 400, E_CLONE_MISMATCH, "clone.parent_snapshot.uuid",
		                  "The name and the uuid of the parent snapshot disagree.");
	json_object_set_new(args, "parent_snapshot", json_string(found));
	return 0;
}

static int post_clone(struct req *r, json_t *body, json_t *args, struct fail *f)
{
	static const char *const refused[] = { "size", "aggregates", "style", "constituent_count",
		                               "constituents_per_aggregate", "language",
		                               "space.snapshot.reserve_percent", "encryption" };
	static const char *const ids[] = { "nas.uid", "nas.gid" };
	AUTO_VOLUME struct volume parent = { 0 };

	if (!license_there(r->m, "flexclone"))
		return fail_field(f, 400, E_UNSUPPORTED, "clone.is_flexclone",
		                  "The operation is not supported: the FlexClone license is not installed.");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (json_at(body, refused[i]))
			return fail_field(f, 400, E_CLONE_FIELD, refused[i],
			                  "Field \"%s\" cannot be set on a FlexClone volume.", refused[i]);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (json_at(body, ids[i]) && json_num(body, ids[i], 0) == 0)
			return fail_field(f, 400, E_CLONE_OWNER, ids[i],
			                  "Field \"%s\" cannot be 0 on a FlexClone volume.", ids[i]);
	if (take_type(body, args, f) < 0 || take_parent(r, body, args, &parent, f) < 0 ||
	    take_parent_snapshot(r, body, args, &parent, f) < 0)
		return -1;
	return volume_check_name(json_text(body, "name"), strcmp(parent.style, "flexgroup") == 0, f);
}

int volume_post(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	bool clone = json_flag(body, "clone.is_flexclone", false) || json_at(body, "clone.parent_volume");
	const char *name = json_text(body, "name");
	char uuid[UUID_BUF];

	if (!name)
		return fail_field(f, 400, E_FIELD_MISSING, "name", "Field \"name\" is required");
	if (volume_check_svm(r, body, "svm", true, f) < 0)
		return -1;
	sim_uuid(uuid);
	out->args = json_pack("{s:s, s:s}", "uuid", uuid, "name", name);
	if ((clone ? post_clone(r, body, out->args, f) : post_plain(r, body, out->args, f)) < 0 ||
	    take_common(r, body, out->args, f) < 0)
		return -1;
	out->fn = clone ? job_volume_clone : job_volume_create;
	out->name = sim_dup(name);
	out->record = json_pack("{s:s, s:s}", "uuid", uuid, "name", name);
	return 0;
}

/* ---- modify --------------------------------------------------------------- */

/* restore_to.X from the query or from the body; the query is what clients use. */
static const char *restore_arg(struct req *r, const json_t *body, const char *name)
{
	const char *q = request_param(r, name);

	return q ? q : json_text(body, name);
}

static int patch_restore(struct req *r, const json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = restore_arg(r, body, "restore_to.snapshot.name");
	const char *uuid = restore_arg(r, body, "restore_to.snapshot.uuid");
	const char *volume = json_text(rec, "uuid");
	AUTO_FREE char *found = NULL;

	if (json_object_size(body) != (json_at(body, "restore_to") ? 1 : 0))
		return fail_set(f, 400, E_RESTORE_MIXED,
		                "A restore cannot be combined with other changes of the volume.");
	if (restore_arg(r, body, "restore_to.path"))
		return fail_field(f, 400, E_UNSUPPORTED, "restore_to.path",
		                  "Restoring a single file is not supported on this cluster.");
	found = db_text(r->m->db,
	                "SELECT uuid FROM snapshots WHERE volume_uuid=?1 AND (?2 IS NULL OR name=?2)"
	                " AND (?3 IS NULL OR uuid=?3)",
	                "sss", volume, name, uuid);
	if ((!name && !uuid) || !found)
		return fail_field(f, 404, E_RESTORE_FAILED, "restore_to.snapshot.name",
		                  "Snapshot \"%.255s\" was not found.", name ? name : uuid ? uuid : "");
	out->fn = job_volume_restore;
	out->args = json_pack("{s:s, s:s}", "uuid", volume, "snapshot", found);
	return 0;
}

static int patch_split(struct req *r, const json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	json_t *clone = json_object_get(body, "clone");

	if (json_object_size(body) != 1 || json_object_size(clone) != 1 ||
	    !json_flag(body, "clone.split_initiated", false))
		return fail_field(f, 400, E_CLONE_SPLIT, "clone.split_initiated",
		                  "A clone split can only be started, and only by itself.");
	if (jobs_split_percent(json_text(rec, "uuid")) >= 0)
		return fail_set(f, 409, E_CLONE_SPLIT, "Volume \"%s\" is being split already.",
		                json_text(rec, "name"));
	out->fn = job_volume_modify;
	out->args = json_pack("{s:s, s:b, s:I}", "uuid", json_text(rec, "uuid"), "split", 1, "takes_ms",
	                      (json_int_t)atomic_load(&r->m->split_ms));
	return 0;
}

int volume_patch(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name");
	bool group = strcmp(json_text(rec, "style"), "flexgroup") == 0;

	if (strcmp(json_text(rec, "style"), "flexgroup_constituent") == 0)
		return fail_set(f, 400, E_UNSUPPORTED, "A FlexGroup constituent cannot be changed by itself.");
	if (json_at(body, "restore_to") || request_param(r, "restore_to.snapshot.name") ||
	    request_param(r, "restore_to.snapshot.uuid") || request_param(r, "restore_to.path"))
		return patch_restore(r, rec, body, out, f);
	if (json_at(body, "clone.split_initiated"))
		return patch_split(r, rec, body, out, f);
	if (name && volume_check_name(name, group, f) < 0)
		return -1;
	out->args = json_pack("{s:s}", "uuid", json_text(rec, "uuid"));
	take(out->args, "name", body, "name");
	out->fn = job_volume_modify;
	return take_common(r, body, out->args, f);
}

int volume_del(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	if (volume_is_cache(r->m->db, json_text(rec, "uuid")))
		return fail_set(f, 400, E_VOL_IS_CACHE, "A FlexCache volume is deleted by its own route.");
	if (strcmp(json_text(rec, "style"), "flexgroup_constituent") == 0)
		return fail_set(f, 400, E_UNSUPPORTED, "A FlexGroup constituent cannot be deleted by itself.");
	out->fn = job_volume_delete;
	out->args = json_pack("{s:s, s:b}", "uuid", json_text(rec, "uuid"), "force",
	                      request_flag(r, "force", false));
	return 0;
}
