/* The bounded memories: ACCESS answers, what a process did lately, the last
 * error of a user. Time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/caller.h"
#include "fs/listing.h"

#define S NS_PER_SEC

static int setup(void **state)
{
	(void)state;
	clock_set_fake(1000 * S);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_set_fake(-1);
	return 0;
}

/* ---- ACCESS answers ---- */

static const struct nfsio_cred base_cred = {.uid = 10, .gid = 20, .ngroups = 2, .groups = {30, 40}};

static void access_remembers(void **state)
{
	(void)state;
	struct access_cache *ac = access_cache_new(1024);
	uint32_t bits = 77;
	assert_false(access_cache_get(ac, 5, &base_cred, NFSIO_ACCESS_READ, -1, &bits));
	assert_int_equal(bits, 77); /* untouched */
	access_cache_put(ac, 5, &base_cred, NFSIO_ACCESS_READ | NFSIO_ACCESS_MODIFY, NFSIO_ACCESS_READ, 1000 * S,
			 false);
	static const struct {
		uint32_t want;
		bool hit;
		uint32_t bits;
	} rows[] = {
		{NFSIO_ACCESS_READ, true, NFSIO_ACCESS_READ},
		{NFSIO_ACCESS_MODIFY, true, 0},
		{NFSIO_ACCESS_READ | NFSIO_ACCESS_MODIFY, true, NFSIO_ACCESS_READ},
		{NFSIO_ACCESS_EXECUTE, false, 0}, /* never asked: not known, rather than refused */
		{NFSIO_ACCESS_READ | NFSIO_ACCESS_EXECUTE, false, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bits = 99;
		if (access_cache_get(ac, 5, &base_cred, rows[i].want, S, &bits) != rows[i].hit ||
		    bits != (rows[i].hit ? rows[i].bits : 99))
			fail_msg("want %u: bits %u", rows[i].want, bits);
	}
	/* A server that grants what nobody asked for does not widen the answer. */
	access_cache_put(ac, 5, &base_cred, NFSIO_ACCESS_READ, 0x3f, 1000 * S, false);
	assert_true(access_cache_get(ac, 5, &base_cred, NFSIO_ACCESS_READ, S, &bits));
	assert_int_equal(bits, NFSIO_ACCESS_READ);
	access_cache_free(ac);
}

static void access_is_by_credential(void **state)
{
	(void)state;
	struct access_cache *ac = access_cache_new(1024);
	struct nfsio_cred other[7];
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		other[i] = base_cred;
	other[0].uid = 11;
	other[1].gid = 21;
	other[2].groups[0] = 31;
	other[3].groups[1] = 41;
	other[4].ngroups = 1;
	other[5].ngroups = 3;
	other[6].ngroups = 0;
	uint32_t bits;
	access_cache_put(ac, 5, &base_cred, 1, 1, 1000 * S, false);
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (access_cache_get(ac, 5, &other[i], 1, -1, &bits))
			fail_msg("credential %zu gets another's answer", i);
	assert_false(access_cache_get(ac, 6, &base_cred, 1, -1, &bits));
	assert_false(access_cache_get(ac, 5 | 1ull << 32, &base_cred, 1, -1, &bits));
	struct nfsio_cred same = base_cred;
	same.groups[2] = 99; /* beyond ngroups */
	assert_true(access_cache_get(ac, 5, &same, 1, -1, &bits));
	access_cache_free(ac);
}

static void access_gets_old(void **state)
{
	(void)state;
	struct access_cache *ac = access_cache_new(1024);
	uint32_t bits;
	access_cache_put(ac, 5, &base_cred, 1, 1, 1000 * S, false);
	static const struct {
		int64_t now, max_age;
		bool hit;
	} rows[] = {
		{1000 * S, S, true}, {1001 * S, S, true}, {1001 * S + 1, S, false}, {1000 * S, 0, true},
		{1000 * S + 1, 0, false}, {900000 * S, -1, true}, /* in a snapshot: for ever */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_set_fake(rows[i].now);
		if (access_cache_get(ac, 5, &base_cred, 1, rows[i].max_age, &bits) != rows[i].hit)
			fail_msg("row %zu", i);
	}
	access_cache_free(ac);
}

static void access_is_bounded(void **state)
{
	(void)state;
	/* One set of eight places: the ninth takes that of the oldest. */
	struct access_cache *ac = access_cache_new(8);
	uint32_t bits;
	for (uint64_t i = 0; i < 8; i++)
		access_cache_put(ac, 100 + i, &base_cred, 1, 1, (int64_t)(1000 + (i * 5) % 8) * S, false);
	access_cache_put(ac, 200, &base_cred, 1, 1, 2000 * S, false);
	assert_false(access_cache_get(ac, 100, &base_cred, 1, -1, &bits)); /* stamp 1000 */
	for (uint64_t i = 1; i < 8; i++)
		assert_true(access_cache_get(ac, 100 + i, &base_cred, 1, -1, &bits));
	assert_true(access_cache_get(ac, 200, &base_cred, 1, -1, &bits));
	/* The same key again takes no second place. */
	for (int i = 0; i < 20; i++)
		access_cache_put(ac, 200, &base_cred, 1, 0, (2001 + i) * S, false);
	for (uint64_t i = 1; i < 8; i++)
		assert_true(access_cache_get(ac, 100 + i, &base_cred, 1, -1, &bits));
	assert_true(access_cache_get(ac, 200, &base_cred, 1, -1, &bits));
	assert_int_equal(bits, 0);
	access_cache_free(ac);
}

static void access_holds_what_it_says(void **state)
{
	(void)state;
	struct access_cache *ac = access_cache_new(65536);
	uint32_t bits, kept = 0;
	for (uint64_t i = 1; i <= 16384; i++)
		access_cache_put(ac, i, &base_cred, 1, 1, 1000 * S, false);
	for (uint64_t i = 1; i <= 16384; i++)
		kept += access_cache_get(ac, i, &base_cred, 1, -1, &bits);
	assert_true(kept > 16384 - 100); /* a quarter full: sets hardly ever overflow */
	access_cache_free(ac);
}

static void access_of_what_never_changes_adds_up(void **state)
{
	(void)state;
	struct access_cache *ac = access_cache_new(1024);
	uint32_t bits;
	access_cache_put(ac, 5, &base_cred, NFSIO_ACCESS_READ | NFSIO_ACCESS_EXECUTE, NFSIO_ACCESS_EXECUTE, S, true);
	access_cache_put(ac, 5, &base_cred, NFSIO_ACCESS_LOOKUP, NFSIO_ACCESS_LOOKUP, 2 * S, true);
	assert_true(access_cache_get(ac, 5, &base_cred, NFSIO_ACCESS_READ | NFSIO_ACCESS_LOOKUP, -1, &bits));
	assert_int_equal(bits, NFSIO_ACCESS_LOOKUP); /* a refusal stays one */
	access_cache_put(ac, 5, &base_cred, NFSIO_ACCESS_READ, NFSIO_ACCESS_READ, 3 * S, false);
	assert_false(access_cache_get(ac, 5, &base_cred, NFSIO_ACCESS_LOOKUP, -1, &bits));
	access_cache_free(ac);
}

/* ---- names that listings brought ---- */

static void name_put(struct listing *l, uint64_t dir, uint32_t i, int64_t stamp)
{
	char name[16];
	snprintf(name, sizeof(name), "f%u", i);
	struct nfsio_fh fh = {.len = 4};
	memcpy(fh.data, &i, sizeof(i));
	struct listing_dir d = {.fh = {.len = 8}};
	memcpy(d.fh.data, &dir, sizeof(dir));
	listing_put(l, &d, name, &fh, &(struct nfsio_attr){.size = i}, stamp);
}

static bool name_get(struct listing *l, uint64_t dir, uint32_t i)
{
	char name[16];
	snprintf(name, sizeof(name), "f%u", i);
	struct nfsio_fh fh;
	struct nfsio_attr a;
	int64_t stamp;
	struct listing_dir d = {.fh = {.len = 8}};
	memcpy(d.fh.data, &dir, sizeof(dir));
	if (!listing_get(l, &d, name, &fh, &a, &stamp))
		return false;
	assert_int_equal(a.size, i);
	assert_int_equal(fh.len, 4);
	assert_memory_equal(fh.data, &i, sizeof(i));
	return true;
}

static void names_by_directory(void **state)
{
	(void)state;
	struct listing *l = listing_new(1024);
	for (uint32_t i = 0; i < 100; i++)
		name_put(l, 7, i, S);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(name_get(l, 7, i));
		assert_true(name_get(l, 7, i)); /* also once more */
		assert_false(name_get(l, 8, i));
	}
	struct nfsio_fh fh;
	struct nfsio_attr a;
	int64_t stamp;
	struct listing_dir other = {.snapshot.b = {1}, .fh = {.len = 8, .data = {7}}};
	assert_false(listing_get(l, &other, "f1", &fh, &a, &stamp)); /* of another snapshot */
	other.snapshot.b[0] = 0;
	assert_true(listing_get(l, &other, "f1", &fh, &a, &stamp));
	assert_false(name_get(l, 7, 100));
	listing_free(l);
}

static void names_are_bounded(void **state)
{
	(void)state;
	struct listing *l = listing_new(8); /* one set */
	for (uint32_t i = 0; i < 8; i++)
		name_put(l, 7, i, (10 + i) * S);
	assert_true(name_get(l, 7, 5));
	name_put(l, 7, 20, 30 * S);
	assert_false(name_get(l, 7, 5)); /* the kernel has it */
	name_put(l, 7, 21, 31 * S);
	assert_false(name_get(l, 7, 0)); /* the oldest */
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(name_get(l, 7, i), i != 5);
	listing_free(l);
}

/* ---- short memories ---- */

static void memory_expires(void **state)
{
	(void)state;
	struct memory *m = memory_new(64);
	assert_false(memory_get(m, MEMORY_WALKED, 1, 2, 3, 60 * S, false));
	memory_put(m, MEMORY_WALKED, 1, 2, 3);
	static const struct {
		int64_t now;
		bool hit;
	} rows[] = {{1000 * S, true}, {1060 * S, true}, {1060 * S + 1, false}, {5000 * S, false}, {1001 * S, true}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_set_fake(rows[i].now);
		if (memory_get(m, MEMORY_WALKED, 1, 2, 3, 60 * S, false) != rows[i].hit)
			fail_msg("row %zu", i);
	}
	clock_set_fake(1050 * S);
	memory_put(m, MEMORY_WALKED, 1, 2, 3); /* again: counts from now on */
	clock_set_fake(1105 * S);
	assert_true(memory_get(m, MEMORY_WALKED, 1, 2, 3, 60 * S, false));
	memory_free(m);
}

static void memory_keys(void **state)
{
	(void)state;
	struct memory *m = memory_new(64);
	memory_put(m, MEMORY_WALKED, 1, 2, 3);
	assert_false(memory_get(m, MEMORY_ARMED, 1, 2, 3, S, false));
	assert_false(memory_get(m, MEMORY_WALKED, 0, 2, 3, S, false));
	assert_false(memory_get(m, MEMORY_WALKED, 1, 0, 3, S, false));
	assert_false(memory_get(m, MEMORY_WALKED, 1, 2, 0, S, false));
	assert_false(memory_get(m, MEMORY_WALKED, 2, 1, 3, S, false));
	assert_true(memory_get(m, MEMORY_WALKED, 1, 2, 3, S, false));
	memory_free(m);
}

static void memory_is_taken_once(void **state)
{
	(void)state;
	struct memory *m = memory_new(64);
	memory_put(m, MEMORY_ARMED, 1, 2, 3);
	assert_true(memory_get(m, MEMORY_ARMED, 1, 2, 3, S, true));
	assert_false(memory_get(m, MEMORY_ARMED, 1, 2, 3, S, true));
	/* Taking one that is too old takes it, too, and says no. */
	memory_put(m, MEMORY_ARMED, 1, 2, 3);
	clock_set_fake(1002 * S);
	assert_false(memory_get(m, MEMORY_ARMED, 1, 2, 3, S, true));
	clock_set_fake(1000 * S);
	assert_false(memory_get(m, MEMORY_ARMED, 1, 2, 3, S, false));
	memory_free(m);
}

static void memory_is_bounded(void **state)
{
	(void)state;
	struct memory *m = memory_new(8);
	for (uint64_t i = 0; i < 9; i++) {
		clock_set_fake((int64_t)(1000 + i) * S);
		memory_put(m, MEMORY_STALE, i, 0, 0);
	}
	assert_false(memory_get(m, MEMORY_STALE, 0, 0, 0, 100 * S, false));
	for (uint64_t i = 1; i < 9; i++)
		assert_true(memory_get(m, MEMORY_STALE, i, 0, 0, 100 * S, false));
	memory_free(m);
}

/* ---- last errors ---- */

static void last_errors_by_user(void **state)
{
	(void)state;
	struct last_errors *le = last_errors_new();
	char out[512];
	last_error_get(le, 1, 100, out, sizeof(out));
	assert_string_equal(out, "");
	last_error_set(le, 1, 100, "first");
	last_error_set(le, 2, 100, "second");
	last_error_set(le, 1, 200, "third");
	last_error_set(le, 1, 100, "fourth");
	static const struct {
		uint32_t uid;
		uint64_t ns;
		const char *text;
	} rows[] = {{1, 100, "fourth"}, {2, 100, "second"}, {1, 200, "third"}, {2, 200, ""}, {0, 0, ""}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		last_error_get(le, rows[i].uid, rows[i].ns, out, sizeof(out));
		assert_string_equal(out, rows[i].text);
	}
	last_error_get(le, 1, 100, out, 3);
	assert_string_equal(out, "fo");
	last_errors_free(le);
}

static void last_errors_are_cut(void **state)
{
	(void)state;
	struct last_errors *le = last_errors_new();
	char text[2000], out[2000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	last_error_set(le, 1, 1, text);
	last_error_get(le, 1, 1, out, sizeof(out));
	assert_int_equal(strlen(out), 511);
	last_error_set(le, 1, 1, "short");
	last_error_get(le, 1, 1, out, sizeof(out));
	assert_string_equal(out, "short");
	last_errors_free(le);
}

static void last_errors_are_bounded(void **state)
{
	(void)state;
	struct last_errors *le = last_errors_new();
	char text[16], out[512];
	for (uint32_t i = 0; i < 257; i++) {
		clock_set_fake((1000 + (int64_t)i) * S);
		snprintf(text, sizeof(text), "error %u", i);
		last_error_set(le, i, 1, text);
	}
	last_error_get(le, 0, 1, out, sizeof(out));
	assert_string_equal(out, ""); /* the oldest gave way */
	for (uint32_t i = 1; i < 257; i++) {
		snprintf(text, sizeof(text), "error %u", i);
		last_error_get(le, i, 1, out, sizeof(out));
		assert_string_equal(out, text);
	}
	last_errors_free(le);
}

/* ---- targets of symlinks ---- */

static void link_targets(void **state)
{
	(void)state;
	struct link_cache *lc = link_cache_new(4);
	char out[4096] = "untouched", longest[5000];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(link_cache_get(lc, 1, out));
	assert_string_equal(out, "untouched");
	link_cache_put(lc, 1, "one");
	assert_true(link_cache_get(lc, 1, out));
	assert_string_equal(out, "one");
	link_cache_put(lc, 1, longest);
	assert_true(link_cache_get(lc, 1, out));
	assert_int_equal(strlen(out), 4095);
	/* Bounded: whatever is there at all is right. */
	uint32_t kept = 0;
	for (uint64_t i = 1; i <= 100; i++) {
		snprintf(longest, 32, "target %u", (unsigned)i);
		link_cache_put(lc, i, longest);
	}
	for (uint64_t i = 1; i <= 100; i++)
		if (link_cache_get(lc, i, out)) {
			snprintf(longest, 32, "target %u", (unsigned)i);
			assert_string_equal(out, longest);
			kept++;
		}
	assert_true(kept >= 1 && kept <= 4);
	link_cache_free(lc);
	link_cache_free(NULL);
}

/* ---- verbs a minute ---- */

static void verbs_a_minute(void **state)
{
	(void)state;
	struct rates *rt = rates_new();
	static const struct {
		int64_t now;
		uint32_t uid, limit;
		bool ok;
	} rows[] = {
		{1000 * S, 1, 2, true}, {1000 * S, 1, 2, true}, {1000 * S, 1, 2, false}, {1000 * S, 2, 2, true},
		{1059 * S, 1, 2, false}, {1059 * S, 1, 3, true}, {1059 * S, 1, 3, false},
		{1059 * S, 1, 0, true}, /* no limit */
		{1060 * S, 1, 2, true}, {1061 * S, 1, 2, true}, {1061 * S, 1, 2, false}, {1120 * S, 1, 1, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_set_fake(rows[i].now);
		if (rates_take(rt, rows[i].uid, rows[i].limit) != rows[i].ok)
			fail_msg("row %zu", i);
	}
	/* More users than places: the one whose minute began first is forgotten. */
	for (uint32_t uid = 100; uid < 100 + 300; uid++) {
		clock_set_fake((2000 + (int64_t)uid) * S);
		assert_true(rates_take(rt, uid, 1));
		assert_false(rates_take(rt, uid, 1));
	}
	rates_free(rt);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(access_remembers), T(access_is_by_credential), T(access_gets_old), T(access_is_bounded),
		T(access_holds_what_it_says), T(access_of_what_never_changes_adds_up),
		T(names_by_directory), T(names_are_bounded), T(memory_expires), T(memory_keys), T(memory_is_taken_once),
		T(memory_is_bounded), T(last_errors_by_user), T(last_errors_are_cut), T(last_errors_are_bounded),
		T(link_targets), T(verbs_a_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
