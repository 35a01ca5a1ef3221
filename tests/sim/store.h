/*
 * The store: one file system holding every volume and snapshot.
 *
 *   DIR/store/vol/...    a volume is a subvolume
 *   DIR/store/snap/UUID  a snapshot is a read-only copy of one
 *
 * On btrfs both are what that file system calls so; on XFS a subvolume is a
 * folder, and a copy shares its blocks with the original file by file.
 *
 * The store knows no names of ONTAP and no database: callers say which path
 * (relative to the store) becomes what.  A subvolume is made before the row
 * that speaks of it and removed after that row, so a crash can leave only
 * subvolumes that no row mentions; store_sweep removes those.
 */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum store_kind { STORE_BTRFS, STORE_XFS };

/* Makes DIR/store usable: a plain folder when DIR is on btrfs and that is the
 * kind, otherwise DIR/store.img (made sparse with size bytes when missing, grown when it is
 * smaller) attached to a loop device and mounted.  A mount left by an earlier
 * run is used again when it shows this very image, and replaced when not.
 * 0, or -1 with the reason told by sim_err.  Command line only. */
int store_up(const char *dir, enum store_kind kind, int64_t size);

/* Unmounts DIR/store (the loop device goes with the last user).  0 when nothing
 * is mounted afterwards, else -1 with the reason told. */
int store_down(const char *dir);

/* Removes every subvolume and the image.  Call while the store is up; it ends
 * unmounted.  0 or -1 with the reason told. */
int store_destroy(const char *dir);

/* True when DIR/store holds a file system that can be used now. */
bool store_is_up(const char *dir);

/* The functions below take a path relative to the store, such as "vol/UUID",
 * return 0 or -errno, may block for a disk flush, and run on any thread. */

/* An empty subvolume whose root folder has that owner and mode. */
int store_create(const char *dir, const char *subvol, mode_t mode, uid_t uid, gid_t gid);

/* A snapshot of the subvolume src at dst.  On return it holds every byte of a
 * write that ended before the call.  On XFS the copying takes time (about 50 us a
 * file), and the NFS face answers nobody meanwhile: see freeze.h. */
int store_snapshot(const char *dir, const char *src, const char *dst, bool read_only);

/* Removes a subvolume; a missing one is no error. */
int store_delete(const char *dir, const char *subvol);

/* Opens the root folder of a subvolume (O_RDONLY); fd or -errno. */
int store_open(const char *dir, const char *subvol);

/* Size and free bytes of the whole file system. */
int store_space(const char *dir, int64_t *ret_size, int64_t *ret_free);

/* Bytes held by the files of a subvolume and how many files and folders it has.
 * On btrfs the answer is remembered until the file system commits a change of the
 * subvolume, so it may lag by one commit interval (30 s); on XFS for 5 s. */
int store_usage(const char *dir, const char *subvol, int64_t *ret_bytes, int64_t *ret_files);

/* Bytes in the files of the older subvolume that the newer one has changed or no
 * longer has: what is kept for the older one alone.  A file counts with all its
 * bytes, so this is an upper bound.  On XFS a file is the same while path, size and
 * mtime are.  older must be read-only.  Remembered like
 * store_usage; with known_only -EAGAIN instead of a count that would take time. */
int store_replaced(const char *dir, const char *older, const char *newer, bool known_only,
                   int64_t *ret_bytes);

/* Removes each subvolume in vol/ and snap/ for which keep() says false. */
int store_sweep(const char *dir, bool (*keep)(void *arg, const char *subvol), void *arg);

#endif
