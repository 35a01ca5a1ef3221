/* Files: OPEN, READ, WRITE, FLUSH, RELEASE, FSYNC.
 *
 * Close-to-open. OPEN of a live file asks the server once (ACCESS, whose reply
 * carries attributes). FUSE's answer to OPEN cannot carry a new size; so when
 * the file is not what the kernel was last told, OPEN is answered ESTALE once.
 * The VFS then looks the path up again, that LOOKUP tells the kernel the new
 * attributes, and the second OPEN finds them told. A file that changes all the
 * time is opened direct_io the second time, which asks the server for every
 * read.
 *
 * In a snapshot nothing changes: the answer of ACCESS is kept for ever, pages
 * and attributes too, and an open costs no call once the credential is known.
 *
 * Writes are FILE_SYNC: acknowledged means kept, so FLUSH and FSYNC have
 * nothing left to do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

/* How long after an ESTALE the same thread's next OPEN counts as the second try. */
#define STALE_RETRY_NS (5 * NS_PER_SEC)
/* The kernel passes __FMODE_EXEC on to OPEN. */
#define OPEN_FOR_EXEC 0x20

/* ---- OPEN ----------------------------------------------------------------------- */

static void open_reply(struct req *r, bool keep_cache, bool direct)
{
	struct nfsio_cred cred;
	caller_cred(req_caller(r), node_brief(&r->fs->nodes, r->node).gid, &cred);
	if (!req_make_open(r, r->node, &cred)) {
		req_err(r, -ENFILE);
		return;
	}
	prefetch_keep(r, r->fi.fh);
	r->fi.keep_cache = keep_cache && !direct;
	r->fi.direct_io = direct;
	r->fi.noflush = (r->fi.flags & O_ACCMODE) == O_RDONLY;
	req_open(r);
}

static bool may_open(int flags, uint32_t granted)
{
	uint32_t need = 0;
	int acc = flags & O_ACCMODE;
	if (acc == O_RDONLY && (flags & OPEN_FOR_EXEC))
		return granted & (NFSIO_ACCESS_READ | NFSIO_ACCESS_EXECUTE);
	if (acc != O_WRONLY)
		need |= NFSIO_ACCESS_READ;
	if (acc != O_RDONLY)
		need |= flags & O_APPEND ? NFSIO_ACCESS_EXTEND : NFSIO_ACCESS_MODIFY;
	if (flags & O_TRUNC)
		need |= NFSIO_ACCESS_MODIFY;
	return (granted & need) == need;
}

static void open_snapshot(struct req *r, uint32_t granted)
{
	if (!may_open(r->fi.flags, granted)) {
		req_refuse(r, -EACCES, "the server does not let you read this file");
		return;
	}
	struct node_attr a;
	node_attr_get(&r->fs->nodes, r->node, &a, false);
	node_pages_set(&r->fs->nodes, r->node,
		       &(struct nfsio_attr){.size = a.size, .mtime_ns = a.mtime_ns, .ctime_ns = a.ctime_ns});
	open_reply(r, true, false);
}

static void open_truncated(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	if (c->res.has_attr)
		node_attr_own_change(&r->fs->nodes, r->node, &c->res.before, &c->res.attr, c->res.start_ns);
	open_reply(r, false, r->fi.flags & O_APPEND);
}

static void open_live(struct req *r, uint32_t granted)
{
	struct fs *fs = r->fs;
	struct node *n = r->node;
	uint64_t nodeid = atomic_load(&n->nodeid), tid = (uint64_t)req_caller(r)->tid;
	if (!may_open(r->fi.flags, granted)) {
		bool change = (r->fi.flags & O_ACCMODE) != O_RDONLY || (r->fi.flags & O_TRUNC);
		if (change && space_is_mirror(fs, &fs->st.spaces[n->space]))
			req_refuse(r, -EROFS, "a SnapMirror destination is read-only; clone it, or copy the file out");
		else
			req_refuse(r, -EACCES, "the server does not let you open this file so");
		return;
	}
	bool second = memory_get(fs->stale, MEMORY_STALE, nodeid, tid, 0, STALE_RETRY_NS, true);
	bool told = !r->has_attr || node_attr_is_told(&fs->nodes, n, &r->attr);
	if (!told && !second && !(r->fi.flags & O_TRUNC)) {
		memory_put(fs->stale, MEMORY_STALE, nodeid, tid, 0);
		stats_add(&fs->stats.open_stale, 1);
		req_err(r, -ESTALE);
		return;
	}
	if (r->has_attr)
		req_take_attr(r, n, &r->attr, r->attr_stamp);
	bool direct = (r->fi.flags & O_APPEND) || !told;
	bool keep = told && !second && r->has_attr && node_pages_are(&fs->nodes, n, &r->attr);
	/* An open that keeps nothing drops the pages: what comes is of this version. */
	if (!keep && !direct && r->has_attr)
		node_pages_set(&fs->nodes, n, &r->attr);
	if ((r->fi.flags & O_TRUNC) && !req_was_answered(r)) {
		struct nfsio_call *c = req_call(r, NFSIO_SETATTR, n);
		c->sattr = (struct nfsio_sattr){.set = NFSIO_SET_SIZE};
		r->changed = true;
		req_submit(r, open_truncated);
		return;
	}
	open_reply(r, keep, direct);
}

static void open_statfile(struct req *r)
{
	struct fs *fs = r->fs;
	if ((r->fi.flags & O_ACCMODE) != O_RDONLY) {
		req_err(r, -EACCES);
		return;
	}
	if (statfile_admin_only(r->node->sub) && !req_is_admin(r)) {
		req_err(r, -EACCES);
		return;
	}
	struct nfsio_cred cred = {0};
	uint64_t id = req_make_open(r, r->node, &cred) ? r->fi.fh : 0;
	struct openstate *os = id ? openstate_get(fs, id) : NULL;
	if (os && !os->text)
		os->text = statfile_text(fs, r->node->sub, req_process(r), &os->text_len);
	if (!os || !os->text) {
		if (id)
			openrec_free(fs, id, 0);
		req_err(r, id ? -ENOMEM : -ENFILE);
		return;
	}
	r->fi.direct_io = 1; /* its size is not known before */
	r->fi.noflush = 1;
	req_open(r);
}

void op_open(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	r->node = n;
	r->fi = *fi;
	if (n->kind == NODE_STATFILE) {
		open_statfile(r);
		return;
	}
	if (node_is_virtual(n)) {
		req_err(r, -EISDIR);
		return;
	}
	uint32_t want = NFSIO_ACCESS_READ | NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND | NFSIO_ACCESS_EXECUTE;
	if (space_is_snapshot(&r->fs->st.spaces[n->space])) {
		if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
			ctl_walked(r, n->space);
			req_err(r, -EROFS);
			return;
		}
		if (fi->flags & OPEN_FOR_EXEC)
			req_access(r, n, NFSIO_ACCESS_READ | NFSIO_ACCESS_EXECUTE, false, open_snapshot);
		else if (!prefetch_open(r, open_snapshot))
			req_access(r, n, NFSIO_ACCESS_READ, false, open_snapshot);
		return;
	}
	req_access(r, n, want, true, open_live);
}

/* ---- READ and WRITE in parts --------------------------------------------------------- */

/* One FUSE request of up to a megabyte becomes as many calls as the server's
 * transfer size asks for, all at once. */
struct part {
	struct nfsio_call call;
	struct split *split;
	uint32_t at, len, done; /* bytes within the request */
	bool ended;             /* end of file, or failed */
	int err;
};

struct split {
	struct req *r;
	uint8_t *data;   /* READ: assembled here when there is more than one piece */
	uint32_t n, pending;
	bool need_commit, replied_from_buffer;
	uint64_t verf;
	struct part part[];
};

static void split_cancel(struct req *r)
{
	struct split *s = r->extra;
	uint64_t unique = r->unique;
	/* The last part that ends takes the request and the split with it. */
	for (uint32_t i = 0, n = s->n; i < n && r->unique == unique; i++)
		if (!s->part[i].ended)
			nfsio_cancel(r->w->nfs, &s->part[i].call);
}

static struct split *split_new(struct req *r, uint32_t unit)
{
	uint32_t n = (uint32_t)((r->size + unit - 1) / unit);
	struct split *s = calloc(1, sizeof(*s) + n * sizeof(s->part[0]));
	if (!s) {
		req_err(r, -ENOMEM);
		return NULL;
	}
	s->r = r;
	s->n = n;
	for (uint32_t i = 0; i < n; i++) {
		s->part[i].split = s;
		s->part[i].at = i * unit;
		s->part[i].len = (uint32_t)MIN_OF((size_t)unit, r->size - i * (size_t)unit);
	}
	r->extra = s;
	r->cancel = split_cancel;
	return s;
}

/* The credential and handle that go with an open file. */
static void part_fill(struct part *p, enum nfsio_proc proc, nfsio_done_fn done, const struct openrec *o)
{
	struct req *r = p->split->r;
	memset(&p->call, 0, offsetof(struct nfsio_call, res));
	p->call.proc = proc;
	p->call.done = done;
	p->call.priv = p;
	p->call.cred = o->cred;
	p->call.fh.len = r->node->fh.len;
	memcpy(p->call.fh.data, r->node->fh.data, r->node->fh.len);
	p->call.offset = r->off + p->at + p->done;
	p->call.count = p->len - p->done;
}

static void part_submit(struct part *p, void (*all_done)(struct split *s))
{
	p->split->r->asked = true;
	int e = nfsio_submit(p->split->r->w->nfs, &p->call);
	if (e < 0) {
		p->err = e;
		p->ended = true;
		if (--p->split->pending == 0)
			all_done(p->split);
	}
}

/* Bytes from the start without a gap; *ret_err: what stopped them, if anything. */
static uint32_t split_prefix(const struct split *s, int *ret_err)
{
	uint32_t n = 0;
	*ret_err = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		n += s->part[i].done;
		if (s->part[i].done < s->part[i].len) {
			*ret_err = s->part[i].err;
			break;
		}
	}
	return n;
}

static void read_all_done(struct split *s)
{
	struct req *r = s->r;
	int err;
	uint32_t n = split_prefix(s, &err);
	uint8_t *data = s->data;
	if (err) {
		/* A short answer would say "end of file": the kernel would cut i_size. */
		req_err(r, err);
	} else {
		stats_add(&r->fs->stats.bytes_read, n);
		volstats_read(r, n);
		req_buf(r, data, n);
	}
	free(data);
}

static void read_part_done(struct nfsio_call *c)
{
	struct part *p = c->priv;
	struct split *s = p->split;
	if (c->res.err) {
		p->err = c->res.err;
		p->ended = true;
	} else {
		bool whole = c->res.count == p->len - p->done || c->res.eof;
		if (s->n == 1 && p->done == 0 && whole) {
			/* The usual case: straight from the receive buffer. */
			stats_add(&s->r->fs->stats.bytes_read, c->res.count);
			volstats_read(s->r, c->res.count);
			req_buf(s->r, c->res.data, c->res.count);
			return;
		}
		if (!s->data && !(s->data = malloc(s->r->size))) {
			p->err = -ENOMEM;
			p->ended = true;
		} else {
			memcpy(s->data + p->at + p->done, c->res.data, c->res.count);
			p->done += c->res.count;
			if (whole) {
				p->ended = true;
			} else if (c->res.count == 0) {
				p->err = -EIO; /* neither data nor an end */
				p->ended = true;
			} else {
				/* A short answer that is not the end: ask for the rest. */
				const struct openrec *o = openrec_get(s->r->fs, s->r->fi.fh);
				if (o) {
					part_fill(p, NFSIO_READ, read_part_done, o);
					part_submit(p, read_all_done);
					return;
				}
				p->err = -EBADF;
				p->ended = true;
			}
		}
	}
	if (--s->pending == 0)
		read_all_done(s);
}

/* All that is asked for came with the open. */
static void read_prefetched(struct req *r, struct prefetched *p)
{
	size_t n = MIN_OF(r->size, p->len - (size_t)r->off);
	const uint8_t *from = p->data + r->off;
	stats_add(&r->fs->stats.bytes_read, n);
	volstats_read(r, n);
	if (r->off + n < p->len && (r->extra = malloc(n))) {
		/* The rest stays; nothing of it may be touched once this is answered. */
		from = memcpy(r->extra, from, n);
		prefetch_put_back(r, p);
	} else {
		r->prefetched = p; /* goes with the request */
	}
	req_buf(r, from, n);
}

/* What came with the open need not be asked for. */
static void split_prefill(struct split *s, const struct prefetched *p)
{
	s->data = malloc(s->r->size);
	for (uint32_t i = 0; s->data && i < s->n; i++) {
		struct part *part = &s->part[i];
		uint64_t at = s->r->off + part->at;
		if (at >= p->len)
			break;
		part->done = (uint32_t)MIN_OF((uint64_t)part->len, p->len - at);
		part->ended = part->done == part->len;
		memcpy(s->data + part->at, p->data + at, part->done);
	}
}

static void read_text(struct req *r)
{
	struct openstate *os = openstate_get(r->fs, r->fi.fh);
	if (os && !os->text) /* opened by a predecessor */
		os->text = statfile_text(r->fs, r->node->sub, req_process(r), &os->text_len);
	if (!os || !os->text)
		req_err(r, -ENOMEM);
	else if (r->off >= os->text_len)
		req_buf(r, NULL, 0);
	else {
		/* From a copy: once it is written, a RELEASE on another worker may free
		 * the text before the write has returned here. */
		size_t n = MIN_OF(r->size, os->text_len - (size_t)r->off);
		r->extra = malloc(n + 1);
		if (r->extra)
			req_buf(r, memcpy(r->extra, os->text + r->off, n), n);
		else
			req_err(r, -ENOMEM);
	}
}

static void read_parts(struct req *r)
{
	const struct openrec *o = openrec_get(r->fs, r->fi.fh);
	if (!o) {
		req_err(r, -EBADF);
		return;
	}
	struct prefetched *p = prefetch_take(r);
	if (p && (p->whole || r->off + r->size <= p->len)) {
		read_prefetched(r, p);
		return;
	}
	struct split *s = split_new(r, r->fs->st.spaces[r->node->space].rtmax);
	if (!s) {
		prefetch_free(r->fs, p);
		return;
	}
	if (p) {
		split_prefill(s, p);
		prefetch_free(r->fs, p);
	}
	/* All are filled before the first is sent: the last answer ends the request. */
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->part[i].ended) {
			part_fill(&s->part[i], NFSIO_READ, read_part_done, o);
			s->pending++;
		}
	for (uint32_t i = 0, all = s->n; i < all; i++)
		if (!s->part[i].ended)
			part_submit(&s->part[i], read_all_done);
}

void op_read(fuse_req_t fr, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	const struct openrec *o = openrec_get(r->fs, fi->fh);
	if (!o || off < 0) {
		req_err(r, o ? -EINVAL : -EBADF);
		return;
	}
	r->node = n;
	r->fi = *fi;
	r->size = MIN_OF(size, (size_t)NFSIO_XFER_MAX);
	r->off = (uint64_t)off;
	if (n->kind == NODE_STATFILE) {
		read_text(r);
		return;
	}
	if (n->kind != NODE_FILE || size == 0) {
		/* The kernel asks neither; no part would be sent, so none would end it. */
		if (size)
			req_err(r, -EISDIR);
		else
			req_buf(r, NULL, 0);
		return;
	}
	order_read(r, read_parts);
}

/* ---- WRITE ----------------------------------------------------------------------------- */

static void write_reply(struct split *s)
{
	struct req *r = s->r;
	int err;
	uint32_t n = split_prefix(s, &err);
	/* Write-back of a mapping looks at the error only: short would be success. */
	if (err && (n == 0 || r->fi.writepage || err == -ECANCELED)) {
		req_err(r, err);
		return;
	}
	stats_add(&r->fs->stats.bytes_written, n);
	volstats_written(r, n);
	/* Placed elsewhere than the kernel thinks (an append): it must ask again. */
	if (r->flags & O_APPEND)
		notify_attr(r->fs->p.fuse_fd, atomic_load(&r->node->nodeid));
	req_write(r, n);
}

static void commit_done(struct nfsio_call *c)
{
	struct part *p = c->priv;
	struct split *s = p->split;
	/* RFC 1813 3.3.21: another verifier means that the server restarted and
	 * may have lost what it had not committed. */
	if (c->res.err || c->res.verf != s->verf) {
		log_warn("the server lost a write before COMMIT");
		req_err(s->r, c->res.err ? c->res.err : -EIO);
		return;
	}
	write_reply(s);
}

static void write_all_done(struct split *s)
{
	const struct openrec *o = openrec_get(s->r->fs, s->r->fi.fh);
	int err;
	uint32_t n = split_prefix(s, &err);
	if (!s->need_commit || !o || n == 0) {
		write_reply(s);
		return;
	}
	struct part *p = &s->part[0];
	uint32_t done = p->done;
	part_fill(p, NFSIO_COMMIT, commit_done, o);
	p->done = done;
	p->call.offset = s->r->off;
	p->call.count = n;
	int e = nfsio_submit(s->r->w->nfs, &p->call);
	if (e < 0)
		req_err(s->r, e);
}

static void write_part_done(struct nfsio_call *c)
{
	struct part *p = c->priv;
	struct split *s = p->split;
	if (c->res.err) {
		p->err = c->res.err;
		p->ended = true;
	} else {
		p->done += c->res.count;
		if (c->res.committed != 2) { /* not FILE_SYNC although asked for */
			s->verf = s->need_commit ? (s->verf == c->res.verf ? s->verf : 0) : c->res.verf;
			s->need_commit = true;
		}
		if (c->res.has_attr)
			node_attr_own_change(&s->r->fs->nodes, s->r->node, &c->res.before, &c->res.attr,
					     c->res.start_ns);
		if (p->done < p->len && c->res.count) {
			const struct openrec *o = openrec_get(s->r->fs, s->r->fi.fh);
			const uint8_t *data = (const uint8_t *)c->data + c->res.count;
			if (o) {
				part_fill(p, NFSIO_WRITE, write_part_done, o);
				p->call.data = data;
				part_submit(p, write_all_done);
				return;
			}
		}
		if (p->done < p->len)
			p->err = -EIO;
		p->ended = true;
	}
	if (--s->pending == 0)
		write_all_done(s);
}

static void write_parts(struct req *r)
{
	const struct openrec *o = openrec_get(r->fs, r->fi.fh);
	struct split *s = o ? split_new(r, r->fs->st.spaces[r->node->space].wtmax) : NULL;
	if (!s) {
		if (!o)
			req_err(r, -EBADF);
		return;
	}
	r->changed = true;
	order_write(r);
	s->pending = s->n;
	for (uint32_t i = 0; i < s->n; i++) {
		part_fill(&s->part[i], NFSIO_WRITE, write_part_done, o);
		s->part[i].call.data = r->name + s->part[i].at;
	}
	for (uint32_t i = 0, all = s->n; i < all; i++)
		part_submit(&s->part[i], write_all_done);
}

/* O_APPEND: at the server's end, which the kernel may not know. The kernel
 * holds the inode's lock, so appends of this host do not overtake each other. */
static void append_at(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	r->off = req_was_sent(r) ? r->note->intent.offset : c->res.attr.size;
	r->note->intent.offset = r->off;
	req_intend(r);
	write_parts(r);
}

void op_write(fuse_req_t fr, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct req *r = op_begin(fr);
	if (req_was_answered(r)) {
		req_write(r, r->note->intent.offset);
		return;
	}
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	const struct openrec *o = openrec_get(r->fs, fi->fh);
	if (!req_holds(r, buf, size)) {
		req_err(r, -EIO);
		return;
	}
	if (!o || off < 0 || n->kind != NODE_FILE || space_is_snapshot(&r->fs->st.spaces[n->space])) {
		req_err(r, !o ? -EBADF : off < 0 ? -EINVAL : -EROFS);
		return;
	}
	r->node = n;
	r->fi = *fi;
	r->name = buf; /* stays in the slot until the reply */
	r->size = size;
	r->off = (uint64_t)off;
	if (size == 0) {
		req_write(r, 0);
		return;
	}
	/* Pages of a mapping have their place; only write(2) appends, and only while
	 * fcntl(F_SETFL) has not taken the flag away. */
	if ((o->flags & fi->flags & O_APPEND) && !fi->writepage) {
		r->flags = O_APPEND;
		struct nfsio_call *c = req_call(r, NFSIO_GETATTR, n);
		c->cred = o->cred;
		req_submit(r, append_at);
		return;
	}
	write_parts(r);
}

/* ---- the end of an open file --------------------------------------------------------------- */

void op_flush(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	req_err(op_begin(fr), 0); /* every write that returned is stable already */
}

void op_fsync(fuse_req_t fr, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	req_err(op_begin(fr), 0);
}

static void silly_removed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err && c->res.err != -ENOENT && c->res.err != -ECANCELED)
		log_warn("cannot remove %s, left behind by an unlinked open file: %s", c->name,
			 strerror(-c->res.err));
	req_err(r, 0); /* and with the request the record is given up */
}

void silly_remove(struct req *r, struct silly *s)
{
	struct nfsio_call *c = req_call(r, NFSIO_REMOVE, NULL);
	c->cred = s->cred;
	c->fh = s->dir;
	c->name = s->name;
	r->silly = s;
	r->changed = true;
	req_submit(r, silly_removed);
}

void op_release(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct req *r = op_begin(fr);
	struct fs *fs = r->fs;
	uint32_t left = openrec_free(fs, fi->fh, ino);
	struct node *n = node_by_id(&fs->nodes, ino);
	/* Looked at after the count went down: an unlink that comes later sees it. */
	struct silly *s = left == 0 && n && atomic_load(&n->silly) ? silly_claim(fs, ino) : NULL;
	if (s)
		silly_remove(r, s);
	else
		req_err(r, 0);
}
