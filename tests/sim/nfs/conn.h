/*
 * One TCP connection: record marking in both directions, calls served in the order
 * they come.  A connection belongs to one worker thread.
 */
#ifndef SIMNFS_CONN_H
#define SIMNFS_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/nfs/dispatch.h"

struct conn;

/* What conn_serve() wants next. */
enum conn_next {
	CONN_READ,  /* call again when the socket is readable */
	CONN_WRITE, /* ... writable */
	CONN_AGAIN, /* ... soon: there is work left, others should have their turn */
	CONN_CLOSE, /* broken or closed by the peer: conn_free() it */
};

/* The state to serve a call under, held from begin to end; see worker.h. */
struct conn_hooks {
	const struct state *(*begin)(void);
	void (*end)(void);
};

/* Owns fd (nonblocking).  NULL without memory; fd is not closed then. */
struct conn *conn_new(int fd, const struct peer *peer, const struct conn_hooks *hooks);
void conn_free(struct conn *c);
int conn_fd(const struct conn *c);

/* Reads calls, serves them and writes replies until one of the above. */
enum conn_next conn_serve(struct conn *c, struct scratch *mem);

#endif
