/* Calls that read records of one kind, all pages of a collection or one object.
 *
 * One strange record must not hide all the others: it is left out, counted and
 * logged. A collection has a limit, so that no server can fill our memory. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "ontap/call.h"

#define READ_ROWS_MAX 100000 /* far beyond what one SVM can hold */

int read_add(struct read_call *rc, const void *row)
{
	size_t size = rc->kind->size;
	if (rc->n == READ_ROWS_MAX)
		return -E2BIG;
	if (rc->n == rc->cap) {
		size_t cap = rc->cap ? rc->cap * 2 : 4;
		void *p = realloc(rc->row, cap * size);
		if (!p)
			return -ENOMEM;
		rc->row = p;
		rc->cap = cap;
	}
	memcpy((char *)rc->row + rc->n++ * size, row, size);
	rc->c.result = rc->row;
	rc->c.nresult = rc->n;
	return 0;
}

void read_fini(struct call *c)
{
	free(read_of(c)->row);
}

static void forget_rows(struct read_call *rc)
{
	rc->n = 0;
	rc->c.nresult = 0;
}

/* Reads the record into a new row. 0, 1 left out, or -errno. */
static int take(struct call *c, struct json_object *rec, char why[160])
{
	struct read_call *rc = read_of(c);
	const struct kind *k = rc->kind;
	if (k->want && !k->want(c, rec, NULL))
		return 1;
	void *row = calloc(1, k->size);
	if (!row)
		return -ENOMEM;
	int r = k->parse(rec, row, why);
	if (r == 0 && k->want && !k->want(c, rec, row))
		r = 1;
	if (r == 0)
		r = read_add(rc, row);
	free(row);
	return r;
}

static int on_record(struct call *c, struct json_object *rec)
{
	char why[160] = "";
	int r = take(c, rec, why);
	if (r == -EBADMSG) {
		atomic_fetch_add(&c->o->counters.records_rejected, 1);
		log_warn("%s is left out of the list: %s", read_of(c)->kind->noun, why);
	}
	return r == -EBADMSG || r > 0 ? 0 : r;
}

/* True when the server lacks a later field and will be asked without. */
static bool older(struct call *c, const struct ontap_error *e)
{
	size_t at = read_of(c)->kind->old_flag;
	bool *old = (bool *)((char *)c->o + at);
	if (!e || e->code != ONTAP_CODE_UNKNOWN_FIELD || at == 0 || *old)
		return false;
	*old = true;
	return true;
}

static void list_step(struct call *c);

static void list_end(struct call *c, const struct ontap_error *e)
{
	if (older(c, e))
		call_after(c, 0, list_step);
	else
		read_of(c)->end(c, e);
}

static void list_step(struct call *c)
{
	forget_rows(read_of(c));
	read_of(c)->request(c);
	page_run(c, on_record, list_end);
}

static void one_step(struct call *c);

/* Not the object that was asked for, where its record says which one it is. */
static bool is_another(const struct read_call *rc, struct json_object *rec)
{
	struct uuid u;
	return js_uuid(rec, "uuid", &u) == 0 && !uuid_eq(&u, &rc->uuid);
}

static void on_one(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct read_call *rc = read_of(c);
	struct ontap_error bad;
	if (older(c, e)) {
		call_after(c, 0, one_step);
		return;
	}
	if (e) {
		rc->end(c, e->err == -ENOENT ? NULL : e); /* gone: an empty answer */
		return;
	}
	char why[160] = "no record";
	struct json_object *rec = page_instance(root);
	int r = -EBADMSG;
	if (rec && is_another(rc, rec))
		snprintf(why, sizeof(why), "it is of another object");
	else if (rec)
		r = take(c, rec, why);
	if (r == -EBADMSG)
		error_set(&bad, -EIO, 0, 0, "cannot %s: ONTAP's record is not usable: %s", c->what, why);
	else if (r < 0)
		error_set(&bad, r, 0, 0, "cannot %s: %s", c->what, strerror(-r));
	rc->end(c, r < 0 ? &bad : NULL);
}

static void one_step(struct call *c)
{
	forget_rows(read_of(c));
	read_of(c)->request(c);
	call_send(c, on_one);
}

static void begin(struct call *c, const struct kind *kind, void (*request)(struct call *c),
		  call_end_fn end, void (*step)(struct call *c))
{
	struct read_call *rc = read_of(c);
	rc->kind = kind;
	rc->request = request;
	rc->end = end;
	step(c);
}

void read_list(struct call *c, const struct kind *kind, void (*request)(struct call *c), call_end_fn end)
{
	begin(c, kind, request, end, list_step);
}

void read_one(struct call *c, const struct kind *kind, void (*request)(struct call *c), call_end_fn end)
{
	begin(c, kind, request, end, one_step);
}
