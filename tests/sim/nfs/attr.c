/*
 * Attributes: from the store to the client and back, and the one table from
 * errno to status.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/sim/nfs/call.h"
#include "tests/sim/nfs/unstable.h"

nfsstat3 status_of(int r)
{
	switch (-r) {
	case 0: return NFS3_OK;
	case EPERM: return NFS3ERR_PERM;
	case ENOENT: return NFS3ERR_NOENT;
	case EIO: return NFS3ERR_IO;
	case ENXIO: return NFS3ERR_NXIO;
	case EACCES: return NFS3ERR_ACCES;
	case EBUSY: return NFS3ERR_ACCES; /* version 3 has no code for "in use" */
	case ETXTBSY: return NFS3ERR_ACCES;
	case EEXIST: return NFS3ERR_EXIST;
	case EXDEV: return NFS3ERR_XDEV;
	case ENODEV: return NFS3ERR_NODEV;
	case ENOTDIR: return NFS3ERR_NOTDIR;
	case EISDIR: return NFS3ERR_ISDIR;
	case EINVAL: return NFS3ERR_INVAL;
	case ELOOP: return NFS3ERR_INVAL; /* O_NOFOLLOW met a symlink */
	case EFBIG: return NFS3ERR_FBIG;
	case EOVERFLOW: return NFS3ERR_FBIG;
	case ENOSPC: return NFS3ERR_NOSPC;
	case EROFS: return NFS3ERR_ROFS;
	case EMLINK: return NFS3ERR_MLINK;
	case ENAMETOOLONG: return NFS3ERR_NAMETOOLONG;
	case ENOTEMPTY: return NFS3ERR_NOTEMPTY;
	case EDQUOT: return NFS3ERR_DQUOT;
	case ESTALE: return NFS3ERR_STALE;
	case EOPNOTSUPP: return NFS3ERR_NOTSUPP;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN: return NFS3ERR_JUKEBOX; /* come again later */
	default: return NFS3ERR_SERVERFAULT;
	}
}

/* ---- file ids ------------------------------------------------------------------ */

/* Ids of things that are no inode lie above all inode numbers.  32-bit ids of a
 * FlexGroup collide, as they do when constituents number their files alone. */
#define ID_MOUNT   (UINT64_C(1) << 61)
#define ID_SNAPDIR (UINT64_C(1) << 62)

static uint64_t fit(const struct volume *vol, uint64_t id)
{
	return vol->ids32 ? (uint32_t)(id ^ id >> 32) : id;
}

uint64_t attr_fileid(const struct volume *vol, uint64_t ino)
{
	return vol->ids32 ? (uint32_t)(ino / 8) : ino;
}

uint64_t attr_mount_fileid(const struct volume *vol, uint64_t fsid)
{
	return fit(vol, ID_MOUNT | fsid);
}

uint64_t attr_snapdir_fileid(const struct volume *vol, uint64_t ino)
{
	return fit(vol, ID_SNAPDIR | ino);
}

/* ---- out ------------------------------------------------------------------------- */

static ftype3 type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return NF3DIR;
	case S_IFLNK: return NF3LNK;
	case S_IFBLK: return NF3BLK;
	case S_IFCHR: return NF3CHR;
	case S_IFSOCK: return NF3SOCK;
	case S_IFIFO: return NF3FIFO;
	default: return NF3REG;
	}
}

static nfstime3 time_of(const struct timespec *t)
{
	return (nfstime3){.seconds = (u_int)t->tv_sec, .nseconds = (u_int)t->tv_nsec};
}

void attr_of(const struct node *n, const struct stat *st, fattr3 *a)
{
	a->type = type_of(st->st_mode);
	a->mode = st->st_mode & 07777;
	a->nlink = (u_int)st->st_nlink;
	a->uid = st->st_uid;
	a->gid = st->st_gid;
	a->size = (u_quad_t)st->st_size;
	a->used = (u_quad_t)st->st_blocks * 512;
	a->rdev.specdata1 = major(st->st_rdev);
	a->rdev.specdata2 = minor(st->st_rdev);
	a->fsid = n->snap ? n->snap->fsid : n->vol->fsid;
	a->fileid = attr_fileid(n->vol, st->st_ino);
	a->atime = time_of(&st->st_atim);
	a->mtime = time_of(&st->st_mtim);
	a->ctime = time_of(&st->st_ctim);
	if (n->snapdir) {
		/* owner and group of the live directory, nobody may write */
		a->mode = st->st_mode & 0555;
		a->nlink = 2;
		a->size = a->used = 4096;
		a->fileid = attr_snapdir_fileid(n->vol, st->st_ino);
		a->mtime = time_of(&n->vol->snaps_changed);
		if (n->vol->snaps_changed.tv_sec >= st->st_ctim.tv_sec)
			a->ctime = a->mtime;
	}
}

void attr_known(const struct obj *o, post_op_attr *ret)
{
	ret->attributes_follow = o->ent != NULL;
	if (o->ent)
		attr_of(&o->n, &o->st, &ret->post_op_attr_u.attributes);
}

void attr_post(const struct obj *o, post_op_attr *ret)
{
	struct stat st;

	ret->attributes_follow = o->ent && fstat(o->fd, &st) == 0;
	if (ret->attributes_follow) {
		attr_pending(&o->n.k, &st);
		attr_of(&o->n, &st, &ret->post_op_attr_u.attributes);
	}
}

void attr_wcc(const struct obj *o, wcc_data *ret)
{
	ret->before.attributes_follow = o->ent != NULL;
	if (o->ent) {
		wcc_attr *b = &ret->before.pre_op_attr_u.attributes;

		b->size = (u_quad_t)o->st.st_size;
		b->mtime = time_of(&o->st.st_mtim);
		b->ctime = time_of(&o->st.st_ctim);
	}
	attr_post(o, &ret->after);
}

void attr_pending(const struct kfh *k, struct stat *st)
{
	if (S_ISREG(st->st_mode))
		unstable_stat(k, st);
}

/* ---- in ---------------------------------------------------------------------------- */

static struct timespec time_in(const set_time *t)
{
	struct timespec ts = {.tv_sec = 0, .tv_nsec = UTIME_OMIT};

	if (t->set_it == SET_TO_SERVER_TIME) {
		ts.tv_nsec = UTIME_NOW;
	} else if (t->set_it == SET_TO_CLIENT_TIME) {
		ts.tv_sec = t->set_time_u.time.seconds;
		ts.tv_nsec = t->set_time_u.time.nseconds;
	}
	return ts;
}

/* Who may write may set the times to now.  The kernel gives that right only for both
 * at once; a client that truncates sends one of them alone.  May leave the thread
 * acting as root. */
static int set_times(int fd, const struct timespec ts[2])
{
	int r;

	if (utimensat(fd, "", ts, AT_EMPTY_PATH) == 0)
		return 0;
	r = -errno;
	for (int i = 0; i < 2; i++)
		if (ts[i].tv_nsec != UTIME_NOW && ts[i].tv_nsec != UTIME_OMIT)
			return r;
	if (r != -EPERM || fd_access(fd, W_OK) < 0)
		return r;
	cred_root();
	return utimensat(fd, "", ts, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int attr_apply(int fd, int file_fd, const sattr3 *a, bool skip_mode)
{
	if (a->size.set_it) {
		if (a->size.set_size3_u.size > INT64_MAX)
			return -EFBIG;
		if (ftruncate(file_fd, (off_t)a->size.set_size3_u.size) < 0)
			return -errno;
	}
	/* owner before mode: a change of owner clears the setuid bits */
	if (a->uid.set_it || a->gid.set_it) {
		uid_t uid = a->uid.set_it ? a->uid.set_uint32_u.val : (uid_t)-1;
		gid_t gid = a->gid.set_it ? a->gid.set_uint32_u.val : (gid_t)-1;

		if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
			return -errno;
	}
	if (a->mode.set_it && !skip_mode) {
		char path[40];

		/* fchmod() refuses an O_PATH descriptor, its /proc name does not */
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (chmod(path, a->mode.set_uint32_u.val & 07777) < 0)
			return -errno;
	}
	if (a->atime.set_it != DONT_CHANGE || a->mtime.set_it != DONT_CHANGE) {
		struct timespec ts[2] = {time_in(&a->atime), time_in(&a->mtime)};

		for (int i = 0; i < 2; i++)
			if (ts[i].tv_nsec > 999999999 && ts[i].tv_nsec != UTIME_NOW && ts[i].tv_nsec != UTIME_OMIT)
				return -EINVAL;
		return set_times(fd, ts);
	}
	return 0;
}
