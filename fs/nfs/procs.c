/* Per procedure: how arguments go out, how an answer comes in.
 *
 * Completions run inside rpc_service(), with `res` in libnfs's memory, which
 * lives until they return. All replies have passed guard.c. */
#include <errno.h>
#include <string.h>
#include "fs/base/log.h"
#include "fs/nfs/conv.h"
#include "fs/nfs/nfs_i.h"
#include "fs/nfs/rpc_compat.h"

/* What a completion found: */
enum {
	TAKEN = 0,  /* all is well */
	GARBAGE = 1 /* the reply contradicts itself or the call */
};

struct proc {
	const char *name;
	bool readonly;
	int (*queue)(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu);
	/* Fills c->res of an answer that is OK, resp. an error. */
	int (*ok)(struct nfsio_call *c, void *res);
	int (*fail)(struct nfsio_call *c, void *res);
};

static const struct proc procs[PROCS_ALL];

static void answer(struct rpc_context *rpc, int status, void *data, void *priv);

static struct diropargs3 dirop(const struct nfsio_fh *dir, const char *name)
{
	return (struct diropargs3){.dir = conv_to_handle(dir), .name = rpc_unconst(name)};
}

static void obj_attr(struct nfsio_call *c, const struct post_op_attr *a)
{
	c->res.has_attr = conv_post_attr(a, &c->res.attr);
}

static void dir_attr(struct nfsio_call *c, const struct post_op_attr *a)
{
	c->res.has_dir_attr = conv_post_attr(a, &c->res.dir_attr);
}

static void obj_wcc(struct nfsio_call *c, const struct wcc_data *w)
{
	conv_pre_attr(&w->before, &c->res.before);
	obj_attr(c, &w->after);
}

static void dir_wcc(struct nfsio_call *c, const struct wcc_data *w)
{
	conv_pre_attr(&w->before, &c->res.before);
	dir_attr(c, &w->after);
}

static void obj_handle(struct nfsio_call *c, const struct post_op_fh3 *h)
{
	if (h->handle_follows)
		c->res.has_fh = conv_handle(h->post_op_fh3_u.handle.data.data_val,
					    h->post_op_fh3_u.handle.data.data_len, &c->res.fh);
}

/* Verifiers are eight opaque bytes; as a number they only need to round-trip. */
static uint64_t verf_in(const char *v)
{
	uint64_t r;
	memcpy(&r, v, sizeof(r));
	return r;
}

static void verf_out(char *v, uint64_t x)
{
	memcpy(v, &x, sizeof(x));
}

/* ---- objects ---- */

static int getattr_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct GETATTR3args a = {.object = conv_to_handle(&c->fh)};
	return RPC_QUEUE(nfs3_getattr, conn->rpc, answer, &a, pdu);
}

static int getattr_ok(struct nfsio_call *c, void *res)
{
	struct GETATTR3res *r = res;
	c->res.has_attr = conv_attr(&r->GETATTR3res_u.resok.obj_attributes, &c->res.attr);
	return c->res.has_attr ? TAKEN : GARBAGE;
}

static int setattr_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct SETATTR3args a = {.object = conv_to_handle(&c->fh)};
	conv_to_sattr(&c->sattr, &a.new_attributes);
	if (c->guard) {
		a.guard.check = 1;
		a.guard.sattrguard3_u.obj_ctime = conv_to_time(c->guard_ctime_ns);
	}
	return RPC_QUEUE(nfs3_setattr, conn->rpc, answer, &a, pdu);
}

static int setattr_any(struct nfsio_call *c, void *res)
{
	struct SETATTR3res *r = res;
	/* resok and resfail have the same form, here and below. */
	obj_wcc(c, &r->SETATTR3res_u.resfail.obj_wcc);
	return TAKEN;
}

static int lookup_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct LOOKUP3args a = {.what = dirop(&c->fh, c->name)};
	return RPC_QUEUE(nfs3_lookup, conn->rpc, answer, &a, pdu);
}

static int lookup_ok(struct nfsio_call *c, void *res)
{
	struct LOOKUP3resok *ok = &((struct LOOKUP3res *)res)->LOOKUP3res_u.resok;
	obj_attr(c, &ok->obj_attributes);
	dir_attr(c, &ok->dir_attributes);
	c->res.has_fh = conv_handle(ok->object.data.data_val, ok->object.data.data_len, &c->res.fh);
	return c->res.has_fh ? TAKEN : GARBAGE;
}

static int lookup_fail(struct nfsio_call *c, void *res)
{
	dir_attr(c, &((struct LOOKUP3res *)res)->LOOKUP3res_u.resfail.dir_attributes);
	return TAKEN;
}

static int access_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct ACCESS3args a = {.object = conv_to_handle(&c->fh), .access = c->access};
	return RPC_QUEUE(nfs3_access, conn->rpc, answer, &a, pdu);
}

static int access_ok(struct nfsio_call *c, void *res)
{
	struct ACCESS3resok *ok = &((struct ACCESS3res *)res)->ACCESS3res_u.resok;
	obj_attr(c, &ok->obj_attributes);
	c->res.access = ok->access & c->access;
	return TAKEN;
}

static int access_fail(struct nfsio_call *c, void *res)
{
	obj_attr(c, &((struct ACCESS3res *)res)->ACCESS3res_u.resfail.obj_attributes);
	return TAKEN;
}

static int readlink_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct READLINK3args a = {.symlink = conv_to_handle(&c->fh)};
	return RPC_QUEUE(nfs3_readlink, conn->rpc, answer, &a, pdu);
}

static int readlink_ok(struct nfsio_call *c, void *res)
{
	struct READLINK3resok *ok = &((struct READLINK3res *)res)->READLINK3res_u.resok;
	obj_attr(c, &ok->symlink_attributes);
	c->res.target = ok->data;
	/* Linux's PATH_MAX; the guard has refused NUL bytes inside. */
	return ok->data && strnlen(ok->data, 4096) <= 4095 ? TAKEN : GARBAGE;
}

static int readlink_fail(struct nfsio_call *c, void *res)
{
	obj_attr(c, &((struct READLINK3res *)res)->READLINK3res_u.resfail.symlink_attributes);
	return TAKEN;
}

/* ---- data ---- */

static int read_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct READ3args a = {.file = conv_to_handle(&c->fh), .offset = c->offset, .count = c->count};
	return RPC_QUEUE(nfs3_read, conn->rpc, answer, &a, pdu);
}

static int read_ok(struct nfsio_call *c, void *res)
{
	struct READ3resok *ok = &((struct READ3res *)res)->READ3res_u.resok;
	obj_attr(c, &ok->file_attributes);
	c->res.count = ok->count;
	c->res.eof = ok->eof;
	c->res.data = (const uint8_t *)ok->data.data_val;
	return ok->count <= c->count && ok->count == ok->data.data_len ? TAKEN : GARBAGE;
}

static int read_fail(struct nfsio_call *c, void *res)
{
	obj_attr(c, &((struct READ3res *)res)->READ3res_u.resfail.file_attributes);
	return TAKEN;
}

static int write_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct WRITE3args a = {
		.file = conv_to_handle(&c->fh),
		.offset = c->offset,
		.count = c->count,
		.stable = c->unstable ? UNSTABLE : FILE_SYNC,
		.data = {.data_len = c->count, .data_val = rpc_unconst(c->data)},
	};
	return RPC_QUEUE(nfs3_write, conn->rpc, answer, &a, pdu);
}

static int write_ok(struct nfsio_call *c, void *res)
{
	struct WRITE3resok *ok = &((struct WRITE3res *)res)->WRITE3res_u.resok;
	obj_wcc(c, &ok->file_wcc);
	c->res.count = ok->count;
	c->res.committed = (uint32_t)ok->committed;
	c->res.verf = verf_in(ok->verf);
	/* RFC 1813 3.3.7: never less stable than asked. */
	return ok->count <= c->count && c->res.committed <= FILE_SYNC &&
	       (c->unstable || ok->committed == FILE_SYNC) ? TAKEN : GARBAGE;
}

static int write_fail(struct nfsio_call *c, void *res)
{
	obj_wcc(c, &((struct WRITE3res *)res)->WRITE3res_u.resfail.file_wcc);
	return TAKEN;
}

static int commit_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct COMMIT3args a = {.file = conv_to_handle(&c->fh), .offset = c->offset, .count = c->count};
	return RPC_QUEUE(nfs3_commit, conn->rpc, answer, &a, pdu);
}

static int commit_ok(struct nfsio_call *c, void *res)
{
	struct COMMIT3resok *ok = &((struct COMMIT3res *)res)->COMMIT3res_u.resok;
	obj_wcc(c, &ok->file_wcc);
	c->res.verf = verf_in(ok->verf);
	return TAKEN;
}

static int commit_fail(struct nfsio_call *c, void *res)
{
	obj_wcc(c, &((struct COMMIT3res *)res)->COMMIT3res_u.resfail.file_wcc);
	return TAKEN;
}

/* ---- making and removing; CREATE, MKDIR, SYMLINK and MKNOD answer alike ---- */

static int create_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct CREATE3args a = {.where = dirop(&c->fh, c->name)};
	a.how.mode = (enum createmode3)c->createmode;
	if (c->createmode == NFSIO_EXCLUSIVE)
		verf_out(a.how.createhow3_u.verf, c->verf);
	else
		conv_to_sattr(&c->sattr, &a.how.createhow3_u.obj_attributes);
	return RPC_QUEUE(nfs3_create, conn->rpc, answer, &a, pdu);
}

static int mkdir_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct MKDIR3args a = {.where = dirop(&c->fh, c->name)};
	conv_to_sattr(&c->sattr, &a.attributes);
	return RPC_QUEUE(nfs3_mkdir, conn->rpc, answer, &a, pdu);
}

static int symlink_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct SYMLINK3args a = {.where = dirop(&c->fh, c->name)};
	conv_to_sattr(&c->sattr, &a.symlink.symlink_attributes);
	struct longcall l;
	bool is_long = strlen(c->name2) > LONGCALL_TARGET;
	if (is_long && longcall_begin(&l, c->name2) < 0)
		return -1;
	a.symlink.symlink_data = rpc_unconst(is_long ? "" : c->name2);
	int r = RPC_QUEUE(nfs3_symlink, conn->rpc, answer, &a, pdu);
	if (is_long)
		longcall_end(&l, conn, r == 0);
	return r;
}

static int mknod_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct MKNOD3args a = {.where = dirop(&c->fh, c->name)};
	a.what.type = (enum ftype3)c->mk_type;
	if (c->mk_type == NFSIO_CHR || c->mk_type == NFSIO_BLK) {
		struct devicedata3 *d = &a.what.mknoddata3_u.chr_device;
		conv_to_sattr(&c->sattr, &d->dev_attributes);
		d->spec.specdata1 = c->rdev_major;
		d->spec.specdata2 = c->rdev_minor;
	} else {
		conv_to_sattr(&c->sattr, &a.what.mknoddata3_u.sock_attributes);
	}
	return RPC_QUEUE(nfs3_mknod, conn->rpc, answer, &a, pdu);
}

_Static_assert(sizeof(struct CREATE3res) == sizeof(struct MKDIR3res) &&
	       sizeof(struct CREATE3res) == sizeof(struct SYMLINK3res) &&
	       sizeof(struct CREATE3res) == sizeof(struct MKNOD3res), "one answer for four");

static int create_ok(struct nfsio_call *c, void *res)
{
	struct CREATE3resok *ok = &((struct CREATE3res *)res)->CREATE3res_u.resok;
	obj_handle(c, &ok->obj);
	obj_attr(c, &ok->obj_attributes);
	dir_wcc(c, &ok->dir_wcc);
	return TAKEN;
}

static int create_fail(struct nfsio_call *c, void *res)
{
	dir_wcc(c, &((struct CREATE3res *)res)->CREATE3res_u.resfail.dir_wcc);
	return TAKEN;
}

static int remove_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct REMOVE3args a = {.object = dirop(&c->fh, c->name)};
	return RPC_QUEUE(nfs3_remove, conn->rpc, answer, &a, pdu);
}

static int rmdir_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct RMDIR3args a = {.object = dirop(&c->fh, c->name)};
	return RPC_QUEUE(nfs3_rmdir, conn->rpc, answer, &a, pdu);
}

_Static_assert(sizeof(struct REMOVE3res) == sizeof(struct RMDIR3res), "one answer for two");

static int remove_any(struct nfsio_call *c, void *res)
{
	dir_wcc(c, &((struct REMOVE3res *)res)->REMOVE3res_u.resfail.dir_wcc);
	return TAKEN;
}

static int rename_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct RENAME3args a = {.from = dirop(&c->fh, c->name), .to = dirop(&c->fh2, c->name2)};
	return RPC_QUEUE(nfs3_rename, conn->rpc, answer, &a, pdu);
}

static int rename_any(struct nfsio_call *c, void *res)
{
	struct RENAME3resfail *f = &((struct RENAME3res *)res)->RENAME3res_u.resfail;
	dir_wcc(c, &f->fromdir_wcc);
	c->res.has_dir2_attr = conv_post_attr(&f->todir_wcc.after, &c->res.dir2_attr);
	return TAKEN;
}

static int link_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct LINK3args a = {.file = conv_to_handle(&c->fh), .link = dirop(&c->fh2, c->name)};
	return RPC_QUEUE(nfs3_link, conn->rpc, answer, &a, pdu);
}

static int link_any(struct nfsio_call *c, void *res)
{
	struct LINK3resfail *f = &((struct LINK3res *)res)->LINK3res_u.resfail;
	obj_attr(c, &f->file_attributes);
	dir_wcc(c, &f->linkdir_wcc);
	return TAKEN;
}

/* ---- directories ---- */

static int readdir_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct READDIR3args a = {
		.dir = conv_to_handle(&c->fh), .cookie = c->cookie, .count = c->count};
	verf_out(a.cookieverf, c->verf);
	return RPC_QUEUE(nfs3_readdir, conn->rpc, answer, &a, pdu);
}

static int readdirplus_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct READDIRPLUS3args a = {.dir = conv_to_handle(&c->fh),
				     .cookie = c->cookie,
				     .dircount = c->count,
				     .maxcount = c->count};
	verf_out(a.cookieverf, c->verf);
	return RPC_QUEUE(nfs3_readdirplus, conn->rpc, answer, &a, pdu);
}

/* The entries stand in the connection's nfsio, reused from reply to reply. */
static struct nfsio_dirent *entry_new(struct nfsio *n, uint32_t i)
{
	if (i == n->entries_cap) {
		uint32_t cap = MAX_OF(n->entries_cap * 2, 256u);
		struct nfsio_dirent *e = reallocarray(n->entries, cap, sizeof(*e));
		if (!e)
			return NULL;
		n->entries = e;
		n->entries_cap = cap;
	}
	struct nfsio_dirent *e = &n->entries[i];
	e->has_attr = e->has_fh = false;
	return e;
}

/* libnfs's list entries are not aligned (4.0.0's zdr_malloc()), hence the
 * copies below. A name that cannot stand in a directory is left out and counted; the rest
 * of the listing is still good. */
static bool name_wanted(struct nfsio *n, const char *name)
{
	if (conv_name_ok(name))
		return true;
	atomic_fetch_add(&n->p.counters->garbage, 1);
	return false;
}

static int readdir_ok(struct nfsio_call *c, void *res)
{
	struct nfsio *n = c->conn->n;
	struct READDIR3resok *ok = &((struct READDIR3res *)res)->READDIR3res_u.resok;
	obj_attr(c, &ok->dir_attributes);
	c->res.verf = verf_in(ok->cookieverf);
	c->res.eof = ok->reply.eof;
	uint32_t i = 0;
	struct entry3 w;
	for (const void *at = ok->reply.entries; at; at = w.nextentry) {
		memcpy(&w, at, sizeof(w));
		if (!name_wanted(n, w.name))
			continue;
		struct nfsio_dirent *e = entry_new(n, i);
		if (!e)
			return -ENOMEM;
		e->name = w.name;
		e->fileid = w.fileid;
		e->cookie = w.cookie;
		i++;
	}
	c->res.entries = n->entries;
	c->res.nentries = i;
	return TAKEN;
}

static int readdirplus_ok(struct nfsio_call *c, void *res)
{
	struct nfsio *n = c->conn->n;
	struct READDIRPLUS3resok *ok = &((struct READDIRPLUS3res *)res)->READDIRPLUS3res_u.resok;
	obj_attr(c, &ok->dir_attributes);
	c->res.verf = verf_in(ok->cookieverf);
	c->res.eof = ok->reply.eof;
	uint32_t i = 0;
	struct entryplus3 w;
	for (const void *at = ok->reply.entries; at; at = w.nextentry) {
		memcpy(&w, at, sizeof(w));
		if (!name_wanted(n, w.name))
			continue;
		struct nfsio_dirent *e = entry_new(n, i);
		if (!e)
			return -ENOMEM;
		e->name = w.name;
		e->fileid = w.fileid;
		e->cookie = w.cookie;
		e->has_attr = conv_post_attr(&w.name_attributes, &e->attr);
		const struct nfs_fh3 *h = &w.name_handle.post_op_fh3_u.handle;
		if (w.name_handle.handle_follows)
			e->has_fh = conv_handle(h->data.data_val, h->data.data_len, &e->fh);
		i++;
	}
	c->res.entries = n->entries;
	c->res.nentries = i;
	return TAKEN;
}

static int readdir_fail(struct nfsio_call *c, void *res)
{
	/* READDIR's and READDIRPLUS's failure are the same. */
	obj_attr(c, &((struct READDIR3res *)res)->READDIR3res_u.resfail.dir_attributes);
	return TAKEN;
}

/* ---- the file system ---- */

static int fsstat_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct FSSTAT3args a = {.fsroot = conv_to_handle(&c->fh)};
	return RPC_QUEUE(nfs3_fsstat, conn->rpc, answer, &a, pdu);
}

static int fsstat_ok(struct nfsio_call *c, void *res)
{
	struct FSSTAT3resok *ok = &((struct FSSTAT3res *)res)->FSSTAT3res_u.resok;
	obj_attr(c, &ok->obj_attributes);
	c->res.fsstat.tbytes = ok->tbytes;
	c->res.fsstat.fbytes = ok->fbytes;
	c->res.fsstat.abytes = ok->abytes;
	c->res.fsstat.tfiles = ok->tfiles;
	c->res.fsstat.ffiles = ok->ffiles;
	c->res.fsstat.afiles = ok->afiles;
	return TAKEN;
}

static int fsinfo_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct FSINFO3args a = {.fsroot = conv_to_handle(&c->fh)};
	return RPC_QUEUE(nfs3_fsinfo, conn->rpc, answer, &a, pdu);
}

static int fsinfo_ok(struct nfsio_call *c, void *res)
{
	struct FSINFO3resok *ok = &((struct FSINFO3res *)res)->FSINFO3res_u.resok;
	obj_attr(c, &ok->obj_attributes);
	c->res.fsinfo.rtmax = ok->rtmax;
	c->res.fsinfo.wtmax = ok->wtmax;
	c->res.fsinfo.rtpref = ok->rtpref;
	c->res.fsinfo.wtpref = ok->wtpref;
	c->res.fsinfo.dtpref = ok->dtpref;
	c->res.fsinfo.maxfilesize = ok->maxfilesize;
	c->res.fsinfo.link = ok->properties & 1;    /* FSF3_LINK */
	c->res.fsinfo.symlink = ok->properties & 2; /* FSF3_SYMLINK */
	return TAKEN;
}

static int pathconf_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	struct PATHCONF3args a = {.object = conv_to_handle(&c->fh)};
	return RPC_QUEUE(nfs3_pathconf, conn->rpc, answer, &a, pdu);
}

static int pathconf_ok(struct nfsio_call *c, void *res)
{
	struct PATHCONF3resok *ok = &((struct PATHCONF3res *)res)->PATHCONF3res_u.resok;
	obj_attr(c, &ok->obj_attributes);
	c->res.pathconf.linkmax = ok->linkmax;
	c->res.pathconf.name_max = ok->name_max;
	c->res.pathconf.case_insensitive = ok->case_insensitive;
	c->res.pathconf.no_trunc = ok->no_trunc;
	c->res.pathconf.chown_restricted = ok->chown_restricted;
	return TAKEN;
}

static int fs_fail(struct nfsio_call *c, void *res)
{
	/* FSSTAT's, FSINFO's and PATHCONF's failure are the same. */
	obj_attr(c, &((struct FSSTAT3res *)res)->FSSTAT3res_u.resfail.obj_attributes);
	return TAKEN;
}

/* ---- MOUNT and the portmapper ---- */

static int mnt_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	return RPC_QUEUE(mount3_mnt, conn->rpc, answer, rpc_unconst(c->name), pdu);
}

static int mnt_ok(struct nfsio_call *c, void *res)
{
	struct mountres3_ok *ok = &((struct mountres3 *)res)->mountres3_u.mountinfo;
	c->res.has_fh = conv_handle(ok->fhandle.fhandle3_val, ok->fhandle.fhandle3_len, &c->res.fh);
	return c->res.has_fh ? TAKEN : GARBAGE;
}

static int no_more(struct nfsio_call *c, void *res)
{
	(void)c;
	(void)res;
	return TAKEN;
}

static int pmap_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	return rpc_pmap2_getport_async(conn->rpc, (int)c->access, 3, IPPROTO_TCP, answer, pdu);
}

static int pmap_ok(struct nfsio_call *c, void *res)
{
	memcpy(&c->res.count, res, sizeof(c->res.count));
	return c->res.count <= UINT16_MAX ? TAKEN : GARBAGE;
}

/* ---- NULL: nothing in, nothing out ---- */

static int null_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	(void)c;
	return rpc_nfs3_null_async(conn->rpc, answer, pdu);
}

static const struct proc procs[PROCS_ALL] = {
	[NFSIO_GETATTR] = {"GETATTR", true, getattr_queue, getattr_ok, no_more},
	[NFSIO_SETATTR] = {"SETATTR", false, setattr_queue, setattr_any, setattr_any},
	[NFSIO_LOOKUP] = {"LOOKUP", true, lookup_queue, lookup_ok, lookup_fail},
	[NFSIO_ACCESS] = {"ACCESS", true, access_queue, access_ok, access_fail},
	[NFSIO_READLINK] = {"READLINK", true, readlink_queue, readlink_ok, readlink_fail},
	[NFSIO_READ] = {"READ", true, read_queue, read_ok, read_fail},
	[NFSIO_WRITE] = {"WRITE", false, write_queue, write_ok, write_fail},
	[NFSIO_CREATE] = {"CREATE", false, create_queue, create_ok, create_fail},
	[NFSIO_MKDIR] = {"MKDIR", false, mkdir_queue, create_ok, create_fail},
	[NFSIO_SYMLINK] = {"SYMLINK", false, symlink_queue, create_ok, create_fail},
	[NFSIO_MKNOD] = {"MKNOD", false, mknod_queue, create_ok, create_fail},
	[NFSIO_REMOVE] = {"REMOVE", false, remove_queue, remove_any, remove_any},
	[NFSIO_RMDIR] = {"RMDIR", false, rmdir_queue, remove_any, remove_any},
	[NFSIO_RENAME] = {"RENAME", false, rename_queue, rename_any, rename_any},
	[NFSIO_LINK] = {"LINK", false, link_queue, link_any, link_any},
	[NFSIO_READDIR] = {"READDIR", true, readdir_queue, readdir_ok, readdir_fail},
	[NFSIO_READDIRPLUS] = {"READDIRPLUS", true, readdirplus_queue, readdirplus_ok, readdir_fail},
	[NFSIO_FSSTAT] = {"FSSTAT", true, fsstat_queue, fsstat_ok, fs_fail},
	[NFSIO_FSINFO] = {"FSINFO", true, fsinfo_queue, fsinfo_ok, fs_fail},
	[NFSIO_PATHCONF] = {"PATHCONF", true, pathconf_queue, pathconf_ok, fs_fail},
	/* COMMIT only hardens what was written: it may be repeated anywhere. */
	[NFSIO_COMMIT] = {"COMMIT", true, commit_queue, commit_ok, commit_fail},
	[NFSIO_MNT] = {"MNT", true, mnt_queue, mnt_ok, no_more},
	[PROC_PMAP] = {"getport", true, pmap_queue, pmap_ok, no_more},
	[PROC_NULL] = {"NULL", true, null_queue, no_more, no_more},
};

bool nfsio_is_readonly(enum nfsio_proc proc)
{
	return procs[proc].readonly;
}

const char *nfsio_proc_name(enum nfsio_proc proc)
{
	return procs[proc].name;
}

bool proc_is_bulk(int proc)
{
	return proc == NFSIO_READ || proc == NFSIO_WRITE;
}

int proc_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu)
{
	rpc_set_next_xid(conn->rpc, pdu->xid);
	/* -2 is libnfs's "does not encode". */
	switch (procs[pdu->proc].queue(conn, c, pdu)) {
	case 0: return 0;
	case -2: return -ENAMETOOLONG;
	default: return -ENOMEM;
	}
}

#define TELL_AGAIN_NS (60 * NS_PER_SEC)

/* What an administrator should know, once in a while and not for each call. */
static void tell(struct lif *lif, const char *what, const char *remedy)
{
	int64_t now = clock_now_ns();
	if (lif->told_ns && now - lif->told_ns < TELL_AGAIN_NS)
		return;
	lif->told_ns = now;
	log_warn("%s: server=%s: %s", what, lif->address, remedy);
}

/* The RPC layer ran nothing. */
static void denied(struct lif *lif, int err)
{
	lif->denies = true;
	if (err == -EACCES)
		tell(lif, "the server refuses AUTH_SYS", "let the export policy offer sys");
	else if (err == -EPROTONOSUPPORT)
		tell(lif, "the server does not offer NFSv3", "vserver nfs modify -v3 enabled");
}

static void not_denied(struct lif *lif)
{
	if (!lif->denies)
		return;
	lif->denies = false;
	lif->told_ns = 0;
	log_info("the server takes our calls again: server=%s", lif->address);
}

/* Errors that are about the export, not about the object. */
static void export_refused(struct lif *lif, int proc, uint32_t status)
{
	/* RFC 1813 3.3.1: no mode bits can deny a GETATTR. */
	if (status == NFS3ERR_ACCES && proc == NFSIO_GETATTR)
		tell(lif, "no export rule lets this host in", "see vserver export-policy check-access");
	else if (status == NFS3ERR_ROFS)
		tell(lif, "the server takes no changes", "a read-only export rule, or a volume that is read-only");
}

/* The answer of the server's NFS or MOUNT layer. Every result starts with its
 * status, but the portmapper's and that of NULL. */
static void take_in(struct nfsio *n, struct lif *lif, struct nfsio_call *c, int proc, void *data)
{
	uint32_t status = 0;
	bool known = true;
	int err = 0, r;
	if (proc < NFSIO_NPROCS)
		memcpy(&status, data, sizeof(status));
	if (status == NFS3ERR_JUKEBOX) {
		call_jukebox(n, c);
		return;
	}
	if (status) {
		c->res.nfsstat = status;
		export_refused(lif, proc, status);
		err = conv_status(status, &known);
		if (!known)
			atomic_fetch_add(&n->p.counters->garbage, 1);
		r = procs[proc].fail(c, data);
	} else {
		r = procs[proc].ok(c, data);
	}
	call_answered(n, c, r < 0 ? r : err, r == GARBAGE);
}

/* Every PDU's callback; see rpc_compat.h for what the status means. */
static void answer(struct rpc_context *rpc, int status, void *data, void *priv)
{
	(void)rpc;
	struct pdu *pdu = priv;
	struct nfsio_conn *conn = pdu->conn;
	struct nfsio *n = conn->n;
	struct nfsio_call *c = pdu->call;
	if (status != RPC_STATUS_SUCCESS && !(status == RPC_STATUS_ERROR && pdu->deny)) {
		/* The connection is lost or being dropped (conn_drop() sees to the
		 * call), or libnfs refused to decode what the guard let pass. */
		pdu->gone = true;
		return;
	}
	int proc = pdu->proc, deny = pdu->deny;
	if (conn->rx_pdu == pdu)
		conn->rx_pdu = NULL;
	conn_answered(conn);
	if (c) {
		c->pdu = NULL;
		list_remove(&c->link);
	}
	nfsio_pdu_free(n, pdu);
	struct lif *lif = conn->lif;
	if (deny)
		denied(lif, deny);
	else if (conn->kind == KIND_NFS)
		not_denied(lif);
	if (c && deny)
		call_answered(n, c, deny, false);
	else if (c)
		take_in(n, lif, c, proc, data);
}
