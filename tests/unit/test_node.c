/* Inodes: counts, numbers that are never given twice, st_ino, attributes in
 * the order of the calls that brought them.
 *
 * unit-wrap: pthread_mutex_lock */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/node.h"

#define MAX_NODES 50u

struct fixture {
	struct state st;
	struct nodes nt;
	int fd;
};

/* What happens, once, just before this thread takes the next lock. */
static _Thread_local void (*before_lock)(void);

int __real_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
	void (*fn)(void) = before_lock;
	before_lock = NULL;
	if (fn)
		fn();
	return __real_pthread_mutex_lock(m);
}

static struct fixture fix;

static int setup(void **state)
{
	memset(&fix, 0, sizeof(fix));
	before_lock = NULL;
	fix.fd = memfd_create("test-node", MFD_CLOEXEC);
	assert_int_equal(state_create(&fix.st, fix.fd, &(struct state_sizes){1, 1, MAX_NODES}), 0);
	assert_int_equal(nodes_init(&fix.nt, &fix.st), 0);
	*state = &fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	nodes_fini(&f->nt);
	state_unmap(&f->st);
	close(f->fd);
	return 0;
}

static struct node_key file_key(uint32_t space, uint8_t h)
{
	return (struct node_key){.space = space, .kind = NODE_FILE, .fh = {.len = 4, .data = {h, 1, 2, 3}}};
}

/* A node of handle h in space 1, with st_ino 1000 + h. */
static struct node *get(struct fixture *f, uint8_t h)
{
	struct node_key k = file_key(1, h);
	return node_get(&f->nt, &k, 1000u + h);
}

static uint64_t id_of(const struct node *n)
{
	return atomic_load(&n->nodeid);
}

/* ---- life of a node ---- */

static void root_is_there(void **state)
{
	struct fixture *f = *state;
	struct node *r = node_by_id(&f->nt, NODE_ROOT_ID);
	assert_non_null(r);
	assert_int_equal(r->kind, NODE_ROOT);
	assert_int_equal(r->space, 0);
	assert_true(r->ino > 1);
	node_forget(&f->nt, NODE_ROOT_ID, 1000); /* the kernel never forgets it */
	assert_ptr_equal(node_by_id(&f->nt, NODE_ROOT_ID), r);
	assert_int_equal(atomic_load(&f->nt.live), 0); /* counts others only */
}

static void unknown_ids(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	uint64_t id = id_of(n);
	const uint64_t bad[] = {0, id + 1, id + (1ull << 32), id - (1ull << 32), (uint32_t)id, MAX_NODES + 1,
				UINT32_MAX, UINT64_MAX, 1ull << 32, (1ull << 32) | 1};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (node_by_id(&f->nt, bad[i]))
			fail_msg("%llx is known", (unsigned long long)bad[i]);
		node_forget(&f->nt, bad[i], 1);
	}
	assert_ptr_equal(node_by_id(&f->nt, id), n);
	assert_int_equal(atomic_load(&f->nt.live), 1);
}

static void lookups_count(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	uint64_t id = id_of(n);
	struct node_key k = file_key(1, 1);
	assert_ptr_equal(get(f, 1), n);
	assert_ptr_equal(get(f, 1), n);
	assert_int_equal(atomic_load(&n->nlookup), 3);
	assert_true(node_find(&f->nt, &k, 1001) == id);
	assert_int_equal(atomic_load(&n->nlookup), 3); /* finding counts nothing */
	assert_int_equal(atomic_load(&f->nt.live), 1);
	assert_int_equal(atomic_load(&f->st.spaces[1].nodes), 1);
	node_forget(&f->nt, id, 2);
	assert_ptr_equal(node_by_id(&f->nt, id), n);
	node_forget(&f->nt, id, 1);
	assert_null(node_by_id(&f->nt, id));
	assert_true(node_find(&f->nt, &k, 1001) == 0);
	assert_int_equal(atomic_load(&f->nt.live), 0);
	assert_int_equal(atomic_load(&f->st.spaces[1].nodes), 0);
	node_forget(&f->nt, id, 1); /* again: it is nobody's */
	assert_int_equal(atomic_load(&f->nt.live), 0);
}

static void forgetting_too_much_is_forgetting(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	uint64_t id = id_of(n);
	node_forget(&f->nt, id, 5);
	assert_null(node_by_id(&f->nt, id));
	assert_int_equal(atomic_load(&f->nt.live), 0);
}

static void what_makes_two_the_same(void **state)
{
	struct fixture *f = *state;
	const struct node_key base = file_key(1, 1);
	struct node_key other[6];
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		other[i] = base;
	other[0].space = 2;
	other[1].fh.data[3] ^= 1;
	other[2].fh.len = 3;
	other[3].fh.len = 5;
	other[4].kind = NODE_SNAPDIR;
	other[5].sub = 1;
	struct node *n = node_get(&f->nt, &base, 7);
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		struct node *m = node_get(&f->nt, &other[i], 7);
		if (m == n || id_of(m) == id_of(n))
			fail_msg("key %zu is the same node", i);
		assert_ptr_equal(node_get(&f->nt, &other[i], 7), m);
	}
	/* Bytes of a handle after its length mean nothing. */
	struct node_key k = base;
	k.fh.data[20] = 9;
	assert_ptr_equal(node_get(&f->nt, &k, 7), n);
}

static void nodeids_are_never_given_twice(void **state)
{
	struct fixture *f = *state;
	static uint64_t seen[400];
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		/* The same object again and again: the record may return, the id not. */
		struct node *n = get(f, (uint8_t)(i % 3));
		seen[i] = id_of(n);
		for (size_t j = 0; j < i; j++)
			if (seen[i] == seen[j])
				fail_msg("nodeid %llx given twice", (unsigned long long)seen[i]);
		n->attr.stamp_ns = 99;
		node_forget(&f->nt, seen[i], 1);
		n->silly = 1; /* what is left in the record */
	}
	assert_true(atomic_load(f->st.nodes_used) <= 4); /* records are used again */
	struct node *n = get(f, 9);
	assert_int_equal(n->silly, 0); /* and begin anew */
	assert_true(n->attr.stamp_ns == 0 && n->told == 0);
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		assert_null(node_by_id(&f->nt, seen[i]));
}

static void full_table(void **state)
{
	struct fixture *f = *state;
	struct node *last = NULL;
	uint32_t n = 0;
	for (; n <= MAX_NODES; n++) {
		struct node *x = get(f, (uint8_t)n);
		if (!x)
			break;
		last = x;
	}
	assert_int_equal(n, MAX_NODES - 1); /* record 0 is none, record 1 the root */
	assert_null(get(f, 200));
	assert_ptr_equal(get(f, (uint8_t)(n - 1)), last); /* what is known still counts */
	node_forget(&f->nt, id_of(last), 2);
	assert_non_null(get(f, 200));
	assert_null(get(f, 201));
}

static void forget_before_release(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	uint64_t id = id_of(n);
	atomic_store(&n->opens, 1);
	node_forget(&f->nt, id, 1);
	assert_ptr_equal(node_by_id(&f->nt, id), n); /* it is still open */
	assert_int_equal(atomic_load(&f->nt.live), 1);
	/* Looked up again meanwhile: the same one. */
	assert_ptr_equal(get(f, 1), n);
	assert_int_equal(atomic_load(&n->nlookup), 1);
	node_forget(&f->nt, id, 1);
	atomic_store(&n->opens, 0);
	node_forget(&f->nt, id, 0);
	assert_null(node_by_id(&f->nt, id));
	assert_int_equal(atomic_load(&f->nt.live), 0);
}

static uint64_t raced;

static void the_other_forgets(void)
{
	node_forget(&fix.nt, raced, 1);
}

/* A RELEASE and a FORGET end the last use of a node at the same time, on two
 * workers. The node ends once: its record must not be free twice. */
static void ended_by_two(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	raced = id_of(n);
	before_lock = the_other_forgets;
	node_forget(&f->nt, raced, 0);
	assert_null(before_lock); /* it did happen */
	assert_null(node_by_id(&f->nt, raced));
	assert_int_equal(atomic_load(&f->nt.live), 0);
	assert_int_equal(atomic_load(&f->st.spaces[1].nodes), 0);
	assert_int_equal(f->nt.free_n, 1);
	struct node *a = get(f, 2), *b = get(f, 3);
	assert_ptr_not_equal(a, b);
}

static void taken_by_another(void)
{
	node_forget(&fix.nt, raced, 1);
	get(&fix, 77); /* gets the record that was just freed */
}

static void ended_and_used_again(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	raced = id_of(n);
	before_lock = taken_by_another;
	node_forget(&f->nt, raced, 1);
	struct node_key k = file_key(1, 77);
	assert_true(node_find(&f->nt, &k, 1077) != 0); /* not hit by the late one */
	assert_int_equal(atomic_load(&f->nt.live), 1);
}

/* ---- the index ---- */

static void many_in_few_chains(void **state)
{
	struct fixture *f = *state;
	/* One st_ino for all: one chain. Taken out from head, middle and end. */
	uint64_t id[12];
	for (uint8_t i = 0; i < 12; i++) {
		struct node_key k = file_key(1, i);
		id[i] = id_of(node_get(&f->nt, &k, 5));
	}
	static const uint8_t order[] = {11, 0, 5, 6, 1, 10, 2, 9, 3, 8, 4, 7};
	for (size_t gone = 0; gone < ARRAY_LEN(order); gone++) {
		node_forget(&f->nt, id[order[gone]], 1);
		for (size_t i = 0; i < ARRAY_LEN(order); i++) {
			struct node_key k = file_key(1, order[i]);
			uint64_t want = i <= gone ? 0 : id[order[i]];
			if (node_find(&f->nt, &k, 5) != want)
				fail_msg("%u after %zu were taken out", order[i], gone + 1);
		}
	}
}

static void collisions_are_counted(void **state)
{
	struct fixture *f = *state;
	struct node_key a = file_key(1, 1), b = file_key(1, 2), elsewhere = file_key(2, 3);
	node_get(&f->nt, &a, 4242);
	assert_int_equal(atomic_load(&f->nt.ino_collisions), 0);
	node_get(&f->nt, &elsewhere, 4242); /* another file system of the server */
	node_get(&f->nt, &a, 4242);
	assert_int_equal(atomic_load(&f->nt.ino_collisions), 0);
	struct node *x = node_get(&f->nt, &a, 4242), *y = node_get(&f->nt, &b, 4242);
	assert_true(atomic_load(&f->nt.ino_collisions) >= 1);
	assert_ptr_not_equal(x, y); /* told apart all the same */
	assert_true(id_of(x) != id_of(y));
}

/* A successor knows what the kernel knows, and gives out new nodeids. */
static void taken_over(void **state)
{
	struct fixture *f = *state;
	uint64_t id[10];
	for (uint8_t i = 0; i < 10; i++)
		id[i] = id_of(get(f, i));
	get(f, 3);
	for (uint8_t i = 0; i < 10; i += 2)
		node_forget(&f->nt, id[i], 1);
	uint32_t used = atomic_load(f->st.nodes_used);
	nodes_fini(&f->nt);
	memset(&f->nt, 0xee, sizeof(f->nt));
	assert_int_equal(nodes_init(&f->nt, &f->st), 0);
	assert_int_equal(atomic_load(&f->nt.live), 5);
	assert_int_equal(f->nt.free_n, 5);
	for (uint8_t i = 0; i < 10; i++) {
		struct node_key k = file_key(1, i);
		assert_true(node_find(&f->nt, &k, 1000u + i) == (i % 2 ? id[i] : 0));
		assert_int_equal(node_by_id(&f->nt, id[i]) != NULL, i % 2);
	}
	assert_int_equal(atomic_load(&node_by_id(&f->nt, id[3])->nlookup), 2);
	for (uint8_t i = 0; i < 5; i++) {
		uint64_t fresh = id_of(get(f, (uint8_t)(100 + i)));
		for (uint8_t j = 0; j < 10; j++)
			assert_true(fresh != id[j]);
	}
	assert_int_equal(atomic_load(f->st.nodes_used), used); /* free records first */
	node_forget(&f->nt, id[3], 2);
	assert_null(node_by_id(&f->nt, id[3]));
	assert_non_null(node_by_id(&f->nt, NODE_ROOT_ID));
}

/* ---- st_ino ---- */

static struct space some_space(uint8_t volume, uint8_t snapshot, uint32_t from_fh)
{
	return (struct space){.volume.b = {volume}, .snapshot.b = {snapshot}, .ino_from_fh = from_fh};
}

static void ino_tells_versions_apart(void **state)
{
	(void)state;
	struct nfsio_fh fh = {.len = 4, .data = {1, 2, 3, 4}};
	const struct space live = some_space(1, 0, 0), snap = some_space(1, 9, 0), other = some_space(1, 8, 0),
			   clone = some_space(2, 0, 0);
	const struct space *s[] = {&live, &snap, &other, &clone};
	for (size_t i = 0; i < ARRAY_LEN(s); i++) {
		for (size_t j = 0; j < i; j++)
			assert_true(node_ino(s[i], 64, &fh) != node_ino(s[j], 64, &fh));
		assert_true(node_ino(s[i], 64, &fh) == node_ino(s[i], 64, &fh));
		assert_true(node_ino(s[i], 64, &fh) == node_ino(s[i], 64, NULL)); /* the handle means nothing */
		assert_true(node_ino(s[i], 64, &fh) != node_ino(s[i], 65, &fh));
	}
	/* The same on every host and after every restart: a hash of uuids and file
	 * id, and of nothing else that is known of a space. */
	struct space elsewhere = live;
	elsewhere.fsid = 7;
	elsewhere.root_fileid = 8;
	elsewhere.bound_ns = 9;
	assert_true(node_ino(&elsewhere, 64, &fh) == node_ino(&live, 64, &fh));
	const uint64_t words[6] = {1, 0, 9, 0, 0, 64}; /* uuids by their bytes, kind, file id */
	assert_true(node_ino(&snap, 64, &fh) == XXH3_64bits(words, sizeof(words)));
}

static void ino_from_handle(void **state)
{
	(void)state;
	struct nfsio_fh a = {.len = 4, .data = {1, 2, 3, 4}}, b = {.len = 4, .data = {1, 2, 3, 5}},
			dirty = {.len = 4, .data = {1, 2, 3, 4, 99}};
	const struct space live = some_space(1, 0, 1), snap = some_space(1, 9, 1);
	assert_true(node_ino(&live, 64, &a) != node_ino(&live, 64, &b)); /* equal 32-bit ids */
	assert_true(node_ino(&live, 64, &a) == node_ino(&live, 65, &a));
	assert_true(node_ino(&live, 64, &a) == node_ino(&live, 64, &dirty));
	assert_true(node_ino(&live, 64, &a) != node_ino(&snap, 64, &a));
}

static void ino_of_virtual_nodes(void **state)
{
	(void)state;
	const struct space live = some_space(1, 0, 0), other = some_space(2, 0, 0);
	const uint64_t ino[] = {
		node_ino_virtual(NULL, NODE_ROOT, 0),        node_ino_virtual(NULL, NODE_ONTAPDIR, 0),
		node_ino_virtual(NULL, NODE_STATFILE, 0),    node_ino_virtual(NULL, NODE_STATFILE, 1),
		node_ino_virtual(&live, NODE_SNAPDIR, 0),    node_ino_virtual(&live, NODE_CLONEDIR, 0),
		node_ino_virtual(&other, NODE_SNAPDIR, 0),   node_ino(&live, 0, NULL), node_ino(&live, 64, NULL),
	};
	for (size_t i = 0; i < ARRAY_LEN(ino); i++)
		for (size_t j = 0; j < i; j++)
			if (ino[i] == ino[j])
				fail_msg("%zu and %zu are one", i, j);
}

static void ino_has_no_special_value(void **state)
{
	(void)state;
	const struct space s = some_space(3, 4, 0);
	uint64_t all = 0;
	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t ino = node_ino(&s, i, NULL);
		if (ino <= 1 || ino == 0xffffffffull)
			fail_msg("file id %llu", (unsigned long long)i);
		all |= ino;
	}
	assert_true(all == UINT64_MAX); /* all 64 bits are made use of */
}

/* ---- attributes ---- */

static void older_never_replaces_newer(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int64_t stamp;
		uint64_t size;
		bool taken;
		uint64_t then;
	} rows[] = {
		{100, 1, true, 1}, {200, 2, true, 2}, {199, 3, false, 2}, {1, 4, false, 2},
		{200, 5, true, 5}, {201, 6, true, 6}, {0, 7, false, 6},
	};
	struct node *n = get(f, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nfsio_attr a = {.type = NFSIO_REG, .size = rows[i].size, .mode = 0644, .nlink = 1};
		struct node_attr out;
		assert_int_equal(node_attr_put(&f->nt, n, &a, rows[i].stamp), rows[i].taken);
		node_attr_get(&f->nt, n, &out, false);
		assert_int_equal(out.size, rows[i].then);
	}
}

static void all_attributes_are_kept(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	const struct nfsio_attr a = {
		.type = NFSIO_CHR, .mode = 04755, .nlink = 3, .uid = 5, .gid = 6, .rdev_major = 7, .rdev_minor = 8,
		.size = 9, .used = 10, .fsid = 11, .fileid = 12, .atime_ns = -13, .mtime_ns = 14, .ctime_ns = 15,
	};
	struct node_attr out;
	assert_true(node_attr_put(&f->nt, n, &a, 77));
	node_attr_get(&f->nt, n, &out, false);
	assert_true(out.stamp_ns == 77 && out.type == NFSIO_CHR && out.mode == 04755 && out.nlink == 3);
	assert_true(out.uid == 5 && out.gid == 6 && out.rdev_major == 7 && out.rdev_minor == 8);
	assert_true(out.size == 9 && out.used == 10 && out.fileid == 12);
	assert_true(out.atime_ns == -13 && out.mtime_ns == 14 && out.ctime_ns == 15);
	n->silly = 1; /* its second name is nobody's business */
	node_attr_get(&f->nt, n, &out, false);
	assert_int_equal(out.nlink, 2);
}

static void told_is_what_was_told(void **state)
{
	struct fixture *f = *state;
	struct node *n = get(f, 1);
	const struct nfsio_attr a = {.type = NFSIO_REG, .size = 10, .mtime_ns = 20, .ctime_ns = 30};
	struct node_attr out;
	node_attr_put(&f->nt, n, &a, 1);
	assert_false(node_attr_is_told(&f->nt, n, &a));
	node_attr_get(&f->nt, n, &out, false);
	assert_false(node_attr_is_told(&f->nt, n, &a));
	node_attr_get(&f->nt, n, &out, true);
	assert_true(node_attr_is_told(&f->nt, n, &a));
	struct nfsio_attr b = a;
	b.atime_ns = 99;
	b.mode = 0777;
	assert_true(node_attr_is_told(&f->nt, n, &b));
	for (int i = 0; i < 3; i++) {
		b = a;
		if (i == 0)
			b.size++;
		else if (i == 1)
			b.mtime_ns++;
		else
			b.ctime_ns++;
		assert_false(node_attr_is_told(&f->nt, n, &b));
	}
	/* Newer attributes taken in are not told yet. */
	b = a;
	b.size = 11;
	node_attr_put(&f->nt, n, &b, 2);
	assert_true(node_attr_is_told(&f->nt, n, &a));
	assert_false(node_attr_is_told(&f->nt, n, &b));
}

/* A write of ours: told follows only when the server's "before" is what the
 * kernel knows. If somebody else was in between, the kernel must hear of it. */
static void own_changes(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *what;
		struct nfsio_wcc before;
		bool told;
	} rows[] = {
		{"ours alone", {true, 10, 20, 30}, true},
		{"no wcc data", {false, 10, 20, 30}, false},
		{"another size before", {true, 11, 20, 30}, false},
		{"another mtime before", {true, 10, 21, 30}, false},
		{"another ctime before", {true, 10, 20, 31}, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node *n = get(f, (uint8_t)i);
		const struct nfsio_attr old = {.type = NFSIO_REG, .size = 10, .mtime_ns = 20, .ctime_ns = 30};
		const struct nfsio_attr new = {.type = NFSIO_REG, .size = 50, .mtime_ns = 60, .ctime_ns = 70};
		struct node_attr out;
		node_attr_put(&f->nt, n, &old, 100);
		node_attr_get(&f->nt, n, &out, true);
		node_attr_own_change(&f->nt, n, &rows[i].before, &new, 110);
		node_attr_get(&f->nt, n, &out, false);
		assert_int_equal(out.size, 50);
		if (node_attr_is_told(&f->nt, n, &new) != rows[i].told)
			fail_msg("%s", rows[i].what);
	}
}

/* Answers of parallel writes arrive in any order: the server's ctime decides,
 * and a stamp never goes back. */
static void own_changes_overtake(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *what;
		int64_t stamp, ctime, want_ctime, want_stamp;
	} rows[] = {
		{"later in both", 200, 80, 80, 200},
		{"sent earlier, done later", 150, 90, 90, 200},
		{"sent earlier, done earlier", 140, 85, 90, 200},
		{"sent later, clock stepped back", 210, 70, 70, 210},
		{"the same again", 210, 70, 70, 210},
	};
	struct node *n = get(f, 1);
	const struct nfsio_wcc none = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct nfsio_attr a = {.type = NFSIO_REG, .ctime_ns = rows[i].ctime};
		struct node_attr out;
		node_attr_own_change(&f->nt, n, &none, &a, rows[i].stamp);
		node_attr_get(&f->nt, n, &out, false);
		if (out.ctime_ns != rows[i].want_ctime || out.stamp_ns != rows[i].want_stamp)
			fail_msg("%s: ctime %lld, stamp %lld", rows[i].what, (long long)out.ctime_ns,
				 (long long)out.stamp_ns);
	}
}

/* ---- from many threads ---- */

struct racer {
	pthread_t thread;
	struct fixture *f;
	unsigned seed;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	for (int i = 0; i < 3000; i++) {
		r->seed = r->seed * 1103515245u + 12345u;
		struct node *n = get(r->f, (uint8_t)(r->seed >> 16 & 7));
		uint64_t id = id_of(n);
		if (r->seed & 1u << 20) {
			/* Open and release, the FORGET in between. */
			atomic_fetch_add(&n->opens, 1);
			node_forget(&r->f->nt, id, 1);
			if (atomic_fetch_sub(&n->opens, 1) == 1)
				node_forget(&r->f->nt, id, 0);
		} else {
			node_forget(&r->f->nt, id, 1);
		}
	}
	return NULL;
}

static void counts_add_up_under_threads(void **state)
{
	struct fixture *f = *state;
	struct racer r[4];
	for (unsigned i = 0; i < ARRAY_LEN(r); i++) {
		r[i] = (struct racer){.f = f, .seed = i * 7919 + 1};
		assert_int_equal(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		pthread_join(r[i].thread, NULL);
	assert_int_equal(atomic_load(&f->nt.live), 0);
	assert_int_equal(atomic_load(&f->st.spaces[1].nodes), 0);
	/* Each record that was ever used is free exactly once. */
	uint32_t used = atomic_load(f->st.nodes_used);
	assert_int_equal(f->nt.free_n, used - 2);
	for (uint32_t i = 0; i < f->nt.free_n; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(f->nt.free_list[i], f->nt.free_list[j]);
	for (uint32_t b = 0; b <= f->st.index_mask; b++)
		assert_int_equal(atomic_load(&f->st.index[b]), 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	const struct CMUnitTest tests[] = {
		T(root_is_there), T(unknown_ids), T(lookups_count), T(forgetting_too_much_is_forgetting),
		T(what_makes_two_the_same), T(nodeids_are_never_given_twice), T(full_table),
		T(forget_before_release), T(ended_by_two), T(ended_and_used_again), T(many_in_few_chains),
		T(collisions_are_counted), T(taken_over),
		T(ino_tells_versions_apart), T(ino_from_handle), T(ino_of_virtual_nodes),
		T(ino_has_no_special_value),
		T(older_never_replaces_newer), T(all_attributes_are_kept), T(told_is_what_was_told),
		T(own_changes), T(own_changes_overtake), T(counts_add_up_under_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
