/* Interrupts: who waits and was sent a signal that ends programs gets EINTR, as
 * long as nothing was changed for the request. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <unistd.h>
#include "fs/base/clock.h"
#include "fs/fs_i.h"

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

void interrupt_look(struct ev_timer *t)
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

void interrupt_watch(struct worker *w)
{
	ev_timer_arm(w->ev, &w->signal_timer, SIGNAL_LOOK_NS);
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
	if (r->unique == i->unique && owner != worker_self()) {
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

void interrupt_request(struct worker *w, uint64_t own_unique, uint64_t unique)
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
