/* What is read of one volume or directory only, because ONTAP calls it expensive:
 * details of a volume, sizes of a directory's tree. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ontap/call.h"
#include "ontap/parse.h"

#define DETAIL_FIELDS                                                                          \
	"snapmirror.is_protected,snapshot_policy.name,space.snapshot.reserve_percent,"                 \
	"space.snapshot.used,files.maximum,files.used,space.logical_space.used"
/* 9.8; the others are older. */
#define DETAIL_FIELDS_NEW ",analytics.state"

int volume_details_parse(struct json_object *rec, struct ontap_volume_details *ret, char why[160])
{
	struct ontap_volume_details d = {.reserve_percent = -1};
	struct reader r;
	int64_t percent = -1;
	rd_init(&r, rec);
	rd_bool(&r, "snapmirror.is_protected", &d.is_protected, OPTIONAL);
	rd_str(&r, "analytics.state", d.analytics, sizeof(d.analytics), OPTIONAL);
	rd_str(&r, "snapshot_policy.name", d.snapshot_policy, sizeof(d.snapshot_policy), OPTIONAL);
	rd_u64(&r, "space.logical_space.used", &d.logical_used, OPTIONAL);
	rd_int(&r, "space.snapshot.reserve_percent", 0, 100, &percent, OPTIONAL);
	d.reserve_percent = (int)percent;
	rd_u64(&r, "space.snapshot.used", &d.reserve_used, OPTIONAL);
	rd_u64(&r, "files.maximum", &d.files_max, OPTIONAL);
	rd_u64(&r, "files.used", &d.files_used, OPTIONAL);
	return rd_done(&r, why, ret, &d, sizeof(d));
}

int usage_parse(struct json_object *rec, struct ontap_usage *ret, char why[160])
{
	struct ontap_usage u = {0};
	struct reader r;
	rd_init(&r, rec);
	rd_u64(&r, "analytics.bytes_used", &u.bytes, REQUIRED);
	rd_u64(&r, "analytics.file_count", &u.files, OPTIONAL);
	rd_u64(&r, "analytics.subdir_count", &u.subdirs, OPTIONAL);
	rd_bool(&r, "analytics.incomplete_data", &u.incomplete, OPTIONAL);
	rd_time(&r, "analytics.report_time", &u.report_time, OPTIONAL);
	return rd_done(&r, why, ret, &u, sizeof(u));
}

static int parse_details(struct json_object *rec, void *ret, char why[160])
{
	return volume_details_parse(rec, ret, why);
}

/* A directory whose sizes ONTAP does not keep has no such field. */
static bool has_usage(struct json_object *rec)
{
	struct json_object *a;
	return js_find(rec, "analytics.bytes_used", &a) == 0;
}

static const struct kind details_kind = {"a volume", sizeof(struct ontap_volume_details), parse_details, NULL,
					 offsetof(struct ontap, old_detail_fields)};

static void tell_details(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)n;
	((ontap_volume_details_fn)fn)(data, e, priv);
}
static void tell_usage(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)n;
	((ontap_usage_fn)fn)(data, e, priv);
}

static void request_details(struct call *c)
{
	request_volume(c, HTTP_GET, &read_of(c)->uuid, "?fields=" DETAIL_FIELDS);
	if (!c->o->old_detail_fields)
		buf_puts(&c->path, DETAIL_FIELDS_NEW);
}

static void details_end(struct call *c, const struct ontap_error *e)
{
	if (!e && read_of(c)->n == 0)
		call_fail(c, -ENOENT, "cannot %s: it does not exist any more", c->what);
	else
		call_end(c, e);
}

static void details_start(struct call *c)
{
	read_one(c, &details_kind, request_details, details_end);
}

struct usage_call {
	struct call c;
	struct uuid volume;
	char path[2048];
	struct ontap_usage u;
};

static void on_usage(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct usage_call *uc = (struct usage_call *)c;
	char why[160] = "no record";
	struct json_object *rec = e ? NULL : page_instance(root);
	if (e)
		call_end(c, e);
	else if (rec && !has_usage(rec))
		call_fail(c, -EOPNOTSUPP, "cannot %s: file system analytics has nothing on it (is it on for this "
			  "volume?)", c->what);
	else if (!rec || usage_parse(rec, &uc->u, why) < 0)
		call_fail(c, -EIO, "cannot %s: ONTAP's record is not usable: %s", c->what, why);
	else
		call_end(c, NULL);
}

/* The path is one segment of the URL, its slashes encoded; the root is "/". */
static void usage_start(struct call *c)
{
	struct usage_call *uc = (struct usage_call *)c;
	request_volume(c, HTTP_GET, &uc->volume, "/files/");
	http_escape(&c->path, *uc->path ? uc->path : "/");
	buf_puts(&c->path, "?return_metadata=true&fields=analytics");
	c->result = &uc->u;
	call_send(c, on_usage);
}

static const struct call_ops details_ops = {sizeof(struct read_call), details_start, tell_details, read_fini};
static const struct call_ops usage_ops = {sizeof(struct usage_call), usage_start, tell_usage, NULL};

void ontap_volume_details(struct ontap *o, const struct uuid *volume, ontap_volume_details_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, &details_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	read_of(c)->uuid = *volume;
	call_what(c, "read the details of volume %s", uuid_format(volume, text));
}

void ontap_usage_get(struct ontap *o, const struct uuid *volume, const char *path, ontap_usage_fn fn,
		     void *priv)
{
	struct call *c = call_new(o, &usage_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct usage_call *uc = (struct usage_call *)c;
	uc->volume = *volume;
	call_what(c, "read the size of \"%.250s\"", *path ? path : "/");
	call_take(c, uc->path, sizeof(uc->path), path);
}
