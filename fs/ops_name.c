/* Operations on names: create, make, link, unlink; ops_rename.c has rename.
 *
 * What must not happen twice is prepared: before REMOVE, RMDIR and RENAME the
 * target's handle is looked up and written into the slot's intent record;
 * CREATE (GUARDED), MKDIR and MKNOD set an atime whose nanoseconds are a nonce.
 *
 * When the answer to one that makes something is lost, it is sent again: "it
 * exists" with our nonce means that the first one did it. One that takes a name
 * away could then meet what another host has made of that name meanwhile. So it
 * is not sent again before a LOOKUP showed that the name still stands for its
 * target: gone, or another's handle, means that it was done. */
#include "fs/ops_name.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "fs/base/clock.h"
#include "fs/fs_i.h"

/* ---- where names may change ------------------------------------------------------- */

/* Is a directory one whose names the server keeps and lets us change? If not,
 * replies with the table's error and returns false. */
static bool may_change(struct req *r, struct node *dir, const char *name)
{
	struct fs *fs = r->fs;
	if (strlen(name) > 255) {
		req_err(r, -ENAMETOOLONG);
		return false;
	}
	if (dir->kind == NODE_SNAPOFF ||
	    (dir->kind == NODE_FILE && space_is_snapshot(&fs->st.spaces[dir->space]))) {
		ctl_walked(r, dir->space);
		req_refuse(r, -EROFS, "a snapshot never changes; make a clone or copy the file out");
		return false;
	}
	if (node_is_virtual(dir)) {
		const char *where = dir->kind == NODE_ROOT ? "the root lists volumes and links to clones"
				    : dir->kind == NODE_SNAPDIR
					    ? ".snapshots holds snapshots: mkdir, rmdir and mv in place"
				    : dir->kind == NODE_CLONEDIR ? ".clones holds the clones of this volume"
				    : "this directory is made by ontapfs";
		req_refuse(r, -EPERM, "not possible here: %s", where);
		return false;
	}
	if (node_is_space_root(fs, dir) && tree_is_reserved(fs, name)) {
		req_refuse(r, -EPERM, "%s is a name of ontapfs in a volume's root", name);
		return false;
	}
	return true;
}

struct nfsio_call *name_call(struct req *r, enum nfsio_proc proc, struct node *dir, const char *name)
{
	struct nfsio_call *c = req_call(r, proc, dir);
	c->name = name;
	return c;
}

void name_submit_once(struct req *r, nfsio_done_fn done)
{
	r->call.look_first = true;
	req_submit(r, done);
}

void name_look(struct req *r, nfsio_done_fn looked)
{
	r->lost = r->changed = true;
	name_call(r, NFSIO_LOOKUP, r->node, r->name);
	req_submit(r, looked);
}

bool name_still_there(struct req *r, const struct nfsio_call *c)
{
	return c->res.err == 0 && fh_same(&c->res.fh, &r->note->intent.target);
}

bool name_gone_by_us(const struct req *r, const struct nfsio_call *c)
{
	return c->res.err == -ENOENT && (r->lost || c->res.resent || r->replay);
}

void name_after_dir(struct req *r, const struct nfsio_call *c)
{
	if (c->res.has_dir_attr && r->node)
		node_attr_own_change(&r->fs->nodes, r->node, &c->res.before, &c->res.dir_attr, c->res.start_ns);
}

/* ---- make something new ------------------------------------------------------------- */

/* Replies with the new object; a CREATE also opens it. */
static void made(struct req *r, const struct nfsio_fh *fh, const struct nfsio_attr *a, int64_t stamp)
{
	struct node *n = req_make_node(r, r->node->space, fh, a, stamp);
	if (!n) {
		req_err(r, -ENFILE);
		return;
	}
	if (r->opcode != FUSE_CREATE) {
		req_entry(r, n, -1);
		return;
	}
	struct nfsio_cred cred;
	caller_cred(req_caller(r), a->gid, &cred);
	if (!req_make_open(r, n, &cred)) {
		node_forget(&r->fs->nodes, atomic_load(&n->nodeid), 1);
		req_err(r, -ENFILE);
		return;
	}
	r->fi.direct_io = (r->fi.flags & O_APPEND) != 0;
	req_create(r, n);
}

static void made_readlink(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == 0 && strcmp(c->res.target, r->name2) == 0)
		made(r, &r->fh, &r->attr, r->attr_stamp);
	else
		req_err(r, -EEXIST);
}

static void made_looked_up(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	bool ours = c->res.err == 0 && c->res.has_attr;
	if (r->has_target && ours && r->opcode == FUSE_SYMLINK) {
		/* A symlink keeps no nonce: ours is the one that says the same. */
		r->fh = c->res.fh;
		r->attr = c->res.attr;
		r->attr_stamp = c->res.start_ns;
		struct nfsio_call *n = req_call(r, NFSIO_READLINK, NULL);
		n->fh = r->fh;
		req_submit(r, made_readlink);
		return;
	}
	/* Looking because of an EEXIST to a call that was sent twice: only the
	 * nonce makes it ours. */
	if (r->has_target && ours && c->res.attr.atime_ns != r->note->intent.nonce_ns)
		ours = false;
	if (ours)
		made(r, &c->res.fh, &c->res.attr, c->res.start_ns);
	else
		req_err(r, r->has_target ? -EEXIST : c->res.err ? c->res.err : -EIO);
}

static void made_lookup(struct req *r, bool because_exists)
{
	r->has_target = because_exists;
	r->changed = true;
	name_call(r, NFSIO_LOOKUP, r->node, r->name);
	req_submit(r, made_looked_up);
}

static void make_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	name_after_dir(r, c);
	if (c->res.err == -EEXIST && (c->res.resent || r->replay))
		made_lookup(r, true);
	else if (c->res.err == -EEXIST && r->opcode == FUSE_CREATE && !(r->fi.flags & O_EXCL))
		/* Somebody was faster: the VFS looks up again and opens that file. */
		req_err(r, -ESTALE);
	else if (c->res.err)
		req_err(r, c->res.err);
	else if (c->res.has_fh && c->res.has_attr)
		made(r, &c->res.fh, &c->res.attr, c->res.start_ns);
	else
		made_lookup(r, false); /* handle and attributes are optional (RFC 1813 3.3.8) */
}

/* The mode, and the nonce that makes the object recognisable as ours. */
static void make_submit(struct req *r, struct nfsio_call *c, mode_t mode)
{
	if (req_was_answered(r)) {
		made_lookup(r, true);
		return;
	}
	/* A second run must recognise what the first one made. */
	int64_t nonce = req_was_sent(r) ? r->note->intent.nonce_ns : clock_wall_ns();
	c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_MODE | NFSIO_SET_ATIME, .mode = mode & 07777,
					.atime_ns = nonce};
	r->note->intent.nonce_ns = nonce;
	req_intend(r);
	req_submit(r, make_done);
}

/* Is r->name one that can be made in r->node? Replies when not. */
static bool may_make(struct req *r)
{
	if (!may_change(r, r->node, r->name))
		return false;
	if (!nodes_full(&r->fs->nodes))
		return true;
	/* Before anything is made that could not be named then. */
	req_refuse(r, -ENFILE, "the table of inodes is full (max_nodes)");
	return false;
}

/* r->node becomes the directory. False: replied; the slot may be another
 * worker's by then, so r is not touched any more. */
static bool begin_in(struct req *r, fuse_ino_t parent)
{
	struct node *n = req_node(r, parent);
	if (n)
		r->node = n;
	return n;
}

static struct req *make_begin(fuse_req_t fr, fuse_ino_t parent, const char *name)
{
	struct req *r = op_begin(fr);
	r->name = name;
	return begin_in(r, parent) && may_make(r) ? r : NULL;
}

void op_create(fuse_req_t fr, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct req *r = make_begin(fr, parent, name);
	if (!r)
		return;
	r->fi = *fi;
	struct nfsio_call *c = name_call(r, NFSIO_CREATE, r->node, name);
	c->createmode = NFSIO_GUARDED;
	make_submit(r, c, mode);
}

void op_mknod(fuse_req_t fr, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct req *r = make_begin(fr, parent, name);
	if (!r)
		return;
	struct nfsio_call *c;
	if (S_ISREG(mode)) {
		c = name_call(r, NFSIO_CREATE, r->node, name);
		c->createmode = NFSIO_GUARDED;
	} else {
		c = name_call(r, NFSIO_MKNOD, r->node, name);
		c->mk_type = S_ISBLK(mode) ? NFSIO_BLK : S_ISCHR(mode) ? NFSIO_CHR :
			     S_ISSOCK(mode) ? NFSIO_SOCK : NFSIO_FIFO;
		c->rdev_major = major(rdev);
		c->rdev_minor = minor(rdev);
	}
	make_submit(r, c, mode);
}

void op_mkdir(fuse_req_t fr, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct req *r = op_begin(fr);
	r->name = name;
	if (!begin_in(r, parent))
		return;
	if (r->node->kind == NODE_SNAPDIR) {
		ctl_snapshot_create(r);
		return;
	}
	if (r->node->kind == NODE_CLONEDIR)
		clone_by_mkdir(r);
	else if (r->node->kind == NODE_ROOT && (r->fs->p.allow & 1u << FS_VOLUME_CREATE))
		volume_create(r);
	else if (may_make(r))
		make_submit(r, name_call(r, NFSIO_MKDIR, r->node, name), mode);
}

void op_symlink(fuse_req_t fr, const char *target, fuse_ino_t parent, const char *name)
{
	struct req *r = op_begin(fr);
	r->name = name;
	r->name2 = target;
	if (!begin_in(r, parent))
		return;
	if (r->node->kind == NODE_ROOT || r->node->kind == NODE_CLONEDIR) {
		clone_by_link(r);
		return;
	}
	if (!may_make(r))
		return;
	if (req_was_answered(r)) {
		made_lookup(r, true);
		return;
	}
	struct nfsio_call *c = name_call(r, NFSIO_SYMLINK, r->node, name);
	c->name2 = target;
	c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_MODE, .mode = 0777};
	req_intend(r);
	req_submit(r, make_done);
}

/* ---- LINK ------------------------------------------------------------------------------- */

static void linked(struct req *r, const struct nfsio_attr *a, int64_t stamp)
{
	struct node *n = req_make_node(r, r->node2->space, &r->node2->fh, a, stamp);
	if (n)
		req_entry(r, n, -1);
	else
		req_err(r, -ENFILE);
}

static void link_attr(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err)
		req_err(r, c->res.err);
	else
		linked(r, &c->res.attr, c->res.start_ns);
}

/* EEXIST to a call that was sent twice: ours when the name is this file. */
static void link_exists(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == 0 && c->res.has_attr && c->res.fh.len == r->node2->fh.len &&
	    memcmp(c->res.fh.data, r->node2->fh.data, c->res.fh.len) == 0)
		linked(r, &c->res.attr, c->res.start_ns);
	else
		req_err(r, -EEXIST);
}

static void link_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	name_after_dir(r, c);
	if (c->res.err == -EEXIST && (c->res.resent || r->replay)) {
		name_call(r, NFSIO_LOOKUP, r->node, r->name);
		req_submit(r, link_exists);
	} else if (c->res.err) {
		req_err(r, c->res.err);
	} else if (c->res.has_attr) {
		linked(r, &c->res.attr, c->res.start_ns);
	} else {
		r->changed = true;
		req_call(r, NFSIO_GETATTR, r->node2);
		req_submit(r, link_attr);
	}
}

void op_link(fuse_req_t fr, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	struct req *r = op_begin(fr);
	struct node *file = req_node(r, ino);
	struct node *dir = file ? req_node(r, newparent) : NULL;
	if (!dir)
		return;
	r->node = dir;
	r->node2 = file;
	r->name = newname;
	if (!may_change(r, dir, newname))
		return;
	if (fileclone_wanted(r->fs, file, dir)) {
		fileclone_link(r);
		return;
	}
	if (file->space != dir->space || node_is_virtual(file)) {
		req_err(r, -EXDEV);
		return;
	}
	if (req_was_answered(r)) {
		name_call(r, NFSIO_LOOKUP, dir, newname);
		req_submit(r, link_exists);
		return;
	}
	struct nfsio_call *c = req_call(r, NFSIO_LINK, file);
	c->fh2.len = dir->fh.len;
	memcpy(c->fh2.data, dir->fh.data, dir->fh.len);
	c->name = newname;
	req_intend(r);
	req_submit(r, link_done);
}

/* ---- UNLINK and RMDIR ---------------------------------------------------------------------- */

struct node *name_known_node(struct req *r, uint32_t space, const struct nfsio_fh *fh,
			       const struct nfsio_attr *a)
{
	struct node_key k = {.space = space, .kind = NODE_FILE, .fh = *fh};
	uint64_t id = node_find(&r->fs->nodes, &k, node_ino(&r->fs->st.spaces[space], a->fileid, fh));
	return id ? node_by_id(&r->fs->nodes, id) : NULL;
}

bool name_must_stay(const struct req *r, const struct node *n, const struct nfsio_attr *a)
{
	if (!n || a->type != NFSIO_REG)
		return false;
	if (r->replay && silly_begun(r->fs, n))
		return true;
	return atomic_load(&n->opens) > 0 && (a->nlink <= 1 || a->nlink <= 1 + private_links_of(r->fs, n));
}

static void removed(struct req *r)
{
	if (r->note->intent.nodeid)
		/* The link count of what else names it has changed. */
		notify_attr(r->fs->p.fuse_fd, r->note->intent.nodeid);
	req_err(r, 0);
}

static void remove_submit(struct req *r);

static void remove_looked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (name_still_there(r, c))
		remove_submit(r);
	else if (c->res.err && c->res.err != -ENOENT)
		req_err(r, c->res.err);
	else
		removed(r);
}

static void remove_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == NFSIO_LOST) {
		name_look(r, remove_looked);
		return;
	}
	name_after_dir(r, c);
	if (c->res.err == 0 || name_gone_by_us(r, c))
		removed(r);
	else
		req_err(r, c->res.err);
}

static void remove_submit(struct req *r)
{
	name_call(r, r->opcode == FUSE_RMDIR ? NFSIO_RMDIR : NFSIO_REMOVE, r->node, r->name);
	name_submit_once(r, remove_done);
}

static void silly_submit(struct req *r);

/* Gone from its name: by us, if it stands under its .nfsX. */
static void silly_verified(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (!name_still_there(r, c)) {
		req_err(r, c->res.err ? c->res.err : -ENOENT);
		return;
	}
	struct silly *s = silly_ready(r->fs, steal_ptr(r->silly));
	if (s)
		silly_remove(r, s);
	else
		req_err(r, 0);
}

static void silly_verify(struct req *r)
{
	r->changed = true;
	name_call(r, NFSIO_LOOKUP, r->node, r->silly->name);
	req_submit(r, silly_verified);
}

static void silly_looked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (name_still_there(r, c))
		silly_submit(r);
	else
		silly_verify(r);
}

static void silly_renamed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == NFSIO_LOST) {
		name_look(r, silly_looked);
		return;
	}
	if (name_gone_by_us(r, c)) {
		silly_verify(r);
		return;
	}
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	struct silly *s = silly_ready(r->fs, steal_ptr(r->silly));
	if (s)
		silly_remove(r, s);
	else
		req_err(r, 0);
}

static void silly_submit(struct req *r)
{
	struct nfsio_call *n = name_call(r, NFSIO_RENAME, r->node, r->name);
	n->fh2 = r->silly->dir;
	n->name2 = r->silly->name;
	name_submit_once(r, silly_renamed);
}

bool name_done_by_predecessor(struct req *r, const struct nfsio_call *c)
{
	return req_was_sent(r) && (c->res.err == -ENOENT ||
				   (c->res.err == 0 && !fh_same(&c->res.fh, &r->note->intent.target)));
}

void name_end_predecessors(struct req *r)
{
	struct silly *s = silly_made_by_predecessor(r->fs, r->note->intent.nodeid);
	if (s)
		silly_remove(r, s);
	else
		req_err(r, 0);
}

bool name_is_silly(struct req *r, const struct node *n, const struct node *dir, const char *name)
{
	struct nfsio_fh fh = {.len = dir->fh.len};
	memcpy(fh.data, dir->fh.data, fh.len);
	if (!n || !silly_is(r->fs, n, &fh, name))
		return false;
	req_refuse(r, -EBUSY, "%s is an unlinked file that is still open; it goes when it is closed", name);
	return true;
}

static void remove_target(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (name_done_by_predecessor(r, c)) {
		name_end_predecessors(r);
		return;
	}
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	struct nfsio_attr a = c->res.attr;
	if (c->res.has_attr && a.fsid != r->fs->st.spaces[r->node->space].fsid) {
		req_refuse(r, -EPERM, "%s is a junction of another volume", r->name);
		return;
	}
	r->node2 = c->res.has_attr ? name_known_node(r, r->node->space, &c->res.fh, &a) : NULL;
	r->note->intent.target = c->res.fh;
	r->note->intent.nodeid = r->node2 ? atomic_load(&r->node2->nodeid) : 0;
	if (name_is_silly(r, r->node2, r->node, r->name))
		return;
	req_intend(r);
	if (r->opcode == FUSE_RMDIR || !name_must_stay(r, r->node2, &a)) {
		remove_submit(r);
		return;
	}
	struct nfsio_call *n = name_call(r, NFSIO_RENAME, r->node, r->name);
	r->silly = silly_new(r->fs, r->node2, &n->fh, &n->cred);
	if (r->silly)
		silly_submit(r);
	else
		req_err(r, -ENFILE);
}

void op_unlink(fuse_req_t fr, fuse_ino_t parent, const char *name)
{
	struct req *r = make_begin(fr, parent, name);
	if (!r)
		return;
	name_call(r, NFSIO_LOOKUP, r->node, name);
	req_submit(r, remove_target);
}

void op_rmdir(fuse_req_t fr, fuse_ino_t parent, const char *name)
{
	struct req *r = op_begin(fr);
	r->name = name;
	if (!begin_in(r, parent))
		return;
	if (r->node->kind == NODE_SNAPDIR) {
		ctl_snapshot_delete(r);
		return;
	}
	if (r->node->kind == NODE_CLONEDIR) {
		clone_delete(r);
		return;
	}
	if (r->node->kind == NODE_ROOT) {
		volume_delete(r);
		return;
	}
	if (!may_change(r, r->node, name))
		return;
	name_call(r, NFSIO_LOOKUP, r->node, name);
	req_submit(r, remove_target);
}
