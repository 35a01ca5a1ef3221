/* Every FUSE operation, on every kind of object, over a socket that stands for
 * /dev/fuse: this side is the kernel and speaks the raw protocol, the other is
 * the whole of fs/ in front of a simulator of its own.
 *
 * Whatever a test does, at its end each request has had exactly one reply, each
 * slot is free, every count that was handed out and given back is gone, and
 * the statistics have counted just that. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"
#include "mountd/config.h"

#define MIB (1u << 20)
#define PATIENCE_MS 30000

/* ---- the simulator ------------------------------------------------------------------------ */

static char sim_dir[256], sim_prog[PATH_MAX];
static int guard_fd = -1;
static pid_t guard_pid;

static int run(const char *verb, const char *more, const char *more2)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		execl(sim_prog, sim_prog, verb, sim_dir, more, more2, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A process of its own starts the simulator and takes it away again when this
 * one has ended, in whatever way. */
static void sim_guard(int from_parent, int to_parent)
{
	char c = run("up", "--max-xfer", "1048576") == 0 ? 'y' : 'n';
	signal(SIGINT, SIG_IGN);
	if (write(to_parent, &c, 1) != 1)
		c = 'n';
	while (read(from_parent, &c, 1) > 0)
		;
	run("destroy", NULL, NULL);
	rmdir(sim_dir);
	_exit(0);
}

static int sim_up(void **state)
{
	(void)state;
	int up[2], down[2];
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	assert_int_equal(pipe2(down, O_CLOEXEC), 0);
	guard_pid = fork();
	if (guard_pid == 0) {
		close(up[0]);
		close(down[1]);
		sim_guard(down[0], up[1]);
	}
	close(up[1]);
	close(down[0]);
	guard_fd = down[1];
	char c = 'n';
	ssize_t n = read(up[0], &c, 1);
	close(up[0]);
	return n == 1 && c == 'y' ? 0 : -1;
}

static int sim_down(void **state)
{
	(void)state;
	close(guard_fd);
	waitpid(guard_pid, NULL, 0);
	return 0;
}

/* ---- the kernel's side -------------------------------------------------------------------- */

enum { SENT_MAX = 20000, NODES_MAX = 4096 };

struct sent {
	uint8_t opcode;
	uint8_t want, got; /* replies */
	bool accounted;    /* by fs/, not by libfuse */
	int err;           /* as the statistics see it */
};

static struct {
	int fd;
	struct fs *fs;
	int state_fd;
	pthread_t thread;
	sem_t ready;
	int ended;         /* what fs_serve returned */
	char err[512];
	uint32_t uid, gid, pid;
	struct sent sent[SENT_MAX];
	uint32_t nsent;
	uint64_t notes;    /* notifications seen */
	struct fuse_init_out init;
	/* the last reply */
	uint64_t unique;
	int error;
	size_t len;
	uint8_t buf[MIB + 65536];
	/* what lookups counted */
	uint64_t node[NODES_MAX], count[NODES_MAX];
	uint32_t nnodes, forgets;
} K;

static int number; /* of names, so that no two tests share one */

/* A unique is even, as the kernel's are; an odd one belongs to an interrupt. */
static uint64_t post_as(uint64_t unique, uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n,
			int64_t lie)
{
	struct iovec all[5];
	struct fuse_in_header in = {.opcode = opcode, .unique = unique, .nodeid = nodeid, .uid = K.uid,
				    .gid = K.gid, .pid = K.pid, .len = sizeof(in)};
	all[0] = (struct iovec){&in, sizeof(in)};
	for (int i = 0; i < n; i++) {
		all[i + 1] = iov[i];
		in.len += (uint32_t)iov[i].iov_len;
	}
	in.len = (uint32_t)((int64_t)in.len + lie);
	ssize_t w = writev(K.fd, all, n + 1);
	if (w < 0)
		fail_msg("cannot send opcode %u: %s", opcode, strerror(errno));
	return unique;
}

static uint64_t post(uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n)
{
	assert_true(K.nsent + 1 < SENT_MAX);
	uint64_t unique = 2ull * ++K.nsent;
	bool silent = opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
	K.sent[K.nsent] = (struct sent){.opcode = (uint8_t)opcode, .want = !silent};
	return post_as(unique, opcode, nodeid, iov, n, 0);
}

/* Takes one message; false when none comes in time. */
static bool take(int timeout_ms)
{
	struct pollfd p = {.fd = K.fd, .events = POLLIN};
	struct fuse_out_header out;
	struct iovec iov[2] = {{&out, sizeof(out)}, {K.buf, sizeof(K.buf)}};
	for (;;) {
		if (poll(&p, 1, timeout_ms) != 1)
			return false;
		ssize_t n = readv(K.fd, iov, 2);
		if (n <= 0)
			return false;
		assert_true(n >= (ssize_t)sizeof(out));
		assert_int_equal(out.len, n);
		if (out.unique == 0) {
			K.notes++;
			continue;
		}
		K.unique = out.unique;
		K.error = -out.error;
		K.len = (size_t)n - sizeof(out);
		assert_true(K.error >= 0 && K.error < 512);
		if (out.unique & 1)
			return true; /* the answer to an interrupt */
		assert_true(out.unique / 2 <= K.nsent);
		struct sent *s = &K.sent[out.unique / 2];
		if (++s->got > s->want)
			fail_msg("request %u with opcode %u has a reply too many", (unsigned)(out.unique / 2),
				 s->opcode);
		if (K.error)
			assert_int_equal(K.len, 0);
		s->err = K.error;
		s->accounted = s->opcode != FUSE_INIT && K.error != ENOSYS;
		if (s->opcode == FUSE_LOOKUP && !K.error && ((struct fuse_entry_out *)(void *)K.buf)->nodeid == 0)
			s->err = ENOENT;
		return true;
	}
}

static int call(uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n)
{
	uint64_t unique = post(opcode, nodeid, iov, n);
	do
		if (!take(PATIENCE_MS))
			fail_msg("no reply to opcode %u on node %llx", opcode, (unsigned long long)nodeid);
	while (K.unique != unique);
	return K.error;
}

#define VEC(...)                                                                               \
	((struct iovec[]){__VA_ARGS__}),                                                       \
		(int)(sizeof((struct iovec[]){__VA_ARGS__}) / sizeof(struct iovec))
#define RAW(p, n)     {(void *)(uintptr_t)(p), (n)}
#define ARG(x)        {&(x), sizeof(x)}
#define STR(s)        {(void *)(uintptr_t)(s), strlen(s) + 1}

static void counted(uint64_t nodeid)
{
	if (nodeid == 0 || nodeid == FUSE_ROOT_ID)
		return;
	for (uint32_t i = 0; i < K.nnodes; i++)
		if (K.node[i] == nodeid) {
			K.count[i]++;
			return;
		}
	assert_true(K.nnodes < NODES_MAX);
	K.node[K.nnodes] = nodeid;
	K.count[K.nnodes++] = 1;
}

/* ---- operations --------------------------------------------------------------------------- */

static struct fuse_entry_out last;

static int entry(int err)
{
	memset(&last, 0, sizeof(last));
	if (err)
		return err;
	memcpy(&last, K.buf, sizeof(last));
	counted(last.nodeid);
	if (last.nodeid == 0)
		return ENOENT; /* an answer to keep */
	if (last.attr.ino <= 1 || last.attr.ino == UINT32_MAX)
		fail_msg("st_ino %llu", (unsigned long long)last.attr.ino);
	return 0;
}

static int do_lookup(uint64_t dir, const char *name)
{
	int err = call(FUSE_LOOKUP, dir, VEC(STR(name)));
	if (!err)
		assert_int_equal(K.len, sizeof(struct fuse_entry_out));
	return entry(err);
}

static int do_getattr(uint64_t node, struct fuse_attr *out)
{
	struct fuse_getattr_in in = {0};
	int err = call(FUSE_GETATTR, node, VEC(ARG(in)));
	if (!err && out)
		*out = ((struct fuse_attr_out *)(void *)K.buf)->attr;
	return err;
}

static int do_setattr(uint64_t node, const struct fuse_setattr_in *in)
{
	return call(FUSE_SETATTR, node, VEC(RAW(in, sizeof(*in))));
}

static int do_mknod(uint64_t dir, const char *name, uint32_t mode)
{
	struct fuse_mknod_in in = {.mode = mode};
	return entry(call(FUSE_MKNOD, dir, VEC(ARG(in), STR(name))));
}

static int do_mkdir(uint64_t dir, const char *name)
{
	struct fuse_mkdir_in in = {.mode = 0755};
	return entry(call(FUSE_MKDIR, dir, VEC(ARG(in), STR(name))));
}

static int do_symlink(uint64_t dir, const char *name, const char *target)
{
	return entry(call(FUSE_SYMLINK, dir, VEC(STR(name), STR(target))));
}

static int do_remove(uint32_t opcode, uint64_t dir, const char *name)
{
	return call(opcode, dir, VEC(STR(name)));
}

static int do_rename(uint64_t dir, const char *name, uint64_t to, const char *name2, uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = to, .flags = flags};
	return call(FUSE_RENAME2, dir, VEC(ARG(in), STR(name), STR(name2)));
}

static int do_link(uint64_t node, uint64_t dir, const char *name)
{
	struct fuse_link_in in = {.oldnodeid = node};
	return entry(call(FUSE_LINK, dir, VEC(ARG(in), STR(name))));
}

static struct fuse_open_out opened;

static int do_open(uint32_t opcode, uint64_t node, uint32_t flags)
{
	struct fuse_open_in in = {.flags = flags};
	int err = call(opcode, node, VEC(ARG(in)));
	if (!err)
		memcpy(&opened, K.buf, sizeof(opened));
	return err;
}

static int do_release(uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};
	return call(opcode, node, VEC(ARG(in)));
}

static int do_create(uint64_t dir, const char *name, uint32_t flags, uint32_t mode)
{
	struct fuse_create_in in = {.flags = flags | O_CREAT, .mode = S_IFREG | mode};
	int err = call(FUSE_CREATE, dir, VEC(ARG(in), STR(name)));
	if (!err)
		memcpy(&opened, K.buf + sizeof(struct fuse_entry_out), sizeof(opened));
	return entry(err);
}

static int do_read(uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, uint32_t size)
{
	struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};
	return call(opcode, node, VEC(ARG(in)));
}

static int do_write_as(uint64_t node, uint64_t fh, uint64_t off, const void *data, uint32_t size, uint32_t flags,
		       uint32_t write_flags)
{
	struct fuse_write_in in = {.fh = fh, .offset = off, .size = size, .flags = flags, .write_flags = write_flags};
	int err = call(FUSE_WRITE, node, VEC(ARG(in), RAW(data, size)));
	if (!err)
		assert_int_equal(((struct fuse_write_out *)(void *)K.buf)->size, size);
	return err;
}

static int do_write(uint64_t node, uint64_t fh, uint64_t off, const void *data, uint32_t size)
{
	return do_write_as(node, fh, off, data, size, O_RDWR, 0);
}

static int do_setxattr(uint64_t node, const char *name, const char *value)
{
	struct fuse_setxattr_in in = {.size = (uint32_t)strlen(value)};
	size_t len = K.init.flags & FUSE_SETXATTR_EXT ? sizeof(in) : FUSE_COMPAT_SETXATTR_IN_SIZE;
	return call(FUSE_SETXATTR, node, VEC(RAW(&in, len), STR(name), RAW(value, strlen(value))));
}

static int do_getxattr(uint64_t node, const char *name, uint32_t size)
{
	struct fuse_getxattr_in in = {.size = size};
	return call(FUSE_GETXATTR, node, VEC(ARG(in), STR(name)));
}

static void want(int got, int expected, const char *what)
{
	if (got != expected)
		fail_msg("%s: %s, want %s", what, strerrorname_np(got), strerrorname_np(expected));
}
#define OK(call_) want(call_, 0, #call_)
#define ERR(e, call_) want(call_, e, #call_)

/* ---- a mount ------------------------------------------------------------------------------ */

static void ready(void *priv)
{
	(void)priv;
	sem_post(&K.ready);
}

static void *serve(void *arg)
{
	K.ended = fs_serve(arg, ready, NULL, K.err);
	sem_post(&K.ready);
	return NULL;
}

static struct fs *make_fs(int fuse_fd, const struct fs_params *like)
{
	char file[300];
	struct config c = {0};
	struct fs_params p = *like;
	snprintf(file, sizeof(file), "%s/backend.json", sim_dir);
	if (config_load(file, &c, K.err) != 0)
		fail_msg("%s", K.err);
	p.ontap = (struct ontap_params){
		.management_lif = c.management_lif, .port = (uint16_t)c.rest_port, .svm = c.svm,
		.login = {.username = c.username, .password = c.password}, .ca_pem = c.ca_pem, .app = "test_ops"};
	p.nfs_port = (uint16_t)c.nfs_port;
	p.mount_port = (uint16_t)c.mount_port;
	p.fuse_fd = fuse_fd;
	p.state_fd = K.state_fd;
	p.attr_timeout_ns = NS_PER_SEC;
	p.max_nodes = 20000;
	p.allow = c.allow;
	memcpy(p.allow_gid, c.allow_gid, sizeof(p.allow_gid));
	p.realm = "test";
	p.mountpoint = sim_dir; /* any directory that answers */
	struct fs *fs = fs_new(&p, K.err);
	config_free(&c);
	if (!fs)
		fail_msg("%s", K.err);
	return fs;
}

static void mount_fs(const struct fs_params *like)
{
	int sv[2];
	memset(&K, 0, sizeof(K));
	K.pid = (uint32_t)getpid();
	sem_init(&K.ready, 0, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(sv[i], SOL_SOCKET, SO_SNDBUFFORCE, &(int){64 * (int)MIB}, sizeof(int)), 0);
	K.fd = sv[0];
	K.state_fd = memfd_create("test-ops", MFD_CLOEXEC);
	K.fs = make_fs(sv[1], like);
	struct fuse_init_in in = {.major = FUSE_KERNEL_VERSION, .minor = 36, .max_readahead = 4 * MIB};
	in.flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS |
		   FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |
		   FUSE_HANDLE_KILLPRIV_V2 | FUSE_WRITEBACK_CACHE | FUSE_SPLICE_READ | FUSE_SPLICE_WRITE |
		   FUSE_EXPORT_SUPPORT | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_NO_OPEN_SUPPORT |
		   FUSE_NO_OPENDIR_SUPPORT | FUSE_SETXATTR_EXT | FUSE_INIT_EXT | FUSE_POSIX_ACL;
	uint64_t unique = post(FUSE_INIT, 0, VEC(ARG(in)));
	assert_int_equal(pthread_create(&K.thread, NULL, serve, K.fs), 0);
	sem_wait(&K.ready);
	if (K.err[0])
		fail_msg("%s", K.err);
	assert_true(take(PATIENCE_MS));
	assert_true(K.unique == unique);
	assert_int_equal(K.error, 0);
	memcpy(&K.init, K.buf, sizeof(K.init));
}

static void forget_all(void)
{
	uint32_t half = K.nnodes / 2;
	for (uint32_t i = 0; i < half; i++) {
		struct fuse_forget_in in = {.nlookup = K.count[i]};
		post(FUSE_FORGET, K.node[i], VEC(ARG(in)));
		K.forgets++;
	}
	struct fuse_forget_one one[64];
	for (uint32_t i = half; i < K.nnodes;) {
		struct fuse_batch_forget_in in = {0};
		for (; i < K.nnodes && in.count < 64; i++)
			one[in.count++] = (struct fuse_forget_one){.nodeid = K.node[i], .nlookup = K.count[i]};
		post(FUSE_BATCH_FORGET, 0, VEC(ARG(in), RAW(one, in.count * sizeof(one[0]))));
		K.forgets++;
	}
	K.nnodes = 0;
	/* They are not answered; another worker may still be at one of them. */
	int64_t until = clock_now_ns() + 20 * NS_PER_SEC;
	while ((atomic_load(&K.fs->nodes.live) || stats_get(&K.fs->stats.forgets) < K.forgets) &&
	       clock_now_ns() < until)
		sched_yield();
	assert_int_equal(atomic_load(&K.fs->nodes.live), 0);
}

static void check_pool(void)
{
	const struct pool *p = &K.fs->pool;
	assert_int_equal(p->busy_small, 0);
	assert_int_equal(p->nfree_small, p->nsmall);
	/* Each worker holds one to read into. */
	assert_int_equal(p->nfree_large + K.fs->nworkers, p->nlarge);
	for (uint32_t i = 0; i < p->nsmall + p->nlarge; i++) {
		assert_true(atomic_load(&p->reqs[i].slot->unique) == 0);
		assert_null(p->reqs[i].fr);
		assert_null(p->reqs[i].extra);
	}
}

static void check_stats(void)
{
	struct stats *s = &K.fs->stats;
	uint64_t requests[STATS_OPCODES] = {0}, errors[STATS_OPCODES] = {0}, all = 0, latency = 0;
	for (uint32_t i = 1; i <= K.nsent; i++)
		if (K.sent[i].accounted) {
			requests[K.sent[i].opcode % STATS_OPCODES]++;
			errors[K.sent[i].opcode % STATS_OPCODES] += K.sent[i].err != 0;
			all++;
		}
	for (uint32_t i = 0; i < STATS_OPCODES; i++)
		if (stats_get(&s->requests[i]) != requests[i] || stats_get(&s->errors[i]) != errors[i])
			fail_msg("opcode %u: counted %llu and %llu errors, there were %llu and %llu", i,
				 (unsigned long long)stats_get(&s->requests[i]),
				 (unsigned long long)stats_get(&s->errors[i]), (unsigned long long)requests[i],
				 (unsigned long long)errors[i]);
	for (uint32_t i = 0; i < STATS_BUCKETS; i++)
		latency += stats_get(&s->latency[i]);
	assert_true(latency == all);
	assert_true(stats_get(&s->forgets) == K.forgets);
	assert_true(stats_get(&s->replies_lost) == 0);
}

static int unmount_fs(void **state)
{
	(void)state;
	if (!K.fs)
		return -1;
	forget_all();
	fs_stop(K.fs);
	pthread_join(K.thread, NULL);
	assert_int_equal(K.ended, 1);
	while (take(0))
		;
	for (uint32_t i = 1; i <= K.nsent; i++)
		if (K.sent[i].got != K.sent[i].want)
			fail_msg("request %u with opcode %u has %u replies", i, K.sent[i].opcode, K.sent[i].got);
	check_pool();
	check_stats();
	for (uint32_t i = 0; i < atomic_load(K.fs->st.spaces_used); i++) {
		assert_int_equal(atomic_load(&K.fs->st.spaces[i].opens), 0);
		if (i)
			assert_int_equal(atomic_load(&K.fs->st.spaces[i].nodes), 0);
	}
	int fuse_fd = K.fs->p.fuse_fd;
	fs_free(K.fs);
	K.fs = NULL;
	close(fuse_fd);
	close(K.fd);
	close(K.state_fd);
	sem_destroy(&K.ready);
	return 0;
}

static int mount_two(void **state)
{
	(void)state;
	mount_fs(&(struct fs_params){.workers = 2, .slots = 64, .write_slots = 4});
	return 0;
}

/* So little room that a crowd has to wait. */
static int mount_tight(void **state)
{
	(void)state;
	mount_fs(&(struct fs_params){.workers = 2, .slots = 3, .write_slots = 1, .snapdir = FS_SNAPDIR_VISIBLE});
	return 0;
}

/* ---- the tree that tests work on ---------------------------------------------------------- */

enum place { ROOT, VOL, DIR_, FILE_, SNAPDIR, SNAP, SDIR, SFILE, CLONES, ONTAP, STAT, GONE, NPLACES };
static const char *const place_name[NPLACES] = {
	"root", "volume", "directory", "file", ".snapshots", "snapshot", "directory in a snapshot",
	"file in a snapshot", ".clones", ".ontap", "file of .ontap", "an unknown node",
};

static struct {
	uint64_t at[NPLACES], link, slink;
	char top[32], snap[32];
} T;

static const char *fresh(const char *prefix)
{
	static char name[4][64];
	static unsigned next;
	char *p = name[next++ % 4];
	snprintf(p, 64, "%s%d", prefix, ++number);
	return p;
}

static void plant(void)
{
	T.at[ROOT] = FUSE_ROOT_ID;
	OK(do_lookup(FUSE_ROOT_ID, "project1"));
	T.at[VOL] = last.nodeid;
	snprintf(T.top, sizeof(T.top), "%s", fresh("top"));
	snprintf(T.snap, sizeof(T.snap), "%s", fresh("snap"));
	OK(do_mkdir(T.at[VOL], T.top));
	T.at[DIR_] = last.nodeid;
	OK(do_create(T.at[DIR_], "f", O_RDWR, 0644));
	T.at[FILE_] = last.nodeid;
	OK(do_write(T.at[FILE_], opened.fh, 0, "frozen", 6));
	OK(do_release(FUSE_RELEASE, T.at[FILE_], opened.fh));
	OK(do_symlink(T.at[DIR_], "l", "f"));
	T.link = last.nodeid;
	OK(do_lookup(T.at[VOL], ".snapshots"));
	T.at[SNAPDIR] = last.nodeid;
	OK(do_mkdir(T.at[SNAPDIR], T.snap));
	T.at[SNAP] = last.nodeid;
	OK(do_lookup(T.at[SNAP], T.top));
	T.at[SDIR] = last.nodeid;
	OK(do_lookup(T.at[SDIR], "f"));
	T.at[SFILE] = last.nodeid;
	OK(do_lookup(T.at[SDIR], "l"));
	T.slink = last.nodeid;
	OK(do_lookup(T.at[VOL], ".clones"));
	T.at[CLONES] = last.nodeid;
	OK(do_lookup(FUSE_ROOT_ID, ".ontap"));
	T.at[ONTAP] = last.nodeid;
	OK(do_lookup(T.at[ONTAP], "README"));
	T.at[STAT] = last.nodeid;
	T.at[GONE] = 0x7f00000005ull;
}

/* ---- the table ---------------------------------------------------------------------------- */

static char name256[257];
#define NO_FH 0x123400000077ull

static int t_lookup(uint64_t at) { return do_lookup(at, fresh("missing")); }
static int t_lookup_long(uint64_t at) { return do_lookup(at, name256); }
static int t_getattr(uint64_t at) { return do_getattr(at, NULL); }
static int t_chmod(uint64_t at)
{
	return do_setattr(at, &(struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0757});
}
static int t_chmod_same(uint64_t at)
{
	struct fuse_attr a;
	int err = do_getattr(at, &a);
	return err ? err : do_setattr(at, &(struct fuse_setattr_in){.valid = FATTR_MODE, .mode = a.mode});
}
static int t_chown_same(uint64_t at)
{
	struct fuse_attr a;
	int err = do_getattr(at, &a);
	struct fuse_setattr_in in = {.valid = FATTR_UID | FATTR_GID, .uid = a.uid, .gid = a.gid};
	return err ? err : do_setattr(at, &in);
}
static int t_truncate(uint64_t at)
{
	return do_setattr(at, &(struct fuse_setattr_in){.valid = FATTR_SIZE, .size = 3});
}
static int t_utimes(uint64_t at)
{
	struct fuse_setattr_in in = {.valid = FATTR_MTIME | FATTR_MTIME_NOW | FATTR_ATIME, .atime = 5};
	return do_setattr(at, &in);
}
static int t_readlink(uint64_t at) { return call(FUSE_READLINK, at, NULL, 0); }
static int t_fifo(uint64_t at) { return do_mknod(at, fresh("fifo"), S_IFIFO | 0600); }
static int t_mknod(uint64_t at) { return do_mknod(at, fresh("reg"), S_IFREG | 0600); }
static int t_mkdir(uint64_t at) { return do_mkdir(at, fresh("dir")); }
static int t_mkdir_long(uint64_t at) { return do_mkdir(at, name256); }
static int t_symlink(uint64_t at) { return do_symlink(at, fresh("sym"), "to"); }
static int t_symlink_long(uint64_t at) { return do_symlink(at, name256, "to"); }
static int t_create(uint64_t at)
{
	int err = do_create(at, fresh("new"), O_WRONLY, 0600);
	if (!err)
		OK(do_release(FUSE_RELEASE, last.nodeid, opened.fh));
	return err;
}
static int t_create_long(uint64_t at) { return do_create(at, name256, O_WRONLY, 0600); }
static int t_unlink(uint64_t at) { return do_remove(FUSE_UNLINK, at, fresh("missing")); }
static int t_unlink_long(uint64_t at) { return do_remove(FUSE_UNLINK, at, name256); }
static int t_rmdir(uint64_t at) { return do_remove(FUSE_RMDIR, at, fresh("missing")); }
static int t_rename(uint64_t at) { return do_rename(at, fresh("missing"), at, fresh("to"), 0); }
static int t_rename_old(uint64_t at)
{
	struct fuse_rename_in in = {.newdir = at};
	const char *a = fresh("missing"), *b = fresh("to");
	return call(FUSE_RENAME, at, VEC(ARG(in), STR(a), STR(b)));
}
static int t_rename_out(uint64_t at) { return do_rename(at, fresh("missing"), T.at[DIR_], fresh("to"), 0); }
static int t_rename_in(uint64_t at) { return do_rename(T.at[DIR_], fresh("missing"), at, fresh("to"), 0); }
static int t_noreplace(uint64_t at) { return do_rename(at, fresh("missing"), at, fresh("to"), RENAME_NOREPLACE); }
static int t_exchange(uint64_t at) { return do_rename(at, fresh("missing"), at, fresh("to"), RENAME_EXCHANGE); }
static int t_whiteout(uint64_t at) { return do_rename(at, fresh("missing"), at, fresh("to"), RENAME_WHITEOUT); }
static int t_link(uint64_t at) { return do_link(T.at[FILE_], at, fresh("ln")); }
static int t_link_frozen(uint64_t at) { return do_link(T.at[SFILE], at, fresh("ln")); }
static int open_close(uint64_t at, uint32_t flags)
{
	int err = do_open(FUSE_OPEN, at, flags);
	if (err == ESTALE && at != T.at[GONE]) {
		/* Changed since the kernel was told: it looks again, and opens again. */
		OK(do_lookup(T.at[DIR_], "f"));
		err = do_open(FUSE_OPEN, at, flags);
	}
	if (!err)
		OK(do_release(FUSE_RELEASE, at, opened.fh));
	return err;
}
static int t_open(uint64_t at) { return open_close(at, O_RDONLY); }
static int t_open_w(uint64_t at) { return open_close(at, O_RDWR); }
static int t_open_trunc(uint64_t at) { return open_close(at, O_WRONLY | O_TRUNC); }
static int t_open_append(uint64_t at) { return open_close(at, O_WRONLY | O_APPEND); }
static int t_opendir(uint64_t at)
{
	int err = do_open(FUSE_OPENDIR, at, O_RDONLY | O_DIRECTORY);
	if (!err)
		OK(do_release(FUSE_RELEASEDIR, at, opened.fh));
	return err;
}
static int t_read(uint64_t at) { return do_read(FUSE_READ, at, NO_FH, 0, 4096); }
static int t_read_nothing(uint64_t at) { return do_read(FUSE_READ, at, NO_FH, 0, 0); }
static int t_write(uint64_t at) { return do_write(at, NO_FH, 0, "x", 1); }
static int t_write_nothing(uint64_t at) { return do_write(at, NO_FH, 0, "", 0); }
static int t_readdir(uint64_t at) { return do_read(FUSE_READDIR, at, NO_FH, 0, 4096); }
static int t_readdirplus(uint64_t at) { return do_read(FUSE_READDIRPLUS, at, NO_FH, 0, 4096); }
static int t_statfs(uint64_t at) { return call(FUSE_STATFS, at, NULL, 0); }
static int t_setxattr(uint64_t at) { return do_setxattr(at, "user.x", "1"); }
static int t_setxattr_ours(uint64_t at) { return do_setxattr(at, "ontap.kind", "1"); }
static int t_setxattr_acl(uint64_t at) { return do_setxattr(at, "system.posix_acl_access", "1"); }
static int t_getxattr(uint64_t at) { return do_getxattr(at, "user.x", 100); }
static int t_getxattr_caps(uint64_t at) { return do_getxattr(at, "security.capability", 100); }
static int t_getxattr_acl(uint64_t at) { return do_getxattr(at, "system.posix_acl_access", 100); }
static int t_getxattr_kind(uint64_t at) { return do_getxattr(at, "ontap.kind", 100); }
static int t_getxattr_list(uint64_t at) { return do_getxattr(at, "ontap.list", 0); }
static int t_getxattr_odd(uint64_t at) { return do_getxattr(at, "ontap.no.such", 100); }
static int t_listxattr(uint64_t at)
{
	struct fuse_getxattr_in in = {.size = 100};
	int err = call(FUSE_LISTXATTR, at, VEC(ARG(in)));
	assert_int_equal(K.len, 0); /* cp -a and tar would carry what is listed */
	return err;
}
static int t_removexattr(uint64_t at) { return call(FUSE_REMOVEXATTR, at, VEC(STR("user.x"))); }
static int t_removexattr_ours(uint64_t at) { return call(FUSE_REMOVEXATTR, at, VEC(STR("ontap.kind"))); }
static int t_release(uint64_t at) { return do_release(FUSE_RELEASE, at, NO_FH); }
static int t_releasedir(uint64_t at) { return do_release(FUSE_RELEASEDIR, at, NO_FH); }
static int t_flush(uint64_t at)
{
	struct fuse_flush_in in = {.fh = NO_FH};
	return call(FUSE_FLUSH, at, VEC(ARG(in)));
}
static int fsync_by(uint32_t opcode, uint64_t at)
{
	struct fuse_fsync_in in = {.fh = NO_FH};
	return call(opcode, at, VEC(ARG(in)));
}
static int t_fsync(uint64_t at) { return fsync_by(FUSE_FSYNC, at); }
static int t_fsyncdir(uint64_t at) { return fsync_by(FUSE_FSYNCDIR, at); }
static int t_ioctl(uint64_t at)
{
	struct fuse_ioctl_in in = {.fh = NO_FH, .cmd = 0x5401};
	return call(FUSE_IOCTL, at, VEC(ARG(in)));
}
static int t_fallocate(uint64_t at)
{
	struct fuse_fallocate_in in = {.fh = NO_FH, .length = 100};
	return call(FUSE_FALLOCATE, at, VEC(ARG(in)));
}
static int t_copy(uint64_t at)
{
	struct fuse_copy_file_range_in in = {.fh_in = NO_FH, .nodeid_out = T.at[FILE_], .fh_out = NO_FH, .len = 10};
	return call(FUSE_COPY_FILE_RANGE, at, VEC(ARG(in)));
}
static int t_lseek(uint64_t at)
{
	struct fuse_lseek_in in = {.fh = NO_FH, .whence = SEEK_DATA};
	return call(FUSE_LSEEK, at, VEC(ARG(in)));
}
static int t_access(uint64_t at)
{
	struct fuse_access_in in = {.mask = R_OK};
	return call(FUSE_ACCESS, at, VEC(ARG(in)));
}
static int t_getlk(uint64_t at)
{
	struct fuse_lk_in in = {.fh = NO_FH};
	return call(FUSE_GETLK, at, VEC(ARG(in)));
}
static int t_poll(uint64_t at)
{
	struct fuse_poll_in in = {.fh = NO_FH};
	return call(FUSE_POLL, at, VEC(ARG(in)));
}
static int t_unknown(uint64_t at)
{
	static const uint8_t junk[64];
	return call(63, at, VEC(RAW(junk, sizeof(junk))));
}

/* ANY: the kernel never asks so (an OPEN of a directory, say); it must be
 * answered all the same. */
#define ANY (-1)
#define ALL(e, gone) {e, e, e, e, e, e, e, e, e, e, e, gone}
#define LONG ENAMETOOLONG

static const struct {
	const char *what;
	int (*fn)(uint64_t at);
	int want[NPLACES];
} table[] = {
	/* root volume directory file .snapshots snapshot its-directory its-file .clones .ontap its-file unknown */
	{"LOOKUP of nothing", t_lookup,
	 {ENOENT, ENOENT, ENOENT, ENOTDIR, ENOENT, ENOENT, ENOENT, ENOTDIR, ENOENT, ENOENT, ENOTDIR, ESTALE}},
	{"LOOKUP, a long name", t_lookup_long, {LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, ANY, ANY, ANY, ESTALE}},
	{"GETATTR", t_getattr, ALL(0, ESTALE)},
	{"SETATTR mode", t_chmod, {EPERM, 0, 0, 0, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"SETATTR the same mode", t_chmod_same, {EPERM, 0, 0, 0, EPERM, 0, 0, 0, EPERM, EPERM, EPERM, ESTALE}},
	{"SETATTR the same owner", t_chown_same, {EPERM, 0, 0, 0, EPERM, 0, 0, 0, EPERM, EPERM, EPERM, ESTALE}},
	{"SETATTR size", t_truncate, {EPERM, ANY, ANY, 0, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"SETATTR times", t_utimes, {EPERM, 0, 0, 0, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"READLINK", t_readlink, ALL(EINVAL, ESTALE)},
	{"MKNOD a fifo", t_fifo, {EPERM, 0, 0, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"MKNOD a file", t_mknod, {EPERM, 0, 0, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	/* In .snapshots a snapshot, in .clones a clone. */
	{"MKDIR", t_mkdir, {EPERM, 0, 0, ENOTDIR, 0, EROFS, EROFS, EROFS, 0, EPERM, EPERM, ESTALE}},
	{"MKDIR, a long name", t_mkdir_long, ALL(LONG, ESTALE)},
	{"SYMLINK", t_symlink, {EPERM, 0, 0, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"SYMLINK, a long name", t_symlink_long,
	 {ANY, LONG, LONG, LONG, LONG, LONG, LONG, LONG, ANY, LONG, LONG, ESTALE}},
	{"CREATE", t_create, {EPERM, 0, 0, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"CREATE, a long name", t_create_long, ALL(LONG, ESTALE)},
	{"UNLINK of nothing", t_unlink,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"UNLINK, a long name", t_unlink_long, ALL(LONG, ESTALE)},
	{"RMDIR of nothing", t_rmdir,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, ENOENT, EROFS, EROFS, EROFS, ENOENT, EPERM, EPERM, ESTALE}},
	{"RENAME2 in place", t_rename,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, ENOENT, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"RENAME in place", t_rename_old,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, ENOENT, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	/* Out of .snapshots or a snapshot never EXDEV: mv would begin to copy it. */
	{"RENAME2 out of it", t_rename_out,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, ESTALE}},
	{"RENAME2 into it", t_rename_in,
	 {EPERM, ENOENT, ENOENT, ENOENT, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"RENAME2 NOREPLACE", t_noreplace,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, ENOENT, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"RENAME2 EXCHANGE", t_exchange, {ANY, EINVAL, EINVAL, EINVAL, EINVAL, ANY, ANY, ANY, ANY, ANY, ANY, ESTALE}},
	{"RENAME2 WHITEOUT", t_whiteout, {ANY, EINVAL, EINVAL, EINVAL, EINVAL, ANY, ANY, ANY, ANY, ANY, ANY, ESTALE}},
	{"LINK", t_link, {EPERM, 0, 0, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"LINK of a frozen file", t_link_frozen,
	 {EPERM, EXDEV, EXDEV, EXDEV, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"OPEN", t_open, {EISDIR, ANY, ANY, 0, EISDIR, ANY, ANY, 0, EISDIR, EISDIR, 0, ESTALE}},
	{"OPEN to write", t_open_w, {EISDIR, ANY, ANY, 0, EISDIR, EROFS, EROFS, EROFS, EISDIR, EISDIR, EACCES, ESTALE}},
	{"OPEN to truncate", t_open_trunc,
	 {EISDIR, ANY, ANY, 0, EISDIR, EROFS, EROFS, EROFS, EISDIR, EISDIR, EACCES, ESTALE}},
	{"OPEN to append", t_open_append,
	 {EISDIR, ANY, ANY, 0, EISDIR, EROFS, EROFS, EROFS, EISDIR, EISDIR, EACCES, ESTALE}},
	{"OPENDIR", t_opendir, {0, 0, 0, ANY, 0, 0, 0, ANY, 0, 0, ANY, ESTALE}},
	{"READ, no such open file", t_read, ALL(EBADF, ESTALE)},
	{"READ of nothing, no such open file", t_read_nothing, ALL(EBADF, ESTALE)},
	{"WRITE, no such open file", t_write, ALL(EBADF, ESTALE)},
	{"WRITE of nothing, no such open file", t_write_nothing, ALL(EBADF, ESTALE)},
	{"READDIR, no such open directory", t_readdir, ALL(EBADF, ESTALE)},
	{"READDIRPLUS, no such open directory", t_readdirplus, ALL(EBADF, ESTALE)},
	{"STATFS", t_statfs, ALL(0, ESTALE)},
	{"SETXATTR user.", t_setxattr,
	 {EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EPERM, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EPERM, ANY, ANY,
	  ESTALE}},
	{"SETXATTR system.posix_acl", t_setxattr_acl,
	 {EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, ANY, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, ANY, ANY, ANY,
	  ESTALE}},
	{"SETXATTR ontap.kind", t_setxattr_ours, ALL(EPERM, ESTALE)},
	{"GETXATTR user.", t_getxattr, ALL(ENODATA, ENODATA)},
	{"GETXATTR security.", t_getxattr_caps, ALL(ENODATA, ENODATA)},
	{"GETXATTR system.posix_acl", t_getxattr_acl, ALL(EOPNOTSUPP, EOPNOTSUPP)},
	{"GETXATTR ontap.kind", t_getxattr_kind, ALL(0, ESTALE)},
	{"GETXATTR ontap.list", t_getxattr_list, ALL(0, ESTALE)},
	{"GETXATTR ontap.no.such", t_getxattr_odd, ALL(ENODATA, ESTALE)},
	{"LISTXATTR", t_listxattr, ALL(0, 0)},
	{"REMOVEXATTR user.", t_removexattr,
	 {ANY, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EPERM, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EPERM, ANY, ANY, ESTALE}},
	{"REMOVEXATTR ontap.kind", t_removexattr_ours, ALL(EPERM, ESTALE)},
	{"FLUSH", t_flush, ALL(0, 0)},
	{"FSYNC", t_fsync, ALL(0, 0)},
	{"FSYNCDIR", t_fsyncdir, ALL(0, 0)},
	{"RELEASE, no such open file", t_release, ALL(0, 0)},
	{"RELEASEDIR, no such open directory", t_releasedir, ALL(0, 0)},
	{"IOCTL", t_ioctl, ALL(ENOTTY, ENOTTY)},
	{"FALLOCATE", t_fallocate, ALL(EOPNOTSUPP, EOPNOTSUPP)},
	{"COPY_FILE_RANGE", t_copy, ALL(EOPNOTSUPP, EOPNOTSUPP)},
	/* ENOSYS: from then on the kernel does it itself, which is what is wanted. */
	{"LSEEK", t_lseek, ALL(ENOSYS, ENOSYS)},
	{"ACCESS", t_access, ALL(ENOSYS, ENOSYS)},
	{"GETLK", t_getlk, ALL(ENOSYS, ENOSYS)},
	{"POLL", t_poll, ALL(ENOSYS, ENOSYS)},
	{"an opcode that nobody knows", t_unknown, ALL(ENOSYS, ENOSYS)},
};

static void every_operation_everywhere(void **state)
{
	(void)state;
	unsigned wrong = 0;
	plant();
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		for (int p = 0; p < NPLACES; p++) {
			int got = table[i].fn(T.at[p]);
			if (table[i].want[p] == ANY || got == table[i].want[p])
				continue;
			print_error("%s on %s: %s, want %s\n", table[i].what, place_name[p], strerrorname_np(got),
				    strerrorname_np(table[i].want[p]));
			wrong++;
		}
	assert_int_equal(wrong, 0);
}

/* ---- beginning ---------------------------------------------------------------------------- */

static void what_init_agrees_on(void **state)
{
	(void)state;
	assert_int_equal(K.init.major, FUSE_KERNEL_VERSION);
	assert_true(K.init.max_write >= MIB);
	assert_int_equal(K.init.max_background, 64);
	assert_int_equal(K.init.max_readahead, 4 * MIB);
	static const struct {
		const char *what;
		uint32_t flag;
		bool on;
	} rows[] = {
		{"READDIRPLUS", FUSE_DO_READDIRPLUS, true},
		{"killpriv v2", FUSE_HANDLE_KILLPRIV_V2, true},
		{"a writeback cache", FUSE_WRITEBACK_CACHE, false},
		{"cached symlinks", FUSE_CACHE_SYMLINKS, false},
		{"POSIX ACLs", FUSE_POSIX_ACL, false},
		{"no OPEN", FUSE_NO_OPEN_SUPPORT, false},
		{"no OPENDIR", FUSE_NO_OPENDIR_SUPPORT, false},
		{"splice read", FUSE_SPLICE_READ, false},
		/* Locks are kept by the kernel of this host. */
		{"remote fcntl locks", FUSE_POSIX_LOCKS, false},
		{"remote flock", FUSE_FLOCK_LOCKS, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (((K.init.flags & rows[i].flag) != 0) != rows[i].on)
			fail_msg("%s: flags %x", rows[i].what, K.init.flags);
	/* What a successor needs is kept. */
	assert_true(K.fs->st.head->init_len > sizeof(struct fuse_in_header));
	assert_memory_equal(K.fs->st.head->init_out, &K.init, sizeof(K.init));
}

/* ---- file data ---------------------------------------------------------------------------- */

static uint8_t block[MIB + 4096];

static void fill_block(uint32_t seed)
{
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

static uint64_t size_of(uint64_t node)
{
	struct fuse_attr a;
	OK(do_getattr(node, &a));
	return a.size;
}

static void reads_and_writes(void **state)
{
	(void)state;
	plant();
	OK(do_create(T.at[DIR_], "big", O_RDWR, 0640));
	uint64_t node = last.nodeid, fh = opened.fh;
	fill_block(1);
	OK(do_write(node, fh, 0, block, MIB));
	OK(do_write(node, fh, MIB, block + 7, 1000));
	assert_true(size_of(node) == MIB + 1000);
	/* Where from, how much: what comes, and that it is the right bytes. */
	static const struct {
		uint64_t off;
		uint32_t size, got;
	} rows[] = {
		{0, MIB, MIB}, {0, 1, 1}, {MIB - 1, 1, 1}, {4095, 4097, 4097}, {65536, 131072, 131072},
		{0, 2 * MIB, MIB}, {MIB, MIB, 1000}, {MIB + 999, 4096, 1}, {MIB + 1000, 4096, 0},
		{1ull << 40, 4096, 0}, {0, 0, 0}, {MIB + 1000, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OK(do_read(FUSE_READ, node, fh, rows[i].off, rows[i].size));
		if (K.len != rows[i].got)
			fail_msg("row %zu: %zu bytes", i, K.len);
		for (size_t j = 0; j < K.len; j++) {
			uint64_t at = rows[i].off + j;
			if (K.buf[j] != (at < MIB ? block[at] : block[7 + at - MIB]))
				fail_msg("row %zu: byte %zu", i, j);
		}
	}
	OK(do_write(node, fh, 5, "", 0));
	assert_true(size_of(node) == MIB + 1000);
	OK(do_write(node, fh, 3 * MIB, "end", 3)); /* a hole before it */
	OK(do_read(FUSE_READ, node, fh, 3 * MIB - 1, 10));
	assert_int_equal(K.len, 4);
	assert_memory_equal(K.buf, "\0end", 4);
	ERR(EINVAL, do_read(FUSE_READ, node, fh, UINT64_MAX, 10));
	struct fuse_write_in bad = {.fh = fh, .offset = 1ull << 63, .size = 1};
	ERR(EINVAL, call(FUSE_WRITE, node, VEC(ARG(bad), RAW("x", 1))));
	OK(t_flush(node));
	OK(do_release(FUSE_RELEASE, node, fh));
	ERR(EBADF, do_read(FUSE_READ, node, fh, 0, 10));
	assert_true(stats_get(&K.fs->stats.bytes_written) >= MIB + 1003);
	assert_true(stats_get(&K.fs->stats.bytes_read) >= 2 * MIB);
}

static void appends_go_to_the_end(void **state)
{
	(void)state;
	plant();
	OK(do_create(T.at[DIR_], "log", O_WRONLY | O_APPEND, 0644));
	uint64_t node = last.nodeid, fh = opened.fh;
	assert_true(opened.open_flags & FOPEN_DIRECT_IO);
	const uint32_t flags = O_WRONLY | O_APPEND;
	OK(do_write_as(node, fh, 0, "one ", 4, flags, 0));
	OK(do_write_as(node, fh, 0, "two ", 4, flags, 0)); /* the kernel's idea of the end is old */
	OK(do_write_as(node, fh, 999, "three", 5, flags, 0));
	/* Pages of a mapping, and what fcntl took the flag from, have their place. */
	OK(do_write_as(node, fh, 0, "O", 1, flags, FUSE_WRITE_CACHE));
	OK(do_write_as(node, fh, 4, "T", 1, O_WRONLY, 0));
	OK(do_release(FUSE_RELEASE, node, fh));
	OK(do_lookup(T.at[DIR_], "log"));
	assert_true(last.attr.size == 13);
	OK(do_open(FUSE_OPEN, node, O_RDONLY));
	OK(do_read(FUSE_READ, node, opened.fh, 0, 100));
	assert_int_equal(K.len, 13);
	assert_memory_equal(K.buf, "One Two three", 13);
	OK(do_release(FUSE_RELEASE, node, opened.fh));
}

static void opened_file_was_removed(void **state)
{
	(void)state;
	plant();
	OK(do_open(FUSE_OPEN, T.at[FILE_], O_RDWR));
	uint64_t fh = opened.fh;
	OK(do_remove(FUSE_UNLINK, T.at[DIR_], "f"));
	ERR(ENOENT, do_lookup(T.at[DIR_], "f"));
	OK(do_read(FUSE_READ, T.at[FILE_], fh, 0, 100));
	assert_int_equal(K.len, 6);
	OK(do_write(T.at[FILE_], fh, 6, "!", 1));
	struct fuse_attr a;
	OK(do_getattr(T.at[FILE_], &a));
	assert_int_equal(a.nlink, 0);
	assert_true(stats_get(&K.fs->stats.silly_renames) == 1);
	ERR(ENOTEMPTY, do_remove(FUSE_RMDIR, T.at[VOL], T.top));
	OK(do_release(FUSE_RELEASE, T.at[FILE_], fh));
	ERR(ESTALE, do_getattr(T.at[FILE_], NULL));
	/* Replaced by a rename while open: the same. */
	OK(do_create(T.at[DIR_], "a", O_RDWR, 0600));
	OK(do_write(last.nodeid, opened.fh, 0, "old", 3));
	uint64_t old = last.nodeid, old_fh = opened.fh;
	OK(do_mknod(T.at[DIR_], "b", S_IFREG | 0600));
	uint64_t b = last.nodeid;
	OK(do_rename(T.at[DIR_], "b", T.at[DIR_], "a", 0));
	OK(do_read(FUSE_READ, old, old_fh, 0, 100));
	assert_int_equal(K.len, 3);
	OK(do_release(FUSE_RELEASE, old, old_fh));
	OK(do_lookup(T.at[DIR_], "a"));
	assert_true(last.nodeid == b);
	OK(do_remove(FUSE_UNLINK, T.at[DIR_], "a"));
	OK(do_remove(FUSE_UNLINK, T.at[DIR_], "l"));
	OK(do_remove(FUSE_RMDIR, T.at[VOL], T.top)); /* nothing of ours is left behind */
}

/* ---- names -------------------------------------------------------------------------------- */

static void names_that_are_there(void **state)
{
	(void)state;
	plant();
	uint64_t dir = T.at[DIR_], vol = T.at[VOL];
	OK(do_mkdir(dir, "sub"));
	uint64_t sub = last.nodeid;
	OK(do_mknod(sub, "inner", S_IFREG | 0600));
	ERR(EEXIST, do_mkdir(dir, "f"));
	ERR(EEXIST, do_mkdir(dir, "sub"));
	ERR(EEXIST, do_symlink(dir, "f", "x"));
	ERR(EEXIST, do_mknod(dir, "f", S_IFREG | 0600));
	ERR(EEXIST, do_create(dir, "f", O_WRONLY | O_EXCL, 0600));
	ERR(EEXIST, do_link(T.at[FILE_], dir, "l"));
	ERR(EEXIST, do_rename(dir, "l", dir, "f", RENAME_NOREPLACE));
	ERR(ENOTEMPTY, do_remove(FUSE_RMDIR, dir, "sub"));
	ERR(ENOTDIR, do_remove(FUSE_RMDIR, dir, "f"));
	ERR(EISDIR, do_remove(FUSE_UNLINK, dir, "sub"));
	/* Links count, and are one inode. */
	OK(do_link(T.at[FILE_], sub, "f2"));
	assert_true(last.nodeid == T.at[FILE_]);
	assert_int_equal(last.attr.nlink, 2);
	OK(do_rename(sub, "f2", dir, "f3", 0));
	ERR(ENOENT, do_lookup(sub, "f2"));
	OK(do_lookup(dir, "f3"));
	assert_true(last.nodeid == T.at[FILE_]);
	OK(do_rename(dir, "f3", sub, "f4", RENAME_NOREPLACE));
	ERR(ENOENT, do_lookup(dir, "f3"));
	OK(do_lookup(sub, "f4"));
	assert_true(last.nodeid == T.at[FILE_]);
	OK(do_remove(FUSE_UNLINK, sub, "f4"));
	/* Symlinks are read, live and frozen. */
	OK(call(FUSE_READLINK, T.link, NULL, 0));
	assert_int_equal(K.len, 1);
	assert_memory_equal(K.buf, "f", 1);
	for (int i = 0; i < 2; i++) {
		OK(call(FUSE_READLINK, T.slink, NULL, 0));
		assert_int_equal(K.len, 1);
		assert_memory_equal(K.buf, "f", 1);
	}
	/* Names of ours in a volume's root are nobody else's. */
	static const char *const ours[] = {".snapshots", ".clones", ".snapshot"};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		ERR(EPERM, do_mkdir(vol, ours[i]));
		ERR(EPERM, do_symlink(vol, ours[i], "x"));
		ERR(EPERM, do_create(vol, ours[i], O_WRONLY, 0600));
		ERR(EPERM, do_remove(FUSE_RMDIR, vol, ours[i]));
		ERR(EPERM, do_remove(FUSE_UNLINK, vol, ours[i]));
		ERR(EPERM, do_rename(vol, T.top, vol, ours[i], 0));
		ERR(EPERM, do_rename(vol, ours[i], vol, "x", 0));
		ERR(EPERM, do_link(T.at[FILE_], vol, ours[i]));
	}
	ERR(ENOENT, do_lookup(dir, ".snapshot")); /* the server's own is not passed through */
	ERR(ENOENT, do_lookup(T.at[SNAP], ".snapshot"));
	ERR(ENOENT, do_lookup(T.at[SNAP], ".snapshots"));
	/* Another volume is another file system. */
	OK(do_lookup(FUSE_ROOT_ID, "imagenet"));
	uint64_t other = last.nodeid;
	ERR(EXDEV, do_rename(dir, "f", other, "f", 0));
	ERR(EXDEV, do_link(T.at[FILE_], other, "f"));
	ERR(EPERM, do_remove(FUSE_RMDIR, FUSE_ROOT_ID, "imagenet"));
	ERR(EPERM, do_rename(FUSE_ROOT_ID, "imagenet", FUSE_ROOT_ID, "x", 0));
}

/* ---- directories -------------------------------------------------------------------------- */

struct listing {
	uint32_t n, dots;
	char name[600][64];
	uint64_t ino[600], off[600], node[600];
	uint32_t type[600];
};

/* Reads on from `off`; buffers of `size` bytes. */
static void list_from(uint64_t node, uint64_t fh, uint64_t off, bool plus, uint32_t size, struct listing *l)
{
	for (;;) {
		OK(do_read(plus ? FUSE_READDIRPLUS : FUSE_READDIR, node, fh, off, size));
		if (!K.len)
			return;
		assert_true(K.len <= size);
		for (size_t at = 0; at < K.len;) {
			uint64_t id = 0;
			if (plus) {
				struct fuse_entry_out e;
				memcpy(&e, K.buf + at, sizeof(e));
				id = e.nodeid;
				counted(id);
				at += sizeof(e);
			}
			const struct fuse_dirent *d = (const void *)(K.buf + at);
			assert_true(at + FUSE_NAME_OFFSET + d->namelen <= K.len);
			at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + d->namelen);
			off = d->off;
			assert_true((int64_t)off > 0);
			if ((d->namelen == 1 && d->name[0] == '.') || (d->namelen == 2 && !memcmp(d->name, "..", 2))) {
				l->dots++;
				assert_true(id == 0); /* the kernel would forget what it never counts */
				continue;
			}
			assert_true(l->n < 600 && d->namelen < 64);
			memcpy(l->name[l->n], d->name, d->namelen);
			l->name[l->n][d->namelen] = '\0';
			l->ino[l->n] = d->ino;
			l->off[l->n] = off;
			l->node[l->n] = id;
			l->type[l->n++] = d->type;
		}
	}
}

static struct listing list_of(uint64_t node, bool plus, uint32_t size)
{
	static struct listing l;
	memset(&l, 0, sizeof(l));
	OK(do_open(FUSE_OPENDIR, node, O_RDONLY));
	uint64_t fh = opened.fh;
	list_from(node, fh, 0, plus, size, &l);
	OK(do_release(FUSE_RELEASEDIR, node, fh));
	return l;
}

static int find(const struct listing *l, const char *name)
{
	int at = -1;
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->name[i], name) == 0) {
			assert_int_equal(at, -1); /* once */
			at = (int)i;
		}
	return at;
}

static void listings_are_whole(void **state)
{
	(void)state;
	enum { FILES = 400 };
	static struct listing l, rest;
	plant();
	char name[40];
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "some-longer-name-%d", i);
		OK(do_mknod(T.at[DIR_], name, S_IFREG | 0600));
	}
	static const uint32_t sizes[] = {4096, 1000, 65536, MIB, 2 * MIB};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int plus = 0; plus < 2; plus++) {
			l = list_of(T.at[DIR_], plus, sizes[i]);
			assert_int_equal(l.n, FILES + 2);
			assert_int_equal(l.dots, 2);
			for (int f = 0; f < FILES; f++) {
				snprintf(name, sizeof(name), "some-longer-name-%d", f);
				assert_true(find(&l, name) >= 0);
			}
			int at = find(&l, "f");
			assert_true(at >= 0 && find(&l, "l") >= 0);
			assert_int_equal(l.type[find(&l, "l")], DT_LNK);
			OK(do_lookup(T.at[DIR_], "f"));
			assert_true(l.ino[at] == last.attr.ino);
			assert_true(!plus || l.node[at] == last.nodeid);
		}
	/* From any offset on, in any handle, comes what follows: seekdir, and a
	 * successor that was not there when the beginning was read. */
	for (uint32_t from = 0; from < l.n; from += 97) {
		OK(do_open(FUSE_OPENDIR, T.at[DIR_], O_RDONLY));
		uint64_t fh = opened.fh;
		memset(&rest, 0, sizeof(rest));
		list_from(T.at[DIR_], fh, l.off[from], false, 4096, &rest);
		assert_int_equal(rest.n, l.n - from - 1);
		for (uint32_t i = 0; i < rest.n; i++)
			assert_string_equal(rest.name[i], l.name[from + 1 + i]);
		memset(&rest, 0, sizeof(rest));
		list_from(T.at[DIR_], fh, 0, false, 4096, &rest); /* rewinddir */
		assert_int_equal(rest.n, l.n);
		OK(do_release(FUSE_RELEASEDIR, T.at[DIR_], fh));
	}
	/* The frozen directory is what it was. */
	l = list_of(T.at[SDIR], true, 4096);
	assert_int_equal(l.n, 2);
	assert_true(l.node[find(&l, "f")] == T.at[SFILE]);
	assert_true(l.ino[find(&l, "f")] != rest.ino[find(&rest, "f")]);
}

static void listings_of_what_is_ours(void **state)
{
	(void)state;
	static struct listing l;
	plant();
	l = list_of(FUSE_ROOT_ID, false, 4096);
	assert_true(find(&l, "project1") >= 0 && find(&l, "imagenet") >= 0 && find(&l, "trident_pvc") >= 0);
	assert_true(find(&l, "svm1_root") < 0 && find(&l, ".ontap") < 0);
	assert_int_equal(l.type[find(&l, "project1")], DT_DIR);
	l = list_of(T.at[SNAPDIR], true, 4096);
	int at = find(&l, T.snap);
	assert_true(at >= 0 && find(&l, "@latest") < 0);
	struct fuse_attr a;
	OK(do_getattr(T.at[SNAP], &a));
	assert_true(l.ino[at] == a.ino);
	l = list_of(T.at[ONTAP], false, 4096);
	static const char *const files[] = {"README", "status", "status.json", "stats", "config", "jobs", "last_error"};
	assert_int_equal(l.n, ARRAY_LEN(files));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		assert_true(find(&l, files[i]) >= 0);
		OK(do_lookup(T.at[ONTAP], files[i]));
		uint64_t node = last.nodeid;
		OK(do_open(FUSE_OPEN, node, O_RDONLY));
		assert_true(opened.open_flags & FOPEN_DIRECT_IO); /* its size was not told */
		OK(do_read(FUSE_READ, node, opened.fh, 0, MIB));
		size_t len = K.len;
		assert_true(len > 0 || i >= 5);
		OK(do_read(FUSE_READ, node, opened.fh, len, 4096));
		assert_int_equal(K.len, 0);
		OK(do_read(FUSE_READ, node, opened.fh, 1ull << 62, 4096));
		assert_int_equal(K.len, 0);
		OK(do_read(FUSE_READ, node, opened.fh, 0, 0));
		ERR(EROFS, do_write(node, opened.fh, 0, "x", 1));
		OK(do_release(FUSE_RELEASE, node, opened.fh));
	}
	const char *clone = fresh("clone");
	OK(do_mkdir(T.at[CLONES], clone));
	uint64_t clone_node = last.nodeid, clone_ino = last.attr.ino;
	l = list_of(T.at[CLONES], true, 4096);
	assert_true(find(&l, clone) >= 0 && l.type[find(&l, clone)] == DT_DIR);
	assert_true(l.ino[find(&l, clone)] == clone_ino);
	assert_int_equal(l.dots, 2);
	l = list_of(FUSE_ROOT_ID, true, 4096);
	assert_true(find(&l, clone) >= 0 && l.type[find(&l, clone)] == DT_LNK); /* a directory has one name */
	/* The same file in volume, snapshot and clone: three inodes. */
	OK(do_lookup(clone_node, T.top));
	OK(do_lookup(last.nodeid, "f"));
	struct fuse_attr live, frozen, cloned = last.attr;
	OK(do_getattr(T.at[FILE_], &live));
	OK(do_getattr(T.at[SFILE], &frozen));
	assert_true(cloned.ino != live.ino && cloned.ino != frozen.ino && live.ino != frozen.ino);
	l = list_of(T.at[VOL], true, 4096);
	assert_true(find(&l, T.top) >= 0);
	assert_true(find(&l, ".snapshot") < 0);
	/* Hidden by default, listed on the mount that says so. */
	bool visible = K.fs->p.snapdir == FS_SNAPDIR_VISIBLE;
	assert_int_equal(find(&l, ".snapshots") >= 0, visible);
	assert_true(find(&l, ".clones") < 0); /* a tree walker may write there: never listed */
}

/* ---- snapshots ---------------------------------------------------------------------------- */

static void frozen_is_frozen(void **state)
{
	(void)state;
	plant();
	struct fuse_attr live, frozen;
	OK(do_open(FUSE_OPEN, T.at[FILE_], O_RDWR));
	OK(do_write(T.at[FILE_], opened.fh, 0, "CHANGED since", 13));
	OK(do_release(FUSE_RELEASE, T.at[FILE_], opened.fh));
	OK(do_getattr(T.at[FILE_], &live));
	OK(do_getattr(T.at[SFILE], &frozen));
	assert_true(live.ino != frozen.ino);
	assert_true(live.size == 13 && frozen.size == 6);
	OK(do_open(FUSE_OPEN, T.at[SFILE], O_RDONLY));
	assert_true(opened.open_flags & FOPEN_KEEP_CACHE);
	uint64_t fh = opened.fh;
	OK(do_read(FUSE_READ, T.at[SFILE], fh, 0, 100));
	assert_int_equal(K.len, 6);
	assert_memory_equal(K.buf, "frozen", 6);
	ERR(EROFS, do_write(T.at[SFILE], fh, 0, "x", 1));
	OK(do_release(FUSE_RELEASE, T.at[SFILE], fh));
	/* Entries and attributes are the kernel's for good; what is live is not. */
	OK(do_lookup(T.at[SDIR], "f"));
	assert_true(last.nodeid == T.at[SFILE]);
	assert_true(last.entry_valid > 86400 && last.attr_valid > 86400);
	ERR(ENOENT, do_lookup(T.at[SDIR], "never"));
	assert_true(K.error == 0 && last.entry_valid > 86400); /* a negative entry to keep */
	OK(do_lookup(T.at[DIR_], "f"));
	assert_true(last.entry_valid <= 1 && last.attr_valid <= 1);
	assert_int_equal(call(FUSE_LOOKUP, T.at[DIR_], VEC(STR("never"))), ENOENT);
	assert_int_equal(call(FUSE_LOOKUP, T.at[SNAPDIR], VEC(STR("never"))), ENOENT);
	assert_int_equal(call(FUSE_LOOKUP, FUSE_ROOT_ID, VEC(STR("never"))), ENOENT);
	/* Nothing is available in a snapshot. */
	OK(call(FUSE_STATFS, T.at[SFILE], NULL, 0));
	const struct fuse_kstatfs *st = &((struct fuse_statfs_out *)(void *)K.buf)->st;
	assert_true(st->blocks > 0 && st->bavail == 0 && st->bfree == 0 && st->namelen == 255);
	OK(call(FUSE_STATFS, T.at[FILE_], NULL, 0));
	assert_true(st->blocks > 0 && st->bavail > 0);
}

static void links_to_snapshots(void **state)
{
	(void)state;
	char want_target[200], name[100];
	plant();
	snprintf(want_target, sizeof(want_target), "project1/.snapshots/%s", T.snap);
	snprintf(name, sizeof(name), "project1@%s", T.snap);
	const struct {
		uint64_t dir;
		const char *name, *target;
	} rows[] = {
		{T.at[VOL], ".snapshot", ".snapshots"},
		{T.at[SNAPDIR], "@latest", T.snap},
		{FUSE_ROOT_ID, "project1@latest", want_target},
		{FUSE_ROOT_ID, name, want_target},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OK(do_lookup(rows[i].dir, rows[i].name));
		assert_true(S_ISLNK(last.attr.mode));
		OK(call(FUSE_READLINK, last.nodeid, NULL, 0));
		if (K.len != strlen(rows[i].target) || memcmp(K.buf, rows[i].target, K.len) != 0)
			fail_msg("%s -> %.*s, want %s", rows[i].name, (int)K.len, (char *)K.buf, rows[i].target);
	}
	OK(do_lookup(T.at[SNAPDIR], "@oldest"));
	OK(call(FUSE_READLINK, last.nodeid, NULL, 0));
	ERR(ENOENT, do_lookup(FUSE_ROOT_ID, "project1@never"));
	ERR(ENOENT, do_lookup(FUSE_ROOT_ID, "project1@"));
	ERR(ENOENT, do_lookup(FUSE_ROOT_ID, "never@latest"));
	ERR(ENOENT, do_lookup(FUSE_ROOT_ID, "trident_pvc@latest"));
}

static void snapshot_verbs(void **state)
{
	(void)state;
	plant();
	uint64_t dir = T.at[SNAPDIR];
	static const struct {
		const char *name;
		int want;
	} bad[] = {{".x", EINVAL}, {"-x", EINVAL}, {"a@b", EINVAL}, {"@latest", EINVAL}, {"a\nb", EINVAL},
		   {"\xff", EINVAL}, {" x", EINVAL}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(do_mkdir(dir, bad[i].name), bad[i].want);
		assert_int_equal(do_rename(dir, T.snap, dir, bad[i].name, 0), bad[i].want);
	}
	ERR(EEXIST, do_mkdir(dir, T.snap));
	const char *second = fresh("second"), *third = fresh("third");
	OK(do_mkdir(dir, second));
	uint64_t node = last.nodeid, ino = last.attr.ino;
	ERR(EEXIST, do_rename(dir, second, dir, T.snap, 0));
	ERR(EEXIST, do_rename(dir, second, dir, T.snap, RENAME_NOREPLACE));
	OK(do_rename(dir, second, dir, third, 0));
	ERR(ENOENT, do_lookup(dir, second));
	OK(do_lookup(dir, third));
	assert_true(last.nodeid == node && last.attr.ino == ino); /* renamed, not another one */
	ERR(EPERM, do_remove(FUSE_UNLINK, dir, third));
	ERR(EPERM, do_remove(FUSE_RMDIR, dir, "@latest"));
	OK(do_remove(FUSE_RMDIR, dir, third)); /* full or not */
	ERR(ENOENT, do_remove(FUSE_RMDIR, dir, third));
	ERR(ENOENT, do_lookup(dir, third));
	ERR(ESTALE, do_getattr(node, NULL));
	/* The same name again is another snapshot. */
	OK(do_mkdir(dir, third));
	assert_true(last.nodeid != node && last.attr.ino != ino);
	OK(do_remove(FUSE_RMDIR, dir, third));
	/* A walker looked inside: not by accident, but if it is meant. */
	OK(t_opendir(T.at[SNAP]));
	ERR(ENOTEMPTY, do_remove(FUSE_RMDIR, dir, T.snap));
	ERR(EINVAL, do_setxattr(T.at[SNAP], "ontap.arm", "another"));
	ERR(EPERM, do_setxattr(T.at[SFILE], "ontap.arm", T.snap));
	ERR(EPERM, do_setxattr(T.at[VOL], "ontap.arm", T.snap));
	OK(do_setxattr(T.at[SNAP], "ontap.arm", T.snap));
	OK(do_open(FUSE_OPEN, T.at[SFILE], O_RDONLY));
	uint64_t fh = opened.fh;
	ERR(EBUSY, do_remove(FUSE_RMDIR, dir, T.snap));
	OK(do_release(FUSE_RELEASE, T.at[SFILE], fh));
	ERR(ENOTEMPTY, do_remove(FUSE_RMDIR, dir, T.snap)); /* armed for one attempt */
	OK(do_getxattr(T.at[VOL], "ontap.last_error", 512));
	assert_non_null(memmem(K.buf, K.len, T.snap, strlen(T.snap)));
	OK(do_setxattr(T.at[SNAP], "ontap.arm", T.snap));
	uint64_t notes = K.notes;
	OK(do_remove(FUSE_RMDIR, dir, T.snap));
	/* From here on all that was in it is gone. */
	const uint64_t dead[] = {T.at[SNAP], T.at[SDIR], T.at[SFILE], T.slink};
	for (size_t i = 0; i < ARRAY_LEN(dead); i++) {
		ERR(ESTALE, do_getattr(dead[i], NULL));
		ERR(ESTALE, do_open(FUSE_OPEN, dead[i], O_RDONLY));
		ERR(ESTALE, do_lookup(dead[i], "x"));
	}
	int64_t until = clock_now_ns() + 20 * NS_PER_SEC;
	while (K.notes < notes + ARRAY_LEN(dead) && clock_now_ns() < until)
		OK(do_getattr(FUSE_ROOT_ID, NULL));
	assert_true(K.notes >= notes + ARRAY_LEN(dead)); /* pages are dropped, too */
}

/* A name that is too long is no name: never that of its first 255 bytes. */
static void long_names_are_not_cut(void **state)
{
	(void)state;
	char name[300];
	plant();
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	OK(do_mkdir(T.at[SNAPDIR], name));
	name[255] = 'n';
	name[256] = '\0';
	ERR(ENAMETOOLONG, do_lookup(T.at[SNAPDIR], name));
	ERR(ENAMETOOLONG, do_mkdir(T.at[SNAPDIR], name));
	ERR(ENAMETOOLONG, do_remove(FUSE_RMDIR, T.at[SNAPDIR], name));
	ERR(ENAMETOOLONG, do_rename(T.at[SNAPDIR], name, T.at[SNAPDIR], "short", 0));
	ERR(ENAMETOOLONG, do_rename(T.at[SNAPDIR], T.snap, T.at[SNAPDIR], name, 0));
	name[255] = '\0';
	OK(do_lookup(T.at[SNAPDIR], name));
	OK(do_remove(FUSE_RMDIR, T.at[SNAPDIR], name));
}

/* Snapshot directory access is switched off on that volume. */
static void snapshots_that_cannot_be_entered(void **state)
{
	(void)state;
	plant();
	OK(do_lookup(FUSE_ROOT_ID, "trident_pvc"));
	uint64_t vol = last.nodeid;
	OK(do_lookup(vol, ".snapshots"));
	uint64_t dir = last.nodeid;
	const char *name = fresh("off");
	OK(do_mkdir(dir, name));
	uint64_t node = last.nodeid;
	ERR(EACCES, do_lookup(node, "x"));
	ERR(EACCES, do_open(FUSE_OPENDIR, node, O_RDONLY));
	ERR(EROFS, do_mkdir(node, "x"));
	ERR(EROFS, t_chmod(node));
	OK(t_statfs(node));
	OK(do_getxattr(node, "ontap.snapshot.name", 100));
	assert_int_equal(K.len, strlen(name));
	OK(do_getattr(node, NULL));
	ERR(ENOTEMPTY, do_remove(FUSE_RMDIR, dir, name)); /* it tried to change something inside */
	OK(do_setxattr(node, "ontap.arm", name));
	OK(do_remove(FUSE_RMDIR, dir, name));
	ERR(ESTALE, do_getattr(node, NULL));
}

/* ---- people ------------------------------------------------------------------------------- */

static void other_people(void **state)
{
	(void)state;
	plant();
	OK(do_setattr(T.at[VOL], &(struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0755}));
	OK(do_setattr(T.at[FILE_], &(struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0600}));
	OK(do_create(T.at[DIR_], "open", O_RDWR, 0600));
	uint64_t node = last.nodeid, fh = opened.fh;
	OK(do_write(node, fh, 0, "mine", 4));
	K.uid = K.gid = 12345;
	K.pid = 0; /* nobody that can be seen here */
	ERR(EACCES, do_create(T.at[DIR_], "n", O_WRONLY, 0600));
	ERR(EACCES, do_mkdir(T.at[DIR_], "n"));
	ERR(EACCES, do_remove(FUSE_UNLINK, T.at[DIR_], "f"));
	ERR(EACCES, do_rename(T.at[DIR_], "f", T.at[DIR_], "g", 0));
	ERR(EPERM, t_chmod(T.at[FILE_]));
	OK(do_lookup(T.at[DIR_], "f"));
	ERR(EACCES, do_open(FUSE_OPEN, T.at[FILE_], O_RDONLY));
	ERR(EACCES, do_mkdir(T.at[SNAPDIR], fresh("theirs")));
	ERR(EPERM, do_remove(FUSE_RMDIR, T.at[SNAPDIR], T.snap));
	ERR(EPERM, do_rename(T.at[SNAPDIR], T.snap, T.at[SNAPDIR], fresh("theirs"), 0));
	OK(do_lookup(T.at[ONTAP], "config"));
	ERR(EACCES, do_open(FUSE_OPEN, last.nodeid, O_RDONLY));
	/* A descriptor that was handed on works for whoever holds it. */
	OK(do_read(FUSE_READ, node, fh, 0, 10));
	assert_int_equal(K.len, 4);
	OK(do_write(node, fh, 4, "!", 1));
	struct fuse_setattr_in cut = {.valid = FATTR_SIZE | FATTR_FH, .fh = fh, .size = 2};
	OK(do_setattr(node, &cut));
	cut.valid = FATTR_SIZE;
	ERR(EACCES, do_setattr(node, &cut));
	/* uid 0 that nobody can see is not root of this host. */
	K.uid = K.gid = 0;
	ERR(EACCES, do_open(FUSE_OPEN, last.nodeid, O_RDONLY));
	K.pid = (uint32_t)getpid();
	OK(do_open(FUSE_OPEN, last.nodeid, O_RDONLY));
	OK(do_release(FUSE_RELEASE, last.nodeid, opened.fh));
	OK(do_release(FUSE_RELEASE, node, fh));
}

/* ---- extended attributes ------------------------------------------------------------------ */

static void xattr_sizes(void **state)
{
	(void)state;
	plant();
	static const struct {
		enum place at;
		const char *name, *value; /* NULL: any */
	} rows[] = {
		{ROOT, "ontap.kind", NULL}, {VOL, "ontap.kind", "volume"}, {SNAP, "ontap.kind", "snapshot"},
		{SNAPDIR, "ontap.kind", "snapdir"}, {FILE_, "ontap.kind", "file"}, {DIR_, "ontap.kind", "directory"},
		{SFILE, "ontap.kind", "file"}, {FILE_, "ontap.volume.name", "project1"},
		{SFILE, "ontap.volume.name", "project1"}, {CLONES, "ontap.volume.name", "project1"},
		{SFILE, "ontap.snapshot.name", T.snap}, {SNAP, "ontap.snapshot.name", T.snap},
		{ROOT, "ontap.json", NULL}, {VOL, "ontap.json", NULL}, {SNAPDIR, "ontap.json", NULL},
		{SFILE, "ontap.json", NULL}, {FILE_, "ontap.uri", NULL}, {SFILE, "ontap.uri", NULL},
		{STAT, "ontap.json", NULL}, {SNAP, "ontap.list", NULL}, {VOL, "ontap.volume.snapshots", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t node = T.at[rows[i].at];
		int err = do_getxattr(node, rows[i].name, 0);
		if (err)
			fail_msg("%s on %s: %s", rows[i].name, place_name[rows[i].at], strerrorname_np(err));
		uint32_t size = ((struct fuse_getxattr_out *)(void *)K.buf)->size;
		assert_true(size > 0 && size < 65536);
		OK(do_getxattr(node, rows[i].name, size));
		assert_int_equal(K.len, size);
		if (rows[i].value && (K.len != strlen(rows[i].value) || memcmp(K.buf, rows[i].value, K.len) != 0))
			fail_msg("%s on %s: %.*s", rows[i].name, place_name[rows[i].at], (int)K.len, (char *)K.buf);
		if (size > 1)
			ERR(ERANGE, do_getxattr(node, rows[i].name, size - 1));
		OK(do_getxattr(node, rows[i].name, 65536));
	}
	ERR(ENODATA, do_getxattr(T.at[FILE_], "ontap.snapshot.name", 100));
	ERR(ENODATA, do_getxattr(T.at[ROOT], "ontap.volume.name", 100));
	ERR(ENODATA, do_getxattr(T.at[ROOT], "ontap.uri", 100));
	char path[100];
	OK(do_getxattr(T.at[SFILE], "ontap.uri", 1000));
	snprintf(path, sizeof(path), "/%s/f", T.top);
	assert_non_null(memmem(K.buf, K.len, path, strlen(path)));
	assert_memory_equal(K.buf, "ontap://svm1/", 13);
}

/* ---- what a kernel would not send --------------------------------------------------------- */

static void odd_requests(void **state)
{
	(void)state;
	static struct listing l;
	plant();
	struct fuse_getattr_in getattr = {0};
	/* A length that lies: dropped, since nothing in it can be trusted. */
	for (int64_t lie = -24; lie <= 4096; lie += 40)
		if (lie)
			post_as(0x7000000000ull, FUSE_GETATTR, FUSE_ROOT_ID, VEC(ARG(getattr)), lie);
	assert_int_equal(send(K.fd, &getattr, 3, 0), 3); /* not even a header */
	OK(do_getattr(FUSE_ROOT_ID, NULL));

	/* Handles and nodes that do not belong together. */
	OK(do_open(FUSE_OPEN, T.at[FILE_], O_RDWR));
	uint64_t file_fh = opened.fh;
	static const enum place dirs[] = {ROOT, VOL, DIR_, SNAPDIR, SNAP, SDIR, CLONES, ONTAP};
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		uint64_t node = T.at[dirs[i]];
		OK(do_open(FUSE_OPENDIR, node, O_RDONLY));
		uint64_t fh = opened.fh;
		assert_int_not_equal(do_read(FUSE_READ, node, fh, 0, 4096), 0);
		assert_int_not_equal(do_write(node, fh, 0, "x", 1), 0);
		assert_int_not_equal(do_read(FUSE_READ, node, file_fh, 0, 4096), 0);
		/* Too small for one entry: nothing, and no end of the daemon. */
		static const uint32_t sizes[] = {0, 1, 8, 24};
		for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
			OK(do_read(FUSE_READDIR, node, fh, 0, sizes[s]));
			assert_int_equal(K.len, 0);
			OK(do_read(FUSE_READDIRPLUS, node, fh, 0, sizes[s]));
			assert_int_equal(K.len, 0);
		}
		/* Offsets that nobody gave out. */
		static const uint64_t offs[] = {3, 1ull << 61, 1ull << 62, (1ull << 62) + 5,
						3ull << 61, (3ull << 61) + 9, INT64_MAX};
		for (size_t o = 0; o < ARRAY_LEN(offs); o++)
			if (do_read(FUSE_READDIR, node, fh, offs[o], 4096) == 0)
				assert_true(K.len <= 4096);
		memset(&l, 0, sizeof(l));
		list_from(node, fh, 0, false, 4096, &l); /* and it still lists */
		assert_int_equal(l.dots, 2);
		OK(do_release(FUSE_RELEASEDIR, node, fh));
	}
	(void)do_read(FUSE_READDIR, T.at[FILE_], file_fh, 0, 4096);
	(void)do_read(FUSE_READ, T.at[STAT], file_fh, 0, 4096);
	OK(do_release(FUSE_RELEASE, T.at[FILE_], file_fh));
	OK(do_release(FUSE_RELEASE, T.at[FILE_], file_fh));

	/* Forgetting what was never known, or more than there is. */
	struct fuse_forget_in much = {.nlookup = 1000};
	post(FUSE_FORGET, 0x4400000009ull, VEC(ARG(much)));
	post(FUSE_FORGET, FUSE_ROOT_ID, VEC(ARG(much)));
	struct fuse_batch_forget_in batch = {.count = UINT32_MAX};
	struct fuse_forget_one one = {.nodeid = 0x4400000009ull, .nlookup = 1};
	post(FUSE_BATCH_FORGET, 0, VEC(ARG(batch), ARG(one))); /* says more than it has */
	post(FUSE_FORGET, 0x4400000009ull, NULL, 0);
	post(FUSE_BATCH_FORGET, 0, NULL, 0);
	K.forgets += 5;
	OK(do_getattr(FUSE_ROOT_ID, NULL));

	/* An interrupt for nobody: to be sent again, if it still matters. */
	struct fuse_interrupt_in in = {.unique = 0x6000000000ull};
	post_as(0x6000000001ull, FUSE_INTERRUPT, 0, VEC(ARG(in)), 0);
	assert_true(take(PATIENCE_MS));
	assert_true(K.unique == 0x6000000001ull);
	assert_int_equal(K.error, EAGAIN);
}

static int ctl(const char *a, const char *b, const char *c, const char *d)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		execl(sim_prog, sim_prog, "ctl", sim_dir, a, b, c, d, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	return status;
}

static void wait_for_reply(uint64_t unique)
{
	do
		assert_true(take(PATIENCE_MS));
	while (K.unique != unique);
}

static void interrupt(uint64_t unique)
{
	struct fuse_interrupt_in in = {.unique = unique};
	post_as(unique | 1, FUSE_INTERRUPT, 0, VEC(ARG(in)), 0);
	/* Not read yet by the worker that got it: the kernel asks again. */
	for (;;) {
		assert_true(take(PATIENCE_MS));
		if (K.unique == unique)
			return;
		if (K.unique == (unique | 1))
			post_as(unique | 1, FUSE_INTERRUPT, 0, VEC(ARG(in)), 0);
	}
}

/* What waits for REST ends at once when it is interrupted; a verb under way
 * does not: its outcome would be unknown. */
static void interrupts(void **state)
{
	(void)state;
	plant();
	K.pid = 0; /* a thread that cannot be seen: any signal ends its wait */
	assert_int_equal(ctl("fault", "rest", "delay", "60000"), 0);
	const char *name = fresh("never");
	uint64_t unique = post(FUSE_LOOKUP, FUSE_ROOT_ID, VEC(STR(name)));
	interrupt(unique);
	assert_int_equal(K.error, EINTR);
	/* Data flows meanwhile. */
	OK(t_open(T.at[SFILE]));
	assert_int_equal(ctl("fault", "clear", NULL, NULL), 0);
	assert_true(stats_get(&K.fs->stats.interrupts) >= 1);
}

static void verbs_are_not_interrupted(void **state)
{
	(void)state;
	plant();
	K.pid = 0;
	assert_int_equal(ctl("job", "delay", "300", NULL), 0);
	struct fuse_mkdir_in mkdir = {.mode = 0755};
	const char *name = fresh("slow");
	uint64_t unique = post(FUSE_MKDIR, T.at[SNAPDIR], VEC(ARG(mkdir), STR(name)));
	struct buf jobs;
	buf_init(&jobs, 4096);
	while (!jobs.len) { /* until ONTAP is at work */
		OK(do_getattr(FUSE_ROOT_ID, NULL));
		control_jobs(K.fs->ctl, &jobs);
	}
	assert_non_null(strstr(jobs.data, name));
	buf_fini(&jobs);
	interrupt(unique);
	assert_int_equal(entry(K.error), 0);
	assert_int_equal(ctl("job", "delay", "0", NULL), 0);
	OK(do_lookup(T.at[SNAPDIR], name));
}

/* ---- a crowd ------------------------------------------------------------------------------ */

/* Many more at once than may be at work, small and large ones, on two workers:
 * some are parked, all are answered, with what belongs to them. */
static void crowd(void **state)
{
	(void)state;
	enum { EACH = 150, PIECE = 20000 };
	plant();
	OK(do_create(T.at[DIR_], "crowd", O_RDWR, 0600));
	uint64_t node = last.nodeid, fh = opened.fh;
	fill_block(9);
	const uint64_t first = K.nsent;
	for (int i = 0; i < EACH; i++) {
		struct fuse_getattr_in getattr = {0};
		struct fuse_write_in w = {.fh = fh, .offset = (uint64_t)i * PIECE, .size = PIECE};
		struct fuse_read_in r = {.fh = fh, .size = 10};
		post(FUSE_GETATTR, T.at[i % GONE], VEC(ARG(getattr)));
		post(FUSE_WRITE, node, VEC(ARG(w), RAW(block + i, PIECE)));
		post(FUSE_READ, T.at[GONE], VEC(ARG(r)));
		post(FUSE_LOOKUP, T.at[SDIR], VEC(STR("f")));
	}
	for (int i = 0; i < 4 * EACH; i++) {
		assert_true(take(PATIENCE_MS));
		static const int errors[] = {0, 0, ESTALE, 0};
		int which = (int)(K.unique / 2 - first - 1) % 4;
		assert_int_equal(K.error, errors[which]);
		if (which == 3)
			assert_int_equal(entry(K.error), 0);
	}
	assert_true(stats_get(&K.fs->stats.parked) > 0);
	for (int i = 0; i < EACH; i++) {
		OK(do_read(FUSE_READ, node, fh, (uint64_t)i * PIECE, PIECE));
		assert_int_equal(K.len, PIECE);
		assert_memory_equal(K.buf, block + i, PIECE);
	}
	OK(do_release(FUSE_RELEASE, node, fh));
}

/* Interrupted while parked: answered with EINTR, the place is free again. */
static void parked_and_interrupted(void **state)
{
	(void)state;
	plant();
	K.pid = 0;
	assert_int_equal(ctl("fault", "rest", "delay", "60000"), 0);
	uint64_t u[10];
	for (size_t i = 0; i < ARRAY_LEN(u); i++) {
		const char *name = fresh("never");
		u[i] = post(FUSE_LOOKUP, FUSE_ROOT_ID, VEC(STR(name)));
	}
	/* The last first: three are at work, the others parked. */
	for (size_t i = ARRAY_LEN(u); i-- > 0;) {
		interrupt(u[i]);
		assert_int_equal(K.error, EINTR);
	}
	/* What was parked never became a request of an operation. */
	uint64_t parked = stats_get(&K.fs->stats.parked);
	assert_true(parked >= ARRAY_LEN(u) - 3 - 2 && parked <= ARRAY_LEN(u));
	uint64_t done = stats_get(&K.fs->stats.requests[FUSE_LOOKUP]), want_done = 0;
	for (uint32_t i = 1; i <= K.nsent; i++)
		want_done += K.sent[i].opcode == FUSE_LOOKUP && K.sent[i].accounted;
	for (size_t i = ARRAY_LEN(u); i-- > 0 && want_done > done;)
		if (K.sent[u[i] / 2].accounted) {
			K.sent[u[i] / 2].accounted = false;
			want_done--;
		}
	assert_int_equal(ctl("fault", "clear", NULL, NULL), 0);
	OK(t_open(T.at[SFILE]));
}

/* ---- the end ------------------------------------------------------------------------------ */

/* fs_stop while requests are under way: they are answered first. */
static void stops_with_requests_out(void **state)
{
	(void)state;
	plant();
	struct fuse_getattr_in getattr = {0};
	uint64_t unique = 0;
	for (int i = 0; i < 50; i++)
		unique = post(FUSE_GETATTR, T.at[FILE_], VEC(ARG(getattr)));
	wait_for_reply(unique);
	/* unmount_fs checks the rest: each has its reply. */
}

int main(int argc, char **argv)
{
	(void)argc;
	const char *tmp = getenv("TMPDIR");
	char *slash = realpath(argv[0], sim_prog) ? sim_prog : NULL;
	for (int i = 0; slash && i < 3; i++)
		if ((slash = strrchr(sim_prog, '/')))
			*slash = '\0';
	strncat(sim_prog, "/ontapsim", sizeof(sim_prog) - strlen(sim_prog) - 1);
	if (geteuid() != 0) {
		puts("skip: the simulator needs root");
		return 77;
	}
	if (access(sim_prog, X_OK) != 0) {
		printf("skip: %s is not built\n", sim_prog);
		return 77;
	}
	snprintf(sim_dir, sizeof(sim_dir), "%s/ontapfs-ops-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(sim_dir)) {
		perror(sim_dir);
		return 1;
	}
	memset(name256, 'x', sizeof(name256) - 1);
	signal(SIGPIPE, SIG_IGN);
	log_set_fd(open(getenv("OPS_LOG") ? getenv("OPS_LOG") : "/dev/null", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	log_set_level(LOG_LV_DEBUG);
#define T2(fn)     cmocka_unit_test_setup_teardown(fn, mount_two, unmount_fs)
#define TIGHT(fn)  cmocka_unit_test_setup_teardown(fn, mount_tight, unmount_fs)
	const struct CMUnitTest tests[] = {
		T2(what_init_agrees_on),
		T2(every_operation_everywhere),
		T2(reads_and_writes),
		T2(appends_go_to_the_end),
		T2(opened_file_was_removed),
		T2(names_that_are_there),
		T2(listings_are_whole),
		T2(listings_of_what_is_ours),
		TIGHT(listings_of_what_is_ours),
		T2(frozen_is_frozen),
		T2(links_to_snapshots),
		T2(snapshot_verbs),
		T2(long_names_are_not_cut),
		T2(snapshots_that_cannot_be_entered),
		T2(other_people),
		T2(xattr_sizes),
		T2(odd_requests),
		T2(interrupts),
		T2(verbs_are_not_interrupted),
		TIGHT(crowd),
		TIGHT(parked_and_interrupted),
		T2(stops_with_requests_out),
	};
	return cmocka_run_group_tests(tests, sim_up, sim_down);
}
