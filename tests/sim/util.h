/*
 * Small helpers of the simulator: cleanup attributes, text, time, files.
 * All functions may be called from any thread unless they say otherwise.
 */
#ifndef SIM_UTIL_H
#define SIM_UTIL_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static inline void auto_free_fn(void *p)
{
	free(*(void **)p);
}
static inline void auto_close_fn(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void auto_json_fn(json_t **j)
{
	json_decref(*j);
}

#define AUTO_FREE  __attribute__((cleanup(auto_free_fn)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close_fn)))
#define AUTO_JSON  __attribute__((cleanup(auto_json_fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define UUID_LEN 36
#define UUID_BUF (UUID_LEN + 1)
#define TIME_BUF 32

/* printf into fresh memory; the caller frees it.  Never NULL: the process ends
 * when memory runs out (input is capped, so no client can bring that about). */
char *sim_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* strdup that never returns NULL; NULL in gives NULL out. */
char *sim_dup(const char *s);

/* One line to the log (stderr) with the wall-clock time in front. */
void sim_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "ontapsim: TEXT" to stderr for the person at the command line.  Returns -1,
 * so that `return sim_err(...)` fails and explains in one go. */
int sim_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Fills buf with len random bytes from the kernel. */
void sim_random(void *buf, size_t len);

/* A new random (version 4) UUID in lower case. */
void sim_uuid(char out[UUID_BUF]);

/* len random letters and digits (no look-alikes) plus NUL; out holds len + 1. */
void sim_password(char *out, size_t len);

/* Seconds since the epoch as ISO-8601 with zone, e.g. 2024-05-01T10:00:00+00:00. */
void sim_iso(int64_t t, char out[TIME_BUF]);

/* Parses an ISO-8601 time with a zone (Z, +hh:mm); false when it is none. */
bool sim_parse_iso(const char *s, int64_t *ret);

/* Wall clock in seconds; monotonic clock in milliseconds. */
int64_t sim_now(void);
int64_t sim_mono_ms(void);

/* Bytes from "1024", "20MB", "4 GiB", "1T" (1024 based).  False on anything
 * else, on a negative number and on overflow. */
bool sim_parse_size(const char *s, int64_t *ret);

/* A decimal integer filling the whole string, within [min, max]. */
bool sim_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret);

/* Reads a file of at most max bytes; *ret is NUL terminated and freed by the
 * caller.  0 or -errno (-EFBIG when longer). */
int sim_read_file(const char *path, size_t max, char **ret);

/* Writes a file so that a crash leaves the old or the new one: temporary file,
 * fsync, rename, fsync of the directory.  0 or -errno. */
int sim_write_file(const char *path, const void *data, size_t len, unsigned mode);

/* Standard base64, freed by the caller. */
char *sim_base64(const void *data, size_t len);

/* Decodes base64 (standard or URL alphabet); result is NUL terminated and freed
 * by the caller; NULL when malformed. */
char *sim_unbase64(const char *text, size_t *ret_len);

/* Text with every byte that is not a letter, digit or one of -._~ as %XX; freed by
 * the caller. */
char *sim_urlencode(const char *text);

/* Compares two strings in time that depends on their lengths only. */
bool sim_equal_secret(const char *a, const char *b);

/* Shell-like match of text against pattern where only '*' is special. */
bool sim_glob(const char *pattern, const char *text);

#endif
