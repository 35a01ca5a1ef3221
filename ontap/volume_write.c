/* Changes of volumes that exist: delete, comment, snapshot directory, split.
 *
 * All by uuid, so that each may be repeated when a reply or a job is lost:
 *   patches  are the same when done twice;
 *   split    a second one is refused, so after a refusal the volume is read;
 *   delete   404 means done. It has steps, and the volume's users must not lose
 *            their mount for a delete that is then refused: first it is looked
 *            whether clones hold the volume, and what ONTAP refuses in the end
 *            is mounted again where it was. Only an end of this process, of the
 *            connection or of the deadline in between leaves it unmounted. */
#include "ontap/ontap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/log.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define BODY_MAX     8192
#define CLONES_PAGE  "1000"
#define CLONES_NAMED 3

struct write_call {
	struct call c;
	struct uuid volume;
	struct buf body; /* of a patch */
	bool snapdir;    /* the patch is of the snapshot directory */
	unsigned rounds;
	struct ontap_error doubt; /* why the outcome was unknown; err 0: it is not */

	/* delete */
	bool force;
	char name[ONTAP_NAME_MAX + 1];
	char junction[ONTAP_PATH_MAX + 1]; /* "" when it was not mounted */
	bool unmounted;                    /* by us */
	struct ontap_error refused;        /* why it stays; told after the mount */
	size_t nclones;
	char clones[160]; /* the first few, for the sentence */
};

static struct write_call *of(struct call *c)
{
	return (struct write_call *)c;
}

static void tell(void (*fn)(void), const struct ontap_error *e, void *priv)
{
	((ontap_done_fn)fn)(e, priv);
}

static void write_finish(struct call *c, const struct ontap_error *e)
{
	((ontap_done_fn)c->fn)(e, c->priv);
}

static void write_fini(struct call *c)
{
	buf_fini(&of(c)->body);
}

/* Another round of a step that is safe to repeat, or the reason of the doubt. */
static void repeat(struct call *c, const struct ontap_error *e, void (*step)(struct call *c))
{
	struct write_call *wc = of(c);
	wc->doubt = *e;
	if (++wc->rounds > CALL_ROUNDS)
		call_end(c, &wc->doubt);
	else
		call_after(c, call_backoff_ms(wc->rounds), step);
}

static void request_volume(struct call *c, enum http_method method, const char *query)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, method, CALL_REPLY_MAX, "/storage/volumes/%s%s",
		     uuid_format(&of(c)->volume, text), query);
}

/* ---- patches ------------------------------------------------------------ */

static void patch_send(struct call *c);

static void patch_end(struct call *c, const struct ontap_error *e)
{
	if (e && c->unsure) {
		repeat(c, e, patch_send);
	} else if (e && of(c)->snapdir &&
		   (e->code == ONTAP_CODE_UNKNOWN_FIELD || e->code == ONTAP_CODE_FIELD_NOT_SETTABLE)) {
		struct ontap_error old = *e; /* a release without that switch */
		old.err = -EOPNOTSUPP;
		call_end(c, &old);
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
	struct write_call *wc = of(c);
	request_volume(c, HTTP_PATCH, "");
	job_param(c);
	if (!buf_ok(&wc->body) || !call_body_is_faithful(&wc->body)) {
		call_fail(c, -EINVAL, "cannot %s: the value is too long or not UTF-8", c->what);
		return;
	}
	buf_append(&c->body, wc->body.data, wc->body.len);
	call_send(c, on_patch);
}

/* ---- split -------------------------------------------------------------- */

static void split_send(struct call *c);

/* After a refusal: it may be under way, or over, by a request of before. */
static void split_looked(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	struct json_object *rec = e ? NULL : page_instance(root);
	bool clone = false, splitting = false;
	if (rec) {
		js_bool(rec, "clone.is_flexclone", &clone);
		js_bool(rec, "clone.split_initiated", &splitting);
	}
	if (rec && (splitting || (wc->doubt.err && !clone)))
		call_end(c, NULL);
	else
		call_end(c, &wc->refused);
}

static void on_split(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	(void)root; /* the job takes as long as the split */
	if (!e || e->err == -ENOENT || e->err == -EACCES) {
		call_end(c, e);
	} else if (c->unsure) {
		repeat(c, e, split_send);
	} else {
		wc->refused = *e;
		request_volume(c, HTTP_GET, "?fields=clone.is_flexclone,clone.split_initiated");
		call_send(c, split_looked);
	}
}

static void split_send(struct call *c)
{
	request_volume(c, HTTP_PATCH, "");
	buf_puts(&c->body, "{\"clone\":{\"split_initiated\":true}}");
	call_send(c, on_split);
}

/* ---- delete: refused ----------------------------------------------------- */

static void mount_send(struct call *c);

static void mount_end(struct call *c, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	if (e && c->unsure && ++wc->rounds <= CALL_ROUNDS) {
		call_after(c, call_backoff_ms(wc->rounds), mount_send);
		return;
	}
	if (e) {
		log_error("volume %s was unmounted from %s and could not be mounted again: %s", wc->name,
			wc->junction, e->text);
		call_fail(c, wc->refused.err, "%.300s; it is unmounted now, and was mounted at \"%.120s\"",
			  wc->refused.text, wc->junction);
		return;
	}
	call_end(c, &wc->refused);
}

static void on_mount(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e)
		mount_end(c, e);
	else
		job_wait(c, root, mount_end);
}

static void patch_path(struct call *c, const char *path, call_reply_fn reply)
{
	request_volume(c, HTTP_PATCH, "");
	job_param(c);
	buf_puts(&c->body, "{");
	volume_body_nas(&c->body, path, NULL);
	buf_puts(&c->body, "}");
	call_send(c, reply);
}

static void mount_send(struct call *c)
{
	patch_path(c, of(c)->junction, on_mount);
}

/* The volume stays, hence where it was. */
static void refuse(struct call *c, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	wc->refused = *e;
	wc->rounds = 0;
	if (wc->unmounted)
		mount_send(c);
	else
		call_end(c, &wc->refused);
}

/* ---- delete ------------------------------------------------------------- */

static void delete_send(struct call *c);

static void delete_end(struct call *c, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	if (!e || (e->err == -ENOENT && !c->unsure))
		call_end(c, NULL);
	else if (c->unsure)
		repeat(c, e, delete_send); /* answers 404 when the first one did it */
	else if (e->code == ONTAP_CODE_VOLUME_BUSY && wc->rounds < CALL_ROUNDS)
		repeat(c, e, delete_send); /* mostly passes: the unmount has just been */
	else
		refuse(c, e);
}

static void on_delete(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e)
		delete_end(c, e);
	else
		job_wait(c, root, delete_end);
}

static void delete_send(struct call *c)
{
	request_volume(c, HTTP_DELETE, of(c)->force ? "?force=true" : "?force=false");
	job_param(c);
	call_send(c, on_delete);
}

static void unmount_send(struct call *c);

static void unmount_end(struct call *c, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	if (e && c->unsure) {
		repeat(c, e, unmount_send);
	} else if (e) {
		call_end(c, e->err == -ENOENT ? NULL : e);
	} else {
		wc->unmounted = true;
		wc->rounds = 0;
		delete_send(c);
	}
}

static void on_unmount(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e)
		unmount_end(c, e);
	else
		job_wait(c, root, unmount_end);
}

static void unmount_send(struct call *c)
{
	patch_path(c, "", on_unmount);
}

/* ---- delete: what is it, and who needs it ---------------------------------- */

static int clone_record(struct call *c, struct json_object *rec)
{
	struct write_call *wc = of(c);
	struct uuid parent;
	const char *name = "?";
	size_t used = strlen(wc->clones);
	/* A server that ignored the filter would name any volume. */
	if (js_uuid(rec, "clone.parent_volume.uuid", &parent) < 0 || !uuid_eq(&parent, &wc->volume) ||
	    volume_is_constituent(rec))
		return 0;
	js_str(rec, "name", &name);
	if (wc->nclones++ < CLONES_NAMED)
		snprintf(wc->clones + used, sizeof(wc->clones) - used, "%s%.48s", used ? ", " : "", name);
	return 0;
}

static void clones_end(struct call *c, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	/* Without that filter the DELETE itself will tell. */
	if (e && e->err != -EINVAL && e->err != -EOPNOTSUPP)
		call_end(c, e);
	else if (!e && wc->nclones > 0)
		call_fail(c, -EBUSY, "cannot %s: it has the clone%s %s%s", c->what, wc->nclones > 1 ? "s" : "",
			  wc->clones, wc->nclones > CLONES_NAMED ? ", ..." : "");
	else if (*wc->junction)
		unmount_send(c);
	else
		delete_send(c);
}

static void on_volume(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	struct json_object *rec = e ? NULL : page_instance(root);
	char text[UUID_TEXT_LEN + 1];
	if (e) {
		call_end(c, e->err == -ENOENT ? NULL : e);
		return;
	}
	if (!rec || js_copy(rec, "name", wc->name, sizeof(wc->name)) < 0) {
		call_fail(c, -EIO, "cannot %s: ONTAP's record is not usable", c->what);
		return;
	}
	call_what(c, "delete volume \"%s\"", wc->name);
	js_copy(rec, "nas.path", wc->junction, sizeof(wc->junction));
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/storage/volumes?fields=name,style,clone.parent_volume.uuid&max_records=" CLONES_PAGE
		     "&clone.parent_volume.uuid=%s", uuid_format(&wc->volume, text));
	page_run(c, clone_record, clones_end);
}

static void delete_start(struct call *c)
{
	request_volume(c, HTTP_GET, "?fields=name,nas.path");
	call_send(c, on_volume);
}

/* ---- the door ----------------------------------------------------------- */

static const struct call_ops delete_ops = {sizeof(struct write_call), delete_start, write_finish, write_fini};
static const struct call_ops patch_ops = {sizeof(struct write_call), patch_send, write_finish, write_fini};
static const struct call_ops split_ops = {sizeof(struct write_call), split_send, write_finish, write_fini};

/* verb: "delete", "set the comment of", ... */
static struct call *new_call(struct ontap *o, const struct call_ops *ops, const char *verb,
			     const struct uuid *volume, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, ops, (void (*)(void))fn, priv, tell);
	if (!c)
		return NULL;
	of(c)->volume = *volume;
	buf_init(&of(c)->body, BODY_MAX);
	call_what(c, "%s volume %s", verb, uuid_format(volume, text));
	return c;
}

void ontap_volume_delete(struct ontap *o, const struct uuid *volume, bool skip_recovery_queue,
			 ontap_done_fn fn, void *priv)
{
	struct call *c = new_call(o, &delete_ops, "delete", volume, fn, priv);
	if (c)
		of(c)->force = skip_recovery_queue;
}

void ontap_volume_snapdir(struct ontap *o, const struct uuid *volume, bool on, ontap_done_fn fn,
			  void *priv)
{
	struct call *c = new_call(o, &patch_ops, on ? "switch on the snapshot directory of" :
				  "switch off the snapshot directory of", volume, fn, priv);
	if (!c)
		return;
	of(c)->snapdir = true;
	buf_printf(&of(c)->body, "{\"snapshot_directory_access_enabled\":%s}", on ? "true" : "false");
}

void ontap_volume_comment(struct ontap *o, const struct uuid *volume, const char *comment,
			  ontap_done_fn fn, void *priv)
{
	struct call *c = new_call(o, &patch_ops, "set the comment of", volume, fn, priv);
	if (!c)
		return;
	buf_puts(&of(c)->body, "{\"comment\":");
	buf_json(&of(c)->body, comment);
	buf_puts(&of(c)->body, "}");
	if (strlen(comment) > ONTAP_COMMENT_MAX)
		call_invalid(c);
}

void ontap_volume_split(struct ontap *o, const struct uuid *volume, ontap_done_fn fn, void *priv)
{
	new_call(o, &split_ops, "split clone", volume, fn, priv);
}
