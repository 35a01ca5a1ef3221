/* Jobs as an object of their own: list, look, wait, cancel. What a verb here
 * waits for by itself is job.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "ontap/call.h"
#include "ontap/parse.h"

/* code and message are of the failure; `error` came later and says the same. */
#define JOB_FIELDS  "uuid,description,state,message,code,start_time,end_time,svm.name"
#define WAIT_MIN_MS 100
#define WAIT_MAX_MS 2000

static const char *const state_names[] = {"queued", "running", "paused", "success", "failure", "other"};

const char *ontap_job_state_name(enum ontap_job_state state)
{
	return (size_t)state < ARRAY_LEN(state_names) ? state_names[state] : "other";
}

enum ontap_job_state job_state(const char *name)
{
	for (size_t i = 0; i < ONTAP_JOB_OTHER; i++)
		if (strcmp(name, state_names[i]) == 0)
			return (enum ontap_job_state)i;
	return ONTAP_JOB_OTHER;
}

int job_parse(struct json_object *rec, struct ontap_job *ret, char why[160])
{
	struct ontap_job j = {0};
	struct reader r;
	char state[32];
	rd_init(&r, rec);
	rd_uuid(&r, "uuid", &j.uuid, REQUIRED);
	rd_str(&r, "state", state, sizeof(state), OPTIONAL);
	j.state = job_state(state);
	rd_text(&r, "description", j.description, sizeof(j.description));
	rd_text(&r, "message", j.message, sizeof(j.message));
	rd_str(&r, "svm.name", j.svm, sizeof(j.svm), OPTIONAL);
	rd_int(&r, "code", 0, INT64_MAX, &j.code, OPTIONAL);
	rd_time(&r, "start_time", &j.start_time, OPTIONAL);
	rd_time(&r, "end_time", &j.end_time, OPTIONAL);
	return rd_done(&r, why, ret, &j, sizeof(j));
}

static bool ended(const struct ontap_job *j)
{
	return j->state == ONTAP_JOB_SUCCESS || j->state == ONTAP_JOB_FAILURE;
}

/* ---- calls ------------------------------------------------------------------- */

struct jobs_call {
	struct read_call r; /* name: part of the description */
	bool live;
	int64_t pause_ms;
};

static struct jobs_call *of(struct call *c)
{
	return (struct jobs_call *)c;
}

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return job_parse(rec, ret, why);
}

static bool want(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_job *j = row;
	(void)rec;
	return !j || (strstr(j->description, of(c)->r.name) && !(of(c)->live && ended(j)));
}

static const struct kind kind = {"a job", sizeof(struct ontap_job), parse, want, 0};

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	((ontap_jobs_fn)fn)(data, n, e, priv);
}

/* The description is compared here: it may hold what a filter would read as an
 * expression. That states are alternatives is documented for few fields, so one
 * filter only, which keeps thousands of old jobs away. */
static void request_list(struct call *c)
{
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/cluster/jobs?fields=" JOB_FIELDS "&max_records=1000");
	if (of(c)->live)
		call_param(c, "state", "!success");
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = ((const struct ontap_job *)a)->start_time, y = ((const struct ontap_job *)b)->start_time;
	return x < y ? 1 : x > y ? -1 : 0;
}

static void list_end(struct call *c, const struct ontap_error *e)
{
	if (!e && of(c)->r.n > 1)
		qsort(of(c)->r.row, of(c)->r.n, sizeof(struct ontap_job), newest_first);
	call_end(c, e);
}

static void list_start(struct call *c)
{
	read_list(c, &kind, request_list, list_end);
}

static void request_one(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/cluster/jobs/%s?fields=" JOB_FIELDS,
		     uuid_format(&of(c)->r.uuid, text));
}

static void get_start(struct call *c)
{
	read_one(c, &kind, request_one, call_end);
}

static void wait_start(struct call *c);

static void waited(struct call *c, const struct ontap_error *e)
{
	struct jobs_call *jc = of(c);
	const struct ontap_job *j = jc->r.row;
	if (e || jc->r.n == 0 || ended(j)) {
		call_end(c, e);
		return;
	}
	error_set(&c->last, -ETIMEDOUT, 0, 0, "it is %s", ontap_job_state_name(j->state));
	jc->pause_ms = MIN_OF(jc->pause_ms ? jc->pause_ms * 2 : WAIT_MIN_MS, (int64_t)WAIT_MAX_MS);
	call_after(c, jc->pause_ms, wait_start);
}

static void wait_start(struct call *c)
{
	read_one(c, &kind, request_one, waited);
}

static void make_cancel(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_PATCH, CALL_REPLY_MAX, "/cluster/jobs/%s?action=cancel",
		     uuid_format(&of(c)->r.uuid, text));
	buf_puts(&c->body, "{}");
}

static void cancelled(struct call *c, const struct ontap_error *e)
{
	call_end(c, e && e->code == ONTAP_CODE_JOB_ENDED ? NULL : e);
}

static void cancel_start(struct call *c)
{
	write_run(c, make_cancel, cancelled);
}

/* ---- the door ------------------------------------------------------------------ */

static const struct call_ops list_ops = {sizeof(struct jobs_call), list_start, tell, read_fini};
static const struct call_ops get_ops = {sizeof(struct jobs_call), get_start, tell, read_fini};
static const struct call_ops wait_ops = {sizeof(struct jobs_call), wait_start, tell, read_fini};
static const struct call_ops cancel_ops = {sizeof(struct jobs_call), cancel_start, write_tell, NULL};

static void make(struct ontap *o, const struct call_ops *ops, const char *verb, const struct uuid *job,
		 void (*fn)(void), void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, ops, fn, priv);
	if (!c)
		return;
	of(c)->r.uuid = *job;
	call_what(c, "%s job %s", verb, uuid_format(job, text));
}

void ontap_job_list(struct ontap *o, const char *description, bool live, ontap_jobs_fn fn, void *priv)
{
	struct call *c = call_new(o, &list_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "list the jobs");
	of(c)->live = live;
	call_take(c, of(c)->r.name, sizeof(of(c)->r.name), description ? description : "");
}

void ontap_job_get(struct ontap *o, const struct uuid *job, ontap_jobs_fn fn, void *priv)
{
	make(o, &get_ops, "read", job, (void (*)(void))fn, priv);
}

void ontap_job_wait(struct ontap *o, const struct uuid *job, ontap_jobs_fn fn, void *priv)
{
	make(o, &wait_ops, "wait for", job, (void (*)(void))fn, priv);
}

void ontap_job_cancel(struct ontap *o, const struct uuid *job, ontap_done_fn fn, void *priv)
{
	make(o, &cancel_ops, "cancel", job, (void (*)(void))fn, priv);
}
