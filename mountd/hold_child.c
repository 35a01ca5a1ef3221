/* Daemons as processes; see the header. */
#include "mountd/hold_child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOFILE_WANT 65536

void set_oom_score(const char *score)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t w = write(fd, score, strlen(score));
	(void)w; /* best effort: needs CAP_SYS_RESOURCE */
	close(fd);
}

static void raise_limits(void)
{
	struct rlimit lim;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= NOFILE_WANT)
		return;
	struct rlimit want = {.rlim_cur = NOFILE_WANT,
			      .rlim_max = lim.rlim_max > NOFILE_WANT ? lim.rlim_max : NOFILE_WANT};
	if (setrlimit(RLIMIT_NOFILE, &want) < 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static _Noreturn void run(char **argv, int sock)
{
	/* Its own session: a Ctrl-C at the terminal reaches the holder only, which
	 * then ends things in order. */
	setsid();
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	set_oom_score("-998");
	raise_limits();

	char number[16];
	snprintf(number, sizeof(number), "%d", sock);
	setenv(HOLD_ENV, number, 1);
	fcntl(sock, F_SETFD, 0);
	execv(argv[0], argv);

	struct hold_msg msg = {.magic = HOLD_MAGIC, .version = HOLD_VERSION, .type = HOLD_FAILED,
			       .err = -errno};
	snprintf(msg.text, sizeof(msg.text), "cannot start %s: %s", argv[0], strerror(errno));
	send(sock, &msg, sizeof(msg), MSG_NOSIGNAL);
	_exit(127);
}

int child_start(struct child *c, char **argv, char *why, size_t len)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		int err = errno;
		snprintf(why, len, "cannot make a socket pair: %s", strerror(err));
		return -err;
	}
	pid_t pid = fork();
	if (pid == 0)
		run(argv, pair[1]);
	int err = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		snprintf(why, len, "cannot start a process: %s", strerror(err));
		return -err;
	}
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		/* Without a pidfd its end could not be seen, so it must not live. */
		err = errno;
		snprintf(why, len, "cannot watch the daemon: %s", strerror(err));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(pair[0]);
		return -err;
	}
	*c = (struct child){.pid = pid, .pidfd = pidfd, .sock = pair[0]};
	return 0;
}

int child_send(const struct child *c, struct hold_msg *msg, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	msg->magic = HOLD_MAGIC;
	msg->version = HOLD_VERSION;
	return sendmsg(c->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void child_signal(const struct child *c, int sig)
{
	if (c->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
}

int child_receive(const struct child *c, struct hold_msg *ret)
{
	ssize_t n = recv(c->sock, ret, sizeof(*ret), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -ENOTCONN;
	if (n == 0)
		return -ENOTCONN;
	if (n != (ssize_t)sizeof(*ret) || ret->magic != HOLD_MAGIC || ret->version != HOLD_VERSION)
		return -EPROTO;
	ret->text[sizeof(ret->text) - 1] = '\0';
	return 1;
}

void child_hang_up(struct child *c)
{
	if (c->sock >= 0)
		close(c->sock);
	c->sock = -1;
}

bool child_reap(struct child *c, siginfo_t *ret)
{
	*ret = (siginfo_t){0};
	if (waitid(P_PID, (id_t)c->pid, ret, WEXITED | WNOHANG) < 0 || ret->si_pid == 0)
		return false;
	child_hang_up(c);
	close(c->pidfd);
	*c = (struct child)CHILD_NONE;
	return true;
}
