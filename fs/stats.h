/* Counters of the mount. Relaxed atomics: any thread adds, readers see moments. */
#ifndef FS_STATS_H
#define FS_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#define STATS_OPCODES 64u /* FUSE opcodes are small numbers */
#define STATS_BUCKETS 24u /* latency: bucket i counts those under 2^i microseconds */

struct stats {
	_Atomic uint64_t requests[STATS_OPCODES], errors[STATS_OPCODES];
	_Atomic uint64_t latency[STATS_BUCKETS], latency_ns;
	_Atomic uint64_t replies_lost;    /* the kernel had given the request up */
	_Atomic uint64_t interrupts, forgets, parked;
	_Atomic uint64_t access_hits, access_misses;
	_Atomic uint64_t open_no_rpc;     /* opens answered without a call */
	_Atomic uint64_t open_stale;      /* ESTALE at open: changed elsewhere */
	_Atomic uint64_t snapshot_binds, spaces_killed;
	_Atomic uint64_t silly_renames;
	_Atomic uint64_t verbs[32], verb_errors[32]; /* enum ctl_op */
	_Atomic uint64_t notifications, notifications_dropped;
	_Atomic uint64_t bytes_read, bytes_written; /* through FUSE */
	_Atomic uint64_t readdir_surplus; /* entries served from a kept reply */
	_Atomic uint64_t lookup_kept;     /* LOOKUPs answered from a listing */
	_Atomic uint64_t open_prefetched; /* opens whose READ took the place of ACCESS */
	_Atomic uint64_t own_listings;    /* pieces of directories listed unasked */
};

static inline void stats_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t stats_get(_Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
