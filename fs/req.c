#include "fs/req.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fs/base/clock.h"
#include "fs/base/killpoint.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

#define ERRNO_END 512 /* the kernel takes no larger ones, and then the caller waits on */

/* ---- the pool ------------------------------------------------------------------ */

int pool_init(struct pool *p, struct fs *fs, const struct state_sizes *active)
{
	const struct state_head *h = fs->st.head;
	*p = (struct pool){
		.nsmall = h->slots[STATE_SLOTS_SMALL].n,
		.nlarge = h->slots[STATE_SLOTS_LARGE].n,
		.max_small = active->slots,
		.max_large = active->write_slots,
	};
	pthread_mutex_init(&p->lock, NULL);
	list_init(&p->parked_small);
	list_init(&p->parked_large);
	uint32_t n = p->nsmall + p->nlarge;
	p->reqs = calloc(n, sizeof(*p->reqs));
	p->free_small = calloc(p->nsmall, sizeof(uint32_t));
	p->free_large = calloc(p->nlarge, sizeof(uint32_t));
	if (!p->reqs || !p->free_small || !p->free_large)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct req *r = &p->reqs[i];
		r->index = i;
		r->large = i >= p->nsmall;
		r->slot = r->large ? state_slot(&fs->st, STATE_SLOTS_LARGE, i - p->nsmall)
				   : state_slot(&fs->st, STATE_SLOTS_SMALL, i);
		r->note = &fs->st.notes[i];
		r->fs = fs;
	}
	/* Stacks: the slots used last are the warm ones. */
	for (uint32_t i = n; i-- > 0;) {
		if (atomic_load(&p->reqs[i].slot->unique))
			continue; /* a predecessor's request */
		if (p->reqs[i].large)
			p->free_large[p->nfree_large++] = i;
		else
			p->free_small[p->nfree_small++] = i;
	}
	return 0;
}

void pool_fini(struct pool *p)
{
	free(p->reqs);
	free(p->free_small);
	free(p->free_large);
	*p = (struct pool){0};
}

/* ---- replies ----------------------------------------------------------------------- */

/* Operations that change something and say no more than whether it worked. */
static bool is_plain(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR: return true;
	default: return false;
	}
}

static bool is_changing(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_SETATTR:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_LINK:
	case FUSE_OPEN:
	case FUSE_WRITE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_CREATE: return true;
	default: return is_plain(opcode);
	}
}

/* From here on the caller may know. A .nfsX name that is still to be given up
 * keeps the request one that was sent: its second run sees to it. */
static void note_answer(struct req *r, int err)
{
	if (!is_changing(r->opcode) || r->silly)
		return;
	r->note->intent.answer = err;
	req_done(r);
}

static void account(struct req *r, int err)
{
	struct stats *s = &r->fs->stats;
	uint32_t op = r->opcode % STATS_OPCODES;
	stats_add(&s->requests[op], 1);
	note_answer(r, err);
	if (r->verb)
		audit(r, err);
	if (err < 0)
		stats_add(&s->errors[op], 1);
	int64_t ns = clock_now_ns() - r->start_ns;
	stats_add(&s->latency_ns, (uint64_t)ns);
	volstats_count(r, err, ns);
	uint64_t us = (uint64_t)ns / 1000;
	uint32_t b = us ? 64 - (uint32_t)__builtin_clzll(us) : 0;
	stats_add(&s->latency[MIN_OF(b, STATS_BUCKETS - 1)], 1);
	kill_point_op("answering", r->opcode);
}

/* The reply was written (or the kernel did not want it): the slot is free. */
static void finish(struct req *r, int sent)
{
	kill_point_op("replied", r->opcode);
	if (sent < 0)
		stats_add(&r->fs->stats.replies_lost, 1);
	prefetch_free(r->fs, steal_ptr(r->prefetched));
	order_done(r);
	free(steal_ptr(r->extra));
	free(steal_ptr(r->getter));
	if (r->silly)
		silly_drop(r->fs, steal_ptr(r->silly));
	uint64_t open = r->replay && !r->reopened && sent >= 0 ? atomic_load(&r->note->open) : 0;
	if (open && open != r->fi.fh)
		openrec_free(r->fs, open, 0); /* a predecessor's, that never got out */
	r->fr = NULL;
	r->unique = 0;
	struct worker *w = r->w; /* the slot is anybody's in a moment */
	if (r->gating) {
		r->gating = false;
		worker_replay_done(w);
	}
	/* In this order: a request that a successor finds is never one that was
	 * answered and says nothing of it. session_replay() clears what stays behind. */
	atomic_store_explicit(&r->slot->unique, 0, memory_order_release);
	kill_point_op("freed", r->opcode);
	atomic_store_explicit(&r->note->intent.phase, INTENT_NONE, memory_order_release);
	atomic_store(&r->note->open, 0);
	worker_slot_freed(w, r);
}

bool req_answer_again(struct req *r)
{
	int err = r->note->intent.answer;
	if (!req_was_answered(r) || err > 0 || err <= -ERRNO_END || (err == 0 && !is_plain(r->opcode)))
		return false;
	struct fuse_out_header out = {.len = sizeof(out), .error = err, .unique = r->unique};
	ssize_t n = write(r->fs->p.fuse_fd, &out, sizeof(out));
	finish(r, n < 0 ? -errno : 0);
	return true;
}

/* The calls of a daemon that hands over end with ECANCELED. That is nobody's
 * answer: the request stays in the journal, and a successor runs it again. */
static bool left_to_successor(const struct req *r, int err)
{
	return err == -ECANCELED && atomic_load(&r->fs->ended) == FS_STOPPED;
}

void req_err(struct req *r, int err)
{
	if (left_to_successor(r, err))
		return;
	account(r, err);
	finish(r, fuse_reply_err(r->fr, -err));
}

void req_none(struct req *r)
{
	account(r, 0);
	fuse_reply_none(r->fr);
	finish(r, 0);
}

int req_buf(struct req *r, const void *data, size_t len)
{
	account(r, 0);
	int sent = fuse_reply_buf(r->fr, data, len);
	finish(r, sent);
	return sent;
}

void req_iov(struct req *r, const struct iovec *iov, int n)
{
	account(r, 0);
	finish(r, fuse_reply_iov(r->fr, iov, n));
}

void req_readlink(struct req *r, const char *target)
{
	account(r, 0);
	finish(r, fuse_reply_readlink(r->fr, target));
}

void req_xattr_size(struct req *r, size_t size)
{
	account(r, 0);
	finish(r, fuse_reply_xattr(r->fr, size));
}

void req_write(struct req *r, size_t count)
{
	r->note->intent.offset = count; /* what a successor answers */
	account(r, 0);
	finish(r, fuse_reply_write(r->fr, count));
}

void req_statfs(struct req *r, const struct statvfs *sv)
{
	account(r, 0);
	finish(r, fuse_reply_statfs(r->fr, sv));
}

bool req_make_open(struct req *r, struct node *n, const struct nfsio_cred *cred)
{
	const struct openrec *o = r->replay ? openrec_get(r->fs, atomic_load(&r->note->open)) : NULL;
	r->reopened = o && o->nodeid == atomic_load(&n->nodeid);
	r->fi.fh = r->reopened ? atomic_load(&o->id)
			       : openrec_new(r->fs, n, cred, (uint32_t)r->fi.flags, &r->note->open);
	return r->fi.fh != 0;
}

/* ENOENT: the open was interrupted, so no RELEASE will come; unless a
 * predecessor's answer came through, and the file is open by its record. */
static void open_unwanted(struct req *r, uint64_t id)
{
	if (!r->reopened)
		openrec_free(r->fs, id, 0);
}

void req_open(struct req *r)
{
	account(r, 0);
	uint64_t id = r->fi.fh;
	int sent = fuse_reply_open(r->fr, &r->fi);
	if (sent < 0)
		open_unwanted(r, id);
	finish(r, sent);
}

static void fill_entry(struct req *r, struct node *n, double entry_s, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){.ino = atomic_load(&n->nodeid), .generation = n->generation};
	e->attr_timeout = node_attr_timeout(r->fs, n);
	e->entry_timeout = entry_s < 0 ? e->attr_timeout : entry_s;
	node_stat(r->fs, n, &e->attr, true);
}

void req_entry(struct req *r, struct node *n, double entry_s)
{
	struct fuse_entry_param e;
	fill_entry(r, n, entry_s, &e);
	account(r, 0);
	int sent = fuse_reply_entry(r->fr, &e);
	if (sent < 0)
		node_forget(&r->fs->nodes, e.ino, 1);
	finish(r, sent);
}

void req_entry_negative(struct req *r, double entry_s)
{
	struct fuse_entry_param e = {.entry_timeout = entry_s};
	account(r, -ENOENT);
	finish(r, fuse_reply_entry(r->fr, &e));
}

void req_create(struct req *r, struct node *n)
{
	struct fuse_entry_param e;
	fill_entry(r, n, -1, &e);
	account(r, 0);
	uint64_t id = r->fi.fh;
	int sent = fuse_reply_create(r->fr, &e, &r->fi);
	if (sent < 0) {
		open_unwanted(r, id);
		node_forget(&r->fs->nodes, e.ino, 1);
	}
	finish(r, sent);
}

void req_attr(struct req *r, struct node *n)
{
	struct stat st;
	node_stat(r->fs, n, &st, true);
	account(r, 0);
	finish(r, fuse_reply_attr(r->fr, &st, node_attr_timeout(r->fs, n)));
}

void req_explain(struct req *r, const char *text)
{
	const struct caller *c = req_process(r);
	last_error_set(r->fs->last_errors, c->uid, c->pid_ns, text);
}

void req_refuse(struct req *r, int err, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	req_explain(r, text);
	req_err(r, err);
}

/* ---- the caller ------------------------------------------------------------------------ */

const struct caller *req_caller(struct req *r)
{
	if (r->who.tid < 0) {
		const struct fuse_ctx *ctx = fuse_req_ctx(r->fr);
		caller_read(&r->who, ctx->uid, ctx->gid, ctx->pid);
	}
	return &r->who;
}

const struct caller *req_process(struct req *r)
{
	const struct caller *c = req_caller(r);
	if (c->tgid > 0 && !c->start_time)
		caller_read_process(&r->who);
	return c;
}

bool req_is_admin(struct req *r)
{
	const struct caller *c = req_caller(r);
	for (size_t i = 0; i < r->fs->p.nadmin_uids; i++)
		if (r->fs->p.admin_uids[i] == c->uid)
			return true;
	return caller_is_local_root(c);
}

/* ---- steps -------------------------------------------------------------------------------- */

struct nfsio_call *req_call(struct req *r, enum nfsio_proc proc, struct node *n)
{
	struct nfsio_call *c = &r->call;
	memset(c, 0, offsetof(struct nfsio_call, res));
	c->proc = proc;
	if (n) {
		c->fh.len = n->fh.len;
		memcpy(c->fh.data, n->fh.data, n->fh.len);
	}
	caller_cred(req_caller(r), n ? (int64_t)node_brief(&r->fs->nodes, n).gid : -1, &c->cred);
	return c;
}

void req_submit(struct req *r, nfsio_done_fn done)
{
	r->call.done = done;
	r->call.priv = r;
	r->calling = true;
	r->asked = true;
	int e = nfsio_submit(r->w->nfs, &r->call);
	if (e < 0) {
		r->calling = false;
		req_err(r, e == -EINVAL ? -ENAMETOOLONG : e);
	}
}

/* What travels with a message, so that an answer to a request that ended in
 * the meantime is seen for what it is. */
struct ctl_wait {
	struct fs *fs;
	uint32_t index;
	req_ctl_fn done;
};

static void control_answer(struct ctl_msg *m)
{
	struct ctl_wait *w = m->priv;
	struct req *r = &w->fs->pool.reqs[w->index];
	if (!w->fs->closing && r->fr && r->unique == m->unique && r->waiting_control) {
		r->waiting_control = false;
		if (m->audit.verb && !uuid_is_zero(&m->request))
			r->request = m->request;
		w->done(r, m);
	}
	snaplist_put(m->list);
	free(m->range);
	free(w);
	free(m);
}

static void control_run(struct ev_msg *ev)
{
	control_answer(container_of(ev, struct ctl_msg, ev));
}

struct ctl_msg *req_message_try(struct req *r, enum ctl_op op, const struct uuid *volume)
{
	struct ctl_msg *m = calloc(1, sizeof(*m));
	struct ctl_wait *w = calloc(1, sizeof(*w));
	if (!m || !w) {
		free(m);
		free(w);
		return NULL;
	}
	*w = (struct ctl_wait){.fs = r->fs, .index = r->index};
	m->priv = w;
	m->op = op;
	m->uid = req_caller(r)->uid;
	m->unique = r->unique;
	m->home = r->w->ev;
	m->ev.fn = control_run;
	if (volume)
		m->volume = *volume;
	return m;
}

void req_message_drop(struct ctl_msg *m)
{
	if (m)
		free(m->priv);
	free(m);
}

struct ctl_msg *req_message(struct req *r, enum ctl_op op, const struct uuid *volume)
{
	struct ctl_msg *m = req_message_try(r, op, volume);
	if (!m)
		req_err(r, -ENOMEM);
	return m;
}

void req_control(struct req *r, struct ctl_msg *m, req_ctl_fn done)
{
	((struct ctl_wait *)m->priv)->done = done;
	if (r->verb && m->op >= CTL_SNAPSHOT_CREATE)
		audit_fill(&m->audit, r);
	r->waiting_control = true;
	r->asked = true;
	control_submit(r->fs->ctl, m);
}

struct node *req_node(struct req *r, uint64_t nodeid)
{
	struct node *n = node_by_id(&r->fs->nodes, nodeid);
	if (!n || (n->space && !space_alive(&r->fs->st, n->space))) {
		req_err(r, -ESTALE);
		return NULL;
	}
	return n;
}

static void take_attr(struct fs *fs, struct node *n, const struct nfsio_attr *a, int64_t stamp_ns)
{
	node_attr_put(&fs->nodes, n, a, stamp_ns);
	struct space *s = &fs->st.spaces[n->space];
	if (n->fh.len == s->root.len && memcmp(n->fh.data, s->root.data, n->fh.len) == 0) {
		atomic_store(&s->root_mode, a->mode);
		atomic_store(&s->root_uid, a->uid);
		atomic_store(&s->root_gid, a->gid);
	}
}

void req_take_attr(struct req *r, struct node *n, const struct nfsio_attr *a, int64_t stamp_ns)
{
	take_attr(r->fs, n, a, stamp_ns);
}

struct node *req_make_node(struct req *r, uint32_t space, const struct nfsio_fh *fh,
			   const struct nfsio_attr *a, int64_t stamp_ns)
{
	const struct space *s = &r->fs->st.spaces[space];
	struct node_key k = {.space = space, .kind = NODE_FILE, .fh = *fh};
	struct node *n = node_get(&r->fs->nodes, &k, node_ino(s, a->fileid, fh));
	if (!n)
		return NULL;
	take_attr(r->fs, n, a, stamp_ns);
	if (r->node && r->node->kind == NODE_FILE && r->node != n)
		atomic_store(&n->parent, atomic_load(&r->node->nodeid));
	return n;
}

bool req_holds(const struct req *r, const void *p, size_t size)
{
	const struct fuse_in_header *in = (const void *)r->slot;
	uintptr_t end = (uintptr_t)r->slot + in->len;
	return (uintptr_t)p <= end && size <= end - (uintptr_t)p;
}

struct node *req_make_virtual(struct req *r, uint32_t space, uint8_t kind, uint64_t sub)
{
	struct node_key k = {.space = space, .kind = kind, .sub = sub};
	const struct space *s = space ? &r->fs->st.spaces[space] : NULL;
	return node_get(&r->fs->nodes, &k, node_ino_virtual(s, kind, sub));
}
