#include "tests/sim/rest/nfslink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "tests/sim/util.h"

#define RELOAD_S 10

void nfslink_reload(const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = RELOAD_S };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[64];
	ssize_t n;
	int len;

	len = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/nfs.sock", dir);
	if (fd < 0 || len < 0 || (size_t)len >= sizeof(sa.sun_path))
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (errno != ENOENT && errno != ECONNREFUSED)
			sim_log("cannot reach the NFS face: %s", strerror(errno));
		return;
	}
	if (send(fd, "reload\n", 7, MSG_NOSIGNAL) != 7) {
		sim_log("cannot tell the NFS face to reload: %s", strerror(errno));
		return;
	}
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	if (n < 3 || memcmp(answer, "ok\n", 3) != 0)
		sim_log("the NFS face did not confirm a reload: %s",
		        n < 0 ? strerror(errno) : n == 0 ? "it hung up" : "it refused");
}
