/* Changes of volumes that exist: delete, restore, size, comment, snapshot directory.
 *
 * All by uuid, so that each may be repeated when a reply or a job is lost:
 *   patches  are the same when done twice;
 *   restore  is not, once somebody wrote again: it is sent once;
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
	struct uuid snapshot; /* restore */

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

static void write_fini(struct call *c)
{
	buf_fini(&of(c)->body);
}

/* ---- patches ------------------------------------------------------------ */

static void patch_end(struct call *c, const struct ontap_error *e)
{
	if (e && of(c)->snapdir &&
	    (e->code == ONTAP_CODE_UNKNOWN_FIELD || e->code == ONTAP_CODE_FIELD_NOT_SETTABLE)) {
		struct ontap_error old = *e; /* a release without that switch */
		old.err = -EOPNOTSUPP;
		call_end(c, &old);
	} else {
		call_end(c, e);
	}
}

static void make_patch(struct call *c)
{
	const struct buf *b = &of(c)->body;
	request_volume(c, HTTP_PATCH, &of(c)->volume, "");
	buf_append(&c->body, b->data, b->len);
}

static void patch_start(struct call *c)
{
	if (!buf_ok(&of(c)->body))
		call_fail(c, -EINVAL, "cannot %s: the value is too long", c->what);
	else
		write_run(c, make_patch, patch_end);
}

/* ---- restore -------------------------------------------------------------- */

static void restore_end(struct call *c, const struct ontap_error *e)
{
	struct ontap_error unknown;
	if (e && c->unsure) {
		error_set(&unknown, -EINPROGRESS, e->http_status, e->code,
			  "it is not known whether ONTAP does it (%.200s): look at the volume before anything "
			  "else, and at 'ontapfs jobs'", e->text);
		e = &unknown;
	}
	call_end(c, e);
}

/* In the query, as other clients send it; a body must be there all the same. */
static void make_restore(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	request_volume(c, HTTP_PATCH, &of(c)->volume, "");
	call_param(c, "restore_to.snapshot.uuid", uuid_format(&of(c)->snapshot, text));
	buf_puts(&c->body, "{}");
}

static void restore_start(struct call *c)
{
	write_once(c, make_restore, restore_end);
}

/* ---- delete: refused ----------------------------------------------------- */

static void mount_end(struct call *c, const struct ontap_error *e)
{
	struct write_call *wc = of(c);
	if (!e) {
		call_end(c, &wc->refused);
		return;
	}
	log_error("volume %s was unmounted from %s and could not be mounted again: %s", wc->name,
		  wc->junction, e->text);
	call_fail(c, wc->refused.err, "%.300s; it is unmounted now, and was mounted at \"%.120s\"",
		  wc->refused.text, wc->junction);
}

static void patch_path(struct call *c, const char *path)
{
	request_volume(c, HTTP_PATCH, &of(c)->volume, "");
	buf_puts(&c->body, "{");
	volume_body_nas(&c->body, path, NULL);
	buf_puts(&c->body, "}");
}

static void make_mount(struct call *c)
{
	patch_path(c, of(c)->junction);
}

/* The volume stays, hence where it was. */
static void refuse(struct call *c, const struct ontap_error *e)
{
	of(c)->refused = *e;
	if (of(c)->unmounted)
		write_run(c, make_mount, mount_end);
	else
		call_end(c, e);
}

/* ---- delete ------------------------------------------------------------- */

static void delete_end(struct call *c, const struct ontap_error *e)
{
	if (!e || (e->err == -ENOENT && !c->unsure))
		call_end(c, NULL);
	else if (c->unsure)
		call_end(c, e);
	else if (e->code == ONTAP_CODE_VOLUME_BUSY && write_again(c))
		return; /* mostly passes: the unmount has just been */
	else
		refuse(c, e);
}

static void make_delete(struct call *c)
{
	request_volume(c, HTTP_DELETE, &of(c)->volume, of(c)->force ? "?force=true" : "?force=false");
}

static void unmount_end(struct call *c, const struct ontap_error *e)
{
	if (e) {
		call_end(c, e->err == -ENOENT && !c->unsure ? NULL : e);
		return;
	}
	of(c)->unmounted = true;
	write_run(c, make_delete, delete_end);
}

static void make_unmount(struct call *c)
{
	patch_path(c, "");
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
		write_run(c, make_unmount, unmount_end);
	else
		write_run(c, make_delete, delete_end);
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
	request_volume(c, HTTP_GET, &of(c)->volume, "?fields=name,nas.path");
	call_send(c, on_volume);
}

/* ---- the door ----------------------------------------------------------- */

static const struct call_ops delete_ops = {sizeof(struct write_call), delete_start, write_tell, write_fini};
static const struct call_ops patch_ops = {sizeof(struct write_call), patch_start, write_tell, write_fini};
static const struct call_ops restore_ops = {sizeof(struct write_call), restore_start, write_tell, write_fini};

/* verb: "delete", "set the comment of", ... */
static struct call *new_call(struct ontap *o, const struct call_ops *ops, const char *verb,
			     const struct uuid *volume, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, ops, (void (*)(void))fn, priv);
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

void ontap_volume_resize(struct ontap *o, const struct uuid *volume, uint64_t bytes, ontap_done_fn fn,
			 void *priv)
{
	struct call *c = new_call(o, &patch_ops, "resize", volume, fn, priv);
	if (!c)
		return;
	buf_printf(&of(c)->body, "{\"size\":%llu}", (unsigned long long)bytes);
	if (bytes == 0 || bytes > INT64_MAX)
		call_invalid(c);
}

void ontap_volume_restore(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			  ontap_done_fn fn, void *priv)
{
	struct call *c = new_call(o, &restore_ops, "restore", volume, fn, priv);
	if (!c)
		return;
	c->told_pending = true;
	of(c)->snapshot = *snapshot;
}
