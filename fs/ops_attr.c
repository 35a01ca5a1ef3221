/* SETATTR. A change by descriptor carries the opener's credential, one by path
 * the caller's. */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/fs_i.h"

static void setattr_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	if (c->res.has_attr) {
		node_attr_own_change(&r->fs->nodes, r->node, &c->res.before, &c->res.attr, c->res.start_ns);
		req_attr(r, r->node);
		return;
	}
	/* Post-op attributes are optional (RFC 1813 2.6), FUSE's reply is not. */
	r->changed = true;
	req_call(r, NFSIO_GETATTR, r->node);
	r->call.cred = c->cred;
	req_submit(r, setattr_done);
}

/* In a snapshot a change that changes nothing succeeds: tools set what is. */
static bool changes_something(struct fs *fs, struct node *n, const struct stat *want, int to_set)
{
	struct stat now;
	node_stat(fs, n, &now, false);
	return ((to_set & FUSE_SET_ATTR_MODE) && (want->st_mode & 07777) != (now.st_mode & 07777)) ||
	       ((to_set & FUSE_SET_ATTR_UID) && want->st_uid != now.st_uid) ||
	       ((to_set & FUSE_SET_ATTR_GID) && want->st_gid != now.st_gid) ||
	       (to_set & (FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME |
			  FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW));
}

void op_setattr(fuse_req_t fr, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct req *r = op_begin(fr);
	struct fs *fs = r->fs;
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	r->node = n;
	if (n->kind == NODE_SNAPOFF || (n->kind == NODE_FILE && space_is_snapshot(&fs->st.spaces[n->space]))) {
		if (!changes_something(fs, n, attr, to_set)) {
			req_attr(r, n);
			return;
		}
		ctl_walked(r, n->space);
		req_refuse(r, -EROFS, "a snapshot never changes");
		return;
	}
	if (node_is_virtual(n)) {
		req_refuse(r, -EPERM, "this is made by ontapfs: it has the owner and mode of its volume's root");
		return;
	}
	struct nfsio_call *c = req_call(r, NFSIO_SETATTR, n);
	const struct openrec *o = fi ? openrec_get(fs, fi->fh) : NULL;
	if (o)
		c->cred = o->cred;
	static const struct {
		int fuse;
		uint32_t nfs;
	} map[] = {
		{FUSE_SET_ATTR_MODE, NFSIO_SET_MODE}, {FUSE_SET_ATTR_UID, NFSIO_SET_UID},
		{FUSE_SET_ATTR_GID, NFSIO_SET_GID}, {FUSE_SET_ATTR_SIZE, NFSIO_SET_SIZE},
		{FUSE_SET_ATTR_ATIME_NOW, NFSIO_SET_ATIME_NOW}, {FUSE_SET_ATTR_MTIME_NOW, NFSIO_SET_MTIME_NOW},
	};
	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (to_set & map[i].fuse)
			c->sattr.set |= map[i].nfs;
	if ((to_set & FUSE_SET_ATTR_ATIME) && !(to_set & FUSE_SET_ATTR_ATIME_NOW))
		c->sattr.set |= NFSIO_SET_ATIME;
	if ((to_set & FUSE_SET_ATTR_MTIME) && !(to_set & FUSE_SET_ATTR_MTIME_NOW))
		c->sattr.set |= NFSIO_SET_MTIME;
	c->sattr.mode = attr->st_mode & 07777;
	c->sattr.uid = attr->st_uid;
	c->sattr.gid = attr->st_gid;
	c->sattr.size = (uint64_t)attr->st_size;
	c->sattr.atime_ns = clock_from_ts(&attr->st_atim);
	c->sattr.mtime_ns = clock_from_ts(&attr->st_mtim);
	r->changed = c->sattr.set != 0;
	/* Only ctime: the server sets it by itself. A size that a predecessor set
	 * must not cut off what was written since. */
	if (!c->sattr.set || req_was_answered(r))
		c->proc = NFSIO_GETATTR;
	req_submit(r, setattr_done);
}
