/* Growing byte buffer with a stated maximum, always NUL terminated.
 *
 * An append that would pass the maximum (or finds no memory) fails and makes
 * the buffer sticky-bad: later appends fail too, so a sequence of appends
 * needs one check at its end (buf_ok). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* NULL until the first append */
	size_t len;
	size_t cap;
	size_t max; /* bytes, without the NUL */
	bool bad;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);
void buf_reset(struct buf *b);
static inline bool buf_ok(const struct buf *b)
{
	return !b->bad;
}
/* 0, -ENOMEM or -EMSGSIZE (over the maximum). */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
__attribute__((format(printf, 2, 3))) int buf_printf(struct buf *b, const char *fmt, ...);
/* Appends s as a JSON string with quotes. Bytes that are not UTF-8 become
 * U+FFFD, so that every output is valid JSON. */
int buf_json(struct buf *b, const char *s);
/* Hands the bytes over (malloc'ed, NUL terminated; never NULL unless bad). */
char *buf_steal(struct buf *b, size_t *ret_len);

#endif
