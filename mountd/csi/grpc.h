/* A gRPC server for unary calls: HTTP/2 by nghttp2 over unix sockets, protobuf by
 * protobuf-c.
 *
 * One loop thread owns all connections. A call that came whole is decoded and
 * carried out by one of the worker threads, which may block as long as it wants:
 * when the call's deadline passes first, its client is told so, and the work goes
 * on, since every call here may be sent again. */
#ifndef MOUNTD_CSI_GRPC_H
#define MOUNTD_CSI_GRPC_H

#include <protobuf-c/protobuf-c.h>
#include "mountd/csi/wire.h"

#define GRPC_WORKERS 16 /* calls at work at once */
#define GRPC_QUEUE   256 /* and waiting; more are UNAVAILABLE */
#define GRPC_CONNS   64
#define GRPC_TEXT    512

struct arena_block;
/* A call in the hands of its handler: one worker thread. */
struct grpc_call {
	void *app;                       /* as given to grpc_new */
	int worker;                      /* 0 to GRPC_WORKERS - 1: for what a thread keeps */
	const ProtobufCMessage *request;
	const ProtobufCMessage *reply;   /* set by the handler; from grpc_alloc */
	int64_t deadline_ns;             /* clock_now_ns(), 0 none */
	char text[GRPC_TEXT];            /* why it was refused */
	struct arena_block *blocks;
};
/* The status; *reply is set when it is GRPC_OK. */
typedef enum grpc_status (*grpc_handler)(struct grpc_call *c);

struct grpc_method {
	const char *path; /* "/csi.v1.Node/NodeGetInfo" */
	const ProtobufCMessageDescriptor *request;
	grpc_handler fn;
};

/* Memory that lives until the reply is packed, zeroed. Never NULL: without memory
 * the process ends, as nothing was promised yet. */
void *grpc_alloc(struct grpc_call *c, size_t size);
__attribute__((format(printf, 2, 3))) char *grpc_printf(struct grpc_call *c, const char *fmt, ...);
/* A message of that type, initialised, by its descriptor. */
#define grpc_new_message(c, type, descriptor) ((type *)grpc_message((c), (descriptor)))
void *grpc_message(struct grpc_call *c, const ProtobufCMessageDescriptor *d);
/* Sets the text; returns s. */
__attribute__((format(printf, 3, 4))) enum grpc_status
grpc_refuse(struct grpc_call *c, enum grpc_status s, const char *fmt, ...);

/* Counters of one method; any thread. */
struct grpc_counts {
	_Atomic uint64_t codes[GRPC_NCODES];
	_Atomic uint64_t latency_ns;
	_Atomic int64_t active;
};

struct grpc;
/* methods stay for ever; n of them. NULL with errno set. */
struct grpc *grpc_new(const struct grpc_method *methods, size_t n, void *app);
/* Listens at a unix socket, mode 0600; a dead one of that name is replaced, one
 * that is served by somebody is -EADDRINUSE. */
int grpc_listen(struct grpc *g, const char *path);
/* Serves until grpc_stop(), then lets calls at work end, for at most drain_ms.
 * 0 or -errno. */
int grpc_serve(struct grpc *g, int drain_ms);
/* Any thread, once. */
void grpc_stop(struct grpc *g);
/* Removes the sockets. Workers that still hang are left alone: exit soon. */
void grpc_free(struct grpc *g);

/* Any thread. */
const struct grpc_counts *grpc_counts_of(const struct grpc *g, size_t method);
/* When the loop last ran, clock_now_ns(). */
int64_t grpc_alive_ns(const struct grpc *g);

/* ---- for tests: a connection without a socket -------------------------------- */

/* Feeds bytes to a new connection of a server, runs what they ask for to its end,
 * and hands the bytes of the answer to out. Returns 0, or -EPROTO when the
 * connection was given up. */
int grpc_feed(struct grpc *g, const uint8_t *data, size_t len,
	      void (*out)(const uint8_t *data, size_t len, void *priv), void *priv);

#endif
