#include "tests/sim/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/sim/util.h"

#define READY_MS 30000
#define TERM_MS  10000
#define KILL_MS  10000

/* Is this process `ontapsim serve-FACE DIR`?  /proc/PID/exe would change its
 * text when the program is rebuilt; the arguments do not. */
static bool is_ours(pid_t pid, const char *dir, const char *face)
{
	AUTO_FREE char *path = sim_fmt("/proc/%d/cmdline", (int)pid);
	AUTO_FREE char *want = sim_fmt("serve-%s", face);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[8192];
	const char *p = buf, *end;
	ssize_t n;

	if (fd < 0 || (n = read(fd, buf, sizeof(buf) - 1)) <= 0)
		return false;
	buf[n] = '\0';
	end = buf + n;
	p += strlen(p) + 1;
	if (p >= end || strcmp(p, want) != 0)
		return false;
	p += strlen(p) + 1;
	return p < end && strcmp(p, dir) == 0;
}

/* An open pidfd of the running daemon, -1 when none runs.  The pid is checked
 * after the pidfd is open, so it cannot come to mean another process later. */
static int open_daemon(const char *dir, const char *face, pid_t *ret_pid)
{
	AUTO_FREE char *path = sim_fmt("%s/run/%s.pid", dir, face);
	AUTO_FREE char *text = NULL;
	int64_t pid;
	int fd;

	if (sim_read_file(path, 64, &text) < 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	if (!sim_parse_int(text, 2, INT32_MAX, &pid))
		return -1;
	fd = pidfd_open((pid_t)pid, 0);
	if (fd < 0)
		return -1;
	if (!is_ours((pid_t)pid, dir, face)) {
		close(fd);
		return -1;
	}
	*ret_pid = (pid_t)pid;
	return fd;
}

pid_t proc_find(const char *dir, const char *face)
{
	pid_t pid = 0;
	AUTO_CLOSE int fd = open_daemon(dir, face, &pid);

	return fd < 0 ? 0 : pid;
}

static bool wait_gone(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int64_t end = sim_mono_ms() + ms;
	int n;

	do {
		int64_t left = end - sim_mono_ms();

		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

int proc_stop(const char *dir, const char *face)
{
	AUTO_FREE char *path = sim_fmt("%s/run/%s.pid", dir, face);
	pid_t pid = 0;
	AUTO_CLOSE int fd = open_daemon(dir, face, &pid);

	if (fd >= 0) {
		if (pidfd_send_signal(fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
			return sim_err("cannot stop the %s daemon (pid %d): %s", face, (int)pid,
			               strerror(errno));
		if (!wait_gone(fd, TERM_MS)) {
			pidfd_send_signal(fd, SIGKILL, NULL, 0);
			if (!wait_gone(fd, KILL_MS))
				return sim_err("the %s daemon (pid %d) does not end; it may wait for a disk",
				               face, (int)pid);
		}
		waitpid(pid, NULL, WNOHANG); /* when it is our own child */
	}
	unlink(path);
	return 0;
}

/* Runs in the child; the parent has one thread, so any call is safe here. */
static _Noreturn void become_daemon(const char *dir, const char *serve, int log_fd, int ready_fd)
{
	AUTO_FREE char *ready = sim_fmt("%d", ready_fd);
	sigset_t none;
	int null_fd;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	umask(022);
	null_fd = open("/dev/null", O_RDWR);
	if (setenv("ONTAPSIM_READY_FD", ready, 1) < 0 || null_fd < 0 || dup2(null_fd, 0) < 0 ||
	    dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0 || chdir("/") < 0 ||
	    fcntl(ready_fd, F_SETFD, 0) < 0)
		_exit(127);
	/* Nothing else of the caller's may live on in a daemon, least of all a pipe
	 * that somebody waits to see closed. */
	close_range(3, (unsigned)ready_fd - 1, 0);
	close_range((unsigned)ready_fd + 1, ~0U, 0);
	execl("/proc/self/exe", "ontapsim", serve, dir, (char *)NULL);
	_exit(127);
}

int proc_start(const char *dir, const char *face, struct starting *ret)
{
	AUTO_FREE char *log = sim_fmt("%s/log/%s.log", dir, face);
	AUTO_FREE char *pid_path = sim_fmt("%s/run/%s.pid", dir, face);
	AUTO_FREE char *serve = sim_fmt("serve-%s", face);
	AUTO_FREE char *pid_text = NULL;
	AUTO_CLOSE int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int p[2], r;
	pid_t pid;

	if (log_fd < 0)
		return sim_err("cannot open %s: %s", log, strerror(errno));
	if (pipe2(p, O_CLOEXEC) < 0)
		return sim_err("cannot make a pipe: %s", strerror(errno));
	/* At 10 or more, where the standard descriptors cannot collide with it. */
	r = fcntl(p[1], F_DUPFD_CLOEXEC, 10);
	close(p[1]);
	if (r < 0) {
		close(p[0]);
		return sim_err("cannot make a pipe: %s", strerror(errno));
	}
	p[1] = r;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_daemon(dir, serve, log_fd, p[1]);
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return sim_err("cannot start the %s daemon: %s", face, strerror(errno));
	}
	pid_text = sim_fmt("%d\n", (int)pid);
	r = sim_write_file(pid_path, pid_text, strlen(pid_text), 0644);
	if (r < 0) {
		kill(pid, SIGKILL); /* our child, not yet reaped: the pid is surely its own */
		waitpid(pid, NULL, 0);
		close(p[0]);
		return sim_err("cannot write %s: %s", pid_path, strerror(-r));
	}
	*ret = (struct starting){ .face = face, .pid = pid, .ready_fd = p[0] };
	return 0;
}

int proc_wait_ready(const char *dir, struct starting *st)
{
	struct pollfd p = { .fd = st->ready_fd, .events = POLLIN };
	int64_t end = sim_mono_ms() + READY_MS;
	char buf[512] = "";
	size_t len = 0;
	bool late = false;

	while (len < sizeof(buf) - 1 && !strchr(buf, '\n')) {
		int64_t left = end - sim_mono_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);
		ssize_t got;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			late = true;
			break;
		}
		got = read(st->ready_fd, buf + len, sizeof(buf) - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
		buf[len] = '\0';
	}
	close(st->ready_fd);
	st->ready_fd = -1;
	if (strcmp(buf, "ok\n") == 0)
		return 0;
	kill(st->pid, SIGKILL);
	waitpid(st->pid, NULL, 0);
	proc_stop(dir, st->face); /* removes the pid file */
	buf[strcspn(buf, "\n")] = '\0';
	if (strncmp(buf, "error: ", 7) == 0)
		return sim_err("cannot start the %s daemon: %s", st->face, buf + 7);
	return sim_err("cannot start the %s daemon: it %s before it was ready; see %s/log/%s.log", st->face,
	               late ? "took more than 30 s" : "ended", dir, st->face);
}
