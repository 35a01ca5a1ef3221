/*
 * The procedures on one object: GETATTR SETATTR LOOKUP ACCESS READLINK FSSTAT
 * FSINFO PATHCONF.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "tests/sim/nfs/call.h"
#include "tests/sim/nfs/tree.h"
#include "tests/sim/nfs/unstable.h"
#include "tests/sim/store.h"

bool proc_getattr(struct call *c)
{
	nfs_fh3 fh;
	struct obj o;
	fattr3 a;
	nfsstat3 s;

	if (!arg_fh(c, 0, &fh))
		return false;
	s = obj_get(c, &fh, WANT_ATTR, &o);
	put_status(c, s);
	if (s == NFS3_OK) {
		attr_of(&o.n, &o.st, &a);
		xdr_fattr3(&c->out, &a);
	}
	obj_put(&o);
	return true;
}

/* The owner may write whatever the mode says, as with a descriptor he opened
 * before he took the permission away. */
static nfsstat3 may_truncate(const struct obj *o)
{
	if (S_ISDIR(o->st.st_mode))
		return NFS3ERR_ISDIR;
	if (!S_ISREG(o->st.st_mode))
		return NFS3ERR_INVAL;
	return o->who.uid == o->st.st_uid ? NFS3_OK : status_of(obj_access(o, W_OK));
}

static nfsstat3 setattr(struct obj *o, const SETATTR3args *a)
{
	const sattr3 *want = &a->new_attributes;
	const nfstime3 *guard = &a->guard.sattrguard3_u.obj_ctime;
	int file_fd = -1;
	nfsstat3 s;

	if (a->guard.check && (guard->seconds != (u_int)o->st.st_ctim.tv_sec ||
	                       guard->nseconds != (u_int)o->st.st_ctim.tv_nsec))
		return NFS3ERR_NOT_SYNC;
	if (want->size.set_it) {
		s = may_truncate(o);
		if (s != NFS3_OK)
			return s;
		file_fd = fdc_more(o->ent, FD_WRITE);
		if (file_fd < 0)
			return status_of(file_fd);
	}
	/* what is pending must not appear behind the new size or after the new times */
	unstable_flush(&o->n.k, file_fd);
	if (cred_become(&o->who) < 0)
		return NFS3ERR_SERVERFAULT;
	return status_of(attr_apply(o->fd, file_fd, want, false));
}

bool proc_setattr(struct call *c)
{
	SETATTR3args a;
	struct obj o;
	wcc_data wcc;
	nfsstat3 s;

	a.object.data.data_val = c->mem->fh[0];
	if (!xdr_SETATTR3args(&c->in, &a))
		return false;
	s = obj_get(c, &a.object, WANT_CHANGE, &o);
	if (s == NFS3_OK)
		s = setattr(&o, &a);
	attr_wcc(&o, &wcc);
	put_status(c, s);
	xdr_wcc_data(&c->out, &wcc);
	obj_put(&o);
	return true;
}

static nfsstat3 lookup(struct call *c, const struct obj *dir, filename3 *wire, struct node *n,
                       struct stat *st)
{
	struct cred who;
	const char *name;
	nfsstat3 s;
	int r;

	if (!S_ISDIR(dir->st.st_mode))
		return NFS3ERR_NOTDIR;
	s = arg_name(wire, &name);
	if (s != NFS3_OK)
		return s;
	r = tree_lookup(&dir->n, dir->fd, name, n, st);
	if (r < 0)
		return status_of(r);
	if (n->vol != dir->n.vol) {
		struct grant g = policy_eval(n->vol->policy, c->client, c->auth_sys);

		if (!g.read || !policy_squash(&g, c->auth_sys, &c->claimed, &who))
			return NFS3ERR_ACCES;
	}
	return NFS3_OK;
}

bool proc_lookup(struct call *c)
{
	diropargs3 a;
	struct obj dir;
	LOOKUP3resok res;
	char fh[FH_WIRE_LEN];
	struct node n;
	struct stat st;
	nfsstat3 s;

	if (!arg_where(c, 0, &a))
		return false;
	s = obj_get(c, &a.dir, WANT_ATTR, &dir);
	if (s == NFS3_OK)
		s = lookup(c, &dir, &a.name, &n, &st);
	put_status(c, s);
	attr_known(&dir, &res.dir_attributes);
	if (s == NFS3_OK) {
		attr_pending(&n.k, &st);
		node_handle(&n, fh, &res.object);
		res.obj_attributes.attributes_follow = TRUE;
		attr_of(&n, &st, &res.obj_attributes.post_op_attr_u.attributes);
		xdr_LOOKUP3resok(&c->out, &res);
	} else {
		xdr_post_op_attr(&c->out, &res.dir_attributes);
	}
	obj_put(&dir);
	return true;
}

static u_int access_bits(const struct obj *o, u_int asked)
{
	bool dir = S_ISDIR(o->st.st_mode);
	const u_int change = ACCESS3_MODIFY | ACCESS3_EXTEND | (dir ? ACCESS3_DELETE : 0u);
	const u_int search = dir ? ACCESS3_LOOKUP : ACCESS3_EXECUTE;
	u_int got = 0;

	if ((asked & ACCESS3_READ) && obj_access(o, R_OK) == 0)
		got |= ACCESS3_READ;
	if ((asked & search) && obj_access(o, X_OK) == 0)
		got |= search;
	if ((asked & change) && !o->n.snap && !o->n.snapdir && !o->n.vol->read_only &&
	    o->grant.write && obj_access(o, W_OK) == 0)
		got |= change;
	return got & asked;
}

bool proc_access(struct call *c)
{
	ACCESS3args a;
	struct obj o;
	ACCESS3resok res;
	nfsstat3 s;

	a.object.data.data_val = c->mem->fh[0];
	if (!xdr_ACCESS3args(&c->in, &a))
		return false;
	s = obj_get(c, &a.object, WANT_ATTR, &o);
	put_status(c, s);
	attr_known(&o, &res.obj_attributes);
	if (s == NFS3_OK) {
		res.access = access_bits(&o, a.access);
		xdr_ACCESS3resok(&c->out, &res);
	} else {
		xdr_post_op_attr(&c->out, &res.obj_attributes);
	}
	obj_put(&o);
	return true;
}

bool proc_readlink(struct call *c)
{
	READLINK3resok res;
	struct obj o;
	nfs_fh3 fh;
	nfsstat3 s;
	ssize_t n = 0;

	if (!arg_fh(c, 0, &fh))
		return false;
	s = obj_get(c, &fh, WANT_ATTR, &o);
	if (s == NFS3_OK && !S_ISLNK(o.st.st_mode))
		s = NFS3ERR_INVAL;
	if (s == NFS3_OK) {
		n = readlinkat(o.fd, "", c->mem->path, NFS3_NAME_WIRE_MAX);
		if (n < 0)
			s = status_of(-errno);
	}
	put_status(c, s);
	attr_post(&o, &res.symlink_attributes);
	if (s == NFS3_OK) {
		res.data.nfspath3_val = c->mem->path;
		res.data.nfspath3_len = (u_int)n;
		xdr_READLINK3resok(&c->out, &res);
	} else {
		xdr_post_op_attr(&c->out, &res.symlink_attributes);
	}
	obj_put(&o);
	return true;
}

/* Size and use of the volume, as REST tells them; the store may have less room. */
static int fill_space(const struct state *st, const struct volume *v, int fd, FSSTAT3resok *res)
{
	struct statfs f;
	int64_t used, files;
	uint64_t room;
	int r;

	if (fstatfs(fd, &f) < 0)
		return -errno;
	cred_root();
	r = store_usage(st->dir, v->subvol, &used, &files);
	if (r < 0)
		return r;
	room = f.f_bavail * (uint64_t)f.f_bsize;
	res->tbytes = v->size;
	res->fbytes = v->size > (uint64_t)used ? v->size - (uint64_t)used : 0;
	if (res->fbytes > room)
		res->fbytes = room;
	if (v->full)
		res->fbytes = 0;
	res->abytes = res->fbytes;
	/* btrfs has no table of inodes; ONTAP's has one for about every 32 KiB */
	res->tfiles = v->size / 32768;
	res->ffiles = res->tfiles > (uint64_t)files ? res->tfiles - (uint64_t)files : 0;
	res->afiles = res->ffiles;
	return 0;
}

bool proc_fsstat(struct call *c)
{
	FSSTAT3resok res = {.invarsec = 0};
	struct obj o;
	nfs_fh3 fh;
	nfsstat3 s;

	if (!arg_fh(c, 0, &fh))
		return false;
	s = obj_get(c, &fh, WANT_ATTR, &o);
	if (s == NFS3_OK)
		s = status_of(fill_space(c->st, o.n.vol, o.fd, &res));
	put_status(c, s);
	attr_known(&o, &res.obj_attributes);
	if (s == NFS3_OK)
		xdr_FSSTAT3resok(&c->out, &res);
	else
		xdr_post_op_attr(&c->out, &res.obj_attributes);
	obj_put(&o);
	return true;
}

bool proc_fsinfo(struct call *c)
{
	u_int xfer = c->st->set.max_xfer;
	FSINFO3resok res = {
	        .rtmax = xfer, .rtpref = xfer, .rtmult = 4096,
	        .wtmax = xfer, .wtpref = xfer, .wtmult = 4096,
	        .dtpref = DIR_REPLY_MAX,
	        .maxfilesize = INT64_MAX,
	        .time_delta = {.seconds = 0, .nseconds = 1},
	        .properties = FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME,
	};
	struct obj o;
	nfs_fh3 fh;
	nfsstat3 s;

	if (!arg_fh(c, 0, &fh))
		return false;
	s = obj_get(c, &fh, WANT_ATTR, &o);
	put_status(c, s);
	attr_known(&o, &res.obj_attributes);
	if (s == NFS3_OK)
		xdr_FSINFO3resok(&c->out, &res);
	else
		xdr_post_op_attr(&c->out, &res.obj_attributes);
	obj_put(&o);
	return true;
}

bool proc_pathconf(struct call *c)
{
	PATHCONF3resok res = {
	        .linkmax = 65535, /* BTRFS_LINK_MAX */
	        .name_max = 255,
	        .no_trunc = TRUE,
	        .chown_restricted = TRUE,
	        .case_insensitive = FALSE,
	        .case_preserving = TRUE,
	};
	struct obj o;
	nfs_fh3 fh;
	nfsstat3 s;

	if (!arg_fh(c, 0, &fh))
		return false;
	s = obj_get(c, &fh, WANT_ATTR, &o);
	put_status(c, s);
	attr_known(&o, &res.obj_attributes);
	if (s == NFS3_OK)
		xdr_PATHCONF3resok(&c->out, &res);
	else
		xdr_post_op_attr(&c->out, &res.obj_attributes);
	obj_put(&o);
	return true;
}
