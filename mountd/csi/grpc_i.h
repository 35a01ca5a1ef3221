/* The inside of the gRPC server: grpc.c has sockets, queue and workers, h2.c the
 * connections. Everything is the loop thread's, unless said otherwise. */
#ifndef MOUNTD_CSI_GRPC_I_H
#define MOUNTD_CSI_GRPC_I_H

#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdbool.h>
#include "fs/base/ev.h"
#include "fs/base/list.h"
#include "mountd/csi/grpc.h"

#define GRPC_PATH_MAX     128
#define GRPC_BUFFERED_MAX (64u << 20) /* bytes of requests that did not come whole yet, of all streams */
#define GRPC_LISTENERS    2

struct conn;

/* A request of a client, from its first header to the last byte of the answer. */
struct stream {
	struct list link; /* of conn->streams */
	struct conn *conn;
	int32_t id;
	char method[8], path[GRPC_PATH_MAX];
	bool is_grpc, bad_timeout, path_cut, answered;
	int64_t timeout_ns; /* 0 none */
	uint8_t *body;
	size_t len, cap;
	struct task *task;       /* that answers it, while it is at work */
	struct ev_timer timer;   /* its deadline */
	size_t counted;          /* method + 1 once it is one of ours */
	uint8_t *reply;          /* prefix and message */
	size_t reply_len, sent;
};

/* A call on its way to a worker and back. */
struct task {
	struct ev_msg msg;
	struct list link; /* of grpc->queue */
	struct grpc *g;
	size_t method;
	struct stream *stream; /* NULL: nobody waits any more */
	uint8_t *body;
	size_t len;
	int64_t deadline_ns, begin_ns;
	/* filled by the worker */
	enum grpc_status status;
	char text[GRPC_TEXT];
	uint8_t *reply;
	size_t reply_len;
};

struct conn {
	struct list link; /* of grpc->conns */
	struct grpc *g;
	struct ev_source src; /* fd -1: fed by a test */
	nghttp2_session *session;
	struct list streams;
	void (*out)(const uint8_t *data, size_t len, void *priv);
	void *out_priv;
	bool wants_out;
};

struct grpc {
	const struct grpc_method *methods;
	size_t nmethods;
	struct grpc_counts *counts;
	void *app;
	struct ev *ev;
	struct listener {
		struct ev_source src;
		char path[108];
	} listeners[GRPC_LISTENERS];
	size_t nlisteners;
	struct list conns;
	size_t nconns, buffered, at_work;
	struct ev_timer beat, drain;
	struct ev_msg stop;
	int drain_ms;
	bool stopping, drained;
	bool fed; /* a test runs calls itself */
	_Atomic int64_t alive_ns;

	pthread_mutex_t lock;
	pthread_cond_t wake, gone;
	struct list queue;  /* under lock */
	size_t nqueue;      /* under lock */
	int nworkers;       /* under lock */
	bool quit;          /* under lock */
};

/* Adopts the descriptor (-1 with out for a test). NULL without memory: fd is closed. */
struct conn *conn_new(struct grpc *g, int fd);
void conn_free(struct conn *c);
/* False: the connection is over. */
bool conn_feed(struct conn *c, const uint8_t *data, size_t len);
bool conn_flush(struct conn *c);
void conn_goaway(struct conn *c);
/* The end of a call: sends it, if somebody still waits, and frees the task. */
void h2_done(struct task *t);

/* Hands a whole request to the workers; takes over the body. False: too many wait. */
bool grpc_submit(struct grpc *g, struct stream *s, size_t method);
/* Runs a task on this thread. */
void grpc_run(struct task *t, int worker);

#endif
