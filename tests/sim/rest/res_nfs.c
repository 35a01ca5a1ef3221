/*
 * /protocols/nfs/services, /storage/snapshot-policies.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/seed.h"

static const struct field nfs_fields[] = {
	{ "svm.uuid", F_KEY | F_STD, T_STR },
	{ "svm.name", F_KEY | F_STD, T_STR },
	{ "enabled", F_STD, T_BOOL },
	{ "state", F_STD, T_STR },
	{ "showmount_enabled", F_STD, T_BOOL },
	{ "vstorage_enabled", F_STD, T_BOOL },
	{ "protocol.v3_enabled", F_STD | F_PATCH, T_BOOL },
	{ "protocol.v40_enabled", F_STD, T_BOOL },
	{ "protocol.v41_enabled", F_STD, T_BOOL },
	{ "protocol.v42_enabled", F_EXP, T_BOOL },
	{ "protocol.v4_id_domain", F_STD, T_STR },
	{ "protocol.v3_64bit_identifiers_enabled", F_STD, T_BOOL },
	{ "protocol.v4_64bit_identifiers_enabled", F_STD, T_BOOL },
	{ "protocol.v3_features.fsid_change", F_SINCE(11, 1) | F_STD, T_BOOL },
	{ "protocol.v3_features.mount_root_only", F_SINCE(11, 1) | F_STD | F_PATCH, T_BOOL },
	{ "protocol.v3_features.hide_snapshot_enabled", F_SINCE(13, 1) | F_STD, T_BOOL },
	{ "protocol.v3_features.ejukebox_enabled", F_SINCE(11, 1) | F_STD, T_BOOL },
	{ "protocol.v3_features.connection_drop", F_SINCE(11, 1) | F_STD, T_BOOL },
	{ "protocol.v3_features.mount_daemon_port", F_SINCE(11, 1) | F_STD, T_INT },
	{ "protocol.v40_features", F_TREE, T_ANY },
	{ "protocol.v41_features", F_TREE, T_ANY },
	{ "protocol.v4_fsid_change", F_SINCE(13, 1), T_BOOL },
	{ "protocol.v4_lease_seconds", F_SINCE(13, 1), T_INT },
	{ "protocol.v4_grace_seconds", F_SINCE(13, 1), T_INT },
	{ "transport.udp_enabled", F_STD, T_BOOL },
	{ "transport.tcp_enabled", F_STD, T_BOOL },
	{ "transport.tcp_max_transfer_size", F_SINCE(11, 1) | F_STD | F_PATCH, T_SIZE },
	{ "extended_groups_limit", F_EXP, T_INT },
	{ "auth_sys_extended_groups_enabled", F_EXP, T_BOOL },
	{ "root", F_SINCE(11, 1) | F_TREE, T_ANY },
	{ "security", F_SINCE(11, 1) | F_TREE, T_ANY },
	{ "windows", F_TREE, T_ANY },
	{ "exports", F_TREE, T_ANY },
	{ "qtree", F_TREE, T_ANY },
	{ "credential_cache", F_TREE, T_ANY },
	{ "access_cache_config", F_TREE, T_ANY },
	{ "metric", F_TREE, T_ANY },
	{ "statistics", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static int list_nfs(struct req *r, const char *key, struct list *out, struct fail *f)
{
	sqlite3 *db = r->m->db;
	json_t *rec = json_pack(
	        "{s:b, s:s, s:b, s:b, s:{s:b, s:b, s:b, s:b, s:s, s:b, s:b,"
	        " s:{s:b, s:b, s:b, s:b, s:b, s:I}}, s:{s:b, s:b, s:I}, s:i, s:b}",
	        "enabled", 1, "state", "online", "showmount_enabled", 1, "vstorage_enabled", 0, "protocol",
	        "v3_enabled", (int)db_setting_int(db, "v3_enabled", 1), "v40_enabled", 0, "v41_enabled", 0,
	        "v42_enabled", 0, "v4_id_domain", "defaultv4iddomain.com", "v3_64bit_identifiers_enabled", 0,
	        "v4_64bit_identifiers_enabled", 1, "v3_features", "fsid_change", 1, "mount_root_only",
	        (int)db_setting_int(db, "mount_root_only", 1), "hide_snapshot_enabled", 0,
	        "ejukebox_enabled", 1, "connection_drop", 1, "mount_daemon_port",
	        (json_int_t)db_setting_int(db, "nfs_port", 0), "transport", "udp_enabled", 0, "tcp_enabled",
	        1, "tcp_max_transfer_size", (json_int_t)db_setting_int(db, "max_xfer", 65536),
	        "extended_groups_limit", 32, "auth_sys_extended_groups_enabled", 0);

	(void)key;
	(void)f;
	json_put(rec, "svm", make_svm_ref(r->m));
	list_add(out, 1, rec);
	return 0;
}

static int put_flag(sqlite3 *db, const json_t *body, const char *path, const char *key)
{
	json_t *v = json_at(body, path);

	return v ? db_setting_put(db, key, json_is_true(v) ? "1" : "0") : 0;
}

static int patch_nfs(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	int64_t xfer = json_num(body, "transport.tcp_max_transfer_size", 0);
	AUTO_FREE char *text = sim_fmt("%lld", (long long)xfer);
	sqlite3 *db = r->m->db;

	(void)rec;
	if (json_at(body, "transport.tcp_max_transfer_size") &&
	    (xfer < 8192 || xfer > 1048576 || xfer % 4096))
		return fail_field(f, 400, E_FIELD_VALUE, "transport.tcp_max_transfer_size",
		                  "The value must be 8192 to 1048576 in steps of 4096");
	if (db_begin(db, true) < 0 || (xfer && db_setting_put(db, "max_xfer", text) < 0) ||
	    put_flag(db, body, "protocol.v3_enabled", "v3_enabled") < 0 ||
	    put_flag(db, body, "protocol.v3_features.mount_root_only", "mount_root_only") < 0 ||
	    db_commit(db) < 0) {
		db_rollback(db);
		return fail_internal(f, "change the NFS service", 5);
	}
	out->reload = true;
	return 0;
}

const struct resource res_nfs_services = {
	.collection = "/protocols/nfs/services",
	.item = "/protocols/nfs/services/{svm.uuid}",
	.key = "svm.uuid",
	.fields = nfs_fields,
	.list = list_nfs,
	.patch = patch_nfs,
};
