/*
 * up, down, destroy, status.
 *
 * Everything `up` makes can be made again or found again: a half-made simulator
 * (crash, power cut) is completed by the next `up`.  A failing `up` stops what
 * it started and, if it made DIR, removes it.
 */
#include "tests/sim/life.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/sim/cert.h"
#include "tests/sim/db.h"
#include "tests/sim/ganesha/ganesha.h"
#include "tests/sim/net.h"
#include "tests/sim/proc.h"
#include "tests/sim/seed.h"
#include "tests/sim/store.h"

static const char *const faces[] = { "rest", "nfs" };

/* The real path of dir, freed by the caller; NULL told. */
static char *resolve(const char *dir)
{
	char buf[PATH_MAX];

	if (!realpath(dir, buf)) {
		sim_err("cannot use %s: %s", dir, strerror(errno));
		return NULL;
	}
	/* Room for run/ctl.sock in the 108 bytes of a unix socket address. */
	if (strlen(buf) > 90) {
		sim_err("cannot use %s: the path is longer than 90 bytes; choose a shorter one", buf);
		return NULL;
	}
	return sim_dup(buf);
}

/* Is this a simulator's folder? */
static bool is_simulator(const char *dir)
{
	AUTO_FREE char *run = sim_fmt("%s/run", dir);
	AUTO_FREE char *db = sim_fmt("%s/state.db", dir);

	return access(run, F_OK) == 0 || access(db, F_OK) == 0;
}

static bool is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool empty = d != NULL;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, "lost+found") != 0)
			empty = false;
	if (d)
		closedir(d);
	return empty;
}

/* One up, down or destroy at a time.  fd or -1 told. */
static int lock_dir(const char *dir)
{
	AUTO_FREE char *path = sim_fmt("%s/run/lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return sim_err("cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX) < 0) {
		close(fd);
		return sim_err("cannot lock %s: %s", path, strerror(errno));
	}
	return fd;
}

static char *open_simulator(const char *dir, int *lock)
{
	char *real = resolve(dir);

	if (real && !is_simulator(real)) {
		sim_err("cannot use %s: it is not a simulator; make one with 'ontapsim up %s'", real, dir);
		free(real);
		return NULL;
	}
	if (real && lock) {
		AUTO_FREE char *run = sim_fmt("%s/run", real);

		mkdir(run, 0755);
		*lock = lock_dir(real);
		if (*lock < 0) {
			free(real);
			return NULL;
		}
	}
	return real;
}

/* ---- settings ------------------------------------------------------------- */

#define SETTINGS 7
struct setting {
	const char *key;
	int64_t given; /* -1: not given */
	int64_t def;
};

static int setting_table(const struct up_options *o, struct setting out[SETTINGS])
{
	struct setting t[] = {
		{ "lifs", o->lifs, 1 },
		{ "max_xfer", o->max_xfer, 65536 },
		{ "size", o->size, INT64_C(64) << 30 },
		{ "job_delay_ms", o->job_delay_ms, 0 },
		{ "unstable", o->unstable, 0 },
		{ "synthetic_volumes", o->synthetic_volumes, 0 },
		{ "synthetic_snapshots", o->synthetic_snapshots, 0 },
	};

	memcpy(out, t, sizeof(t));
	return (int)ARRAY_LEN(t);
}

static int put_int(sqlite3 *db, const char *key, int64_t v)
{
	AUTO_FREE char *text = sim_fmt("%lld", (long long)v);

	return db_setting_put(db, key, text);
}

/* The server that DIR was made with, or is to be made with. */
static const char *nfs_server(sqlite3 *db, const struct up_options *o)
{
	AUTO_FREE char *nfs = db_setting(db, "nfs");
	AUTO_FREE char *version = db_setting(db, "version");

	if (nfs || version) /* all have a version; only those with a choice remember it */
		return nfs && strcmp(nfs, "ganesha") == 0 ? "ganesha" : "builtin";
	return o->nfs ? o->nfs : "builtin";
}

/* Does any given option differ from what is set?  Names the first one. */
static const char *changed_option(sqlite3 *db, const struct up_options *o)
{
	AUTO_FREE char *version = db_setting(db, "version");
	struct setting t[SETTINGS];
	int n = setting_table(o, t);

	for (int i = 0; i < n; i++)
		if (t[i].given >= 0 && t[i].given != db_setting_int(db, t[i].key, t[i].def))
			return t[i].key;
	if (o->rest_port > 0 && o->rest_port != db_setting_int(db, "rest_port", 0))
		return "rest_port";
	if (o->nfs_port > 0 && o->nfs_port != db_setting_int(db, "nfs_port", 0))
		return "nfs_port";
	if (o->version && version && strcmp(o->version, version) != 0)
		return "version";
	return NULL;
}

/* Ganesha needs its program, one address a process, and paths that its
 * configuration can express. */
static int check_server(const char *dir, sqlite3 *db, const struct up_options *o)
{
	const char *nfs = nfs_server(db, o);
	int64_t lifs = o->lifs > 0 ? o->lifs : db_setting_int(db, "lifs", 1);

	if (o->nfs && strcmp(o->nfs, nfs) != 0)
		return sim_err("cannot use --nfs=%s with %s: it was made with --nfs=%s, and its volumes lie in "
		               "a store for that; choose another folder or destroy this one",
		               o->nfs, dir, nfs);
	if (strcmp(nfs, "ganesha") != 0)
		return 0;
	if (!ganesha_installed())
		return -1;
	if (lifs > GANESHA_LIFS_MAX)
		return sim_err("cannot use --lifs %lld with --nfs=ganesha: it serves up to %d", (long long)lifs,
		               GANESHA_LIFS_MAX);
	if (strpbrk(dir, "\"\\$"))
		return sim_err("cannot use %s with --nfs=ganesha: choose a path without \", \\ and $", dir);
	return 0;
}

static int put_settings(sqlite3 *db, const struct up_options *o)
{
	AUTO_FREE char *version = db_setting(db, "version");
	struct setting t[SETTINGS];
	int n = setting_table(o, t);

	for (int i = 0; i < n; i++) {
		int64_t v = t[i].given >= 0 ? t[i].given : db_setting_int(db, t[i].key, t[i].def);

		if (put_int(db, t[i].key, v) < 0)
			return -EIO;
	}
	if (db_setting_put(db, "nfs", nfs_server(db, o)) < 0)
		return -EIO;
	if (o->version || !version)
		return db_setting_put(db, "version", o->version ? o->version : "9.15.1");
	return 0;
}

/* The port of MOUNT: that of NFS, but for Ganesha, which wants two. */
static int mount_port(const char *dir, sqlite3 *db, int attempt, int nfs_port)
{
	AUTO_FREE char *nfs = db_setting(db, "nfs");
	int count = (int)db_setting_int(db, "lifs", 1);
	int port = (int)db_setting_int(db, "mnt_port", 0);

	if (!nfs || strcmp(nfs, "ganesha") != 0)
		return nfs_port;
	if (port && port != nfs_port && net_pick_nfs_port(dir, attempt, count, port))
		return port;
	for (int tries = 0; tries < 50; tries++) {
		port = net_pick_nfs_port(dir, attempt, count, 0);
		if (port != nfs_port)
			return port;
	}
	return 0;
}

/* Ports and data addresses: kept once chosen, so that clients find them again
 * after down and up. */
static int choose_network(const char *dir, sqlite3 *db, const struct up_options *o)
{
	int64_t count = db_setting_int(db, "lifs", 1);
	int64_t rest = o->rest_port > 0 ? o->rest_port : db_setting_int(db, "rest_port", 0);
	int64_t nfs = o->nfs_port > 0 ? o->nfs_port : db_setting_int(db, "nfs_port", 0);
	int attempt = (int)db_setting_int(db, "net_attempt", -1), port = 0;
	bool known = attempt >= 0;

	if (o->rest_port == 0 && known)
		rest = 0;
	if (o->nfs_port == 0 && known)
		nfs = 0;
	port = net_pick_rest_port((int)rest);
	if (!port)
		return sim_err("cannot use TCP port %lld at %s: it is taken; choose another with --rest-port",
		               (long long)rest, SIM_MGMT_ADDRESS);
	if (put_int(db, "rest_port", port) < 0)
		return sim_err("cannot write the state of %s", dir);

	if (known) {
		port = net_pick_nfs_port(dir, attempt, (int)count, (int)nfs);
	} else {
		for (attempt = 0; attempt < 100; attempt++) {
			port = net_pick_nfs_port(dir, attempt, (int)count, (int)nfs);
			if (port)
				break;
		}
	}
	if (!port)
		return sim_err("cannot use TCP port %lld at the data LIFs: it is taken; choose another with "
		               "--nfs-port",
		               (long long)nfs);
	if (put_int(db, "nfs_port", port) < 0 || put_int(db, "net_attempt", attempt) < 0 ||
	    put_int(db, "mnt_port", mount_port(dir, db, attempt, port)) < 0)
		return sim_err("cannot write the state of %s", dir);
	if (db_int(db, 0, "SELECT count(*) FROM lifs", "") != count &&
	    seed_lifs(dir, db, attempt, (int)count) < 0)
		return sim_err("cannot write the state of %s", dir);
	return 0;
}

/* ---- up ------------------------------------------------------------------- */

static bool subvol_known(void *arg, const char *subvol)
{
	return strcmp(subvol, SYNTHETIC_SUBVOL) == 0 ||
	       db_int(arg, 1,
	              "SELECT EXISTS(SELECT 1 FROM volumes WHERE subvol=?1)"
	              " OR EXISTS(SELECT 1 FROM snapshots WHERE subvol=?1)",
	              "s", subvol) != 0;
}

static int prepare(const char *dir, sqlite3 *db, const struct up_options *opt)
{
	AUTO_FREE char *cert = sim_fmt("%s/cert.pem", dir);
	AUTO_FREE char *key = sim_fmt("%s/key.pem", dir);
	enum store_kind kind;
	int r;

	if (check_server(dir, db, opt) < 0)
		return -1;
	if (db_begin(db, true) < 0)
		return sim_err("cannot write the state of %s", dir);
	if (put_settings(db, opt) < 0) {
		db_rollback(db);
		return sim_err("cannot write the state of %s", dir);
	}
	if (choose_network(dir, db, opt) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db) < 0)
		return sim_err("cannot write the state of %s", dir);
	if ((access(cert, R_OK) < 0 || access(key, R_OK) < 0) && cert_make(cert, key) < 0)
		return -1;
	kind = strcmp(nfs_server(db, opt), "ganesha") == 0 ? STORE_XFS : STORE_BTRFS;
	if (store_up(dir, kind, db_setting_int(db, "size", 0)) < 0)
		return -1;
	r = store_sweep(dir, subvol_known, db);
	if (r < 0)
		return sim_err("cannot clean the store of %s: %s", dir, strerror(-r));
	if (seed_model(dir, db) < 0 || seed_synthetic(dir, db) < 0)
		return -1;
	return seed_files(dir, db);
}

static int stop_daemons(const char *dir)
{
	for (size_t i = 0; i < ARRAY_LEN(faces); i++)
		if (proc_stop(dir, faces[i]) < 0)
			return -1;
	return ganesha_reap(dir);
}

static int start_daemons(const char *dir)
{
	struct starting st[ARRAY_LEN(faces)];
	size_t started = 0;
	int r = 0;

	for (; started < ARRAY_LEN(faces); started++)
		if (proc_start(dir, faces[started], &st[started]) < 0) {
			r = -1;
			break;
		}
	for (size_t i = 0; i < started; i++)
		if (proc_wait_ready(dir, &st[i]) < 0)
			r = -1;
	if (r < 0)
		for (size_t i = 0; i < started; i++)
			proc_stop(dir, faces[i]);
	return r;
}

static int up_locked(const char *dir, const struct up_options *opt)
{
	sqlite3 *db = NULL;
	int running = 0, r;

	for (size_t i = 0; i < ARRAY_LEN(faces); i++)
		running += proc_find(dir, faces[i]) != 0;
	if (running == (int)ARRAY_LEN(faces) && store_is_up(dir)) {
		const char *key = NULL;

		r = db_open_ro(dir, &db);
		if (r == 0)
			r = check_server(dir, db, opt);
		if (r == 0)
			key = changed_option(db, opt);
		sqlite3_close(db);
		if (r < 0)
			return -1;
		if (key)
			return sim_err("cannot change %s of a running simulator; run 'ontapsim down %s' first",
			               key, dir);
		printf("ontapsim: %s is up already\n", dir);
		return 0;
	}
	/* One of two is a crash of the other: start both anew. */
	if (stop_daemons(dir) < 0)
		return -1;
	if (db_open(dir, &db) < 0)
		return sim_err("cannot open %s/state.db; if it is damaged, 'ontapsim destroy %s' starts over",
		               dir, dir);
	r = prepare(dir, db, opt);
	sqlite3_close(db);
	if (r == 0)
		r = start_daemons(dir);
	if (r < 0)
		store_down(dir);
	return r;
}

static int destroy_locked(const char *dir);

int life_up(const char *dir, const struct up_options *opt)
{
	AUTO_FREE char *real = NULL;
	AUTO_CLOSE int lock = -1;
	bool made = false;

	if (geteuid() != 0) {
		sim_err("cannot start: it mounts a file system and so needs root; use sudo");
		return 1;
	}
	if (mkdir(dir, 0755) == 0) {
		made = true;
	} else if (errno != EEXIST) {
		sim_err("cannot make the folder %s: %s", dir, strerror(errno));
		return 1;
	}
	real = resolve(dir);
	if (!real) {
		if (made)
			rmdir(dir);
		return 1;
	}
	if (!made && !is_simulator(real) && !is_empty(real)) {
		sim_err("cannot use %s: it is not empty and not a simulator; choose a new folder", real);
		return 1;
	}
	made = !is_simulator(real);
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *sub = sim_fmt("%s/%s", real, i ? "log" : "run");

		if (mkdir(sub, 0755) < 0 && errno != EEXIST) {
			sim_err("cannot make the folder %s: %s", sub, strerror(errno));
			return 1;
		}
	}
	lock = lock_dir(real);
	if (lock < 0)
		return 1;
	if (up_locked(real, opt) == 0)
		return 0;
	if (made)
		destroy_locked(real);
	return 1;
}

/* ---- down, destroy -------------------------------------------------------- */

static int down_locked(const char *dir)
{
	static const char *const socks[] = { "run/nfs.sock", "run/ctl.sock" };

	if (stop_daemons(dir) < 0)
		return -1;
	if (store_down(dir) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(socks); i++) {
		AUTO_FREE char *path = sim_fmt("%s/%s", dir, socks[i]);

		unlink(path);
	}
	return 0;
}

int life_down(const char *dir)
{
	AUTO_CLOSE int lock = -1;
	AUTO_FREE char *real = open_simulator(dir, &lock);

	return real && down_locked(real) == 0 ? 0 : 1;
}

/* Removes a folder that only the daemons write to, with its files. */
static int remove_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	if (rmdir(path) < 0 && errno != ENOENT)
		return sim_err("cannot remove %s: %s", path, strerror(errno));
	return 0;
}

static int destroy_locked(const char *dir)
{
	static const char *const files[] = {
		"backend.json", "accounts.json", "cert.pem",     "key.pem",
		"state.db",     "state.db-wal",  "state.db-shm", "store.img.new",
	};
	static const char *const folders[] = { "log", "run" };

	if (stop_daemons(dir) < 0)
		return -1;
	if (store_destroy(dir) < 0 || down_locked(dir) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *path = sim_fmt("%s/%s", dir, files[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			return sim_err("cannot remove %s: %s", path, strerror(errno));
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO_FREE char *path = sim_fmt("%s/%s", dir, folders[i]);

		if (remove_folder(path) < 0)
			return -1;
	}
	if (rmdir(dir) == 0 || errno == ENOENT || errno == EBUSY)
		return 0; /* EBUSY: DIR is a mount point of somebody else's; it is empty now */
	if (errno == ENOTEMPTY || errno == EEXIST)
		return sim_err("%s keeps files that the simulator did not make; remove them by hand", dir);
	return sim_err("cannot remove %s: %s", dir, strerror(errno));
}

int life_destroy(const char *dir)
{
	AUTO_CLOSE int lock = -1;
	AUTO_FREE char *real = open_simulator(dir, &lock);

	return real && destroy_locked(real) == 0 ? 0 : 1;
}
