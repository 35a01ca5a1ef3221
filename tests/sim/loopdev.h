/*
 * A file system image on a loop device: make, attach, mount, grow, unmount.
 * Everything here is told on failure by sim_err and returns 0 or -1; it runs in
 * the command line process only.
 */
#ifndef SIM_LOOPDEV_H
#define SIM_LOOPDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_kind {
	const char *type;           /* for mount(2) */
	const char *const *mkfs;    /* command; the image's name is added */
	const char *package;        /* that has it */
	int (*grow)(const char *mnt); /* makes the mounted one fill its device: 0 or -errno */
};

/* Makes the sparse image with mkfs unless it exists; makes it larger when
 * it has fewer than size bytes.  size 0 keeps an existing image as it is. */
int image_prepare(const struct image_kind *kind, const char *image, int64_t size);

/* Attaches the image to a free loop device that goes away with its last user,
 * mounts it at mnt and lets the file system fill the image. */
int image_mount(const struct image_kind *kind, const char *image, const char *mnt);

/* Runs a program without its output; said gets the first line of its complaints.
 * 0, 1 when it failed, -1 when it did not run (told, with the package to install). */
int run_quietly(const char *const argv[], const char *package, char *said, size_t said_len);

/* How many file systems are mounted exactly at path; *ret_dev gets the source of
 * the topmost one (freed by the caller) when ret_dev is not NULL. */
int mounts_at(const char *path, char **ret_dev);

/* True when the loop device dev (e.g. /dev/loop3) is backed by this image. */
bool loop_backs(const char *dev, const char *image);

#endif
