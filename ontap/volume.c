/* Volumes: list, find by name, get by uuid.
 *
 * `fields` names exactly what is read. nas.path is expensive for ONTAP and in
 * none of its default sets, so it must be named to come at all. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fs/base/log.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define VOLUME_FIELDS                                                                          \
	"uuid,name,style,type,state,size,comment,create_time,space.used,space.afs_total,nas.path,"     \
	"nas.export_policy.name,is_svm_root,flexcache_endpoint_type,clone.is_flexclone,"               \
	"clone.parent_volume.uuid,clone.parent_volume.name,clone.parent_snapshot.uuid,"                \
	"clone.parent_snapshot.name,clone.split_initiated,clone.split_complete_percent"
#define VOLUME_FIELDS_NEW ",snapshot_count,snapshot_directory_access_enabled"
/* Keeps one page, and so one pause of the control thread for parsing, small. */
#define VOLUME_PAGE "1000"

/* ---- parsing ------------------------------------------------------------ */

bool volume_is_constituent(struct json_object *rec)
{
	const char *style;
	return js_str(rec, "style", &style) == 0 && strcasecmp(style, "flexgroup_constituent") == 0;
}

static void parse_words(struct reader *r, struct ontap_volume *v)
{
	char style[64], type[16], state[32], cache[32];
	rd_str(r, "style", style, sizeof(style), OPTIONAL);
	rd_str(r, "type", type, sizeof(type), OPTIONAL); /* "rw" or "RW" */
	rd_str(r, "state", state, sizeof(state), OPTIONAL);
	rd_str(r, "flexcache_endpoint_type", cache, sizeof(cache), OPTIONAL);

	if (*style == '\0' || strcasecmp(style, "flexvol") == 0)
		v->style = ONTAP_FLEXVOL;
	else if (strcasecmp(style, "flexgroup") == 0)
		v->style = ONTAP_FLEXGROUP;
	else
		rd_bad(r, "style", "is of an unknown kind");
	if (*type == '\0' || strcasecmp(type, "rw") == 0)
		v->type = ONTAP_RW;
	else if (strcasecmp(type, "dp") == 0)
		v->type = ONTAP_DP;
	else if (strcasecmp(type, "ls") == 0)
		v->type = ONTAP_LS;
	else
		rd_bad(r, "type", "is of an unknown kind");
	v->online = strcasecmp(state, "online") == 0;
	v->is_flexcache = strcasecmp(cache, "cache") == 0;
}

static void parse_clone(struct reader *r, struct ontap_volume *v)
{
	bool splitting = false;
	int64_t percent = 0;
	rd_bool(r, "clone.is_flexclone", &v->is_flexclone, OPTIONAL);
	v->split_percent = -1;
	if (!v->is_flexclone)
		return;
	rd_uuid(r, "clone.parent_volume.uuid", &v->clone_parent, OPTIONAL);
	rd_uuid(r, "clone.parent_snapshot.uuid", &v->clone_snapshot, OPTIONAL);
	rd_str(r, "clone.parent_volume.name", v->clone_parent_name, sizeof(v->clone_parent_name),
	       OPTIONAL);
	rd_str(r, "clone.parent_snapshot.name", v->clone_snapshot_name,
	       sizeof(v->clone_snapshot_name), OPTIONAL);
	rd_bool(r, "clone.split_initiated", &splitting, OPTIONAL);
	rd_int(r, "clone.split_complete_percent", 0, 100, &percent, OPTIONAL);
	if (splitting || percent > 0)
		v->split_percent = (int)percent;
}

int volume_parse(struct json_object *rec, struct ontap_volume *ret, char why[160])
{
	struct ontap_volume v = {.snapdir_access = true, .split_percent = -1};
	struct reader r;
	int64_t snapshots = 0;
	rd_init(&r, rec);
	rd_uuid(&r, "uuid", &v.uuid, REQUIRED);
	rd_name(&r, "name", v.name, sizeof(v.name), REQUIRED);
	rd_str(&r, "nas.path", v.junction, sizeof(v.junction), OPTIONAL);
	if (*v.junction && *v.junction != '/')
		rd_bad(&r, "nas.path", "does not start with a slash");
	rd_str(&r, "nas.export_policy.name", v.export_policy, sizeof(v.export_policy), OPTIONAL);
	/* ONTAP counts characters, we bytes. A comment that does not fit is
	 * dropped whole: what it says about ownership must not be half read, and
	 * the volume must not vanish for it. */
	if (js_copy(rec, "comment", v.comment, sizeof(v.comment)) == -ENAMETOOLONG)
		log_warn("volume %s: its comment is longer than %d bytes and is ignored", v.name,
			 ONTAP_COMMENT_MAX);
	parse_words(&r, &v);
	rd_bool(&r, "is_svm_root", &v.is_svm_root, OPTIONAL);
	rd_bool(&r, "snapshot_directory_access_enabled", &v.snapdir_access, OPTIONAL);
	rd_u64(&r, "size", &v.size, OPTIONAL);
	rd_u64(&r, "space.used", &v.used, OPTIONAL);
	rd_u64(&r, "space.afs_total", &v.afs_total, OPTIONAL);
	if (!v.afs_total)
		v.afs_total = v.size; /* older releases do not report it */
	rd_time(&r, "create_time", &v.create_time, OPTIONAL);
	rd_int(&r, "snapshot_count", 0, INT32_MAX, &snapshots, OPTIONAL);
	v.snapshot_count = (int)snapshots;
	parse_clone(&r, &v);
	if (r.err) {
		memcpy(why, r.why, sizeof(r.why));
		return r.err;
	}
	*ret = v;
	return 0;
}

/* ---- calls -------------------------------------------------------------- */

struct volume_call {
	struct call c;
	struct uuid uuid;                /* get */
	char name[ONTAP_NAME_MAX + 1];   /* find; "" otherwise */
	struct ontap_volume *v;
	size_t n, cap;
};

static struct volume_call *of(struct call *c)
{
	return (struct volume_call *)c;
}

static void tell(void (*fn)(void), const struct ontap_error *e, void *priv)
{
	((ontap_volumes_fn)fn)(NULL, 0, e, priv);
}

static void volume_finish(struct call *c, const struct ontap_error *e)
{
	struct volume_call *vc = of(c);
	((ontap_volumes_fn)c->fn)(e ? NULL : vc->v, e ? 0 : vc->n, e, c->priv);
}

static void volume_fini(struct call *c)
{
	free(of(c)->v);
}

const char *volume_fields(const struct ontap *o)
{
	bool old = o->old_volume_fields || (o->version && o->version < VERSION_SNAPDIR);
	return old ? VOLUME_FIELDS : VOLUME_FIELDS VOLUME_FIELDS_NEW;
}

void volume_request(struct call *c, const char *name)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/storage/volumes?fields=%s&max_records=" VOLUME_PAGE,
		     volume_fields(c->o));
	if (c->o->svm_known)
		call_param(c, "svm.uuid", uuid_format(&c->o->svm_uuid, text));
	else if (*c->o->svm_name)
		call_param(c, "svm.name", c->o->svm_name);
	if (*name)
		call_param(c, "name", name);
}

static int volume_add(struct volume_call *vc, const struct ontap_volume *v)
{
	if (vc->n == vc->cap) {
		size_t cap = vc->cap ? vc->cap * 2 : 16;
		struct ontap_volume *p = realloc(vc->v, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		vc->v = p;
		vc->cap = cap;
	}
	vc->v[vc->n++] = *v;
	return 0;
}

static int volume_record(struct call *c, struct json_object *rec)
{
	struct volume_call *vc = of(c);
	struct ontap_volume v;
	char why[160];
	if (volume_is_constituent(rec))
		return 0;
	if (volume_parse(rec, &v, why) < 0) {
		/* One strange record must not hide all the others. */
		atomic_fetch_add(&c->o->counters.records_rejected, 1);
		log_warn("a volume is left out of the list: %s", why);
		return 0;
	}
	/* The server's filter is a pattern and may be lax; ours is exact. */
	if (*vc->name && strcmp(vc->name, v.name) != 0)
		return 0;
	return volume_add(vc, &v);
}

static void volume_list_start(struct call *c);

static void volume_list_end(struct call *c, const struct ontap_error *e)
{
	if (e && e->code == ONTAP_CODE_UNKNOWN_FIELD && !c->o->old_volume_fields) {
		c->o->old_volume_fields = true;
		of(c)->n = 0;
		call_after(c, 0, volume_list_start);
		return;
	}
	call_end(c, e);
}

static void volume_list_start(struct call *c)
{
	struct volume_call *vc = of(c);
	if (*vc->name && query_is_expression(vc->name)) {
		call_end(c, NULL); /* no volume's name has such a character */
		return;
	}
	volume_request(c, vc->name);
	page_run(c, volume_record, volume_list_end);
}

static void volume_get_start(struct call *c);

static void volume_got(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e && e->code == ONTAP_CODE_UNKNOWN_FIELD && !c->o->old_volume_fields) {
		c->o->old_volume_fields = true;
		call_after(c, 0, volume_get_start);
		return;
	}
	if (e && e->err == -ENOENT) {
		call_end(c, NULL); /* no such volume: an empty answer, as with find */
		return;
	}
	if (e) {
		call_end(c, e);
		return;
	}
	struct ontap_volume v;
	char why[160] = "no record";
	struct json_object *rec = page_instance(root);
	if (!rec || volume_parse(rec, &v, why) < 0) {
		call_fail(c, -EIO, "cannot %s: ONTAP's record is not usable: %s", c->what, why);
		return;
	}
	if (volume_add(of(c), &v) < 0)
		call_fail(c, -ENOMEM, "cannot %s: out of memory", c->what);
	else
		call_end(c, NULL);
}

static void volume_get_start(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/storage/volumes/%s?fields=%s",
		     uuid_format(&of(c)->uuid, text), volume_fields(c->o));
	call_send(c, volume_got);
}

static const struct call_ops list_ops = {sizeof(struct volume_call), volume_list_start,
					 volume_finish, volume_fini};
static const struct call_ops get_ops = {sizeof(struct volume_call), volume_get_start,
					volume_finish, volume_fini};

void ontap_volume_list(struct ontap *o, ontap_volumes_fn fn, void *priv)
{
	struct call *c = call_new(o, &list_ops, (void (*)(void))fn, priv, tell);
	if (c && *o->svm_name)
		call_what(c, "list the volumes of SVM \"%s\"", o->svm_name);
	else if (c)
		call_what(c, "list the volumes");
}

static void end_empty(struct call *c)
{
	call_end(c, NULL);
}

void ontap_volume_find(struct ontap *o, const char *name, ontap_volumes_fn fn, void *priv)
{
	struct call *c = call_new(o, &list_ops, (void (*)(void))fn, priv, tell);
	if (!c)
		return;
	call_what(c, "find volume \"%s\"", name);
	if (*name == '\0' || strlen(name) > ONTAP_NAME_MAX)
		call_after(c, 0, end_empty); /* no volume has such a name */
	else
		snprintf(of(c)->name, sizeof(of(c)->name), "%s", name);
}

void ontap_volume_get(struct ontap *o, const struct uuid *volume, ontap_volumes_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, &get_ops, (void (*)(void))fn, priv, tell);
	if (!c)
		return;
	of(c)->uuid = *volume;
	call_what(c, "read volume %s", uuid_format(volume, text));
}
