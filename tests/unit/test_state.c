/* The shared state: a first start lays it out, a successor maps exactly that,
 * and whatever else lies in the descriptor is refused and left alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/state.h"

static const struct state_sizes sizes = {.slots = 40, .write_slots = 12, .max_nodes = 5000};

static int memory(void)
{
	int fd = memfd_create("test-state", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int created(struct state *st)
{
	int fd = memory();
	assert_int_equal(state_create(st, fd, &sizes), 0);
	return fd;
}

/* ---- a first start ---- */

static void starts_empty(void **unused)
{
	(void)unused;
	struct state st = {0};
	cleanup_fd int fd = created(&st);
	assert_true(st.head->magic == STATE_MAGIC);
	assert_int_equal(st.head->version, STATE_VERSION);
	assert_int_equal(st.fd, fd);
	assert_int_equal(st.max_nodes, sizes.max_nodes);
	/* Record 0 of every table means "none". */
	assert_int_equal(atomic_load(st.nodes_used), 1);
	assert_int_equal(atomic_load(st.spaces_used), 1);
	assert_int_equal(atomic_load(st.opens_used), 1);
	assert_false(uuid_is_zero(st.mount_id));
	assert_int_equal(atomic_load(&st.head->owner_epoch), 0);
	assert_int_equal(st.head->init_len, 0);
	for (uint32_t i = 0; i <= st.max_nodes; i++)
		assert_true(atomic_load(&st.nodes[i].nodeid) == 0);
	for (uint32_t i = 0; i < sizes.slots; i++)
		assert_true(((struct state_slot *)state_slot(&st, STATE_SLOTS_SMALL, i))->unique == 0);
	state_unmap(&st);
	assert_null(st.base);
	state_unmap(&st); /* twice does no harm */
}

static void mounts_differ(void **unused)
{
	(void)unused;
	struct state a = {0}, b = {0};
	cleanup_fd int fa = created(&a), fb = created(&b);
	assert_false(uuid_eq(a.mount_id, b.mount_id));
	state_unmap(&a);
	state_unmap(&b);
	(void)fa, (void)fb;
}

static void creating_wipes_what_was_there(void **unused)
{
	(void)unused;
	struct state st = {0};
	cleanup_fd int fd = created(&st);
	atomic_store(&st.nodes[7].nodeid, 7);
	atomic_store(st.nodes_used, 8);
	state_unmap(&st);
	assert_int_equal(state_create(&st, fd, &sizes), 0);
	assert_true(atomic_load(&st.nodes[7].nodeid) == 0);
	assert_int_equal(atomic_load(st.nodes_used), 1);
	state_unmap(&st);
}

/* Every region begins on a page, lies inside, and overlaps no other: each is
 * filled with its own byte, to its last, and afterwards holds it still. */
static void regions_do_not_overlap(void **unused)
{
	(void)unused;
	struct state st = {0};
	cleanup_fd int fd = created(&st);
	(void)fd;
	struct region {
		const char *name;
		void *at;
		uint64_t bytes;
	} r[] = {
		{"small slots", state_slot(&st, STATE_SLOTS_SMALL, 0), (uint64_t)sizes.slots * SLOT_SMALL_BYTES},
		{"large slots", state_slot(&st, STATE_SLOTS_LARGE, 0),
		 (uint64_t)sizes.write_slots * SLOT_LARGE_BYTES},
		{"notes", st.notes, (uint64_t)(sizes.slots + sizes.write_slots) * sizeof(struct slot_note)},
		{"nodes", st.nodes, (uint64_t)(sizes.max_nodes + 1) * sizeof(struct node)},
		{"index", st.base + st.head->layout[3], ((uint64_t)st.index_mask + 1) * sizeof(uint32_t)},
		/* These are large and sparse: only their ends are touched. */
		{"spaces", st.spaces, (uint64_t)STATE_SPACES_MAX * sizeof(struct space)},
		{"opens", st.opens, (uint64_t)STATE_OPENS_MAX * sizeof(struct openrec)},
		{"silly", st.silly, (uint64_t)STATE_SILLY_MAX * sizeof(struct silly)},
	};
	struct state_head before = *st.head;
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		uint8_t *p = r[i].at;
		if (((uintptr_t)p & 4095) != 0 || p < st.base + sizeof(*st.head) ||
		    p + r[i].bytes > st.base + st.size)
			fail_msg("%s: from %td, %llu bytes", r[i].name, p - st.base, (unsigned long long)r[i].bytes);
		for (size_t j = 0; j < i; j++) {
			uint8_t *q = r[j].at;
			if (p < q + r[j].bytes && q < p + r[i].bytes)
				fail_msg("%s overlaps %s", r[i].name, r[j].name);
		}
		p[0] = p[r[i].bytes - 1] = (uint8_t)(i + 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		const uint8_t *p = r[i].at;
		assert_int_equal(p[0], i + 1);
		assert_int_equal(p[r[i].bytes - 1], i + 1);
	}
	assert_memory_equal(st.head, &before, sizeof(before));
	/* Marks lie between them and are not hit either. */
	assert_int_equal(atomic_load(st.nodes_used), 1);
	assert_int_equal(st.index_mask & (st.index_mask + 1), 0);
	assert_true(st.index_mask + 1 >= sizes.max_nodes);
	state_unmap(&st);
}

static void slots_are_apart(void **unused)
{
	(void)unused;
	struct state st = {0};
	cleanup_fd int fd = created(&st);
	(void)fd;
	static const uint32_t bytes[] = {SLOT_SMALL_BYTES, SLOT_LARGE_BYTES};
	for (int class = 0; class < STATE_NCLASSES; class++)
		for (uint32_t i = 1; i < st.head->slots[class].n; i++)
			assert_int_equal((uint8_t *)state_slot(&st, class, i) -
						 (uint8_t *)state_slot(&st, class, i - 1), bytes[class]);
	assert_int_equal(st.head->slots[STATE_SLOTS_SMALL].n, sizes.slots);
	assert_int_equal(st.head->slots[STATE_SLOTS_LARGE].n, sizes.write_slots);
	state_unmap(&st);
}

/* ---- a successor ---- */

static void successor_sees_the_same(void **unused)
{
	(void)unused;
	struct state a = {0}, b = {0};
	cleanup_fd int fd = created(&a);
	struct uuid id = *a.mount_id;
	atomic_store(&a.nodes[a.max_nodes].nodeid, 0x700000001ull);
	atomic_store(&a.opens[STATE_OPENS_MAX - 1].id, 9);
	snprintf(a.silly[STATE_SILLY_MAX - 1].name, sizeof(a.silly[0].name), ".nfs01");
	atomic_store(&a.spaces[STATE_SPACES_MAX - 1].state, SPACE_DEAD);
	atomic_store(a.silly_counter, 77);
	atomic_store(&a.head->next_xid, 123);
	a.head->init_len = 64; /* what changes is not under the CRC */
	atomic_fetch_add(&a.head->owner_epoch, 1);
	state_unmap(&a);

	char why[128] = "";
	assert_int_equal(state_attach(&b, fd, why), 0);
	assert_string_equal(why, "");
	assert_true(uuid_eq(b.mount_id, &id));
	assert_int_equal(b.max_nodes, sizes.max_nodes);
	assert_true(atomic_load(&b.nodes[b.max_nodes].nodeid) == 0x700000001ull);
	assert_true(atomic_load(&b.opens[STATE_OPENS_MAX - 1].id) == 9);
	assert_string_equal(b.silly[STATE_SILLY_MAX - 1].name, ".nfs01");
	assert_int_equal(atomic_load(&b.spaces[STATE_SPACES_MAX - 1].state), SPACE_DEAD);
	assert_true(atomic_load(b.silly_counter) == 77);
	assert_int_equal(atomic_load(&b.head->next_xid), 123);
	assert_int_equal(atomic_load(&b.head->owner_epoch), 1);
	state_unmap(&b);
}

/* What a word of the head is changed to, and that it is refused. */
static void damage_is_refused(void **unused)
{
	(void)unused;
#define AT(field) offsetof(struct state_head, field), sizeof(((struct state_head *)0)->field)
	static const struct {
		const char *what;
		size_t off, bytes;
	} rows[] = {
		{"magic", AT(magic)},
		{"version", AT(version)},
		{"crc", AT(head_crc)},
		{"size", AT(size)},
		{"offset of the small slots", AT(slots[0].off)},
		{"number of small slots", AT(slots[0].n)},
		{"stride of the large slots", AT(slots[1].stride)},
		{"first table", AT(layout[0])},
		{"number of nodes", AT(layout[7])},
		{"buckets of the index", AT(layout[8])},
		{"unused words", AT(layout[15])},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned bit = 0; bit < 8; bit += 7) {
			struct state st = {0};
			cleanup_fd int fd = created(&st);
			state_unmap(&st);
			off_t at = (off_t)(rows[i].off + (bit ? rows[i].bytes - 1 : 0));
			uint8_t byte;
			assert_int_equal(pread(fd, &byte, 1, at), 1);
			byte ^= (uint8_t)(1u << bit);
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
			char why[128] = "";
			if (state_attach(&st, fd, why) != -EPROTO || !why[0] || st.base)
				fail_msg("%s, bit %u: not refused", rows[i].what, bit);
			uint8_t after;
			assert_int_equal(pread(fd, &after, 1, at), 1);
			assert_int_equal(after, byte); /* left alone */
		}
}

static void wrong_sizes_are_refused(void **unused)
{
	(void)unused;
	static const struct {
		const char *what;
		int64_t bytes; /* of the file; negative: off the right size */
	} rows[] = {
		{"empty", 0},
		{"one byte", 1},
		{"half a head", (int64_t)sizeof(struct state_head) / 2},
		{"a head alone", (int64_t)sizeof(struct state_head)},
		{"a page short", -4096},
		{"a byte short", -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct state st = {0};
		cleanup_fd int fd = created(&st);
		int64_t size = (int64_t)st.size;
		state_unmap(&st);
		assert_int_equal(ftruncate(fd, i < 4 && rows[i].bytes >= 0 ? rows[i].bytes : size + rows[i].bytes), 0);
		char why[128] = "";
		if (state_attach(&st, fd, why) != -EPROTO || !why[0] || st.base)
			fail_msg("%s: not refused", rows[i].what);
	}
}

static void other_things_are_refused(void **unused)
{
	(void)unused;
	struct state st = {0};
	char why[128] = "";
	cleanup_fd int fd = memory();
	static uint8_t noise[65536];
	memset(noise, 0xa5, sizeof(noise));
	assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
	assert_int_equal(state_attach(&st, fd, why), -EPROTO);
	assert_int_equal(state_attach(&st, -1, why), -EBADF);
	assert_int_equal(state_create(&st, -1, &sizes), -EBADF);
	assert_null(st.base);
}

/* Whatever the sizes are, what one daemon lays out the next one finds. */
static void any_sizes(void **unused)
{
	(void)unused;
	static const struct state_sizes rows[] = {
		{1, 1, 1}, {1, 9, 1024}, {4096, 1032, 4194304}, {3, 2, 1025}, {64, 64, 16777216},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct state a = {0}, b = {0};
		cleanup_fd int fd = memory();
		char why[128] = "";
		assert_int_equal(state_create(&a, fd, &rows[i]), 0);
		if (state_attach(&b, fd, why) != 0)
			fail_msg("row %zu: %s", i, why);
		assert_int_equal(a.index_mask, b.index_mask);
		assert_true(a.index_mask >= 1023);
		assert_int_equal((uint8_t *)a.nodes - a.base, (uint8_t *)b.nodes - b.base);
		struct stat sb;
		assert_int_equal(fstat(fd, &sb), 0);
		assert_true((uint64_t)sb.st_size == a.size);
		assert_true(sb.st_blocks < 4096); /* sparse, whatever it could hold */
		state_unmap(&a);
		state_unmap(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty),
		cmocka_unit_test(mounts_differ),
		cmocka_unit_test(creating_wipes_what_was_there),
		cmocka_unit_test(regions_do_not_overlap),
		cmocka_unit_test(slots_are_apart),
		cmocka_unit_test(successor_sees_the_same),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(wrong_sizes_are_refused),
		cmocka_unit_test(other_things_are_refused),
		cmocka_unit_test(any_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
