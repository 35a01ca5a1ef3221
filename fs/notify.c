#include "fs/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"

/* Records kept when the notifier is stuck; beyond it the oldest facts are lost
 * and entries live until their timeouts or the next change. */
#define OVERFLOW_MAX 65536u

/* Fits PIPE_BUF, so that each write to the pipe is whole. */
struct note {
	uint32_t code; /* FUSE_NOTIFY_INVAL_ENTRY or FUSE_NOTIFY_INVAL_INODE */
	uint32_t namelen;
	uint64_t nodeid;
	char name[256];
};

struct held {
	struct list link;
	struct note note;
};

static bool note_is_whole(const struct note *note)
{
	if (note->code == FUSE_NOTIFY_INVAL_INODE)
		return true;
	return note->code == FUSE_NOTIFY_INVAL_ENTRY && note->namelen > 0 && note->namelen < sizeof(note->name) &&
	       strnlen(note->name, sizeof(note->name)) == note->namelen;
}

int notify_pass(int fuse_fd, const void *msg, size_t len)
{
	const struct note *note = msg;
	if (len != sizeof(*note) || !note_is_whole(note))
		return -EBADMSG;
	struct fuse_out_header out = {.error = (int32_t)note->code};
	struct fuse_notify_inval_entry_out entry = {.parent = note->nodeid,
						    .namelen = note->namelen};
	struct fuse_notify_inval_inode_out inode = {.ino = note->nodeid};
	struct iovec iov[3] = {{&out, sizeof(out)}};
	int n = 2;
	if (note->code == FUSE_NOTIFY_INVAL_ENTRY) {
		iov[1] = (struct iovec){&entry, sizeof(entry)};
		iov[2] = (struct iovec){(void *)(uintptr_t)note->name, note->namelen + 1};
		n = 3;
	} else {
		iov[1] = (struct iovec){&inode, sizeof(inode)};
	}
	for (int i = 0; i < n; i++)
		out.len += (uint32_t)iov[i].iov_len;
	return writev(fuse_fd, iov, n) < 0 ? -errno : 0;
}

/* The child: system calls only, since a thread of the parent may have held any
 * lock when it was made. */
static void child(int fuse_fd, int pipe_fd)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_NAME, "ontapfs-notify");
	/* The holder's socket and the data connections must end with the daemon. */
	unsigned lo = (unsigned)MIN_OF(fuse_fd, pipe_fd), hi = (unsigned)MAX_OF(fuse_fd, pipe_fd);
	if (lo > 3)
		close_range(3, lo - 1, 0);
	if (hi > lo + 1)
		close_range(lo + 1, hi - 1, 0);
	close_range(hi + 1, ~0u, 0);
	for (;;) {
		struct note note;
		ssize_t n = read(pipe_fd, &note, sizeof(note));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0); /* the daemon is gone */
		if (notify_pass(fuse_fd, &note, (size_t)n) == -ENODEV)
			_exit(0); /* unmounted */
	}
}

static int start_child(struct notifier *n)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	/* Room for a few thousand records before the overflow list is used. */
	(void)fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
	n->pid = fork();
	if (n->pid == 0)
		child(n->fuse_fd, p[0]);
	close(p[0]);
	n->pipe_fd = p[1];
	if (n->pid < 0)
		return -errno;
	return fcntl(p[1], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int notifier_start(struct notifier *n, int fuse_fd, struct stats *stats)
{
	*n = (struct notifier){.fuse_fd = fuse_fd, .pipe_fd = -1, .stats = stats};
	list_init(&n->overflow);
	pthread_mutex_init(&n->lock, NULL);
	return start_child(n);
}

void notifier_stop(struct notifier *n)
{
	if (n->pipe_fd >= 0)
		close(n->pipe_fd);
	n->pipe_fd = -1;
	if (n->pid > 0) {
		/* It may be waiting in the kernel for a lock that a dead mount never
		 * gives back; it must not outlive us. */
		kill(n->pid, SIGKILL);
		waitpid(n->pid, NULL, 0);
	}
	n->pid = 0;
	struct list *l;
	while ((l = list_pop(&n->overflow)))
		free(list_entry(l, struct held, link));
}

/* Under n->lock. A notifier that died (of memory, or an operator) is made
 * again: without it, entries with endless timeouts would never go. The child
 * makes system calls only, so it may be forked while there are threads. */
static bool pipe_put(struct notifier *n, const struct note *note)
{
	for (int tries = 0; tries < 2; tries++) {
		if (write(n->pipe_fd, note, sizeof(*note)) == (ssize_t)sizeof(*note))
			return true;
		if (errno != EPIPE)
			return false;
		log_warn("the notifier process has died: starting another");
		close(steal_fd(&n->pipe_fd));
		waitpid(n->pid, NULL, 0);
		if (start_child(n) < 0)
			return false;
	}
	return false;
}

static void put(struct notifier *n, const struct note *note)
{
	stats_add(&n->stats->notifications, 1);
	pthread_mutex_lock(&n->lock);
	if (!list_empty(&n->overflow) || !pipe_put(n, note)) {
		struct held *h = n->overflow_n < OVERFLOW_MAX ? malloc(sizeof(*h)) : NULL;
		if (h) {
			h->note = *note;
			list_append(&n->overflow, &h->link);
			n->overflow_n++;
		} else {
			stats_add(&n->stats->notifications_dropped, 1);
			log_warn("an invalidation was dropped: the notifier is stuck");
		}
	}
	pthread_mutex_unlock(&n->lock);
}

bool notifier_flush(struct notifier *n)
{
	pthread_mutex_lock(&n->lock);
	while (!list_empty(&n->overflow)) {
		struct held *h = list_entry(n->overflow.next, struct held, link);
		if (!pipe_put(n, &h->note))
			break;
		list_remove(&h->link);
		n->overflow_n--;
		free(h);
	}
	bool left = !list_empty(&n->overflow);
	pthread_mutex_unlock(&n->lock);
	return left;
}

void notify_entry(struct notifier *n, uint64_t parent, const char *name)
{
	size_t len = strlen(name);
	struct note note = {.code = FUSE_NOTIFY_INVAL_ENTRY, .nodeid = parent,
			    .namelen = (uint32_t)len};
	if (parent == 0 || len == 0 || len >= sizeof(note.name))
		return;
	memcpy(note.name, name, len);
	put(n, &note);
}

void notify_inode(struct notifier *n, uint64_t nodeid)
{
	struct note note = {.code = FUSE_NOTIFY_INVAL_INODE, .nodeid = nodeid};
	put(n, &note);
}

void notify_attr(int fuse_fd, uint64_t nodeid)
{
	struct fuse_notify_inval_inode_out arg = {.ino = nodeid, .off = -1};
	struct fuse_out_header out = {.error = FUSE_NOTIFY_INVAL_INODE,
				      .len = sizeof(out) + sizeof(arg)};
	struct iovec iov[2] = {{&out, sizeof(out)}, {&arg, sizeof(arg)}};
	ssize_t r = writev(fuse_fd, iov, 2);
	(void)r; /* ENOENT: the kernel has forgotten the inode, which is as good */
}
