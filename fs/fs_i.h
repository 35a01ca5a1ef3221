/* The inside of fs/: the mount as one struct, its workers, its operations. */
#ifndef FS_FS_I_H
#define FS_FS_I_H

#include <string.h>
#include "fs/fs.h"
#include "fs/listing.h"
#include "fs/notify.h"
#include "fs/prefetch.h"
#include "fs/req.h"
#include "fs/volstats.h"

/* Do two handles name one object? RFC 1813 2.3.3: equal bytes do, and only they are
 * looked at. */
static inline bool fh_same(const struct nfsio_fh *a, const struct nfsio_fh *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

struct worker {
	struct fs *fs;
	uint32_t id;
	pthread_t thread;
	bool started;
	struct ev *ev;
	struct nfsio *nfs;
	struct ev_source dev;      /* /dev/fuse */
	uint32_t singles;          /* requests in a row that came alone */
	bool dev_on;               /* registered: off while no slot is free */
	struct state_slot *reading;
	_Atomic uint64_t reading_interrupted; /* unique of a request that got a signal there */
	struct req *current;       /* being decoded by libfuse */
	struct list starved;       /* requests that wait for a free inode record */
	struct ev_timer starve_timer;
	struct ev_timer signal_timer; /* while a request of ours is interrupted */
	bool replay_done;          /* worker 0: the next replay may begin */
	struct ev_msg wake;        /* start work again: a slot was freed, or stop */
	_Atomic bool wake_posted;
};

struct openstate;

/* Of file clones in a live volume; CLOCK_MONOTONIC, 0: at once. */
struct clone_place {
	_Atomic int64_t refused_ns; /* not tried before */
	_Atomic int64_t sweep_ns;   /* when to look for what was left behind */
};

struct fs {
	struct fs_params p;        /* strings owned */
	struct state st;
	struct nodes nodes;
	struct spaces spaces;
	struct pool pool;
	struct order *order;
	struct stats stats;
	struct volstats *volstats; /* by volume */
	struct nfsio_counters nfs_counters;
	struct nfsio_params nfs_params;
	struct access_cache *access;
	struct link_cache *links;
	struct listing *listing;
	_Atomic uint32_t prefetched; /* bytes held in open files for READs to come */
	struct rates *rates;
	int audit_fd;              /* file, or socket of the journal; -1: records go to the log */
	bool audit_journal;
	struct clone_place clone_place[STATE_SPACES_MAX]; /* by space */
	_Atomic uint8_t shadowed[STATE_SPACES_MAX]; /* by space: enum shadow, real entries behind names of ours */
	struct memory *memory;
	struct last_errors *last_errors;
	struct notifier notifier;
	struct ontap *ontap;
	struct control *ctl;
	struct fuse_session *se;
	struct list replays;       /* changes that a predecessor began, oldest first; worker 0 */
	_Atomic bool replaying;    /* nothing new is read until they are done */
	struct worker worker[STATE_WORKERS_MAX];
	uint32_t nworkers;
	_Atomic int ended;         /* enum fs_end */
	int end_fd;                /* eventfd that wakes fs_serve */
	struct ontap_cluster cluster;
	struct ontap_svm svm;
	struct ontap_nfs_service nfs_service;
	char realm[64];
	int64_t started_ns;        /* wall clock */
	int64_t born_ns;           /* CLOCK_MONOTONIC */
	struct memory *stale;      /* MEMORY_STALE, MEMORY_JUNCTION: apart from what safety rules need */
	pthread_mutex_t open_lock; /* free list of open records */
	uint32_t *open_free, open_nfree, open_cap;
	struct openstate **open_state; /* by open record */
	bool init_differs;         /* a takeover that the kernel was not promised */
	bool closing;              /* fs_free: messages that still come are only freed */
	uint64_t init_unique;      /* of the recorded INIT that is being replayed */
	struct ev *boot_ev;        /* fs_new's own loop for the first NFS calls */
};

/* A volume's root has an entry of its own called as our directory. */
enum shadow { SHADOW_SNAPDIR = 1, SHADOW_CLONEDIR = 2, SHADOW_PRIVATE = 4 };

enum fs_end { FS_RUNNING, FS_UNMOUNTED, FS_STOPPED, FS_FAILED };

/* ---- session.c: what is agreed on with the kernel -------------------------------- */
int session_new(struct fs *fs, char err[512]);
/* Reads (or on takeover replays) INIT and answers it. */
int session_init(struct fs *fs, char err[512]);
/* Ends the mount's service; the first reason counts. Any thread. */
void fs_end(struct fs *fs, enum fs_end how);

/* ---- worker.c: the device, slots, threads ------------------------------------------ */
/* All workers are made before the first one starts: they wake each other. */
int worker_init(struct fs *fs, uint32_t id);
int worker_start(struct worker *w);
void worker_stop(struct worker *w);
/* The one whose thread this is. */
struct worker *worker_self(void);
/* Has it look at what is parked, and at the device. Any thread. */
void worker_wake(struct worker *w);
/* Makes r the request whose bytes lie in its slot. */
void worker_request_init(struct worker *w, struct req *r);
/* Processes one whole request that lies in `slot` of the pool. */
void worker_process(struct worker *w, struct req *r);
struct fuse_in_header;
/* FORGET or BATCH_FORGET of len bytes; its slot is free afterwards. */
void worker_forget(struct worker *w, struct fuse_in_header *in, size_t len);
/* The table of inodes is full: has the kernel give some back, and runs again(r)
 * when there is room; ENFILE after STARVE_NS. */
void worker_starve(struct req *r, void (*again)(struct req *r));
/* A slot was freed: lets parked requests and a paused device go on. */
void worker_slot_freed(struct worker *w, struct req *r);

/* ---- interrupt.c: who waits and was sent a signal ------------------------------------ */
/* An INTERRUPT, own_unique, of the request `unique`. */
void interrupt_request(struct worker *w, uint64_t own_unique, uint64_t unique);
/* The worker cannot read the device: looks by itself who was sent a signal. */
void interrupt_watch(struct worker *w);
/* The worker's signal_timer. */
void interrupt_look(struct ev_timer *t);

/* ---- replay.c: after a takeover --------------------------------------------------------- */
/* Parks what a predecessor had read and not answered, for worker 0. */
void session_replay(struct fs *fs);
/* Begins the next change; without one the device is read again. Worker 0. */
void replay_next(struct worker *w);
/* The replayed change at work has ended: the next one may begin. Worker 0. */
void worker_replay_done(struct worker *w);

/* ---- order.c: READ after WRITE -------------------------------------------------- */
/* NULL: out of memory. */
struct order *order_new(void);
void order_free(struct order *o);
/* A WRITE of r->node, r->off, r->size begins; its end is that of the request. */
void order_write(struct req *r);
/* Runs go(r), of a READ, when the earlier WRITEs of its pages have ended: at once,
 * or later on r's worker. Interrupted meanwhile, the request ends with EINTR. */
void order_read(struct req *r, void (*go)(struct req *r));
/* The request has ended: READs that waited for it go on. */
void order_done(struct req *r);

/* ---- open.c: open records -------------------------------------------------------- */
/* 0: full (ENFILE). The id is written to `noted` (may be NULL) before it counts. */
uint64_t openrec_new(struct fs *fs, struct node *n, const struct nfsio_cred *cred, uint32_t flags,
		     _Atomic uint64_t *noted);
struct openrec *openrec_get(struct fs *fs, uint64_t id);
/* Ends it; returns the node's remaining opens. */
uint32_t openrec_free(struct fs *fs, uint64_t id, uint64_t nodeid);
int openrec_init(struct fs *fs);

/* Names that unlinked or replaced open files go by (.nfsX), in shared memory. */
/* Chooses one, in state MAKING, before the call that creates it. NULL: full. */
struct silly *silly_new(struct fs *fs, struct node *n, const struct nfsio_fh *dir,
			const struct nfsio_cred *cred);
/* Is one in state MAKING? */
bool silly_begun(struct fs *fs, const struct node *n);
/* It was not made, or is removed. */
void silly_drop(struct fs *fs, struct silly *s);
/* It was made. Not NULL: the file was closed meanwhile, the caller removes it. */
struct silly *silly_ready(struct fs *fs, struct silly *s);
/* A second run found that the first one had made it. Not NULL: as silly_ready. */
struct silly *silly_made_by_predecessor(struct fs *fs, uint64_t nodeid);
/* The record to remove after the last close; one caller gets it, others NULL. */
struct silly *silly_claim(struct fs *fs, uint64_t nodeid);
/* Is `name` in `dir` such a name of n? */
bool silly_is(struct fs *fs, const struct node *n, const struct nfsio_fh *dir, const char *name);
/* Removes what silly_claim or silly_ready gave, then replies 0. */
void silly_remove(struct req *r, struct silly *s);

/* ---- tree.c: shape and names, no I/O ---------------------------------------------- */
/* A name that mkdir or mv may give to a snapshot: 0, -EINVAL, -ENAMETOOLONG. */
int tree_check_snapshot_name(const char *name);
bool tree_is_utf8(const char *text);
/* "1073741824", "1G", "1GiB": bytes. */
bool tree_parse_size(const char *text, uint64_t *ret_bytes);
/* "2027-01-31", "2027-01-31T12:00:00Z", "...+02:00", or from now on "+30d" (m, h,
 * d, w): seconds since the epoch. */
bool tree_parse_when(const char *text, int64_t now_s, int64_t *ret_s);
/* "2027-01-31T12:00:00Z" */
void tree_format_time(char *out, size_t len, int64_t s);
/* Splits VOLUME@SNAP at the first '@': false when there is none. */
bool tree_split_at(const char *name, char volume[256], char snap[256]);
/* Which snapshot does a link's target name? It must end in VOLUME/.snapshots/SNAP
 * or VOLUME@SNAP; `volume` is "" where the path does not say (../.snapshots/SNAP). */
bool tree_parse_target(const char *target, const char *snapdir_name, char volume[256], char snap[256]);
/* Is `name` one of ours at a volume root (which the server's must not shadow)? */
bool tree_is_reserved(const struct fs *fs, const char *name);
/* 63-bit readdir offset of an object, never below TREE_OFF_MIN. */
#define TREE_OFF_MIN 16u
uint64_t tree_offset(const struct uuid *u);
/* The record at the end of a snapshot's comment: who made it. */
struct creator {
	bool known;
	uint32_t uid;
	char realm[64];
	char request[UUID_TEXT_LEN + 1];
	char volume[UUID_TEXT_LEN + 1]; /* where a snapshot was made, else "": clones inherit the comment, too */
};
void tree_parse_creator(const char *comment, struct creator *out);
/* Bytes of a comment that people wrote: what stands before the record. */
size_t tree_comment_text(const char *comment);
void tree_format_creator(char *out, size_t len, const struct creator *c);
/* Living, reachable place of a clone's parent in the tree, or NULL. */
const struct catalog_volume *tree_clone_parent(const struct catalog *cat,
					       const struct catalog_volume *v);

/* ---- bind.c: from a name in the catalog to a root handle --------------------------- */
/* Each ends in then(r, space) with a living space, or has replied with an error. */
typedef void (*bind_fn)(struct req *r, uint32_t space);
void bind_volume(struct req *r, const struct volume_facts *v, bind_fn then);
/* The snapshot of that name of the volume whose live space is vol_space. */
void bind_snapshot(struct req *r, uint32_t vol_space, const char *name, bind_fn then);
/* The same for a snapshot whose uuid is known already (just made). */
void bind_snapshot_known(struct req *r, uint32_t vol_space, const struct ontap_snapshot *s,
			 bind_fn then);
/* Replies to a LOOKUP or MKDIR with the root of a space. */
void reply_space_root(struct req *r, uint32_t space);
/* Is n the root directory of its space? */
bool node_is_space_root(const struct fs *fs, const struct node *n);
/* Called by the control thread when a picture changed. */
void fs_snapshots_changed(struct fs *fs, const struct snaplist *l);
void fs_volumes_changed(struct fs *fs, const struct catalog *old, const struct catalog *fresh);
/* ONTAP says that this snapshot does not exist (any more). Control thread. */
void fs_snapshot_gone(struct fs *fs, const struct uuid *volume, const struct uuid *snapshot);
/* Does a living snapshot space of that volume exist? */
bool fs_has_snapshots(struct fs *fs, const struct uuid *volume);
/* A volume has other content now: its nodes and those of its snapshots die, and
 * its name leads to new ones. */
void fs_volume_replaced(struct fs *fs, uint32_t space);
/* The space died: all its nodes are ESTALE, its pages dropped. */
void fs_space_died(struct fs *fs, uint32_t space);
/* nodeid of VOLUME/.clones, 0 if the kernel has none. */
uint64_t fs_clonedir_nodeid(struct fs *fs, uint32_t vol_space);
/* nodeid of VOLUME/.snapshots and of the root's child, 0 if the kernel has none. */
uint64_t fs_snapdir_nodeid(struct fs *fs, uint32_t vol_space);

/* ---- operations, by family ------------------------------------------------------------ */
extern const struct fuse_lowlevel_ops fs_ops;
/* The request that libfuse is decoding right now. */
struct req *op_begin(fuse_req_t fr);

#define OP(name) void op_##name
OP(lookup)(fuse_req_t fr, fuse_ino_t parent, const char *name);
OP(getattr)(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi);
OP(setattr)(fuse_req_t fr, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi);
OP(readlink)(fuse_req_t fr, fuse_ino_t ino);
OP(mknod)(fuse_req_t fr, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
OP(mkdir)(fuse_req_t fr, fuse_ino_t parent, const char *name, mode_t mode);
OP(symlink)(fuse_req_t fr, const char *target, fuse_ino_t parent, const char *name);
OP(unlink)(fuse_req_t fr, fuse_ino_t parent, const char *name);
OP(rmdir)(fuse_req_t fr, fuse_ino_t parent, const char *name);
OP(rename)(fuse_req_t fr, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	   const char *newname, unsigned int flags);
OP(link)(fuse_req_t fr, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);
OP(create)(fuse_req_t fr, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
OP(open)(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi);
OP(read)(fuse_req_t fr, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
OP(write)(fuse_req_t fr, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	  struct fuse_file_info *fi);
OP(flush)(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi);
OP(release)(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi);
OP(fsync)(fuse_req_t fr, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
OP(opendir)(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi);
OP(readdir)(fuse_req_t fr, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
OP(readdirplus)(fuse_req_t fr, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
OP(releasedir)(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi);
OP(fsyncdir)(fuse_req_t fr, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
OP(statfs)(fuse_req_t fr, fuse_ino_t ino);
OP(setxattr)(fuse_req_t fr, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
OP(getxattr)(fuse_req_t fr, fuse_ino_t ino, const char *name, size_t size);
OP(listxattr)(fuse_req_t fr, fuse_ino_t ino, size_t size);
OP(removexattr)(fuse_req_t fr, fuse_ino_t ino, const char *name);
OP(copy_file_range)(fuse_req_t fr, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
		    fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t len, int flags);

/* Control verbs on .snapshots, called by the operations above. */
void ctl_snapshot_create(struct req *r);
void ctl_snapshot_delete(struct req *r);
void ctl_snapshot_rename(struct req *r);
/* A replay of what a predecessor made and had begun to answer: replies. */
bool ctl_answered(struct req *r);
/* How long setting ontap.arm counts. */
#define ARM_MEMORY_NS (60 * NS_PER_SEC)
/* Does the configuration allow this verb to the caller? Only the creator (by the
 * record in `comment`) or an admin changes an object. Both reply when not. */
bool ctl_allowed(struct req *r, enum fs_verb verb);
bool ctl_is_owner(struct req *r, const char *what, const char *name, const char *comment,
		  const char *verb);
/* path.c: goes on with the path from the root of its space, "" the root itself, else
 * with a slash in front; NULL and -errno when it is not found (ESTALE: moved by
 * somebody else). Uses r->extra and r->call. */
void path_of(struct req *r, struct node *n, void (*then)(struct req *r, const char *path, int err));
/* Is the volume of this space the destination of a SnapMirror relationship, as far
 * as the picture knows? Then it is read-only, whoever asks. */
bool space_is_mirror(struct fs *fs, const struct space *s);
/* Clones: r->node is the root or a .clones, r->name the clone, r->name2 the
 * target of a link. */
void clone_by_link(struct req *r);
void clone_by_mkdir(struct req *r);
void clone_delete(struct req *r);
/* A name that a volume may have; replies when not. */
bool ctl_volume_name(struct req *r, const char *name);
/* mkdir and rmdir at the root, where volume.create and volume.delete are allowed. */
void volume_create(struct req *r);
void volume_delete(struct req *r);
/* setxattr on the root of a live volume, whose space s is: ontap.volume.size,
 * ontap.clone.split, ontap.snapmirror.update. */
void volume_resize(struct req *r, const struct space *s, const char *value);
void clone_split(struct req *r, const struct space *s, const char *value);
void mirror_update(struct req *r, const struct space *s, const char *value);
/* setxattr of ontap.snapshot.comment, .label and .expiry; s is the snapshot's space. */
void ctl_snapshot_comment(struct req *r, const struct space *s, const char *value);
void ctl_snapshot_label(struct req *r, const struct space *s, const char *value);
void ctl_snapshot_expiry(struct req *r, const struct space *s, const char *value);
/* setxattr of ontap.restore on a volume's root: "lose=N UUID", rule 6.6. */
#define XATTR_RESTORE "ontap.restore"
void volume_restore(struct req *r, struct node *n, const char *value, size_t len);
/* Notes for rule 6.2 that this process looked or meddled inside a snapshot. */
void ctl_walked(struct req *r, uint32_t space);

/* private.c: names by which ONTAP reaches two files, and nobody else. Steps of a
 * request that has r->space (the live volume) and, at r->private, this. Each goes
 * on with then(r, 0), or then(r, -errno) and `why`, a sentence. ECANCELED and EINTR
 * are nobody's refusal. The names stand in the intent: a successor removes them. */
#define PRIVATE_DIR ".ontapfs"
#define PRIVATE_PREFIX "ontapfs-"
#define PRIVATE_NAME_LEN (sizeof(PRIVATE_PREFIX) - 1 + UUID_TEXT_LEN)
typedef void (*private_fn)(struct req *r, int err);
struct private_names {
	private_fn then, after;
	const char *why;
	struct nfsio_fh dir;
	bool tried, made;
	uint32_t at, nold;
	char name[PRIVATE_NAME_LEN + 1];
	int64_t server_now_ns;
	struct uuid old[64];
};
/* Finds or makes the directory; it is checked each time. Any -errno: no file
 * clones in this volume for a while. */
void private_open(struct req *r, private_fn then);
/* For a while nobody tries a file clone in this volume. */
void private_refused(struct req *r);
/* Removes what was left behind an hour ago or more, by the server's clock (0: not
 * known), if it is time to look. -ECANCELED only. */
void private_sweep(struct req *r, int64_t server_now_ns, private_fn then);
/* Links intent.target, and intent.target2 where it is set, under fresh names
 * (intent.links), and looks that they are what the names lead to. Any -errno of
 * LINK (EXDEV, EMLINK, EROFS, EPERM, ...): private_unlink must follow. */
void private_link(struct req *r, private_fn then);
/* Removes the names in the intent. -ECANCELED only. */
void private_unlink(struct req *r, private_fn then);
/* The path of such a name from the root of the volume. */
void private_path(const struct uuid *u, char *out, size_t len);
/* Takes such paths out of a text, in place. */
void private_mask(char *text);
/* How many private names n has through this mount right now. */
uint32_t private_links_of(struct fs *fs, const struct node *n);

/* LINK of a snapshot's large file into its live volume: r->node2 into r->node as
 * r->name. EXDEV where ONTAP does not copy it. */
bool fileclone_wanted(struct fs *fs, struct node *file, const struct node *dir);
void fileclone_link(struct req *r);

/* ---- xattrs for the commands: xattr_list.c ------------------------------------------- */
/* Replies to a GETXATTR: the size, ERANGE or the value. */
void xattr_answer(struct req *r, const char *data, size_t len);
/* ontap.snapshots.FROM: the volume's snapshots, oldest first, from the FROMth on,
 * as many as fit into a value. */
#define XATTR_SNAPSHOTS "ontap.snapshots."
void xattr_snapshots(struct req *r, struct node *n, const char *from);
/* ontap.verb.NAME of .snapshots, .clones or the root: control_verb_state. */
#define XATTR_VERB "ontap.verb."
void xattr_verb(struct req *r, struct node *n, const char *name);

/* ---- audit.c: who did what ------------------------------------------------------------- */
/* The record of a control verb (r->verb), as far as it is known now. */
void audit_fill(struct audit_record *a, struct req *r);
/* Writes it down for the verb that ends with err. */
void audit(struct req *r, int err);

/* ---- access.c: may this caller? -------------------------------------------------------- */
/* Asks the server's ACCESS for `want` bits with the caller's credential, from
 * the cache where that is good enough, and goes on with then(r, granted bits);
 * replies by itself on error. `fresh`: ask in any case, and leave the
 * attributes that came along in r->attr (r->has_attr). */
typedef void (*access_fn)(struct req *r, uint32_t granted);
void req_access(struct req *r, struct node *n, uint32_t want, bool fresh, access_fn then);

/* What one process keeps for an open directory or .ontap file, beside the open
 * record in shared memory; a successor makes it anew. */
struct kept_entry {
	uint64_t cookie, fileid;
	bool has_attr, has_fh;
	struct nfsio_attr attr;
	struct nfsio_fh fh;
	uint32_t name; /* offset in names */
};
struct openstate {
	struct virtual_list *virt; /* of a virtual directory */
	char *text;                /* of an .ontap file */
	size_t text_len;
	/* entries of the last READDIRPLUS that were not asked for yet */
	struct kept_entry *kept;
	char *names;
	uint32_t nkept, pos;
	uint64_t next_off;         /* readdir offset at which kept[pos] continues */
	int64_t stamp_ns;
	bool eof;
	struct prefetched *_Atomic prefetched; /* of a file */
	uint64_t *big;             /* cookies of 2^63 and more, by index */
	uint32_t nbig;
};
struct openstate *openstate_get(struct fs *fs, uint64_t id);
void openstate_free(struct fs *fs, struct openstate *os);

/* What virtual nodes answer. */
bool node_is_virtual(const struct node *n);
void virtual_lookup(struct req *r);
void virtual_readlink(struct req *r, struct node *n);
/* One listing, built at OPENDIR and kept with the open directory. */
struct virtual_entry {
	uint64_t off, ino;
	uint32_t type; /* DT_* */
	char name[256];
};
struct virtual_list {
	size_t n;
	struct virtual_entry e[];
};
struct virtual_list *virtual_list_make(struct fs *fs, const struct node *n,
				       const struct snaplist *snaps);
/* Text of an .ontap file: malloc'ed. */
char *statfile_text(struct fs *fs, uint64_t which, const struct caller *who, size_t *ret_len);
int statfile_find(const char *name);
const char *statfile_name(uint64_t which);
uint64_t statfile_count(void);
bool statfile_admin_only(uint64_t which);

/* Attributes of a virtual node, or of the newest known of a real one. */
void node_stat(struct fs *fs, struct node *n, struct stat *st, bool tell);
double node_attr_timeout(struct fs *fs, const struct node *n);
uint32_t node_rpc_size(const struct fs *fs, const struct space *s, bool write);

#endif
