/* Jobs: a write answered with 202 goes on in the background.
 *
 * Most jobs here take milliseconds, so polling starts at 50 ms and slows down
 * to a second; the call's deadline ends it. A job that cannot be read (already
 * purged: 404, not allowed: 403, REST gone) says nothing about the work, so the
 * caller gets c->unsure and looks at the object itself. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fs/base/cleanup.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define JOB_PAUSE_MIN_MS 50
#define JOB_PAUSE_MAX_MS 1000
#define JOB_HOLD_MAX_S   5

void job_param(struct call *c)
{
	int s = MIN_OF(c->o->request_timeout_ms / 2000, JOB_HOLD_MAX_S);
	char n[16];
	snprintf(n, sizeof(n), "%d", s);
	if (s > 0)
		call_param(c, "return_timeout", n);
}

static void poll_job(struct call *c);

static void on_job(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e) {
		c->unsure = true;
		c->job.end(c, e);
		return;
	}
	struct json_object *job = page_instance(root);
	const char *name = "", *message = "";
	js_str(job, "state", &name);
	enum ontap_job_state state = job_state(name);
	if (state == ONTAP_JOB_SUCCESS) {
		c->pending = false;
		c->job.end(c, NULL);
		return;
	}
	if (state == ONTAP_JOB_FAILURE) {
		c->pending = false;
		int64_t code = 0;
		js_str(job, "message", &message);
		js_code(job, "code", &code);
		struct ontap_error oe;
		error_from_job(&oe, c->what, code, message);
		bool known;
		error_errno(code, 0, &known);
		if (!known)
			atomic_fetch_add(&c->o->counters.unknown_codes, 1);
		c->unsure = false;
		c->job.end(c, &oe);
		return;
	}
	/* queued, running, paused, or a state of a later release */
	call_after(c, c->job.pause_ms, poll_job);
	c->job.pause_ms = MIN_OF(c->job.pause_ms * 2, (int64_t)JOB_PAUSE_MAX_MS);
}

static void poll_job(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	atomic_fetch_add(&c->o->counters.jobs_polled, 1);
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/cluster/jobs/%s?fields=state,message,code",
		     uuid_format(&c->job.uuid, text));
	call_send(c, on_job);
}

void job_wait(struct call *c, struct json_object *root, call_end_fn end)
{
	c->job.end = end;
	if (c->x.status != 202) {
		end(c, NULL);
		return;
	}
	if (js_uuid(root, "job.uuid", &c->job.uuid) < 0) {
		struct ontap_error e;
		error_set(&e, -EIO, 202, 0, "cannot %s: ONTAP at %s accepted it without naming a job",
			  c->what, http_who(c->o->http)->host);
		c->unsure = true;
		end(c, &e);
		return;
	}
	c->job.pause_ms = JOB_PAUSE_MIN_MS;
	call_after(c, c->job.pause_ms, poll_job);
	c->job.pause_ms *= 2;
}
