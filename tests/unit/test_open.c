/* Open records and silly names: who opened what, counted, never mixed up, and
 * found again by a successor. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/fs_i.h"

static const struct nfsio_cred cred = {.uid = 5, .gid = 6, .ngroups = 1, .groups = {7}};

static int setup(void **state)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int fd = memfd_create("test-open", MFD_CLOEXEC);
	assert_int_equal(state_create(&fs->st, fd, &(struct state_sizes){1, 1, 100}), 0);
	atomic_store(fs->st.spaces_used, 2);
	assert_int_equal(nodes_init(&fs->nodes, &fs->st), 0);
	assert_int_equal(openrec_init(fs), 0);
	*state = fs;
	return 0;
}

static void forget_process(struct fs *fs)
{
	for (uint32_t i = 0; i < STATE_OPENS_MAX; i++)
		openstate_free(fs, fs->open_state[i]);
	free(fs->open_state);
	free(fs->open_free);
	fs->open_state = NULL;
	fs->open_free = NULL;
	fs->open_nfree = fs->open_cap = 0;
	nodes_fini(&fs->nodes);
}

static int teardown(void **state)
{
	struct fs *fs = *state;
	forget_process(fs);
	int fd = fs->st.fd;
	state_unmap(&fs->st);
	close(fd);
	free(fs);
	return 0;
}

static struct node *get(struct fs *fs, uint8_t h)
{
	struct node_key k = {.space = 1, .kind = NODE_FILE, .fh = {.len = 1, .data = {h}}};
	return node_get(&fs->nodes, &k, 1000u + h);
}

static uint64_t id_of(const struct node *n)
{
	return atomic_load(&n->nodeid);
}

static void records(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t a = openrec_new(fs, n, &cred, 0x8001, NULL), b = openrec_new(fs, n, &cred, 2, NULL);
	assert_true(a && b && a != b);
	struct openrec *o = openrec_get(fs, a);
	assert_non_null(o);
	assert_true(o->nodeid == id_of(n));
	assert_int_equal(o->flags, 0x8001);
	assert_memory_equal(&o->cred, &cred, sizeof(cred));
	assert_int_equal(atomic_load(&n->opens), 2);
	assert_int_equal(atomic_load(&fs->st.spaces[1].opens), 2);
	assert_int_equal(openrec_free(fs, a, 0), 1);
	assert_null(openrec_get(fs, a));
	/* Again: nothing happens, and it says how many others have it open. */
	assert_int_equal(openrec_free(fs, a, 0), 0);
	assert_int_equal(openrec_free(fs, a, id_of(n)), 1);
	assert_int_equal(atomic_load(&n->opens), 1);
	assert_int_equal(openrec_free(fs, b, 0), 0);
	assert_int_equal(atomic_load(&fs->st.spaces[1].opens), 0);
	assert_ptr_equal(node_by_id(&fs->nodes, id_of(n)), n); /* the kernel still knows it */
}

static void unknown_handles(void **state)
{
	struct fs *fs = *state;
	uint64_t id = openrec_new(fs, get(fs, 1), &cred, 0, NULL);
	const uint64_t bad[] = {0, 1ull << 32, id + 1, id + (1ull << 32), (uint32_t)id, STATE_OPENS_MAX,
				1ull << 32 | STATE_OPENS_MAX, UINT32_MAX, UINT64_MAX};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (openrec_get(fs, bad[i]))
			fail_msg("%llx is known", (unsigned long long)bad[i]);
		assert_int_equal(openrec_free(fs, bad[i], 0), 0);
	}
	assert_non_null(openrec_get(fs, id));
}

static void handles_are_never_given_twice(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	static uint64_t seen[300];
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		seen[i] = openrec_new(fs, n, &cred, 0, NULL);
		for (size_t j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
		openrec_get(fs, seen[i])->dirverf = 99;
		openrec_free(fs, seen[i], 0);
	}
	assert_true(atomic_load(fs->st.opens_used) <= 3);
	uint64_t id = openrec_new(fs, n, &cred, 0, NULL);
	assert_true(openrec_get(fs, id)->dirverf == 0); /* nothing of its predecessor */
}

static void last_release_ends_a_forgotten_node(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t nodeid = id_of(n);
	uint64_t a = openrec_new(fs, n, &cred, 0, NULL), b = openrec_new(fs, n, &cred, 0, NULL);
	node_forget(&fs->nodes, nodeid, 1);
	assert_int_equal(openrec_free(fs, a, 0), 1);
	assert_non_null(node_by_id(&fs->nodes, nodeid));
	assert_int_equal(openrec_free(fs, b, 0), 0);
	assert_null(node_by_id(&fs->nodes, nodeid));
	assert_int_equal(atomic_load(&fs->nodes.live), 0);
	assert_int_equal(atomic_load(&fs->st.spaces[1].opens), 0);
	assert_int_equal(atomic_load(&fs->st.spaces[1].nodes), 0);
}

static void what_one_process_keeps(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t a = openrec_new(fs, n, &cred, 0, NULL);
	struct openstate *os = openstate_get(fs, a);
	assert_non_null(os);
	assert_ptr_equal(openstate_get(fs, a), os);
	os->text = strdup("text");
	os->kept = calloc(3, sizeof(os->kept[0]));
	os->names = strdup("names");
	os->big = calloc(2, sizeof(os->big[0]));
	openrec_free(fs, a, 0); /* and frees all that: LeakSanitizer looks */
	uint64_t b = openrec_new(fs, n, &cred, 0, NULL);
	assert_int_equal((uint32_t)b, (uint32_t)a); /* the same record */
	os = openstate_get(fs, b);
	assert_null(os->text);
	assert_null(os->kept);
	assert_int_equal(os->nkept, 0);
	openrec_free(fs, b, 0);
	openstate_free(fs, NULL);
}

static void full_table(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t last = 0;
	for (uint32_t i = 1; i < STATE_OPENS_MAX; i++)
		if (!(last = openrec_new(fs, n, &cred, 0, NULL)))
			fail_msg("full after %u", i);
	assert_true(openrec_new(fs, n, &cred, 0, NULL) == 0);
	assert_int_equal(atomic_load(&n->opens), STATE_OPENS_MAX - 1); /* not counted */
	openrec_free(fs, last, 0);
	assert_true(openrec_new(fs, n, &cred, 0, NULL) != 0);
	assert_true(openrec_new(fs, n, &cred, 0, NULL) == 0);
}

static void taken_over(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t id[6];
	for (size_t i = 0; i < ARRAY_LEN(id); i++)
		id[i] = openrec_new(fs, n, &cred, (uint32_t)i, NULL);
	for (size_t i = 0; i < ARRAY_LEN(id); i += 2)
		openrec_free(fs, id[i], 0);
	uint32_t used = atomic_load(fs->st.opens_used);
	forget_process(fs);
	assert_int_equal(nodes_init(&fs->nodes, &fs->st), 0);
	assert_int_equal(openrec_init(fs), 0);
	for (size_t i = 0; i < ARRAY_LEN(id); i++)
		assert_int_equal(openrec_get(fs, id[i]) != NULL, i % 2);
	assert_int_equal(openrec_get(fs, id[3])->flags, 3);
	for (int i = 0; i < 3; i++) {
		uint64_t fresh = openrec_new(fs, n, &cred, 0, NULL);
		for (size_t j = 0; j < ARRAY_LEN(id); j++)
			assert_true(fresh != id[j]);
	}
	assert_int_equal(atomic_load(fs->st.opens_used), used); /* free records first */
	assert_int_equal(atomic_load(&n->opens), 6);
}

/* ---- silly names ---- */

static const struct nfsio_fh dir = {.len = 3, .data = {1, 2, 3}};

static void silly_names(void **state)
{
	struct fs *fs = *state;
	char names[50][32];
	struct silly *s[50];
	struct node *n[50];
	for (size_t i = 0; i < ARRAY_LEN(s); i++) {
		n[i] = get(fs, (uint8_t)i);
		atomic_store(&n[i]->opens, 1);
		s[i] = silly_new(fs, n[i], &dir, &cred);
		assert_non_null(s[i]);
		assert_int_equal(strncmp(s[i]->name, ".nfs", 4), 0);
		memcpy(names[i], s[i]->name, sizeof(names[i]));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
		assert_true(atomic_load(&n[i]->silly));
		assert_memory_equal(&s[i]->cred, &cred, sizeof(cred));
		/* Not made yet: nothing to remove, and no name of the file. */
		assert_null(silly_claim(fs, id_of(n[i])));
		assert_false(silly_is(fs, n[i], &dir, names[i]));
		assert_null(silly_ready(fs, s[i])); /* still open */
		assert_true(silly_is(fs, n[i], &dir, names[i]));
	}
	assert_false(silly_is(fs, n[0], &dir, names[1]));
	assert_false(silly_is(fs, n[0], &(struct nfsio_fh){.len = 3, .data = {1, 2, 4}}, names[0]));
	/* One of all who see the last close removes it. */
	assert_ptr_equal(silly_claim(fs, id_of(n[7])), s[7]);
	assert_null(silly_claim(fs, id_of(n[7])));
	silly_drop(fs, s[7]);
	assert_false(atomic_load(&n[7]->silly));
	struct silly *again = silly_new(fs, n[7], &dir, &cred);
	assert_ptr_equal(again, s[7]);
	for (size_t j = 0; j < ARRAY_LEN(s); j++)
		assert_string_not_equal(again->name, names[j]); /* names are not used twice */
}

/* The last close comes while the call that makes the name is under way: then
 * the maker has to remove it. */
static void closed_while_it_is_made(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t nodeid = id_of(n), fh = openrec_new(fs, n, &cred, 0, NULL);
	struct silly *s = silly_new(fs, n, &dir, &cred);
	assert_int_equal(openrec_free(fs, fh, nodeid), 0);
	assert_null(silly_claim(fs, nodeid)); /* there is nothing yet */
	assert_ptr_equal(silly_ready(fs, s), s);
	assert_null(silly_claim(fs, nodeid));
	silly_drop(fs, s);
	/* Forgotten by the kernel as well. */
	n = get(fs, 2);
	nodeid = id_of(n);
	fh = openrec_new(fs, n, &cred, 0, NULL);
	s = silly_new(fs, n, &dir, &cred);
	node_forget(&fs->nodes, nodeid, 1);
	openrec_free(fs, fh, nodeid);
	assert_ptr_equal(silly_ready(fs, s), s);
	silly_drop(fs, s);
	assert_null(node_by_id(&fs->nodes, nodeid));
}

/* The kernel sends FORGETs beside its queue: one may overtake the last RELEASE,
 * which must still find the name that it has to remove. */
static void forgotten_before_the_last_close(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t nodeid = id_of(n), fh = openrec_new(fs, n, &cred, 0, NULL);
	struct silly *s = silly_new(fs, n, &dir, &cred);
	assert_null(silly_ready(fs, s));
	node_forget(&fs->nodes, nodeid, 1);
	assert_int_equal(openrec_free(fs, fh, nodeid), 0);
	n = node_by_id(&fs->nodes, nodeid);
	assert_non_null(n);
	assert_true(atomic_load(&n->silly));
	assert_ptr_equal(silly_claim(fs, nodeid), s);
	silly_drop(fs, s);
	assert_null(node_by_id(&fs->nodes, nodeid));
}

/* A second run finds the first one's choice, and takes up from there. */
static void made_by_a_predecessor(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t nodeid = id_of(n);
	assert_true(openrec_new(fs, n, &cred, 0, NULL) != 0);
	struct silly *s = silly_new(fs, n, &dir, &cred);
	char name[32];
	memcpy(name, s->name, sizeof(name));
	forget_process(fs);
	assert_int_equal(nodes_init(&fs->nodes, &fs->st), 0);
	assert_int_equal(openrec_init(fs), 0);
	assert_ptr_equal(silly_new(fs, n, &dir, &cred), s);
	assert_string_equal(s->name, name);
	assert_true(silly_begun(fs, n));
	assert_null(silly_made_by_predecessor(fs, 0));
	assert_null(silly_made_by_predecessor(fs, nodeid + 1));
	assert_null(silly_claim(fs, nodeid));
	assert_null(silly_made_by_predecessor(fs, nodeid)); /* open still */
	assert_false(silly_begun(fs, n));
	assert_true(silly_is(fs, n, &dir, name));
	assert_ptr_equal(silly_claim(fs, nodeid), s);
}

/* Closed before the second run came to it; and killed while it was removed. */
static void removed_by_a_successor(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	uint64_t nodeid = id_of(n), fh = openrec_new(fs, n, &cred, 0, NULL);
	struct silly *s = silly_new(fs, n, &dir, &cred);
	openrec_free(fs, fh, nodeid);
	assert_ptr_equal(silly_made_by_predecessor(fs, nodeid), s);
	assert_null(silly_claim(fs, nodeid));
	forget_process(fs);
	assert_int_equal(nodes_init(&fs->nodes, &fs->st), 0);
	assert_int_equal(openrec_init(fs), 0);
	assert_ptr_equal(silly_claim(fs, nodeid), s);
}

/* Killed between a record and its counts: the records are what counts. */
static void counts_follow_the_records(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1), *m = get(fs, 2);
	_Atomic uint64_t noted = 0;
	uint64_t fh = openrec_new(fs, n, &cred, 0, &noted);
	assert_int_equal(noted, fh);
	atomic_store(&n->opens, 3);
	atomic_store(&m->opens, 1);
	atomic_store(&fs->st.spaces[n->space].opens, 7);
	forget_process(fs);
	assert_int_equal(nodes_init(&fs->nodes, &fs->st), 0);
	assert_int_equal(openrec_init(fs), 0);
	assert_int_equal(atomic_load(&n->opens), 1);
	assert_int_equal(atomic_load(&m->opens), 0);
	assert_int_equal(atomic_load(&fs->st.spaces[n->space].opens), 1);
}

static void silly_table_full(void **state)
{
	struct fs *fs = *state;
	struct node *n = get(fs, 1);
	for (uint32_t i = 0; i < STATE_SILLY_MAX; i++)
		atomic_store(&fs->st.silly[i].state, SILLY_READY);
	assert_null(silly_new(fs, n, &dir, &cred));
	assert_false(atomic_load(&n->silly));
	silly_drop(fs, &fs->st.silly[STATE_SILLY_MAX - 1]);
	assert_ptr_equal(silly_new(fs, n, &dir, &cred), &fs->st.silly[STATE_SILLY_MAX - 1]);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(records), T(unknown_handles), T(handles_are_never_given_twice),
		T(last_release_ends_a_forgotten_node), T(what_one_process_keeps), T(full_table), T(taken_over),
		T(silly_names), T(closed_while_it_is_made), T(made_by_a_predecessor), T(silly_table_full),
		T(forgotten_before_the_last_close), T(removed_by_a_successor), T(counts_follow_the_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
