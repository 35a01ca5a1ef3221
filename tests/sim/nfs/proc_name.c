/*
 * The procedures that change a directory: CREATE MKDIR SYMLINK MKNOD REMOVE RMDIR
 * RENAME LINK.
 *
 * Names of the virtual tree (.snapshot, junctions) cannot be made, removed or
 * renamed here: making one is EXIST, the rest ACCES, which stands for "in use" as
 * version 3 has no code for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/sim/nfs/call.h"
#include "tests/sim/nfs/making.h"
#include "tests/sim/nfs/tree.h"
#include "tests/sim/nfs/unstable.h"
#include "tests/sim/util.h"

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Gets the directory for a change, and the name in it. */
static nfsstat3 get_where(struct call *c, diropargs3 *where, struct obj *dir, const char **name)
{
	nfsstat3 s = obj_get(c, &where->dir, WANT_CHANGE, dir);

	*name = "";
	if (s != NFS3_OK)
		return s;
	return S_ISDIR(dir->st.st_mode) ? arg_name(&where->name, name) : NFS3ERR_NOTDIR;
}

/* The same for an entry to be made. */
static nfsstat3 get_for_new(struct call *c, diropargs3 *where, struct obj *dir, const char **name)
{
	nfsstat3 s = get_where(c, where, dir, name);

	if (s == NFS3_OK && (is_dots(*name) || tree_is_virtual(&dir->n, *name)))
		s = NFS3ERR_EXIST;
	return s;
}

/* The same for an entry that loses its name. */
static nfsstat3 get_for_old(struct call *c, diropargs3 *where, struct obj *dir, const char **name)
{
	nfsstat3 s = get_where(c, where, dir, name);

	if (s != NFS3_OK)
		return s;
	if (strcmp(*name, ".") == 0)
		return NFS3ERR_INVAL;
	if (strcmp(*name, "..") == 0)
		return NFS3ERR_EXIST;
	return tree_is_virtual(&dir->n, *name) ? NFS3ERR_ACCES : NFS3_OK;
}

/* The same for something that is not there yet; put_made() ends it. */
static nfsstat3 get_to_make(struct call *c, diropargs3 *where, struct obj *dir, const char **name)
{
	nfsstat3 s = get_for_new(c, where, dir, name);

	if (s == NFS3_OK)
		making_begin(dir->fd, &dir->n.k, *name);
	return s;
}

/* The answer of all procedures that make something. */
static void put_made(struct call *c, nfsstat3 s, const struct obj *dir, const struct node *n,
                     const struct stat *st)
{
	char fh[FH_WIRE_LEN];
	CREATE3resok res;

	making_end();
	put_status(c, s);
	attr_wcc(dir, &res.dir_wcc);
	if (s != NFS3_OK) {
		xdr_wcc_data(&c->out, &res.dir_wcc);
		return;
	}
	res.obj.handle_follows = TRUE;
	node_handle(n, fh, &res.obj.post_op_fh3_u.handle);
	res.obj_attributes.attributes_follow = TRUE;
	attr_of(n, st, &res.obj_attributes.post_op_attr_u.attributes);
	xdr_CREATE3resok(&c->out, &res);
}

/* Node and attributes of what fd has open. */
static int describe(const struct obj *dir, int fd, struct node *n, struct stat *st)
{
	int r;

	*n = (struct node){.vol = dir->n.vol};
	r = kfh_of(fd, "", &n->k);
	if (r < 0)
		return r;
	if (fstat(fd, st) < 0)
		return -errno;
	n->type = st->st_mode & S_IFMT;
	attr_pending(&n->k, st);
	return 0;
}

static mode_t mode_in(const sattr3 *a, mode_t unset)
{
	return a->mode.set_it ? a->mode.set_uint32_u.val & 07777 : unset;
}

/* Opens what was just made and gives it the other attributes. */
static nfsstat3 finish_made(const struct obj *dir, const char *name, const sattr3 *a,
                            bool skip_mode, struct node *n, struct stat *st)
{
	AUTO_CLOSE int fd = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	sattr3 rest = *a;
	int r;

	if (fd < 0)
		return status_of(-errno);
	rest.size.set_it = FALSE;
	r = attr_apply(fd, -1, &rest, skip_mode);
	if (r == 0)
		r = describe(dir, fd, n, st);
	return status_of(r);
}

/* ---- CREATE ------------------------------------------------------------------------ */

/* The verifier of an exclusive create lies in the times until the client sets them:
 * all its bits but the top ones in the seconds, those in the nanoseconds. */
static void times_of_verf(const createverf3 verf, struct timespec ts[2])
{
	uint32_t v[2];

	memcpy(v, verf, sizeof v);
	for (int i = 0; i < 2; i++) {
		ts[i].tv_sec = v[i] & INT32_MAX;
		ts[i].tv_nsec = v[i] >> 31;
	}
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static nfsstat3 create_new(const struct obj *dir, const char *name, const createhow3 *how,
                           struct node *n, struct stat *st)
{
	const sattr3 *a = &how->createhow3_u.obj_attributes;
	mode_t mode = how->mode == EXCLUSIVE ? 0600 : mode_in(a, 0600);
	AUTO_CLOSE int fd =
	        openat(dir->fd, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, mode);
	int r = 0;

	if (fd < 0)
		return status_of(-errno);
	if (how->mode == EXCLUSIVE) {
		struct timespec ts[2];

		times_of_verf(how->createhow3_u.verf, ts);
		if (futimens(fd, ts) < 0)
			r = -errno;
	} else {
		r = attr_apply(fd, fd, a, true);
	}
	if (r == 0)
		r = describe(dir, fd, n, st);
	return status_of(r);
}

/* The name exists: UNCHECKED takes it over (of the attributes only a size counts),
 * EXCLUSIVE does when it is the retry of the call that made it. */
static nfsstat3 create_old(const struct obj *dir, const char *name, const createhow3 *how,
                           struct node *n, struct stat *st)
{
	const set_size3 *size = &how->createhow3_u.obj_attributes.size;
	AUTO_CLOSE int fd = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return status_of(-errno);
	r = describe(dir, fd, n, st);
	if (r < 0)
		return status_of(r);
	if (n->k.root != dir->n.k.root || !S_ISREG(st->st_mode) || how->mode == GUARDED)
		return NFS3ERR_EXIST;
	if (how->mode == EXCLUSIVE) {
		struct timespec ts[2];

		times_of_verf(how->createhow3_u.verf, ts);
		return st->st_size == 0 && same_time(&ts[0], &st->st_atim) &&
		                       same_time(&ts[1], &st->st_mtim) ?
		               NFS3_OK :
		               NFS3ERR_EXIST;
	}
	if (size->set_it) {
		AUTO_CLOSE int file = -1;
		sattr3 a = {.size = *size};

		r = dir->who.uid == st->st_uid ? 0 : fd_access(fd, W_OK);
		if (r < 0)
			return status_of(r);
		file = kfh_open(&n->k, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
		if (file < 0)
			return status_of(file);
		unstable_flush(&n->k, file);
		if (cred_become(&dir->who) < 0)
			return NFS3ERR_SERVERFAULT;
		r = attr_apply(file, file, &a, true);
		if (r == 0)
			r = describe(dir, file, n, st);
	}
	return status_of(r);
}

bool proc_create(struct call *c)
{
	CREATE3args a;
	struct obj dir;
	struct node n;
	struct stat st;
	const char *name;
	nfsstat3 s;

	memset(&a, 0, sizeof a);
	a.where.dir.data.data_val = c->mem->fh[0];
	a.where.name.filename3_val = c->mem->name[0];
	if (!xdr_CREATE3args(&c->in, &a))
		return false;
	s = get_to_make(c, &a.where, &dir, &name);
	/* between the two steps the name may come or go, so there may be more rounds */
	for (int i = 0; s == NFS3_OK && i < 16; i++) {
		s = create_new(&dir, name, &a.how, &n, &st);
		if (s != NFS3ERR_EXIST)
			break;
		s = create_old(&dir, name, &a.how, &n, &st);
		if (s != NFS3ERR_NOENT)
			break;
		s = NFS3_OK;
	}
	put_made(c, s, &dir, &n, &st);
	obj_put(&dir);
	return true;
}

/* ---- MKDIR, SYMLINK, MKNOD ------------------------------------------------------------ */

bool proc_mkdir(struct call *c)
{
	MKDIR3args a;
	struct obj dir;
	struct node n;
	struct stat st;
	const char *name;
	nfsstat3 s;

	a.where.dir.data.data_val = c->mem->fh[0];
	a.where.name.filename3_val = c->mem->name[0];
	if (!xdr_MKDIR3args(&c->in, &a))
		return false;
	s = get_to_make(c, &a.where, &dir, &name);
	if (s == NFS3_OK) {
		mode_t mode = mode_in(&a.attributes, 0700);

		if (mkdirat(dir.fd, name, mode) < 0)
			s = status_of(-errno);
		else /* mkdir() ignores the setuid and setgid bits */
			s = finish_made(&dir, name, &a.attributes, !(mode & (S_ISUID | S_ISGID)), &n, &st);
	}
	put_made(c, s, &dir, &n, &st);
	obj_put(&dir);
	return true;
}

bool proc_symlink(struct call *c)
{
	SYMLINK3args a;
	struct obj dir;
	struct node n;
	struct stat st;
	const char *name;
	nfsstat3 s;

	a.where.dir.data.data_val = c->mem->fh[0];
	a.where.name.filename3_val = c->mem->name[0];
	a.symlink_data.nfspath3_val = c->mem->path;
	if (!xdr_SYMLINK3args(&c->in, &a))
		return false;
	s = get_to_make(c, &a.where, &dir, &name);
	if (s == NFS3_OK) {
		c->mem->path[a.symlink_data.nfspath3_len] = '\0';
		if (memchr(c->mem->path, '\0', a.symlink_data.nfspath3_len))
			s = NFS3ERR_INVAL;
		else if (symlinkat(c->mem->path, dir.fd, name) < 0)
			/* an empty target is ENOENT to the kernel */
			s = c->mem->path[0] ? status_of(-errno) : NFS3ERR_INVAL;
		else
			s = finish_made(&dir, name, &a.symlink_attributes, true, &n, &st);
	}
	put_made(c, s, &dir, &n, &st);
	obj_put(&dir);
	return true;
}

static nfsstat3 mknod_in(const struct obj *dir, const char *name, const mknoddata3 *what,
                         struct node *n, struct stat *st)
{
	const sattr3 *a = &what->mknoddata3_u.pipe_attributes;
	const specdata3 *spec = &what->mknoddata3_u.device.spec;
	mode_t type;
	dev_t dev = 0;

	switch (what->type) {
	case NF3CHR:
	case NF3BLK:
		type = what->type == NF3CHR ? S_IFCHR : S_IFBLK;
		a = &what->mknoddata3_u.device.dev_attributes;
		dev = makedev(spec->specdata1, spec->specdata2);
		break;
	case NF3SOCK: type = S_IFSOCK; break;
	case NF3FIFO: type = S_IFIFO; break;
	default: return NFS3ERR_BADTYPE;
	}
	if (mknodat(dir->fd, name, type | mode_in(a, 0600), dev) < 0)
		return status_of(-errno);
	return finish_made(dir, name, a, true, n, st);
}

bool proc_mknod(struct call *c)
{
	MKNOD3args a;
	struct obj dir;
	struct node n;
	struct stat st;
	const char *name;
	nfsstat3 s;

	a.where.dir.data.data_val = c->mem->fh[0];
	a.where.name.filename3_val = c->mem->name[0];
	if (!xdr_MKNOD3args(&c->in, &a))
		return false;
	s = get_to_make(c, &a.where, &dir, &name);
	if (s == NFS3_OK)
		s = mknod_in(&dir, name, &a.what, &n, &st);
	put_made(c, s, &dir, &n, &st);
	obj_put(&dir);
	return true;
}

/* ---- REMOVE, RMDIR, RENAME, LINK ----------------------------------------------------------- */

/* Looks at what a name has before it loses it. */
static bool victim_of(const struct obj *dir, const char *name, struct stat *st)
{
	return fstatat(dir->fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Lets go of an object that lost its last name; else its space would stay taken as
 * long as a descriptor of it is cached. */
static void let_go(const struct obj *dir, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		return;
	unstable_drop(dir->n.k.root, st->st_ino);
	fdc_drop(dir->n.k.root, st->st_ino);
}

static bool remove_entry(struct call *c, int flags)
{
	diropargs3 a;
	struct obj dir;
	struct stat st;
	wcc_data wcc;
	const char *name;
	nfsstat3 s;

	if (!arg_where(c, 0, &a))
		return false;
	s = get_for_old(c, &a, &dir, &name);
	if (s == NFS3_OK) {
		bool known = victim_of(&dir, name, &st);

		if (unlinkat(dir.fd, name, flags) < 0)
			s = status_of(-errno);
		else if (known)
			let_go(&dir, &st);
	}
	put_status(c, s);
	attr_wcc(&dir, &wcc);
	xdr_wcc_data(&c->out, &wcc);
	obj_put(&dir);
	return true;
}

bool proc_remove(struct call *c)
{
	return remove_entry(c, 0);
}

bool proc_rmdir(struct call *c)
{
	return remove_entry(c, AT_REMOVEDIR);
}

static nfsstat3 rename_entry(const struct obj *from, const char *from_name, const struct obj *to,
                             const char *to_name)
{
	struct stat moved, lost;
	bool known, replaces;

	/* volumes, and so subvolumes, are file systems of their own here */
	if (from->n.vol != to->n.vol)
		return NFS3ERR_XDEV;
	known = victim_of(from, from_name, &moved);
	replaces = victim_of(to, to_name, &lost);
	if (renameat(from->fd, from_name, to->fd, to_name) < 0)
		return status_of(-errno);
	if (replaces && known && moved.st_ino != lost.st_ino)
		let_go(to, &lost);
	return NFS3_OK;
}

bool proc_rename(struct call *c)
{
	RENAME3args a;
	RENAME3res res;
	struct obj from, to;
	const char *from_name, *to_name;
	nfsstat3 s, s2;

	if (!arg_where(c, 0, &a.from) || !arg_where(c, 1, &a.to))
		return false;
	s = get_for_old(c, &a.from, &from, &from_name);
	s2 = get_for_old(c, &a.to, &to, &to_name);
	if (s == NFS3_OK)
		s = s2;
	/* "." and ".." are INVAL here, not EXIST */
	if (s == NFS3ERR_EXIST)
		s = NFS3ERR_INVAL;
	if (s == NFS3_OK)
		s = cred_become(&from.who) < 0 ? NFS3ERR_SERVERFAULT :
		                                 rename_entry(&from, from_name, &to, to_name);
	put_status(c, s);
	attr_wcc(&from, &res.fromdir_wcc);
	attr_wcc(&to, &res.todir_wcc);
	xdr_RENAME3res(&c->out, &res);
	obj_put(&from);
	obj_put(&to);
	return true;
}

static nfsstat3 link_entry(const struct obj *file, const struct obj *dir, const char *name)
{
	char path[40];
	int r;

	if (file->n.vol != dir->n.vol || file->n.snap || file->n.snapdir)
		return NFS3ERR_XDEV;
	if (S_ISDIR(file->st.st_mode))
		return NFS3ERR_ISDIR;
	snprintf(path, sizeof path, "/proc/self/fd/%d", file->fd);
	if (linkat(AT_FDCWD, path, dir->fd, name, AT_SYMLINK_FOLLOW) == 0)
		return NFS3_OK;
	r = -errno;
	/* fs.protected_hardlinks of this machine forbids links to files of others; a
	 * filer has no such rule, the right to write in the directory is enough */
	if (r == -EPERM && file->who.uid != 0) {
		r = fd_access(dir->fd, W_OK | X_OK);
		if (r == 0) {
			cred_root();
			r = linkat(AT_FDCWD, path, dir->fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
		}
	}
	return status_of(r);
}

bool proc_link(struct call *c)
{
	LINK3args a;
	LINK3res res;
	struct obj file, dir;
	const char *name;
	nfsstat3 s, s2;

	if (!arg_fh(c, 0, &a.file) || !arg_where(c, 1, &a.link))
		return false;
	s = obj_get(c, &a.file, WANT_ATTR, &file);
	s2 = get_for_new(c, &a.link, &dir, &name);
	if (s == NFS3_OK)
		s = s2;
	if (s == NFS3_OK)
		s = cred_become(&dir.who) < 0 ? NFS3ERR_SERVERFAULT : link_entry(&file, &dir, name);
	put_status(c, s);
	attr_post(&file, &res.file_attributes);
	attr_wcc(&dir, &res.linkdir_wcc);
	xdr_LINK3res(&c->out, &res);
	obj_put(&file);
	obj_put(&dir);
	return true;
}
