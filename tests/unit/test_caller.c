/* Who asks: groups and process from /proc, and the credential made of them. */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/caller.h"

/* A process that waits in pause(2) after `prepare`; -1: it could not. */
static pid_t spawn(bool (*prepare)(void))
{
	int p[2];
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		char ok = prepare() ? 'y' : 'n';
		ssize_t n = write(p[1], &ok, 1);
		for (;;) /* until the parent kills it */
			if (n != 1 || pause() < 0)
				_exit(0);
	}
	char ok = 'n';
	close(p[1]);
	ssize_t n = read(p[0], &ok, 1);
	close(p[0]);
	if (n == 1 && ok == 'y')
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct caller with_groups(uint32_t gid, uint32_t n, uint32_t first)
{
	struct caller c = {.uid = 7, .gid = gid, .ngroups = n};
	for (uint32_t i = 0; i < n; i++)
		c.groups[i] = first + i;
	return c;
}

/* ---- from /proc ---- */

static void reads_itself(void **state)
{
	(void)state;
	struct caller c;
	memset(&c, 0xee, sizeof(c));
	caller_read(&c, 1234, 5678, (pid_t)syscall(SYS_gettid));
	assert_int_equal(c.uid, 1234); /* as FUSE says, not as /proc does */
	assert_int_equal(c.gid, 5678);
	assert_int_equal(c.tgid, getpid());
	assert_true(c.start_time == 0 && c.pid_ns == 0); /* only on demand */
	gid_t own[CALLER_GROUPS_MAX];
	int n = getgroups(CALLER_GROUPS_MAX, own);
	assert_true(n >= 0);
	assert_int_equal(c.ngroups, n);
	for (int i = 0; i < n; i++)
		assert_true(caller_in_group(&c, own[i]));
	caller_read_process(&c);
	assert_true(c.start_time > 0);
	struct stat st;
	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	assert_true(c.pid_ns == st.st_ino);
}

static void *read_thread(void *arg)
{
	caller_read(arg, 1, 1, (pid_t)syscall(SYS_gettid));
	return NULL;
}

static void thread_belongs_to_its_process(void **state)
{
	(void)state;
	struct caller c;
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, read_thread, &c), 0);
	pthread_join(t, NULL);
	assert_int_not_equal(c.tid, getpid());
	assert_int_equal(c.tgid, getpid());
}

#define MANY 300

static bool many_groups(void)
{
	gid_t g[MANY];
	for (gid_t i = 0; i < MANY; i++)
		g[i] = 5000 + i;
	return setgroups(MANY, g) == 0;
}

static bool three_groups(void)
{
	const gid_t g[] = {9, 4294967294u, 77};
	return setgroups(ARRAY_LEN(g), g) == 0;
}

static bool no_groups(void)
{
	return setgroups(0, NULL) == 0;
}

static void groups_of_others(void **state)
{
	(void)state;
	static const struct {
		bool (*prepare)(void);
		uint32_t n, in, out;
	} rows[] = {
		{three_groups, 3, 4294967294u, 78},
		{no_groups, 0, 22, 9}, /* in: its gid */
		{many_groups, CALLER_GROUPS_MAX, 5000 + CALLER_GROUPS_MAX - 1, 5000 + CALLER_GROUPS_MAX},
	};
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		pid_t pid = spawn(rows[i].prepare);
		assert_true(pid > 0);
		struct caller c;
		caller_read(&c, 11, 22, pid);
		end(pid);
		assert_int_equal(c.ngroups, rows[i].n);
		assert_int_equal(c.tgid, pid);
		if (!caller_in_group(&c, rows[i].in) || caller_in_group(&c, rows[i].out) || !caller_in_group(&c, 22))
			fail_msg("row %zu", i);
	}
}

/* The name of a process stands in its stat and status, and is its own choice. */
static bool hostile_name(void)
{
	prctl(PR_SET_NAME, ") 1 2\nGroups:\t7 8");
	return setgroups(0, NULL) == 0;
}

static void names_cannot_lie(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	struct caller c, self;
	pid_t pid = spawn(hostile_name);
	assert_true(pid > 0);
	caller_read(&c, 1, 1, pid);
	caller_read_process(&c);
	end(pid);
	caller_read(&self, 1, 1, getpid());
	caller_read_process(&self);
	assert_int_equal(c.tgid, pid);
	assert_int_equal(c.ngroups, 0);
	/* It started after us, and not long ago. */
	assert_true(c.start_time >= self.start_time);
	assert_true(c.start_time - self.start_time < 3600ull * (uint64_t)sysconf(_SC_CLK_TCK));
}

static void vanished(void **state)
{
	(void)state;
	struct caller c = with_groups(1, 5, 10);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	caller_read(&c, 0, 0, pid);
	caller_read_process(&c);
	assert_int_equal(c.ngroups, 0);
	assert_int_equal(c.tgid, 0);
	assert_true(c.start_time == 0 && c.pid_ns == 0);
	assert_false(caller_is_local_root(&c)); /* uid 0, but nobody knows whose */
	for (pid_t p = -1; p <= 0; p++) {
		c = with_groups(1, 5, 10);
		caller_read(&c, 0, 0, p);
		caller_read_process(&c);
		assert_int_equal(c.ngroups, 0);
		assert_int_equal(c.tgid, 0);
		assert_false(caller_is_local_root(&c));
	}
}

/* What is kept open to ask faster never answers for another thread, nor for before. */
static void the_answer_is_of_now(void **state)
{
	(void)state;
	int to[2], from[2];
	struct caller c;
	char b = 'x';
	assert_int_equal(pipe(to) | pipe(from), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(to[1]);
		for (gid_t g = 100; read(to[0], &b, 1) == 1; g++)
			if (setgroups(1, &g) < 0 || write(from[1], &b, 1) != 1)
				break;
		_exit(0);
	}
	for (uint32_t g = 100; g < 110; g++) {
		assert_int_equal(write(to[1], &b, 1), 1);
		assert_int_equal(read(from[0], &b, 1), 1);
		caller_read(&c, 1, 1, pid);
		assert_int_equal(c.tgid, pid);
		assert_int_equal(c.ngroups, 1);
		assert_int_equal(c.groups[0], g);
		/* Others come between: more than are kept. */
		for (int i = 0; i < 40 && g == 105; i++) {
			pid_t other = fork();
			if (other == 0)
				for (;;)
					pause();
			caller_read(&c, 1, 1, other);
			assert_int_equal(c.tgid, other);
			end(other);
			caller_read(&c, 1, 1, other);
			assert_int_equal(c.tgid, 0);
		}
	}
	end(pid);
	caller_read(&c, 1, 1, pid);
	assert_int_equal(c.tgid, 0);
	assert_int_equal(c.ngroups, 0);
	caller_thread_ends();
	caller_read(&c, 1, 1, getpid());
	assert_int_equal(c.tgid, getpid());
	caller_thread_ends();
	for (int i = 0; i < 2; i++) {
		close(to[i]);
		close(from[i]);
	}
}

static bool own_mount_ns(void)
{
	return unshare(CLONE_NEWNS) == 0;
}

static void local_root(void **state)
{
	(void)state;
	struct caller c;
	caller_read(&c, 0, 0, getpid());
	assert_true(caller_is_local_root(&c));
	caller_read(&c, 1, 0, getpid());
	assert_false(caller_is_local_root(&c));
	if (geteuid() != 0)
		return;
	pid_t pid = spawn(no_groups);
	assert_true(pid > 0);
	caller_read(&c, 0, 0, pid);
	bool plain = caller_is_local_root(&c);
	end(pid);
	assert_true(plain);
	pid = spawn(own_mount_ns);
	if (pid < 0)
		return; /* a machine without name spaces */
	caller_read(&c, 0, 0, pid);
	bool container = caller_is_local_root(&c);
	end(pid);
	assert_false(container);
}

/* As on a host whose /proc a container was given: our number there is another's. */
static void proc_of_others(void **state)
{
	(void)state;
	assert_true(caller_look_at_proc());
	if (geteuid() != 0 || unshare(CLONE_NEWPID) < 0)
		skip();
	pid_t pid = fork(); /* the first of a new pid name space */
	if (pid == 0) {
		struct caller c;
		bool ours = caller_look_at_proc();
		caller_read(&c, 5, 6, getpid());
		_exit(ours || c.tid || c.tgid || c.ngroups || !caller_wants_out(getpid(), true) ||
				      caller_wants_out(getpid(), false)
			      ? 1
			      : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- whose wait should end ---- */

static const int sent_blocked[] = {SIGINT};

static bool blocks(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(sent_blocked); i++)
		sigaddset(&set, sent_blocked[i]);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0;
}

static bool thousand_groups(void)
{
	gid_t g[1000];
	for (gid_t i = 0; i < ARRAY_LEN(g); i++)
		g[i] = 3000000000u + i;
	return setgroups(ARRAY_LEN(g), g) == 0;
}

/* A stopped process keeps what is sent to it pending. */
static void stop(pid_t pid)
{
	int status;
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

static void wants_out(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		bool (*prepare)(void);
		int sig;
		bool out;
	} rows[] = {
		{"nothing pending", no_groups, 0, false}, {"SIGTERM", no_groups, SIGTERM, true},
		{"SIGINT", no_groups, SIGINT, true},      {"SIGHUP", no_groups, SIGHUP, true},
		{"SIGQUIT", no_groups, SIGQUIT, true},    {"SIGCHLD", no_groups, SIGCHLD, false},
		{"SIGALRM", no_groups, SIGALRM, false},   {"blocked SIGINT", blocks, SIGINT, false},
		{"SIGTERM beside a blocked one", blocks, SIGTERM, true},
		{"SIGTERM, member of a thousand groups", thousand_groups, SIGTERM, true},
	};
	if (geteuid() != 0)
		skip();
	/* Ignored under nohup or in the background of a shell, and children inherit that. */
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	assert_true(caller_wants_out(0, true)); /* nobody that can be seen */
	assert_true(caller_wants_out(-1, true));
	assert_false(caller_wants_out(0, false));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		pid_t pid = spawn(rows[i].prepare);
		assert_true(pid > 0);
		stop(pid);
		if (rows[i].sig)
			kill(pid, rows[i].sig);
		bool out = caller_wants_out(pid, false);
		end(pid);
		if (out != rows[i].out)
			fail_msg("%s", rows[i].what);
	}
}

/* ---- the credential ---- */

static void credential(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		uint32_t gid, n, first;
		int64_t want;
		uint32_t ngroups, g0, glast;
	} rows[] = {
		{"none", 5, 0, 0, -1, 0, 0, 0},
		{"few", 5, 3, 100, -1, 3, 100, 102},
		{"few, one wanted: all go along anyway", 5, 3, 100, 102, 3, 100, 102},
		{"sixteen", 5, 16, 100, 115, 16, 100, 115},
		{"seventeen, none wanted", 5, 17, 100, -1, 16, 100, 115},
		{"seventeen, the last wanted", 5, 17, 100, 116, 16, 116, 114},
		{"many, one in front wanted", 5, 200, 100, 103, 16, 103, 115},
		{"many, the very last wanted", 5, 256, 100, 355, 16, 355, 114},
		{"many, wanted is the gid", 5, 200, 100, 5, 16, 100, 115},
		{"many, wanted is not theirs", 5, 200, 100, 7, 16, 100, 115},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct caller c = with_groups(rows[i].gid, rows[i].n, rows[i].first);
		struct nfsio_cred cred;
		memset(&cred, 0xee, sizeof(cred));
		caller_cred(&c, rows[i].want, &cred);
		if (cred.uid != 7 || cred.gid != rows[i].gid || cred.ngroups != rows[i].ngroups)
			fail_msg("%s: uid %u gid %u ngroups %u", rows[i].what, cred.uid, cred.gid, cred.ngroups);
		if (cred.ngroups &&
		    (cred.groups[0] != rows[i].g0 || cred.groups[cred.ngroups - 1] != rows[i].glast))
			fail_msg("%s: groups %u .. %u", rows[i].what, cred.groups[0], cred.groups[cred.ngroups - 1]);
		for (uint32_t a = 0; a < cred.ngroups; a++) {
			if (!caller_in_group(&c, cred.groups[a]))
				fail_msg("%s: group %u is not theirs", rows[i].what, cred.groups[a]);
			for (uint32_t b = 0; b < a; b++)
				if (cred.groups[a] == cred.groups[b])
					fail_msg("%s: group %u twice", rows[i].what, cred.groups[a]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_itself), cmocka_unit_test(thread_belongs_to_its_process),
		cmocka_unit_test(groups_of_others), cmocka_unit_test(names_cannot_lie),
		cmocka_unit_test(vanished), cmocka_unit_test(the_answer_is_of_now),
		cmocka_unit_test(local_root), cmocka_unit_test(wants_out),
		cmocka_unit_test(credential), cmocka_unit_test(proc_of_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
