/* Timers are a list sorted by due time: a loop has a handful of them (one
 * scan timer per connection, not one per call), so insertion stays short.
 *
 * The mailbox is a lock-free stack that the receiver reverses; the eventfd is
 * written only by the poster that found it empty. */
#include "fs/base/ev.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "fs/base/clock.h"

#define EV_BATCH 64

/* Polling in vain costs as much as several that it won; where it mostly is in
 * vain (the server is far, the processors are wanted by others) it pauses. */
#define SPIN_TRUST 16
#define SPIN_LOSS  4
#define SPIN_PAUSE 256

struct ev {
	int epfd;
	struct ev_source mail_src;
	struct ev_msg *_Atomic mail;
	struct list timers;
	struct epoll_event ready[EV_BATCH];
	int nready, cursor; /* the batch being delivered */
	int64_t spin_ns;
	int spin_score; /* below 0: so many waits until it is tried again */
};

static void mail_run(struct ev_source *src, uint32_t events)
{
	(void)events;
	struct ev *ev = src->ctx;
	uint64_t n;
	ssize_t r = read(src->fd, &n, sizeof(n));
	(void)r; /* EAGAIN: another wake-up already took the count */
	struct ev_msg *m = atomic_exchange(&ev->mail, NULL), *fifo = NULL;
	while (m) {
		struct ev_msg *next = m->next;
		m->next = fifo;
		fifo = m;
		m = next;
	}
	while (fifo) {
		struct ev_msg *next = fifo->next;
		fifo->fn(fifo);
		fifo = next;
	}
}

struct ev *ev_new(void)
{
	struct ev *ev = calloc(1, sizeof(*ev));
	if (!ev)
		return NULL;
	list_init(&ev->timers);
	ev->epfd = epoll_create1(EPOLL_CLOEXEC);
	ev->mail_src = (struct ev_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .fn = mail_run, .ctx = ev};
	int r = ev->epfd < 0 || ev->mail_src.fd < 0 ? -errno : ev_add(ev, &ev->mail_src, EPOLLIN);
	if (r < 0) {
		ev_free(ev);
		errno = -r;
		return NULL;
	}
	return ev;
}

void ev_free(struct ev *ev)
{
	if (!ev)
		return;
	if (ev->mail_src.fd >= 0)
		close(ev->mail_src.fd);
	if (ev->epfd >= 0)
		close(ev->epfd);
	free(ev);
}

static int ev_ctl(struct ev *ev, int op, struct ev_source *src, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = src};
	return epoll_ctl(ev->epfd, op, src->fd, &e) < 0 ? -errno : 0;
}

int ev_add(struct ev *ev, struct ev_source *src, uint32_t events)
{
	return ev_ctl(ev, EPOLL_CTL_ADD, src, events);
}

int ev_mod(struct ev *ev, struct ev_source *src, uint32_t events)
{
	return ev_ctl(ev, EPOLL_CTL_MOD, src, events);
}

void ev_del(struct ev *ev, struct ev_source *src)
{
	epoll_ctl(ev->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	/* Events of this batch that were not delivered yet must not reach it. */
	for (int i = ev->cursor; i < ev->nready; i++)
		if (ev->ready[i].data.ptr == src)
			ev->ready[i].data.ptr = NULL;
}

void ev_timer_init(struct ev_timer *t, void (*fn)(struct ev_timer *), void *ctx)
{
	list_init(&t->link);
	t->fn = fn;
	t->ctx = ctx;
}

void ev_timer_arm(struct ev *ev, struct ev_timer *t, int64_t after_ns)
{
	list_remove(&t->link);
	t->due_ns = clock_now_ns() + after_ns;
	struct list *at = ev->timers.prev;
	while (at != &ev->timers && list_entry(at, struct ev_timer, link)->due_ns > t->due_ns)
		at = at->prev;
	t->link.prev = at;
	t->link.next = at->next;
	at->next->prev = &t->link;
	at->next = &t->link;
}

void ev_timer_disarm(struct ev_timer *t)
{
	list_remove(&t->link);
}

void ev_post(struct ev *ev, struct ev_msg *msg)
{
	/* Once the message is in the list its receiver may free it. */
	struct ev_msg *head = atomic_load(&ev->mail);
	do {
		msg->next = head;
	} while (!atomic_compare_exchange_weak(&ev->mail, &head, msg));
	if (!head) {
		uint64_t one = 1;
		ssize_t r = write(ev->mail_src.fd, &one, sizeof(one));
		(void)r; /* EAGAIN: the counter is full, so the reader wakes anyway */
	}
}

static int timers_run(struct ev *ev)
{
	int n = 0;
	if (list_empty(&ev->timers))
		return 0;
	int64_t now = clock_now_ns();
	while (!list_empty(&ev->timers)) {
		struct ev_timer *t = list_entry(ev->timers.next, struct ev_timer, link);
		if (t->due_ns > now)
			break;
		list_remove(&t->link);
		t->fn(t);
		n++;
	}
	return n;
}

void ev_spin(struct ev *ev, int64_t ns)
{
	ev->spin_ns = ns;
}

static int wait_ready(struct ev *ev, int timeout_ms)
{
	int64_t spin_ns = ev->spin_ns;
	ev->spin_ns = 0;
	if (spin_ns && timeout_ms && (ev->spin_score >= 0 || ++ev->spin_score == 0)) {
		int64_t until = clock_now_ns() + spin_ns;
		do {
			int n = epoll_wait(ev->epfd, ev->ready, EV_BATCH, 0);
			if (n) {
				ev->spin_score = MIN_OF(ev->spin_score + 1, SPIN_TRUST);
				return n;
			}
		} while (clock_now_ns() < until);
		ev->spin_score -= SPIN_LOSS;
		if (ev->spin_score < 0)
			ev->spin_score = -SPIN_PAUSE;
	}
	return epoll_wait(ev->epfd, ev->ready, EV_BATCH, timeout_ms);
}

int ev_run_once(struct ev *ev, int timeout_ms)
{
	if (!list_empty(&ev->timers)) {
		int64_t left = list_entry(ev->timers.next, struct ev_timer, link)->due_ns - clock_now_ns();
		int64_t ms = left <= 0 ? 0 : (left + NS_PER_MS - 1) / NS_PER_MS;
		if (timeout_ms < 0 || ms < timeout_ms)
			timeout_ms = (int)MIN_OF(ms, (int64_t)3600000);
	}
	int n = wait_ready(ev, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	ev->nready = n;
	for (ev->cursor = 0; ev->cursor < n;) {
		struct epoll_event *e = &ev->ready[ev->cursor++];
		struct ev_source *src = e->data.ptr;
		if (src)
			src->fn(src, e->events);
	}
	ev->nready = 0;
	return n + timers_run(ev);
}
