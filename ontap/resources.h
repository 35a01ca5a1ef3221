/* The rarer resources of ONTAP: split, file clones, jobs, FlexCache, SnapMirror,
 * qtrees, sizes of directories, export policies, and what the account may do.
 * Part of the door; include ontap/ontap.h, whose rules hold here too. */
#ifndef ONTAP_RESOURCES_H
#define ONTAP_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ontap/ontap.h"

/* ---- volumes: size, restore, clones, split -------------------------------- */

/* PATCH size, waits for the job. -EINVAL: too small for ONTAP, -ENOSPC: no room
 * in the aggregate or less than what is used, -EPERM: not for this volume. */
void ontap_volume_resize(struct ontap *o, const struct uuid *volume, uint64_t bytes,
			 ontap_done_fn fn, void *priv);
/* Takes the whole volume back to one of its snapshots; ONTAP deletes the newer
 * ones with it. Waits for the job; give it a long deadline (ontap_set_deadline).
 * A request whose reply was lost is not sent again, since writes may have gone
 * between: -EINPROGRESS then, it may or may not have been carried out. Also
 * -EBUSY (newer snapshots are in use or locked) and -ENOENT. */
void ontap_volume_restore(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			  ontap_done_fn fn, void *priv);
/* The visible FlexClones of a volume; only those of one snapshot unless NULL. */
void ontap_volume_clones(struct ontap *o, const struct uuid *parent, const struct uuid *snapshot,
			 ontap_volumes_fn fn, void *priv);

typedef void (*ontap_snapshot_each_fn)(const struct uuid *volume, const struct ontap_snapshot *s, void *priv);
/* Snapshots of all volumes of the SVM, in no order, without size, label and expiry;
 * only those of exactly that name unless NULL. A clone lists those that it inherited
 * as its own. After an error those seen are not all. */
void ontap_snapshot_scan(struct ontap *o, const char *name, ontap_snapshot_each_fn each, void *each_priv,
			 ontap_done_fn done, void *priv);

/* What is read of one volume only, because ONTAP calls it expensive. */
struct ontap_volume_details {
	bool is_protected;         /* source of a SnapMirror relationship */
	char analytics[32];        /* "on", "off", "initializing", ...; "" not reported (before 9.8) */
	char snapshot_policy[ONTAP_NAME_MAX + 1];
	uint64_t logical_used;     /* bytes before savings; 0 not reported */
	int reserve_percent;       /* of the size, for snapshots; -1 not reported */
	uint64_t reserve_used;     /* bytes that snapshots hold */
	uint64_t files_max, files_used; /* inodes; 0 not reported */
};
typedef void (*ontap_volume_details_fn)(const struct ontap_volume_details *d,
					const struct ontap_error *e, void *priv);
/* Exactly one of d and e is not NULL; -ENOENT when it is gone. */
void ontap_volume_details(struct ontap *o, const struct uuid *volume, ontap_volume_details_fn fn,
			  void *priv);

struct ontap_split {
	bool is_clone;     /* false: an ordinary volume (by now) */
	bool under_way;
	int percent;       /* -1: none under way */
	uint64_t estimate; /* bytes that the split will take; 0 not reported */
};
typedef void (*ontap_split_fn)(const struct ontap_split *s, const struct ontap_error *e,
			       void *priv);
/* How far a split is. -ENOENT when the volume is gone. */
void ontap_split_get(struct ontap *o, const struct uuid *volume, ontap_split_fn fn, void *priv);
/* Ends when the volume is no clone any more. -EIO when a split that was under way
 * stopped before its end (no space, offline); -EINVAL when none was started.
 * Asks at most once a second; set a long deadline. */
void ontap_split_wait(struct ontap *o, const struct uuid *volume, ontap_split_fn fn, void *priv);

/* ---- file clones ----------------------------------------------------------- */

#define ONTAP_FILE_BLOCK 4096 /* bytes; the unit of ranges */

/* Strings are borrowed until the call returned. Paths are relative to the root
 * of the volume, without a slash in front: "dir/file", ".snapshot/S/dir/file". */
struct ontap_file_clone {
	struct uuid volume;
	const char *source, *destination; /* two files of this volume */
	/* A range: into a destination that exists. Bytes; both starts and, unless it
	 * ends at the end of the source, the length are multiples of
	 * ONTAP_FILE_BLOCK. length 0: the whole file, whose destination must not
	 * exist. */
	uint64_t source_start, destination_start, length;
};
/* POST /storage/file/clone, waits for the job. Never overwrites a file by a whole
 * one. A range out of a snapshot is sent again when a reply was lost, since its
 * bytes are the same twice: use it only while nobody else writes there. What has
 * a live source is sent once.
 * -EINPROGRESS: still not known, it may be carried out later. -EEXIST, -ENOENT
 * (source, or destination of a range), -EINVAL (paths, range), -ENOSPC,
 * -EOPNOTSUPP (licence, FlexGroup, SnapLock: copy instead), -EBUSY (as many
 * splits under way as the node allows: copy, or try later). Needs 9.6. */
void ontap_file_clone(struct ontap *o, const struct ontap_file_clone *f, ontap_done_fn fn,
		      void *priv);
/* Blocks of file clones of a volume that are still shared by a split scan: bytes
 * that are not split yet. *_fn as split: under_way, estimate. -EOPNOTSUPP before
 * 9.10. */
void ontap_file_clone_splits(struct ontap *o, const struct uuid *volume, ontap_split_fn fn,
			     void *priv);

/* ---- jobs ------------------------------------------------------------------- */

enum ontap_job_state {
	ONTAP_JOB_QUEUED, ONTAP_JOB_RUNNING, ONTAP_JOB_PAUSED, ONTAP_JOB_SUCCESS,
	ONTAP_JOB_FAILURE,
	ONTAP_JOB_OTHER /* of a later release: not ended */
};

struct ontap_job {
	struct uuid uuid;
	enum ontap_job_state state;
	char description[256];  /* "POST /api/storage/volumes/..." */
	char message[256];
	char svm[ONTAP_NAME_MAX + 1]; /* "" of the cluster, or not reported */
	int64_t code;           /* of a failure */
	int64_t start_time, end_time; /* seconds since the epoch, 0 not (yet) */
};
/* "queued", "running", ...; never NULL. */
const char *ontap_job_state_name(enum ontap_job_state state);

typedef void (*ontap_jobs_fn)(const struct ontap_job *j, size_t n, const struct ontap_error *e,
			      void *priv);
/* Jobs that the account may see, newest first as far as ONTAP tells when they
 * started. description: must be part of it, NULL any. live: only those that have
 * not ended. */
void ontap_job_list(struct ontap *o, const char *description, bool live, ontap_jobs_fn fn,
		    void *priv);
/* n is 0 (unknown, or forgotten by ONTAP) or 1. */
void ontap_job_get(struct ontap *o, const struct uuid *job, ontap_jobs_fn fn, void *priv);
/* Ends when the job has ended: n is 1, or 0 when ONTAP does not know it (any
 * more). A failed job is no error here: look at state, code and message.
 * -ETIMEDOUT at the deadline; the job goes on. */
void ontap_job_wait(struct ontap *o, const struct uuid *job, ontap_jobs_fn fn, void *priv);
/* Asks ONTAP to stop it; does not wait for its end. Ended already is success.
 * -EOPNOTSUPP: of a kind that cannot be stopped. */
void ontap_job_cancel(struct ontap *o, const struct uuid *job, ontap_done_fn fn, void *priv);

/* ---- FlexCache --------------------------------------------------------------- */

#define ONTAP_ORIGINS_MAX 4 /* ONTAP has one; the API has a list */

struct ontap_origin {
	char svm[ONTAP_NAME_MAX + 1], volume[ONTAP_NAME_MAX + 1];
	char cluster[ONTAP_NAME_MAX + 1]; /* "" the same */
	char state[32];                   /* of the origin volume; "" not reported */
};
struct ontap_flexcache {
	struct uuid uuid; /* that of its volume */
	char name[ONTAP_NAME_MAX + 1];
	char junction[ONTAP_PATH_MAX + 1]; /* "" when not mounted */
	uint64_t size;
	struct ontap_origin origins[ONTAP_ORIGINS_MAX];
	size_t norigins;
};
typedef void (*ontap_flexcaches_fn)(const struct ontap_flexcache *f, size_t n,
				    const struct ontap_error *e, void *priv);
void ontap_flexcache_list(struct ontap *o, ontap_flexcaches_fn fn, void *priv);
/* Strings are borrowed until the call returned. */
struct ontap_flexcache_new {
	const char *name;
	const char *origin_svm;    /* NULL: the SVM of this client */
	const char *origin_volume;
	const char *junction;      /* NULL: not mounted */
	uint64_t size;             /* bytes; 0: what ONTAP chooses */
};
/* POST, waits for the job, reads it back by name. Idempotent: a FlexCache of that
 * name with that origin is success. -EEXIST another one, -ENOENT no such origin,
 * -EACCES the SVMs are not peers. fn gets n == 1. */
void ontap_flexcache_create(struct ontap *o, const struct ontap_flexcache_new *f,
			    ontap_flexcaches_fn fn, void *priv);
/* Unmounts and deletes it. Gone already is success. */
void ontap_flexcache_delete(struct ontap *o, const struct uuid *flexcache, ontap_done_fn fn,
			    void *priv);

/* ---- SnapMirror ---------------------------------------------------------------- */

#define ONTAP_MIRROR_PATH_MAX 511 /* "SVM:VOLUME" */

struct ontap_mirror {
	struct uuid uuid;
	char source[ONTAP_MIRROR_PATH_MAX + 1], destination[ONTAP_MIRROR_PATH_MAX + 1];
	char state[32];             /* "snapmirrored", "broken_off", "uninitialized", ... */
	char policy[ONTAP_NAME_MAX + 1];
	char exported_snapshot[ONTAP_NAME_MAX + 1]; /* what the destination shows; "" none */
	bool healthy;
	char unhealthy[256];        /* the first reason, "" none */
	int64_t lag_s;              /* seconds that it is behind; -1 not reported */
	struct uuid transfer;       /* the last one; zero none */
	char transfer_state[32];    /* "queued", "transferring", "success", "failed", "aborted", ... */
	uint64_t transfer_bytes;
};
typedef void (*ontap_mirrors_fn)(const struct ontap_mirror *m, size_t n, const struct ontap_error *e,
				 void *priv);
/* Relationships whose destination this system holds; destination: "SVM:VOLUME",
 * NULL all. */
void ontap_mirror_list(struct ontap *o, const char *destination, ontap_mirrors_fn fn, void *priv);
/* Relationships that start from a volume here, also to other clusters: uuid and
 * the two paths only. */
void ontap_mirror_of_source(struct ontap *o, const char *source, ontap_mirrors_fn fn, void *priv);
/* POST, waits for the job, reads it back; not initialised yet. policy: NULL,
 * ONTAP's default. Idempotent: the same two paths are success. -EEXIST another
 * source, -EINVAL a bad path, -EACCES no peers. fn gets n == 1. */
void ontap_mirror_create(struct ontap *o, const char *source, const char *destination,
			 const char *policy, ontap_mirrors_fn fn, void *priv);
/* "snapmirrored" (initialise or resync), "broken_off" or "paused"; waits for the
 * job, not for the transfer. */
void ontap_mirror_set_state(struct ontap *o, const struct uuid *mirror, const char *state,
			    ontap_done_fn fn, void *priv);
/* Deletes the relationship, never the volumes. Gone already is success. */
void ontap_mirror_delete(struct ontap *o, const struct uuid *mirror, ontap_done_fn fn, void *priv);
/* Starts a transfer (an update) and does not wait for it: ontap_mirror_list tells
 * transfer_state. -EBUSY one is under way, -EAGAIN the relationship changes. */
void ontap_mirror_update(struct ontap *o, const struct uuid *mirror, ontap_done_fn fn, void *priv);

/* ---- qtrees ---------------------------------------------------------------------- */

struct ontap_qtree {
	int64_t id;
	char name[ONTAP_NAME_MAX + 1];
	char path[ONTAP_PATH_MAX + 1]; /* in the namespace; "" not reported */
	char security_style[16];
	char export_policy[ONTAP_NAME_MAX + 1];
};
typedef void (*ontap_qtrees_fn)(const struct ontap_qtree *q, size_t n, const struct ontap_error *e,
				void *priv);
/* Without the default one (id 0), which is the volume itself. */
void ontap_qtree_list(struct ontap *o, const struct uuid *volume, ontap_qtrees_fn fn, void *priv);

/* ---- sizes of directories ---------------------------------------------------------- */

struct ontap_usage {
	uint64_t bytes, files, subdirs; /* of the whole tree below */
	bool incomplete;                /* the scan has not seen all of it yet */
	int64_t report_time;            /* seconds since the epoch; 0 not reported */
};
typedef void (*ontap_usage_fn)(const struct ontap_usage *u, const struct ontap_error *e, void *priv);
/* From ONTAP's file system analytics; path relative to the root of the volume, ""
 * the root. Exactly one of u and e. -EOPNOTSUPP: analytics is not on there. */
void ontap_usage_get(struct ontap *o, const struct uuid *volume, const char *path, ontap_usage_fn fn,
		     void *priv);

/* ---- export policies ------------------------------------------------------------------ */

struct ontap_export_rule {
	int64_t index;
	char clients[512];      /* comma separated; cut at a comma when longer, then ends in ",..." */
	char ro[64], rw[64], superuser[64], protocols[64]; /* comma separated: "sys,krb5" */
	char anonymous_user[64];
};
struct ontap_export {
	int64_t id;
	char name[ONTAP_NAME_MAX + 1];
	const struct ontap_export_rule *rules; /* in the order of index; as long as the result */
	size_t nrules;
};
typedef void (*ontap_export_fn)(const struct ontap_export *x, const struct ontap_error *e, void *priv);
/* Exactly one of x and e; -ENOENT no such policy in the SVM. */
void ontap_export_get(struct ontap *o, const char *name, ontap_export_fn fn, void *priv);

/* ---- what the account may do, licences ---------------------------------------------------- */

struct ontap_privilege {
	char path[256];  /* "/api/storage/volumes", may hold "*" */
	char access[32]; /* none, readonly, read_create, read_modify, read_create_modify, all */
};
struct ontap_account {
	char user[ONTAP_NAME_MAX + 1], role[ONTAP_NAME_MAX + 1];
	char owner[ONTAP_NAME_MAX + 1]; /* the SVM, or the cluster */
	bool locked;
	const struct ontap_privilege *privileges; /* as long as the result */
	size_t nprivileges;
	bool privileges_known; /* false: the account may not read its role */
};
typedef void (*ontap_account_fn)(const struct ontap_account *a, const struct ontap_error *e,
				 void *priv);
/* The account that this client logs in with. Exactly one of a and e; -EACCES or
 * -ENOENT where it may not look at itself, -EOPNOTSUPP with a client certificate
 * (its user is not known here). */
void ontap_account_get(struct ontap *o, ontap_account_fn fn, void *priv);

enum ontap_licence { ONTAP_LICENCE_NONE, ONTAP_LICENCE_BAD, ONTAP_LICENCE_OK };
typedef void (*ontap_licence_fn)(enum ontap_licence l, const struct ontap_error *e, void *priv);
/* name: "flexclone", "snapmirror", ... NONE: not installed; BAD: installed, but
 * not compliant (expired, over its limit). e is NULL on success; -EACCES: only
 * administrators of the cluster may look. */
void ontap_licence_get(struct ontap *o, const char *name, ontap_licence_fn fn, void *priv);

#endif
