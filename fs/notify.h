/* Invalidations of what the kernel caches.
 *
 * A notification that names an entry takes its directory's lock in the kernel;
 * written by the daemon itself it can wait for a request that the daemon has
 * to answer, for ever. So an own process with an own copy of the descriptor
 * writes them: it may wait, nobody waits for it. Any thread may call. */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include "fs/base/list.h"
#include "fs/stats.h"

struct notifier {
	int fuse_fd, pipe_fd;
	pid_t pid;
	pthread_mutex_t lock;
	struct list overflow; /* records that the pipe had no room for; under lock */
	uint32_t overflow_n;
	struct stats *stats;
};

/* Forks the process. fuse_fd stays the caller's. 0 or -errno. */
int notifier_start(struct notifier *n, int fuse_fd, struct stats *stats);
/* Ends it and reaps it. */
void notifier_stop(struct notifier *n);

/* Drops the entry `name` of directory `parent`; the kernel looks it up again. */
void notify_entry(struct notifier *n, uint64_t parent, const char *name);
/* Drops attributes and pages of an inode. */
void notify_inode(struct notifier *n, uint64_t nodeid);
/* Tries again to hand over what did not fit; true when something is left. */
bool notifier_flush(struct notifier *n);

/* What the process does with a message from its pipe: tells the kernel, or refuses
 * (-EBADMSG) what is none. 0 or -errno of the kernel; -ENODEV: unmounted. Calls
 * nothing that may take a lock. */
int notify_pass(int fuse_fd, const void *msg, size_t len);

/* Attributes only: does not wait, so the calling worker writes it itself. */
void notify_attr(int fuse_fd, uint64_t nodeid);

#endif
