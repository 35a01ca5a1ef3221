/*
 * The worker threads, and the state they serve under.
 */
#ifndef SIMNFS_WORKER_H
#define SIMNFS_WORKER_H

#include <netinet/in.h>

#include "tests/sim/nfs/dispatch.h"

#define WORKERS_MAX 4
#define CONNS_MAX   4096 /* more are refused */

/* Starts n threads.  st is borrowed until it is swapped.  0 or -errno. */
int workers_start(unsigned n, const struct state *st);

/* Lets the calls at work end, closes all connections and ends the threads. */
void workers_stop(void);

/* Hands a new connection to the next worker in turn; local is the LIF's address it
 * came to.  Takes fd over, also on failure. */
void workers_add(int fd, const struct peer *peer, struct in_addr local);

/* Between two calls of every worker: puts st in place of the state so far, which is
 * returned, and runs while_still, when no call is at work and no file in use.  Calls
 * that come meanwhile wait. */
const struct state *workers_swap(const struct state *st,
                                 void (*while_still)(const struct state *st));

/* Between two calls of every worker: from here to workers_go_on() none is served, and
 * nothing changes.  Both by the same thread. */
void workers_stand_still(void);
void workers_go_on(void);

/* Ends the connections to this address. */
void workers_hang_up(struct in_addr local);

#endif
