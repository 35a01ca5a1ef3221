/*
 * The simulator's state in SQLite.  One connection per process; the REST process
 * is the only writer while it runs, `ontapsim up` the only one before.
 *
 * The tables below are also the contract with the NFS face, which opens the
 * file read-only and reads it again when told "reload".
 */
#ifndef SIM_DB_H
#define SIM_DB_H

#include <sqlite3.h>

#include "tests/sim/util.h"

static inline void auto_stmt_fn(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}
#define AUTO_STMT __attribute__((cleanup(auto_stmt_fn)))

/* Opens DIR/state.db for writing, making file and tables when they are missing.
 * 0 or -errno; the reason is logged.  The caller closes with sqlite3_close. */
int db_open(const char *dir, sqlite3 **ret);

/* Opens an existing DIR/state.db to read only.  0, -ENOENT or -EIO. */
int db_open_ro(const char *dir, sqlite3 **ret);

/* Prepares sql and binds the arguments: one letter each in types, 's' = const
 * char * (NULL binds NULL), 'i' = int64_t.  The caller steps and finalizes.
 * NULL on error (logged). */
sqlite3_stmt *db_query(sqlite3 *db, const char *sql, const char *types, ...);

/* The same, run to its end.  0 or -EIO (logged; -EEXIST for a broken UNIQUE). */
int db_exec(sqlite3 *db, const char *sql, const char *types, ...);

/* True while the statement has a row.  Errors are logged and end the loop. */
bool db_row(sqlite3_stmt *stmt);

/* The first column of the first row as an integer, def when there is none. */
int64_t db_int(sqlite3 *db, int64_t def, const char *sql, const char *types, ...);

/* The first column of the first row as text, freed by the caller, or NULL. */
char *db_text(sqlite3 *db, const char *sql, const char *types, ...);

/* Transactions.  durable: the commit returns after it has reached the disk
 * (everything but the progress of jobs).  0 or -EIO. */
int db_begin(sqlite3 *db, bool durable);
int db_commit(sqlite3 *db);
void db_rollback(sqlite3 *db);

/* settings table.  get: text freed by the caller, NULL when not set. */
char *db_setting(sqlite3 *db, const char *key);
int64_t db_setting_int(sqlite3 *db, const char *key, int64_t def);
int db_setting_put(sqlite3 *db, const char *key, const char *value);

/* Setting of this name and a volume's uuid: "1" while its room is used up. */
#define VOLUME_FULL "full:"

/* Takes the next file system id: nonzero, rising, never given out twice.  Call
 * inside the transaction that uses it.  0 on error. */
int64_t db_next_fsid(sqlite3 *db);

/* Column helpers: text is NULL when the column is NULL and lives until the next
 * step of the statement. */
const char *db_col_text(sqlite3_stmt *stmt, int col);
int64_t db_col_int(sqlite3_stmt *stmt, int col);

#endif
