/* The bounded tables behind fs/caller.h: ACCESS answers, short memories, last
 * errors. Each is a set-associative array with a few locks: fixed memory, no
 * allocation after start, and the oldest entry of a set gives way. */
#include "fs/caller.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"

#define WAYS  8u
#define LOCKS 64u

/* ---- ACCESS -------------------------------------------------------------- */

struct access_entry {
	XXH128_hash_t key; /* of (nodeid, credential): 128 bits stand for identity */
	int64_t stamp_ns;  /* 0: empty */
	uint32_t asked, granted;
};

struct access_cache {
	uint32_t sets;
	pthread_mutex_t lock[LOCKS];
	struct access_entry e[];
};

struct access_cache *access_cache_new(uint32_t entries)
{
	uint32_t sets = 1;
	while (sets * WAYS < entries)
		sets *= 2;
	struct access_cache *ac = calloc(1, sizeof(*ac) + (size_t)sets * WAYS * sizeof(ac->e[0]));
	if (!ac)
		return NULL;
	ac->sets = sets;
	for (uint32_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&ac->lock[i], NULL);
	return ac;
}

void access_cache_free(struct access_cache *ac)
{
	free(ac);
}

static XXH128_hash_t access_key(uint64_t nodeid, const struct nfsio_cred *cred)
{
	struct {
		uint64_t nodeid;
		uint32_t uid, gid, ngroups, groups[NFSIO_GROUPS_MAX];
	} k = {.nodeid = nodeid, .uid = cred->uid, .gid = cred->gid, .ngroups = cred->ngroups};
	memcpy(k.groups, cred->groups, cred->ngroups * sizeof(k.groups[0]));
	return XXH3_128bits(&k, offsetof(__typeof__(k), groups) + k.ngroups * sizeof(k.groups[0]));
}

static struct access_entry *access_find(struct access_entry *set, XXH128_hash_t key)
{
	for (uint32_t i = 0; i < WAYS; i++)
		if (set[i].stamp_ns && XXH128_isEqual(set[i].key, key))
			return &set[i];
	return NULL;
}

bool access_cache_get(struct access_cache *ac, uint64_t nodeid, const struct nfsio_cred *cred,
		      uint32_t want, int64_t max_age_ns, uint32_t *ret_bits)
{
	XXH128_hash_t key = access_key(nodeid, cred);
	uint32_t set = (uint32_t)key.low64 & (ac->sets - 1);
	pthread_mutex_t *lock = &ac->lock[set % LOCKS];
	bool hit = false;
	pthread_mutex_lock(lock);
	struct access_entry *e = access_find(&ac->e[(size_t)set * WAYS], key);
	if (e && (e->asked & want) == want &&
	    (max_age_ns < 0 || clock_now_ns() - e->stamp_ns <= max_age_ns)) {
		*ret_bits = e->granted & want;
		hit = true;
	}
	pthread_mutex_unlock(lock);
	return hit;
}

void access_cache_put(struct access_cache *ac, uint64_t nodeid, const struct nfsio_cred *cred,
		      uint32_t asked, uint32_t granted, int64_t stamp_ns, bool frozen)
{
	XXH128_hash_t key = access_key(nodeid, cred);
	uint32_t set = (uint32_t)key.low64 & (ac->sets - 1);
	pthread_mutex_t *lock = &ac->lock[set % LOCKS];
	pthread_mutex_lock(lock);
	struct access_entry *base = &ac->e[(size_t)set * WAYS], *e = access_find(base, key);
	if (e && frozen) {
		granted = (granted & asked) | (e->granted & ~asked);
		asked |= e->asked;
	}
	if (!e) {
		e = base;
		for (uint32_t i = 1; i < WAYS; i++)
			if (base[i].stamp_ns < e->stamp_ns)
				e = &base[i];
	}
	*e = (struct access_entry){
		.key = key, .stamp_ns = stamp_ns, .asked = asked, .granted = granted & asked};
	pthread_mutex_unlock(lock);
}

/* ---- targets of symlinks ---------------------------------------------------- */

struct link_cache {
	uint32_t n;
	pthread_mutex_t lock[LOCKS];
	struct {
		uint64_t nodeid; /* never given out twice, so an entry cannot grow wrong */
		char *target;
	} e[];
};

struct link_cache *link_cache_new(uint32_t entries)
{
	struct link_cache *lc = calloc(1, sizeof(*lc) + entries * sizeof(lc->e[0]));
	if (!lc)
		return NULL;
	lc->n = entries;
	for (uint32_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&lc->lock[i], NULL);
	return lc;
}

void link_cache_free(struct link_cache *lc)
{
	for (uint32_t i = 0; lc && i < lc->n; i++)
		free(lc->e[i].target);
	free(lc);
}

bool link_cache_get(struct link_cache *lc, uint64_t nodeid, char out[4096])
{
	uint32_t at = (uint32_t)(XXH3_64bits(&nodeid, sizeof(nodeid)) % lc->n);
	pthread_mutex_lock(&lc->lock[at % LOCKS]);
	bool hit = lc->e[at].nodeid == nodeid;
	if (hit)
		strcpy_bounded(out, lc->e[at].target, 4096);
	pthread_mutex_unlock(&lc->lock[at % LOCKS]);
	return hit;
}

void link_cache_put(struct link_cache *lc, uint64_t nodeid, const char *target)
{
	char *copy = strdup(target);
	if (!copy)
		return;
	uint32_t at = (uint32_t)(XXH3_64bits(&nodeid, sizeof(nodeid)) % lc->n);
	pthread_mutex_lock(&lc->lock[at % LOCKS]);
	free(lc->e[at].target);
	lc->e[at].target = copy;
	lc->e[at].nodeid = nodeid;
	pthread_mutex_unlock(&lc->lock[at % LOCKS]);
}

/* ---- short memories ------------------------------------------------------ */

struct memory_entry {
	uint64_t a, b, c;
	int64_t when_ns; /* 0: empty */
	uint32_t kind;
};

struct memory {
	uint32_t sets;
	pthread_mutex_t lock;
	int64_t lost_ns, lost_when_ns; /* the last entry that gave way: when, and of when */
	struct memory_entry e[];
};

struct memory *memory_new(uint32_t entries)
{
	uint32_t sets = 1;
	while (sets * WAYS < entries)
		sets *= 2;
	struct memory *m = calloc(1, sizeof(*m) + (size_t)sets * WAYS * sizeof(m->e[0]));
	if (!m)
		return NULL;
	m->sets = sets;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void memory_free(struct memory *m)
{
	free(m);
}

/* Under m->lock: the entry, or (make) the one to overwrite. */
static struct memory_entry *memory_find(struct memory *m, uint32_t kind, uint64_t a, uint64_t b,
					uint64_t c, bool make)
{
	const uint64_t k[4] = {kind, a, b, c};
	uint32_t set = (uint32_t)XXH3_64bits(k, sizeof(k)) & (m->sets - 1);
	struct memory_entry *base = &m->e[(size_t)set * WAYS], *old = base;
	for (uint32_t i = 0; i < WAYS; i++) {
		struct memory_entry *e = &base[i];
		if (e->when_ns && e->kind == kind && e->a == a && e->b == b && e->c == c)
			return e;
		if (e->when_ns < old->when_ns)
			old = e;
	}
	return make ? old : NULL;
}

void memory_put(struct memory *m, enum memory_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
	pthread_mutex_lock(&m->lock);
	struct memory_entry *e = memory_find(m, kind, a, b, c, true);
	bool same = e->kind == kind && e->a == a && e->b == b && e->c == c;
	if (e->when_ns && !same) {
		m->lost_ns = clock_now_ns();
		m->lost_when_ns = e->when_ns;
	}
	*e = (struct memory_entry){.a = a, .b = b, .c = c, .when_ns = clock_now_ns(), .kind = kind};
	pthread_mutex_unlock(&m->lock);
}

bool memory_lost(struct memory *m, int64_t max_age_ns)
{
	pthread_mutex_lock(&m->lock);
	int64_t now = clock_now_ns();
	bool lost = m->lost_ns && now - m->lost_when_ns <= max_age_ns;
	pthread_mutex_unlock(&m->lock);
	return lost;
}

bool memory_get(struct memory *m, enum memory_kind kind, uint64_t a, uint64_t b, uint64_t c,
		int64_t max_age_ns, bool take)
{
	pthread_mutex_lock(&m->lock);
	struct memory_entry *e = memory_find(m, kind, a, b, c, false);
	bool hit = e && clock_now_ns() - e->when_ns <= max_age_ns;
	if (e && take)
		e->when_ns = 0;
	pthread_mutex_unlock(&m->lock);
	return hit;
}

/* ---- verbs a minute -------------------------------------------------------- */

#define RATES 256u

struct rates {
	pthread_mutex_t lock;
	struct {
		int64_t since_ns; /* 0: empty */
		uint32_t uid, count;
	} e[RATES];
};

struct rates *rates_new(void)
{
	struct rates *rt = calloc(1, sizeof(*rt));
	if (rt)
		pthread_mutex_init(&rt->lock, NULL);
	return rt;
}

void rates_free(struct rates *rt)
{
	free(rt);
}

bool rates_take(struct rates *rt, uint32_t uid, uint32_t per_minute)
{
	int64_t now = clock_now_ns();
	uint32_t at = 0;
	pthread_mutex_lock(&rt->lock);
	for (uint32_t i = 0; i < RATES; i++) {
		if (rt->e[i].since_ns && rt->e[i].uid == uid) {
			at = i;
			break;
		}
		if (rt->e[i].since_ns < rt->e[at].since_ns)
			at = i;
	}
	if (rt->e[at].uid != uid || !rt->e[at].since_ns || now - rt->e[at].since_ns >= 60 * NS_PER_SEC) {
		rt->e[at].since_ns = now;
		rt->e[at].uid = uid;
		rt->e[at].count = 0;
	}
	bool ok = !per_minute || rt->e[at].count < per_minute;
	rt->e[at].count += ok;
	pthread_mutex_unlock(&rt->lock);
	return ok;
}

/* ---- last errors --------------------------------------------------------- */

#define LAST_ERRORS 256u

struct last_errors {
	pthread_mutex_t lock;
	struct {
		uint32_t uid;
		uint64_t pid_ns;
		int64_t when_ns; /* 0: empty */
		char text[512];
	} e[LAST_ERRORS];
};

struct last_errors *last_errors_new(void)
{
	struct last_errors *le = calloc(1, sizeof(*le));
	if (le)
		pthread_mutex_init(&le->lock, NULL);
	return le;
}

void last_errors_free(struct last_errors *le)
{
	free(le);
}

void last_error_set(struct last_errors *le, uint32_t uid, uint64_t pid_ns, const char *text)
{
	pthread_mutex_lock(&le->lock);
	uint32_t at = 0;
	for (uint32_t i = 0; i < LAST_ERRORS; i++) {
		if (le->e[i].when_ns && le->e[i].uid == uid && le->e[i].pid_ns == pid_ns) {
			at = i;
			break;
		}
		if (le->e[i].when_ns < le->e[at].when_ns)
			at = i;
	}
	le->e[at].uid = uid;
	le->e[at].pid_ns = pid_ns;
	le->e[at].when_ns = clock_now_ns();
	strncpy(le->e[at].text, text, sizeof(le->e[at].text) - 1);
	pthread_mutex_unlock(&le->lock);
}

void last_error_get(struct last_errors *le, uint32_t uid, uint64_t pid_ns, char *out, size_t len)
{
	out[0] = '\0';
	pthread_mutex_lock(&le->lock);
	for (uint32_t i = 0; i < LAST_ERRORS; i++)
		if (le->e[i].when_ns && le->e[i].uid == uid && le->e[i].pid_ns == pid_ns) {
			strncpy(out, le->e[i].text, len - 1);
			out[len - 1] = '\0';
		}
	pthread_mutex_unlock(&le->lock);
}
