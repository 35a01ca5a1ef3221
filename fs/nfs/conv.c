#include "fs/nfs/conv.h"

#include <errno.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"

static const struct {
	uint32_t status;
	int err;
} statuses[] = {
	{NFS3_OK, 0},
	{NFS3ERR_PERM, EPERM},
	{NFS3ERR_NOENT, ENOENT},
	{NFS3ERR_IO, EIO},
	{NFS3ERR_NXIO, ENXIO},
	{NFS3ERR_ACCES, EACCES},
	{NFS3ERR_EXIST, EEXIST},
	{NFS3ERR_XDEV, EXDEV},
	{NFS3ERR_NODEV, ENODEV},
	{NFS3ERR_NOTDIR, ENOTDIR},
	{NFS3ERR_ISDIR, EISDIR},
	{NFS3ERR_INVAL, EINVAL},
	{NFS3ERR_FBIG, EFBIG},
	{NFS3ERR_NOSPC, ENOSPC},
	{NFS3ERR_ROFS, EROFS},
	{NFS3ERR_MLINK, EMLINK},
	{NFS3ERR_NAMETOOLONG, ENAMETOOLONG},
	{NFS3ERR_NOTEMPTY, ENOTEMPTY},
	{NFS3ERR_DQUOT, EDQUOT},
	{NFS3ERR_STALE, ESTALE},
	{NFS3ERR_REMOTE, EREMOTE},
	/* A handle that the server does not take as one of its own is as dead
	 * for the caller as one whose file is gone. */
	{NFS3ERR_BADHANDLE, ESTALE},
	/* The guard of SETATTR; callers that use one look at res.nfsstat. */
	{NFS3ERR_NOT_SYNC, EIO},
	/* The directory changed so much that the cookie means nothing: list it
	 * again from the beginning. */
	{NFS3ERR_BAD_COOKIE, ESTALE},
	{NFS3ERR_NOTSUPP, EOPNOTSUPP},
	{NFS3ERR_TOOSMALL, EIO},
	{NFS3ERR_SERVERFAULT, EIO},
	{NFS3ERR_BADTYPE, EINVAL},
	{NFS3ERR_JUKEBOX, EAGAIN},
};

int conv_status(uint32_t status, bool *ret_known)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status) {
			*ret_known = true;
			return -statuses[i].err;
		}
	*ret_known = false;
	return -EIO;
}

int64_t conv_time(const struct nfstime3 *t)
{
	return (int64_t)t->seconds * NS_PER_SEC + MIN_OF(t->nseconds, 999999999u);
}

struct nfstime3 conv_to_time(int64_t ns)
{
	if (ns < 0)
		return (struct nfstime3){0, 0};
	if (ns / NS_PER_SEC > UINT32_MAX)
		return (struct nfstime3){UINT32_MAX, 999999999u};
	return (struct nfstime3){(uint32_t)(ns / NS_PER_SEC), (uint32_t)(ns % NS_PER_SEC)};
}

bool conv_attr(const struct fattr3 *a, struct nfsio_attr *ret)
{
	if ((uint32_t)a->type < NFSIO_REG || (uint32_t)a->type > NFSIO_FIFO)
		return false;
	*ret = (struct nfsio_attr){
		.type = (uint32_t)a->type,
		.mode = a->mode & 07777, /* some servers send the type bits too */
		.nlink = a->nlink,
		.uid = a->uid,
		.gid = a->gid,
		.rdev_major = a->rdev.specdata1,
		.rdev_minor = a->rdev.specdata2,
		.size = a->size,
		.used = a->used,
		.fsid = a->fsid,
		.fileid = a->fileid,
		.atime_ns = conv_time(&a->atime),
		.mtime_ns = conv_time(&a->mtime),
		.ctime_ns = conv_time(&a->ctime),
	};
	return true;
}

bool conv_post_attr(const struct post_op_attr *a, struct nfsio_attr *ret)
{
	return a->attributes_follow && conv_attr(&a->post_op_attr_u.attributes, ret);
}

void conv_pre_attr(const struct pre_op_attr *a, struct nfsio_wcc *ret)
{
	ret->valid = a->attributes_follow;
	if (!ret->valid)
		return;
	const struct wcc_attr *w = &a->pre_op_attr_u.attributes;
	ret->size = w->size;
	ret->mtime_ns = conv_time(&w->mtime);
	ret->ctime_ns = conv_time(&w->ctime);
}

bool conv_handle(const char *data, uint32_t len, struct nfsio_fh *ret)
{
	if (len < 1 || len > NFSIO_FH_MAX)
		return false;
	ret->len = (uint8_t)len;
	memcpy(ret->data, data, len);
	return true;
}

struct nfs_fh3 conv_to_handle(const struct nfsio_fh *h)
{
	return (struct nfs_fh3){.data = {.data_len = h->len, .data_val = rpc_unconst(h->data)}};
}

void conv_to_sattr(const struct nfsio_sattr *s, struct sattr3 *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (s->set & NFSIO_SET_MODE) {
		ret->mode.set_it = 1;
		ret->mode.set_mode3_u.mode = s->mode & 07777;
	}
	if (s->set & NFSIO_SET_UID) {
		ret->uid.set_it = 1;
		ret->uid.set_uid3_u.uid = s->uid;
	}
	if (s->set & NFSIO_SET_GID) {
		ret->gid.set_it = 1;
		ret->gid.set_gid3_u.gid = s->gid;
	}
	if (s->set & NFSIO_SET_SIZE) {
		ret->size.set_it = 1;
		ret->size.set_size3_u.size = s->size;
	}
	if (s->set & NFSIO_SET_ATIME_NOW) {
		ret->atime.set_it = SET_TO_SERVER_TIME;
	} else if (s->set & NFSIO_SET_ATIME) {
		ret->atime.set_it = SET_TO_CLIENT_TIME;
		ret->atime.set_atime_u.atime = conv_to_time(s->atime_ns);
	}
	if (s->set & NFSIO_SET_MTIME_NOW) {
		ret->mtime.set_it = SET_TO_SERVER_TIME;
	} else if (s->set & NFSIO_SET_MTIME) {
		ret->mtime.set_it = SET_TO_CLIENT_TIME;
		ret->mtime.set_mtime_u.mtime = conv_to_time(s->mtime_ns);
	}
}

bool conv_name_ok(const char *name)
{
	size_t n = strnlen(name, 256);
	return n >= 1 && n <= 255 && !memchr(name, '/', n);
}
