#include "tests/sim/store.h"

#include <btrfsutil.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "tests/sim/loopdev.h"
#include "tests/sim/util.h"

static bool on_btrfs(const char *path)
{
	struct statfs sf;

	return statfs(path, &sf) == 0 && sf.f_type == BTRFS_SUPER_MAGIC;
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
	AUTO_FREE char *vol = sim_fmt("%s/store/vol", dir);

	return on_btrfs(vol);
}

int store_up(const char *dir, int64_t size)
{
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
	if (!kept && !on_btrfs(dir)) {
		if (image_prepare(image, size) < 0 || image_mount(image, mnt) < 0)
			return -1;
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

static int btrfs_errno(enum btrfs_util_error e)
{
	if (e == BTRFS_UTIL_OK)
		return 0;
	return errno ? -errno : -EIO;
}

static char *full(const char *dir, const char *subvol)
{
	return sim_fmt("%s/store/%s", dir, subvol);
}

int store_create(const char *dir, const char *subvol, mode_t mode, uid_t uid, gid_t gid)
{
	AUTO_FREE char *path = full(dir, subvol);
	int r = btrfs_errno(btrfs_util_create_subvolume(path, 0, NULL, NULL));

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
	AUTO_FREE char *from = full(dir, src);
	AUTO_FREE char *to = full(dir, dst);

	return btrfs_errno(btrfs_util_create_snapshot(
	        from, to, read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY : 0, NULL, NULL));
}

int store_delete(const char *dir, const char *subvol)
{
	AUTO_FREE char *path = full(dir, subvol);
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = btrfs_errno(btrfs_util_delete_subvolume(path, 0));
	return r == -ENOENT ? 0 : r;
}

int store_open(const char *dir, const char *subvol)
{
	AUTO_FREE char *path = full(dir, subvol);
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

/* ---- usage ---------------------------------------------------------------- */

/* One remembered answer per subvolume.  The btrfs id of a subvolume is never
 * used twice, so (id, generation) names one content. */
struct usage {
	uint64_t id, generation;
	int64_t bytes, files;
};

/* The same for what one subvolume holds and a younger one has replaced. */
struct pair {
	uint64_t older, newer, generation; /* generation of newer; older never changes */
	int64_t bytes;
};

static struct {
	pthread_mutex_t lock;
	struct usage slot[2048]; /* by id; a collision only costs a new count */
	struct pair pair[4096];
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The first inode with a number of at least from, by one search: asking for one
 * item at a time is what skips the (many more) other items between two inodes.
 * *ret_ino is 0 at the end. */
static int next_inode(int fd, uint64_t from, uint64_t *ret_ino, struct btrfs_inode_item *ret)
{
	struct btrfs_ioctl_search_args args;
	struct btrfs_ioctl_search_header h;

	for (;;) {
		memset(&args.key, 0, sizeof(args.key));
		args.key.min_objectid = from;
		args.key.min_type = BTRFS_INODE_ITEM_KEY;
		args.key.max_objectid = BTRFS_LAST_FREE_OBJECTID;
		args.key.max_type = BTRFS_INODE_ITEM_KEY;
		args.key.max_offset = UINT64_MAX;
		args.key.max_transid = UINT64_MAX;
		args.key.nr_items = 1;
		if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
			return -errno;
		*ret_ino = 0;
		if (args.key.nr_items == 0)
			return 0;
		memcpy(&h, args.buf, sizeof(h));
		if (h.type == BTRFS_INODE_ITEM_KEY && h.len >= sizeof(*ret)) {
			memcpy(ret, args.buf + sizeof(h), sizeof(*ret));
			*ret_ino = h.objectid;
			return 0;
		}
		/* Some other item of a larger number: its inode item comes first. */
		from = h.objectid + (h.objectid == from);
	}
}

static int count_inodes(int fd, int64_t *bytes, int64_t *files)
{
	uint64_t ino = BTRFS_FIRST_FREE_OBJECTID - 1;
	struct btrfs_inode_item item;

	*bytes = *files = 0;
	for (;;) {
		int r = next_inode(fd, ino + 1, &ino, &item);

		if (r < 0 || !ino)
			return r;
		*bytes += (int64_t)le64toh(item.nbytes);
		++*files;
	}
}

static int count_replaced(int older, int newer, int64_t *ret_bytes)
{
	uint64_t ino = BTRFS_FIRST_FREE_OBJECTID - 1, other = 0;
	struct btrfs_inode_item x = {0}, y = {0};
	int64_t sum = 0;

	for (;;) {
		int r = next_inode(older, ino + 1, &ino, &x);

		if (r == 0 && ino)
			r = next_inode(newer, ino, &other, &y);
		if (r < 0)
			return r;
		if (!ino)
			break;
		/* transid: the transaction that changed the inode last. */
		if (other != ino || x.transid != y.transid || x.generation != y.generation)
			sum += (int64_t)le64toh(x.nbytes);
	}
	*ret_bytes = sum;
	return 0;
}

int store_replaced(const char *dir, const char *older, const char *newer, bool known_only,
                   int64_t *ret_bytes)
{
	AUTO_CLOSE int a = store_open(dir, older);
	AUTO_CLOSE int b = store_open(dir, newer);
	struct btrfs_util_subvolume_info ia = {0}, ib = {0};
	struct pair *slot, found;
	int r;

	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	r = btrfs_errno(btrfs_util_subvolume_info_fd(a, 0, &ia));
	if (r == 0)
		r = btrfs_errno(btrfs_util_subvolume_info_fd(b, 0, &ib));
	if (r < 0)
		return r;
	slot = &cache.pair[(ia.id * 31 + ib.id) % ARRAY_LEN(cache.pair)];
	pthread_mutex_lock(&cache.lock);
	found = *slot;
	pthread_mutex_unlock(&cache.lock);
	if (found.older != ia.id || found.newer != ib.id || found.generation != ib.generation) {
		if (known_only)
			return -EAGAIN;
		found = (struct pair){ .older = ia.id, .newer = ib.id, .generation = ib.generation };
		r = count_replaced(a, b, &found.bytes);
		if (r < 0)
			return r;
		pthread_mutex_lock(&cache.lock);
		*slot = found;
		pthread_mutex_unlock(&cache.lock);
	}
	*ret_bytes = found.bytes;
	return 0;
}

int store_usage(const char *dir, const char *subvol, int64_t *ret_bytes, int64_t *ret_files)
{
	AUTO_CLOSE int fd = store_open(dir, subvol);
	struct btrfs_util_subvolume_info info;
	struct usage *slot, found;
	int r;

	if (fd < 0)
		return fd;
	r = btrfs_errno(btrfs_util_subvolume_info_fd(fd, 0, &info));
	if (r < 0)
		return r;
	slot = &cache.slot[info.id % ARRAY_LEN(cache.slot)];
	pthread_mutex_lock(&cache.lock);
	found = *slot;
	pthread_mutex_unlock(&cache.lock);
	if (found.id != info.id || found.generation != info.generation) {
		found.id = info.id;
		found.generation = info.generation;
		r = count_inodes(fd, &found.bytes, &found.files);
		if (r < 0)
			return r;
		pthread_mutex_lock(&cache.lock);
		*slot = found;
		pthread_mutex_unlock(&cache.lock);
	}
	*ret_bytes = found.bytes;
	*ret_files = found.files;
	return 0;
}

/* ---- sweep and destroy ---------------------------------------------------- */

static int sweep_folder(const char *dir, const char *folder, bool (*keep)(void *, const char *), void *arg)
{
	AUTO_FREE char *path = full(dir, folder);
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(d))) {
		AUTO_FREE char *subvol = sim_fmt("%s/%s", folder, e->d_name);

		AUTO_FREE char *entry = full(dir, subvol);

		/* What is no subvolume was put there by hand: none of our business. */
		if (e->d_name[0] != '.' && btrfs_util_is_subvolume(entry) == BTRFS_UTIL_OK &&
		    !keep(arg, subvol))
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
