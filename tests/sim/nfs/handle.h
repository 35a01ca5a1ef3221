/*
 * File handles: the kernel's own for btrfs, and what goes over the wire.
 */
#ifndef SIMNFS_HANDLE_H
#define SIMNFS_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The inode number of every subvolume's root directory. */
#define KFH_ROOT_INO 256

/* What name_to_handle_at() gives on btrfs.  An inode keeps number and generation
 * in a snapshot, so only the root id differs between a file and its image. */
struct kfh {
	uint64_t ino;
	uint64_t root; /* id of the subvolume */
	uint32_t gen;
};

enum fh_kind {
	FH_NODE = 1,    /* a file or directory of the store */
	FH_SNAPDIR = 2, /* the .snapshot directory of the live directory k */
};

/* A decoded wire handle. */
struct fh {
	enum fh_kind kind;
	unsigned type; /* S_IFMT bits of the object, which never change */
	uint64_t vol;  /* fsid of the volume */
	uint64_t snap; /* fsid of the snapshot, 0: live */
	struct kfh k;
};

#define FH_WIRE_LEN 48 /* bytes */

/* Opens DIR/store and DIR/run/nfs.key (made on the first start: with it handles
 * stay valid over restarts).  0 or -errno, explained in err. */
int fh_init(const char *dir, char *err, size_t err_len);
void fh_fini(void);

/* The descriptor of the store's top directory. */
int fh_store_fd(void);

void fh_encode(const struct fh *fh, char out[FH_WIRE_LEN]);

/* 0, or -EBADF when these bytes are no handle that this server gave out. */
int fh_decode(const void *data, size_t len, struct fh *ret);

/* The handle of name in dirfd (not following a symlink), or of dirfd itself when
 * name is "".  0 or -errno. */
int kfh_of(int dirfd, const char *name, struct kfh *ret);

/* Opens what k names with these open(2) flags.  Acts as root on the way and
 * leaves the thread so.  A descriptor or -errno (-ESTALE: it is gone). */
int kfh_open(const struct kfh *k, int flags);

#endif
