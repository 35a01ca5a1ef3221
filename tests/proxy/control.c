/* The control socket: one line in, one or more out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "tests/proxy/proxy.h"

enum { LINE_MAX_ = 1024, WORDS_MAX = 16, ANSWER_MAX = 8192 };

static const char help_text[] =
	"on PROC [call|reply] ACTION [skip N] [count N]   count 0: for ever; ACTION: delay MS, hold,\n"
	"                      reorder, drop, lose, cut BYTES, dup, xor WORD MASK, short COUNT, status NAME\n"
	"clear                 forget all rules, send what was held\n"
	"release               send what was held or parked\n"
	"blackhole on|off [N]  pass nothing on, either way (listener N from 0; all)\n"
	"throttle BYTES        a second and direction of a connection; 0: none\n"
	"reset                 end every connection with RST\n"
	"stats                 what was seen, one line each\n"
	"wait WHAT N MS        until WHAT (a procedure, hits, links) was seen N times\n";

/* A connection of the control socket: it may wait for a count. */
struct waiter {
	struct list link;
	struct ev_source src;
	struct ev_timer timer;
	struct proxy *p;
	char line[LINE_MAX_];
	size_t have;
	bool waiting;
	int what; /* a procedure, or one of below */
	uint64_t count;
};
enum { WHAT_HITS = 100, WHAT_LINKS };

static void waiter_free(struct waiter *w)
{
	ev_del(w->p->ev, &w->src);
	ev_timer_disarm(&w->timer);
	list_remove(&w->link);
	close(w->src.fd);
	free(w);
}

static void answer(struct waiter *w, const char *text)
{
	ssize_t n = send(w->src.fd, text, strlen(text), MSG_NOSIGNAL);
	(void)n; /* who went away does not want it */
	waiter_free(w);
}

static uint64_t seen(const struct proxy *p, int what)
{
	uint64_t n = 0;
	if (what == WHAT_HITS)
		return p->hits;
	if (what == WHAT_LINKS)
		return p->links_made;
	if (what != PROC_ANY)
		return p->calls[what];
	for (int i = 0; i < PROCS; i++)
		n += p->calls[i];
	return n;
}

void control_counted(struct proxy *p)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &p->waiters) {
		struct waiter *w = list_entry(l, struct waiter, link);
		if (w->waiting && seen(p, w->what) >= w->count)
			answer(w, "ok\n");
	}
}

static void wait_over(struct ev_timer *t)
{
	struct waiter *w = t->ctx;
	char text[100];
	snprintf(text, sizeof(text), "error: seen %llu times only\n", (unsigned long long)seen(w->p, w->what));
	answer(w, text);
}

static void stats(struct waiter *w)
{
	struct buf b;
	buf_init(&b, ANSWER_MAX);
	buf_printf(&b, "hits %llu\nlinks %llu\n", (unsigned long long)w->p->hits, (unsigned long long)w->p->links_made);
	for (int i = 0; i < PROCS; i++)
		if (w->p->calls[i] || w->p->replies[i])
			buf_printf(&b, "%s %llu %llu\n", proc_name(i), (unsigned long long)w->p->calls[i],
				   (unsigned long long)w->p->replies[i]);
	answer(w, buf_ok(&b) ? b.data : "error: out of memory\n");
	buf_fini(&b);
}

static bool number(const char *s, uint32_t *ret)
{
	char *end;
	errno = 0;
	unsigned long v = strtoul(s, &end, 10);
	*ret = (uint32_t)v;
	return !errno && end != s && !*end && *s != '-' && v <= UINT32_MAX;
}

static void forget_rules(struct proxy *p)
{
	struct list *l;
	while ((l = list_pop(&p->rules)))
		free(list_entry(l, struct rule, link));
}

static bool blackhole(struct proxy *p, char *word[], int n)
{
	uint32_t only = UINT32_MAX;
	bool on = n > 1 && strcmp(word[1], "on") == 0;
	if (n < 2 || n > 3 || (!on && strcmp(word[1], "off") != 0) ||
	    (n == 3 && (!number(word[2], &only) || only >= (uint32_t)p->nlisteners)))
		return false;
	for (int i = 0; i < p->nlisteners; i++)
		if (only == UINT32_MAX || only == (uint32_t)i)
			p->listener[i].blackhole = on;
	link_resume_all(p);
	return true;
}

static bool wait_for(struct waiter *w, char *word[], int n)
{
	uint32_t count, ms;
	if (n != 4 || !number(word[2], &count) || !number(word[3], &ms))
		return false;
	w->what = strcmp(word[1], "hits") == 0	  ? WHAT_HITS
		  : strcmp(word[1], "links") == 0 ? WHAT_LINKS
						  : proc_by_name(word[1]);
	if (w->what < 0)
		return false;
	w->count = count;
	w->waiting = true;
	ev_timer_arm(w->p->ev, &w->timer, (int64_t)ms * NS_PER_MS);
	control_counted(w->p);
	return true;
}

static void command(struct waiter *w)
{
	struct proxy *p = w->p;
	char *word[WORDS_MAX], *save = NULL, error[220] = "error: ";
	int n = 0;
	for (char *s = strtok_r(w->line, " \t", &save); s && n < WORDS_MAX; s = strtok_r(NULL, " \t", &save))
		word[n++] = s;
	const char *verb = n ? word[0] : "";
	uint32_t v;
	if (strcmp(verb, "on") == 0) {
		struct rule *u = rule_parse(word + 1, n - 1, error + 7);
		if (u)
			list_append(&p->rules, &u->link);
		else
			strncat(error, "\n", sizeof(error) - strlen(error) - 1);
		answer(w, u ? "ok\n" : error);
	} else if (strcmp(verb, "clear") == 0) {
		forget_rules(p);
		link_release(p);
		answer(w, "ok\n");
	} else if (strcmp(verb, "release") == 0) {
		link_release(p);
		answer(w, "ok\n");
	} else if (strcmp(verb, "reset") == 0) {
		link_reset_all(p);
		answer(w, "ok\n");
	} else if (strcmp(verb, "throttle") == 0 && n == 2 && number(word[1], &v)) {
		p->throttle = v;
		link_resume_all(p);
		answer(w, "ok\n");
	} else if (strcmp(verb, "blackhole") == 0 && blackhole(p, word, n)) {
		answer(w, "ok\n");
	} else if (strcmp(verb, "stats") == 0) {
		stats(w);
	} else if (strcmp(verb, "help") == 0) {
		answer(w, help_text);
	} else if (strcmp(verb, "wait") != 0 || !wait_for(w, word, n)) {
		answer(w, "error: cannot understand that; 'help' lists the commands\n");
	}
}

static void line_event(struct ev_source *src, uint32_t events)
{
	struct waiter *w = src->ctx;
	(void)events;
	ssize_t n = recv(src->fd, w->line + w->have, sizeof(w->line) - w->have - 1, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || w->waiting || w->have + (size_t)n >= sizeof(w->line) - 1) {
		waiter_free(w);
		return;
	}
	w->have += (size_t)n;
	w->line[w->have] = '\0';
	char *end = strchr(w->line, '\n');
	if (end) {
		*end = '\0';
		command(w);
	}
}

static void control_event(struct ev_source *src, uint32_t events)
{
	struct proxy *p = src->ctx;
	(void)events;
	int fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct waiter *w = fd < 0 ? NULL : calloc(1, sizeof(*w));
	if (!w) {
		if (fd >= 0)
			close(fd);
		return;
	}
	w->p = p;
	w->src = (struct ev_source){.fd = fd, .fn = line_event, .ctx = w};
	ev_timer_init(&w->timer, wait_over, w);
	list_append(&p->waiters, &w->link);
	if (ev_add(p->ev, &w->src, EPOLLIN) < 0)
		waiter_free(w);
}

static bool address_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	return strcpy_bounded(ret->sun_path, path, sizeof(ret->sun_path));
}

int control_listen(struct proxy *p, const char *path)
{
	static struct ev_source src;
	struct sockaddr_un a;
	if (!address_of(path, &a))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0) {
		int err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	src = (struct ev_source){.fd = fd, .fn = control_event, .ctx = p};
	return ev_add(p->ev, &src, EPOLLIN);
}

int control_client(const char *path, int argc, char **argv)
{
	struct sockaddr_un a;
	char text[ANSWER_MAX + 1];
	size_t have = 0;
	struct buf line;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!address_of(path, &a) || fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr, "nfsproxy: nobody listens at %s: %s\n", path, strerror(errno));
		return 1;
	}
	buf_init(&line, LINE_MAX_);
	for (int i = 0; i < argc; i++)
		buf_printf(&line, "%s%s", argv[i], i + 1 < argc ? " " : "\n");
	ssize_t n = buf_ok(&line) && line.len ? send(fd, line.data, line.len, MSG_NOSIGNAL) : -1;
	buf_fini(&line);
	while (n > 0 && have < sizeof(text) - 1 && (n = recv(fd, text + have, sizeof(text) - 1 - have, 0)) > 0)
		have += (size_t)n;
	text[have] = '\0';
	if (!have || strncmp(text, "error", 5) == 0) {
		fprintf(stderr, "nfsproxy: %s", have ? text : "no answer\n");
		return 1;
	}
	fputs(text, stdout);
	return 0;
}
