/*
 * Writing: check the body, find the records, start jobs, answer.
 *
 * A write is checked twice: what the request alone can get wrong is answered at
 * once, what the state of the cluster forbids comes from the job.  The reply is
 * 202 with the job unless the client gave a return_timeout and the job ended in
 * that time.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/engine.h"
#include "tests/sim/rest/nfslink.h"

#define BULK_MAX 1024 /* records of one request */

/* A write that was accepted. */
struct done {
	char job[UUID_BUF]; /* "" when there is no job */
	json_t *record;     /* key fields, or NULL */
	char *name;
	bool location_now;
};

struct batch {
	struct done *item;
	size_t n;
	bool reload;
};

static void batch_fini(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		json_decref(b->item[i].record);
		free(b->item[i].name);
	}
	free(b->item);
}

/* The address without a slash at the end. */
static char *bare_path(const struct req *r)
{
	char *p = sim_dup(r->path);

	for (size_t n = strlen(p); n && p[n - 1] == '/'; n--)
		p[n - 1] = '\0';
	return p;
}

/* Takes what the resource decided: starts its job.  Model locked. */
static int settle(struct req *r, const struct resource *res, struct outcome *out, struct batch *b,
                  struct fail *f)
{
	struct done *d = realloc(b->item, (b->n + 1) * sizeof(*d));

	if (!d) {
		json_decref(out->args);
		json_decref(out->record);
		free(out->name);
		return fail_internal(f, "note a change", 12);
	}
	b->item = d;
	d = &d[b->n++];
	*d = (struct done){ .record = out->record, .name = out->name, .location_now = out->location_now };
	b->reload |= out->reload;
	if (out->fn) {
		AUTO_FREE char *where = out->record && r->verb != V_POST ? engine_self(r, res, out->record) :
		                                                           bare_path(r);
		AUTO_FREE char *what = sim_fmt("%s %s", r->verb_name, where);

		return jobs_submit(r->m, what, out->fn, out->args, d->job, f);
	}
	json_decref(out->args);
	return 0;
}

static int post_one(struct req *r, const struct resource *res, json_t *body, struct batch *b,
                    struct fail *f)
{
	struct outcome out = { 0 };

	if (field_check_body(res->fields, body, F_POST, r->ignore_unknown, f) < 0)
		return -1;
	if (res->post(r, body, &out, f) < 0) {
		json_decref(out.args);
		json_decref(out.record);
		free(out.name);
		return -1;
	}
	return settle(r, res, &out, b, f);
}

static int post(struct req *r, const struct resource *res, struct batch *b, struct fail *f)
{
	json_t *many = json_object_get(r->body, "records"), *e;
	size_t i;
	int rc = 0;

	if (many && (!json_is_array(many) || json_array_size(many) == 0 || json_array_size(many) > BULK_MAX))
		return fail_field(f, 400, E_FIELD_VALUE, "records",
		                  "The field \"records\" must be a list of 1 to %d objects", BULK_MAX);
	model_lock(r->m);
	if (!many) {
		rc = post_one(r, res, r->body, b, f);
	} else {
		json_array_foreach(many, i, e) {
			if (!json_is_object(e))
				rc = fail_field(f, 400, E_FIELD_VALUE, "records", "A record is not an object");
			if (rc == 0)
				rc = post_one(r, res, e, b, f);
		}
	}
	model_unlock(r->m);
	/* Jobs that were started before a later record failed are on their way and are
	 * reported; a single failure is simply that. */
	return b->n && rc < 0 && many && b->item[0].job[0] ? 0 : rc;
}

static int change_one(struct req *r, const struct resource *res, json_t *rec, struct batch *b,
                      struct fail *f)
{
	struct outcome out = { 0 };
	AUTO_JSON json_t *body = json_deep_copy(r->body);
	int rc;

	if (r->verb == V_PATCH)
		rc = res->patch(r, rec, body, &out, f);
	else
		rc = res->del(r, rec, &out, f);
	if (rc < 0) {
		json_decref(out.args);
		json_decref(out.record);
		free(out.name);
		return -1;
	}
	if (!out.record)
		out.record = json_incref(rec);
	return settle(r, res, &out, b, f);
}

static bool has_filter(const struct req *r)
{
	for (int i = 0; i < r->nparam; i++)
		if (!r->param[i].used)
			return true;
	return false;
}

static int change(struct req *r, const struct resource *res, const char *key, struct batch *b,
                  struct fail *f)
{
	struct list l = { 0 };
	int rc = 0;

	if (!key && !(res->flags & R_SINGLE) && !has_filter(r))
		return fail_set(f, 400, E_BAD_VALUE,
		                "A %s of a collection needs at least one query field to select records",
		                r->verb_name);
	if (r->verb == V_PATCH &&
	    field_check_body(res->fields, r->body, F_PATCH, r->ignore_unknown, f) < 0)
		return -1;
	if (engine_collect(r, res, key, &l, f) < 0) {
		list_fini(&l);
		return -1;
	}
	if (l.n == 0)
		rc = fail_field(f, 404, E_NO_ENTRY, res->key ? res->key : "", "entry doesn't exist");
	model_lock(r->m);
	for (size_t i = 0; rc == 0 && i < l.n && i < BULK_MAX; i++)
		rc = change_one(r, res, l.entry[i].rec, b, f);
	model_unlock(r->m);
	list_fini(&l);
	return rc;
}

/* ---- the answer ----------------------------------------------------------- */

static json_t *job_ref(const struct req *r, const char *uuid)
{
	AUTO_FREE char *href = sim_fmt("/api/cluster/jobs/%s", uuid);

	return make_ref(NULL, uuid, r->links ? href : NULL);
}

static void set_location(struct req *r, const struct resource *res, const struct done *d, bool finished,
                         struct reply *rep)
{
	AUTO_FREE char *path = bare_path(r);

	if (!d->job[0] || finished || d->location_now) {
		rep->location = d->record ? engine_self(r, res, d->record) : NULL;
	} else if (d->name) {
		AUTO_FREE char *name = sim_urlencode(d->name);

		rep->location = sim_fmt("%s/?name=%s", path, name);
	}
}

/* The key fields of what was written, as records next to the job. */
static json_t *written(struct req *r, const struct resource *res, const struct batch *b)
{
	json_t *list = json_array();
	bool none[FIELD_MAX] = { false };

	for (size_t i = 0; i < b->n; i++) {
		json_t *rec;

		if (!b->item[i].record)
			continue;
		rec = field_project(res->fields, none, b->item[i].record, false);
		if (r->links && res->item) {
			AUTO_FREE char *self = engine_self(r, res, b->item[i].record);

			json_object_set_new(rec, "_links", json_pack("{s:{s:s}}", "self", "href", self));
		}
		json_array_append_new(list, rec);
	}
	return list;
}

static void answer(struct req *r, const struct resource *res, const struct batch *b, struct reply *rep)
{
	int64_t end = sim_mono_ms() + r->return_timeout * 1000;
	bool finished = true, has_job = false;
	json_t *list;

	rep->body = json_object();
	for (size_t i = 0; i < b->n; i++) {
		const struct done *d = &b->item[i];
		struct fail f = { 0 };
		int64_t left = end - sim_mono_ms();
		bool ok = false;

		if (!d->job[0])
			continue;
		has_job = true;
		/* No return_timeout means 202, however quick the job may be: clients were
		 * written against that. */
		if (r->return_timeout == 0 || !finished ||
		    !jobs_wait(r->m, d->job, left > 0 ? left : 0, &ok, &f)) {
			finished = false;
		} else if (!ok) {
			if (!f.http)
				f.http = 500;
			reply_fail(rep, &f);
			return;
		}
	}
	if (b->n == 1 && has_job) {
		json_object_set_new(rep->body, "job", job_ref(r, b->item[0].job));
	} else if (has_job) {
		list = json_array();
		for (size_t i = 0; i < b->n; i++)
			if (b->item[i].job[0])
				json_array_append_new(list, job_ref(r, b->item[i].job));
		json_object_set_new(rep->body, "jobs", list);
	}
	if (r->return_records) {
		list = written(r, res, b);
		json_object_set_new(rep->body, "num_records", json_integer((json_int_t)json_array_size(list)));
		json_object_set_new(rep->body, "records", list);
	}
	rep->status = has_job && !finished ? 202 : r->verb == V_POST ? 201 : 200;
	if (r->verb == V_POST && b->n == 1)
		set_location(r, res, &b->item[0], finished, rep);
}

void engine_write(struct req *r, const struct resource *res, const char *key, struct reply *rep)
{
	struct batch b = { 0 };
	struct fail f = { 0 };
	int rc = request_read_query(r, res->fields, res->params, &f);

	if (rc == 0)
		rc = r->verb == V_POST ? post(r, res, &b, &f) : change(r, res, key, &b, &f);
	if (b.reload)
		nfslink_reload(r->m->dir);
	if (rc < 0)
		reply_fail(rep, &f);
	else
		answer(r, res, &b, rep);
	batch_fini(&b);
}
