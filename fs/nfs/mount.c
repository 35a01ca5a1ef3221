/* MOUNT and the portmapper: which port, which connection.
 *
 * Both get connections of their own, made on demand and closed again after
 * IDLE_CLOSE_NS (conn_scan()). The portmapper's calls are ours, one per LIF and
 * program; to the rest they are calls like any other. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "fs/base/log.h"
#include "fs/nfs/nfs_i.h"

enum { PROGRAM_NFS = 100003, PROGRAM_MOUNT = 100005 };

static void port_known(struct nfsio_call *c)
{
	struct lif *lif = c->priv;
	struct nfsio *n = lif->mount.n;
	bool nfs = c->access == PROGRAM_NFS;
	uint16_t port = c->res.err ? 0 : (uint16_t)c->res.count;
	if (n->closing)
		return;
	if (nfs)
		lif->nfs_port = port;
	else
		lif->mount_port = port;
	if (port)
		return;
	/* Not registered (yet): ask again, paced like a failed connect. */
	int err = c->res.err ? c->res.err : -EPROTONOSUPPORT;
	atomic_store(&lif->last_err, err);
	log_warn("portmapper names no port: server=%s program=%s: %s", lif->address,
		 nfs ? "nfs" : "mount", strerror(-err));
	int64_t *at = nfs ? &lif->gate_ns : &lif->mount.retry_ns;
	*at = clock_now_ns() + NS_PER_SEC;
}

uint16_t lif_port(struct nfsio *n, struct lif *lif, enum conn_kind kind)
{
	if (kind == KIND_PMAP)
		return 111;
	uint16_t port = kind == KIND_NFS ? lif->nfs_port : lif->mount_port;
	struct nfsio_call *c = &lif->pmap_calls[kind == KIND_MOUNT];
	if (port || c->state != CALL_IDLE || n->closing)
		return port;
	*c = (struct nfsio_call){.proc = (enum nfsio_proc)PROC_PMAP,
				 .done = port_known,
				 .priv = lif,
				 .access = kind == KIND_NFS ? PROGRAM_NFS : PROGRAM_MOUNT,
				 .new_xid = true,
				 .state = CALL_QUEUED,
				 .first_ns = clock_now_ns()};
	list_append(&lif->pmap_queue, &c->link);
	n->npmap++;
	n->ncalls++;
	return 0;
}

void lif_forget_port(struct lif *lif, enum conn_kind kind)
{
	if (kind == KIND_NFS && lif->ask_nfs_port)
		lif->nfs_port = 0;
	if (kind == KIND_MOUNT && lif->ask_mount_port)
		lif->mount_port = 0;
}

static void start_or_wait(struct nfsio_conn *conn, int64_t now)
{
	int64_t at = conn_may_start(conn);
	if (conn->state != CONN_DOWN)
		return;
	if (at <= now)
		conn_start(conn);
	else
		nfsio_wake_at(conn->n, at);
}

static void send_first(struct nfsio *n, struct nfsio_conn *conn, struct list *queue)
{
	struct nfsio_call *c = list_entry(queue->next, struct nfsio_call, link);
	call_detach(n, c);
	int r = conn_call_send(conn, c);
	if (r < 0)
		call_finish(n, c, r);
}

/* The MOUNT connection to use, or NULL after one was started or is awaited. */
static struct nfsio_conn *mount_pick(struct nfsio *n, int64_t now)
{
	struct nfsio_conn *silent = NULL, *start = NULL;
	int64_t soonest = INT64_MAX;
	for (uint32_t i = 0; i < n->p.nlifs; i++) {
		struct nfsio_conn *conn = &n->lifs[(n->first_lif + i) % n->p.nlifs].mount;
		if (conn_ready(conn)) {
			if (!conn->silent)
				return conn;
			silent = conn;
		} else if (conn->state == CONN_CONNECTING) {
			if (now - conn->connect_ns < CONNECT_HEDGE_NS) {
				nfsio_wake_at(n, conn->connect_ns + CONNECT_HEDGE_NS);
				return silent;
			}
		} else if (conn->state == CONN_DOWN) {
			if (conn_may_start(conn) > now)
				soonest = MIN_OF(soonest, conn_may_start(conn));
			else if (!start)
				start = conn;
		}
	}
	if (start)
		conn_start(start);
	else if (soonest < INT64_MAX)
		nfsio_wake_at(n, soonest);
	return silent;
}

void mount_pump(struct nfsio *n, int64_t now)
{
	while (!list_empty(&n->queues[Q_MOUNT])) {
		struct nfsio_conn *conn = mount_pick(n, now);
		if (!conn)
			break;
		send_first(n, conn, &n->queues[Q_MOUNT]);
	}
	for (uint32_t i = 0; n->npmap && i < n->p.nlifs; i++) {
		struct lif *lif = &n->lifs[i];
		while (!list_empty(&lif->pmap_queue) && conn_ready(&lif->pmap))
			send_first(n, &lif->pmap, &lif->pmap_queue);
		if (!list_empty(&lif->pmap_queue))
			start_or_wait(&lif->pmap, now);
	}
}

void mount_bind_reserved(struct nfsio *n, int fd, int family)
{
	enum { FIRST = 512, COUNT = 512 };
	uint16_t port = (uint16_t)nfsio_random(n, COUNT);
	for (int i = 0; i < COUNT; i++, port = (uint16_t)((port + 1) % COUNT)) {
		struct sockaddr_storage ss = {.ss_family = (sa_family_t)family};
		socklen_t len = sizeof(struct sockaddr_in);
		if (family == AF_INET6) {
			((struct sockaddr_in6 *)&ss)->sin6_port = htons((uint16_t)(FIRST + port));
			len = sizeof(struct sockaddr_in6);
		} else {
			((struct sockaddr_in *)&ss)->sin_port = htons((uint16_t)(FIRST + port));
		}
		if (bind(fd, (struct sockaddr *)&ss, len) == 0 || errno != EADDRINUSE)
			return;
	}
	log_warn("no port from %d to %d is free for MOUNT: a server that wants one (mount-rootonly) refuses", FIRST,
		 FIRST + COUNT - 1);
}
