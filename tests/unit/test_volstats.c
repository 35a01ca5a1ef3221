/* Counting by volume: each of the first volumes by itself, further ones together. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fuse.h>
#include <cmocka.h>
#include "fs/fs_i.h"

#define VOLUMES (VOLSTATS_MAX + 89u)
#define THREADS 4u
#define ROUNDS  50u

static struct fs *fs;

/* A request for volume i, counted from 1. */
static void count(uint32_t i, int err, bool asked)
{
	struct node n = {.space = i};
	struct req r = {.fs = fs, .node = &n, .opcode = FUSE_LOOKUP, .asked = asked};
	volstats_count(&r, err, 1000);
	volstats_read(&r, 10);
}

static const struct volstats_entry *entry(uint32_t i)
{
	const struct uuid *u = &fs->st.spaces[i].volume;
	const struct volstats_entry *found = NULL;
	for (uint32_t k = 0; k < VOLSTATS_SLOTS; k++)
		if (fs->volstats->entry[k].ready && uuid_eq(&fs->volstats->entry[k].volume, u)) {
			assert_null(found); /* once */
			found = &fs->volstats->entry[k];
		}
	return found;
}

static int begin(void **state)
{
	(void)state;
	fs = calloc(1, sizeof(*fs));
	fs->st.spaces = calloc(VOLUMES + 1, sizeof(*fs->st.spaces));
	fs->volstats = volstats_new();
	/* All hash to the same place: the longest chains that there can be. */
	for (uint32_t i = 1; i <= VOLUMES; i++)
		memcpy(fs->st.spaces[i].volume.b, &i, sizeof(i));
	return fs->volstats ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	volstats_free(fs->volstats);
	free(fs->st.spaces);
	free(fs);
	return 0;
}

static void test_counts_go_to_their_volume(void **state)
{
	(void)state;
	count(1, 0, false);
	count(1, -ENOENT, true);
	count(2, 0, true);
	const struct volstats_entry *e = entry(1);
	assert_non_null(e);
	assert_int_equal(e->requests, 2);
	assert_int_equal(e->errors, 1);
	assert_int_equal(e->hits, 1);
	assert_int_equal(e->misses, 1);
	assert_int_equal(e->latency_ns, 2000);
	assert_int_equal(e->bytes_read, 20);
	assert_int_equal(entry(2)->misses, 1);
	assert_int_equal(fs->volstats->others.requests, 0);
}

static void test_what_is_no_volumes_is_not_counted(void **state)
{
	(void)state;
	count(0, 0, true); /* the root of the tree, .ontap */
	struct req r = {.fs = fs, .opcode = FUSE_STATFS};
	volstats_count(&r, 0, 1);
	assert_int_equal(fs->volstats->n, 0);
	assert_int_equal(fs->volstats->others.requests, 0);
}

static void *worker(void *arg)
{
	(void)arg;
	for (uint32_t round = 0; round < ROUNDS; round++)
		for (uint32_t i = 1; i <= VOLUMES; i++)
			count(i, 0, false);
	return NULL;
}

static void test_further_ones_are_counted_together(void **state)
{
	(void)state;
	pthread_t t[THREADS];
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, worker, NULL), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(fs->volstats->n, VOLSTATS_MAX);
	uint32_t known = 0;
	for (uint32_t i = 1; i <= VOLUMES; i++) {
		const struct volstats_entry *e = entry(i);
		if (!e)
			continue;
		known++;
		assert_int_equal(e->requests, THREADS * ROUNDS);
	}
	assert_int_equal(known, VOLSTATS_MAX);
	assert_int_equal(fs->volstats->others.requests, (VOLUMES - VOLSTATS_MAX) * THREADS * ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts_go_to_their_volume, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_no_volumes_is_not_counted, begin, end),
		cmocka_unit_test_setup_teardown(test_further_ones_are_counted_together, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
