/* The client side of the holder's socket; the protocol is in hold.h. */
#include "mountd/control.h"

#include <limits.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "mountd/hold.h"

int control_connect(const char *dir)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (hold_socket_path(dir, sa.sun_path, sizeof(sa.sun_path)) < 0)
		return -ENAMETOOLONG;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* 1 when readable or closed, 0 when the time is over, -errno. */
static int wait_readable(int fd, int timeout_ms)
{
	int64_t due = clock_now_ns() + timeout_ms * NS_PER_MS;
	for (;;) {
		int64_t left = due - clock_now_ns();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int r = poll(&p, 1, left > 0 ? (int)(left / NS_PER_MS + 1) : 0);
		if (r >= 0 || errno != EINTR)
			return r < 0 ? -errno : r;
	}
}

/* A pid or a count; anything else is 0. */
static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	return end != text && *end == '\0' && n > 0 && n <= INT_MAX ? (int)n : 0;
}

static void parse_line(char *line, struct control_status *s)
{
	char *value = strchr(line, ' ');
	if (!value)
		return;
	*value++ = '\0';
	if (strcmp(line, "holder") == 0)
		s->holder = number(value);
	else if (strcmp(line, "daemon") == 0)
		s->daemon = number(value);
	else if (strcmp(line, "restarts") == 0)
		s->restarts = number(value);
	else if (strcmp(line, "state") == 0)
		snprintf(s->state, sizeof(s->state), "%s", value);
	else if (strcmp(line, "reason") == 0)
		snprintf(s->reason, sizeof(s->reason), "%s", value);
}

/* Sends a command; its answer goes to text. 0 or -errno. */
static int ask(int fd, const char *cmd, int timeout_ms, char *text, size_t len)
{
	if (send(fd, cmd, strlen(cmd), MSG_NOSIGNAL) < 0)
		return -errno;
	int r = wait_readable(fd, timeout_ms);
	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	ssize_t n = recv(fd, text, len - 1, 0);
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	text[n] = '\0';
	return 0;
}

int control_status(int fd, int timeout_ms, struct control_status *ret)
{
	char text[8192];
	int r = ask(fd, HOLD_CMD_STATUS, timeout_ms, text, sizeof(text));
	if (r < 0)
		return r;
	*ret = (struct control_status){0};
	for (char *save = NULL, *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		parse_line(l, ret);
	return 0;
}

int control_upgrade(int fd, int timeout_ms, struct control_upgrade *ret)
{
	char text[8192];
	int r = ask(fd, HOLD_CMD_UPGRADE, timeout_ms, text, sizeof(text));
	if (r < 0)
		return r;
	*ret = (struct control_upgrade){0};
	for (char *save = NULL, *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(l, ' ');
		if (!value)
			continue;
		*value++ = '\0';
		if (strcmp(l, "old") == 0)
			ret->old = number(value);
		else if (strcmp(l, "new") == 0)
			ret->new = number(value);
		else if (strcmp(l, "pause_us") == 0)
			ret->pause_us = number(value);
		else if (strcmp(l, "error") == 0)
			snprintf(ret->error, sizeof(ret->error), "%s", value);
	}
	return ret->new || ret->error[0] ? 0 : -EPROTO;
}

int control_wait_end(int fd, int timeout_ms)
{
	int64_t due = clock_now_ns() + timeout_ms * NS_PER_MS;
	for (;;) {
		int64_t left = due - clock_now_ns();
		int r = wait_readable(fd, left > 0 ? (int)(left / NS_PER_MS) : 0);
		if (r == 0)
			return -ETIMEDOUT;
		char text[8192];
		ssize_t n = recv(fd, text, sizeof(text), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return 0;
	}
}
