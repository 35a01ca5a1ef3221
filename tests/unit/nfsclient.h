/* A client of fs/nfs for tests: a loop, two servers (nfsserver.h), calls that are looked at. One thread. */
#ifndef TESTS_UNIT_NFSCLIENT_H
#define TESTS_UNIT_NFSCLIENT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <cmocka.h>
#include "fs/base/clock.h"
#include "fs/base/ev.h"
#include "fs/nfs/nfsio.h"
#include "tests/unit/nfsserver.h"

struct fixture {
	struct ev *ev;
	struct nfsio *n;
	struct server *a, *b;
	struct nfsio_counters k;
	_Atomic uint32_t xid;
	struct nfsio_params p;
};

struct call {
	struct nfsio_call c;
	bool done;
	int times;
	uint8_t data[16384];
	char names[4][300];
};

/* cmocka's setup and teardown: *state is a struct fixture, not started. */
int client_setup(void **state);
int client_teardown(void **state);
/* Servers run, the client is made of f->p. */
void start(struct fixture *f);

/* A call of that procedure on the directory that each server has; filled in further by the test. */
void prepare(struct call *x, enum nfsio_proc proc);
/* What prepare() makes the call's end: notes it, and copies what was read or listed. */
void finished(struct nfsio_call *c);
void submit(struct fixture *f, struct call *x);
/* Submits and waits; the call's error. */
int call(struct fixture *f, struct call *x);
/* Is what was read what the server's file holds there? */
void check_read(const struct call *x);

struct rec rec_at(struct server *s, uint32_t i);
/* How many calls of that procedure came in. */
uint32_t seen(struct server *s, uint32_t proc);

/* Runs the loop until cond; fails after five seconds. */
#define run_until(f, cond)                                                     \
	do {                                                                   \
		int64_t until_ = clock_now_ns() + 5 * NS_PER_SEC;              \
		while (!(cond)) {                                              \
			ev_run_once((f)->ev, 5);                               \
			if (clock_now_ns() > until_)                           \
				fail_msg("never came: %s", #cond);             \
		}                                                              \
	} while (0)

#endif
