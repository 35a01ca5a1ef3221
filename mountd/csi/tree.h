/* Places in the mounted tree: from the path that a pod or a volume names to a
 * descriptor of exactly that directory. Worker threads. */
#ifndef MOUNTD_CSI_TREE_H
#define MOUNTD_CSI_TREE_H

#include <limits.h>
#include "mountd/csi/csi.h"

struct place {
	int fd;              /* O_PATH of the directory, the caller's; -1 none */
	char path[PATH_MAX]; /* canonical, relative to the tree: without a link of ours */
	char name[PATH_MAX]; /* the same as a clone's own name has it: exp1/data for project1/.clones/exp1/data */
	bool frozen;         /* in a snapshot */
	struct uuid volume, snapshot; /* zero: not told */
};

/* Whether our tree is mounted there: asks mountinfo, never the mount. 0, or
 * -ENOTCONN with a sentence. */
int tree_mounted(const struct csi *s, char why[256]);

/* Walks path, one component at a time. Only links of the tree's own are followed
 * (clones at the root, VOLUME@SNAP, .snapshot, @latest), never one that a user made;
 * the end is opened beneath the tree with symlinks switched off, so that nothing can
 * lead out of it. Directories only.
 * 0; -EINVAL no relative path, -ENOENT, -ELOOP a user's link on the way, -ENOTDIR,
 * -ENOTCONN no tree, or what the tree says; err is a sentence. */
int tree_resolve(const struct csi *s, const char *path, struct place *ret, char err[256]);
void place_close(struct place *p);

/* The path is relative, has no empty, "." or ".." component, and no control file. */
bool tree_path_is_good(const char *path);

#endif
