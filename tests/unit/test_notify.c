/* Invalidations: the bytes that reach the descriptor (a pipe stands for
 * /dev/fuse), and that nothing waits for a notifier that is stuck. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/log.h"
#include "fs/notify.h"

struct fixture {
	int dev[2]; /* what is written to [1] is read from [0] */
	struct notifier n;
	struct stats stats;
};

static struct fixture fix;

static int setup(void **state)
{
	memset(&fix, 0, sizeof(fix));
	assert_int_equal(pipe2(fix.dev, O_CLOEXEC), 0);
	assert_int_equal(notifier_start(&fix.n, fix.dev[1], &fix.stats), 0);
	*state = &fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	pid_t pid = f->n.pid;
	notifier_stop(&f->n);
	assert_int_equal(f->n.pid, 0);
	/* Reaped: no such process, or at least none of ours. */
	assert_true(pid <= 0 || kill(pid, 0) < 0);
	close(f->dev[0]);
	close(f->dev[1]);
	return 0;
}

static void get(struct fixture *f, void *out, size_t len)
{
	size_t have = 0;
	while (have < len) {
		struct pollfd p = {.fd = f->dev[0], .events = POLLIN};
		if (poll(&p, 1, 20000) != 1)
			fail_msg("%zu of %zu bytes came", have, len);
		ssize_t n = read(f->dev[0], (char *)out + have, len - have);
		assert_true(n > 0);
		have += (size_t)n;
	}
}

static struct fuse_out_header get_header(struct fixture *f, int code, size_t rest)
{
	struct fuse_out_header out;
	get(f, &out, sizeof(out));
	assert_true(out.unique == 0); /* that is what makes it a notification */
	assert_int_equal(out.error, code);
	assert_int_equal(out.len, sizeof(out) + rest);
	return out;
}

static void want_entry(struct fixture *f, uint64_t parent, const char *name)
{
	struct fuse_notify_inval_entry_out e;
	char got[300];
	size_t len = strlen(name);
	get_header(f, FUSE_NOTIFY_INVAL_ENTRY, sizeof(e) + len + 1);
	get(f, &e, sizeof(e));
	assert_true(e.parent == parent);
	assert_int_equal(e.namelen, len);
	get(f, got, len + 1);
	assert_memory_equal(got, name, len + 1); /* its NUL too */
}

static void want_inode(struct fixture *f, uint64_t nodeid, int64_t off)
{
	struct fuse_notify_inval_inode_out i;
	get_header(f, FUSE_NOTIFY_INVAL_INODE, sizeof(i));
	get(f, &i, sizeof(i));
	assert_true(i.ino == nodeid && i.off == off && i.len == 0);
}

static void nothing_more(struct fixture *f)
{
	/* A marker of our own: what was asked for before it has come before it. */
	notify_inode(&f->n, 0xfeed);
	want_inode(f, 0xfeed, 0);
	struct pollfd p = {.fd = f->dev[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void entries(void **state)
{
	struct fixture *f = *state;
	char name[300];
	static const size_t lengths[] = {1, 2, 7, 8, 100, 255};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(name, 'n', sizeof(name));
		name[lengths[i]] = '\0';
		notify_entry(&f->n, 0x500000000ull + i, name);
		want_entry(f, 0x500000000ull + i, name);
	}
	nothing_more(f);
}

static void entries_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	char name[300];
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	notify_entry(&f->n, 5, name); /* longer than any name */
	notify_entry(&f->n, 5, "");
	notify_entry(&f->n, 0, "name"); /* a directory that the kernel does not know */
	assert_true(stats_get(&f->stats.notifications) == 0);
	nothing_more(f);
}

static void inodes(void **state)
{
	struct fixture *f = *state;
	notify_inode(&f->n, 0x700000003ull);
	want_inode(f, 0x700000003ull, 0); /* attributes and pages from 0 on */
	notify_attr(f->dev[1], 0x800000004ull);
	want_inode(f, 0x800000004ull, -1); /* attributes alone */
	nothing_more(f);
}

static void in_order_and_counted(void **state)
{
	struct fixture *f = *state;
	char name[32];
	for (unsigned i = 1; i <= 200; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		if (i % 2)
			notify_entry(&f->n, i, name);
		else
			notify_inode(&f->n, i);
	}
	for (unsigned i = 1; i <= 200; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		if (i % 2)
			want_entry(f, i, name);
		else
			want_inode(f, i, 0);
	}
	assert_true(stats_get(&f->stats.notifications) == 200);
	assert_true(stats_get(&f->stats.notifications_dropped) == 0);
	assert_false(notifier_flush(&f->n));
}

/* The kernel does not take them (a lock is held): callers go on at once, what
 * fits nowhere is kept in order and handed over later. */
static void stuck(void **state)
{
	struct fixture *f = *state;
	enum { MANY = 20000 };
	assert_true(fcntl(f->dev[1], F_SETPIPE_SZ, 4096) >= 4096);
	for (uint64_t i = 1; i <= MANY; i++)
		notify_inode(&f->n, i);
	assert_true(f->n.overflow_n > 0);
	assert_true(notifier_flush(&f->n)); /* something is left */
	for (uint64_t i = 1; i <= MANY; i++) {
		want_inode(f, i, 0);
		if (i % 64 == 0)
			notifier_flush(&f->n);
	}
	assert_false(notifier_flush(&f->n));
	assert_int_equal(f->n.overflow_n, 0);
	assert_true(stats_get(&f->stats.notifications) == MANY);
	assert_true(stats_get(&f->stats.notifications_dropped) == 0);
}

/* Even so memory is bounded: at some point facts are lost, and counted. */
static void stuck_for_good(void **state)
{
	struct fixture *f = *state;
	assert_true(fcntl(f->dev[1], F_SETPIPE_SZ, 4096) >= 4096);
	for (uint64_t i = 1; i <= 100000; i++)
		notify_inode(&f->n, i);
	uint64_t lost = stats_get(&f->stats.notifications_dropped);
	assert_true(lost > 0 && lost < 100000 - 65536);
	assert_int_equal(f->n.overflow_n, 65536);
	/* teardown stops a process that waits in write(2), and frees what is kept */
}

/* Stopped twice, and started again as a successor does. */
static void started_again(void **state)
{
	struct fixture *f = *state;
	notifier_stop(&f->n);
	notifier_stop(&f->n); /* twice does no harm */
	assert_int_equal(notifier_start(&f->n, f->dev[1], &f->stats), 0);
	assert_true(f->n.pid > 0);
	notify_inode(&f->n, 9);
	want_inode(f, 9, 0);
}

/* It keeps nothing open but its two descriptors: whoever waits for the end of
 * another one of the daemon's must not wait for the notifier. */
static void holds_nothing_else(void **state)
{
	struct fixture *f = *state;
	int p[2];
	char c;
	notifier_stop(&f->n);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(notifier_start(&f->n, f->dev[1], &f->stats), 0);
	notify_inode(&f->n, 9);
	want_inode(f, 9, 0); /* it runs */
	close(p[1]);
	struct pollfd pfd = {.fd = p[0], .events = POLLIN};
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_int_equal(read(p[0], &c, 1), 0);
	close(p[0]);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	const struct CMUnitTest tests[] = {
		T(entries), T(entries_that_cannot_be), T(inodes), T(in_order_and_counted), T(stuck),
		T(stuck_for_good), T(started_again), T(holds_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
