/*
 * Jobs: one worker thread runs every asynchronous change, one after the other in
 * the order they fall due.  That makes the changes of volumes and snapshots
 * serial by construction, so a job needs no lock between its look and its leap.
 *
 * A job's state is a row of the table jobs.  Jobs that were not finished when
 * the process ended are marked as failed at the next start.
 */
#ifndef SIM_REST_JOBS_H
#define SIM_REST_JOBS_H

#include "tests/sim/rest/model.h"

/* The work: runs on the worker with the model unlocked; takes the lock itself.
 * args is borrowed.  0 or -1 with f set. */
typedef int (*job_fn)(struct model *m, json_t *args, struct fail *f);

/* Starts the worker.  0 or -errno. */
int jobs_start(struct model *m);

/* Lets the job that runs end, drops the others (they are marked failed at the next
 * start), ends the worker and wakes every jobs_wait. */
void jobs_stop(void);

/* Frees what jobs_stop left; only once no thread can be in jobs_wait any more. */
void jobs_free(void);

/* Queues a job; call with the model locked.  description: "POST /api/...".  Takes
 * args in any case.  uuid gets the job's uuid.  0 or -1 with f set. */
int jobs_submit(struct model *m, const char *description, job_fn fn, json_t *args,
                char uuid[UUID_BUF], struct fail *f);

/* Percent of the split of this clone that are done, by time: "uuid" and "split" of the
 * args say what a job splits, "takes_ms" how long it is at work before the change.
 * -1 when none is under way. */
int jobs_split_percent(const char *volume);

/* Waits until the job has ended or the time is over; model unlocked.  True when
 * it has ended; then *ret_ok says how, and f holds the failure. */
bool jobs_wait(struct model *m, const char *uuid, int64_t timeout_ms, bool *ret_ok, struct fail *f);

/* Takes a job that has not begun out of the queue and marks it failed; call with
 * the model locked.  False when it runs or has ended. */
bool jobs_cancel(struct model *m, const char *uuid);

/* Faults.  From now on the next count jobs (-1: all) stay "running" and do nothing
 * until jobs_release or the end of the process; or fail with this code without
 * having done anything.  Count 0 ends it for jobs to come. */
void jobs_hold(int64_t count);
void jobs_fail_next(int64_t code, int64_t count);
void jobs_release(void);

#endif
