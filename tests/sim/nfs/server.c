/*
 * The life of the server: start, listening on the LIFs, the control socket, reload,
 * stop.  All of it in the main thread; calls are served by the workers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sim/freeze.h"
#include "tests/sim/nfs/drc.h"
#include "tests/sim/nfs/making.h"
#include "tests/sim/nfs/simnfs.h"
#include "tests/sim/nfs/unstable.h"
#include "tests/sim/nfs/worker.h"
#include "tests/sim/util.h"

#define LIFS_MAX     64
#define CONTROLS_MAX 16  /* clients of the control socket at a time */
#define LINE_MAX_LEN 256 /* bytes of a command */
#define CACHED_FILES 4000
#define CACHED_FILES_MIN 128
#define ERR_LEN      512

/* Main thread only, all of it. */
enum source_kind { SRC_SIGNAL, SRC_LIF, SRC_CONTROL, SRC_CLIENT };

struct source {
	enum source_kind kind;
	int fd; /* -1: free */
	struct in_addr address; /* of a LIF */
	uint16_t port;
	bool wanted;            /* LIF: still in the state */
	bool stood_still;       /* client: nothing changed since it said freeze */
	size_t len;             /* of a client's line so far */
	char line[LINE_MAX_LEN];
};

static struct server {
	const char *dir;
	int epoll;
	struct source signals, control, lifs[LIFS_MAX], clients[CONTROLS_MAX];
	const struct state *state;
	bool stop;
} srv;

static int watch(struct source *s, enum source_kind kind)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};

	s->kind = kind;
	return epoll_ctl(srv.epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0 ? -errno : 0;
}

static void shut(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* ---- LIFs -------------------------------------------------------------------------- */

static int listen_on(struct in_addr address, uint16_t port)
{
	struct sockaddr_in sin = {
	        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, r;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&sin, sizeof sin) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static struct source *find_lif(struct in_addr address, uint16_t port)
{
	for (int i = 0; i < LIFS_MAX; i++)
		if (srv.lifs[i].fd >= 0 && srv.lifs[i].address.s_addr == address.s_addr &&
		    srv.lifs[i].port == port)
			return &srv.lifs[i];
	return NULL;
}

static struct source *free_slot(struct source *slots, int n)
{
	for (int i = 0; i < n; i++)
		if (slots[i].fd < 0)
			return &slots[i];
	return NULL;
}

static void drop_lifs(bool all)
{
	for (int i = 0; i < LIFS_MAX; i++) {
		struct source *s = &srv.lifs[i];

		if (s->fd < 0 || (s->wanted && !all))
			continue;
		shut(s);
		workers_hang_up(s->address);
	}
}

/* Opens what st wants and is not open yet; on failure closes that again. */
static int open_lifs(const struct state *st, char *err)
{
	struct source *opened[LIFS_MAX] = {NULL};
	int n = 0, r = 0;

	for (int i = 0; i < LIFS_MAX; i++)
		srv.lifs[i].wanted = false;
	for (size_t i = 0; i < st->nlifs && r == 0; i++) {
		struct source *s = find_lif(st->lifs[i], st->set.nfs_port);

		if (s) {
			s->wanted = true;
			continue;
		}
		s = free_slot(srv.lifs, LIFS_MAX);
		r = s ? listen_on(st->lifs[i], st->set.nfs_port) : -ENOSPC;
		if (r < 0) {
			snprintf(err, ERR_LEN, "cannot listen on %s port %u: %s", inet_ntoa(st->lifs[i]),
			         st->set.nfs_port, strerror(-r));
			break;
		}
		s->fd = r;
		s->address = st->lifs[i];
		s->port = st->set.nfs_port;
		s->wanted = true;
		opened[n++] = s;
		r = watch(s, SRC_LIF);
	}
	while (r < 0 && n > 0)
		shut(opened[--n]);
	return r;
}

static void accept_from(struct source *lif)
{
	struct sockaddr_in sin = {0};
	socklen_t len = sizeof sin;
	int fd = accept4(lif->fd, (struct sockaddr *)&sin, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct peer peer;
	int one = 1;

	if (fd < 0)
		return; /* the client went away, or no descriptor is free: epoll tells again */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	peer.address = ntohl(sin.sin_addr.s_addr);
	peer.port = ntohs(sin.sin_port);
	workers_add(fd, &peer, lif->address);
}

/* ---- reload -------------------------------------------------------------------------- */

static bool in_service(const void *arg, uint64_t root)
{
	return state_has_root(arg, root);
}

/* Nothing may stay open in a subvolume that left service.  Its pending writes go to
 * the file: a volume that only went offline still has them when it comes back. */
static void leave_gone(const struct state *st)
{
	unstable_flush_all(in_service, st);
	fdc_purge(in_service, st);
}

static int reload(char *err)
{
	struct state *st;
	const struct state *old;
	int r = state_load(srv.dir, srv.state, &st, err, ERR_LEN);

	if (r == 0) {
		r = open_lifs(st, err);
		if (r < 0)
			state_free(st);
	}
	if (r < 0)
		return r;
	old = workers_swap(st, leave_gone);
	srv.state = st;
	state_free((struct state *)(uintptr_t)old);
	drop_lifs(false);
	return 0;
}

/* ---- control socket --------------------------------------------------------------------- */

static int control_listen(char *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int n = snprintf(sun.sun_path, sizeof sun.sun_path, "%s/run/nfs.sock", srv.dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (n >= (int)sizeof sun.sun_path) {
		snprintf(err, ERR_LEN, "the path %s/run/nfs.sock is too long for a socket", srv.dir);
		r = -ENAMETOOLONG;
	} else if (fd < 0) {
		r = -errno;
	} else {
		/* left by a server that was killed: one that lives holds the LIFs' ports, so we
		 * would not have come here */
		unlink(sun.sun_path);
		if (bind(fd, (struct sockaddr *)&sun, sizeof sun) == 0 &&
		    chmod(sun.sun_path, 0600) == 0 && listen(fd, CONTROLS_MAX) == 0) {
			srv.control.fd = fd;
			return watch(&srv.control, SRC_CONTROL);
		}
		r = -errno;
		snprintf(err, ERR_LEN, "cannot listen on %s: %s", sun.sun_path, strerror(-r));
	}
	if (fd >= 0)
		close(fd);
	return r;
}

static void accept_client(void)
{
	int fd = accept4(srv.control.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct source *s = free_slot(srv.clients, CONTROLS_MAX);

	if (fd < 0)
		return;
	if (!s) {
		close(fd);
		return;
	}
	s->fd = fd;
	s->len = 0;
	s->stood_still = false;
	if (watch(s, SRC_CLIENT) < 0)
		shut(s);
}

static void tell(struct source *s, const char *answer)
{
	/* an answer is far smaller than a socket's buffer; who does not read it loses it */
	if (send(s->fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		shut(s);
}

/* See tests/sim/freeze.h.  Only this client is heard meanwhile: its next word, or its
 * end, lets all go on. */
static void freeze(struct source *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	workers_stand_still();
	tell(s, "ok\n");
	s->stood_still = s->fd >= 0 && poll(&p, 1, FREEZE_LIMIT_S * 1000) == 1;
	workers_go_on();
}

static void command(struct source *s, const char *line)
{
	char err[ERR_LEN], answer[ERR_LEN + 16] = "ok\n";

	if (strcmp(line, "freeze") == 0) {
		freeze(s);
		return;
	}
	if (strcmp(line, "thaw") == 0) {
		if (!s->stood_still)
			snprintf(answer, sizeof answer, "error the time had run out\n");
		s->stood_still = false;
	} else if (strcmp(line, "reload") == 0) {
		if (reload(err) < 0) {
			sim_log("nfs: reload failed: %s", err);
			snprintf(answer, sizeof answer, "error %s\n", err);
		}
	} else {
		snprintf(answer, sizeof answer, "error unknown command\n");
	}
	tell(s, answer);
}

static void read_client(struct source *s)
{
	ssize_t n = recv(s->fd, s->line + s->len, sizeof s->line - s->len, 0);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		s->len += (size_t)n;
	while (s->fd >= 0 && (end = memchr(s->line, '\n', s->len))) {
		size_t used = (size_t)(end - s->line) + 1;

		*end = '\0';
		command(s, s->line);
		s->len -= used;
		memmove(s->line, s->line + used, s->len);
	}
	if (n <= 0 || s->len == sizeof s->line)
		shut(s);
}

/* ---- life -------------------------------------------------------------------------------- */

/* Tells who started us, once. */
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
	/* before any thread starts, so that all inherit it */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	srv.signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return srv.signals.fd < 0 ? -errno : watch(&srv.signals, SRC_SIGNAL);
}

static unsigned worker_count(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 2 ? 2 : cpus > WORKERS_MAX ? WORKERS_MAX : (unsigned)cpus;
}

/* How many files may stay open: what is left of the descriptors when every connection
 * has one, at up to three a file. */
static unsigned cache_size(void)
{
	struct rlimit lim;
	rlim_t left;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return CACHED_FILES_MIN;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	left = lim.rlim_cur > CONNS_MAX ? (lim.rlim_cur - CONNS_MAX) / 3 : 0;
	if (left < CACHED_FILES_MIN)
		return CACHED_FILES_MIN;
	return left < CACHED_FILES ? (unsigned)left : CACHED_FILES;
}

static int start(char *err)
{
	struct state *st = NULL;
	int r;

	snprintf(err, ERR_LEN, "cannot start the NFS server");
	umask(0); /* modes come from the clients */
	srv.control.fd = srv.signals.fd = -1;
	for (int i = 0; i < LIFS_MAX; i++)
		srv.lifs[i].fd = -1;
	for (int i = 0; i < CONTROLS_MAX; i++)
		srv.clients[i].fd = -1;
	srv.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (srv.epoll < 0)
		return -errno;
	unstable_init();
	r = watch_signals();
	if (r == 0)
		r = fh_init(srv.dir, err, ERR_LEN);
	if (r == 0)
		r = making_init(srv.dir);
	if (r == 0)
		r = fdc_init(cache_size());
	if (r == 0)
		r = drc_init();
	if (r == 0)
		r = state_load(srv.dir, NULL, &st, err, ERR_LEN);
	if (r < 0)
		return r;
	srv.state = st;
	r = workers_start(worker_count(), st);
	if (r == 0)
		r = open_lifs(st, err);
	if (r == 0)
		r = control_listen(err);
	return r;
}

static void handle(struct source *s)
{
	switch (s->kind) {
	case SRC_SIGNAL: srv.stop = true; break;
	case SRC_LIF: accept_from(s); break;
	case SRC_CONTROL: accept_client(); break;
	case SRC_CLIENT: read_client(s); break;
	}
}

static void finish(void)
{
	drop_lifs(true);
	if (srv.control.fd >= 0) {
		AUTO_FREE char *path = sim_fmt("%s/run/nfs.sock", srv.dir);

		unlink(path);
	}
	workers_stop();
	shut(&srv.control);
	for (int i = 0; i < CONTROLS_MAX; i++)
		shut(&srv.clients[i]);
	/* a stop that was asked for loses nothing */
	unstable_flush_all(NULL, NULL);
	fdc_fini();
	drc_fini();
	fh_fini();
	state_free((struct state *)(uintptr_t)srv.state);
	shut(&srv.signals);
	close(srv.epoll);
}

int simnfs_serve(const char *dir)
{
	char err[ERR_LEN];

	srv.dir = dir;
	if (start(err) < 0) {
		tell_ready(err);
		sim_log("nfs: %s", err);
		return 1;
	}
	tell_ready(NULL);
	while (!srv.stop) {
		struct epoll_event ev[16];
		int n = epoll_wait(srv.epoll, ev, 16, -1);

		for (int i = 0; i < n; i++) {
			struct source *s = ev[i].data.ptr;

			/* an earlier event of this round may have closed it */
			if (s->fd >= 0)
				handle(s);
		}
	}
	finish();
	return 0;
}
