/* The inside of the control thread, shared by fs/control.c (messages, verbs,
 * the thread) and fs/picture.c (catalog and lists of snapshots). Everything but
 * what says otherwise is touched by the control thread only. */
#ifndef FS_CONTROL_I_H
#define FS_CONTROL_I_H

#include "fs/base/clock.h"
#include "fs/fs_i.h"

/* A volume whose snapshots someone looks at. */
struct watch {
	struct list link;
	struct uuid volume;
	struct snaplist *list;    /* under pic_lock */
	_Atomic int64_t used_ns;  /* last time somebody asked */
	int64_t changed_ns;       /* last change made here */
	int64_t newest_s;         /* when a name was made, went or changed last, seconds; under pic_lock */
	bool fetching, background; /* under way; and nobody asked for it */
	int64_t asked_ns, due_ns; /* last asked; to be asked again, though nobody waits */
	struct list waiters;      /* CTL_SNAPSHOT_LIST messages */
	struct control *c;
};

/* Volumes on their way into a catalog. */
struct volumes {
	struct catalog_volume **v; /* owned, with a reference each */
	size_t n, cap;
	bool failed;               /* no memory, or more than any SVM has */
};

struct verb {
	struct list link;
	struct control *c;
	enum ctl_op op;
	struct uuid volume, snapshot;
	char name[ONTAP_NAME_MAX + 1];
	uint32_t uid;
	struct audit_record audit; /* of who asked first */
	struct list waiters;      /* messages; empty: all were told EINPROGRESS */
	int64_t started_ns;
	int percent;              /* -1: not known */
	bool awaited;             /* somebody was told EINPROGRESS, or asks how far it is; under pic_lock */
};

/* A clone that was deleted here and waits in ONTAP's recovery queue. */
struct in_queue {
	struct uuid base;         /* the snapshot that it still holds */
	char name[ONTAP_NAME_MAX + 1];
	int64_t deleted_s;
};

/* What became of a verb that was awaited. */
struct ended {
	enum ctl_op op;
	struct uuid volume;
	char name[ONTAP_NAME_MAX + 1];
	int err;
	char text[512];
	int64_t ended_ns;
};

struct control {
	struct fs *fs;
	struct ontap *o;
	pthread_t thread;
	bool started;
	_Atomic bool stopping;
	_Atomic bool refresh_now, sweep_now;

	pthread_mutex_t inbox_lock;
	struct list inbox;        /* messages; under inbox_lock */

	pthread_mutex_t pic_lock; /* guards the pointers, never held across a wait */
	struct catalog *catalog;
	struct list watches;      /* entries come and go by the control thread */
	uint32_t nwatches;
	size_t listed;            /* snapshots in all their lists */
	struct control_health health;

	struct list queued;       /* file clones that wait for their turn: messages */
	struct list verbs;        /* changed by the control thread, under pic_lock */
	struct ended ended[64];   /* a ring; under pic_lock */
	uint32_t nended;
	struct in_queue in_queue[64]; /* a ring; under pic_lock */
	uint32_t nin_queue;
	/* control thread only */
	bool undiscovered, discovering; /* after a takeover, until ONTAP answers */
	int64_t discover_due_ns;
	int64_t swept_ns;         /* last time the kernel was made to forget */
	bool catalog_fetching;
	int64_t catalog_asked_ns, catalog_due_ns, catalog_changed_ns;
	struct volumes fetched;   /* of the catalog being asked for */
	struct list mirrors;      /* mirror.c: what was learnt of SnapMirror destinations */
	uint32_t nmirrors;
	bool mirrors_fetching;
	int64_t mirrors_asked_ns;
	uint32_t background;      /* list calls under way that nobody waits for */
	int64_t background_ns;    /* when the last one began */
	int64_t watches_look_ns, watches_due_ns; /* nothing to look for before; the next due time, or 0 */
};

/* Background list calls at a time: the filer has other customers. */
#define BACKGROUND_MAX 4u
/* ... and 20 a second: with more than 100 volumes watched, lists get older than
 * snapshot_refresh. */
#define BACKGROUND_GAP_NS (50 * NS_PER_MS)
/* After an answer that a verb made old: a burst of verbs is no burst of lists. */
#define OVERTAKEN_GAP_NS NS_PER_SEC
/* A volume nobody looked at for this long is not asked about any more. */
#define WATCH_IDLE_NS (120 * NS_PER_SEC)
/* Past these the lists that were not looked at for longest are forgotten, so that
 * a walk through all volumes does not end in gigabytes. */
#define WATCHES_MAX  1024u
#define LISTED_MAX   32768u /* snapshots */
/* How often the list of volumes is read while a clone is being split. */
#define SPLIT_LOOK_NS (2 * NS_PER_SEC)
/* File clones at work per volume: the copies of many users shall not be the
 * filer's only work. */
#define FILE_CLONES_MAX 4u
/* People wait for a listing no longer than this when an older one is known. */
#define LIST_PATIENCE_NS NS_PER_SEC

/* ---- picture.c ---- */
/* Packs v, or takes what c's catalog has of it when nothing changed. */
void volumes_add(struct control *c, struct volumes *set, const struct ontap_volume *v);
/* Sorts them into a catalog; set is empty then. NULL: no memory. */
struct catalog *catalog_make(struct volumes *set, int64_t asked_ns);
void volumes_drop(struct volumes *set);
void catalog_fetch(struct control *c);
/* Asks for all volumes into c->fetched. */
void catalog_ask(struct control *c, ontap_done_fn done, void *priv);
/* Takes a volume in (or, gone, out) without asking for the whole list. */
void catalog_add(struct control *c, const struct ontap_volume *v);
void catalog_remove(struct control *c, const struct uuid *u);
struct watch *watch_get(struct control *c, const struct uuid *volume);
void note_health(struct control *c, const struct ontap_error *e);
/* Answers of messages: the worker owns them from here. */
void ctl_answer(struct ctl_msg *m);
void ctl_answer_error(struct ctl_msg *m, const struct ontap_error *e);
void volume_find(struct control *c, struct ctl_msg *m);
void snapshot_list(struct control *c, struct ctl_msg *m);
/* What a verb of ours made of w's list, for those who do not wait for ONTAP's own: `made`
 * is new; or `changed` has another name, or (NULL) is gone. It does not get younger. */
void list_edit(struct control *c, struct watch *w, const struct uuid *changed, const struct ontap_snapshot *made,
	       const char *name);
void snapshot_find(struct control *c, struct ctl_msg *m);
/* Asks about watched volumes whose list is old; returns the next due time, or 0. */
int64_t watches_refresh(struct control *c, int64_t now);
/* Answers those who waited long enough from the older list; next due time, or 0. */
int64_t lists_expire(struct control *c, int64_t now);

/* ---- jobs.c ---- */
/* Call before the catalog forgets the volume u. */
void jobs_volume_queued(struct control *c, const struct uuid *u);
/* Takes a verb off the list, and keeps its result for those who come back to ask. */
void jobs_ended(struct control *c, struct verb *v, const struct ontap_error *e);

/* ---- mirror.c ---- */
/* The relationship whose destination is that volume of our SVM. */
void mirror_ask(struct control *c, const char *volume, ontap_mirrors_fn fn, void *priv);
/* Answers from what is known; asks when that is older than snapshot_refresh, or a
 * verb of ours changed it. */
void mirror_find(struct control *c, struct ctl_msg *m);
void mirror_changed(struct control *c, const struct uuid *volume);
/* One question about all of them, if the tree has any: so they are known when ONTAP
 * is out of reach. */
void mirrors_refresh(struct control *c);
void mirrors_free(struct control *c);

#endif
