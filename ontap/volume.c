/* Volumes: list, find by name, get by uuid.
 *
 * `fields` names exactly what is read. nas.path is expensive for ONTAP and in
 * none of its default sets, so it must be named to come at all. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fs/base/log.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define VOLUME_FIELDS                                                                          \
	"uuid,name,style,type,state,size,comment,create_time,space.used,nas.path,"                     \
	"nas.export_policy.name,is_svm_root,flexcache_endpoint_type,clone.is_flexclone,"               \
	"clone.parent_volume.uuid,clone.parent_volume.name,clone.parent_snapshot.uuid,"                \
	"clone.parent_snapshot.name,clone.split_initiated,clone.split_complete_percent"
/* Later, without a release being stated; and those of VERSION_SNAPDIR. */
#define VOLUME_FIELDS_LATER ",space.afs_total"
#define VOLUME_FIELDS_NEW   VOLUME_FIELDS_LATER ",snapshot_count,snapshot_directory_access_enabled"
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
	return rd_done(&r, why, ret, &v, sizeof(v));
}

/* ---- calls -------------------------------------------------------------- */

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return volume_parse(rec, ret, why);
}

static bool want(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_volume *v = row;
	if (!v)
		return !volume_is_constituent(rec);
	/* The server's filter is a pattern and may be lax; ours is exact. */
	return !*read_of(c)->name || strcmp(read_of(c)->name, v->name) == 0;
}

const struct kind volume_kind = {"a volume", sizeof(struct ontap_volume), parse, want,
				 offsetof(struct ontap, old_volume_fields)};

void volume_tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	((ontap_volumes_fn)fn)(data, n, e, priv);
}

static const char *fields(const struct ontap *o)
{
	if (o->old_volume_fields)
		return VOLUME_FIELDS;
	return o->version && o->version < VERSION_SNAPDIR ? VOLUME_FIELDS VOLUME_FIELDS_LATER
							  : VOLUME_FIELDS VOLUME_FIELDS_NEW;
}

void param_svm(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	if (c->o->svm_known)
		call_param(c, "svm.uuid", uuid_format(&c->o->svm_uuid, text));
	else if (*c->o->svm_name)
		call_param(c, "svm.name", c->o->svm_name);
}

void volume_request(struct call *c)
{
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/storage/volumes?fields=%s&max_records=" VOLUME_PAGE,
		     fields(c->o));
	param_svm(c);
	if (*read_of(c)->name)
		call_param(c, "name", read_of(c)->name);
}

void request_volume(struct call *c, enum http_method method, const struct uuid *volume, const char *query)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, method, CALL_REPLY_MAX, "/storage/volumes/%s%s", uuid_format(volume, text), query);
}

static void list_start(struct call *c)
{
	if (query_is_expression(read_of(c)->name))
		call_end(c, NULL); /* no volume's name has such a character */
	else
		read_list(c, &volume_kind, volume_request, call_end);
}

static void request_one(struct call *c)
{
	request_volume(c, HTTP_GET, &read_of(c)->uuid, "?fields=");
	buf_puts(&c->path, fields(c->o));
}

static void get_start(struct call *c)
{
	read_one(c, &volume_kind, request_one, call_end);
}

static void request_clones(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	struct read_call *rc = read_of(c);
	volume_request(c);
	call_param(c, "clone.parent_volume.uuid", uuid_format(&rc->parent, text));
	if (!uuid_is_zero(&rc->uuid))
		call_param(c, "clone.parent_snapshot.uuid", uuid_format(&rc->uuid, text));
}

/* A server that ignored a filter would name any volume. */
static bool want_clone(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_volume *v = row;
	const struct read_call *rc = read_of(c);
	if (!v)
		return !volume_is_constituent(rec);
	return uuid_eq(&v->clone_parent, &rc->parent) &&
	       (uuid_is_zero(&rc->uuid) || uuid_eq(&v->clone_snapshot, &rc->uuid));
}

static const struct kind clone_kind = {"a clone", sizeof(struct ontap_volume), parse, want_clone,
				       offsetof(struct ontap, old_volume_fields)};

static void clones_start(struct call *c)
{
	read_list(c, &clone_kind, request_clones, call_end);
}

static const struct call_ops list_ops = {sizeof(struct read_call), list_start, volume_tell, read_fini};
static const struct call_ops get_ops = {sizeof(struct read_call), get_start, volume_tell, read_fini};
static const struct call_ops clones_ops = {sizeof(struct read_call), clones_start, volume_tell, read_fini};

static void what_list(const struct ontap *o, struct call *c)
{
	if (*o->svm_name)
		call_what(c, "list the volumes of SVM \"%s\"", o->svm_name);
	else
		call_what(c, "list the volumes");
}

void ontap_volume_list(struct ontap *o, ontap_volumes_fn fn, void *priv)
{
	struct call *c = call_new(o, &list_ops, (void (*)(void))fn, priv);
	if (c)
		what_list(o, c);
}

/* A list whose rows are shown and not kept. */
struct scan_call {
	struct read_call rc;
	void (*each)(const struct ontap_volume *v, void *priv);
	void *priv;
};

static bool show_and_drop(struct call *c, struct json_object *rec, const void *row)
{
	const struct scan_call *sc = (struct scan_call *)c;
	if (!row)
		return !volume_is_constituent(rec);
	sc->each(row, sc->priv);
	return false;
}

static const struct kind scan_kind = {"a volume", sizeof(struct ontap_volume), parse, show_and_drop,
				      offsetof(struct ontap, old_volume_fields)};

static void scan_start(struct call *c)
{
	read_list(c, &scan_kind, volume_request, call_end);
}

static void scan_tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)data, (void)n;
	((ontap_done_fn)fn)(e, priv);
}

static const struct call_ops scan_ops = {sizeof(struct scan_call), scan_start, scan_tell, read_fini};

void ontap_volume_scan(struct ontap *o, void (*each)(const struct ontap_volume *v, void *priv),
		       void *each_priv, ontap_done_fn done, void *priv)
{
	struct call *c = call_new(o, &scan_ops, (void (*)(void))done, priv);
	if (!c)
		return;
	((struct scan_call *)c)->each = each;
	((struct scan_call *)c)->priv = each_priv;
	what_list(o, c);
}

void ontap_volume_find(struct ontap *o, const char *name, ontap_volumes_fn fn, void *priv)
{
	struct call *c = call_new(o, &list_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "find volume \"%s\"", name);
	if (*name == '\0' || strlen(name) > ONTAP_NAME_MAX)
		call_after(c, 0, call_end_now); /* no volume has such a name */
	else
		snprintf(read_of(c)->name, sizeof(read_of(c)->name), "%s", name);
}

void ontap_volume_get(struct ontap *o, const struct uuid *volume, ontap_volumes_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, &get_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	read_of(c)->uuid = *volume;
	call_what(c, "read volume %s", uuid_format(volume, text));
}

void ontap_volume_clones(struct ontap *o, const struct uuid *parent, const struct uuid *snapshot,
			 ontap_volumes_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, &clones_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	read_of(c)->parent = *parent;
	if (snapshot)
		read_of(c)->uuid = *snapshot;
	call_what(c, "list the clones of volume %s", uuid_format(parent, text));
}
