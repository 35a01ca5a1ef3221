/* The field reader that all record parsers share. */
#include "ontap/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void rd_init(struct reader *r, struct json_object *rec)
{
	*r = (struct reader){.rec = rec};
}

void rd_bad(struct reader *r, const char *path, const char *why)
{
	if (r->err)
		return;
	r->err = -EBADMSG;
	snprintf(r->why, sizeof(r->why), "field \"%s\" %s", path, why);
}

/* Takes the result of a getter; true when there is a value. */
static bool got(struct reader *r, const char *path, int result, enum reader_need need)
{
	switch (result) {
	case -ENOENT:
		if (need == REQUIRED)
			rd_bad(r, path, "is missing");
		return false;
	case -ENAMETOOLONG:
		rd_bad(r, path, "is too long");
		return false;
	case -ERANGE:
		rd_bad(r, path, "is out of range");
		return false;
	default:
		if (result < 0)
			rd_bad(r, path, "has the wrong type");
		return result == 0;
	}
}

void rd_str(struct reader *r, const char *path, char *dst, size_t size, enum reader_need need)
{
	if (!got(r, path, js_copy(r->rec, path, dst, size), need))
		dst[0] = '\0';
}

void rd_text(struct reader *r, const char *path, char *dst, size_t size)
{
	const char *text;
	dst[0] = '\0';
	if (got(r, path, js_str(r->rec, path, &text), OPTIONAL))
		snprintf(dst, size, "%s", text);
}

void rd_name(struct reader *r, const char *path, char *dst, size_t size, enum reader_need need)
{
	if (!got(r, path, js_copy(r->rec, path, dst, size), need)) {
		dst[0] = '\0';
		return;
	}
	bool ok = *dst && strcmp(dst, ".") != 0 && strcmp(dst, "..") != 0;
	for (const unsigned char *p = (const unsigned char *)dst; *p; p++)
		ok = ok && *p != '/' && *p >= ' ' && *p != 127;
	if (!ok)
		rd_bad(r, path, "cannot be a file name");
}

void rd_int(struct reader *r, const char *path, int64_t min, int64_t max, int64_t *ret,
	    enum reader_need need)
{
	got(r, path, js_int(r->rec, path, min, max, ret), need);
}

void rd_u64(struct reader *r, const char *path, uint64_t *ret, enum reader_need need)
{
	int64_t v;
	if (got(r, path, js_int(r->rec, path, 0, INT64_MAX, &v), need))
		*ret = (uint64_t)v;
}

void rd_bool(struct reader *r, const char *path, bool *ret, enum reader_need need)
{
	got(r, path, js_bool(r->rec, path, ret), need);
}

void rd_uuid(struct reader *r, const char *path, struct uuid *ret, enum reader_need need)
{
	got(r, path, js_uuid(r->rec, path, ret), need);
}

void rd_time(struct reader *r, const char *path, int64_t *ret, enum reader_need need)
{
	got(r, path, js_time(r->rec, path, ret), need);
}

/* "PT8H35M42S", "P1DT2H", "P2W"; no years or months, which have no length. */
static int parse_duration(const char *p, int64_t *ret)
{
	int64_t sum = 0;
	bool in_time = false, any = false;
	if (*p++ != 'P')
		return -EINVAL;
	for (; *p; p++) {
		if (*p == 'T' && !in_time) {
			in_time = true;
			continue;
		}
		int64_t v = 0, unit = 0;
		if (*p < '0' || *p > '9')
			return -EINVAL;
		for (; *p >= '0' && *p <= '9'; p++) {
			v = v * 10 + (*p - '0');
			if (v > INT32_MAX)
				return -ERANGE;
		}
		if (*p == '.') /* fractions of a second: nobody's concern here */
			do
				p++;
			while (*p >= '0' && *p <= '9');
		switch (*p) {
		case 'W': unit = in_time ? 0 : 7 * 86400; break;
		case 'D': unit = in_time ? 0 : 86400; break;
		case 'H': unit = in_time ? 3600 : 0; break;
		case 'M': unit = in_time ? 60 : 0; break;
		case 'S': unit = in_time; break;
		default: break;
		}
		if (unit == 0)
			return -EINVAL;
		sum += v * unit; /* below 2^51 each */
		if (sum > INT64_MAX / 2)
			return -ERANGE;
		any = true;
	}
	*ret = sum;
	return any ? 0 : -EINVAL;
}

void rd_duration(struct reader *r, const char *path, int64_t *ret)
{
	const char *text;
	if (got(r, path, js_str(r->rec, path, &text), OPTIONAL))
		got(r, path, parse_duration(text, ret), OPTIONAL);
}

int rd_done(const struct reader *r, char why[160], void *ret, const void *row, size_t size)
{
	if (r->err)
		memcpy(why, r->why, sizeof(r->why));
	else
		memcpy(ret, row, size);
	return r->err;
}

void rd_words(struct reader *r, const char *path, char *dst, size_t size)
{
	struct json_object *list;
	int n = js_len(r->rec, path);
	size_t used = 0;
	dst[0] = '\0';
	if (n == -ENOENT)
		return;
	if (n < 0 || js_find(r->rec, path, &list) < 0) {
		rd_bad(r, path, "has the wrong type");
		return;
	}
	for (size_t i = 0; i < (size_t)n; i++) {
		const char *word;
		if (js_str(js_at(list, i), "", &word) < 0) {
			rd_bad(r, path, "has the wrong type");
			return;
		}
		size_t len = strlen(word);
		if (used + len + 2 > size)
			return;
		if (used)
			dst[used++] = ',';
		memcpy(dst + used, word, len + 1);
		used += len;
	}
}
