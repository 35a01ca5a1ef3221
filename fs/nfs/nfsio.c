/* The door: who may be sent where.
 *
 * Calls wait on a queue only while no connection can take them: none is up, or
 * all have as many calls or bytes out as they may. Bulk (READ, WRITE) and the
 * rest wait apart, so that a stat does not queue behind megabytes. */
#include "fs/nfs/nfsio.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/random.h>
#include "fs/base/killpoint.h"
#include "fs/base/log.h"
#include "fs/nfs/guard.h"
#include "fs/nfs/nfs_i.h"

#define SLAB_PDUS 64

struct slab {
	struct list link;
	struct pdu pdus[SLAB_PDUS];
};

/* ---- small services ---- */

uint64_t nfsio_random(struct nfsio *n, uint64_t below)
{
	/* xorshift64*: spreads load, protects nothing. */
	n->rnd ^= n->rnd >> 12;
	n->rnd ^= n->rnd << 25;
	n->rnd ^= n->rnd >> 27;
	return below ? (n->rnd * 0x2545f4914f6cdd1dull >> 16) % below : 0;
}

struct pdu *nfsio_pdu_new(struct nfsio *n)
{
	if (list_empty(&n->free_pdus)) {
		struct slab *s = malloc(sizeof(*s));
		if (!s)
			return NULL;
		list_append(&n->slabs, &s->link);
		for (int i = 0; i < SLAB_PDUS; i++)
			list_append(&n->free_pdus, &s->pdus[i].link);
	}
	return list_entry(list_pop(&n->free_pdus), struct pdu, link);
}

void nfsio_pdu_recycle(struct nfsio *n, struct pdu *pdu)
{
	/* The warmest first. */
	list_append(n->free_pdus.next, &pdu->link);
}

void nfsio_pdu_free(struct nfsio *n, struct pdu *pdu)
{
	list_remove(&pdu->link);
	pdu->conn->npdus--;
	pdu->conn->bytes -= pdu->bytes;
	nfsio_pdu_recycle(n, pdu);
}

void nfsio_wake_at(struct nfsio *n, int64_t due_ns)
{
	if (n->closing || (!list_empty(&n->timer.link) && n->timer.due_ns <= due_ns))
		return;
	ev_timer_arm(n->ev, &n->timer, MAX_OF(due_ns - clock_now_ns(), (int64_t)0));
}

static enum queue queue_of(const struct nfsio_call *c)
{
	if (c->proc == NFSIO_MNT)
		return Q_MOUNT;
	return proc_is_bulk((int)c->proc) ? Q_BULK : Q_META;
}

void nfsio_enqueue(struct nfsio *n, struct nfsio_call *c, bool front)
{
	struct list *q;
	if ((int)c->proc == PROC_PMAP) {
		q = &((struct lif *)c->priv)->pmap_queue;
		n->npmap++;
	} else {
		q = &n->queues[queue_of(c)];
	}
	c->state = CALL_QUEUED;
	list_append(front ? q->next : q, &c->link);
}

/* ---- choice of connection ---- */

static uint64_t load_of(const struct nfsio_conn *conn)
{
	return conn->bytes + (uint64_t)conn->npdus * CONN_CALL_WEIGHT;
}

void nfsio_grow(struct nfsio *n, int64_t now)
{
	struct nfsio_conn *best = NULL;
	uint32_t best_count = 0;
	int64_t soonest = INT64_MAX;
	if (n->nconns >= CONNS_MAX || n->nconns >= n->p.nlifs * n->p.nconnect)
		return;
	for (uint32_t i = 0; i < n->p.nlifs; i++) {
		struct lif *lif = &n->lifs[(n->first_lif + i) % n->p.nlifs];
		struct nfsio_conn *slot = NULL;
		uint32_t count = 0;
		bool connecting = false;
		for (uint32_t j = 0; j < n->p.nconnect; j++) {
			struct nfsio_conn *conn = &lif->conns[j];
			count += conn->state != CONN_DOWN;
			if (conn->state == CONN_DOWN && !slot)
				slot = conn;
			if (conn->state != CONN_CONNECTING)
				continue;
			connecting = true;
			/* One at a time, unless it takes suspiciously long. */
			if (now - conn->connect_ns < CONNECT_HEDGE_NS) {
				nfsio_wake_at(n, conn->connect_ns + CONNECT_HEDGE_NS);
				return;
			}
		}
		if (!slot || connecting || atomic_load_explicit(&lif->silent, memory_order_relaxed))
			continue;
		int64_t at = conn_may_start(slot);
		if (at > now) {
			soonest = MIN_OF(soonest, at);
		} else if (!best || count < best_count) {
			best = slot;
			best_count = count;
		}
	}
	if (best && !conn_start(best))
		soonest = MIN_OF(soonest, conn_may_start(best));
	if (list_empty(&n->up) && soonest < INT64_MAX)
		nfsio_wake_at(n, soonest);
}

/* The least loaded connection that can take the call, or NULL. */
static struct nfsio_conn *pick(struct nfsio *n, const struct nfsio_call *c, int64_t now)
{
	struct nfsio_conn *best = NULL, *quiet = NULL;
	uint32_t bytes = proc_is_bulk((int)c->proc) ? c->count : 0;
	bool talking = false;
	struct list *l, *tmp;
	list_for_each(l, tmp, &n->up) {
		struct nfsio_conn *conn = list_entry(l, struct nfsio_conn, up_link);
		bool silent = conn->silent ||
			      atomic_load_explicit(&conn->lif->silent, memory_order_relaxed);
		talking |= !silent && !conn->down_ns;
		/* Back after a failure: one harmless call shows whether it works. */
		if (conn->down_ns && (conn->npdus || !nfsio_is_readonly(c->proc)))
			silent = true;
		if (!conn_ready(conn) ||
		    (bytes && conn->bytes && conn->bytes + bytes > n->p.inflight_bytes))
			continue;
		struct nfsio_conn **slot = silent ? &quiet : &best;
		if (!*slot || load_of(conn) < load_of(*slot))
			*slot = conn;
	}
	if (!best || best->npdus >= CONN_GROW_CALLS || best->bytes >= CONN_GROW_BYTES)
		nfsio_grow(n, now);
	/* A silent one is better than none, but not than a busy one. */
	if (!best && !talking)
		best = quiet;
	return best;
}

/* Changing calls that were sent before want their own connection back. */
static void restart_homes(struct nfsio *n, int64_t now)
{
	for (uint32_t i = 0; i < n->p.nlifs; i++)
		for (uint32_t j = 0; j < n->p.nconnect; j++) {
			struct nfsio_conn *conn = &n->lifs[i].conns[j];
			if (conn->state != CONN_DOWN || list_empty(&conn->resend))
				continue;
			int64_t at = conn_may_start(conn);
			if (at > now || !conn_start(conn))
				nfsio_wake_at(n, conn_may_start(conn));
		}
}

static void pump_queue(struct nfsio *n, struct list *q, int64_t now)
{
	while (!list_empty(q)) {
		struct nfsio_call *c = list_entry(q->next, struct nfsio_call, link);
		struct nfsio_conn *conn = pick(n, c, now);
		if (!conn)
			return;
		call_detach(n, c);
		int r = conn_call_send(conn, c);
		if (r < 0)
			call_finish(n, c, r);
	}
}

void nfsio_pump(struct nfsio *n)
{
	/* done() may submit from anywhere below: no recursion. */
	if (n->serving || n->closing)
		return;
	n->pump_again = true;
	if (n->pumping)
		return;
	n->pumping = true;
	while (n->pump_again) {
		n->pump_again = false;
		if (list_empty(&n->queues[Q_META]) && list_empty(&n->queues[Q_BULK]) &&
		    list_empty(&n->queues[Q_MOUNT]) && !n->nresend && !n->npmap)
			break;
		int64_t now = clock_now_ns();
		pump_queue(n, &n->queues[Q_META], now);
		pump_queue(n, &n->queues[Q_BULK], now);
		if (n->nresend)
			restart_homes(n, now);
		mount_pump(n, now);
	}
	n->pumping = false;
}

static void scan(struct ev_timer *t)
{
	struct nfsio *n = t->ctx;
	int64_t now = clock_now_ns(), next = call_scan_delayed(n, now);
	next = MIN_OF(next, call_scan_soft(n, now));
	for (uint32_t i = 0; i < n->p.nlifs; i++) {
		struct lif *lif = &n->lifs[i];
		for (uint32_t j = 0; j < n->p.nconnect; j++)
			next = MIN_OF(next, conn_scan(&lif->conns[j], now));
		next = MIN_OF(next, conn_scan(&lif->mount, now));
		next = MIN_OF(next, conn_scan(&lif->pmap, now));
	}
	if (next < INT64_MAX)
		nfsio_wake_at(n, next);
	nfsio_pump(n);
}

/* ---- the door ---- */

static int lif_init(struct nfsio *n, struct lif *lif, const struct nfsio_lif *p)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *ai;
	if (!memchr(p->address, 0, sizeof(p->address)) ||
	    getaddrinfo(p->address, NULL, &hints, &ai))
		return -EINVAL;
	memcpy(&lif->sa, ai->ai_addr, ai->ai_addrlen);
	lif->salen = ai->ai_addrlen;
	freeaddrinfo(ai);
	memcpy(lif->address, p->address, sizeof(lif->address));
	lif->nfs_port = p->nfs_port;
	lif->mount_port = p->mount_port;
	lif->ask_nfs_port = !p->nfs_port;
	lif->ask_mount_port = !p->mount_port;
	list_init(&lif->pmap_queue);
	conn_init(&lif->mount, n, lif, KIND_MOUNT);
	conn_init(&lif->pmap, n, lif, KIND_PMAP);
	lif->conns = calloc(n->p.nconnect, sizeof(*lif->conns));
	if (!lif->conns)
		return -ENOMEM;
	for (uint32_t i = 0; i < n->p.nconnect; i++)
		conn_init(&lif->conns[i], n, lif, KIND_NFS);
	return 0;
}

struct nfsio *nfsio_new(struct ev *ev, const struct nfsio_params *params)
{
	if (!params->nlifs || params->nlifs > NFSIO_LIFS_MAX || !params->next_xid ||
	    !params->counters) {
		errno = EINVAL;
		return NULL;
	}
	struct nfsio *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->ev = ev;
	n->p = *params;
	n->p.nconnect = MIN_OF(MAX_OF(n->p.nconnect, 1u), NCONNECT_MAX);
	if (!n->p.inflight_bytes)
		n->p.inflight_bytes = INFLIGHT_DEFAULT;
	if (!n->p.silence_ns)
		n->p.silence_ns = NS_PER_SEC;
	for (int i = 0; i < NQUEUES; i++)
		list_init(&n->queues[i]);
	list_init(&n->delayed);
	list_init(&n->up);
	list_init(&n->free_pdus);
	list_init(&n->slabs);
	ev_timer_init(&n->timer, scan, n);
	if (getrandom(&n->rnd, sizeof(n->rnd), GRND_NONBLOCK) != sizeof(n->rnd))
		n->rnd = (uint64_t)clock_wall_ns();
	n->rnd |= 1;
	n->first_lif = (uint32_t)nfsio_random(n, n->p.nlifs);
	if (gethostname(n->host, sizeof(n->host) - 1))
		n->host[0] = 0;
	n->lifs = calloc(n->p.nlifs, sizeof(*n->lifs));
	int r = n->lifs ? 0 : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < n->p.nlifs; i++)
		r = lif_init(n, &n->lifs[i], &params->lifs[i]);
	if (r < 0) {
		nfsio_free(n);
		errno = -r;
		return NULL;
	}
	return n;
}

static void conn_close(struct nfsio_conn *conn)
{
	if (conn->state == CONN_UP) {
		conn_drop(conn, 0);
	} else if (conn->state == CONN_CONNECTING) {
		ev_del(conn->n->ev, &conn->src);
		close(conn->src.fd);
	}
}

void nfsio_free(struct nfsio *n)
{
	if (!n)
		return;
	n->closing = true;
	ev_timer_disarm(&n->timer);
	for (uint32_t i = 0; n->lifs && i < n->p.nlifs && n->lifs[i].conns; i++) {
		struct lif *lif = &n->lifs[i];
		for (int j = 0; j < 2; j++)
			if (lif->pmap_calls[j].state != CALL_IDLE)
				call_finish(n, &lif->pmap_calls[j], -ECANCELED);
	}
	if (n->lifs && n->lifs[n->p.nlifs - 1].conns)
		call_end_all(n, -ECANCELED);
	for (uint32_t i = 0; n->lifs && i < n->p.nlifs; i++) {
		struct lif *lif = &n->lifs[i];
		for (uint32_t j = 0; lif->conns && j < n->p.nconnect; j++)
			conn_close(&lif->conns[j]);
		if (lif->conns) {
			conn_close(&lif->mount);
			conn_close(&lif->pmap);
		}
		free(lif->conns);
	}
	struct list *l;
	while ((l = list_pop(&n->slabs)))
		free(list_entry(l, struct slab, link));
	free(n->lifs);
	free(n->peek);
	free(n->entries);
	free(n);
}

static bool handle_ok(const struct nfsio_fh *h)
{
	return h->len >= 1 && h->len <= NFSIO_FH_MAX;
}

static bool name_ok(const char *name)
{
	return name && *name && strnlen(name, 256) <= 255 && !strchr(name, '/');
}

/* What no server need be asked about. */
static bool call_ok(const struct nfsio_call *c)
{
	if ((unsigned)c->proc >= NFSIO_NPROCS || !c->done)
		return false;
	if (c->proc == NFSIO_MNT) /* MNTPATHLEN, RFC 1813 5.1.1 */
		return c->name && *c->name && strnlen(c->name, 1025) <= 1024;
	if (!handle_ok(&c->fh))
		return false;
	switch (c->proc) {
	case NFSIO_LOOKUP:
	case NFSIO_CREATE:
	case NFSIO_MKDIR:
	case NFSIO_REMOVE:
	case NFSIO_RMDIR: return name_ok(c->name);
	case NFSIO_MKNOD:
		return name_ok(c->name) && c->mk_type >= NFSIO_BLK && c->mk_type <= NFSIO_FIFO &&
		       c->mk_type != NFSIO_LNK;
	case NFSIO_SYMLINK:
		return name_ok(c->name) && c->name2 && strnlen(c->name2, 4096) <= 4095;
	case NFSIO_RENAME: return name_ok(c->name) && name_ok(c->name2) && handle_ok(&c->fh2);
	case NFSIO_LINK: return name_ok(c->name) && handle_ok(&c->fh2);
	case NFSIO_READ: return c->count <= NFSIO_XFER_MAX;
	case NFSIO_WRITE: return c->count <= NFSIO_XFER_MAX && (c->data || !c->count);
	default: return true;
	}
}

int nfsio_submit(struct nfsio *n, struct nfsio_call *c)
{
	if (n->closing)
		return -ECANCELED;
	if (!call_ok(c))
		return -EINVAL;
	kill_point("intent", nfsio_proc_name(c->proc));
	memset(&c->res, 0, sizeof(c->res));
	list_init(&c->link);
	c->conn = NULL;
	c->pdu = NULL;
	c->attempts = 0;
	c->jukebox = c->moves = 0;
	c->new_xid = true;
	c->lost = false;
	c->first_ns = clock_now_ns();
	if (c->proc == NFSIO_READDIR || c->proc == NFSIO_READDIRPLUS)
		c->count = MIN_OF(c->count, GUARD_DIR_MAX);
	n->ncalls++;
	enum queue q = queue_of(c);
	bool waited = !list_empty(&n->queues[q]) || n->serving || n->pumping || q == Q_MOUNT;
	struct nfsio_conn *conn = waited ? NULL : pick(n, c, c->first_ns);
	if (conn) {
		int r = conn_call_send(conn, c);
		if (r < 0) {
			n->ncalls--;
			c->state = CALL_IDLE;
			return r;
		}
	} else {
		nfsio_enqueue(n, c, false);
	}
	if (n->p.soft_ns)
		nfsio_wake_at(n, c->first_ns + n->p.soft_ns);
	nfsio_pump(n);
	return 0;
}

int nfsio_cancel(struct nfsio *n, struct nfsio_call *c)
{
	if (c->state == CALL_IDLE || (!nfsio_is_readonly(c->proc) && c->attempts))
		return -EBUSY;
	call_finish(n, c, -EINTR);
	return 0;
}

uint32_t nfsio_lif_states(struct nfsio *n, struct nfsio_lif_state *out, uint32_t max)
{
	uint32_t i;
	for (i = 0; i < n->p.nlifs && i < max; i++) {
		struct lif *lif = &n->lifs[i];
		memcpy(out[i].address, lif->address, sizeof(out[i].address));
		out[i].connections = atomic_load(&lif->nup);
		out[i].silent = atomic_load(&lif->silent);
		out[i].last_err = atomic_load(&lif->last_err);
	}
	return i;
}
