/* Sockets, the queue and the workers. */
#include "mountd/csi/grpc.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/csi/grpc_i.h"

#define BEAT_NS (2 * NS_PER_SEC)

/* ---- memory of a call ----------------------------------------------------------- */

struct arena_block {
	struct arena_block *next;
	max_align_t data[];
};

void *grpc_alloc(struct grpc_call *c, size_t size)
{
	struct arena_block *b = calloc(1, sizeof(*b) + size);
	if (!b) {
		log_error("no memory for the reply to a call: the driver ends and is started anew");
		_exit(1);
	}
	b->next = c->blocks;
	c->blocks = b;
	return b->data;
}

void *grpc_message(struct grpc_call *c, const ProtobufCMessageDescriptor *d)
{
	void *m = grpc_alloc(c, d->sizeof_message);
	protobuf_c_message_init(d, m);
	return m;
}

char *grpc_printf(struct grpc_call *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *s = grpc_alloc(c, (size_t)MAX_OF(n, 0) + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)MAX_OF(n, 0) + 1, fmt, ap);
	va_end(ap);
	return s;
}

enum grpc_status grpc_refuse(struct grpc_call *c, enum grpc_status s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
	return s;
}

/* ---- workers ---------------------------------------------------------------------- */

static enum grpc_status refuse_bytes(struct task *t, enum grpc_status s, const char *why)
{
	snprintf(t->text, sizeof(t->text), "%s", why);
	return s;
}

static enum grpc_status pack_reply(struct task *t, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	if (n > WIRE_MESSAGE_MAX)
		return refuse_bytes(t, GRPC_RESOURCE_EXHAUSTED, "the reply would be larger than 4 MiB: ask for less");
	t->reply = malloc(WIRE_PREFIX + n);
	if (!t->reply)
		return refuse_bytes(t, GRPC_RESOURCE_EXHAUSTED, "no memory for the reply");
	wire_prefix(t->reply, n);
	protobuf_c_message_pack(m, t->reply + WIRE_PREFIX);
	t->reply_len = WIRE_PREFIX + n;
	return GRPC_OK;
}

void grpc_run(struct task *t, int worker)
{
	const struct grpc_method *m = &t->g->methods[t->method];
	const uint8_t *data;
	size_t len;
	const char *why = "";
	ProtobufCMessage *request = NULL;
	enum grpc_status s = wire_message(t->body, t->len, &data, &len, &why);
	if (s == GRPC_OK)
		s = wire_unpack(m->request, data, len, &request, &why);
	if (s != GRPC_OK) {
		t->status = refuse_bytes(t, s, why);
		return;
	}
	struct grpc_call c = {
		.app = t->g->app, .worker = worker, .request = request, .deadline_ns = t->deadline_ns};
	s = m->fn(&c);
	if (s == GRPC_OK && !c.reply)
		s = grpc_refuse(&c, GRPC_INTERNAL, "no reply was made");
	if (s == GRPC_OK)
		s = pack_reply(t, c.reply);
	else
		snprintf(t->text, sizeof(t->text), "%s", c.text);
	t->status = s;
	wire_unpacked_free(request);
	for (struct arena_block *b = c.blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	if (s != GRPC_OK)
		log_info("%s: %s: %s", strrchr(m->path, '/') + 1, grpc_status_name(s), t->text);
}

static void on_done(struct ev_msg *msg)
{
	h2_done(container_of(msg, struct task, msg));
}

static void *worker(void *priv)
{
	struct grpc *g = priv;
	prctl(PR_SET_NAME, "worker");
	pthread_mutex_lock(&g->lock);
	int me = g->nworkers++;
	while (!g->quit) {
		struct list *l = list_pop(&g->queue);
		if (!l) {
			pthread_cond_wait(&g->wake, &g->lock);
			continue;
		}
		g->nqueue--;
		pthread_mutex_unlock(&g->lock);
		struct task *t = list_entry(l, struct task, link);
		grpc_run(t, me);
		t->msg.fn = on_done;
		ev_post(g->ev, &t->msg);
		pthread_mutex_lock(&g->lock);
	}
	g->nworkers--;
	pthread_cond_signal(&g->gone);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

bool grpc_submit(struct grpc *g, struct stream *s, size_t method)
{
	struct task *t = calloc(1, sizeof(*t));
	if (!t)
		return false;
	*t = (struct task){.g = g, .method = method, .stream = s, .len = s->len, .begin_ns = clock_now_ns()};
	pthread_mutex_lock(&g->lock);
	bool room = g->nqueue < GRPC_QUEUE;
	if (room && !g->fed) {
		t->body = steal_ptr(s->body);
		t->deadline_ns = s->timeout_ns ? t->begin_ns + s->timeout_ns : 0;
		list_append(&g->queue, &t->link);
		g->nqueue++;
		pthread_cond_signal(&g->wake);
	}
	pthread_mutex_unlock(&g->lock);
	if (!room) {
		free(t);
		return false;
	}
	s->task = t;
	g->counts[method].active++;
	g->at_work++;
	if (g->fed) {
		t->body = steal_ptr(s->body);
		grpc_run(t, 0);
	}
	g->buffered -= s->cap;
	s->len = s->cap = 0;
	if (g->fed)
		h2_done(t);
	else if (s->timeout_ns)
		ev_timer_arm(g->ev, &s->timer, s->timeout_ns);
	return true;
}

/* ---- sockets ----------------------------------------------------------------------- */

static void on_accept(struct ev_source *src, uint32_t events)
{
	struct grpc *g = src->ctx;
	(void)events;
	int fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (g->nconns >= GRPC_CONNS) {
		log_warn("a connection is refused: %d are open", GRPC_CONNS);
		close(fd);
		return;
	}
	conn_new(g, fd);
}

int grpc_listen(struct grpc *g, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (g->nlisteners == GRPC_LISTENERS)
		return -E2BIG;
	if (!strcpy_bounded(a.sun_path, path, sizeof(a.sun_path)))
		return -ENAMETOOLONG;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return -EADDRINUSE;
	if (errno == ECONNREFUSED)
		unlink(path);
	/* The name is made with the mode that the socket has. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		return -errno;
	struct listener *l = &g->listeners[g->nlisteners];
	l->src = (struct ev_source){.fd = fd, .fn = on_accept, .ctx = g};
	memcpy(l->path, a.sun_path, sizeof(l->path));
	int r = ev_add(g->ev, &l->src, EPOLLIN);
	if (r < 0)
		return r;
	steal_fd(&fd);
	g->nlisteners++;
	return 0;
}

/* ---- life ---------------------------------------------------------------------------- */

static void on_beat(struct ev_timer *t)
{
	struct grpc *g = t->ctx;
	g->alive_ns = clock_now_ns();
	ev_timer_arm(g->ev, &g->beat, BEAT_NS);
}

static void on_drained(struct ev_timer *t)
{
	struct grpc *g = t->ctx;
	log_warn("%zu calls are still at work: not waited for", g->at_work);
	g->drained = true;
}

static void close_listeners(struct grpc *g)
{
	for (size_t i = 0; i < g->nlisteners; i++) {
		ev_del(g->ev, &g->listeners[i].src);
		close(g->listeners[i].src.fd);
		unlink(g->listeners[i].path);
	}
	g->nlisteners = 0;
}

static void on_stop(struct ev_msg *msg)
{
	struct grpc *g = container_of(msg, struct grpc, stop);
	struct list *pos, *tmp;
	g->stopping = true;
	close_listeners(g);
	list_for_each(pos, tmp, &g->conns)
		conn_goaway(list_entry(pos, struct conn, link));
	ev_timer_arm(g->ev, &g->drain, g->drain_ms * NS_PER_MS);
}

void grpc_stop(struct grpc *g)
{
	g->stop.fn = on_stop;
	ev_post(g->ev, &g->stop);
}

static bool sending(const struct grpc *g)
{
	for (struct list *l = g->conns.next; l != &g->conns; l = l->next)
		if (!list_empty(&list_entry(l, struct conn, link)->streams))
			return true;
	return false;
}

int grpc_serve(struct grpc *g, int drain_ms)
{
	g->drain_ms = drain_ms;
	on_beat(&g->beat);
	for (int i = 0; i < GRPC_WORKERS; i++) {
		pthread_t t;
		int r = pthread_create(&t, NULL, worker, g);
		if (r != 0)
			return -r;
		pthread_detach(t);
	}
	while (!g->drained && !(g->stopping && g->at_work == 0 && !sending(g))) {
		int r = ev_run_once(g->ev, -1);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

struct grpc *grpc_new(const struct grpc_method *methods, size_t n, void *app)
{
	struct grpc *g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->methods = methods;
	g->nmethods = n;
	g->app = app;
	g->counts = calloc(n, sizeof(*g->counts));
	g->ev = ev_new();
	list_init(&g->conns);
	list_init(&g->queue);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->wake, NULL);
	pthread_cond_init(&g->gone, NULL);
	if (!g->counts || !g->ev) {
		grpc_free(g);
		errno = ENOMEM;
		return NULL;
	}
	ev_timer_init(&g->beat, on_beat, g);
	ev_timer_init(&g->drain, on_drained, g);
	return g;
}

void grpc_free(struct grpc *g)
{
	struct list *pos, *tmp;
	if (!g)
		return;
	struct timespec end = clock_to_ts(clock_wall_ns() + NS_PER_SEC);
	pthread_mutex_lock(&g->lock);
	g->quit = true;
	pthread_cond_broadcast(&g->wake);
	while (g->nworkers && pthread_cond_timedwait(&g->gone, &g->lock, &end) == 0)
		;
	bool busy = g->nworkers > 0;
	pthread_mutex_unlock(&g->lock);
	close_listeners(g);
	if (busy) /* a worker hangs in the kernel and will look at this */
		return;
	list_for_each(pos, tmp, &g->conns)
		conn_free(list_entry(pos, struct conn, link));
	if (g->ev) {
		while (ev_run_once(g->ev, 0) > 0) /* calls that ended meanwhile */
			;
		ev_timer_disarm(&g->beat);
		ev_timer_disarm(&g->drain);
		ev_free(g->ev);
	}
	pthread_cond_destroy(&g->wake);
	pthread_cond_destroy(&g->gone);
	pthread_mutex_destroy(&g->lock);
	free(g->counts);
	free(g);
}

const struct grpc_counts *grpc_counts_of(const struct grpc *g, size_t method)
{
	return &g->counts[method];
}

int64_t grpc_alive_ns(const struct grpc *g)
{
	return g->alive_ns;
}

int grpc_feed(struct grpc *g, const uint8_t *data, size_t len,
	      void (*out)(const uint8_t *data, size_t len, void *priv), void *priv)
{
	g->fed = true;
	struct conn *c = conn_new(g, -1);
	if (!c)
		return -ENOMEM;
	c->out = out;
	c->out_priv = priv;
	bool ok = conn_flush(c) && conn_feed(c, data, len);
	conn_free(c);
	return ok ? 0 : -EPROTO;
}
