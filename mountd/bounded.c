/* Bounded work in a child process. */
#include "mountd/bounded.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"

/* The child's last four bytes are fn's result; what comes before is output. */
static _Noreturn void child(int fd, int (*fn)(int, const void *), const void *arg)
{
	int32_t r = fn(fd, arg);
	ssize_t w = write(fd, &r, sizeof(r));
	_exit(w == sizeof(r) ? 0 : 1);
}

int bounded_run(int (*fn)(int out_fd, const void *arg), const void *arg, int timeout_ms, char *out,
		size_t len)
{
	int pipefd[2];
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		child(pipefd[1], fn, arg);
	close(pipefd[1]);
	cleanup_fd int fd = pipefd[0];
	if (pid < 0)
		return -EAGAIN;

	int64_t due = clock_now_ns() + timeout_ms * NS_PER_MS;
	char tail[sizeof(int32_t)];
	size_t have = 0, ntail = 0;
	int r = -EIO; /* the child died without a result */
	for (;;) {
		int64_t left = due - clock_now_ns();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, left > 0 ? (int)(left / NS_PER_MS + 1) : 0);
		if (ready == 0) {
			r = -ETIMEDOUT;
			break;
		}
		char chunk[4096];
		ssize_t n = ready < 0 ? -1 : read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) { /* the tail window pushes output out */
			if (ntail == sizeof(tail)) {
				if (have + 1 < len)
					out[have++] = tail[0];
				for (size_t k = 1; k < sizeof(tail); k++)
					tail[k - 1] = tail[k];
				ntail--;
			}
			tail[ntail++] = chunk[i];
		}
	}
	if (len)
		out[have] = '\0';
	if (r == -ETIMEDOUT)
		kill(pid, SIGKILL);
	else if (ntail == sizeof(tail))
		__builtin_memcpy(&r, tail, sizeof(r));
	waitpid(pid, NULL, r == -ETIMEDOUT ? WNOHANG : 0);
	return r;
}

struct wanted {
	const char *dir, *name;
};

static int copy_file(int out_fd, const void *arg)
{
	const struct wanted *w = arg;
	char path[PATH_MAX + 64], chunk[4096];
	snprintf(path, sizeof(path), "%s/.ontap/%s", w->dir, w->name);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (write(out_fd, chunk, (size_t)n) != n)
			return -EIO;
	return n < 0 ? -errno : 0;
}

int bounded_file(const char *dir, const char *name, int timeout_ms, char *out, size_t len)
{
	return bounded_run(copy_file, &(struct wanted){dir, name}, timeout_ms, out, len);
}
