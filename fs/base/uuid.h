/* 128-bit identifiers of volumes, snapshots and requests. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct uuid {
	uint8_t b[16];
};

#define UUID_TEXT_LEN 36

/* Parses the 36-character form, any case. 0 or -EINVAL (nothing written). */
int uuid_parse(const char *text, struct uuid *ret);
/* Writes 36 lower-case characters and a NUL. Returns out. */
char *uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1]);
/* A random version 4 uuid from getrandom(2). */
void uuid_random(struct uuid *ret);

static inline bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

static inline bool uuid_is_zero(const struct uuid *u)
{
	static const struct uuid zero;
	return uuid_eq(u, &zero);
}

#endif
