/* Event loop of one thread: epoll, timers, and a mailbox from other threads.
 *
 * Everything but ev_post() belongs to the thread that runs the loop. A source
 * is a descriptor with a function; it may be deleted from inside any callback
 * of the same loop. A timer fires once. */
#ifndef BASE_EV_H
#define BASE_EV_H

#include <stdint.h>
#include "fs/base/list.h"

struct ev;

struct ev_source {
	int fd;
	/* events: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP bits */
	void (*fn)(struct ev_source *src, uint32_t events);
	void *ctx;
};

struct ev_timer {
	struct list link; /* loop thread only */
	int64_t due_ns;   /* CLOCK_MONOTONIC */
	void (*fn)(struct ev_timer *t);
	void *ctx;
};

/* A message for another loop's thread. The receiver owns it when fn runs. */
struct ev_msg {
	struct ev_msg *next;
	void (*fn)(struct ev_msg *msg);
};

/* NULL with errno set. */
struct ev *ev_new(void);
void ev_free(struct ev *ev);

/* 0 or -errno of epoll_ctl(2). `events` may hold EPOLLEXCLUSIVE, EPOLLET. */
int ev_add(struct ev *ev, struct ev_source *src, uint32_t events);
int ev_mod(struct ev *ev, struct ev_source *src, uint32_t events);
void ev_del(struct ev *ev, struct ev_source *src);

void ev_timer_init(struct ev_timer *t, void (*fn)(struct ev_timer *), void *ctx);
/* (Re)arms for `after_ns` from now. */
void ev_timer_arm(struct ev *ev, struct ev_timer *t, int64_t after_ns);
void ev_timer_disarm(struct ev_timer *t);

/* From any thread: runs msg->fn(msg) on the loop's thread, in order of posting. */
void ev_post(struct ev *ev, struct ev_msg *msg);

/* Before the next wait the loop polls for up to ns, once: an event within that
 * time costs no sleep and no wake-up. */
void ev_spin(struct ev *ev, int64_t ns);

/* Waits at most timeout_ms (-1: until something happens or a timer is due) and
 * runs what is ready. Returns the number of callbacks run, or -errno. */
int ev_run_once(struct ev *ev, int timeout_ms);

#endif
