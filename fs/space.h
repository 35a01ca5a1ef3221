/* Spaces: which volumes and snapshots are bound to a root handle.
 *
 * A space never changes what it is: when a name gets another uuid, or a volume
 * comes back with another root handle, the old space dies (every request on
 * its nodes is ESTALE) and a new one is bound. Any thread. */
#ifndef FS_SPACE_H
#define FS_SPACE_H

#include <pthread.h>
#include "fs/state.h"

struct space_entry; /* in-process index by uuids */

struct spaces {
	struct state *st;
	pthread_mutex_t lock;
	struct space_entry *by_uuid; /* under lock */
};

/* 0, -ENOMEM, or -EPROTO: a predecessor's record is damaged. */
int spaces_init(struct spaces *sp, struct state *st);
void spaces_fini(struct spaces *sp);

/* The living space of a volume (snapshot NULL) or snapshot; 0 when not bound. */
uint32_t space_find(struct spaces *sp, const struct uuid *volume, const struct uuid *snapshot);

/* Binds what `in` says (state, nodes and index fields are set here). If the
 * same uuids are bound already with the same root, that space is returned;
 * with another root, the old one dies first and *ret_killed names it (else 0).
 * 0 when the table is full. */
uint32_t space_bind(struct spaces *sp, const struct space *in, uint32_t *ret_killed);

/* From now on every node of it is ESTALE. Returns false when it was dead. */
bool space_kill(struct spaces *sp, uint32_t idx);
/* The handle of a live volume's .snapshot; len 0: not known. */
void space_set_snapdir(struct spaces *sp, uint32_t idx, const struct nfsio_fh *fh);
void space_get_snapdir(struct spaces *sp, uint32_t idx, struct nfsio_fh *ret);
/* The living space of the snapshot that had that name when it was looked at last; 0 none. */
uint32_t space_find_named(struct spaces *sp, const struct uuid *volume, const char *name);
/* The volume that a clone is a clone of; zero: it is none, or not any more. */
void space_get_clone_parent(struct spaces *sp, uint32_t idx, struct uuid *ret);
void space_was_split(struct spaces *sp, uint32_t idx);
void space_rename(struct spaces *sp, uint32_t idx, const char *name);

static inline bool space_alive(const struct state *st, uint32_t idx)
{
	return atomic_load_explicit(&st->spaces[idx].state, memory_order_acquire) == SPACE_LIVE;
}

static inline bool space_is_snapshot(const struct space *s)
{
	return !uuid_is_zero(&s->snapshot);
}

/* Calls fn for each living space. */
void space_each(struct spaces *sp, void (*fn)(uint32_t idx, void *priv), void *priv);

#endif
