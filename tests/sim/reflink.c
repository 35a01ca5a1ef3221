#include "tests/sim/reflink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tests/sim/util.h"

/* Immutable, and no access times: a snapshot stays as it is whoever reads it. */
#define SEAL (FS_IMMUTABLE_FL | FS_NOATIME_FL)

/* Where a file of several names went with its first one. */
struct link {
	ino_t ino;
	struct link *next;
	bool regular;
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u;
};

#define BUCKETS 4096

struct copy {
	bool sealed;
	int dst_root; /* any open folder of the file system */
	struct link *links[BUCKETS];
	char *value; /* of an extended attribute */
};

int reflink_seal(int fd, bool on)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	flags = on ? flags | SEAL : flags & ~SEAL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

bool reflink_is_sealed(int fd)
{
	int flags;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL);
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A stream over the folder fd that leaves fd to the caller. */
static DIR *open_stream(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d && copy >= 0)
		close(copy);
	return d;
}

/* ---- copy ------------------------------------------------------------------- */

static int copy_xattrs(struct copy *c, int from, int to)
{
	char names[XATTR_LIST_MAX / 16];
	ssize_t len = flistxattr(from, names, sizeof(names));

	if (len <= 0)
		return len < 0 && errno != ENOTSUP ? -errno : 0;
	if (!c->value)
		c->value = malloc(XATTR_SIZE_MAX);
	if (!c->value)
		return -ENOMEM;
	for (const char *n = names; n < names + len; n += strlen(n) + 1) {
		ssize_t size = fgetxattr(from, n, c->value, XATTR_SIZE_MAX);

		if (size < 0 && errno == ENODATA)
			continue;
		if (size < 0 || fsetxattr(to, n, c->value, (size_t)size, 0) < 0)
			return -errno;
	}
	return 0;
}

/* Owner, mode, attributes, times: in this order, as each would change what the
 * one before it set the other way round. */
static int dress(struct copy *c, int from, int to, const struct stat *st)
{
	struct timespec ts[2] = { st->st_atim, st->st_mtim };
	int r;

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -errno;
	r = copy_xattrs(c, from, to);
	if (r == 0 && futimens(to, ts) < 0)
		r = -errno;
	return r;
}

static int copy_file(struct copy *c, int sdir, int ddir, const char *name, struct stat *st)
{
	AUTO_CLOSE int from = openat(sdir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	AUTO_CLOSE int to = -1;
	int r;

	/* Again, by the descriptor: the name may have come to mean another file. */
	if (from < 0 || fstat(from, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -ENOENT;
	to = openat(ddir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 || ((st->st_size > 0 || st->st_blocks > 0) && ioctl(to, FICLONE, from) < 0))
		return -errno;
	r = dress(c, from, to, st);
	/* A file that is to get more names is sealed when it has them. */
	if (r == 0 && c->sealed && st->st_nlink == 1)
		r = reflink_seal(to, true);
	return r;
}

static int copy_special(int sdir, int ddir, const char *name, const struct stat *st)
{
	struct timespec ts[2] = { st->st_atim, st->st_mtim };

	if (S_ISLNK(st->st_mode)) {
		char target[4096 + 1];
		ssize_t n = readlinkat(sdir, name, target, sizeof(target) - 1);

		if (n < 0)
			return -errno;
		target[n] = '\0';
		if (symlinkat(target, ddir, name) < 0)
			return -errno;
	} else if (mknodat(ddir, name, st->st_mode & (S_IFMT | 07777), st->st_rdev) < 0) {
		return -errno;
	}
	if (fchownat(ddir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st->st_mode) && fchmodat(ddir, name, st->st_mode & 07777, 0) < 0) ||
	    utimensat(ddir, name, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int open_link(const struct copy *c, struct link *l, int flags)
{
	int fd = open_by_handle_at(c->dst_root, &l->u.h, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static struct link *find_link(struct copy *c, ino_t ino)
{
	struct link *l = c->links[ino % BUCKETS];

	while (l && l->ino != ino)
		l = l->next;
	return l;
}

static int remember_link(struct copy *c, int ddir, const char *name, const struct stat *st)
{
	struct link *l = calloc(1, sizeof(*l));
	int mount_id;

	if (!l)
		return -ENOMEM;
	l->ino = st->st_ino;
	l->regular = S_ISREG(st->st_mode);
	l->u.h.handle_bytes = MAX_HANDLE_SZ;
	l->next = c->links[l->ino % BUCKETS];
	c->links[l->ino % BUCKETS] = l;
	return name_to_handle_at(ddir, name, &l->u.h, &mount_id, 0) < 0 ? -errno : 0;
}

static int link_again(struct copy *c, struct link *l, int ddir, const char *name)
{
	AUTO_CLOSE int fd = open_link(c, l, O_PATH);

	if (fd < 0)
		return fd;
	return linkat(fd, "", ddir, name, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int copy_folder(struct copy *c, int from, int to, bool root);

static int copy_subfolder(struct copy *c, int sdir, int ddir, const char *name)
{
	AUTO_CLOSE int from = openat(sdir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	AUTO_CLOSE int to = -1;

	if (from < 0 || mkdirat(ddir, name, 0700) < 0)
		return -errno;
	to = openat(ddir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return to < 0 ? -errno : copy_folder(c, from, to, false);
}

static int copy_entry(struct copy *c, int sdir, int ddir, const char *name)
{
	struct link *l = NULL;
	struct stat st;
	int r;

	if (fstatat(sdir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return copy_subfolder(c, sdir, ddir, name);
	if (st.st_nlink > 1)
		l = find_link(c, st.st_ino);
	if (l)
		return link_again(c, l, ddir, name);
	r = S_ISREG(st.st_mode) ? copy_file(c, sdir, ddir, name, &st) :
	                          copy_special(sdir, ddir, name, &st);
	return r == 0 && st.st_nlink > 1 ? remember_link(c, ddir, name, &st) : r;
}

/* from and to stay the caller's. */
static int copy_folder(struct copy *c, int from, int to, bool root)
{
	DIR *d = open_stream(from);
	struct dirent *e;
	struct stat st;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (is_dots(e->d_name) || (root && strcmp(e->d_name, REFLINK_SKIP) == 0))
			continue;
		r = copy_entry(c, from, to, e->d_name);
		if (r == -ENOENT)
			r = 0; /* removed since it was listed */
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	if (r == 0 && fstat(from, &st) < 0)
		r = -errno;
	if (r == 0)
		r = dress(c, from, to, &st);
	if (r == 0 && c->sealed)
		r = reflink_seal(to, true);
	return r;
}

/* Seals the files of several names, and forgets them all. */
static int finish_links(struct copy *c, int r)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		while (c->links[i]) {
			struct link *l = c->links[i];

			c->links[i] = l->next;
			if (r == 0 && c->sealed && l->regular) {
				AUTO_CLOSE int fd = open_link(c, l, O_RDONLY);

				r = fd < 0 ? fd : reflink_seal(fd, true);
			}
			free(l);
		}
	}
	return r;
}

int reflink_copy(const char *src, const char *dst, bool sealed)
{
	AUTO_CLOSE int from = open(src, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int to = -1;
	struct copy *c;
	int r;

	if (from < 0 || mkdir(dst, 0700) < 0)
		return -errno;
	to = open(dst, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->sealed = sealed;
	c->dst_root = to;
	r = finish_links(c, copy_folder(c, from, to, true));
	free(c->value);
	free(c);
	return r;
}

/* ---- removal ---------------------------------------------------------------- */

static int unseal_at(int dir, const char *name)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : reflink_seal(fd, false);
}

static int remove_file(int dir, const char *name)
{
	int r;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EPERM)
		return -errno;
	r = unseal_at(dir, name);
	if (r == 0 && unlinkat(dir, name, 0) < 0)
		r = -errno;
	return r;
}

static int empty_folder(int fd)
{
	DIR *d = open_stream(fd);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	if (reflink_is_sealed(fd))
		r = reflink_seal(fd, false);
	while (r == 0 && (errno = 0, e = readdir(d))) {
		AUTO_CLOSE int sub = -1;

		if (is_dots(e->d_name))
			continue;
		if (e->d_type != DT_DIR) {
			r = remove_file(fd, e->d_name);
			continue;
		}
		sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = sub < 0 ? -errno : empty_folder(sub);
		if (r == 0 && unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	return r;
}

int reflink_remove(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : empty_folder(fd);

	if (r == 0 && rmdir(path) < 0)
		r = -errno;
	return r;
}
