/* nfsproxy: see proxy.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tests/proxy/proxy.h"

static int usage(void)
{
	fputs("usage: nfsproxy [--port N] --control SOCKET ADDRESS:PORT...\n"
	      "       nfsproxy ctl SOCKET help|WORDS...\n"
	      "Listens on each ADDRESS at port N (default: any free one), forwards to PORT there,\n"
	      "and does wrong what it is told to at the control SOCKET. Prints its port.\n",
	      stderr);
	return 2;
}

static void listener_event(struct ev_source *src, uint32_t events)
{
	struct listener *l = src->ctx;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	(void)events;
	int fd = accept4(src->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		link_new(l, fd, &peer);
}

static bool parse_address(const char *s, struct sockaddr_in *ret)
{
	char host[64];
	const char *colon = strrchr(s, ':');
	char *end;
	if (!colon || (size_t)(colon - s) >= sizeof(host))
		return false;
	memcpy(host, s, (size_t)(colon - s));
	host[colon - s] = '\0';
	unsigned long port = strtoul(colon + 1, &end, 10);
	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return port && port <= 65535 && !*end && inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

/* The first one may choose the port; the others take the same. */
static int listen_on(struct proxy *p, struct listener *l, uint16_t *port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(l->listen);
	l->p = p;
	l->listen = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr = l->server.sin_addr, .sin_port = htons(*port)};
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	l->src = (struct ev_source){.fd = fd, .fn = listener_event, .ctx = l};
	if (bind(fd, (struct sockaddr *)&l->listen, sizeof(l->listen)) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&l->listen, &len) < 0)
		return -errno;
	*port = ntohs(l->listen.sin_port);
	return ev_add(p->ev, &l->src, EPOLLIN);
}

static void signal_event(struct ev_source *src, uint32_t events)
{
	(void)events;
	((struct proxy *)src->ctx)->end = true;
}

static int serve(struct proxy *p, uint16_t port, const char *control)
{
	sigset_t set;
	int r = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct ev_source sig = {.fd = signalfd(-1, &set, SFD_CLOEXEC), .fn = signal_event, .ctx = p};
	p->ev = ev_new();
	if (!p->ev || sig.fd < 0 || ev_add(p->ev, &sig, EPOLLIN) < 0)
		return log_errno(-ENOMEM, "cannot start");
	for (int i = 0; i < p->nlisteners && r == 0; i++)
		r = listen_on(p, &p->listener[i], &port);
	if (r < 0)
		return log_errno(r, "cannot listen at port %u of every address", port);
	r = control_listen(p, control);
	if (r < 0)
		return log_errno(r, "cannot listen at %s", control);
	printf("%u\n", port);
	fflush(stdout);
	while (!p->end) {
		ev_run_once(p->ev, -1);
		link_reap(p);
	}
	unlink(control);
	return 0;
}

int main(int argc, char **argv)
{
	static struct proxy p;
	static const struct option longs[] = {
		{"port", required_argument, NULL, 'p'}, {"control", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};
	const char *control = NULL;
	unsigned long port = 0;
	char *end;
	int c;
	if (argc > 3 && strcmp(argv[1], "ctl") == 0)
		return control_client(argv[2], argc - 3, argv + 3);
	log_init("nfsproxy", 2);
	list_init(&p.rules);
	list_init(&p.held);
	list_init(&p.links);
	list_init(&p.dead);
	list_init(&p.waiters);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		if (c == 'c') {
			control = optarg;
		} else if (c == 'p') {
			port = strtoul(optarg, &end, 10);
			if (*end || port > 65535)
				return usage();
		} else {
			return usage();
		}
	}
	for (; optind < argc && p.nlisteners < (int)ARRAY_LEN(p.listener); optind++)
		if (!parse_address(argv[optind], &p.listener[p.nlisteners++].server))
			return usage();
	if (!control || !p.nlisteners || optind < argc)
		return usage();
	return serve(&p, (uint16_t)port, control) == 0 ? 0 : 1;
}
