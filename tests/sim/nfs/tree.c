/*
 * Names that are no entries of the store win over those that are: a junction
 * hides the directory it is mounted on, .snapshot hides a file of that name.
 *
 * A snapshot of a directory is found by identity, not by path: the inode number
 * and generation of the live directory in the snapshot's subvolume.  So a renamed
 * directory shows its own past in .snapshot, and one that is younger than a
 * snapshot does not show that snapshot at all.
 */
#include "tests/sim/nfs/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Attributes by handle; leaves the thread acting as root. */
static int stat_node(struct node *n, struct stat *st)
{
	struct fdent *ent;
	int fd = fdc_get(&n->k, FD_PATH, &ent), r;

	if (fd < 0)
		return fd;
	r = fstat(fd, st) < 0 ? -errno : st->st_nlink ? 0 : -ESTALE;
	fdc_put(ent);
	n->type = st->st_mode & S_IFMT;
	return r;
}

int tree_in_snap(const struct snap *s, const struct kfh *live, struct node *ret,
                 struct stat *ret_st)
{
	*ret = (struct node){.vol = s->vol, .snap = s, .type = S_IFDIR, .k = *live};
	ret->k.root = s->root;
	return stat_node(ret, ret_st);
}

static int in_snapdir(const struct node *dir, const char *name, struct node *ret,
                      struct stat *ret_st)
{
	const struct snap *s = state_snap_named(dir->vol, name);
	int r = s ? tree_in_snap(s, &dir->k, ret, ret_st) : -ENOENT;

	return r == -ESTALE ? -ENOENT : r;
}

/* ".." of a volume's or snapshot's root directory */
static int above_root(const struct node *dir, struct node *ret, struct stat *ret_st)
{
	const struct volume *v = dir->vol;

	if (dir->snap)
		*ret = (struct node){.vol = v, .snapdir = true, .type = S_IFDIR, .k = v->top};
	else if (v->parent)
		*ret = (struct node){.vol = v->parent, .type = S_IFDIR, .k = v->parent_dir};
	else
		*ret = *dir;
	return stat_node(ret, ret_st);
}

/* An entry of the store.  Handle and attributes come from two system calls; when
 * the name changed hands between them, ask again. */
static int in_store(const struct node *dir, int dirfd, const char *name, struct node *ret,
                    struct stat *ret_st)
{
	for (int i = 0; i < 16; i++) {
		int r = kfh_of(dirfd, name, &ret->k);

		if (r < 0)
			return r;
		if (fstatat(dirfd, name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (ret_st->st_ino != ret->k.ino)
			continue;
		if (ret->k.root != dir->k.root)
			return -ENOENT; /* a subvolume that no volume or snapshot owns */
		ret->vol = dir->vol;
		ret->snap = dir->snap;
		ret->snapdir = false;
		ret->type = ret_st->st_mode & S_IFMT;
		return 0;
	}
	return -EAGAIN;
}

static bool is_live(const struct node *n)
{
	return !n->snap && !n->snapdir;
}

bool tree_is_virtual(const struct node *dir, const char *name)
{
	return is_live(dir) && (strcmp(name, SNAPDIR_NAME) == 0 ||
	                        state_kid(dir->vol, dir->k.ino, name) != NULL);
}

int tree_lookup(const struct node *dir, int dirfd, const char *name, struct node *ret,
                struct stat *ret_st)
{
	const struct volume *kid;
	int r;

	if (dir->type != S_IFDIR)
		return -ENOTDIR;
	/* only then does the kernel not make this check by itself */
	if (!is_live(dir) || name[0] == '.' || dir->vol->nkids) {
		r = fd_access(dirfd, X_OK);
		if (r < 0)
			return r;
	}
	if (strcmp(name, ".") == 0) {
		*ret = *dir;
		return stat_node(ret, ret_st);
	}
	if (dir->snapdir) {
		if (strcmp(name, "..") != 0)
			return in_snapdir(dir, name, ret, ret_st);
		*ret = *dir;
		ret->snapdir = false;
		return stat_node(ret, ret_st);
	}
	if (strcmp(name, "..") == 0 && dir->k.ino == KFH_ROOT_INO)
		return above_root(dir, ret, ret_st);
	if (is_live(dir) && strcmp(name, SNAPDIR_NAME) == 0) {
		if (!dir->vol->snapdir)
			return -ENOENT;
		*ret = *dir;
		ret->snapdir = true;
		return stat_node(ret, ret_st);
	}
	kid = is_live(dir) && dir->vol->nkids ? state_kid(dir->vol, dir->k.ino, name) : NULL;
	if (kid) {
		*ret = (struct node){.vol = kid, .type = S_IFDIR, .k = kid->top};
		return stat_node(ret, ret_st);
	}
	return in_store(dir, dirfd, name, ret, ret_st);
}

bool tree_parent_fileid(const struct node *dir, int dirfd, uint64_t *ret)
{
	struct node up = *dir;
	struct stat st;
	int r;

	if (dir->snapdir) {
		*ret = attr_fileid(dir->vol, dir->k.ino);
		return true;
	}
	if (dir->k.ino != KFH_ROOT_INO)
		r = fstatat(dirfd, "..", &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	else
		r = above_root(dir, &up, &st);
	if (r < 0)
		return false;
	*ret = up.snapdir ? attr_snapdir_fileid(up.vol, st.st_ino) : attr_fileid(up.vol, st.st_ino);
	return true;
}

/* ---- MOUNT ----------------------------------------------------------------------- */

static bool may_enter(const struct volume *v, uint32_t client, bool auth_sys)
{
	return policy_eval(v->policy, client, auth_sys).read;
}

/* The volume with the longest junction path that leads path, which must not end in
 * a slash; all those on the way must let the client in. */
static int start_of(const struct state *st, const char *path, uint32_t client, bool auth_sys,
                    const struct volume **ret_vol, const char **ret_rest)
{
	const struct volume *v = state_junction(st, "/", 1);
	const char *end = path;

	if (!v)
		return -ENOENT;
	*ret_rest = path;
	for (*ret_vol = v;; *ret_vol = v) {
		if (!v->online)
			return -ENOENT;
		if (!may_enter(v, client, auth_sys))
			return -EACCES;
		do {
			if (!*end)
				return 0;
			end += 1 + strcspn(end + 1, "/");
			v = state_junction(st, path, (size_t)(end - path));
		} while (!v);
		*ret_rest = end;
	}
}

/* Collapses slashes and drops "." and the last slash.  ".." has no place in an
 * export path. */
static int normalise(const char *path, char *out, size_t out_len)
{
	size_t n = 0;

	if (path[0] != '/')
		return -ENOENT;
	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.')) {
			path += len;
			continue;
		}
		if (len == 2 && path[0] == '.' && path[1] == '.')
			return -EINVAL;
		if (len > NAME_MAX || n + len + 2 > out_len)
			return -ENAMETOOLONG;
		out[n++] = '/';
		memcpy(out + n, path, len);
		n += len;
		path += len;
	}
	out[n] = '\0';
	return 0;
}

int tree_walk(const struct state *st, const char *path, uint32_t client, bool auth_sys,
              struct node *ret)
{
	char clean[4096], *name, *save = NULL;
	const char *rest = clean;
	const struct volume *v = NULL;
	int r = normalise(path, clean, sizeof clean);

	if (r == 0)
		r = start_of(st, clean, client, auth_sys, &v, &rest);
	if (r != 0)
		return r;
	*ret = (struct node){.vol = v, .type = S_IFDIR, .k = v->top};
	cred_root();
	for (name = strtok_r(clean + (rest - clean), "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		struct fdent *ent;
		struct node next;
		struct stat stbuf;
		int fd = fdc_get(&ret->k, FD_PATH, &ent);

		if (fd < 0)
			return fd == -ESTALE ? -ENOENT : fd;
		r = tree_lookup(ret, fd, name, &next, &stbuf);
		fdc_put(ent);
		if (r < 0)
			return r == -ESTALE ? -ENOENT : r;
		if (next.vol != ret->vol && !may_enter(next.vol, client, auth_sys))
			return -EACCES;
		*ret = next;
	}
	return ret->type == S_IFDIR ? 0 : -ENOTDIR;
}
