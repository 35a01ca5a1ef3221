/*
 * The store on btrfs: a volume is a subvolume, a snapshot a read-only btrfs
 * snapshot of one.  Both are quick and atomic, and a file keeps its number.
 */
#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/sim/freeze.h"
#include "tests/sim/store_i.h"
#include "tests/sim/util.h"

static int btrfs_errno(enum btrfs_util_error e)
{
	if (e == BTRFS_UTIL_OK)
		return 0;
	return errno ? -errno : -EIO;
}

static int create(const char *path)
{
	return btrfs_errno(btrfs_util_create_subvolume(path, 0, NULL, NULL));
}

static int snapshot(const char *dir, const char *src, const char *dst, bool read_only)
{
	AUTO_FREE char *from = store_path(dir, src);
	AUTO_FREE char *to = store_path(dir, dst);
	int frozen = -ENOENT, r;
	bool fixed = false;

	/* The kernel's snapshot leaves out pages that are written to the disk at that moment
	 * and changed again since, so nothing may be: on ONTAP each write that returned is in. */
	btrfs_util_get_subvolume_read_only(from, &fixed);
	if (!fixed) {
		/* One that does not answer changes nothing, either. */
		frozen = freeze_begin(dir);
		store_flush(from);
	}
	r = btrfs_errno(btrfs_util_create_snapshot(
	        from, to, read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY : 0, NULL, NULL));
	if (frozen >= 0) {
		int err = freeze_end(frozen);

		if (r == 0 && err < 0) {
			btrfs_util_delete_subvolume(to, 0);
			r = err;
		}
	}
	return r;
}

static int delete(const char *path)
{
	return btrfs_errno(btrfs_util_delete_subvolume(path, 0));
}

static bool is_subvol(const char *path)
{
	return btrfs_util_is_subvolume(path) == BTRFS_UTIL_OK;
}

static int grow(const char *mnt)
{
	struct btrfs_ioctl_vol_args args = { .name = "max" };
	AUTO_CLOSE int fd = open(mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || ioctl(fd, BTRFS_IOC_RESIZE, &args) < 0 ? -errno : 0;
}

/* ---- usage ---------------------------------------------------------------- */

/* One remembered answer per subvolume.  The btrfs id of a subvolume is never
 * used twice, so (id, generation) names one content. */
struct counted {
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
	struct counted slot[2048]; /* by id; a collision only costs a new count */
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

static int replaced(const char *dir, const char *older, const char *newer, bool known_only,
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

static int usage(const char *dir, const char *subvol, int64_t *ret_bytes, int64_t *ret_files)
{
	AUTO_CLOSE int fd = store_open(dir, subvol);
	struct btrfs_util_subvolume_info info;
	struct counted *slot, found;
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

static const char *const mkfs[] = { "mkfs.btrfs", "-q", "-m", "single", "-L", "ontapsim", NULL };

const struct store_ops store_btrfs = {
	.image = { .type = "btrfs", .mkfs = mkfs, .package = "btrfs-progs", .grow = grow },
	.magic = BTRFS_SUPER_MAGIC,
	.plain_folder = true,
	.create = create,
	.snapshot = snapshot,
	.delete = delete,
	.is_subvol = is_subvol,
	.usage = usage,
	.replaced = replaced,
};
