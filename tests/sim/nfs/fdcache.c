/*
 * The cache is cut in shards, each with its own lock, hash table and list in
 * order of use.  A full shard evicts its least recently used entry; an entry in
 * use by a worker leaves the table at once and is closed with its last put.
 *
 * Descriptors are opened outside the lock.  Two threads may therefore open the
 * same object at the same time; the slower one closes its own again.
 */
#include "tests/sim/nfs/fdcache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/list.h"

#define SHARDS  16
#define BUCKETS 512 /* a shard */

struct fdent {
	struct kfh k;           /* immutable */
	_Atomic int fds[3];     /* by enum fd_use; -1 until opened, then immutable */
	unsigned refs;          /* under the shard's lock; the table counts as one */
	struct fdent *next;     /* under the shard's lock */
	struct list lru;        /* under the shard's lock; newest last */
};

static struct shard {
	pthread_mutex_t lock;
	struct fdent *bucket[BUCKETS];
	struct list lru;
	unsigned n;
} shards[SHARDS];
static unsigned shard_max;

/* Dropping does not know the generation, so the hash leaves it out. */
static uint64_t mix(uint64_t root, uint64_t ino)
{
	uint64_t h = ino * 0x9e3779b97f4a7c15u ^ root * 0xc2b2ae3d27d4eb4fu;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return h ^ h >> 32;
}

static struct shard *shard_of(uint64_t root, uint64_t ino, struct fdent ***ret_bucket)
{
	uint64_t h = mix(root, ino);
	struct shard *s = &shards[h % SHARDS];

	*ret_bucket = &s->bucket[h / SHARDS % BUCKETS];
	return s;
}

int fdc_init(unsigned max_entries)
{
	shard_max = max_entries / SHARDS;
	for (int i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&shards[i].lock, NULL);
		list_init(&shards[i].lru);
	}
	return shard_max ? 0 : -ENOMEM;
}

static void ent_free(struct fdent *e)
{
	for (int i = 0; i < 3; i++)
		if (e->fds[i] >= 0)
			close(e->fds[i]);
	free(e);
}

/* Takes the entry out of the table.  True when the caller must free it, after
 * unlocking.  Under the shard's lock. */
static bool ent_unlink(struct shard *s, struct fdent *e)
{
	struct fdent **p;

	shard_of(e->k.root, e->k.ino, &p);
	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	list_remove(&e->lru);
	s->n--;
	return --e->refs == 0;
}

void fdc_purge(bool (*keep)(const void *arg, uint64_t root), const void *arg)
{
	for (int i = 0; i < SHARDS; i++) {
		struct shard *s = &shards[i];
		struct list *pos, *tmp;

		pthread_mutex_lock(&s->lock);
		list_for_each(pos, tmp, &s->lru) {
			struct fdent *e = list_entry(pos, struct fdent, lru);

			if ((!keep || !keep(arg, e->k.root)) && ent_unlink(s, e))
				ent_free(e);
		}
		pthread_mutex_unlock(&s->lock);
	}
}

void fdc_fini(void)
{
	fdc_purge(NULL, NULL);
}

static struct fdent *find(struct fdent *e, const struct kfh *k)
{
	while (e && (e->k.ino != k->ino || e->k.root != k->root || e->k.gen != k->gen))
		e = e->next;
	return e;
}

/* Whatever serves the use: a writable descriptor also reads, and so on. */
static int ent_fd(const struct fdent *e, enum fd_use use)
{
	for (int i = (int)use; i < 3; i++) {
		int fd = atomic_load_explicit(&e->fds[i], memory_order_acquire);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

static int open_for(const struct kfh *k, enum fd_use use)
{
	static const int flags[] = {
	        [FD_PATH] = O_PATH | O_NOFOLLOW,
	        [FD_READ] = O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
	        [FD_WRITE] = O_RDWR | O_NOFOLLOW | O_NONBLOCK,
	};

	return kfh_open(k, flags[use]);
}

int fdc_more(struct fdent *e, enum fd_use use)
{
	int fd = ent_fd(e, use), none = -1;

	if (fd >= 0)
		return fd;
	fd = open_for(&e->k, use);
	if (fd < 0)
		return fd;
	if (!atomic_compare_exchange_strong(&e->fds[use], &none, fd)) {
		close(fd);
		fd = none;
	}
	return fd;
}

int fdc_get(const struct kfh *k, enum fd_use use, struct fdent **ret_ent)
{
	struct fdent **bucket, *e, *fresh, *victim = NULL;
	struct shard *s = shard_of(k->root, k->ino, &bucket);
	int fd;

	pthread_mutex_lock(&s->lock);
	e = find(*bucket, k);
	if (e) {
		e->refs++;
		list_remove(&e->lru);
		list_append(&s->lru, &e->lru);
	}
	pthread_mutex_unlock(&s->lock);
	if (e) {
		fd = fdc_more(e, use);
		if (fd < 0)
			fdc_put(e);
		else
			*ret_ent = e;
		return fd;
	}

	fd = open_for(k, use);
	if (fd < 0)
		return fd;
	fresh = calloc(1, sizeof *fresh);
	if (!fresh) {
		close(fd);
		return -ENOMEM;
	}
	fresh->k = *k;
	for (int i = 0; i < 3; i++)
		fresh->fds[i] = i == (int)use ? fd : -1;

	pthread_mutex_lock(&s->lock);
	e = find(*bucket, k);
	if (e) {
		e->refs++;
	} else {
		fresh->refs = 2;
		fresh->next = *bucket;
		*bucket = fresh;
		list_append(&s->lru, &fresh->lru);
		if (++s->n > shard_max) {
			victim = list_entry(s->lru.next, struct fdent, lru);
			if (!ent_unlink(s, victim))
				victim = NULL;
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (victim)
		ent_free(victim);
	if (!e) {
		*ret_ent = fresh;
		return fd;
	}
	ent_free(fresh);
	fd = fdc_more(e, use);
	if (fd < 0)
		fdc_put(e);
	else
		*ret_ent = e;
	return fd;
}

void fdc_put(struct fdent *e)
{
	struct fdent **bucket;
	struct shard *s = shard_of(e->k.root, e->k.ino, &bucket);
	bool last;

	pthread_mutex_lock(&s->lock);
	last = --e->refs == 0;
	pthread_mutex_unlock(&s->lock);
	if (last)
		ent_free(e);
}

void fdc_drop(uint64_t root, uint64_t ino)
{
	struct fdent **bucket, *e, *next;
	struct shard *s = shard_of(root, ino, &bucket);

	pthread_mutex_lock(&s->lock);
	for (e = *bucket; e; e = next) {
		next = e->next;
		if (e->k.root == root && e->k.ino == ino && ent_unlink(s, e))
			ent_free(e);
	}
	pthread_mutex_unlock(&s->lock);
}
