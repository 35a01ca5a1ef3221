/* Messages to and from the holder. */
#include "mountd/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int link_open(void)
{
	const char *text = getenv(HOLD_ENV);
	char *end;
	long fd = text && *text ? strtol(text, &end, 10) : -1;
	if (fd < 0 || fd > 1 << 20 || *end)
		return -ENOTCONN;
	unsetenv(HOLD_ENV);
	return fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 ? -ENOTCONN : (int)fd;
}

void link_send(int link, enum hold_type type, const char *text)
{
	struct hold_msg msg = {.magic = HOLD_MAGIC, .version = HOLD_VERSION, .type = type};
	snprintf(msg.text, sizeof(msg.text), "%s", text);
	ssize_t w = send(link, &msg, sizeof(msg), MSG_NOSIGNAL);
	(void)w;
}

/* Waits for one message of the given type, with two descriptors when fds. */
static int receive(int link, enum hold_type type, struct hold_msg *ret, int *fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof(control.buf)};
	ssize_t n;
	do
		n = recvmsg(link, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ENOTCONN;
	if (n != (ssize_t)sizeof(*ret) || ret->magic != HOLD_MAGIC ||
	    ret->version != HOLD_VERSION || ret->type != type)
		return -EPROTO;
	ret->text[sizeof(ret->text) - 1] = '\0';
	if (!fds)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return -EPROTO;
	memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return 0;
}

int link_setup(int link, struct link_setup *ret)
{
	struct hold_msg msg;
	int fds[2];
	link_send(link, HOLD_HELLO, "");
	int r = receive(link, HOLD_SETUP, &msg, fds);
	if (r < 0)
		return r;
	*ret = (struct link_setup){.fuse_fd = fds[0], .state_fd = fds[1], .mode = (enum hold_mode)msg.flag};
	return 0;
}

int link_wait_go(int link)
{
	struct hold_msg msg;
	link_send(link, HOLD_PREPARED, "");
	return receive(link, HOLD_GO, &msg, NULL);
}

int link_mount(int link, const char *options, char *err, size_t len)
{
	struct hold_msg msg;
	if (strlen(options) >= sizeof(msg.text)) {
		snprintf(err, len, "the mount options are longer than %zu bytes", sizeof(msg.text));
		return -E2BIG;
	}
	link_send(link, HOLD_MOUNT, options);
	int r = receive(link, HOLD_MOUNTED, &msg, NULL);
	if (r < 0) {
		snprintf(err, len, "the holder is gone: %s", strerror(-r));
		return r;
	}
	if (msg.err < 0)
		snprintf(err, len, "%s", msg.text);
	return msg.err;
}
