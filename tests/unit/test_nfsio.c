/* fs/nfs against a small server of its own (nfsserver.h). */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "fs/base/clock.h"
#include "fs/base/ev.h"
#include "fs/base/log.h"
#include "fs/nfs/nfsio.h"
#include "tests/unit/nfsserver.h"

/* ---- the client ---- */

struct fixture {
	struct ev *ev;
	struct nfsio *n;
	struct server *a, *b;
	struct nfsio_counters k;
	_Atomic uint32_t xid;
	struct nfsio_params p;
};

struct call {
	struct nfsio_call c;
	bool done;
	int times;
	uint8_t data[16384];
	char names[4][300];
};

static const struct nfsio_fh dir_fh = {.len = 4, .data = "dir!"};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	log_init("test_nfsio", 2);
	log_set_level(getenv("TEST_LOG") ? LOG_LV_DEBUG : LOG_LV_ERROR);
	signal(SIGPIPE, SIG_IGN);
	f->ev = ev_new();
	f->a = server_new("127.0.0.1");
	f->b = server_new("127.0.0.2");
	f->xid = 0xfffffff0u; /* wraps during the test */
	f->p = (struct nfsio_params){.nlifs = 1,
				     .nconnect = 1,
				     .silence_ns = 60 * NS_PER_MS,
				     .next_xid = &f->xid,
				     .counters = &f->k};
	strcpy_bounded(f->p.lifs[0].address, "127.0.0.1", sizeof(f->p.lifs[0].address));
	strcpy_bounded(f->p.lifs[1].address, "127.0.0.2", sizeof(f->p.lifs[1].address));
	f->p.lifs[0].nfs_port = f->p.lifs[0].mount_port = f->a->port;
	f->p.lifs[1].nfs_port = f->p.lifs[1].mount_port = f->b->port;
	*state = f;
	return 0;
}

static void start(struct fixture *f)
{
	if (!f->a->thread)
		server_run(f->a);
	if (f->p.nlifs > 1)
		server_run(f->b);
	f->n = nfsio_new(f->ev, &f->p);
	assert_non_null(f->n);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	clock_set_fake(-1);
	nfsio_free(f->n);
	assert_int_equal(f->k.connections, 0);
	server_stop(f->a);
	server_stop(f->b);
	ev_free(f->ev);
	free(f);
	return 0;
}

static void finished(struct nfsio_call *c)
{
	struct call *x = c->priv;
	x->done = true;
	x->times++;
	if (!c->res.err && c->proc == NFSIO_READ)
		memcpy(x->data, c->res.data, MIN_OF((size_t)c->res.count, sizeof(x->data)));
	for (uint32_t i = 0; !c->res.err && i < c->res.nentries && i < 4; i++)
		snprintf(x->names[i], sizeof(x->names[i]), "%s", c->res.entries[i].name);
}

static void prepare(struct call *x, enum nfsio_proc proc)
{
	memset(x, 0, sizeof(*x));
	x->c.proc = proc;
	x->c.done = finished;
	x->c.priv = x;
	x->c.fh = dir_fh;
	x->c.name = "name";
	x->c.count = 4096;
}

static void submit(struct fixture *f, struct call *x)
{
	x->done = false;
	assert_int_equal(nfsio_submit(f->n, &x->c), 0);
	assert_false(x->done);
}

/* Runs the loop until cond; fails after five seconds. */
#define run_until(f, cond)                                                     \
	do {                                                                   \
		int64_t until_ = clock_now_ns() + 5 * NS_PER_SEC;              \
		while (!(cond)) {                                              \
			ev_run_once((f)->ev, 5);                               \
			if (clock_now_ns() > until_)                           \
				fail_msg("never came: %s", #cond);             \
		}                                                              \
	} while (0)

static int call(struct fixture *f, struct call *x)
{
	submit(f, x);
	run_until(f, x->done);
	return x->c.res.err;
}

static void check_read(const struct call *x)
{
	assert_int_equal(x->c.res.err, 0);
	assert_int_equal(x->c.res.count, x->c.count);
	for (uint32_t i = 0; i < x->c.count && i < sizeof(x->data); i++)
		if (x->data[i] != pattern(x->c.offset + i))
			fail_msg("wrong byte at %u", i);
}

static struct rec rec_at(struct server *s, uint32_t i)
{
	return LOCKED(s, s->recs[i]);
}

/* How many calls of that procedure came in. */
static uint32_t seen(struct server *s, uint32_t proc)
{
	uint32_t n = 0;
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->nrecs; i++)
		n += s->recs[i].proc == proc;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* ---- tests ---- */

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

static void hard_and_paced(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	f->a->slam_accepts = true;
	start(f);
	prepare(&x, NFSIO_READ);
	submit(f, &x);
	int64_t t0 = clock_now_ns();
	while (clock_now_ns() - t0 < 650 * NS_PER_MS)
		ev_run_once(f->ev, 5);
	assert_false(x.done);
	/* 0, ~100, ~300 ms; the fourth is due at 525 ms at the earliest */
	assert_in_range(LOCKED(f->a, f->a->accepts), 3, 4);
	pthread_mutex_lock(&f->a->lock);
	f->a->slam_accepts = false;
	pthread_mutex_unlock(&f->a->lock);
	run_until(f, x.done);
	check_read(&x);
}

static void nobody_listens(void **state)
{
	struct fixture *f = *state;
	static struct call x, y;
	struct nfsio_lif_state ls;
	f->n = nfsio_new(f->ev, &f->p);
	assert_non_null(f->n);
	prepare(&x, NFSIO_READ);
	submit(f, &x);
	run_until(f, nfsio_lif_states(f->n, &ls, 1) == 1 && ls.last_err);
	assert_int_equal(ls.last_err, -ECONNREFUSED);
	assert_int_equal(ls.connections, 0);
	prepare(&y, NFSIO_CREATE);
	submit(f, &y);
	/* Neither was sent: both may be taken back. */
	assert_int_equal(nfsio_cancel(f->n, &y.c), 0);
	assert_int_equal(y.c.res.err, -EINTR);
	server_run(f->a);
	run_until(f, x.done);
	check_read(&x);
	assert_int_equal(nfsio_lif_states(f->n, &ls, 1), 1);
	assert_int_equal(ls.last_err, 0);
	assert_int_equal(ls.connections, 1);
	assert_string_equal(ls.address, "127.0.0.1");
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

static void soft(void **state)
{
	struct fixture *f = *state;
	static struct call x, y;
	f->p.soft_ns = 150 * NS_PER_MS;
	start(f);
	fault(f->a, HOLD, 0, 100, 0, 0);
	int64_t t0 = clock_now_ns();
	prepare(&x, NFSIO_READ);
	submit(f, &x);
	prepare(&y, NFSIO_CREATE);
	submit(f, &y);
	run_until(f, x.done && y.done);
	assert_int_equal(x.c.res.err, -ETIMEDOUT);
	assert_int_equal(y.c.res.err, -ETIMEDOUT);
	assert_in_range(clock_now_ns() - t0, 150 * NS_PER_MS, 450 * NS_PER_MS);
	release(f->a);
	prepare(&x, NFSIO_READ);
	assert_int_equal(call(f, &x), 0);
	check_read(&x);
}

/* Two LIFs, one falls silent: what may be repeated goes to the other. */
static void silent_lif(void **state)
{
	struct fixture *f = *state;
	static struct call x[12];
	static struct call c;
	f->p.nlifs = 2;
	start(f);
	/* Enough load that both get a connection. */
	fault(f->a, HOLD, 0, 100, 0, 0);
	fault(f->b, HOLD, 0, 100, 0, 0);
	for (int i = 0; i < 12; i++) {
		prepare(&x[i], NFSIO_READ);
		x[i].c.offset = (uint64_t)i << 20;
		submit(f, &x[i]);
		for (int k = 0; k < 5; k++)
			ev_run_once(f->ev, 2);
	}
	run_until(f, LOCKED(f->a, f->a->nheld) && LOCKED(f->b, f->b->nheld));
	prepare(&c, NFSIO_CREATE);
	submit(f, &c);
	run_until(f, seen(f->a, P_CREATE) + seen(f->b, P_CREATE) == 1);
	bool on_a = seen(f->a, P_CREATE);
	struct server *dead = on_a ? f->a : f->b, *alive = on_a ? f->b : f->a;
	struct nfsio_lif_state ls[2];
	/* While nobody answers, it may be the server: a change stays where it is. */
	run_until(f, seen(dead, P_NULL));
	for (int i = 0; i < 40; i++)
		ev_run_once(f->ev, 5);
	assert_false(c.done);
	assert_int_equal(seen(f->a, P_CREATE) + seen(f->b, P_CREATE), 1);
	release(alive);
	for (int i = 0; i < 12; i++) {
		run_until(f, x[i].done);
		check_read(&x[i]);
	}
	/* The other one answers: what changes something follows. */
	run_until(f, c.done);
	assert_int_equal(c.c.res.err, 0);
	assert_true(c.c.res.resent);
	assert_int_equal(seen(alive, P_CREATE), 1);
	assert_int_equal(nfsio_lif_states(f->n, ls, 2), 2);
	assert_false(ls[on_a ? 1 : 0].silent);
	/* Its late answers meet nobody. */
	release(dead);
	for (int i = 0; i < 12; i++) {
		prepare(&x[i], NFSIO_GETATTR);
		assert_int_equal(call(f, &x[i]), 0);
	}
	assert_int_equal(c.times, 1);
	assert_int_equal(f->k.garbage, 0);
	assert_int_equal(nfsio_lif_states(f->n, ls, 2), 2);
	assert_false(ls[0].silent || ls[1].silent);
}

/* Two LIFs: a change takes its time, but its LIF answers a NULL. It stays. */
static void slow_change(void **state)
{
	struct fixture *f = *state;
	static struct call c, x;
	f->p.nlifs = 2;
	start(f);
	fault(f->a, HOLD, P_CREATE, 1, 0, 0);
	fault(f->b, HOLD, P_CREATE, 1, 0, 0);
	prepare(&c, NFSIO_CREATE);
	submit(f, &c);
	run_until(f, seen(f->a, P_NULL) + seen(f->b, P_NULL) >= 4);
	assert_false(c.done);
	assert_int_equal(seen(f->a, P_CREATE) + seen(f->b, P_CREATE), 1);
	release(seen(f->a, P_CREATE) ? f->a : f->b);
	run_until(f, c.done);
	assert_int_equal(c.c.res.err, 0);
	assert_false(c.c.res.resent);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), 0);
}

/* The connection breaks after the call was sent: with look_first that is told. */
static void look_first(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	prepare(&x, NFSIO_REMOVE);
	x.c.look_first = true;
	fault(f->a, SLAM, P_REMOVE, 1, 0, 0);
	assert_int_equal(call(f, &x), NFSIO_LOST);
	assert_int_equal(seen(f->a, P_REMOVE), 1);
	/* Sent by its caller again, it is as any other. */
	assert_int_equal(call(f, &x), 0);
	assert_int_equal(x.times, 2);
	assert_int_equal(seen(f->a, P_REMOVE), 2);
	assert_false(x.c.res.resent);
	/* Not sent yet: nothing is lost with a connection. */
	cut_all(f->a);
	x.c.look_first = true;
	for (int i = 0; i < 20; i++)
		ev_run_once(f->ev, 5);
	assert_int_equal(call(f, &x), 0);
	/* It cannot be cancelled once it is lost, and ends with the rest. */
	fault(f->a, HOLD, P_REMOVE, 1, 0, 0);
	submit(f, &x);
	run_until(f, LOCKED(f->a, f->a->nheld));
	assert_int_equal(nfsio_cancel(f->n, &x.c), -EBUSY);
	nfsio_free(f->n);
	f->n = NULL;
	assert_int_equal(x.c.res.err, -ECANCELED);
}

static void bounded_and_spread(void **state)
{
	struct fixture *f = *state;
	static struct call x[64];
	f->p.nconnect = 4;
	f->p.inflight_bytes = 128 << 10;
	start(f);
	fault(f->a, HOLD, 0, 10000, 0, 0);
	for (int i = 0; i < 64; i++) {
		prepare(&x[i], NFSIO_READ);
		x[i].c.count = 64 << 10;
		x[i].c.offset = (uint64_t)i << 20;
		submit(f, &x[i]);
	}
	run_until(f, LOCKED(f->a, f->a->nheld) == 8);
	/* Metadata passes by. */
	static struct call m;
	fault(f->a, HOLD, P_READ, 10000, 0, 0);
	prepare(&m, NFSIO_GETATTR);
	assert_int_equal(call(f, &m), 0);
	assert_int_equal(LOCKED(f->a, f->a->nheld), 8);
	uint32_t per[5] = {0};
	for (uint32_t i = 0; i < 8; i++)
		per[rec_at(f->a, i).conn]++;
	for (int i = 1; i < 5; i++)
		assert_int_equal(per[i], 2);
	release(f->a);
	for (int i = 0; i < 64; i++) {
		run_until(f, x[i].done);
		check_read(&x[i]);
	}
	assert_int_equal(LOCKED(f->a, f->a->accepts), 4);
	assert_int_equal(f->k.connections, 4);
	assert_int_equal(f->k.resends, 0);
}

static void grows_with_load(void **state)
{
	struct fixture *f = *state;
	static struct call x[16];
	f->p.nconnect = 2;
	start(f);
	for (int i = 0; i < 20; i++) {
		prepare(&x[0], NFSIO_GETATTR);
		assert_int_equal(call(f, &x[0]), 0);
	}
	assert_int_equal(LOCKED(f->a, f->a->accepts), 1);
	fault(f->a, HOLD, 0, 100, 0, 0);
	for (int i = 0; i < 16; i++) {
		prepare(&x[i], NFSIO_GETATTR);
		submit(f, &x[i]);
		if (i == 7)
			run_until(f, f->k.connections == 2);
	}
	run_until(f, LOCKED(f->a, f->a->nheld) == 16);
	assert_int_equal(LOCKED(f->a, f->a->accepts), 2);
	uint32_t per[3] = {0};
	for (uint32_t i = 20; i < 36; i++)
		per[rec_at(f->a, i).conn]++;
	assert_true(per[2] >= 6);
	release(f->a);
	for (int i = 0; i < 16; i++)
		run_until(f, x[i].done);
}

/* Lets `ns` pass for everybody here; until teardown the clock stands still. */
static void pass(struct fixture *f, int64_t ns)
{
	clock_set_fake(clock_now_ns() + ns);
	for (int i = 0; i < 5; i++)
		ev_run_once(f->ev, 5);
}

#define run_passing(f, cond)                                                   \
	do {                                                                   \
		for (int turns_ = 0; !(cond); turns_++) {                      \
			pass((f), 100 * NS_PER_MS);                            \
			if (turns_ == 100)                                     \
				fail_msg("never came: %s", #cond);             \
		}                                                              \
	} while (0)

/* The connection is up, acknowledged, and mute. */
static void mute_for_a_minute(void **state)
{
	struct fixture *f = *state;
	static struct call x, y;
	start(f);
	fault(f->a, HOLD, 0, 2, 0, 0);
	prepare(&x, NFSIO_CREATE);
	submit(f, &x);
	prepare(&y, NFSIO_READ);
	submit(f, &y);
	run_until(f, LOCKED(f->a, f->a->nheld) == 2);
	pass(f, 59 * NS_PER_SEC);
	pass(f, 0);
	assert_int_equal(LOCKED(f->a, f->a->nrecs), 2);
	pass(f, 2 * NS_PER_SEC);
	run_passing(f, x.done && y.done);
	assert_int_equal(x.c.res.err, 0);
	check_read(&y);
	assert_int_equal(LOCKED(f->a, f->a->nrecs), 4);
	assert_int_equal(LOCKED(f->a, f->a->executed), 1);
	assert_int_equal(LOCKED(f->a, f->a->accepts), 2);
}

/* A changing call waits for its own LIF, but not for ever. */
static void home_is_gone(void **state)
{
	struct fixture *f = *state;
	static struct call x, y;
	f->p.nlifs = 2;
	f->p.silence_ns = 100 * NS_PER_SEC;
	start(f);
	fault(f->a, HOLD, 0, 1, 0, 0);
	fault(f->b, HOLD, 0, 1, 0, 0);
	prepare(&x, NFSIO_CREATE);
	submit(f, &x);
	run_until(f, seen(f->a, P_CREATE) + seen(f->b, P_CREATE) == 1);
	struct server *home = seen(f->a, P_CREATE) ? f->a : f->b, *other = home == f->a ? f->b : f->a;
	/* From now on its connections are closed at once. */
	pthread_mutex_lock(&home->lock);
	home->slam_accepts = true;
	pthread_mutex_unlock(&home->lock);
	cut_all(home);
	fault(other, GOOD, 0, 0, 0, 0);
	/* What changes nothing is not held up. */
	prepare(&y, NFSIO_GETATTR);
	submit(f, &y);
	run_passing(f, y.done);
	assert_false(x.done);
	run_passing(f, x.done);
	assert_int_equal(x.c.res.err, 0);
	assert_true(x.c.res.resent);
	assert_int_equal(seen(other, P_CREATE), 1);
	assert_int_equal(seen(home, P_CREATE), 1);
	for (uint32_t i = 0; i < LOCKED(other, other->nrecs); i++)
		if (rec_at(other, i).proc == P_CREATE)
			assert_int_equal(rec_at(other, i).xid, rec_at(home, 0).xid);
}

static void mount_closes_when_idle(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	prepare(&x, NFSIO_MNT);
	x.c.name = "/export";
	assert_int_equal(call(f, &x), 0);
	assert_int_equal(f->k.connections, 1);
	pass(f, 4 * NS_PER_SEC);
	assert_int_equal(f->k.connections, 1);
	pass(f, 2 * NS_PER_SEC);
	assert_int_equal(f->k.connections, 0);
}

static void mount_on_its_own(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	prepare(&x, NFSIO_GETATTR);
	assert_int_equal(call(f, &x), 0);
	prepare(&x, NFSIO_MNT);
	x.c.name = "/export";
	assert_int_equal(call(f, &x), 0);
	assert_int_equal(x.c.res.fh.len, 4);
	assert_memory_equal(x.c.res.fh.data, "root", 4);
	assert_int_equal(LOCKED(f->a, f->a->accepts), 2);
	if (geteuid() == 0)
		assert_in_range(rec_at(f->a, 1).sport, 512, 1023);
	fault(f->a, SET, P_MNT, 1, 6, 13);
	prepare(&x, NFSIO_MNT);
	x.c.name = "/export";
	assert_int_equal(call(f, &x), -EACCES);
	assert_int_equal(x.c.res.nfsstat, 13);
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

static void idle_sleeps(void **state)
{
	struct fixture *f = *state;
	static struct call x;
	start(f);
	prepare(&x, NFSIO_READ);
	assert_int_equal(call(f, &x), 0);
	/* The scan runs out by itself, then nothing is armed any more. */
	run_until(f, ev_run_once(f->ev, 200) == 0);
	int64_t t0 = clock_now_ns();
	assert_int_equal(ev_run_once(f->ev, 300), 0);
	assert_true(clock_now_ns() - t0 >= 290 * NS_PER_MS);
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
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answers),
		T(refuses_bad_calls),
		T(cut_reply_anywhere),
		T(cut_with_many_out),
		T(create_resent_as_it_was),
		T(hard_and_paced),
		T(nobody_listens),
		T(cancel),
		T(jukebox),
		T(garbage),
		T(nothing_but_garbage),
		T(bad_names_left_out),
		T(framing),
		T(credentials),
		T(denials),
		T(soft),
		T(silent_lif),
		T(slow_change),
		T(look_first),
		T(bounded_and_spread),
		T(grows_with_load),
		T(mute_for_a_minute),
		T(home_is_gone),
		T(mount_on_its_own),
		T(mount_closes_when_idle),
		T(again_from_done),
		T(idle_sleeps),
		T(freed_with_calls_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
