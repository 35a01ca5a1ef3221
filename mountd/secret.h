/* Passwords, keys and certificates: read, decoded, and wiped after use. */
#ifndef MOUNTD_SECRET_H
#define MOUNTD_SECRET_H

#include <stddef.h>
#include <sys/types.h>

/* Overwrites the string and frees it; *s becomes NULL. NULL is fine. */
void secret_free(char **s);
/* Overwrites len bytes and frees them. */
void secret_free_len(char *data, size_t len);

/* Reads a regular file of at most max_bytes. *ret is malloc'ed, NUL terminated,
 * to be freed by secret_free_len(). *ret_mode (may be NULL): its permissions.
 * 0, -errno of open(2) or read(2), -EISDIR, -EINVAL (no regular file), -EFBIG. */
int secret_read_file(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
		     mode_t *ret_mode);

/* One line of a file, without its line end: a password. The same errors, and
 * -ENODATA when the file is empty. */
int secret_read_line(const char *path, char **ret, mode_t *ret_mode);

/* PEM text from what a configuration holds: PEM as it is, base64 of PEM, or an
 * absolute path to a PEM file. *ret is malloc'ed. 0, -EINVAL when it is neither,
 * or the errors of secret_read_file(). */
int secret_pem(const char *value, char **ret);

#endif
