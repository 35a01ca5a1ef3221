/* The shared state: what outlives a daemon. Private to fs/.
 *
 * One memfd, held by the holder, mapped whole and sparse. Regions, in order:
 *
 *     head | journal slots (small, large) | slot notes | spaces |
 *     nodes | node index | open records | silly names
 *
 * Rules. No locks in here: locks live in the process that owns the epoch. A
 * record is filled first and published by one release store of its key field
 * (uuid state, nodeid, id); it is retired by one store too. Counts go up
 * before the reply that hands them out and down after the request that gives
 * them back, so a crash leaks at worst and never dangles. */
#ifndef FS_STATE_H
#define FS_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "fs/base/statehead.h"
#include "fs/base/uuid.h"
#include "fs/nfs/nfsio.h"

#define STATE_VERSION 6
#define ONTAP_SPACE_NAME 256

#define SLOT_SMALL_BYTES 8192u
/* read(2) from /dev/fuse wants room for max_write and the header page. */
#define SLOT_LARGE_BYTES ((1u << 20) + 8192u)
#define STATE_WORKERS_MAX 8u
#define STATE_SPACES_MAX 65536u
#define STATE_OPENS_MAX 262144u
#define STATE_SILLY_MAX 16384u
#define STATE_FOUND_BYTES 16384u

/* ---- slot notes: one per pool slot, what a successor must know ---------- */

enum intent_phase { INTENT_NONE, INTENT_WRITTEN, INTENT_ANSWERED };

/* Written before a call is sent that must not happen twice. */
struct intent {
	_Atomic uint32_t phase;  /* enum intent_phase */
	int32_t answer;          /* INTENT_ANSWERED: 0 or -errno */
	struct nfsio_fh target;  /* REMOVE, RMDIR, RENAME: the object; file clone: the destination */
	struct nfsio_fh target2; /* RENAME: what it replaced, len 0 nothing; file clone: a live source */
	struct uuid links[2];    /* file clone: private names of target, and of target2 if there is one */
	_Atomic uint32_t linked; /* they may be there */
	uint64_t nodeid;         /* of the target, if the kernel knows it */
	int64_t nonce_ns;        /* CREATE, MKDIR, MKNOD: the atime only we would set */
	uint64_t offset;         /* WRITE of an append: where it went; file clone: size before, then the answer */
	uint64_t size;           /* file clone into an open file: size of the destination afterwards */
	struct uuid object;      /* REST: the snapshot */
	struct uuid request;     /* REST: the request id in the comment */
};

struct slot_note {
	struct intent intent;
	_Atomic uint64_t open;   /* OPEN, OPENDIR, CREATE: the open record made, 0 none yet */
};

/* ---- spaces: one file system of the server ------------------------------ */

enum space_state { SPACE_FREE, SPACE_LIVE, SPACE_DEAD };

/* A live volume or one snapshot of it: the unit that has an own fsid and root
 * handle. Identified by uuids, never by name. Space 0 is the tree itself. */
struct space {
	_Atomic uint32_t state;  /* enum space_state; published last */
	uint32_t volume_space;   /* of a snapshot: the space of its live volume */
	struct uuid volume;
	struct uuid snapshot;    /* zero: the live volume */
	struct uuid clone_parent; /* of a FlexClone's live space, else zero */
	struct nfsio_fh root;
	struct nfsio_fh snapdir; /* of a live volume: its .snapshot, len 0 unknown */
	uint64_t fsid;
	uint64_t root_fileid;
	int64_t btime;           /* seconds since the epoch */
	int64_t bound_ns;        /* CLOCK_MONOTONIC */
	uint32_t rtmax, wtmax, dtpref; /* bytes, from FSINFO */
	uint32_t ino_from_fh;    /* 32-bit ids that may collide: identify by handle */
	uint32_t no_access;      /* snapshot directory access is off: no root handle */
	_Atomic uint32_t root_mode, root_uid, root_gid; /* of the root, newest known */
	_Atomic uint32_t nodes;  /* nodes in it */
	_Atomic uint32_t opens;  /* open files and directories in it */
	char name[ONTAP_SPACE_NAME]; /* volume name, or snapshot name when bound */
};

/* ---- nodes -------------------------------------------------------------- */

enum node_kind {
	NODE_FREE,
	NODE_FILE,      /* anything with a handle: file, directory, symlink, ... */
	NODE_ROOT,      /* the tree's root, nodeid 1 */
	NODE_SNAPDIR,   /* VOLUME/.snapshots */
	NODE_CLONEDIR,  /* VOLUME/.clones */
	NODE_ONTAPDIR,  /* .ontap */
	NODE_STATFILE,  /* .ontap/X; sub = which */
	NODE_SNAPALIAS, /* VOLUME/.snapshot -> .snapshots */
	NODE_LATEST,    /* .snapshots/@latest, VOLUME@latest; sub = enum link_place */
	NODE_OLDEST,
	NODE_SNAPLINK,  /* VOLUME@SNAP; space is the snapshot */
	NODE_JUNCTION,  /* another volume's mount point; sub = its space */
	NODE_SNAPOFF,   /* a snapshot that cannot be entered; space is the snapshot */
};

struct node_attr {
	int64_t stamp_ns; /* start of the call that brought them; 0: never known */
	uint32_t type, mode, nlink, uid, gid, rdev_major, rdev_minor;
	uint32_t pad;
	uint64_t size, used, fileid;
	int64_t atime_ns, mtime_ns, ctime_ns;
};

struct node {
	_Atomic uint64_t nodeid; /* generation << 32 | record number; 0: free */
	_Atomic uint64_t nlookup;
	_Atomic uint32_t opens;
	_Atomic uint32_t next;   /* hash chain: record number, 0 end */
	uint32_t space;
	uint32_t generation;     /* of the last nodeid given out for this record */
	uint8_t kind;            /* enum node_kind */
	_Atomic uint8_t silly;   /* unlinked here while open: a silly record names it */
	struct nfsio_fh fh;      /* NODE_FILE */
	uint64_t sub;            /* of virtual kinds */
	_Atomic uint64_t parent; /* nodeid of the directory it was last seen in; for paths only */
	uint64_t ino;
	struct node_attr attr;   /* newest known; under the node's shard lock */
	/* Versions, as hashes of size, mtime and ctime; 0 none; shard lock */
	uint64_t told;           /* what the kernel was last told */
	uint64_t pages;          /* of which the kernel's pages are */
};
_Static_assert(sizeof(struct node) + 2 * sizeof(uint32_t) <= 256, "with its share of the index");

/* ---- open records ------------------------------------------------------- */

struct openrec {
	_Atomic uint64_t id;     /* generation << 32 | record number; 0: free. fi->fh */
	uint64_t nodeid;
	uint32_t generation;
	uint32_t flags;          /* open(2) flags */
	uint64_t dirverf;        /* cookie verifier of an open directory */
	struct nfsio_cred cred;  /* of the opener, for READ, WRITE, COMMIT, SETATTR */
};

/* ---- silly names -------------------------------------------------------- */

enum silly_state { SILLY_FREE, SILLY_MAKING, SILLY_READY, SILLY_TAKEN };

struct silly {
	_Atomic uint32_t state;  /* enum silly_state: READY when the name is there, TAKEN
	                            by the one who removes it */
	_Atomic uint64_t nodeid;
	struct nfsio_fh dir;
	struct nfsio_cred cred;  /* of the open that is still using the file */
	char name[32];           /* .nfs and 24 hex digits */
};

/* ------------------------------------------------------------------------- */

struct state {
	int fd;
	uint8_t *base;
	uint64_t size;
	struct state_head *head;
	struct slot_note *notes; /* small slots first, then large */
	struct space *spaces;
	struct node *nodes;
	uint32_t max_nodes;
	_Atomic uint32_t *index; /* buckets of record numbers */
	uint32_t index_mask;
	struct openrec *opens;
	struct silly *silly;
	_Atomic uint32_t *nodes_used, *spaces_used, *opens_used; /* high-water marks */
	void *found;             /* STATE_FOUND_BYTES: what discovery brought, see fs/fs.c */
	struct uuid *mount_id;   /* names silly files */
	_Atomic uint64_t *silly_counter;
};

struct state_sizes {
	uint32_t slots;       /* small */
	uint32_t write_slots; /* large, those that workers read into included */
	uint32_t max_nodes;
};

/* Maps the state of a first start: sizes, zeroes and publishes it. `fd` stays
 * the caller's. 0 or -errno (-ENOMEM, -EFBIG of ftruncate). */
int state_create(struct state *st, int fd, const struct state_sizes *sizes);
/* Maps a predecessor's state. -EPROTO with `why` when magic, version, CRC or
 * size are not ours: the state is then left alone. */
int state_attach(struct state *st, int fd, char why[128]);
void state_unmap(struct state *st);

static inline void *state_slot(const struct state *st, int class, uint32_t i)
{
	const struct state_slots *s = &st->head->slots[class];
	return st->base + s->off + (uint64_t)i * s->stride;
}

#endif
