/* One connection of a client and its counterpart to the server: whole records
 * go from one end to the other, unless a rule says otherwise. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "tests/proxy/proxy.h"

#define LAST_FRAGMENT 0x80000000u

enum {
	RECORD_MAX = 4 << 20,  /* of a record that is looked at: any NFS transfer with its head */
	QUEUE_MAX = 8 << 20,   /* above it, the other end is not read */
	XIDS = 4096,           /* calls out at a time whose replies are known */
	THROTTLE_TICK_NS = 5 * NS_PER_MS,
};

struct end {
	struct ev_source src;
	struct link *link;
	struct end *peer;
	uint32_t events;     /* that epoll watches */
	bool connecting;
	bool reading;        /* false: EOF, or no more wanted */
	bool close_when_sent;
	/* being received */
	uint8_t *in;
	size_t have, room;
	/* to be sent */
	struct list out;
	size_t out_bytes, out_off;
	struct record *parked; /* goes after the next one */
	struct ev_timer tick;  /* throttled */
	uint32_t budget;       /* bytes until the next tick */
};

struct link {
	struct list node;
	struct listener *l;
	struct end client, server;
	struct list delayed;
	struct {
		uint32_t xid;
		int proc;
	} sent[XIDS];
	bool dead;
};

static void end_events(struct end *e);

static void link_close(struct link *k)
{
	struct proxy *p = k->l->p;
	struct list *l, *tmp;
	if (k->dead)
		return;
	k->dead = true;
	struct end *ends[] = {&k->client, &k->server};
	for (int i = 0; i < 2; i++) {
		struct end *e = ends[i];
		if (e->events)
			ev_del(p->ev, &e->src);
		e->events = 0;
		ev_timer_disarm(&e->tick);
		if (e->src.fd >= 0)
			close(e->src.fd);
		e->src.fd = -1;
	}
	list_for_each(l, tmp, &p->held)
		if (list_entry(l, struct record, link)->to->link == k) {
			list_remove(l);
			free(list_entry(l, struct record, link));
		}
	list_for_each(l, tmp, &k->delayed) {
		struct record *r = list_entry(l, struct record, link);
		ev_timer_disarm(&r->timer);
		list_remove(l);
		free(r);
	}
	list_remove(&k->node);
	list_append(&p->dead, &k->node);
}

void link_reap(struct proxy *p)
{
	struct list *l, *r;
	while ((l = list_pop(&p->dead))) {
		struct link *k = list_entry(l, struct link, node);
		struct end *ends[] = {&k->client, &k->server};
		for (int i = 0; i < 2; i++) {
			while ((r = list_pop(&ends[i]->out)))
				free(list_entry(r, struct record, link));
			free(ends[i]->parked);
			free(ends[i]->in);
		}
		free(k);
	}
}

/* ---- sending ----------------------------------------------------------------- */

static void end_sent_all(struct end *e)
{
	if (e->close_when_sent || (!e->peer->reading && !e->connecting && list_empty(&e->link->delayed)))
		link_close(e->link);
}

static void end_flush(struct end *e)
{
	struct proxy *p = e->link->l->p;
	while (!list_empty(&e->out) && !e->connecting && !e->link->l->blackhole && !e->link->dead) {
		struct record *r = list_entry(e->out.next, struct record, link);
		size_t n = r->len - e->out_off;
		if (p->throttle) {
			if (!e->budget)
				break;
			n = MIN_OF(n, (size_t)e->budget);
		}
		ssize_t w = send(e->src.fd, r->data + e->out_off, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EAGAIN)
			break;
		if (w < 0) {
			link_close(e->link);
			return;
		}
		if (p->throttle)
			e->budget -= (uint32_t)w;
		e->out_off += (size_t)w;
		e->out_bytes -= (size_t)w;
		if (e->out_off == r->len) {
			list_remove(&r->link);
			free(r);
			e->out_off = 0;
		}
	}
	if (list_empty(&e->out) && !e->link->dead)
		end_sent_all(e);
	if (!e->link->dead) {
		end_events(e);
		end_events(e->peer);
	}
}

static void end_tick(struct ev_timer *t)
{
	struct end *e = t->ctx;
	struct proxy *p = e->link->l->p;
	e->budget = (uint32_t)((uint64_t)p->throttle * THROTTLE_TICK_NS / NS_PER_SEC) + 1;
	end_flush(e);
}

static void send_record(struct record *r)
{
	struct end *e = r->to;
	list_append(&e->out, &r->link);
	e->out_bytes += r->len;
	if (e->parked) {
		struct record *late = steal_ptr(e->parked);
		list_append(&e->out, &late->link);
		e->out_bytes += late->len;
	}
	end_flush(e);
}

/* What epoll shall watch: to read, unless too much waits on the other side; to
 * write, if something waits and time does not keep it back. */
static void end_events(struct end *e)
{
	struct proxy *p = e->link->l->p;
	uint32_t want = 0;
	bool hole = e->link->l->blackhole;
	if (e->reading && !hole && e->peer->out_bytes < QUEUE_MAX)
		want |= EPOLLIN;
	if (e->connecting)
		want |= EPOLLOUT;
	else if (!list_empty(&e->out) && !hole) {
		if (p->throttle && !e->budget)
			ev_timer_arm(p->ev, &e->tick, THROTTLE_TICK_NS);
		else
			want |= EPOLLOUT;
	}
	if (want == e->events)
		return;
	if (!want)
		ev_del(p->ev, &e->src);
	else if (e->events)
		ev_mod(p->ev, &e->src, want);
	else
		ev_add(p->ev, &e->src, want);
	e->events = want;
}

/* ---- what a rule does --------------------------------------------------------------- */

static void delayed_due(struct ev_timer *t)
{
	struct record *r = t->ctx;
	list_remove(&r->link);
	send_record(r);
}

static struct record *copy_of(const struct record *r)
{
	struct record *c = malloc(sizeof(*c) + r->len);
	if (c) {
		memcpy(c, r, sizeof(*c) + r->len);
		list_init(&c->link);
	}
	return c;
}

static struct rule *match(struct proxy *p, const struct rpc_head *h)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &p->rules) {
		struct rule *u = list_entry(l, struct rule, link);
		if (u->reply != h->reply || (u->proc != PROC_ANY && u->proc != h->proc) || !u->left)
			continue;
		if (u->skip) {
			u->skip--;
			continue;
		}
		if (u->left != UINT32_MAX)
			u->left--;
		p->hits++;
		return u;
	}
	return NULL;
}

/* Owns r. */
static void apply(struct end *from, struct record *r, const struct rpc_head *h, const struct rule *u)
{
	struct link *k = from->link;
	struct proxy *p = k->l->p;
	struct record *other;
	switch (u->action) {
	case ACT_DELAY:
		ev_timer_init(&r->timer, delayed_due, r);
		list_append(&k->delayed, &r->link);
		ev_timer_arm(p->ev, &r->timer, (int64_t)u->arg * NS_PER_MS);
		return;
	case ACT_HOLD:
		list_append(&p->held, &r->link);
		return;
	case ACT_REORDER:
		other = from->peer->parked;
		from->peer->parked = r;
		if (other)
			send_record(other);
		return;
	case ACT_DROP:
		free(r);
		return;
	case ACT_LOSE:
		free(r);
		link_close(k);
		return;
	case ACT_CUT:
		r->len = MIN_OF(r->len, u->arg);
		from->reading = from->peer->reading = false;
		from->peer->close_when_sent = true;
		send_record(r);
		return;
	case ACT_DUP:
		other = copy_of(r);
		send_record(r);
		if (other && !k->dead)
			send_record(other);
		else
			free(other);
		return;
	case ACT_XOR:
		if (u->arg < r->len / 4) {
			uint32_t w;
			memcpy(&w, r->data + 4 * (size_t)u->arg, 4);
			w ^= htonl(u->arg2);
			memcpy(r->data + 4 * (size_t)u->arg, &w, 4);
		}
		send_record(r);
		return;
	case ACT_SHORT:
		rpc_shorten(r, h->proc, u->arg);
		send_record(r);
		return;
	case ACT_STATUS:
		other = rpc_error_reply(h->xid, h->proc, u->arg);
		if (other) {
			other->to = &k->client;
			list_init(&other->link);
			send_record(other);
		}
		free(r);
		return;
	case ACTIONS:
		break;
	}
	free(r);
}

/* Owns r. */
static void pass_on(struct end *from, struct record *r)
{
	struct link *k = from->link;
	struct proxy *p = k->l->p;
	struct rpc_head h;
	r->to = from->peer;
	if (!rpc_head(r, &h) || h.reply != (from == &k->server)) {
		send_record(r);
		return;
	}
	if (h.reply) {
		h.proc = k->sent[h.xid % XIDS].xid == h.xid ? k->sent[h.xid % XIDS].proc : PROC_MOUNT;
		p->replies[h.proc]++;
	} else {
		k->sent[h.xid % XIDS].xid = h.xid;
		k->sent[h.xid % XIDS].proc = h.proc;
		p->calls[h.proc]++;
	}
	const struct rule *u = match(p, &h);
	if (u)
		apply(from, r, &h, u);
	else
		send_record(r);
	control_counted(p);
}

/* ---- receiving ------------------------------------------------------------------------ */

static bool make_room(struct end *e, size_t want)
{
	if (want <= e->room)
		return true;
	uint8_t *in = realloc(e->in, want);
	if (!in)
		return false;
	e->in = in;
	e->room = want;
	return true;
}

/* Takes whole records off the front. A fragment that is not the last of its
 * record, or a mark that nothing sane sends, goes on as it is. */
static void take_records(struct end *e)
{
	size_t at = 0;
	while (!e->link->dead && e->reading && e->have - at >= 4) {
		uint32_t mark;
		memcpy(&mark, e->in + at, 4);
		mark = ntohl(mark);
		size_t len = 4 + (size_t)(mark & ~LAST_FRAGMENT);
		bool plain = !(mark & LAST_FRAGMENT) || len > RECORD_MAX;
		if (plain)
			len = e->have - at;
		if (e->have - at < len) {
			if (!make_room(e, at + len))
				link_close(e->link);
			break;
		}
		struct record *r = calloc(1, sizeof(*r) + len);
		if (!r) {
			link_close(e->link);
			break;
		}
		list_init(&r->link);
		r->len = (uint32_t)len;
		memcpy(r->data, e->in + at, len);
		at += len;
		if (plain) {
			r->to = e->peer;
			send_record(r);
		} else {
			pass_on(e, r);
		}
	}
	if (at) {
		memmove(e->in, e->in + at, e->have - at);
		e->have -= at;
	}
}

static void connected(struct end *e)
{
	int err = 0;
	socklen_t len = sizeof(err);
	getsockopt(e->src.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		link_close(e->link);
		return;
	}
	e->connecting = false;
	end_flush(e);
}

static void end_event(struct ev_source *src, uint32_t events)
{
	struct end *e = src->ctx;
	if (e->connecting) {
		connected(e);
		return;
	}
	if (events & EPOLLOUT)
		end_flush(e);
	if (e->link->dead || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (!make_room(e, MAX_OF(e->have + 65536, e->room))) {
		link_close(e->link);
		return;
	}
	ssize_t n = recv(e->src.fd, e->in + e->have, e->room - e->have, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		e->reading = false;
		if (n < 0 || list_empty(&e->peer->out))
			link_close(e->link);
		else
			end_events(e);
		return;
	}
	e->have += (size_t)n;
	take_records(e);
	if (!e->link->dead)
		end_events(e);
}

/* ---- birth --------------------------------------------------------------------------------- */

static void end_init(struct link *k, struct end *e, struct end *peer, int fd)
{
	e->src = (struct ev_source){.fd = fd, .fn = end_event, .ctx = e};
	e->link = k;
	e->peer = peer;
	e->reading = true;
	list_init(&e->out);
	ev_timer_init(&e->tick, end_tick, e);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

/* From the listener's address, and a reserved port if the client has one: the
 * server shall see the same client. */
static int socket_to_server(const struct listener *l, const struct sockaddr_in *peer)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = peer->sin_addr};
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	for (int port = 1023; ntohs(peer->sin_port) < 1024 && port >= 512; port--) {
		own.sin_port = htons((uint16_t)port);
		if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
			continue;
		if (connect(fd, (const struct sockaddr *)&l->server, sizeof(l->server)) == 0 || errno == EINPROGRESS)
			return fd;
		if (errno != EADDRNOTAVAIL)
			break;
		close(fd); /* that pair of ports was used a moment ago */
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	}
	own.sin_port = 0;
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0 &&
	    (connect(fd, (const struct sockaddr *)&l->server, sizeof(l->server)) == 0 || errno == EINPROGRESS))
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

void link_new(struct listener *l, int fd, const struct sockaddr_in *peer)
{
	int server = socket_to_server(l, peer);
	struct link *k = server < 0 ? NULL : calloc(1, sizeof(*k));
	if (!k) {
		log_errno(server < 0 ? server : -ENOMEM, "cannot connect to the server");
		if (server >= 0)
			close(server);
		close(fd);
		return;
	}
	k->l = l;
	list_init(&k->delayed);
	end_init(k, &k->client, &k->server, fd);
	end_init(k, &k->server, &k->client, server);
	k->server.connecting = true;
	list_append(&l->p->links, &k->node);
	l->p->links_made++;
	end_events(&k->client);
	end_events(&k->server);
	control_counted(l->p);
}

void link_reset_all(struct proxy *p)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &p->links) {
		struct link *k = list_entry(l, struct link, node);
		/* RST, not FIN */
		struct linger now = {.l_onoff = 1};
		setsockopt(k->client.src.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		setsockopt(k->server.src.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		link_close(k);
	}
}

void link_release(struct proxy *p)
{
	struct list *l, *tmp;
	while ((l = list_pop(&p->held)))
		send_record(list_entry(l, struct record, link));
	list_for_each(l, tmp, &p->links) {
		struct link *k = list_entry(l, struct link, node);
		if (k->client.parked)
			send_record(steal_ptr(k->client.parked));
		if (!k->dead && k->server.parked)
			send_record(steal_ptr(k->server.parked));
	}
}

void link_resume_all(struct proxy *p)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &p->links) {
		struct link *k = list_entry(l, struct link, node);
		struct pollfd client = {.fd = k->client.src.fd};
		/* Nobody sends again what was lost on the way from one who has reset it. */
		if (poll(&client, 1, 0) > 0 && (client.revents & (POLLERR | POLLHUP)))
			link_close(k);
		if (!k->dead)
			end_flush(&k->client);
		if (!k->dead)
			end_flush(&k->server);
	}
}
