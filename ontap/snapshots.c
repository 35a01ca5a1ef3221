/* Snapshots of all volumes at once: what ONTAP calls the collection of volume "*". */
#include "ontap/ontap.h"

#include <stdio.h>
#include <string.h>

#include "ontap/call.h"
#include "ontap/parse.h"

struct row {
	struct uuid volume;
	struct ontap_snapshot snapshot;
};

struct scan_call {
	struct read_call rc;
	ontap_snapshot_each_fn each;
	void *priv;
};

static int parse(struct json_object *rec, void *ret, char why[160])
{
	struct row row = {0};
	struct reader r;
	rd_init(&r, rec);
	rd_uuid(&r, "volume.uuid", &row.volume, REQUIRED);
	int n = rd_done(&r, why, ret, &row, sizeof(row));
	return n < 0 ? n : snapshot_parse(rec, &((struct row *)ret)->snapshot, why);
}

/* Shown and not kept. */
static bool show_and_drop(struct call *c, struct json_object *rec, const void *data)
{
	const struct scan_call *sc = (struct scan_call *)c;
	const struct row *row = data;
	(void)rec;
	if (!row)
		return true;
	if (!*sc->rc.name || strcmp(sc->rc.name, row->snapshot.name) == 0)
		sc->each(&row->volume, &row->snapshot, sc->priv);
	return false;
}

static const struct kind kind = {"a snapshot", sizeof(struct row), parse, show_and_drop, 0};

static void request(struct call *c)
{
	const struct read_call *rc = read_of(c);
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/storage/volumes/*/snapshots"
		     "?fields=name,uuid,volume.uuid,create_time,comment,owners&max_records=1000");
	param_svm(c);
	if (*rc->name && !query_is_expression(rc->name))
		call_param(c, "name", rc->name);
}

static void start(struct call *c)
{
	read_list(c, &kind, request, call_end);
}

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)data, (void)n;
	((ontap_done_fn)fn)(e, priv);
}

static const struct call_ops ops = {sizeof(struct scan_call), start, tell, read_fini};

void ontap_snapshot_scan(struct ontap *o, const char *name, ontap_snapshot_each_fn each, void *each_priv,
			 ontap_done_fn done, void *priv)
{
	struct call *c = call_new(o, &ops, (void (*)(void))done, priv);
	if (!c)
		return;
	struct scan_call *sc = (struct scan_call *)c;
	sc->each = each;
	sc->priv = each_priv;
	if (name)
		call_take(c, sc->rc.name, sizeof(sc->rc.name), name);
	call_what(c, "list the snapshots of all volumes");
}
