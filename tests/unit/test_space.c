/* Spaces: what a volume or snapshot is bound to, and that it never becomes
 * something else under the same number. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/log.h"
#include "fs/space.h"

struct fixture {
	struct state st;
	struct spaces sp;
	int fd;
};

static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof(f));
	f.fd = memfd_create("test-space", MFD_CLOEXEC);
	assert_int_equal(state_create(&f.st, f.fd, &(struct state_sizes){1, 1, 16}), 0);
	assert_int_equal(spaces_init(&f.sp, &f.st), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	spaces_fini(&f->sp);
	state_unmap(&f->st);
	close(f->fd);
	return 0;
}

static struct uuid id(uint32_t n)
{
	struct uuid u = {0};
	memcpy(u.b, &n, sizeof(n));
	return u;
}

static struct space make(uint32_t volume, uint32_t snapshot, uint8_t root, const char *name)
{
	struct space s = {.volume = id(volume), .snapshot = id(snapshot), .fsid = 100 + root,
			  .root_fileid = 64, .root = {.len = 8, .data = {root}}};
	snprintf(s.name, sizeof(s.name), "%s", name);
	return s;
}

static uint32_t bind(struct fixture *f, const struct space *s)
{
	uint32_t killed = 99, idx = space_bind(&f->sp, s, &killed);
	assert_int_equal(killed, 0);
	return idx;
}

static void finds_what_was_bound(void **state)
{
	struct fixture *f = *state;
	struct uuid v = id(1), s = id(7), other = id(2), zero = {0};
	struct space vol = make(1, 0, 1, "vol"), snap = make(1, 7, 2, "run1"), vol2 = make(2, 0, 3, "vol2");
	assert_int_equal(space_find(&f->sp, &v, NULL), 0);
	uint32_t a = bind(f, &vol), b = bind(f, &snap), c = bind(f, &vol2);
	assert_true(a && b && c && a != b && b != c && a != c);
	assert_int_equal(space_find(&f->sp, &v, NULL), a);
	assert_int_equal(space_find(&f->sp, &v, &zero), a);
	assert_int_equal(space_find(&f->sp, &v, &s), b);
	assert_int_equal(space_find(&f->sp, &other, NULL), c);
	assert_int_equal(space_find(&f->sp, &other, &s), 0);
	assert_true(space_alive(&f->st, a));
	assert_false(space_alive(&f->st, 0)); /* the tree itself is no space of the server */
	assert_false(space_is_snapshot(&f->st.spaces[a]));
	assert_true(space_is_snapshot(&f->st.spaces[b]));
	assert_string_equal(f->st.spaces[b].name, "run1");
	assert_int_equal(f->st.spaces[b].root.data[0], 2);
}

static void binding_again(void **state)
{
	struct fixture *f = *state;
	/* How the second binding of the same uuids differs; is it the same space? */
	static const struct {
		const char *what;
		uint8_t len, byte;
		int fsid;
		uint32_t no_access;
		bool same;
	} rows[] = {
		{"nothing differs", 8, 1, 0, 0, true},
		{"another handle", 8, 2, 0, 0, false},
		{"a longer handle", 9, 1, 0, 0, false},
		{"a shorter handle", 7, 1, 0, 0, false},
		{"another fsid", 8, 1, 1, 0, false},
		{"no access any more", 8, 1, 0, 1, false},
	};
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct space first = make(10 + i, 5, 1, "old name"), again = make(10 + i, 5, rows[i].byte, "new name");
		again.root.len = rows[i].len;
		again.fsid = first.fsid + (uint64_t)rows[i].fsid;
		again.no_access = rows[i].no_access;
		uint32_t a = bind(f, &first), killed = 99;
		atomic_store(&f->st.spaces[a].nodes, 3);
		atomic_store(&f->st.spaces[a].opens, 2);
		uint32_t b = space_bind(&f->sp, &again, &killed);
		if ((a == b) != rows[i].same)
			fail_msg("%s: %u then %u", rows[i].what, a, b);
		assert_int_equal(killed, rows[i].same ? 0 : a);
		assert_int_equal(space_alive(&f->st, a), rows[i].same);
		assert_true(space_alive(&f->st, b));
		assert_string_equal(f->st.spaces[b].name, "new name");
		assert_int_equal(space_find(&f->sp, &first.volume, &first.snapshot), b);
		/* The living space keeps its counts, a new one has none. */
		assert_int_equal(atomic_load(&f->st.spaces[b].nodes), rows[i].same ? 3 : 0);
		assert_int_equal(atomic_load(&f->st.spaces[b].opens), rows[i].same ? 2 : 0);
	}
}

static void counts_of_the_caller_are_not_taken(void **state)
{
	struct fixture *f = *state;
	struct space s = make(1, 0, 1, "v");
	atomic_store(&s.nodes, 5);
	atomic_store(&s.opens, 5);
	atomic_store(&s.state, SPACE_DEAD);
	uint32_t a = bind(f, &s);
	assert_int_equal(atomic_load(&f->st.spaces[a].nodes), 0);
	assert_int_equal(atomic_load(&f->st.spaces[a].opens), 0);
	assert_true(space_alive(&f->st, a));
}

static void killing(void **state)
{
	struct fixture *f = *state;
	struct space s = make(1, 2, 1, "run1");
	uint32_t a = bind(f, &s), seen = a;
	assert_true(space_kill(&f->sp, a));
	assert_false(space_kill(&f->sp, a));
	assert_false(space_kill(&f->sp, a + 1)); /* never bound */
	assert_false(space_alive(&f->st, a));
	assert_int_equal(space_find(&f->sp, &s.volume, &s.snapshot), 0);
	/* The same uuids again are a new space: nodes of the old one stay dead. */
	uint32_t b = bind(f, &s);
	assert_int_not_equal(b, seen);
	assert_false(space_alive(&f->st, a));
	assert_int_equal(space_find(&f->sp, &s.volume, &s.snapshot), b);
	/* Killing the dead one does not take the living one out of the index. */
	assert_false(space_kill(&f->sp, a));
	assert_int_equal(space_find(&f->sp, &s.volume, &s.snapshot), b);
}

static void renaming(void **state)
{
	struct fixture *f = *state;
	char longest[400];
	struct space s = make(1, 2, 1, "run1");
	uint32_t a = bind(f, &s);
	space_rename(&f->sp, a, "good");
	assert_string_equal(f->st.spaces[a].name, "good");
	assert_int_equal(space_find(&f->sp, &s.volume, &s.snapshot), a);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	space_rename(&f->sp, a, longest);
	assert_int_equal(strlen(f->st.spaces[a].name), ONTAP_SPACE_NAME - 1);
	space_rename(&f->sp, a, "s");
	assert_string_equal(f->st.spaces[a].name, "s");
}

static void collect(uint32_t idx, void *priv)
{
	*(uint64_t *)priv |= 1ull << idx;
}

static void each_living_one(void **state)
{
	struct fixture *f = *state;
	uint64_t seen = 0, want = 0;
	uint32_t idx[6];
	space_each(&f->sp, collect, &seen);
	assert_true(seen == 0);
	for (uint32_t i = 0; i < 6; i++) {
		struct space s = make(i + 1, 0, 1, "v");
		idx[i] = bind(f, &s);
	}
	space_kill(&f->sp, idx[2]);
	space_kill(&f->sp, idx[5]);
	for (uint32_t i = 0; i < 6; i++)
		if (i != 2 && i != 5)
			want |= 1ull << idx[i];
	space_each(&f->sp, collect, &seen);
	assert_true(seen == want);
}

/* A successor has no index of its own: it is rebuilt from the records. */
static void taken_over(void **state)
{
	struct fixture *f = *state;
	struct space a = make(1, 0, 1, "vol"), b = make(1, 7, 2, "run1"), c = make(2, 0, 3, "dead");
	uint32_t ia = bind(f, &a), ib = bind(f, &b), ic = bind(f, &c);
	space_kill(&f->sp, ic);
	spaces_fini(&f->sp);
	assert_int_equal(spaces_init(&f->sp, &f->st), 0);
	assert_int_equal(space_find(&f->sp, &a.volume, NULL), ia);
	assert_int_equal(space_find(&f->sp, &b.volume, &b.snapshot), ib);
	assert_int_equal(space_find(&f->sp, &c.volume, NULL), 0);
	assert_int_equal(bind(f, &a), ia);
	assert_int_not_equal(bind(f, &c), ic);
}

/* The table is full of living spaces: no more. A dead one makes room only when
 * no node is left in it. */
static void full(void **state)
{
	struct fixture *f = *state;
	struct space s = make(1, 0, 1, "v");
	uint32_t killed;
	for (uint32_t i = 1; i < STATE_SPACES_MAX; i++) {
		s.volume = id(i);
		if (space_bind(&f->sp, &s, &killed) != i)
			fail_msg("space %u", i);
	}
	s.volume = id(STATE_SPACES_MAX);
	assert_int_equal(space_bind(&f->sp, &s, &killed), 0);
	atomic_store(&f->st.spaces[500].nodes, 1);
	space_kill(&f->sp, 500);
	assert_int_equal(space_bind(&f->sp, &s, &killed), 0);
	atomic_store(&f->st.spaces[500].nodes, 0);
	assert_int_equal(space_bind(&f->sp, &s, &killed), 500);
	assert_int_equal(space_find(&f->sp, &s.volume, NULL), 500);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	const struct CMUnitTest tests[] = {
		T(finds_what_was_bound), T(binding_again), T(counts_of_the_caller_are_not_taken),
		T(killing), T(renaming), T(each_living_one), T(taken_over), T(full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
