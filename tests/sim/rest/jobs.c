#include "tests/sim/rest/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define KEEP_JOBS 5000 /* finished jobs remembered in the table */
#define NEVER     (INT64_MAX / 2) /* due time of a job that is held */
#define KEEP_DONE 1024 /* and in memory, for a request that comes to wait late */

struct job {
	struct job *next;
	char uuid[UUID_BUF];
	int64_t due_ms;    /* monotonic: when it may run */
	int64_t begin_ms;  /* when it was asked for */
	int64_t takes_ms;  /* from then to its change */
	char split[UUID_BUF]; /* the clone that it splits, else "" */
	int64_t fail_code; /* a fault: fail with this instead of running; 0 = run */
	job_fn fn;
	json_t *args;
	bool running, done, ok;
	int waiters; /* threads in jobs_wait that still look at it */
	struct fail fail;
};

static struct {
	pthread_mutex_t lock; /* after model.lock in the lock order */
	pthread_cond_t change;
	pthread_t thread;
	struct job *head; /* by due time, then age; done jobs stay a while */
	int ndone;        /* how many of them are done */
	bool stop;
	int64_t hold, fail, fail_code; /* faults: jobs to come that they concern, -1 = all */
} jobs = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void unlink_job(struct job *j)
{
	struct job **p = &jobs.head;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	json_decref(j->args);
	free(j);
}

/* Progress needs no disk flush: the change itself was made durable before. */
static void set_row(struct model *m, const char *uuid, const char *state, const char *message,
                    int64_t code, bool ended)
{
	model_lock(m);
	if (db_begin(m->db, false) == 0) {
		if (ended)
			db_exec(m->db,
			        "UPDATE jobs SET state=?,message=?,code=?,end_time=? WHERE uuid=?",
			        "ssiis", state, message, code, sim_now(), uuid);
		else
			db_exec(m->db, "UPDATE jobs SET state=? WHERE uuid=?", "ss", state, uuid);
		db_exec(m->db,
		        "DELETE FROM jobs WHERE seq<=(SELECT max(seq) FROM jobs)-?"
		        " AND end_time IS NOT NULL",
		        "i", (int64_t)KEEP_JOBS);
		db_commit(m->db);
	}
	model_unlock(m);
}

static void run_job(struct model *m, struct job *j)
{
	struct fail f = { 0 };
	bool ok;

	set_row(m, j->uuid, "running", NULL, 0, false);
	if (j->fail_code)
		ok = fail_set(&f, 500, j->fail_code, "The job failed as the control socket asked for.") == 0;
	else
		ok = j->fn(m, j->args, &f) == 0;
	if (ok)
		set_row(m, j->uuid, "success", "Complete: Successful", 0, true);
	else
		set_row(m, j->uuid, "failure", f.text, f.code, true);
	pthread_mutex_lock(&jobs.lock);
	j->done = true;
	jobs.ndone++;
	j->ok = ok;
	j->fail = f;
	pthread_cond_broadcast(&jobs.change);
	pthread_mutex_unlock(&jobs.lock);
}

static void deadline(int64_t mono_ms, struct timespec *ts)
{
	ts->tv_sec = (time_t)(mono_ms / 1000);
	ts->tv_nsec = (long)(mono_ms % 1000) * 1000000;
}

/* The first job that is due, or NULL after waiting for a change. */
static struct job *next_job(void)
{
	struct job *j = jobs.head;
	struct timespec ts;

	while (j && (j->done || j->running)) {
		struct job *next = j->next;

		if (j->done && !j->waiters && jobs.ndone > KEEP_DONE) {
			unlink_job(j);
			jobs.ndone--;
		}
		j = next;
	}
	if (!j) {
		pthread_cond_wait(&jobs.change, &jobs.lock);
		return NULL;
	}
	if (j->due_ms > sim_mono_ms()) {
		deadline(j->due_ms, &ts);
		pthread_cond_timedwait(&jobs.change, &jobs.lock, &ts);
		return NULL;
	}
	return j;
}

static void *worker(void *arg)
{
	struct model *m = arg;

	pthread_mutex_lock(&jobs.lock);
	while (!jobs.stop) {
		struct job *j = next_job();

		if (!j || jobs.stop)
			continue;
		j->running = true;
		pthread_mutex_unlock(&jobs.lock);
		run_job(m, j);
		pthread_mutex_lock(&jobs.lock);
	}
	pthread_mutex_unlock(&jobs.lock);
	return NULL;
}

int jobs_start(struct model *m)
{
	pthread_condattr_t attr;

	if (db_exec(m->db,
	            "UPDATE jobs SET state='failure',code=?,end_time=?,"
	            "message='The job was interrupted by a restart of the management service.'"
	            " WHERE end_time IS NULL",
	            "ii", (int64_t)E_JOB_FAILED, sim_now()) < 0 ||
	    db_exec(m->db,
	            "UPDATE snapmirror_transfers SET state='failed',end_time=? WHERE end_time IS NULL", "i",
	            sim_now()) < 0)
		return -EIO;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&jobs.change, &attr);
	pthread_condattr_destroy(&attr);
	return -pthread_create(&jobs.thread, NULL, worker, m);
}

void jobs_stop(void)
{
	pthread_mutex_lock(&jobs.lock);
	jobs.stop = true;
	pthread_cond_broadcast(&jobs.change);
	pthread_mutex_unlock(&jobs.lock);
	pthread_join(jobs.thread, NULL);
}

void jobs_free(void)
{
	while (jobs.head)
		unlink_job(jobs.head);
}

static void put_in_order(struct job *j)
{
	struct job **p = &jobs.head;

	while (*p && (*p)->due_ms <= j->due_ms)
		p = &(*p)->next;
	j->next = *p;
	*p = j;
}

static bool take_count(int64_t *left)
{
	if (*left > 0)
		--*left;
	else if (*left == 0)
		return false;
	return true;
}

void jobs_hold(int64_t count)
{
	pthread_mutex_lock(&jobs.lock);
	jobs.hold = count;
	pthread_mutex_unlock(&jobs.lock);
}

void jobs_fail_next(int64_t code, int64_t count)
{
	pthread_mutex_lock(&jobs.lock);
	jobs.fail = count;
	jobs.fail_code = code;
	pthread_mutex_unlock(&jobs.lock);
}

void jobs_release(void)
{
	struct job **p = &jobs.head, *held;

	pthread_mutex_lock(&jobs.lock);
	jobs.hold = 0;
	while (*p && (*p)->due_ms != NEVER)
		p = &(*p)->next;
	held = *p;
	*p = NULL;
	while (held) {
		struct job *next = held->next;

		held->due_ms = sim_mono_ms();
		put_in_order(held);
		held = next;
	}
	pthread_cond_broadcast(&jobs.change);
	pthread_mutex_unlock(&jobs.lock);
}

int jobs_submit(struct model *m, const char *description, job_fn fn, json_t *args,
                char uuid[UUID_BUF], struct fail *f)
{
	struct job *j = calloc(1, sizeof(*j));
	int64_t takes = json_num(args, "takes_ms", 0);
	bool held;

	sim_uuid(uuid);
	pthread_mutex_lock(&jobs.lock);
	held = take_count(&jobs.hold);
	if (j && !held && take_count(&jobs.fail))
		j->fail_code = jobs.fail_code;
	pthread_mutex_unlock(&jobs.lock);
	if (!j || db_exec(m->db,
	                  "INSERT INTO jobs(uuid,description,state,code,start_time)"
	                  " VALUES(?,?,?,0,?)",
	                  "sssi", uuid, description, held || takes ? "running" : "queued", sim_now()) < 0) {
		free(j);
		json_decref(args);
		return fail_internal(f, "queue a job", EIO);
	}
	memcpy(j->uuid, uuid, UUID_BUF);
	j->begin_ms = sim_mono_ms();
	j->takes_ms = takes + atomic_load(&m->job_delay_ms);
	j->due_ms = held ? NEVER : j->begin_ms + j->takes_ms;
	if (json_flag(args, "split", false))
		snprintf(j->split, sizeof(j->split), "%s", json_text(args, "uuid"));
	j->fn = fn;
	/* A copy of its own: the caller's values may be shared with its reply, and
	 * from here on the worker alone touches these. */
	j->args = json_deep_copy(args);
	json_decref(args);
	pthread_mutex_lock(&jobs.lock);
	put_in_order(j);
	pthread_cond_broadcast(&jobs.change);
	pthread_mutex_unlock(&jobs.lock);
	return 0;
}

static struct job *find_job(const char *uuid)
{
	struct job *j = jobs.head;

	while (j && strcmp(j->uuid, uuid) != 0)
		j = j->next;
	return j;
}

int jobs_split_percent(const char *volume)
{
	int64_t percent = -1;

	pthread_mutex_lock(&jobs.lock);
	for (struct job *j = jobs.head; j && percent < 0; j = j->next)
		if (!j->done && strcmp(j->split, volume) == 0)
			percent = 100 * (sim_mono_ms() - j->begin_ms) / (j->takes_ms + 1);
	pthread_mutex_unlock(&jobs.lock);
	return percent > 99 ? 99 : (int)percent; /* at 100 it is no clone any more */
}

bool jobs_wait(struct model *m, const char *uuid, int64_t timeout_ms, bool *ret_ok, struct fail *f)
{
	struct timespec ts;
	struct job *j;
	bool done = false;

	deadline(sim_mono_ms() + timeout_ms, &ts);
	pthread_mutex_lock(&jobs.lock);
	j = find_job(uuid);
	if (j) {
		j->waiters++;
		while (!j->done && !jobs.stop &&
		       pthread_cond_timedwait(&jobs.change, &jobs.lock, &ts) != ETIMEDOUT)
			;
		j->waiters--;
		done = j->done;
		*ret_ok = j->ok;
		*f = j->fail;
	}
	pthread_mutex_unlock(&jobs.lock);
	if (j)
		return done;
	/* It ended before we looked: its row tells. */
	model_lock(m);
	{
		AUTO_STMT sqlite3_stmt *s =
		        db_query(m->db, "SELECT state,message,code FROM jobs WHERE uuid=?", "s", uuid);

		if (db_row(s)) {
			const char *text = db_col_text(s, 1);

			done = true;
			*ret_ok = strcmp(db_col_text(s, 0), "success") == 0;
			fail_set(f, 0, db_col_int(s, 2), "%s", text ? text : "");
		}
	}
	model_unlock(m);
	return done;
}

bool jobs_cancel(struct model *m, const char *uuid)
{
	struct job *j;

	pthread_mutex_lock(&jobs.lock);
	j = find_job(uuid);
	if (!j || j->running || j->done) {
		pthread_mutex_unlock(&jobs.lock);
		return false;
	}
	j->done = true;
	jobs.ndone++;
	fail_set(&j->fail, 400, E_JOB_FAILED, "The job was cancelled.");
	pthread_cond_broadcast(&jobs.change);
	pthread_mutex_unlock(&jobs.lock);
	db_exec(m->db,
	        "UPDATE jobs SET state='failure',message='The job was cancelled.',code=?,end_time=?"
	        " WHERE uuid=?",
	        "iis", (int64_t)E_JOB_FAILED, sim_now(), uuid);
	return true;
}
