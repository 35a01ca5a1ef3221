/* FlexCaches: list with their origins, create, delete. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ontap/call.h"
#include "ontap/parse.h"

#define FLEXCACHE_FIELDS "uuid,name,path,size,origins"

int flexcache_parse(struct json_object *rec, struct ontap_flexcache *ret, char why[160])
{
	struct ontap_flexcache f = {0};
	struct reader r;
	struct json_object *origins;
	rd_init(&r, rec);
	rd_uuid(&r, "uuid", &f.uuid, REQUIRED);
	rd_name(&r, "name", f.name, sizeof(f.name), REQUIRED);
	rd_str(&r, "path", f.junction, sizeof(f.junction), OPTIONAL);
	rd_u64(&r, "size", &f.size, OPTIONAL);
	int n = js_len(rec, "origins");
	if (n < 0 && n != -ENOENT)
		rd_bad(&r, "origins", "has the wrong type");
	if (n > 0 && js_find(rec, "origins", &origins) == 0) {
		for (; f.norigins < (size_t)n && f.norigins < ONTAP_ORIGINS_MAX; f.norigins++) {
			struct ontap_origin *g = &f.origins[f.norigins];
			struct reader ro;
			rd_init(&ro, js_at(origins, f.norigins));
			rd_str(&ro, "svm.name", g->svm, sizeof(g->svm), OPTIONAL);
			rd_str(&ro, "volume.name", g->volume, sizeof(g->volume), OPTIONAL);
			rd_str(&ro, "cluster.name", g->cluster, sizeof(g->cluster), OPTIONAL);
			rd_str(&ro, "state", g->state, sizeof(g->state), OPTIONAL);
			if (ro.err)
				rd_bad(&r, "origins", "is not usable");
		}
	}
	return rd_done(&r, why, ret, &f, sizeof(f));
}

struct cache_call {
	struct read_call r; /* name: of create; "" all */
	char origin_svm[ONTAP_NAME_MAX + 1], origin[ONTAP_NAME_MAX + 1];
	char junction[ONTAP_PATH_MAX + 1];
	uint64_t size;
	unsigned looks;
	struct ontap_error doubt;
};

static struct cache_call *of(struct call *c)
{
	return (struct cache_call *)c;
}

static int parse(struct json_object *rec, void *ret, char why[160])
{
	return flexcache_parse(rec, ret, why);
}

static bool want(struct call *c, struct json_object *rec, const void *row)
{
	const struct ontap_flexcache *f = row;
	(void)rec;
	return !f || !*of(c)->r.name || strcmp(of(c)->r.name, f->name) == 0;
}

static const struct kind kind = {"a FlexCache", sizeof(struct ontap_flexcache), parse, want, 0};

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	((ontap_flexcaches_fn)fn)(data, n, e, priv);
}

static void request(struct call *c)
{
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/storage/flexcache/flexcaches?fields=" FLEXCACHE_FIELDS "&max_records=1000");
	param_svm(c);
	if (*of(c)->r.name)
		call_param(c, "name", of(c)->r.name);
}

static void list_start(struct call *c)
{
	read_list(c, &kind, request, call_end);
}

/* ---- create ---------------------------------------------------------------- */

static void look(struct call *c);

static bool has_origin(const struct cache_call *cc, const struct ontap_flexcache *f)
{
	const struct ontap_origin *g = &f->origins[0];
	return f->norigins > 0 && strcmp(g->volume, cc->origin) == 0 &&
	       strcmp(g->svm, *cc->origin_svm ? cc->origin_svm : cc->r.c.o->svm_name) == 0;
}

static void looked(struct call *c, const struct ontap_error *e)
{
	struct cache_call *cc = of(c);
	if (e)
		call_end(c, e);
	else if (cc->r.n > 0 && has_origin(cc, cc->r.row))
		call_end(c, NULL);
	else if (cc->r.n > 0)
		call_fail(c, -EEXIST, "cannot %s: a FlexCache of another volume has that name", c->what);
	else if (cc->doubt.err == 0) { /* made, but not in the list yet */
		error_set(&c->last, -EIO, 0, 0, "ONTAP made it, but does not list it");
		call_after(c, call_backoff_ms(++cc->looks) + 10, look);
	} else if (cc->doubt.err == -EEXIST || !write_again(c)) {
		call_end(c, &cc->doubt);
	}
}

static void look(struct call *c)
{
	read_list(c, &kind, request, looked);
}

static void put(struct buf *b, const char *before, const char *text, const char *after)
{
	buf_puts(b, before);
	buf_json(b, text);
	buf_puts(b, after);
}

static void make_post(struct call *c)
{
	struct cache_call *cc = of(c);
	struct buf *b = &c->body;
	call_request(c, HTTP_POST, CALL_REPLY_MAX, "/storage/flexcache/flexcaches");
	put(b, "{\"name\":", cc->r.name, "");
	put(b, ",\"svm\":{\"name\":", c->o->svm_name, "}");
	put(b, ",\"origins\":[{\"svm\":{\"name\":", *cc->origin_svm ? cc->origin_svm : c->o->svm_name, "}");
	put(b, ",\"volume\":{\"name\":", cc->origin, "}}]");
	if (*cc->junction)
		put(b, ",\"path\":", cc->junction, "");
	if (cc->size)
		buf_printf(b, ",\"size\":%llu", (unsigned long long)cc->size);
	buf_puts(b, "}");
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
	if (!*c->o->svm_name)
		call_fail(c, -EINVAL, "cannot %s: the SVM is not known yet", c->what);
	else
		write_once(c, make_post, posted);
}

/* ---- delete ----------------------------------------------------------------- */

static void deleted(struct call *c, const struct ontap_error *e)
{
	if (e && e->err == -EBUSY && !c->unsure && write_again(c))
		return; /* the unmount has just been */
	call_end(c, e && e->err == -ENOENT && !c->unsure ? NULL : e);
}

static void make_delete(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_request(c, HTTP_DELETE, CALL_REPLY_MAX, "/storage/flexcache/flexcaches/%s",
		     uuid_format(&of(c)->r.uuid, text));
}

static void unmounted(struct call *c, const struct ontap_error *e)
{
	if (e)
		call_end(c, e->err == -ENOENT && !c->unsure ? NULL : e);
	else
		write_run(c, make_delete, deleted);
}

/* The volume of the cache has the same uuid, and is where the mount is changed. */
static void make_unmount(struct call *c)
{
	request_volume(c, HTTP_PATCH, &of(c)->r.uuid, "");
	buf_puts(&c->body, "{");
	volume_body_nas(&c->body, "", NULL);
	buf_puts(&c->body, "}");
}

static void delete_start(struct call *c)
{
	write_run(c, make_unmount, unmounted);
}

/* ---- the door ------------------------------------------------------------------ */

static const struct call_ops list_ops = {sizeof(struct cache_call), list_start, tell, read_fini};
static const struct call_ops create_ops = {sizeof(struct cache_call), create_start, tell, read_fini};
static const struct call_ops delete_ops = {sizeof(struct cache_call), delete_start, write_tell, NULL};

void ontap_flexcache_list(struct ontap *o, ontap_flexcaches_fn fn, void *priv)
{
	struct call *c = call_new(o, &list_ops, (void (*)(void))fn, priv);
	if (c)
		call_what(c, "list the FlexCaches");
}

void ontap_flexcache_create(struct ontap *o, const struct ontap_flexcache_new *f, ontap_flexcaches_fn fn,
			    void *priv)
{
	struct call *c = call_new(o, &create_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	struct cache_call *cc = of(c);
	call_what(c, "create FlexCache \"%.150s\" of volume \"%.150s\"", f->name, f->origin_volume);
	call_take(c, cc->r.name, ONTAP_NAME_MAX + 1, f->name);
	call_take(c, cc->origin, sizeof(cc->origin), f->origin_volume);
	call_take(c, cc->origin_svm, sizeof(cc->origin_svm), f->origin_svm ? f->origin_svm : "");
	call_take(c, cc->junction, sizeof(cc->junction), f->junction ? f->junction : "");
	cc->size = f->size;
	if (volume_check_name(f->name) < 0 || !*f->origin_volume || f->size > INT64_MAX ||
	    (*cc->junction && *cc->junction != '/'))
		call_invalid(c);
}

void ontap_flexcache_delete(struct ontap *o, const struct uuid *flexcache, ontap_done_fn fn, void *priv)
{
	char text[UUID_TEXT_LEN + 1];
	struct call *c = call_new(o, &delete_ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	of(c)->r.uuid = *flexcache;
	call_what(c, "delete FlexCache %s", uuid_format(flexcache, text));
}
