/* A mount can outlive holder and daemon: when both are killed. It is of no use to
 * anybody then, and stands where the next one is to be. */
#include "mountd/dead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "fs/base/cleanup.h"
#include "mountd/bounded.h"

#define PROBE_MS 2000

static int probe(int out_fd, const void *fd)
{
	struct statx sx;
	(void)out_fd;
	int r = statx(*(const int *)fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &sx);
	return r < 0 ? -errno : 0;
}

/* A descriptor of the root of the mount itself, which opening does not ask. */
static int open_root(const char *dir)
{
	int fd = open(dir, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_dead(int fd)
{
	char out[1];
	return bounded_run(probe, &fd, PROBE_MS, out, sizeof(out)) == -ENOTCONN;
}

bool dead_mount(const char *dir)
{
	cleanup_fd int fd = open_root(dir);
	return fd >= 0 && is_dead(fd);
}

int dead_detach(const char *dir)
{
	char proc[40];
	cleanup_fd int fd = open_root(dir);
	if (fd < 0)
		return fd;
	if (!is_dead(fd))
		return 0;
	/* By the descriptor: not whatever has that name by now. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return umount2(proc, MNT_DETACH) < 0 ? -errno : 1;
}
