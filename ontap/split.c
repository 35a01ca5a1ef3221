/* Splitting a clone from its parent: start, progress, wait.
 *
 * The split goes on in ONTAP for as long as it takes; its job says no more than
 * the volume does, which every account can read. */
#include <errno.h>
#include <string.h>

#include "ontap/call.h"
#include "ontap/parse.h"

#define WAIT_MS        1000
#define START_LOOKS    6
#define SPLIT_FIELDS   "?fields=clone.is_flexclone,clone.split_initiated,clone.split_complete_percent"
#define ESTIMATE_FIELD ",clone.split_estimate"

int split_parse(struct json_object *rec, struct ontap_split *ret, char why[160])
{
	struct ontap_split s = {.percent = -1};
	struct reader r;
	int64_t percent = 0;
	rd_init(&r, rec);
	rd_bool(&r, "clone.is_flexclone", &s.is_clone, OPTIONAL);
	rd_bool(&r, "clone.split_initiated", &s.under_way, OPTIONAL);
	rd_int(&r, "clone.split_complete_percent", 0, 100, &percent, OPTIONAL);
	rd_u64(&r, "clone.split_estimate", &s.estimate, OPTIONAL);
	s.under_way = s.is_clone && (s.under_way || percent > 0);
	if (s.under_way)
		s.percent = (int)percent;
	return rd_done(&r, why, ret, &s, sizeof(s));
}

/* GET /storage/file/clone/split-status of one volume. */
int file_splits_parse(struct json_object *rec, struct ontap_split *ret, char why[160])
{
	struct ontap_split s = {.percent = -1};
	struct reader r;
	int64_t pending = 0;
	rd_init(&r, rec);
	rd_int(&r, "pending_splits", 0, INT64_MAX, &pending, OPTIONAL);
	rd_u64(&r, "unsplit_size", &s.estimate, OPTIONAL);
	rd_u64(&r, "unsplit_clone_size", &s.estimate, OPTIONAL); /* as some releases call it */
	s.under_way = pending > 0;
	return rd_done(&r, why, ret, &s, sizeof(s));
}

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return split_parse(rec, ret, why);
}
static int parse_files(struct json_object *rec, void *ret, char why[160])
{
	return file_splits_parse(rec, ret, why);
}

static const struct kind kind = {"a split", sizeof(struct ontap_split), parse, NULL, 0};
static const struct kind files_kind = {"a split status", sizeof(struct ontap_split), parse_files, NULL, 0};

struct split_call {
	struct read_call r;
	bool seen;                  /* under way, at some time */
	bool lost;                  /* a request to start it may have been carried out */
	struct ontap_error refused;
};

static struct split_call *of(struct call *c)
{
	return (struct split_call *)c;
}

static const struct ontap_split *split(struct call *c)
{
	return read_of(c)->n ? read_of(c)->row : NULL;
}

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)n;
	((ontap_split_fn)fn)(data, e, priv);
}

static void gone(struct call *c)
{
	call_fail(c, -ENOENT, "cannot %s: the volume does not exist any more", c->what);
}

/* ---- progress, wait -------------------------------------------------------- */

static void request(struct call *c)
{
	request_volume(c, HTTP_GET, &read_of(c)->uuid, SPLIT_FIELDS ESTIMATE_FIELD);
}

static void request_files(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/storage/file/clone/split-status/%s",
		     uuid_format(&read_of(c)->uuid, text));
}

static void got(struct call *c, const struct ontap_error *e)
{
	if (!e && !split(c))
		gone(c);
	else
		call_end(c, e);
}

static void get_start(struct call *c)
{
	read_one(c, &kind, request, got);
}

/* A volume without file clones has no entry there. */
static void files_got(struct call *c, const struct ontap_error *e)
{
	static const struct ontap_split none = {.percent = -1};
	if (!e && !split(c)) {
		c->result = &none;
		c->nresult = 1;
	}
	call_end(c, e);
}

static void files_start(struct call *c)
{
	read_one(c, &files_kind, request_files, files_got);
}

static void wait_start(struct call *c);

static void waited(struct call *c, const struct ontap_error *e)
{
	struct split_call *sc = of(c);
	const struct ontap_split *s = split(c);
	if (e) {
		call_end(c, e);
	} else if (!s) {
		gone(c);
	} else if (!s->is_clone) {
		call_end(c, NULL);
	} else if (s->under_way) {
		sc->seen = true;
		error_set(&c->last, -ETIMEDOUT, 0, 0, "%d %% are split", s->percent);
		call_after(c, WAIT_MS, wait_start);
	} else if (sc->seen) {
		call_fail(c, -EIO, "cannot %s: ONTAP stopped the split (no space in the aggregate, or the volume "
			  "went offline?)", c->what);
	} else {
		call_fail(c, -EINVAL, "cannot %s: no split of this clone is under way", c->what);
	}
}

static void wait_start(struct call *c)
{
	read_one(c, &kind, request, waited);
}

/* ---- start ------------------------------------------------------------------- */

static void start_send(struct call *c);

/* After a refusal: it may be under way, or over, by a request of before. */
static void start_looked(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct ontap_split s = {.is_clone = true};
	char why[160];
	struct json_object *rec = e ? NULL : page_instance(root);
	if (rec && split_parse(rec, &s, why) == 0 && (s.under_way || (of(c)->lost && !s.is_clone)))
		call_end(c, NULL);
	else
		call_end(c, &of(c)->refused);
}

/* The job was accepted. It may wait in a queue before the volume says that it is
 * being split; who asks next shall not be told that there is none. */
static void start_look(struct call *c);

static void start_shown(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct ontap_split s = {.is_clone = true};
	char why[160];
	struct json_object *rec = e ? NULL : page_instance(root);
	bool waits = rec && split_parse(rec, &s, why) == 0 && s.is_clone && !s.under_way;
	if (waits && ++c->write.rounds <= START_LOOKS)
		call_after(c, call_backoff_ms(c->write.rounds), start_look);
	else
		call_end(c, NULL);
}

static void start_look(struct call *c)
{
	request_volume(c, HTTP_GET, &read_of(c)->uuid, SPLIT_FIELDS);
	call_send(c, start_shown);
}

static void started(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct split_call *sc = of(c);
	(void)root; /* the job takes as long as the split */
	if (!e) {
		c->write.rounds = 0;
		start_look(c);
	} else if (e->err == -ENOENT || e->err == -EACCES) {
		call_end(c, e);
	} else if (c->unsure && ++c->write.rounds <= CALL_ROUNDS) {
		sc->lost = true;
		call_after(c, call_backoff_ms(c->write.rounds), start_send);
	} else {
		sc->refused = *e;
		request_volume(c, HTTP_GET, &sc->r.uuid, SPLIT_FIELDS);
		call_send(c, start_looked);
	}
}

static void start_send(struct call *c)
{
	request_volume(c, HTTP_PATCH, &of(c)->r.uuid, "");
	buf_puts(&c->body, "{\"clone\":{\"split_initiated\":true}}");
	call_send(c, started);
}

/* ---- the door ----------------------------------------------------------------- */

static const struct call_ops start_ops = {sizeof(struct split_call), start_send, write_tell, read_fini};
static const struct call_ops get_ops = {sizeof(struct split_call), get_start, tell, read_fini};
static const struct call_ops wait_ops = {sizeof(struct split_call), wait_start, tell, read_fini};
static const struct call_ops files_ops = {sizeof(struct split_call), files_start, tell, read_fini};

static void make(struct ontap *o, const struct call_ops *ops, const char *what, const struct uuid *volume,
		 void (*fn)(void), void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, ops, fn, priv);
	if (!c)
		return;
	read_of(c)->uuid = *volume;
	call_what(c, "%s %s", what, uuid_format(volume, text));
}

void ontap_volume_split(struct ontap *o, const struct uuid *volume, ontap_done_fn fn, void *priv)
{
	make(o, &start_ops, "split clone volume", volume, (void (*)(void))fn, priv);
}

void ontap_split_get(struct ontap *o, const struct uuid *volume, ontap_split_fn fn, void *priv)
{
	make(o, &get_ops, "read the split of volume", volume, (void (*)(void))fn, priv);
}

void ontap_split_wait(struct ontap *o, const struct uuid *volume, ontap_split_fn fn, void *priv)
{
	make(o, &wait_ops, "wait for the split of volume", volume, (void (*)(void))fn, priv);
}

void ontap_file_clone_splits(struct ontap *o, const struct uuid *volume, ontap_split_fn fn, void *priv)
{
	make(o, &files_ops, "read the file clones of volume", volume, (void (*)(void))fn, priv);
}
