/*
 * /storage/volumes/{uuid}/snapshots.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/nfslink.h"
#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/snapmirror.h"
#include "tests/sim/rest/snapshot.h"
#include "tests/sim/rest/synthetic.h"
#include "tests/sim/store.h"

static const struct field snapshot_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD | F_POST | F_PATCH, T_STR },
	{ "volume.uuid", F_KEY | F_STD | F_POST, T_STR },
	{ "volume.name", F_KEY | F_STD | F_POST, T_STR },
	{ "svm.uuid", F_STD | F_POST, T_STR },
	{ "svm.name", F_STD | F_POST, T_STR },
	{ "create_time", F_STD, T_TIME },
	{ "comment", F_STD | F_POST | F_PATCH, T_STR },
	{ "expiry_time", F_STD | F_POST | F_PATCH, T_TIME },
	{ "owners", F_STD, T_ANY },
	{ "state", F_STD, T_STR },
	{ "snapmirror_label", F_STD | F_POST | F_PATCH, T_STR },
	{ "version_uuid", F_STD, T_STR },
	{ "provenance_volume.uuid", F_STD, T_STR },
	{ "logical_size", F_EXP | F_LAZY, T_SIZE },
	{ "size", F_EXP | F_LAZY, T_SIZE },
	{ "reclaimable_space", 0, T_SIZE },
	{ "delta", F_TREE, T_ANY },
	{ "snaplock", F_TREE, T_ANY },
	{ "snaplock_expiry_time", 0, T_TIME },
	{ "compress_savings", 0, T_BOOL },
	{ "dedup_savings", 0, T_BOOL },
	{ "vbn0_savings", 0, T_BOOL },
	{ NULL, 0, T_ANY },
};

static json_t *make_snapshot(struct model *m, sqlite3_stmt *s)
{
	AUTO_FREE char *href = sim_fmt("/api/storage/volumes/%s", db_col_text(s, 8));
	json_t *rec = json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s}", "uuid", db_col_text(s, 0), "name",
	                        db_col_text(s, 1), "version_uuid", db_col_text(s, 4), "comment",
	                        db_col_text(s, 5), "snapmirror_label", db_col_text(s, 7), "state", "valid");

	json_put(rec, "volume", make_ref(db_col_text(s, 9), db_col_text(s, 8), href));
	json_put(rec, "svm", make_svm_ref(m));
	json_put(rec, "create_time", json_time(db_col_int(s, 3)));
	if (sqlite3_column_type(s, 6) != SQLITE_NULL)
		json_put(rec, "expiry_time", json_time(db_col_int(s, 6)));
	json_put(rec, "provenance_volume.uuid", json_string(db_col_text(s, 8)));
	/* Absent when there is none: clients test for presence. */
	if (db_col_int(s, 10) || db_col_int(s, 11)) {
		json_t *owners = json_array();

		if (db_col_int(s, 10))
			json_array_append_new(owners, json_string("volume_clone"));
		if (db_col_int(s, 11))
			json_array_append_new(owners, json_string("snapmirror"));
		json_put(rec, "owners", owners);
	}
	return rec;
}

/* A plain name asked for, or NULL: the engine filters anyway, but a thousand
 * records need not be made for one. */
static const char *plain_name(struct req *r)
{
	const char *name = request_param(r, "name");
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return name && *name && !name[strspn(name, plain)] ? name : NULL;
}

static int list_snapshots(struct req *r, const char *key, struct list *out, struct fail *f)
{
	const char *volume = request_path(r, "volume.uuid");
	const char *name = plain_name(r);
	bool all = strcmp(volume, "*") == 0;
	AUTO_FREE char *sql = NULL;
	AUTO_STMT sqlite3_stmt *s = NULL;

	if (synthetic_is_volume(r->m, volume)) {
		synthetic_snapshots(r, volume, key, out);
		return 0;
	}
	if (!all && !db_int(r->m->db, 0, "SELECT count(*) FROM volumes WHERE uuid=? AND deleted_at IS NULL",
	                    "s", volume))
		return fail_field(f, 404, E_VOL_NOT_FOUND, "volume.uuid",
		                  "Unable to find volume with UUID \"%.60s\".", volume);
	if (volume_is_cache(r->m->db, volume))
		return fail_field(f, 400, E_SNAP_OF_CACHE, "volume.uuid",
		                  "Snapshots are not supported on FlexCache volumes.");
	/* One condition a column where it is asked for: "?1 IS NULL OR ..." would use no index. */
	sql = sim_fmt("SELECT s.uuid,s.name,s.fsid,s.create_time,s.version_uuid,s.comment,s.expiry_time,"
	              "s.snapmirror_label,v.uuid,v.name,EXISTS(SELECT 1 FROM volumes c WHERE"
	              " c.clone_snapshot=s.uuid),EXISTS(SELECT 1 FROM snapmirrors x WHERE"
	              " s.uuid IN (x.base_source,x.base_destination)) FROM snapshots s"
	              " JOIN volumes v ON v.uuid=s.volume_uuid"
	              " WHERE v.deleted_at IS NULL AND %s AND %s AND %s ORDER BY s.fsid",
	              all ? "?1 IS NULL" : "s.volume_uuid=?1", key ? "s.uuid=?2" : "?2 IS NULL",
	              name ? "s.name=?3" : "?3 IS NULL");
	s = db_query(r->m->db, sql, "sss", all ? NULL : volume, key, name);
	while (db_row(s))
		list_add(out, db_col_int(s, 2), make_snapshot(r->m, s));
	return 0;
}

/* Where a snapshot lies, and the next younger one or else the volume. */
static void subvols_of(struct model *m, const char *uuid, char **ret_subvol, char **ret_next)
{
	AUTO_STMT sqlite3_stmt *s =
	        db_query(m->db,
	                 "SELECT s.subvol,coalesce((SELECT n.subvol FROM snapshots n"
	                 " WHERE n.volume_uuid=s.volume_uuid AND n.fsid>s.fsid ORDER BY n.fsid LIMIT 1),"
	                 "(SELECT subvol FROM volumes WHERE uuid=s.volume_uuid)) FROM snapshots s"
	                 " WHERE s.uuid=?",
	                 "s", uuid);

	if (db_row(s) && db_col_text(s, 0) && db_col_text(s, 1)) {
		*ret_subvol = sim_dup(db_col_text(s, 0));
		*ret_next = sim_dup(db_col_text(s, 1));
	}
}

static void fill_snapshot(struct req *r, json_t *rec)
{
	struct model *m = r->m;
	AUTO_FREE char *subvol = NULL;
	AUTO_FREE char *next = NULL;
	int64_t bytes, files;

	model_lock(m);
	subvols_of(m, json_text(rec, "uuid"), &subvol, &next);
	model_unlock(m);
	if (!subvol || !next)
		return;
	if (store_usage(m->dir, subvol, &bytes, &files) == 0)
		json_put(rec, "logical_size", json_integer((json_int_t)bytes));
	if (store_replaced(m->dir, subvol, next, false, &bytes) == 0)
		json_put(rec, "size", json_integer((json_int_t)bytes));
}

/* ---- create --------------------------------------------------------------- */

static int check_label(const json_t *body, struct fail *f)
{
	const char *label = json_text(body, "snapmirror_label");

	if (label && (strlen(label) < 1 || strlen(label) > 31))
		return fail_field(f, 400, E_FIELD_VALUE, "snapmirror_label",
		                  "The SnapMirror label must have 1 to 31 characters.");
	return 0;
}

static int post_snapshot(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *volume = request_path(r, "volume.uuid"), *name = json_text(body, "name");
	AUTO_VOLUME struct volume v = { 0 };
	char uuid[UUID_BUF];

	if (!volume_load(r->m->db, "uuid", volume, false, &v))
		return fail_field(f, 404, E_VOL_NOT_FOUND, "volume.uuid",
		                  "Unable to find volume with UUID \"%.60s\".", volume);
	if (!name)
		return fail_field(f, 400, E_FIELD_MISSING, "name", "Field \"name\" is required");
	if (snapshot_check_name(name, E_SNAP_NAME, f) < 0 || check_label(body, f) < 0)
		return -1;
	if (strncmp(name, "snapmirror.", 11) == 0)
		return fail_field(f, 400, E_SNAP_RESERVED, "name",
		                  "Snapshot names that begin with \"snapmirror.\" are reserved.");
	sim_uuid(uuid);
	out->fn = job_snapshot_create;
	out->name = sim_dup(name);
	out->record = json_pack("{s:s, s:s, s:{s:s, s:s}}", "uuid", uuid, "name", name, "volume", "uuid",
	                        v.uuid, "name", v.name);
	out->args = json_pack("{s:s, s:s, s:O}", "uuid", uuid, "volume", v.uuid, "body", body);
	return 0;
}

static int check_make(struct model *m, const struct volume *v, const struct snapshot_args *a, struct fail *f)
{
	if (strcmp(v->state, "online") != 0)
		return fail_set(f, 400, E_SNAP_OFFLINE, "Volume \"%s\" is not online.", v->name);
	if (volume_is_cache(m->db, v->uuid))
		return fail_set(f, 400, E_SNAP_OF_CACHE, "Snapshots are not supported on FlexCache volumes.");
	if (strcmp(v->type, "rw") != 0)
		return fail_set(f, 400, E_SNAP_NOT_RW, "Volume \"%s\" is not a read-write volume.", v->name);
	if (db_int(m->db, 0, "SELECT count(*) FROM snapshots WHERE volume_uuid=? AND name=?", "ss", v->uuid,
	           a->name))
		return fail_field(f, 409, E_SNAP_EXISTS, "name",
		                  "Snapshot \"%.255s\" already exists in volume \"%s\".", a->name, v->name);
	if (db_int(m->db, 0, "SELECT count(*) FROM snapshots WHERE volume_uuid=?", "s", v->uuid) >=
	    SNAPSHOTS_MAX)
		return fail_set(f, 400, E_SNAP_LIMIT, "Volume \"%s\" has the maximum of %d snapshots.", v->name,
		                SNAPSHOTS_MAX);
	return 0;
}

static int insert_snapshot(struct model *m, const struct volume *v, const struct snapshot_args *a,
                           const char *subvol, int64_t now)
{
	char version[UUID_BUF];
	int64_t fsid;
	int r;

	sim_uuid(version);
	if (db_begin(m->db, true) < 0 || !(fsid = db_next_fsid(m->db)))
		return -5;
	r = db_exec(m->db,
	            "INSERT INTO snapshots(uuid,volume_uuid,name,subvol,fsid,create_time,version_uuid,"
	            "comment,snapmirror_label,expiry_time) VALUES(?,?,?,?,?,?,?,?,?,nullif(?,-1))",
	            "ssssiisssi", a->uuid, v->uuid, a->name, subvol, fsid, now, version, a->comment, a->label,
	            a->expiry_time);
	return r < 0 ? r : db_commit(m->db);
}

int snapshot_make(struct model *m, const struct volume *v, const struct snapshot_args *a, struct fail *f)
{
	AUTO_FREE char *subvol = sim_fmt("snap/%s", a->uuid);
	int64_t now = sim_now();
	int r;

	model_lock(m);
	r = check_make(m, v, a, f);
	model_unlock(m);
	if (r < 0)
		return -1;
	r = store_snapshot(m->dir, v->subvol, subvol, true);
	if (r < 0)
		return fail_internal(f, "take a snapshot in the store", r);
	model_lock(m);
	r = insert_snapshot(m, v, a, subvol, now);
	if (r < 0)
		db_rollback(m->db);
	model_unlock(m);
	if (r < 0) {
		store_delete(m->dir, subvol);
		return fail_internal(f, "record a snapshot", r);
	}
	return 0;
}

static int64_t expiry_of(const json_t *body)
{
	const char *text = json_text(body, "expiry_time");
	int64_t t = -1;

	return text && sim_parse_iso(text, &t) ? t : -1;
}

int job_snapshot_create(struct model *m, json_t *args, struct fail *f)
{
	const json_t *body = json_object_get(args, "body");
	struct snapshot_args a = { .uuid = json_text(args, "uuid"),
		                   .name = json_text(body, "name"),
		                   .comment = json_text(body, "comment"),
		                   .label = json_text(body, "snapmirror_label"),
		                   .expiry_time = expiry_of(body) };
	AUTO_VOLUME struct volume v = { 0 };
	bool found;

	model_lock(m);
	found = volume_load(m->db, "uuid", json_text(args, "volume"), false, &v);
	model_unlock(m);
	if (!found)
		return fail_set(f, 404, E_VOL_NOT_FOUND, "The volume was not found.");
	if (strcmp(v.style, "flexgroup") == 0 && a.expiry_time >= 0)
		return fail_field(f, 400, 1638574, "expiry_time",
		                  "An expiry time is not supported for snapshots of FlexGroup volumes.");
	if (snapshot_make(m, &v, &a, f) < 0)
		return -1;
	nfslink_reload(m->dir);
	return 0;
}

/* ---- modify, delete ------------------------------------------------------- */

static int patch_snapshot(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name");

	(void)r;
	if ((name && snapshot_check_name(name, E_SNAP_RENAME_NAME, f) < 0) || check_label(body, f) < 0)
		return -1;
	out->fn = job_snapshot_modify;
	out->args = json_pack("{s:s, s:s, s:O}", "uuid", json_text(rec, "uuid"), "volume",
	                      json_text(rec, "volume.uuid"), "body", body);
	return 0;
}

static int del_snapshot(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	(void)r;
	(void)f;
	out->fn = job_snapshot_delete;
	out->args = json_pack("{s:s, s:s}", "uuid", json_text(rec, "uuid"), "volume",
	                      json_text(rec, "volume.uuid"));
	return 0;
}

static int modify(struct model *m, const json_t *args, struct fail *f)
{
	const json_t *body = json_object_get(args, "body");
	const char *uuid = json_text(args, "uuid"), *volume = json_text(args, "volume");
	const char *name = json_text(body, "name");
	AUTO_FREE char *old = db_text(m->db, "SELECT name FROM snapshots WHERE uuid=?", "s", uuid);
	int r;

	if (!old)
		return fail_set(f, 404, E_SNAP_RENAME_GONE, "The snapshot was not found.");
	if (name && strcmp(name, old) != 0) {
		if (snapshot_has_clones(m->db, uuid))
			return fail_set(f, 409, E_SNAP_RENAME_BUSY,
			                "Snapshot \"%s\" is a reference snapshot and cannot be renamed.", old);
		if (db_int(m->db, 0, "SELECT count(*) FROM snapshots WHERE volume_uuid=? AND name=?", "ss",
		           volume, name))
			return fail_field(f, 409, E_SNAP_EXISTS, "name", "Snapshot \"%s\" already exists.",
			                  name);
	}
	if (db_begin(m->db, true) < 0)
		return fail_internal(f, "change a snapshot", 5);
	r = db_exec(m->db,
	            "UPDATE snapshots SET name=coalesce(?1,name),comment=coalesce(?2,comment),"
	            "snapmirror_label=coalesce(?3,snapmirror_label),"
	            "expiry_time=coalesce(nullif(?4,-1),expiry_time) WHERE uuid=?5",
	            "sssis", name, json_text(body, "comment"), json_text(body, "snapmirror_label"),
	            expiry_of(body), uuid);
	if (r == 0)
		r = db_commit(m->db);
	else
		db_rollback(m->db);
	return r < 0 ? fail_internal(f, "change a snapshot", r) : 0;
}

int job_snapshot_modify(struct model *m, json_t *args, struct fail *f)
{
	int r;

	model_lock(m);
	r = modify(m, args, f);
	model_unlock(m);
	if (r == 0)
		nfslink_reload(m->dir);
	return r;
}

static int forget(struct model *m, const char *uuid, char **ret_subvol, struct fail *f)
{
	AUTO_FREE char *name = db_text(m->db, "SELECT name FROM snapshots WHERE uuid=?", "s", uuid);
	int r;

	if (!name)
		return fail_set(f, 404, E_SNAP_GONE, "The snapshot was not found.");
	if (snapshot_has_clones(m->db, uuid) || snapshot_is_base(m->db, uuid) ||
	    db_int(m->db, 0, "SELECT expiry_time FROM snapshots WHERE uuid=?", "s", uuid) > sim_now())
		return fail_set(f, 409, E_SNAP_BUSY,
		                "Snapshot \"%s\" has not expired or is locked: it is in use by a clone or "
		                "SnapMirror, or kept until its expiry time.",
		                name);
	*ret_subvol = db_text(m->db, "SELECT subvol FROM snapshots WHERE uuid=?", "s", uuid);
	if (db_begin(m->db, true) < 0)
		return fail_internal(f, "delete a snapshot", 5);
	r = db_exec(m->db, "DELETE FROM snapshots WHERE uuid=?", "s", uuid);
	if (r == 0)
		r = db_commit(m->db);
	else
		db_rollback(m->db);
	return r < 0 ? fail_internal(f, "delete a snapshot", r) : 0;
}

int job_snapshot_delete(struct model *m, json_t *args, struct fail *f)
{
	AUTO_FREE char *subvol = NULL;
	int r;

	model_lock(m);
	r = forget(m, json_text(args, "uuid"), &subvol, f);
	model_unlock(m);
	if (r < 0)
		return -1;
	/* First the NFS face lets go of it, then the bytes go. */
	nfslink_reload(m->dir);
	r = store_delete(m->dir, subvol);
	if (r < 0)
		sim_log("cannot remove %s from the store: %s; the next start tries again", subvol,
		        strerror(-r));
	return 0;
}

const struct resource res_snapshots = {
	.collection = "/storage/volumes/{volume.uuid}/snapshots",
	.item = "/storage/volumes/{volume.uuid}/snapshots/{uuid}",
	.key = "uuid",
	.fields = snapshot_fields,
	.list = list_snapshots,
	.fill = fill_snapshot,
	.post = post_snapshot,
	.patch = patch_snapshot,
	.del = del_snapshot,
};
