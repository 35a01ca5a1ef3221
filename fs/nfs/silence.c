/* A LIF that falls silent while another one may answer.
 *
 * Calls that change nothing go elsewhere at once. Those that change something
 * may be slow for a good reason, or the whole server may be: a NULL, which
 * costs a server nothing, is sent there and to another LIF. Only if that one
 * answers and this one does not, the connection is given up. */
#include <string.h>
#include "fs/nfs/nfs_i.h"

/* A connection to another LIF that is not silent itself. */
static struct nfsio_conn *elsewhere(const struct nfsio *n, const struct lif *lif)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &n->up) {
		struct nfsio_conn *o = list_entry(l, struct nfsio_conn, up_link);
		if (o->lif != lif && !o->silent)
			return o;
	}
	return NULL;
}

static void move_calls(struct nfsio_conn *conn, int64_t now)
{
	struct nfsio *n = conn->n;
	if (conn->state != CONN_UP || !conn->silent || !elsewhere(n, conn->lif))
		return;
	struct list *l, *prev;
	/* From the newest on, so that each goes to the head of its queue. */
	for (l = conn->pdus.prev; prev = l->prev, l != &conn->pdus; l = prev) {
		struct pdu *pdu = list_entry(l, struct pdu, link);
		struct nfsio_call *c = pdu->call;
		if (!c || c == &conn->probe || !nfsio_is_readonly(c->proc) ||
		    now - pdu->sent_ns < n->p.silence_ns << MIN_OF((int)c->moves, 6))
			continue;
		call_detach(n, c);
		/* The old one may still be answered, on another connection. */
		c->new_xid = true;
		if (c->moves < UINT8_MAX)
			c->moves++;
		nfsio_enqueue(n, c, true);
	}
}

static void probed(struct nfsio_call *c)
{
	(void)c; /* that it came is all that counts: conn_answered() */
}

static void probe(struct nfsio_conn *conn)
{
	struct nfsio_call *c = &conn->probe;
	if (c->state != CALL_IDLE || conn->state != CONN_UP || conn->unsent || conn->drop)
		return;
	*c = (struct nfsio_call){.proc = (enum nfsio_proc)PROC_NULL,
				 .done = probed,
				 .new_xid = true,
				 .first_ns = clock_now_ns()};
	list_init(&c->link);
	conn->n->ncalls++;
	if (conn_call_send(conn, c) < 0) {
		conn->n->ncalls--;
		c->state = CALL_IDLE;
	}
}

static bool holds_changes(const struct nfsio_conn *conn)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &conn->pdus) {
		const struct nfsio_call *c = list_entry(l, struct pdu, link)->call;
		if (c && !nfsio_is_readonly(c->proc))
			return true;
	}
	return false;
}

/* Each look is `silence_ns` long, and begins with a question to both. */
static bool is_dark(struct nfsio_conn *conn, int64_t now)
{
	struct nfsio *n = conn->n;
	struct nfsio_conn *o = elsewhere(n, conn->lif);
	int64_t since = conn->probe_ns;
	if (n->p.nlifs < 2 || !holds_changes(conn))
		return false;
	if (since && now - since < n->p.silence_ns)
		return false;
	if (since && o && o->lif->reply_ns > since)
		return true;
	conn->probe_ns = now;
	probe(conn);
	if (o)
		probe(o);
	return false;
}

bool silence_scan(struct nfsio_conn *conn, int64_t now)
{
	struct nfsio *n = conn->n;
	struct lif *lif = conn->lif;
	if (conn->kind != KIND_NFS || now - lif->reply_ns < n->p.silence_ns)
		return false;
	atomic_store(&lif->silent, true);
	/* Who waits here alone brings no new call that would open another one. */
	if (!elsewhere(n, lif))
		nfsio_grow(n, now);
	move_calls(conn, now);
	return is_dark(conn, now);
}

void silence_came_up(struct nfsio_conn *conn)
{
	struct nfsio *n = conn->n;
	bool asked = false;
	for (uint32_t i = 0; conn->kind == KIND_NFS && i < n->p.nlifs; i++) {
		if (!atomic_load_explicit(&n->lifs[i].silent, memory_order_relaxed))
			continue;
		for (uint32_t j = 0; j < n->p.nconnect; j++) {
			move_calls(&n->lifs[i].conns[j], conn->quiet_ns);
			asked |= n->lifs[i].conns[j].probe_ns && conn->lif != &n->lifs[i];
		}
	}
	if (asked)
		probe(conn);
}
