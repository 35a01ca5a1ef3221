/* Qtrees of a volume: only to be listed. */
#include <stdio.h>
#include <string.h>

#include "ontap/call.h"
#include "ontap/parse.h"

int qtree_parse(struct json_object *rec, struct ontap_qtree *ret, char why[160])
{
	struct ontap_qtree q = {0};
	struct reader r;
	rd_init(&r, rec);
	rd_int(&r, "id", 0, INT64_MAX, &q.id, REQUIRED);
	if (q.id != 0) /* the default one has no name */
		rd_name(&r, "name", q.name, sizeof(q.name), REQUIRED);
	rd_str(&r, "path", q.path, sizeof(q.path), OPTIONAL);
	rd_str(&r, "security_style", q.security_style, sizeof(q.security_style), OPTIONAL);
	rd_str(&r, "export_policy.name", q.export_policy, sizeof(q.export_policy), OPTIONAL);
	return rd_done(&r, why, ret, &q, sizeof(q));
}

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return qtree_parse(rec, ret, why);
}

static bool want(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_qtree *q = row;
	(void)c, (void)rec;
	return !q || q->id != 0;
}

static const struct kind kind = {"a qtree", sizeof(struct ontap_qtree), parse, want, 0};

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	((ontap_qtrees_fn)fn)(data, n, e, priv);
}

static void request(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/storage/qtrees?volume.uuid=%s&fields=id,name,path,security_style,export_policy.name"
		     "&max_records=1000", uuid_format(&read_of(c)->parent, text));
}

static void start(struct call *c)
{
	read_list(c, &kind, request, call_end);
}

static const struct call_ops ops = {sizeof(struct read_call), start, tell, read_fini};

void ontap_qtree_list(struct ontap *o, const struct uuid *volume, ontap_qtrees_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, &ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	read_of(c)->parent = *volume;
	call_what(c, "list the qtrees of volume %s", uuid_format(volume, text));
}
