/* One TCP connection.
 *
 * The socket is ours until it is connected; then libnfs's context owns it.
 * Receiving is edge triggered. Each message is first peeked at, found in our
 * own list of PDUs and checked by guard.c; only then libnfs is let at it, for
 * exactly that message. So a lost connection and an undecodable reply are
 * told apart before libnfs mixes them up: what reaches it is decodable, what
 * fails afterwards is the connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "fs/base/log.h"
#include "fs/nfs/guard.h"
#include "fs/nfs/nfs_i.h"
#include "fs/nfs/rpc_compat.h"

#define EVENTS_IN  ((uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP | (uint32_t)EPOLLET)
#define PEEK_MIN   4096u
#define READ_HEAD  1024u /* what precedes the data of a READ reply is shorter */
#define RX_BURST   128   /* steps before other connections get their turn */

static const char *kind_name(const struct nfsio_conn *conn)
{
	static const char *const names[] = {"nfs", "mount", "portmapper"};
	return names[conn->kind];
}

void conn_init(struct nfsio_conn *conn, struct nfsio *n, struct lif *lif, enum conn_kind kind)
{
	*conn = (struct nfsio_conn){.n = n, .lif = lif, .kind = kind};
	list_init(&conn->up_link);
	list_init(&conn->pdus);
	list_init(&conn->resend);
	conn->src.fd = -1;
}

/* ---- pace ---- */

/* +-25 %, so that many clients do not come back in step. */
static int64_t jitter(struct nfsio *n, int64_t ns)
{
	return ns - ns / 4 + (int64_t)nfsio_random(n, (uint64_t)ns / 2);
}

static int64_t backoff_next(int64_t b)
{
	return b ? MIN_OF(2 * b, BACKOFF_MAX_NS) : BACKOFF_MIN_NS;
}

int64_t conn_may_start(const struct nfsio_conn *conn)
{
	return conn->kind == KIND_NFS ? MAX_OF(conn->retry_ns, conn->lif->gate_ns) : conn->retry_ns;
}

void conn_answered(struct nfsio_conn *conn)
{
	struct lif *lif = conn->lif;
	conn->quiet_ns = clock_now_ns();
	conn->backoff_ns = 0;
	conn->answered = true;
	conn->down_ns = conn->probe_ns = 0;
	if (conn->kind == KIND_NFS) {
		lif->reply_ns = conn->quiet_ns;
		lif->backoff_ns = lif->gate_ns = 0;
		if (atomic_load_explicit(&lif->last_err, memory_order_relaxed))
			atomic_store(&lif->last_err, 0);
		if (atomic_load_explicit(&lif->silent, memory_order_relaxed))
			atomic_store(&lif->silent, false);
	}
	conn->silent = false;
	if (conn->warned) {
		conn->warned = false;
		log_info("server answers again: server=%s service=%s", lif->address, kind_name(conn));
	}
}

/* ---- connecting ---- */

static uint16_t *port_of(struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)ss)->sin6_port :
					   &((struct sockaddr_in *)ss)->sin_port;
}

static void set_option(int fd, int level, int name, int value)
{
	/* Each only makes failures be noticed sooner. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void to_down(struct nfsio_conn *conn)
{
	conn->state = CONN_DOWN;
	if (!conn->down_ns)
		conn->down_ns = clock_now_ns();
	conn->epoch++;
	if (conn->kind == KIND_NFS)
		conn->n->nconns--;
}

static void connect_failed(struct nfsio_conn *conn, int err)
{
	struct lif *lif = conn->lif;
	int64_t now = clock_now_ns();
	if (conn->src.fd >= 0) {
		ev_del(conn->n->ev, &conn->src);
		close(conn->src.fd);
		conn->src.fd = -1;
	}
	to_down(conn);
	atomic_store(&lif->last_err, err);
	if (conn->kind == KIND_NFS) {
		lif->backoff_ns = backoff_next(lif->backoff_ns);
		lif->gate_ns = now + jitter(conn->n, lif->backoff_ns);
	} else {
		conn->backoff_ns = backoff_next(conn->backoff_ns);
		conn->retry_ns = now + jitter(conn->n, conn->backoff_ns);
	}
	lif_forget_port(lif, conn->kind);
	log_warn("connect failed: server=%s service=%s: %s", lif->address, kind_name(conn),
		 strerror(-err));
}

/* A reply is looked at whole before anything of it is taken out, so the receive
 * window must hold the largest one with room to spare: a window that closes in
 * the middle would never open again. Before connect, for the window's scale.
 * Where neither is allowed, the kernel's own tuning has to do. */
#define RECEIVE_ROOM (4 << 20)

static void make_room(int fd)
{
	int want = RECEIVE_ROOM, got = 0;
	socklen_t len = sizeof(got);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)) == 0)
		return;
	int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return;
	/* Asked on a socket of no use: a smaller grant would stop the tuning. */
	if (setsockopt(probe, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want)) == 0 &&
	    getsockopt(probe, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got >= want)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	close(probe);
}

static int open_socket(struct nfsio_conn *conn, uint16_t port)
{
	struct sockaddr_storage sa = conn->lif->sa, any = {.ss_family = sa.ss_family};
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	/* Closing means RST: neither end keeps state for a connection that we
	 * gave up, and our source port is free at once. */
	struct linger lng = {.l_onoff = 1, .l_linger = 0};
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &lng, sizeof(lng));
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	make_room(fd);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 3);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 15000);
	if (conn->kind == KIND_MOUNT) {
		mount_bind_reserved(conn->n, fd, sa.ss_family);
	} else if (conn->sport) {
		/* The port is part of what a server knows a resent call by. */
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		*port_of(&any) = conn->sport;
		if (bind(fd, (struct sockaddr *)&any, conn->lif->salen) < 0)
			conn->sport = 0;
	}
	*port_of(&sa) = htons(port);
	int r = connect(fd, (struct sockaddr *)&sa, conn->lif->salen) < 0 ? -errno : 0;
	if (r < 0 && r != -EINPROGRESS) {
		close(fd);
		return r;
	}
	return fd;
}

static void on_connecting(struct ev_source *src, uint32_t events);
static void on_up(struct ev_source *src, uint32_t events);

bool conn_start(struct nfsio_conn *conn)
{
	struct nfsio *n = conn->n;
	uint16_t port = lif_port(n, conn->lif, conn->kind);
	if (!port)
		return true;
	conn->connect_ns = clock_now_ns();
	conn->state = CONN_CONNECTING;
	if (conn->kind == KIND_NFS)
		n->nconns++;
	int fd = open_socket(conn, port);
	if (fd == -EADDRNOTAVAIL && conn->sport) {
		/* The pair of addresses is still in use somewhere. */
		conn->sport = 0;
		fd = open_socket(conn, port);
	}
	if (fd < 0) {
		connect_failed(conn, fd);
		return false;
	}
	conn->src = (struct ev_source){.fd = fd, .fn = on_connecting, .ctx = conn};
	int r = ev_add(n->ev, &conn->src, EPOLLOUT | (uint32_t)EPOLLET);
	if (r < 0) {
		connect_failed(conn, r);
		return false;
	}
	nfsio_wake_at(n, conn->connect_ns + CONNECT_HEDGE_NS);
	return true;
}

static void on_connecting(struct ev_source *src, uint32_t events)
{
	struct nfsio_conn *conn = src->ctx;
	struct nfsio *n = conn->n;
	(void)events;
	int err = 0;
	socklen_t len = sizeof(err);
	if (getsockopt(src->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	struct sockaddr_storage self;
	len = sizeof(self);
	if (!err && getsockname(src->fd, (struct sockaddr *)&self, &len) < 0)
		err = errno;
	conn->rpc = err ? NULL : rpc_init_context();
	if (!err && !conn->rpc)
		err = ENOMEM;
	src->fn = on_up;
	if (!err)
		err = -ev_mod(n->ev, src, EVENTS_IN);
	if (err) {
		if (conn->rpc)
			rpc_destroy_context(conn->rpc);
		conn->rpc = NULL;
		connect_failed(conn, -err);
		nfsio_pump(n);
		return;
	}
	conn->events = EVENTS_IN;
	rpc_set_fd(conn->rpc, src->fd);
	/* Only now the context knows that it is connected; nothing is queued. */
	(void)rpc_service(conn->rpc, POLLOUT);
	conn->sport = *port_of(&self);
	conn->state = CONN_UP;
	conn->answered = false;
	conn->quiet_ns = clock_now_ns();
	conn->rx_lowat = 1;
	atomic_fetch_add(&n->p.counters->connections, 1);
	if (conn->kind == KIND_NFS) {
		list_append(&n->up, &conn->up_link);
		atomic_fetch_add(&conn->lif->nup, 1);
	}
	if (conn->ever_up) {
		atomic_fetch_add(&n->p.counters->reconnects, 1);
		log_info("connected again: server=%s service=%s", conn->lif->address,
			 kind_name(conn));
	}
	conn->ever_up = true;
	if (conn->kind != KIND_NFS)
		nfsio_wake_at(n, conn->quiet_ns + IDLE_CLOSE_NS);
	conn_resend(conn);
	silence_came_up(conn);
	nfsio_pump(n);
}

/* ---- dropping ---- */

/* It has not worked for long: its changing calls may go anywhere. */
static bool home_lost(const struct nfsio_conn *conn, int64_t now)
{
	return conn->down_ns && now - conn->down_ns >= HOME_WAIT_NS && !list_empty(&conn->n->up);
}

void conn_drop(struct nfsio_conn *conn, int err)
{
	struct nfsio *n = conn->n;
	struct lif *lif = conn->lif;
	if (conn->state != CONN_UP)
		return;
	int64_t now = clock_now_ns();
	bool idle = conn->answered && !conn->npdus, homeless = err == -EHOSTDOWN || home_lost(conn, now);
	if (conn->npdus && err) {
		log_warn("connection lost: server=%s service=%s calls=%u: %s", lif->address,
			 kind_name(conn), conn->npdus, strerror(-err));
		atomic_store(&lif->last_err, err);
	}
	ev_del(n->ev, &conn->src);
	struct rpc_context *rpc = conn->rpc;
	conn->rpc = NULL;
	conn->rx_pdu = NULL;
	conn->unsent = NULL;
	longcall_drop(conn);
	conn->rx_skip = 0;
	conn->auth = NULL;
	conn->drop = 0;
	conn->src.fd = -1;
	/* Marks the PDUs that libnfs still has as gone; closes the socket. */
	rpc_destroy_context(rpc);

	if (conn->kind == KIND_NFS) {
		list_remove(&conn->up_link);
		if (atomic_fetch_sub(&lif->nup, 1) == 1)
			atomic_store(&lif->silent, false);
	}
	/* Newest first, so that each goes to the head of its queue. */
	while (!list_empty(&conn->pdus)) {
		struct pdu *pdu = list_entry(conn->pdus.prev, struct pdu, link);
		struct nfsio_call *c = pdu->call;
		nfsio_pdu_free(n, pdu);
		if (!c)
			continue;
		c->pdu = NULL;
		c->conn = NULL;
		if (c == &conn->probe) {
			c->state = CALL_IDLE;
			n->ncalls--;
		} else if (c->look_first) {
			call_lost(n, c);
		} else if (nfsio_is_readonly(c->proc) || homeless) {
			nfsio_enqueue(n, c, true);
		} else {
			c->state = CALL_QUEUED;
			c->conn = conn;
			n->nresend++;
			list_append(conn->resend.next, &c->link);
		}
	}

	atomic_fetch_sub(&n->p.counters->connections, 1);
	conn->silent = conn->warned = false;
	conn->probe_ns = 0;
	to_down(conn);
	if (idle)
		conn->down_ns = 0; /* closed for want of work: no sign of trouble */
	/* One that answered comes back at once: each round then gets work done.
	 * One that did not backs off. */
	conn->retry_ns = now;
	if (!conn->answered) {
		conn->backoff_ns = backoff_next(conn->backoff_ns);
		conn->retry_ns = now + jitter(n, conn->backoff_ns);
	}
}

/* Bytes that are no reply to anything. Whose they should have been cannot be
 * known: the oldest call answers for them when it keeps happening. */
static void garbage(struct nfsio_conn *conn, struct pdu *pdu, const char *what)
{
	struct nfsio *n = conn->n;
	struct nfsio_call *c = pdu ? pdu->call : NULL;
	atomic_fetch_add(&n->p.counters->garbage, 1);
	log_warn("%s: server=%s service=%s proc=%s", what, conn->lif->address, kind_name(conn),
		 pdu && pdu->proc < NFSIO_NPROCS ? nfsio_proc_name(pdu->proc) : "?");
	struct list *l, *tmp;
	if (!pdu)
		list_for_each(l, tmp, &conn->pdus) {
			c = list_entry(l, struct pdu, link)->call;
			if (c && c->attempts < GARBAGE_TRIES)
				c = NULL;
			break;
		}
	if (c)
		call_detach(n, c);
	conn_drop(conn, -EPROTO);
	if (c)
		call_finish(n, c, -EIO);
	nfsio_pump(n);
}

/* ---- sending ---- */

int conn_set_cred(struct nfsio_conn *conn, const struct nfsio_cred *cred)
{
	uint32_t ngroups = MIN_OF(cred->ngroups, (uint32_t)NFSIO_GROUPS_MAX);
	if (!conn->auth) {
		uint32_t none[NFSIO_GROUPS_MAX] = {0};
		conn->auth = libnfs_authunix_create(conn->n->host, 0, 0, NFSIO_GROUPS_MAX, none);
		if (!conn->auth)
			return -ENOMEM;
		rpc_set_auth(conn->rpc, conn->auth);
	} else if (cred->uid == conn->cred.uid && cred->gid == conn->cred.gid &&
		   ngroups == conn->cred.ngroups &&
		   !memcmp(cred->groups, conn->cred.groups, ngroups * sizeof(uint32_t))) {
		return 0;
	}
	conn->cred = *cred;
	conn->cred.ngroups = ngroups;
	/* Written over the body that libnfs made (RFC 5531 appendix A), with room
	 * for all groups: no allocation when the user changes, and a stamp that
	 * stays, so that a resent call has the same bytes. */
	struct opaque_auth *body = &conn->auth->ah_cred;
	uint32_t head = 8 + (((uint32_t)strlen(conn->n->host) + 3u) & ~3u);
	uint32_t words[3 + NFSIO_GROUPS_MAX] = {htonl(cred->uid), htonl(cred->gid), htonl(ngroups)};
	for (uint32_t i = 0; i < ngroups; i++)
		words[3 + i] = htonl(cred->groups[i]);
	memset(body->oa_base, 0, 4);
	memcpy(body->oa_base + head, words, (3 + ngroups) * sizeof(uint32_t));
	body->oa_length = head + (3 + ngroups) * (uint32_t)sizeof(uint32_t);
	return 0;
}

void conn_flush(struct nfsio_conn *conn)
{
	int own = conn->own ? longcall_flush(conn) : 0;
	if (conn->drop || (own < 0 && own != -EAGAIN) || (!own && rpc_service(conn->rpc, POLLOUT) < 0)) {
		conn_drop(conn, conn->drop ? conn->drop : -ECONNRESET);
		return;
	}
	bool blocked = own || (rpc_which_events(conn->rpc) & POLLOUT);
	if (!blocked)
		conn->unsent = NULL;
	uint32_t want = EVENTS_IN | (blocked ? (uint32_t)EPOLLOUT : 0);
	if (want != conn->events && ev_mod(conn->n->ev, &conn->src, want) == 0)
		conn->events = want;
}

void conn_resend(struct nfsio_conn *conn)
{
	struct nfsio *n = conn->n;
	while (conn->state == CONN_UP && !conn->unsent && !list_empty(&conn->resend)) {
		struct nfsio_call *c = list_entry(conn->resend.next, struct nfsio_call, link);
		call_detach(n, c);
		int r = conn_call_send(conn, c);
		if (r < 0)
			call_finish(n, c, r);
	}
}

/* ---- receiving ---- */

static struct pdu *find_pdu(struct nfsio_conn *conn, uint32_t xid)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &conn->pdus) {
		struct pdu *pdu = list_entry(l, struct pdu, link);
		if (pdu->xid == xid)
			return pdu == conn->unsent ? NULL : pdu;
	}
	return NULL;
}

/* Lets libnfs read on in the message of conn->rx_pdu with at most `rounds`
 * recv(2) calls; all of it that is there when the rounds are enough. True when
 * the connection may go on with the next message. */
static bool feed(struct nfsio_conn *conn, uint32_t rounds)
{
	struct nfsio *n = conn->n;
	struct rpc_context *rpc = conn->rpc;
	uint32_t epoch = conn->epoch;
	int r = 0;
	n->serving = true;
	while (r == 0 && rounds-- && conn->rx_pdu && !conn->rx_pdu->gone)
		r = rpc_service(rpc, POLLIN);
	n->serving = false;
	if (r < 0) {
		conn_drop(conn, -ECONNRESET);
	} else if (conn->rx_pdu && conn->rx_pdu->gone) {
		garbage(conn, conn->rx_pdu, "reply cannot be decoded");
		return false;
	} else if (conn->drop) {
		conn_drop(conn, conn->drop);
	}
	nfsio_pump(n);
	return epoch == conn->epoch && !conn->rx_pdu;
}

/* Waits until `bytes` are in the socket; also makes its buffer large enough. */
static void await_bytes(struct nfsio_conn *conn, size_t bytes)
{
	if (conn->rx_lowat == (int)bytes)
		return;
	conn->rx_lowat = (int)bytes;
	set_option(conn->src.fd, SOL_SOCKET, SO_RCVLOWAT, (int)bytes);
}

static bool peek_room(struct nfsio *n, size_t bytes)
{
	if (bytes <= n->peek_cap)
		return true;
	uint8_t *p = realloc(n->peek, bytes);
	if (!p)
		return false;
	n->peek = p;
	n->peek_cap = bytes;
	return true;
}

enum next {
	NEXT_AGAIN, /* look at the socket again */
	NEXT_WAIT,  /* for the next event */
	NEXT_STOP   /* the connection is gone */
};

/* A message in several fragments: the n->peek holds `have` bytes of it. Joins
 * them into one message in place. *ret_len is its length, *ret_wire its bytes on
 * the wire. -EAGAIN: more bytes are needed, *ret_wire at least. */
static int join_fragments(uint8_t *buf, size_t have, size_t *ret_len, size_t *ret_wire,
			  uint32_t *ret_rounds)
{
	size_t at = 0, len = 0;
	for (uint32_t frags = 1;; frags++) {
		*ret_wire = at + 4;
		if (have < at + 4)
			return -EAGAIN;
		uint32_t rm = (uint32_t)buf[at] << 24 | (uint32_t)buf[at + 1] << 16 |
			      (uint32_t)buf[at + 2] << 8 | buf[at + 3];
		size_t part = rm & 0x7fffffffu;
		if (frags > 1024 || len + part > guard_max(NFSIO_READ))
			return -EMSGSIZE;
		*ret_wire = at + 4 + part;
		if (have < *ret_wire)
			return -EAGAIN;
		memmove(buf + len, buf + at + 4, part);
		len += part;
		at += 4 + part;
		if (rm & 0x80000000u) {
			*ret_len = len;
			*ret_rounds = 2 * frags;
			return 0;
		}
	}
}

static enum next fragments(struct nfsio_conn *conn, size_t have, size_t *want)
{
	size_t len, wire;
	uint32_t rounds, xid;
	struct guard_head head = {0};
	int r = join_fragments(conn->n->peek, have, &len, &wire, &rounds);
	if (r == -EAGAIN) {
		if (have == *want) {
			*want = MAX_OF(wire, *want + PEEK_MIN);
			return NEXT_AGAIN;
		}
		await_bytes(conn, MAX_OF(wire, have + 1));
		return NEXT_WAIT;
	}
	if (r < 0 || guard_xid(conn->n->peek, len, len, &xid) != GUARD_OK) {
		garbage(conn, NULL, "not a reply");
		return NEXT_STOP;
	}
	struct pdu *pdu = find_pdu(conn, xid);
	if (!pdu) {
		conn->rx_skip = wire;
		return NEXT_AGAIN;
	}
	if (len > guard_max(pdu->proc) ||
	    guard_reply(pdu->proc, conn->n->peek, len, len, &head) != GUARD_OK) {
		garbage(conn, pdu, "reply is malformed");
		return NEXT_STOP;
	}
	pdu->deny = head.deny;
	await_bytes(conn, 1);
	conn->rx_pdu = pdu;
	/* All of it is there, so all of it is read; otherwise something is off. */
	if (feed(conn, rounds))
		return NEXT_AGAIN;
	if (conn->rx_pdu)
		conn_drop(conn, -EPROTO);
	nfsio_pump(conn->n);
	return NEXT_STOP;
}

/* Goes through the messages that begin in the `have` bytes of n->peek, which
 * was filled with up to *want. */
static enum next messages(struct nfsio_conn *conn, size_t have, size_t *want)
{
	const uint8_t *buf = conn->n->peek;
	size_t at = 0;
	while (have - at >= 4) {
		const uint8_t *msg = buf + at + 4;
		size_t there = have - at - 4, need;
		uint32_t rm = (uint32_t)buf[at] << 24 | (uint32_t)buf[at + 1] << 16 |
			      (uint32_t)buf[at + 2] << 8 | buf[at + 3];
		size_t len = rm & 0x7fffffffu;
		uint32_t xid = 0;
		if (!(rm & 0x80000000u)) {
			if (at)
				return NEXT_AGAIN;
			return fragments(conn, have, want);
		}
		enum guard_verdict v = len > guard_max(NFSIO_READ) ? GUARD_BAD :
					guard_xid(msg, MIN_OF(there, len), len, &xid);
		if (v == GUARD_BAD) {
			garbage(conn, NULL, "not a reply");
			return NEXT_STOP;
		}
		need = 12;
		struct pdu *pdu = NULL;
		if (v == GUARD_OK) {
			pdu = find_pdu(conn, xid);
			if (!pdu) {
				/* Answered already, or never asked. */
				conn->rx_skip = 4 + len;
				return NEXT_AGAIN;
			}
			struct guard_head head = {0};
			v = len > guard_max(pdu->proc) ? GUARD_BAD :
			    guard_reply(pdu->proc, msg, MIN_OF(there, len), len, &head);
			if (v == GUARD_BAD) {
				garbage(conn, pdu, "reply is malformed");
				return NEXT_STOP;
			}
			pdu->deny = head.deny;
			need = 4 + (pdu->proc == NFSIO_READ ? MIN_OF(len, (size_t)READ_HEAD) : len);
		}
		if (v == GUARD_MORE) {
			size_t asked = *want;
			*want = MAX_OF(need, (size_t)PEEK_MIN);
			if (at || have == asked)
				return NEXT_AGAIN; /* not all was looked at */
			if (conn->rx_lowat == (int)need)
				return NEXT_WAIT;
			await_bytes(conn, need);
			return NEXT_AGAIN; /* they may have come before that */
		}
		await_bytes(conn, 1);
		conn->rx_pdu = pdu;
		uint32_t epoch = conn->epoch;
		if (!feed(conn, 2))
			return epoch == conn->epoch ? NEXT_WAIT : NEXT_STOP;
		if (there < len)
			return NEXT_AGAIN; /* it came in the meantime */
		at += 4 + len;
	}
	/* What came after the peek brings a new event. */
	return have < *want && at == have ? NEXT_WAIT : NEXT_AGAIN;
}

static enum next skip(struct nfsio_conn *conn)
{
	struct nfsio *n = conn->n;
	await_bytes(conn, 1);
	ssize_t r = recv(conn->src.fd, n->peek, MIN_OF(n->peek_cap, conn->rx_skip), MSG_DONTWAIT);
	if (r > 0) {
		conn->rx_skip -= (size_t)r;
		return NEXT_AGAIN;
	}
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return NEXT_WAIT;
	conn_drop(conn, r < 0 ? -errno : -ECONNRESET);
	nfsio_pump(n);
	return NEXT_STOP;
}

static enum next receive_one(struct nfsio_conn *conn, size_t *want)
{
	struct nfsio *n = conn->n;
	if (conn->rx_pdu) {
		uint32_t epoch = conn->epoch;
		if (feed(conn, 1))
			return NEXT_AGAIN;
		return epoch == conn->epoch ? NEXT_WAIT : NEXT_STOP;
	}
	if (!peek_room(n, *want)) {
		conn_drop(conn, -ENOMEM);
		nfsio_pump(n);
		return NEXT_STOP;
	}
	if (conn->rx_skip)
		return skip(conn);
	ssize_t r = recv(conn->src.fd, n->peek, *want, MSG_PEEK | MSG_DONTWAIT);
	if (r > 0) {
		size_t was = *want, have = (size_t)r;
		enum next next = messages(conn, have, want);
		if (next == NEXT_AGAIN && *want == was && have < 4) {
			/* Not even a record marker. */
			await_bytes(conn, 4);
			return NEXT_WAIT;
		}
		return next;
	}
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return NEXT_WAIT;
	conn_drop(conn, r < 0 ? -errno : -ECONNRESET);
	nfsio_pump(n);
	return NEXT_STOP;
}

/* Takes in what is there. True when that was all of it. */
static bool receive(struct nfsio_conn *conn)
{
	size_t want = PEEK_MIN;
	enum next next = NEXT_AGAIN;
	for (int i = 0; i < RX_BURST && next == NEXT_AGAIN; i++) {
		size_t was = want;
		next = receive_one(conn, &want);
		if (want == was)
			want = PEEK_MIN;
	}
	/* Ask for another event, since this edge is used up. */
	if (next == NEXT_AGAIN && ev_mod(conn->n->ev, &conn->src, conn->events) < 0)
		conn_drop(conn, -EIO);
	return next == NEXT_WAIT;
}

static void on_up(struct ev_source *src, uint32_t events)
{
	struct nfsio_conn *conn = src->ctx;
	uint32_t epoch = conn->epoch;
	bool all = (events & ~(uint32_t)EPOLLOUT) && receive(conn);
	if (all && (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))) {
		/* Nothing more will come. A reply cut short is not seen otherwise: a
		 * peek returns its beginning again, never the end of file. */
		if (epoch == conn->epoch)
			conn_drop(conn, -ECONNRESET);
		nfsio_pump(conn->n);
		return;
	}
	if ((events & EPOLLOUT) && epoch == conn->epoch && conn->unsent) {
		conn_flush(conn);
		conn_resend(conn);
		nfsio_pump(conn->n);
	}
}

/* ---- deadlines ---- */

static int64_t scan_up(struct nfsio_conn *conn, int64_t now)
{
	struct nfsio *n = conn->n;
	struct lif *lif = conn->lif;
	int64_t quiet = now - conn->quiet_ns;
	if (!conn->npdus) {
		if (conn->kind == KIND_NFS)
			return INT64_MAX;
		if (quiet < IDLE_CLOSE_NS)
			return conn->quiet_ns + IDLE_CLOSE_NS;
		conn_drop(conn, 0);
		return INT64_MAX;
	}
	int64_t limit = n->p.soft_ns ? NO_ANSWER_SOFT_NS : NO_ANSWER_HARD_NS;
	if (quiet >= limit) {
		conn_drop(conn, -ETIMEDOUT);
		return now;
	}
	if (quiet >= NO_ANSWER_WARN_NS && !conn->warned) {
		conn->warned = true;
		log_warn("server does not answer: server=%s service=%s calls=%u", lif->address,
			 kind_name(conn), conn->npdus);
	}
	if (quiet < n->p.silence_ns)
		return conn->quiet_ns + n->p.silence_ns;
	conn->silent = true;
	if (silence_scan(conn, now)) {
		conn_drop(conn, -EHOSTDOWN);
		return now;
	}
	return MIN_OF(now + n->p.silence_ns, conn->quiet_ns + limit);
}

int64_t conn_scan(struct nfsio_conn *conn, int64_t now)
{
	struct nfsio *n = conn->n;
	switch (conn->state) {
	case CONN_CONNECTING:
		if (now - conn->connect_ns < CONNECT_TIMEOUT_NS)
			return conn->connect_ns + CONNECT_TIMEOUT_NS;
		connect_failed(conn, -ETIMEDOUT);
		return now;
	case CONN_UP: return scan_up(conn, now);
	case CONN_DOWN:
	default: break;
	}
	if (list_empty(&conn->resend))
		return INT64_MAX;
	if (!home_lost(conn, now))
		return MAX_OF(conn->down_ns + HOME_WAIT_NS, now + NS_PER_SEC / 2);
	while (!list_empty(&conn->resend)) {
		struct nfsio_call *c = list_entry(conn->resend.prev, struct nfsio_call, link);
		call_detach(n, c);
		nfsio_enqueue(n, c, true);
	}
	return INT64_MAX;
}
