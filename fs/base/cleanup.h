/* Scope-bound cleanup and small helpers that every module may use.
 *
 * Straight-line code frees by attribute and hands over with steal_ptr();
 * callbacks have one `done:` label instead. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0 or -errno. Positive values never mean an error. */
typedef int errint_t;

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define cleanup_free __attribute__((cleanup(cleanup_freep)))
#define cleanup_fd   __attribute__((cleanup(cleanup_closep)))

#define steal_ptr(p)                                                           \
	({                                                                     \
		__typeof__(p) steal_tmp_ = (p);                                \
		(p) = NULL;                                                    \
		steal_tmp_;                                                    \
	})

static inline int steal_fd(int *fd)
{
	int r = *fd;
	*fd = -1;
	return r;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define MIN_OF(a, b)                                                           \
	({                                                                     \
		__typeof__(a) min_a_ = (a);                                    \
		__typeof__(b) min_b_ = (b);                                    \
		min_a_ < min_b_ ? min_a_ : min_b_;                             \
	})
#define MAX_OF(a, b)                                                           \
	({                                                                     \
		__typeof__(a) max_a_ = (a);                                    \
		__typeof__(b) max_b_ = (b);                                    \
		max_a_ > max_b_ ? max_a_ : max_b_;                             \
	})

/* Copies a string that must fit; a longer one is cut, always terminated.
 * Returns false when it was cut. */
static inline bool strcpy_bounded(char *out, const char *s, size_t out_bytes)
{
	size_t n = strlen(s);
	bool fits = n < out_bytes;
	if (!fits)
		n = out_bytes - 1;
	memcpy(out, s, n);
	out[n] = '\0';
	return fits;
}

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
