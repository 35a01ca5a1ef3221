/* File clones: a large copy within one volume is made by ONTAP, which shares the
 * blocks, and not by READ and WRITE.
 *
 * COPY_FILE_RANGE: into a file that the caller has made and opened. LINK of a
 * snapshot's file: a new file of the caller's. Either way the destination is
 * made over NFS, with the caller's rights, owner and quota, gets its size, and
 * is then filled by a range clone over REST. Nothing that exists is written
 * over: the range begins at the old end or behind it.
 *
 * REST takes paths, and a path can change hands. So the destination, and a live
 * source, get a private name by their handles for the time being (fs/private.c);
 * what lies in a snapshot does not move, and the snapshot's uuid is asked for
 * afterwards. At any doubt the destination gets its old size back and the caller
 * copies by itself: EOPNOTSUPP has the kernel read and write, EXDEV the tool that
 * called link(2). Before either, the private names go: a job of ONTAP's that
 * comes late finds nothing.
 *
 * Done twice, after a takeover, it is the same: the caller still waits, so nobody
 * has written to the destination yet. What was answered is not done again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

struct filecopy {
	struct node *from, *to;      /* to: NULL for LINK */
	struct nfsio_fh from_fh, to_fh;
	struct nfsio_cred from_cred, to_cred;
	struct file_range range;
	uint64_t size, old_size;     /* of the destination, afterwards and before */
	uint64_t from_size;
	int64_t from_mtime_ns;
	uint32_t mode;               /* that the destination ends with */
	bool set_mode, link, sized;
	char label[32];              /* of the destination, where it has no name here */
	struct private_names private;
};

static void link_make(struct req *r);

static struct nfsio_call *call_as(struct req *r, enum nfsio_proc proc, const struct nfsio_fh *fh,
				  const struct nfsio_cred *cred)
{
	struct nfsio_call *c = req_call(r, proc, NULL);
	c->fh = *fh;
	c->cred = *cred;
	return c;
}

/* The caller was killed, or this daemon hands over: nothing to decide here. */
static bool stopped(struct req *r, int err)
{
	if (err != -ECANCELED && err != -EINTR)
		return false;
	req_err(r, err);
	return true;
}

/* ---- giving up ------------------------------------------------------------------ */

static void undone(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err && c->res.err != -ENOENT)
		log_warn("cannot take back what was made for a file clone: %s", strerror(-c->res.err));
	req_err(r, c->res.err == -ECANCELED ? -ECANCELED : (int)r->step);
}

/* Of a name, only what was made here: somebody may have put another file there. */
static void undo_found(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	const struct filecopy *x = r->getter;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err || !fh_same(&c->res.fh, &x->to_fh)) {
		req_err(r, (int)r->step);
		return;
	}
	c = req_call(r, NFSIO_REMOVE, r->node);
	c->name = r->name;
	req_submit(r, undone);
}

static void undo(struct req *r, int err)
{
	const struct filecopy *x = r->getter;
	struct nfsio_call *c;
	if (stopped(r, err))
		return;
	if (!x->sized) {
		req_err(r, (int)r->step);
	} else if (x->link) {
		c = req_call(r, NFSIO_LOOKUP, r->node);
		c->name = r->name;
		req_submit(r, undo_found);
	} else {
		c = call_as(r, NFSIO_SETATTR, &x->to_fh, &x->to_cred);
		c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_SIZE, .size = x->old_size};
		req_submit(r, undone);
	}
}

/* Leaves nothing behind, then answers err. */
static void take_back(struct req *r, int err)
{
	r->step = (uint32_t)err;
	private_unlink(r, undo);
}

/* Let the caller copy. */
static void fall_back(struct req *r, const char *why)
{
	const struct filecopy *x = r->getter;
	req_explain(r, why);
	take_back(r, x->link ? -EXDEV : -EOPNOTSUPP);
}

/* ---- the end ------------------------------------------------------------------------- */

static void finished(struct req *r, const struct nfsio_attr *a, int64_t stamp)
{
	const struct filecopy *x = r->getter;
	if (x->link) {
		struct node *n = req_make_node(r, r->node->space, &x->to_fh, a, stamp);
		if (n)
			req_entry(r, n, -1);
		else
			take_back(r, -ENFILE);
		return;
	}
	req_take_attr(r, x->to, a, stamp);
	r->note->intent.offset = x->range.length; /* what a successor would answer */
	req_write(r, x->range.length);
}

static void mode_set(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (stopped(r, c->res.err))
		return;
	if (c->res.err || !c->res.has_attr)
		fall_back(r, "the mode of the copy cannot be set");
	else
		finished(r, &c->res.attr, c->res.start_ns);
}

static void size_checked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	const struct filecopy *x = r->getter;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err || c->res.attr.size != x->size) {
		fall_back(r, "the clone has another size than its source");
		return;
	}
	if (!x->set_mode) {
		finished(r, &c->res.attr, c->res.start_ns);
		return;
	}
	struct nfsio_call *n = call_as(r, NFSIO_SETATTR, &x->to_fh, &x->to_cred);
	n->sattr = (struct nfsio_sattr){.set = NFSIO_SET_MODE, .mode = x->mode};
	req_submit(r, mode_set);
}

static void check_size(struct req *r)
{
	const struct filecopy *x = r->getter;
	call_as(r, NFSIO_GETATTR, &x->to_fh, &x->to_cred);
	req_submit(r, size_checked);
}

static void check_snapshot(struct req *r, struct ctl_msg *m)
{
	const struct filecopy *x = r->getter;
	const struct space *s = &r->fs->st.spaces[x->from->space];
	if (stopped(r, m->error.err))
		return;
	if (m->error.err || !m->found || !uuid_eq(&m->snap.uuid, &s->snapshot))
		fall_back(r, "the snapshot was deleted or renamed while a file of it was cloned");
	else
		check_size(r);
}

static void source_checked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	const struct filecopy *x = r->getter;
	const struct space *s = &r->fs->st.spaces[x->from->space];
	if (stopped(r, c->res.err))
		return;
	if (c->res.err || c->res.attr.size != x->from_size || c->res.attr.mtime_ns != x->from_mtime_ns) {
		fall_back(r, "the source changed while it was cloned");
		return;
	}
	if (!space_is_snapshot(s)) {
		req_take_attr(r, x->from, &c->res.attr, c->res.start_ns);
		check_size(r);
		return;
	}
	struct ctl_msg *m = req_message_try(r, CTL_SNAPSHOT_FIND, &s->volume);
	if (!m) {
		take_back(r, -ENOMEM);
		return;
	}
	m->fresh = true;
	strcpy_bounded(m->name, s->name, sizeof(m->name));
	req_control(r, m, check_snapshot);
}

static void check_source(struct req *r, int err)
{
	const struct filecopy *x = r->getter;
	if (stopped(r, err))
		return;
	call_as(r, NFSIO_GETATTR, &x->from_fh, &x->from_cred);
	req_submit(r, source_checked);
}

/* ---- ONTAP's part -------------------------------------------------------------------- */

static void cloned(struct req *r, struct ctl_msg *m)
{
	int err = m->error.err;
	if (stopped(r, err))
		return;
	private_mask(m->error.text);
	if (err == -EINPROGRESS) {
		/* Once it has begun, it may go on, over whatever is written there by then. */
		req_explain(r, m->error.text);
		take_back(r, -ETIMEDOUT);
	} else if (err) {
		if (err == -EOPNOTSUPP || err == -EACCES || err == -EPERM)
			private_refused(r); /* no licence, no right: not for the next one either */
		fall_back(r, m->error.text);
	} else {
		private_unlink(r, check_source);
	}
}

static void clone_send(struct req *r, int err)
{
	struct filecopy *x = r->getter;
	const struct intent *i = &r->note->intent;
	if (stopped(r, err))
		return;
	if (err) {
		fall_back(r, x->private.why);
		return;
	}
	struct ctl_msg *m = req_message_try(r, CTL_FILE_CLONE, &r->space->volume);
	struct file_range *range = malloc(sizeof(*range));
	if (!m || !range) {
		req_message_drop(m);
		free(range);
		take_back(r, -ENOMEM);
		return;
	}
	private_path(&i->links[0], x->range.destination, sizeof(x->range.destination));
	if (i->target2.len)
		private_path(&i->links[1], x->range.source, sizeof(x->range.source));
	*range = x->range;
	m->range = range;
	strcpy_bounded(m->name, r->name, sizeof(m->name)); /* for people: never the private one */
	r->verb = 1 + FS_FILE_CLONE;
	req_control(r, m, cloned);
}

static void link_privately(struct req *r, int err)
{
	if (!stopped(r, err))
		private_link(r, clone_send);
}

static void size_set(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct filecopy *x = r->getter;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err) {
		take_back(r, c->res.err); /* no space, quota, too large: so would be a copy */
		return;
	}
	x->sized = true;
	if (x->to && c->res.has_attr)
		node_attr_own_change(&r->fs->nodes, x->to, &c->res.before, &c->res.attr, c->res.start_ns);
	private_sweep(r, c->res.has_attr ? c->res.attr.ctime_ns : 0, link_privately);
}

static void set_size(struct req *r)
{
	const struct filecopy *x = r->getter;
	struct intent *i = &r->note->intent;
	i->target = x->to_fh;
	i->target2.len = 0;
	if (!space_is_snapshot(&r->fs->st.spaces[x->from->space]))
		i->target2 = x->from_fh;
	struct nfsio_call *c = call_as(r, NFSIO_SETATTR, &x->to_fh, &x->to_cred);
	c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_SIZE, .size = x->size};
	r->changed = true;
	req_intend(r);
	req_submit(r, size_set);
}

/* ---- before anything is changed ----------------------------------------------------------- */

/* ".snapshot/NAME/dir/file"; false when ONTAP would not take it. */
static bool put_source(struct req *r, const char *path)
{
	struct filecopy *x = r->getter;
	char *out = x->range.source;
	size_t len = sizeof(x->range.source);
	int n = snprintf(out, len, ".snapshot/%s", r->fs->st.spaces[x->from->space].name);
	return path[0] == '/' && tree_is_utf8(path) && n > 0 && (size_t)n < len &&
	       strcpy_bounded(out + n, path, len - (size_t)n);
}

static void ready(struct req *r, int err)
{
	const struct filecopy *x = r->getter;
	if (stopped(r, err))
		return;
	if (err)
		fall_back(r, x->private.why);
	else if (x->link)
		link_make(r);
	else
		set_size(r);
}

/* What a predecessor left is gone before anything new begins. */
static void private_opened(struct req *r, int err)
{
	const struct filecopy *x = r->getter;
	if (stopped(r, err))
		return;
	if (err)
		fall_back(r, x->private.why);
	else
		private_unlink(r, ready);
}

static void source_path(struct req *r, const char *path, int err)
{
	if (stopped(r, err))
		return;
	if (err || !put_source(r, path))
		fall_back(r, "the path of the source is none that ONTAP takes");
	else
		private_open(r, private_opened);
}

/* ---- COPY_FILE_RANGE ---------------------------------------------------------------------- */

static void copy_source_known(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct filecopy *x = r->getter;
	const struct nfsio_attr *a = &c->res.attr;
	struct file_range *g = &x->range;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err || a->size <= g->from) {
		fall_back(r, "there is nothing to clone");
		return;
	}
	g->length = MIN_OF(g->length, a->size - g->from);
	bool whole = g->length % ONTAP_FILE_BLOCK == 0 || g->from + g->length == a->size;
	if (g->length < r->fs->p.clone_min || !whole || g->from % ONTAP_FILE_BLOCK || g->to % ONTAP_FILE_BLOCK) {
		fall_back(r, "too small for a file clone, or not at a block's edge");
		return;
	}
	x->size = g->to + g->length;
	if (x->sized && x->size != r->note->intent.size) {
		fall_back(r, "the source changed while it was cloned");
		return;
	}
	x->from_size = a->size;
	x->from_mtime_ns = a->mtime_ns;
	r->note->intent.offset = x->old_size;
	r->note->intent.size = x->size;
	if (space_is_snapshot(&r->fs->st.spaces[x->from->space]))
		path_of(r, x->from, source_path);
	else
		private_open(r, private_opened);
}

static void copy_destination_known(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct filecopy *x = r->getter;
	const struct nfsio_attr *a = &c->res.attr;
	const struct intent *i = &r->note->intent;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err) {
		fall_back(r, "the server does not show the destination");
		return;
	}
	/* On a second run the first one may have set the size. */
	x->sized = req_was_sent(r) && a->size == i->size;
	x->old_size = x->sized ? i->offset : a->size;
	if (a->size > x->range.to && !x->sized) {
		fall_back(r, "a file clone never overwrites");
		return;
	}
	x->set_mode = a->mode & (S_ISUID | S_ISGID);
	x->mode = a->mode & 01777;
	call_as(r, NFSIO_GETATTR, &x->from_fh, &x->from_cred);
	req_submit(r, copy_source_known);
}

/* Is somebody on this mount about to write to it? */
static bool has_writers(struct fs *fs, const struct node *n)
{
	uint64_t id = atomic_load(&n->nodeid);
	uint32_t used = atomic_load(fs->st.opens_used);
	for (uint32_t i = 1; i < used; i++) {
		const struct openrec *o = &fs->st.opens[i];
		if (atomic_load(&o->id) && o->nodeid == id && (o->flags & O_ACCMODE) != O_RDONLY)
			return true;
	}
	return false;
}

/* Two regular files of one volume, the second one live and not the first? */
static bool is_pair(const struct fs *fs, const struct node *from, const struct node *to_or_dir)
{
	if (from->kind != NODE_FILE || to_or_dir->kind != NODE_FILE || from == to_or_dir)
		return false;
	const struct space *a = &fs->st.spaces[from->space], *b = &fs->st.spaces[to_or_dir->space];
	return uuid_eq(&a->volume, &b->volume) && !space_is_snapshot(b);
}

/* While ONTAP does not answer, nobody waits to learn that again. A daemon that has
 * just taken over does not know yet: fs/control.c holds the clone until it does. */
static bool ontap_is_there(struct fs *fs)
{
	struct control_health h;
	control_health(fs->ctl, &h);
	return h.ok || !h.last_fail_ns;
}

static struct filecopy *filecopy_new(struct req *r, struct node *from)
{
	struct filecopy *x = calloc(1, sizeof(*x));
	if (!x) {
		req_err(r, -ENOMEM);
		return NULL;
	}
	x->from = from;
	x->from_fh = node_fh(from);
	r->getter = x;
	r->private = &x->private;
	r->changed = req_was_sent(r); /* by a predecessor: no signal ends it half-way */
	if (!r->changed)
		atomic_store(&r->note->intent.linked, 0);
	return x;
}

void op_copy_file_range(fuse_req_t fr, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
			fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t len, int flags)
{
	struct req *r = op_begin(fr);
	struct fs *fs = r->fs;
	if (!fs->p.clone_min || len < fs->p.clone_min || flags || off_in < 0 || off_out < 0) {
		req_err(r, -EOPNOTSUPP); /* the kernel reads and writes */
		return;
	}
	struct node *from = req_node(r, ino_in), *to = from ? req_node(r, ino_out) : NULL;
	if (!to)
		return;
	if (req_was_answered(r)) {
		req_write(r, r->note->intent.offset); /* the caller may have gone on long ago */
		return;
	}
	const struct openrec *in = openrec_get(fs, fi_in->fh), *out = openrec_get(fs, fi_out->fh);
	/* Of a second run: what the first one left must go in any case. */
	bool now = req_was_sent(r) || (ontap_is_there(fs) && (space_is_snapshot(&fs->st.spaces[from->space]) ||
							       !has_writers(fs, from)));
	if (!in || !out || !is_pair(fs, from, to) || !now) {
		req_err(r, -EOPNOTSUPP);
		return;
	}
	struct filecopy *x = filecopy_new(r, from);
	if (!x)
		return;
	r->space = &fs->st.spaces[to->space];
	r->verb_space = to->space;
	x->to = to;
	x->to_fh = node_fh(to);
	snprintf(x->label, sizeof(x->label), "inode %llu", (unsigned long long)to->ino);
	r->name = x->label;
	x->from_cred = in->cred;
	x->to_cred = out->cred;
	/* The answer has 32 bits; the kernel asks for the rest. */
	len = MIN_OF(len, (size_t)UINT32_MAX & ~(size_t)(ONTAP_FILE_BLOCK - 1));
	x->range = (struct file_range){.from = (uint64_t)off_in, .to = (uint64_t)off_out, .length = len};
	call_as(r, NFSIO_GETATTR, &x->to_fh, &x->to_cred);
	req_submit(r, copy_destination_known);
}

/* ---- LINK ------------------------------------------------------------------------------------ */

static void link_ours(struct req *r, const struct nfsio_fh *fh)
{
	struct filecopy *x = r->getter;
	x->to_fh = r->note->intent.target = *fh;
	x->sized = true; /* from here on there is a file to take back */
	set_size(r);
}

static bool link_is_ours(const struct req *r, const struct nfsio_call *c)
{
	const struct intent *i = &r->note->intent;
	return c->res.err == 0 && ((i->target.len && fh_same(&c->res.fh, &i->target)) ||
				   (c->res.has_attr && c->res.attr.atime_ns == i->nonce_ns));
}

/* There after a call that was sent twice, or without a handle in its reply. */
static void link_looked_up(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (link_is_ours(r, c))
		link_ours(r, &c->res.fh);
	else
		req_err(r, -EEXIST);
}

static void link_made(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if ((c->res.err == -EEXIST && (c->res.resent || r->replay)) || (!c->res.err && !c->res.has_fh)) {
		c = req_call(r, NFSIO_LOOKUP, r->node);
		c->name = r->name;
		req_submit(r, link_looked_up);
	} else if (c->res.err) {
		req_err(r, c->res.err);
	} else {
		link_ours(r, &c->res.fh);
	}
}

/* An empty file that nobody else can read until it is whole. */
static void link_make(struct req *r)
{
	struct filecopy *x = r->getter;
	struct intent *i = &r->note->intent;
	if (x->sized) { /* by a predecessor */
		link_ours(r, &x->to_fh);
		return;
	}
	if (!req_was_sent(r)) {
		i->nonce_ns = clock_wall_ns();
		i->target.len = 0;
	}
	struct nfsio_call *c = req_call(r, NFSIO_CREATE, r->node);
	x->to_cred = c->cred;
	c->name = r->name;
	c->createmode = NFSIO_GUARDED;
	c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_MODE | NFSIO_SET_ATIME, .mode = 0600,
					.atime_ns = i->nonce_ns};
	r->changed = true;
	req_intend(r);
	req_submit(r, link_made);
}

static void link_permitted(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct filecopy *x = r->getter;
	if (stopped(r, c->res.err))
		return;
	x->from_cred = c->cred;
	/* A hard link gives no right to read; this is a copy of the caller's. */
	if (c->res.err) {
		take_back(r, c->res.err);
	} else if (c->res.access & NFSIO_ACCESS_READ) {
		path_of(r, x->from, source_path);
	} else {
		req_explain(r, "a link from a snapshot is a copy: for that you must be able to read the file");
		take_back(r, -EACCES);
	}
}

static void link_permit(struct req *r)
{
	req_call(r, NFSIO_ACCESS, r->node2)->access = NFSIO_ACCESS_READ;
	req_submit(r, link_permitted);
}

/* Of a second run: what the first one made is taken over, or back. */
static void link_begun(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct filecopy *x = r->getter;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err && c->res.err != -ENOENT) {
		req_err(r, c->res.err);
		return;
	}
	if (link_is_ours(r, c)) {
		x->to_fh = c->res.fh;
		x->to_cred = c->cred;
		x->sized = true;
	}
	link_permit(r);
}

static void link_answered(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	const struct filecopy *x = r->getter;
	if (c->res.err == 0 && c->res.has_attr && fh_same(&c->res.fh, &x->to_fh))
		finished(r, &c->res.attr, c->res.start_ns);
	else
		req_err(r, -EEXIST); /* it was made, and changed by others since */
}

bool fileclone_wanted(struct fs *fs, struct node *file, const struct node *dir)
{
	struct node_attr a;
	if (!fs->p.clone_min || !is_pair(fs, file, dir) || !space_is_snapshot(&fs->st.spaces[file->space]))
		return false;
	node_attr_get(&fs->nodes, file, &a, false);
	return a.type == NFSIO_REG && a.size >= fs->p.clone_min;
}

void fileclone_link(struct req *r)
{
	struct fs *fs = r->fs;
	struct node_attr a;
	if (!req_was_sent(r) && !ontap_is_there(fs)) {
		req_err(r, -EXDEV);
		return;
	}
	struct filecopy *x = filecopy_new(r, r->node2);
	if (!x)
		return;
	node_attr_get(&fs->nodes, r->node2, &a, false);
	r->space = &fs->st.spaces[r->node->space];
	x->link = x->set_mode = true;
	x->mode = a.mode & 0777;
	x->size = x->from_size = x->range.length = a.size;
	x->from_mtime_ns = a.mtime_ns;
	struct nfsio_call *c;
	if (req_was_answered(r)) {
		x->to_fh = r->note->intent.target;
		c = req_call(r, NFSIO_LOOKUP, r->node);
		c->name = r->name;
		req_submit(r, link_answered);
		return;
	}
	if (req_was_sent(r)) {
		c = req_call(r, NFSIO_LOOKUP, r->node);
		c->name = r->name;
		req_submit(r, link_begun);
	} else {
		link_permit(r);
	}
}
