/* The path of a node within its volume.
 *
 * A node knows the directory that it was last seen in, not its name; the name
 * is found by listing that directory for the node's handle. Slow and rare.
 *
 * The kernel may forget a directory meanwhile, and its record become another
 * node: so the walk goes over copies, and looks up each step by nodeid. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/fs_i.h"

/* What the walk needs of a node. */
struct stage {
	enum node_kind kind;
	uint32_t space, gid;
	uint64_t parent, fileid;
	struct nfsio_fh fh;
};

struct pathwalk {
	struct stage at;           /* whose name is being looked for */
	struct stage dir;
	uint64_t cookie, verf;
	char path[4096];
	void (*then)(struct req *r, const char *path, int err);
};

static void path_up(struct req *r);
static void path_list(struct req *r);

/* False: the kernel has forgotten the node. */
static bool stage_take(struct nodes *nt, uint64_t nodeid, struct stage *ret)
{
	struct node *n = node_by_id(nt, nodeid);
	struct node_attr a;
	if (!n)
		return false;
	node_attr_get(nt, n, &a, false);
	*ret = (struct stage){.kind = n->kind, .space = n->space, .gid = a.gid, .parent = atomic_load(&n->parent),
			      .fileid = a.fileid, .fh = n->fh};
	atomic_thread_fence(memory_order_acquire);
	return atomic_load(&n->nodeid) == nodeid; /* else it is a mixture */
}

static bool is_top(const struct fs *fs, const struct stage *g)
{
	const struct nfsio_fh *root = &fs->st.spaces[g->space].root;
	return g->kind != NODE_FILE || (g->fh.len == root->len && memcmp(g->fh.data, root->data, root->len) == 0);
}

static void path_failed(struct req *r, int err)
{
	struct pathwalk *w = steal_ptr(r->extra);
	void (*then)(struct req *, const char *, int) = w->then;
	free(w);
	then(r, NULL, err);
}

static void path_listed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct pathwalk *w = r->extra;
	if (c->res.err) {
		path_failed(r, c->res.err);
		return;
	}
	for (uint32_t i = 0; i < c->res.nentries; i++) {
		const struct nfsio_dirent *d = &c->res.entries[i];
		w->cookie = d->cookie;
		bool same = d->has_fh ? d->fh.len == w->at.fh.len &&
						memcmp(d->fh.data, w->at.fh.data, d->fh.len) == 0
				      : d->fileid == w->at.fileid;
		if (!same || strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
			continue;
		size_t add = strlen(d->name) + 1, len = strlen(w->path);
		if (len + add >= sizeof(w->path)) {
			path_failed(r, -ENAMETOOLONG);
			return;
		}
		memmove(w->path + add, w->path, len + 1);
		w->path[0] = '/';
		memcpy(w->path + 1, d->name, add - 1);
		w->at = w->dir;
		path_up(r);
		return;
	}
	if (c->res.eof || !c->res.nentries) {
		path_failed(r, -ESTALE); /* it was moved away by somebody else */
		return;
	}
	w->verf = c->res.verf;
	path_list(r);
}

static void path_list(struct req *r)
{
	const struct pathwalk *w = r->extra;
	struct nfsio_call *c = req_call(r, NFSIO_READDIRPLUS, NULL);
	caller_cred(req_caller(r), w->dir.gid, &c->cred);
	c->fh = w->dir.fh;
	c->cookie = w->cookie;
	c->verf = w->verf;
	c->count = r->fs->st.spaces[w->dir.space].dtpref;
	req_submit(r, path_listed);
}

static void path_up(struct req *r)
{
	struct pathwalk *w = r->extra;
	if (is_top(r->fs, &w->at)) {
		void (*then)(struct req *, const char *, int) = w->then;
		char path[4096];
		strcpy_bounded(path, w->path, sizeof(path));
		free(steal_ptr(r->extra));
		then(r, path, 0);
		return;
	}
	if (!stage_take(&r->fs->nodes, w->at.parent, &w->dir) || w->dir.kind != NODE_FILE ||
	    w->dir.space != w->at.space) {
		path_failed(r, -ESTALE);
		return;
	}
	w->cookie = w->verf = 0;
	path_list(r);
}

void path_of(struct req *r, struct node *n, void (*then)(struct req *r, const char *path, int err))
{
	struct pathwalk *w = calloc(1, sizeof(*w));
	if (!w) {
		then(r, NULL, -ENOMEM);
		return;
	}
	w->then = then;
	r->extra = w;
	if (stage_take(&r->fs->nodes, atomic_load(&n->nodeid), &w->at))
		path_up(r);
	else
		path_failed(r, -ESTALE);
}
