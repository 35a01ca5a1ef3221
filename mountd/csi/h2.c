/* A connection: nghttp2 keeps HTTP/2's own rules (frames, windows, pings, GOAWAY);
 * here its streams become calls and their ends become replies.
 *
 * What a client sends is bounded: streams a connection, bytes a message, bytes of
 * all requests that have not come whole. What does not fit is refused on its own
 * stream; the connection only ends when HTTP/2 itself was broken. */
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/csi/grpc_i.h"

#define STREAMS_MAX 100
#define READ_MAX    65536

/* ---- answers ------------------------------------------------------------------ */

static nghttp2_nv header(const char *name, const char *value)
{
	/* nghttp2 copies both: no flag says otherwise. */
	return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
			    .value = (uint8_t *)(uintptr_t)value,
			    .namelen = strlen(name),
			    .valuelen = strlen(value)};
}

static void count(struct stream *s, enum grpc_status status)
{
	if (s->counted)
		s->conn->g->counts[s->counted - 1].codes[status]++;
}

static void answer_http(struct stream *s, const char *status)
{
	nghttp2_nv h[] = {header(":status", status)};
	s->answered = true;
	nghttp2_submit_response(s->conn->session, s->id, h, 1, NULL);
}

/* One HEADERS frame that is the whole answer. */
static void answer_error(struct stream *s, enum grpc_status status, const char *text)
{
	char code[12], message[3 * GRPC_TEXT];
	snprintf(code, sizeof(code), "%d", (int)status);
	wire_escape(message, sizeof(message), text);
	nghttp2_nv h[] = {header(":status", "200"), header("content-type", "application/grpc"),
			  header("grpc-status", code), header("grpc-message", message)};
	s->answered = true;
	count(s, status);
	nghttp2_submit_response(s->conn->session, s->id, h, ARRAY_LEN(h), NULL);
}

static ssize_t read_reply(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
			  nghttp2_data_source *source, void *priv)
{
	struct stream *s = source->ptr;
	(void)priv;
	size_t n = MIN_OF(len, s->reply_len - s->sent);
	if (n)
		memcpy(buf, s->reply + s->sent, n);
	s->sent += n;
	if (s->sent == s->reply_len) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_nv trailer[] = {header("grpc-status", "0")};
		if (nghttp2_submit_trailer(session, id, trailer, 1) != 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

/* Takes over the reply. */
static void answer_ok(struct stream *s, uint8_t *reply, size_t len)
{
	nghttp2_nv h[] = {header(":status", "200"), header("content-type", "application/grpc")};
	nghttp2_data_provider from = {.source.ptr = s, .read_callback = read_reply};
	s->reply = reply;
	s->reply_len = len;
	s->answered = true;
	count(s, GRPC_OK);
	nghttp2_submit_response(s->conn->session, s->id, h, ARRAY_LEN(h), &from);
}

void h2_done(struct task *t)
{
	struct grpc *g = t->g;
	struct stream *s = t->stream;
	struct grpc_counts *n = &g->counts[t->method];
	n->active--;
	n->latency_ns += (uint64_t)(clock_now_ns() - t->begin_ns);
	g->at_work--;
	if (s) {
		s->task = NULL;
		ev_timer_disarm(&s->timer);
		if (t->status == GRPC_OK)
			answer_ok(s, steal_ptr(t->reply), t->reply_len);
		else
			answer_error(s, t->status, t->text);
		if (s->conn->src.fd >= 0 && !conn_flush(s->conn))
			conn_free(s->conn);
	}
	free(t->reply);
	free(t->body);
	free(t);
}

static void on_deadline(struct ev_timer *timer)
{
	struct stream *s = timer->ctx;
	s->task->stream = NULL;
	s->task = NULL;
	answer_error(s, GRPC_DEADLINE_EXCEEDED, "the deadline passed; the work goes on, and the same call joins it");
	if (!conn_flush(s->conn))
		conn_free(s->conn);
}

/* ---- requests ------------------------------------------------------------------ */

static void drop_body(struct stream *s)
{
	s->conn->g->buffered -= s->cap;
	free(steal_ptr(s->body));
	s->len = s->cap = 0;
}

static void stream_free(struct stream *s)
{
	if (s->task) /* the client left: the work goes on */
		s->task->stream = NULL;
	ev_timer_disarm(&s->timer);
	drop_body(s);
	list_remove(&s->link);
	free(s->reply);
	free(s);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *f, void *priv)
{
	struct conn *c = priv;
	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	s->conn = c;
	s->id = f->hd.stream_id;
	ev_timer_init(&s->timer, on_deadline, s);
	list_append(&c->streams, &s->link);
	nghttp2_session_set_stream_user_data(session, s->id, s);
	return 0;
}

static bool is(const uint8_t *name, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(name, want, len) == 0;
}

static bool take(char *out, size_t room, const uint8_t *value, size_t len)
{
	if (len >= room || memchr(value, 0, len))
		return false;
	memcpy(out, value, len);
	out[len] = '\0';
	return true;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name, size_t nlen,
		     const uint8_t *value, size_t vlen, uint8_t flags, void *priv)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, f->hd.stream_id);
	(void)flags, (void)priv;
	if (!s || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (is(name, nlen, ":method") && !*s->method)
		take(s->method, sizeof(s->method), value, vlen);
	else if (is(name, nlen, ":path") && !*s->path)
		s->path_cut = !take(s->path, sizeof(s->path), value, vlen);
	else if (is(name, nlen, "content-type"))
		s->is_grpc = wire_is_grpc((const char *)value, vlen);
	else if (is(name, nlen, "grpc-timeout"))
		s->bad_timeout = wire_timeout((const char *)value, vlen, &s->timeout_ns) < 0;
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *priv)
{
	struct conn *c = priv;
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);
	(void)flags;
	if (!s || s->answered || s->task)
		return 0;
	if (len > WIRE_MESSAGE_MAX + WIRE_PREFIX - s->len) {
		drop_body(s);
		answer_error(s, GRPC_RESOURCE_EXHAUSTED, "the message is larger than 4 MiB");
		return 0;
	}
	if (s->len + len > s->cap) {
		size_t cap = MAX_OF(s->cap * 2, s->len + len);
		uint8_t *p = c->g->buffered + (cap - s->cap) > GRPC_BUFFERED_MAX ? NULL : realloc(s->body, cap);
		if (!p) {
			drop_body(s);
			answer_error(s, GRPC_RESOURCE_EXHAUSTED, "too many large requests at once");
			return 0;
		}
		c->g->buffered += cap - s->cap;
		s->body = p;
		s->cap = cap;
	}
	memcpy(s->body + s->len, data, len);
	s->len += len;
	return 0;
}

static void dispatch(struct stream *s)
{
	struct grpc *g = s->conn->g;
	size_t m = 0;
	if (strcmp(s->method, "POST") != 0) {
		answer_http(s, "405");
		return;
	}
	if (!s->is_grpc) {
		answer_http(s, "415");
		return;
	}
	while (m < g->nmethods && (s->path_cut || strcmp(s->path, g->methods[m].path) != 0))
		m++;
	if (m == g->nmethods) {
		answer_error(s, GRPC_UNIMPLEMENTED, "this driver does not serve that method");
		return;
	}
	s->counted = m + 1;
	if (s->bad_timeout)
		answer_error(s, GRPC_INTERNAL, "grpc-timeout cannot be read");
	else if (g->stopping || !grpc_submit(g, s, m))
		answer_error(s, GRPC_UNAVAILABLE, g->stopping ? "the driver ends" : "too many calls wait");
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *priv)
{
	(void)priv;
	if ((f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA) ||
	    !(f->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	struct stream *s = nghttp2_session_get_stream_user_data(session, f->hd.stream_id);
	if (s && !s->answered && !s->task)
		dispatch(s);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *priv)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);
	(void)error, (void)priv;
	if (s) {
		nghttp2_session_set_stream_user_data(session, id, NULL);
		stream_free(s);
	}
	return 0;
}

/* ---- bytes ---------------------------------------------------------------------- */

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *priv)
{
	struct conn *c = priv;
	(void)session, (void)flags;
	if (c->src.fd < 0) {
		c->out(data, len, c->out_priv);
		return (ssize_t)len;
	}
	ssize_t n = send(c->src.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
	return n;
}

bool conn_flush(struct conn *c)
{
	if (nghttp2_session_send(c->session) != 0)
		return false;
	bool wants_out = nghttp2_session_want_write(c->session);
	if (c->src.fd >= 0 && wants_out != c->wants_out) {
		c->wants_out = wants_out;
		if (ev_mod(c->g->ev, &c->src, wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN) < 0)
			return false;
	}
	return wants_out || nghttp2_session_want_read(c->session);
}

bool conn_feed(struct conn *c, const uint8_t *data, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(c->session, data, len);
	if (n < 0) {
		log_debug("a connection sent no HTTP/2: %s", nghttp2_strerror((int)n));
		nghttp2_session_send(c->session); /* GOAWAY says so, as far as it gets */
		return false;
	}
	return conn_flush(c);
}

static void on_event(struct ev_source *src, uint32_t events)
{
	struct conn *c = src->ctx;
	static uint8_t buf[READ_MAX]; /* one loop thread */
	bool alive = true;
	if (events & EPOLLOUT)
		alive = conn_flush(c);
	if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		ssize_t n = recv(c->src.fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			alive = conn_feed(c, buf, (size_t)n);
		else
			alive = n < 0 && (errno == EAGAIN || errno == EINTR);
	}
	if (!alive)
		conn_free(c);
}

void conn_goaway(struct conn *c)
{
	nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(c->session), NGHTTP2_NO_ERROR, NULL, 0);
	if (!conn_flush(c))
		conn_free(c);
}

static int session_new(struct conn *c)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *option;
	if (nghttp2_session_callbacks_new(&cb) != 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_send_callback(cb, on_send);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	int r = nghttp2_option_new(&option);
	if (r == 0) {
		/* Older Go clients send the path of the socket as :authority, which strict
		 * checking would take for a mistake. */
		nghttp2_option_set_no_http_messaging(option, 1);
		r = nghttp2_session_server_new2(&c->session, cb, c, option);
		nghttp2_option_del(option);
	}
	nghttp2_session_callbacks_del(cb);
	nghttp2_settings_entry set[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX}};
	if (r == 0)
		r = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, set, ARRAY_LEN(set));
	return r == 0 ? 0 : -ENOMEM;
}

struct conn *conn_new(struct grpc *g, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	if (!c) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	c->g = g;
	c->src = (struct ev_source){.fd = fd, .fn = on_event, .ctx = c};
	list_init(&c->streams);
	list_append(&g->conns, &c->link);
	g->nconns++;
	int r = session_new(c);
	if (r == 0 && fd >= 0)
		r = ev_add(g->ev, &c->src, EPOLLIN);
	if (r == 0 && (fd < 0 || conn_flush(c)))
		return c;
	conn_free(c);
	return NULL;
}

void conn_free(struct conn *c)
{
	if (c->src.fd >= 0) {
		ev_del(c->g->ev, &c->src);
		close(c->src.fd);
	}
	nghttp2_session_del(c->session); /* tells of no stream's end */
	struct list *pos, *tmp;
	list_for_each(pos, tmp, &c->streams)
		stream_free(list_entry(pos, struct stream, link));
	list_remove(&c->link);
	c->g->nconns--;
	free(c);
}
