/* Inodes of the mount: nodeid <-> (space, file handle), counts, attributes.
 *
 * Four identities, never mixed up:
 *   nodeid       what the kernel calls it; generation and record number, never
 *                given to another object in the life of the mount
 *   file handle  what the server calls it; together with the space the key
 *   fileid       a number that the server shows; equal in volume, snapshot and
 *                clone, so it identifies nothing by itself
 *   st_ino       a hash of (volume, snapshot, fileid) for programs that compare
 *
 * All functions may be called from any worker. A struct node pointer stays
 * valid while the kernel knows the nodeid: during a request on it, or between
 * node_get and the reply that passes the count on. */
#ifndef FS_NODE_H
#define FS_NODE_H

#include <pthread.h>
#include <string.h>
#include "fs/state.h"

#define NODE_ROOT_ID 1ull
#define NODE_LOCKS   256u

struct nodes {
	struct state *st;
	pthread_mutex_t chain[NODE_LOCKS];  /* chains of bucket & (NODE_LOCKS - 1) */
	pthread_mutex_t attr[NODE_LOCKS];   /* attributes of record & (NODE_LOCKS - 1) */
	pthread_mutex_t free_lock;
	uint32_t *free_list;                /* under free_lock */
	uint32_t free_n, free_cap;
	_Atomic uint32_t live;              /* records in use */
	_Atomic uint64_t ino_collisions;
};

/* Empty table with the root in it; after a takeover the free list and counts
 * are rebuilt by a scan. 0, -ENOMEM, or -EPROTO: a record is damaged. */
int nodes_init(struct nodes *nt, struct state *st);
void nodes_fini(struct nodes *nt);

/* NULL when the kernel does not know that nodeid (any more). */
struct node *node_by_id(struct nodes *nt, uint64_t nodeid);

/* What makes two objects the same. */
struct node_key {
	uint32_t space;
	uint8_t kind;       /* enum node_kind */
	struct nfsio_fh fh; /* NODE_FILE, else len 0 */
	uint64_t sub;
};

/* Finds or makes the node and counts one lookup for the reply that will name
 * it. NULL: the table is full (ENFILE). A caller whose reply did not reach the
 * kernel gives the count back with node_forget(nodeid, 1). */
struct node *node_get(struct nodes *nt, const struct node_key *key, uint64_t ino);
/* Is the table so full that nothing should be created (99 %), or that the
 * kernel should be made to forget (90 %)? */
bool nodes_full(const struct nodes *nt);
bool nodes_scarce(const struct nodes *nt);
/* The nodeid of a known object, or 0. Counts nothing. */
uint64_t node_find(struct nodes *nt, const struct node_key *key, uint64_t ino);
void node_forget(struct nodes *nt, uint64_t nodeid, uint64_t n);

/* st_ino of an object of the server, and of a virtual one. Never 0, 1 or
 * 2^32-1. `fh` is used instead of fileid where the space says so. */
uint64_t node_ino(const struct space *s, uint64_t fileid, const struct nfsio_fh *fh);
uint64_t node_ino_virtual(const struct space *s, uint8_t kind, uint64_t sub);

static inline struct nfsio_fh node_fh(const struct node *n)
{
	struct nfsio_fh fh = {.len = n->fh.len};
	memcpy(fh.data, n->fh.data, fh.len);
	return fh;
}

/* Takes the server's attributes in, unless newer ones are known already: those
 * of a call that started later. Returns true when taken. */
bool node_attr_put(struct nodes *nt, struct node *n, const struct nfsio_attr *a, int64_t stamp_ns);
/* A write or setattr of ours: `before` are the server's attributes just before
 * it. If they are what the kernel was told, so is the result: the change was
 * ours alone. */
void node_attr_own_change(struct nodes *nt, struct node *n, const struct nfsio_wcc *before,
			  const struct nfsio_attr *after, int64_t stamp_ns);
/* What is asked for all the time, of the newest known attributes. */
struct node_brief {
	int64_t stamp_ns; /* 0: never known */
	uint32_t type, gid;
};
struct node_brief node_brief(struct nodes *nt, struct node *n);
/* Newest known attributes; marks them as told to the kernel when `tell`. */
void node_attr_get(struct nodes *nt, struct node *n, struct node_attr *out, bool tell);
/* The kernel's cached pages of a live file are of that version (size, mtime and
 * ctime; the kernel itself never looks at ctime), or were just dropped for it. */
bool node_pages_are(struct nodes *nt, struct node *n, const struct nfsio_attr *a);
void node_pages_set(struct nodes *nt, struct node *n, const struct nfsio_attr *a);
/* True when size, mtime and ctime are what the kernel was last told. */
bool node_attr_is_told(struct nodes *nt, struct node *n, const struct nfsio_attr *a);

#endif
