/* Taking over: the requests that a predecessor left unanswered are run again. */
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include "fs/fs_i.h"

/* A request that stands in two slots (it was being moved) is kept in one. */
static bool seen_before(struct fs *fs, uint32_t index, uint64_t unique)
{
	for (uint32_t i = 0; i < index; i++)
		if (atomic_load(&fs->pool.reqs[i].slot->unique) == unique)
			return true;
	return false;
}

/* A request that changes something on the NFS server. Those of ONTAP's (in
 * .snapshots, .clones and at the root) know by uuid what was done, and must not
 * hold up the data while ONTAP is away. */
static bool is_change(struct fs *fs, const struct fuse_in_header *in)
{
	const struct node *n = node_by_id(&fs->nodes, in->nodeid);
	if (in->opcode == FUSE_LINK && in->len >= sizeof(*in) + sizeof(struct fuse_link_in)) {
		/* Of a snapshot's file: ONTAP's work, too (fs/ops_fileclone.c). */
		const struct node *file = node_by_id(&fs->nodes, ((const struct fuse_link_in *)(in + 1))->oldnodeid);
		if (file && space_is_snapshot(&fs->st.spaces[file->space]))
			return false;
	}
	switch (in->opcode) {
	case FUSE_SETATTR:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_OPEN:
	case FUSE_WRITE:
	case FUSE_RELEASE:
	case FUSE_CREATE:
		return n && !node_is_virtual(n);
	default:
		return false;
	}
}

/* By age: the kernel counts `unique` up. */
static void replay_insert(struct fs *fs, struct req *r)
{
	struct list *at = fs->replays.prev;
	while (at != &fs->replays && list_entry(at, struct req, link)->unique > r->unique)
		at = at->prev;
	r->link.prev = at;
	r->link.next = at->next;
	at->next->prev = &r->link;
	at->next = &r->link;
}

/* One at a time, in order: an answered WRITE whose slot was not cleared yet must
 * not come after a later one, nor any of them after what the application does
 * next. So the device is read only when all are done. */
void replay_next(struct worker *w)
{
	struct fs *fs = w->fs;
	struct list *l = list_pop(&fs->replays);
	if (l) {
		struct req *r = list_entry(l, struct req, link);
		pthread_mutex_lock(&fs->pool.lock);
		(*(r->large ? &fs->pool.busy_large : &fs->pool.busy_small))++;
		pthread_mutex_unlock(&fs->pool.lock);
		r->gating = true;
		worker_process(w, r);
		return;
	}
	atomic_store(&fs->replaying, false);
	for (uint32_t i = 0; i < fs->nworkers; i++)
		worker_wake(&fs->worker[i]);
}

void worker_replay_done(struct worker *w)
{
	w->replay_done = true;
	worker_wake(w);
}

void session_replay(struct fs *fs)
{
	struct pool *p = &fs->pool;
	struct worker *w = &fs->worker[0];
	for (uint32_t i = 0; i < p->nsmall + p->nlarge; i++) {
		struct req *r = &p->reqs[i];
		struct fuse_in_header *in = (void *)r->slot;
		uint64_t unique = atomic_load(&r->slot->unique);
		if (!unique) {
			atomic_store(&r->note->intent.phase, INTENT_NONE);
			atomic_store(&r->note->open, 0);
			continue;
		}
		bool drop = seen_before(fs, i, unique) || in->opcode == FUSE_INTERRUPT || in->opcode == FUSE_INIT;
		if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET)
			worker_forget(w, in, in->len);
		if (drop || !atomic_load(&r->slot->unique)) {
			atomic_store(&r->slot->unique, 0);
			pthread_mutex_lock(&p->lock);
			if (r->large)
				p->free_large[p->nfree_large++] = i;
			else
				p->free_small[p->nfree_small++] = i;
			pthread_mutex_unlock(&p->lock);
			continue;
		}
		worker_request_init(w, r);
		r->replay = true;
		if (is_change(fs, in)) {
			replay_insert(fs, r);
			continue;
		}
		r->parked = true;
		list_append(r->large ? &p->parked_large : &p->parked_small, &r->link);
		stats_add(&fs->stats.parked, 1);
	}
	atomic_store(&fs->replaying, !list_empty(&fs->replays));
	worker_wake(w);
}
