/*
 * Folder trees that share their blocks: copy and removal, for a file system with
 * reflinks but without snapshots.
 */
#ifndef SIM_REFLINK_H
#define SIM_REFLINK_H

#include <stdbool.h>

/* A name that is left out of the root of a tree: the place where the NFS face
 * shows the snapshots. */
#define REFLINK_SKIP ".snapshot"

/* Makes the tree dst of the tree src, both on one file system: hard links, links,
 * special files, holes, modes, owners, times (all but ctime) and extended
 * attributes as in src.  sealed: files and folders become immutable, which even
 * root cannot write to, and reading them leaves no trace.  What the source's
 * writers do meanwhile may be in the copy or not, file by file.
 * 0 or -errno; a part of dst may be left then.  The depth of a tree is limited by
 * the descriptors that a process may have, two a level. */
int reflink_copy(const char *src, const char *dst, bool sealed);

/* Removes a tree, sealed or not.  0 or -errno. */
int reflink_remove(const char *path);

/* Takes the seal off an open folder or file, or puts it on.  0 or -errno. */
int reflink_seal(int fd, bool on);
bool reflink_is_sealed(int fd);

#endif
