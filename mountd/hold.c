/* ontapfs-hold: one small process per mount that must not die.
 *
 * The kernel ends a FUSE mount when the last copy of its descriptor is closed.
 * So the descriptor, and the memfd with the requests under way, live here, in
 * a program of libc only, and the daemon that does the work may crash, be
 * killed or be replaced. The holder starts it, mounts for it, starts it again,
 * and when none comes back within the grace time answers every request with
 * EIO itself, so that nothing hangs and the mount can be unmounted.
 *
 *   START -----READY----> RUN --death--> WAIT --backoff--> TAKEOVER --READY--> RUN
 *     | death              | ENDED        | grace over        | death: WAIT
 *     v                    v              v                   v grace over
 *   exit 1               exit 0        FALLBACK <--------------
 *                                         | SIGHUP: TAKEOVER    (SIGTERM: STOP from all)
 *
 * `ontapfs upgrade` while a daemon runs: the next one is started beside it, looks
 * whether it can take over, and waits (PREPARED). Only then the old one is told
 * to end, and after its exit the next one is let go (GO): RUN --exit--> TAKEOVER.
 * A next one that fails changes nothing.
 *
 * Invariants: at most one daemon serves (the next is let go only after the
 * pidfd of the last reported its exit); the holder reads /dev/fuse only while
 * no daemon lives; it never waits anywhere but in poll(2). While a daemon
 * lives the FUSE descriptor is not polled: each request would wake us. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "mountd/hold.h"
#include "mountd/hold_child.h"
#include "mountd/hold_fallback.h"
#include "mountd/hold_notify.h"

#define NSEC        1000000000LL
#define BACKOFF_MIN (NSEC / 20)
#define BACKOFF_MAX (5 * NSEC)
/* A daemon that was ready that long before it crashed did recover. */
#define STABLE_NS   (10 * NSEC)
/* What a daemon gets to exit after it was told to, or said that it will. */
#define STOP_NS     (15 * NSEC)
/* What the next daemon gets to look whether it can take over. */
#define PREPARE_NS  (30 * NSEC)
#define END_MS      5000 /* a holder whose mount has gone ends within that */
#define CLIENTS_MAX 32

enum state { START, RUN, WAIT, TAKEOVER, FALLBACK, STOP };
static const char *const state_name[] = {"starting", "ready",    "restarting",
					 "takeover", "fallback", "stopping"};

static struct hold {
	const char *mountpoint, *fsname;
	unsigned long mount_flags;
	int64_t grace_ns;
	char **daemon_argv;

	int fuse_fd, state_fd, signal_fd, listen_fd, ready_fd;
	int clients[CLIENTS_MAX];
	char socket_path[108]; /* as in sockaddr_un; "" until bound */

	enum state state;
	struct child daemon;
	bool mounted, ended, failed;
	bool served; /* some daemon was ready once */
	uint64_t mount_id;
	int restarts;
	int64_t ready_ns; /* when the living daemon became ready, 0 not yet */
	int64_t down_ns;  /* grace counts from here */
	int64_t backoff_ns;
	int64_t due_ns;   /* WAIT: start a daemon; else: kill it; 0 never */
	char reason[sizeof(((struct hold_msg *)0)->text)]; /* last failure */

	/* an upgrade: pid of `next` 0 while there is none */
	struct child next;
	bool prepared;
	int64_t next_due_ns; /* kill it */
	int64_t pause_ns;    /* requests wait since then, 0: not told */
	pid_t old;
	int *asker;          /* whom to tell, one of clients; NULL nobody */
	char next_reason[sizeof(((struct hold_msg *)0)->text)];
} h = {.fuse_fd = -1, .state_fd = -1, .signal_fd = -1, .listen_fd = -1, .ready_fd = -1,
       .daemon = CHILD_NONE, .next = CHILD_NONE};

/* ---- small things ----------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NSEC + ts.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char line[1400];
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	/* as the daemon's lines in the same file */
	int n = (int)strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += snprintf(line + n, sizeof(line) - (size_t)n, ".%03ldZ ontapfs-hold: %s: ", now.tv_nsec / 1000000,
		      h.mountpoint);
	va_list ap;
	va_start(ap, fmt);
	if (n > 0 && n < (int)sizeof(line) - 1)
		n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 1;
	line[n++] = '\n';
	ssize_t w = write(2, line, (size_t)n);
	(void)w; /* a full log must not stop the holder */
}

__attribute__((format(printf, 1, 2))) static void set_reason(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(h.reason, sizeof(h.reason), fmt, ap);
	va_end(ap);
	for (char *p = h.reason; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Tells the waiting `ontapfs mount` how the start ended; without one, in the
 * foreground, the person at the terminal. */
static void report(bool ok)
{
	if (ok)
		notify_systemd("READY=1");
	if (h.ready_fd >= 0) {
		dprintf(h.ready_fd, ok ? "ok\n" : "error: %s\n", h.reason);
		close_fd(&h.ready_fd);
	} else if (!ok) {
		dprintf(2, "ontapfs: cannot mount %s: %s\n", h.mountpoint, h.reason);
	}
}

/* A dead daemon is noticed by its pidfd. */
static void send_msg(const struct child *c, struct hold_msg *msg, const int *fds, size_t nfds)
{
	int r = child_send(c, msg, fds, nfds);
	if (r < 0)
		say("cannot write to the daemon: %s", strerror(-r));
}

/* ---- the mount -------------------------------------------------------- */

/* The id of whatever is mounted at the mountpoint, asking no file system; 0
 * when that cannot be told. */
static uint64_t mount_id_now(void)
{
	struct statx sx;
	if (statx(AT_FDCWD, h.mountpoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW,
		  STATX_MNT_ID, &sx) < 0 ||
	    !(sx.stx_mask & STATX_MNT_ID))
		return 0;
	return sx.stx_mnt_id;
}

/* mount(2) with the daemon's options. 0 or -errno with the reason set. */
static int do_mount(const char *options)
{
	char data[sizeof(((struct hold_msg *)0)->text) + 32];
	snprintf(data, sizeof(data), "fd=%d%s%s", h.fuse_fd, *options ? "," : "", options);
	if (mount(h.fsname, h.mountpoint, "fuse.ontapfs", MS_NOSUID | MS_NODEV | h.mount_flags,
		  data) < 0) {
		int err = errno;
		set_reason("mount(2) said: %s", strerror(err));
		return -err;
	}
	h.mounted = true;
	h.mount_id = mount_id_now();
	return 0;
}

/* Takes our mount out of the tree, if it is still there and still ours. */
static void undo_mount(void)
{
	if (!h.mounted)
		return;
	h.mounted = false;
	uint64_t id = mount_id_now();
	if (id != h.mount_id)
		return;
	if (umount2(h.mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
		say("cannot unmount: %s", strerror(errno));
}

/* True when the kernel has ended the connection. Only while no daemon lives. */
static bool mount_gone(void)
{
	struct pollfd p = {.fd = h.fuse_fd};
	return h.mounted && poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

static _Noreturn void finish(int status)
{
	undo_mount();
	if (h.socket_path[0])
		unlink(h.socket_path);
	if (status)
		report(false);
	else
		say("ends");
	exit(status);
}

/* ---- the daemon ------------------------------------------------------- */

/* Starts a daemon; false with the reason set. */
static bool start_daemon(void)
{
	if (child_start(&h.daemon, h.daemon_argv, h.reason, sizeof(h.reason)) < 0)
		return false;
	h.ended = h.failed = false;
	h.ready_ns = 0;
	return true;
}

/* ---- messages --------------------------------------------------------- */

/* The one who asked for an upgrade gets its lines. */
__attribute__((format(printf, 1, 2))) static void tell_asker(const char *fmt, ...)
{
	char text[1400];
	va_list ap;
	if (!h.asker)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 1)
		n = (int)sizeof(text) - 1;
	if (send(*h.asker, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		close_fd(h.asker);
	h.asker = NULL;
}

static void daemon_ready(void)
{
	bool first = h.state == START;
	if (!h.mounted || (!first && h.state != TAKEOVER))
		return;
	h.state = RUN;
	h.ready_ns = h.down_ns = now_ns();
	h.due_ns = 0;
	h.reason[0] = '\0';
	h.served = true;
	if (first)
		report(true);
	say(first ? "ready, daemon %d" : "taken over by daemon %d", (int)h.daemon.pid);
	if (!h.pause_ns)
		return;
	long long us = (h.ready_ns - h.pause_ns) / 1000;
	h.pause_ns = 0;
	say("upgraded, requests waited %lld.%03lld ms", us / 1000, us % 1000);
	tell_asker("old %d\nnew %d\npause_us %lld\n", (int)h.old, (int)h.daemon.pid, us);
}

static void setup(struct child *c, enum hold_mode mode)
{
	struct hold_msg msg = {.type = HOLD_SETUP, .flag = mode};
	int fds[2] = {h.fuse_fd, h.state_fd};
	send_msg(c, &msg, fds, 2);
}

static void let_go(void)
{
	struct hold_msg go = {.type = HOLD_GO};
	send_msg(&h.daemon, &go, NULL, 0);
}

static void on_message(struct hold_msg *msg)
{
	switch (msg->type) {
	case HOLD_HELLO:
		setup(&h.daemon, h.mounted ? HOLD_TAKEOVER : HOLD_FIRST);
		break;
	case HOLD_MOUNT: {
		if (h.mounted || h.state != START)
			break;
		struct hold_msg answer = {.type = HOLD_MOUNTED, .err = do_mount(msg->text)};
		if (answer.err)
			memcpy(answer.text, h.reason, sizeof(answer.text));
		send_msg(&h.daemon, &answer, NULL, 0);
		break;
	}
	case HOLD_PREPARED: /* the last one ended before this one was asked to follow it */
		let_go();
		break;
	case HOLD_READY:
		daemon_ready();
		break;
	case HOLD_FAILED:
		h.failed = true;
		set_reason("%s", msg->text[0] ? msg->text : "the daemon failed without a reason");
		h.due_ns = now_ns() + STOP_NS;
		break;
	case HOLD_ENDED:
		h.ended = true;
		h.due_ns = now_ns() + STOP_NS;
		break;
	default:
		say("unknown message %u from the daemon", msg->type);
	}
}

/* Reads what the daemon has sent so far; false at the end of its socket. */
static bool read_messages(void)
{
	struct hold_msg msg;
	int r;
	while ((r = child_receive(&h.daemon, &msg)) > 0)
		on_message(&msg);
	if (r == -EPROTO) {
		h.failed = true;
		set_reason("the daemon does not speak version %d of the holder's protocol",
			   HOLD_VERSION);
		child_signal(&h.daemon, SIGKILL);
	}
	return r == 0;
}

/* ---- life of the daemon ------------------------------------------------ */

static void start_takeover(void)
{
	h.state = TAKEOVER;
	h.restarts++;
	if (!start_daemon()) {
		h.state = WAIT;
		h.due_ns = now_ns() + BACKOFF_MAX;
		return;
	}
	int64_t now = now_ns(), left = h.down_ns + h.grace_ns - now;
	h.due_ns = now + (left > NSEC ? left : NSEC);
}

static void enter_fallback(void)
{
	h.state = FALLBACK;
	h.due_ns = 0;
	say("no daemon came back, every request gets an I/O error now (SIGHUP to process %d starts "
	    "a daemon again): %s",
	    (int)getpid(), h.reason);
	int r = fallback_begin(h.fuse_fd, h.state_fd);
	if (r < 0)
		say("cannot answer the requests of the last daemon one by one: %s", strerror(-r));
	h.pause_ns = 0;
	tell_asker("error no daemon comes up: %s\n", h.reason);
}

/* A daemon is gone: try again after the backoff, or give up. */
static void plan_restart(bool recovered, bool hopeless)
{
	int64_t now = now_ns();
	if (recovered) {
		h.down_ns = now;
		h.backoff_ns = 0;
	} else {
		h.backoff_ns *= 2;
		if (h.backoff_ns < BACKOFF_MIN)
			h.backoff_ns = BACKOFF_MIN;
		if (h.backoff_ns > BACKOFF_MAX)
			h.backoff_ns = BACKOFF_MAX;
	}
	if (hopeless || now + h.backoff_ns > h.down_ns + h.grace_ns) {
		enter_fallback();
		return;
	}
	h.state = WAIT;
	h.due_ns = now + h.backoff_ns;
}

static void describe_exit(const siginfo_t *si)
{
	if (h.failed && si->si_code == CLD_EXITED)
		return; /* it said why itself */
	if (si->si_code == CLD_EXITED)
		set_reason("the daemon exited with status %d%s", si->si_status,
			   h.state == START ? " before the file system was ready" : "");
	else
		set_reason("the daemon was killed by signal %d (%s)%s", si->si_status,
			   strsignal(si->si_status),
			   h.state == START ? " before the file system was ready" : "");
}

/* The next daemon becomes the daemon: the last one is gone. */
static void promote_next(void)
{
	h.daemon = h.next;
	h.next = (struct child)CHILD_NONE;
	h.next_due_ns = 0;
	h.ended = h.failed = false;
	h.ready_ns = 0;
	h.state = TAKEOVER;
	h.restarts++;
	h.due_ns = h.down_ns + (h.grace_ns > NSEC ? h.grace_ns : NSEC);
	if (h.prepared)
		let_go();
	h.prepared = false;
}

static void on_daemon_exit(void)
{
	if (h.daemon.sock >= 0)
		read_messages(); /* its last words */
	siginfo_t si;
	if (!child_reap(&h.daemon, &si))
		return;
	int64_t now = now_ns();
	bool killed = si.si_code != CLD_EXITED && si.si_status == SIGKILL;
	bool stopped = si.si_code == CLD_EXITED && si.si_status == HOLD_EXIT_OK;
	/* Killed or stopped from outside says nothing against the daemon; a crash
	 * soon after it became ready does, it may crash so for ever. */
	bool recovered = h.ready_ns && (killed || stopped || now - h.ready_ns >= STABLE_NS);

	if (h.state == STOP)
		finish(h.served ? 0 : 1);
	if (h.ended || mount_gone()) {
		set_reason("it was unmounted before the file system was ready");
		finish(h.served ? 0 : 1);
	}
	describe_exit(&si);
	if (h.state == START)
		finish(1);
	say("%s", h.reason);
	if (h.next.pid) {
		h.down_ns = now;
		promote_next();
		return;
	}
	plan_restart(recovered,
		     si.si_code == CLD_EXITED && si.si_status == HOLD_EXIT_CANNOT);
}

/* ---- upgrade ------------------------------------------------------------ */

static void begin_upgrade(int *client)
{
	h.asker = client;
	h.old = h.daemon.pid;
	h.next_reason[0] = '\0';
	if (h.state == WAIT || h.state == FALLBACK) {
		h.pause_ns = h.down_ns = now_ns();
		h.backoff_ns = 0;
		start_takeover();
	} else if (h.state != RUN) {
		tell_asker("error this mount is %s\n", state_name[h.state]);
	} else if (child_start(&h.next, h.daemon_argv, h.next_reason, sizeof(h.next_reason)) < 0) {
		tell_asker("error %s\n", h.next_reason);
	} else {
		say("upgrade: looking whether daemon %d can follow %d", (int)h.next.pid, (int)h.daemon.pid);
		h.prepared = false;
		h.next_due_ns = now_ns() + PREPARE_NS;
	}
}

static void next_failed(const char *why)
{
	if (!h.next_reason[0])
		snprintf(h.next_reason, sizeof(h.next_reason), "%s", why);
	child_signal(&h.next, SIGKILL);
}

static void next_prepared(void)
{
	h.prepared = true;
	h.next_due_ns = 0;
	h.pause_ns = now_ns();
	say("upgrade: daemon %d can take over, daemon %d is told to end", (int)h.next.pid, (int)h.daemon.pid);
	child_signal(&h.daemon, SIGTERM);
	h.due_ns = h.pause_ns + STOP_NS;
}

static void read_next(void)
{
	struct hold_msg msg;
	int r;
	while ((r = child_receive(&h.next, &msg)) > 0) {
		if (msg.type == HOLD_HELLO)
			setup(&h.next, HOLD_CANDIDATE);
		else if (msg.type == HOLD_PREPARED && !h.prepared && h.state == RUN)
			next_prepared();
		else if (msg.type == HOLD_FAILED)
			next_failed(msg.text);
		else
			next_failed("it does not know how to follow another daemon");
	}
	if (r == -EPROTO)
		next_failed("it does not speak this holder's protocol: unmount and mount again");
	if (r < 0)
		child_hang_up(&h.next);
}

/* The last daemon serves on as if nothing had been; if it was told to end
 * already, its exit is met like any other. */
static void on_next_exit(void)
{
	if (h.next.sock >= 0)
		read_next();
	siginfo_t si;
	if (!child_reap(&h.next, &si))
		return;
	h.prepared = false;
	h.next_due_ns = 0;
	if (!h.next_reason[0])
		snprintf(h.next_reason, sizeof(h.next_reason), "the new daemon ended by %s %d",
			 si.si_code == CLD_EXITED ? "status" : "signal", si.si_status);
	say("upgrade refused, daemon %d serves on: %s", (int)h.daemon.pid, h.next_reason);
	tell_asker("error %s\n", h.next_reason);
}

/* ---- from outside --------------------------------------------------------- */

static void stop(const char *why)
{
	if (h.state == STOP) { /* asked twice: no more patience */
		child_signal(&h.daemon, SIGKILL);
		return;
	}
	say("%s", why);
	notify_systemd("STOPPING=1");
	if (h.state == START)
		set_reason("%s before the file system was ready", why);
	h.state = STOP;
	if (!h.daemon.pid)
		finish(h.served ? 0 : 1);
	child_signal(&h.daemon, SIGTERM);
	h.due_ns = now_ns() + STOP_NS;
}

static void on_signal(void)
{
	struct signalfd_siginfo si;
	if (read(h.signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT) {
		stop(si.ssi_signo == SIGTERM ? "stopped by SIGTERM" : "stopped by SIGINT");
	} else if (si.ssi_signo == SIGHUP && (h.state == FALLBACK || h.state == WAIT)) {
		h.down_ns = now_ns();
		h.backoff_ns = 0;
		start_takeover();
	} else {
		child_signal(&h.daemon, (int)si.ssi_signo);
	}
}

static void on_timer(void)
{
	if (h.next_due_ns && now_ns() >= h.next_due_ns) {
		h.next_due_ns = 0;
		next_failed("the new daemon does not get ready");
	}
	if (!h.due_ns || now_ns() < h.due_ns)
		return;
	h.due_ns = 0;
	if (h.state == WAIT) {
		start_takeover();
		return;
	}
	say("the daemon %d does not get on, it is killed", (int)h.daemon.pid);
	child_signal(&h.daemon, SIGKILL);
}

/* ---- the control socket ------------------------------------------------ */

/* Whether a holder answers at the socket. One whose mount has just gone, to
 * umount(8) for instance, is about to end: with `patience_ms` that is waited for. */
static bool holder_answers(const struct sockaddr_un *sa, int patience_ms)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;
	if (answers && patience_ms) {
		/* It says nothing unasked: what comes is its end. */
		struct pollfd p = {.fd = fd, .events = POLLIN};
		answers = poll(&p, 1, patience_ms) <= 0;
	}
	close_fd(&fd);
	return answers;
}

/* Binds the socket; a dead holder's leftover is replaced, a living one's not.
 * Holders that start at the same time queue on the directory's lock. */
static bool open_socket(void)
{
	const char *dir = hold_run_dir();
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (hold_socket_path(h.mountpoint, sa.sun_path, sizeof(sa.sun_path)) < 0) {
		set_reason("the path of %s is too long for a socket", dir);
		return false;
	}
	if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
		set_reason("cannot make %s: %s", dir, strerror(errno));
		return false;
	}
	/* Without the lock, which mounts at other places need, too. */
	holder_answers(&sa, END_MS);
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd >= 0)
		flock(dirfd, LOCK_EX);
	bool ok = false;
	if (holder_answers(&sa, 0)) {
		set_reason("another ontapfs serves this directory or is starting to");
		goto done;
	}
	unlink(sa.sun_path);
	h.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0177);
	ok = h.listen_fd >= 0 && bind(h.listen_fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	     listen(h.listen_fd, 16) == 0;
	umask(mask);
	if (ok)
		memcpy(h.socket_path, sa.sun_path, sizeof(h.socket_path));
	else
		set_reason("cannot make the socket %s: %s", sa.sun_path, strerror(errno));
done:
	close_fd(&dirfd);
	return ok;
}

static void accept_client(void)
{
	int fd = accept4(h.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == getuid())) {
		for (int i = 0; i < CLIENTS_MAX; i++) {
			if (h.clients[i] < 0) {
				h.clients[i] = fd;
				return;
			}
		}
	}
	close(fd);
}

static void on_client(int *fd)
{
	char cmd[64];
	ssize_t n = recv(*fd, cmd, sizeof(cmd) - 1, MSG_DONTWAIT);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close_fd(fd);
			if (h.asker == fd)
				h.asker = NULL;
		}
		return;
	}
	cmd[n] = '\0';
	if (strcmp(cmd, HOLD_CMD_UPGRADE) == 0 && !h.next.pid && !h.asker) {
		begin_upgrade(fd);
		return;
	}
	char text[8192];
	int len;
	if (strcmp(cmd, HOLD_CMD_STATUS) == 0)
		len = snprintf(text, sizeof(text),
			       "mountpoint %s\nholder %d\ndaemon %d\nstate %s\nrestarts %d\n%s%s%s",
			       h.mountpoint, (int)getpid(), (int)h.daemon.pid, state_name[h.state],
			       h.restarts, h.reason[0] ? "reason " : "", h.reason,
			       h.reason[0] ? "\n" : "");
	else
		len = snprintf(text, sizeof(text), "error %s\n", strcmp(cmd, HOLD_CMD_UPGRADE) == 0 ?
			       "another upgrade is under way" : "unknown command");
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	if (send(*fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		close_fd(fd);
}

/* ---- the loop ---------------------------------------------------------- */

enum {
	POLL_SIGNAL, POLL_SOCK, POLL_PIDFD, POLL_NEXT, POLL_NEXT_PIDFD, POLL_FUSE, POLL_READY,
	POLL_LISTEN, POLL_CLIENTS,
	POLL_MAX = POLL_CLIENTS + CLIENTS_MAX
};

static int poll_timeout(void)
{
	int64_t due = h.due_ns;
	if (h.next_due_ns && (!due || h.next_due_ns < due))
		due = h.next_due_ns;
	if (!due)
		return -1;
	int64_t left = due - now_ns();
	if (left <= 0)
		return 0;
	int64_t ms = (left + 999999) / 1000000;
	return ms < 3600000 ? (int)ms : 3600000;
}

static void loop_once(void)
{
	struct pollfd p[POLL_MAX] = {
		[POLL_SIGNAL] = {.fd = h.signal_fd, .events = POLLIN},
		[POLL_SOCK] = {.fd = h.daemon.sock, .events = POLLIN},
		[POLL_PIDFD] = {.fd = h.daemon.pidfd, .events = POLLIN},
		[POLL_NEXT] = {.fd = h.next.sock, .events = POLLIN},
		[POLL_NEXT_PIDFD] = {.fd = h.next.pidfd, .events = POLLIN},
		[POLL_FUSE] = {.fd = h.mounted && !h.daemon.pid ? h.fuse_fd : -1,
			    .events = h.state == FALLBACK ? POLLIN : 0},
		[POLL_READY] = {.fd = h.ready_fd},
		[POLL_LISTEN] = {.fd = h.listen_fd, .events = POLLIN},
	};
	for (int i = 0; i < CLIENTS_MAX; i++)
		p[POLL_CLIENTS + i] = (struct pollfd){.fd = h.clients[i], .events = POLLIN};
	if (poll(p, POLL_MAX, poll_timeout()) < 0)
		return;

	/* Status first: it tells the moment before what follows here. */
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (p[POLL_CLIENTS + i].revents)
			on_client(&h.clients[i]);
	if (p[POLL_LISTEN].revents)
		accept_client();
	if (p[POLL_SOCK].revents && !read_messages())
		child_hang_up(&h.daemon);
	/* Before the exit of the daemon, which may put the next one in its place. */
	if (p[POLL_NEXT].revents)
		read_next();
	if (p[POLL_NEXT_PIDFD].revents)
		on_next_exit();
	if (p[POLL_PIDFD].revents)
		on_daemon_exit();
	else if (p[POLL_FUSE].revents & POLLERR)
		finish(0);
	else if (p[POLL_FUSE].revents && !fallback_serve(h.fuse_fd))
		finish(0);
	/* Whoever waits for the mount has died: nobody wants it any more. */
	if (p[POLL_READY].revents && h.state == START) {
		stop("stopped by the mount command");
		close_fd(&h.ready_fd);
	}
	if (p[POLL_SIGNAL].revents)
		on_signal();
	on_timer();
}

/* ---- start -------------------------------------------------------------- */

static bool parse_mount_flags(const char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {
		{"ro", MS_RDONLY},        {"noexec", MS_NOEXEC},     {"noatime", MS_NOATIME},
		{"sync", MS_SYNCHRONOUS}, {"dirsync", MS_DIRSYNC},   {"nodiratime", MS_NODIRATIME},
		{"relatime", MS_RELATIME}, {"strictatime", MS_STRICTATIME},
	};
	char *copy = strdup(options); /* the command line stays as it is for ps */
	if (!copy)
		return false;
	for (char *save = NULL, *o = strtok_r(copy, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		size_t i = 0;
		while (i < sizeof(known) / sizeof(known[0]) && strcmp(o, known[i].name) != 0)
			i++;
		if (i == sizeof(known) / sizeof(known[0])) {
			set_reason("unknown mount flag %s", o);
			break;
		}
		h.mount_flags |= known[i].flag;
	}
	free(copy);
	return !h.reason[0];
}

static void usage(void)
{
	dprintf(2, "usage: ontapfs-hold [--ready-fd N] --mountpoint DIR --name FSNAME [--options OPTS]\n"
		   "       [--grace SECONDS] -- /path/to/ontapfs serve SOURCE MOUNTPOINT ...\n"
		   "ontapfs-hold is started by 'ontapfs mount'.\n");
	exit(2);
}

static bool parse_args(int argc, char **argv)
{
	static const struct option options[] = {
		{"ready-fd", required_argument, NULL, 'r'}, {"mountpoint", required_argument, NULL, 'm'},
		{"name", required_argument, NULL, 'n'},     {"options", required_argument, NULL, 'o'},
		{"grace", required_argument, NULL, 'g'},    {0},
	};
	int c;
	bool ok = true;
	h.grace_ns = 30 * NSEC;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		char *end = optarg;
		if (c == 'r') {
			h.ready_fd = (int)strtol(optarg, &end, 10);
		} else if (c == 'm') {
			h.mountpoint = optarg;
		} else if (c == 'n') {
			h.fsname = optarg;
		} else if (c == 'o') {
			ok = parse_mount_flags(optarg) && ok;
		} else if (c == 'g') {
			long long s = strtoll(optarg, &end, 10);
			h.grace_ns = (s < 0 ? 0 : s > 1000000000 ? 1000000000 : s) * NSEC;
		} else {
			usage();
		}
		if ((c == 'r' || c == 'g') && (end == optarg || *end))
			usage();
	}
	h.daemon_argv = argv + optind;
	if (!h.mountpoint || h.mountpoint[0] != '/' || !h.fsname || !h.daemon_argv[0])
		usage();
	return ok;
}

static bool set_up(void)
{
	/* Whatever the caller had open is not ours to keep open, or to hand on. */
	if (h.ready_fd > 2) {
		fcntl(h.ready_fd, F_SETFD, FD_CLOEXEC);
		if (h.ready_fd > 3)
			close_range(3, (unsigned)h.ready_fd - 1, 0);
		close_range((unsigned)h.ready_fd + 1, ~0u, 0);
	} else {
		close_range(3, ~0u, 0);
	}
	if (chdir("/") < 0)
		return false;
	umask(022);
	prctl(PR_SET_DUMPABLE, 0); /* the shared state may hold users' data */
	signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	h.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	h.state_fd = memfd_create("ontapfs-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (h.signal_fd < 0 || h.state_fd < 0 || fallback_init() < 0) {
		set_reason("cannot set up the holder: %s", strerror(errno));
		return false;
	}
	h.fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (h.fuse_fd < 0) {
		set_reason("cannot open /dev/fuse: %s%s", strerror(errno),
			   errno == ENOENT || errno == ENODEV ? " (modprobe fuse)" : "");
		return false;
	}
	return open_socket();
}

int main(int argc, char **argv)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		h.clients[i] = -1;
	if (!parse_args(argc, argv))
		finish(1);
	set_oom_score("-999");
	if (!set_up() || !start_daemon())
		finish(1);
	for (;;)
		loop_once();
}
