/* Open records: who opened what, in shared memory, named by fi->fh. The free
 * list is this process's and rebuilt by a scan. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/fs_i.h"

/* Under open_lock. */
static bool give_back(struct fs *fs, uint32_t rec)
{
	if (fs->open_nfree == fs->open_cap) {
		uint32_t cap = fs->open_cap ? fs->open_cap * 2 : 256;
		uint32_t *p = realloc(fs->open_free, cap * sizeof(*p));
		if (!p)
			return false;
		fs->open_free = p;
		fs->open_cap = cap;
	}
	fs->open_free[fs->open_nfree++] = rec;
	return true;
}

/* A predecessor may have died between a record and its counts, and while it
 * removed a .nfsX name: its request is still in the journal, and looks for a
 * name that is ready. */
static void recount(struct fs *fs)
{
	uint32_t opens = atomic_load(fs->st.opens_used), nodes = atomic_load(fs->st.nodes_used),
		 spaces = atomic_load(fs->st.spaces_used), taken = SILLY_TAKEN;
	for (uint32_t i = 0; i < nodes; i++)
		atomic_store(&fs->st.nodes[i].opens, 0);
	for (uint32_t i = 0; i < spaces; i++)
		atomic_store(&fs->st.spaces[i].opens, 0);
	for (uint32_t i = 1; i < opens; i++) {
		struct node *n = atomic_load(&fs->st.opens[i].id) ? node_by_id(&fs->nodes, fs->st.opens[i].nodeid)
								  : NULL;
		if (n) {
			atomic_fetch_add(&n->opens, 1);
			atomic_fetch_add(&fs->st.spaces[n->space].opens, 1);
		}
	}
	for (uint32_t i = 0; i < STATE_SILLY_MAX; i++, taken = SILLY_TAKEN)
		atomic_compare_exchange_strong(&fs->st.silly[i].state, &taken, SILLY_READY);
}

int openrec_init(struct fs *fs)
{
	pthread_mutex_init(&fs->open_lock, NULL);
	uint32_t used = atomic_load(fs->st.opens_used);
	for (uint32_t i = 1; i < used; i++) {
		const struct openrec *o = &fs->st.opens[i];
		uint64_t id = atomic_load(&o->id);
		if (id && ((uint32_t)id != i || o->cred.ngroups > NFSIO_GROUPS_MAX))
			return -EPROTO; /* a predecessor's, and damaged */
		if (!id && !give_back(fs, i))
			return -ENOMEM;
	}
	recount(fs);
	/* Sparse: only the pages of directories that are open are ever touched. */
	fs->open_state = calloc(STATE_OPENS_MAX, sizeof(fs->open_state[0]));
	return fs->open_state ? 0 : -ENOMEM;
}

void openstate_free(struct fs *fs, struct openstate *os)
{
	if (!os)
		return;
	prefetch_free(fs, atomic_load(&os->prefetched));
	free(os->virt);
	free(os->text);
	free(os->kept);
	free(os->names);
	free(os->big);
	free(os);
}

struct openstate *openstate_get(struct fs *fs, uint64_t id)
{
	struct openstate **at = &fs->open_state[(uint32_t)id % STATE_OPENS_MAX];
	if (!*at)
		*at = calloc(1, sizeof(**at));
	return *at;
}

uint64_t openrec_new(struct fs *fs, struct node *n, const struct nfsio_cred *cred, uint32_t flags,
		     _Atomic uint64_t *noted)
{
	uint32_t rec = 0;
	pthread_mutex_lock(&fs->open_lock);
	if (fs->open_nfree) {
		rec = fs->open_free[--fs->open_nfree];
	} else if (atomic_load(fs->st.opens_used) < STATE_OPENS_MAX) {
		rec = atomic_fetch_add(fs->st.opens_used, 1);
	}
	pthread_mutex_unlock(&fs->open_lock);
	if (!rec)
		return 0;
	struct openrec *o = &fs->st.opens[rec];
	o->generation++;
	o->nodeid = atomic_load(&n->nodeid);
	o->flags = flags;
	o->dirverf = 0;
	o->cred = *cred;
	atomic_fetch_add(&n->opens, 1);
	atomic_fetch_add(&fs->st.spaces[n->space].opens, 1);
	uint64_t id = (uint64_t)o->generation << 32 | rec;
	if (noted)
		atomic_store(noted, id); /* first: a record that is there is never unknown */
	atomic_store_explicit(&o->id, id, memory_order_release);
	return id;
}

struct openrec *openrec_get(struct fs *fs, uint64_t id)
{
	uint32_t rec = (uint32_t)id;
	if (rec == 0 || rec >= STATE_OPENS_MAX)
		return NULL;
	struct openrec *o = &fs->st.opens[rec];
	return atomic_load_explicit(&o->id, memory_order_acquire) == id ? o : NULL;
}

uint32_t openrec_free(struct fs *fs, uint64_t id, uint64_t nodeid)
{
	struct openrec *o = openrec_get(fs, id);
	if (!o) {
		/* A predecessor ended it: others may have the file open still. */
		struct node *other = node_by_id(&fs->nodes, nodeid);
		return other ? atomic_load(&other->opens) : 0;
	}
	struct node *n = node_by_id(&fs->nodes, o->nodeid);
	uint32_t left = 0;
	openstate_free(fs, steal_ptr(fs->open_state[(uint32_t)id]));
	atomic_store_explicit(&o->id, 0, memory_order_release);
	if (n) {
		left = atomic_fetch_sub(&n->opens, 1) - 1;
		atomic_fetch_sub(&fs->st.spaces[n->space].opens, 1);
		/* A FORGET that overtook this RELEASE left the node for us. */
		if (left == 0)
			node_forget(&fs->nodes, o->nodeid, 0);
	}
	pthread_mutex_lock(&fs->open_lock);
	give_back(fs, (uint32_t)id);
	pthread_mutex_unlock(&fs->open_lock);
	return left;
}

/* ---- silly names --------------------------------------------------------------- */

/* MAKING: chosen, the call that creates the name may be under way. READY: the
 * name is there. TAKEN: one of those who saw the last close removes it. Which
 * of unlink and close comes last is decided by the READY -> TAKEN exchange. */

static struct silly *silly_find(struct fs *fs, uint64_t nodeid, uint32_t state)
{
	for (uint32_t i = 0; i < STATE_SILLY_MAX; i++) {
		struct silly *s = &fs->st.silly[i];
		if (atomic_load(&s->state) == state && atomic_load(&s->nodeid) == nodeid)
			return s;
	}
	return NULL;
}

bool silly_begun(struct fs *fs, const struct node *n)
{
	return atomic_load(&n->silly) && silly_find(fs, atomic_load(&n->nodeid), SILLY_MAKING);
}

struct silly *silly_new(struct fs *fs, struct node *n, const struct nfsio_fh *dir,
			const struct nfsio_cred *cred)
{
	uint64_t nodeid = atomic_load(&n->nodeid);
	/* A predecessor's, that may have been created already. */
	struct silly *s = atomic_load(&n->silly) ? silly_find(fs, nodeid, SILLY_MAKING) : NULL;
	if (s)
		return s;
	pthread_mutex_lock(&fs->open_lock);
	for (uint32_t i = 0; i < STATE_SILLY_MAX && !s; i++)
		if (atomic_load(&fs->st.silly[i].state) == SILLY_FREE)
			s = &fs->st.silly[i];
	if (s) {
		uint64_t count = atomic_fetch_add(fs->st.silly_counter, 1);
		const uint8_t *m = fs->st.mount_id->b;
		snprintf(s->name, sizeof(s->name), ".nfs%02x%02x%02x%02x%02x%02x%02x%02x%08llx", m[0], m[1],
			 m[2], m[3], m[4], m[5], m[6], m[7], (unsigned long long)(count & 0xffffffff));
		s->dir = *dir;
		s->cred = *cred;
		atomic_store(&s->nodeid, nodeid);
		atomic_store_explicit(&s->state, SILLY_MAKING, memory_order_release);
		atomic_store(&n->silly, 1);
		stats_add(&fs->stats.silly_renames, 1);
	}
	pthread_mutex_unlock(&fs->open_lock);
	return s;
}

void silly_drop(struct fs *fs, struct silly *s)
{
	uint64_t nodeid = atomic_load(&s->nodeid);
	struct node *n = node_by_id(&fs->nodes, nodeid);
	if (n)
		atomic_store(&n->silly, 0);
	atomic_store_explicit(&s->state, SILLY_FREE, memory_order_release);
	node_forget(&fs->nodes, nodeid, 0); /* it may have waited for this */
}

struct silly *silly_ready(struct fs *fs, struct silly *s)
{
	uint64_t nodeid = atomic_load(&s->nodeid);
	atomic_store(&s->state, SILLY_READY);
	struct node *n = node_by_id(&fs->nodes, nodeid);
	return n && atomic_load(&n->opens) ? NULL : silly_claim(fs, nodeid);
}

struct silly *silly_made_by_predecessor(struct fs *fs, uint64_t nodeid)
{
	struct silly *s = nodeid ? silly_find(fs, nodeid, SILLY_MAKING) : NULL;
	s = nodeid && !s ? silly_find(fs, nodeid, SILLY_READY) : s;
	return s ? silly_ready(fs, s) : NULL;
}

struct silly *silly_claim(struct fs *fs, uint64_t nodeid)
{
	struct silly *s = silly_find(fs, nodeid, SILLY_READY);
	uint32_t ready = SILLY_READY;
	return s && atomic_compare_exchange_strong(&s->state, &ready, SILLY_TAKEN) ? s : NULL;
}

bool silly_is(struct fs *fs, const struct node *n, const struct nfsio_fh *dir, const char *name)
{
	struct silly *s =
		atomic_load(&n->silly) ? silly_find(fs, atomic_load(&n->nodeid), SILLY_READY) : NULL;
	return s && strcmp(s->name, name) == 0 && s->dir.len == dir->len &&
	       memcmp(s->dir.data, dir->data, dir->len) == 0;
}
