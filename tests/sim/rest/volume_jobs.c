/*
 * The jobs that change volumes.
 *
 * Order of every change, so that a crash at any point leaves a whole model: make
 * subvolumes, commit the rows, tell the NFS face, remove subvolumes.  A subvolume
 * without a row is swept at the next start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/rest/nfslink.h"
#include "tests/sim/rest/snapshot.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/seed.h"
#include "tests/sim/store.h"

static int gone(struct fail *f, const char *what)
{
	return fail_set(f, 404, E_VOL_NOT_FOUND, "Volume \"%s\" was not found.", what);
}

/* Ends a transaction begun with the model locked. */
static int finish(struct model *m, int r, const char *what, struct fail *f)
{
	if (r == 0)
		r = db_commit(m->db);
	else
		db_rollback(m->db);
	return r < 0 ? fail_internal(f, what, r) : 0;
}

static bool name_taken(struct model *m, const char *name, struct fail *f)
{
	if (!db_int(m->db, 0, "SELECT count(*) FROM volumes WHERE name=?", "s", name))
		return false;
	fail_field(f, 409, E_VOL_EXISTS, "name", "Volume \"%s\" already exists in SVM \"%s\".", name, SIM_SVM);
	return true;
}

/* Sets owner and mode of a volume's root folder; absent fields stay. */
static int set_root(struct model *m, const char *subvol, const json_t *args, struct fail *f)
{
	int64_t mode = json_num(args, "mode", -1), uid = json_num(args, "uid", -1),
	        gid = json_num(args, "gid", -1);
	AUTO_CLOSE int fd = -1;

	if (mode < 0 && uid < 0 && gid < 0)
		return 0;
	fd = store_open(m->dir, subvol);
	if (fd < 0)
		return fail_internal(f, "open the root folder of a volume", fd);
	if ((uid >= 0 || gid >= 0) && fchown(fd, (uid_t)uid, (gid_t)gid) < 0)
		return fail_internal(f, "change the owner of a volume", errno);
	if (mode >= 0 && fchmod(fd, (mode_t)mode) < 0)
		return fail_internal(f, "change the permissions of a volume", errno);
	return 0;
}

static int64_t smallest(int64_t constituents)
{
	return constituents ? constituents * CONSTITUENT_MIN : FLEXVOL_MIN;
}

static int check_size(const char *name, int64_t size, int64_t constituents, struct fail *f)
{
	int64_t min = smallest(constituents);

	if (size >= min)
		return 0;
	return fail_field(f, 400, E_VOL_SMALL, "size",
	                  "Size \"%lldB\" is too small for volume \"%s\". Minimum size is: \"%lldMB\" (%lldB).",
	                  (long long)size, name, (long long)(min >> 20), (long long)min);
}

static const char *text_or(const json_t *args, const char *key, const char *def)
{
	const char *v = json_text(args, key);

	return v ? v : def;
}

/* ---- create --------------------------------------------------------------- */

int volume_insert(struct model *m, const json_t *args, const char *subvol, int64_t size)
{
	int64_t parts = json_num(args, "constituents", 0);
	AUTO_FREE char *aggregates = json_dumps(json_object_get(args, "aggregates"), JSON_COMPACT);
	AUTO_FREE char *root_policy = db_text(m->db, "SELECT export_policy FROM volumes WHERE is_root", "");
	const char *path = json_text(args, "path");
	int64_t fsid;

	if (db_begin(m->db, true) < 0 || !(fsid = db_next_fsid(m->db)))
		return -EIO;
	return db_exec(
	        m->db,
	        "INSERT INTO volumes(uuid,name,style,type,state,junction,subvol,export_policy,"
	        "snapdir_access,fsid,ids32,size,comment,create_time,snapshot_policy,snapshot_reserve,"
	        "guarantee,language,security_style,tiering,aggregates,constituents)"
	        " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	        "ssssssssiiiisisisssssi", json_text(args, "uuid"), json_text(args, "name"),
	        json_text(args, "style"), text_or(args, "type", "rw"), text_or(args, "state", "online"),
	        path && *path ? path : NULL, subvol,
	        text_or(args, "export_policy", root_policy ? root_policy : "default"),
	        (int64_t)json_flag(args, "snapdir_access", true), fsid, (int64_t)(parts > 0), size,
	        text_or(args, "comment", ""), sim_now(), text_or(args, "snapshot_policy", "default"),
	        json_num(args, "snapshot_reserve", 5),
	        text_or(args, "guarantee", parts ? "none" : "volume"),
	        text_or(args, "language", "c.utf_8"), text_or(args, "security_style", "unix"),
	        text_or(args, "tiering", "none"), aggregates, parts);
}

/* A mounted volume must be online and have a place. */
static int check_mount(struct model *m, const json_t *args, const char *state, struct fail *f)
{
	const char *path = json_text(args, "path");

	if (!path || !*path)
		return 0;
	if (strcmp(state, "online") != 0)
		return fail_field(f, 400, E_VOL_JUNCTION, "nas.path",
		                  "Only an online volume can be mounted.");
	return volume_check_place(m, path, json_text(args, "uuid"), f);
}

int job_volume_create(struct model *m, json_t *args, struct fail *f)
{
	const char *name = json_text(args, "name"), *uuid = json_text(args, "uuid");
	int64_t parts = json_num(args, "constituents", 0);
	int64_t size = json_num(args, "size", smallest(parts));
	AUTO_FREE char *subvol = sim_fmt("vol/%s", uuid);
	bool refused;
	int r;

	if (check_size(name, size, parts, f) < 0)
		return -1;
	model_lock(m);
	refused = name_taken(m, name, f) || check_mount(m, args, text_or(args, "state", "online"), f) < 0;
	model_unlock(m);
	if (refused)
		return -1;
	r = store_create(m->dir, subvol, (mode_t)json_num(args, "mode", 0755),
	                 (uid_t)json_num(args, "uid", 0), (gid_t)json_num(args, "gid", 0));
	if (r < 0)
		return fail_internal(f, "make a volume in the store", r);
	model_lock(m);
	r = finish(m, volume_insert(m, args, subvol, size), "record a volume", f);
	model_unlock(m);
	if (r < 0) {
		store_delete(m->dir, subvol);
		return -1;
	}
	nfslink_reload(m->dir);
	return 0;
}

/* ---- clone ---------------------------------------------------------------- */

/* A snapshot that a clone inherits: copied before the rows are written. */
struct heir {
	char uuid[UUID_BUF];
	char *from;   /* uuid of the parent's snapshot */
	char *source; /* its subvolume */
	char *subvol;
	bool made;
};

struct heirs {
	struct heir *h;
	size_t n;
};

static void heirs_fini(struct heirs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->h[i].from);
		free(l->h[i].source);
		free(l->h[i].subvol);
	}
	free(l->h);
}

/* The parent's snapshots up to and with the base, oldest first.  Model locked. */
static int list_heirs(struct model *m, const char *parent, const char *base, struct heirs *l)
{
	AUTO_STMT sqlite3_stmt *s =
	        db_query(m->db,
	                 "SELECT uuid,subvol FROM snapshots WHERE volume_uuid=?1 AND fsid<="
	                 "(SELECT fsid FROM snapshots WHERE uuid=?2) ORDER BY fsid",
	                 "ss", parent, base);

	while (db_row(s)) {
		struct heir *h = realloc(l->h, (l->n + 1) * sizeof(*h));

		if (!h)
			return -ENOMEM;
		l->h = h;
		h = &l->h[l->n++];
		memset(h, 0, sizeof(*h));
		sim_uuid(h->uuid);
		h->from = sim_dup(db_col_text(s, 0));
		h->source = sim_dup(db_col_text(s, 1));
		h->subvol = sim_fmt("snap/%s", h->uuid);
	}
	return 0;
}

static int insert_clone(struct model *m, const json_t *args, const struct volume *p, const char *subvol,
                        const char *base, const struct heirs *l)
{
	const char *path = json_text(args, "path");
	int64_t fsid;

	if (db_begin(m->db, true) < 0 || !(fsid = db_next_fsid(m->db)) ||
	    db_exec(m->db,
	            "INSERT INTO volumes(uuid,name,style,type,state,junction,subvol,export_policy,"
	            "snapdir_access,fsid,ids32,size,comment,create_time,snapshot_policy,snapshot_reserve,"
	            "guarantee,language,security_style,tiering,aggregates,constituents,clone_volume,"
	            "clone_snapshot) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	            "ssssssssiiiisisisssssiss", json_text(args, "uuid"), json_text(args, "name"), p->style,
	            text_or(args, "type", "rw"), text_or(args, "state", "online"),
	            path && *path ? path : NULL, subvol, text_or(args, "export_policy", p->export_policy),
	            (int64_t)json_flag(args, "snapdir_access", p->snapdir_access), fsid, (int64_t)p->ids32,
	            p->size, text_or(args, "comment", ""), sim_now(),
	            text_or(args, "snapshot_policy", p->snapshot_policy), p->snapshot_reserve,
	            text_or(args, "guarantee", p->guarantee), p->language,
	            text_or(args, "security_style", p->security_style),
	            text_or(args, "tiering", p->tiering), p->aggregates, p->constituents, p->uuid, base) < 0)
		return -EIO;
	if (db_exec(m->db,
	            "INSERT INTO qtrees SELECT ?,id,name,security_style,export_policy FROM qtrees"
	            " WHERE volume_uuid=?",
	            "ss", json_text(args, "uuid"), p->uuid) < 0)
		return -EIO;
	for (size_t i = 0; i < l->n; i++) {
		fsid = db_next_fsid(m->db);
		if (!fsid ||
		    db_exec(m->db,
		            "INSERT INTO snapshots(uuid,volume_uuid,name,subvol,fsid,create_time,"
		            "version_uuid,comment,snapmirror_label) SELECT ?,?,name,?,?,create_time,"
		            "version_uuid,comment,snapmirror_label FROM snapshots WHERE uuid=?",
		            "sssis", l->h[i].uuid, json_text(args, "uuid"), l->h[i].subvol, fsid,
		            l->h[i].from) < 0)
			return -EIO;
	}
	return 0;
}

static int make_clone_store(struct model *m, const char *base_subvol, const char *subvol, struct heirs *l)
{
	int r = store_snapshot(m->dir, base_subvol, subvol, false);

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		r = store_snapshot(m->dir, l->h[i].source, l->h[i].subvol, true);
		l->h[i].made = r == 0;
	}
	return r;
}

static void undo_clone_store(struct model *m, const char *subvol, struct heirs *l)
{
	store_delete(m->dir, subvol);
	for (size_t i = 0; i < l->n; i++)
		if (l->h[i].made)
			store_delete(m->dir, l->h[i].subvol);
}

/* The base snapshot: the one asked for, or a fresh one.  *ret is freed by the
 * caller. */
static int base_snapshot(struct model *m, const json_t *args, const struct volume *parent, char **ret,
                         struct fail *f)
{
	const char *given = json_text(args, "parent_snapshot");
	struct snapshot_args sa = { 0 };
	char uuid[UUID_BUF];
	AUTO_FREE char *name = NULL;

	if (given) {
		*ret = sim_dup(given);
		return 0;
	}
	sim_uuid(uuid);
	/* Made again within a second, it gets the next second's name. */
	for (long long stamp = (long long)sim_now();; stamp++) {
		free(name);
		name = sim_fmt("clone_%s.%lld", json_text(args, "name"), stamp);
		if (!db_int(m->db, 0, "SELECT count(*) FROM snapshots WHERE volume_uuid=? AND name=?", "ss",
		            parent->uuid, name))
			break;
	}
	sa.uuid = uuid;
	sa.name = name;
	sa.expiry_time = -1;
	if (snapshot_make(m, parent, &sa, f) < 0)
		return -1;
	*ret = sim_dup(uuid);
	return 0;
}

int job_volume_clone(struct model *m, json_t *args, struct fail *f)
{
	AUTO_FREE char *subvol = sim_fmt("vol/%s", json_text(args, "uuid"));
	AUTO_VOLUME struct volume parent = { 0 };
	AUTO_FREE char *base = NULL;
	AUTO_FREE char *base_subvol = NULL;
	struct heirs l = { 0 };
	bool refused = false;
	int r;

	model_lock(m);
	if (!volume_load(m->db, "uuid", json_text(args, "parent"), false, &parent))
		refused = fail_set(f, 404, E_CLONE_PARENT, "The parent volume was not found.");
	else if (strcmp(parent.state, "online") != 0)
		refused = fail_set(f, 400, E_CLONE_OFFLINE, "Parent volume \"%s\" is not online.", parent.name);
	else
		refused = name_taken(m, json_text(args, "name"), f) ||
		          check_mount(m, args, text_or(args, "state", "online"), f) < 0;
	model_unlock(m);
	if (refused || base_snapshot(m, args, &parent, &base, f) < 0)
		return -1;
	model_lock(m);
	base_subvol = db_text(m->db, "SELECT subvol FROM snapshots WHERE uuid=?", "s", base);
	r = list_heirs(m, parent.uuid, base, &l);
	model_unlock(m);
	if (!base_subvol || r < 0) {
		heirs_fini(&l);
		return fail_set(f, 404, E_CLONE_SNAPSHOT, "The parent snapshot was not found.");
	}
	r = make_clone_store(m, base_subvol, subvol, &l);
	if (r < 0)
		fail_internal(f, "make a clone in the store", r);
	else
		r = set_root(m, subvol, args, f);
	if (r == 0) {
		model_lock(m);
		r = finish(m, insert_clone(m, args, &parent, subvol, base, &l), "record a clone", f);
		model_unlock(m);
	}
	if (r < 0)
		undo_clone_store(m, subvol, &l);
	heirs_fini(&l);
	nfslink_reload(m->dir); /* also after a failure: a base snapshot may be new */
	return r < 0 ? -1 : 0;
}

/* ---- modify --------------------------------------------------------------- */

/* used: bytes in the volume, for a new size. */
static int check_modify(struct model *m, const json_t *args, const struct volume *v, int64_t used,
                        struct fail *f)
{
	const char *name = json_text(args, "name"), *path = json_text(args, "path");
	const char *state = text_or(args, "state", v->state);
	bool leave = (path && (!v->junction || strcmp(path, v->junction) != 0)) || strcmp(state, "online") != 0;
	int64_t size = json_num(args, "size", v->size);

	if (json_flag(args, "split", false) && !v->clone_volume)
		return fail_set(f, 400, E_CLONE_SPLIT, "Volume \"%s\" is not a FlexClone volume.", v->name);
	if (name && strcmp(name, v->name) != 0 && name_taken(m, name, f))
		return -1;
	if (v->is_root && leave)
		return fail_set(f, 409, E_VOL_ROOT, "The root volume of the SVM stays online and mounted.");
	if (leave && v->junction && volume_has_children(m->db, v->junction))
		return fail_set(f, 409, E_VOL_BUSY, "Volume \"%s\" is busy: other volumes are mounted below \"%s\".",
		                v->name, v->junction);
	if (size != v->size) {
		if (check_size(v->name, size, v->constituents, f) < 0)
			return -1;
		if (size < used)
			return fail_field(f, 400, E_VOL_SMALL, "size",
			                  "Volume \"%s\" holds more than the new size.", v->name);
	}
	return check_mount(m, args, state, f);
}

static int update_volume(struct model *m, const json_t *args, const struct volume *v)
{
	const char *path = json_text(args, "path"), *state = text_or(args, "state", v->state);
	const char *junction = path ? (*path ? path : NULL) : v->junction;
	bool split = json_flag(args, "split", false);

	if (strcmp(state, "online") != 0)
		junction = NULL; /* going offline drops the junction */
	if (db_begin(m->db, true) < 0)
		return -EIO;
	return db_exec(m->db,
	               "UPDATE volumes SET name=?,junction=?,state=?,size=?,comment=?,export_policy=?,"
	               "snapshot_policy=?,snapdir_access=?,snapshot_reserve=?,guarantee=?,tiering=?,"
	               "security_style=?,clone_volume=?,clone_snapshot=?,"
	               "quota=coalesce(nullif(?,-1),quota) WHERE uuid=?",
	               "sssisssiisssssis", text_or(args, "name", v->name), junction, state,
	               json_num(args, "size", v->size), text_or(args, "comment", v->comment),
	               text_or(args, "export_policy", v->export_policy),
	               text_or(args, "snapshot_policy", v->snapshot_policy),
	               (int64_t)json_flag(args, "snapdir_access", v->snapdir_access),
	               json_num(args, "snapshot_reserve", v->snapshot_reserve),
	               text_or(args, "guarantee", v->guarantee), text_or(args, "tiering", v->tiering),
	               text_or(args, "security_style", v->security_style), split ? NULL : v->clone_volume,
	               split ? NULL : v->clone_snapshot, json_num(args, "quota", -1), v->uuid);
}

int job_volume_modify(struct model *m, json_t *args, struct fail *f)
{
	AUTO_VOLUME struct volume v = { 0 };
	int64_t used = 0, files;
	bool found;
	int r;

	model_lock(m);
	found = volume_load(m->db, "uuid", json_text(args, "uuid"), false, &v);
	model_unlock(m);
	if (!found)
		return gone(f, json_text(args, "uuid"));
	if (json_at(args, "size") && (r = store_usage(m->dir, v.subvol, &used, &files)) < 0)
		return fail_internal(f, "count the bytes of a volume", r);
	model_lock(m);
	r = check_modify(m, args, &v, used, f);
	model_unlock(m);
	if (r < 0 || set_root(m, v.subvol, args, f) < 0)
		return -1;
	model_lock(m);
	r = finish(m, update_volume(m, args, &v), "change a volume", f);
	model_unlock(m);
	if (r == 0)
		nfslink_reload(m->dir);
	return r;
}

/* ---- restore -------------------------------------------------------------- */

/* Snapshots younger than the one restored vanish, as they do on ONTAP. */
static int check_restore(struct model *m, const struct volume *v, const char *snap, struct fail *f)
{
	if (strcmp(v->state, "online") != 0)
		return fail_set(f, 400, E_RESTORE_OFFLINE, "Volume \"%s\" is not online.", v->name);
	if (strcmp(v->type, "rw") != 0)
		return fail_set(f, 400, E_VOL_KIND, "Volume \"%s\" is not a read-write volume.", v->name);
	if (!db_int(m->db, 0, "SELECT count(*) FROM snapshots WHERE uuid=? AND volume_uuid=?", "ss", snap,
	            v->uuid))
		return fail_set(f, 404, E_RESTORE_FAILED, "The snapshot was not found.");
	if (db_int(m->db, 0,
	           "SELECT count(*) FROM snapshots s WHERE volume_uuid=?1 AND fsid>"
	           "(SELECT fsid FROM snapshots WHERE uuid=?2) AND (EXISTS(SELECT 1 FROM volumes"
	           " WHERE clone_snapshot=s.uuid) OR s.expiry_time>?3)",
	           "ssi", v->uuid, snap, sim_now()))
		return fail_set(f, 409, E_RESTORE_BUSY,
		                "Newer snapshots of volume \"%s\" are in use or locked.", v->name);
	return 0;
}

int job_volume_restore(struct model *m, json_t *args, struct fail *f)
{
	const char *snap = json_text(args, "snapshot");
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_FREE char *source = NULL;
	AUTO_FREE char *fresh = NULL;
	struct heirs old = { 0 };
	AUTO_STMT sqlite3_stmt *s = NULL;
	int r;

	model_lock(m);
	if (!volume_load(m->db, "uuid", json_text(args, "uuid"), false, &v))
		r = gone(f, json_text(args, "uuid"));
	else
		r = check_restore(m, &v, snap, f);
	source = db_text(m->db, "SELECT subvol FROM snapshots WHERE uuid=?", "s", snap);
	model_unlock(m);
	if (r < 0)
		return -1;
	/* Another path for the new content: the row names one or the other, so a
	 * crash cannot leave half a restore. */
	fresh = sim_fmt("vol/%s.%lld", v.uuid, (long long)v.generation + 1);
	store_delete(m->dir, fresh);
	r = store_snapshot(m->dir, source, fresh, false);
	if (r < 0)
		return fail_internal(f, "restore a snapshot in the store", r);
	model_lock(m);
	s = db_query(m->db,
	             "SELECT subvol FROM snapshots WHERE volume_uuid=?1 AND fsid>"
	             "(SELECT fsid FROM snapshots WHERE uuid=?2)",
	             "ss", v.uuid, snap);
	while (db_row(s)) {
		struct heir *h = realloc(old.h, (old.n + 1) * sizeof(*h));

		if (!h)
			break; /* what is not removed now is swept at the next start */
		old.h = h;
		h[old.n++] = (struct heir){ .subvol = sim_dup(db_col_text(s, 0)) };
	}
	sqlite3_reset(s);
	r = db_begin(m->db, true);
	if (r == 0)
		r = db_exec(m->db,
		            "DELETE FROM snapshots WHERE volume_uuid=?1 AND fsid>"
		            "(SELECT fsid FROM snapshots WHERE uuid=?2)",
		            "ss", v.uuid, snap);
	if (r == 0)
		r = db_exec(m->db, "UPDATE volumes SET subvol=?,generation=generation+1 WHERE subvol=?", "ss",
		            fresh, v.subvol); /* its caches, too */
	r = finish(m, r, "record a restore", f);
	model_unlock(m);
	if (r == 0) {
		nfslink_reload(m->dir);
		store_delete(m->dir, v.subvol);
		for (size_t i = 0; i < old.n; i++)
			store_delete(m->dir, old.h[i].subvol);
	} else {
		store_delete(m->dir, fresh);
	}
	heirs_fini(&old);
	return r;
}

/* ---- delete --------------------------------------------------------------- */

int volume_remove(struct model *m, const struct volume *v, struct fail *f)
{
	static const char *const parts[] = { "DELETE FROM qtrees WHERE volume_uuid=?",
		                             "DELETE FROM quota_rules WHERE volume_uuid=?",
		                             "DELETE FROM flexcaches WHERE uuid=?" };
	AUTO_JSON json_t *subvols = json_array();
	AUTO_STMT sqlite3_stmt *s = NULL;
	json_t *e;
	size_t i;
	int r;

	model_lock(m);
	/* What a cache shows belongs to its origin. */
	if (!volume_is_cache(m->db, v->uuid))
		json_array_append_new(subvols, json_string(v->subvol));
	s = db_query(m->db, "SELECT subvol FROM snapshots WHERE volume_uuid=?", "s", v->uuid);
	while (db_row(s))
		json_array_append_new(subvols, json_string(db_col_text(s, 0)));
	sqlite3_reset(s);
	r = db_begin(m->db, true);
	if (r == 0)
		r = db_exec(m->db, "DELETE FROM snapshots WHERE volume_uuid=?", "s", v->uuid);
	for (size_t k = 0; r == 0 && k < ARRAY_LEN(parts); k++)
		r = db_exec(m->db, parts[k], "s", v->uuid);
	if (r == 0)
		r = db_exec(m->db, "DELETE FROM volumes WHERE uuid=?", "s", v->uuid);
	r = finish(m, r, "remove a volume", f);
	model_unlock(m);
	if (r < 0)
		return -1;
	nfslink_reload(m->dir);
	json_array_foreach(subvols, i, e) {
		int err = store_delete(m->dir, json_string_value(e));

		if (err < 0)
			sim_log("cannot remove %s from the store: %s; the next start tries again",
			        json_string_value(e), strerror(-err));
	}
	return 0;
}

int volume_check_delete(struct model *m, const struct volume *v, struct fail *f)
{
	if (v->is_root)
		return fail_set(f, 409, E_VOL_ROOT, "The root volume of the SVM cannot be deleted while the SVM "
		                                    "has other volumes.");
	if (volume_has_clones(m->db, v->uuid))
		return fail_set(f, 409, E_VOL_HAS_CLONES,
		                "Volume \"%s\" has one or more clones. Delete or split them first.", v->name);
	if (db_int(m->db, 0, "SELECT count(*) FROM flexcaches WHERE origin=?", "s", v->uuid))
		return fail_set(f, 409, E_VOL_IS_ORIGIN,
		                "Volume \"%s\" is the origin of one or more FlexCache volumes.", v->name);
	if (db_int(m->db, 0, "SELECT count(*) FROM snapmirrors WHERE destination=? AND NOT gone&1", "s", v->uuid))
		return fail_set(f, 409, E_IN_USE,
		                "Volume \"%s\" is the destination endpoint of one or more SnapMirror "
		                "relationships. You must delete the SnapMirror relationships before the volume.",
		                v->name);
	if (db_int(m->db, 0, "SELECT count(*) FROM snapmirrors WHERE source=? AND NOT gone&2", "s", v->uuid))
		return fail_set(f, 409, E_IN_USE,
		                "Volume \"%s\" is the source endpoint of one or more SnapMirror relationships. "
		                "Release them before the volume.",
		                v->name);
	if (volume_has_children(m->db, v->junction))
		return fail_set(f, 409, E_VOL_BUSY, "Volume \"%s\" is busy: other volumes are mounted below \"%s\".",
		                v->name, v->junction);
	return 0;
}

int job_volume_delete(struct model *m, json_t *args, struct fail *f)
{
	AUTO_VOLUME struct volume v = { 0 };
	int r;

	model_lock(m);
	if (!volume_load(m->db, "uuid", json_text(args, "uuid"), false, &v))
		r = gone(f, json_text(args, "uuid"));
	else
		r = volume_check_delete(m, &v, f);
	if (r == 0 && !json_flag(args, "force", false)) {
		/* The recovery queue: out of sight under another name, room still taken. */
		AUTO_FREE char *name = sim_fmt("%s_%lld", v.name, (long long)v.fsid);

		r = db_begin(m->db, true);
		if (r == 0)
			r = db_exec(m->db,
			            "UPDATE volumes SET name=?,state='offline',junction=NULL,deleted_at=?"
			            " WHERE uuid=?",
			            "sis", name, sim_now(), v.uuid);
		r = finish(m, r, "put a volume into the recovery queue", f);
		model_unlock(m);
		if (r == 0)
			nfslink_reload(m->dir);
		volume_purge_expired(m);
		return r;
	}
	model_unlock(m);
	return r < 0 ? -1 : volume_remove(m, &v, f);
}

int job_volume_purge(struct model *m, json_t *args, struct fail *f)
{
	AUTO_VOLUME struct volume v = { 0 };
	bool found;

	model_lock(m);
	found = volume_load(m->db, "name", json_text(args, "volume"), true, &v);
	model_unlock(m);
	if (!found || !v.queued)
		return fail_set(f, 404, E_NO_ENTRY, "Volume \"%s\" is not in the recovery queue.",
		                json_text(args, "volume"));
	return volume_remove(m, &v, f);
}

void volume_purge_expired(struct model *m)
{
	for (;;) {
		AUTO_VOLUME struct volume v = { 0 };
		AUTO_STMT sqlite3_stmt *s = NULL;
		struct fail f = { 0 };
		bool found;

		model_lock(m);
		s = db_query(m->db,
		             "SELECT " VOLUME_COLUMNS " FROM volumes WHERE deleted_at<? ORDER BY deleted_at"
		             " LIMIT 1",
		             "i", sim_now() - QUEUE_KEEP_S);
		found = volume_next(s, &v);
		sqlite3_reset(s);
		model_unlock(m);
		if (!found || volume_remove(m, &v, &f) < 0)
			return;
	}
}
