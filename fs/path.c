/* The path of a node within its volume.
 *
 * A node knows the directory that it was last seen in, not its name; the name
 * is found by listing that directory for the node's handle. Slow and rare. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/fs_i.h"

struct pathwalk {
	struct node *at;           /* whose name is being looked for */
	struct node *dir;
	uint64_t cookie, verf, fileid;
	char path[4096];
	void (*then)(struct req *r, const char *path, int err);
};

static void path_up(struct req *r);

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
		bool same = d->has_fh ? d->fh.len == w->at->fh.len &&
						memcmp(d->fh.data, w->at->fh.data, d->fh.len) == 0
				      : d->fileid == w->fileid;
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
	struct nfsio_call *n = req_call(r, NFSIO_READDIRPLUS, w->dir);
	n->cookie = w->cookie;
	n->verf = w->verf;
	n->count = r->fs->st.spaces[w->dir->space].dtpref;
	req_submit(r, path_listed);
}

static void path_up(struct req *r)
{
	struct pathwalk *w = r->extra;
	if (node_is_space_root(r->fs, w->at) || node_is_virtual(w->at)) {
		void (*then)(struct req *, const char *, int) = w->then;
		char path[4096];
		strcpy_bounded(path, w->path, sizeof(path));
		free(steal_ptr(r->extra));
		then(r, path, 0);
		return;
	}
	w->dir = node_by_id(&r->fs->nodes, atomic_load(&w->at->parent));
	if (!w->dir || w->dir->kind != NODE_FILE || w->dir->space != w->at->space) {
		path_failed(r, -ESTALE);
		return;
	}
	struct node_attr a;
	node_attr_get(&r->fs->nodes, w->at, &a, false);
	w->fileid = a.fileid;
	w->cookie = 0;
	struct nfsio_call *c = req_call(r, NFSIO_READDIRPLUS, w->dir);
	c->count = r->fs->st.spaces[w->dir->space].dtpref;
	req_submit(r, path_listed);
}

void path_of(struct req *r, struct node *n, void (*then)(struct req *r, const char *path, int err))
{
	struct pathwalk *w = calloc(1, sizeof(*w));
	if (!w) {
		then(r, NULL, -ENOMEM);
		return;
	}
	w->at = n;
	w->then = then;
	r->extra = w;
	path_up(r);
}
