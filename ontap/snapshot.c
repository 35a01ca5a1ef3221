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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/log.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define SNAPSHOT_FIELDS     "name,uuid,create_time,comment,snapmirror_label,owners,expiry_time"
#define SNAPSHOT_FIELDS_NEW ",size"

/* ---- parsing ------------------------------------------------------------ */

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
	rd_words(&r, "owners", s.owners, sizeof(s.owners)); /* that there are any is what counts */
	rd_time(&r, "create_time", &s.create_time, REQUIRED);
	rd_time(&r, "expiry_time", &s.expiry_time, OPTIONAL);
	rd_u64(&r, "size", &s.size, OPTIONAL);
	return rd_done(&r, why, ret, &s, sizeof(s));
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

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return snapshot_parse(rec, ret, why);
}

static bool want(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_snapshot *s = row;
	(void)rec;
	/* The server's filter is a pattern, ours is exact. */
	return !s || !*read_of(c)->name || strcmp(read_of(c)->name, s->name) == 0;
}

static const struct kind snapshot_kind = {"a snapshot", sizeof(struct ontap_snapshot), parse, want,
					  offsetof(struct ontap, old_snapshot_fields)};

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	((ontap_snapshots_fn)fn)(data, n, e, priv);
}

static const char *fields(const struct ontap *o)
{
	return o->old_snapshot_fields ? SNAPSHOT_FIELDS : SNAPSHOT_FIELDS SNAPSHOT_FIELDS_NEW;
}

static void request_all(struct call *c)
{
	struct read_call *rc = read_of(c);
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/storage/volumes/%s/snapshots?fields=%s&order_by=create_time&max_records=1024",
		     uuid_format(&rc->parent, text), fields(c->o));
	/* A name that ONTAP would read as an expression is picked out of the whole list. */
	if (*rc->name && !query_is_expression(rc->name))
		call_param(c, "name", rc->name);
}

static void list_end(struct call *c, const struct ontap_error *e)
{
	struct read_call *rc = read_of(c);
	if (e && e->code == ONTAP_CODE_FLEXCACHE_NO_SNAPS)
		e = NULL; /* a FlexCache has none of its own */
	if (!e && snapshot_sort(rc->row, rc->n) < 0)
		call_fail(c, -ENOMEM, "cannot %s: out of memory", c->what);
	else
		call_end(c, e);
}

static void list_start(struct call *c)
{
	read_list(c, &snapshot_kind, request_all, list_end);
}

/* The start of a request to the one snapshot. */
static void request_snapshot(struct call *c, enum http_method method, const char *query)
{
	char v[UUID_TEXT_LEN + 1], s[UUID_TEXT_LEN + 1];
	call_request(c, method, CALL_REPLY_MAX, "/storage/volumes/%s/snapshots/%s%s",
		     uuid_format(&read_of(c)->parent, v), uuid_format(&read_of(c)->uuid, s), query);
}

static void request_one(struct call *c)
{
	request_snapshot(c, HTTP_GET, "?fields=");
	buf_puts(&c->path, fields(c->o));
}

static void get_start(struct call *c)
{
	read_one(c, &snapshot_kind, request_one, call_end);
}

/* ---- the verbs ------------------------------------------------------------ */

struct snapshot_call {
	struct read_call r; /* of create: the snapshot of that name */
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

/* ---- create ------------------------------------------------------------- */

static void create_post(struct call *c);
static void create_look(struct call *c);

/* The snapshot of our name was read, or is not there. */
static void create_looked(struct call *c, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	const struct ontap_snapshot *s = sc->r.row;
	if (e) {
		call_end(c, e);
		return;
	}
	if (sc->r.n > 0) {
		bool mine = *sc->request_id && strstr(s->comment, sc->request_id);
		/* Where ONTAP said yes to this very request, a comment that the
		 * account may not read is no reason to doubt it. */
		if (mine || (sc->doubt.err == 0 && *s->comment == '\0'))
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
	read_list(c, &snapshot_kind, request_all, create_looked);
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

static void make_post(struct call *c)
{
	struct snapshot_call *sc = of(c);
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_POST, CALL_REPLY_MAX, "/storage/volumes/%s/snapshots",
		     uuid_format(&sc->r.parent, text));
	snapshot_body_create(&c->body, sc->r.name, sc->value);
}

static void create_post(struct call *c)
{
	write_once(c, make_post, create_posted);
}

/* ---- delete ------------------------------------------------------------- */

static void delete_end(struct call *c, const struct ontap_error *e)
{
	/* 404 also when the first of two did it. */
	call_end(c, e && e->err == -ENOENT && !c->unsure ? NULL : e);
}

static void make_delete(struct call *c)
{
	request_snapshot(c, HTTP_DELETE, "");
}

static void delete_start(struct call *c)
{
	write_run(c, make_delete, delete_end);
}

/* ---- set ------------------------------------------------------------------ */

static void make_patch(struct call *c)
{
	request_snapshot(c, HTTP_PATCH, "");
	snapshot_body_field(&c->body, of(c)->field, of(c)->value);
}

static void set_end(struct call *c, const struct ontap_error *e)
{
	if (!e || e->code != ONTAP_CODE_RENAME_STATUS_UNKNOWN || !write_again(c))
		call_end(c, e);
}

static void set_start(struct call *c)
{
	write_run(c, make_patch, set_end);
}

/* ---- rename --------------------------------------------------------------- */

static void rename_looked(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct snapshot_call *sc = of(c);
	const char *name = "";
	struct json_object *rec = e ? NULL : page_instance(root);
	if (rec)
		js_str(rec, "name", &name);
	if (e)
		call_end(c, e);
	else if (strcmp(name, sc->value) == 0)
		call_end(c, NULL);
	else if (sc->doubt.err == -EEXIST || !write_again(c))
		call_end(c, &sc->doubt);
}

/* A rename that was sent twice collides with itself the second time. */
static void rename_end(struct call *c, const struct ontap_error *e)
{
	bool doubt = e && (c->unsure || e->code == ONTAP_CODE_RENAME_STATUS_UNKNOWN || e->err == -EEXIST);
	if (!doubt) {
		call_end(c, e);
		return;
	}
	of(c)->doubt = *e;
	request_one(c);
	call_send(c, rename_looked);
}

static void rename_start(struct call *c)
{
	write_once(c, make_patch, rename_end);
}

/* ---- the door ----------------------------------------------------------- */

static const struct call_ops list_ops = {sizeof(struct read_call), list_start, tell, read_fini};
static const struct call_ops get_ops = {sizeof(struct read_call), get_start, tell, read_fini};
static const struct call_ops create_ops = {sizeof(struct snapshot_call), create_post, tell, read_fini};
static const struct call_ops delete_ops = {sizeof(struct snapshot_call), delete_start, write_tell, NULL};
static const struct call_ops set_ops = {sizeof(struct snapshot_call), set_start, write_tell, NULL};
static const struct call_ops rename_ops = {sizeof(struct snapshot_call), rename_start, write_tell, NULL};

/* snapshot: NULL where there is none yet. */
static struct call *new_call(struct ontap *o, const struct call_ops *ops, const struct uuid *volume,
			     const struct uuid *snapshot, void (*fn)(void), void *priv)
{
	struct call *c = call_new(o, ops, fn, priv);
	if (c)
		read_of(c)->parent = *volume;
	if (c && snapshot)
		read_of(c)->uuid = *snapshot;
	return c;
}

void ontap_snapshot_list(struct ontap *o, const struct uuid *volume, ontap_snapshots_fn fn,
			 void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &list_ops, volume, NULL, (void (*)(void))fn, priv);
	if (c)
		call_what(c, "list the snapshots of volume %s", uuid_format(volume, text));
}

void ontap_snapshot_find(struct ontap *o, const struct uuid *volume, const char *name,
			 ontap_snapshots_fn fn, void *priv)
{
	struct call *c = new_call(o, &list_ops, volume, NULL, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "find snapshot \"%s\"", name);
	if (*name == '\0' || strlen(name) > ONTAP_NAME_MAX)
		call_after(c, 0, call_end_now); /* no snapshot has such a name */
	else
		memcpy(read_of(c)->name, name, strlen(name) + 1);
}

void ontap_snapshot_get(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			ontap_snapshots_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &get_ops, volume, snapshot, (void (*)(void))fn, priv);
	if (c)
		call_what(c, "read snapshot %s", uuid_format(snapshot, text));
}

void ontap_snapshot_create(struct ontap *o, const struct uuid *volume, const char *name,
			   const char *comment, const char *request_id, ontap_snapshots_fn fn,
			   void *priv)
{
	struct call *c = new_call(o, &create_ops, volume, NULL, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct snapshot_call *sc = of(c);
	call_what(c, "create snapshot \"%s\"", name);
	call_take(c, sc->r.name, ONTAP_NAME_MAX + 1, name);
	call_take(c, sc->value, sizeof(sc->value), comment);
	call_take(c, sc->request_id, sizeof(sc->request_id), request_id);
	if (*name == '\0')
		call_invalid(c);
}

void ontap_snapshot_delete(struct ontap *o, const struct uuid *volume,
			   const struct uuid *snapshot, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &delete_ops, volume, snapshot, (void (*)(void))fn, priv);
	if (c)
		call_what(c, "delete snapshot %s", uuid_format(snapshot, text));
}

void ontap_snapshot_rename(struct ontap *o, const struct uuid *volume,
			   const struct uuid *snapshot, const char *new_name, ontap_done_fn fn,
			   void *priv)
{
	struct call *c = new_call(o, &rename_ops, volume, snapshot, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "rename a snapshot to \"%s\"", new_name);
	memcpy(of(c)->field, "name", sizeof("name"));
	call_take(c, of(c)->value, ONTAP_NAME_MAX + 1, new_name);
	if (*new_name == '\0')
		call_invalid(c);
}

void ontap_snapshot_set(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			const char *field, const char *value, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = new_call(o, &set_ops, volume, snapshot, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "set the %.32s of snapshot %s", field, uuid_format(snapshot, text));
	call_take(c, of(c)->field, sizeof(of(c)->field), field);
	call_take(c, of(c)->value, sizeof(of(c)->value), value);
	if (strcmp(field, "comment") != 0 && strcmp(field, "snapmirror_label") != 0 &&
	    strcmp(field, "expiry_time") != 0)
		call_invalid(c);
}
