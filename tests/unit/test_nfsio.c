/* fs/nfs against a small server of its own (nfsserver.h): calls, and what replies may hold. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "tests/unit/nfsclient.h"

static void answers(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), 0);
	assert_true(x.c.res.has_attr);
	assert_int_equal(x.c.res.attr.type, NFSIO_REG);
	assert_int_equal(x.c.res.attr.mode, 0644);
	assert_int_equal(x.c.res.attr.size, 1ull << 33);
	assert_int_equal(x.c.res.attr.mtime_ns, 1001 * NS_PER_SEC + 501);
	assert_int_equal(x.c.res.attr.rdev_minor, 4);
	assert_false(x.c.res.resent);
	prepare(&x, NFSIO_LOOKUP);
	assert_int_equal(call(f, &x), 0);
	assert_int_equal(x.c.res.fh.len, 14);
	assert_memory_equal(x.c.res.fh.data, "handle-of-file", 14);
	assert_true(x.c.res.has_attr && x.c.res.has_dir_attr);
	assert_int_equal(x.c.res.dir_attr.type, NFSIO_DIR);
	prepare(&x, NFSIO_READ);
	x.c.offset = 123456789;
	x.c.count = 9999;
	assert_int_equal(call(f, &x), 0);
	check_read(&x);
	prepare(&x, NFSIO_CREATE);
	assert_int_equal(call(f, &x), 0);
	assert_int_equal(x.c.res.fh.len, 8);
	assert_true(x.c.res.before.valid);
	assert_int_equal(x.c.res.before.size, 42);
	assert_int_equal(x.c.res.before.ctime_ns, 901 * NS_PER_SEC + 2);
	assert_true(x.c.res.has_dir_attr);
	assert_int_equal(f->k.calls[NFSIO_READ], 1);
	assert_int_equal(f->k.bytes_read, 9999);
	assert_int_equal(LOCKED(f->a, f->a->accepts), 1);
}

static void refuses_bad_calls(void **state)
{
	struct fixture *f = *state;
	static char longname[300];
	static struct call x;
	start(f);
	memset(longname, 'n', 256);
	const char *bad[] = {NULL, "", "a/b", longname};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		prepare(&x, NFSIO_LOOKUP);
		x.c.name = bad[i];
		assert_int_equal(nfsio_submit(f->n, &x.c), -EINVAL);
	}
	prepare(&x, NFSIO_GETATTR);
	x.c.fh.len = 0;
	assert_int_equal(nfsio_submit(f->n, &x.c), -EINVAL);
	x.c.fh.len = 65;
	assert_int_equal(nfsio_submit(f->n, &x.c), -EINVAL);
	prepare(&x, NFSIO_READ);
	x.c.count = NFSIO_XFER_MAX + 1;
	assert_int_equal(nfsio_submit(f->n, &x.c), -EINVAL);
	assert_int_equal(x.times, 0);
}

/* Every offset of the reply's head, and some in the data. */
static void cut_reply_anywhere(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	for (uint32_t k = 0; k < 4096 + 132; k += k < 140 ? 1 : 97) {
		prepare(&x, NFSIO_READ);
		x.c.offset = k * 1000003ull;
		fault(f->a, CUT, P_READ, 1, k, 0);
		uint32_t at = LOCKED(f->a, f->a->nrecs);
		assert_int_equal(call(f, &x), 0);
		check_read(&x);
		assert_true(x.c.res.resent);
		assert_int_equal(LOCKED(f->a, f->a->nrecs), at + 2);
		assert_int_equal(rec_at(f->a, at).xid, rec_at(f->a, at + 1).xid);
		assert_int_equal(x.times, 1);
	}
	assert_int_equal(f->k.garbage, 0);
	assert_int_equal(f->k.resends, f->k.reconnects);
}

static void cut_with_many_out(void **state)
{
	struct fixture *f = *state;
	static struct call x[8];
	start(f);
	for (uint32_t round = 0; round < 20; round++) {
		fault(f->a, CUT, P_READ, 1, round * 201, 0);
		for (uint32_t i = 0; i < 8; i++) {
			prepare(&x[i], NFSIO_READ);
			x[i].c.offset = (round * 8 + i) * 65537ull;
			submit(f, &x[i]);
		}
		for (uint32_t i = 0; i < 8; i++) {
			run_until(f, x[i].done);
			check_read(&x[i]);
		}
	}
	assert_true(f->k.reconnects >= 20);
}

/* What was executed is not executed again: same XID, same source port. */
static void create_resent_as_it_was(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), 0);
	fault(f->a, CUT, P_CREATE, 2, 60, 0);
	prepare(&x, NFSIO_CREATE);
	assert_int_equal(call(f, &x), 0);
	assert_true(x.c.res.resent);
	assert_int_equal(LOCKED(f->a, f->a->nrecs), 4);
	assert_int_equal(LOCKED(f->a, f->a->executed), 1);
	for (uint32_t i = 2; i < 4; i++) {
		assert_int_equal(rec_at(f->a, i).xid, rec_at(f->a, 1).xid);
		assert_int_equal(rec_at(f->a, i).sport, rec_at(f->a, 1).sport);
		assert_int_not_equal(rec_at(f->a, i).conn, rec_at(f->a, i - 1).conn);
	}
}

static void cancel(void **state)
{
	struct fixture *f = *state;
	static struct call x, y;
	start(f);
	fault(f->a, HOLD, 0, 100, 0, 0);
	prepare(&x, NFSIO_READ);
	submit(f, &x);
	prepare(&y, NFSIO_CREATE);
	submit(f, &y);
	run_until(f, LOCKED(f->a, f->a->nheld) == 2);
	assert_int_equal(nfsio_cancel(f->n, &x.c), 0);
	assert_true(x.done);
	assert_int_equal(x.c.res.err, -EINTR);
	assert_int_equal(nfsio_cancel(f->n, &y.c), -EBUSY);
	assert_false(y.done);
	/* The memory of the cancelled call is no longer anybody's. */
	memset(&x, 0xa5, sizeof(x));
	release(f->a);
	run_until(f, y.done);
	assert_int_equal(y.c.res.err, 0);
	assert_int_equal(f->k.garbage, 0);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), 0);
	assert_int_equal(LOCKED(f->a, f->a->accepts), 1);
}

static void jukebox(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	int64_t t0 = clock_now_ns();
	fault(f->a, JUKEBOX, P_CREATE, 2, 0, 0);
	prepare(&x, NFSIO_CREATE);
	assert_int_equal(call(f, &x), 0);
	assert_true(clock_now_ns() - t0 >= 600 * NS_PER_MS);
	assert_int_equal(f->k.jukebox, 2);
	assert_int_equal(LOCKED(f->a, f->a->nrecs), 3);
	assert_int_not_equal(rec_at(f->a, 0).xid, rec_at(f->a, 1).xid);
	assert_int_not_equal(rec_at(f->a, 1).xid, rec_at(f->a, 2).xid);
	assert_false(x.c.res.resent);
}

static void garbage(void **state)
{
	struct fixture *f = *state;
	/* Words of the message: 0 XID, 1 type, 2 stat, 3 verifier, 4 its length,
	 * 5 accepted, 6 status, then the body. */
	static const struct {
		enum nfsio_proc proc;
		enum fault f;
		uint32_t arg, val;
		int err;
	} t[] = {
		{NFSIO_LOOKUP, SET, 7, 0x80000000, -EIO},     /* handle length: sign */
		{NFSIO_LOOKUP, SET, 7, 0xfffffff0, -EIO},     /* backwards */
		{NFSIO_LOOKUP, SET, 7, 65, -EIO},             /* too long */
		{NFSIO_LOOKUP, SET, 7, 0, -EIO},              /* none */
		{NFSIO_GETATTR, SET, 4, 0x80000000, -EIO},    /* verifier length */
		{NFSIO_GETATTR, SET, 7, 9, -EIO},             /* file type */
		{NFSIO_GETATTR, SET, 2, 7, -EIO},             /* reply_stat */
		{NFSIO_GETATTR, SET, 5, 77, -EIO},            /* accept_stat */
		{NFSIO_GETATTR, SHORT, 60, 0, -EIO},
		{NFSIO_READ, SET, 29, 5000, -EIO},            /* count over what was asked */
		{NFSIO_READ, SET, 29, 100, -EIO},             /* count is not the length */
		{NFSIO_READ, SET, 31, 0xfffffffc, -EIO},      /* data length */
		{NFSIO_READ, SET, 31, 4097, -EIO},
		{NFSIO_CREATE, SET, 8, 0x7fffffff, -EIO},
		{NFSIO_READDIRPLUS, SET, 34, 0x80000000, -EIO}, /* a name's length */
		{NFSIO_READDIRPLUS, XOR, 35, 0x66000000, -EIO}, /* NUL in a name */
		{NFSIO_MNT, SET, 9, 0x40000001, -EIO},        /* flavors */
		{NFSIO_GETATTR, SET, 6, 4711, -EIO},          /* no such nfsstat3 */
		/* Not a reply to anything: tried again. */
		{NFSIO_GETATTR, SET, 1, 0, 0},
		{NFSIO_GETATTR, MARKER, 0, 0xffffffff, 0},
		{NFSIO_GETATTR, MARKER, 0, 0x80000000, 0},
	};
	static struct call x;
	f->a->dir_entries = 3;
	start(f);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		prepare(&x, NFSIO_GETATTR);
		assert_int_equal(call(f, &x), 0);
		uint64_t before = f->k.garbage;
		fault(f->a, t[i].f, 0, 1, t[i].arg, t[i].val);
		prepare(&x, t[i].proc);
		if (call(f, &x) != t[i].err)
			fail_msg("row %zu: %d", i, x.c.res.err);
		assert_int_equal(f->k.garbage, before + 1);
	}
}

/* A server that never says anything sensible must not hold a call for ever. */
static void nothing_but_garbage(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	fault(f->a, SET, 0, 100, 1, 5);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), -EIO);
	assert_int_equal(LOCKED(f->a, f->a->nrecs), 3);
}

static void bad_names_left_out(void **state)
{
	struct fixture *f = *state;
	static char longname[300];
	memset(longname, 'l', 256);
	const char *bad[] = {"", "a/b", longname};
	static struct call x;
	f->a->dir_entries = 4;
	start(f);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		pthread_mutex_lock(&f->a->lock);
		f->a->dir_name = bad[i];
		pthread_mutex_unlock(&f->a->lock);
		prepare(&x, NFSIO_READDIRPLUS);
		assert_int_equal(call(f, &x), 0);
		assert_int_equal(x.c.res.nentries, 3);
		assert_string_equal(x.names[0], "file-0");
		assert_string_equal(x.names[1], "file-2");
		assert_true(x.c.res.eof);
		assert_int_equal(f->k.garbage, i + 1);
	}
	assert_int_equal(LOCKED(f->a, f->a->accepts), 1);
}

static void framing(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum nfsio_proc proc;
		enum fault f;
		uint32_t arg;
	} t[] = {
		{NFSIO_GETATTR, PIECES, 8},	{NFSIO_READ, PIECES, 1000},
		{NFSIO_READDIRPLUS, PIECES, 5000}, {NFSIO_GETATTR, DRIBBLE, 1},
		{NFSIO_READ, DRIBBLE, 7},	{NFSIO_READDIRPLUS, DRIBBLE, 333},
		{NFSIO_READDIRPLUS, GOOD, 0},	{NFSIO_GETATTR, TWICE, 0},
		{NFSIO_READ, TWICE, 0},		{NFSIO_READDIRPLUS, TWICE, 0},
	};
	static struct call x;
	f->a->dir_entries = 500;
	start(f);
	for (size_t i = 0; i < 3 * ARRAY_LEN(t); i++) {
		size_t k = i % ARRAY_LEN(t);
		fault(f->a, t[k].f, 0, 1, t[k].arg, 0);
		prepare(&x, t[k].proc);
		x.c.offset = i * 4099;
		assert_int_equal(call(f, &x), 0);
		if (x.c.proc == NFSIO_READ)
			check_read(&x);
		if (x.c.proc == NFSIO_READDIRPLUS)
			assert_int_equal(x.c.res.nentries, 500);
	}
	assert_int_equal(LOCKED(f->a, f->a->accepts), 1);
	assert_int_equal(f->k.garbage, 0);
}

static void credentials(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	for (uint32_t i = 0; i < 6; i++) {
		prepare(&x, NFSIO_GETATTR);
		x.c.cred.uid = 1000 + i / 2;
		x.c.cred.gid = 2000 + i;
		x.c.cred.ngroups = i < 5 ? i : 33;
		for (uint32_t g = 0; g < NFSIO_GROUPS_MAX; g++)
			x.c.cred.groups[g] = 3000 + g * (i + 1);
		assert_int_equal(call(f, &x), 0);
		struct rec r = rec_at(f->a, i);
		assert_int_equal(r.uid, 1000 + i / 2);
		assert_int_equal(r.gid, 2000 + i);
		assert_int_equal(r.ngroups, i < 5 ? i : 16);
		for (uint32_t g = 0; g < r.ngroups; g++)
			assert_int_equal(r.groups[g], 3000 + g * (i + 1));
	}
	/* A resent call goes out as its own user, not as the last one. */
	fault(f->a, HOLD, 0, 2, 0, 0);
	static struct call y;
	prepare(&x, NFSIO_GETATTR);
	x.c.cred.uid = 1;
	submit(f, &x);
	prepare(&y, NFSIO_GETATTR);
	y.c.cred.uid = 2;
	submit(f, &y);
	run_until(f, LOCKED(f->a, f->a->nheld) == 2);
	cut_all(f->a);
	run_until(f, x.done && y.done);
	assert_int_equal(LOCKED(f->a, f->a->nrecs), 10);
	for (uint32_t i = 8; i < 10; i++)
		for (uint32_t j = 6; j < 8; j++)
			if (rec_at(f->a, i).xid == rec_at(f->a, j).xid)
				assert_int_equal(rec_at(f->a, i).uid, rec_at(f->a, j).uid);
	assert_int_equal(rec_at(f->a, 8).uid + rec_at(f->a, 9).uid, 3);
}

static void denials(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	fault(f->a, DENY, 0, 1, 0, 0);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), -EACCES);
	fault(f->a, UNAVAIL, 0, 1, 0, 0);
	prepare(&x, NFSIO_READ);
	assert_int_equal(call(f, &x), -EPROTONOSUPPORT);
	fault(f->a, SET, P_LOOKUP, 1, 6, 70);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), 0);
	/* The connection was fine all the time. */
	assert_int_equal(LOCKED(f->a, f->a->accepts), 1);
	assert_int_equal(f->k.garbage, 0);
}

static void resubmit(struct nfsio_call *c)
{
	struct call *x = c->priv;
	finished(c);
	x->done = x->times == 1000;
	struct fixture *f = *(struct fixture **)(void *)x->names;
	if (!x->done)
		assert_int_equal(nfsio_submit(f->n, c), 0);
}

static void again_from_done(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	prepare(&x, NFSIO_GETATTR);
	*(struct fixture **)(void *)x.names = f;
	x.c.done = resubmit;
	assert_int_equal(call(f, &x), 0);
	assert_int_equal(LOCKED(f->a, f->a->nrecs), 1000);
}

static void freed_with_calls_out(void **state)
{
	struct fixture *f = *state;
	static struct call x, y;
	start(f);
	fault(f->a, HOLD, 0, 100, 0, 0);
	prepare(&x, NFSIO_READ);
	submit(f, &x);
	prepare(&y, NFSIO_CREATE);
	submit(f, &y);
	run_until(f, LOCKED(f->a, f->a->nheld) == 2);
	nfsio_free(f->n);
	f->n = NULL;
	assert_int_equal(x.c.res.err, -ECANCELED);
	assert_int_equal(y.c.res.err, -ECANCELED);
	assert_int_equal(x.times, 1);
	assert_int_equal(y.times, 1);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, client_setup, client_teardown)
	const struct CMUnitTest tests[] = {
		T(answers),
		T(refuses_bad_calls),
		T(cut_reply_anywhere),
		T(cut_with_many_out),
		T(create_resent_as_it_was),
		T(cancel),
		T(jukebox),
		T(garbage),
		T(nothing_but_garbage),
		T(bad_names_left_out),
		T(framing),
		T(credentials),
		T(denials),
		T(again_from_done),
		T(freed_with_calls_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
