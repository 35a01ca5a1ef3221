/* The workers: reading requests from the device into the journal, handing them
 * to libfuse for decoding, parking.
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
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "fs/base/clock.h"
#include "fs/base/killpoint.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

/* Requests taken from the device before completions get their turn. */
#define READ_BATCH 32
/* After so many that came alone the device is not read again at once; after so
 * many more it is, to see whether that still holds. */
#define SINGLES      8u
#define SINGLES_LOOK 64u

static _Thread_local struct worker *this_worker;

/* ---- from slot to operation ------------------------------------------------------- */

struct worker *worker_self(void)
{
	return this_worker;
}

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

void worker_request_init(struct worker *w, struct req *r)
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

void worker_wake(struct worker *w)
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

/* ---- reading -------------------------------------------------------------------------- */

void worker_forget(struct worker *w, struct fuse_in_header *in, size_t len)
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
	worker_request_init(w, r);
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
			worker_forget(w, in, (size_t)n);
		} else if (in->opcode == FUSE_INTERRUPT) {
			const struct fuse_interrupt_in *arg = (const void *)(in + 1);
			uint64_t own = in->unique;
			atomic_store_explicit(&w->reading->unique, 0, memory_order_release);
			interrupt_request(w, own, arg->unique);
		} else if (!accept_request(w, (size_t)n)) {
			/* It stays where it is; wake_run tries again when a slot is free. */
			device_pause(w);
			interrupt_watch(w);
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
	ev_timer_init(&w->signal_timer, interrupt_look, w);
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
