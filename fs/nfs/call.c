/* A call's life. When it may be sent again:
 *
 *  - Its connection was lost: with the same XID, so that a server that ran it
 *    already answers from its duplicate request cache. Procedures that change
 *    something wait for the same connection (same source port, see
 *    conn_drop()), others take any.
 *    Those with look_first end instead: their caller sees what was done.
 *  - Its LIF is silent, and it changes nothing: on another LIF with a new XID.
 *    What changes something follows when the connection does not even answer
 *    a NULL, while another LIF does: conn_scan() then drops it.
 *  - JUKEBOX: the server has not run it; later, with a new XID. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "fs/base/killpoint.h"
#include "fs/base/log.h"
#include "fs/nfs/nfs_i.h"

static void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

int conn_call_send(struct nfsio_conn *conn, struct nfsio_call *c)
{
	struct nfsio *n = conn->n;
	struct pdu *pdu = nfsio_pdu_new(n);
	if (!pdu)
		return -ENOMEM;
	if (c->new_xid) {
		c->xid = atomic_fetch_add_explicit(n->p.next_xid, 1, memory_order_relaxed);
		c->new_xid = false;
	}
	int64_t now = clock_now_ns();
	*pdu = (struct pdu){.conn = conn,
			    .call = c,
			    .xid = c->xid,
			    .bytes = proc_is_bulk((int)c->proc) ? c->count : 0,
			    .proc = (uint8_t)c->proc,
			    .sent_ns = now};
	list_init(&pdu->link);
	int r = conn_set_cred(conn, &c->cred);
	if (r == 0)
		r = proc_queue(conn, c, pdu);
	if (r < 0) {
		nfsio_pdu_recycle(n, pdu);
		return r;
	}
	if (c->attempts++) {
		c->res.resent = true;
		count(&n->p.counters->resends, 1);
	}
	if (!conn->npdus++)
		conn->quiet_ns = now;
	conn->bytes += pdu->bytes;
	list_append(&conn->pdus, &pdu->link);
	conn->unsent = pdu;
	c->pdu = pdu;
	c->conn = conn;
	c->state = CALL_SENT;
	c->res.start_ns = now;
	nfsio_wake_at(n, now + n->p.silence_ns);
	conn_flush(conn);
	if (c->pdu && !conn->unsent && (int)c->proc < NFSIO_NPROCS)
		kill_point("sent", nfsio_proc_name(c->proc));
	return 0;
}

void call_detach(struct nfsio *n, struct nfsio_call *c)
{
	if (c->state == CALL_QUEUED && c->conn)
		n->nresend--;
	if (c->state == CALL_QUEUED && (int)c->proc == PROC_PMAP)
		n->npmap--;
	list_remove(&c->link);
	if (c->pdu) {
		((struct pdu *)c->pdu)->call = NULL;
		c->pdu = NULL;
	}
	c->conn = NULL;
	c->state = CALL_IDLE;
}

void call_finish(struct nfsio *n, struct nfsio_call *c, int err)
{
	call_detach(n, c);
	c->res.err = err;
	n->ncalls--;
	if ((int)c->proc < NFSIO_NPROCS) {
		kill_point("received", nfsio_proc_name(c->proc));
		struct nfsio_counters *k = n->p.counters;
		count(&k->calls[c->proc], 1);
		if (err)
			count(&k->errors[c->proc], 1);
		count(&k->latency_ns[c->proc], (uint64_t)(clock_now_ns() - c->first_ns));
		if (err == -ESTALE)
			count(&k->stale, 1);
		if (c->proc == NFSIO_READ)
			count(&k->bytes_read, c->res.count);
		else if (c->proc == NFSIO_WRITE)
			count(&k->bytes_written, c->res.count);
	}
	c->done(c);
}

void call_answered(struct nfsio *n, struct nfsio_call *c, int err, bool garbage)
{
	if (garbage) {
		struct nfsio_conn *conn = c->conn;
		count(&n->p.counters->garbage, 1);
		log_warn("reply makes no sense: proc=%s server=%s xid=%08x",
			 (int)c->proc < NFSIO_NPROCS ? nfsio_proc_name(c->proc) : "getport",
			 conn->lif->address, c->xid);
		conn->drop = -EPROTO;
		c->res.count = 0;
		err = -EIO;
	}
	call_finish(n, c, err);
}

void call_jukebox(struct nfsio *n, struct nfsio_call *c)
{
	int doublings = MIN_OF((int)c->jukebox, 5);
	int64_t wait = MIN_OF(JUKEBOX_MIN_NS << doublings, JUKEBOX_MAX_NS);
	if (c->jukebox < UINT8_MAX)
		c->jukebox++;
	count(&n->p.counters->jukebox, 1);
	c->conn = NULL;
	c->new_xid = true;
	c->attempts = 0;
	c->state = CALL_DELAYED;
	c->due_ns = clock_now_ns() + wait;
	list_append(&n->delayed, &c->link);
	nfsio_wake_at(n, c->due_ns);
}

void call_lost(struct nfsio *n, struct nfsio_call *c)
{
	c->lost = true;
	c->state = CALL_DELAYED;
	c->due_ns = clock_now_ns();
	list_append(&n->delayed, &c->link);
	nfsio_wake_at(n, c->due_ns);
}

int64_t call_scan_delayed(struct nfsio *n, int64_t now)
{
	int64_t next = INT64_MAX;
	struct list *l, *tmp, lost;
	list_init(&lost);
	list_for_each(l, tmp, &n->delayed) {
		struct nfsio_call *c = list_entry(l, struct nfsio_call, link);
		if (c->due_ns > now) {
			next = MIN_OF(next, c->due_ns);
			continue;
		}
		list_remove(&c->link);
		if (c->lost)
			list_append(&lost, &c->link);
		else
			nfsio_enqueue(n, c, false);
	}
	while (!list_empty(&lost))
		call_finish(n, list_entry(lost.next, struct nfsio_call, link), NFSIO_LOST);
	return next;
}

/* Visits every call of the public procedures until fn returns true, and then
 * returns that call: what fn's caller does with it may change all lists. */
typedef bool (*call_test)(struct nfsio_call *c, void *arg);

static struct nfsio_call *find_in(struct list *calls, call_test fn, void *arg)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, calls) {
		struct nfsio_call *c = list_entry(l, struct nfsio_call, link);
		if (fn(c, arg))
			return c;
	}
	return NULL;
}

static struct nfsio_call *find_on(struct nfsio_conn *conn, call_test fn, void *arg)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &conn->pdus) {
		struct nfsio_call *c = list_entry(l, struct pdu, link)->call;
		if (c && fn(c, arg))
			return c;
	}
	return find_in(&conn->resend, fn, arg);
}

static struct nfsio_call *find(struct nfsio *n, call_test fn, void *arg)
{
	struct nfsio_call *c = find_in(&n->delayed, fn, arg);
	for (uint32_t i = 0; !c && i < NQUEUES; i++)
		c = find_in(&n->queues[i], fn, arg);
	for (uint32_t i = 0; !c && i < n->p.nlifs; i++) {
		for (uint32_t j = 0; !c && j < n->p.nconnect; j++)
			c = find_on(&n->lifs[i].conns[j], fn, arg);
		if (!c)
			c = find_on(&n->lifs[i].mount, fn, arg);
	}
	return c;
}

struct soft {
	int64_t now, soft_ns, next;
};

static bool past_soft(struct nfsio_call *c, void *arg)
{
	struct soft *s = arg;
	int64_t end = c->first_ns + s->soft_ns;
	if (end <= s->now)
		return true;
	s->next = MIN_OF(s->next, end);
	return false;
}

int64_t call_scan_soft(struct nfsio *n, int64_t now)
{
	struct soft s = {.now = now, .soft_ns = n->p.soft_ns, .next = INT64_MAX};
	struct nfsio_call *c;
	while (s.soft_ns && (c = find(n, past_soft, &s))) {
		log_warn("no answer in time: proc=%s xid=%08x", nfsio_proc_name(c->proc), c->xid);
		call_finish(n, c, -ETIMEDOUT);
	}
	return s.next;
}

static bool any(struct nfsio_call *c, void *arg)
{
	(void)c;
	(void)arg;
	return true;
}

void call_end_all(struct nfsio *n, int err)
{
	struct nfsio_call *c;
	while ((c = find(n, any, NULL)))
		call_finish(n, c, err);
}
