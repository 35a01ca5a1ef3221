/* fs/nfs/conv.c and guard.c: pure functions. The guard is held against
 * libnfs's own codec: what libnfs encodes must pass, cut anywhere it must not,
 * and whatever passes after random damage libnfs must decode without harm
 * (run it under ASan to see the harm). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/nfs/conv.h"
#include "fs/nfs/guard.h"
#include "fs/nfs/nfs_i.h"

static void status_table(void **state)
{
	(void)state;
	static const struct {
		uint32_t status;
		int err;
		bool known;
	} t[] = {
		{0, 0, true},		  {1, -EPERM, true},	    {2, -ENOENT, true},
		{5, -EIO, true},	  {6, -ENXIO, true},	    {13, -EACCES, true},
		{17, -EEXIST, true},	  {18, -EXDEV, true},	    {19, -ENODEV, true},
		{20, -ENOTDIR, true},	  {21, -EISDIR, true},	    {22, -EINVAL, true},
		{27, -EFBIG, true},	  {28, -ENOSPC, true},	    {30, -EROFS, true},
		{31, -EMLINK, true},	  {63, -ENAMETOOLONG, true}, {66, -ENOTEMPTY, true},
		{69, -EDQUOT, true},	  {70, -ESTALE, true},	    {71, -EREMOTE, true},
		{10001, -ESTALE, true},	  {10002, -EIO, true},	    {10003, -ESTALE, true},
		{10004, -EOPNOTSUPP, true}, {10005, -EIO, true},    {10006, -EIO, true},
		{10007, -EINVAL, true},	  {10008, -EAGAIN, true},   {10009, -EIO, false},
		{3, -EIO, false},	  {0xffffffff, -EIO, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		bool known = !t[i].known;
		assert_int_equal(conv_status(t[i].status, &known), t[i].err);
		assert_int_equal(known, t[i].known);
	}
}

static void times(void **state)
{
	(void)state;
	static const struct {
		int64_t ns;
		uint32_t s, n;
	} out[] = {
		{0, 0, 0},
		{1999999999, 1, 999999999},
		{4294967295ll * 1000000000 + 5, 4294967295u, 5},
		{4294967296ll * 1000000000, 4294967295u, 999999999}, /* too late: the last one */
		{-1, 0, 0},					     /* too early: the first */
	};
	for (size_t i = 0; i < ARRAY_LEN(out); i++) {
		struct nfstime3 t = conv_to_time(out[i].ns);
		assert_int_equal(t.seconds, out[i].s);
		assert_int_equal(t.nseconds, out[i].n);
	}
	assert_int_equal(conv_time(&(struct nfstime3){4000000000u, 7}), 4000000000ll * 1000000000 + 7);
	assert_int_equal(conv_time(&(struct nfstime3){1, 4000000000u}), 1999999999);
}

static void attributes(void **state)
{
	(void)state;
	struct fattr3 a = {.type = NF3LNK,
			   .mode = 0120777, /* with type bits */
			   .nlink = 3,
			   .uid = 4,
			   .gid = 5,
			   .size = 6,
			   .used = 7,
			   .rdev = {8, 9},
			   .fsid = 10,
			   .fileid = 11,
			   .atime = {12, 13},
			   .mtime = {14, 15},
			   .ctime = {16, 17}};
	struct nfsio_attr r = {.uid = 99};
	assert_true(conv_attr(&a, &r));
	assert_int_equal(r.type, NFSIO_LNK);
	assert_int_equal(r.mode, 0777);
	assert_int_equal(r.nlink, 3);
	assert_int_equal(r.uid, 4);
	assert_int_equal(r.gid, 5);
	assert_int_equal(r.size, 6);
	assert_int_equal(r.used, 7);
	assert_int_equal(r.rdev_major, 8);
	assert_int_equal(r.rdev_minor, 9);
	assert_int_equal(r.fsid, 10);
	assert_int_equal(r.fileid, 11);
	assert_int_equal(r.atime_ns, 12000000013);
	assert_int_equal(r.mtime_ns, 14000000015);
	assert_int_equal(r.ctime_ns, 16000000017);
	struct nfsio_attr untouched = {.uid = 99};
	a.type = (enum ftype3)0;
	assert_false(conv_attr(&a, &untouched));
	a.type = (enum ftype3)8;
	assert_false(conv_attr(&a, &untouched));
	assert_int_equal(untouched.uid, 99);
}

static void set_attributes(void **state)
{
	(void)state;
	struct sattr3 r;
	conv_to_sattr(&(struct nfsio_sattr){.mode = 1, .uid = 2, .size = 3}, &r);
	assert_false(r.mode.set_it || r.uid.set_it || r.gid.set_it || r.size.set_it);
	assert_int_equal(r.atime.set_it, DONT_CHANGE);
	conv_to_sattr(&(struct nfsio_sattr){.set = NFSIO_SET_MODE | NFSIO_SET_UID | NFSIO_SET_GID |
						   NFSIO_SET_SIZE | NFSIO_SET_ATIME_NOW |
						   NFSIO_SET_MTIME,
					    .mode = 0107644,
					    .uid = 2,
					    .gid = 3,
					    .size = 1ull << 40,
					    .mtime_ns = 5000000006},
		      &r);
	assert_int_equal(r.mode.set_mode3_u.mode, 07644);
	assert_int_equal(r.uid.set_uid3_u.uid, 2);
	assert_int_equal(r.gid.set_gid3_u.gid, 3);
	assert_int_equal(r.size.set_size3_u.size, 1ull << 40);
	assert_int_equal(r.atime.set_it, SET_TO_SERVER_TIME);
	assert_int_equal(r.mtime.set_it, SET_TO_CLIENT_TIME);
	assert_int_equal(r.mtime.set_mtime_u.mtime.seconds, 5);
	assert_int_equal(r.mtime.set_mtime_u.mtime.nseconds, 6);
}

static void names_and_handles(void **state)
{
	(void)state;
	char name[300];
	assert_true(conv_name_ok("a") && conv_name_ok(".") && conv_name_ok(".."));
	assert_false(conv_name_ok("") || conv_name_ok("/") || conv_name_ok("a/b"));
	memset(name, 'n', sizeof(name));
	name[255] = 0;
	assert_true(conv_name_ok(name));
	name[255] = 'n';
	name[256] = 0;
	assert_false(conv_name_ok(name));
	struct nfsio_fh h = {.len = 9};
	assert_false(conv_handle(name, 0, &h) || conv_handle(name, 65, &h));
	assert_int_equal(h.len, 9);
	assert_true(conv_handle(name, 64, &h));
	assert_int_equal(h.len, 64);
}

static void procedures(void **state)
{
	(void)state;
	static const bool changing[NFSIO_NPROCS] = {
		[NFSIO_SETATTR] = true, [NFSIO_WRITE] = true,	[NFSIO_CREATE] = true,
		[NFSIO_MKDIR] = true,	[NFSIO_SYMLINK] = true, [NFSIO_MKNOD] = true,
		[NFSIO_REMOVE] = true,	[NFSIO_RMDIR] = true,	[NFSIO_RENAME] = true,
		[NFSIO_LINK] = true};
	for (enum nfsio_proc p = 0; p < NFSIO_NPROCS; p++) {
		assert_int_equal(nfsio_is_readonly(p), !changing[p]);
		assert_non_null(nfsio_proc_name(p));
	}
}

/* ---- the guard ---- */

/* Not const: the codec both reads and writes. */
static union {
	GETATTR3res getattr;
	SETATTR3res setattr;
	LOOKUP3res lookup;
	ACCESS3res access;
	READLINK3res readlink;
	READ3res read;
	WRITE3res write;
	CREATE3res create;
	MKDIR3res mkdir;
	SYMLINK3res symlink;
	MKNOD3res mknod;
	REMOVE3res remove;
	RMDIR3res rmdir;
	RENAME3res rename;
	LINK3res link;
	READDIR3res readdir;
	READDIRPLUS3res readdirplus;
	FSSTAT3res fsstat;
	FSINFO3res fsinfo;
	PATHCONF3res pathconf;
	COMMIT3res commit;
	mountres3 mnt;
	char bytes[1024];
} res;

static const zdrproc_t codec[NFSIO_NPROCS] = {
	[NFSIO_GETATTR] = (zdrproc_t)zdr_GETATTR3res,
	[NFSIO_SETATTR] = (zdrproc_t)zdr_SETATTR3res,
	[NFSIO_LOOKUP] = (zdrproc_t)zdr_LOOKUP3res,
	[NFSIO_ACCESS] = (zdrproc_t)zdr_ACCESS3res,
	[NFSIO_READLINK] = (zdrproc_t)zdr_READLINK3res,
	[NFSIO_READ] = (zdrproc_t)zdr_READ3res,
	[NFSIO_WRITE] = (zdrproc_t)zdr_WRITE3res,
	[NFSIO_CREATE] = (zdrproc_t)zdr_CREATE3res,
	[NFSIO_MKDIR] = (zdrproc_t)zdr_MKDIR3res,
	[NFSIO_SYMLINK] = (zdrproc_t)zdr_SYMLINK3res,
	[NFSIO_MKNOD] = (zdrproc_t)zdr_MKNOD3res,
	[NFSIO_REMOVE] = (zdrproc_t)zdr_REMOVE3res,
	[NFSIO_RMDIR] = (zdrproc_t)zdr_RMDIR3res,
	[NFSIO_RENAME] = (zdrproc_t)zdr_RENAME3res,
	[NFSIO_LINK] = (zdrproc_t)zdr_LINK3res,
	[NFSIO_READDIR] = (zdrproc_t)zdr_READDIR3res,
	[NFSIO_READDIRPLUS] = (zdrproc_t)zdr_READDIRPLUS3res,
	[NFSIO_FSSTAT] = (zdrproc_t)zdr_FSSTAT3res,
	[NFSIO_FSINFO] = (zdrproc_t)zdr_FSINFO3res,
	[NFSIO_PATHCONF] = (zdrproc_t)zdr_PATHCONF3res,
	[NFSIO_COMMIT] = (zdrproc_t)zdr_COMMIT3res,
	[NFSIO_MNT] = (zdrproc_t)zdr_mountres3,
};

static struct post_op_attr attr_of(enum ftype3 type)
{
	return (struct post_op_attr){.attributes_follow = 1,
				     .post_op_attr_u.attributes = {.type = type, .mode = 0755}};
}

static struct wcc_data wcc_of(void)
{
	return (struct wcc_data){.before = {.attributes_follow = 1}, .after = attr_of(NF3DIR)};
}

/* Fills `res` as richly as the procedure allows. */
static void fill(int proc)
{
	static char data[] = "0123456789abc", one_name[] = "one", two_name[] = "second";
	static int flavors[] = {1, 390003};
	static struct entry3 e2 = {.fileid = 2, .name = two_name, .cookie = 2};
	static struct entry3 e1 = {.fileid = 1, .name = one_name, .cookie = 1, .nextentry = &e2};
	static struct entryplus3 p2 = {.fileid = 2, .name = two_name, .cookie = 2};
	static struct entryplus3 p1 = {.fileid = 1, .name = one_name, .cookie = 1, .nextentry = &p2};
	struct nfs_fh3 h = {.data = {.data_len = 13, .data_val = data}};
	struct post_op_fh3 ph = {.handle_follows = 1, .post_op_fh3_u.handle = h};
	p1.name_attributes = attr_of(NF3REG);
	p1.name_handle = ph;
	memset(&res, 0, sizeof(res));
	switch (proc) {
	case NFSIO_GETATTR: res.getattr.GETATTR3res_u.resok.obj_attributes.type = NF3REG; break;
	case NFSIO_SETATTR: res.setattr.SETATTR3res_u.resok.obj_wcc = wcc_of(); break;
	case NFSIO_LOOKUP:
		res.lookup.LOOKUP3res_u.resok =
			(LOOKUP3resok){h, attr_of(NF3REG), attr_of(NF3DIR)};
		break;
	case NFSIO_ACCESS: res.access.ACCESS3res_u.resok.obj_attributes = attr_of(NF3REG); break;
	case NFSIO_READLINK:
		res.readlink.READLINK3res_u.resok = (READLINK3resok){attr_of(NF3LNK), data};
		break;
	case NFSIO_READ:
		res.read.READ3res_u.resok =
			(READ3resok){attr_of(NF3REG), 13, 1, {.data_len = 13, .data_val = data}};
		break;
	case NFSIO_WRITE: res.write.WRITE3res_u.resok.file_wcc = wcc_of(); break;
	case NFSIO_CREATE:
	case NFSIO_MKDIR:
	case NFSIO_SYMLINK:
	case NFSIO_MKNOD:
		res.create.CREATE3res_u.resok = (CREATE3resok){ph, attr_of(NF3REG), wcc_of()};
		break;
	case NFSIO_REMOVE:
	case NFSIO_RMDIR: res.remove.REMOVE3res_u.resok.dir_wcc = wcc_of(); break;
	case NFSIO_RENAME: res.rename.RENAME3res_u.resok = (RENAME3resok){wcc_of(), wcc_of()}; break;
	case NFSIO_LINK: res.link.LINK3res_u.resok = (LINK3resok){attr_of(NF3REG), wcc_of()}; break;
	case NFSIO_READDIR:
		res.readdir.READDIR3res_u.resok =
			(READDIR3resok){.dir_attributes = attr_of(NF3DIR), .reply = {&e1, 1}};
		break;
	case NFSIO_READDIRPLUS:
		res.readdirplus.READDIRPLUS3res_u.resok =
			(READDIRPLUS3resok){.dir_attributes = attr_of(NF3DIR), .reply = {&p1, 1}};
		break;
	case NFSIO_FSSTAT: res.fsstat.FSSTAT3res_u.resok.obj_attributes = attr_of(NF3DIR); break;
	case NFSIO_FSINFO: res.fsinfo.FSINFO3res_u.resok.obj_attributes = attr_of(NF3DIR); break;
	case NFSIO_PATHCONF: res.pathconf.PATHCONF3res_u.resok.obj_attributes = attr_of(NF3DIR); break;
	case NFSIO_COMMIT: res.commit.COMMIT3res_u.resok.file_wcc = wcc_of(); break;
	case NFSIO_MNT:
		res.mnt.mountres3_u.mountinfo.fhandle.fhandle3_len = 13;
		res.mnt.mountres3_u.mountinfo.fhandle.fhandle3_val = data;
		res.mnt.mountres3_u.mountinfo.auth_flavors.auth_flavors_len = 2;
		res.mnt.mountres3_u.mountinfo.auth_flavors.auth_flavors_val = flavors;
		break;
	default: break;
	}
}

static void put(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

/* A whole accepted reply with that status; returns its length. */
static size_t encode(int proc, uint32_t status, uint8_t *buf, uint32_t size)
{
	const uint32_t head[] = {0x12345678, 1, 0, 0, 0, 0};
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		put(buf + 4 * i, head[i]);
	fill(proc);
	memcpy(&res, &status, 4);
	if (status)
		memset(res.bytes + 4, 0, sizeof(res) - 4);
	ZDR zdr;
	libnfs_zdrmem_create(&zdr, (char *)buf + 24, size - 24, ZDR_ENCODE);
	assert_true(codec[proc](&zdr, &res));
	size_t len = 24 + libnfs_zdr_getpos(&zdr);
	libnfs_zdr_destroy(&zdr);
	return len;
}

static void guard_takes_what_libnfs_makes(void **state)
{
	(void)state;
	uint8_t buf[4096];
	for (int proc = 0; proc < NFSIO_NPROCS; proc++)
		for (uint32_t status = 0; status <= 2; status += 2) {
			struct guard_head h = {.deny = 1};
			size_t len = encode(proc, status, buf, sizeof(buf));
			if (guard_reply(proc, buf, len, len, &h) != GUARD_OK)
				fail_msg("%s %u", nfsio_proc_name((enum nfsio_proc)proc), status);
			assert_int_equal(h.xid, 0x12345678);
			assert_int_equal(h.deny, 0);
			size_t data = proc == NFSIO_READ && !status ? 16 : 0;
			for (size_t cut = 0; cut < len; cut++) {
				/* A message that ends too soon, and one that goes on. */
				assert_int_equal(guard_reply(proc, buf, cut, cut, &h), GUARD_BAD);
				assert_int_equal(guard_reply(proc, buf, cut, len, &h),
						 cut < len - data ? GUARD_MORE : GUARD_OK);
			}
		}
}

static void guard_tells_denials(void **state)
{
	(void)state;
	static const struct {
		uint32_t words[8], n;
		int deny;
		enum guard_verdict v;
	} t[] = {
		{{1, 1, 1, 1, 5}, 5, -EACCES, GUARD_OK},
		{{1, 1, 1, 0, 2, 2}, 6, -EPROTONOSUPPORT, GUARD_OK},
		{{1, 1, 1, 2, 0}, 5, 0, GUARD_BAD},
		{{1, 1, 0, 0, 0, 1}, 6, -EPROTONOSUPPORT, GUARD_OK},
		{{1, 1, 0, 0, 0, 2, 2, 4}, 8, -EPROTONOSUPPORT, GUARD_OK},
		{{1, 1, 0, 0, 0, 3}, 6, -EOPNOTSUPP, GUARD_OK},
		{{1, 1, 0, 0, 0, 4}, 6, -EIO, GUARD_OK},
		{{1, 1, 0, 0, 0, 5}, 6, -EIO, GUARD_OK},
		{{1, 1, 0, 0, 0, 6}, 6, 0, GUARD_BAD},
		{{1, 0, 0, 0, 0, 0}, 6, 0, GUARD_BAD},
		{{1, 1, 2, 0, 0, 0}, 6, 0, GUARD_BAD},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t buf[64];
		struct guard_head h = {0};
		for (uint32_t w = 0; w < t[i].n; w++)
			put(buf + 4 * w, t[i].words[w]);
		assert_int_equal(guard_reply(NFSIO_GETATTR, buf, 4 * t[i].n, 4 * t[i].n, &h), t[i].v);
		assert_int_equal(h.deny, t[i].deny);
	}
}

/* A LOOKUP that found a handle of that length, and a READLINK of that target. */
static enum guard_verdict judge(int proc, uint32_t len, const char *bytes)
{
	uint8_t buf[256];
	const uint32_t head[] = {1, 1, 0, 0, 0, 0, 0};
	size_t at = 0;
	struct guard_head h;
	for (size_t i = 0; i < ARRAY_LEN(head); i++, at += 4)
		put(buf + at, head[i]);
	if (proc == NFSIO_READLINK) {
		put(buf + at, 0);
		at += 4;
	}
	put(buf + at, len);
	at += 4;
	memset(buf + at, 0, sizeof(buf) - at);
	memcpy(buf + at, bytes, len);
	at += (len + 3u) & ~3u;
	if (proc == NFSIO_LOOKUP)
		at += 8; /* no attributes of the object, none of the directory */
	return guard_reply(proc, buf, at, at, &h);
}

static void guard_refuses_what_libnfs_would_copy(void **state)
{
	(void)state;
	static const char bytes[72] = "any bytes";
	assert_int_equal(judge(NFSIO_LOOKUP, 64, bytes), GUARD_OK);
	assert_int_equal(judge(NFSIO_LOOKUP, 65, bytes), GUARD_BAD);
	assert_int_equal(judge(NFSIO_LOOKUP, 0, bytes), GUARD_BAD);
	assert_int_equal(judge(NFSIO_READLINK, 9, bytes), GUARD_OK);
	assert_int_equal(judge(NFSIO_READLINK, 10, bytes), GUARD_BAD); /* with the NUL */
}

static uint64_t rnd = 88172645463325252ull;

static uint32_t next_random(void)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (uint32_t)(rnd >> 16);
}

/* What passes is shown to libnfs in a block of exactly its size. */
static void guard_protects_libnfs(void **state)
{
	(void)state;
	static const uint32_t nasty[] = {0, 1, 2, 13, 64, 65, 0x7fffffff, 0x80000000, 0xfffffff0,
					 0xffffffff, 0x40000001};
	uint8_t buf[4096];
	uint32_t passed = 0, refused = 0;
	for (int round = 0; round < 60000; round++) {
		int proc = round % NFSIO_NPROCS;
		size_t len = encode(proc, 0, buf, sizeof(buf));
		for (uint32_t hits = 1 + next_random() % 3; hits; hits--) {
			size_t at = next_random() % (len / 4) * 4;
			if (next_random() % 2)
				put(buf + at, nasty[next_random() % ARRAY_LEN(nasty)]);
			else
				buf[at + next_random() % 4] ^= (uint8_t)next_random();
		}
		if (next_random() % 8 == 0)
			len = next_random() % len;
		struct guard_head h = {0};
		if (guard_reply(proc, buf, len, len, &h) != GUARD_OK || h.deny) {
			refused++;
			continue;
		}
		passed++;
		/* Verifiers may have grown: find the results like libnfs does. */
		uint32_t verf;
		memcpy(&verf, buf + 16, 4);
		size_t at = 24 + ((ntohl(verf) + 3u) & ~3u);
		char *exact = malloc(len - at);
		assert_non_null(exact);
		memcpy(exact, buf + at, len - at);
		memset(&res, 0, sizeof(res));
		ZDR zdr;
		libnfs_zdrmem_create(&zdr, exact, (uint32_t)(len - at), ZDR_DECODE);
		if (!codec[proc](&zdr, &res))
			fail_msg("libnfs does not take %s in round %d",
				 nfsio_proc_name((enum nfsio_proc)proc), round);
		assert_true(libnfs_zdr_getpos(&zdr) <= len - at);
		libnfs_zdr_destroy(&zdr);
		free(exact);
	}
	/* Both happen, or this test tests nothing. */
	assert_true(passed > 1000 && refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_table),
		cmocka_unit_test(times),
		cmocka_unit_test(attributes),
		cmocka_unit_test(set_attributes),
		cmocka_unit_test(names_and_handles),
		cmocka_unit_test(procedures),
		cmocka_unit_test(guard_takes_what_libnfs_makes),
		cmocka_unit_test(guard_tells_denials),
		cmocka_unit_test(guard_refuses_what_libnfs_would_copy),
		cmocka_unit_test(guard_protects_libnfs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
