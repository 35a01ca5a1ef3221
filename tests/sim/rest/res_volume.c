/*
 * /storage/volumes: what a volume shows.  Changes are in res_volume_write.c.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/rest/jobs.h"
#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/synthetic.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/seed.h"
#include "tests/sim/store.h"

/* Bytes that ONTAP keeps per inode; makes the metadata figure follow the number of
 * files. */
#define INODE_BYTES 192

#define SNAPSHOT_USED_MS 2000 /* longest time spent on new counts in one record */

static const struct field volume_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD | F_POST | F_PATCH, T_STR },
	{ "svm.name", F_STD | F_POST, T_STR },
	{ "svm.uuid", F_STD | F_POST, T_STR },
	{ "style", F_STD | F_POST, T_STR },
	{ "type", F_STD | F_POST, T_STR },
	{ "state", F_STD | F_POST | F_PATCH, T_STR },
	{ "size", F_STD | F_POST | F_PATCH, T_SIZE },
	{ "create_time", F_STD, T_TIME },
	{ "comment", F_STD | F_POST | F_PATCH, T_STR },
	{ "language", F_STD | F_POST, T_STR },
	{ "msid", F_EXP, T_INT },
	{ "is_svm_root", F_EXP, T_BOOL },
	{ "aggregates.name", F_STD | F_POST, T_STR },
	{ "aggregates.uuid", F_STD | F_POST, T_STR },
	{ "constituent_count", F_EXP | F_POST, T_INT },
	{ "constituents_per_aggregate", F_POST, T_INT },
	{ "constituents.name", F_EXP | F_LAZY, T_STR },
	{ "constituents.aggregates.name", F_EXP | F_LAZY, T_STR },
	{ "constituents.aggregates.uuid", F_EXP | F_LAZY, T_STR },
	{ "constituents.space.size", F_EXP | F_LAZY, T_SIZE },
	{ "constituents.space.used", F_EXP | F_LAZY, T_SIZE },
	{ "constituents.space.available", F_EXP | F_LAZY, T_SIZE },
	{ "constituents.space.total_footprint", F_EXP | F_LAZY, T_SIZE },
	{ "nas.path", F_EXP | F_POST | F_PATCH, T_STR },
	{ "nas.export_policy.name", F_STD | F_POST | F_PATCH, T_STR },
	{ "nas.export_policy.id", F_EXP | F_POST | F_PATCH, T_INT },
	{ "nas.security_style", F_EXP | F_POST | F_PATCH, T_STR },
	{ "nas.unix_permissions", F_EXP | F_LAZY | F_POST | F_PATCH, T_ANY },
	{ "nas.uid", F_EXP | F_LAZY | F_POST | F_PATCH, T_INT },
	{ "nas.gid", F_EXP | F_LAZY | F_POST | F_PATCH, T_INT },
	{ "nas.junction_parent.name", F_EXP | F_LAZY, T_STR },
	{ "nas.junction_parent.uuid", F_EXP | F_LAZY, T_STR },
	{ "clone.is_flexclone", F_STD | F_POST, T_BOOL },
	{ "clone.has_flexclone", F_EXP | F_LAZY, T_BOOL },
	{ "clone.parent_volume.name", F_EXP | F_POST, T_STR },
	{ "clone.parent_volume.uuid", F_EXP | F_POST, T_STR },
	{ "clone.parent_snapshot.name", F_EXP | F_POST, T_STR },
	{ "clone.parent_snapshot.uuid", F_EXP | F_POST, T_STR },
	{ "clone.parent_svm.name", F_EXP | F_POST, T_STR },
	{ "clone.parent_svm.uuid", F_EXP | F_POST, T_STR },
	{ "clone.split_initiated", F_EXP | F_PATCH, T_BOOL },
	{ "clone.split_complete_percent", F_EXP, T_INT },
	{ "clone.split_estimate", F_EXP | F_LAZY, T_SIZE },
	{ "clone.inherited_physical_used", 0, T_SIZE },
	{ "clone.inherited_savings", 0, T_SIZE },
	{ "snapshot_directory_access_enabled", F_SINCE(13, 1) | F_STD | F_POST | F_PATCH, T_BOOL },
	{ "snapshot_count", F_EXP | F_LAZY, T_INT },
	{ "snapshot_policy.name", F_STD | F_POST | F_PATCH, T_STR },
	{ "snapshot_policy.uuid", F_STD | F_POST | F_PATCH, T_STR },
	{ "space.size", F_STD, T_SIZE },
	{ "space.available", F_STD | F_LAZY, T_SIZE },
	{ "space.used", F_STD | F_LAZY, T_SIZE },
	{ "space.afs_total", F_STD, T_SIZE },
	{ "space.percent_used", F_STD | F_LAZY, T_INT },
	{ "space.footprint", F_STD | F_LAZY, T_SIZE },
	{ "space.total_footprint", F_STD | F_LAZY, T_SIZE },
	{ "space.metadata", F_STD | F_LAZY, T_SIZE },
	{ "space.physical_used", F_STD | F_LAZY, T_SIZE },
	{ "space.over_provisioned", F_STD | F_LAZY, T_SIZE },
	{ "space.snapshot.used", F_EXP | F_LAZY, T_SIZE },
	{ "space.snapshot.reserve_percent", F_STD | F_POST | F_PATCH, T_INT },
	{ "space.snapshot.reserve_size", F_STD, T_SIZE },
	{ "space.snapshot.reserve_available", F_EXP | F_LAZY, T_SIZE },
	{ "space.snapshot.autodelete_enabled", F_STD, T_BOOL },
	{ "space.logical_space.reporting", F_STD, T_BOOL },
	{ "space.logical_space.enforcement", F_STD, T_BOOL },
	{ "space.logical_space.used", F_STD | F_LAZY, T_SIZE },
	{ "space.logical_space.used_by_afs", F_STD | F_LAZY, T_SIZE },
	{ "space.logical_space.available", F_STD | F_LAZY, T_SIZE },
	{ "files.maximum", F_EXP, T_INT },
	{ "files.used", F_EXP | F_LAZY, T_INT },
	{ "guarantee.type", F_STD | F_POST | F_PATCH, T_STR },
	{ "guarantee.honored", F_STD, T_BOOL },
	{ "flexcache_endpoint_type", F_EXP, T_STR },
	{ "snapmirror.is_protected", F_STD, T_BOOL },
	{ "analytics.state", F_STD, T_STR },
	{ "autosize.mode", F_STD, T_STR },
	{ "encryption.enabled", F_STD | F_POST, T_BOOL },
	{ "tiering.policy", F_STD | F_POST | F_PATCH, T_STR },
	{ "snaplock.type", F_STD | F_POST, T_STR },
	{ "quota.state", F_EXP, T_STR },
	{ "quota.enabled", F_EXP | F_PATCH, T_BOOL },
	{ "restore_to.snapshot.name", F_PATCH, T_STR },
	{ "restore_to.snapshot.uuid", F_PATCH, T_STR },
	{ "restore_to.path", F_PATCH, T_STR },
	/* Known to ONTAP, set by none of our volumes. */
	{ "qos", F_TREE, T_ANY },
	{ "efficiency", F_TREE, T_ANY },
	{ "statistics", F_TREE, T_ANY },
	{ "metric", F_TREE, T_ANY },
	{ "movement", F_TREE, T_ANY },
	{ "_tags", F_SINCE(13, 1), T_ANY },
	{ "activity_tracking", F_TREE, T_ANY },
	{ "anti_ransomware", F_TREE, T_ANY },
	{ "application", F_TREE, T_ANY },
	{ "asynchronous_directory_delete", F_TREE, T_ANY },
	{ "cloud_retrieval_policy", 0, T_STR },
	{ "consistency_group", F_TREE, T_ANY },
	{ "error_state", F_TREE, T_ANY },
	{ "granular_data", F_SINCE(12, 1), T_BOOL },
	{ "is_object_store", 0, T_BOOL },
	{ "nodes", F_TREE, T_ANY },
	{ "rebalancing", F_TREE, T_ANY },
	{ "snapshot_locking_enabled", F_SINCE(12, 1), T_BOOL },
	{ "access_time_enabled", 0, T_BOOL },
	{ "snaplock", F_TREE, T_ANY },
	{ "snapmirror", F_TREE, T_ANY },
	{ "tiering", F_TREE, T_ANY },
	{ "autosize", F_TREE, T_ANY },
	{ "analytics", F_TREE, T_ANY },
	{ "encryption", F_TREE, T_ANY },
	{ "quota", F_TREE, T_ANY },
	{ "files", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static void put_clone(struct model *m, json_t *rec, const struct volume *v)
{
	AUTO_FREE char *parent = NULL;
	AUTO_FREE char *snapshot = NULL;
	int percent = v->clone_volume ? jobs_split_percent(v->uuid) : -1;

	json_put(rec, "clone.is_flexclone", json_boolean(v->clone_volume));
	if (!v->clone_volume)
		return;
	parent = db_text(m->db, "SELECT name FROM volumes WHERE uuid=?", "s", v->clone_volume);
	snapshot = db_text(m->db, "SELECT name FROM snapshots WHERE uuid=?", "s", v->clone_snapshot);
	json_put(rec, "clone.parent_volume", make_ref(parent, v->clone_volume, NULL));
	json_put(rec, "clone.parent_snapshot", make_ref(snapshot, v->clone_snapshot, NULL));
	json_put(rec, "clone.parent_svm", make_svm_ref(m));
	json_put(rec, "clone.split_initiated", json_boolean(percent >= 0));
	json_put(rec, "clone.split_complete_percent", json_integer(percent < 0 ? 0 : percent));
}

static json_t *aggregate_list(struct model *m, const char *names)
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

static void put_space(json_t *rec, const struct volume *v)
{
	int64_t reserve = v->size / 100 * v->snapshot_reserve;

	json_put(rec, "space",
	         json_pack("{s:I, s:I, s:{s:I, s:I, s:b}, s:{s:b, s:b}}", "size", (json_int_t)v->size,
	                   "afs_total", (json_int_t)(v->size - reserve), "snapshot", "reserve_percent",
	                   (json_int_t)v->snapshot_reserve, "reserve_size", (json_int_t)reserve,
	                   "autodelete_enabled", 0, "logical_space", "reporting", 0, "enforcement", 0));
	/* ONTAP's rule: one inode for 32 KiB of the volume. */
	json_put(rec, "files.maximum", json_integer((json_int_t)(v->size / 32768)));
}

static const char *endpoint_type(sqlite3 *db, const char *uuid)
{
	if (volume_is_cache(db, uuid))
		return "cache";
	return db_int(db, 0, "SELECT count(*) FROM flexcaches WHERE origin=?", "s", uuid) ? "origin" : "none";
}

static json_t *make_volume(struct model *m, const struct volume *v)
{
	AUTO_FREE char *policy = db_text(m->db, "SELECT uuid FROM snapshot_policies WHERE name=?", "s",
	                                 v->snapshot_policy);
	int64_t quota;
	json_t *rec = json_pack(
	        "{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:b, s:b}", "uuid", v->uuid, "name", v->name,
	        "style", v->style, "type", v->type, "state", v->state, "size", (json_int_t)v->size, "comment",
	        v->comment, "language", v->language, "msid", (json_int_t)(v->fsid | 0x80000000LL),
	        "is_svm_root", (int)v->is_root, "snapshot_directory_access_enabled", (int)v->snapdir_access);

	json_put(rec, "svm", make_svm_ref(m));
	json_put(rec, "create_time", json_time(v->create_time));
	json_put(rec, "aggregates", aggregate_list(m, v->aggregates));
	if (v->constituents)
		json_put(rec, "constituent_count", json_integer((json_int_t)v->constituents));
	if (v->junction)
		json_put(rec, "nas.path", json_string(v->junction));
	json_put(rec, "nas.export_policy.name", json_string(v->export_policy));
	json_put(rec, "nas.export_policy.id",
	         json_integer((json_int_t)db_int(m->db, 0, "SELECT id FROM export_policies WHERE name=?", "s",
	                                         v->export_policy)));
	json_put(rec, "nas.security_style", json_string(v->security_style));
	put_clone(m, rec, v);
	json_put(rec, "snapshot_policy", make_ref(v->snapshot_policy, policy, NULL));
	put_space(rec, v);
	json_put(rec, "guarantee", json_pack("{s:s, s:b}", "type", v->guarantee, "honored", 1));
	json_put(rec, "flexcache_endpoint_type", json_string(endpoint_type(m->db, v->uuid)));
	json_put(rec, "snapmirror.is_protected",
	         json_boolean(db_int(m->db, 0, "SELECT count(*) FROM snapmirrors WHERE source=? AND NOT gone&2",
	                             "s", v->uuid)));
	json_put(rec, "analytics.state", json_string("off"));
	json_put(rec, "autosize.mode", json_string("off"));
	json_put(rec, "encryption.enabled", json_false());
	json_put(rec, "tiering.policy", json_string(v->tiering));
	json_put(rec, "snaplock.type", json_string("non_snaplock"));
	quota = db_int(m->db, 0, "SELECT quota FROM volumes WHERE uuid=?", "s", v->uuid);
	json_put(rec, "quota", json_pack("{s:s, s:b}", "state", quota ? "on" : "off", "enabled", (int)quota));
	return rec;
}

/* The constituents of a FlexGroup as volumes of their own: listed only on request,
 * all facts derived from the group. */
static void add_constituents(struct model *m, const struct volume *v, struct list *out)
{
	AUTO_JSON json_t *aggrs = aggregate_list(m, v->aggregates);

	for (int64_t i = 0; i < v->constituents && json_array_size(aggrs); i++) {
		AUTO_FREE char *name = sim_fmt("%s__%04d", v->name, (int)i + 1);
		AUTO_FREE char *uuid = sim_fmt("%.24s%012llx", v->uuid,
		                               (unsigned long long)(v->fsid << 16 | (i + 1)) & 0xffffffffffffULL);
		json_t *rec = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "uuid", uuid, "name", name,
		                        "style", "flexgroup_constituent", "type", v->type, "state", v->state,
		                        "size", (json_int_t)(v->size / v->constituents), "comment", "");

		json_put(rec, "svm", make_svm_ref(m));
		json_put(rec, "create_time", json_time(v->create_time));
		json_put(rec, "aggregates",
		         json_pack("[O]", json_array_get(aggrs, (size_t)i % json_array_size(aggrs))));
		/* Behind every real volume, in the order of their groups. */
		list_add(out, (INT64_C(1) << 40) + v->fsid * 4096 + i, rec);
	}
}

static int list_volumes(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT " VOLUME_COLUMNS " FROM volumes WHERE deleted_at IS NULL"
	                                     " AND (?1 IS NULL OR uuid=?1) ORDER BY fsid",
	                                     "s", key);
	const char *want = request_param(r, "is_constituent");
	bool parts = want && (strcmp(want, "true") == 0 || strchr(want, '*'));
	bool whole = !want || strcmp(want, "true") != 0;
	struct volume v = { 0 };

	(void)f;
	while (volume_next(s, &v)) {
		if (whole)
			list_add(out, v.fsid, make_volume(r->m, &v));
		if (parts)
			add_constituents(r->m, &v, out);
		volume_fini(&v);
	}
	if (r->m->synthetic_volumes)
		synthetic_volumes(r, key, parts, make_volume, out);
	return 0;
}

/* ---- what costs work ------------------------------------------------------ */

static void fill_usage(struct req *r, json_t *rec, const struct volume *v, int64_t used, int64_t files)
{
	int64_t reserve = v->size / 100 * v->snapshot_reserve, afs = v->size - reserve;
	int64_t room = afs > used ? afs - used : 0, meta = files * INODE_BYTES, disk = 0, free_bytes = 0;
	json_t *space = json_at(rec, "space");

	store_space(r->m->dir, &disk, &free_bytes);
	json_put(space, "used", json_integer((json_int_t)used));
	json_put(space, "available", json_integer((json_int_t)room));
	json_put(space, "percent_used", json_integer((json_int_t)(afs ? used * 100 / afs : 0)));
	json_put(space, "footprint", json_integer((json_int_t)used));
	json_put(space, "metadata", json_integer((json_int_t)meta));
	json_put(space, "total_footprint", json_integer((json_int_t)(used + meta)));
	json_put(space, "physical_used", json_integer((json_int_t)used));
	json_put(space, "over_provisioned",
	         json_integer((json_int_t)(room > free_bytes ? room - free_bytes : 0)));
	json_put(space, "logical_space.used", json_integer((json_int_t)used));
	json_put(space, "logical_space.used_by_afs", json_integer((json_int_t)used));
	json_put(space, "logical_space.available", json_integer((json_int_t)room));
	json_put(rec, "files.used", json_integer((json_int_t)files));
	if (v->clone_volume)
		json_put(rec, "clone.split_estimate", json_integer((json_int_t)used));
}

static void fill_constituents(json_t *rec, const struct volume *v, int64_t used)
{
	json_t *list = json_array(), *aggrs = json_at(rec, "aggregates");
	size_t n = json_array_size(aggrs);

	for (int64_t i = 0; i < v->constituents && n; i++) {
		AUTO_FREE char *name = sim_fmt("%s__%04d", v->name, (int)i + 1);
		int64_t size = v->size / v->constituents, part = used / v->constituents;

		json_array_append_new(
		        list, json_pack("{s:s, s:O, s:{s:I, s:I, s:I, s:I}}", "name", name, "aggregates",
		                        json_array_get(aggrs, (size_t)i % n), "space", "size",
		                        (json_int_t)size, "used", (json_int_t)part, "available",
		                        (json_int_t)(size > part ? size - part : 0), "total_footprint",
		                        (json_int_t)part));
	}
	json_put(rec, "constituents", list);
}

/* Permissions and owner are those of the volume's root folder, wherever they were
 * last changed. */
static void fill_root(struct req *r, json_t *rec, const struct volume *v)
{
	AUTO_CLOSE int fd = store_open(r->m->dir, v->subvol);
	struct stat st;
	char digits[16];

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	/* Decimal digits that read as octal: 755 means 0755. */
	snprintf(digits, sizeof(digits), "%o", st.st_mode & 07777);
	json_put(rec, "nas.unix_permissions", json_integer(strtol(digits, NULL, 10)));
	json_put(rec, "nas.uid", json_integer(st.st_uid));
	json_put(rec, "nas.gid", json_integer(st.st_gid));
}

/* What the snapshots keep: each counts with what the next younger one replaced.
 * Bounded in time; what was not reached is counted by a later request. */
static void fill_snapshot_used(struct req *r, json_t *rec, const struct volume *v)
{
	int64_t end = sim_mono_ms() + SNAPSHOT_USED_MS, sum = 0, bytes, reserve;
	AUTO_JSON json_t *subvols = json_array();
	AUTO_STMT sqlite3_stmt *s = NULL;
	const char *younger = v->subvol;
	json_t *e;
	size_t i;

	if (!request_wants(r, volume_fields, "space.snapshot.used") &&
	    !request_wants(r, volume_fields, "space.snapshot.reserve_available"))
		return;
	model_lock(r->m);
	s = db_query(r->m->db, "SELECT subvol FROM snapshots WHERE volume_uuid=? ORDER BY fsid DESC", "s",
	             v->uuid);
	while (db_row(s))
		json_array_append_new(subvols, json_string(db_col_text(s, 0)));
	sqlite3_reset(s);
	model_unlock(r->m);
	json_array_foreach(subvols, i, e) {
		if (store_replaced(r->m->dir, json_string_value(e), younger, sim_mono_ms() > end, &bytes) == 0)
			sum += bytes;
		younger = json_string_value(e);
	}
	reserve = v->size / 100 * v->snapshot_reserve;
	json_put(rec, "space.snapshot.used", json_integer((json_int_t)sum));
	json_put(rec, "space.snapshot.reserve_available",
	         json_integer((json_int_t)(reserve > sum ? reserve - sum : 0)));
}

static void fill_volume(struct req *r, json_t *rec)
{
	struct model *m = r->m;
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_STMT sqlite3_stmt *s = NULL;
	int64_t bytes = 0, files = 0;
	bool found;

	if (synthetic_is_volume(m, json_text(rec, "uuid")))
		return;
	model_lock(m);
	found = volume_load(m->db, "uuid", json_text(rec, "uuid"), false, &v);
	if (found) {
		json_put(rec, "snapshot_count",
		         json_integer((json_int_t)db_int(
		                 m->db, 0, "SELECT count(*) FROM snapshots WHERE volume_uuid=?", "s", v.uuid)));
		json_put(rec, "clone.has_flexclone", json_boolean(volume_has_clones(m->db, v.uuid)));
		if (v.junction && strcmp(v.junction, "/") != 0) {
			s = db_query(m->db,
			             "SELECT name,uuid FROM volumes WHERE junction='/' OR (uuid<>?1 AND "
			             "lower(substr(?2,1,length(junction)+1))=lower(junction)||'/')"
			             " ORDER BY length(junction) DESC LIMIT 1",
			             "ss", v.uuid, v.junction);
			if (db_row(s))
				json_put(rec, "nas.junction_parent",
				         make_ref(db_col_text(s, 0), db_col_text(s, 1), NULL));
		}
	}
	model_unlock(m);
	if (!found || strcmp(v.state, "online") != 0)
		return;
	fill_root(r, rec, &v);
	if (store_usage(m->dir, v.subvol, &bytes, &files) < 0)
		return;
	fill_usage(r, rec, &v, bytes, files);
	fill_snapshot_used(r, rec, &v);
	if (v.constituents)
		fill_constituents(rec, &v, bytes);
}

static const char *const volume_params[] = { "force",      "restore_to.",  "is_constituent",  "sizing_method",
	                                     "validate_only", "match_parent_storage_tier", "is_human",
	                                     "clone.match_parent_storage_tier", NULL };

const struct resource res_volumes = {
	.collection = "/storage/volumes",
	.item = "/storage/volumes/{uuid}",
	.key = "uuid",
	.fields = volume_fields,
	.params = volume_params,
	.list = list_volumes,
	.fill = fill_volume,
	.post = volume_post,
	.patch = volume_patch,
	.del = volume_del,
};
