/* The device: reading requests into the journal, handing them to libfuse for
 * decoding, parking, interrupts.
 *
 * All workers read the one descriptor, non-blocking. A worker reads into a
 * large slot of its own. FORGET and INTERRUPT are served right there, so they
 * are never kept waiting by anything. A small request is copied into a small
 * slot; a large one (WRITE), or any when the small ones are used up, keeps the
 * slot it lies in and the worker takes another. Only when all large ones are
 * used up, too (sixteen times as many as may be at work) a worker stops reading,
 * and looks by itself who was sent a signal. */
#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <poll.h>
#include <sys/uio.h>
#include "fs/base/clock.h"
#include "fs/base/killpoint.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

/* Not in the headers of every kernel that we build on; fixed protocol numbers. */
#define INIT_FLAG_PARALLEL_DIROPS   (1u << 18)
#define INIT_FLAG_KILLPRIV_V2       (1u << 28)
#define INIT_FLAG_EXT               (1u << 30)
#define INIT_FLAG2_DIRECT_IO_MMAP   (1u << 4) /* bit 36 */

/* struct fuse_init_in up to its `flags`: what the oldest kernel sends. */
#define FUSE_INIT_IN_MIN 16u

/* Requests taken from the device before completions get their turn. */
#define READ_BATCH 32
/* After so many that came alone the device is not read again at once; after so
 * many more it is, to see whether that still holds. */
#define SINGLES      8u
#define SINGLES_LOOK 64u

static _Thread_local struct worker *this_worker;

/* ---- io hooks of libfuse ------------------------------------------------------- */

static ssize_t hook_read(int fd, void *buf, size_t len, void *userdata)
{
	(void)userdata;
	return read(fd, buf, len);
}

/* INIT's answer: adds what this libfuse cannot ask for, keeps a copy for a
 * successor, and swallows it when it answers the replay of an old INIT. */
static ssize_t init_reply(struct fs *fs, int fd, struct iovec *iov, int count)
{
	struct state_head *h = fs->st.head;
	const struct fuse_init_in *in =
		(const void *)(h->init + sizeof(struct fuse_in_header));
	if (count == 2 && iov[1].iov_len == sizeof(struct fuse_init_out)) {
		struct fuse_init_out *out = iov[1].iov_base;
		/* Wanted by libfuse, but forgotten in its answer: lookups of one directory
		 * then do not wait for each other. */
		out->flags |= in->flags & (INIT_FLAG_PARALLEL_DIROPS | INIT_FLAG_KILLPRIV_V2);
		if ((in->flags & INIT_FLAG_EXT) && (in->flags2 & INIT_FLAG2_DIRECT_IO_MMAP)) {
			out->flags |= INIT_FLAG_EXT;
			out->flags2 |= INIT_FLAG2_DIRECT_IO_MMAP;
		}
		if (fs->p.takeover) {
			/* The kernel was promised something else once: it still believes that. */
			if (h->init_out_len != sizeof(*out) || memcmp(h->init_out, out, sizeof(*out)) != 0)
				fs->init_differs = true;
		} else {
			memcpy(h->init_out, out, sizeof(*out));
			h->init_out_len = sizeof(*out);
		}
	}
	if (fs->p.takeover) {
		ssize_t n = 0;
		for (int i = 0; i < count; i++)
			n += (ssize_t)iov[i].iov_len;
		return n;
	}
	return writev(fd, iov, count);
}

static ssize_t hook_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct fs *fs = userdata;
	const struct fuse_out_header *out = iov[0].iov_base;
	if (unlikely(fs->init_unique && out->unique == fs->init_unique))
		return init_reply(fs, fd, iov, count);
	for (;;) {
		ssize_t n = writev(fd, iov, count);
		if (n >= 0 || errno != EINTR)
			return n;
	}
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;
	const struct fuse_init_out *promised = (const void *)fs->st.head->init_out;
	if (fs->p.takeover && fs->st.head->init_out_len == sizeof(*promised)) {
		/* The kernel cannot be told anything else any more, whatever the
		 * configuration says now. */
		conn->max_background = promised->max_background;
		conn->congestion_threshold = promised->congestion_threshold;
		conn->max_readahead = promised->max_readahead;
	} else {
		conn->max_background = fs->p.max_background;
		conn->congestion_threshold = fs->p.max_background * 3 / 4;
		conn->max_readahead = fs->p.read_ahead_kb * 1024;
	}
	/* After an asynchronous O_DIRECT write the kernel does not drop the pages
	 * that were read meanwhile: buffered reads would show the old bytes. */
	conn->want &= ~(unsigned)(FUSE_CAP_ASYNC_DIO | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
	conn->time_gran = 1;
}

__attribute__((format(printf, 2, 0))) static void fuse_says(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[512];
	vsnprintf(text, sizeof(text), fmt, ap);
	size_t n = strlen(text);
	if (n && text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("libfuse: %s", text);
	else
		log_debug("libfuse: %s", text);
}

/* lock=none: a program that needs locks between hosts shall not believe that it
 * has them. (Without these the kernel keeps locks, for this host alone.) */
static void refuse_getlk(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
	(void)ino, (void)fi, (void)lock;
	req_err(op_begin(fr), -ENOLCK);
}

static void refuse_setlk(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock,
			 int sleep)
{
	(void)ino, (void)fi, (void)lock, (void)sleep;
	req_err(op_begin(fr), -ENOLCK);
}

static void refuse_flock(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	(void)ino, (void)fi, (void)op;
	req_err(op_begin(fr), -ENOLCK);
}

int session_new(struct fs *fs, char err[512])
{
	char *argv[] = {(char[]){"ontapfs"}, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	fuse_set_log_func(fuse_says);
	struct fuse_lowlevel_ops ops = fs_ops;
	ops.init = on_init;
	if (fs->p.lock_none) {
		ops.getlk = refuse_getlk;
		ops.setlk = refuse_setlk;
		ops.flock = refuse_flock;
	}
	fs->se = fuse_session_new(&args, &ops, sizeof(ops), fs);
	fuse_opt_free_args(&args);
	static const struct fuse_custom_io io = {.writev = hook_writev, .read = hook_read};
	int r = fs->se ? fuse_session_custom_io(fs->se, &io, fs->p.fuse_fd) : -ENOMEM;
	if (r < 0)
		snprintf(err, 512, "cannot make a FUSE session: %s", strerror(-r));
	return r;
}

int session_init(struct fs *fs, char err[512])
{
	struct state_head *h = fs->st.head;
	while (!fs->p.takeover) {
		struct pollfd pfd = {.fd = fs->p.fuse_fd, .events = POLLIN};
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			return -errno;
		/* The first request is INIT; a read wants room for any request. */
		void *room = state_slot(&fs->st, STATE_SLOTS_LARGE, 0);
		ssize_t n = read(fs->p.fuse_fd, room, SLOT_LARGE_BYTES);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		const struct fuse_in_header *in = room;
		if (n < (ssize_t)sizeof(*in) || in->opcode != FUSE_INIT || (size_t)n > sizeof(h->init)) {
			snprintf(err, 512, "the kernel did not begin the FUSE session as expected: %s",
				 n < 0 ? strerror(errno) : "no INIT request");
			return -EPROTO;
		}
		memcpy(h->init, room, (size_t)n);
		h->init_len = (uint32_t)n;
		atomic_store(&((struct state_slot *)room)->unique, 0);
		break;
	}
	if (h->init_len < sizeof(struct fuse_in_header) + FUSE_INIT_IN_MIN || h->init_len > sizeof(h->init) ||
	    ((const struct fuse_in_header *)(const void *)h->init)->opcode != FUSE_INIT) {
		snprintf(err, 512, "the predecessor left no INIT request to take over with");
		return -EPROTO;
	}
	struct fuse_in_header *in = (void *)h->init;
	fs->init_unique = in->unique;
	struct fuse_buf buf = {.mem = h->init, .size = h->init_len};
	fuse_session_process_buf(fs->se, &buf);
	fs->init_unique = 0;
	if (fs->init_differs) {
		snprintf(err, 512, "this program would agree on another FUSE session with the kernel than the one that "
			 "mounted: unmount and mount again");
		return -EPROTO;
	}
	if (fuse_session_exited(fs->se)) {
		snprintf(err, 512, "the kernel's FUSE is too old, or refused the session");
		return -EPROTO;
	}
	return 0;
}

void fs_end(struct fs *fs, enum fs_end how)
{
	int running = FS_RUNNING;
	atomic_compare_exchange_strong(&fs->ended, &running, how);
	uint64_t one = 1;
	ssize_t n = write(fs->end_fd, &one, sizeof(one));
	(void)n;
}

/* ---- from slot to operation ------------------------------------------------------- */

struct req *op_begin(fuse_req_t fr)
{
	struct req *r = this_worker->current;
	this_worker->current = NULL;
	r->fr = fr;
	return r;
}

void worker_process(struct worker *w, struct req *r)
{
	struct fuse_in_header *in = (void *)r->slot;
	struct fuse_buf buf = {.mem = in, .size = in->len};
	kill_point_op("read", in->opcode);
	r->parked = false;
	if (r->replay && req_answer_again(r))
		return;
	w->current = r;
	fuse_session_process_buf(w->fs->se, &buf);
	/* What libfuse refused by itself (unknown opcode) never became a request.
	 * One that did may have ended already, its slot be anybody's. */
	if (w->current) {
		w->current = NULL;
		r->unique = 0;
		atomic_store_explicit(&r->slot->unique, 0, memory_order_release);
		worker_slot_freed(w, r);
	}
}

static void request_init(struct worker *w, struct req *r)
{
	const struct fuse_in_header *in = (const void *)r->slot;
	/* Everything but where it lives starts anew; the caller's groups and the
	 * call are reset when they are filled. */
	memset(&r->fr, 0, offsetof(struct req, who) - offsetof(struct req, fr));
	memset(&r->node, 0, sizeof(*r) - offsetof(struct req, node));
	r->w = w;
	r->opcode = (uint8_t)in->opcode;
	r->who.tid = -1;
	r->start_ns = clock_now_ns();
	list_init(&r->link);
	atomic_store(&r->owner, w);
	atomic_store_explicit(&r->unique, in->unique, memory_order_release);
}

/* Takes a slot of a class; NULL when there is none. */
static struct req *pool_take(struct pool *p, bool large)
{
	struct req *r = NULL;
	pthread_mutex_lock(&p->lock);
	if (large && p->nfree_large)
		r = &p->reqs[p->free_large[--p->nfree_large]];
	else if (!large && p->nfree_small)
		r = &p->reqs[p->free_small[--p->nfree_small]];
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Begins the request, or parks it while as many as may be are at work. */
static void admit(struct worker *w, struct req *r)
{
	struct pool *p = &w->fs->pool;
	pthread_mutex_lock(&p->lock);
	uint32_t *busy = r->large ? &p->busy_large : &p->busy_small;
	bool go = *busy < (r->large ? p->max_large : p->max_small);
	if (go)
		(*busy)++;
	else
		list_append(r->large ? &p->parked_large : &p->parked_small, &r->link);
	r->parked = !go;
	pthread_mutex_unlock(&p->lock);
	if (go)
		worker_process(w, r);
	else
		stats_add(&w->fs->stats.parked, 1);
}

static void wake_run(struct ev_msg *msg);
static void replay_next(struct worker *w);

static void worker_wake(struct worker *w)
{
	if (!atomic_exchange(&w->wake_posted, true))
		ev_post(w->ev, &w->wake);
}

void worker_slot_freed(struct worker *w, struct req *r)
{
	struct pool *p = &w->fs->pool;
	bool wake = false;
	pthread_mutex_lock(&p->lock);
	if (r->large) {
		p->free_large[p->nfree_large++] = r->index;
		p->busy_large--;
		wake = !list_empty(&p->parked_large) || p->nfree_large == 1;
	} else {
		p->free_small[p->nfree_small++] = r->index;
		p->busy_small--;
		wake = !list_empty(&p->parked_small) || p->nfree_small == 1;
	}
	pthread_mutex_unlock(&p->lock);
	if (wake)
		for (uint32_t i = 0; i < w->fs->nworkers; i++)
			worker_wake(&w->fs->worker[i]);
}

/* The next parked request that this worker read itself and that may begin. */
static struct req *unpark(struct worker *w, bool large)
{
	struct pool *p = &w->fs->pool;
	struct req *r = NULL;
	pthread_mutex_lock(&p->lock);
	uint32_t *busy = large ? &p->busy_large : &p->busy_small;
	if (*busy < (large ? p->max_large : p->max_small)) {
		struct list *l, *tmp;
		list_for_each(l, tmp, large ? &p->parked_large : &p->parked_small) {
			struct req *c = list_entry(l, struct req, link);
			if (c->w == w) {
				list_remove(&c->link);
				(*busy)++;
				r = c;
				break;
			}
		}
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* ---- when the table of inodes is full ------------------------------------------------ */

#define STARVE_LOOK_NS (20 * NS_PER_MS)
#define STARVE_NS      (5 * NS_PER_SEC)

static void starve_cancel(struct req *r)
{
	list_remove(&r->link);
	r->cancel = NULL;
	req_err(r, -EINTR);
}

static void starve_look(struct ev_timer *t)
{
	struct worker *w = t->ctx;
	struct list *l, *tmp;
	int64_t now = clock_now_ns();
	list_for_each(l, tmp, &w->starved) {
		struct req *r = list_entry(l, struct req, link);
		if (nodes_full(&w->fs->nodes) && now - r->start_ns < STARVE_NS)
			continue;
		list_remove(l);
		r->cancel = NULL;
		r->again(r); /* finds room, or waits again, or has waited too long */
	}
	if (!list_empty(&w->starved)) {
		control_sweep(w->fs->ctl);
		ev_timer_arm(w->ev, t, STARVE_LOOK_NS);
	}
}

void worker_starve(struct req *r, void (*again)(struct req *r))
{
	struct worker *w = r->w;
	if (clock_now_ns() - r->start_ns >= STARVE_NS) {
		req_refuse(r, -ENFILE, "the table of inodes is full of files in use (max_nodes)");
		return;
	}
	r->again = again;
	r->cancel = starve_cancel;
	if (list_empty(&w->starved))
		ev_timer_arm(w->ev, &w->starve_timer, STARVE_LOOK_NS);
	list_append(&w->starved, &r->link);
	control_sweep(w->fs->ctl);
}

/* ---- interrupts -------------------------------------------------------------------- */

struct interrupt {
	struct ev_msg ev;
	struct fs *fs;
	uint32_t index;
	uint64_t unique;
};

/* The kernel tells of the first signal only, and of any: SIGCHLD as well as
 * SIGKILL. So an interrupted request is looked at again, at this interval, for
 * as long as it is unanswered. */
#define SIGNAL_LOOK_NS (200 * NS_PER_MS)

static void answer_interrupted(struct fs *fs, uint64_t unique)
{
	struct fuse_out_header out = {.len = sizeof(out), .error = -EINTR, .unique = unique};
	ssize_t n = write(fs->p.fuse_fd, &out, sizeof(out));
	(void)n; /* ENOENT: it has gone already */
}

/* Ends the request with EINTR if nothing was changed for it yet. */
static void give_up(struct req *r)
{
	struct pool *p = &r->fs->pool;
	bool parked = false;
	pthread_mutex_lock(&p->lock);
	if (r->parked && !list_empty(&r->link) && !req_was_sent(r)) {
		list_remove(&r->link);
		/* worker_slot_freed takes it off again */
		(*(r->large ? &p->busy_large : &p->busy_small))++;
		parked = true;
	}
	pthread_mutex_unlock(&p->lock);
	if (parked) {
		answer_interrupted(r->fs, r->unique);
		r->unique = 0;
		atomic_store_explicit(&r->slot->unique, 0, memory_order_release);
		worker_slot_freed(r->w, r);
	} else if (r->fr && !r->changed) {
		if (r->calling)
			nfsio_cancel(r->w->nfs, &r->call);
		else if (r->cancel)
			r->cancel(r);
		else if (r->waiting_control && r->opcode != FUSE_MKDIR && r->opcode != FUSE_RMDIR &&
			 r->opcode != FUSE_RENAME2 && r->opcode != FUSE_RENAME)
			req_err(r, -EINTR);
	}
}

/* True when the request is still there and must be looked at again. */
static bool look_at_signal(struct req *r)
{
	const struct fuse_in_header *in = (const void *)r->slot;
	uint64_t unique = r->unique;
	/* Of one that nobody can see only the kernel knows that it was sent a signal. */
	if (caller_wants_out((pid_t)in->pid, r->interrupted))
		give_up(r);
	return r->unique == unique;
}

/* No slot for what was read: until there is one, INTERRUPT is not read either. */
static bool device_is_stuck(const struct worker *w)
{
	return !w->dev_on && atomic_load(&w->reading->unique);
}

/* What lies there was not begun, so whoever sent it may give it up. */
static void look_at_stuck(struct worker *w)
{
	struct fuse_in_header *in = (void *)w->reading;
	if (caller_wants_out((pid_t)in->pid, atomic_load(&w->reading_interrupted) == in->unique)) {
		answer_interrupted(w->fs, in->unique);
		atomic_store_explicit(&w->reading->unique, 0, memory_order_release);
		worker_wake(w);
	}
}

static void signal_look(struct ev_timer *t)
{
	struct worker *w = t->ctx;
	struct pool *p = &w->fs->pool;
	bool stuck = device_is_stuck(w), more = stuck;
	for (uint32_t i = 0; i < p->nsmall + p->nlarge; i++) {
		struct req *r = &p->reqs[i];
		/* In this order: what is at work and ours stays ours while we look. */
		if (r->unique && atomic_load(&r->owner) == w && (r->interrupted || stuck))
			more |= look_at_signal(r);
	}
	if (stuck)
		look_at_stuck(w);
	if (more)
		ev_timer_arm(w->ev, t, SIGNAL_LOOK_NS);
}

/* On the worker that owns the request. */
static void interrupt_run(struct ev_msg *msg)
{
	struct interrupt *i = container_of(msg, struct interrupt, ev);
	struct req *r = &i->fs->pool.reqs[i->index];
	struct worker *owner = atomic_load(&r->owner);
	if (i->fs->closing) {
		free(i);
		return;
	}
	if (r->unique == i->unique && owner != this_worker) {
		ev_post(owner->ev, &i->ev); /* the slot changed hands and came back to the same request */
		return;
	}
	if (r->unique == i->unique) {
		r->interrupted = true;
		if (look_at_signal(r))
			ev_timer_arm(r->w->ev, &r->w->signal_timer, SIGNAL_LOOK_NS);
	}
	free(i);
}

static void interrupt(struct worker *w, uint64_t own_unique, uint64_t unique)
{
	struct pool *p = &w->fs->pool;
	stats_add(&w->fs->stats.interrupts, 1);
	for (uint32_t i = 0; i < p->nsmall + p->nlarge; i++) {
		struct req *r = &p->reqs[i];
		if (atomic_load_explicit(&r->unique, memory_order_acquire) != unique)
			continue;
		struct interrupt *m = malloc(sizeof(*m));
		if (m) {
			*m = (struct interrupt){.ev.fn = interrupt_run, .fs = w->fs, .index = i,
						.unique = unique};
			ev_post(atomic_load(&r->owner)->ev, &m->ev);
		}
		return;
	}
	/* One that waits in the reading slot of a worker that found no free slot:
	 * it is looked at when it gets one. */
	for (uint32_t i = 0; i < w->fs->nworkers; i++) {
		struct worker *o = &w->fs->worker[i];
		if (o->reading && atomic_load(&o->reading->unique) == unique) {
			atomic_store(&o->reading_interrupted, unique);
			if (atomic_load(&o->reading->unique) == unique)
				return;
			break; /* it got its slot just now: the kernel shall say it again */
		}
	}
	/* Read by another worker a moment ago, or answered already: the kernel
	 * sends the interrupt again in the first case and forgets it in the second. */
	struct fuse_out_header out = {.len = sizeof(out), .error = -EAGAIN, .unique = own_unique};
	ssize_t n = write(w->fs->p.fuse_fd, &out, sizeof(out));
	(void)n;
}

/* ---- reading -------------------------------------------------------------------------- */

static void forget(struct worker *w, struct fuse_in_header *in, size_t len)
{
	struct nodes *nt = &w->fs->nodes;
	struct state_slot *slot = (void *)in;
	stats_add(&w->fs->stats.forgets, 1);
	/* The slot is cleared before the count goes down: a crash in between
	 * leaks one count, the other order would take it twice. */
	atomic_store_explicit(&slot->unique, 0, memory_order_release);
	if (in->opcode == FUSE_FORGET && len >= sizeof(*in) + sizeof(struct fuse_forget_in)) {
		const struct fuse_forget_in *f = (const void *)(in + 1);
		node_forget(nt, in->nodeid, f->nlookup);
	} else if (in->opcode == FUSE_BATCH_FORGET && len >= sizeof(*in) + sizeof(struct fuse_batch_forget_in)) {
		const struct fuse_batch_forget_in *b = (const void *)(in + 1);
		const struct fuse_forget_one *one = (const void *)(b + 1);
		size_t room = (len - sizeof(*in) - sizeof(*b)) / sizeof(*one);
		for (size_t i = 0; i < b->count && i < room; i++)
			node_forget(nt, one[i].nodeid, one[i].nlookup);
	}
}

static struct req *reading_req(struct worker *w)
{
	struct pool *p = &w->fs->pool;
	const struct state_slots *s = &w->fs->st.head->slots[STATE_SLOTS_LARGE];
	size_t i = (size_t)((uint8_t *)w->reading - (w->fs->st.base + s->off)) / s->stride;
	return &p->reqs[p->nsmall + i];
}

/* Zeros behind a message: two names that it does not end are ended there. */
#define SLOT_END_BYTES 8u

/* A request of len bytes lies in w->reading. False: no slot, try again later. */
static bool accept_request(struct worker *w, size_t len)
{
	struct fuse_in_header *in = (void *)w->reading;
	struct req *r = len + SLOT_END_BYTES <= SLOT_SMALL_BYTES ? pool_take(&w->fs->pool, false) : NULL;
	if (r) {
		struct fuse_in_header *to = (void *)r->slot;
		memcpy((uint8_t *)to + sizeof(*to), in + 1, len + SLOT_END_BYTES - sizeof(*in));
		uint64_t unique = in->unique;
		struct fuse_in_header head = *in;
		head.unique = 0;
		*to = head;
		atomic_store_explicit(&r->slot->unique, unique, memory_order_release);
		atomic_store_explicit(&w->reading->unique, 0, memory_order_release);
	} else { /* large, or all small slots are taken */
		struct req *next = pool_take(&w->fs->pool, true);
		if (!next)
			return false;
		r = reading_req(w);
		w->reading = next->slot;
	}
	request_init(w, r);
	uint64_t unique = r->unique;
	if (atomic_load(&w->reading_interrupted) == unique) {
		r->interrupted = true;
		ev_timer_arm(w->ev, &w->signal_timer, 0);
	}
	admit(w, r);
	return true;
}

static void device_pause(struct worker *w)
{
	if (w->dev_on)
		ev_del(w->ev, &w->dev);
	w->dev_on = false;
}

static void device_resume(struct worker *w)
{
	/* ADD anew: EPOLLEXCLUSIVE sources cannot be modified. */
	if (!w->dev_on && !atomic_load(&w->fs->replaying) && ev_add(w->ev, &w->dev, EPOLLIN | EPOLLEXCLUSIVE) == 0)
		w->dev_on = true;
}

static void device_read(struct ev_source *src, uint32_t events)
{
	(void)events;
	struct worker *w = src->ctx;
	for (int i = 0; i < READ_BATCH && w->dev_on; i++) {
		/* Mostly they come one by one: then the next wait tells of another one,
		 * and no read finds nothing. */
		if (i == 1 && w->singles >= SINGLES && w->singles++ < SINGLES_LOOK)
			return;
		ssize_t n = read(src->fd, w->reading, SLOT_LARGE_BYTES - SLOT_END_BYTES);
		if (n < 0) {
			if (errno == EAGAIN) {
				w->singles = i != 1 ? 0 : MIN_OF(w->singles + 1, SINGLES);
				return;
			}
			if (errno == EINTR || errno == ENOENT)
				continue; /* ENOENT: the request was given up meanwhile */
			if (errno != ENODEV)
				log_errno(-errno, "cannot read from /dev/fuse");
			device_pause(w);
			fs_end(w->fs, errno == ENODEV ? FS_UNMOUNTED : FS_FAILED);
			return;
		}
		struct fuse_in_header *in = (void *)w->reading;
		if (n < (ssize_t)sizeof(*in) || in->len != (uint32_t)n) {
			log_error("the kernel sent a request of %zd bytes that says %u", n, in->len);
			atomic_store(&w->reading->unique, 0);
			continue;
		}
		/* libfuse takes names as they lie there: they end in this message. */
		memset((uint8_t *)in + n, 0, SLOT_END_BYTES);
		if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET) {
			forget(w, in, (size_t)n);
		} else if (in->opcode == FUSE_INTERRUPT) {
			const struct fuse_interrupt_in *arg = (const void *)(in + 1);
			uint64_t own = in->unique;
			atomic_store_explicit(&w->reading->unique, 0, memory_order_release);
			interrupt(w, own, arg->unique);
		} else if (!accept_request(w, (size_t)n)) {
			/* It stays where it is; wake_run tries again when a slot is free. */
			device_pause(w);
			ev_timer_arm(w->ev, &w->signal_timer, SIGNAL_LOOK_NS);
		}
	}
}

static void wake_run(struct ev_msg *msg)
{
	struct worker *w = container_of(msg, struct worker, wake);
	atomic_store(&w->wake_posted, false);
	if (w->fs->closing)
		return; /* what is parked stays so */
	struct req *r;
	if (w->replay_done) {
		w->replay_done = false;
		replay_next(w);
	}
	while ((r = unpark(w, false)) || (r = unpark(w, true)))
		worker_process(w, r);
	if (!w->dev_on && atomic_load(&w->fs->ended) == FS_RUNNING) {
		if (atomic_load(&w->reading->unique) &&
		    !accept_request(w, ((struct fuse_in_header *)(void *)w->reading)->len))
			return;
		device_resume(w);
	}
}

/* ---- taking over --------------------------------------------------------------------- */

/* A request that stands in two slots (it was being moved) is kept in one. */
static bool seen_before(struct fs *fs, uint32_t index, uint64_t unique)
{
	for (uint32_t i = 0; i < index; i++)
		if (atomic_load(&fs->pool.reqs[i].slot->unique) == unique)
			return true;
	return false;
}

/* A request that changes something on the NFS server. Those of ONTAP's (in
 * .snapshots, .clones and at the root) know by uuid what was done, and must not
 * hold up the data while ONTAP is away. */
static bool is_change(struct fs *fs, const struct fuse_in_header *in)
{
	const struct node *n = node_by_id(&fs->nodes, in->nodeid);
	if (in->opcode == FUSE_LINK && in->len >= sizeof(*in) + sizeof(struct fuse_link_in)) {
		/* Of a snapshot's file: ONTAP's work, too (fs/ops_fileclone.c). */
		const struct node *file = node_by_id(&fs->nodes, ((const struct fuse_link_in *)(in + 1))->oldnodeid);
		if (file && space_is_snapshot(&fs->st.spaces[file->space]))
			return false;
	}
	switch (in->opcode) {
	case FUSE_SETATTR:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_OPEN:
	case FUSE_WRITE:
	case FUSE_RELEASE:
	case FUSE_CREATE:
		return n && !node_is_virtual(n);
	default:
		return false;
	}
}

/* By age: the kernel counts `unique` up. */
static void replay_insert(struct fs *fs, struct req *r)
{
	struct list *at = fs->replays.prev;
	while (at != &fs->replays && list_entry(at, struct req, link)->unique > r->unique)
		at = at->prev;
	r->link.prev = at;
	r->link.next = at->next;
	at->next->prev = &r->link;
	at->next = &r->link;
}

/* One at a time, in order: an answered WRITE whose slot was not cleared yet must
 * not come after a later one, nor any of them after what the application does
 * next. So the device is read only when all are done. */
static void replay_next(struct worker *w)
{
	struct fs *fs = w->fs;
	struct list *l = list_pop(&fs->replays);
	if (l) {
		struct req *r = list_entry(l, struct req, link);
		pthread_mutex_lock(&fs->pool.lock);
		(*(r->large ? &fs->pool.busy_large : &fs->pool.busy_small))++;
		pthread_mutex_unlock(&fs->pool.lock);
		r->gating = true;
		worker_process(w, r);
		return;
	}
	atomic_store(&fs->replaying, false);
	for (uint32_t i = 0; i < fs->nworkers; i++)
		worker_wake(&fs->worker[i]);
}

void worker_replay_done(struct worker *w)
{
	w->replay_done = true;
	worker_wake(w);
}

void session_replay(struct fs *fs)
{
	struct pool *p = &fs->pool;
	struct worker *w = &fs->worker[0];
	for (uint32_t i = 0; i < p->nsmall + p->nlarge; i++) {
		struct req *r = &p->reqs[i];
		struct fuse_in_header *in = (void *)r->slot;
		uint64_t unique = atomic_load(&r->slot->unique);
		if (!unique) {
			atomic_store(&r->note->intent.phase, INTENT_NONE);
			atomic_store(&r->note->open, 0);
			continue;
		}
		bool drop = seen_before(fs, i, unique) || in->opcode == FUSE_INTERRUPT || in->opcode == FUSE_INIT;
		if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET)
			forget(w, in, in->len);
		if (drop || !atomic_load(&r->slot->unique)) {
			atomic_store(&r->slot->unique, 0);
			pthread_mutex_lock(&p->lock);
			if (r->large)
				p->free_large[p->nfree_large++] = i;
			else
				p->free_small[p->nfree_small++] = i;
			pthread_mutex_unlock(&p->lock);
			continue;
		}
		request_init(w, r);
		r->replay = true;
		if (is_change(fs, in)) {
			replay_insert(fs, r);
			continue;
		}
		r->parked = true;
		list_append(r->large ? &p->parked_large : &p->parked_small, &r->link);
		stats_add(&fs->stats.parked, 1);
	}
	atomic_store(&fs->replaying, !list_empty(&fs->replays));
	worker_wake(w);
}

/* ---- threads --------------------------------------------------------------------------- */

static uint32_t at_work(struct fs *fs)
{
	pthread_mutex_lock(&fs->pool.lock);
	uint32_t n = fs->pool.busy_small + fs->pool.busy_large;
	pthread_mutex_unlock(&fs->pool.lock);
	return n;
}

/* How long a stopping worker waits for requests that are being answered. */
#define DRAIN_NS (2 * NS_PER_SEC)

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	this_worker = w;
	if (w->id == 0 && atomic_load(&w->fs->replaying))
		replay_next(w);
	device_resume(w);
	int64_t drain_until = 0;
	bool worked = false;
	for (;;) {
		int timeout_ms = -1;
		if (atomic_load(&w->fs->ended) != FS_RUNNING) {
			int64_t now = clock_now_ns();
			device_pause(w);
			if (!drain_until)
				drain_until = now + DRAIN_NS;
			if (at_work(w->fs) == 0 || now >= drain_until ||
			    atomic_load(&w->fs->ended) == FS_UNMOUNTED)
				break;
			timeout_ms = 20;
		}
		/* Nobody else needs the processor for us then, and the next step of the one
		 * who waits comes soon. Not after a wake-up that was for nothing. */
		if (w->fs->p.spin_ns && worked && at_work(w->fs) <= 1)
			ev_spin(w->ev, w->fs->p.spin_ns);
		int r = ev_run_once(w->ev, timeout_ms);
		worked = r > 0;
		if (r < 0)
			log_errno(r, "a worker cannot wait for events");
	}
	caller_thread_ends();
	return NULL;
}

int worker_init(struct fs *fs, uint32_t id)
{
	struct worker *w = &fs->worker[id];
	struct req *room = pool_take(&fs->pool, true);
	w->fs = fs;
	w->id = id;
	w->ev = ev_new();
	w->wake.fn = wake_run;
	ev_timer_init(&w->signal_timer, signal_look, w);
	ev_timer_init(&w->starve_timer, starve_look, w);
	list_init(&w->starved);
	w->dev = (struct ev_source){.fd = fs->p.fuse_fd, .fn = device_read, .ctx = w};
	if (!w->ev || !room || !(w->nfs = nfsio_new(w->ev, &fs->nfs_params)))
		return -ENOMEM;
	w->reading = room->slot;
	return 0;
}

int worker_start(struct worker *w)
{
	int r = pthread_create(&w->thread, NULL, worker_main, w);
	w->started = r == 0;
	return -r;
}

void worker_stop(struct worker *w)
{
	if (!w->started)
		return;
	worker_wake(w);
	pthread_join(w->thread, NULL);
	w->started = false;
}
