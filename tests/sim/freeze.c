#include "tests/sim/freeze.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "tests/sim/util.h"

#define ANSWER_S 15

static int ask(int fd, const char *command)
{
	size_t len = strlen(command);
	char answer[16];

	if (send(fd, command, len, MSG_NOSIGNAL) != (ssize_t)len ||
	    recv(fd, answer, sizeof(answer), 0) < 3 || memcmp(answer, "ok\n", 3) != 0)
		return -ETIMEDOUT;
	return 0;
}

int freeze_begin(const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = ANSWER_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/nfs.sock", dir);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (r < 0 || (size_t)r >= sizeof(sa.sun_path))
		r = -ENAMETOOLONG;
	else if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		r = errno == ECONNREFUSED ? -ENOENT : -errno;
	else
		r = ask(fd, "freeze\n");
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int freeze_end(int fd)
{
	int r = ask(fd, "thaw\n");

	close(fd);
	return r;
}
