#include "fs/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "fs/base/log.h"

struct space_key {
	struct uuid volume, snapshot;
};

struct space_entry {
	struct space_key key;
	uint32_t idx;
	UT_hash_handle hh;
};

static struct space_key key_of(const struct uuid *volume, const struct uuid *snapshot)
{
	struct space_key k = {.volume = *volume};
	if (snapshot)
		k.snapshot = *snapshot;
	return k;
}

/* Under sp->lock. */
static int index_add(struct spaces *sp, uint32_t idx)
{
	struct space_entry *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	const struct space *s = &sp->st->spaces[idx];
	e->key = key_of(&s->volume, &s->snapshot);
	e->idx = idx;
	HASH_ADD(hh, sp->by_uuid, key, sizeof(e->key), e);
	return 0;
}

static struct space_entry *index_find(struct spaces *sp, const struct space_key *k)
{
	struct space_entry *e;
	HASH_FIND(hh, sp->by_uuid, k, sizeof(*k), e);
	return e;
}

int spaces_init(struct spaces *sp, struct state *st)
{
	*sp = (struct spaces){.st = st};
	pthread_mutex_init(&sp->lock, NULL);
	uint32_t used = atomic_load(st->spaces_used);
	for (uint32_t i = 1; i < used; i++) {
		const struct space *s = &st->spaces[i];
		if (s->volume_space >= STATE_SPACES_MAX || s->root.len > sizeof(s->root.data) ||
		    s->snapdir.len > sizeof(s->snapdir.data) || !memchr(s->name, '\0', sizeof(s->name)))
			return -EPROTO; /* a predecessor's, and damaged */
		if (space_alive(st, i) && index_add(sp, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

void spaces_fini(struct spaces *sp)
{
	struct space_entry *e, *tmp;
	HASH_ITER(hh, sp->by_uuid, e, tmp) {
		HASH_DEL(sp->by_uuid, e);
		free(e);
	}
}

uint32_t space_find(struct spaces *sp, const struct uuid *volume, const struct uuid *snapshot)
{
	struct space_key k = key_of(volume, snapshot);
	pthread_mutex_lock(&sp->lock);
	struct space_entry *e = index_find(sp, &k);
	uint32_t idx = e ? e->idx : 0;
	pthread_mutex_unlock(&sp->lock);
	return idx;
}

/* Under sp->lock. A dead record is used again only when no node is left in it. */
static uint32_t record_take(struct spaces *sp)
{
	uint32_t used = atomic_load(sp->st->spaces_used);
	if (used < STATE_SPACES_MAX) {
		atomic_store(sp->st->spaces_used, used + 1);
		return used;
	}
	for (uint32_t i = 1; i < STATE_SPACES_MAX; i++) {
		struct space *s = &sp->st->spaces[i];
		if (atomic_load(&s->state) != SPACE_LIVE && atomic_load(&s->nodes) == 0)
			return i;
	}
	log_error("cannot bind another volume or snapshot: all %u places are taken", STATE_SPACES_MAX);
	return 0;
}

/* Under sp->lock. */
static bool kill_locked(struct spaces *sp, uint32_t idx)
{
	struct space *s = &sp->st->spaces[idx];
	if (atomic_load(&s->state) != SPACE_LIVE)
		return false;
	atomic_store(&s->state, SPACE_DEAD);
	struct space_key k = key_of(&s->volume, &s->snapshot);
	struct space_entry *e = index_find(sp, &k);
	if (e && e->idx == idx) {
		HASH_DEL(sp->by_uuid, e);
		free(e);
	}
	return true;
}

static bool same_root(const struct space *a, const struct space *b)
{
	return a->root.len == b->root.len && memcmp(a->root.data, b->root.data, a->root.len) == 0 &&
	       a->fsid == b->fsid && a->no_access == b->no_access;
}

uint32_t space_bind(struct spaces *sp, const struct space *in, uint32_t *ret_killed)
{
	struct space_key k = key_of(&in->volume, &in->snapshot);
	uint32_t idx = 0;
	*ret_killed = 0;
	pthread_mutex_lock(&sp->lock);
	struct space_entry *e = index_find(sp, &k);
	if (e && same_root(&sp->st->spaces[e->idx], in)) {
		idx = e->idx;
		memcpy(sp->st->spaces[idx].name, in->name, sizeof(in->name));
	} else {
		if (e) {
			*ret_killed = e->idx;
			kill_locked(sp, e->idx);
		}
		idx = record_take(sp);
		if (idx) {
			struct space *s = &sp->st->spaces[idx];
			*s = *in;
			atomic_store(&s->nodes, 0);
			atomic_store(&s->opens, 0);
			atomic_store_explicit(&s->state, SPACE_LIVE, memory_order_release);
			if (index_add(sp, idx) < 0) {
				atomic_store(&s->state, SPACE_DEAD);
				idx = 0;
			}
		}
	}
	pthread_mutex_unlock(&sp->lock);
	return idx;
}

bool space_kill(struct spaces *sp, uint32_t idx)
{
	pthread_mutex_lock(&sp->lock);
	bool was = kill_locked(sp, idx);
	pthread_mutex_unlock(&sp->lock);
	return was;
}

void space_set_snapdir(struct spaces *sp, uint32_t idx, const struct nfsio_fh *fh)
{
	pthread_mutex_lock(&sp->lock);
	sp->st->spaces[idx].snapdir = *fh;
	pthread_mutex_unlock(&sp->lock);
}

void space_get_snapdir(struct spaces *sp, uint32_t idx, struct nfsio_fh *ret)
{
	pthread_mutex_lock(&sp->lock);
	*ret = sp->st->spaces[idx].snapdir;
	pthread_mutex_unlock(&sp->lock);
}

uint32_t space_find_named(struct spaces *sp, const struct uuid *volume, const char *name)
{
	uint32_t found = 0;
	pthread_mutex_lock(&sp->lock);
	uint32_t used = atomic_load(sp->st->spaces_used);
	for (uint32_t i = 1; i < used && !found; i++) {
		const struct space *s = &sp->st->spaces[i];
		if (atomic_load(&s->state) == SPACE_LIVE && space_is_snapshot(s) && uuid_eq(&s->volume, volume) &&
		    !s->no_access && strcmp(s->name, name) == 0)
			found = i;
	}
	pthread_mutex_unlock(&sp->lock);
	return found;
}

void space_get_clone_parent(struct spaces *sp, uint32_t idx, struct uuid *ret)
{
	pthread_mutex_lock(&sp->lock);
	*ret = sp->st->spaces[idx].clone_parent;
	pthread_mutex_unlock(&sp->lock);
}

void space_was_split(struct spaces *sp, uint32_t idx)
{
	pthread_mutex_lock(&sp->lock);
	sp->st->spaces[idx].clone_parent = (struct uuid){0};
	pthread_mutex_unlock(&sp->lock);
}

void space_rename(struct spaces *sp, uint32_t idx, const char *name)
{
	pthread_mutex_lock(&sp->lock);
	struct space *s = &sp->st->spaces[idx];
	strncpy(s->name, name, sizeof(s->name) - 1);
	s->name[sizeof(s->name) - 1] = '\0';
	pthread_mutex_unlock(&sp->lock);
}

void space_each(struct spaces *sp, void (*fn)(uint32_t idx, void *priv), void *priv)
{
	uint32_t used = atomic_load(sp->st->spaces_used);
	for (uint32_t i = 1; i < used; i++)
		if (space_alive(sp->st, i))
			fn(i, priv);
}
