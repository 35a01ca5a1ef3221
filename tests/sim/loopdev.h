/*
 * A btrfs image on a loop device: make, attach, mount, grow, unmount.
 * Everything here is told on failure by sim_err and returns 0 or -1; it runs in
 * the command line process only.
 */
#ifndef SIM_LOOPDEV_H
#define SIM_LOOPDEV_H

#include <stdbool.h>
#include <stdint.h>

/* Makes the sparse image with mkfs.btrfs unless it exists; makes it larger when
 * it has fewer than size bytes.  size 0 keeps an existing image as it is. */
int image_prepare(const char *image, int64_t size);

/* Attaches the image to a free loop device that goes away with its last user,
 * mounts it at mnt and lets the file system fill the image. */
int image_mount(const char *image, const char *mnt);

/* How many file systems are mounted exactly at path; *ret_dev gets the source of
 * the topmost one (freed by the caller) when ret_dev is not NULL. */
int mounts_at(const char *path, char **ret_dev);

/* True when the loop device dev (e.g. /dev/loop3) is backed by this image. */
bool loop_backs(const char *dev, const char *image);

#endif
