/*
 * Volumes and snapshots as rows, and the jobs that change them.
 */
#ifndef SIM_REST_VOLUME_H
#define SIM_REST_VOLUME_H

#include "tests/sim/rest/model.h"

#define SNAPSHOTS_MAX    1023
#define QUEUE_KEEP_S     (12 * 3600) /* a deleted volume can be recovered so long */
#define FLEXVOL_MIN      (INT64_C(20) << 20)
#define CONSTITUENT_MIN  (INT64_C(200) << 20)

/* Codes of volumes and snapshots. */
enum {
	E_VOL_EXISTS = 917526,
	E_VOL_NOT_FOUND = 918235,
	E_VOL_NAME_LONG = 917886,
	E_VOL_NAME_FIRST = 917887,
	E_VOL_NAME_CHAR = 917888,
	E_VOL_SMALL = 917534,
	E_VOL_ROOT = 917531,
	E_VOL_BUSY = 524486,
	E_VOL_HAS_CLONES = 524615,
	E_VOL_JUNCTION = 918252,
	E_VOL_NO_SVM = 2621707,
	E_SVM_NOT_FOUND = 2621462,
	E_VOL_NO_PLACE = 787140,
	E_VOL_AGGR_COUNT = 918242,
	E_AGGR_NOT_FOUND = 917508,
	E_POLICY_NOT_FOUND = 917551,
	E_EXPORT_NOT_FOUND = 918271,
	E_VOL_MISMATCH = 918236,
	E_VOL_RESERVE = 917835,
	E_VOL_TYPE = 918244,
	E_CLONE_PARENT = 524601,
	E_CLONE_FIELD = 918247,
	E_CLONE_SPLIT = 918248,
	E_CLONE_SNAPSHOT = 1638400,
	E_CLONE_MISMATCH = 918243,
	E_CLONE_OFFLINE = 917775,
	E_CLONE_OWNER = 13565983,
	E_RESTORE_FAILED = 524511,
	E_RESTORE_BUSY = 1638480,
	E_RESTORE_MIXED = 918251,
	E_RESTORE_OFFLINE = 9437885,
	E_SNAP_EXISTS = 525059,
	E_SNAP_LIMIT = 525062,
	E_SNAP_OFFLINE = 524479,
	E_SNAP_NAME = 1638518,
	E_SNAP_RESERVED = 1638477,
	E_SNAP_BUSY = 1638555,
	E_SNAP_GONE = 1638600,
	E_SNAP_RENAME_NAME = 524508,
	E_SNAP_RENAME_BUSY = 1638476,
	E_SNAP_RENAME_GONE = 542797,
	E_SNAP_NOT_RW = 1638461,
	E_SNAP_OF_CACHE = 9437613,
	E_VOL_KIND = 917628,
	E_VOL_IS_CACHE = 66846758,
	E_VOL_IS_ORIGIN = 66846772,
};

/* One row of volumes. */
struct volume {
	char *uuid, *name, *style, *type, *state, *junction, *subvol, *export_policy, *comment,
	        *snapshot_policy, *guarantee, *language, *security_style, *tiering, *aggregates,
	        *clone_volume, *clone_snapshot;
	int64_t fsid, size, create_time, snapshot_reserve, constituents, generation;
	bool snapdir_access, ids32, is_root, queued;
};

#define AUTO_VOLUME __attribute__((cleanup(volume_fini)))
void volume_fini(struct volume *v);

/* Reads the row where column ("uuid", "name", "junction") has this value; a volume
 * in the recovery queue counts only when queued is true.  False when there is
 * none.  Model locked. */
bool volume_load(sqlite3 *db, const char *column, const char *value, bool queued, struct volume *ret);

/* Steps a statement made with VOLUME_COLUMNS; false at its end. */
bool volume_next(sqlite3_stmt *stmt, struct volume *ret);
#define VOLUME_COLUMNS                                                                               \
	"uuid,name,style,type,state,junction,subvol,export_policy,comment,snapshot_policy,guarantee," \
	"language,security_style,tiering,aggregates,clone_volume,clone_snapshot,fsid,size,"           \
	"create_time,snapshot_reserve,constituents,generation,snapdir_access,ids32,is_root,deleted_at"

/* Rules that need only the request.  0 or -1 with f set. */
int volume_check_name(const char *name, bool group, struct fail *f);
int volume_check_junction(const char *path, struct fail *f);
int snapshot_check_name(const char *name, int64_t code, struct fail *f);

/* "0755", 755, "rwxr-xr-x", "---rwxr-xr-x" to mode bits; false when malformed. */
bool volume_parse_mode(json_t *v, unsigned *ret);

/* Can path become the junction of the volume self (uuid)?  Looks at the other
 * junctions and at the folders of the volume it would be in.  Model locked. */
int volume_check_place(struct model *m, const char *path, const char *self, struct fail *f);

/* Is another volume mounted below this junction?  Model locked. */
bool volume_has_children(sqlite3 *db, const char *junction);

/* Clones of a volume or of one snapshot (queued ones too).  Model locked. */
bool volume_has_clones(sqlite3 *db, const char *uuid);
bool snapshot_has_clones(sqlite3 *db, const char *uuid);

/* The jobs; args as built by res_volume_write.c and res_snapshot.c. */
int job_volume_create(struct model *m, json_t *args, struct fail *f);
int job_volume_clone(struct model *m, json_t *args, struct fail *f);
int job_volume_modify(struct model *m, json_t *args, struct fail *f);
int job_volume_restore(struct model *m, json_t *args, struct fail *f);
int job_volume_delete(struct model *m, json_t *args, struct fail *f);
int job_volume_purge(struct model *m, json_t *args, struct fail *f);
int job_snapshot_create(struct model *m, json_t *args, struct fail *f);
int job_snapshot_modify(struct model *m, json_t *args, struct fail *f);
int job_snapshot_delete(struct model *m, json_t *args, struct fail *f);

/* Removes volumes whose time in the recovery queue is over.  Worker thread or
 * before the worker starts; model unlocked. */
void volume_purge_expired(struct model *m);

struct req;
struct outcome;

/* Does obj.PREFIX (name or uuid) mean our SVM?  needed: it must be there.  0 or -1
 * with f set. */
int volume_check_svm(struct req *r, const json_t *obj, const char *prefix, bool needed, struct fail *f);

/* The volume that obj.PREFIX names by uuid, name or both; with a code for none.
 * Model locked.  0 or -1 with f set. */
int volume_of_body(struct model *m, const json_t *obj, const char *prefix, int64_t code, struct volume *ret,
                   struct fail *f);

/* Begins a transaction (the caller ends it) with a new row for a volume; args as
 * for job_volume_create.  Model locked.  0 or -errno. */
int volume_insert(struct model *m, const json_t *args, const char *subvol, int64_t size);

/* Takes the volume out of the model and the store, whatever it held.  Worker
 * thread, model unlocked.  0 or -1 with f set. */
int volume_remove(struct model *m, const struct volume *v, struct fail *f);

/* What forbids that this volume goes: clones, junctions below, SnapMirror
 * relationships, caches of it.  Model locked.  0 or -1 with f set. */
int volume_check_delete(struct model *m, const struct volume *v, struct fail *f);

/* Is path (relative, leading slashes ignored, may be "") a folder in this
 * subvolume?  Links are not followed: a client could make one that leads out. */
bool volume_has_folder(struct model *m, const char *subvol, const char *path);

/* Is the volume a FlexCache?  Model locked. */
bool volume_is_cache(sqlite3 *db, const char *uuid);

/* POST, PATCH and DELETE of volumes, see struct resource. */
int volume_post(struct req *r, json_t *body, struct outcome *out, struct fail *f);
int volume_patch(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f);
int volume_del(struct req *r, json_t *rec, struct outcome *out, struct fail *f);

#endif
