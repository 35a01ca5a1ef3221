/*
 * The control socket takes one line per connection and answers with one line,
 * "ok" or "error: TEXT".
 */
#include "tests/sim/rest/fault.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#define FOREVER (-1)

static struct {
	pthread_mutex_t lock;
	int64_t delay_ms, delay_left;   /* *_left: requests it is still for, FOREVER, 0 = off */
	int64_t status, status_left;
	int stop_fd; /* eventfd, readable once the process ends */
	int listen_fd;
	pthread_t thread;
	struct model *model;
	char path[108];
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER, .stop_fd = -1, .listen_fd = -1 };

static bool use(int64_t *left)
{
	if (*left == 0)
		return false;
	if (*left > 0)
		--*left;
	return true;
}

struct fault fault_take(void)
{
	struct fault f = { 0 };

	pthread_mutex_lock(&fault.lock);
	if (use(&fault.delay_left))
		f.delay_ms = fault.delay_ms;
	if (use(&fault.status_left))
		f.status = (int)fault.status;
	pthread_mutex_unlock(&fault.lock);
	return f;
}

void fault_wait(int64_t ms)
{
	struct pollfd p = { .fd = fault.stop_fd, .events = POLLIN };
	int64_t end = sim_mono_ms() + ms, left;

	while ((left = end - sim_mono_ms()) > 0)
		if (poll(&p, 1, (int)left) > 0)
			return;
}

void fault_stop(void)
{
	uint64_t one = 1;

	(void)!write(fault.stop_fd, &one, sizeof(one));
}

static const char *command(char *line)
{
	char *word[6] = { NULL }, *save = NULL;
	int n = 0;
	int64_t v, count = FOREVER;

	for (char *p = strtok_r(line, " \r\n", &save); p; p = strtok_r(NULL, " \r\n", &save)) {
		if (n == 6)
			return "error: too many words";
		word[n++] = p;
	}
	if (n == 2 && !strcmp(word[0], "fault") && !strcmp(word[1], "clear")) {
		pthread_mutex_lock(&fault.lock);
		fault.delay_left = fault.status_left = 0;
		pthread_mutex_unlock(&fault.lock);
		return "ok";
	}
	if (n == 3 && !strcmp(word[0], "job") && !strcmp(word[1], "delay")) {
		if (!sim_parse_int(word[2], 0, 600000, &v))
			return "error: the delay must be 0 to 600000 milliseconds";
		atomic_store(&fault.model->job_delay_ms, v);
		return "ok";
	}
	if ((n == 4 || n == 5) && !strcmp(word[0], "fault") && !strcmp(word[1], "rest")) {
		bool delay = !strcmp(word[2], "delay");

		if (!delay && strcmp(word[2], "status") != 0)
			return "error: want 'fault rest delay MS [COUNT]' or 'fault rest status CODE [COUNT]'";
		if (n == 5 && !sim_parse_int(word[4], 1, 1000000, &count))
			return "error: the count must be 1 to 1000000";
		if (delay ? !sim_parse_int(word[3], 0, 600000, &v) : !sim_parse_int(word[3], 400, 599, &v))
			return delay ? "error: the delay must be 0 to 600000 milliseconds"
			             : "error: the status must be 400 to 599";
		pthread_mutex_lock(&fault.lock);
		*(delay ? &fault.delay_ms : &fault.status) = v;
		*(delay ? &fault.delay_left : &fault.status_left) = count;
		pthread_mutex_unlock(&fault.lock);
		return "ok";
	}
	return "error: unknown command";
}

static void serve_one(int fd)
{
	struct timeval limit = { .tv_sec = 5 };
	char line[512];
	size_t len = 0;
	const char *answer;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (len < sizeof(line) - 1) {
		ssize_t n = recv(fd, line + len, sizeof(line) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (memchr(line, '\n', len))
			break;
	}
	line[len] = '\0';
	sim_log("ctl: %.*s", (int)strcspn(line, "\r\n"), line);
	answer = command(line);
	dprintf(fd, "%s\n", answer);
}

static void *ctl_thread(void *arg)
{
	struct pollfd p[2] = { { .fd = fault.listen_fd, .events = POLLIN },
		               { .fd = fault.stop_fd, .events = POLLIN } };

	(void)arg;
	for (;;) {
		int fd;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents)
			return NULL;
		if (!p[0].revents)
			continue;
		/* cppcheck-suppress nullPointer ; accept(2) takes NULL for both */
		fd = accept4(fault.listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		serve_one(fd);
		close(fd);
	}
}

int ctl_start(struct model *m)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/ctl.sock", m->dir);
	mode_t old;
	int r;

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	fault.model = m;
	memcpy(fault.path, sa.sun_path, sizeof(fault.path));
	fault.stop_fd = eventfd(0, EFD_CLOEXEC);
	fault.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fault.stop_fd < 0 || fault.listen_fd < 0)
		return -errno;
	unlink(sa.sun_path);
	old = umask(077);
	r = bind(fault.listen_fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(old);
	if (r < 0 || listen(fault.listen_fd, 8) < 0)
		return -errno;
	return -pthread_create(&fault.thread, NULL, ctl_thread, NULL);
}

void ctl_stop(void)
{
	fault_stop();
	pthread_join(fault.thread, NULL);
	unlink(fault.path);
	close(fault.listen_fd);
	fault.listen_fd = -1;
}
