/* Work that may hang for ever on a dead file system, done in a child process
 * that is left behind when its time is over. */
#ifndef MOUNTD_BOUNDED_H
#define MOUNTD_BOUNDED_H

#include <stddef.h>

/* Runs fn in a child; what it writes to out_fd is collected in out (at most
 * len - 1 bytes, NUL terminated). Returns fn's own 0 or -errno, or -ETIMEDOUT
 * after timeout_ms; a child that cannot even be killed is left to init. */
int bounded_run(int (*fn)(int out_fd, const void *arg), const void *arg, int timeout_ms, char *out,
		size_t len);

/* Reads DIR/.ontap/NAME of a mount that may never answer. 0 or -errno. */
int bounded_file(const char *dir, const char *name, int timeout_ms, char *out, size_t len);

#endif
