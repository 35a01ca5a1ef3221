/*
 * Writes that are not stable yet, when the server runs with unstable=1.  They
 * live in this process's memory, are part of the file for every reader, and die
 * with kill -9, which the client learns from the write verifier.
 *
 * All functions may be called from any thread, and do nothing while no write is
 * pending.
 */
#ifndef SIMNFS_UNSTABLE_H
#define SIMNFS_UNSTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "tests/sim/nfs/handle.h"

/* The write verifier of this run of the server. */
extern char unstable_verf[8];
void unstable_init(void);

/* Keeps a write in memory.  0, or -ENOMEM when too much is pending already: the
 * caller then writes stably. */
int unstable_write(const struct kfh *k, uint64_t off, const void *data, size_t len);

/* Reads like pread(), pending writes included. */
ssize_t unstable_read(const struct kfh *k, int fd, void *buf, size_t len, uint64_t off);

/* Size and times as the pending writes make them. */
void unstable_stat(const struct kfh *k, struct stat *st);

/* Writes what is pending to the file.  fd is writable, or -1 to open it by k (as
 * root).  0 or -errno; on error the writes stay pending. */
int unstable_flush(const struct kfh *k, int fd);

/* Forgets what is pending for a removed file. */
void unstable_drop(uint64_t root, uint64_t ino);

/* Writes everything in subvolumes for which keep says false (keep NULL: in all);
 * what cannot be written is lost. */
void unstable_flush_all(bool (*keep)(const void *arg, uint64_t root), const void *arg);

#endif
