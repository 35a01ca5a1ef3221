/* FUSE requests that belong together: file data, names, listings, snapshots, odd
 * requests, interrupts, a crowd, the end. */
#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/fs.h>
#include <sys/socket.h>

#include "fs/base/clock.h"
#include "tests/unit/kernel.h"

/* ---- file data ---------------------------------------------------------------------------- */


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
	struct fuse_flush_in flush = {.fh = fh};
	OK(call(FUSE_FLUSH, node, VEC(ARG(flush))));
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
	OK(open_close(FUSE_OPENDIR, T.at[SNAP], O_RDONLY));
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
	ERR(EROFS, do_setattr(node, &(struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0757}));
	OK(call(FUSE_STATFS, node, NULL, 0));
	OK(do_getxattr(node, "ontap.snapshot.name", 100));
	assert_int_equal(K.len, strlen(name));
	OK(do_getattr(node, NULL));
	ERR(ENOTEMPTY, do_remove(FUSE_RMDIR, dir, name)); /* it tried to change something inside */
	OK(do_setxattr(node, "ontap.arm", name));
	OK(do_remove(FUSE_RMDIR, dir, name));
	ERR(ESTALE, do_getattr(node, NULL));
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
	OK(open_close(FUSE_OPEN, T.at[SFILE], O_RDONLY));
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
	OK(open_close(FUSE_OPEN, T.at[SFILE], O_RDONLY));
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
	int skip = kernel_prepare(argv[0]);
	if (skip)
		return skip;
#define T2(fn)     cmocka_unit_test_setup_teardown(fn, mount_two, unmount_fs)
#define TIGHT(fn)  cmocka_unit_test_setup_teardown(fn, mount_tight, unmount_fs)
	const struct CMUnitTest tests[] = {
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
		T2(odd_requests),
		T2(interrupts),
		T2(verbs_are_not_interrupted),
		TIGHT(crowd),
		TIGHT(parked_and_interrupted),
		T2(stops_with_requests_out),
	};
	return cmocka_run_group_tests(tests, sim_up, sim_down);
}
