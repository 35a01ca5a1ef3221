/* SYMLINK with a long target: longer than what libnfs has room to encode.
 *
 * libnfs encodes into 4 KiB, head and all; only WRITE may be longer. The target
 * is the last of SYMLINK's arguments (RFC 1813 3.3.10). So libnfs is given the
 * call without one, which makes its own record of the call for the answer, and
 * writes it to a socket of ours; what goes to the server is that, with the
 * target put on. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "fs/base/cleanup.h"
#include "fs/nfs/nfs_i.h"
#include "fs/nfs/rpc_compat.h"

#define HEAD_MAX 4096u /* what libnfs encodes at most */

int longcall_begin(struct longcall *l, const char *target)
{
	l->len = (uint32_t)strlen(target);
	l->target = target;
	/* Zeros: the padding. */
	l->buf = calloc(1, HEAD_MAX + l->len + 4u);
	if (!l->buf)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, l->s) == 0)
		return 0;
	int r = -errno;
	free(l->buf);
	return r;
}

void longcall_end(struct longcall *l, struct nfsio_conn *conn, bool queued)
{
	ssize_t n = 0;
	if (queued) {
		rpc_set_fd(conn->rpc, l->s[0]);
		(void)rpc_service(conn->rpc, POLLOUT);
		rpc_set_fd(conn->rpc, conn->src.fd);
		n = recv(l->s[1], l->buf, HEAD_MAX, 0);
	}
	close(l->s[0]);
	close(l->s[1]);
	if (n < 8 || (rpc_which_events(conn->rpc) & POLLOUT)) {
		free(l->buf);
		if (queued)
			conn->drop = -EIO; /* conn_flush(): nobody can use it any more */
		return;
	}
	/* The record's mark tells its length; the last word that of the target. */
	uint32_t padded = (l->len + 3u) & ~3u;
	uint32_t mark = htonl(0x80000000u | ((uint32_t)n - 4 + padded)), word = htonl(l->len);
	memcpy(l->buf, &mark, 4);
	memcpy(l->buf + n - 4, &word, 4);
	memcpy(l->buf + n, l->target, l->len);
	conn->own = l->buf;
	conn->own_len = (size_t)n + padded;
	conn->own_at = 0;
}

int longcall_flush(struct nfsio_conn *conn)
{
	while (conn->own_at < conn->own_len) {
		ssize_t n = send(conn->src.fd, conn->own + conn->own_at, conn->own_len - conn->own_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		conn->own_at += (size_t)n;
	}
	longcall_drop(conn);
	return 0;
}

void longcall_drop(struct nfsio_conn *conn)
{
	free(conn->own);
	conn->own = NULL;
	conn->own_len = conn->own_at = 0;
}
