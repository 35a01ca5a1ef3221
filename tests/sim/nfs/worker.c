/*
 * Each worker has an epoll of its own and the connections in it.  While it serves
 * calls it holds the state lock for reading; a reload takes it for writing, so it finds
 * the server still, every descriptor of the cache at rest, and can close those that
 * lead to subvolumes which are to be deleted.
 */
#include "tests/sim/nfs/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/base/list.h"
#include "tests/sim/nfs/conn.h"
#include "tests/sim/util.h"

#define EVENTS    64

struct link {
	struct list all;   /* under conns_lock */
	struct list again; /* worker only: has work left */
	struct conn *conn; /* immutable */
	struct in_addr local;
	uint32_t armed;    /* worker only: what epoll waits for */
};

static struct worker {
	pthread_t thread;
	int epoll;
	int wake; /* eventfd; data.ptr NULL in epoll */
	struct list again;
	struct scratch mem;
} workers[WORKERS_MAX];
static unsigned nworkers, turn;

static pthread_rwlock_t state_lock;
static const struct state *state; /* under state_lock */

static pthread_mutex_t conns_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list conns;  /* under conns_lock */
static unsigned nconns;    /* under conns_lock */
static _Atomic bool stopping;

static const struct state *begin(void)
{
	pthread_rwlock_rdlock(&state_lock);
	return state;
}

static void end(void)
{
	pthread_rwlock_unlock(&state_lock);
}

static const struct conn_hooks hooks = {.begin = begin, .end = end};

static void link_free(struct link *l)
{
	pthread_mutex_lock(&conns_lock);
	list_remove(&l->all);
	nconns--;
	pthread_mutex_unlock(&conns_lock);
	list_remove(&l->again);
	conn_free(l->conn);
	free(l);
}

static void arm(struct worker *w, struct link *l, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = l};

	if (l->armed == events)
		return;
	epoll_ctl(w->epoll, EPOLL_CTL_MOD, conn_fd(l->conn), &ev);
	l->armed = events;
}

static void serve(struct worker *w, struct link *l)
{
	list_remove(&l->again);
	switch (conn_serve(l->conn, &w->mem)) {
	case CONN_READ: arm(w, l, EPOLLIN); break;
	case CONN_WRITE: arm(w, l, EPOLLOUT); break;
	case CONN_AGAIN: list_append(&w->again, &l->again); break;
	case CONN_CLOSE: link_free(l); break;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct epoll_event ev[EVENTS];

	while (!stopping) {
		int n = epoll_wait(w->epoll, ev, EVENTS, list_empty(&w->again) ? -1 : 0);
		struct list *pos, *tmp;
		unsigned left = 0;

		/* events first: what is served from the list below may be freed there, and must
		 * not be met again in ev */
		for (int i = 0; i < n; i++) {
			struct link *l = ev[i].data.ptr;

			if (l)
				serve(w, l);
		}
		/* each once, though serve() may append them anew */
		list_for_each(pos, tmp, &w->again)
			left++;
		for (; left > 0; left--)
			serve(w, list_entry(list_pop(&w->again), struct link, again));
	}
	return NULL;
}

static int worker_init(struct worker *w)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

	list_init(&w->again);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll < 0 || w->wake < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &ev) < 0)
		return -errno;
	return -pthread_create(&w->thread, NULL, work, w);
}

int workers_start(unsigned n, const struct state *st)
{
	pthread_rwlockattr_t attr;

	/* a reload must not wait for a moment without readers, it might never come */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&state_lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	list_init(&conns);
	state = st;
	for (nworkers = 0; nworkers < n && nworkers < WORKERS_MAX; nworkers++) {
		int r = worker_init(&workers[nworkers]);

		if (r < 0)
			return r;
	}
	return 0;
}

void workers_stop(void)
{
	struct list *pos, *tmp;
	uint64_t one = 1;

	stopping = true;
	for (unsigned i = 0; i < nworkers; i++)
		if (write(workers[i].wake, &one, sizeof one) < 0)
			sim_log("nfs: cannot wake a worker: %m");
	for (unsigned i = 0; i < nworkers; i++) {
		pthread_join(workers[i].thread, NULL);
		close(workers[i].epoll);
		close(workers[i].wake);
	}
	list_for_each(pos, tmp, &conns)
		link_free(list_entry(pos, struct link, all));
	nworkers = 0;
}

void workers_add(int fd, const struct peer *peer, struct in_addr local)
{
	struct worker *w = &workers[turn++ % nworkers];
	struct epoll_event ev = {.events = EPOLLIN};
	struct link *l = calloc(1, sizeof *l);
	bool full;

	pthread_mutex_lock(&conns_lock);
	full = nconns >= CONNS_MAX;
	pthread_mutex_unlock(&conns_lock);
	if (l && !full)
		l->conn = conn_new(fd, peer, &hooks);
	if (!l || !l->conn) {
		sim_log("nfs: connection refused: %s", full ? "too many" : "out of memory");
		free(l);
		close(fd);
		return;
	}
	l->local = local;
	l->armed = EPOLLIN;
	list_init(&l->again);
	pthread_mutex_lock(&conns_lock);
	list_append(&conns, &l->all);
	nconns++;
	pthread_mutex_unlock(&conns_lock);
	ev.data.ptr = l;
	/* from here on the connection is the worker's */
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		sim_log("nfs: connection refused: %m");
		link_free(l);
	}
}

const struct state *workers_swap(const struct state *st,
                                 void (*while_still)(const struct state *st))
{
	const struct state *old;

	pthread_rwlock_wrlock(&state_lock);
	old = state;
	state = st;
	while_still(st);
	pthread_rwlock_unlock(&state_lock);
	return old;
}

void workers_stand_still(void)
{
	pthread_rwlock_wrlock(&state_lock);
}

void workers_go_on(void)
{
	pthread_rwlock_unlock(&state_lock);
}

void workers_hang_up(struct in_addr local)
{
	struct list *pos, *tmp;

	pthread_mutex_lock(&conns_lock);
	list_for_each(pos, tmp, &conns) {
		struct link *l = list_entry(pos, struct link, all);

		/* the worker sees the end of the stream and frees it */
		if (l->local.s_addr == local.s_addr)
			shutdown(conn_fd(l->conn), SHUT_RDWR);
	}
	pthread_mutex_unlock(&conns_lock);
}
