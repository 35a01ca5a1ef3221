/* The daemon's sudden end at a named point; see fs/base/killpoint.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ONTAPFS_KILL_POINTS
#define ONTAPFS_KILL_POINTS
#endif
#include "fs/base/killpoint.h"

void kill_point(const char *point, const char *what)
{
	const char *path = getenv("ONTAPFS_KILL_AT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	char armed[64], here[64];
	ssize_t n = read(fd, armed, sizeof(armed));
	close(fd);
	int len = snprintf(here, sizeof(here), "%s %s", point, what);
	/* The one that takes the file away is the one that dies. */
	if (n == len && memcmp(armed, here, (size_t)len) == 0 && unlink(path) == 0)
		kill(getpid(), SIGKILL);
}

void kill_point_op(const char *point, unsigned opcode)
{
	char what[16];
	snprintf(what, sizeof(what), "%u", opcode);
	kill_point(point, what);
}
