/*
 * Faults on demand in the REST face, steered through DIR/run/ctl.sock.
 */
#ifndef SIM_REST_FAULT_H
#define SIM_REST_FAULT_H

#include "tests/sim/rest/model.h"

/* What shall happen to the request that asks now. */
struct fault {
	int64_t delay_ms;    /* wait so long first */
	int status;          /* then answer this instead of doing anything; 0 = go on */
	int64_t retry_after; /* seconds for a 429 or 503 */
	bool reset;          /* hang up instead of doing anything */
	bool lost;           /* do it, then hang up instead of answering */
	bool garbage;        /* do it, then answer with what is no JSON */
	bool truncate;       /* do it, then answer with the first half */
};

/* Takes the faults for one request with this method.  Any thread. */
struct fault fault_take(const char *method);

/* Waits for a fault's delay; ends early when the process is told to end. */
void fault_wait(int64_t ms);

/* Lets every fault_wait return, now and from now on. */
void fault_stop(void);

/* Opens the control socket and starts its thread.  0 or -errno. */
int ctl_start(struct model *m);
void ctl_stop(void);

#endif
