/* Records of ONC RPC (RFC 5531) and the parts of NFSv3 (RFC 1813) that rules
 * speak of. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "fs/base/cleanup.h"
#include "tests/proxy/proxy.h"

#define PROG_NFS 100003u
#define LAST_FRAGMENT 0x80000000u

static const char *const names[] = {
	"NULL",    "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ",    "WRITE",
	"CREATE",  "MKDIR",   "SYMLINK", "MKNOD",  "REMOVE", "RMDIR",    "RENAME",  "LINK",
	"READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT",
};
/* Words of an error reply after the status: all absent (false). RFC 1813, 3.3. */
static const uint8_t absent[] = {0, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 4, 3, 1, 1, 1, 1, 1, 2};

int proc_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return (int)i;
	if (strcasecmp(name, "any") == 0)
		return PROC_ANY;
	return strcasecmp(name, "mount") == 0 ? PROC_MOUNT : -1;
}

const char *proc_name(int proc)
{
	return proc >= 0 && proc < (int)ARRAY_LEN(names) ? names[proc] : proc == PROC_ANY ? "any" : "mount";
}

static bool word_at(const struct record *r, size_t off, uint32_t *ret)
{
	if (off + 4 > r->len)
		return false;
	memcpy(ret, r->data + off, 4);
	*ret = ntohl(*ret);
	return true;
}

static void put_word(struct record *r, size_t off, uint32_t v)
{
	v = htonl(v);
	memcpy(r->data + off, &v, 4);
}

bool rpc_head(const struct record *r, struct rpc_head *ret)
{
	uint32_t xid, type, prog = 0, proc = 0;
	if (!word_at(r, 4, &xid) || !word_at(r, 8, &type) || type > 1)
		return false;
	*ret = (struct rpc_head){.xid = xid, .reply = type == 1, .proc = PROC_MOUNT};
	if (type == 1)
		return true;
	if (!word_at(r, 16, &prog) || !word_at(r, 24, &proc))
		return false;
	if (prog == PROG_NFS && proc < ARRAY_LEN(names))
		ret->proc = (int)proc;
	return true;
}

struct record *rpc_error_reply(uint32_t xid, int proc, uint32_t status)
{
	size_t words = 8 + (proc < (int)ARRAY_LEN(absent) ? absent[proc] : 0u);
	struct record *r = calloc(1, sizeof(*r) + 4 * words);
	if (!r)
		return NULL;
	r->len = (uint32_t)(4 * words);
	put_word(r, 0, LAST_FRAGMENT | (r->len - 4));
	put_word(r, 4, xid);
	put_word(r, 8, 1);
	put_word(r, 28, status); /* accepted, no verifier, executed */
	return r;
}

/* Past what follows the status: a post_op_attr, or a wcc_data. */
static bool skip_optional(const struct record *r, size_t *off, uint32_t bytes)
{
	uint32_t there;
	if (!word_at(r, *off, &there))
		return false;
	*off += 4 + (there ? bytes : 0);
	return true;
}

void rpc_shorten(struct record *r, int proc, uint32_t count)
{
	enum { ATTR = 84, WCC_BEFORE = 24 };
	uint32_t verf, status, have;
	size_t off;
	if ((proc != proc_by_name("READ") && proc != proc_by_name("WRITE")) || !word_at(r, 20, &verf) || verf > 400)
		return;
	off = 24 + ((verf + 3u) & ~3u) + 4;
	if (!word_at(r, off, &status) || status != 0)
		return;
	off += 4;
	bool is_write = proc == proc_by_name("WRITE");
	if ((is_write && !skip_optional(r, &off, WCC_BEFORE)) || !skip_optional(r, &off, ATTR) ||
	    !word_at(r, off, &have) || have <= count)
		return;
	put_word(r, off, count);
	if (is_write)
		return;
	put_word(r, off + 4, 0); /* not the end of the file */
	put_word(r, off + 8, count);
	r->len = (uint32_t)(off + 12 + ((count + 3u) & ~3u));
	put_word(r, 0, LAST_FRAGMENT | (r->len - 4));
}
