/* Layout of the shared state. The offsets stand in the head, so a successor
 * maps what is there and never guesses; the CRC covers everything that does
 * not change after creation. */
#include "fs/state.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* state_head.layout[] */
enum { LAY_NOTES, LAY_SPACES, LAY_NODES, LAY_INDEX, LAY_OPENS, LAY_SILLY, LAY_MARKS,
       LAY_FOUND, LAY_MAX_NODES, LAY_BUCKETS };

/* The mutable words that belong to no record. */
struct marks {
	_Atomic uint32_t nodes_used, spaces_used, opens_used;
	uint32_t pad;
	_Atomic uint64_t silly_counter;
	struct uuid mount_id;
};

static uint32_t head_crc(const struct state_head *h)
{
	size_t from = offsetof(struct state_head, size), to = offsetof(struct state_head, owner_epoch);
	return XXH32((const uint8_t *)h + from, to - from, h->version);
}

static uint64_t page_up(uint64_t n)
{
	return (n + 4095) & ~4095ull;
}

static int map_state(struct state *st, int fd, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	st->fd = fd;
	st->base = p;
	st->size = size;
	st->head = p;
	return 0;
}

static void set_pointers(struct state *st)
{
	const uint64_t *lay = st->head->layout;
	struct marks *m = (void *)(st->base + lay[LAY_MARKS]);
	st->notes = (void *)(st->base + lay[LAY_NOTES]);
	st->spaces = (void *)(st->base + lay[LAY_SPACES]);
	st->nodes = (void *)(st->base + lay[LAY_NODES]);
	st->index = (void *)(st->base + lay[LAY_INDEX]);
	st->opens = (void *)(st->base + lay[LAY_OPENS]);
	st->silly = (void *)(st->base + lay[LAY_SILLY]);
	st->found = st->base + lay[LAY_FOUND];
	st->max_nodes = (uint32_t)lay[LAY_MAX_NODES];
	st->index_mask = (uint32_t)lay[LAY_BUCKETS] - 1;
	st->nodes_used = &m->nodes_used;
	st->spaces_used = &m->spaces_used;
	st->opens_used = &m->opens_used;
	st->silly_counter = &m->silly_counter;
	st->mount_id = &m->mount_id;
}

static void lay_out(struct state_head *h, const struct state_sizes *sz)
{
	uint64_t off = page_up(sizeof(*h));
	const uint32_t n[STATE_NCLASSES] = {sz->slots, sz->write_slots};
	const uint32_t stride[STATE_NCLASSES] = {SLOT_SMALL_BYTES, SLOT_LARGE_BYTES};
	for (int c = 0; c < STATE_NCLASSES; c++) {
		h->slots[c] = (struct state_slots){.off = off, .n = n[c], .stride = stride[c]};
		off = page_up(off + (uint64_t)n[c] * stride[c]);
	}
	uint64_t buckets = 1024;
	while (buckets < sz->max_nodes)
		buckets *= 2;
	h->layout[LAY_MAX_NODES] = sz->max_nodes;
	h->layout[LAY_BUCKETS] = buckets;
	const struct {
		int at;
		uint64_t bytes;
	} parts[] = {
		{LAY_NOTES, (uint64_t)(sz->slots + sz->write_slots) * sizeof(struct slot_note)},
		{LAY_MARKS, sizeof(struct marks)},
		{LAY_SPACES, (uint64_t)STATE_SPACES_MAX * sizeof(struct space)},
		{LAY_NODES, (uint64_t)(sz->max_nodes + 1) * sizeof(struct node)},
		{LAY_INDEX, buckets * sizeof(uint32_t)},
		{LAY_OPENS, (uint64_t)STATE_OPENS_MAX * sizeof(struct openrec)},
		{LAY_SILLY, (uint64_t)STATE_SILLY_MAX * sizeof(struct silly)},
		{LAY_FOUND, STATE_FOUND_BYTES},
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		h->layout[parts[i].at] = off;
		off = page_up(off + parts[i].bytes);
	}
	h->size = off;
}

int state_create(struct state *st, int fd, const struct state_sizes *sizes)
{
	struct state_head h = {.version = STATE_VERSION};
	lay_out(&h, sizes);
	h.head_crc = head_crc(&h);
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)h.size) < 0)
		return -errno;
	int r = map_state(st, fd, h.size);
	if (r < 0)
		return r;
	*st->head = h;
	set_pointers(st);
	/* Records number 0 mean "none" in every table. */
	atomic_store(st->nodes_used, 1);
	atomic_store(st->spaces_used, 1);
	atomic_store(st->opens_used, 1);
	uuid_random(st->mount_id);
	uint32_t xid;
	if (getrandom(&xid, sizeof(xid), 0) != sizeof(xid))
		xid = (uint32_t)(uintptr_t)st;
	atomic_store(&st->head->next_xid, xid);
	atomic_thread_fence(memory_order_release);
	st->head->magic = STATE_MAGIC;
	return 0;
}

int state_attach(struct state *st, int fd, char why[128])
{
	struct stat sb;
	if (fstat(fd, &sb) < 0)
		return -errno;
	struct state_head h;
	if ((uint64_t)sb.st_size < sizeof(h) || pread(fd, &h, sizeof(h), 0) != sizeof(h)) {
		snprintf(why, 128, "the shared state is empty");
		return -EPROTO;
	}
	struct state_head want = {.version = STATE_VERSION};
	struct state_sizes sz = {.slots = h.slots[STATE_SLOTS_SMALL].n,
				 .write_slots = h.slots[STATE_SLOTS_LARGE].n,
				 .max_nodes = (uint32_t)h.layout[LAY_MAX_NODES]};
	if (h.magic == STATE_MAGIC && h.version != STATE_VERSION) {
		snprintf(why, 128, "the mount's state is of version %u, this program knows version %u: "
			 "unmount and mount again", h.version, (unsigned)STATE_VERSION);
		return -EPROTO;
	}
	if (h.magic != STATE_MAGIC || h.head_crc != head_crc(&h)) {
		snprintf(why, 128, "the mount's state is damaged: unmount and mount again");
		return -EPROTO;
	}
	/* The CRC proves that a daemon wrote it; the sizes must still be the ones
	 * that this daemon would lay out, or record sizes differ. */
	lay_out(&want, &sz);
	if (h.size != want.size || h.size > (uint64_t)sb.st_size ||
	    memcmp(h.layout, want.layout, sizeof(h.layout)) != 0) {
		snprintf(why, 128, "the shared state has another layout");
		return -EPROTO;
	}
	int r = map_state(st, fd, h.size);
	if (r < 0)
		return r;
	set_pointers(st);
	/* What these say is how far the tables are read. */
	uint32_t nodes = atomic_load(st->nodes_used), spaces = atomic_load(st->spaces_used),
		 opens = atomic_load(st->opens_used);
	if (nodes - 1 > st->max_nodes || spaces - 1 >= STATE_SPACES_MAX || opens - 1 >= STATE_OPENS_MAX) {
		snprintf(why, 128, "the shared state is damaged: more records than it has room for");
		state_unmap(st);
		return -EPROTO;
	}
	return 0;
}

void state_unmap(struct state *st)
{
	if (st->base)
		munmap(st->base, st->size);
	st->base = NULL;
}
