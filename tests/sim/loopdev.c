#include "tests/sim/loopdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/sim/util.h"

extern char **environ;

int run_quietly(const char *const argv[], const char *package, char *said, size_t said_len)
{
	posix_spawn_file_actions_t fa;
	size_t len = 0;
	ssize_t n;
	int p[2], status = 0, rc;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return sim_err("cannot make a pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, p[1], 2);
	rc = posix_spawnp(&pid, argv[0], &fa, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(p[1]);
	if (rc) {
		close(p[0]);
		return sim_err("cannot run %s: %s; install the package %s", argv[0], strerror(rc), package);
	}
	while (len < said_len - 1 && (n = read(p[0], said + len, said_len - 1 - len)) > 0)
		len += (size_t)n;
	close(p[0]);
	said[len] = '\0';
	said[strcspn(said, "\n")] = '\0';
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static int run_mkfs(const struct image_kind *kind, const char *image)
{
	const char *argv[16];
	char said[512];
	size_t n = 0;
	int r;

	for (; n < ARRAY_LEN(argv) - 2 && kind->mkfs[n]; n++)
		argv[n] = kind->mkfs[n];
	argv[n++] = image;
	argv[n] = NULL;
	r = run_quietly(argv, kind->package, said, sizeof(said));
	if (r > 0)
		return sim_err("cannot make a file system in %s: %s says \"%s\"", image, argv[0], said);
	return r;
}

int image_prepare(const struct image_kind *kind, const char *image, int64_t size)
{
	AUTO_FREE char *tmp = sim_fmt("%s.new", image);
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (stat(image, &st) == 0) {
		if (size <= st.st_size)
			return 0;
		if (truncate(image, size) < 0)
			return sim_err("cannot grow %s to %lld bytes: %s", image, (long long)size,
			               strerror(errno));
		return 0;
	}
	/* Under another name until it is a file system: a crash must not leave an
	 * image that looks finished. */
	unlink(tmp);
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, size) < 0) {
		sim_err("cannot make %s: %s", tmp, strerror(errno));
		unlink(tmp);
		return -1;
	}
	if (run_mkfs(kind, tmp) < 0) {
		unlink(tmp);
		return -1;
	}
	if (fsync(fd) < 0 || rename(tmp, image) < 0)
		return sim_err("cannot make %s: %s", image, strerror(errno));
	return 0;
}

/* Attaches image to a free loop device.  Returns an open fd of the device and
 * its name, or -1. */
static int attach(const char *image, char dev[32])
{
	AUTO_CLOSE int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int img = open(image, O_RDWR | O_CLOEXEC);
	struct loop_config cfg = { 0 };

	if (ctl < 0)
		return sim_err("cannot use loop devices: /dev/loop-control: %s", strerror(errno));
	if (img < 0)
		return sim_err("cannot open %s: %s", image, strerror(errno));
	cfg.fd = (__u32)img;
	cfg.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
	snprintf((char *)cfg.info.lo_file_name, sizeof(cfg.info.lo_file_name), "%s", image);
	for (int tries = 0; tries < 64; tries++) {
		int n = ioctl(ctl, LOOP_CTL_GET_FREE);
		int fd;

		if (n < 0)
			return sim_err("cannot find a free loop device: %s", strerror(errno));
		snprintf(dev, 32, "/dev/loop%d", n);
		fd = open(dev, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return sim_err("cannot open %s: %s", dev, strerror(errno));
		if (ioctl(fd, LOOP_CONFIGURE, &cfg) == 0)
			return fd;
		close(fd);
		/* EBUSY: another process took it between the two calls.  EINVAL: the file
		 * system below has no direct I/O; buffered does as well. */
		if (errno == EINVAL && (cfg.info.lo_flags & LO_FLAGS_DIRECT_IO))
			cfg.info.lo_flags &= ~(__u32)LO_FLAGS_DIRECT_IO;
		else if (errno != EBUSY)
			return sim_err("cannot attach %s to %s: %s", image, dev, strerror(errno));
	}
	return sim_err("cannot attach %s: every loop device is taken", image);
}

int image_mount(const struct image_kind *kind, const char *image, const char *mnt)
{
	AUTO_CLOSE int dev_fd = -1;
	char dev[32];
	int r;

	dev_fd = attach(image, dev);
	if (dev_fd < 0)
		return -1;
	/* Closing dev_fd detaches the device again if the mount does not come about. */
	if (mount(dev, mnt, kind->type, MS_NOSUID | MS_NODEV, NULL) < 0)
		return sim_err("cannot mount %s (%s) at %s: %s", image, kind->type, mnt, strerror(errno));
	r = kind->grow(mnt);
	if (r < 0) {
		sim_err("cannot use the whole of %s: %s", image, strerror(-r));
		umount2(mnt, MNT_DETACH);
		return -1;
	}
	return 0;
}

int mounts_at(const char *path, char **ret_dev)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int n = 0;

	if (ret_dev)
		*ret_dev = NULL;
	if (!f)
		return 0;
	while ((m = getmntent(f))) {
		if (strcmp(m->mnt_dir, path) != 0)
			continue;
		n++;
		if (ret_dev) {
			free(*ret_dev);
			*ret_dev = sim_dup(m->mnt_fsname);
		}
	}
	endmntent(f);
	return n;
}

bool loop_backs(const char *dev, const char *image)
{
	AUTO_CLOSE int fd = open(dev, O_RDONLY | O_CLOEXEC);
	struct loop_info64 info;
	struct stat st;

	return fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && stat(image, &st) == 0 &&
	       info.lo_inode == st.st_ino;
}
