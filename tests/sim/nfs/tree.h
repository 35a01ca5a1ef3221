/*
 * The tree as clients see it: volumes joined at junctions, .snapshot in every
 * directory, snapshots in it.
 */
#ifndef SIMNFS_TREE_H
#define SIMNFS_TREE_H

#include "tests/sim/nfs/call.h"

#define SNAPDIR_NAME ".snapshot"

/*
 * What name is in a directory; dirfd is its descriptor (of a virtual directory:
 * that of the live directory it belongs to).  The thread acts as the caller
 * before, maybe as root after.  Does not look at the export rules of a volume it
 * crosses into.  0, or -errno: -ENOENT, -EACCES, -ENOTDIR, ...
 */
int tree_lookup(const struct node *dir, int dirfd, const char *name, struct node *ret,
                struct stat *ret_st);

/* The directory above, for the ".." of listings; false when it cannot be told. */
bool tree_parent_fileid(const struct node *dir, int dirfd, uint64_t *ret);

/* The directory k of snapshot s: the same inode there.  0 or -errno (-ESTALE: the
 * snapshot does not have it).  Leaves the thread acting as root. */
int tree_in_snap(const struct snap *s, const struct kfh *live, struct node *ret,
                 struct stat *ret_st);

/* Is the name taken by something that is not an entry of the store? */
bool tree_is_virtual(const struct node *dir, const char *name);

/* The object at a MOUNT path, export rules of all volumes on the way respected.
 * auth_sys and client as in struct call.  Acts as root.  0, -ENOENT, -EACCES,
 * -ENOTDIR, -ENAMETOOLONG, -EINVAL. */
int tree_walk(const struct state *st, const char *path, uint32_t client, bool auth_sys,
              struct node *ret);

#endif
