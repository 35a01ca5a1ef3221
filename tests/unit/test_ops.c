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

/* ---- the simulator --------------------------------------------------------------- */

static char sim_dir[256], sim_prog[512];
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

/* ---- the kernel's side -------------------------------------------------------------- */

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
			fail_msg("request %u with opcode %u has a reply too many", (unsigned)(out.unique / 2), s->opcode);
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

#define VEC(...)      ((struct iovec[]){__VA_ARGS__}), (int)(sizeof((struct iovec[]){__VA_ARGS__}) / sizeof(struct iovec))
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

/* ---- operations ---------------------------------------------------------------------- */

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

static int do_write(uint64_t node, uint64_t fh, uint64_t off, const void *data, uint32_t size)
{
	struct fuse_write_in in = {.fh = fh, .offset = off, .size = size};
	int err = call(FUSE_WRITE, node, VEC(ARG(in), RAW(data, size)));
	if (!err)
		assert_int_equal(((struct fuse_write_out *)(void *)K.buf)->size, size);
	return err;
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

/* ---- a mount ----------------------------------------------------------------------------- */

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
		.management_lif = c.management_lif, .port = (uint16_t)c.rest_port, .svm = c.svm, .username = c.username,
		.password = c.password, .ca_pem = c.ca_pem, .app = "test_ops"};
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

/* ---- the tree that tests work on ------------------------------------------------------------ */

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

/* ---- the table --------------------------------------------------------------------------------- */

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
	return do_setattr(at, &(struct fuse_setattr_in){.valid = FATTR_MTIME | FATTR_MTIME_NOW | FATTR_ATIME, .atime = 5});
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
	{"MKDIR", t_mkdir, {EPERM, 0, 0, ENOTDIR, 0, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"MKDIR, a long name", t_mkdir_long, ALL(LONG, ESTALE)},
	{"SYMLINK", t_symlink, {EPERM, 0, 0, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"SYMLINK, a long name", t_symlink_long, ALL(LONG, ESTALE)},
	{"CREATE", t_create, {EPERM, 0, 0, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"CREATE, a long name", t_create_long, ALL(LONG, ESTALE)},
	{"UNLINK of nothing", t_unlink,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, EPERM, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
	{"UNLINK, a long name", t_unlink_long, ALL(LONG, ESTALE)},
	{"RMDIR of nothing", t_rmdir,
	 {EPERM, ENOENT, ENOENT, ENOTDIR, ENOENT, EROFS, EROFS, EROFS, EPERM, EPERM, EPERM, ESTALE}},
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

