#include "fs/listing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "fs/fs_i.h"

#define WAYS  8u
#define LOCKS 64u

/* Misses in a directory that a first and a further piece of its listing cost. A
 * piece brings some 300 names for the work of about 30 LOOKUPs. */
#define COST_FIRST 3u
#define COST_NEXT  4u
/* Names fetched on our own account: so many to begin with, then so many for each
 * that was asked for. */
#define NAMES_FREE    16384u
#define NAMES_PER_HIT 8u
#define AT_ONCE       8u
#define DIRS          4096u

struct name {
	XXH128_hash_t key; /* of (directory, name): 128 bits stand for identity */
	int64_t stamp_ns;  /* 0: empty */
	bool told;         /* the kernel has it now: the first to give way */
	struct nfsio_fh fh;
	struct nfsio_attr attr;
};

/* How far a directory is listed; a place is shared by all with one hash. */
struct dir {
	uint64_t id; /* hash of what names it */
	uint64_t cookie, verf; /* where the next piece begins */
	uint32_t misses;       /* not paid out yet */
	bool begun, busy, refused;
};

struct listing {
	uint32_t sets;
	pthread_mutex_t lock[LOCKS];
	pthread_mutex_t dir_lock;
	uint32_t at_once;        /* under dir_lock, and the two below */
	uint64_t fetched;
	struct dir dir[DIRS];
	_Atomic uint64_t hits;
	struct name name[];
};

struct listing *listing_new(uint32_t names)
{
	uint32_t sets = 1;
	while (sets * WAYS < names)
		sets *= 2;
	struct listing *l = calloc(1, sizeof(*l) + (size_t)sets * WAYS * sizeof(l->name[0]));
	if (!l)
		return NULL;
	l->sets = sets;
	pthread_mutex_init(&l->dir_lock, NULL);
	for (uint32_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&l->lock[i], NULL);
	return l;
}

void listing_free(struct listing *l)
{
	free(l);
}

static struct name *set_of(struct listing *l, XXH128_hash_t key, pthread_mutex_t **lock)
{
	uint32_t set = (uint32_t)key.low64 & (l->sets - 1);
	*lock = &l->lock[set % LOCKS];
	return &l->name[(size_t)set * WAYS];
}

static XXH128_hash_t key_of(const struct listing_dir *dir, const char *name)
{
	struct {
		struct uuid snapshot;
		uint8_t fh_len, fh[NFSIO_FH_MAX];
		char name[256];
	} k = {.snapshot = dir->snapshot, .fh_len = dir->fh.len};
	size_t len = strnlen(name, sizeof(k.name));
	memcpy(k.fh, dir->fh.data, dir->fh.len);
	memcpy(k.name, name, len);
	return XXH3_128bits(&k, offsetof(__typeof__(k), name) + len);
}

struct listing_dir listing_dir(const struct req *r)
{
	return (struct listing_dir){.snapshot = r->fs->st.spaces[r->node->space].snapshot, .fh = node_fh(r->node)};
}

/* a gives way before b. */
static bool goes_first(const struct name *a, const struct name *b)
{
	return a->told != b->told ? a->told : a->stamp_ns < b->stamp_ns;
}

void listing_put(struct listing *l, const struct listing_dir *dir, const char *name, const struct nfsio_fh *fh,
		 const struct nfsio_attr *a, int64_t stamp_ns)
{
	XXH128_hash_t key = key_of(dir, name);
	pthread_mutex_t *lock;
	struct name *set = set_of(l, key, &lock), *at = set;
	pthread_mutex_lock(lock);
	for (uint32_t i = 0; i < WAYS; i++) {
		if (!set[i].stamp_ns || XXH128_isEqual(set[i].key, key)) {
			at = &set[i];
			break;
		}
		if (goes_first(&set[i], at))
			at = &set[i];
	}
	*at = (struct name){.key = key, .stamp_ns = stamp_ns, .fh = *fh, .attr = *a};
	pthread_mutex_unlock(lock);
}

bool listing_get(struct listing *l, const struct listing_dir *dir, const char *name, struct nfsio_fh *fh,
		 struct nfsio_attr *a, int64_t *ret_stamp_ns)
{
	XXH128_hash_t key = key_of(dir, name);
	pthread_mutex_t *lock;
	struct name *set = set_of(l, key, &lock);
	bool hit = false;
	pthread_mutex_lock(lock);
	for (uint32_t i = 0; i < WAYS && !hit; i++) {
		struct name *n = &set[i];
		if (!n->stamp_ns || !XXH128_isEqual(n->key, key))
			continue;
		hit = n->told = true;
		*fh = n->fh;
		*a = n->attr;
		*ret_stamp_ns = n->stamp_ns;
	}
	pthread_mutex_unlock(lock);
	if (hit)
		atomic_fetch_add_explicit(&l->hits, 1, memory_order_relaxed);
	return hit;
}

/* ---- on our own account -------------------------------------------------------- */

struct piece {
	struct nfsio_call call;
	struct fs *fs;
	struct listing_dir dir;
	uint64_t id, fsid;
	struct dir *at;
};

static void piece_done(struct nfsio_call *c)
{
	struct piece *p = c->priv;
	struct listing *l = p->fs->listing;
	uint64_t last = c->cookie, taken = 0;
	for (uint32_t i = 0; !c->res.err && i < c->res.nentries; i++) {
		const struct nfsio_dirent *e = &c->res.entries[i];
		last = e->cookie;
		/* Junctions and what came without all that an answer needs are asked for. */
		if (!e->has_attr || !e->has_fh || e->attr.fsid != p->fsid)
			continue;
		listing_put(l, &p->dir, e->name, &e->fh, &e->attr, c->res.start_ns);
		taken++;
	}
	pthread_mutex_lock(&l->dir_lock);
	l->at_once--;
	l->fetched += taken;
	if (p->at->id == p->id) {
		struct dir *d = p->at;
		bool more = !c->res.err && !c->res.eof && c->res.nentries;
		d->busy = false;
		/* Who may look up but not list: the names are asked for one by one. */
		d->refused = c->res.err == -EACCES || c->res.err == -EPERM || (!c->res.err && !taken);
		/* At its end it begins anew, should its names have given way. */
		d->begun = more;
		d->cookie = more ? last : 0;
		d->verf = more ? c->res.verf : 0;
	}
	pthread_mutex_unlock(&l->dir_lock);
	stats_add(&p->fs->stats.own_listings, 1);
	free(p);
}

/* The place of the directory if another piece of it shall be fetched now. */
static struct dir *begin(struct listing *l, uint64_t id, uint64_t *ret_cookie, uint64_t *ret_verf)
{
	struct dir *d = &l->dir[id % DIRS];
	bool go = false;
	pthread_mutex_lock(&l->dir_lock);
	if (d->id != id && !d->busy)
		*d = (struct dir){.id = id};
	if (d->id == id && !d->refused) {
		uint32_t cost = d->begun ? COST_NEXT : COST_FIRST;
		d->misses++;
		go = !d->busy && d->misses >= cost && l->at_once < AT_ONCE &&
		     l->fetched <= NAMES_FREE + NAMES_PER_HIT * atomic_load(&l->hits);
		if (go) {
			d->misses = 0;
			d->busy = true;
			l->at_once++;
			*ret_cookie = d->cookie;
			*ret_verf = d->verf;
		}
	}
	pthread_mutex_unlock(&l->dir_lock);
	return go ? d : NULL;
}

void listing_missed(struct req *r)
{
	struct fs *fs = r->fs;
	struct listing *l = fs->listing;
	const struct space *s = &fs->st.spaces[r->node->space];
	const struct listing_dir dir = listing_dir(r);
	uint64_t id = key_of(&dir, "").low64, cookie, verf;
	struct dir *d = begin(l, id, &cookie, &verf);
	if (!d)
		return;
	struct piece *p = calloc(1, sizeof(*p));
	if (p) {
		p->fs = fs;
		p->dir = dir;
		p->id = id;
		p->fsid = s->fsid;
		p->at = d;
		p->call.proc = NFSIO_READDIRPLUS;
		p->call.done = piece_done;
		p->call.priv = p;
		p->call.cred = r->call.cred;
		p->call.fh = dir.fh;
		p->call.cookie = cookie;
		p->call.verf = verf;
		p->call.count = s->dtpref;
	}
	if (p && nfsio_submit(r->w->nfs, &p->call) == 0)
		return;
	free(p);
	pthread_mutex_lock(&l->dir_lock);
	l->at_once--;
	d->busy = false;
	pthread_mutex_unlock(&l->dir_lock);
}
