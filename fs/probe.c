/* One look over NFS, as a mount would take it: for the start of a mount, and for
 * the doctor. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fs/base/clock.h"
#include "fs/fs_i.h"

/* How long a step may take before there is said to be no server. */
#define STEP_NS (8 * NS_PER_SEC)
#define LOOK_BYTES 4096u

struct probe {
	struct ev *ev;
	struct nfsio *nfs;
	struct fs_probe *out;
	struct nfsio_call call;
	struct nfsio_fh root, file;
	bool done;
	int err;
};

static void probe_done(struct nfsio_call *c)
{
	struct probe *p = c->priv;
	struct fs_probe *out = p->out;
	p->done = true;
	p->err = c->res.err;
	if (p->err)
		return;
	if (c->proc == NFSIO_MNT)
		p->root = c->res.fh;
	out->bytes = c->proc == NFSIO_READ ? c->res.count : out->bytes;
	if (c->proc == NFSIO_FSINFO) {
		out->rtmax = c->res.fsinfo.rtmax;
		out->wtmax = c->res.fsinfo.wtmax;
	}
	for (uint32_t i = 0; c->proc == NFSIO_READDIRPLUS && i < c->res.nentries; i++) {
		const struct nfsio_dirent *d = &c->res.entries[i];
		out->entries++;
		if (!out->file[0] && d->has_fh && d->has_attr && d->attr.type == NFSIO_REG && d->attr.size) {
			p->file = d->fh;
			strcpy_bounded(out->file, d->name, sizeof(out->file));
		}
	}
}

static int step(struct probe *p, enum nfsio_proc proc, const struct nfsio_fh *fh, const char *name)
{
	p->out->step = proc;
	p->call = (struct nfsio_call){.proc = proc, .done = probe_done, .priv = p, .name = name, .count = LOOK_BYTES,
				      .cred = {.uid = geteuid(), .gid = getegid()}};
	if (fh)
		p->call.fh = *fh;
	p->done = false;
	int r = nfsio_submit(p->nfs, &p->call);
	int64_t until = clock_now_ns() + STEP_NS;
	while (r == 0 && !p->done) {
		int64_t left = until - clock_now_ns();
		if (left <= 0)
			return -ETIMEDOUT;
		r = ev_run_once(p->ev, (int)(left / NS_PER_MS) + 1);
		r = r < 0 ? r : 0;
	}
	return r < 0 ? r : p->err;
}

int fs_probe_nfs(const struct nfsio_params *params, const char *path, bool look, struct fs_probe *ret)
{
	*ret = (struct fs_probe){.step = NFSIO_MNT};
	struct nfsio_params np = *params;
	np.soft_ns = STEP_NS;
	struct probe *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;
	if (p) {
		p->out = ret;
		p->ev = ev_new();
		p->nfs = p->ev ? nfsio_new(p->ev, &np) : NULL;
	}
	if (p && p->nfs)
		r = step(p, NFSIO_MNT, NULL, path);
	if (r == 0)
		r = step(p, NFSIO_FSINFO, &p->root, NULL);
	if (r == 0 && look)
		r = step(p, NFSIO_READDIRPLUS, &p->root, NULL);
	if (r == 0 && look && ret->file[0])
		r = step(p, NFSIO_READ, &p->file, NULL);
	if (p) {
		nfsio_free(p->nfs);
		ev_free(p->ev);
		free(p);
	}
	return r;
}
