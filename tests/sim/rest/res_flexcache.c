/*
 * /storage/flexcache: caches and their origins.
 *
 * A cache has a row, a junction and a file system id of its own, and its content
 * is the origin's subvolume itself: whatever is read or written through the cache
 * is read from and written to the origin, which is what a FlexCache promises.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/rest/nfslink.h"
#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/seed.h"
#include "tests/sim/store.h"

#define CACHE_CONSTITUENTS 4
#define CACHE_MIN          (INT64_C(1) << 30) /* for each constituent */

/* Codes of FlexCache volumes. */
enum {
	E_CACHE_EXISTS = 66846768,
	E_CACHE_ORIGIN_GONE = 66846767,
	E_CACHE_ORIGIN_OFFLINE = 66846762,
	E_CACHE_NOT_PEERED = 66846735,
	E_CACHE_NO_DIR = 66846943,
	E_CACHE_UNMOUNTED = 66846925,
	E_CACHE_MOUNTED = 66847172,
};

static const struct field cache_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD | F_POST, T_STR },
	{ "svm.name", F_KEY | F_STD | F_POST, T_STR },
	{ "svm.uuid", F_KEY | F_STD | F_POST, T_STR },
	{ "size", F_STD | F_POST, T_SIZE },
	{ "path", F_STD | F_POST | F_PATCH, T_STR },
	{ "guarantee.type", F_STD | F_POST, T_STR },
	{ "aggregates.name", F_STD | F_POST, T_STR },
	{ "aggregates.uuid", F_STD | F_POST, T_STR },
	{ "constituents_per_aggregate", F_POST, T_INT },
	{ "constituent_count", F_STD | F_POST, T_INT },
	{ "nas.export_policy.name", F_POST, T_STR }, /* read back by the volume */
	{ "origins.volume.name", F_STD | F_POST, T_STR },
	{ "origins.volume.uuid", F_STD | F_POST, T_STR },
	{ "origins.svm.name", F_STD | F_POST, T_STR },
	{ "origins.svm.uuid", F_STD | F_POST, T_STR },
	{ "origins.cluster.name", F_STD | F_POST, T_STR },
	{ "origins.cluster.uuid", F_STD | F_POST, T_STR },
	{ "origins.create_time", F_STD, T_TIME },
	{ "origins.ip_address", F_STD, T_STR },
	{ "origins.size", F_STD, T_SIZE },
	{ "origins.state", F_STD, T_STR },
	{ "prepopulate.dir_paths", F_POST | F_PATCH, T_ANY },
	{ "prepopulate.exclude_dir_paths", F_POST | F_PATCH, T_ANY },
	{ "prepopulate.recurse", F_POST | F_PATCH, T_BOOL },
	{ "use_tiered_aggregate", F_STD | F_POST, T_BOOL },
	{ "dr_cache", F_STD | F_POST, T_BOOL },
	{ "global_file_locking_enabled", F_STD | F_POST, T_BOOL },
	{ "writeback.enabled", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "relative_size.enabled", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "relative_size.percentage", F_STD | F_POST | F_PATCH, T_INT },
	{ "atime_scrub.enabled", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "atime_scrub.period", F_STD | F_POST | F_PATCH, T_INT },
	{ "cifs_change_notify.enabled", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "override_encryption", F_STD | F_POST, T_BOOL },
	{ NULL, 0, T_ANY },
};

/* What is kept as it was given: switches that change nothing in a simulator. */
static const char *const switches[] = { "use_tiered_aggregate",     "dr_cache",
	                                "global_file_locking_enabled", "writeback.enabled",
	                                "relative_size.enabled",    "relative_size.percentage",
	                                "atime_scrub.enabled",      "atime_scrub.period",
	                                "cifs_change_notify.enabled", "override_encryption" };

static json_t *aggregates_of(struct model *m, const char *names)
{
	json_t *list = json_loads(names, 0, NULL), *out = json_array(), *e;
	size_t i;

	json_array_foreach(list, i, e) {
		AUTO_FREE char *uuid = db_text(m->db, "SELECT uuid FROM aggregates WHERE name=?", "s",
		                               json_string_value(e));

		json_array_append_new(out, make_ref(json_string_value(e), uuid, NULL));
	}
	json_decref(list);
	return out;
}

/* The address of a relationship's partner: the first data LIF of the SVM. */
static json_t *partner_address(struct model *m)
{
	AUTO_FREE char *address = db_text(m->db, "SELECT address FROM lifs ORDER BY name LIMIT 1", "");

	return address ? json_string(address) : NULL;
}

static json_t *make_partner(struct model *m, const struct volume *v, int64_t created)
{
	json_t *o = json_pack("{s:I, s:s}", "size", (json_int_t)v->size, "state", v->state);

	json_put(o, "volume", make_ref(v->name, v->uuid, NULL));
	json_put(o, "svm", make_svm_ref(m));
	json_put(o, "cluster", make_ref(SIM_CLUSTER, m->cluster_uuid, NULL));
	json_put(o, "create_time", json_time(created));
	json_put(o, "ip_address", partner_address(m));
	return o;
}

static json_t *make_cache(struct model *m, const struct volume *v)
{
	AUTO_FREE char *origin_uuid = db_text(m->db, "SELECT origin FROM flexcaches WHERE uuid=?", "s", v->uuid);
	AUTO_FREE char *options = db_text(m->db, "SELECT options FROM flexcaches WHERE uuid=?", "s", v->uuid);
	AUTO_VOLUME struct volume origin = { 0 };
	json_t *rec = json_loads(options ? options : "{}", 0, NULL);

	json_put(rec, "uuid", json_string(v->uuid));
	json_put(rec, "name", json_string(v->name));
	json_put(rec, "svm", make_svm_ref(m));
	json_put(rec, "size", json_integer((json_int_t)v->size));
	json_put(rec, "guarantee.type", json_string(v->guarantee));
	json_put(rec, "aggregates", aggregates_of(m, v->aggregates));
	json_put(rec, "constituent_count", json_integer((json_int_t)v->constituents));
	if (v->junction)
		json_put(rec, "path", json_string(v->junction));
	if (origin_uuid && volume_load(m->db, "uuid", origin_uuid, true, &origin))
		json_put(rec, "origins", json_pack("[o]", make_partner(m, &origin, v->create_time)));
	return rec;
}

static int list_caches(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT " VOLUME_COLUMNS " FROM volumes WHERE uuid IN (SELECT uuid"
	                                     " FROM flexcaches) AND (?1 IS NULL OR uuid=?1) ORDER BY fsid",
	                                     "s", key);
	struct volume v = { 0 };

	(void)f;
	while (volume_next(s, &v)) {
		list_add(out, v.fsid, make_cache(r->m, &v));
		volume_fini(&v);
	}
	return 0;
}

/* ---- create --------------------------------------------------------------- */

/* The one origin of the body. */
static int take_origin(struct req *r, const json_t *body, struct volume *ret, struct fail *f)
{
	json_t *list = json_at(body, "origins"), *o = json_array_get(list, 0);
	const char *svm = json_text(o, "svm.name");

	if (json_array_size(list) != 1)
		return fail_field(f, 400, E_FIELD_MISSING, "origins", "Field \"origins\" must name one volume");
	if (svm && strcmp(svm, SIM_SVM) != 0)
		return fail_field(f, 400, E_CACHE_NOT_PEERED, "origins.svm.name",
		                  "SVM \"%.80s\" is neither here nor a peer.", svm);
	if (volume_check_svm(r, o, "svm", false, f) < 0 ||
	    volume_of_body(r->m, o, "volume", E_CACHE_ORIGIN_GONE, ret, f) < 0)
		return -1;
	if (strcmp(ret->state, "online") != 0)
		return fail_field(f, 400, E_CACHE_ORIGIN_OFFLINE, "origins.volume.name",
		                  "Origin volume \"%s\" is not online.", ret->name);
	if (strcmp(ret->type, "rw") != 0 || ret->is_root || volume_is_cache(r->m->db, ret->uuid))
		return fail_field(f, 400, E_VOL_KIND, "origins.volume.name",
		                  "Volume \"%s\" cannot be the origin of a FlexCache volume.", ret->name);
	return 0;
}

static int take_placement(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	json_t *list = json_at(body, "aggregates"), *names = json_array(), *e;
	int64_t per = json_num(body, "constituents_per_aggregate", CACHE_CONSTITUENTS);
	int64_t count = json_num(body, "constituent_count", 0);
	size_t i;

	json_object_set_new(args, "aggregates", names);
	json_array_foreach(list, i, e) {
		const char *name = json_text(e, "name"), *uuid = json_text(e, "uuid");
		AUTO_FREE char *found = db_text(r->m->db, "SELECT name FROM aggregates WHERE name=?1 OR uuid=?2",
		                                "ss", name, uuid);

		if (!found)
			return fail_field(f, 400, E_AGGR_NOT_FOUND, "aggregates.name",
			                  "Aggregate \"%.80s\" was not found.", name ? name : uuid ? uuid : "");
		json_array_append_new(names, json_string(found));
	}
	if (!json_array_size(names)) {
		AUTO_FREE char *first = db_text(r->m->db, "SELECT name FROM aggregates ORDER BY name LIMIT 1", "");

		json_array_append_new(names, json_string(first));
	}
	if (per < 1 || per > 1000 || count < 0 || count > 1000)
		return fail_field(f, 400, E_FIELD_VALUE, "constituents_per_aggregate",
		                  "The number of constituents must be 1 to 1000.");
	json_object_set_new(args, "constituents",
	                    json_integer(count ? count : per * (json_int_t)json_array_size(names)));
	return 0;
}

/* The switches of the body, added to what was there. */
static char *merge_switches(const char *old, const json_t *body)
{
	AUTO_JSON json_t *all = json_loads(old, 0, NULL);

	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		json_t *v = json_at(body, switches[i]);

		if (v)
			json_put(all, switches[i], json_incref(v));
	}
	return json_dumps(all, JSON_COMPACT);
}

static int check_switches(const json_t *body, struct fail *f)
{
	int64_t percent = json_num(body, "relative_size.percentage", 10);
	int64_t period = json_num(body, "atime_scrub.period", 30);

	if (percent < 1 || percent > 100)
		return fail_field(f, 400, E_FIELD_VALUE, "relative_size.percentage", "The value must be 1 to 100.");
	if (period < 1 || period > 365)
		return fail_field(f, 400, E_FIELD_VALUE, "atime_scrub.period", "The value must be 1 to 365.");
	return 0;
}

static int job_cache_create(struct model *m, json_t *args, struct fail *f)
{
	const char *name = json_text(args, "name"), *uuid = json_text(args, "uuid");
	AUTO_VOLUME struct volume origin = { 0 };
	const char *path = json_text(args, "path");
	int r = 0;

	model_lock(m);
	if (!volume_load(m->db, "uuid", json_text(args, "origin"), false, &origin))
		r = fail_set(f, 404, E_CACHE_ORIGIN_GONE, "The origin volume was not found.");
	else if (db_int(m->db, 0, "SELECT count(*) FROM volumes WHERE name=?", "s", name))
		r = fail_field(f, 409, E_CACHE_EXISTS, "name", "Volume \"%s\" already exists in SVM \"%s\".", name,
		               SIM_SVM);
	else if (path)
		r = volume_check_place(m, path, uuid, f);
	if (r == 0) {
		int64_t smallest = CACHE_MIN * json_num(args, "constituents", 1);
		int64_t tenth = origin.size / 10;

		r = volume_insert(m, args, origin.subvol,
		                  json_num(args, "size", tenth > smallest ? tenth : smallest));
		if (r == 0)
			r = db_exec(m->db, "INSERT INTO flexcaches VALUES(?,?,?,?)", "ssis", uuid, origin.uuid,
			            sim_now(), json_text(args, "options"));
		r = model_end(m, r, "record a FlexCache volume", f);
	}
	model_unlock(m);
	if (r == 0)
		nfslink_reload(m->dir);
	return r;
}

static int take_export_policy(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	const char *policy = json_text(body, "nas.export_policy.name");

	if (!policy)
		return 0;
	if (!db_int(r->m->db, 0, "SELECT count(*) FROM export_policies WHERE name=?", "s", policy))
		return fail_field(f, 400, E_EXPORT_NOT_FOUND, "nas.export_policy.name",
		                  "Export policy \"%.255s\" was not found.", policy);
	json_object_set_new(args, "export_policy", json_string(policy));
	return 0;
}

static int post_cache(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name"), *path = json_text(body, "path");
	AUTO_VOLUME struct volume origin = { 0 };
	AUTO_FREE char *options = merge_switches("{}", body);
	char uuid[UUID_BUF];

	if (!name)
		return fail_field(f, 400, E_FIELD_MISSING, "name", "Field \"name\" is required");
	if (volume_check_svm(r, body, "svm", true, f) < 0 || volume_check_name(name, true, f) < 0 ||
	    (path && volume_check_junction(path, f) < 0) || check_switches(body, f) < 0 ||
	    take_origin(r, body, &origin, f) < 0)
		return -1;
	sim_uuid(uuid);
	out->args = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "uuid", uuid, "name", name, "origin",
	                      origin.uuid, "style", "flexgroup", "snapshot_policy", "none", "options", options,
	                      "security_style", origin.security_style);
	if (path && *path)
		json_object_set_new(out->args, "path", json_string(path));
	if (json_at(body, "size"))
		json_object_set(out->args, "size", json_at(body, "size"));
	if (json_text(body, "guarantee.type"))
		json_object_set(out->args, "guarantee", json_at(body, "guarantee.type"));
	if (take_placement(r, body, out->args, f) < 0 || take_export_policy(r, body, out->args, f) < 0)
		return -1;
	out->fn = job_cache_create;
	out->name = sim_dup(name);
	out->record = json_pack("{s:s, s:s}", "uuid", uuid, "name", name);
	return 0;
}

/* ---- modify, delete ------------------------------------------------------- */

/* Every path must be a folder of the origin: there is nothing to fetch, but a
 * wrong path is refused as ONTAP does it. */
static int check_paths(struct model *m, const json_t *list, const struct volume *v, struct fail *f)
{
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e) {
		const char *path = json_string_value(e);

		if (!path || !volume_has_folder(m, v->subvol, path))
			return fail_field(f, 400, E_CACHE_NO_DIR, "prepopulate.dir_paths",
			                  "Folder \"%.200s\" does not exist in the origin volume.", path ? path : "");
	}
	return 0;
}

static int job_cache_modify(struct model *m, json_t *args, struct fail *f)
{
	const json_t *body = json_object_get(args, "body");
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_FREE char *old = NULL;
	AUTO_FREE char *options = NULL;
	const char *path = json_text(body, "path");
	int r = 0;

	model_lock(m);
	old = db_text(m->db, "SELECT options FROM flexcaches WHERE uuid=?", "s", json_text(args, "uuid"));
	if (!old || !volume_load(m->db, "uuid", json_text(args, "uuid"), false, &v))
		r = fail_set(f, 404, E_NO_ENTRY, "The FlexCache volume was not found.");
	else if (json_at(body, "prepopulate") && !v.junction)
		r = fail_set(f, 400, E_CACHE_UNMOUNTED, "FlexCache volume \"%s\" is not mounted.", v.name);
	else if (path && *path)
		r = volume_check_place(m, path, v.uuid, f);
	if (r == 0)
		r = check_paths(m, json_at(body, "prepopulate.dir_paths"), &v, f);
	if (r == 0)
		r = model_begin(m, "change a FlexCache volume", f);
	if (r == 0) {
		options = merge_switches(old, body);
		r = db_exec(m->db, "UPDATE flexcaches SET options=? WHERE uuid=?", "ss", options, v.uuid);
		if (r == 0 && path)
			r = db_exec(m->db, "UPDATE volumes SET junction=nullif(?,'') WHERE uuid=?", "ss", path, v.uuid);
		r = model_end(m, r, "change a FlexCache volume", f);
	}
	model_unlock(m);
	if (r == 0)
		nfslink_reload(m->dir);
	return r;
}

static int patch_cache(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *path = json_text(body, "path");

	(void)r;
	if ((path && volume_check_junction(path, f) < 0) || check_switches(body, f) < 0)
		return -1;
	out->fn = job_cache_modify;
	out->args = json_pack("{s:s, s:O}", "uuid", json_text(rec, "uuid"), "body", body);
	return 0;
}

static int job_cache_delete(struct model *m, json_t *args, struct fail *f)
{
	AUTO_VOLUME struct volume v = { 0 };
	int r;

	model_lock(m);
	if (!volume_load(m->db, "uuid", json_text(args, "uuid"), false, &v))
		r = fail_set(f, 404, E_NO_ENTRY, "The FlexCache volume was not found.");
	else if (v.junction)
		r = fail_set(f, 409, E_CACHE_MOUNTED, "FlexCache volume \"%s\" is mounted at \"%s\". Unmount it first.",
		             v.name, v.junction);
	else
		r = volume_check_delete(m, &v, f);
	model_unlock(m);
	/* No recovery queue: a cache holds nothing that is not in the origin. */
	return r < 0 ? -1 : volume_remove(m, &v, f);
}

static int del_cache(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	(void)r;
	(void)f;
	out->fn = job_cache_delete;
	out->args = json_pack("{s:s}", "uuid", json_text(rec, "uuid"));
	return 0;
}

const struct resource res_flexcaches = {
	.collection = "/storage/flexcache/flexcaches",
	.item = "/storage/flexcache/flexcaches/{uuid}",
	.key = "uuid",
	.fields = cache_fields,
	.list = list_caches,
	.post = post_cache,
	.patch = patch_cache,
	.del = del_cache,
};

/* ---- origins -------------------------------------------------------------- */

static const struct field origin_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD, T_STR },
	{ "svm.name", F_KEY | F_STD, T_STR },
	{ "svm.uuid", F_KEY | F_STD, T_STR },
	{ "flexcaches.volume.name", F_STD, T_STR },
	{ "flexcaches.volume.uuid", F_STD, T_STR },
	{ "flexcaches.svm.name", F_STD, T_STR },
	{ "flexcaches.svm.uuid", F_STD, T_STR },
	{ "flexcaches.cluster.name", F_STD, T_STR },
	{ "flexcaches.cluster.uuid", F_STD, T_STR },
	{ "flexcaches.create_time", F_STD, T_TIME },
	{ "flexcaches.ip_address", F_STD, T_STR },
	{ "flexcaches.size", F_STD, T_SIZE },
	{ "flexcaches.state", F_STD, T_STR },
	{ "block_level_invalidation", 0, T_BOOL },
	{ "global_file_locking_enabled", 0, T_BOOL },
	{ NULL, 0, T_ANY },
};

static int list_origins(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT " VOLUME_COLUMNS " FROM volumes WHERE uuid IN (SELECT origin"
	                                     " FROM flexcaches) AND (?1 IS NULL OR uuid=?1) ORDER BY fsid",
	                                     "s", key);
	struct volume v = { 0 };

	(void)f;
	while (volume_next(s, &v)) {
		AUTO_STMT sqlite3_stmt *c =
		        db_query(r->m->db,
		                 "SELECT " VOLUME_COLUMNS " FROM volumes WHERE uuid IN (SELECT uuid FROM flexcaches"
		                 " WHERE origin=?) ORDER BY fsid",
		                 "s", v.uuid);
		json_t *rec = make_ref(v.name, v.uuid, NULL), *list = json_array();
		struct volume x = { 0 };

		json_put(rec, "svm", make_svm_ref(r->m));
		while (volume_next(c, &x)) {
			json_array_append_new(list, make_partner(r->m, &x, x.create_time));
			volume_fini(&x);
		}
		json_put(rec, "flexcaches", list);
		list_add(out, v.fsid, rec);
		volume_fini(&v);
	}
	return 0;
}

const struct resource res_flexcache_origins = {
	.collection = "/storage/flexcache/origins",
	.item = "/storage/flexcache/origins/{uuid}",
	.key = "uuid",
	.fields = origin_fields,
	.list = list_origins,
};
