/*
 * What a transfer does: take a snapshot of the source, copy what the destination
 * lacks, drop what the source no longer has, and show the newest as the
 * destination's content.
 *
 * A snapshot is known on both sides by its version_uuid.  The order of changes is
 * that of volume_jobs.c: store, rows, NFS face, store.
 */
#include "tests/sim/rest/snapmirror.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/sim/rest/nfslink.h"
#include "tests/sim/rest/snapshot.h"
#include "tests/sim/store.h"

void mirror_fini(struct mirror *r)
{
	char *text[] = { r->uuid,   r->source,      r->destination,      r->state,    r->policy,
		         r->schedule, r->base_source, r->base_destination, r->unhealthy };

	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		free(text[i]);
	memset(r, 0, sizeof(*r));
}

bool mirror_next(sqlite3_stmt *s, struct mirror *r)
{
	char **text[] = { &r->uuid,   &r->source,      &r->destination,      &r->state,    &r->policy,
		          &r->schedule, &r->base_source, &r->base_destination, &r->unhealthy };

	if (!db_row(s))
		return false;
	r->seq = db_col_int(s, 0);
	r->throttle = db_col_int(s, 1);
	r->gone = db_col_int(s, 2);
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		*text[i] = sim_dup(db_col_text(s, 3 + (int)i));
	return true;
}

bool mirror_load(sqlite3 *db, const char *uuid, struct mirror *ret)
{
	AUTO_STMT sqlite3_stmt *s = db_query(db, "SELECT " MIRROR_COLUMNS " FROM snapmirrors WHERE uuid=?", "s",
	                                     uuid);

	return mirror_next(s, ret);
}

bool snapshot_is_base(sqlite3 *db, const char *uuid)
{
	return db_int(db, 0, "SELECT count(*) FROM snapmirrors WHERE base_source=?1 OR base_destination=?1", "s",
	              uuid) != 0;
}

int transfer_insert(struct model *m, const char *uuid, const char *mirror, const char *kind)
{
	return db_exec(m->db,
	               "INSERT INTO snapmirror_transfers(uuid,relationship,kind,state,start_time)"
	               " VALUES(?,?,?,'queued',?)",
	               "sssi", uuid, mirror, kind, sim_now());
}

bool transfer_active(sqlite3 *db, const char *mirror)
{
	return db_int(db, 0,
	              "SELECT count(*) FROM snapmirror_transfers WHERE relationship=? AND"
	              " state IN ('queued','transferring')",
	              "s", mirror) != 0;
}

/* ---- one transfer --------------------------------------------------------- */

struct copy {
	char uuid[UUID_BUF];
	char *from, *source, *subvol;
	bool made;
};

struct transfer {
	struct model *m;
	char *uuid, *mirror, *kind;
	struct mirror rel;
	struct volume src, dst;
	char *base;  /* uuid of the snapshot of the source that the destination will show */
	char *shown; /* the same in the destination */
	char *fresh; /* new content of the destination, a path in the store */
	struct copy *copies;
	size_t n;
	json_t *dropped; /* subvolumes to remove in the end */
	int64_t bytes;
};

static void transfer_fini(struct transfer *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->copies[i].from);
		free(t->copies[i].source);
		free(t->copies[i].subvol);
	}
	free(t->copies);
	free(t->uuid);
	free(t->mirror);
	free(t->kind);
	free(t->base);
	free(t->shown);
	free(t->fresh);
	json_decref(t->dropped);
	mirror_fini(&t->rel);
	volume_fini(&t->src);
	volume_fini(&t->dst);
}

static int check_ends(struct transfer *t, struct fail *f)
{
	sqlite3 *db = t->m->db;

	if (!mirror_load(db, t->mirror, &t->rel))
		fail_set(f, 404, E_NO_ENTRY, "The SnapMirror relationship was not found.");
	else if (!volume_load(db, "uuid", t->rel.source, false, &t->src) ||
	         !volume_load(db, "uuid", t->rel.destination, false, &t->dst))
		fail_set(f, 400, E_MIRROR_FAILED, "A volume of the SnapMirror relationship is gone.");
	else if (strcmp(t->src.state, "online") != 0 || strcmp(t->dst.state, "online") != 0)
		fail_set(f, 400, E_MIRROR_FAILED, "A volume of the SnapMirror relationship is not online.");
	else if (strcmp(t->rel.state, "paused") == 0)
		fail_set(f, 400, E_MIRROR_FAILED, "The SnapMirror relationship is quiesced.");
	else if (strcmp(t->kind, "update") == 0 && strcmp(t->rel.state, "snapmirrored") != 0)
		fail_set(f, 400, E_MIRROR_FAILED, "The SnapMirror relationship is not initialized.");
	else
		return 0;
	return -1;
}

static int begin(struct transfer *t, struct fail *f)
{
	sqlite3 *db = t->m->db;

	t->mirror = db_text(db, "SELECT relationship FROM snapmirror_transfers WHERE uuid=?", "s", t->uuid);
	t->kind = db_text(db, "SELECT kind FROM snapmirror_transfers WHERE uuid=?", "s", t->uuid);
	if (!t->mirror || !t->kind) {
		fail_set(f, 404, E_NO_ENTRY, "The SnapMirror transfer was not found.");
		return -1;
	}
	if (check_ends(t, f) < 0)
		return -1;
	db_exec(db, "UPDATE snapmirror_transfers SET state='transferring' WHERE uuid=?", "s", t->uuid);
	return 0;
}

/* A snapshot of the source for this transfer alone, as ONTAP names them. */
static int take_base(struct transfer *t, struct fail *f)
{
	struct snapshot_args a = { .expiry_time = -1 };
	struct model *m = t->m;
	AUTO_FREE char *name = NULL;
	char uuid[UUID_BUF];
	static time_t last; /* jobs run one after the other */
	bool taken = true;

	/* Made again within a second, it gets the next second's name, never one that was
	 * used: the source may have lost that snapshot, and the destination keep it as the
	 * base of a clone. */
	for (time_t now = (time_t)sim_now() > last ? (time_t)sim_now() : last + 1; taken; now++) {
		char stamp[32];
		struct tm tm;

		gmtime_r(&now, &tm);
		strftime(stamp, sizeof(stamp), "%Y-%m-%d_%H%M%S", &tm);
		last = now;
		free(name);
		name = sim_fmt("snapmirror.%s_%lld.%s", m->svm_uuid, (long long)(t->dst.fsid | 0x80000000LL), stamp);
		model_lock(m);
		taken = db_int(m->db, 0, "SELECT count(*) FROM snapshots WHERE volume_uuid IN (?,?) AND name=?",
		               "sss", t->src.uuid, t->dst.uuid, name) != 0;
		model_unlock(m);
	}
	sim_uuid(uuid);
	a.uuid = uuid;
	a.name = name;
	if (snapshot_make(m, &t->src, &a, f) < 0)
		return -1;
	t->base = sim_dup(uuid);
	return 0;
}

/* The base: the snapshot asked for, a fresh one, or for a source that is itself a
 * destination its newest. */
static int find_base(struct transfer *t, const char *name, struct fail *f)
{
	struct model *m = t->m;

	if (!name && strcmp(t->src.type, "rw") == 0)
		return take_base(t, f);
	model_lock(m);
	t->base = db_text(m->db,
	                  "SELECT uuid FROM snapshots WHERE volume_uuid=?1 AND (?2 IS NULL OR name=?2)"
	                  " ORDER BY fsid DESC LIMIT 1",
	                  "ss", t->src.uuid, name);
	model_unlock(m);
	return t->base ? 0 :
	                 fail_field(f, 400, E_MIRROR_FAILED, "source_snapshot",
	                            "Snapshot \"%.255s\" was not found in the source volume.", name ? name : "");
}

/* Snapshots of the source that belong to the destination under the policy, without
 * those younger than the base. */
#define WANTED                                                                                        \
	"SELECT s.version_uuid FROM snapshots s, snapmirror_policies p WHERE s.volume_uuid=?1"        \
	" AND p.name=?2 AND s.fsid<=(SELECT fsid FROM snapshots WHERE uuid=?3) AND (s.uuid=?3 OR"     \
	" (p.everything AND s.name NOT LIKE 'snapmirror.%') OR EXISTS(SELECT 1 FROM json_each(p.labels)" \
	" WHERE value=s.snapmirror_label))"

static int plan(struct transfer *t, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(
	        t->m->db,
	        "SELECT uuid,subvol FROM snapshots WHERE volume_uuid=?1 AND version_uuid IN (" WANTED ")"
	        " AND version_uuid NOT IN (SELECT version_uuid FROM snapshots WHERE volume_uuid=?4) ORDER BY fsid",
	        "ssss", t->src.uuid, t->rel.policy, t->base, t->dst.uuid);

	while (db_row(s)) {
		struct copy *c = realloc(t->copies, (t->n + 1) * sizeof(*c));

		if (!c)
			return fail_internal(f, "plan a transfer", ENOMEM);
		t->copies = c;
		c = &t->copies[t->n++];
		memset(c, 0, sizeof(*c));
		sim_uuid(c->uuid);
		c->from = sim_dup(db_col_text(s, 0));
		c->source = sim_dup(db_col_text(s, 1));
		c->subvol = sim_fmt("snap/%s", c->uuid);
	}
	return 0;
}

/* Bytes: of the first copy all, of the others what differs from the one before. */
static void count_bytes(struct transfer *t, const char *before)
{
	for (size_t i = 0; i < t->n; i++) {
		int64_t bytes = 0, files;
		int r = before ? store_replaced(t->m->dir, t->copies[i].source, before, false, &bytes) :
		                 store_usage(t->m->dir, t->copies[i].source, &bytes, &files);

		if (r == 0)
			t->bytes += bytes;
		before = t->copies[i].source;
	}
}

static int copy_store(struct transfer *t, struct fail *f)
{
	struct model *m = t->m;
	AUTO_FREE char *content = NULL;
	AUTO_FREE char *before = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		r = store_snapshot(m->dir, t->copies[i].source, t->copies[i].subvol, true);
		t->copies[i].made = r == 0;
	}
	model_lock(m);
	content = db_text(m->db, "SELECT subvol FROM snapshots WHERE uuid=?", "s", t->base);
	before = db_text(m->db, "SELECT subvol FROM snapshots WHERE uuid=?", "s", t->rel.base_destination);
	model_unlock(m);
	count_bytes(t, before);
	t->fresh = sim_fmt("vol/%s.%lld", t->dst.uuid, (long long)t->dst.generation + 1);
	store_delete(m->dir, t->fresh);
	if (r == 0)
		r = content ? store_snapshot(m->dir, content, t->fresh, false) : -ENOENT;
	return r < 0 ? fail_internal(f, "copy snapshots in the store", r) : 0;
}

/* Drops snapshots: of the destination those that the source no longer has (all
 * younger than the common one in a resync), of the source the base before this. */
static int drop_rows(struct transfer *t)
{
	static const char gone_there[] =
	        "FROM snapshots WHERE volume_uuid=?4 AND version_uuid NOT IN (" WANTED
	        ") AND NOT EXISTS(SELECT 1 FROM volumes c WHERE c.clone_snapshot=snapshots.uuid)"
	        " AND (name LIKE 'snapmirror.%' OR ?5 OR EXISTS(SELECT 1 FROM snapmirror_policies"
	        " WHERE name=?2 AND everything))";
	static const char old_base[] = "FROM snapshots WHERE uuid=?1 AND uuid<>?2 AND name LIKE 'snapmirror.%'"
	                               " AND NOT EXISTS(SELECT 1 FROM volumes WHERE clone_snapshot=?1)"
	                               " AND (SELECT count(*) FROM snapmirrors WHERE base_source=?1)<=1";
	AUTO_FREE char *list_there = sim_fmt("SELECT subvol %s", gone_there);
	AUTO_FREE char *drop_there = sim_fmt("DELETE %s", gone_there);
	AUTO_FREE char *list_base = sim_fmt("SELECT subvol %s", old_base);
	AUTO_FREE char *drop_base = sim_fmt("DELETE %s", old_base);
	int64_t resync = strcmp(t->kind, "resync") == 0;
	sqlite3 *db = t->m->db;
	AUTO_STMT sqlite3_stmt *a =
	        db_query(db, list_there, "ssssi", t->src.uuid, t->rel.policy, t->base, t->dst.uuid, resync);
	AUTO_STMT sqlite3_stmt *b = db_query(db, list_base, "ss", t->rel.base_source, t->base);

	while (db_row(a))
		json_array_append_new(t->dropped, json_string(db_col_text(a, 0)));
	while (db_row(b))
		json_array_append_new(t->dropped, json_string(db_col_text(b, 0)));
	sqlite3_reset(a);
	sqlite3_reset(b);
	if (db_exec(db, drop_there, "ssssi", t->src.uuid, t->rel.policy, t->base, t->dst.uuid, resync) < 0)
		return -EIO;
	return db_exec(db, drop_base, "ss", t->rel.base_source, t->base);
}

static int insert_copies(struct transfer *t)
{
	sqlite3 *db = t->m->db;

	for (size_t i = 0; i < t->n; i++) {
		int64_t fsid = db_next_fsid(db);

		if (!fsid ||
		    db_exec(db,
		            "INSERT INTO snapshots(uuid,volume_uuid,name,subvol,fsid,create_time,version_uuid,"
		            "comment,snapmirror_label) SELECT ?,?,name,?,?,create_time,version_uuid,comment,"
		            "snapmirror_label FROM snapshots WHERE uuid=?",
		            "sssis", t->copies[i].uuid, t->dst.uuid, t->copies[i].subvol, fsid,
		            t->copies[i].from) < 0)
			return -EIO;
	}
	return 0;
}

static int write_rows(struct transfer *t)
{
	sqlite3 *db = t->m->db;

	if (drop_rows(t) < 0 || insert_copies(t) < 0)
		return -EIO;
	t->shown = db_text(db,
	                   "SELECT d.uuid FROM snapshots d, snapshots s WHERE s.uuid=? AND d.volume_uuid=? AND"
	                   " d.version_uuid=s.version_uuid",
	                   "ss", t->base, t->dst.uuid);
	if (!t->shown ||
	    db_exec(db,
	            "UPDATE volumes SET subvol=?,generation=generation+1,type='dp',size=max(size,?),"
	            "ids32=? WHERE uuid=?",
	            "siis", t->fresh, t->src.size, (int64_t)t->src.ids32, t->dst.uuid) < 0 ||
	    db_exec(db, "DELETE FROM qtrees WHERE volume_uuid=?", "s", t->dst.uuid) < 0 ||
	    db_exec(db,
	            "INSERT INTO qtrees SELECT ?,id,name,security_style,export_policy FROM qtrees"
	            " WHERE volume_uuid=?",
	            "ss", t->dst.uuid, t->src.uuid) < 0 ||
	    db_exec(db,
	            "UPDATE snapmirrors SET state='snapmirrored',base_source=?,base_destination=?,"
	            "unhealthy=NULL WHERE uuid=?",
	            "sss", t->base, t->shown, t->mirror) < 0)
		return -EIO;
	return db_exec(db,
	               "UPDATE snapmirror_transfers SET state='success',bytes=?,end_time=?,"
	               "snapshot=(SELECT name FROM snapshots WHERE uuid=?) WHERE uuid=?",
	               "iiss", t->bytes, sim_now(), t->base, t->uuid);
}

static int run(struct transfer *t, const char *source_snapshot, struct fail *f)
{
	struct model *m = t->m;
	int r;

	model_lock(m);
	r = begin(t, f);
	model_unlock(m);
	if (r < 0 || find_base(t, source_snapshot, f) < 0)
		return -1;
	model_lock(m);
	r = plan(t, f);
	model_unlock(m);
	if (r == 0)
		r = copy_store(t, f);
	if (r == 0) {
		model_lock(m);
		r = model_begin(m, "record a transfer", f);
		if (r == 0)
			r = model_end(m, write_rows(t), "record a transfer", f);
		model_unlock(m);
	}
	if (r < 0) {
		for (size_t i = 0; i < t->n; i++)
			if (t->copies[i].made)
				store_delete(m->dir, t->copies[i].subvol);
		if (t->fresh)
			store_delete(m->dir, t->fresh);
	}
	return r;
}

static void note_failure(struct transfer *t, const struct fail *f)
{
	struct model *m = t->m;
	struct fail ignored = { 0 };
	int r;

	model_lock(m);
	if (model_begin(m, "record a failed transfer", &ignored) == 0) {
		r = db_exec(m->db, "UPDATE snapmirror_transfers SET state='failed',end_time=? WHERE uuid=?", "is",
		            sim_now(), t->uuid);
		if (r == 0 && t->mirror)
			r = db_exec(m->db, "UPDATE snapmirrors SET unhealthy=? WHERE uuid=?", "ss", f->text,
			            t->mirror);
		model_end(m, r, "record a failed transfer", &ignored);
	}
	model_unlock(m);
}

int job_transfer(struct model *m, json_t *args, struct fail *f)
{
	struct transfer t = { .m = m, .dropped = json_array(), .uuid = sim_dup(json_text(args, "transfer")) };
	json_t *e;
	size_t i;
	int r = run(&t, json_text(args, "source_snapshot"), f);

	if (r < 0)
		note_failure(&t, f);
	nfslink_reload(m->dir); /* also after a failure: a base snapshot may be new */
	if (r == 0) {
		store_delete(m->dir, t.dst.subvol);
		json_array_foreach(t.dropped, i, e)
			store_delete(m->dir, json_string_value(e));
	}
	transfer_fini(&t);
	return r < 0 ? -1 : 0;
}

/* ---- changes of a relationship -------------------------------------------- */

/* From now on the destination can be written. */
static int break_off(struct model *m, const struct mirror *r, struct fail *f)
{
	if (strcmp(r->state, "broken_off") == 0)
		return 0;
	if (strcmp(r->state, "uninitialized") == 0)
		return fail_set(f, 400, E_MIRROR_FAILED, "The SnapMirror relationship is not initialized.");
	if (model_begin(m, "break a relationship", f) < 0)
		return -1;
	if (db_exec(m->db, "UPDATE volumes SET type='rw' WHERE uuid=?", "s", r->destination) < 0 ||
	    db_exec(m->db, "UPDATE snapmirrors SET state='broken_off' WHERE uuid=?", "s", r->uuid) < 0)
		return model_end(m, -EIO, "break a relationship", f);
	return model_end(m, 0, "break a relationship", f);
}

static int set_state(struct model *m, const struct mirror *r, const char *state, struct fail *f)
{
	if (model_begin(m, "change a relationship", f) < 0)
		return -1;
	return model_end(m, db_exec(m->db, "UPDATE snapmirrors SET state=? WHERE uuid=?", "ss", state, r->uuid),
	                 "change a relationship", f);
}

/* What "snapmirrored" means depends on the state: initialize, resync, resume.
 * *ret_kind: the transfer to run, NULL when there is none. */
static int to_snapmirrored(struct model *m, const struct mirror *r, const char **ret_kind, struct fail *f)
{
	*ret_kind = NULL;
	if (strcmp(r->state, "snapmirrored") == 0)
		return 0;
	if (strcmp(r->state, "paused") == 0)
		return set_state(m, r, r->base_source ? "snapmirrored" : "uninitialized", f);
	if (transfer_active(m->db, r->uuid))
		return fail_set(f, 409, E_MIRROR_BUSY, "Another transfer is in progress.");
	*ret_kind = strcmp(r->state, "broken_off") == 0 ? "resync" : "initialize";
	return 0;
}

static int modify_fields(struct model *m, const char *uuid, const json_t *args, struct fail *f)
{
	if (model_begin(m, "change a relationship", f) < 0)
		return -1;
	return model_end(m,
	                 db_exec(m->db,
	                         "UPDATE snapmirrors SET policy=coalesce(?,policy),schedule=coalesce(?,schedule),"
	                         "throttle=coalesce(nullif(?,-1),throttle) WHERE uuid=?",
	                         "ssis", json_text(args, "policy"), json_text(args, "schedule"),
	                         json_num(args, "throttle", -1), uuid),
	                 "change a relationship", f);
}

int job_mirror_modify(struct model *m, json_t *args, struct fail *f)
{
	const char *state = json_text(args, "state"), *kind = NULL;
	AUTO_MIRROR struct mirror r = { 0 };
	AUTO_JSON json_t *next = NULL;
	char uuid[UUID_BUF];
	int rc;

	model_lock(m);
	if (!mirror_load(m->db, json_text(args, "uuid"), &r))
		rc = fail_set(f, 404, E_NO_ENTRY, "The SnapMirror relationship was not found.");
	else
		rc = modify_fields(m, r.uuid, args, f);
	if (rc == 0 && state) {
		if (strcmp(state, "snapmirrored") == 0)
			rc = to_snapmirrored(m, &r, &kind, f);
		else
			rc = strcmp(state, "paused") == 0 ? set_state(m, &r, state, f) : break_off(m, &r, f);
	}
	if (rc == 0 && kind) {
		sim_uuid(uuid);
		rc = transfer_insert(m, uuid, r.uuid, kind) < 0 ? fail_internal(f, "record a transfer", EIO) : 0;
	}
	model_unlock(m);
	if (rc < 0)
		return -1;
	if (kind) {
		next = json_pack("{s:s}", "transfer", uuid);
		return job_transfer(m, next, f);
	}
	nfslink_reload(m->dir);
	return 0;
}

/* The snapshot that only the relationship needed: a release takes it away. */
static char *release_base(struct model *m, const struct mirror *r)
{
	char *subvol = db_text(m->db,
	                       "SELECT subvol FROM snapshots WHERE uuid=?1 AND name LIKE 'snapmirror.%' AND"
	                       " NOT EXISTS(SELECT 1 FROM volumes WHERE clone_snapshot=?1) AND"
	                       " (SELECT count(*) FROM snapmirrors WHERE base_source=?1)<=1",
	                       "s", r->base_source);

	if (subvol && db_exec(m->db, "DELETE FROM snapshots WHERE uuid=?", "s", r->base_source) < 0) {
		free(subvol);
		return NULL;
	}
	return subvol;
}

int job_mirror_delete(struct model *m, json_t *args, struct fail *f)
{
	AUTO_MIRROR struct mirror r = { 0 };
	AUTO_FREE char *subvol = NULL;
	int64_t gone = json_num(args, "gone", 0);
	int rc;

	model_lock(m);
	if (!mirror_load(m->db, json_text(args, "uuid"), &r))
		rc = fail_set(f, 404, E_NO_ENTRY, "The SnapMirror relationship was not found.");
	else
		rc = model_begin(m, "delete a relationship", f);
	if (rc == 0) {
		gone |= r.gone;
		if ((gone & GONE_SOURCE) && !json_flag(args, "keep_base", false))
			subvol = release_base(m, &r);
		if (gone == (GONE_SOURCE | GONE_DESTINATION)) {
			rc = db_exec(m->db, "DELETE FROM snapmirror_transfers WHERE relationship=?", "s", r.uuid);
			if (rc == 0)
				rc = db_exec(m->db, "DELETE FROM snapmirrors WHERE uuid=?", "s", r.uuid);
		} else {
			rc = db_exec(m->db, "UPDATE snapmirrors SET gone=? WHERE uuid=?", "is", gone, r.uuid);
		}
		rc = model_end(m, rc, "delete a relationship", f);
	}
	model_unlock(m);
	if (rc < 0)
		return -1;
	nfslink_reload(m->dir);
	if (subvol)
		store_delete(m->dir, subvol);
	return 0;
}
