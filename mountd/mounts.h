/* The ontapfs mounts of this mount name space, by /proc/self/mountinfo: reading
 * it asks no file system, so a dead mount cannot hold us up. Any thread. */
#ifndef MOUNTD_MOUNTS_H
#define MOUNTD_MOUNTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct mount_entry {
	char *dir;    /* absolute mount point */
	char *root;   /* what of the tree it shows: "/", or "/project1/..." of a bind mount */
	char dev[24]; /* "0:53": the same for all that show the same tree */
	char *source; /* configuration file or HOST:SVM */
	char *options; /* per-mount options, "rw,nosuid,nodev,..." */
};

/* Whole trees, and with `parts` also bind mounts of what is in them; in mount order.
 * 0 or -errno; free with mounts_free. */
int mounts_read(bool parts, struct mount_entry **ret, size_t *ret_n);
void mounts_free(struct mount_entry *list, size_t n);

/* Makes `path` absolute and free of symlinks without touching what is mounted
 * on its last part: that may be a mount that does not answer. 0 or -errno. */
int mounts_resolve(const char *path, char out[PATH_MAX]);

/* 1 when a whole tree is mounted at `dir` (resolved), 0 when not, or -errno. */
int mounts_has(const char *dir);

#endif
