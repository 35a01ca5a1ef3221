#include "tests/sim/ganesha/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/sim/reflink.h"
#include "tests/sim/util.h"

/* What is mounted where, by volume; the order is that of the picture's volumes. */
static struct picture now;

/* Is path at or below the mount point? */
static bool lies_in(const char *path, const char *point)
{
	size_t len = strlen(point);

	return strcmp(point, "/") == 0 || (strncmp(path, point, len) == 0 && (!path[len] || path[len] == '/'));
}

/* Whatever else is mounted on the way to what is used here: it stays. */
static bool is_needed(const char *point, const char *store)
{
	static const char *const used[] = { "/proc", "/dev", "/etc", "/usr", "/lib", "/run" };

	for (size_t i = 0; i < ARRAY_LEN(used); i++)
		if (lies_in(used[i], point))
			return true;
	return lies_in(store, point);
}

static void drop_mounts(const char *store)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	char **points = NULL;
	struct mntent *m;
	size_t n = 0;

	while (f && (m = getmntent(f))) {
		char **longer = is_needed(m->mnt_dir, store) ? NULL : realloc(points, (n + 1) * sizeof(*points));

		if (!longer)
			continue;
		points = longer;
		points[n++] = sim_dup(m->mnt_dir);
	}
	if (f)
		endmntent(f);
	/* The last mounted first; what was below another one went with it. */
	while (n > 0) {
		umount2(points[--n], MNT_DETACH | UMOUNT_NOFOLLOW);
		free(points[n]);
	}
	free(points);
}

int view_enter(const char *dir)
{
	AUTO_FREE char *store = sim_fmt("%s/store", dir);

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	drop_mounts(store);
	return 0;
}

/* near: where it is unless volumes came or went. */
static const struct pic_volume *find_volume(const struct picture *p, const char *subvol, size_t near)
{
	if (near < p->nvols && strcmp(p->vols[near].subvol, subvol) == 0)
		return &p->vols[near];
	for (size_t i = 0; i < p->nvols; i++)
		if (strcmp(p->vols[i].subvol, subvol) == 0)
			return &p->vols[i];
	return NULL;
}

static bool same_snap(const struct pic_snap *a, const struct pic_snap *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->subvol, b->subvol) == 0;
}

static bool same_volume(const struct pic_volume *a, const struct pic_volume *b)
{
	if (a->shown != b->shown || a->nsnaps != b->nsnaps)
		return false;
	for (size_t i = 0; i < a->nsnaps; i++)
		if (!same_snap(&a->snaps[i], &b->snaps[i]))
			return false;
	return true;
}

/* The entry of that name, NULL when there is none. */
static const struct pic_snap *find_snap(const struct pic_volume *v, const char *name)
{
	size_t lo = 0, hi = v ? v->nsnaps : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(v->snaps[mid].name, name);

		if (c == 0)
			return &v->snaps[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void take_away(int fd, const char *name)
{
	AUTO_FREE char *at = sim_fmt("/proc/self/fd/%d/%s", fd, name);

	umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW);
	unlinkat(fd, name, AT_REMOVEDIR);
}

static bool put_up(const char *dir, int fd, const struct pic_snap *s)
{
	AUTO_FREE char *from = sim_fmt("%s/store/%s", dir, s->subvol);
	AUTO_FREE char *at = sim_fmt("/proc/self/fd/%d/%s", fd, s->name);

	if ((mkdirat(fd, s->name, 0555) < 0 && errno != EEXIST) ||
	    mount(from, at, NULL, MS_BIND, NULL) < 0) {
		sim_log("nfs: cannot show the snapshot %s: %s", s->name, strerror(errno));
		return false;
	}
	return true;
}

/* Folders left by an earlier keeper. */
static void clear_rest(int fd, const struct pic_volume *want)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && !find_snap(want, e->d_name))
			unlinkat(fd, e->d_name, AT_REMOVEDIR);
	closedir(d);
}

/* The .snapshot of a volume that does not show it waits in store/hidden: Ganesha
 * remembers the parent of a folder that it has seen, and would not read a snapshot
 * whose parent became another one. */
static char *hidden_path(const char *dir, const struct pic_volume *v)
{
	return sim_fmt("%s/store/hidden/%s", dir, strrchr(v->subvol, '/') + 1);
}

static void bring_out(const char *dir, int root, const struct pic_volume *v)
{
	AUTO_FREE char *hidden = hidden_path(dir, v);

	if (renameat2(AT_FDCWD, hidden, root, REFLINK_SKIP, RENAME_NOREPLACE) < 0)
		mkdirat(root, REFLINK_SKIP, 0555); /* EEXIST: it is there */
}

static void put_by(const char *dir, int root, const struct pic_volume *v)
{
	AUTO_FREE char *hidden = hidden_path(dir, v);

	if (renameat(root, REFLINK_SKIP, AT_FDCWD, hidden) < 0)
		sim_log("nfs: cannot hide the snapshots of %s: %s", v->subvol, strerror(errno));
}

/* Makes the place for the hidden ones, and clears it of volumes that are gone. */
static void tidy_hidden(const char *dir)
{
	AUTO_FREE char *path = sim_fmt("%s/store/hidden", dir);
	struct dirent *e;
	DIR *d;

	mkdir(path, 0700);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		AUTO_FREE char *vol = sim_fmt("%s/store/vol/%s", dir, e->d_name);

		if (e->d_name[0] != '.' && access(vol, F_OK) < 0)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

/* old is NULL for a volume that was not seen before. */
static void show(const char *dir, const struct pic_volume *want, const struct pic_volume *old)
{
	AUTO_FREE char *path = sim_fmt("%s/store/%s", dir, want->subvol);
	AUTO_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;

	if (root < 0) {
		sim_log("nfs: cannot open %s: %s", path, strerror(errno));
		return;
	}
	if (want->shown)
		bring_out(dir, root, want);
	fd = openat(root, REFLINK_SKIP, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (want->shown)
			sim_log("nfs: cannot show the snapshots of %s: %s", path, strerror(errno));
		return;
	}
	/* Not sealed and not wanted: a client's own folder of that name. */
	if (!want->shown && !reflink_is_sealed(fd))
		return;
	reflink_seal(fd, false);
	for (size_t i = 0; old && i < old->nsnaps; i++) {
		const struct pic_snap *s = find_snap(want, old->snaps[i].name);

		if (!s || !same_snap(s, &old->snaps[i]))
			take_away(fd, old->snaps[i].name);
	}
	if (!old)
		clear_rest(fd, want);
	for (size_t i = 0; i < want->nsnaps; i++) {
		const struct pic_snap *s = find_snap(old, want->snaps[i].name);

		if (!s || !same_snap(s, &want->snaps[i]))
			put_up(dir, fd, &want->snaps[i]);
	}
	if (want->shown)
		reflink_seal(fd, true);
	else
		put_by(dir, root, want);
}

/* A volume that went: its mounts must go before the simulator removes it. */
static void hide(const char *dir, const struct pic_volume *old)
{
	struct pic_volume none = { .subvol = old->subvol };
	AUTO_FREE char *path = sim_fmt("%s/store/%s", dir, old->subvol);

	if (access(path, F_OK) == 0)
		show(dir, &none, old);
}

/* Moves the volumes with their snapshots out of p. */
static void keep(struct picture *p)
{
	picture_free(&now);
	now.vols = p->vols;
	now.nvols = p->nvols;
	p->vols = NULL;
	p->nvols = 0;
}

void view_apply(const char *dir, struct picture *p)
{
	if (!now.nvols)
		tidy_hidden(dir);
	for (size_t i = 0; i < now.nvols; i++)
		if (!find_volume(p, now.vols[i].subvol, i))
			hide(dir, &now.vols[i]);
	for (size_t i = 0; i < p->nvols; i++) {
		const struct pic_volume *old = find_volume(&now, p->vols[i].subvol, i);

		if (!old || !same_volume(old, &p->vols[i]))
			show(dir, &p->vols[i], old);
	}
	keep(p);
}
