#include "fs/base/clock.h"
#include "fs/fs_i.h"

static void access_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	access_cache_put(r->fs->access, atomic_load(&r->node->nodeid), &c->cred, c->access,
			 c->res.access, c->res.start_ns, space_is_snapshot(&r->fs->st.spaces[r->node->space]));
	r->has_attr = c->res.has_attr;
	if (c->res.has_attr) {
		r->attr = c->res.attr;
		r->attr_stamp = c->res.start_ns;
	}
	r->then(r, c->res.access);
}

void req_access(struct req *r, struct node *n, uint32_t want, bool fresh, access_fn then)
{
	bool snapshot = space_is_snapshot(&r->fs->st.spaces[n->space]);
	struct nfsio_call *c = req_call(r, NFSIO_ACCESS, n);
	uint32_t granted;
	r->node = n;
	/* A live refusal is not kept: somebody may just have given the right. */
	if (!fresh && access_cache_get(r->fs->access, atomic_load(&n->nodeid), &c->cred, want,
				       snapshot ? -1 : r->fs->p.attr_timeout_ns, &granted) &&
	    (snapshot || (granted & want) == want)) {
		stats_add(&r->fs->stats.access_hits, 1);
		then(r, granted);
		return;
	}
	stats_add(&r->fs->stats.access_misses, 1);
	c->access = want;
	r->then = then;
	req_submit(r, access_done);
}
