#include "tests/sim/util.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

static _Noreturn void out_of_memory(void)
{
	static const char msg[] = "ontapsim: out of memory\n";

	(void)!write(2, msg, sizeof(msg) - 1);
	_exit(1);
}

char *sim_fmt(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	va_end(ap);
	return s;
}

char *sim_dup(const char *s)
{
	char *r = s ? strdup(s) : NULL;

	if (s && !r)
		out_of_memory();
	return r;
}

void sim_log(const char *fmt, ...)
{
	char line[1024], when[TIME_BUF];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* Names from the network end up here: keep a log line a line. */
	for (char *p = line; n > 0 && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	sim_iso(sim_now(), when);
	fprintf(stderr, "%s %s\n", when, line);
}

int sim_err(const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		out_of_memory();
	va_end(ap);
	fprintf(stderr, "ontapsim: %s\n", text);
	return -1;
}

void sim_random(void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort(); /* the kernel has no random numbers: nothing here can go on */
		p += n;
		len -= (size_t)n;
	}
}

void sim_uuid(char out[UUID_BUF])
{
	unsigned char b[16];

	sim_random(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, UUID_BUF, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	         b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
	         b[13], b[14], b[15]);
}

void sim_password(char *out, size_t len)
{
	static const char set[64] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789ABCDEFG";

	sim_random(out, len);
	for (size_t i = 0; i < len; i++)
		out[i] = set[(unsigned char)out[i] & 63];
	out[len] = '\0';
}

void sim_iso(int64_t t, char out[TIME_BUF])
{
	time_t tt = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&tt, &tm) || !strftime(out, TIME_BUF, "%Y-%m-%dT%H:%M:%S+00:00", &tm))
		snprintf(out, TIME_BUF, "1970-01-01T00:00:00+00:00");
}

bool sim_parse_iso(const char *s, int64_t *ret)
{
	struct tm tm = { 0 };
	const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t off = 0;

	if (!p)
		return false;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++)
			;
	if (*p == 'Z') {
		p++;
	} else if (*p == '+' || *p == '-' || *p == ' ') {
		/* An unescaped '+' arrives as a blank in a query string. */
		int h, m, n = 0;

		if (sscanf(p + 1, "%2d:%2d%n", &h, &m, &n) != 2 || n != 5)
			return false;
		off = (*p == '-' ? -1 : 1) * (h * 3600 + m * 60);
		p += 6;
	} else {
		return false;
	}
	if (*p)
		return false;
	*ret = (int64_t)timegm(&tm) - off;
	return true;
}

int64_t sim_now(void)
{
	return (int64_t)time(NULL);
}

int64_t sim_mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool sim_parse_size(const char *s, int64_t *ret)
{
	static const char units[] = "kmgtp";
	int64_t v = 0;

	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
			return false;
	while (*s == ' ')
		s++;
	if (*s) {
		const char *u = strchr(units, tolower((unsigned char)*s));

		if (u) {
			for (long i = 0; i <= u - units; i++)
				if (__builtin_mul_overflow(v, 1024, &v))
					return false;
			s++;
			if (*s == 'i')
				s++;
		}
		if (tolower((unsigned char)*s) == 'b')
			s++;
	}
	if (*s)
		return false;
	*ret = v;
	return true;
}

bool sim_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	long long v;

	if (!isdigit((unsigned char)*s) && *s != '-')
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

int sim_read_file(const char *path, size_t max, char **ret)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *buf = NULL;
	size_t len = 0;

	if (fd < 0)
		return -errno;
	buf = malloc(max + 2);
	if (!buf)
		return -ENOMEM;
	while (len <= max) {
		ssize_t n = read(fd, buf + len, max + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > max)
		return -EFBIG;
	buf[len] = '\0';
	*ret = buf;
	buf = NULL;
	return 0;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int sim_write_file(const char *path, const void *data, size_t len, unsigned mode)
{
	AUTO_FREE char *tmp = sim_fmt("%s.tmp", path);
	AUTO_FREE char *parent = sim_dup(path);
	char *slash = strrchr(parent, '/');
	AUTO_CLOSE int fd = -1;
	AUTO_CLOSE int dirfd = -1;
	int r;

	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	if (slash)
		*slash = '\0';
	dirfd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || fsync(dirfd) < 0)
		return -errno;
	return 0;
}

char *sim_base64(const void *data, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;
	char *out = malloc((len + 2) / 3 * 4 + 1), *o = out;

	if (!out)
		out_of_memory();
	for (size_t i = 0; i < len; i += 3) {
		unsigned v = (unsigned)p[i] << 16;

		if (i + 1 < len)
			v |= (unsigned)p[i + 1] << 8;
		if (i + 2 < len)
			v |= p[i + 2];
		*o++ = set[v >> 18 & 63];
		*o++ = set[v >> 12 & 63];
		*o++ = i + 1 < len ? set[v >> 6 & 63] : '=';
		*o++ = i + 2 < len ? set[v & 63] : '=';
	}
	*o = '\0';
	return out;
}

static int b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

char *sim_unbase64(const char *text, size_t *ret_len)
{
	size_t n = strlen(text), len = 0;
	unsigned acc = 0;
	int bits = 0;
	char *out;

	while (n && text[n - 1] == '=')
		n--;
	out = malloc(n * 3 / 4 + 1);
	if (!out)
		out_of_memory();
	for (size_t i = 0; i < n; i++) {
		int v = b64_value(text[i]);

		if (v < 0) {
			free(out);
			return NULL;
		}
		acc = (acc << 6 | (unsigned)v) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[len++] = (char)(acc >> bits & 0xff);
		}
	}
	out[len] = '\0';
	*ret_len = len;
	return out;
}

char *sim_urlencode(const char *text)
{
	char *out = malloc(strlen(text) * 3 + 1), *o = out;

	if (!out)
		out_of_memory();
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c))
			*o++ = (char)c;
		else
		{
			static const char digits[] = "0123456789ABCDEF";

			*o++ = '%';
			*o++ = digits[c >> 4];
			*o++ = digits[c & 15];
		}
	}
	*o = '\0';
	return out;
}

bool sim_equal_secret(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), n = la > lb ? la : lb;
	unsigned diff = la != lb;

	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)((unsigned char)(i < la ? a[i] : 0) ^ (unsigned char)(i < lb ? b[i] : 0));
	return diff == 0;
}

bool sim_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *mark = NULL;

	/* Greedy with one point of return: linear space, no recursion, so that a
	 * pattern of many stars cannot be used to stall the server. */
	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			mark = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
