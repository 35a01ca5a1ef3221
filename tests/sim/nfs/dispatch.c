/*
 * The call header is parsed by hand: libtirpc's decoder allocates for each call, and
 * the fields are few.  Programs, versions and procedures are looked up in tables.
 */
#include "tests/sim/nfs/dispatch.h"

#include <arpa/inet.h>
#include <string.h>

#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <xxhash.h>
#pragma GCC diagnostic pop

#include "mount3.h"
#include "tests/sim/nfs/drc.h"
#include "tests/sim/util.h"

#define REPLY_HEADER 24 /* bytes of an accepted reply before its results */
#define MACHINE_MAX  255

static bool proc_null(struct call *c)
{
	(void)c;
	return true;
}

struct proc {
	proc_fn fn;
	bool once; /* doing it twice differs from doing it once */
};

static const struct proc nfs_procs[] = {
        [NFSPROC3_NULL] = {proc_null, false},
        [NFSPROC3_GETATTR] = {proc_getattr, false},
        [NFSPROC3_SETATTR] = {proc_setattr, true},
        [NFSPROC3_LOOKUP] = {proc_lookup, false},
        [NFSPROC3_ACCESS] = {proc_access, false},
        [NFSPROC3_READLINK] = {proc_readlink, false},
        [NFSPROC3_READ] = {proc_read, false},
        [NFSPROC3_WRITE] = {proc_write, false},
        [NFSPROC3_CREATE] = {proc_create, true},
        [NFSPROC3_MKDIR] = {proc_mkdir, true},
        [NFSPROC3_SYMLINK] = {proc_symlink, true},
        [NFSPROC3_MKNOD] = {proc_mknod, true},
        [NFSPROC3_REMOVE] = {proc_remove, true},
        [NFSPROC3_RMDIR] = {proc_rmdir, true},
        [NFSPROC3_RENAME] = {proc_rename, true},
        [NFSPROC3_LINK] = {proc_link, true},
        [NFSPROC3_READDIR] = {proc_readdir, false},
        [NFSPROC3_READDIRPLUS] = {proc_readdirplus, false},
        [NFSPROC3_FSSTAT] = {proc_fsstat, false},
        [NFSPROC3_FSINFO] = {proc_fsinfo, false},
        [NFSPROC3_PATHCONF] = {proc_pathconf, false},
        [NFSPROC3_COMMIT] = {proc_commit, false},
};

static const struct proc mount_procs[] = {
        [MOUNTPROC3_NULL] = {proc_null, false},
        [MOUNTPROC3_MNT] = {mnt_mnt, false},
        [MOUNTPROC3_DUMP] = {mnt_dump, false},
        [MOUNTPROC3_UMNT] = {mnt_umnt, false},
        [MOUNTPROC3_UMNTALL] = {mnt_umntall, false},
        [MOUNTPROC3_EXPORT] = {mnt_export, false},
};

static const struct program {
	uint32_t prog, vers;
	const struct proc *procs;
	size_t nprocs;
} programs[] = {
        {NFS3_PROGRAM, NFS3_VERSION, nfs_procs, ARRAY_LEN(nfs_procs)},
        {MOUNT3_PROGRAM, MOUNT3_VERSION, mount_procs, ARRAY_LEN(mount_procs)},
};

/* ---- reading the header --------------------------------------------------------- */

struct cursor {
	const char *p, *end;
	bool bad;
};

static uint32_t get32(struct cursor *c)
{
	uint32_t v;

	if (c->bad || c->end - c->p < 4) {
		c->bad = true;
		return 0;
	}
	memcpy(&v, c->p, 4);
	c->p += 4;
	return ntohl(v);
}

/* An opaque of at most max bytes, with its padding. */
static struct cursor get_opaque(struct cursor *c, uint32_t max)
{
	uint32_t len = get32(c), padded = (len + 3) & ~3u;
	struct cursor in = {.p = c->p, .end = c->p};

	if (c->bad || len > max || c->end - c->p < (ptrdiff_t)padded) {
		c->bad = in.bad = true;
		return in;
	}
	in.end = c->p + len;
	c->p += padded;
	return in;
}

/* AUTH_SYS: 0, or why the credential is rejected. */
static enum auth_stat read_cred(uint32_t flavor, struct cursor body, struct call *c)
{
	uint32_t n;

	cred_plain(&c->claimed, (uid_t)-1);
	if (flavor == AUTH_NONE)
		return AUTH_OK;
	if (flavor != AUTH_SYS)
		return AUTH_REJECTEDCRED;
	c->auth_sys = true;
	get32(&body); /* stamp */
	get_opaque(&body, MACHINE_MAX);
	c->claimed.uid = get32(&body);
	c->claimed.gid = get32(&body);
	n = get32(&body);
	if (body.bad || n > CRED_GROUPS_MAX)
		return AUTH_BADCRED;
	for (uint32_t i = 0; i < n; i++)
		c->claimed.groups[i] = get32(&body);
	c->claimed.ngroups = (int)n;
	/* -1 is no id: the kernel refuses to take it on */
	if (body.bad || c->claimed.uid == (uid_t)-1 || c->claimed.gid == (gid_t)-1)
		return AUTH_BADCRED;
	for (uint32_t i = 0; i < n; i++)
		if (c->claimed.groups[i] == (gid_t)-1)
			return AUTH_BADCRED;
	return AUTH_OK;
}

/* ---- writing the header ------------------------------------------------------------ */

static uint32_t put_words(char *out, const uint32_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t v = htonl(words[i]);

		memcpy(out + 4 * i, &v, 4);
	}
	return 4 * n;
}

static uint32_t accepted(char *out, uint32_t xid, enum accept_stat stat)
{
	const uint32_t w[] = {xid, REPLY, MSG_ACCEPTED, AUTH_NONE, 0, stat};

	return put_words(out, w, 6);
}

static uint32_t mismatch(char *out, uint32_t xid, uint32_t version)
{
	const uint32_t w[] = {xid, REPLY, MSG_ACCEPTED, AUTH_NONE, 0, PROG_MISMATCH, version, version};

	return put_words(out, w, 8);
}

static uint32_t bad_rpc_version(char *out, uint32_t xid)
{
	const uint32_t w[] = {xid, REPLY, MSG_DENIED, RPC_MISMATCH, RPC_MSG_VERSION, RPC_MSG_VERSION};

	return put_words(out, w, 6);
}

static uint32_t bad_auth(char *out, uint32_t xid, enum auth_stat why)
{
	const uint32_t w[] = {xid, REPLY, MSG_DENIED, AUTH_ERROR, why};

	return put_words(out, w, 5);
}

/* ---- running ------------------------------------------------------------------------- */

static const struct program *program_of(uint32_t prog)
{
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		if (programs[i].prog == prog)
			return &programs[i];
	return NULL;
}

static uint32_t run(struct call *c, const struct proc *p, char *out, uint32_t out_size)
{
	c->out_base = out + REPLY_HEADER;
	c->out_size = out_size - REPLY_HEADER;
	xdrmem_create(&c->in, (char *)(uintptr_t)c->body, c->body_len, XDR_DECODE);
	xdrmem_create(&c->out, c->out_base, c->out_size, XDR_ENCODE);
	if (!p->fn(c))
		return accepted(out, c->xid, GARBAGE_ARGS);
	return accepted(out, c->xid, SUCCESS) + xdr_getpos(&c->out);
}

uint32_t dispatch(const struct state *st, const struct peer *peer, struct scratch *mem,
                  char *record, uint32_t len, char *out, uint32_t out_size)
{
	struct cursor in = {.p = record, .end = record + len}, cred;
	struct call c;
	const struct program *prog;
	const struct proc *p;
	struct drc_entry *seen;
	struct drc_key key;
	enum auth_stat why;
	uint32_t rpc_version, flavor, n;
	const char *cred_start;

	c.xid = get32(&in);
	if (get32(&in) != CALL || in.bad)
		return 0;
	rpc_version = get32(&in);
	c.prog = get32(&in);
	c.vers = get32(&in);
	c.proc = get32(&in);
	if (in.bad)
		return 0;
	if (rpc_version != RPC_MSG_VERSION)
		return bad_rpc_version(out, c.xid);
	cred_start = in.p;
	flavor = get32(&in);
	cred = get_opaque(&in, MAX_AUTH_BYTES);
	get32(&in); /* the verifier means nothing with these flavors */
	get_opaque(&in, MAX_AUTH_BYTES);
	if (in.bad)
		return 0;

	c.auth_sys = false;
	why = read_cred(flavor, cred, &c);
	if (why != AUTH_OK)
		return bad_auth(out, c.xid, why);
	prog = st->set.v3_enabled ? program_of(c.prog) : NULL;
	if (!prog)
		return accepted(out, c.xid, PROG_UNAVAIL);
	if (c.vers != prog->vers)
		return mismatch(out, c.xid, prog->vers);
	if (c.proc >= prog->nprocs)
		return accepted(out, c.xid, PROC_UNAVAIL);

	p = &prog->procs[c.proc];
	c.st = st;
	c.mem = mem;
	c.client = peer->address;
	c.client_port = peer->port;
	c.body = in.p;
	c.body_len = (uint32_t)(in.end - in.p);
	if (!p->once)
		return run(&c, p, out, out_size);

	key = (struct drc_key){
	        .client = peer->address,
	        .xid = c.xid,
	        .proc = c.proc,
	        .sum = XXH3_64bits(cred_start, (size_t)(in.end - cred_start)),
	};
	n = (uint32_t)drc_begin(&key, out, &seen);
	if (n)
		return n;
	n = run(&c, p, out, out_size);
	if (seen)
		drc_end(seen, out, n);
	return n;
}
