/*
 * A ring of entries found through a hash table; a new call takes the oldest entry.
 * The reply is kept only for a while: xids of clients that come and go repeat.
 */
#include "tests/sim/nfs/drc.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/util.h"

#define ENTRIES     8192
#define BUCKETS     16384
#define KEEP_MS     120000
#define STEPS_MAX   64 /* entries at work to step over before giving up */

/* All fields under lock. */
struct drc_entry {
	struct drc_entry *next;
	struct drc_key key;
	int64_t done_ms;
	bool linked, busy;
	uint16_t len;
	char reply[DRC_REPLY_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
static struct drc_entry *ring, **table;
static unsigned hand;

int drc_init(void)
{
	ring = calloc(ENTRIES, sizeof *ring);
	table = calloc(BUCKETS, sizeof(struct drc_entry *));
	return ring && table ? 0 : -ENOMEM;
}

void drc_fini(void)
{
	free(ring);
	free(table);
	ring = NULL;
	table = NULL;
}

static struct drc_entry **bucket_of(const struct drc_key *k)
{
	return &table[(k->sum ^ k->xid) % BUCKETS];
}

static bool same(const struct drc_key *a, const struct drc_key *b)
{
	return a->sum == b->sum && a->xid == b->xid && a->client == b->client && a->proc == b->proc;
}

static struct drc_entry *find(const struct drc_key *k)
{
	struct drc_entry *e = *bucket_of(k);

	while (e && !same(&e->key, k))
		e = e->next;
	return e;
}

static void unlink_entry(struct drc_entry *e)
{
	struct drc_entry **p = bucket_of(&e->key);

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	e->linked = false;
}

static struct drc_entry *take_oldest(void)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		struct drc_entry *e = &ring[hand];

		hand = (hand + 1) % ENTRIES;
		if (e->busy)
			continue;
		if (e->linked)
			unlink_entry(e);
		return e;
	}
	return NULL;
}

size_t drc_begin(const struct drc_key *key, char *out, struct drc_entry **ret)
{
	struct drc_entry *e, **bucket;
	size_t len = 0;

	*ret = NULL;
	pthread_mutex_lock(&lock);
	while ((e = find(key)) && e->busy)
		pthread_cond_wait(&finished, &lock);
	if (e && e->len && sim_mono_ms() - e->done_ms < KEEP_MS) {
		len = e->len;
		memcpy(out, e->reply, len);
	} else {
		if (e)
			unlink_entry(e);
		e = take_oldest();
		if (e) {
			e->key = *key;
			e->busy = e->linked = true;
			e->len = 0;
			bucket = bucket_of(key);
			e->next = *bucket;
			*bucket = e;
			*ret = e;
		}
	}
	pthread_mutex_unlock(&lock);
	return len;
}

void drc_end(struct drc_entry *e, const char *reply, size_t len)
{
	pthread_mutex_lock(&lock);
	e->busy = false;
	e->done_ms = sim_mono_ms();
	if (len <= DRC_REPLY_MAX) {
		memcpy(e->reply, reply, len);
		e->len = (uint16_t)len;
	}
	pthread_cond_broadcast(&finished);
	pthread_mutex_unlock(&lock);
}
