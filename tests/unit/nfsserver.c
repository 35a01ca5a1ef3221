/* The server of nfsserver.h. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "tests/unit/nfsserver.h"

uint8_t pattern(uint64_t off)
{
	return (uint8_t)(off * 7 + (off >> 8) * 13 + (off >> 16));
}

struct out {
	uint8_t *p;
	size_t len;
};

static void put(struct out *o, uint32_t v)
{
	v = htonl(v);
	memcpy(o->p + o->len, &v, 4);
	o->len += 4;
}

static void put64(struct out *o, uint64_t v)
{
	put(o, (uint32_t)(v >> 32));
	put(o, (uint32_t)v);
}

static void put_bytes(struct out *o, const void *d, uint32_t len)
{
	put(o, len);
	memcpy(o->p + o->len, d, len);
	memset(o->p + o->len + len, 0, 3);
	o->len += (len + 3u) & ~3u;
}

static void put_attr(struct out *o, uint32_t type)
{
	const uint32_t head[] = {type, 0100644, 2, 10, 20};
	for (int i = 0; i < 5; i++)
		put(o, head[i]);
	put64(o, 1ull << 33);
	put64(o, 4096);
	put(o, 3);
	put(o, 4);
	put64(o, 0xabcdef);
	put64(o, 77);
	for (uint32_t i = 0; i < 3; i++) {
		put(o, 1000 + i);
		put(o, 500 + i);
	}
}

static void put_wcc(struct out *o)
{
	put(o, 1);
	put64(o, 42);
	put(o, 900);
	put(o, 1);
	put(o, 901);
	put(o, 2);
	put(o, 1);
	put_attr(o, 2);
}

static uint32_t word(const uint8_t *p, size_t i)
{
	uint32_t v;
	memcpy(&v, p + 4 * i, 4);
	return ntohl(v);
}

static void body(struct server *s, const struct rec *r, const uint8_t *args, struct out *o)
{
	if (r->proc == P_NULL)
		return;
	if (s->fault == JUKEBOX) {
		put(o, 10008);
		if (r->proc == P_CREATE) {
			put(o, 0);
			put(o, 0);
		} else if (r->proc != P_GETATTR) {
			put(o, 0);
		}
		return;
	}
	put(o, 0);
	switch (r->proc) {
	case P_GETATTR: put_attr(o, 1); break;
	case P_LOOKUP:
		put_bytes(o, "handle-of-file", 14);
		put(o, 1);
		put_attr(o, 1);
		put(o, 1);
		put_attr(o, 2);
		break;
	case P_READ: {
		uint32_t fh = (word(args, 0) + 3u) / 4u, count = word(args, 3 + fh);
		put(o, 1);
		put_attr(o, 1);
		put(o, count);
		put(o, 0);
		put(o, count);
		for (uint32_t i = 0; i < count; i++)
			o->p[o->len + i] = pattern(r->offset + i);
		o->len += (count + 3u) & ~3u;
		break;
	}
	case P_CREATE: {
		bool again = false;
		for (uint32_t i = 0; i < s->ndrc; i++)
			again |= s->drc_xid[i] == r->xid;
		if (!again) {
			s->executed++;
			s->drc_xid[s->ndrc++ % 64] = r->xid;
		}
		put(o, 1);
		put_bytes(o, "new-file", 8);
		put(o, 1);
		put_attr(o, 1);
		put_wcc(o);
		break;
	}
	case P_REMOVE: put_wcc(o); break;
	case P_READDIRPLUS:
		put(o, 1);
		put_attr(o, 2);
		put64(o, 0x1122334455667788);
		for (uint32_t i = 0; i < s->dir_entries; i++) {
			char name[16];
			snprintf(name, sizeof(name), "file-%u", i);
			const char *use = s->dir_name && i == 1 ? s->dir_name : name;
			put(o, 1);
			put64(o, 100 + i);
			put_bytes(o, use, (uint32_t)strlen(use));
			put64(o, i + 1);
			put(o, 1);
			put_attr(o, 1);
			put(o, 1);
			put_bytes(o, name, (uint32_t)strlen(name));
		}
		put(o, 0);
		put(o, 1);
		break;
	case P_MNT:
		put_bytes(o, "root", 4);
		put(o, 1);
		put(o, 1);
		break;
	default: break;
	}
}

static void send_all(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t r = send(fd, p, len, MSG_NOSIGNAL);
		if (r <= 0)
			return;
		p += r;
		len -= (size_t)r;
	}
}

static void close_conn(struct server *s, int i)
{
	for (uint32_t h = 0; h < s->nheld; h++)
		if (s->held[h].conn == s->conns[i].number)
			s->held[h].fd = -1;
	close(s->conns[i].fd);
	s->conns[i].fd = -1;
}

/* One call; false when the connection was closed. Lock held. */
static bool serve(struct server *s, int i, const uint8_t *msg)
{
	int fd = s->conns[i].fd;
	struct rec r = {.xid = word(msg, 0), .proc = word(msg, 5), .sport = s->conns[i].sport,
			.conn = s->conns[i].number};
	if (word(msg, 3) == 100005)
		r.proc += 100;
	uint32_t cred_len = word(msg, 7);
	const uint8_t *cred = msg + 32;
	uint32_t host = (word(cred, 1) + 3u) / 4u;
	r.uid = word(cred, 2 + host);
	r.gid = word(cred, 3 + host);
	r.ngroups = word(cred, 4 + host);
	for (uint32_t g = 0; g < r.ngroups && g < 32; g++)
		r.groups[g] = word(cred, 5 + host + g);
	const uint8_t *args = cred + ((cred_len + 3u) & ~3u) + 8;
	if (r.proc == P_READ) {
		uint32_t fh = (word(args, 0) + 3u) / 4u;
		r.offset = (uint64_t)word(args, 1 + fh) << 32 | word(args, 2 + fh);
	}
	if (s->nrecs < RECS)
		s->recs[s->nrecs++] = r;

	enum fault f = GOOD, was = s->fault;
	if (s->fault_times && (!s->fault_proc || s->fault_proc == r.proc)) {
		f = s->fault;
		s->fault_times--;
	}
	if (f == SLAM) {
		close_conn(s, i);
		return false;
	}
	uint8_t *buf = malloc(MSG * 2);
	assert_non_null(buf);
	struct out o = {.p = buf};
	put(&o, 0);
	put(&o, r.xid);
	put(&o, 1);
	if (f == DENY) {
		put(&o, 1);
		put(&o, 1);
		put(&o, 5);
	} else {
		put(&o, 0);
		put(&o, 0);
		put(&o, 0);
		put(&o, f == UNAVAIL);
		s->fault = f;
		if (f != UNAVAIL)
			body(s, &r, args, &o);
		s->fault = was;
	}
	if (f == XOR || f == SET) {
		uint32_t w = htonl(f == XOR ? word(buf + 4, s->arg) ^ s->val : s->val);
		memcpy(buf + 4 + 4 * s->arg, &w, 4);
	}
	size_t len = f == SHORT ? 4 + s->arg : o.len;
	uint32_t rm = htonl(f == MARKER ? s->val : 0x80000000u | (uint32_t)(len - 4));
	memcpy(buf, &rm, 4);
	bool open = true;
	switch (f) {
	case CUT:
		send_all(fd, buf, MIN_OF((size_t)s->arg, len));
		shutdown(fd, SHUT_RDWR);
		close_conn(s, i);
		open = false;
		break;
	case HOLD:
		s->held[s->nheld++] = (struct held){.fd = fd, .conn = r.conn, .len = len, .data = buf};
		return true;
	case PIECES:
		for (size_t at = 4; at < len; at += s->arg) {
			size_t part = MIN_OF((size_t)s->arg, len - at);
			rm = htonl((at + part == len ? 0x80000000u : 0) | (uint32_t)part);
			send_all(fd, (uint8_t *)&rm, 4);
			send_all(fd, buf + at, part);
		}
		break;
	case DRIBBLE:
		for (size_t at = 0; at < len; at += s->arg)
			send_all(fd, buf + at, MIN_OF((size_t)s->arg, len - at));
		break;
	case TWICE: send_all(fd, buf, len); /* fall through */
	default: send_all(fd, buf, len); break;
	}
	free(buf);
	return open;
}

static void receive(struct server *s, int i)
{
	ssize_t r = recv(s->conns[i].fd, s->conns[i].in + s->conns[i].have, MSG - s->conns[i].have, 0);
	if (r <= 0) {
		close_conn(s, i);
		return;
	}
	s->conns[i].have += (size_t)r;
	while (s->conns[i].have >= 4) {
		size_t len = 4 + (word(s->conns[i].in, 0) & 0x7fffffff);
		if (s->conns[i].have < len)
			return;
		uint8_t *msg = malloc(len);
		assert_non_null(msg);
		memcpy(msg, s->conns[i].in + 4, len - 4);
		s->conns[i].have -= len;
		memmove(s->conns[i].in, s->conns[i].in + len, s->conns[i].have);
		bool open = serve(s, i, msg);
		free(msg);
		if (!open)
			return;
	}
}

static void *server_main(void *arg)
{
	struct server *s = arg;
	for (;;) {
		struct pollfd p[CONNS + 2] = {{s->wake, POLLIN, 0}, {s->lfd, POLLIN, 0}};
		pthread_mutex_lock(&s->lock);
		for (int i = 0; i < CONNS; i++)
			p[2 + i] = (struct pollfd){s->conns[i].fd, POLLIN, 0};
		pthread_mutex_unlock(&s->lock);
		poll(p, CONNS + 2, -1);
		pthread_mutex_lock(&s->lock);
		if (s->stop) {
			pthread_mutex_unlock(&s->lock);
			return NULL;
		}
		for (int i = 0; i < CONNS; i++)
			if (p[2 + i].revents && s->conns[i].fd == p[2 + i].fd)
				receive(s, i);
		if (p[1].revents) {
			struct sockaddr_in from;
			socklen_t len = sizeof(from);
			int fd = accept4(s->lfd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC), i = 0;
			if (fd >= 0) {
				s->accepts++;
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
				while (i < CONNS && s->conns[i].fd >= 0)
					i++;
				if (s->slam_accepts || i == CONNS) {
					close(fd);
				} else {
					s->conns[i].fd = fd;
					s->conns[i].have = 0;
					s->conns[i].number = s->accepts;
					s->conns[i].sport = ntohs(from.sin_port);
				}
			}
		}
		pthread_mutex_unlock(&s->lock);
	}
}

static void listen_on(struct server *s, const char *address, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(sin);
	inet_pton(AF_INET, address, &sin.sin_addr);
	s->lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->lfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	assert_int_equal(bind(s->lfd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	getsockname(s->lfd, (struct sockaddr *)&sin, &len);
	s->port = ntohs(sin.sin_port);
}

void server_run(struct server *s)
{
	assert_int_equal(listen(s->lfd, 64), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

struct server *server_new(const char *address)
{
	struct server *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	for (int i = 0; i < CONNS; i++)
		s->conns[i].fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	s->wake = eventfd(0, EFD_CLOEXEC);
	listen_on(s, address, 0);
	return s;
}

static void poke(struct server *s)
{
	uint64_t one = 1;
	assert_int_equal(write(s->wake, &one, 8), 8);
}

void server_stop(struct server *s)
{
	if (s->thread) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_mutex_unlock(&s->lock);
		poke(s);
		pthread_join(s->thread, NULL);
	}
	for (int i = 0; i < CONNS; i++)
		if (s->conns[i].fd >= 0)
			close(s->conns[i].fd);
	for (uint32_t i = 0; i < s->nheld; i++)
		free(s->held[i].data);
	close(s->lfd);
	close(s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void fault(struct server *s, enum fault f, uint32_t proc, uint32_t times, uint32_t arg,
		  uint32_t val)
{
	pthread_mutex_lock(&s->lock);
	s->fault = f;
	s->fault_proc = proc;
	s->fault_times = times;
	s->arg = arg;
	s->val = val;
	pthread_mutex_unlock(&s->lock);
}

void release(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->fault_times = 0;
	for (uint32_t i = 0; i < s->nheld; i++) {
		if (s->held[i].fd >= 0)
			send_all(s->held[i].fd, s->held[i].data, s->held[i].len);
		free(s->held[i].data);
	}
	s->nheld = 0;
	pthread_mutex_unlock(&s->lock);
}

void cut_all(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->fault_times = 0;
	for (int i = 0; i < CONNS; i++)
		if (s->conns[i].fd >= 0)
			shutdown(s->conns[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
}
