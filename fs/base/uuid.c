#include "fs/base/uuid.h"

#include <errno.h>
#include <sys/random.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_parse(const char *text, struct uuid *ret)
{
	struct uuid u;
	size_t n = 0;
	for (size_t i = 0; i < UUID_TEXT_LEN;) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i++] != '-')
				return -EINVAL;
			continue;
		}
		int hi = hex(text[i]);
		int lo = hi < 0 ? -1 : hex(text[i + 1]);
		if (lo < 0)
			return -EINVAL;
		u.b[n++] = (uint8_t)(hi << 4 | lo);
		i += 2;
	}
	if (text[UUID_TEXT_LEN] != '\0')
		return -EINVAL;
	*ret = u;
	return 0;
}

char *uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[u->b[i] >> 4];
		*p++ = digits[u->b[i] & 15];
	}
	*p = '\0';
	return out;
}

void uuid_random(struct uuid *ret)
{
	size_t got = 0;
	while (got < sizeof(ret->b)) {
		ssize_t n = getrandom(ret->b + got, sizeof(ret->b) - got, 0);
		if (n > 0)
			got += (size_t)n;
	}
	ret->b[6] = (uint8_t)((ret->b[6] & 0x0f) | 0x40);
	ret->b[8] = (uint8_t)((ret->b[8] & 0x3f) | 0x80);
}
