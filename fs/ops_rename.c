/* RENAME.
 *
 * Steps: look up the source, look up what it would replace, keep that one alive by a
 * .nfsX link if it is open here, rename. With RENAME_NOREPLACE: LINK and REMOVE, since
 * NFSv3's RENAME (RFC 1813 3.3.14) always replaces. What must not happen twice is
 * prepared as ops_name.c tells. */
#include "fs/ops_name.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include "fs/fs_i.h"

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
	if (c->res.err == 0 && fh_same(&c->res.fh, &r->note->intent.target))
		rename_succeeded(r);
	else
		rename_failed(r, -ENOENT);
}

/* Gone from its old name: ours, if it stands under the new one. */
static void rename_verify(struct req *r)
{
	r->changed = true;
	name_call(r, NFSIO_LOOKUP, r->to, r->name2);
	req_submit(r, rename_verified);
}

static void rename_submit(struct req *r);

static void rename_looked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (name_still_there(r, c))
		rename_submit(r);
	else
		rename_verify(r);
}

static void rename_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == NFSIO_LOST) {
		name_look(r, rename_looked);
		return;
	}
	if (name_gone_by_us(r, c)) {
		rename_verify(r);
		return;
	}
	if (c->res.err) {
		rename_failed(r, c->res.err);
		return;
	}
	name_after_dir(r, c);
	if (c->res.has_dir2_attr)
		node_attr_put(&r->fs->nodes, r->to, &c->res.dir2_attr, c->res.start_ns);
	rename_succeeded(r);
}

static void rename_submit(struct req *r)
{
	const struct node *to = r->to;
	struct nfsio_call *c = name_call(r, NFSIO_RENAME, r->node, r->name);
	c->fh2.len = to->fh.len;
	memcpy(c->fh2.data, to->fh.data, to->fh.len);
	c->name2 = r->name2;
	req_intend(r);
	name_submit_once(r, rename_done);
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
	if (name_still_there(r, c))
		noreplace_remove(r);
	else
		req_err(r, 0);
}

static void noreplace_removed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == NFSIO_LOST) {
		name_look(r, noreplace_looked);
		return;
	}
	name_after_dir(r, c);
	if (c->res.err == 0 || name_gone_by_us(r, c)) {
		req_err(r, 0);
		return;
	}
	/* The source must stay (a sticky directory): then so must not the new name. */
	r->step = (uint32_t)c->res.err;
	name_call(r, NFSIO_REMOVE, r->to, r->name2);
	req_submit(r, noreplace_undone);
}

static void noreplace_remove(struct req *r)
{
	r->changed = true;
	name_call(r, NFSIO_REMOVE, r->node, r->name);
	name_submit_once(r, noreplace_removed);
}

static void noreplace_verified(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err == 0 && fh_same(&c->res.fh, &r->note->intent.target))
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
		name_call(r, NFSIO_LOOKUP, r->to, r->name2);
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
	bool itself = exists && fh_same(&r->note->intent.target, &c->res.fh);
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
	r->node2 = exists && c->res.has_attr ? name_known_node(r, to->space, &c->res.fh, &a) : NULL;
	r->note->intent.nodeid = r->node2 ? atomic_load(&r->node2->nodeid) : 0;
	if (itself || !name_must_stay(r, r->node2, &a)) {
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
	if (name_done_by_predecessor(r, c)) {
		name_end_predecessors(r);
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
	    name_is_silly(r, name_known_node(r, r->node->space, &c->res.fh, &c->res.attr), r->node, r->name))
		return;
	r->note->intent.target = c->res.fh;
	r->attr = c->res.attr;
	name_call(r, NFSIO_LOOKUP, r->to, r->name2);
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
		name_call(r, NFSIO_LOOKUP, from, name);
		req_submit(r, rename_target);
	}
}
