/*
 * /svm/svms, /network/ip/interfaces, /storage/aggregates.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/seed.h"
#include "tests/sim/store.h"

/* ---- /svm/svms ------------------------------------------------------------ */

static const struct field svm_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD, T_STR },
	{ "state", F_STD, T_STR },
	{ "subtype", F_STD, T_STR },
	{ "language", F_STD, T_STR },
	{ "comment", F_STD, T_STR },
	{ "ipspace.name", F_STD, T_STR },
	{ "aggregates.name", F_STD, T_STR },
	{ "aggregates.uuid", F_STD, T_STR },
	{ "ip_interfaces.name", F_STD, T_STR },
	{ "ip_interfaces.uuid", F_STD, T_STR },
	{ "ip_interfaces.ip.address", F_STD, T_STR },
	{ "ip_interfaces.services", F_STD, T_ANY },
	{ "nfs.allowed", F_STD, T_BOOL },
	{ "nfs.enabled", F_STD, T_BOOL },
	{ "snapshot_policy.name", F_STD, T_STR },
	{ "snapshot_policy.uuid", F_STD, T_STR },
	{ "max_volumes", F_STD, T_STR },
	{ "cifs", F_TREE, T_ANY },
	{ "iscsi", F_TREE, T_ANY },
	{ "nvme", F_TREE, T_ANY },
	{ "fcp", F_TREE, T_ANY },
	{ "s3", F_TREE, T_ANY },
	{ "dns", F_TREE, T_ANY },
	{ "ldap", F_TREE, T_ANY },
	{ "nis", F_TREE, T_ANY },
	{ "nsswitch", F_TREE, T_ANY },
	{ "routes", F_TREE, T_ANY },
	{ "certificate", F_TREE, T_ANY },
	{ "is_space_reporting_logical", 0, T_BOOL },
	{ "is_space_enforcement_logical", 0, T_BOOL },
	{ "snapshot_autodelete_enabled", 0, T_BOOL },
	{ NULL, 0, T_ANY },
};

static json_t *aggregate_refs(struct model *m)
{
	AUTO_STMT sqlite3_stmt *s = db_query(m->db, "SELECT name,uuid FROM aggregates ORDER BY name", "");
	json_t *list = json_array();

	while (db_row(s)) {
		AUTO_FREE char *href = sim_fmt("/api/storage/aggregates/%s", db_col_text(s, 1));

		json_array_append_new(list, make_ref(db_col_text(s, 0), db_col_text(s, 1), href));
	}
	return list;
}

static json_t *lif_services(void)
{
	return json_pack("[s, s, s, s]", "data_core", "data_nfs", "data_cifs", "data_flexcache");
}

static json_t *lif_refs(struct model *m)
{
	AUTO_STMT sqlite3_stmt *s = db_query(m->db, "SELECT name,uuid,address FROM lifs ORDER BY rowid", "");
	json_t *list = json_array();

	while (db_row(s)) {
		AUTO_FREE char *href = sim_fmt("/api/network/ip/interfaces/%s", db_col_text(s, 1));
		json_t *lif = make_ref(db_col_text(s, 0), db_col_text(s, 1), href);

		json_put(lif, "ip.address", json_string(db_col_text(s, 2)));
		json_put(lif, "services", lif_services());
		json_array_append_new(list, lif);
	}
	return list;
}

static int list_svms(struct req *r, const char *key, struct list *out, struct fail *f)
{
	struct model *m = r->m;
	AUTO_FREE char *policy =
	        db_text(m->db, "SELECT uuid FROM snapshot_policies WHERE name='default'", "");
	json_t *rec = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s}, s:{s:b}, s:{s:s, s:s*}, s:s}", "uuid",
	                        m->svm_uuid, "name", SIM_SVM, "state", "running", "subtype", "default",
	                        "language", "c.utf_8", "comment", "", "ipspace", "name", "Default", "nfs",
	                        "allowed", 1, "snapshot_policy", "name", "default", "uuid", policy,
	                        "max_volumes", "unlimited");

	(void)key;
	(void)f;
	json_put(rec, "nfs.enabled", json_true());
	json_put(rec, "aggregates", aggregate_refs(m));
	json_put(rec, "ip_interfaces", lif_refs(m));
	list_add(out, 1, rec);
	return 0;
}

const struct resource res_svms = {
	.collection = "/svm/svms",
	.item = "/svm/svms/{uuid}",
	.key = "uuid",
	.fields = svm_fields,
	.list = list_svms,
};

/* ---- /network/ip/interfaces ----------------------------------------------- */

static const struct field lif_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD, T_STR },
	{ "ip.address", F_STD, T_STR },
	{ "ip.netmask", F_STD, T_STR },
	{ "ip.family", F_STD, T_STR },
	{ "enabled", F_STD | F_PATCH, T_BOOL },
	{ "state", F_STD, T_STR },
	{ "scope", F_STD, T_STR },
	{ "ipspace.name", F_STD, T_STR },
	{ "svm.name", F_STD, T_STR },
	{ "svm.uuid", F_STD, T_STR },
	{ "services", F_STD, T_ANY },
	{ "location.node.name", F_STD, T_STR },
	{ "location.home_node.name", F_STD, T_STR },
	{ "location.is_home", F_STD, T_BOOL },
	{ "location.port", F_TREE, T_ANY },
	{ "location.home_port", F_TREE, T_ANY },
	{ "location.broadcast_domain", F_TREE, T_ANY },
	{ "location.failover", 0, T_STR },
	{ "location.auto_revert", 0, T_BOOL },
	{ "service_policy", F_TREE, T_ANY },
	{ "vip", 0, T_BOOL },
	{ "metric", F_TREE, T_ANY },
	{ "statistics", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static json_t *make_lif(const char *uuid, const char *name, const char *address, const char *state,
                        int node)
{
	AUTO_FREE char *home = sim_fmt(SIM_CLUSTER "-%02d", node);

	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:s, s:b, s:{s:s}, s:{s:{s:s}, s:{s:s}, s:b}}", "uuid",
	                 uuid, "name", name, "ip", "address", address, "netmask", "8", "family", "ipv4",
	                 "state", state, "enabled", strcmp(state, "up") == 0, "ipspace", "name", "Default",
	                 "location", "node", "name", home, "home_node", "name", home, "is_home", 1);
}

static int list_lifs(struct req *r, const char *key, struct list *out, struct fail *f)
{
	struct model *m = r->m;
	AUTO_STMT sqlite3_stmt *s = NULL;
	json_t *rec;
	int64_t seq = 1;

	(void)key;
	(void)f;
	if (r->cluster_admin) {
		rec = make_lif(m->mgmt_uuid, "cluster_mgmt", SIM_MGMT_ADDRESS, "up", 1);
		json_put(rec, "scope", json_string("cluster"));
		json_put(rec, "services", json_pack("[s, s, s]", "management_core", "management_https",
		                                    "management_ssh"));
		list_add(out, seq, rec);
	}
	s = db_query(m->db, "SELECT uuid,name,address,state FROM lifs ORDER BY rowid", "");
	while (db_row(s)) {
		rec = make_lif(db_col_text(s, 0), db_col_text(s, 1), db_col_text(s, 2), db_col_text(s, 3),
		               1 + (int)(seq - 1) % 2);
		json_put(rec, "scope", json_string("svm"));
		json_put(rec, "svm", make_svm_ref(m));
		json_put(rec, "services", lif_services());
		list_add(out, ++seq, rec);
	}
	return 0;
}

static int patch_lif(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	bool up = json_flag(body, "enabled", json_flag(rec, "enabled", true));

	if (strcmp(json_text(rec, "uuid"), r->m->mgmt_uuid) == 0)
		return fail_set(f, 400, E_UNSUPPORTED, "The management interface cannot be changed.");
	if (db_begin(r->m->db, true) < 0 ||
	    db_exec(r->m->db, "UPDATE lifs SET state=? WHERE uuid=?", "ss", up ? "up" : "down",
	            json_text(rec, "uuid")) < 0 ||
	    db_commit(r->m->db) < 0) {
		db_rollback(r->m->db);
		return fail_internal(f, "change an interface", 5);
	}
	out->reload = true;
	return 0;
}

const struct resource res_interfaces = {
	.collection = "/network/ip/interfaces",
	.item = "/network/ip/interfaces/{uuid}",
	.key = "uuid",
	.fields = lif_fields,
	.list = list_lifs,
	.patch = patch_lif,
};

/* ---- /storage/aggregates -------------------------------------------------- */

static const struct field aggregate_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "name", F_KEY | F_STD, T_STR },
	{ "state", F_STD, T_STR },
	{ "node.name", F_STD, T_STR },
	{ "node.uuid", F_STD, T_STR },
	{ "home_node.name", F_STD, T_STR },
	{ "home_node.uuid", F_STD, T_STR },
	{ "block_storage.primary.disk_type", F_STD, T_STR },
	{ "block_storage.primary.disk_class", F_STD, T_STR },
	{ "block_storage.hybrid_cache", F_TREE, T_ANY },
	{ "block_storage.mirror", F_TREE, T_ANY },
	{ "space.block_storage.size", F_STD, T_SIZE },
	{ "space.block_storage.available", F_STD, T_SIZE },
	{ "space.block_storage.used", F_STD, T_SIZE },
	{ "space.footprint", F_STD, T_SIZE },
	{ "space.efficiency", F_TREE, T_ANY },
	{ "space.cloud_storage", F_TREE, T_ANY },
	{ "volume-count", F_STD, T_INT },
	{ "cloud_storage", F_TREE, T_ANY },
	{ "data_encryption", F_TREE, T_ANY },
	{ "snaplock_type", F_STD, T_STR },
	{ "metric", F_TREE, T_ANY },
	{ "statistics", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static int list_aggregates(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(
	        r->m->db,
	        "SELECT a.uuid,a.name,a.node,n.uuid,a.rowid,(SELECT count(*) FROM volumes v, "
	        "json_each(v.aggregates) j WHERE j.value=a.name) FROM aggregates a JOIN nodes n"
	        " ON n.name=a.node ORDER BY a.rowid",
	        "");
	int64_t size = 0, room = 0, n = db_int(r->m->db, 1, "SELECT count(*) FROM aggregates", "");

	(void)key;
	(void)f;
	/* One file system is behind all of them: each shows an equal share. */
	store_space(r->m->dir, &size, &room);
	size /= n;
	room /= n;
	while (db_row(s)) {
		json_t *rec = json_pack(
		        "{s:s, s:s, s:s, s:{s:{s:s, s:s}}, s:{s:{s:I, s:I, s:I}, s:I}, s:I, s:s}", "uuid",
		        db_col_text(s, 0), "name", db_col_text(s, 1), "state", "online", "block_storage",
		        "primary", "disk_type", "ssd", "disk_class", "solid_state", "space", "block_storage",
		        "size", (json_int_t)size, "available", (json_int_t)room, "used",
		        (json_int_t)(size - room), "footprint", (json_int_t)(size - room), "volume-count",
		        (json_int_t)db_col_int(s, 5), "snaplock_type", "non_snaplock");

		json_put(rec, "node", make_ref(db_col_text(s, 2), db_col_text(s, 3), NULL));
		json_put(rec, "home_node", make_ref(db_col_text(s, 2), db_col_text(s, 3), NULL));
		list_add(out, db_col_int(s, 4), rec);
	}
	return 0;
}

const struct resource res_aggregates = {
	.collection = "/storage/aggregates",
	.item = "/storage/aggregates/{uuid}",
	.key = "uuid",
	.fields = aggregate_fields,
	.flags = R_CLUSTER_ONLY,
	.list = list_aggregates,
};
