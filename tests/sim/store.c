#include "tests/sim/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/sim/store_i.h"
#include "tests/sim/util.h"

static const struct store_ops *const kinds[] = {
	[STORE_BTRFS] = &store_btrfs,
	[STORE_XFS] = &store_xfs,
};

static bool lies_on(const char *path, const struct store_ops *ops)
{
	struct statfs sf;

	return statfs(path, &sf) == 0 && sf.f_type == ops->magic;
}

/* What DIR/store is, NULL while it is not up. */
static const struct store_ops *ops_of(const char *dir)
{
	AUTO_FREE char *vol = sim_fmt("%s/store/vol", dir);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (lies_on(vol, kinds[i]))
			return kinds[i];
	return NULL;
}

static int make_folder(const char *dir, const char *name, mode_t mode)
{
	AUTO_FREE char *path = sim_fmt("%s/%s", dir, name);

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return sim_err("cannot make the folder %s: %s", path, strerror(errno));
	return 0;
}

bool store_is_up(const char *dir)
{
	return ops_of(dir) != NULL;
}

int store_up(const char *dir, enum store_kind kind, int64_t size)
{
	const struct store_ops *ops = kinds[kind];
	AUTO_FREE char *mnt = sim_fmt("%s/store", dir);
	AUTO_FREE char *image = sim_fmt("%s/store.img", dir);
	AUTO_FREE char *dev = NULL;
	struct stat st;
	bool kept;
	int n;

	if (make_folder(dir, "store", 0755) < 0)
		return -1;
	/* A mount left by a run that was killed serves again, unless it shows another
	 * image or the image has to grow. */
	n = mounts_at(mnt, &dev);
	kept = n == 1 && loop_backs(dev, image) && stat(image, &st) == 0 && st.st_size >= size;
	if (!kept && n > 0 && store_down(dir) < 0)
		return -1;
	if (!kept && !(ops->plain_folder && lies_on(dir, ops))) {
		if (image_prepare(&ops->image, image, size) < 0 ||
		    image_mount(&ops->image, image, mnt) < 0)
			return -1;
	}
	if (!lies_on(mnt, ops)) {
		store_down(dir);
		return sim_err("cannot use %s: it holds no %s", image, ops->image.type);
	}
	if (make_folder(mnt, "vol", 0755) < 0 || make_folder(mnt, "snap", 0755) < 0) {
		store_down(dir);
		return -1;
	}
	return 0;
}

int store_down(const char *dir)
{
	AUTO_FREE char *mnt = sim_fmt("%s/store", dir);

	while (mounts_at(mnt, NULL) > 0) {
		if (umount2(mnt, UMOUNT_NOFOLLOW) < 0)
			return sim_err("cannot unmount %s: %s; close what still uses it (fuser -m %s)", mnt,
			               strerror(errno), mnt);
	}
	return 0;
}

char *store_path(const char *dir, const char *subvol)
{
	return sim_fmt("%s/store/%s", dir, subvol);
}

void store_flush(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		syncfs(fd);
}

int store_create(const char *dir, const char *subvol, mode_t mode, uid_t uid, gid_t gid)
{
	AUTO_FREE char *path = store_path(dir, subvol);
	const struct store_ops *ops = ops_of(dir);
	int r = ops ? ops->create(path) : -ENODEV;

	if (r < 0)
		return r;
	/* chown first: it clears the set-id bits that chmod may bring. */
	if (chown(path, uid, gid) < 0 || chmod(path, mode) < 0) {
		r = -errno;
		store_delete(dir, subvol);
	}
	return r;
}

int store_snapshot(const char *dir, const char *src, const char *dst, bool read_only)
{
	const struct store_ops *ops = ops_of(dir);

	return ops ? ops->snapshot(dir, src, dst, read_only) : -ENODEV;
}

int store_delete(const char *dir, const char *subvol)
{
	AUTO_FREE char *path = store_path(dir, subvol);
	const struct store_ops *ops = ops_of(dir);
	int r;

	if (!ops)
		return -ENODEV;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = ops->delete(path);
	return r == -ENOENT ? 0 : r;
}

int store_open(const char *dir, const char *subvol)
{
	AUTO_FREE char *path = store_path(dir, subvol);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int store_space(const char *dir, int64_t *ret_size, int64_t *ret_free)
{
	AUTO_FREE char *path = sim_fmt("%s/store", dir);
	struct statfs sf;

	if (statfs(path, &sf) < 0)
		return -errno;
	*ret_size = (int64_t)sf.f_blocks * sf.f_bsize;
	*ret_free = (int64_t)sf.f_bavail * sf.f_bsize;
	return 0;
}

int store_usage(const char *dir, const char *subvol, int64_t *ret_bytes, int64_t *ret_files)
{
	const struct store_ops *ops = ops_of(dir);

	return ops ? ops->usage(dir, subvol, ret_bytes, ret_files) : -ENODEV;
}

int store_replaced(const char *dir, const char *older, const char *newer, bool known_only,
                   int64_t *ret_bytes)
{
	const struct store_ops *ops = ops_of(dir);

	return ops ? ops->replaced(dir, older, newer, known_only, ret_bytes) : -ENODEV;
}

/* ---- sweep and destroy ---------------------------------------------------- */

static int sweep_folder(const char *dir, const char *folder, bool (*keep)(void *, const char *), void *arg)
{
	AUTO_FREE char *path = store_path(dir, folder);
	const struct store_ops *ops = ops_of(dir);
	DIR *d = ops ? opendir(path) : NULL;
	struct dirent *e;
	int r = 0;

	if (!ops)
		return -ENODEV;
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(d))) {
		AUTO_FREE char *subvol = sim_fmt("%s/%s", folder, e->d_name);
		AUTO_FREE char *entry = store_path(dir, subvol);

		/* What is no subvolume was put there by hand: none of our business. */
		if (e->d_name[0] != '.' && ops->is_subvol(entry) && !keep(arg, subvol))
			r = store_delete(dir, subvol);
	}
	closedir(d);
	return r;
}

int store_sweep(const char *dir, bool (*keep)(void *arg, const char *subvol), void *arg)
{
	int r = sweep_folder(dir, "snap", keep, arg);

	return r < 0 ? r : sweep_folder(dir, "vol", keep, arg);
}

static bool keep_none(void *arg, const char *subvol)
{
	(void)arg;
	(void)subvol;
	return false;
}

int store_destroy(const char *dir)
{
	AUTO_FREE char *mnt = sim_fmt("%s/store", dir);
	AUTO_FREE char *image = sim_fmt("%s/store.img", dir);
	int r;

	if (store_is_up(dir) && mounts_at(mnt, NULL) == 0) {
		AUTO_FREE char *vol = sim_fmt("%s/vol", mnt);
		AUTO_FREE char *snap = sim_fmt("%s/snap", mnt);

		r = store_sweep(dir, keep_none, NULL);
		if (r < 0)
			return sim_err("cannot empty %s: %s", mnt, strerror(-r));
		rmdir(vol);
		rmdir(snap);
	}
	if (store_down(dir) < 0)
		return -1;
	if (unlink(image) < 0 && errno != ENOENT)
		return sim_err("cannot remove %s: %s", image, strerror(errno));
	if (rmdir(mnt) < 0 && errno != ENOENT)
		return sim_err("cannot remove %s: %s", mnt, strerror(errno));
	return 0;
}
