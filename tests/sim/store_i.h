/*
 * What the store needs of a kind of file system.  Paths named path are absolute,
 * subvolumes are relative to DIR/store; functions return 0 or -errno.
 */
#ifndef SIM_STORE_I_H
#define SIM_STORE_I_H

#include "tests/sim/loopdev.h"
#include "tests/sim/store.h"

struct store_ops {
	struct image_kind image;
	long magic;        /* f_type of statfs */
	bool plain_folder; /* no image where DIR is on such a file system already */
	int (*create)(const char *path);
	int (*snapshot)(const char *dir, const char *src, const char *dst, bool read_only);
	int (*delete)(const char *path);
	bool (*is_subvol)(const char *path);
	int (*usage)(const char *dir, const char *subvol, int64_t *ret_bytes, int64_t *ret_files);
	int (*replaced)(const char *dir, const char *older, const char *newer, bool known_only,
	                int64_t *ret_bytes);
};

extern const struct store_ops store_btrfs, store_xfs;

/* Writes everything that the file system of path has in memory. */
void store_flush(const char *path);

/* Absolute path of a subvolume, freed by the caller. */
char *store_path(const char *dir, const char *subvol);

#endif
