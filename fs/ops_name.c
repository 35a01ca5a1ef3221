/* Operations on names: create, make, link, unlink, rename.
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
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
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

static struct nfsio_call *call_dir(struct req *r, enum nfsio_proc proc, struct node *dir, const char *name)
{
	struct nfsio_call *c = req_call(r, proc, dir);
	c->name = name;
	return c;
}

static bool same_fh(const struct nfsio_fh *a, const struct nfsio_fh *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Submits one that takes r->name in r->node away from intent.target. */
static void submit_once(struct req *r, nfsio_done_fn done)
{
	r->call.look_first = true;
	req_submit(r, done);
}

/* Whether it was done is not known: what does its name stand for now? */
static void look(struct req *r, nfsio_done_fn looked)
{
	r->lost = r->changed = true;
	call_dir(r, NFSIO_LOOKUP, r->node, r->name);
	req_submit(r, looked);
}

/* After look(): was it not done, so that it is to be sent again? */
static bool still_there(struct req *r, const struct nfsio_call *c)
{
	return c->res.err == 0 && same_fh(&c->res.fh, &r->note->intent.target);
}

/* The answer of a second run says "gone": did the first one do it? */
static bool gone_by_us(const struct req *r, const struct nfsio_call *c)
{
	return c->res.err == -ENOENT && (r->lost || c->res.resent || r->replay);
}

static void after_dir(struct req *r, const struct nfsio_call *c)
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
	call_dir(r, NFSIO_LOOKUP, r->node, r->name);
	req_submit(r, made_looked_up);
}

static void make_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	after_dir(r, c);
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
	struct nfsio_call *c = call_dir(r, NFSIO_CREATE, r->node, name);
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
		c = call_dir(r, NFSIO_CREATE, r->node, name);
		c->createmode = NFSIO_GUARDED;
	} else {
		c = call_dir(r, NFSIO_MKNOD, r->node, name);
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
		make_submit(r, call_dir(r, NFSIO_MKDIR, r->node, name), mode);
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
	struct nfsio_call *c = call_dir(r, NFSIO_SYMLINK, r->node, name);
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
	after_dir(r, c);
	if (c->res.err == -EEXIST && (c->res.resent || r->replay)) {
		call_dir(r, NFSIO_LOOKUP, r->node, r->name);
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
		call_dir(r, NFSIO_LOOKUP, dir, newname);
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

/* The node of what a LOOKUP found, if the kernel knows it. */
static struct node *known_node(struct req *r, uint32_t space, const struct nfsio_fh *fh,
			       const struct nfsio_attr *a)
{
	struct node_key k = {.space = space, .kind = NODE_FILE, .fh = *fh};
	uint64_t id = node_find(&r->fs->nodes, &k, node_ino(&r->fs->st.spaces[space], a->fileid, fh));
	return id ? node_by_id(&r->fs->nodes, id) : NULL;
}

/* Private names are no names: they go in a moment. What a predecessor began is
 * ended its way: its .nfsX may be there already. */
static bool must_stay(const struct req *r, const struct node *n, const struct nfsio_attr *a)
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
	if (still_there(r, c))
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
		look(r, remove_looked);
		return;
	}
	after_dir(r, c);
	if (c->res.err == 0 || gone_by_us(r, c))
		removed(r);
	else
		req_err(r, c->res.err);
}

static void remove_submit(struct req *r)
{
	call_dir(r, r->opcode == FUSE_RMDIR ? NFSIO_RMDIR : NFSIO_REMOVE, r->node, r->name);
	submit_once(r, remove_done);
}

static void silly_submit(struct req *r);

/* Gone from its name: by us, if it stands under its .nfsX. */
static void silly_verified(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (!still_there(r, c)) {
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
	call_dir(r, NFSIO_LOOKUP, r->node, r->silly->name);
	req_submit(r, silly_verified);
}

static void silly_looked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (still_there(r, c))
		silly_submit(r);
	else
		silly_verify(r);
}

static void silly_renamed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == NFSIO_LOST) {
		look(r, silly_looked);
		return;
	}
	if (gone_by_us(r, c)) {
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
	struct nfsio_call *n = call_dir(r, NFSIO_RENAME, r->node, r->name);
	n->fh2 = r->silly->dir;
	n->name2 = r->silly->name;
	submit_once(r, silly_renamed);
}

/* On a second run: is the name gone, or another object's, because the first
 * run did it? Then there is nothing left to touch. */
static bool done_by_predecessor(struct req *r, const struct nfsio_call *c)
{
	return req_was_sent(r) && (c->res.err == -ENOENT ||
				   (c->res.err == 0 && !same_fh(&c->res.fh, &r->note->intent.target)));
}

/* Replies to it. What was open stands under its .nfsX name until the last
 * close, which may have been before this. */
static void end_predecessors(struct req *r)
{
	struct silly *s = silly_made_by_predecessor(r->fs, r->note->intent.nodeid);
	if (s)
		silly_remove(r, s);
	else
		req_err(r, 0);
}

/* rm and mv of a .nfsX itself: busy, as with other NFS clients, until the file
 * is closed. */
static bool is_silly_name(struct req *r, const struct node *n, const struct node *dir, const char *name)
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
	if (done_by_predecessor(r, c)) {
		end_predecessors(r);
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
	r->node2 = c->res.has_attr ? known_node(r, r->node->space, &c->res.fh, &a) : NULL;
	r->note->intent.target = c->res.fh;
	r->note->intent.nodeid = r->node2 ? atomic_load(&r->node2->nodeid) : 0;
	if (is_silly_name(r, r->node2, r->node, r->name))
		return;
	req_intend(r);
	if (r->opcode == FUSE_RMDIR || !must_stay(r, r->node2, &a)) {
		remove_submit(r);
		return;
	}
	struct nfsio_call *n = call_dir(r, NFSIO_RENAME, r->node, r->name);
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
	call_dir(r, NFSIO_LOOKUP, r->node, name);
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
	call_dir(r, NFSIO_LOOKUP, r->node, name);
	req_submit(r, remove_target);
}

/* ---- RENAME ----------------------------------------------------------------------------------- */

/* Steps: look up the source, look up what it would replace, keep that one
 * alive by a .nfsX link if it is open here, rename. With RENAME_NOREPLACE:
 * LINK and REMOVE, since NFSv3's RENAME always replaces. */

/* Ended well: the replaced file's .nfsX is the only name it has left. */
static void rename_succeeded(struct req *r)
{
	struct silly *s = r->silly ? silly_ready(r->fs, steal_ptr(r->silly)) : NULL;
	if (s)
		silly_remove(r, s);
	else
		req_err(r, 0);
}

static void rename_undone(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	req_err(r, (int)r->step);
}

/* The replaced file stays: its second name is taken away again. */
static void rename_failed(struct req *r, int err)
{
	if (!r->silly) {
		req_err(r, err);
		return;
	}
	r->step = (uint32_t)err;
	r->changed = true;
	struct nfsio_call *n = req_call(r, NFSIO_REMOVE, NULL);
	n->cred = r->silly->cred;
	n->fh = r->silly->dir;
	n->name = r->silly->name;
	req_submit(r, rename_undone);
}

static void rename_verified(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == 0 && same_fh(&c->res.fh, &r->note->intent.target))
		rename_succeeded(r);
	else
		rename_failed(r, -ENOENT);
}

/* Gone from its old name: ours, if it stands under the new one. */
static void rename_verify(struct req *r)
{
	r->changed = true;
	call_dir(r, NFSIO_LOOKUP, r->to, r->name2);
	req_submit(r, rename_verified);
}

static void rename_submit(struct req *r);

static void rename_looked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (still_there(r, c))
		rename_submit(r);
	else
		rename_verify(r);
}

static void rename_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == NFSIO_LOST) {
		look(r, rename_looked);
		return;
	}
	if (gone_by_us(r, c)) {
		rename_verify(r);
		return;
	}
	if (c->res.err) {
		rename_failed(r, c->res.err);
		return;
	}
	after_dir(r, c);
	if (c->res.has_dir2_attr)
		node_attr_put(&r->fs->nodes, r->to, &c->res.dir2_attr, c->res.start_ns);
	rename_succeeded(r);
}

static void rename_submit(struct req *r)
{
	const struct node *to = r->to;
	struct nfsio_call *c = call_dir(r, NFSIO_RENAME, r->node, r->name);
	c->fh2.len = to->fh.len;
	memcpy(c->fh2.data, to->fh.data, to->fh.len);
	c->name2 = r->name2;
	req_intend(r);
	submit_once(r, rename_done);
}

static void rename_kept(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == -EEXIST && (c->res.resent || r->replay))
		c->res.err = 0; /* the name is nobody's but ours */
	if (c->res.err == -EOPNOTSUPP || c->res.err == -EMLINK)
		/* No second name to be had: the open file loses its data, as with any
		 * client of such a server. */
		silly_drop(r->fs, steal_ptr(r->silly));
	else if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	rename_submit(r);
}

/* RENAME_NOREPLACE: LINK, then REMOVE of the source. */

static void noreplace_undone(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	req_err(r, (int)r->step);
}

static void noreplace_remove(struct req *r);

static void noreplace_looked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (still_there(r, c))
		noreplace_remove(r);
	else
		req_err(r, 0);
}

static void noreplace_removed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == NFSIO_LOST) {
		look(r, noreplace_looked);
		return;
	}
	after_dir(r, c);
	if (c->res.err == 0 || gone_by_us(r, c)) {
		req_err(r, 0);
		return;
	}
	/* The source must stay (a sticky directory): then so must not the new name. */
	r->step = (uint32_t)c->res.err;
	call_dir(r, NFSIO_REMOVE, r->to, r->name2);
	req_submit(r, noreplace_undone);
}

static void noreplace_remove(struct req *r)
{
	r->changed = true;
	call_dir(r, NFSIO_REMOVE, r->node, r->name);
	submit_once(r, noreplace_removed);
}

static void noreplace_verified(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == 0 && same_fh(&c->res.fh, &r->note->intent.target))
		noreplace_remove(r);
	else
		req_err(r, -EEXIST);
}

static void noreplace_linked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == -EEXIST && (c->res.resent || r->has_target2)) {
		/* Sent twice: ours only if the name is this very file. */
		r->changed = true;
		call_dir(r, NFSIO_LOOKUP, r->to, r->name2);
		req_submit(r, noreplace_verified);
	} else if (c->res.err) {
		req_err(r, c->res.err);
	} else {
		noreplace_remove(r);
	}
}

static void rename_target2(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct node *to = r->to;
	if (c->res.err && c->res.err != -ENOENT) {
		req_err(r, c->res.err);
		return;
	}
	bool exists = c->res.err == 0;
	bool itself = exists && same_fh(&r->note->intent.target, &c->res.fh);
	struct nfsio_attr a = c->res.attr;
	r->note->intent.target2.len = 0;
	if (exists)
		r->note->intent.target2 = c->res.fh;
	if (r->flags & RENAME_NOREPLACE) {
		if (exists && !(itself && r->has_target2)) {
			req_err(r, -EEXIST);
			return;
		}
		if (r->attr.type == NFSIO_DIR) {
			req_refuse(r, -EINVAL, "NFSv3 cannot rename a directory without replacing");
			return;
		}
		struct nfsio_call *n = req_call(r, NFSIO_LINK, NULL);
		n->fh = r->note->intent.target;
		n->fh2.len = to->fh.len;
		memcpy(n->fh2.data, to->fh.data, to->fh.len);
		n->name = r->name2;
		req_intend(r);
		req_submit(r, noreplace_linked);
		return;
	}
	r->node2 = exists && c->res.has_attr ? known_node(r, to->space, &c->res.fh, &a) : NULL;
	r->note->intent.nodeid = r->node2 ? atomic_load(&r->node2->nodeid) : 0;
	if (itself || !must_stay(r, r->node2, &a)) {
		rename_submit(r);
		return;
	}
	struct nfsio_call *n = req_call(r, NFSIO_LINK, r->node2);
	n->fh2.len = to->fh.len;
	memcpy(n->fh2.data, to->fh.data, to->fh.len);
	r->silly = silly_new(r->fs, r->node2, &n->fh2, &n->cred);
	if (!r->silly) {
		req_err(r, -ENFILE);
		return;
	}
	n->name = r->silly->name;
	req_intend(r);
	req_submit(r, rename_kept);
}

static void rename_target(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (done_by_predecessor(r, c)) {
		end_predecessors(r);
		return;
	}
	r->has_target2 = req_was_sent(r); /* half of LINK and REMOVE may be done */
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	if (c->res.has_attr && c->res.attr.fsid != r->fs->st.spaces[r->node->space].fsid) {
		req_refuse(r, -EPERM, "%s is a junction of another volume", r->name);
		return;
	}
	if (c->res.has_attr &&
	    is_silly_name(r, known_node(r, r->node->space, &c->res.fh, &c->res.attr), r->node, r->name))
		return;
	r->note->intent.target = c->res.fh;
	r->attr = c->res.attr;
	call_dir(r, NFSIO_LOOKUP, r->to, r->name2);
	req_submit(r, rename_target2);
}

static bool is_frozen(const struct fs *fs, const struct node *n)
{
	return n->kind == NODE_SNAPOFF ||
	       (n->kind == NODE_FILE && space_is_snapshot(&fs->st.spaces[n->space]));
}

void op_rename(fuse_req_t fr, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned int flags)
{
	struct req *r = op_begin(fr);
	struct fs *fs = r->fs;
	struct node *from = req_node(r, parent);
	struct node *to = from ? req_node(r, newparent) : NULL;
	if (!to)
		return;
	r->node = from;
	r->node2 = to;
	r->name = name;
	r->name2 = newname;
	r->flags = flags;
	if (from->kind == NODE_SNAPDIR && from == to) {
		ctl_snapshot_rename(r); /* knows what to say to flags */
	} else if (flags & ~(unsigned)RENAME_NOREPLACE) {
		req_err(r, -EINVAL);
	} else if (is_frozen(fs, from) && !is_frozen(fs, to)) {
		/* Not EROFS and never EXDEV: mv would start to copy. */
		ctl_walked(r, from->space);
		req_refuse(r, -EPERM, "nothing moves out of a snapshot; copy it");
	} else if (is_frozen(fs, to)) {
		ctl_walked(r, to->space);
		req_refuse(r, -EROFS, "a snapshot never changes");
	} else if (node_is_virtual(from) || node_is_virtual(to)) {
		req_refuse(r, -EPERM, from->kind == NODE_SNAPDIR || to->kind == NODE_SNAPDIR
			   ? "a snapshot cannot leave .snapshots, and nothing can move in: it is a view of its volume; "
			     "make a clone (ln -s) or copy (cp -a)"
			   : "volumes and clones are not moved or renamed here");
	} else if ((node_is_space_root(fs, from) && tree_is_reserved(fs, name)) ||
		   (node_is_space_root(fs, to) && tree_is_reserved(fs, newname))) {
		req_refuse(r, -EPERM, "that is a name of ontapfs in a volume's root");
	} else if (from->space != to->space) {
		req_err(r, -EXDEV);
	} else if (strlen(name) > 255 || strlen(newname) > 255) {
		req_err(r, -ENAMETOOLONG);
	} else {
		r->to = to;
		r->node2 = NULL;
		call_dir(r, NFSIO_LOOKUP, from, name);
		req_submit(r, rename_target);
	}
}
