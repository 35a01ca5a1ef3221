/* The strict reader that every reply passes before libnfs decodes it.
 *
 * libnfs 4.0.0 (with Debian's fixes too) trusts lengths on the wire: a length
 * with the top bit set makes it read outside of the buffer, the list of
 * flavors in a MOUNT reply writes outside of one, directory lists recurse
 * once per entry. So replies are looked at in the socket's buffer first
 * (MSG_PEEK), by the functions here: pure, no allocation, no libnfs. */
#ifndef FS_NFS_GUARD_H
#define FS_NFS_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* RFC 1813 leaves dircount free; more only deepens libnfs's recursion. */
#define GUARD_DIR_MAX   (256u << 10) /* READDIR(PLUS) bytes that we ask for */
#define GUARD_SMALL_MAX 8192u        /* any reply but READ's and a directory's */

enum guard_verdict {
	GUARD_OK,   /* well formed as far as libnfs will look at it */
	GUARD_MORE, /* more bytes of the message are needed to tell */
	GUARD_BAD   /* libnfs must not see it */
};

/* What stands at the head of a reply. */
struct guard_head {
	uint32_t xid;
	int deny; /* 0, or the -errno of an RPC-level refusal */
};

/* Reads the XID of a reply: `msg` is what follows the record marker. */
enum guard_verdict guard_xid(const uint8_t *msg, size_t have, size_t len, uint32_t *ret_xid);
/* Checks the whole reply to `proc` (enum nfsio_proc or PROC_PMAP); `len` is
 * the length of the message, of which `have` bytes are there. For READ the
 * bytes before the data are enough. */
enum guard_verdict guard_reply(int proc, const uint8_t *msg, size_t have, size_t len,
			       struct guard_head *ret);
/* The longest message that a reply to `proc` may be. */
size_t guard_max(int proc);

#endif
