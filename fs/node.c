/* The index hashes (space, st_ino), not the handle: two handles that show one
 * st_ino land in one chain, so a collision is seen when it appears. Records
 * are linked and unlinked by single stores; see fs/state.h. */
#include "fs/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"

static uint32_t bucket_of(const struct nodes *nt, uint32_t space, uint64_t ino)
{
	const uint64_t k[2] = {space, ino};
	return (uint32_t)XXH3_64bits(k, sizeof(k)) & nt->st->index_mask;
}

static pthread_mutex_t *chain_lock(struct nodes *nt, uint32_t bucket)
{
	return &nt->chain[bucket & (NODE_LOCKS - 1)];
}

static pthread_mutex_t *attr_lock(struct nodes *nt, const struct node *n)
{
	return &nt->attr[(size_t)(n - nt->st->nodes) & (NODE_LOCKS - 1)];
}

static int free_push(struct nodes *nt, uint32_t rec)
{
	if (nt->free_n == nt->free_cap) {
		uint32_t cap = nt->free_cap ? nt->free_cap * 2 : 1024;
		uint32_t *p = realloc(nt->free_list, cap * sizeof(*p));
		if (!p)
			return -ENOMEM; /* the record is lost until a restart finds it */
		nt->free_list = p;
		nt->free_cap = cap;
	}
	nt->free_list[nt->free_n++] = rec;
	return 0;
}

/* Numbers that others are found by: a record of a predecessor must not lead
 * outside of the tables. */
static bool sound(const struct state *st, uint32_t i)
{
	const struct node *n = &st->nodes[i];
	return (uint32_t)atomic_load(&n->nodeid) == i && atomic_load(&n->next) <= st->max_nodes &&
	       n->space < STATE_SPACES_MAX && n->kind > NODE_FREE && n->kind <= NODE_SNAPOFF &&
	       n->fh.len <= sizeof(n->fh.data);
}

int nodes_init(struct nodes *nt, struct state *st)
{
	*nt = (struct nodes){.st = st};
	for (uint32_t i = 0; i < NODE_LOCKS; i++) {
		pthread_mutex_init(&nt->chain[i], NULL);
		pthread_mutex_init(&nt->attr[i], NULL);
	}
	pthread_mutex_init(&nt->free_lock, NULL);
	uint32_t used = atomic_load(st->nodes_used);
	for (uint32_t i = 2; i < used; i++) {
		if (atomic_load(&st->nodes[i].nodeid)) {
			if (!sound(st, i))
				return -EPROTO;
			atomic_fetch_add(&nt->live, 1);
		} else if (free_push(nt, i) < 0) {
			return -ENOMEM;
		}
	}
	struct node *root = &st->nodes[NODE_ROOT_ID];
	if (atomic_load(&root->nodeid) && (!sound(st, NODE_ROOT_ID) || root->kind != NODE_ROOT))
		return -EPROTO;
	if (!atomic_load(&root->nodeid)) {
		root->kind = NODE_ROOT;
		root->space = 0;
		root->ino = node_ino_virtual(NULL, NODE_ROOT, 0);
		atomic_store(&root->nlookup, 1);
		atomic_store(st->nodes_used, NODE_ROOT_ID + 1);
		atomic_store_explicit(&root->nodeid, NODE_ROOT_ID, memory_order_release);
	}
	return 0;
}

void nodes_fini(struct nodes *nt)
{
	free(nt->free_list);
	nt->free_list = NULL;
}

struct node *node_by_id(struct nodes *nt, uint64_t nodeid)
{
	uint32_t rec = (uint32_t)nodeid;
	if (rec == 0 || rec > nt->st->max_nodes)
		return NULL;
	struct node *n = &nt->st->nodes[rec];
	return atomic_load_explicit(&n->nodeid, memory_order_acquire) == nodeid ? n : NULL;
}

static bool same(const struct node *n, const struct node_key *k)
{
	return n->space == k->space && n->kind == k->kind && n->sub == k->sub &&
	       n->fh.len == k->fh.len && memcmp(n->fh.data, k->fh.data, k->fh.len) == 0;
}

/* Under the chain's lock. */
static struct node *chain_find(struct nodes *nt, uint32_t b, const struct node_key *k, uint64_t ino)
{
	/* A chain that a predecessor damaged may lead anywhere, or in a circle. */
	uint32_t left = atomic_load(nt->st->nodes_used);
	for (uint32_t r = atomic_load(&nt->st->index[b]); r && r <= nt->st->max_nodes && left--;
	     r = atomic_load(&nt->st->nodes[r].next)) {
		struct node *n = &nt->st->nodes[r];
		if (same(n, k))
			return n;
		if (n->ino == ino && n->space == k->space) {
			atomic_fetch_add(&nt->ino_collisions, 1);
			/* Also when a deleted file's id is given out again: no cause for alarm. */
			log_debug("two objects of one file system show the inode number %llx",
				  (unsigned long long)ino);
		}
	}
	return NULL;
}

static struct node *record_take(struct nodes *nt)
{
	struct node *n = NULL;
	pthread_mutex_lock(&nt->free_lock);
	if (nt->free_n) {
		n = &nt->st->nodes[nt->free_list[--nt->free_n]];
	} else {
		uint32_t next = atomic_load(nt->st->nodes_used);
		if (next <= nt->st->max_nodes) {
			atomic_store(nt->st->nodes_used, next + 1);
			n = &nt->st->nodes[next];
		}
	}
	pthread_mutex_unlock(&nt->free_lock);
	return n;
}

bool nodes_full(const struct nodes *nt)
{
	return atomic_load(&nt->live) >= nt->st->max_nodes - nt->st->max_nodes / 100;
}

bool nodes_scarce(const struct nodes *nt)
{
	return atomic_load(&nt->live) >= nt->st->max_nodes - nt->st->max_nodes / 10;
}

struct node *node_get(struct nodes *nt, const struct node_key *key, uint64_t ino)
{
	uint32_t b = bucket_of(nt, key->space, ino);
	pthread_mutex_t *lock = chain_lock(nt, b);
	pthread_mutex_lock(lock);
	struct node *n = chain_find(nt, b, key, ino);
	if (n) {
		atomic_fetch_add(&n->nlookup, 1);
	} else if ((n = record_take(nt))) {
		uint32_t gen = n->generation + 1;
		uint32_t rec = (uint32_t)(n - nt->st->nodes);
		memset(n, 0, sizeof(*n));
		n->generation = gen;
		n->space = key->space;
		n->kind = key->kind;
		n->sub = key->sub;
		n->fh.len = key->fh.len;
		memcpy(n->fh.data, key->fh.data, key->fh.len);
		n->ino = ino;
		atomic_store(&n->nlookup, 1);
		atomic_store(&n->next, atomic_load(&nt->st->index[b]));
		atomic_store_explicit(&n->nodeid, (uint64_t)gen << 32 | rec, memory_order_release);
		atomic_store_explicit(&nt->st->index[b], rec, memory_order_release);
		atomic_fetch_add(&nt->st->spaces[key->space].nodes, 1);
		atomic_fetch_add(&nt->live, 1);
	}
	pthread_mutex_unlock(lock);
	return n;
}

uint64_t node_find(struct nodes *nt, const struct node_key *key, uint64_t ino)
{
	uint32_t b = bucket_of(nt, key->space, ino);
	pthread_mutex_t *lock = chain_lock(nt, b);
	pthread_mutex_lock(lock);
	struct node *n = chain_find(nt, b, key, ino);
	uint64_t id = n ? atomic_load(&n->nodeid) : 0;
	pthread_mutex_unlock(lock);
	return id;
}

void node_forget(struct nodes *nt, uint64_t nodeid, uint64_t count)
{
	struct node *n = node_by_id(nt, nodeid);
	if (!n || nodeid == NODE_ROOT_ID)
		return;
	uint32_t b = bucket_of(nt, n->space, n->ino);
	pthread_mutex_t *lock = chain_lock(nt, b);
	pthread_mutex_lock(lock);
	if (atomic_load(&n->nodeid) != nodeid) {
		/* A FORGET and the last RELEASE on two workers: the other one ended it. */
		pthread_mutex_unlock(lock);
		return;
	}
	uint64_t have = atomic_load(&n->nlookup);
	/* A count that a crash leaked may only be too high, never too low. */
	uint64_t left = have > count ? have - count : 0;
	atomic_store(&n->nlookup, left);
	/* The last RELEASE looks here whether it has a .nfsX name to remove, and a
	 * FORGET may overtake it: the node goes when that name has gone. */
	if (left == 0 && atomic_load(&n->opens) == 0 && !atomic_load(&n->silly)) {
		uint32_t rec = (uint32_t)(n - nt->st->nodes);
		_Atomic uint32_t *at = &nt->st->index[b];
		uint32_t steps = atomic_load(nt->st->nodes_used);
		while (*at && *at != rec && *at <= nt->st->max_nodes && steps--)
			at = &nt->st->nodes[*at].next;
		if (*at == rec)
			atomic_store_explicit(at, atomic_load(&n->next), memory_order_release);
		atomic_store_explicit(&n->nodeid, 0, memory_order_release);
		atomic_fetch_sub(&nt->st->spaces[n->space].nodes, 1);
		atomic_fetch_sub(&nt->live, 1);
		pthread_mutex_lock(&nt->free_lock);
		free_push(nt, rec);
		pthread_mutex_unlock(&nt->free_lock);
	}
	pthread_mutex_unlock(lock);
}

/* 0, 1 and 2^32-1 have meanings of their own to programs. */
static uint64_t ino_of(const void *key, size_t len)
{
	uint64_t h = XXH3_64bits(key, len);
	while (h <= 1 || h == 0xffffffffull)
		h = XXH3_64bits(&h, sizeof(h));
	return h;
}

struct ino_key {
	struct uuid volume, snapshot;
	uint64_t kind, id;
};

uint64_t node_ino(const struct space *s, uint64_t fileid, const struct nfsio_fh *fh)
{
	if (s->ino_from_fh && fh && fh->len) {
		struct {
			struct uuid volume, snapshot;
			uint8_t fh[NFSIO_FH_MAX];
		} k = {.volume = s->volume, .snapshot = s->snapshot};
		memcpy(k.fh, fh->data, fh->len);
		return ino_of(&k, sizeof(k));
	}
	struct ino_key k = {.volume = s->volume, .snapshot = s->snapshot, .id = fileid};
	return ino_of(&k, sizeof(k));
}

uint64_t node_ino_virtual(const struct space *s, uint8_t kind, uint64_t sub)
{
	struct ino_key k = {.kind = kind, .id = sub};
	if (s) {
		k.volume = s->volume;
		k.snapshot = s->snapshot;
	}
	return ino_of(&k, sizeof(k));
}

static void attr_store(struct node *n, const struct nfsio_attr *a, int64_t stamp_ns)
{
	n->attr = (struct node_attr){
		.stamp_ns = stamp_ns, .type = a->type, .mode = a->mode, .nlink = a->nlink,
		.uid = a->uid, .gid = a->gid, .rdev_major = a->rdev_major,
		.rdev_minor = a->rdev_minor, .size = a->size, .used = a->used,
		.fileid = a->fileid, .atime_ns = a->atime_ns, .mtime_ns = a->mtime_ns,
		.ctime_ns = a->ctime_ns,
	};
}

static uint64_t version(uint64_t size, int64_t mtime_ns, int64_t ctime_ns)
{
	const uint64_t v[3] = {size, (uint64_t)mtime_ns, (uint64_t)ctime_ns};
	return XXH3_64bits(v, sizeof(v));
}

static uint64_t version_of(const struct nfsio_attr *a)
{
	return version(a->size, a->mtime_ns, a->ctime_ns);
}

bool node_attr_put(struct nodes *nt, struct node *n, const struct nfsio_attr *a, int64_t stamp_ns)
{
	pthread_mutex_t *lock = attr_lock(nt, n);
	pthread_mutex_lock(lock);
	bool newer = stamp_ns >= n->attr.stamp_ns;
	if (newer)
		attr_store(n, a, stamp_ns);
	pthread_mutex_unlock(lock);
	return newer;
}

void node_attr_own_change(struct nodes *nt, struct node *n, const struct nfsio_wcc *before,
			  const struct nfsio_attr *after, int64_t stamp_ns)
{
	pthread_mutex_t *lock = attr_lock(nt, n);
	pthread_mutex_lock(lock);
	/* The server's own order: parallel writes are told apart by its ctime,
	 * not by when we sent them. */
	if (after->ctime_ns >= n->attr.ctime_ns || stamp_ns >= n->attr.stamp_ns)
		attr_store(n, after, MAX_OF(stamp_ns, n->attr.stamp_ns));
	uint64_t was = before->valid ? version(before->size, before->mtime_ns, before->ctime_ns) : 0;
	if (before->valid && n->told == was)
		n->told = version_of(after);
	if (before->valid && n->pages == was)
		n->pages = version_of(after);
	pthread_mutex_unlock(lock);
}

bool node_pages_are(struct nodes *nt, struct node *n, const struct nfsio_attr *a)
{
	pthread_mutex_t *lock = attr_lock(nt, n);
	pthread_mutex_lock(lock);
	bool same_version = n->pages == version_of(a);
	pthread_mutex_unlock(lock);
	return same_version;
}

void node_pages_set(struct nodes *nt, struct node *n, const struct nfsio_attr *a)
{
	pthread_mutex_t *lock = attr_lock(nt, n);
	pthread_mutex_lock(lock);
	n->pages = version_of(a);
	pthread_mutex_unlock(lock);
}

struct node_brief node_brief(struct nodes *nt, struct node *n)
{
	pthread_mutex_t *lock = attr_lock(nt, n);
	pthread_mutex_lock(lock);
	struct node_brief b = {.stamp_ns = n->attr.stamp_ns, .type = n->attr.type, .gid = n->attr.gid};
	pthread_mutex_unlock(lock);
	return b;
}

void node_attr_get(struct nodes *nt, struct node *n, struct node_attr *out, bool tell)
{
	pthread_mutex_t *lock = attr_lock(nt, n);
	pthread_mutex_lock(lock);
	*out = n->attr;
	if (atomic_load(&n->silly) && out->nlink)
		out->nlink--;
	if (tell)
		n->told = version(n->attr.size, n->attr.mtime_ns, n->attr.ctime_ns);
	pthread_mutex_unlock(lock);
}

bool node_attr_is_told(struct nodes *nt, struct node *n, const struct nfsio_attr *a)
{
	pthread_mutex_t *lock = attr_lock(nt, n);
	pthread_mutex_lock(lock);
	bool told = n->told == version_of(a);
	pthread_mutex_unlock(lock);
	return told;
}
