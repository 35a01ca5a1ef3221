/* Snapshots: reading them, and the four verbs.
 *
 * A verb must come to one result although a reply can be lost after ONTAP did
 * the work, a job can vanish, and the same verb can be sent twice (by a retry
 * here, by curl on a dead connection, by a successor of this process). So:
 *   delete, set  by uuid, hence the same when done twice; 404 means done;
 *   rename       by uuid; when in doubt the name is read back;
 *   create       when in doubt, or when the name exists, the snapshot is read
 *                back, and is ours only if its comment holds our request id. */
#include "ontap/ontap.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/log.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define SNAPSHOT_FIELDS     "name,uuid,create_time,comment,snapmirror_label,owners,expiry_time"
#define SNAPSHOT_FIELDS_NEW ",size"

/* ---- parsing ------------------------------------------------------------ */

static void parse_owners(struct reader *r, struct ontap_snapshot *s)
{
	struct json_object *owners;
	int n = js_len(r->rec, "owners");
	if (n == -ENOENT)
		return;
	if (n < 0 || js_find(r->rec, "owners", &owners) < 0) {
		rd_bad(r, "owners", "has the wrong type");
		return;
	}
	size_t used = 0;
	for (size_t i = 0; i < (size_t)n; i++) {
		const char *name;
		if (js_str(js_at(owners, i), "", &name) < 0) {
			rd_bad(r, "owners", "has the wrong type");
			return;
		}
		size_t len = strlen(name);
		if (used + len + 2 > sizeof(s->owners))
			return; /* whole names only; that there are owners is what counts */
		if (used)
			s->owners[used++] = ',';
		memcpy(s->owners + used, name, len + 1);
		used += len;
	}
}

int snapshot_parse(struct json_object *rec, struct ontap_snapshot *ret, char why[160])
{
	struct ontap_snapshot s = {0};
	struct reader r;
	rd_init(&r, rec);
	rd_uuid(&r, "uuid", &s.uuid, REQUIRED);
	rd_name(&r, "name", s.name, sizeof(s.name), REQUIRED);
	/* Too long for us: dropped whole, as with volumes, so that ownership is never half read. */
	if (js_copy(rec, "comment", s.comment, sizeof(s.comment)) == -ENAMETOOLONG)
		log_warn("snapshot %s: its comment is longer than %d bytes and is ignored", s.name,
			 ONTAP_COMMENT_MAX);
	rd_str(&r, "snapmirror_label", s.label, sizeof(s.label), OPTIONAL);
	parse_owners(&r, &s);
	rd_time(&r, "create_time", &s.create_time, REQUIRED);
	rd_time(&r, "expiry_time", &s.expiry_time, OPTIONAL);
	rd_u64(&r, "size", &s.size, OPTIONAL);
	if (r.err) {
		memcpy(why, r.why, sizeof(r.why));
		return r.err;
	}
	*ret = s;
	return 0;
}

struct rank {
	int64_t time;
	size_t index;
};

static int by_time(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

int snapshot_sort(struct ontap_snapshot *s, size_t n)
{
	bool sorted = true;
	for (size_t i = 1; i < n && sorted; i++)
		sorted = s[i - 1].create_time <= s[i].create_time;
	if (sorted)
		return 0;
	struct rank *rank = malloc(n * sizeof(*rank));
	struct ontap_snapshot *copy = malloc(n * sizeof(*copy));
	int r = rank && copy ? 0 : -ENOMEM;
	if (r == 0) {
		for (size_t i = 0; i < n; i++)
			rank[i] = (struct rank){s[i].create_time, i};
		qsort(rank, n, sizeof(*rank), by_time);
		for (size_t i = 0; i < n; i++)
			copy[i] = s[rank[i].index];
		memcpy(s, copy, n * sizeof(*s));
	}
	free(rank);
	free(copy);
	return r;
}

void snapshot_body_create(struct buf *b, const char *name, const char *comment)
{
	buf_puts(b, "{\"name\":");
	buf_json(b, name);
	buf_puts(b, ",\"comment\":");
	buf_json(b, comment);
	buf_puts(b, "}");
}

void snapshot_body_field(struct buf *b, const char *field, const char *value)
{
	buf_puts(b, "{");
	buf_json(b, field);
	buf_puts(b, ":");
	buf_json(b, value);
	buf_puts(b, "}");
}

/* ---- reading ------------------------------------------------------------ */

struct snapshot_call {
	struct call c;
	struct uuid volume, snapshot;
	char name[ONTAP_NAME_MAX + 1]; /* find, create; new name of rename; "" list */
	struct ontap_snapshot *s;      /* what was read */
	size_t n, cap;
	call_end_fn read_end;          /* who goes on after reading by name */

	/* the verbs */
	char field[32];
	char value[ONTAP_COMMENT_MAX + 1]; /* create: the comment */
	char request_id[CALL_ID_MAX + 1];
	unsigned rounds;
	struct ontap_error doubt; /* why the outcome was unknown; err 0: it is not */
};

static struct snapshot_call *of(struct call *c)
{
	return (struct snapshot_call *)c;
}

static void tell_list(void (*fn)(void), const struct ontap_error *e, void *priv)
{
	((ontap_snapshots_fn)fn)(NULL, 0, e, priv);
}

static void tell_done(void (*fn)(void), const struct ontap_error *e, void *priv)
{
	((ontap_done_fn)fn)(e, priv);
}

static void finish_list(struct call *c, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	((ontap_snapshots_fn)c->fn)(e ? NULL : sc->s, e ? 0 : sc->n, e, c->priv);
}

static void finish_done(struct call *c, const struct ontap_error *e)
{
	((ontap_done_fn)c->fn)(e, c->priv);
}

static void snapshot_fini(struct call *c)
{
	free(of(c)->s);
}

static int snapshot_add(struct snapshot_call *sc, const struct ontap_snapshot *s)
{
	if (sc->n == sc->cap) {
		size_t cap = sc->cap ? sc->cap * 2 : 4;
		struct ontap_snapshot *p = realloc(sc->s, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		sc->s = p;
		sc->cap = cap;
	}
	sc->s[sc->n++] = *s;
	return 0;
}

static int snapshot_record(struct call *c, struct json_object *rec)
{
	struct snapshot_call *sc = of(c);
	struct ontap_snapshot s;
	char why[160];
	if (snapshot_parse(rec, &s, why) < 0) {
		atomic_fetch_add(&c->o->counters.records_rejected, 1);
		log_warn("a snapshot is left out of the list: %s", why);
		return 0;
	}
	if (*sc->name && strcmp(sc->name, s.name) != 0)
		return 0; /* the server's filter is a pattern, ours is exact */
	return snapshot_add(sc, &s);
}

static void read_names(struct call *c);

static void names_end(struct call *c, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	if (e && e->code == ONTAP_CODE_UNKNOWN_FIELD && !c->o->old_snapshot_fields) {
		c->o->old_snapshot_fields = true;
		call_after(c, 0, read_names);
		return;
	}
	if (e && e->code == ONTAP_CODE_FLEXCACHE_NO_SNAPS)
		e = NULL; /* a FlexCache has none of its own */
	struct ontap_error oom;
	if (!e && snapshot_sort(sc->s, sc->n) < 0) {
		error_set(&oom, -ENOMEM, 0, 0, "cannot %s: out of memory", c->what);
		e = &oom;
	}
	sc->read_end(c, e);
}

static const char *snapshot_fields(const struct ontap *o)
{
	return o->old_snapshot_fields ? SNAPSHOT_FIELDS : SNAPSHOT_FIELDS SNAPSHOT_FIELDS_NEW;
}

/* Reads all snapshots of the volume, or the one called sc->name. */
static void read_names(struct call *c)
{
	struct snapshot_call *sc = of(c);
	char text[UUID_TEXT_LEN + 1];
	sc->n = 0;
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/storage/volumes/%s/snapshots?fields=%s&order_by=create_time&max_records=1024",
		     uuid_format(&sc->volume, text), snapshot_fields(c->o));
	/* A name that ONTAP would read as an expression is picked out of the whole list. */
	if (*sc->name && !query_is_expression(sc->name))
		call_param(c, "name", sc->name);
	page_run(c, snapshot_record, names_end);
}

static void read_start(struct call *c)
{
	of(c)->read_end = call_end;
	read_names(c);
}

static void end_empty(struct call *c)
{
	call_end(c, NULL);
}

static void read_uuid(struct call *c, call_reply_fn reply)
{
	struct snapshot_call *sc = of(c);
	char v[UUID_TEXT_LEN + 1], s[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/storage/volumes/%s/snapshots/%s?fields=%s",
		     uuid_format(&sc->volume, v), uuid_format(&sc->snapshot, s),
		     snapshot_fields(c->o));
	call_send(c, reply);
}

static void get_start(struct call *c);

static void on_get(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e && e->code == ONTAP_CODE_UNKNOWN_FIELD && !c->o->old_snapshot_fields) {
		c->o->old_snapshot_fields = true;
		call_after(c, 0, get_start);
		return;
	}
	if (e) {
		call_end(c, e->err == -ENOENT ? NULL : e); /* gone: an empty answer */
		return;
	}
	struct ontap_snapshot s;
	char why[160] = "no record";
	struct json_object *rec = page_instance(root);
	if (!rec || snapshot_parse(rec, &s, why) < 0)
		call_fail(c, -EIO, "cannot %s: ONTAP's record is not usable: %s", c->what, why);
	else if (snapshot_add(of(c), &s) < 0)
		call_fail(c, -ENOMEM, "cannot %s: out of memory", c->what);
	else
		call_end(c, NULL);
}

static void get_start(struct call *c)
{
	read_uuid(c, on_get);
}

/* ---- create ------------------------------------------------------------- */

static void create_post(struct call *c);
static void create_look(struct call *c);

/* The snapshot of our name was read, or is not there. */
static void create_looked(struct call *c, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	if (e) {
		call_end(c, e);
		return;
	}
	if (sc->n > 0) {
		bool mine = *sc->request_id && strstr(sc->s[0].comment, sc->request_id);
		/* Where ONTAP said yes to this very request, a comment that the
		 * account may not read is no reason to doubt it. */
		if (mine || (sc->doubt.err == 0 && *sc->s[0].comment == '\0'))
			call_end(c, NULL);
		else
			call_fail(c, -EEXIST, "cannot %s: another snapshot has that name", c->what);
		return;
	}
	sc->rounds++;
	if (sc->doubt.err == 0) { /* made, but not in the list yet: until the deadline */
		error_set(&c->last, -EIO, 0, 0, "ONTAP made it, but does not list it");
		call_after(c, call_backoff_ms(sc->rounds) + 10, create_look);
	} else if (sc->rounds > CALL_ROUNDS) {
		call_end(c, &sc->doubt);
	} else { /* a name is unique: posting again cannot make two */
		call_after(c, call_backoff_ms(sc->rounds), create_post);
	}
}

static void create_look(struct call *c)
{
	of(c)->read_end = create_looked;
	read_names(c);
}

static void create_posted(struct call *c, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	if (e && e->err != -EEXIST && e->code != ONTAP_CODE_SNAP_STATUS_UNKNOWN && !c->unsure) {
		call_end(c, e);
		return;
	}
	sc->doubt = e ? *e : (struct ontap_error){0};
	create_look(c);
}

static void on_post(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e)
		create_posted(c, e);
	else
		job_wait(c, root, create_posted);
}

static void create_post(struct call *c)
{
	struct snapshot_call *sc = of(c);
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_POST, CALL_REPLY_MAX, "/storage/volumes/%s/snapshots",
		     uuid_format(&sc->volume, text));
	job_param(c);
	snapshot_body_create(&c->body, sc->name, sc->value);
	if (!call_body_is_faithful(&c->body))
		call_fail(c, -EINVAL, "cannot %s: the name is not UTF-8", c->what);
	else
		call_send(c, on_post);
}

/* ---- delete ------------------------------------------------------------- */

static void delete_send(struct call *c);

/* Another round of a verb that is safe to repeat, or the reason of the doubt. */
static void repeat(struct call *c, void (*verb)(struct call *c))
{
	struct snapshot_call *sc = of(c);
	if (++sc->rounds > CALL_ROUNDS)
		call_end(c, &sc->doubt);
	else
		call_after(c, call_backoff_ms(sc->rounds), verb);
}

static void delete_end(struct call *c, const struct ontap_error *e)
{
	if (e && e->err == -ENOENT && !c->unsure) {
		call_end(c, NULL);
	} else if (e && c->unsure) {
		of(c)->doubt = *e;
		repeat(c, delete_send); /* answers 404 when the first one did it */
	} else {
		call_end(c, e);
	}
}

static void on_delete(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e)
		delete_end(c, e);
	else
		job_wait(c, root, delete_end);
}

static void request_snapshot(struct call *c, enum http_method method)
{
	char v[UUID_TEXT_LEN + 1], s[UUID_TEXT_LEN + 1];
	call_request(c, method, CALL_REPLY_MAX, "/storage/volumes/%s/snapshots/%s",
		     uuid_format(&of(c)->volume, v), uuid_format(&of(c)->snapshot, s));
	job_param(c);
}

static void delete_send(struct call *c)
{
	request_snapshot(c, HTTP_DELETE);
	call_send(c, on_delete);
}

/* ---- rename and set ------------------------------------------------------ */

static void patch_send(struct call *c);

static void rename_looked(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	const char *name = "";
	struct json_object *rec = page_instance(root);
	if (e) {
		call_end(c, e);
		return;
	}
	if (rec)
		js_str(rec, "name", &name);
	if (strcmp(name, sc->name) == 0)
		call_end(c, NULL);
	else if (sc->doubt.err == -EEXIST)
		call_end(c, &sc->doubt);
	else
		repeat(c, patch_send);
}

static void patch_end(struct call *c, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	bool rename = strcmp(sc->field, "name") == 0;
	bool doubt = e && (c->unsure || e->code == ONTAP_CODE_RENAME_STATUS_UNKNOWN);
	/* A rename that was sent twice collides with itself the second time. */
	if (rename && e && (doubt || e->err == -EEXIST)) {
		sc->doubt = *e;
		read_uuid(c, rename_looked);
	} else if (doubt) {
		sc->doubt = *e;
		repeat(c, patch_send);
	} else {
		call_end(c, e);
	}
}

static void on_patch(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e)
		patch_end(c, e);
	else
		job_wait(c, root, patch_end);
}

static void patch_send(struct call *c)
{
	struct snapshot_call *sc = of(c);
	bool rename = strcmp(sc->field, "name") == 0;
	request_snapshot(c, HTTP_PATCH);
	snapshot_body_field(&c->body, sc->field, rename ? sc->name : sc->value);
	if (!call_body_is_faithful(&c->body))
		call_fail(c, -EINVAL, "cannot %s: the value is not UTF-8", c->what);
	else
		call_send(c, on_patch);
}

/* ---- the door ----------------------------------------------------------- */

static const struct call_ops read_ops = {sizeof(struct snapshot_call), read_start, finish_list,
					 snapshot_fini};
static const struct call_ops get_ops = {sizeof(struct snapshot_call), get_start, finish_list,
					snapshot_fini};
static const struct call_ops create_ops = {sizeof(struct snapshot_call), create_post, finish_list,
					   snapshot_fini};
static const struct call_ops delete_ops = {sizeof(struct snapshot_call), delete_send, finish_done,
					   snapshot_fini};
static const struct call_ops patch_ops = {sizeof(struct snapshot_call), patch_send, finish_done,
					  snapshot_fini};

static struct call *new_call(struct ontap *o, const struct call_ops *ops, const struct uuid *volume,
			     void (*fn)(void), void *priv)
{
	struct call *c = call_new(o, ops, fn, priv, ops->finish == finish_list ? tell_list : tell_done);
	if (c)
		of(c)->volume = *volume;
	return c;
}

void ontap_snapshot_list(struct ontap *o, const struct uuid *volume, ontap_snapshots_fn fn,
			 void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &read_ops, volume, (void (*)(void))fn, priv);
	if (c)
		call_what(c, "list the snapshots of volume %s", uuid_format(volume, text));
}

void ontap_snapshot_find(struct ontap *o, const struct uuid *volume, const char *name,
			 ontap_snapshots_fn fn, void *priv)
{
	struct call *c = new_call(o, &read_ops, volume, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "find snapshot \"%s\"", name);
	if (*name == '\0' || strlen(name) > ONTAP_NAME_MAX)
		call_after(c, 0, end_empty); /* no snapshot has such a name */
	else
		memcpy(of(c)->name, name, strlen(name) + 1);
}

void ontap_snapshot_get(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			ontap_snapshots_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &get_ops, volume, (void (*)(void))fn, priv);
	if (!c)
		return;
	of(c)->snapshot = *snapshot;
	call_what(c, "read snapshot %s", uuid_format(snapshot, text));
}

void ontap_snapshot_create(struct ontap *o, const struct uuid *volume, const char *name,
			   const char *comment, const char *request_id, ontap_snapshots_fn fn,
			   void *priv)
{
	struct call *c = new_call(o, &create_ops, volume, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct snapshot_call *sc = of(c);
	call_what(c, "create snapshot \"%s\"", name);
	call_take(c, sc->name, sizeof(sc->name), name);
	call_take(c, sc->value, sizeof(sc->value), comment);
	call_take(c, sc->request_id, sizeof(sc->request_id), request_id);
	if (*name == '\0')
		call_invalid(c);
}

void ontap_snapshot_delete(struct ontap *o, const struct uuid *volume,
			   const struct uuid *snapshot, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &delete_ops, volume, (void (*)(void))fn, priv);
	if (!c)
		return;
	of(c)->snapshot = *snapshot;
	call_what(c, "delete snapshot %s", uuid_format(snapshot, text));
}

void ontap_snapshot_rename(struct ontap *o, const struct uuid *volume,
			   const struct uuid *snapshot, const char *new_name, ontap_done_fn fn,
			   void *priv)
{
	struct call *c = new_call(o, &patch_ops, volume, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct snapshot_call *sc = of(c);
	sc->snapshot = *snapshot;
	call_what(c, "rename a snapshot to \"%s\"", new_name);
	memcpy(sc->field, "name", sizeof("name"));
	call_take(c, sc->name, sizeof(sc->name), new_name);
	if (*new_name == '\0')
		call_invalid(c);
}

void ontap_snapshot_set(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			const char *field, const char *value, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &patch_ops, volume, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct snapshot_call *sc = of(c);
	sc->snapshot = *snapshot;
	call_what(c, "set the %.32s of snapshot %s", field, uuid_format(snapshot, text));
	call_take(c, sc->field, sizeof(sc->field), field);
	call_take(c, sc->value, sizeof(sc->value), value);
	if (strcmp(field, "comment") != 0 && strcmp(field, "snapmirror_label") != 0 &&
	    strcmp(field, "expiry_time") != 0)
		call_invalid(c);
}
