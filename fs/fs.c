/* Birth and death of a mount: everything that can go wrong before a mount
 * exists goes wrong here, with one sentence. */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

#define ACCESS_CACHE_ENTRIES 65536u
#define LISTING_NAMES 131072u
#define MEMORY_ENTRIES       8192u
#define LINK_CACHE_ENTRIES   16384u
/* Slots there are for each one that may be at work: so that reading the device
 * goes on, and interrupts with it, while all that may be are at work. */
#define PARK_SMALL 4u
#define PARK_LARGE 16u

/* ---- parameters -------------------------------------------------------------------- */

static char *dup_or_null(const char *s)
{
	return s ? strdup(s) : NULL;
}

static const char *const *dup_list(const char *const *list)
{
	size_t n = 0;
	while (list && list[n])
		n++;
	char **out = calloc(n + 1, sizeof(*out));
	for (size_t i = 0; out && i < n; i++)
		out[i] = strdup(list[i]);
	return (const char *const *)out;
}

static void free_list(const char *const *list)
{
	for (size_t i = 0; list && list[i]; i++)
		free((void *)(uintptr_t)list[i]);
	free((void *)(uintptr_t)list);
}

static uint32_t or_default(uint32_t v, uint32_t d)
{
	return v ? v : d;
}

static void copy_params(struct fs *fs, const struct fs_params *p)
{
	fs->p = *p;
	memset(&fs->p.ontap, 0, sizeof(fs->p.ontap)); /* secrets stay with the client */
	fs->p.snapdir_name = strdup(p->snapdir_name ? p->snapdir_name : ".snapshots");
	fs->p.include = dup_list(p->include);
	fs->p.exclude = dup_list(p->exclude);
	fs->p.realm = dup_or_null(p->realm);
	fs->p.audit_log = dup_or_null(p->audit_log);
	fs->p.create.export_policy = dup_or_null(p->create.export_policy);
	fs->p.create.snapshot_policy = dup_or_null(p->create.snapshot_policy);
	fs->p.create.unix_permissions = dup_or_null(p->create.unix_permissions);
	fs->p.create.space_reserve = dup_or_null(p->create.space_reserve);
	fs->p.config_json = dup_or_null(p->config_json);
	fs->p.mountpoint = strdup(p->mountpoint ? p->mountpoint : "");
	uint32_t *uids = calloc(p->nadmin_uids + 1, sizeof(*uids));
	if (uids && p->nadmin_uids)
		memcpy(uids, p->admin_uids, p->nadmin_uids * sizeof(*uids));
	fs->p.admin_uids = uids;
	if (!uids)
		fs->p.nadmin_uids = 0;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	fs->p.workers = MIN_OF(or_default(p->workers, cores > 0 ? (uint32_t)cores : 1), STATE_WORKERS_MAX);
	fs->p.slots = or_default(p->slots, 1024);
	fs->p.write_slots = or_default(p->write_slots, 64);
	fs->p.max_nodes = or_default(p->max_nodes, 4194304);
	fs->p.max_background = or_default(p->max_background, 64);
	fs->p.read_ahead_kb = or_default(p->read_ahead_kb, 4096);
	fs->p.snapshots_per_volume = or_default(p->snapshots_per_volume, 900);
	if (!fs->p.snapshot_refresh_ns)
		fs->p.snapshot_refresh_ns = 5 * NS_PER_SEC;
	if (!fs->p.catalog_refresh_ns)
		fs->p.catalog_refresh_ns = 30 * NS_PER_SEC;
	if (!fs->p.verb_wait_ns)
		fs->p.verb_wait_ns = 10 * NS_PER_SEC;
}

void fs_realm(const char *configured, char out[64])
{
	const size_t size = 64;
	out[0] = '\0';
	if (configured && configured[0]) {
		strcpy_bounded(out, configured, size);
	} else {
		cleanup_fd int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
		out[n > 0 ? n : 0] = '\0';
		if (n <= 0 && gethostname(out, size - 1) < 0)
			strcpy_bounded(out, "unknown", size);
		out[size - 1] = '\0';
		out[strcspn(out, "\n")] = '\0';
	}
	/* It stands between quotes in the record. */
	for (char *p = out; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			*p = '_';
}

/* ---- discovery ----------------------------------------------------------------------- */

struct discover {
	struct fs *fs;
	bool done;
	int err;
	char *text;
};

/* A host name becomes its first address, once: the data path knows addresses
 * only. Returns an EAI_ code. */
static int resolve(char address[64])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
	int e = getaddrinfo(address, NULL, &hints, &found);
	if (e == 0)
		e = getnameinfo(found->ai_addr, found->ai_addrlen, address, 64, NULL, 0, NI_NUMERICHOST);
	if (found)
		freeaddrinfo(found);
	return e;
}

static int check_discovery(struct fs *fs, const struct ontap_discovery *d, char err[512])
{
	fs->cluster = d->cluster;
	fs->svm = d->svm;
	fs->nfs_service = d->nfs;
	if (strcmp(d->svm.state, "running") != 0 && d->svm.state[0]) {
		snprintf(err, 512, "SVM %s is %s, not running: start it with `vserver start`", d->svm.name,
			 d->svm.state);
		return -ENOTCONN;
	}
	if (d->nfs_known && (!d->nfs.enabled || !d->nfs.v3_enabled)) {
		snprintf(err, 512, "SVM %s does not serve NFSv3: `vserver nfs modify -vserver %s -v3 enabled`",
			 d->svm.name, d->svm.name);
		return -EPROTONOSUPPORT;
	}
	struct nfsio_params *np = &fs->nfs_params;
	np->nlifs = 0;
	for (uint32_t i = 0; i < fs->p.nlifs; i++)
		strcpy_bounded(np->lifs[np->nlifs++].address, fs->p.data_lifs[i], 64);
	for (size_t i = 0; !fs->p.nlifs && i < d->nlifs && np->nlifs < NFSIO_LIFS_MAX; i++)
		if (d->lifs[i].up)
			strcpy_bounded(np->lifs[np->nlifs++].address, d->lifs[i].address, 64);
	if (!np->nlifs) {
		snprintf(err, 512, "SVM %s has no data LIF that is up and serves NFS: check "
			 "`network interface show -vserver %s`, or name one as dataLIF", d->svm.name, d->svm.name);
		return -EHOSTUNREACH;
	}
	for (uint32_t i = 0; i < np->nlifs; i++) {
		int e = resolve(np->lifs[i].address);
		if (e) {
			snprintf(err, 512, "dataLIF %s is no address and cannot be resolved: %s",
				 np->lifs[i].address, gai_strerror(e));
			return -EHOSTUNREACH;
		}
		np->lifs[i].nfs_port = fs->p.nfs_port;
		np->lifs[i].mount_port = fs->p.mount_port;
	}
	return 0;
}

static void discovered(const struct ontap_discovery *d, const struct ontap_error *e, void *priv)
{
	struct discover *x = priv;
	x->done = true;
	if (e) {
		x->err = e->err;
		snprintf(x->text, 512, "%s", e->text);
	} else {
		x->err = check_discovery(x->fs, d, x->text);
	}
}

static int discover(struct fs *fs, char err[512])
{
	struct discover x = {.fs = fs, .text = err};
	ontap_discover(fs->ontap, discovered, &x);
	while (!x.done) {
		int r = ontap_poll(fs->ontap, -1, -1);
		if (r < 0)
			return r;
	}
	return x.err;
}

/* What discovery brought, for a successor: it serves at once, also while ONTAP
 * does not answer. */
struct found {
	struct ontap_cluster cluster;
	struct ontap_svm svm;
	struct ontap_nfs_service nfs;
	struct nfsio_lif lifs[NFSIO_LIFS_MAX];
	uint32_t nlifs;
};
_Static_assert(sizeof(struct found) <= STATE_FOUND_BYTES, "the state has room for it");

static void found_save(struct fs *fs)
{
	struct found *f = fs->st.found;
	f->cluster = fs->cluster;
	f->svm = fs->svm;
	f->nfs = fs->nfs_service;
	memcpy(f->lifs, fs->nfs_params.lifs, sizeof(f->lifs));
	f->nlifs = fs->nfs_params.nlifs;
}

static void found_load(struct fs *fs)
{
	const struct found *f = fs->st.found;
	fs->cluster = f->cluster;
	fs->svm = f->svm;
	fs->nfs_service = f->nfs;
	memcpy(fs->nfs_params.lifs, f->lifs, sizeof(f->lifs));
	fs->nfs_params.nlifs = MIN_OF(f->nlifs, (uint32_t)NFSIO_LIFS_MAX);
}

/* ---- the first NFS calls ------------------------------------------------------------------ */

/* One volume mounted and looked at says what a user would otherwise find out
 * later: a wrong LIF, a closed port, an export rule. */
static int probe_nfs(struct fs *fs, char err[512])
{
	struct catalog *cat = catalog_get(fs->ctl);
	char path[ONTAP_PATH_MAX + 1] = "/", policy[ONTAP_NAME_MAX + 1] = "";
	for (size_t i = 0; i < cat->n; i++)
		if (!cat->vol[i]->hidden_why) {
			strcpy_bounded(path, cat->vol[i]->v.junction, sizeof(path));
			strcpy_bounded(policy, cat->vol[i]->v.export_policy, sizeof(policy));
			break;
		}
	catalog_put(cat);
	const struct nfsio_params *np = &fs->nfs_params;
	struct fs_probe found;
	int r = fs_probe_nfs(np, path, false, &found);
	if (r == -EACCES)
		snprintf(err, 512, "NFS at %s refuses to mount %s: a rule of export policy \"%s\" must allow this "
			 "host (and sec=sys)", np->lifs[0].address, path, policy);
	else if (r == -ETIMEDOUT || r == -ECONNREFUSED || r == -EHOSTUNREACH)
		snprintf(err, 512,
			 "no NFS server answers at %s (NFS port %u, MOUNT port %u; 0: asked of the portmapper): check "
			 "dataLIF, the LIF's state, firewalls and these ports (%s)",
			 np->lifs[0].address, np->lifs[0].nfs_port, np->lifs[0].mount_port, strerror(-r));
	else if (r < 0)
		snprintf(err, 512, "NFS at %s does not mount %s: %s", np->lifs[0].address, path, strerror(-r));
	return r;
}

/* ---- life -------------------------------------------------------------------------------------- */

static int make_state(struct fs *fs, char err[512])
{
	struct state_sizes sz = {.slots = fs->p.slots * PARK_SMALL,
				 .write_slots = fs->p.write_slots * PARK_LARGE + STATE_WORKERS_MAX,
				 .max_nodes = fs->p.max_nodes};
	char why[128] = "";
	int r = fs->p.takeover ? state_attach(&fs->st, fs->p.state_fd, why)
			       : state_create(&fs->st, fs->p.state_fd, &sz);
	if (r < 0)
		snprintf(err, 512, "%s%s", why[0] ? "" : "cannot map the shared state: ", why[0] ? why : strerror(-r));
	return r;
}

int fs_check_takeover(const struct fs_params *p, char err[512])
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int r = fs ? 0 : -ENOMEM;
	err[0] = '\0';
	if (r == 0) {
		fs->p = *p;
		/* libfuse closes the one that it gets. */
		fs->p.fuse_fd = fcntl(p->fuse_fd, F_DUPFD_CLOEXEC, 3);
		r = fs->p.fuse_fd < 0 ? -errno : make_state(fs, err);
	}
	if (r == 0 && (r = session_new(fs, err)) == 0)
		r = session_init(fs, err);
	if (r < 0 && !err[0])
		snprintf(err, 512, "cannot look at the mount's state: %s", strerror(-r));
	if (fs && fs->se)
		fuse_session_destroy(fs->se);
	else if (fs && fs->p.fuse_fd >= 0)
		close(fs->p.fuse_fd);
	if (fs)
		state_unmap(&fs->st);
	free(fs);
	return r;
}

static int make_tables(struct fs *fs)
{
	struct state_sizes active = {.slots = fs->p.slots, .write_slots = fs->p.write_slots};
	fs->access = access_cache_new(ACCESS_CACHE_ENTRIES);
	fs->memory = memory_new(MEMORY_ENTRIES);
	fs->stale = memory_new(MEMORY_ENTRIES);
	fs->order = order_new();
	fs->links = link_cache_new(LINK_CACHE_ENTRIES);
	fs->listing = listing_new(LISTING_NAMES);
	fs->rates = rates_new();
	fs->last_errors = last_errors_new();
	fs->volstats = volstats_new();
	fs->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!fs->order || !fs->access || !fs->memory || !fs->stale || !fs->links || !fs->listing || !fs->rates ||
	    !fs->last_errors || !fs->volstats || fs->end_fd < 0)
		return -ENOMEM;
	int r = nodes_init(&fs->nodes, &fs->st);
	r = r < 0 ? r : spaces_init(&fs->spaces, &fs->st);
	r = r < 0 ? r : openrec_init(fs);
	return r < 0 ? r : pool_init(&fs->pool, fs, &active);
}

struct fs *fs_new(const struct fs_params *p, char err[512])
{
	struct fs *fs = calloc(1, sizeof(*fs));
	struct ontap_error oe = {0};
	int r;
	err[0] = '\0';
	if (!fs) {
		snprintf(err, 512, "out of memory");
		return NULL;
	}
	fs->end_fd = fs->audit_fd = -1;
	list_init(&fs->replays);
	copy_params(fs, p);
	fs_realm(fs->p.realm, fs->realm);
	fs->started_ns = clock_wall_ns();
	fs->born_ns = clock_now_ns();
	if (!caller_look_at_proc())
		log_warn("/proc is of another pid name space: groups of users but the primary one do not count, and "
			 "nobody but admin_uids is an admin");
	r = audit_open(fs, err);
	r = r < 0 ? r : make_state(fs, err);
	if (r == 0 && (r = make_tables(fs)) < 0)
		snprintf(err, 512, "cannot make the tables of the mount: %s", strerror(-r));
	if (r == 0 && !(fs->ontap = ontap_new(&p->ontap, &oe))) {
		snprintf(err, 512, "%s", oe.text);
		r = oe.err;
	}
	if (r == 0 && !(fs->ctl = control_new(fs, fs->ontap)))
		r = -ENOMEM;
	if (r == 0 && fs->p.takeover) {
		found_load(fs);
		r = control_adopt(fs->ctl);
	} else if (r == 0) {
		r = discover(fs, err);
		if (r == 0)
			found_save(fs);
		if (r == 0 && (r = control_first_catalog(fs->ctl, &oe)) < 0)
			snprintf(err, 512, "%s", oe.text);
	}
	if (r == 0) {
		fs->nfs_params.nconnect = or_default(p->nconnect, 1);
		fs->nfs_params.soft_ns = p->soft_ns;
		fs->nfs_params.next_xid = &fs->st.head->next_xid;
		fs->nfs_params.counters = &fs->nfs_counters;
		/* A successor serves even while the server is away. */
		r = fs->p.takeover ? 0 : probe_nfs(fs, err);
	}
	if (r < 0) {
		if (!err[0])
			snprintf(err, 512, "%s", strerror(-r));
		fs_free(fs);
		/* A state of another version stays so: no use in trying again. */
		errno = r == -EPROTO && p->takeover ? EOPNOTSUPP : -r;
		return NULL;
	}
	return fs;
}

void fs_mount_options(const struct fs *fs, char *out, size_t len)
{
	(void)fs;
	snprintf(out, len, "rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions");
}

/* The kernel's readahead is set on the mount's backing device, which exists
 * only now. The stat is also the proof that the tree answers. */
static int tune(struct fs *fs)
{
	struct stat st;
	if (stat(fs->p.mountpoint, &st) < 0)
		return -errno;
	char path[128], text[32];
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text), "%u", fs->p.read_ahead_kb);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		log_warn("cannot set %s to %s: reads will be slower", path, text);
	return 0;
}

int fs_serve(struct fs *fs, void (*ready)(void *priv), void *priv, char err[512])
{
	int flags = fcntl(fs->p.fuse_fd, F_GETFL);
	/* First of all, while this process has one thread: it forks. */
	int r = notifier_start(&fs->notifier, fs->p.fuse_fd, &fs->stats);
	if (r == 0 && (flags < 0 || fcntl(fs->p.fuse_fd, F_SETFL, flags | O_NONBLOCK) < 0))
		r = -errno;
	if (r == 0)
		r = session_new(fs, err);
	if (r == 0)
		r = session_init(fs, err);
	atomic_fetch_add(&fs->st.head->owner_epoch, 1);
	fs->nworkers = fs->p.workers;
	for (uint32_t i = 0; r == 0 && i < fs->nworkers; i++)
		r = worker_init(fs, i);
	if (r == 0 && fs->p.takeover)
		session_replay(fs);
	if (r == 0)
		r = control_start(fs->ctl);
	for (uint32_t i = 0; r == 0 && i < fs->nworkers; i++)
		r = worker_start(&fs->worker[i]);
	if (r == 0)
		r = tune(fs);
	if (r == 0) {
		log_info("serving SVM %s of cluster %s at %s", fs->svm.name, fs->cluster.name, fs->p.mountpoint);
		ready(priv);
		struct pollfd pfd = {.fd = fs->end_fd, .events = POLLIN};
		while (atomic_load(&fs->ended) == FS_RUNNING)
			poll(&pfd, 1, -1);
	} else {
		if (!err[0])
			snprintf(err, 512, "cannot serve: %s", strerror(-r));
		fs_end(fs, FS_FAILED);
	}
	for (uint32_t i = 0; i < fs->nworkers; i++)
		worker_stop(&fs->worker[i]);
	control_stop(fs->ctl);
	notifier_stop(&fs->notifier);
	int ended = atomic_load(&fs->ended);
	return r < 0 ? r : ended == FS_UNMOUNTED ? 0 : ended == FS_STOPPED ? 1 : -EIO;
}

void fs_stop(struct fs *fs)
{
	fs_end(fs, FS_STOPPED);
}

void fs_refresh(struct fs *fs)
{
	ontap_relogin(fs->ontap);
	control_refresh(fs->ctl);
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	/* Calls that are out end here. What their ends, or the control thread, have
	 * posted to a loop is taken out once more, and freed without further effect. */
	fs->closing = true;
	for (uint32_t i = 0; i < fs->nworkers; i++)
		nfsio_free(fs->worker[i].nfs);
	ontap_free(fs->ontap);
	for (uint32_t i = 0; i < fs->nworkers; i++)
		if (fs->worker[i].ev) {
			ev_timer_disarm(&fs->worker[i].signal_timer);
			ev_run_once(fs->worker[i].ev, 0);
		}
	for (uint32_t i = 0; i < fs->nworkers; i++)
		ev_free(fs->worker[i].ev);
	control_free(fs->ctl);
	if (fs->se)
		fuse_session_destroy(fs->se);
	pool_fini(&fs->pool);
	nodes_fini(&fs->nodes);
	spaces_fini(&fs->spaces);
	for (uint32_t i = 0; fs->open_state && i < STATE_OPENS_MAX; i++)
		openstate_free(fs, fs->open_state[i]);
	free(fs->open_state);
	free(fs->open_free);
	access_cache_free(fs->access);
	memory_free(fs->memory);
	memory_free(fs->stale);
	order_free(fs->order);
	link_cache_free(fs->links);
	listing_free(fs->listing);
	rates_free(fs->rates);
	last_errors_free(fs->last_errors);
	volstats_free(fs->volstats);
	state_unmap(&fs->st);
	if (fs->end_fd >= 0)
		close(fs->end_fd);
	if (fs->audit_fd >= 0)
		close(fs->audit_fd);
	free_list(fs->p.include);
	free_list(fs->p.exclude);
	free((void *)(uintptr_t)fs->p.snapdir_name);
	free((void *)(uintptr_t)fs->p.realm);
	free((void *)(uintptr_t)fs->p.audit_log);
	free((void *)(uintptr_t)fs->p.create.export_policy);
	free((void *)(uintptr_t)fs->p.create.snapshot_policy);
	free((void *)(uintptr_t)fs->p.create.unix_permissions);
	free((void *)(uintptr_t)fs->p.create.space_reserve);
	free((void *)(uintptr_t)fs->p.config_json);
	free((void *)(uintptr_t)fs->p.mountpoint);
	free((void *)(uintptr_t)fs->p.admin_uids);
	free(fs);
}
