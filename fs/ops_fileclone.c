/* File clones: a large copy within one volume is made by ONTAP, which shares the
 * blocks, and not by READ and WRITE.
 *
 * COPY_FILE_RANGE: into a file that the caller has made and opened. LINK of a
 * snapshot's file: a new file of the caller's. Either way the destination is
 * made over NFS, with the caller's rights, owner and quota, gets its size, and
 * is then filled by a range clone over REST. Nothing that exists is written
 * over: the range begins at the old end or behind it.
 *
 * REST takes paths, and a path can change hands. So afterwards both are looked
 * up again and compared with the handles; of a snapshot's name, the uuid. At any
 * doubt the destination gets its old size back and the caller copies by itself:
 * EOPNOTSUPP has the kernel read and write, EXDEV the tool that called link(2).
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
	/* a path on its way down */
	const char *at;
	char name[256];
	struct nfsio_fh dir;
	const struct nfsio_fh *want;
	void (*then)(struct req *r);
};

static bool fh_same(const struct nfsio_fh *a, const struct nfsio_fh *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static struct nfsio_fh fh_of(const struct node *n)
{
	struct nfsio_fh fh = {.len = n->fh.len};
	memcpy(fh.data, n->fh.data, fh.len);
	return fh;
}

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

/* Leaves nothing behind, then answers err. */
static void take_back(struct req *r, int err)
{
	const struct filecopy *x = r->getter;
	r->step = (uint32_t)err;
	if (!x->sized) {
		req_err(r, err);
	} else if (x->link) {
		struct nfsio_call *c = req_call(r, NFSIO_REMOVE, r->node);
		c->name = r->name;
		req_submit(r, undone);
	} else {
		struct nfsio_call *c = call_as(r, NFSIO_SETATTR, &x->to_fh, &x->to_cred);
		c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_SIZE, .size = x->old_size};
		req_submit(r, undone);
	}
}

/* Let the caller copy. */
static void fall_back(struct req *r, const char *why)
{
	const struct filecopy *x = r->getter;
	req_explain(r, why);
	take_back(r, x->link ? -EXDEV : -EOPNOTSUPP);
}

/* ---- looking again ---------------------------------------------------------------- */

static void way_down(struct req *r);

static void way_found(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct filecopy *x = r->getter;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err) {
		fall_back(r, "the file was moved or removed while it was cloned");
		return;
	}
	x->dir = c->res.fh;
	if (*x->at) {
		way_down(r);
	} else if (fh_same(&x->dir, x->want)) {
		x->then(r);
	} else {
		log_error("a path changed hands during a file clone: %s", r->name ? r->name : "");
		fall_back(r, "another file took the name while it was cloned");
	}
}

static void way_down(struct req *r)
{
	struct filecopy *x = r->getter;
	size_t n = strcspn(x->at, "/");
	if (n >= sizeof(x->name)) {
		fall_back(r, "a name is too long");
		return;
	}
	memcpy(x->name, x->at, n);
	x->name[n] = '\0';
	x->at += n + (x->at[n] == '/');
	struct nfsio_call *c = req_call(r, NFSIO_LOOKUP, NULL);
	c->fh = x->dir;
	c->name = x->name;
	req_submit(r, way_found);
}

/* Does that path still lead from the volume's root to `want`? */
static void check_path(struct req *r, const char *path, const struct nfsio_fh *want, void (*then)(struct req *r))
{
	struct filecopy *x = r->getter;
	x->at = path;
	x->dir = r->space->root;
	x->want = want;
	x->then = then;
	way_down(r);
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
			req_err(r, -ENFILE);
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

static void check_destination(struct req *r)
{
	const struct filecopy *x = r->getter;
	check_path(r, x->range.destination, &x->to_fh, check_size);
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
		check_destination(r);
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
		check_path(r, x->range.source, &x->from_fh, check_destination);
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_FIND, &s->volume);
	if (!m)
		return;
	m->fresh = true;
	strcpy_bounded(m->name, s->name, sizeof(m->name));
	req_control(r, m, check_snapshot);
}

/* ---- ONTAP's part -------------------------------------------------------------------- */

static void cloned(struct req *r, struct ctl_msg *m)
{
	const struct filecopy *x = r->getter;
	if (stopped(r, m->error.err))
		return;
	if (m->error.err == -EINPROGRESS) {
		/* It may still be carried out, over whatever is written there by then. */
		req_explain(r, m->error.text);
		take_back(r, -ETIMEDOUT);
		return;
	}
	if (m->error.err) {
		fall_back(r, m->error.text);
		return;
	}
	call_as(r, NFSIO_GETATTR, &x->from_fh, &x->from_cred);
	req_submit(r, source_checked);
}

static void clone_send(struct req *r)
{
	const struct filecopy *x = r->getter;
	struct ctl_msg *m = req_message(r, CTL_FILE_CLONE, &r->space->volume);
	if (!m)
		return;
	m->range = malloc(sizeof(*m->range));
	if (m->range)
		*m->range = x->range;
	size_t from = strlen(x->range.destination), keep = MIN_OF(from, sizeof(m->name) - 1);
	strcpy_bounded(m->name, x->range.destination + from - keep, sizeof(m->name));
	r->verb = 1 + FS_FILE_CLONE;
	req_control(r, m, cloned);
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
	clone_send(r);
}

static void set_size(struct req *r)
{
	const struct filecopy *x = r->getter;
	struct nfsio_call *c = call_as(r, NFSIO_SETATTR, &x->to_fh, &x->to_cred);
	c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_SIZE, .size = x->size};
	r->changed = true;
	req_intend(r);
	req_submit(r, size_set);
}

/* ---- paths ------------------------------------------------------------------------------ */

/* "/dir/file" without the slash, behind `prefix`; false when ONTAP would not take it. */
static bool put_path(char *out, size_t len, const char *prefix, const char *path)
{
	size_t n = strlen(prefix);
	return path[0] == '/' && tree_is_utf8(path) && strcpy_bounded(out, prefix, len) &&
	       strcpy_bounded(out + n, path + 1, len - n);
}

static bool put_source(struct req *r, const char *path)
{
	struct filecopy *x = r->getter;
	const struct space *s = &r->fs->st.spaces[x->from->space];
	char prefix[sizeof(".snapshot//") + ONTAP_NAME_MAX] = "";
	if (space_is_snapshot(s))
		snprintf(prefix, sizeof(prefix), ".snapshot/%s/", s->name);
	return put_path(x->range.source, sizeof(x->range.source), prefix, path);
}

/* ---- COPY_FILE_RANGE ---------------------------------------------------------------------- */

static void copy_destination_path(struct req *r, const char *path, int err)
{
	struct filecopy *x = r->getter;
	if (stopped(r, err))
		return;
	if (err || !put_path(x->range.destination, sizeof(x->range.destination), "", path)) {
		fall_back(r, "the path of the copy is none that ONTAP takes");
		return;
	}
	r->name = x->range.destination;
	set_size(r);
}

static void copy_source_path(struct req *r, const char *path, int err)
{
	const struct filecopy *x = r->getter;
	if (stopped(r, err))
		return;
	if (!err && put_source(r, path))
		path_of(r, x->to, copy_destination_path);
	else
		fall_back(r, "the path of the source is none that ONTAP takes");
}

static void copy_destination_known(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct filecopy *x = r->getter;
	const struct nfsio_attr *a = &c->res.attr;
	uint64_t end = x->range.to + x->range.length;
	if (stopped(r, c->res.err))
		return;
	if (c->res.err) {
		fall_back(r, "the server does not show the destination");
		return;
	}
	/* On a second run the first one may have set the size. */
	bool ours = req_was_sent(r) && a->size == end;
	x->old_size = ours ? r->note->intent.offset : a->size;
	x->sized = ours;
	if (a->size > x->range.to && !ours) {
		fall_back(r, "a file clone never overwrites");
		return;
	}
	r->note->intent.offset = x->old_size;
	x->size = end;
	x->set_mode = a->mode & (S_ISUID | S_ISGID);
	x->mode = a->mode & 01777;
	path_of(r, x->from, copy_source_path);
}

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
	x->from_size = a->size;
	x->from_mtime_ns = a->mtime_ns;
	call_as(r, NFSIO_GETATTR, &x->to_fh, &x->to_cred);
	req_submit(r, copy_destination_known);
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

/* While ONTAP does not answer, nobody waits to learn that again. */
static bool ontap_is_there(struct fs *fs)
{
	struct control_health h;
	control_health(fs->ctl, &h);
	return h.ok;
}

static struct filecopy *filecopy_new(struct req *r, struct node *from)
{
	struct filecopy *x = calloc(1, sizeof(*x));
	if (!x) {
		req_err(r, -ENOMEM);
		return NULL;
	}
	x->from = from;
	x->from_fh = fh_of(from);
	r->getter = x;
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
	if (!in || !out || !is_pair(fs, from, to) || !ontap_is_there(fs) ||
	    (!space_is_snapshot(&fs->st.spaces[from->space]) && has_writers(fs, from))) {
		req_err(r, -EOPNOTSUPP);
		return;
	}
	struct filecopy *x = filecopy_new(r, from);
	if (!x)
		return;
	r->space = &fs->st.spaces[to->space];
	r->verb_space = to->space;
	x->to = to;
	x->to_fh = fh_of(to);
	x->from_cred = in->cred;
	x->to_cred = out->cred;
	/* The answer has 32 bits; the kernel asks for the rest. */
	len = MIN_OF(len, (size_t)UINT32_MAX & ~(size_t)(ONTAP_FILE_BLOCK - 1));
	x->range = (struct file_range){.from = (uint64_t)off_in, .to = (uint64_t)off_out, .length = len};
	call_as(r, NFSIO_GETATTR, &x->from_fh, &x->from_cred);
	req_submit(r, copy_source_known);
}

/* ---- LINK ------------------------------------------------------------------------------------ */

static void link_destination_path(struct req *r, const char *path, int err)
{
	struct filecopy *x = r->getter;
	char *out = x->range.destination;
	size_t len = sizeof(x->range.destination), n;
	if (stopped(r, err))
		return;
	/* The path is the directory's: "" the root. */
	if (err || (path[0] && !put_path(out, len, "", path)) || (n = strlen(out)) + 1 + strlen(r->name) >= len ||
	    !tree_is_utf8(r->name)) {
		fall_back(r, "the path of the copy is none that ONTAP takes");
		return;
	}
	snprintf(out + n, len - n, "%s%s", n ? "/" : "", r->name);
	set_size(r);
}

static void link_ours(struct req *r, const struct nfsio_fh *fh)
{
	struct filecopy *x = r->getter;
	x->to_fh = r->note->intent.target = *fh;
	x->sized = true; /* from here on there is a file to take back */
	path_of(r, r->node, link_destination_path);
}

/* There after a call that was sent twice, or without a handle in its reply. */
static void link_looked_up(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	const struct intent *i = &r->note->intent;
	if (c->res.err == 0 && ((i->target.len && fh_same(&c->res.fh, &i->target)) ||
				(c->res.has_attr && c->res.attr.atime_ns == i->nonce_ns)))
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
static void link_make(struct req *r, const char *path, int err)
{
	struct filecopy *x = r->getter;
	struct intent *i = &r->note->intent;
	if (stopped(r, err))
		return;
	if (err || !put_source(r, path)) {
		fall_back(r, "the path of the source is none that ONTAP takes");
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
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	x->from_cred = c->cred;
	/* A hard link gives no right to read; this is a copy of the caller's. */
	if (c->res.access & NFSIO_ACCESS_READ)
		path_of(r, x->from, link_make);
	else
		req_refuse(r, -EACCES, "a link from a snapshot is a copy: for that you must be able to read the file");
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
	c = req_call(r, NFSIO_ACCESS, r->node2);
	c->access = NFSIO_ACCESS_READ;
	req_submit(r, link_permitted);
}
