/* A READ waits for the WRITEs of its pages that came before it.
 *
 * The kernel unlocks a cached page before its WRITE is answered. When it drops
 * the page then (another process opened the file, or a GETATTR brought a new
 * mtime), somebody's READ may overtake the WRITE on its way to the server. What
 * it brings is the page as it was before, and stays in the cache: mtimes that
 * lie in one tick of the server's clock do not betray it. The writer itself
 * would read its old bytes. */
#include <stdlib.h>
#include "fs/fs_i.h"

#define ORDER_LOCKS 64u
#define ORDER_PAGE  4096u

/* Under `lock`: WRITEs at work and READs that wait, oldest first. */
struct order_shard {
	pthread_mutex_t lock;
	struct list list;
};

struct order {
	struct order_shard shard[ORDER_LOCKS];
};

struct order *order_new(void)
{
	struct order *o = calloc(1, sizeof(*o));
	for (uint32_t i = 0; o && i < ORDER_LOCKS; i++) {
		pthread_mutex_init(&o->shard[i].lock, NULL);
		list_init(&o->shard[i].list);
	}
	return o;
}

void order_free(struct order *o)
{
	for (uint32_t i = 0; o && i < ORDER_LOCKS; i++)
		pthread_mutex_destroy(&o->shard[i].lock);
	free(o);
}

static struct order_shard *shard(const struct req *r)
{
	return &r->fs->order->shard[r->order.nodeid % ORDER_LOCKS];
}

static void fill(struct req *r)
{
	struct order_entry *e = &r->order;
	e->nodeid = atomic_load(&r->node->nodeid);
	e->from = r->off / ORDER_PAGE;
	/* The last page; of an offset near the end of all, without wrapping. */
	e->to = (r->size <= UINT64_MAX - r->off ? r->off + r->size - 1 : UINT64_MAX) / ORDER_PAGE;
}

/* Is there a WRITE of these pages before e? Under the lock; an e that is not in the list is last. */
static bool must_wait(struct order_shard *s, const struct order_entry *e)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &s->list) {
		const struct order_entry *w = list_entry(l, struct order_entry, link);
		if (w == e)
			break;
		if (w->state == ORDER_WRITING && w->nodeid == e->nodeid && w->from <= e->to && e->from <= w->to)
			return true;
	}
	return false;
}

void order_write(struct req *r)
{
	fill(r);
	struct order_shard *s = shard(r);
	pthread_mutex_lock(&s->lock);
	r->order.state = ORDER_WRITING;
	list_append(&s->list, &r->order.link);
	pthread_mutex_unlock(&s->lock);
}

/* On the worker that owns the READ. */
static void go_on(struct ev_msg *msg)
{
	struct req *r = container_of(msg, struct req, order.ev);
	r->order.state = ORDER_NONE;
	r->cancel = NULL;
	if (!r->fs->closing)
		r->order.go(r);
}

static void cancel(struct req *r)
{
	struct order_shard *s = shard(r);
	pthread_mutex_lock(&s->lock);
	bool waits = r->order.state == ORDER_WAITING;
	if (waits) {
		list_remove(&r->order.link);
		r->order.state = ORDER_NONE;
	}
	pthread_mutex_unlock(&s->lock);
	/* Else it goes on in a moment, and may be given up then. */
	if (waits) {
		r->cancel = NULL;
		req_err(r, -EINTR);
	}
}

void order_read(struct req *r, void (*go)(struct req *r))
{
	fill(r);
	struct order_shard *s = shard(r);
	pthread_mutex_lock(&s->lock);
	bool wait = must_wait(s, &r->order);
	if (wait) {
		r->order.state = ORDER_WAITING;
		r->order.go = go;
		r->order.ev.fn = go_on;
		r->cancel = cancel;
		list_append(&s->list, &r->order.link);
	}
	pthread_mutex_unlock(&s->lock);
	if (!wait)
		go(r);
}

void order_done(struct req *r)
{
	/* Of the states only WAITING is ended by others. */
	if (r->order.state != ORDER_WRITING)
		return;
	struct order_shard *s = shard(r);
	struct list *l, *tmp;
	pthread_mutex_lock(&s->lock);
	list_remove(&r->order.link);
	r->order.state = ORDER_NONE;
	list_for_each(l, tmp, &s->list) {
		struct order_entry *e = list_entry(l, struct order_entry, link);
		if (e->state != ORDER_WAITING || e->nodeid != r->order.nodeid || must_wait(s, e))
			continue;
		list_remove(l);
		e->state = ORDER_POSTED;
		ev_post(container_of(e, struct req, order)->w->ev, &e->ev);
	}
	pthread_mutex_unlock(&s->lock);
}
