/* SnapMirror relationships: list, create, change, update.
 *
 * A relationship is known by its destination path, which only one can have; so a
 * create whose outcome is unknown is settled by reading that. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ontap/call.h"
#include "ontap/parse.h"

#define MIRROR_FIELDS                                                                          \
	"uuid,source.path,destination.path,state,healthy,unhealthy_reason,lag_time,exported_snapshot," \
	"policy.name,transfer.uuid,transfer.state,transfer.bytes_transferred"

int mirror_parse(struct json_object *rec, struct ontap_mirror *ret, char why[160])
{
	struct ontap_mirror m = {.healthy = true, .lag_s = -1};
	struct reader r;
	rd_init(&r, rec);
	rd_uuid(&r, "uuid", &m.uuid, REQUIRED);
	rd_str(&r, "source.path", m.source, sizeof(m.source), OPTIONAL);
	rd_str(&r, "destination.path", m.destination, sizeof(m.destination), REQUIRED);
	rd_str(&r, "state", m.state, sizeof(m.state), OPTIONAL);
	rd_str(&r, "policy.name", m.policy, sizeof(m.policy), OPTIONAL);
	rd_str(&r, "exported_snapshot", m.exported_snapshot, sizeof(m.exported_snapshot), OPTIONAL);
	rd_bool(&r, "healthy", &m.healthy, OPTIONAL);
	rd_text(&r, "unhealthy_reason[0].message", m.unhealthy, sizeof(m.unhealthy));
	rd_duration(&r, "lag_time", &m.lag_s);
	rd_uuid(&r, "transfer.uuid", &m.transfer, OPTIONAL);
	rd_str(&r, "transfer.state", m.transfer_state, sizeof(m.transfer_state), OPTIONAL);
	rd_u64(&r, "transfer.bytes_transferred", &m.transfer_bytes, OPTIONAL);
	return rd_done(&r, why, ret, &m, sizeof(m));
}

struct mirror_call {
	struct read_call r; /* name: the path it is known by; "" all */
	char source[ONTAP_MIRROR_PATH_MAX + 1], policy[ONTAP_NAME_MAX + 1]; /* create */
	const char *state;         /* set_state */
	bool refused;              /* set_state: the last request was not carried out */
	unsigned looks;
	struct ontap_error doubt;
};

static struct mirror_call *of(struct call *c)
{
	return (struct mirror_call *)c;
}

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return mirror_parse(rec, ret, why);
}

static bool is_destination(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_mirror *m = row;
	(void)rec;
	return !m || !*of(c)->r.name || strcmp(of(c)->r.name, m->destination) == 0;
}

static bool is_source(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_mirror *m = row;
	(void)rec;
	return !m || strcmp(of(c)->r.name, m->source) == 0;
}

static const struct kind by_destination = {"a SnapMirror relationship", sizeof(struct ontap_mirror), parse,
					   is_destination, 0};
static const struct kind one = {"a SnapMirror relationship", sizeof(struct ontap_mirror), parse, NULL, 0};
static const struct kind by_source = {"a SnapMirror relationship", sizeof(struct ontap_mirror), parse,
				      is_source, 0};

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	((ontap_mirrors_fn)fn)(data, n, e, priv);
}

/* ---- reading --------------------------------------------------------------- */

static void request(struct call *c)
{
	const char *path = of(c)->r.name;
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/snapmirror/relationships?fields=" MIRROR_FIELDS "&max_records=1000");
	if (*path && !query_is_expression(path))
		call_param(c, "destination.path", path);
}

static void request_source(struct call *c)
{
	const char *path = of(c)->r.name;
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/snapmirror/relationships?list_destinations_only=true"
		     "&fields=uuid,source.path,destination.path&max_records=1000");
	if (!query_is_expression(path))
		call_param(c, "source.path", path);
}

static void list_start(struct call *c)
{
	read_list(c, &by_destination, request, call_end);
}

static void source_start(struct call *c)
{
	read_list(c, &by_source, request_source, call_end);
}

/* ---- create ---------------------------------------------------------------- */

static void look(struct call *c);

static void looked(struct call *c, const struct ontap_error *e)
{
	struct mirror_call *mc = of(c);
	const struct ontap_mirror *m = mc->r.row;
	if (e)
		call_end(c, e);
	else if (mc->r.n > 0 && strcmp(m->source, mc->source) == 0)
		call_end(c, NULL);
	else if (mc->r.n > 0)
		call_fail(c, -EEXIST, "cannot %s: it is the destination of %s already", c->what, m->source);
	else if (mc->doubt.err == 0) { /* made, but not in the list yet */
		error_set(&c->last, -EIO, 0, 0, "ONTAP made it, but does not list it");
		call_after(c, call_backoff_ms(++mc->looks) + 10, look);
	} else if (mc->doubt.err == -EEXIST || !write_again(c)) {
		call_end(c, &mc->doubt);
	}
}

static void look(struct call *c)
{
	read_list(c, &by_destination, request, looked);
}

static void make_post(struct call *c)
{
	struct mirror_call *mc = of(c);
	call_request(c, HTTP_POST, CALL_REPLY_MAX, "/snapmirror/relationships");
	buf_puts(&c->body, "{\"source\":{\"path\":");
	buf_json(&c->body, mc->source);
	buf_puts(&c->body, "},\"destination\":{\"path\":");
	buf_json(&c->body, mc->r.name);
	buf_puts(&c->body, "}");
	if (*mc->policy) {
		buf_puts(&c->body, ",\"policy\":{\"name\":");
		buf_json(&c->body, mc->policy);
		buf_puts(&c->body, "}");
	}
	buf_puts(&c->body, "}");
}

static void posted(struct call *c, const struct ontap_error *e)
{
	if (e && e->err != -EEXIST && !c->unsure) {
		call_end(c, e);
		return;
	}
	of(c)->doubt = e ? *e : (struct ontap_error){0};
	look(c);
}

static void create_start(struct call *c)
{
	write_once(c, make_post, posted);
}

/* ---- changes ---------------------------------------------------------------- */

static void request_mirror(struct call *c, enum http_method method, const char *below)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, method, CALL_REPLY_MAX, "/snapmirror/relationships/%s%s",
		     uuid_format(&of(c)->r.uuid, text), below);
}

static void make_state(struct call *c)
{
	request_mirror(c, HTTP_PATCH, "");
	buf_printf(&c->body, "{\"state\":\"%s\"}", of(c)->state);
}

static void request_one(struct call *c)
{
	request_mirror(c, HTTP_GET, "?fields=" MIRROR_FIELDS);
}

/* Is it so already? "snapmirrored" begins a transfer, and is true when that has ended. */
static bool state_is(const struct mirror_call *mc)
{
	const struct ontap_mirror *m = mc->r.row;
	if (mc->r.n == 0)
		return false;
	return strcmp(m->state, mc->state) == 0 ||
	       (strcmp(mc->state, "snapmirrored") == 0 && (strcmp(m->transfer_state, "queued") == 0 ||
							   strcmp(m->transfer_state, "transferring") == 0));
}

static void state_looked(struct call *c, const struct ontap_error *e)
{
	struct mirror_call *mc = of(c);
	if (e || state_is(mc))
		call_end(c, e);
	else if (mc->refused || !write_again(c))
		call_end(c, &mc->doubt);
}

/* When nobody knows whether a request was carried out, the relationship tells: a
 * second one would begin another transfer, or be refused for what the first did. */
static void state_sent(struct call *c, const struct ontap_error *e)
{
	struct mirror_call *mc = of(c);
	if (!e || (!c->unsure && !c->write.doubt)) {
		call_end(c, e);
		return;
	}
	mc->doubt = *e;
	mc->refused = !c->unsure;
	read_one(c, &one, request_one, state_looked);
}

static void state_start(struct call *c)
{
	write_once(c, make_state, state_sent);
}

static void make_delete(struct call *c)
{
	request_mirror(c, HTTP_DELETE, "");
}

static void deleted(struct call *c, const struct ontap_error *e)
{
	call_end(c, e && e->err == -ENOENT && !c->unsure ? NULL : e);
}

static void delete_start(struct call *c)
{
	write_run(c, make_delete, deleted);
}

static void make_update(struct call *c)
{
	request_mirror(c, HTTP_POST, "/transfers");
	buf_puts(&c->body, "{}");
}

/* A second one would be refused as under way: that is the first one, then. */
static void updated(struct call *c, const struct ontap_error *e)
{
	if (e && c->unsure) {
		of(c)->doubt = *e;
		if (!write_again(c))
			call_end(c, e);
		return;
	}
	call_end(c, e && e->err == -EBUSY && of(c)->doubt.err ? NULL : e);
}

static void update_start(struct call *c)
{
	write_once(c, make_update, updated);
}

/* ---- the door ------------------------------------------------------------------ */

static const struct call_ops list_ops = {sizeof(struct mirror_call), list_start, tell, read_fini};
static const struct call_ops source_ops = {sizeof(struct mirror_call), source_start, tell, read_fini};
static const struct call_ops create_ops = {sizeof(struct mirror_call), create_start, tell, read_fini};
static const struct call_ops state_ops = {sizeof(struct mirror_call), state_start, write_tell, read_fini};
static const struct call_ops delete_ops = {sizeof(struct mirror_call), delete_start, write_tell, NULL};
static const struct call_ops update_ops = {sizeof(struct mirror_call), update_start, write_tell, NULL};

void ontap_mirror_list(struct ontap *o, const char *destination, ontap_mirrors_fn fn, void *priv)
{
	struct call *c = call_new(o, &list_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "list the SnapMirror relationships");
	call_take(c, of(c)->r.name, sizeof(of(c)->r.name), destination ? destination : "");
}

void ontap_mirror_of_source(struct ontap *o, const char *source, ontap_mirrors_fn fn, void *priv)
{
	struct call *c = call_new(o, &source_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "list the SnapMirror destinations of %.300s", source);
	call_take(c, of(c)->r.name, sizeof(of(c)->r.name), source);
}

void ontap_mirror_create(struct ontap *o, const char *source, const char *destination,
			 const char *policy, ontap_mirrors_fn fn, void *priv)
{
	struct call *c = call_new(o, &create_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct mirror_call *mc = of(c);
	call_what(c, "mirror %.150s to %.150s", source, destination);
	call_take(c, mc->source, sizeof(mc->source), source);
	call_take(c, mc->r.name, sizeof(mc->r.name), destination);
	call_take(c, mc->policy, sizeof(mc->policy), policy ? policy : "");
	if (!strchr(source, ':') || !strchr(destination, ':'))
		call_invalid(c);
}

static struct call *change(struct ontap *o, const struct call_ops *ops, const char *verb,
			   const struct uuid *mirror, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, ops, (void (*)(void))fn, priv);
	if (!c)
		return NULL;
	of(c)->r.uuid = *mirror;
	call_what(c, "%s SnapMirror relationship %s", verb, uuid_format(mirror, text));
	return c;
}

void ontap_mirror_set_state(struct ontap *o, const struct uuid *mirror, const char *state,
			    ontap_done_fn fn, void *priv)
{
	static const char *const states[] = {"snapmirrored", "broken_off", "paused"};
	struct call *c = change(o, &state_ops, "change the state of", mirror, fn, priv);
	if (!c)
		return;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(state, states[i]) == 0)
			of(c)->state = states[i];
	if (!of(c)->state)
		call_invalid(c);
}

void ontap_mirror_delete(struct ontap *o, const struct uuid *mirror, ontap_done_fn fn, void *priv)
{
	change(o, &delete_ops, "delete", mirror, fn, priv);
}

void ontap_mirror_update(struct ontap *o, const struct uuid *mirror, ontap_done_fn fn, void *priv)
{
	change(o, &update_ops, "update", mirror, fn, priv);
}
