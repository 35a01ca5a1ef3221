#include "tests/sim/seed.h"

#include <errno.h>
#include <string.h>

#include "tests/sim/net.h"
#include "tests/sim/store.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define TIB (INT64_C(1) << 40)

static int put_uuid(sqlite3 *db, const char *key)
{
	char uuid[UUID_BUF];

	sim_uuid(uuid);
	return db_setting_put(db, key, uuid);
}

static int add_account(sqlite3 *db, const char *name, const char *scope)
{
	char password[25];

	sim_password(password, sizeof(password) - 1);
	return db_exec(db, "INSERT INTO accounts VALUES(?,?,?)", "sss", name, password, scope);
}

static int add_hardware(sqlite3 *db)
{
	for (int i = 1; i <= 2; i++) {
		AUTO_FREE char *node = sim_fmt(SIM_CLUSTER "-%02d", i);
		AUTO_FREE char *aggr = sim_fmt("aggr%d", i);
		AUTO_FREE char *serial = sim_fmt("4082368-50-%d", i);
		char u1[UUID_BUF], u2[UUID_BUF];

		sim_uuid(u1);
		sim_uuid(u2);
		if (db_exec(db, "INSERT INTO nodes VALUES(?,?,?)", "sss", u1, node, serial) < 0 ||
		    db_exec(db, "INSERT INTO aggregates VALUES(?,?,?)", "sss", u2, aggr, node) < 0)
			return -EIO;
	}
	return 0;
}

static int add_snapshot_policies(sqlite3 *db)
{
	static const struct {
		const char *name, *comment, *copies;
	} policy[] = {
		{ "default", "Default policy with hourly, daily & weekly schedules.",
		  "[{\"count\":6,\"schedule\":{\"name\":\"hourly\"},\"prefix\":\"hourly\"},"
		  "{\"count\":2,\"schedule\":{\"name\":\"daily\"},\"prefix\":\"daily\","
		  "\"snapmirror_label\":\"daily\"},"
		  "{\"count\":2,\"schedule\":{\"name\":\"weekly\"},\"prefix\":\"weekly\","
		  "\"snapmirror_label\":\"weekly\"}]" },
		{ "default-1weekly", "Default policy with 6 hourly, 2 daily & 1 weekly schedule.",
		  "[{\"count\":6,\"schedule\":{\"name\":\"hourly\"},\"prefix\":\"hourly\"},"
		  "{\"count\":2,\"schedule\":{\"name\":\"daily\"},\"prefix\":\"daily\"},"
		  "{\"count\":1,\"schedule\":{\"name\":\"weekly\"},\"prefix\":\"weekly\"}]" },
		{ "none", "Policy for volumes that need no automatic snapshots.", "[]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(policy); i++) {
		char uuid[UUID_BUF];

		sim_uuid(uuid);
		if (db_exec(db,
		            "INSERT INTO snapshot_policies(uuid,name,comment,copies) VALUES(?,?,?,?)",
		            "ssss", uuid, policy[i].name, policy[i].comment, policy[i].copies) < 0)
			return -EIO;
	}
	return 0;
}

static int add_snapmirror_policies(sqlite3 *db)
{
	static const struct {
		const char *name, *comment, *labels;
		bool everything;
	} policy[] = {
		{ "Asynchronous", "A unified policy for mirroring the latest file system and labelled snapshots.",
		  "[\"daily\",\"weekly\"]", false },
		{ "MirrorAllSnapshots", "Mirrors all snapshots and the latest active file system.", "[]", true },
		{ "MirrorLatest", "Mirrors the latest active file system only.", "[]", false },
		{ "MirrorAndVault", "Mirrors the latest file system and labelled snapshots.",
		  "[\"daily\",\"weekly\"]", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(policy); i++) {
		char uuid[UUID_BUF];

		sim_uuid(uuid);
		if (db_exec(db,
		            "INSERT INTO snapmirror_policies(uuid,name,comment,everything,labels)"
		            " VALUES(?,?,?,?,?)",
		            "sssis", uuid, policy[i].name, policy[i].comment, (int64_t)policy[i].everything,
		            policy[i].labels) < 0)
			return -EIO;
	}
	return 0;
}

static int add_volume(const char *dir, sqlite3 *db, const char *name, const char *junction, bool group,
                      int64_t size, mode_t mode, bool snapdir)
{
	char uuid[UUID_BUF];
	AUTO_FREE char *subvol = NULL;
	int64_t fsid = db_next_fsid(db);
	bool root = strcmp(junction, "/") == 0;
	int r;

	sim_uuid(uuid);
	subvol = sim_fmt("vol/%s", uuid);
	r = store_create(dir, subvol, mode, 0, 0);
	if (r < 0)
		return sim_err("cannot make the volume %s in the store: %s", name, strerror(-r));
	if (!fsid)
		return -1;
	return db_exec(db,
	               "INSERT INTO volumes(uuid,name,style,junction,subvol,export_policy,snapdir_access,"
	               "fsid,ids32,is_root,size,create_time,snapshot_policy,guarantee,aggregates,"
	               "constituents) VALUES(?,?,?,?,?,'default',?,?,?,?,?,?,?,?,?,?)",
	               "sssssiiiiiisssi", uuid, name, group ? "flexgroup" : "flexvol", junction, subvol,
	               (int64_t)snapdir, fsid, (int64_t)group, (int64_t)root, size, sim_now(),
	               root ? "none" : "default", group ? "none" : "volume",
	               group ? "[\"aggr1\",\"aggr2\"]" : "[\"aggr1\"]", (int64_t)(group ? 8 : 0));
}

int seed_lifs(const char *dir, sqlite3 *db, int attempt, int count)
{
	if (db_exec(db, "DELETE FROM lifs", "") < 0)
		return -EIO;
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *name = sim_fmt("lif_%s_%d", SIM_SVM, i + 1);
		char uuid[UUID_BUF], address[INET_ADDRSTRLEN];

		sim_uuid(uuid);
		net_lif_address(dir, attempt, i, address);
		if (db_exec(db, "INSERT INTO lifs(uuid,name,address,state) VALUES(?,?,?,'up')", "sss", uuid,
		            name, address) < 0)
			return -EIO;
	}
	return 0;
}

int seed_model(const char *dir, sqlite3 *db)
{
	if (db_setting_int(db, "seeded", 0))
		return 0;
	if (db_begin(db, true) < 0)
		return sim_err("cannot write the state of %s", dir);
	if (put_uuid(db, "cluster_uuid") < 0 || put_uuid(db, "svm_uuid") < 0 ||
	    put_uuid(db, "mgmt_lif_uuid") < 0 || db_setting_put(db, "mount_root_only", "1") < 0 ||
	    db_setting_put(db, "v3_enabled", "1") < 0 || add_account(db, "admin", "cluster") < 0 ||
	    add_account(db, "vsadmin", "svm") < 0 || add_hardware(db) < 0 ||
	    add_snapshot_policies(db) < 0 || add_snapmirror_policies(db) < 0 ||
	    db_exec(db, "INSERT INTO export_policies(name) VALUES('default')", "") < 0 ||
	    db_exec(db,
	            "INSERT INTO export_rules(policy,idx,clients,ro_rule,rw_rule,superuser,anonymous_user)"
	            " VALUES('default',1,'127.0.0.0/8','any','any','any',65534)",
	            "") < 0 ||
	    add_volume(dir, db, SIM_SVM "_root", "/", false, GIB, 0755, true) < 0 ||
	    add_volume(dir, db, "project1", "/project1", false, 10 * GIB, 0777, true) < 0 ||
	    add_volume(dir, db, "imagenet", "/imagenet", true, TIB, 0777, true) < 0 ||
	    add_volume(dir, db, "trident_pvc", "/trident_pvc", false, 10 * GIB, 0777, false) < 0 ||
	    db_setting_put(db, "seeded", "1") < 0 || db_commit(db) < 0) {
		db_rollback(db);
		return sim_err("cannot fill the new simulator in %s", dir);
	}
	return 0;
}

int seed_synthetic(const char *dir, sqlite3 *db)
{
	AUTO_CLOSE int fd = store_open(dir, SYNTHETIC_SUBVOL);
	int r = fd >= 0 || !db_setting_int(db, "synthetic_volumes", 0) ?
	                0 :
	                store_create(dir, SYNTHETIC_SUBVOL, 0755, 0, 0);

	return r < 0 ? sim_err("cannot make the folder of the synthetic volumes: %s", strerror(-r)) : 0;
}

static int write_json(const char *dir, const char *name, json_t *j)
{
	AUTO_FREE char *path = sim_fmt("%s/%s", dir, name);
	AUTO_FREE char *text = json_dumps(j, JSON_INDENT(2));
	AUTO_FREE char *line = text ? sim_fmt("%s\n", text) : NULL;
	int r = line ? sim_write_file(path, line, strlen(line), 0600) : -ENOMEM;

	if (r < 0)
		return sim_err("cannot write %s: %s", path, strerror(-r));
	return 0;
}

int seed_files(const char *dir, sqlite3 *db)
{
	AUTO_FREE char *cert_path = sim_fmt("%s/cert.pem", dir);
	AUTO_FREE char *cert = NULL;
	AUTO_FREE char *cert64 = NULL;
	AUTO_FREE char *svm_pw = db_text(db, "SELECT password FROM accounts WHERE name='vsadmin'", "");
	AUTO_FREE char *admin_pw = db_text(db, "SELECT password FROM accounts WHERE name='admin'", "");
	AUTO_JSON json_t *backend = NULL;
	AUTO_JSON json_t *accounts = NULL;
	json_int_t rest = db_setting_int(db, "rest_port", 0), nfs = db_setting_int(db, "nfs_port", 0);
	json_int_t mnt = db_setting_int(db, "mnt_port", nfs);
	int r = sim_read_file(cert_path, 65536, &cert);

	if (r < 0 || !svm_pw || !admin_pw)
		return sim_err("cannot read %s: %s", cert_path, strerror(r < 0 ? -r : EIO));
	cert64 = sim_base64(cert, strlen(cert));
	/* No dataLIF: a client finds the data LIFs by REST. */
	backend = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s},"
	                    " s:{s:I, s:I, s:I}}",
	                    "version", 1, "storageDriverName", "ontap-nas", "backendName", "ontapsim",
	                    "managementLIF", SIM_MGMT_ADDRESS, "svm", SIM_SVM, "username", "vsadmin",
	                    "password", svm_pw, "trustedCACertificate", cert64, "defaults",
	                    "spaceReserve", "none", "exportPolicy", "default", "securityStyle", "unix",
	                    "unixPermissions", "0777", "ontapfs", "restPort", rest, "nfsPort", nfs,
	                    "mountPort", mnt);
	accounts = json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s}}", "admin", "password", admin_pw, "scope",
	                     "cluster", "vsadmin", "password", svm_pw, "scope", "svm", "svm", SIM_SVM);
	if (!backend || !accounts)
		return sim_err("cannot write backend.json: out of memory");
	if (write_json(dir, "accounts.json", accounts) < 0)
		return -1;
	return write_json(dir, "backend.json", backend);
}
