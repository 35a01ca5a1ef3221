/* The kernel's side of kernel.h: a simulator, the raw protocol, a mount. */
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


#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/config.h"
#include "tests/unit/kernel.h"

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

int sim_up(void **state)
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

int sim_down(void **state)
{
	(void)state;
	close(guard_fd);
	waitpid(guard_pid, NULL, 0);
	return 0;
}

/* ---- the kernel's side -------------------------------------------------------------------- */

struct kernel K;

static int number; /* of names, so that no two tests share one */

/* A unique is even, as the kernel's are; an odd one belongs to an interrupt. */
uint64_t post_as(uint64_t unique, uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n,
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

uint64_t post(uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n)
{
	assert_true(K.nsent + 1 < SENT_MAX);
	uint64_t unique = 2ull * ++K.nsent;
	bool silent = opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
	K.sent[K.nsent] = (struct sent){.opcode = (uint8_t)opcode, .want = !silent};
	return post_as(unique, opcode, nodeid, iov, n, 0);
}

/* Takes one message; false when none comes in time. */
bool take(int timeout_ms)
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

int call(uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n)
{
	uint64_t unique = post(opcode, nodeid, iov, n);
	do
		if (!take(PATIENCE_MS))
			fail_msg("no reply to opcode %u on node %llx", opcode, (unsigned long long)nodeid);
	while (K.unique != unique);
	return K.error;
}

void counted(uint64_t nodeid)
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

struct fuse_entry_out last;

int entry(int err)
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

int do_lookup(uint64_t dir, const char *name)
{
	int err = call(FUSE_LOOKUP, dir, VEC(STR(name)));
	if (!err)
		assert_int_equal(K.len, sizeof(struct fuse_entry_out));
	return entry(err);
}

int do_getattr(uint64_t node, struct fuse_attr *out)
{
	struct fuse_getattr_in in = {0};
	int err = call(FUSE_GETATTR, node, VEC(ARG(in)));
	if (!err && out)
		*out = ((struct fuse_attr_out *)(void *)K.buf)->attr;
	return err;
}

int do_setattr(uint64_t node, const struct fuse_setattr_in *in)
{
	return call(FUSE_SETATTR, node, VEC(RAW(in, sizeof(*in))));
}

int do_mknod(uint64_t dir, const char *name, uint32_t mode)
{
	struct fuse_mknod_in in = {.mode = mode};
	return entry(call(FUSE_MKNOD, dir, VEC(ARG(in), STR(name))));
}

int do_mkdir(uint64_t dir, const char *name)
{
	struct fuse_mkdir_in in = {.mode = 0755};
	return entry(call(FUSE_MKDIR, dir, VEC(ARG(in), STR(name))));
}

int do_symlink(uint64_t dir, const char *name, const char *target)
{
	return entry(call(FUSE_SYMLINK, dir, VEC(STR(name), STR(target))));
}

int do_remove(uint32_t opcode, uint64_t dir, const char *name)
{
	return call(opcode, dir, VEC(STR(name)));
}

int do_rename(uint64_t dir, const char *name, uint64_t to, const char *name2, uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = to, .flags = flags};
	return call(FUSE_RENAME2, dir, VEC(ARG(in), STR(name), STR(name2)));
}

int do_link(uint64_t node, uint64_t dir, const char *name)
{
	struct fuse_link_in in = {.oldnodeid = node};
	return entry(call(FUSE_LINK, dir, VEC(ARG(in), STR(name))));
}

struct fuse_open_out opened;

int do_open(uint32_t opcode, uint64_t node, uint32_t flags)
{
	struct fuse_open_in in = {.flags = flags};
	int err = call(opcode, node, VEC(ARG(in)));
	if (!err)
		memcpy(&opened, K.buf, sizeof(opened));
	return err;
}

int do_release(uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};
	return call(opcode, node, VEC(ARG(in)));
}

int open_close(uint32_t opcode, uint64_t node, uint32_t flags)
{
	int err = do_open(opcode, node, flags);
	if (!err)
		OK(do_release(opcode == FUSE_OPEN ? FUSE_RELEASE : FUSE_RELEASEDIR, node, opened.fh));
	return err;
}

int do_create(uint64_t dir, const char *name, uint32_t flags, uint32_t mode)
{
	struct fuse_create_in in = {.flags = flags | O_CREAT, .mode = S_IFREG | mode};
	int err = call(FUSE_CREATE, dir, VEC(ARG(in), STR(name)));
	if (!err)
		memcpy(&opened, K.buf + sizeof(struct fuse_entry_out), sizeof(opened));
	return entry(err);
}

int do_read(uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, uint32_t size)
{
	struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};
	return call(opcode, node, VEC(ARG(in)));
}

int do_write_as(uint64_t node, uint64_t fh, uint64_t off, const void *data, uint32_t size, uint32_t flags,
		       uint32_t write_flags)
{
	struct fuse_write_in in = {.fh = fh, .offset = off, .size = size, .flags = flags, .write_flags = write_flags};
	int err = call(FUSE_WRITE, node, VEC(ARG(in), RAW(data, size)));
	if (!err)
		assert_int_equal(((struct fuse_write_out *)(void *)K.buf)->size, size);
	return err;
}

int do_write(uint64_t node, uint64_t fh, uint64_t off, const void *data, uint32_t size)
{
	return do_write_as(node, fh, off, data, size, O_RDWR, 0);
}

int do_setxattr(uint64_t node, const char *name, const char *value)
{
	struct fuse_setxattr_in in = {.size = (uint32_t)strlen(value)};
	size_t len = K.init.flags & FUSE_SETXATTR_EXT ? sizeof(in) : FUSE_COMPAT_SETXATTR_IN_SIZE;
	return call(FUSE_SETXATTR, node, VEC(RAW(&in, len), STR(name), RAW(value, strlen(value))));
}

int do_getxattr(uint64_t node, const char *name, uint32_t size)
{
	struct fuse_getxattr_in in = {.size = size};
	return call(FUSE_GETXATTR, node, VEC(ARG(in), STR(name)));
}

void want(int got, int expected, const char *what)
{
	if (got != expected)
		fail_msg("%s: %s, want %s", what, strerrorname_np(got), strerrorname_np(expected));
}
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
		.management_lifs = (const char *const *)c.management_lifs, .port = (uint16_t)c.rest_port, .svm = c.svm,
		.login = {.username = c.username, .password = c.password, .ca_pem = c.ca_pem}, .app = "test_ops"};
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

int unmount_fs(void **state)
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

int mount_two(void **state)
{
	(void)state;
	mount_fs(&(struct fs_params){.workers = 2, .slots = 64, .write_slots = 4});
	return 0;
}

/* So little room that a crowd has to wait. */
int mount_tight(void **state)
{
	(void)state;
	mount_fs(&(struct fs_params){.workers = 2, .slots = 3, .write_slots = 1, .snapdir = FS_SNAPDIR_VISIBLE});
	return 0;
}

/* ---- the tree that tests work on ---------------------------------------------------------- */

const char *const place_name[NPLACES] = {
	"root", "volume", "directory", "file", ".snapshots", "snapshot", "directory in a snapshot",
	"file in a snapshot", ".clones", ".ontap", "file of .ontap", "an unknown node",
};

struct planted T;

const char *fresh(const char *prefix)
{
	static char name[4][64];
	static unsigned next;
	char *p = name[next++ % 4];
	snprintf(p, 64, "%s%d", prefix, ++number);
	return p;
}

void plant(void)
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

/* ---- helpers of several tests ------------------------------------------------------------- */

uint8_t block[MIB + 4096];

void fill_block(uint32_t seed)
{
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

uint64_t size_of(uint64_t node)
{
	struct fuse_attr a;
	OK(do_getattr(node, &a));
	return a.size;
}

void wait_for_reply(uint64_t unique)
{
	do
		assert_true(take(PATIENCE_MS));
	while (K.unique != unique);
}
int ctl(const char *a, const char *b, const char *c, const char *d)
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

/* Reads on from `off`; buffers of `size` bytes. */
void list_from(uint64_t node, uint64_t fh, uint64_t off, bool plus, uint32_t size, struct listing *l)
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

struct listing list_of(uint64_t node, bool plus, uint32_t size)
{
	static struct listing l;
	memset(&l, 0, sizeof(l));
	OK(do_open(FUSE_OPENDIR, node, O_RDONLY));
	uint64_t fh = opened.fh;
	list_from(node, fh, 0, plus, size, &l);
	OK(do_release(FUSE_RELEASEDIR, node, fh));
	return l;
}

int find(const struct listing *l, const char *name)
{
	int at = -1;
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->name[i], name) == 0) {
			assert_int_equal(at, -1); /* once */
			at = (int)i;
		}
	return at;
}

int kernel_prepare(const char *argv0)
{
	const char *tmp = getenv("TMPDIR");
	char *slash = realpath(argv0, sim_prog) ? sim_prog : NULL;
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
	signal(SIGPIPE, SIG_IGN);
	log_set_fd(open(getenv("OPS_LOG") ? getenv("OPS_LOG") : "/dev/null", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	log_set_level(LOG_LV_DEBUG);
	return 0;
}
