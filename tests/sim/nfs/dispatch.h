/*
 * From the bytes of one RPC call to the bytes of its reply (RFC 5531).
 */
#ifndef SIMNFS_DISPATCH_H
#define SIMNFS_DISPATCH_H

#include <stdint.h>

#include "tests/sim/nfs/call.h"

struct peer {
	uint32_t address; /* IPv4, host order */
	uint16_t port;
};

/*
 * Serves the record of len bytes under state st and writes the reply to out, which
 * has room for out_size bytes: max_xfer (or DIR_REPLY_MAX) + REPLY_ROOM.  Returns the
 * reply's length, or 0 when the record is no call: the connection is then of no use.
 */
uint32_t dispatch(const struct state *st, const struct peer *peer, struct scratch *mem,
                  char *record, uint32_t len, char *out, uint32_t out_size);

#endif
