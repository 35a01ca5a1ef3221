/*
 * READDIR and READDIRPLUS.
 *
 * Cookies.  A directory lists, in this order:
 *   1, 2               "." and ".."
 *   3 .. 2^61          its entries in the store; the cookie is btrfs's own offset of
 *                      the next entry, which never changes and is never used again
 *   2^62 + fsid        junctions that have no directory of their name in the store
 *   2^63               .snapshot, only in the root of a live volume
 * and .snapshot lists "." and ".." and its snapshots as 2 + fsid.  So a cookie stays
 * good whatever comes and goes around it.
 *
 * The directory is opened anew for each call: btrfs lets an open directory see only
 * entries that were there when it was opened, and the open is also the permission
 * check.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/nfs/call.h"
#include "tests/sim/nfs/tree.h"
#include "tests/sim/util.h"

#define COOKIE_DOT      1
#define COOKIE_DOTDOT   2
#define COOKIE_STORE    (UINT64_C(1) << 61) /* above all offsets of entries */
#define COOKIE_JUNCTION (UINT64_C(1) << 62)
#define COOKIE_SNAPDIR  (UINT64_C(1) << 63)
#define COOKIE_RESERVED 2 /* added to the fsids of snapshots */

/* The kernel's name for "behind the last entry" of a huge directory; it must not be
 * taken for a junction's cookie. */
#define OFFSET_END INT64_MAX

struct lister {
	struct call *c;
	const struct obj *dir;
	bool plus;
	uint64_t after;     /* the client has everything up to this cookie */
	uint32_t limit;     /* bytes of the whole result */
	uint32_t dircount;  /* bytes of names, ids and cookies; READDIRPLUS only */
	uint32_t used;      /* of dircount */
	unsigned n;         /* entries in the reply */
	bool full;
};

/* Adds one entry; node NULL: without attributes and handle.  False when it does not
 * fit: then the list ends before it. */
static bool add(struct lister *l, uint64_t fileid, const char *name, size_t len, uint64_t cookie,
                const struct node *node, const struct stat *st)
{
	XDR *x = &l->c->out;
	u_int start = xdr_getpos(x);
	/* bytes the client counts as directory data: id, cookie, name with its length */
	uint32_t weight = 8 + 8 + 4 + (((uint32_t)len + 3) & ~3u);
	bool_t follows = TRUE;
	entry3 e = {
	        .fileid = fileid,
	        .cookie = cookie,
	        .name = {.filename3_len = (u_int)len, .filename3_val = (char *)(uintptr_t)name},
	};
	bool ok = !l->plus || l->n == 0 || l->used + weight <= l->dircount;

	ok = ok && xdr_bool(x, &follows) && xdr_entry3(x, &e);
	if (ok && l->plus) {
		char fh[FH_WIRE_LEN];
		post_op_attr a = {.attributes_follow = node != NULL};
		post_op_fh3 h = {.handle_follows = node != NULL};

		if (node) {
			attr_of(node, st, &a.post_op_attr_u.attributes);
			node_handle(node, fh, &h.post_op_fh3_u.handle);
		}
		ok = xdr_post_op_attr(x, &a) && xdr_post_op_fh3(x, &h);
	}
	/* FALSE and eof must still fit behind it */
	if (!ok || xdr_getpos(x) + 8 > l->limit) {
		xdr_setpos(x, start);
		l->full = true;
		return false;
	}
	l->used += weight;
	l->n++;
	return true;
}

static bool list_dots(struct lister *l)
{
	const struct obj *d = l->dir;
	struct node up;
	struct stat st;
	uint64_t id = d->n.snapdir ? attr_snapdir_fileid(d->n.vol, d->st.st_ino) :
	                             attr_fileid(d->n.vol, d->st.st_ino);

	if (l->after < COOKIE_DOT && !add(l, id, ".", 1, COOKIE_DOT, l->plus ? &d->n : NULL, &d->st))
		return false;
	if (l->after >= COOKIE_DOTDOT)
		return true;
	/* above a root lies another file system, whose attributes do not belong here */
	if (l->plus && !d->n.snapdir && d->n.k.ino != KFH_ROOT_INO &&
	    tree_lookup(&d->n, d->fd, "..", &up, &st) == 0)
		return add(l, attr_fileid(up.vol, st.st_ino), "..", 2, COOKIE_DOTDOT, &up, &st);
	if (!tree_parent_fileid(&d->n, d->fd, &id))
		id = attr_fileid(d->n.vol, d->st.st_ino);
	return add(l, id, "..", 2, COOKIE_DOTDOT, NULL, NULL);
}

/* One entry of the store. */
static bool add_stored(struct lister *l, const struct dirent64 *e, uint64_t cookie)
{
	const struct obj *d = l->dir;
	uint64_t id = attr_fileid(d->n.vol, e->d_ino);
	struct node n;
	struct stat st;

	if (l->plus && !tree_is_virtual(&d->n, e->d_name) &&
	    tree_lookup(&d->n, d->fd, e->d_name, &n, &st) == 0) {
		attr_pending(&n.k, &st);
		return add(l, id, e->d_name, strlen(e->d_name), cookie, &n, &st);
	}
	return add(l, id, e->d_name, strlen(e->d_name), cookie, NULL, NULL);
}

/* The directory to read from, opened with the caller's rights.  Opening "." also
 * takes search permission, which listing does not: then the right to read is asked
 * for alone and the directory opened by its handle. */
static int open_dir(const struct obj *d)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd >= 0 || errno != EACCES)
		return fd >= 0 ? fd : -errno;
	r = obj_access(d, R_OK);
	if (r < 0)
		return r;
	fd = kfh_open(&d->n.k, O_RDONLY | O_DIRECTORY);
	r = cred_become(&d->who);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* NFS3_OK also when the reply is full. */
static nfsstat3 list_store(struct lister *l)
{
	_Alignas(struct dirent64) char space[32768];
	uint64_t pos = l->after > COOKIE_DOTDOT ? l->after : COOKIE_DOTDOT;
	AUTO_CLOSE int fd = -1;

	if (l->after >= COOKIE_STORE)
		return NFS3_OK;
	fd = open_dir(l->dir);
	if (fd < 0)
		return status_of(fd);
	if (lseek(fd, (off_t)pos, SEEK_SET) < 0)
		return status_of(-errno);
	for (;;) {
		ssize_t n = getdents64(fd, space, sizeof space);

		if (n < 0)
			return status_of(-errno);
		if (n == 0)
			return NFS3_OK;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(space + at);
			uint64_t cookie = e->d_off == OFFSET_END ? COOKIE_STORE : (uint64_t)e->d_off;

			at += e->d_reclen;
			if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
				continue;
			/* hidden by the virtual directory of that name */
			if (!l->dir->n.snap && strcmp(e->d_name, SNAPDIR_NAME) == 0)
				continue;
			if (!add_stored(l, e, cookie))
				return NFS3_OK;
		}
	}
}

static bool list_junctions(struct lister *l)
{
	const struct node *d = &l->dir->n;
	uint64_t after = l->after > COOKIE_JUNCTION ? l->after - COOKIE_JUNCTION : 0;
	struct stat st;

	if (d->snap || l->after >= COOKIE_SNAPDIR)
		return true;
	for (size_t i = state_first_kid(d->vol, d->k.ino, after); i < d->vol->nkids; i++) {
		const struct volume *kid = d->vol->kids_by_fsid[i];

		if (kid->parent_dir.ino != d->k.ino)
			break;
		/* it was listed as an entry of the store then */
		if (fstatat(l->dir->fd, kid->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (!add(l, attr_mount_fileid(d->vol, kid->fsid), kid->leaf, strlen(kid->leaf),
		         COOKIE_JUNCTION + kid->fsid, NULL, NULL))
			return false;
	}
	return true;
}

static bool list_snapdir_entry(struct lister *l)
{
	struct node n = l->dir->n;

	if (n.snap || n.k.ino != KFH_ROOT_INO || !n.vol->snapdir || l->after >= COOKIE_SNAPDIR)
		return true;
	n.snapdir = true;
	return add(l, attr_snapdir_fileid(n.vol, n.k.ino), SNAPDIR_NAME, strlen(SNAPDIR_NAME),
	           COOKIE_SNAPDIR, l->plus ? &n : NULL, &l->dir->st);
}

/* The snapshots that have this directory. */
static nfsstat3 list_snaps(struct lister *l)
{
	const struct node *d = &l->dir->n;
	const struct volume *v = d->vol;
	int r = obj_access(l->dir, R_OK);

	if (r < 0)
		return status_of(r);
	for (size_t i = 0; i < v->nsnaps; i++) {
		const struct snap *s = v->snaps_by_fsid[i];
		struct node n;
		struct stat st;

		if (s->fsid + COOKIE_RESERVED <= l->after)
			continue;
		/* every snapshot has the volume's root */
		if (d->k.ino != KFH_ROOT_INO && tree_in_snap(s, &d->k, &n, &st) < 0)
			continue;
		if (!add(l, attr_mount_fileid(v, s->fsid), s->name, strlen(s->name),
		         s->fsid + COOKIE_RESERVED, NULL, NULL))
			break;
	}
	return NFS3_OK;
}

static nfsstat3 list(struct lister *l)
{
	nfsstat3 s = NFS3_OK;

	if (!list_dots(l))
		return s;
	/* looking at ".." may have left the caller's credential */
	if (cred_become(&l->dir->who) < 0)
		return NFS3ERR_SERVERFAULT;
	if (l->dir->n.snapdir)
		return list_snaps(l);
	s = list_store(l);
	if (s == NFS3_OK && !l->full && list_junctions(l))
		list_snapdir_entry(l);
	return s;
}

/* The whole result.  s is how obj_get() did with l->dir. */
static void put_list(struct lister *l, nfsstat3 s)
{
	XDR *x = &l->c->out;
	READDIR3head head = {.cookieverf = {0}};
	u_int start = xdr_getpos(x);
	bool_t no = FALSE, eof;

	if (s == NFS3_OK && !S_ISDIR(l->dir->st.st_mode))
		s = NFS3ERR_NOTDIR;
	if (s == NFS3_OK && l->after > COOKIE_SNAPDIR)
		s = NFS3ERR_BAD_COOKIE; /* never given out */
	attr_known(l->dir, &head.dir_attributes);
	if (s == NFS3_OK) {
		l->limit += start;
		put_status(l->c, NFS3_OK);
		xdr_READDIR3head(x, &head);
		s = list(l);
		if (s == NFS3_OK && l->full && l->n == 0)
			s = NFS3ERR_TOOSMALL;
	}
	if (s == NFS3_OK) {
		eof = !l->full;
		xdr_bool(x, &no);
		xdr_bool(x, &eof);
		return;
	}
	xdr_setpos(x, start);
	put_status(l->c, s);
	xdr_post_op_attr(x, &head.dir_attributes);
}

static bool read_dir(struct lister *l, const nfs_fh3 *fh)
{
	struct obj dir;
	nfsstat3 s = obj_get(l->c, fh, WANT_ATTR, &dir);

	l->dir = &dir;
	put_list(l, s);
	l->dir = NULL;
	obj_put(&dir);
	return true;
}

bool proc_readdir(struct call *c)
{
	READDIR3args a;
	struct lister l = {.c = c};

	a.dir.data.data_val = c->mem->fh[0];
	if (!xdr_READDIR3args(&c->in, &a))
		return false;
	l.after = a.cookie;
	l.limit = a.count < DIR_REPLY_MAX ? a.count : DIR_REPLY_MAX;
	return read_dir(&l, &a.dir);
}

bool proc_readdirplus(struct call *c)
{
	uint32_t most = c->st->set.max_xfer > DIR_REPLY_MAX ? c->st->set.max_xfer : DIR_REPLY_MAX;
	READDIRPLUS3args a;
	struct lister l = {.c = c, .plus = true};

	a.dir.data.data_val = c->mem->fh[0];
	if (!xdr_READDIRPLUS3args(&c->in, &a))
		return false;
	l.after = a.cookie;
	l.dircount = a.dircount;
	l.limit = a.maxcount < most ? a.maxcount : most;
	return read_dir(&l, &a.dir);
}
