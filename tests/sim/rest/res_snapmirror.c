/*
 * /snapmirror: relationships, their transfers, policies.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/snapmirror.h"
#include "tests/sim/seed.h"

/* ---- policies ------------------------------------------------------------- */

static const struct field policy_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD, T_STR },
	{ "type", F_STD, T_STR },
	{ "scope", F_STD, T_STR },
	{ "comment", F_STD, T_STR },
	{ "copy_all_source_snapshots", F_STD, T_BOOL },
	{ "retention.label", F_STD, T_STR },
	{ "svm", F_TREE, T_ANY }, /* never set: the built-in policies belong to the cluster */
	{ NULL, 0, T_ANY },
};

static int list_policies(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT seq,uuid,name,comment,everything,labels"
	                                     " FROM snapmirror_policies ORDER BY seq",
	                                     "");

	(void)key;
	(void)f;
	while (db_row(s)) {
		json_t *rec = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "uuid", db_col_text(s, 1), "name",
		                        db_col_text(s, 2), "type", "async", "scope", "cluster", "comment",
		                        db_col_text(s, 3), "copy_all_source_snapshots", (int)db_col_int(s, 4));
		json_t *labels = json_loads(db_col_text(s, 5), 0, NULL), *list = json_array(), *e;
		size_t i;

		json_array_foreach(labels, i, e)
			json_array_append_new(list, json_pack("{s:O}", "label", e));
		json_decref(labels);
		json_put(rec, "retention", list);
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

const struct resource res_snapmirror_policies = {
	.collection = "/snapmirror/policies",
	.item = "/snapmirror/policies/{uuid}",
	.key = "uuid",
	.fields = policy_fields,
	.list = list_policies,
};

/* ---- relationships: what they show ----------------------------------------- */

static const struct field mirror_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "source.path", F_STD | F_POST, T_STR },
	{ "source.svm.name", F_STD | F_POST, T_STR },
	{ "source.svm.uuid", F_STD | F_POST, T_STR },
	{ "destination.path", F_STD | F_POST, T_STR },
	{ "destination.svm.name", F_STD | F_POST, T_STR },
	{ "destination.svm.uuid", F_STD | F_POST, T_STR },
	{ "policy.name", F_STD | F_POST | F_PATCH, T_STR },
	{ "policy.uuid", F_STD | F_POST | F_PATCH, T_STR },
	{ "policy.type", F_STD, T_STR },
	{ "state", F_STD | F_PATCH, T_STR },
	{ "healthy", F_STD, T_BOOL },
	{ "unhealthy_reason.code", F_STD, T_STR },
	{ "unhealthy_reason.message", F_STD, T_STR },
	{ "lag_time", F_STD, T_STR },
	{ "exported_snapshot", F_STD, T_STR },
	{ "transfer.uuid", F_STD, T_STR },
	{ "transfer.state", F_STD, T_STR },
	{ "transfer.type", F_STD, T_STR },
	{ "transfer.bytes_transferred", F_STD, T_SIZE },
	{ "transfer.end_time", F_STD, T_TIME },
	{ "transfer.total_duration", F_STD, T_STR },
	{ "last_transfer_type", F_STD, T_STR },
	{ "last_transfer_network_compression_ratio", F_STD, T_STR },
	{ "total_transfer_bytes", F_STD, T_SIZE },
	{ "transfer_schedule.name", F_STD | F_POST | F_PATCH, T_STR },
	{ "throttle", F_STD | F_POST | F_PATCH, T_INT },
	{ "group_type", F_STD, T_STR },
	{ "restore", F_STD | F_POST, T_BOOL },
	/* Known to ONTAP, set by none of ours. */
	{ "source", F_TREE, T_ANY },
	{ "destination", F_TREE, T_ANY },
	{ "backoff_level", 0, T_STR },
	{ "identity_preservation", 0, T_STR },
	{ "preserve", 0, T_BOOL },
	{ "quick_resync", 0, T_BOOL },
	{ "recover_after_break", 0, T_BOOL },
	{ "total_transfer_duration", 0, T_STR },
	{ "svmdr_volumes", F_TREE, T_ANY },
	{ "consistency_group_failover", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static void put_end(struct model *m, json_t *rec, const char *end, const char *volume)
{
	AUTO_FREE char *name = db_text(m->db, "SELECT name FROM volumes WHERE uuid=?", "s", volume);
	AUTO_FREE char *path = sim_fmt("%s:%s", SIM_SVM, name ? name : "");
	AUTO_FREE char *at_path = sim_fmt("%s.path", end);
	AUTO_FREE char *at_svm = sim_fmt("%s.svm", end);

	json_put(rec, at_path, json_string(path));
	json_put(rec, at_svm, make_svm_ref(m));
}

static void put_transfer(struct model *m, json_t *rec, const struct mirror *r)
{
	AUTO_STMT sqlite3_stmt *s = db_query(m->db,
	                                     "SELECT uuid,state,kind,bytes,start_time,end_time FROM"
	                                     " snapmirror_transfers WHERE relationship=? ORDER BY seq DESC LIMIT 1",
	                                     "s", r->uuid);
	AUTO_FREE char *last = db_text(m->db,
	                               "SELECT kind FROM snapmirror_transfers WHERE relationship=? AND"
	                               " end_time IS NOT NULL ORDER BY seq DESC LIMIT 1",
	                               "s", r->uuid);

	if (db_row(s)) {
		json_put(rec, "transfer",
		         json_pack("{s:s, s:s, s:s, s:I}", "uuid", db_col_text(s, 0), "state", db_col_text(s, 1),
		                   "type", db_col_text(s, 2), "bytes_transferred", (json_int_t)db_col_int(s, 3)));
		if (db_col_int(s, 5)) {
			json_put(rec, "transfer.end_time", json_time(db_col_int(s, 5)));
			json_put(rec, "transfer.total_duration",
			         json_duration(db_col_int(s, 5) - db_col_int(s, 4)));
		}
	}
	if (last) {
		json_put(rec, "last_transfer_type", json_string(last));
		json_put(rec, "last_transfer_network_compression_ratio", json_string("1:1"));
	}
	json_put(rec, "total_transfer_bytes",
	         json_integer((json_int_t)db_int(m->db, 0,
	                                         "SELECT sum(bytes) FROM snapmirror_transfers WHERE relationship=?",
	                                         "s", r->uuid)));
}

/* What the source's cluster knows of a relationship is only who and with whom. */
static json_t *make_mirror(struct model *m, const struct mirror *r, bool source_side)
{
	AUTO_FREE char *policy = db_text(m->db, "SELECT uuid FROM snapmirror_policies WHERE name=?", "s", r->policy);
	AUTO_FREE char *style = db_text(m->db, "SELECT style FROM volumes WHERE uuid=?", "s", r->source);
	json_t *rec = json_pack("{s:s, s:s, s:s}", "uuid", r->uuid, "state", r->state, "group_type",
	                        style && strcmp(style, "flexgroup") == 0 ? "flexgroup" : "none");

	put_end(m, rec, "source", r->source);
	put_end(m, rec, "destination", r->destination);
	json_put(rec, "policy", make_ref(r->policy, policy, NULL));
	json_put(rec, "policy.type", json_string("async"));
	if (source_side)
		return rec;
	json_put(rec, "throttle", json_integer((json_int_t)r->throttle));
	json_put(rec, "restore", json_false());
	json_put(rec, "healthy", json_boolean(!r->unhealthy));
	if (r->unhealthy)
		json_put(rec, "unhealthy_reason",
		         json_pack("[{s:s, s:s}]", "code", "13303844", "message", r->unhealthy));
	if (*r->schedule)
		json_put(rec, "transfer_schedule.name", json_string(r->schedule));
	if (r->base_destination) {
		AUTO_FREE char *name = db_text(m->db, "SELECT name FROM snapshots WHERE uuid=?", "s",
		                               r->base_destination);
		int64_t made = db_int(m->db, 0, "SELECT create_time FROM snapshots WHERE uuid=?", "s",
		                      r->base_destination);

		if (name) {
			json_put(rec, "exported_snapshot", json_string(name));
			json_put(rec, "lag_time", json_duration(sim_now() - made));
		}
	}
	put_transfer(m, rec, r);
	return rec;
}

static int list_mirrors(struct req *r, const char *key, struct list *out, struct fail *f)
{
	bool source_side = request_flag(r, "list_destinations_only", false);
	AUTO_STMT sqlite3_stmt *s =
	        db_query(r->m->db,
	                 "SELECT " MIRROR_COLUMNS " FROM snapmirrors WHERE (?1 IS NULL OR uuid=?1) ORDER BY seq",
	                 "s", key);
	struct mirror x = { 0 };
	int64_t hidden = source_side ? GONE_SOURCE : GONE_DESTINATION;

	(void)f;
	/* A release speaks of the source's side of it, whatever the other side knows. */
	if (r->verb == V_DELETE)
		hidden = request_flag(r, "source_only", false) || request_flag(r, "source_info_only", false) ?
		                 GONE_SOURCE :
		                 GONE_DESTINATION;
	while (mirror_next(s, &x)) {
		if (!(x.gone & hidden))
			list_add(out, x.seq, make_mirror(r->m, &x, source_side));
		mirror_fini(&x);
	}
	return 0;
}

/* ---- relationships: changes ------------------------------------------------ */

/* The volume at body.END.path, "SVM:VOLUME". */
static int take_end(struct req *r, const json_t *body, const char *end, struct volume *ret, struct fail *f)
{
	AUTO_FREE char *at_path = sim_fmt("%s.path", end);
	AUTO_FREE char *at_svm = sim_fmt("%s.svm", end);
	const char *path = json_text(body, at_path), *colon = path ? strchr(path, ':') : NULL;

	if (!path)
		fail_field(f, 400, E_FIELD_MISSING, at_path, "Field \"%s\" is required", at_path);
	else if (!colon || !colon[1])
		fail_field(f, 400, E_MIRROR_PATH, at_path, "Path \"%.255s\" is not of the form \"svm:volume\".", path);
	else if ((size_t)(colon - path) != strlen(SIM_SVM) || strncmp(path, SIM_SVM, strlen(SIM_SVM)) != 0)
		fail_field(f, 400, E_MIRROR_PATH, at_path, "The SVM of path \"%.255s\" is neither here nor a peer.",
		           path);
	else if (volume_check_svm(r, body, at_svm, false, f) == 0) {
		if (volume_load(r->m->db, "name", colon + 1, false, ret))
			return 0;
		fail_field(f, 404, E_NO_ENTRY, at_path, "Volume \"%.203s\" was not found.", colon + 1);
	}
	return -1;
}

/* The policy of the body as its name in args. */
static int take_policy(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	const char *name = json_text(body, "policy.name"), *uuid = json_text(body, "policy.uuid");
	AUTO_FREE char *found = NULL;

	if (!name && !uuid)
		return 0;
	found = db_text(r->m->db,
	                "SELECT name FROM snapmirror_policies WHERE (?1 IS NULL OR name=?1) AND"
	                " (?2 IS NULL OR uuid=?2)",
	                "ss", name, uuid);
	if (!found)
		return fail_field(f, 404, E_NO_ENTRY, "policy.name", "SnapMirror policy \"%.255s\" was not found.",
		                  name ? name : uuid);
	json_object_set_new(args, "policy", json_string(found));
	return 0;
}

static int check_pair(struct model *m, const struct volume *src, const struct volume *dst, struct fail *f)
{
	if (strcmp(src->uuid, dst->uuid) == 0)
		return fail_field(f, 400, E_MIRROR_PATH, "destination.path", "Source and destination are the same.");
	if (strcmp(dst->type, "dp") != 0)
		return fail_field(f, 400, E_MIRROR_PATH, "destination.path",
		                  "Destination volume \"%s\" is not of type \"DP\".", dst->name);
	if (strcmp(src->style, dst->style) != 0 || volume_is_cache(m->db, src->uuid))
		return fail_field(f, 400, E_MIRROR_PATH, "source.path",
		                  "Volume \"%s\" cannot be the source of \"%s\": their styles differ.", src->name,
		                  dst->name);
	if (db_int(m->db, 0, "SELECT count(*) FROM snapmirrors WHERE destination=? AND NOT gone&1", "s", dst->uuid))
		return fail_field(f, 409, E_MIRROR_EXISTS, "destination.path",
		                  "A SnapMirror relationship for \"%s:%s\" already exists.", SIM_SVM, dst->name);
	return 0;
}

static int job_mirror_create(struct model *m, json_t *args, struct fail *f)
{
	const char *policy = json_text(args, "policy"), *schedule = json_text(args, "schedule");
	AUTO_VOLUME struct volume src = { 0 }, dst = { 0 };
	int rc;

	model_lock(m);
	if (!volume_load(m->db, "uuid", json_text(args, "source"), false, &src) ||
	    !volume_load(m->db, "uuid", json_text(args, "destination"), false, &dst))
		rc = fail_set(f, 404, E_NO_ENTRY, "A volume of the new relationship is gone.");
	else
		rc = check_pair(m, &src, &dst, f);
	if (rc == 0)
		rc = model_begin(m, "record a relationship", f);
	if (rc == 0)
		rc = model_end(m,
		               db_exec(m->db,
		                       "INSERT INTO snapmirrors(uuid,source,destination,state,policy,schedule,"
		                       "throttle) VALUES(?,?,?,'uninitialized',?,?,?)",
		                       "sssssi", json_text(args, "uuid"), src.uuid, dst.uuid,
		                       policy ? policy : "Asynchronous", schedule ? schedule : "",
		                       json_num(args, "throttle", 0)),
		               "record a relationship", f);
	model_unlock(m);
	return rc;
}

static void take_plain(const json_t *body, json_t *args)
{
	json_t *schedule = json_at(body, "transfer_schedule.name"), *throttle = json_at(body, "throttle");

	if (schedule)
		json_object_set(args, "schedule", schedule);
	if (throttle)
		json_object_set(args, "throttle", throttle);
}

static int post_mirror(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	AUTO_VOLUME struct volume src = { 0 }, dst = { 0 };
	char uuid[UUID_BUF];

	if (json_flag(body, "restore", false))
		return fail_field(f, 400, E_UNSUPPORTED, "restore", "Restore relationships are not supported here.");
	if (take_end(r, body, "source", &src, f) < 0 || take_end(r, body, "destination", &dst, f) < 0 ||
	    check_pair(r->m, &src, &dst, f) < 0)
		return -1;
	sim_uuid(uuid);
	out->args = json_pack("{s:s, s:s, s:s}", "uuid", uuid, "source", src.uuid, "destination", dst.uuid);
	take_plain(body, out->args);
	if (take_policy(r, body, out->args, f) < 0)
		return -1;
	out->fn = job_mirror_create;
	out->record = json_pack("{s:s}", "uuid", uuid);
	out->location_now = true;
	return 0;
}

static int patch_mirror(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *state = json_text(body, "state");

	if (state && strcmp(state, "snapmirrored") != 0 && strcmp(state, "broken_off") != 0 &&
	    strcmp(state, "paused") != 0)
		return fail_field(f, 400, E_FIELD_VALUE, "state", "The value \"%.40s\" is invalid for field \"state\"",
		                  state);
	if (state && strcmp(state, "snapmirrored") != 0 && transfer_active(r->m->db, json_text(rec, "uuid")))
		return fail_set(f, 409, E_MIRROR_BUSY, "Another transfer is in progress.");
	out->args = json_pack("{s:s, s:s*}", "uuid", json_text(rec, "uuid"), "state", state);
	take_plain(body, out->args);
	out->fn = job_mirror_modify;
	return take_policy(r, body, out->args, f);
}

static int del_mirror(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	bool destination = request_flag(r, "destination_only", false);
	bool info = request_flag(r, "source_info_only", false);
	bool source = request_flag(r, "source_only", false) || info;

	if (destination && source)
		return fail_set(f, 400, E_COMBINATION, "\"destination_only\" and \"source_only\" exclude each other.");
	if (transfer_active(r->m->db, json_text(rec, "uuid")))
		return fail_set(f, 409, E_MIRROR_BUSY, "Another transfer is in progress.");
	out->fn = job_mirror_delete;
	out->args = json_pack("{s:s, s:i, s:b}", "uuid", json_text(rec, "uuid"), "gone",
	                      destination ? GONE_DESTINATION :
	                      source      ? GONE_SOURCE :
	                                    GONE_SOURCE | GONE_DESTINATION,
	                      "keep_base", (int)info);
	return 0;
}

static const char *const mirror_params[] = { "list_destinations_only", "destination_only", "source_only",
	                                     "source_info_only", "failover", "force-failover", "validate_only",
	                                     NULL };

const struct resource res_snapmirrors = {
	.collection = "/snapmirror/relationships",
	.item = "/snapmirror/relationships/{uuid}",
	.key = "uuid",
	.fields = mirror_fields,
	.params = mirror_params,
	.list = list_mirrors,
	.post = post_mirror,
	.patch = patch_mirror,
	.del = del_mirror,
};

/* ---- transfers ------------------------------------------------------------ */

static const struct field transfer_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "relationship.uuid", F_KEY | F_STD, T_STR },
	{ "relationship.destination.path", F_STD, T_STR },
	{ "state", F_STD | F_PATCH, T_STR },
	{ "bytes_transferred", F_STD, T_SIZE },
	{ "checkpoint_size", F_STD, T_SIZE },
	{ "end_time", F_STD, T_TIME },
	{ "total_duration", F_STD, T_STR },
	{ "snapshot", F_STD, T_STR },
	{ "network_compression_ratio", F_STD, T_STR },
	{ "source_snapshot", F_POST, T_STR },
	{ "throttle", F_POST, T_INT },
	{ "storage_efficiency_enabled", F_POST, T_BOOL },
	{ "last_updated_time", 0, T_TIME },
	{ "error_info", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static int list_transfers(struct req *r, const char *key, struct list *out, struct fail *f)
{
	const char *mirror = request_path(r, "relationship.uuid");
	AUTO_MIRROR struct mirror x = { 0 };
	AUTO_STMT sqlite3_stmt *s = NULL;

	if (!mirror_load(r->m->db, mirror, &x))
		return fail_field(f, 404, E_NO_ENTRY, "relationship.uuid", "entry doesn't exist");
	s = db_query(r->m->db,
	             "SELECT seq,uuid,state,bytes,start_time,end_time,snapshot FROM snapmirror_transfers"
	             " WHERE relationship=?1 AND (?2 IS NULL OR uuid=?2) ORDER BY seq",
	             "ss", mirror, key);
	while (db_row(s)) {
		json_t *rec = json_pack("{s:s, s:s, s:I, s:i, s:{s:s}, s:s*}", "uuid", db_col_text(s, 1), "state",
		                        db_col_text(s, 2), "bytes_transferred", (json_int_t)db_col_int(s, 3),
		                        "checkpoint_size", 0, "relationship", "uuid", mirror, "snapshot",
		                        db_col_text(s, 6));

		put_end(r->m, json_at(rec, "relationship"), "destination", x.destination);
		if (db_col_int(s, 5)) {
			json_put(rec, "end_time", json_time(db_col_int(s, 5)));
			json_put(rec, "total_duration", json_duration(db_col_int(s, 5) - db_col_int(s, 4)));
			json_put(rec, "network_compression_ratio", json_string("1:1"));
		}
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

/* The reply does not wait for the transfer: it is followed by its state. */
static int post_transfer(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *mirror = request_path(r, "relationship.uuid");
	struct model *m = r->m;
	AUTO_MIRROR struct mirror x = { 0 };
	char uuid[UUID_BUF], job[UUID_BUF];
	AUTO_FREE char *what = sim_fmt("POST %s", r->path);

	if (!mirror_load(m->db, mirror, &x) || (x.gone & GONE_DESTINATION))
		return fail_field(f, 404, E_NO_ENTRY, "relationship.uuid", "entry doesn't exist");
	if (transfer_active(m->db, mirror))
		return fail_set(f, 409, E_MIRROR_BUSY, "Another transfer is in progress.");
	if (strcmp(x.state, "snapmirrored") != 0 && strcmp(x.state, "uninitialized") != 0)
		return fail_set(f, 400, E_MIRROR_FAILED, "A relationship in the state \"%s\" cannot be updated.",
		                x.state);
	sim_uuid(uuid);
	if (transfer_insert(m, uuid, mirror, strcmp(x.state, "snapmirrored") == 0 ? "update" : "initialize") < 0)
		return fail_internal(f, "record a transfer", EIO);
	if (jobs_submit(m, what, job_transfer,
	                json_pack("{s:s, s:s*}", "transfer", uuid, "source_snapshot",
	                          json_text(body, "source_snapshot")),
	                job, f) < 0)
		return -1;
	db_exec(m->db, "UPDATE snapmirror_transfers SET job=? WHERE uuid=?", "ss", job, uuid);
	out->record = json_pack("{s:s, s:s, s:{s:s}}", "uuid", uuid, "state", "queued", "relationship", "uuid",
	                        mirror);
	return 0;
}

static int patch_transfer(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *state = json_text(body, "state"), *uuid = json_text(rec, "uuid");
	AUTO_FREE char *job = db_text(r->m->db, "SELECT job FROM snapmirror_transfers WHERE uuid=?", "s", uuid);

	(void)out;
	if (!state || (strcmp(state, "aborted") != 0 && strcmp(state, "hard_aborted") != 0))
		return fail_field(f, 400, E_FIELD_VALUE, "state", "A transfer can only be aborted.");
	if (!job || !jobs_cancel(r->m, job))
		return fail_set(f, 409, E_MIRROR_FAILED, "The transfer can no longer be aborted.");
	if (db_exec(r->m->db, "UPDATE snapmirror_transfers SET state=?,end_time=? WHERE uuid=?", "sis", state,
	            sim_now(), uuid) < 0)
		return fail_internal(f, "abort a transfer", EIO);
	return 0;
}

const struct resource res_snapmirror_transfers = {
	.collection = "/snapmirror/relationships/{relationship.uuid}/transfers",
	.item = "/snapmirror/relationships/{relationship.uuid}/transfers/{uuid}",
	.key = "uuid",
	.fields = transfer_fields,
	.list = list_transfers,
	.post = post_transfer,
	.patch = patch_transfer,
};
