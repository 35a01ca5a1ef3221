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

int openrec_init(struct fs *fs)
{
	pthread_mutex_init(&fs->open_lock, NULL);
	uint32_t used = atomic_load(fs->st.opens_used);
	for (uint32_t i = 1; i < used; i++)
		if (!atomic_load(&fs->st.opens[i].id) && !give_back(fs, i))
			return -ENOMEM;
	/* Sparse: only the pages of directories that are open are ever touched. */
	fs->open_state = calloc(STATE_OPENS_MAX, sizeof(fs->open_state[0]));
	return fs->open_state ? 0 : -ENOMEM;
}

void openstate_free(struct openstate *os)
{
	if (!os)
		return;
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

uint64_t openrec_new(struct fs *fs, struct node *n, const struct nfsio_cred *cred, uint32_t flags)
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

uint32_t openrec_free(struct fs *fs, uint64_t id)
{
	struct openrec *o = openrec_get(fs, id);
	if (!o)
		return 0;
	struct node *n = node_by_id(&fs->nodes, o->nodeid);
	uint32_t left = 0;
	openstate_free(steal_ptr(fs->open_state[(uint32_t)id]));
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

/* A record is filled by its maker and published by storing its nodeid. */
struct silly *silly_new(struct fs *fs)
{
	struct silly *s = NULL;
	pthread_mutex_lock(&fs->open_lock);
	for (uint32_t i = 0; i < STATE_SILLY_MAX && !s; i++)
		if (!atomic_load(&fs->st.silly[i].nodeid) && !fs->st.silly[i].name[0])
			s = &fs->st.silly[i];
	if (s) {
		uint64_t n = atomic_fetch_add(fs->st.silly_counter, 1);
		const uint8_t *m = fs->st.mount_id->b;
		snprintf(s->name, sizeof(s->name), ".nfs%02x%02x%02x%02x%02x%02x%02x%02x%08llx", m[0], m[1],
			 m[2], m[3], m[4], m[5], m[6], m[7], (unsigned long long)(n & 0xffffffff));
	}
	pthread_mutex_unlock(&fs->open_lock);
	return s;
}

struct silly *silly_find(struct fs *fs, uint64_t nodeid)
{
	for (uint32_t i = 0; i < STATE_SILLY_MAX; i++)
		if (atomic_load(&fs->st.silly[i].nodeid) == nodeid)
			return &fs->st.silly[i];
	return NULL;
}

void silly_free(struct silly *s)
{
	/* The name is cleared last: until then nobody takes the record. */
	atomic_store_explicit(&s->nodeid, 0, memory_order_release);
	s->name[0] = '\0';
}
