#include "tests/sim/ganesha/portmap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/sim/util.h"

#define RECORD_MAX 1024

static int listener = -1;
static struct conn {
	int fd; /* 0: free */
	size_t len;
	unsigned char buf[RECORD_MAX];
} conns[PORTMAP_FDS - 1];

int portmap_open(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	if (n >= (int)sizeof(sa.sun_path) || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, PORTMAP_FDS) < 0) {
		r = errno ? -errno : -ENAMETOOLONG;
		close(fd);
		return r;
	}
	listener = fd;
	return 0;
}

size_t portmap_poll(struct pollfd *p)
{
	size_t n = 0;

	p[n++] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (size_t i = 0; i < ARRAY_LEN(conns); i++)
		if (conns[i].fd)
			p[n++] = (struct pollfd){ .fd = conns[i].fd, .events = POLLIN };
	return n;
}

/* The call's number is all that matters of it: the answer is accepted, success,
 * TRUE, whatever was to be set or unset. */
static bool answer(struct conn *c)
{
	while (c->len >= 8) {
		uint32_t mark, reply[8] = { htonl(0x80000000u | 28), 0, htonl(1), 0, 0, 0, 0, htonl(1) };
		size_t size;

		memcpy(&mark, c->buf, 4);
		size = 4 + (ntohl(mark) & 0x7fffffff);
		if (size > sizeof(c->buf))
			return false;
		if (c->len < size)
			return true;
		memcpy(&reply[1], c->buf + 4, 4);
		if (send(c->fd, reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			return false;
		c->len -= size;
		memmove(c->buf, c->buf + size, c->len);
	}
	return true;
}

static void take(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(conns); i++) {
		if (!conns[i].fd) {
			conns[i].fd = fd;
			conns[i].len = 0;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

void portmap_serve(const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		if (p[i].fd == listener)
			take();
		for (size_t j = 0; j < ARRAY_LEN(conns); j++) {
			struct conn *c = &conns[j];
			ssize_t got;

			if (c->fd != p[i].fd)
				continue;
			got = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, 0);
			if (got > 0) {
				c->len += (size_t)got;
				if (answer(c))
					continue;
			}
			if (got < 0 && (errno == EAGAIN || errno == EINTR))
				continue;
			close(c->fd);
			c->fd = 0;
		}
	}
}
