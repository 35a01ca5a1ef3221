/*
 * From a wire handle to an object that may be worked on.
 *
 * The order of the checks is the order in which a client should learn about them:
 * is it a handle (BADHANDLE), is it still there (STALE), may this client see it
 * (ACCES), can it be changed (ROFS).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/sim/nfs/call.h"

int fd_access(int fd, int mode)
{
	if (syscall(SYS_faccessat2, fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) < 0)
		return -errno;
	return 0;
}

int obj_access(const struct obj *o, int mode)
{
	return fd_access(o->fd, mode);
}

void node_handle(const struct node *n, char *out, nfs_fh3 *ret)
{
	struct fh fh = {
	        .kind = n->snapdir ? FH_SNAPDIR : FH_NODE,
	        .type = n->type,
	        .vol = n->vol->fsid,
	        .snap = n->snap ? n->snap->fsid : 0,
	        .k = n->k,
	};

	fh_encode(&fh, out);
	ret->data.data_val = out;
	ret->data.data_len = FH_WIRE_LEN;
}

/* Finds volume and snapshot, and sees that the inode lies in them. */
static nfsstat3 place(const struct state *st, const struct fh *fh, struct node *n)
{
	n->vol = state_volume(st, fh->vol);
	n->snapdir = fh->kind == FH_SNAPDIR;
	n->type = fh->type;
	n->k = fh->k;
	if (!n->vol)
		return NFS3ERR_STALE;
	if (fh->snap) {
		n->snap = state_snap(st, fh->snap);
		if (!n->snap || n->snap->vol != n->vol)
			return NFS3ERR_STALE;
	}
	/* a restored volume has another subvolume: its old handles are stale */
	if (n->k.root != (n->snap ? n->snap->root : n->vol->top.root))
		return NFS3ERR_STALE;
	return NFS3_OK;
}

static enum fd_use use_for(const struct node *n, enum intent want)
{
	if (!S_ISREG(n->type) || want < WANT_READ)
		return FD_PATH;
	/* live files are opened once, for both */
	return n->snap ? FD_READ : FD_WRITE;
}

nfsstat3 obj_get(struct call *c, const nfs_fh3 *wire, enum intent want, struct obj *o)
{
	nfsstat3 s;
	struct fh fh;

	o->ent = NULL;
	o->n.snap = NULL;
	if (fh_decode(wire->data.data_val, wire->data.data_len, &fh) < 0)
		return NFS3ERR_BADHANDLE;
	s = place(c->st, &fh, &o->n);
	if (s != NFS3_OK)
		return s;

	o->grant = policy_eval(o->n.vol->policy, c->client, c->auth_sys);
	if (!o->grant.read || !policy_squash(&o->grant, c->auth_sys, &c->claimed, &o->who))
		return NFS3ERR_ACCES;
	if ((o->n.snap || o->n.snapdir) && !o->n.vol->snapdir)
		return NFS3ERR_ACCES;

	o->fd = fdc_get(&o->n.k, use_for(&o->n, want), &o->ent);
	/* a live file that cannot be opened for writing (being executed, immutable)
	 * can still be read */
	if (o->fd < 0 && want == WANT_READ && o->fd != -ESTALE)
		o->fd = fdc_get(&o->n.k, FD_READ, &o->ent);
	if (o->fd < 0) {
		o->ent = NULL;
		return status_of(o->fd);
	}
	if (fstat(o->fd, &o->st) < 0)
		return status_of(-errno);
	if (o->st.st_nlink == 0) {
		fdc_drop(o->n.k.root, o->n.k.ino);
		fdc_put(o->ent);
		o->ent = NULL;
		return NFS3ERR_STALE;
	}
	attr_pending(&o->n.k, &o->st);
	if (cred_become(&o->who) < 0)
		return NFS3ERR_SERVERFAULT;
	if (want >= WANT_CHANGE &&
	    (o->n.snap || o->n.snapdir || o->n.vol->read_only || !o->grant.write))
		return NFS3ERR_ROFS;
	return NFS3_OK;
}

void obj_put(struct obj *o)
{
	if (o->ent)
		fdc_put(o->ent);
	o->ent = NULL;
}

/* ---- arguments ---------------------------------------------------------------- */

bool arg_fh(struct call *c, int slot, nfs_fh3 *ret)
{
	ret->data.data_val = c->mem->fh[slot];
	return xdr_nfs_fh3(&c->in, ret);
}

bool arg_where(struct call *c, int slot, diropargs3 *ret)
{
	ret->dir.data.data_val = c->mem->fh[slot];
	ret->name.filename3_val = c->mem->name[slot];
	return xdr_diropargs3(&c->in, ret);
}

nfsstat3 arg_name(filename3 *name, const char **ret)
{
	u_int len = name->filename3_len;
	char *text = name->filename3_val;

	*ret = text;
	text[len] = '\0';
	if (len == 0 || memchr(text, '/', len) || memchr(text, '\0', len))
		return NFS3ERR_INVAL;
	return len > NAME_MAX ? NFS3ERR_NAMETOOLONG : NFS3_OK;
}

bool put_status(struct call *c, nfsstat3 status)
{
	return xdr_nfsstat3(&c->out, &status);
}
