/* The control thread: everything that is REST, and the picture of the filer.
 *
 * Workers hand it messages and get them back on their own loop; the data path
 * never waits for it. The picture (catalog of volumes, list of snapshots per
 * volume) is immutable and reference counted: take, read, put back. */
#ifndef FS_CONTROL_H
#define FS_CONTROL_H

#include <stdbool.h>
#include "fs/audit.h"
#include "fs/base/buf.h"
#include "fs/base/ev.h"
#include "fs/fs.h"

struct fs;
struct control;

/* ---- the picture ---------------------------------------------------------- */

/* struct ontap_volume, field by field, without the room for the longest texts:
 * an SVM may have ten thousand volumes. */
struct volume_facts {
	struct uuid uuid;
	const char *name, *junction, *comment, *export_policy;
	enum ontap_vol_style style;
	enum ontap_vol_type type;
	bool online, is_svm_root, is_flexcache, snapdir_access, is_flexclone;
	uint64_t size, used, afs_total;
	int64_t create_time;
	int snapshot_count;
	struct uuid clone_parent, clone_snapshot;
	const char *clone_parent_name, *clone_snapshot_name;
	int split_percent;
};

/* Immutable, and shared by the versions of the catalog. */
struct catalog_volume {
	_Atomic uint32_t refs;
	const char *hidden_why; /* NULL: shown; else a static sentence for .ontap/status */
	struct volume_facts v;  /* its texts are in text */
	char text[];
};

struct catalog {
	_Atomic uint32_t refs;
	int64_t fetched_ns;
	size_t n;
	struct catalog_volume **by_uuid;
	struct catalog_volume *vol[]; /* by name */
};

/* The same facts in the other form: a view borrows the texts. */
struct volume_facts volume_view(const struct ontap_volume *v);
void volume_unpack(const struct volume_facts *v, struct ontap_volume *out);

struct snaplist {
	_Atomic uint32_t refs;
	int64_t fetched_ns; /* start of the call that brought it */
	struct uuid volume;
	size_t n;
	struct ontap_snapshot snap[]; /* oldest first */
};

/* Any thread. Never NULL after the first fetch; put it back. */
struct catalog *catalog_get(struct control *c);
void catalog_put(struct catalog *cat);
const struct catalog_volume *catalog_find(const struct catalog *cat, const char *name);
/* Why the patterns of the configuration leave a volume of that name out, or NULL. */
const char *catalog_name_hidden(const struct fs_params *p, const char *name);
const struct catalog_volume *catalog_by_uuid(const struct catalog *cat, const struct uuid *u);

/* The last known list of a volume's snapshots, however old, or NULL. */
struct snaplist *snaplist_get(struct control *c, const struct uuid *volume);
void snaplist_put(struct snaplist *l);
/* When .snapshots of that volume changed last, seconds, as far as it is known here; 0: not. */
int64_t snaplist_changed(struct control *c, const struct uuid *volume);
const struct ontap_snapshot *snaplist_find(const struct snaplist *l, const char *name);

/* ---- messages --------------------------------------------------------------- */

enum ctl_op {
	CTL_VOLUME_FIND,   /* name; refreshes the catalog's entry: found */
	CTL_SNAPSHOT_LIST, /* volume, fresh: list (caller puts it back) */
	CTL_SNAPSHOT_FIND, /* volume, name, fresh: snap, found */
	CTL_MIRROR_FIND,   /* volume, name: mirror, found */
	/* Verbs from here on. */
	CTL_SNAPSHOT_CREATE, /* volume, name, comment, request: snap */
	CTL_SNAPSHOT_DELETE, /* volume, snapshot */
	CTL_SNAPSHOT_RENAME, /* volume, snapshot, name (new) */
	CTL_CLONE_CREATE,    /* volume (parent), snapshot (zero: of now), name, comment, request, policy: vol */
	CTL_CLONE_DELETE,    /* volume, name */
	CTL_VOLUME_DELETE,   /* volume, name */
	CTL_SNAPDIR_ENABLE,  /* volume, name */
	CTL_VOLUME_CREATE,   /* name, comment, request, uid and gid of its root: vol */
	CTL_SNAPSHOT_SET,    /* volume, snapshot, name (field), comment (value) */
	CTL_CLONE_SPLIT,     /* volume, name: starts it, does not wait for its end */
	CTL_VOLUME_RESTORE,  /* volume, snapshot, name (of the volume) */
	CTL_FILE_CLONE,      /* volume, name (of the new file), range */
	CTL_VOLUME_RESIZE,   /* volume, name, size: vol */
	CTL_MIRROR_UPDATE,   /* volume, name: starts a transfer */
	CTL_NOPS
};
const char *ctl_op_name(enum ctl_op op);

/* What to copy from one file to another; paths from the root of the volume. */
struct file_range {
	char source[4096 + ONTAP_NAME_MAX], destination[4096];
	uint64_t from, to, length; /* bytes */
};

struct ctl_msg {
	struct ev_msg ev;
	struct list link;        /* control thread only */
	struct control *ctl;     /* set by control_submit */
	/* in */
	enum ctl_op op;
	struct ev *home;         /* whose loop runs done */
	void (*done)(struct ctl_msg *m); /* owns and frees m */
	void *priv;              /* the caller's, untouched */
	uint64_t unique;         /* of the FUSE request, so that done finds out if it still waits */
	uint32_t uid, gid;
	bool fresh;              /* asked of ONTAP from now on, or an error: never what was known */
	struct uuid volume, snapshot, request;
	char name[ONTAP_NAME_MAX + 1];
	char comment[ONTAP_COMMENT_MAX + 1];
	char policy[ONTAP_NAME_MAX + 1]; /* export policy */
	uint64_t size;           /* bytes */
	struct file_range *range; /* malloc'ed, freed with the message */
	struct audit_record audit; /* of a verb: for its end after nobody waits any more */
	/* out; request: of the job that was joined */
	struct ontap_error error; /* error.err 0 on success */
	bool found;
	struct ontap_snapshot snap;
	struct ontap_volume vol;
	struct ontap_mirror mirror;
	struct snaplist *list;
	int64_t since_ns, deadline_ns; /* control thread only: LIST came; verb_wait */
};

/* The control thread's side of a mount. o is borrowed. */
struct control *control_new(struct fs *fs, struct ontap *o);
/* Reads the first catalog in the calling thread (before control_start). 0 or
 * -errno with err filled. */
int control_first_catalog(struct control *c, struct ontap_error *err);
/* Instead of it after a takeover: the volumes that are bound already. Discovery
 * and the real catalog follow in the background. 0 or -ENOMEM. */
int control_adopt(struct control *c);
int control_start(struct control *c);
void control_stop(struct control *c);
void control_free(struct control *c);
/* Asks ONTAP for that uuid; fs_snapshot_gone when it is not there. Control thread. */
void control_verify_gone(struct control *c, const struct uuid *volume, const struct uuid *snapshot);
/* Any thread. The message comes back through done on m->home's thread. */
void control_submit(struct control *c, struct ctl_msg *m);
void control_refresh(struct control *c);
/* Has the kernel forget what nobody uses. Any thread. */
void control_sweep(struct control *c);
/* Age in ns after which a list of snapshots is asked for again. */
int64_t control_snapshot_age(const struct control *c);

struct control_health {
	bool ok;                 /* the last exchange with ONTAP succeeded */
	int64_t last_ok_ns, last_fail_ns;
	char text[512];          /* of the last failure */
};
void control_health(struct control *c, struct control_health *out);
/* The verbs at work, a line each: "AGEs PERCENT% VERB uid=UID VOLUME NAME", "-"
 * for what is not known; and the splits of clones. Any thread. */
void control_jobs(struct control *c, struct buf *b);
/* Until when, in seconds since 1970, clones that were deleted here hold their base in ONTAP's recovery
 * queue at its default, and the name of the one that does so longest; 0: none that is known, for a
 * successor does not know what its predecessor deleted. Any thread. */
int64_t control_base_held(struct control *c, const struct uuid *base, char name[ONTAP_NAME_MAX + 1]);
/* Appends what is known of a verb on `name`: a snapshot of `volume`, or (NULL) a
 * volume or clone, as JSON: {"verb","running","age"} with "percent" (-1 unknown)
 * or, when it has ended, "errno" (0 done) and "error". False: nothing is known,
 * or its callers have been told. Any thread. */
bool control_verb_state(struct control *c, const struct uuid *volume, const char *name, struct buf *b);

#endif
