/*
 * A wire handle names volume, snapshot and inode, and carries a checksum keyed
 * with a secret of this simulator: a handle that was not given out here, or was
 * altered to reach another volume, is refused before it comes near the kernel.
 * (obj_get() also compares the subvolume in it with the volume it names.)
 */
#include "tests/sim/nfs/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <xxhash.h>
#pragma GCC diagnostic pop

#include "tests/sim/nfs/cred.h"
#include "tests/sim/util.h"

#define KEY_LEN        192
#define KERNEL_FH_LEN  20
#define KERNEL_FH_TYPE 0x4d /* FILEID_BTRFS_WITHOUT_PARENT */
#define FH_MAGIC       0x4f53 /* "SO" */
#define FH_SUM_LEN     8

static int store_fd = -1;
static uint8_t key[KEY_LEN];

static int read_key(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read(fd, key, KEY_LEN) == KEY_LEN ? 0 : -EINVAL;
}

static int load_key(const char *dir)
{
	AUTO_FREE char *run = sim_fmt("%s/run", dir);
	AUTO_FREE char *path = sim_fmt("%s/run/nfs.key", dir);
	int r = read_key(path);

	if (r != -ENOENT)
		return r;
	if (mkdir(run, 0700) < 0 && errno != EEXIST)
		return -errno;
	sim_random(key, KEY_LEN);
	return sim_write_file(path, key, KEY_LEN, 0600);
}

int fh_init(const char *dir, char *err, size_t err_len)
{
	AUTO_FREE char *store = sim_fmt("%s/store", dir);
	struct statfs sf;
	int r;

	store_fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store_fd < 0 || fstatfs(store_fd, &sf) < 0) {
		r = -errno;
		snprintf(err, err_len, "cannot open %s: %s", store, strerror(-r));
		return r;
	}
	if ((unsigned long)sf.f_type != BTRFS_SUPER_MAGIC) {
		snprintf(err, err_len, "%s is not on a btrfs", store);
		return -EINVAL;
	}
	r = load_key(dir);
	if (r < 0)
		snprintf(err, err_len, "cannot read or make %s/run/nfs.key: %s", dir, strerror(-r));
	return r;
}

void fh_fini(void)
{
	if (store_fd >= 0)
		close(store_fd);
	store_fd = -1;
}

int fh_store_fd(void)
{
	return store_fd;
}

/* Layout: magic 2, kind 1, type 1, vol 8, snap 8, ino 8, root 8, gen 4, sum 8.
 * Only this server reads it, so it is in host order. */
void fh_encode(const struct fh *fh, char out[FH_WIRE_LEN])
{
	uint16_t magic = FH_MAGIC;
	uint8_t kind = (uint8_t)fh->kind, type = (uint8_t)(fh->type >> 12);
	uint64_t sum;

	memcpy(out, &magic, 2);
	memcpy(out + 2, &kind, 1);
	memcpy(out + 3, &type, 1);
	memcpy(out + 4, &fh->vol, 8);
	memcpy(out + 12, &fh->snap, 8);
	memcpy(out + 20, &fh->k.ino, 8);
	memcpy(out + 28, &fh->k.root, 8);
	memcpy(out + 36, &fh->k.gen, 4);
	sum = XXH3_64bits_withSecret(out, FH_WIRE_LEN - FH_SUM_LEN, key, KEY_LEN);
	memcpy(out + 40, &sum, FH_SUM_LEN);
}

int fh_decode(const void *data, size_t len, struct fh *ret)
{
	const char *in = data;
	uint16_t magic;
	uint8_t kind, type;
	uint64_t sum;

	if (len != FH_WIRE_LEN)
		return -EBADF;
	memcpy(&magic, in, 2);
	memcpy(&sum, in + 40, FH_SUM_LEN);
	if (magic != FH_MAGIC ||
	    sum != XXH3_64bits_withSecret(in, FH_WIRE_LEN - FH_SUM_LEN, key, KEY_LEN))
		return -EBADF;
	memcpy(&kind, in + 2, 1);
	memcpy(&type, in + 3, 1);
	memcpy(&ret->vol, in + 4, 8);
	memcpy(&ret->snap, in + 12, 8);
	memcpy(&ret->k.ino, in + 20, 8);
	memcpy(&ret->k.root, in + 28, 8);
	memcpy(&ret->k.gen, in + 36, 4);
	ret->kind = (enum fh_kind)kind;
	ret->type = (unsigned)type << 12;
	return 0;
}

/* struct file_handle with room for btrfs's handle */
union kernel_fh {
	struct file_handle h;
	char space[sizeof(struct file_handle) + KERNEL_FH_LEN];
};

int kfh_of(int dirfd, const char *name, struct kfh *ret)
{
	union kernel_fh u;
	int mount_id;

	u.h.handle_bytes = KERNEL_FH_LEN;
	if (name_to_handle_at(dirfd, name, &u.h, &mount_id, *name ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	if (u.h.handle_bytes != KERNEL_FH_LEN || u.h.handle_type != KERNEL_FH_TYPE)
		return -EXDEV; /* something else is mounted there */
	memcpy(&ret->ino, u.h.f_handle, 8);
	memcpy(&ret->root, u.h.f_handle + 8, 8);
	memcpy(&ret->gen, u.h.f_handle + 16, 4);
	return 0;
}

int kfh_open(const struct kfh *k, int flags)
{
	union kernel_fh u;
	int fd;

	u.h.handle_bytes = KERNEL_FH_LEN;
	u.h.handle_type = KERNEL_FH_TYPE;
	memcpy(u.h.f_handle, &k->ino, 8);
	memcpy(u.h.f_handle + 8, &k->root, 8);
	memcpy(u.h.f_handle + 16, &k->gen, 4);
	cred_root();
	fd = open_by_handle_at(store_fd, &u.h, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	/* the kernel says ENOENT for an inode or subvolume that is being deleted */
	return errno == ENOENT ? -ESTALE : -errno;
}
