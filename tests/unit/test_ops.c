/* Every FUSE operation on every kind of object; what INIT agrees on; who may
 * what; extended attributes. Scenarios are in test_ops_flow.c. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/fs.h>
#include <sys/mman.h>

#include "tests/unit/kernel.h"

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
/* Changed since the kernel was told: it looks again, and opens again. */
static int open_fresh(uint64_t at, uint32_t flags)
{
	int err = open_close(FUSE_OPEN, at, flags);
	if (err != ESTALE || at == T.at[GONE])
		return err;
	OK(do_lookup(T.at[DIR_], "f"));
	return open_close(FUSE_OPEN, at, flags);
}
static int t_open(uint64_t at) { return open_fresh(at, O_RDONLY); }
static int t_open_w(uint64_t at) { return open_fresh(at, O_RDWR); }
static int t_open_trunc(uint64_t at) { return open_fresh(at, O_WRONLY | O_TRUNC); }
static int t_open_append(uint64_t at) { return open_fresh(at, O_WRONLY | O_APPEND); }
static int t_opendir(uint64_t at) { return open_close(FUSE_OPENDIR, at, O_RDONLY | O_DIRECTORY); }
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

int main(int argc, char **argv)
{
	(void)argc;
	int skip = kernel_prepare(argv[0]);
	if (skip)
		return skip;
	memset(name256, 'x', sizeof(name256) - 1);
#define T2(fn)     cmocka_unit_test_setup_teardown(fn, mount_two, unmount_fs)
	const struct CMUnitTest tests[] = {
		T2(what_init_agrees_on),
		T2(every_operation_everywhere),
		T2(other_people),
		T2(xattr_sizes),
	};
	return cmocka_run_group_tests(tests, sim_up, sim_down);
}
