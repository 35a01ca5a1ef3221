/* What each volume was asked for: requests, bytes, time, and how many of the
 * requests that could be answered here were. Bounded: the first VOLSTATS_MAX volumes
 * that were used since the daemon began; any further ones are counted together, also
 * when some of the first are gone. */
#ifndef FS_VOLSTATS_H
#define FS_VOLSTATS_H

#include <pthread.h>
#include <stdint.h>
#include "fs/base/uuid.h"

#define VOLSTATS_MAX   511u
#define VOLSTATS_SLOTS 1024u /* at most half full, so that chains are short */

struct fs;
struct req;
struct buf;

struct volstats_entry {
	struct uuid volume;            /* does not change once `ready` */
	_Atomic uint32_t ready;
	_Atomic uint64_t requests, errors;
	_Atomic uint64_t latency_ns;   /* of all together */
	_Atomic uint64_t bytes_read, bytes_written;
	_Atomic uint64_t hits, misses; /* of requests that a cache may answer */
};

struct volstats {
	pthread_mutex_t lock;          /* a volume is entered */
	struct volstats_entry entry[VOLSTATS_SLOTS]; /* hashed by volume */
	struct volstats_entry others;  /* those for whom there was no room */
	_Atomic uint32_t n;            /* entries taken; under lock, read without */
};

/* NULL: no memory. */
struct volstats *volstats_new(void);
/* v may be NULL. */
void volstats_free(struct volstats *v);
/* A request ends with err (0 or -errno) after ns. Counts for the volume of its
 * node; none for the root of the tree and for .ontap. Any thread. */
void volstats_count(struct req *r, int err, int64_t ns);
/* A READ or WRITE gave or took so many bytes. Any thread. */
void volstats_read(struct req *r, uint64_t bytes);
void volstats_written(struct req *r, uint64_t bytes);
/* Appends the metrics ontapfs_volume_*, labelled with the names that the volumes
 * have now; of volumes that are gone nothing. Any thread. */
void volstats_put(struct fs *fs, struct buf *b);

#endif
