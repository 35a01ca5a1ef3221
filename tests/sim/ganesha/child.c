#include "tests/sim/ganesha/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/ganesha/ganesha.h"
#include "tests/sim/util.h"

#define PROGRAM "ganesha.nfsd"
#define REAP_MS 10000

bool ganesha_installed(void)
{
	AUTO_FREE char *path = sim_dup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/usr/sbin");
	char *save = NULL;

	for (char *p = strtok_r(path, ":", &save); p; p = strtok_r(NULL, ":", &save)) {
		AUTO_FREE char *file = sim_fmt("%s/" PROGRAM, p);

		if (access(file, X_OK) == 0)
			return true;
	}
	sim_err("cannot use --nfs=ganesha: " PROGRAM " is not installed; install the packages nfs-ganesha and "
	        "nfs-ganesha-vfs");
	return false;
}

static char *pid_path(const char *dir, const char *address)
{
	return sim_fmt("%s/run/ganesha.%s.pid", dir, address);
}

static _Noreturn void become_ganesha(pid_t parent, const char *address, const char *config, int log)
{
	AUTO_FREE char *lock = sim_fmt("/run/ganesha.%s.pid", address);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || dup2(log, 1) < 0 ||
	    dup2(log, 2) < 0)
		_exit(126);
	close_range(3, ~0U, 0);
	execlp(PROGRAM, PROGRAM, "-F", "-f", config, "-L", "STDERR", "-p", lock, (char *)NULL);
	dprintf(2, "cannot run " PROGRAM ": %s\n", strerror(errno));
	_exit(127);
}

int child_start(const char *dir, const char *address, const char *config, struct child *ret)
{
	AUTO_FREE char *path = pid_path(dir, address);
	AUTO_FREE char *text = NULL;
	pid_t self = getpid(), pid;
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_ganesha(self, address, config, p[1]);
	r = -errno;
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return r;
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	*ret = (struct child){ .pid = pid, .log = p[0] };
	snprintf(ret->address, sizeof(ret->address), "%s", address);
	text = sim_fmt("%d\n", (int)pid);
	return sim_write_file(path, text, strlen(text), 0644);
}

void child_kill(const char *dir, struct child *c)
{
	AUTO_FREE char *path = pid_path(dir, c->address);

	/* Not reaped before it is forgotten: the pid is surely its own. */
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(c->log);
	unlink(path);
	*c = (struct child){ 0 };
}

static void note(struct child *c, const char *line)
{
	/* "DATE : epoch X : HOST : PROGRAM-PID[thread] function :COMPONENT :LEVEL :TEXT" */
	const char *text = strstr(line, "] ");

	text = text ? text + 2 : line;
	if (strstr(text, "NFS SERVER INITIALIZED"))
		c->ready = true;
	if (strstr(text, "Reread exports complete"))
		c->rereads++;
	if (strstr(text, "block error") || strstr(text, "Error while parsing"))
		c->refused = true;
	/* No message bus is wanted, and the one it does not find here is no news. */
	if (strstr(text, ":DBUS :"))
		return;
	if (!*c->complaint && !strstr(text, ":NFS CB :") &&
	    (strstr(text, ":FATAL :") || strstr(text, ":CRIT :") || strstr(text, ":MAJ :") || text == line))
		snprintf(c->complaint, sizeof(c->complaint), "%s", text);
	sim_log("ganesha %s: %s", c->address, text);
}

void child_read(struct child *c)
{
	for (;;) {
		ssize_t n = read(c->log, c->line + c->len, sizeof(c->line) - 1 - c->len);
		char *end;

		if (n <= 0)
			return;
		c->len += (size_t)n;
		c->line[c->len] = '\0';
		while ((end = strchr(c->line, '\n'))) {
			*end = '\0';
			note(c, c->line);
			c->len -= (size_t)(end + 1 - c->line);
			memmove(c->line, end + 1, c->len + 1);
		}
		if (c->len == sizeof(c->line) - 1)
			c->len = 0; /* longer than any line of interest */
	}
}

void child_check(struct child *c)
{
	siginfo_t si = { 0 };

	if (c->ended)
		return;
	/* An ended one stays a zombie until child_kill. */
	if (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid) {
		c->ended = true;
		return;
	}
	for (si.si_pid = 0;
	     waitid(P_PID, (id_t)c->pid, &si, WSTOPPED | WCONTINUED | WNOHANG) == 0 && si.si_pid;
	     si.si_pid = 0)
		c->stopped = si.si_code == CLD_STOPPED;
}

/* ---- those of a keeper that was killed ---------------------------------------- */

/* Waits for one process if it is the Ganesha of this address. */
static int reap(const char *dir, const char *address, pid_t pid)
{
	AUTO_FREE char *cmd_path = sim_fmt("/proc/%d/cmdline", (int)pid);
	AUTO_FREE char *config = sim_fmt("%s/run/ganesha.%s.conf", dir, address);
	AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
	AUTO_CLOSE int fd = open(cmd_path, O_RDONLY | O_CLOEXEC);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	char buf[4096];
	ssize_t n;

	if (pidfd < 0 || fd < 0 || (n = read(fd, buf, sizeof(buf) - 1)) <= 0)
		return 0;
	buf[n] = '\0';
	if (!memmem(buf, (size_t)n + 1, config, strlen(config) + 1))
		return 0;
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	if (poll(&p, 1, REAP_MS) != 1)
		return sim_err("ganesha.nfsd (pid %d) does not end; it may wait for a disk", (int)pid);
	return 0;
}

int ganesha_reap(const char *dir)
{
	AUTO_FREE char *run = sim_fmt("%s/run", dir);
	DIR *d = opendir(run);
	struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d))) {
		char address[INET_ADDRSTRLEN];
		AUTO_FREE char *path = sim_fmt("%s/%s", run, e->d_name);
		AUTO_FREE char *text = NULL;
		int used = 0;
		int64_t pid;

		if (sscanf(e->d_name, "ganesha.%15[0-9.]%n", address, &used) != 1 ||
		    strcmp(e->d_name + used, "pid") != 0 || sim_read_file(path, 64, &text) < 0)
			continue;
		address[strlen(address) - 1] = '\0'; /* the dot before "pid" */
		text[strcspn(text, "\n")] = '\0';
		if (sim_parse_int(text, 2, INT32_MAX, &pid))
			r = reap(dir, address, (pid_t)pid);
		if (r == 0)
			unlink(path);
	}
	if (d)
		closedir(d);
	return r;
}
