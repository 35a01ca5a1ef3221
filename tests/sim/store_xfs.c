/*
 * The store on XFS: a volume is a folder, a snapshot or clone a tree of files that
 * share their blocks with it.  While a volume is copied the NFS face stands still,
 * so that the copy shows one moment.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/freeze.h"
#include "tests/sim/reflink.h"
#include "tests/sim/store_i.h"
#include "tests/sim/util.h"

static int create(const char *path)
{
	return mkdir(path, 0700) < 0 ? -errno : 0;
}

static bool is_sealed(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && reflink_is_sealed(fd);
}

static int snapshot(const char *dir, const char *src, const char *dst, bool read_only)
{
	AUTO_FREE char *from = store_path(dir, src);
	AUTO_FREE char *to = store_path(dir, dst);
	int frozen = -ENOENT, r;

	/* Dirty pages must reach the disk before their blocks can be shared; in one go,
	 * and before anybody has to wait, that is far quicker than file by file. */
	store_flush(from);
	/* Nobody can write to a sealed source. */
	if (!is_sealed(from)) {
		frozen = freeze_begin(dir);
		if (frozen < 0 && frozen != -ENOENT)
			return frozen;
	}
	r = reflink_copy(from, to, read_only);
	if (frozen >= 0) {
		int err = freeze_end(frozen);

		r = r == 0 ? err : r;
	}
	if (r < 0)
		reflink_remove(to);
	else
		store_flush(to);
	return r;
}

/* A folder named by UUID: others were put there by hand. */
static bool is_subvol(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	struct stat st;

	for (int i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? name[i] != '-' : !name[i] || !strchr("0123456789abcdef", name[i]))
			return false;
	}
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- usage ------------------------------------------------------------------ */

#define REMEMBER_MS 5000

/* XFS counts nothing for a folder, so every answer costs a walk.  That of a sealed
 * tree holds for good, that of a volume for a while. */
struct counted {
	ino_t a, b; /* root folders; b is 0 for usage */
	struct timespec since_a, since_b; /* their birth, as it were: numbers come back */
	int64_t until; /* sim_mono_ms */
	int64_t bytes, files;
};

static struct {
	pthread_mutex_t lock;
	struct counted slot[4096];
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool same_time(const struct timespec *x, const struct timespec *y)
{
	return x->tv_sec == y->tv_sec && x->tv_nsec == y->tv_nsec;
}

static struct counted *slot_of(const struct counted *key)
{
	return &cache.slot[(key->a * 31 + key->b) % ARRAY_LEN(cache.slot)];
}

static bool recall(struct counted *c)
{
	const struct counted *s = slot_of(c);
	bool found;

	pthread_mutex_lock(&cache.lock);
	found = s->a == c->a && s->b == c->b && same_time(&s->since_a, &c->since_a) &&
	        same_time(&s->since_b, &c->since_b) && sim_mono_ms() < s->until;
	if (found)
		*c = *s;
	pthread_mutex_unlock(&cache.lock);
	return found;
}

static void remember(struct counted *c, bool for_good)
{
	c->until = for_good ? INT64_MAX : sim_mono_ms() + REMEMBER_MS;
	pthread_mutex_lock(&cache.lock);
	*slot_of(c) = *c;
	pthread_mutex_unlock(&cache.lock);
}

/* Adds up a tree.  With other (a folder, or -1 for none) only the files that are
 * not the same there. */
static int walk(int fd, int other, bool compare, bool root, struct counted *sum)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		if (copy >= 0)
			close(copy);
		return r;
	}
	while (r == 0 && (e = readdir(d))) {
		struct stat st, os;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    (root && strcmp(e->d_name, REFLINK_SKIP) == 0) ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		sum->files++;
		if (S_ISDIR(st.st_mode)) {
			const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
			AUTO_CLOSE int sub = openat(fd, e->d_name, how);
			AUTO_CLOSE int twin = other < 0 ? -1 : openat(other, e->d_name, how);

			if (sub >= 0)
				r = walk(sub, twin, compare, false, sum);
			continue;
		}
		if (compare && other >= 0 && fstatat(other, e->d_name, &os, AT_SYMLINK_NOFOLLOW) == 0 &&
		    os.st_mode == st.st_mode && os.st_size == st.st_size &&
		    same_time(&os.st_mtim, &st.st_mtim))
			continue;
		sum->bytes += st.st_blocks * 512 / (int64_t)st.st_nlink;
	}
	closedir(d);
	return r;
}

/* The time that tells a folder from a later one of its number: a sealed one never
 * changes its ctime, and for a volume only a while is remembered anyway. */
static int look(int fd, ino_t *ino, struct timespec *since, bool *sealed)
{
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*sealed = reflink_is_sealed(fd);
	*ino = st.st_ino;
	*since = *sealed ? st.st_ctim : (struct timespec){ 0 };
	return 0;
}

static int usage(const char *dir, const char *subvol, int64_t *ret_bytes, int64_t *ret_files)
{
	AUTO_CLOSE int fd = store_open(dir, subvol);
	struct counted c = { 0 };
	bool sealed;
	int r = look(fd, &c.a, &c.since_a, &sealed);

	if (r == 0 && !recall(&c)) {
		r = walk(fd, -1, false, true, &c);
		c.files++; /* the root folder */
		if (r == 0)
			remember(&c, sealed);
	}
	if (r < 0)
		return r;
	*ret_bytes = c.bytes;
	*ret_files = c.files;
	return 0;
}

static int replaced(const char *dir, const char *older, const char *newer, bool known_only,
                    int64_t *ret_bytes)
{
	AUTO_CLOSE int a = store_open(dir, older);
	AUTO_CLOSE int b = store_open(dir, newer);
	struct counted c = { 0 };
	bool sealed_a, sealed_b;
	int r = look(a, &c.a, &c.since_a, &sealed_a);

	if (r == 0)
		r = look(b, &c.b, &c.since_b, &sealed_b);
	if (r < 0)
		return r;
	if (!recall(&c)) {
		if (known_only)
			return -EAGAIN;
		r = walk(a, b, true, true, &c);
		if (r < 0)
			return r;
		remember(&c, sealed_a && sealed_b);
	}
	*ret_bytes = c.bytes;
	return 0;
}

/* ---- the kind --------------------------------------------------------------- */

static int grow(const char *mnt)
{
	const char *const argv[] = { "xfs_growfs", "-d", mnt, NULL };
	char said[256];
	int r = run_quietly(argv, "xfsprogs", said, sizeof(said));

	if (r > 0)
		sim_log("xfs_growfs %s: %s", mnt, said);
	return r ? -EIO : 0;
}

static const char *const mkfs[] = { "mkfs.xfs", "-q", "-m", "reflink=1", "-L", "ontapsim", NULL };

const struct store_ops store_xfs = {
	.image = { .type = "xfs", .mkfs = mkfs, .package = "xfsprogs", .grow = grow },
	.magic = XFS_SUPER_MAGIC,
	.create = create,
	.snapshot = snapshot,
	.delete = reflink_remove,
	.is_subvol = is_subvol,
	.usage = usage,
	.replaced = replaced,
};
