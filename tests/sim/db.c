#include "tests/sim/db.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

static const char schema[] =
        "CREATE TABLE IF NOT EXISTS settings("
        " key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"

        "CREATE TABLE IF NOT EXISTS accounts("
        " name TEXT PRIMARY KEY, password TEXT NOT NULL, scope TEXT NOT NULL);"

        "CREATE TABLE IF NOT EXISTS nodes("
        " uuid TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, serial_number TEXT NOT NULL);"

        "CREATE TABLE IF NOT EXISTS aggregates("
        " uuid TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, node TEXT NOT NULL);"

        "CREATE TABLE IF NOT EXISTS lifs("
        " uuid TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, address TEXT NOT NULL,"
        " state TEXT NOT NULL DEFAULT 'up');"

        "CREATE TABLE IF NOT EXISTS export_policies("
        " id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL);"

        "CREATE TABLE IF NOT EXISTS export_rules("
        " policy TEXT NOT NULL, idx INTEGER NOT NULL, clients TEXT NOT NULL,"
        " ro_rule TEXT NOT NULL, rw_rule TEXT NOT NULL, superuser TEXT NOT NULL,"
        " anonymous_user INTEGER NOT NULL DEFAULT 65534,"
        " protocols TEXT NOT NULL DEFAULT 'nfs', PRIMARY KEY(policy, idx));"

        "CREATE TABLE IF NOT EXISTS snapshot_policies("
        " seq INTEGER PRIMARY KEY, uuid TEXT UNIQUE NOT NULL, name TEXT UNIQUE NOT NULL,"
        " comment TEXT NOT NULL, copies TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1,"
        " scope TEXT NOT NULL DEFAULT 'cluster');"

        /* deleted_at: in the recovery queue since then.  generation: counts restores;
         * subvol changes with it.  aggregates: JSON list of names. */
        "CREATE TABLE IF NOT EXISTS volumes("
        " uuid TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, style TEXT NOT NULL,"
        " type TEXT NOT NULL DEFAULT 'rw', state TEXT NOT NULL DEFAULT 'online',"
        " junction TEXT, subvol TEXT NOT NULL, export_policy TEXT NOT NULL,"
        " snapdir_access INTEGER NOT NULL DEFAULT 1, fsid INTEGER UNIQUE NOT NULL,"
        " ids32 INTEGER NOT NULL DEFAULT 0, is_root INTEGER NOT NULL DEFAULT 0,"
        " size INTEGER NOT NULL, comment TEXT NOT NULL DEFAULT '',"
        " create_time INTEGER NOT NULL, snapshot_policy TEXT NOT NULL DEFAULT 'default',"
        " snapshot_reserve INTEGER NOT NULL DEFAULT 5, guarantee TEXT NOT NULL DEFAULT 'volume',"
        " language TEXT NOT NULL DEFAULT 'c.utf_8', security_style TEXT NOT NULL DEFAULT 'unix',"
        " tiering TEXT NOT NULL DEFAULT 'none', aggregates TEXT NOT NULL,"
        " constituents INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 0,"
        " clone_volume TEXT, clone_snapshot TEXT, deleted_at INTEGER,"
        " quota INTEGER NOT NULL DEFAULT 0);"
        "CREATE INDEX IF NOT EXISTS volumes_clone ON volumes(clone_snapshot);"

        "CREATE TABLE IF NOT EXISTS snapshots("
        " uuid TEXT PRIMARY KEY, volume_uuid TEXT NOT NULL, name TEXT NOT NULL,"
        " subvol TEXT NOT NULL, fsid INTEGER UNIQUE NOT NULL, create_time INTEGER NOT NULL,"
        " version_uuid TEXT NOT NULL, comment TEXT, expiry_time INTEGER, snapmirror_label TEXT,"
        " UNIQUE(volume_uuid, name));"
        "CREATE INDEX IF NOT EXISTS snapshots_age ON snapshots(volume_uuid, fsid);"

        /* A FlexCache is a volume whose subvol is that of its origin.  options: JSON. */
        "CREATE TABLE IF NOT EXISTS flexcaches("
        " uuid TEXT PRIMARY KEY, origin TEXT NOT NULL, create_time INTEGER NOT NULL,"
        " options TEXT NOT NULL DEFAULT '{}');"

        /* everything: all snapshots of the source are copied, else its own ones and
         * those whose label is in labels (JSON list). */
        "CREATE TABLE IF NOT EXISTS snapmirror_policies("
        " seq INTEGER PRIMARY KEY, uuid TEXT UNIQUE NOT NULL, name TEXT UNIQUE NOT NULL,"
        " comment TEXT NOT NULL, everything INTEGER NOT NULL, labels TEXT NOT NULL);"

        /* gone: which ends no longer show the relationship, 1 destination, 2 source.
         * base_source, base_destination: the snapshot that both volumes have last. */
        "CREATE TABLE IF NOT EXISTS snapmirrors("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT UNIQUE NOT NULL, source TEXT NOT NULL,"
        " destination TEXT NOT NULL, state TEXT NOT NULL, policy TEXT NOT NULL,"
        " schedule TEXT NOT NULL DEFAULT '', throttle INTEGER NOT NULL DEFAULT 0,"
        " base_source TEXT, base_destination TEXT, unhealthy TEXT, gone INTEGER NOT NULL DEFAULT 0);"

        "CREATE TABLE IF NOT EXISTS snapmirror_transfers("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT UNIQUE NOT NULL,"
        " relationship TEXT NOT NULL, job TEXT, kind TEXT NOT NULL, state TEXT NOT NULL,"
        " snapshot TEXT, bytes INTEGER NOT NULL DEFAULT 0, start_time INTEGER NOT NULL,"
        " end_time INTEGER);"

        "CREATE TABLE IF NOT EXISTS qtrees("
        " volume_uuid TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL,"
        " security_style TEXT NOT NULL, export_policy TEXT, PRIMARY KEY(volume_uuid, id),"
        " UNIQUE(volume_uuid, name));"

        "CREATE TABLE IF NOT EXISTS quota_rules("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT UNIQUE NOT NULL,"
        " volume_uuid TEXT NOT NULL, type TEXT NOT NULL, target TEXT NOT NULL,"
        " qtree TEXT NOT NULL, limits TEXT NOT NULL, UNIQUE(volume_uuid, type, target, qtree));"

        "CREATE TABLE IF NOT EXISTS cifs_shares("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL COLLATE NOCASE,"
        " path TEXT NOT NULL, options TEXT NOT NULL);"

        "CREATE TABLE IF NOT EXISTS jobs("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT UNIQUE NOT NULL,"
        " description TEXT NOT NULL, state TEXT NOT NULL, message TEXT, code INTEGER NOT NULL,"
        " start_time INTEGER NOT NULL, end_time INTEGER);";

static int configure(sqlite3 *db)
{
	sqlite3_busy_timeout(db, 10000);
	if (sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", NULL, NULL, NULL) ||
	    sqlite3_exec(db, schema, NULL, NULL, NULL)) {
		sim_log("state.db: %s", sqlite3_errmsg(db));
		return -EIO;
	}
	return 0;
}

int db_open(const char *dir, sqlite3 **ret)
{
	AUTO_FREE char *path = sim_fmt("%s/state.db", dir);
	sqlite3 *db = NULL;
	mode_t old = umask(077); /* it holds passwords */
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

	if (rc == SQLITE_OK && configure(db) < 0)
		rc = SQLITE_ERROR;
	umask(old);
	if (rc != SQLITE_OK) {
		sqlite3_close(db);
		return -EIO;
	}
	*ret = db;
	return 0;
}

int db_open_ro(const char *dir, sqlite3 **ret)
{
	AUTO_FREE char *path = sim_fmt("%s/state.db", dir);
	sqlite3 *db = NULL;

	if (access(path, F_OK) < 0)
		return -ENOENT;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		sqlite3_close(db);
		return -EIO;
	}
	sqlite3_busy_timeout(db, 10000);
	*ret = db;
	return 0;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, const char *types, va_list ap)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	for (int i = 1; rc == SQLITE_OK && types && *types; types++, i++) {
		if (*types == 's')
			rc = sqlite3_bind_text(stmt, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		else
			rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
	}
	if (rc != SQLITE_OK) {
		sim_log("state.db: %s in \"%s\"", sqlite3_errmsg(db), sql);
		sqlite3_finalize(stmt);
		return NULL;
	}
	return stmt;
}

sqlite3_stmt *db_query(sqlite3 *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt;
	va_list ap;

	va_start(ap, types);
	stmt = prepare(db, sql, types, ap);
	va_end(ap);
	return stmt;
}

bool db_row(sqlite3_stmt *stmt)
{
	int rc;

	if (!stmt)
		return false;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		sim_log("state.db: %s", sqlite3_errmsg(sqlite3_db_handle(stmt)));
	return rc == SQLITE_ROW;
}

int db_exec(sqlite3 *db, const char *sql, const char *types, ...)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	va_list ap;
	int rc;

	va_start(ap, types);
	stmt = prepare(db, sql, types, ap);
	va_end(ap);
	if (!stmt)
		return -EIO;
	do
		rc = sqlite3_step(stmt);
	while (rc == SQLITE_ROW);
	if (rc == SQLITE_DONE)
		return 0;
	if (rc == SQLITE_CONSTRAINT)
		return -EEXIST;
	sim_log("state.db: %s in \"%s\"", sqlite3_errmsg(db), sql);
	return -EIO;
}

int64_t db_int(sqlite3 *db, int64_t def, const char *sql, const char *types, ...)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	va_list ap;

	va_start(ap, types);
	stmt = prepare(db, sql, types, ap);
	va_end(ap);
	if (!db_row(stmt) || sqlite3_column_type(stmt, 0) == SQLITE_NULL)
		return def;
	return sqlite3_column_int64(stmt, 0);
}

char *db_text(sqlite3 *db, const char *sql, const char *types, ...)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	va_list ap;

	va_start(ap, types);
	stmt = prepare(db, sql, types, ap);
	va_end(ap);
	return db_row(stmt) ? sim_dup(db_col_text(stmt, 0)) : NULL;
}

int db_begin(sqlite3 *db, bool durable)
{
	if (db_exec(db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", "") < 0)
		return -EIO;
	return db_exec(db, "BEGIN IMMEDIATE", "");
}

int db_commit(sqlite3 *db)
{
	int r = db_exec(db, "COMMIT", "");

	if (r < 0)
		db_rollback(db);
	return r;
}

void db_rollback(sqlite3 *db)
{
	if (!sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

char *db_setting(sqlite3 *db, const char *key)
{
	return db_text(db, "SELECT value FROM settings WHERE key=?", "s", key);
}

int64_t db_setting_int(sqlite3 *db, const char *key, int64_t def)
{
	return db_int(db, def, "SELECT CAST(value AS INTEGER) FROM settings WHERE key=?", "s", key);
}

int db_setting_put(sqlite3 *db, const char *key, const char *value)
{
	return db_exec(db,
	               "INSERT INTO settings(key,value) VALUES(?,?)"
	               " ON CONFLICT(key) DO UPDATE SET value=excluded.value",
	               "ss", key, value);
}

int64_t db_next_fsid(sqlite3 *db)
{
	int64_t next = db_setting_int(db, "next_fsid", 0x1001);
	AUTO_FREE char *text = sim_fmt("%lld", (long long)next + 1);

	return db_setting_put(db, "next_fsid", text) < 0 ? 0 : next;
}

const char *db_col_text(sqlite3_stmt *stmt, int col)
{
	return (const char *)sqlite3_column_text(stmt, col);
}

int64_t db_col_int(sqlite3_stmt *stmt, int col)
{
	return sqlite3_column_int64(stmt, col);
}
