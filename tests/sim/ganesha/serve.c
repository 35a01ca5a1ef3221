/*
 * The keeper of the Ganeshas: starts them, tells them what changed, stops them
 * while a volume is copied.  One thread: PR_SET_PDEATHSIG speaks of threads.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/sim/db.h"
#include "tests/sim/freeze.h"
#include "tests/sim/ganesha/child.h"
#include "tests/sim/ganesha/ganesha.h"
#include "tests/sim/ganesha/picture.h"
#include "tests/sim/ganesha/portmap.h"
#include "tests/sim/ganesha/view.h"
#include "tests/sim/util.h"

#define CLIENTS_MAX  16 /* of the control socket at a time */
#define READY_MS     25000
#define REREAD_MS    5000
#define STOP_MS      10000
#define PORTMAP_PATH "/run/rpcbind.sock"
#define EXPORTS      "ganesha.conf"
#define ERR_LEN      512

struct client {
	int fd; /* 0: free */
	size_t len;
	char line[64];
};

static struct keeper {
	const char *dir;
	int signals, control;
	struct child child[GANESHA_LIFS_MAX];
	struct client client[CLIENTS_MAX];
	struct client *freezer; /* who holds the servers still, or NULL */
	int64_t frozen_until;
	struct picture pic; /* what they were told */
	char *exports;      /* the same as text */
	bool stop;
} k;

bool ganesha_chosen(const char *dir)
{
	sqlite3 *db = NULL;
	AUTO_FREE char *nfs = NULL;

	if (db_open_ro(dir, &db) == 0)
		nfs = db_setting(db, "nfs");
	sqlite3_close(db);
	return nfs && strcmp(nfs, "ganesha") == 0;
}

static bool any_ended(void)
{
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (k.child[i].pid && k.child[i].ended)
			return true;
	return false;
}

/* ---- events ------------------------------------------------------------------- */

static void on_signal(void)
{
	struct signalfd_siginfo si;

	while (read(k.signals, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			k.stop = true;
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (k.child[i].pid)
			child_check(&k.child[i]);
}

/* Serves signals, logs and the port mapper once; with more, further descriptors
 * are waited for, too. */
static void pump(struct pollfd *more, size_t nmore, int ms)
{
	struct pollfd p[1 + GANESHA_LIFS_MAX + PORTMAP_FDS + 1 + CLIENTS_MAX];
	size_t n = 0, nport;

	p[n++] = (struct pollfd){ .fd = k.signals, .events = POLLIN };
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		/* At its end there is nothing more to read, for ever. */
		p[n++] = (struct pollfd){ .fd = k.child[i].pid && !k.child[i].ended ? k.child[i].log : -1,
			                  .events = POLLIN };
	nport = portmap_poll(p + n);
	n += nport;
	for (size_t i = 0; i < nmore; i++)
		p[n++] = more[i];
	if (poll(p, n, ms) <= 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (p[1 + i].revents)
			child_read(&k.child[i]);
	portmap_serve(p + 1 + ARRAY_LEN(k.child), nport);
	for (size_t i = 0; i < nmore; i++)
		more[i].revents = p[n - nmore + i].revents;
	if (p[0].revents)
		on_signal();
}

/* Until all running children are so; false when time ran out, one ended, or a
 * signal wants us to stop. */
static bool wait_all(bool (*so)(const struct child *c), int ms)
{
	int64_t end = sim_mono_ms() + ms;

	for (;;) {
		int64_t left = end - sim_mono_ms();
		bool all = true;

		for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
			if (k.child[i].pid)
				all = all && so(&k.child[i]);
		if (all)
			return true;
		if (left <= 0 || k.stop || any_ended())
			return false;
		pump(NULL, 0, (int)left);
	}
}

static bool is_ready(const struct child *c)
{
	return c->ready;
}

static bool is_reread(const struct child *c)
{
	return c->rereads > 0 || c->refused;
}

static bool is_stopped(const struct child *c)
{
	return c->stopped;
}

static void signal_all(int sig)
{
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (k.child[i].pid && !k.child[i].ended)
			kill(k.child[i].pid, sig);
}

/* ---- exports and LIFs ----------------------------------------------------------- */

static int write_run(const char *name, const char *text)
{
	AUTO_FREE char *path = sim_fmt("%s/run/%s", k.dir, name);

	return text ? sim_write_file(path, text, strlen(text), 0644) : -ENOMEM;
}

/* Writes the exports and lets every server read them. */
static bool reread(const char *exports)
{
	if (write_run(EXPORTS, exports) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++) {
		k.child[i].rereads = 0;
		k.child[i].refused = false;
	}
	signal_all(SIGHUP);
	if (!wait_all(is_reread, REREAD_MS))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (k.child[i].pid && k.child[i].refused)
			return false;
	return true;
}

static void kill_all(void)
{
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (k.child[i].pid)
			child_kill(k.dir, &k.child[i]);
}

static bool has_lif(const struct picture *p, const char *address)
{
	for (size_t i = 0; i < p->nlifs; i++)
		if (strcmp(p->lifs[i], address) == 0)
			return true;
	return false;
}

static struct child *child_at(const char *address)
{
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (strcmp(k.child[i].address, address) == 0)
			return &k.child[i];
	return NULL;
}

/* One Ganesha for each LIF that is up, no other. */
static int start_missing(const struct picture *p, char err[ERR_LEN])
{
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		if (k.child[i].pid && !has_lif(p, k.child[i].address))
			child_kill(k.dir, &k.child[i]);
	for (size_t i = 0; i < p->nlifs; i++) {
		AUTO_FREE char *name = sim_fmt("ganesha.%s.conf", p->lifs[i]);
		AUTO_FREE char *config = sim_fmt("%s/run/%s", k.dir, name);
		AUTO_FREE char *core = picture_core(p, p->lifs[i], EXPORTS);
		struct child *c;
		int r;

		if (child_at(p->lifs[i]))
			continue;
		c = child_at("");
		r = write_run(name, core);
		if (r == 0)
			r = child_start(k.dir, p->lifs[i], config, c);
		if (r < 0) {
			snprintf(err, ERR_LEN, "cannot start Ganesha: %s", strerror(-r));
			return r;
		}
	}
	if (wait_all(is_ready, READY_MS))
		return 0;
	snprintf(err, ERR_LEN, "Ganesha was not ready in %d s", READY_MS / 1000);
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++) {
		struct child *c = &k.child[i];

		if (c->pid && c->ended) {
			child_read(c);
			snprintf(err, ERR_LEN, "Ganesha ended: %s", *c->complaint ? c->complaint : "it said nothing");
		}
	}
	return -EIO;
}

/* The servers run and know k.pic; now they are to know p. */
static int change_exports(const struct picture *p, char *exports, char err[ERR_LEN])
{
	bool good = true;

	if (strcmp(exports, k.exports) == 0)
		return 0;
	/* What an export is cannot change: the old one has to go first. */
	if (picture_drops(p, &k.pic)) {
		AUTO_FREE char *rest = picture_exports(&k.pic, p);

		good = rest && reread(rest);
	}
	if (good && reread(exports))
		return 0;
	if (k.stop) {
		snprintf(err, ERR_LEN, "stopping");
		return -EINTR;
	}
	/* File handles stay valid, and clients connect again. */
	sim_log("nfs: Ganesha did not take the new exports; starting it again");
	kill_all();
	return 0;
}

static int apply(char err[ERR_LEN])
{
	struct picture p;
	AUTO_FREE char *exports = NULL;
	int r = picture_load(k.dir, &p);

	if (r == 0)
		exports = picture_exports(&p, NULL);
	if (!exports) {
		r = r < 0 ? r : -ENOMEM;
		snprintf(err, ERR_LEN, "cannot read the state: %s", strerror(-r));
		picture_free(&p);
		return r;
	}
	view_apply(k.dir, &p);
	r = k.exports ? change_exports(&p, exports, err) : 0;
	if (r == 0)
		r = write_run(EXPORTS, exports);
	if (r == 0)
		r = start_missing(&p, err);
	if (r < 0) {
		picture_free(&p);
		return r;
	}
	picture_free(&k.pic);
	k.pic = p;
	free(k.exports);
	k.exports = exports;
	exports = NULL;
	return 0;
}

/* ---- standing still --------------------------------------------------------------- */

static int freeze(struct client *c)
{
	if (k.freezer)
		return -EBUSY;
	for (size_t i = 0; i < ARRAY_LEN(k.child); i++)
		k.child[i].stopped = false;
	signal_all(SIGSTOP);
	if (!wait_all(is_stopped, STOP_MS)) {
		signal_all(SIGCONT);
		return -ETIMEDOUT;
	}
	k.freezer = c;
	k.frozen_until = sim_mono_ms() + (int64_t)FREEZE_LIMIT_S * 1000;
	return 0;
}

static void thaw(void)
{
	k.freezer = NULL;
	signal_all(SIGCONT);
}

/* ---- control socket --------------------------------------------------------------- */

static int control_listen(char err[ERR_LEN])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/nfs.sock", k.dir);
	int r;

	k.control = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k.control < 0)
		return -errno;
	unlink(sa.sun_path);
	if (n < (int)sizeof(sa.sun_path) && bind(k.control, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	    chmod(sa.sun_path, 0600) == 0 && listen(k.control, CLIENTS_MAX) == 0)
		return 0;
	r = -errno;
	snprintf(err, ERR_LEN, "cannot listen on %s: %s", sa.sun_path, strerror(-r));
	return r;
}

static void hang_up(struct client *c)
{
	if (k.freezer == c)
		thaw();
	close(c->fd);
	c->fd = 0;
}

static void command(struct client *c, const char *line)
{
	char err[ERR_LEN] = "", answer[ERR_LEN + 16];

	if (strcmp(line, "reload") == 0) {
		if (apply(err) < 0)
			sim_log("nfs: reload failed: %s", err);
	} else if (strcmp(line, "freeze") == 0) {
		if (freeze(c) < 0)
			snprintf(err, sizeof(err), "the servers did not stop");
	} else if (strcmp(line, "thaw") == 0) {
		if (k.freezer != c)
			snprintf(err, sizeof(err), "they were not held");
		else
			thaw();
	} else {
		snprintf(err, sizeof(err), "unknown command");
	}
	if (*err)
		snprintf(answer, sizeof(answer), "error %s\n", err);
	else
		snprintf(answer, sizeof(answer), "ok\n");
	if (send(c->fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		hang_up(c);
}

static void read_client(struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->len += (size_t)n;
	while (c->fd && (end = memchr(c->line, '\n', c->len))) {
		*end = '\0';
		command(c, c->line);
		c->len -= (size_t)(end + 1 - c->line);
		memmove(c->line, end + 1, c->len);
	}
	if (c->fd && (n <= 0 || c->len == sizeof(c->line)))
		hang_up(c);
}

static void accept_client(void)
{
	for (size_t i = 0; i < ARRAY_LEN(k.client); i++) {
		struct client *c = &k.client[i];

		if (c->fd)
			continue;
		c->fd = accept4(k.control, NULL, NULL, SOCK_CLOEXEC);
		c->len = 0;
		if (c->fd < 0)
			c->fd = 0;
		return;
	}
}

/* While the servers stand still only who holds them is heard: a reload would wait
 * for them, and they for its end. */
static void turn(void)
{
	struct pollfd p[1 + CLIENTS_MAX];
	int64_t left = k.freezer ? k.frozen_until - sim_mono_ms() : -1;
	bool full = true;
	size_t n = 1;

	for (size_t i = 0; i < ARRAY_LEN(k.client); i++) {
		struct client *c = &k.client[i];

		full = full && c->fd;
		p[n++] = (struct pollfd){ .fd = c->fd && (!k.freezer || k.freezer == c) ? c->fd : -1,
			                  .events = POLLIN };
	}
	p[0] = (struct pollfd){ .fd = k.freezer || full ? -1 : k.control, .events = POLLIN };
	if (k.freezer && left <= 0) {
		sim_log("nfs: the servers stood still for %d s; they go on", FREEZE_LIMIT_S);
		hang_up(k.freezer);
		return;
	}
	pump(p, n, (int)left);
	for (size_t i = 0; i < ARRAY_LEN(k.client); i++)
		if (p[1 + i].revents && k.client[i].fd)
			read_client(&k.client[i]);
	if (p[0].revents)
		accept_client();
}

/* ---- life ------------------------------------------------------------------------- */

static void tell_ready(const char *err)
{
	const char *env = getenv("ONTAPSIM_READY_FD");
	AUTO_FREE char *text = err ? sim_fmt("error: %s\n", err) : sim_dup("ok\n");
	int64_t fd;

	if (!env || !sim_parse_int(env, 0, INT32_MAX, &fd))
		return;
	if (write((int)fd, text, strlen(text)) < 0)
		sim_log("nfs: cannot report to the starting process: %m");
	close((int)fd);
	unsetenv("ONTAPSIM_READY_FD");
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k.signals < 0 ? -errno : 0;
}

/* A /run of its own, with the port mapper that Ganesha asks for. */
static int private_run(char err[ERR_LEN])
{
	AUTO_FREE char *db = sim_fmt("%s/state.db", k.dir);
	int r = view_enter(k.dir);

	if (r == 0 && mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
		r = -errno;
	if (r == 0)
		r = portmap_open(PORTMAP_PATH);
	if (r < 0)
		snprintf(err, ERR_LEN, "cannot make a mount name space: %s", strerror(-r));
	if (r == 0 && access(db, F_OK) < 0) {
		snprintf(err, ERR_LEN, "with Ganesha the simulator cannot live below /run");
		r = -ENOENT;
	}
	return r;
}

static int start(char err[ERR_LEN])
{
	struct rlimit lim;
	int r;

	snprintf(err, ERR_LEN, "cannot start the NFS server");
	umask(0);
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	r = watch_signals();
	if (r == 0)
		r = private_run(err);
	if (r == 0)
		r = apply(err);
	if (r == 0)
		r = control_listen(err);
	return r;
}

int simganesha_serve(const char *dir)
{
	AUTO_FREE char *sock = sim_fmt("%s/run/nfs.sock", dir);
	char err[ERR_LEN];
	bool ended;

	k.dir = dir;
	k.control = k.signals = -1;
	if (start(err) < 0) {
		kill_all();
		tell_ready(err);
		sim_log("nfs: %s", err);
		return 1;
	}
	tell_ready(NULL);
	while (!k.stop && !any_ended())
		turn();
	ended = !k.stop;
	if (ended)
		sim_log("nfs: Ganesha ended by itself");
	kill_all();
	unlink(sock);
	return ended ? 1 : 0;
}
