/* One cursor over the message; every step asks take() first, and the first
 * step that fails decides the verdict. */
#include "fs/nfs/guard.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "fs/nfs/nfs_i.h"

struct cur {
	const uint8_t *p;
	size_t have; /* bytes from p that are there */
	size_t left; /* bytes from p that the message has */
	enum guard_verdict v;
};

static const uint8_t *take(struct cur *c, size_t n)
{
	if (c->v != GUARD_OK)
		return NULL;
	if (n > c->left)
		c->v = GUARD_BAD;
	else if (n > c->have)
		c->v = GUARD_MORE;
	if (c->v != GUARD_OK)
		return NULL;
	const uint8_t *p = c->p;
	c->p += n;
	c->have -= n;
	c->left -= n;
	return p;
}

static uint32_t u32(struct cur *c)
{
	const uint8_t *p = take(c, 4);
	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static void bad(struct cur *c)
{
	if (c->v == GUARD_OK)
		c->v = GUARD_BAD;
}

/* An XDR boolean: anything but 0 and 1 is refused. */
static bool boolean(struct cur *c)
{
	uint32_t b = u32(c);
	if (b > 1)
		bad(c);
	return b == 1;
}

/* Variable opaque of at most `max` bytes with its padding. */
static const uint8_t *opaque(struct cur *c, uint32_t max, uint32_t *ret_len)
{
	uint32_t n = u32(c);
	if (n > max)
		bad(c);
	if (ret_len)
		*ret_len = n;
	return take(c, c->v == GUARD_OK ? (n + 3u) & ~3u : 0);
}

/* A string that libnfs hands out NUL terminated: it must have no NUL inside. */
static void string(struct cur *c, uint32_t max)
{
	uint32_t n;
	const uint8_t *p = opaque(c, max, &n);
	if (p && memchr(p, 0, n))
		bad(c);
}

static void handle(struct cur *c)
{
	uint32_t n;
	opaque(c, NFSIO_FH_MAX, &n);
	if (c->v == GUARD_OK && n == 0)
		bad(c);
}

static void fattr(struct cur *c)
{
	uint32_t type = u32(c);
	if (type < NFSIO_REG || type > NFSIO_FIFO)
		bad(c);
	take(c, 80);
}

static void post_attr(struct cur *c)
{
	if (boolean(c))
		fattr(c);
}

static void post_handle(struct cur *c)
{
	if (boolean(c))
		handle(c);
}

static void wcc(struct cur *c)
{
	if (boolean(c))
		take(c, 24);
	post_attr(c);
}

static void entries(struct cur *c, bool plus)
{
	while (boolean(c) && c->v == GUARD_OK) {
		take(c, 8);
		string(c, GUARD_DIR_MAX);
		take(c, 8);
		if (plus) {
			post_attr(c);
			post_handle(c);
		}
	}
	boolean(c); /* eof */
}

static void body_ok(struct cur *c, int proc)
{
	uint32_t n;
	switch (proc) {
	case NFSIO_GETATTR: fattr(c); break;
	case NFSIO_SETATTR: wcc(c); break;
	case NFSIO_LOOKUP: handle(c); post_attr(c); post_attr(c); break;
	case NFSIO_ACCESS: post_attr(c); u32(c); break;
	case NFSIO_READLINK: post_attr(c); string(c, GUARD_SMALL_MAX); break;
	case NFSIO_READ:
		post_attr(c);
		u32(c);
		boolean(c);
		n = u32(c);
		/* The data itself may still be on its way. */
		if (c->v == GUARD_OK && (n > NFSIO_XFER_MAX || ((n + 3u) & ~3u) > c->left))
			bad(c);
		break;
	case NFSIO_WRITE: wcc(c); u32(c); u32(c); take(c, 8); break;
	case NFSIO_CREATE:
	case NFSIO_MKDIR:
	case NFSIO_SYMLINK:
	case NFSIO_MKNOD: post_handle(c); post_attr(c); wcc(c); break;
	case NFSIO_REMOVE:
	case NFSIO_RMDIR: wcc(c); break;
	case NFSIO_RENAME: wcc(c); wcc(c); break;
	case NFSIO_LINK: post_attr(c); wcc(c); break;
	case NFSIO_READDIR:
	case NFSIO_READDIRPLUS:
		post_attr(c);
		take(c, 8);
		entries(c, proc == NFSIO_READDIRPLUS);
		break;
	case NFSIO_FSSTAT: post_attr(c); take(c, 52); break;
	case NFSIO_FSINFO: post_attr(c); take(c, 48); break;
	case NFSIO_PATHCONF:
		post_attr(c);
		take(c, 8);
		for (int i = 0; i < 4; i++)
			boolean(c);
		break;
	case NFSIO_COMMIT: wcc(c); take(c, 8); break;
	case NFSIO_MNT:
		handle(c);
		n = u32(c);
		if (n > 64)
			bad(c);
		take(c, c->v == GUARD_OK ? 4u * n : 0);
		break;
	default: bad(c); break;
	}
}

static void body_fail(struct cur *c, int proc)
{
	switch (proc) {
	case NFSIO_GETATTR:
	case NFSIO_MNT: break;
	case NFSIO_LOOKUP:
	case NFSIO_ACCESS:
	case NFSIO_READLINK:
	case NFSIO_READ:
	case NFSIO_READDIR:
	case NFSIO_READDIRPLUS:
	case NFSIO_FSSTAT:
	case NFSIO_FSINFO:
	case NFSIO_PATHCONF: post_attr(c); break;
	case NFSIO_RENAME: wcc(c); wcc(c); break;
	case NFSIO_LINK: post_attr(c); wcc(c); break;
	default: wcc(c); break;
	}
}

/* RFC 5531 section 9: why the server did not run the call, as -errno. */
static int denial(struct cur *c)
{
	enum { RPC_MISMATCH_ = 0, AUTH_ERROR_ = 1 };
	uint32_t stat = u32(c);
	if (stat == RPC_MISMATCH_) {
		take(c, 8);
		return -EPROTONOSUPPORT;
	}
	if (stat != AUTH_ERROR_)
		bad(c);
	u32(c);
	return -EACCES;
}

static int refusal(struct cur *c, uint32_t accept_stat)
{
	switch (accept_stat) {
	case 1: return -EPROTONOSUPPORT;             /* PROG_UNAVAIL */
	case 2: take(c, 8); return -EPROTONOSUPPORT; /* PROG_MISMATCH */
	case 3: return -EOPNOTSUPP;                  /* PROC_UNAVAIL */
	case 4:                                      /* GARBAGE_ARGS */
	case 5: return -EIO;                         /* SYSTEM_ERR */
	default: bad(c); return -EIO;
	}
}

enum guard_verdict guard_xid(const uint8_t *msg, size_t have, size_t len, uint32_t *ret_xid)
{
	struct cur c = {.p = msg, .have = have, .left = len};
	uint32_t xid = u32(&c);
	if (u32(&c) != 1) /* REPLY */
		bad(&c);
	if (c.v == GUARD_OK)
		*ret_xid = xid;
	return c.v;
}

enum guard_verdict guard_reply(int proc, const uint8_t *msg, size_t have, size_t len,
			       struct guard_head *ret)
{
	struct cur c = {.p = msg, .have = have, .left = len};
	struct guard_head h = {.xid = u32(&c)};
	if (u32(&c) != 1)
		bad(&c);
	uint32_t stat = u32(&c);
	if (stat > 1)
		bad(&c);
	if (stat == 1) {
		h.deny = denial(&c);
	} else {
		u32(&c); /* verifier: RFC 5531 section 8.2, at most 400 bytes */
		opaque(&c, 400, NULL);
		uint32_t accept_stat = u32(&c);
		if (c.v == GUARD_OK && accept_stat) {
			h.deny = refusal(&c, accept_stat);
		} else if (proc == PROC_PMAP) {
			u32(&c);
		} else if (c.v == GUARD_OK && proc != PROC_NULL) {
			uint32_t status = u32(&c);
			if (c.v == GUARD_OK && status)
				body_fail(&c, proc);
			else if (c.v == GUARD_OK)
				body_ok(&c, proc);
		}
	}
	/* Only READ may be judged by its beginning. */
	if (c.v == GUARD_OK && proc != NFSIO_READ && c.have < c.left)
		c.v = GUARD_MORE;
	if (c.v == GUARD_OK)
		*ret = h;
	return c.v;
}

size_t guard_max(int proc)
{
	switch (proc) {
	case NFSIO_READ: return NFSIO_XFER_MAX + 2048u;
	case NFSIO_READDIR:
	case NFSIO_READDIRPLUS: return GUARD_DIR_MAX + GUARD_SMALL_MAX;
	default: return GUARD_SMALL_MAX;
	}
}
