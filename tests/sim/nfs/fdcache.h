/*
 * Open descriptors of the store, found by file handle.
 */
#ifndef SIMNFS_FDCACHE_H
#define SIMNFS_FDCACHE_H

#include <stdbool.h>

#include "tests/sim/nfs/handle.h"

/* One file or directory that is open.  Alive while referenced; the descriptors
 * belong to the cache and never change once they are set. */
struct fdent;

/* How the descriptor will be used. */
enum fd_use {
	FD_PATH,  /* O_PATH or better: stat, *at() calls, checks */
	FD_READ,  /* readable */
	FD_WRITE, /* writable, and readable */
};

/* Memory for at most max_entries; each may hold up to three descriptors, most
 * hold one.  0 or -ENOMEM.  Before any thread starts. */
int fdc_init(unsigned max_entries);

/* Closes everything; no references may be left. */
void fdc_fini(void);

/* The descriptor of k for this use, opened when it is not there yet; *ret_ent is
 * a reference that keeps it open until fdc_put().  May leave the thread acting
 * as root.  Returns the descriptor or -errno: -ESTALE when the object is gone. */
int fdc_get(const struct kfh *k, enum fd_use use, struct fdent **ret_ent);

/* The same for an entry already referenced. */
int fdc_more(struct fdent *ent, enum fd_use use);

void fdc_put(struct fdent *ent);

/* Forgets an object whose last name was removed, so that its space is freed as
 * soon as nobody works on it. */
void fdc_drop(uint64_t root, uint64_t ino);

/* Forgets every object in a subvolume for which keep says false.  No thread may
 * hold references: then all those descriptors are closed on return. */
void fdc_purge(bool (*keep)(const void *arg, uint64_t root), const void *arg);

#endif
