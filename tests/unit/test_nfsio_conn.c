/* fs/nfs against small servers: connections and LIFs that come, go, fall silent and share the work. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "tests/unit/nfsclient.h"

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

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, client_setup, client_teardown)
	const struct CMUnitTest tests[] = {
		T(hard_and_paced),
		T(nobody_listens),
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
		T(idle_sleeps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
