/*
 * Loading state.db.  The subvolumes' ids come from the store itself: a volume
 * or snapshot whose subvolume is missing is left out with a line in the log.
 * Everything a state points to lies in its arena and goes with it.
 */
#include "tests/sim/nfs/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/sim/db.h"
#include "tests/sim/nfs/cred.h"
#include "tests/sim/seed.h"
#include "tests/sim/util.h"

/* ---- arena ---------------------------------------------------------------- */

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(16) char space[];
};

#define BLOCK_SIZE 65536

/* Zeroed; never NULL, as the rest of the simulator has it. */
static void *take(struct state *st, size_t bytes)
{
	struct block *b = st->memory;
	void *p;

	bytes = (bytes + 15) & ~(size_t)15;
	if (!b || b->size - b->used < bytes) {
		size_t size = bytes > BLOCK_SIZE ? bytes : BLOCK_SIZE;

		b = calloc(1, sizeof *b + size);
		if (!b) {
			sim_log("nfs: out of memory");
			exit(1);
		}
		b->size = size;
		b->next = st->memory;
		st->memory = b;
	}
	p = b->space + b->used;
	b->used += bytes;
	return p;
}

static const char *keep(struct state *st, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 1;
	char *p = take(st, len);

	if (text)
		memcpy(p, text, len);
	return p;
}

void state_free(struct state *st)
{
	struct block *b, *next;

	if (!st)
		return;
	for (b = st->memory; b; b = next) {
		next = b->next;
		free(b);
	}
	free(st);
}

/* ---- finding -------------------------------------------------------------- */

static int cmp_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_vol_fsid(const void *a, const void *b)
{
	return cmp_u64(((const struct volume *)a)->fsid, ((const struct volume *)b)->fsid);
}

static int by_snap_fsid(const void *a, const void *b)
{
	return cmp_u64(((const struct snap *)a)->fsid, ((const struct snap *)b)->fsid);
}

static int by_root(const void *a, const void *b)
{
	return cmp_u64(*(const uint64_t *)a, *(const uint64_t *)b);
}

static int by_junction(const void *a, const void *b)
{
	return strcmp((*(struct volume *const *)a)->junction, (*(struct volume *const *)b)->junction);
}

static int by_snap_name(const void *a, const void *b)
{
	return strcmp((*(struct snap *const *)a)->name, (*(struct snap *const *)b)->name);
}

static int cmp_kid(const struct volume *kid, uint64_t dir, const char *name)
{
	int r = cmp_u64(kid->parent_dir.ino, dir);

	return r ? r : strcmp(kid->leaf, name);
}

static int by_kid_name(const void *a, const void *b)
{
	const struct volume *vb = *(struct volume *const *)b;

	return cmp_kid(*(struct volume *const *)a, vb->parent_dir.ino, vb->leaf);
}

static int by_kid_fsid(const void *a, const void *b)
{
	const struct volume *va = *(struct volume *const *)a, *vb = *(struct volume *const *)b;
	int r = cmp_u64(va->parent_dir.ino, vb->parent_dir.ino);

	return r ? r : cmp_u64(va->fsid, vb->fsid);
}

const struct volume *state_volume(const struct state *st, uint64_t fsid)
{
	struct volume want = {.fsid = fsid};
	const struct volume *v = bsearch(&want, st->vols, st->nvols, sizeof want, by_vol_fsid);

	return v && v->online ? v : NULL;
}

const struct snap *state_snap(const struct state *st, uint64_t fsid)
{
	struct snap want = {.fsid = fsid};

	return bsearch(&want, st->snaps, st->nsnaps, sizeof want, by_snap_fsid);
}

bool state_has_root(const struct state *st, uint64_t root)
{
	return bsearch(&root, st->roots, st->nroots, sizeof root, by_root) != NULL;
}

const struct volume *state_junction(const struct state *st, const char *path, size_t len)
{
	size_t lo = 0, hi = st->njunctions;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct volume *v = st->by_junction[mid];
		int r = strncmp(v->junction, path, len);

		if (r == 0)
			r = v->junction[len] ? 1 : 0;
		if (r == 0)
			return v;
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct snap *state_snap_named(const struct volume *vol, const char *name)
{
	struct snap want = {.name = name}, *key = &want;
	struct snap **p = bsearch(&key, vol->snaps_by_name, vol->nsnaps, sizeof key, by_snap_name);

	return p ? *p : NULL;
}

const struct volume *state_kid(const struct volume *vol, uint64_t dir, const char *name)
{
	size_t lo = 0, hi = vol->nkids;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int r = cmp_kid(vol->kids_by_name[mid], dir, name);

		if (r == 0)
			return vol->kids_by_name[mid];
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

size_t state_first_kid(const struct volume *vol, uint64_t dir, uint64_t after)
{
	size_t lo = 0, hi = vol->nkids;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct volume *kid = vol->kids_by_fsid[mid];
		int r = cmp_u64(kid->parent_dir.ino, dir);

		if (r < 0 || (r == 0 && kid->fsid <= after))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* ---- loading -------------------------------------------------------------- */

/* The root directory of a subvolume below the store; never leaves the store. */
static int top_of(const char *subvol, struct kfh *ret)
{
	struct open_how how = {
	        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	AUTO_CLOSE int fd = (int)syscall(SYS_openat2, fh_store_fd(), subvol, &how, sizeof how);
	int r;

	if (fd < 0)
		return -errno;
	r = kfh_of(fd, "", ret);
	return r < 0 ? r : ret->ino == KFH_ROOT_INO ? 0 : -ENOTDIR;
}

static void load_settings(struct state *st, sqlite3 *db)
{
	int64_t port = db_setting_int(db, "nfs_port", 2049);
	int64_t xfer = db_setting_int(db, "max_xfer", 65536);

	st->set.nfs_port = (uint16_t)(port > 0 && port <= UINT16_MAX ? port : 2049);
	/* ONTAP's own range */
	st->set.max_xfer = (uint32_t)(xfer < 8192 ? 8192 : xfer > 1048576 ? 1048576 : xfer);
	st->set.mount_root_only = db_setting_int(db, "mount_root_only", 1) != 0;
	st->set.v3_enabled = db_setting_int(db, "v3_enabled", 1) != 0;
	st->set.unstable = db_setting_int(db, "unstable", 0) != 0;
}

/* An array in the arena with room for every row of a table. */
static void *take_rows(struct state *st, sqlite3 *db, const char *sql, size_t each)
{
	return take(st, each * (size_t)db_int(db, 0, sql, NULL));
}

static int load_lifs(struct state *st, sqlite3 *db, char *err, size_t err_len)
{
	AUTO_STMT sqlite3_stmt *q = db_query(db, "SELECT address FROM lifs WHERE state='up'", NULL);

	if (!q)
		return -EIO;
	st->lifs = take_rows(st, db, "SELECT count(*) FROM lifs", sizeof *st->lifs);
	while (db_row(q)) {
		const char *text = db_col_text(q, 0);
		struct in_addr *a = &st->lifs[st->nlifs];

		/* only loopback: a simulator must never face a real network */
		if (!text || inet_pton(AF_INET, text, a) != 1 || ntohl(a->s_addr) >> 24 != 127) {
			snprintf(err, err_len, "the LIF address %s is not in 127.0.0.0/8", text ? text : "(null)");
			return -EINVAL;
		}
		st->nlifs++;
	}
	return 0;
}

static void parse_clients(struct state *st, struct rule *rule)
{
	char *list = take(st, strlen(rule->clients) + 1), *save = NULL;
	int max = 1;

	for (const char *p = rule->clients; *p; p++)
		max += *p == ',';
	rule->nets = take(st, sizeof *rule->nets * (size_t)max);
	memcpy(list, rule->clients, strlen(rule->clients) + 1);
	for (char *w = strtok_r(list, ", ", &save); w; w = strtok_r(NULL, ", ", &save))
		if (policy_parse_net(w, &rule->nets[rule->nnets]))
			rule->nnets++;
}

static int load_policies(struct state *st, sqlite3 *db)
{
	AUTO_STMT sqlite3_stmt *q =
	        db_query(db,
	                 "SELECT policy, clients, ro_rule, rw_rule, superuser, anonymous_user,"
	                 " count(*) OVER (PARTITION BY policy) FROM export_rules ORDER BY policy, idx",
	                 NULL);
	struct policy *p = NULL;

	if (!q)
		return -EIO;
	st->policies = take_rows(st, db, "SELECT count(DISTINCT policy) FROM export_rules",
	                         sizeof *st->policies);
	while (db_row(q)) {
		const char *name = db_col_text(q, 0);
		struct rule *r;

		if (!p || strcmp(p->name, name) != 0) {
			p = &st->policies[st->npolicies++];
			p->name = keep(st, name);
			p->rules = take(st, sizeof *p->rules * (size_t)db_col_int(q, 6));
		}
		r = &p->rules[p->nrules++];
		r->clients = keep(st, db_col_text(q, 1));
		r->ro = keep(st, db_col_text(q, 2));
		r->rw = keep(st, db_col_text(q, 3));
		r->superuser = keep(st, db_col_text(q, 4));
		r->anonymous = (uid_t)db_col_int(q, 5);
		parse_clients(st, r);
	}
	return 0;
}

static const struct policy *policy_named(const struct state *st, const char *name)
{
	for (size_t i = 0; name && i < st->npolicies; i++)
		if (strcmp(st->policies[i].name, name) == 0)
			return &st->policies[i];
	return NULL;
}

/* The volumes that REST makes up (rest/synthetic.h): all show one empty folder,
 * each with an fsid of its own, and can be mounted by their paths. */
static void add_synthetic(struct state *st, int64_t count)
{
	struct kfh top;
	int r = count ? top_of(SYNTHETIC_SUBVOL, &top) : 0;

	if (r < 0)
		sim_log("nfs: the synthetic volumes are not in service: %s", strerror(-r));
	for (int64_t i = 1; r == 0 && i <= count; i++) {
		struct volume *v = &st->vols[st->nvols++];
		AUTO_FREE char *path = sim_fmt("/synth%05d", (int)i);

		v->junction = keep(st, path);
		v->name = v->junction + 1;
		v->subvol = SYNTHETIC_SUBVOL;
		v->fsid = (uint64_t)(SYNTHETIC_SEQ + i);
		v->policy = policy_named(st, "default");
		v->size = UINT64_C(10) << 30;
		v->online = v->read_only = v->snapdir = v->synthetic = true;
		v->top = top;
	}
}

static int load_volumes(struct state *st, sqlite3 *db)
{
	int64_t synthetic = db_setting_int(db, "synthetic_volumes", 0);
	AUTO_STMT sqlite3_stmt *q =
	        db_query(db,
	                 "SELECT name, type, state, junction, subvol, export_policy, snapdir_access, fsid,"
	                 " ids32, is_root, size - size / 100 * snapshot_reserve,"
	                 " EXISTS(SELECT 1 FROM settings WHERE key='" VOLUME_FULL "'||uuid AND value='1')"
	                 " FROM volumes"
	                 " WHERE deleted_at IS NULL ORDER BY fsid",
	                 NULL);

	if (!q)
		return -EIO;
	st->vols = take(st, sizeof *st->vols *
	                            (size_t)(db_int(db, 0, "SELECT count(*) FROM volumes", NULL) + synthetic));
	while (db_row(q)) {
		struct volume *v = &st->vols[st->nvols++];
		const char *type = db_col_text(q, 1), *state = db_col_text(q, 2);
		const char *junction = db_col_text(q, 3), *subvol = db_col_text(q, 4);
		int r;

		v->name = keep(st, db_col_text(q, 0));
		v->read_only = type && strcmp(type, "dp") == 0;
		v->online = state && strcmp(state, "online") == 0;
		v->policy = policy_named(st, db_col_text(q, 5));
		v->snapdir = db_col_int(q, 6) != 0;
		v->fsid = (uint64_t)db_col_int(q, 7);
		v->ids32 = db_col_int(q, 8) != 0;
		v->is_root = db_col_int(q, 9) != 0;
		v->size = (uint64_t)db_col_int(q, 10);
		v->full = db_col_int(q, 11) != 0;
		v->subvol = keep(st, subvol);
		if (v->is_root)
			v->junction = "/";
		else if (junction && junction[0] == '/' && junction[1])
			v->junction = keep(st, junction);
		if (!v->online)
			continue;
		r = top_of(v->subvol, &v->top);
		if (r < 0) {
			sim_log("nfs: volume %s is not in service: %s: %s", v->name, v->subvol, strerror(-r));
			v->online = false;
		}
	}
	add_synthetic(st, synthetic);
	return 0;
}

static struct volume *volume_mut(struct state *st, uint64_t fsid)
{
	struct volume want = {.fsid = fsid};

	return bsearch(&want, st->vols, st->nvols, sizeof want, by_vol_fsid);
}

/* Ordered by fsid, as state_snap() searches them. A snapshot stays where it is, so its
 * root is looked for once. */
static int load_snaps(struct state *st, sqlite3 *db, const struct state *old)
{
	AUTO_STMT sqlite3_stmt *q =
	        db_query(db,
	                 "SELECT v.fsid, s.name, s.subvol, s.fsid FROM snapshots s JOIN volumes v"
	                 " ON s.volume_uuid=v.uuid WHERE v.deleted_at IS NULL ORDER BY s.fsid",
	                 NULL);
	size_t max = (size_t)db_int(db, 0, "SELECT count(*) FROM snapshots", NULL), n;
	struct snap **slots;

	if (!q)
		return -EIO;
	st->snaps = take(st, sizeof *st->snaps * max);
	while (db_row(q) && st->nsnaps < max) {
		struct snap *s = &st->snaps[st->nsnaps];
		struct volume *v = volume_mut(st, (uint64_t)db_col_int(q, 0));
		const char *subvol = db_col_text(q, 2);
		uint64_t fsid = (uint64_t)db_col_int(q, 3);
		const struct snap *was = old ? state_snap(old, fsid) : NULL;
		struct kfh top = {.root = was ? was->root : 0};
		int r;

		if (!v || !v->online)
			continue;
		r = was ? 0 : top_of(subvol ? subvol : "", &top);
		if (r < 0) {
			sim_log("nfs: snapshot %s of %s is not in service: %s: %s", db_col_text(q, 1), v->name,
			        subvol, strerror(-r));
			continue;
		}
		s->name = keep(st, db_col_text(q, 1));
		s->fsid = fsid;
		s->root = top.root;
		s->vol = v;
		v->nsnaps++;
		st->nsnaps++;
	}

	slots = take(st, sizeof *slots * st->nsnaps * 2);
	for (size_t i = 0; i < st->nvols; i++) {
		struct volume *v = &st->vols[i];

		v->snaps_by_name = slots;
		v->snaps_by_fsid = slots + v->nsnaps;
		slots += 2 * v->nsnaps;
		v->nsnaps = 0;
	}
	for (n = 0; n < st->nsnaps; n++) {
		struct volume *v = volume_mut(st, st->snaps[n].vol->fsid);

		v->snaps_by_name[v->nsnaps] = v->snaps_by_fsid[v->nsnaps] = &st->snaps[n];
		v->nsnaps++;
	}
	for (size_t i = 0; i < st->nvols; i++)
		qsort(st->vols[i].snaps_by_name, st->vols[i].nsnaps, sizeof(struct snap *), by_snap_name);
	return 0;
}

/* ---- junctions ------------------------------------------------------------ */

/* The directory at path (not empty, relative) in a volume. */
static int dir_in(const struct volume *vol, const char *path, struct kfh *ret)
{
	struct open_how how = {
	        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	AUTO_CLOSE int top = kfh_open(&vol->top, O_PATH);
	AUTO_CLOSE int fd = -1;
	int r;

	if (top < 0)
		return top;
	fd = (int)syscall(SYS_openat2, top, path, &how, sizeof how);
	if (fd < 0)
		return -errno;
	r = kfh_of(fd, "", ret);
	return r < 0 ? r : ret->root == vol->top.root ? 0 : -EXDEV;
}

/* The mounted volume whose junction path leads path; *ret_rest is what follows. */
static const struct volume *volume_above(const struct state *st, const char *path, size_t len,
                                         size_t *ret_rest)
{
	for (size_t n = len; n > 0; n--) {
		const struct volume *v = path[n] == '/' ? state_junction(st, path, n) : NULL;

		if (v) {
			*ret_rest = n + 1;
			return v;
		}
	}
	*ret_rest = 1;
	return state_junction(st, "/", 1);
}

/* Where the junction was in the state before, if it is still the same one. */
static bool placed_before(const struct state *old, const struct volume *v,
                          const struct volume *parent, struct kfh *ret)
{
	const struct volume *was = old ? state_volume(old, v->fsid) : NULL;

	if (!was || !was->parent || was->parent->fsid != parent->fsid ||
	    strcmp(was->junction, v->junction) != 0)
		return false;
	*ret = was->parent_dir;
	return true;
}

static void place_junction(struct state *st, const struct state *old, struct volume *v)
{
	const char *slash = strrchr(v->junction, '/');
	size_t len = (size_t)(slash - v->junction), rest;
	const struct volume *parent = volume_above(st, v->junction, len, &rest);
	struct kfh dir;
	int r = 0;

	v->leaf = slash + 1;
	if (!parent || !parent->online)
		return;
	dir = parent->top;
	if (rest < len) {
		AUTO_FREE char *path = sim_fmt("%.*s", (int)(len - rest), v->junction + rest);

		r = dir_in(parent, path, &dir);
	}
	if (r < 0 && !placed_before(old, v, parent, &dir)) {
		sim_log("nfs: the junction %s of %s has no directory to lie in: %s", v->junction, v->name,
		        strerror(-r));
		return;
	}
	v->parent = parent;
	v->parent_dir = dir;
}

static void link_junctions(struct state *st, const struct state *old)
{
	struct volume **slots;

	st->by_junction = take(st, sizeof *st->by_junction * st->nvols);
	for (size_t i = 0; i < st->nvols; i++)
		if (st->vols[i].junction)
			st->by_junction[st->njunctions++] = &st->vols[i];
	qsort(st->by_junction, st->njunctions, sizeof *st->by_junction, by_junction);

	for (size_t i = 0; i < st->njunctions; i++) {
		struct volume *v = st->by_junction[i];

		if (v->is_root || !v->online || v->synthetic)
			continue;
		place_junction(st, old, v);
		if (v->parent)
			volume_mut(st, v->parent->fsid)->nkids++;
	}
	slots = take(st, sizeof *slots * st->njunctions * 2);
	for (size_t i = 0; i < st->nvols; i++) {
		struct volume *v = &st->vols[i];

		v->kids_by_name = slots;
		v->kids_by_fsid = slots + v->nkids;
		slots += 2 * v->nkids;
		v->nkids = 0;
	}
	for (size_t i = 0; i < st->njunctions; i++) {
		struct volume *v = st->by_junction[i], *p;

		if (!v->parent)
			continue;
		p = volume_mut(st, v->parent->fsid);
		p->kids_by_name[p->nkids] = p->kids_by_fsid[p->nkids] = v;
		p->nkids++;
	}
	for (size_t i = 0; i < st->nvols; i++) {
		struct volume *v = &st->vols[i];

		qsort(v->kids_by_name, v->nkids, sizeof *v->kids_by_name, by_kid_name);
		qsort(v->kids_by_fsid, v->nkids, sizeof *v->kids_by_fsid, by_kid_fsid);
	}
}

static bool same_snaps(const struct volume *a, const struct volume *b)
{
	if (a->nsnaps != b->nsnaps)
		return false;
	for (size_t i = 0; i < a->nsnaps; i++)
		if (a->snaps_by_fsid[i]->fsid != b->snaps_by_fsid[i]->fsid ||
		    strcmp(a->snaps_by_fsid[i]->name, b->snaps_by_fsid[i]->name) != 0)
			return false;
	return true;
}

/* Clients believe what they know of .snapshot until its time changes. */
static void date_snaps(struct state *st, const struct state *old)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < st->nvols; i++) {
		struct volume *v = &st->vols[i];
		const struct volume *was = old ? state_volume(old, v->fsid) : NULL;

		v->snaps_changed = was && same_snaps(was, v) ? was->snaps_changed : now;
	}
}

static void collect_roots(struct state *st)
{
	st->roots = take(st, sizeof *st->roots * (st->nvols + st->nsnaps));
	for (size_t i = 0; i < st->nvols; i++)
		if (st->vols[i].online)
			st->roots[st->nroots++] = st->vols[i].top.root;
	for (size_t i = 0; i < st->nsnaps; i++)
		st->roots[st->nroots++] = st->snaps[i].root;
	qsort(st->roots, st->nroots, sizeof *st->roots, by_root);
}

int state_load(const char *dir, const struct state *old, struct state **ret, char *err,
               size_t err_len)
{
	struct state *st = calloc(1, sizeof *st);
	sqlite3 *db = NULL;
	int r;

	if (!st)
		return -ENOMEM;
	st->dir = dir;
	snprintf(err, err_len, "cannot read %s/state.db", dir);
	r = db_open_ro(dir, &db);
	/* one transaction, so that all tables are of the same moment */
	if (r == 0 && sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		r = -EIO;
	if (r == 0) {
		load_settings(st, db);
		r = load_lifs(st, db, err, err_len);
	}
	if (r == 0)
		r = load_policies(st, db);
	cred_root();
	if (r == 0)
		r = load_volumes(st, db);
	if (r == 0)
		r = load_snaps(st, db, old);
	sqlite3_close(db);
	if (r < 0) {
		state_free(st);
		return r;
	}
	link_junctions(st, old);
	date_snaps(st, old);
	collect_roots(st);
	*ret = st;
	return 0;
}
