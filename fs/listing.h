/* Names that listings of a snapshot's directories brought and the kernel did
 * not take: LOOKUPs are answered from them. Nothing in a snapshot changes, so
 * they stay right; the table is bounded, and an old one gives way.
 *
 * The kernel asks READDIRPLUS only while a program looks at what it lists; and
 * a training job opens files of a list of names, in random order, and lists
 * nothing. So where a directory is looked up in again and again it is listed on
 * our own account, piece by piece: one READDIRPLUS instead of some hundred
 * LOOKUPs. That stops where too few of the names are asked for afterwards.
 *
 * A name is told only to a credential that the server itself has let look up in
 * that directory. A miss is never answered from here. Any worker. */
#ifndef FS_LISTING_H
#define FS_LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include "fs/base/uuid.h"
#include "fs/nfs/nfsio.h"

struct req;

struct listing;
/* NULL: out of memory. Room for so many names; untouched room costs nothing. */
struct listing *listing_new(uint32_t names);
void listing_free(struct listing *l);

/* A directory by what never changes, as the kernel forgets its nodeid now and
 * then: its snapshot's uuid and its handle. */
struct listing_dir {
	struct uuid snapshot;
	struct nfsio_fh fh;
};

/* What a listing told of `name` in the directory, in an answer whose call began
 * at stamp_ns. */
void listing_put(struct listing *l, const struct listing_dir *dir, const char *name, const struct nfsio_fh *fh,
		 const struct nfsio_attr *a, int64_t stamp_ns);
bool listing_get(struct listing *l, const struct listing_dir *dir, const char *name, struct nfsio_fh *fh,
		 struct nfsio_attr *a, int64_t *ret_stamp_ns);
/* r->node as one. */
struct listing_dir listing_dir(const struct req *r);

/* A LOOKUP in the snapshot directory r->node had to ask the server, with
 * r->call.cred: may begin to list the directory with that credential. */
void listing_missed(struct req *r);

#endif
