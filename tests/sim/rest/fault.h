/*
 * Faults on demand in the REST face, steered through DIR/run/ctl.sock.
 */
#ifndef SIM_REST_FAULT_H
#define SIM_REST_FAULT_H

#include "tests/sim/rest/model.h"

/* What shall happen to the request that asks now. */
struct fault {
	int64_t delay_ms; /* wait so long first */
	int status;       /* then answer this instead of doing anything; 0 = go on */
};

/* Takes the faults for one request.  Any thread. */
struct fault fault_take(void);

/* Waits for a fault's delay; ends early when the process is told to end. */
void fault_wait(int64_t ms);

/* Lets every fault_wait return, now and from now on. */
void fault_stop(void);

/* Opens the control socket and starts its thread.  0 or -errno. */
int ctl_start(struct model *m);
void ctl_stop(void);

#endif
