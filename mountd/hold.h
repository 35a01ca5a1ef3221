/* What the holder and the daemon say to each other.
 *
 * `ontapfs-hold` owns the /dev/fuse descriptor and the memfd of the shared
 * state, so that neither dies with a daemon. It starts the daemon as
 * `ontapfs serve SOURCE MOUNTPOINT` with a SOCK_SEQPACKET socket as the
 * descriptor named by HOLD_ENV. Every message is one struct hold_msg; SETUP
 * carries the two descriptors as SCM_RIGHTS. The holder is the only parent. */
#ifndef MOUNTD_HOLD_H
#define MOUNTD_HOLD_H

#include <stdint.h>

#define HOLD_ENV     "ONTAPFS_HOLD_FD"
#define HOLD_MAGIC   0x4f484c44u /* "OHLD" */
#define HOLD_VERSION 1

enum hold_type {
	HOLD_HELLO = 1, /* daemon: I am here */
	HOLD_SETUP,     /* holder: fds = {fuse, state}; flag = 1 on takeover */
	HOLD_MOUNT,     /* daemon, first start only: text = options for mount(2) */
	HOLD_MOUNTED,   /* holder: err = 0 or -errno, text = why */
	HOLD_READY,     /* daemon: the tree answers */
	HOLD_FAILED,    /* daemon: text = one sentence; it exits next */
	HOLD_ENDED,     /* daemon: the mount is gone (unmounted); it exits next with 0 */
};

struct hold_msg {
	uint32_t magic, version;
	uint32_t type; /* enum hold_type */
	int32_t err;
	uint32_t flag;
	char text[1024]; /* NUL terminated */
};

/* The head of the state memfd that the holder's fallback reads: where requests
 * lie that were read but not answered. Written once by the first daemon. */
#define HOLD_STATE_MAGIC 0x6f6e7461706673ull /* "ontapfs" */
struct hold_state_head {
	uint64_t magic;
	uint32_t version;      /* layout version of the whole state */
	uint32_t head_crc;     /* XXH32 of the head after this field */
	uint64_t size;         /* bytes of the whole state */
	uint64_t slots_off;    /* array of struct hold_slot */
	uint32_t nslots, slot_stride;
	uint32_t owner_epoch;  /* counts daemons */
	uint32_t init_len;     /* bytes of the recorded FUSE_INIT, 0 none */
	uint8_t init[256];     /* the raw request */
};

/* First fields of each slot; more follow that only the daemon knows. */
struct hold_slot {
	_Atomic uint64_t unique; /* the FUSE request's unique, 0: free */
	_Atomic uint32_t opcode;
	uint32_t len;
};

#endif
