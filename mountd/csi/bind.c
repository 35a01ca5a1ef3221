/* Publishing: bind mounts, and holds on snapshots.
 *
 * A mount is made aside, gets its flags, and only then appears at the target, so
 * that no pod ever sees it writable that should not. The targets live in the
 * kernel's mount table alone: a successor of this process reads them there.
 *
 * A hold is a directory of the snapshot, kept open: ontapfs deletes no snapshot
 * with something open in it (EBUSY). */
#include "mountd/csi/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "mountd/mounts.h"

#define LAYERS_MAX 16 /* mounts on top of each other at one target */

struct keep {
	struct list link;
	char target[PATH_MAX];
	int fd;
};

/* ---- holds --------------------------------------------------------------------- */

static struct keep *find_keep(struct csi *s, const char *target)
{
	struct list *pos, *tmp;
	list_for_each(pos, tmp, &s->keeps)
		if (strcmp(list_entry(pos, struct keep, link)->target, target) == 0)
			return list_entry(pos, struct keep, link);
	return NULL;
}

static void let_go(struct csi *s, const char *target)
{
	pthread_mutex_lock(&s->lock);
	struct keep *k = find_keep(s, target);
	if (k) {
		list_remove(&k->link);
		s->kept--;
	}
	pthread_mutex_unlock(&s->lock);
	if (k)
		close(k->fd);
	free(k);
}

/* dir is a descriptor (O_PATH) of a directory in a snapshot. */
static int hold(struct csi *s, int dir, const char *target)
{
	char proc[40];
	let_go(s, target);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dir);
	struct keep *k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->fd < 0) {
		int r = -errno;
		free(k);
		return r;
	}
	snprintf(k->target, sizeof(k->target), "%s", target);
	pthread_mutex_lock(&s->lock);
	list_append(&s->keeps, &k->link);
	s->kept++;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* ---- the mount table --------------------------------------------------------------- */

struct table {
	struct mount_entry *list;
	size_t n;
	const char *dev; /* of the tree that is mounted now, or "" */
};

static int table_read(const struct csi *s, struct table *t)
{
	*t = (struct table){.dev = ""};
	int r = mounts_read(true, &t->list, &t->n);
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->list[i].dir, s->tree) == 0 && strcmp(t->list[i].root, "/") == 0)
			t->dev = t->list[i].dev;
	return r;
}

static void table_free(struct table *t)
{
	mounts_free(t->list, t->n);
}

/* The uppermost mount of ours there. */
static const struct mount_entry *table_at(const struct table *t, const char *dir)
{
	for (size_t i = t->n; i-- > 0;)
		if (strcmp(t->list[i].dir, dir) == 0)
			return &t->list[i];
	return NULL;
}

static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = options; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
	}
	return false;
}

static bool shows(const struct mount_entry *m, const char *root)
{
	return m->root[0] == '/' && strcmp(m->root + 1, root) == 0;
}

int bind_is_published(const struct csi *s, const char *target, char ret_root[PATH_MAX])
{
	struct table t;
	int r = table_read(s, &t);
	const struct mount_entry *m = r == 0 ? table_at(&t, target) : NULL;
	if (m)
		snprintf(ret_root, PATH_MAX, "%s", m->root + (m->root[0] == '/'));
	table_free(&t);
	return r < 0 ? r : m != NULL;
}

/* ---- targets ------------------------------------------------------------------------- */

int bind_check_target(const struct csi *s, const char *target, char err[256])
{
	size_t n = strlen(s->kubelet_dir);
	bool below = strncmp(target, s->kubelet_dir, n) == 0 && target[n] == '/' && strlen(target) < PATH_MAX &&
		     tree_path_is_good(target + n + 1);
	if (!below)
		snprintf(err, 256, "the target '%.128s' does not lie below %.64s, or has '..' in it", target,
			 s->kubelet_dir);
	return below ? 0 : -EINVAL;
}

/* The directory that holds the target, reached without a symlink below kubelet's;
 * *ret_name points into target. A descriptor (O_PATH) or -errno. */
static int open_parent(const struct csi *s, const char *target, const char **ret_name)
{
	char rel[PATH_MAX];
	snprintf(rel, sizeof(rel), "%s", target + strlen(s->kubelet_dir) + 1);
	char *slash = strrchr(rel, '/');
	*ret_name = strrchr(target, '/') + 1;
	cleanup_fd int top = open(s->kubelet_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return -errno;
	if (!slash)
		return steal_fd(&top);
	*slash = '\0';
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, top, rel, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* A mount that does not answer is detached all the same. */
static int unmount_all(int parent, const char *name)
{
	char path[PATH_MAX + 40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent, name);
	for (int i = 0; i < LAYERS_MAX; i++)
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return errno == EINVAL || errno == ENOENT ? 0 : -errno; /* nothing mounted any more */
	return -EBUSY;
}

static int attach(int place, int parent, const char *name, const struct bind_flags *f)
{
	struct mount_attr a = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					   (f->readonly ? MOUNT_ATTR_RDONLY : 0) | (f->noexec ? MOUNT_ATTR_NOEXEC : 0)};
	if (f->noatime) {
		a.attr_set |= MOUNT_ATTR_NOATIME;
		a.attr_clr |= MOUNT_ATTR__ATIME;
	}
	cleanup_fd int mount = open_tree(place, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount < 0)
		return -errno;
	if (mount_setattr(mount, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return -errno;
	if (mkdirat(parent, name, 0750) < 0 && errno != EEXIST)
		return -errno;
	cleanup_fd int target = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return -errno;
	if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* ---- the verbs ----------------------------------------------------------------------- */

/* Looks at what is mounted: 1 the target is as asked, 0 to be made, or -EBUSY. */
static int look(const struct csi *s, const struct place *p, const char *target, const struct bind_flags *f,
		bool *ret_stale, char err[256])
{
	struct table t;
	int r = table_read(s, &t);
	if (r < 0)
		return r;
	const struct mount_entry *m = table_at(&t, target);
	if (m) {
		*ret_stale = !(strcmp(m->dev, t.dev) == 0 && shows(m, p->path) &&
			       has_option(m->options, "ro") == f->readonly &&
			       has_option(m->options, "noexec") == f->noexec);
		r = !*ret_stale;
	}
	size_t n = strlen(s->kubelet_dir);
	for (size_t i = 0; f->single && i < t.n && r >= 0; i++) {
		const struct mount_entry *o = &t.list[i];
		if (strncmp(o->dir, s->kubelet_dir, n) == 0 && strcmp(o->dir, target) != 0 &&
		    strcmp(o->dev, t.dev) == 0 && shows(o, p->path)) {
			snprintf(err, 256, "it is published at %.150s already, and one pod may use it at a time",
					o->dir);
			r = -EBUSY;
		}
	}
	table_free(&t);
	return r;
}

int bind_publish(struct csi *s, const struct place *p, const char *target, const struct bind_flags *f,
		 char err[256])
{
	const char *name;
	bool stale = false;
	*err = '\0';
	int r = look(s, p, target, f, &stale, err);
	if (r == 0) {
		cleanup_fd int parent = open_parent(s, target, &name);
		r = parent < 0 ? parent : 0;
		if (r == 0 && stale) {
			log_info("%s is stale and mounted anew", target);
			r = unmount_all(parent, name);
		}
		if (r == 0)
			r = attach(p->fd, parent, name, f);
		if (r == 0)
			s->published += !stale;
	}
	if (r >= 0 && p->frozen)
		r = hold(s, p->fd, target);
	if (r < 0 && !*err)
		snprintf(err, 256, "cannot bind '%.80s' to %.80s: %s", p->path, target, strerror(-r));
	return MIN_OF(r, 0);
}

int bind_unpublish(struct csi *s, const char *target, char err[256])
{
	const char *name;
	char root[PATH_MAX];
	bool ours = bind_is_published(s, target, root) > 0;
	let_go(s, target);
	cleanup_fd int parent = open_parent(s, target, &name);
	if (parent < 0 && parent != -ENOENT) {
		snprintf(err, 256, "cannot reach %.150s: %s", target, strerror(-parent));
		return parent;
	}
	if (parent < 0)
		return 0;
	int r = unmount_all(parent, name);
	if (r == 0 && ours)
		s->published--;
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	if (r < 0)
		snprintf(err, 256, "cannot unpublish %.150s: %s", target, strerror(-r));
	return r;
}

int bind_adopt(struct csi *s)
{
	struct table t;
	int n = 0;
	size_t len = strlen(s->kubelet_dir);
	if (table_read(s, &t) < 0)
		return 0;
	for (size_t i = 0; i < t.n; i++) {
		const struct mount_entry *m = &t.list[i];
		if (strncmp(m->dir, s->kubelet_dir, len) != 0 || m->dir[len] != '/' || strcmp(m->dir, s->tree) == 0)
			continue;
		n++;
		/* Of another session: dead, and not to be touched until kubelet asks. */
		if (strcmp(m->dev, t.dev) != 0)
			continue;
		struct place p;
		char err[256];
		if (m->root[0] == '/' && tree_resolve(s, m->root + 1, &p, err) == 0) {
			int r = p.frozen ? hold(s, p.fd, m->dir) : 0;
			if (r < 0)
				log_warn("%s cannot be held: %s", m->dir, strerror(-r));
			place_close(&p);
		}
	}
	s->published = n;
	table_free(&t);
	return n;
}

void bind_forget(struct csi *s)
{
	struct list *l;
	while ((l = list_pop(&s->keeps))) {
		struct keep *k = list_entry(l, struct keep, link);
		close(k->fd);
		free(k);
	}
	s->kept = 0;
}
