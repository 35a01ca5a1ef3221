/* The shared state that a predecessor left, with any bytes of it changed: it is
 * refused, or a daemon can start on it. The input is a list of changes: 4 bytes
 * offset (of the parts that are in use), 1 byte value; or, when the first byte
 * is 0, the whole head. */
#include <unistd.h>

#include "fs/base/log.h"
#include "fs/fs_i.h"
#include "tests/fuzz/fuzz.h"

#define CHANGE 5

static const struct state_sizes sizes = {.slots = 8, .write_slots = 2, .max_nodes = 64};

/* Some tables hold something, so that there is something to damage. */
static void populate(struct state *st)
{
	atomic_store(st->nodes_used, 3);
	atomic_store(st->spaces_used, 2);
	atomic_store(st->opens_used, 2);
	st->spaces[1].volume.b[0] = 1;
	memcpy(st->spaces[1].name, "v", 2);
	for (uint32_t i = 1; i < 3; i++) {
		st->nodes[i].kind = i == 1 ? NODE_ROOT : NODE_FILE;
		st->nodes[i].fh.len = 8;
		atomic_store(&st->nodes[i].nodeid, i);
	}
	atomic_store(&st->spaces[1].state, SPACE_LIVE);
	for (uint32_t b = 0; b <= st->index_mask; b += 64)
		atomic_store(&st->index[b], 2);
}

static uint64_t offset(const struct state *st, uintptr_t part)
{
	return part - (uintptr_t)st->base;
}

/* The offset of a change: within the head, the marks, or the head of a table. */
static uint64_t place(const struct state *st, uint32_t at)
{
	const uint64_t from[] = {
		0,
		offset(st, (uintptr_t)st->nodes_used),
		offset(st, (uintptr_t)st->spaces),
		offset(st, (uintptr_t)st->nodes),
		offset(st, (uintptr_t)st->opens),
		offset(st, (uintptr_t)st->index),
	};
	return from[at % ARRAY_LEN(from)] + (at / ARRAY_LEN(from)) % 4096;
}

static void start_on(struct state *st)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	if (!fs)
		exit(1);
	fs->st = *st;
	int r = openrec_init(fs);
	if (r == 0)
		r = nodes_init(&fs->nodes, &fs->st);
	if (r == 0) {
		r = spaces_init(&fs->spaces, &fs->st);
		if (r == 0) {
			struct uuid u = {.b = {1}};
			space_find(&fs->spaces, &u, NULL);
			for (uint64_t id = 0; id < 80; id++)
				node_by_id(&fs->nodes, id);
			for (uint64_t i = 0; i < 2048; i++) {
				struct node_key k = {.space = 1, .kind = NODE_FILE, .fh = {.len = 8}};
				memcpy(k.fh.data, &i, sizeof(i));
				node_find(&fs->nodes, &k, i);
			}
		}
		spaces_fini(&fs->spaces);
	}
	nodes_fini(&fs->nodes);
	free(fs->open_state);
	free(fs->open_free);
	free(fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state st = {0}, next = {0};
	char path[64], why[128] = "";
	int fd = fuzz_file("", 0, path);
	log_set_level(LOG_LV_ERROR);
	if (state_create(&st, fd, &sizes) < 0)
		exit(1);
	populate(&st);
	if (size && data[0] == 0) {
		memcpy(st.base, data + 1, size - 1 < sizeof(*st.head) ? size - 1 : sizeof(*st.head));
	} else {
		for (size_t i = 0; i + CHANGE <= size; i += CHANGE) {
			uint32_t at;
			memcpy(&at, data + i, sizeof(at));
			st.base[place(&st, at)] = data[i + 4];
		}
	}
	state_unmap(&st);
	int r = state_attach(&next, fd, why);
	MUST(r == 0 || why[0] || r != -EPROTO);
	if (r == 0) {
		start_on(&next);
		state_unmap(&next);
	}
	close(fd);
	return 0;
}
