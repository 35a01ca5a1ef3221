/* The first READ of a small file in a snapshot, sent by OPEN in the place of
 * ACCESS. With the opener's credential it is the server's own word on whether
 * this user may read, and it brings what the user opens the file for: one call
 * where there were two. The data waits with the open file for the READ that
 * follows. Live files do without: what is written meanwhile would not be in it. */
#ifndef FS_PREFETCH_H
#define FS_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

struct fs;
struct req;

/* The beginning of a file. */
struct prefetched {
	uint32_t reserved; /* of what all open files together may hold */
	uint32_t len;
	bool whole; /* nothing comes behind it */
	uint8_t data[];
};

/* As req_access() with NFSIO_ACCESS_READ, for a file of a snapshot; afterwards
 * prefetch_keep() may have something. False: it does not pay, or too much is
 * held already; nothing was sent. */
bool prefetch_open(struct req *r, void (*then)(struct req *r, uint32_t granted));
/* Gives what was fetched to the open record `id`, before anybody knows of it. */
void prefetch_keep(struct req *r, uint64_t id);
/* What lies with the open file of a READ, if it has the byte at r->off: the
 * caller's until one of the next two. NULL: nothing. */
struct prefetched *prefetch_take(struct req *r);
void prefetch_put_back(struct req *r, struct prefetched *p);
void prefetch_free(struct fs *fs, struct prefetched *p);

#endif
