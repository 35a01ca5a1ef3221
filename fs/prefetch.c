#include "fs/prefetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/fs_i.h"

/* Larger files are mostly read in parts, and one call more is nothing to them. */
#define FILE_MAX (1u << 20)
/* What all hold for READs that have not come. */
#define HELD_MAX (32u << 20)

static bool reserve(struct fs *fs, uint32_t bytes)
{
	if (atomic_fetch_add(&fs->prefetched, bytes) + bytes <= HELD_MAX)
		return true;
	atomic_fetch_sub(&fs->prefetched, bytes);
	return false;
}

void prefetch_free(struct fs *fs, struct prefetched *p)
{
	if (p)
		atomic_fetch_sub(&fs->prefetched, p->reserved);
	free(p);
}

static void fetched(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct fs *fs = r->fs;
	struct prefetched *p = c->res.err ? NULL : malloc(sizeof(*p) + c->res.count);
	if (p) {
		p->reserved = c->count;
		p->len = c->res.count;
		p->whole = c->res.eof || c->count == r->size;
		memcpy(p->data, c->res.data, c->res.count);
		r->prefetched = p;
	} else {
		atomic_fetch_sub(&fs->prefetched, c->count);
	}
	switch (c->res.err) {
	case 0:
		access_cache_put(fs->access, atomic_load(&r->node->nodeid), &c->cred, NFSIO_ACCESS_READ,
				 NFSIO_ACCESS_READ, c->res.start_ns, true);
		stats_add(&fs->stats.open_prefetched, 1);
		r->then(r, NFSIO_ACCESS_READ);
		return;
	case -EACCES:
	case -EPERM:
		r->then(r, 0);
		return;
	case -EINTR:
	case -ESTALE:
	case -ETIMEDOUT:
	case -ECANCELED:
		req_err(r, c->res.err);
		return;
	default:
		/* Not a word on the right to read: the plain question tells, and READ
		 * meets the error. */
		req_access(r, r->node, NFSIO_ACCESS_READ, true, r->then);
	}
}

bool prefetch_open(struct req *r, access_fn then)
{
	struct fs *fs = r->fs;
	struct node *n = r->node;
	uint32_t unit = fs->st.spaces[n->space].rtmax, granted;
	struct node_attr a;
	node_attr_get(&fs->nodes, n, &a, false);
	struct nfsio_attr version = {.size = a.size, .mtime_ns = a.mtime_ns, .ctime_ns = a.ctime_ns};
	/* Where it was open before the kernel has its pages, most likely. */
	if (!a.stamp_ns || a.type != NFSIO_REG || a.size == 0 || a.size > FILE_MAX ||
	    node_pages_are(&fs->nodes, n, &version))
		return false;
	struct nfsio_call *c = req_call(r, NFSIO_READ, n);
	c->count = (uint32_t)MIN_OF(a.size, (uint64_t)unit);
	if (access_cache_get(fs->access, atomic_load(&n->nodeid), &c->cred, NFSIO_ACCESS_READ, -1, &granted) ||
	    !reserve(fs, c->count))
		return false;
	stats_add(&fs->stats.access_misses, 1);
	r->size = a.size;
	r->then = then;
	req_submit(r, fetched);
	return true;
}

void prefetch_keep(struct req *r, uint64_t id)
{
	struct openstate *os = r->prefetched ? openstate_get(r->fs, id) : NULL;
	if (os) {
		os->prefetched = steal_ptr(r->prefetched);
		return;
	}
	prefetch_free(r->fs, steal_ptr(r->prefetched));
}

/* Two READs of one open file may be at work on two workers; the one that finds
 * nothing asks the server. */
struct prefetched *prefetch_take(struct req *r)
{
	struct openstate *os = r->fs->open_state[(uint32_t)r->fi.fh % STATE_OPENS_MAX];
	struct prefetched *p = os ? atomic_exchange(&os->prefetched, NULL) : NULL;
	if (p && r->off >= p->len) {
		prefetch_put_back(r, p);
		return NULL;
	}
	return p;
}

void prefetch_put_back(struct req *r, struct prefetched *p)
{
	struct openstate *os = r->fs->open_state[(uint32_t)r->fi.fh % STATE_OPENS_MAX];
	atomic_store(&os->prefetched, p);
}
