/* New volumes: FlexClones and empty ones.
 *
 * Both are one POST and its job, and must come to one result although a reply
 * can be lost after ONTAP did the work, a job can vanish, and the same verb can
 * be sent twice (by a retry here, by a successor of this process). So:
 *   create  when in doubt, or when the name exists, the volume is read back by
 *           name, and is ours only if its comment holds our request id; names
 *           are unique in an SVM, so that posting again cannot make two;
 *   settle  what ONTAP may have decided otherwise (a clone's export policy, its
 *           mount, the snapshot directory) is compared with what was asked and
 *           patched by uuid, hence the same when done twice.
 * It ends when the volume reads as asked. Nothing is taken back on the way: what
 * a call left unfinished, the same call with the same request id goes on with. */
#include "ontap/ontap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fs/base/log.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define VOLUME_NAME_MAX 203 /* 197 for a FlexGroup: ONTAP says so itself */
#define BODY_MAX        16384
#define AGGREGATES_MAX  1024 /* of one SVM */
#define MOUNT_LOOKS     3    /* that a mount may come late, before it is made here */
#define UNDER_WAY_ROUNDS 10  /* somebody, maybe we, makes a volume of that name */

/* ---- bodies ------------------------------------------------------------- */

int volume_check_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	size_t n = strlen(name);
	if (n > VOLUME_NAME_MAX)
		return -ENAMETOOLONG;
	return n > 0 && strspn(name, allowed) == n && (*name < '0' || *name > '9') ? 0 : -EINVAL;
}

static void put_text(struct buf *b, const char *before, const char *text)
{
	if (!text)
		return;
	buf_puts(b, before);
	buf_json(b, text);
}

/* The same for the only member of an object: closes that. */
static void put_only(struct buf *b, const char *before, const char *text)
{
	put_text(b, before, text);
	if (text)
		buf_puts(b, "}");
}

/* {"uuid":...} or, where that is zero, {"name":...}: never both, since a rename
 * meanwhile would make them disagree. */
static void put_ref(struct buf *b, const char *before, const struct uuid *uuid, const char *name)
{
	char text[UUID_TEXT_LEN + 1];
	if (uuid_is_zero(uuid) && (!name || !*name))
		return;
	buf_puts(b, before);
	if (uuid_is_zero(uuid))
		put_text(b, "{\"name\":", name);
	else
		buf_printf(b, "{\"uuid\":\"%s\"", uuid_format(uuid, text));
	buf_puts(b, "}");
}

void volume_body_nas(struct buf *b, const char *path, const char *export_policy)
{
	buf_puts(b, "\"nas\":{");
	put_text(b, "\"path\":", path);
	if (path && export_policy)
		buf_puts(b, ",");
	put_only(b, "\"export_policy\":{\"name\":", export_policy);
	buf_puts(b, "}");
}

static const char *not_empty(const char *s)
{
	return s && *s ? s : NULL;
}

void volume_body_clone(struct buf *b, const struct ontap_clone *cl, const struct uuid *svm,
		       const char *svm_name)
{
	const char *path = not_empty(cl->junction);
	put_text(b, "{\"name\":", cl->name);
	put_ref(b, ",\"svm\":", svm, svm_name);
	buf_puts(b, ",\"clone\":{\"is_flexclone\":true");
	put_ref(b, ",\"parent_volume\":", &cl->parent, cl->parent_name);
	put_ref(b, ",\"parent_snapshot\":", &cl->snapshot, cl->snapshot_name);
	buf_puts(b, "}");
	put_text(b, ",\"comment\":", cl->comment);
	/* The export policy of a clone cannot be relied on here: it is patched. */
	if (path) {
		buf_puts(b, ",");
		volume_body_nas(b, path, NULL);
	}
	buf_puts(b, "}");
}

void volume_body_create(struct buf *b, const struct ontap_create *cr, const struct uuid *svm,
			const char *svm_name)
{
	put_text(b, "{\"name\":", cr->name);
	put_ref(b, ",\"svm\":", svm, svm_name);
	put_text(b, ",\"style\":", cr->style == ONTAP_FLEXGROUP ? "flexgroup" : "flexvol");
	if (cr->size)
		buf_printf(b, ",\"size\":%llu", (unsigned long long)cr->size);
	put_text(b, ",\"comment\":", cr->comment);
	put_only(b, ",\"guarantee\":{\"type\":", cr->space_reserve);
	put_only(b, ",\"snapshot_policy\":{\"name\":", cr->snapshot_policy);
	buf_printf(b, ",\"nas\":{\"uid\":%u,\"gid\":%u", cr->uid, cr->gid);
	put_text(b, ",\"path\":", not_empty(cr->junction));
	put_only(b, ",\"export_policy\":{\"name\":", cr->export_policy);
	/* A number whose decimal digits are the octal mode. */
	if (cr->unix_permissions)
		buf_printf(b, ",\"security_style\":\"unix\",\"unix_permissions\":%ld",
			   strtol(cr->unix_permissions, NULL, 10));
	buf_puts(b, "}}");
}

/* ---- the call ----------------------------------------------------------- */

struct aggr {
	char name[ONTAP_NAME_MAX + 1];
};

struct make_call {
	struct read_call r; /* the volume of that name, read back */
	char parent[ONTAP_NAME_MAX + 1]; /* for sentences; "" an empty volume */
	char junction[ONTAP_PATH_MAX + 1];
	char export_policy[ONTAP_NAME_MAX + 1];
	char request_id[CALL_ID_MAX + 1];
	bool no_snapdir;
	struct buf body; /* of the POST, without an aggregate */

	/* where an empty FlexVol goes */
	struct aggr *aggr; /* those of the SVM */
	size_t naggr;
	struct aggr best;  /* "" none (yet) */
	int64_t best_room;

	struct kind kind;   /* volume_kind that notes `broken` */
	bool broken;        /* its state is "error" */
	struct uuid ours;   /* zero until known to be ours */
	unsigned rounds, looks, patches;
	bool patched_policy, patched_snapdir; /* ONTAP said yes to it */
	struct ontap_error doubt; /* why the outcome was unknown; err 0: it is not */
};

static struct make_call *of(struct call *c)
{
	return (struct make_call *)c;
}

static const struct ontap_volume *volume(const struct make_call *mc)
{
	return mc->r.row;
}

static void make_fini(struct call *c)
{
	buf_fini(&of(c)->body);
	free(of(c)->aggr);
	read_fini(c);
}

static void say_make(struct call *c)
{
	struct make_call *mc = of(c);
	if (*mc->parent)
		call_what(c, "clone volume \"%.120s\" as \"%.203s\"", mc->parent, mc->r.name);
	else
		call_what(c, "create volume \"%.203s\"", mc->r.name);
}

/* ---- reading back ------------------------------------------------------- */

static void look(struct call *c);
static void settle(struct call *c);
static void post(struct call *c);

/* Another look later; why: for the sentence, should the deadline come first. */
static void look_again(struct call *c, unsigned tries, const char *why)
{
	error_set(&c->last, -EIO, 0, 0, "%s", why);
	call_after(c, call_backoff_ms(tries) + 10, look);
}

static void not_there(struct call *c)
{
	struct make_call *mc = of(c);
	unsigned max = mc->doubt.code == ONTAP_CODE_CREATE_UNDER_WAY ? UNDER_WAY_ROUNDS : CALL_ROUNDS;
	mc->rounds++;
	if (!uuid_is_zero(&mc->ours))
		call_fail(c, -ESTALE, "cannot %s: somebody deleted or renamed it meanwhile", c->what);
	else if (mc->doubt.err == 0)
		look_again(c, mc->rounds, "ONTAP made it, but does not list it");
	else if (mc->rounds > max)
		call_end(c, &mc->doubt);
	else
		call_after(c, call_backoff_ms(mc->rounds), post);
}

static void looked(struct call *c, const struct ontap_error *e)
{
	struct make_call *mc = of(c);
	const struct ontap_volume *v = volume(mc);
	if (e) {
		call_end(c, e);
		return;
	}
	if (mc->r.n == 0) {
		not_there(c);
		return;
	}
	bool mine = *mc->request_id && strstr(v->comment, mc->request_id);
	/* Where ONTAP said yes to this very request, a comment that the account
	 * may not read is no reason to doubt it. */
	mine = mine || (mc->doubt.err == 0 && *v->comment == '\0');
	if (!uuid_is_zero(&mc->ours))
		mine = uuid_eq(&mc->ours, &v->uuid);
	if (!mine) {
		call_fail(c, -EEXIST, "cannot %s: another volume has that name", c->what);
		return;
	}
	mc->ours = v->uuid;
	settle(c);
}

static bool want(struct call *c, struct json_object *rec, const void *row)
{
	const char *state = "";
	if (!volume_kind.want(c, rec, row))
		return false;
	if (row) {
		js_str(rec, "state", &state);
		of(c)->broken = strcasecmp(state, "error") == 0;
	}
	return true;
}

static void look(struct call *c)
{
	struct make_call *mc = of(c);
	say_make(c);
	mc->kind = volume_kind;
	mc->kind.want = want;
	read_list(c, &mc->kind, volume_request, looked);
}

/* ---- making it what was asked ------------------------------------------- */

struct wrong {
	bool mount, policy, snapdir;
};

/* What an account may not read counts as done once ONTAP said yes to it. */
static struct wrong compare(const struct make_call *mc)
{
	const struct ontap_volume *v = volume(mc);
	return (struct wrong){
		.mount = *mc->junction && !*v->junction,
		.policy = *mc->export_policy && strcmp(mc->export_policy, v->export_policy) != 0 &&
			  (*v->export_policy || !mc->patched_policy),
		.snapdir = mc->no_snapdir && v->snapdir_access &&
			   (!mc->r.c.o->old_volume_fields || !mc->patched_snapdir),
	};
}

static void patched(struct call *c, const struct ontap_error *e)
{
	struct make_call *mc = of(c);
	struct wrong w = compare(mc);
	if (e && c->unsure) {
		mc->doubt = *e;
		call_after(c, call_backoff_ms(mc->patches), look); /* it may have been done */
		return;
	}
	if (e && w.snapdir && !w.mount && !w.policy &&
	    (e->code == ONTAP_CODE_UNKNOWN_FIELD || e->code == ONTAP_CODE_FIELD_NOT_SETTABLE)) {
		call_fail(c, -EOPNOTSUPP, "cannot %s: its REST API has no switch for that", c->what);
		return;
	}
	if (e) {
		call_end(c, e);
		return;
	}
	mc->patched_policy |= w.policy;
	mc->patched_snapdir |= w.snapdir && !w.policy && !w.mount;
	mc->doubt = (struct ontap_error){0};
	call_after(c, mc->patches > 1 ? call_backoff_ms(mc->patches) : 0, look);
}

/* A mount made here brings its policy along, so that nobody gets in by another
 * one; the snapshot directory is a step of its own. */
static void make_patch(struct call *c)
{
	struct make_call *mc = of(c);
	struct wrong w = compare(mc);
	request_volume(c, HTTP_PATCH, &mc->ours, "");
	buf_puts(&c->body, "{");
	if (w.mount || w.policy)
		volume_body_nas(&c->body, w.mount ? mc->junction : NULL, w.policy ? mc->export_policy : NULL);
	else
		buf_puts(&c->body, "\"snapshot_directory_access_enabled\":false");
	buf_puts(&c->body, "}");
}

static void patch(struct call *c, struct wrong w)
{
	struct make_call *mc = of(c);
	if (w.mount)
		call_what(c, "mount volume \"%.203s\" at \"%.120s\"", mc->r.name, mc->junction);
	else if (w.policy)
		call_what(c, "set the export policy of volume \"%.203s\" to \"%.90s\"", mc->r.name,
			  mc->export_policy);
	else
		call_what(c, "switch off the snapshot directory of volume \"%.203s\"", mc->r.name);
	if (mc->patches++ < CALL_ROUNDS)
		write_once(c, make_patch, patched);
	else if (mc->doubt.err)
		call_end(c, &mc->doubt);
	else
		call_fail(c, -EIO, "cannot %s: ONTAP accepts it, but does not do it", c->what);
}

static void settle(struct call *c)
{
	struct make_call *mc = of(c);
	struct wrong w = compare(mc);
	if (mc->broken)
		call_fail(c, -EIO, "cannot %s: ONTAP reports it in the state \"error\"", c->what);
	else if (!volume(mc)->online)
		look_again(c, ++mc->rounds, "it is not online yet");
	else if (w.mount && mc->looks++ < MOUNT_LOOKS)
		look_again(c, mc->looks, "it is not mounted yet");
	else if (w.mount || w.policy || w.snapdir)
		patch(c, w);
	else
		call_end(c, NULL);
}

/* ---- the POST ----------------------------------------------------------- */

static void posted(struct call *c, const struct ontap_error *e)
{
	struct make_call *mc = of(c);
	if (e && e->err != -EEXIST && e->code != ONTAP_CODE_CREATE_UNDER_WAY && !c->unsure) {
		call_end(c, e);
		return;
	}
	mc->doubt = e ? *e : (struct ontap_error){0};
	look(c);
}

static void make_post(struct call *c)
{
	struct make_call *mc = of(c);
	size_t skip = 0;
	call_request(c, HTTP_POST, CALL_REPLY_MAX, "/storage/volumes");
	if (*mc->best.name) {
		put_only(&c->body, "{\"aggregates\":[{\"name\":", mc->best.name);
		buf_puts(&c->body, "],");
		skip = 1; /* the brace that the rest begins with */
	}
	buf_append(&c->body, mc->body.data + skip, mc->body.len - skip);
}

static void post(struct call *c)
{
	say_make(c);
	if (!buf_ok(&of(c)->body))
		call_fail(c, -EINVAL, "cannot %s: a value is too long", c->what);
	else
		write_once(c, make_post, posted);
}

/* ---- the aggregate of an empty FlexVol ----------------------------------- */

static int room_record(struct call *c, struct json_object *rec)
{
	struct make_call *mc = of(c);
	struct aggr a;
	const char *state = "online";
	int64_t size = 0, used = 0;
	if (js_copy(rec, "name", a.name, sizeof(a.name)) < 0)
		return 0;
	bool member = mc->naggr == 0; /* an SVM without a list may use them all */
	for (size_t i = 0; i < mc->naggr && !member; i++)
		member = strcmp(mc->aggr[i].name, a.name) == 0;
	js_str(rec, "state", &state);
	if (!member || strcasecmp(state, "online") != 0 ||
	    js_int(rec, "space.block_storage.size", 0, INT64_MAX, &size) < 0)
		return 0;
	js_int(rec, "space.block_storage.used", 0, INT64_MAX, &used);
	if (!*mc->best.name || size - used > mc->best_room) {
		mc->best = a;
		mc->best_room = size - used;
	}
	return 0;
}

static void room_end(struct call *c, const struct ontap_error *e)
{
	struct make_call *mc = of(c);
	if (e && e->http_status != 403 && e->err != -EOPNOTSUPP && e->err != -EINVAL && e->err != -ENOENT) {
		call_end(c, e);
		return;
	}
	if (e)
		log_info("the room of the aggregates is not visible: %s", e->text);
	if (!*mc->best.name && mc->naggr > 0)
		mc->best = mc->aggr[0];
	if (*mc->best.name)
		post(c);
	else
		call_fail(c, -ENOSPC, "cannot %s: the SVM has no aggregate that the account may see", c->what);
}

static void on_svm(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct make_call *mc = of(c);
	struct json_object *list = NULL, *rec = e ? NULL : page_instance(root);
	if (e) {
		call_end(c, e);
		return;
	}
	int n = rec ? js_len(rec, "aggregates") : 0;
	if (n > AGGREGATES_MAX)
		n = AGGREGATES_MAX;
	if (n > 0 && js_find(rec, "aggregates", &list) == 0) {
		mc->aggr = calloc((size_t)n, sizeof(*mc->aggr));
		if (!mc->aggr) {
			call_fail(c, -ENOMEM, "cannot %s: out of memory", c->what);
			return;
		}
		for (size_t i = 0; i < (size_t)n; i++)
			if (js_copy(js_at(list, i), "name", mc->aggr[mc->naggr].name, sizeof(mc->aggr->name)) == 0)
				mc->naggr++;
	}
	if (mc->naggr == 1) {
		mc->best = mc->aggr[0]; /* no choice */
		post(c);
		return;
	}
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/storage/aggregates?fields=name,state,space.block_storage.size,"
		     "space.block_storage.used");
	page_run(c, room_record, room_end);
}

static void find_aggregate(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/svm/svms?fields=name,aggregates");
	if (c->o->svm_known)
		call_param(c, "uuid", uuid_format(&c->o->svm_uuid, text));
	else if (*c->o->svm_name)
		call_param(c, "name", c->o->svm_name);
	call_send(c, on_svm);
}

/* ---- the door ----------------------------------------------------------- */

static const struct call_ops make_ops = {sizeof(struct make_call), post, volume_tell, make_fini};
static const struct call_ops create_ops = {sizeof(struct make_call), find_aggregate, volume_tell, make_fini};

static struct call *new_call(struct ontap *o, const struct call_ops *ops, const char *name,
			     const char *parent, void (*fn)(void), void *priv)
{
	struct call *c = call_new(o, ops, fn, priv);
	if (!c)
		return NULL;
	buf_init(&of(c)->body, BODY_MAX);
	snprintf(of(c)->r.name, sizeof(of(c)->r.name), "%s", name);
	snprintf(of(c)->parent, sizeof(of(c)->parent), "%s", parent);
	say_make(c);
	return c;
}

static void end_long_name(struct call *c)
{
	call_fail(c, -ENAMETOOLONG, "cannot %s: the name is longer than %d bytes", c->what, VOLUME_NAME_MAX);
}

static void end_bad_name(struct call *c)
{
	call_fail(c, -EINVAL, "cannot %s: a volume's name has letters, digits and _ only, and no digit first",
		  c->what);
}

/* Copies what both kinds need later, and refuses what cannot be right. */
static void take_common(struct call *c, const char *name, const char *junction, const char *policy,
			const char *comment, const char *request_id)
{
	struct make_call *mc = of(c);
	int r = volume_check_name(name);
	call_take(c, mc->junction, sizeof(mc->junction), junction ? junction : "");
	call_take(c, mc->export_policy, sizeof(mc->export_policy), policy ? policy : "");
	call_take(c, mc->request_id, sizeof(mc->request_id), request_id);
	if (strlen(comment) > ONTAP_COMMENT_MAX || (*mc->junction && *mc->junction != '/'))
		call_invalid(c);
	if (r < 0)
		call_after(c, 0, r == -ENAMETOOLONG ? end_long_name : end_bad_name);
}

void ontap_volume_clone(struct ontap *o, const struct ontap_clone *cl, ontap_volumes_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	const char *parent = not_empty(cl->parent_name);
	struct call *c = new_call(o, &make_ops, cl->name, parent ? parent : uuid_format(&cl->parent, text),
				  (void (*)(void))fn, priv);
	if (!c)
		return;
	volume_body_clone(&of(c)->body, cl, &o->svm_uuid, o->svm_name);
	take_common(c, cl->name, cl->junction, cl->export_policy, cl->comment, cl->request_id);
	if (!parent && uuid_is_zero(&cl->parent))
		call_invalid(c);
}

static void end_no_snapdir(struct call *c)
{
	call_fail(c, -EOPNOTSUPP,
		  "cannot %s: before 9.13.1 ONTAP's REST API cannot switch its snapshot directory off", c->what);
}

static bool is_mode(const char *s)
{
	size_t n = strlen(s);
	return (n == 3 || n == 4) && strspn(s, "01234567") == n;
}

void ontap_volume_create(struct ontap *o, const struct ontap_create *cr, ontap_volumes_fn fn, void *priv)
{
	const struct call_ops *ops = cr->style == ONTAP_FLEXGROUP ? &make_ops : &create_ops;
	struct call *c = new_call(o, ops, cr->name, "", (void (*)(void))fn, priv);
	if (!c)
		return;
	of(c)->no_snapdir = !cr->snapshot_dir;
	volume_body_create(&of(c)->body, cr, &o->svm_uuid, o->svm_name);
	take_common(c, cr->name, cr->junction, cr->export_policy, cr->comment, cr->request_id);
	if ((cr->unix_permissions && !is_mode(cr->unix_permissions)) ||
	    (cr->space_reserve && strcmp(cr->space_reserve, "none") != 0 &&
	     strcmp(cr->space_reserve, "volume") != 0))
		call_invalid(c);
	else if (of(c)->no_snapdir && o->version && o->version < VERSION_SNAPDIR)
		call_after(c, 0, end_no_snapdir);
}
