/* The head of the shared state, as far as the holder's fallback reads it.
 *
 * The state is one memfd owned by the holder: this head, the journal of
 * requests, then tables that only the daemon knows. Nothing in it is a lock;
 * a record is published by one release store, so that it is whole at every
 * instant at which the daemon may die. */
#ifndef BASE_STATEHEAD_H
#define BASE_STATEHEAD_H

#include <stdint.h>

#define STATE_MAGIC 0x6f6e7461706673ull /* "ontapfs" */

/* A journal slot starts with the raw request as read(2) from /dev/fuse left it,
 * so its first fields are those of struct fuse_in_header. `unique` is 0 while
 * the slot is free; it is set by the read itself and cleared after the reply
 * was written. Each worker reads into a large slot of its own; a small request
 * is copied into a small slot, so the same unique may stand in two slots for a
 * moment. */
struct state_slot {
	uint32_t len;
	uint32_t opcode;
	_Atomic uint64_t unique;
};

struct state_slots {
	uint64_t off;    /* of the first slot, bytes from the start of the state */
	uint32_t n;
	uint32_t stride; /* bytes from slot to slot */
};

enum { STATE_SLOTS_SMALL, STATE_SLOTS_LARGE, STATE_NCLASSES };

struct state_head {
	uint64_t magic;     /* written last: a state without it is empty */
	uint32_t version;   /* layout of the whole state */
	uint32_t head_crc;  /* over the immutable part that follows, up to owner_epoch */
	uint64_t size;      /* bytes of the whole state */
	struct state_slots slots[STATE_NCLASSES];
	uint64_t layout[16]; /* the daemon's own tables, see fs/state.c */
	/* ---- mutable ---- */
	_Atomic uint32_t owner_epoch; /* counts daemons */
	_Atomic uint32_t next_xid;
	uint32_t init_len;  /* bytes of the recorded FUSE_INIT, 0: none yet */
	_Alignas(8) uint8_t init[256]; /* the raw request, read as its structs */
	_Alignas(8) uint8_t init_out[256];
	uint32_t init_out_len;
};

#endif
