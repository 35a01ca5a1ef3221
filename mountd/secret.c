/* Secrets live in malloc'ed strings that are overwritten before they are
 * freed, so that no later core dump or swap page brings them to light. */
#include "mountd/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"

#define SECRET_LINE_MAX 4096
#define SECRET_PEM_MAX  (256u << 10)

void secret_free_len(char *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
	free(data);
}

void secret_free(char **s)
{
	if (*s)
		secret_free_len(*s, strlen(*s));
	*s = NULL;
}

int secret_read_file(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
		     mode_t *ret_mode)
{
	/* NONBLOCK: a FIFO must not stop the daemon before fstat can refuse it. */
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > (off_t)max_bytes)
		return -EFBIG;
	/* The size is only a guess for files of /proc or a file being written. */
	size_t cap = max_bytes + 1, len = 0;
	char *data = malloc(cap + 1);
	if (!data)
		return -ENOMEM;
	int r = 0;
	while (len < cap) {
		ssize_t n = read(fd, data + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (r == 0 && len > max_bytes)
		r = -EFBIG;
	if (r < 0) {
		secret_free_len(data, len);
		return r;
	}
	data[len] = '\0';
	*ret = data;
	*ret_len = len;
	if (ret_mode)
		*ret_mode = st.st_mode & 07777;
	return 0;
}

int secret_read_line(const char *path, char **ret, mode_t *ret_mode)
{
	char *data;
	size_t len;
	int r = secret_read_file(path, SECRET_LINE_MAX, &data, &len, ret_mode);
	if (r < 0)
		return r;
	size_t n = strcspn(data, "\r\n");
	if (n == 0)
		r = -ENODATA;
	else if (!(*ret = strndup(data, n)))
		r = -ENOMEM;
	secret_free_len(data, len);
	return r;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* White space may stand anywhere, as `base64` wraps its lines. */
static int base64_decode(const char *text, char **ret)
{
	size_t len = strlen(text), n = 0;
	char *out = malloc(len + 1);
	if (!out)
		return -ENOMEM;
	uint32_t acc = 0;
	int bits = 0, pad = 0;
	for (const char *p = text; *p; p++) {
		if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
			continue;
		int v = base64_value(*p);
		if (*p == '=' && pad < 2) {
			pad++;
			continue;
		}
		if (v < 0 || pad) {
			secret_free_len(out, n);
			return -EINVAL;
		}
		acc = acc << 6 | (uint32_t)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(acc >> bits & 0xff);
		}
	}
	out[n] = '\0';
	*ret = out;
	return 0;
}

int secret_pem(const char *value, char **ret)
{
	static const char mark[] = "-----BEGIN ";
	char *pem = NULL;
	int r;
	if (strstr(value, mark)) {
		*ret = strdup(value);
		return *ret ? 0 : -ENOMEM;
	}
	if (*value == '/') { /* base64 of PEM never starts with a slash */
		size_t len;
		r = secret_read_file(value, SECRET_PEM_MAX, &pem, &len, NULL);
	} else {
		r = base64_decode(value, &pem);
	}
	if (r < 0)
		return r;
	if (!pem || !strstr(pem, mark)) {
		secret_free(&pem);
		return -EINVAL;
	}
	*ret = pem;
	return 0;
}
