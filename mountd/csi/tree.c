/* From a path to a directory of the tree. */
#include "mountd/csi/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "mountd/mounts.h"

#define LINKS_MAX 8
#define BENEATH   (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

static int open_beneath(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags), .resolve = resolve};
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

int tree_mounted(const struct csi *s, char why[256])
{
	int r = mounts_has(s->tree);
	if (r > 0)
		return 0;
	snprintf(why, 256, "no tree is mounted at %s: its holder is not there", s->tree);
	return -ENOTCONN;
}

bool tree_path_is_good(const char *path)
{
	if (!*path || strlen(path) >= PATH_MAX || strcmp(path, ".ontap") == 0 || strncmp(path, ".ontap/", 7) == 0)
		return false;
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");
		if (n == 0 || n > NAME_MAX || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

/* An attribute of what fd is, "" none: descriptors opened with O_PATH have none of
 * their own, so it is asked through /proc. */
static void attribute(int fd, const char *name, char *out, size_t len)
{
	char proc[40];
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ssize_t n = getxattr(proc, name, out, len - 1);
	out[MAX_OF(n, 0)] = '\0';
}

static bool kind_is(int fd, const char *kind)
{
	char text[32];
	attribute(fd, "ontap.kind", text, sizeof(text));
	return strcmp(text, kind) == 0;
}

/* Whether a link of that name in dir is one of the tree's own. */
static bool is_ours(int dir, bool at_root, const char *name)
{
	return at_root || kind_is(dir, "snapdir") ||
	       (strcmp(name, ".snapshot") == 0 && (kind_is(dir, "volume") || kind_is(dir, "clone")));
}

static int put_path(char out[PATH_MAX], const char *a, const char *b)
{
	int n = *a && *b ? snprintf(out, PATH_MAX, "%s/%s", a, b) : snprintf(out, PATH_MAX, "%s%s", a, b);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* One component. Goes on in *dir, or, at a link of ours, leaves the walk to do anew
 * in path and says 1. */
static int step(int *dir, char done[PATH_MAX], char *path, const char *name, const char *rest)
{
	char target[PATH_MAX], joined[PATH_MAX], next[PATH_MAX];
	struct stat st;
	cleanup_fd int fd = open_beneath(*dir, name, O_NOFOLLOW, BENEATH);
	if (fd < 0)
		return fd;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH) < 0)
		return -errno;
	int r = 0;
	if (S_ISLNK(st.st_mode)) {
		if (!is_ours(*dir, !*done, name))
			return -ELOOP;
		ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		/* What stands in our links is relative to where they are, and goes down only. */
		if (!tree_path_is_good(target))
			return -ELOOP;
		r = put_path(joined, done, target);
		if (r == 0)
			r = put_path(next, joined, rest);
		if (r == 0)
			memcpy(path, next, strlen(next) + 1);
		return r < 0 ? r : 1;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	r = put_path(joined, done, name);
	if (r < 0)
		return r;
	memcpy(done, joined, strlen(joined) + 1);
	close(*dir);
	*dir = steal_fd(&fd);
	return 0;
}

/* 0: path is canonical. 1: a link was followed, walk again. */
static int walk(int tree, char path[PATH_MAX])
{
	char copy[PATH_MAX], done[PATH_MAX] = "";
	memcpy(copy, path, strlen(path) + 1);
	cleanup_fd int dir = fcntl(tree, F_DUPFD_CLOEXEC, 0);
	if (dir < 0)
		return -errno;
	int r = 0;
	for (char *name = copy, *rest; r == 0 && name; name = rest) {
		rest = strchr(name, '/');
		if (rest)
			*rest++ = '\0';
		r = step(&dir, done, path, name, rest ? rest : "");
	}
	return r;
}

/* project1/.clones/exp1/x is exp1/x, too. */
static void own_name(const char *path, char out[PATH_MAX])
{
	const char *last = path;
	for (const char *p = path; (p = strstr(p, "/.clones/")); p++)
		last = p + strlen("/.clones/");
	snprintf(out, PATH_MAX, "%s", last);
}

int tree_resolve(const struct csi *s, const char *path, struct place *ret, char err[256])
{
	struct place p = {.fd = -1};
	*ret = p;
	if (!tree_path_is_good(path)) {
		snprintf(err, 256, "'%.128s' is no path in the tree: it must be relative, without '..'", path);
		return -EINVAL;
	}
	int r = tree_mounted(s, err);
	if (r < 0)
		return r;
	cleanup_fd int tree = open(s->tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		r = -errno;
	snprintf(p.path, sizeof(p.path), "%s", path);
	r = r < 0 ? r : 1;
	for (int links = 0; r == 1; links++)
		r = links > LINKS_MAX ? -ELOOP : walk(tree, p.path);
	if (r == 0)
		r = p.fd = open_beneath(tree, p.path, O_DIRECTORY, BENEATH | RESOLVE_NO_SYMLINKS);
	if (r == -ELOOP) {
		snprintf(err, 256, "'%.128s' goes through a symbolic link that a user made: name the place itself",
				path);
		return r;
	}
	if (r < 0) {
		snprintf(err, 256, "'%.128s' in the tree: %s", path, strerror(-r));
		return r;
	}
	char text[64];
	own_name(p.path, p.name);
	attribute(p.fd, "ontap.volume.uuid", text, sizeof(text));
	uuid_parse(text, &p.volume);
	attribute(p.fd, "ontap.snapshot.uuid", text, sizeof(text));
	p.frozen = uuid_parse(text, &p.snapshot) == 0;
	*ret = p;
	return 0;
}

void place_close(struct place *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}
