/* The one place that includes libnfs: its raw RPC API, as thin as it goes.
 *
 * Written for 4.0.0. From 6.0 on (LIBNFS_API_V2) calls are queued by
 * rpc_*_task(), which return a PDU instead of an int; RPC_QUEUE hides that.
 * What is left to do there: READ takes the caller's buffer (then the data is
 * in that buffer, and data_len is 0), and WRITE borrows the data until the
 * callback instead of copying it.
 *
 * What 4.0.0 does, as read in its source:
 *  - rpc_set_fd() only stores the descriptor. The context believes it is not
 *    connected until one rpc_service(POLLOUT), which then writes nothing.
 *  - A context that did not open its socket itself reads with one recv(2) per
 *    rpc_service(POLLIN): the record marker is one, the body one or more.
 *  - On a socket error rpc_service() returns -1, having called back every PDU
 *    with RPC_STATUS_ERROR, or (revents with HUP or ERR) none; the rest gets
 *    RPC_STATUS_CANCEL from rpc_destroy_context(), which also closes the
 *    descriptor.
 *  - RPC_STATUS_ERROR with rpc_service() returning 0 is an answer: the server
 *    denied the call, or its reply could not be decoded.
 *  - The decoder must not be shown a hostile reply (see guard.h). */
#ifndef FS_NFS_RPC_COMPAT_H
#define FS_NFS_RPC_COMPAT_H

#include <poll.h>
#include <stdint.h>
#include <sys/time.h> /* libnfs.h uses struct timeval without it */
#include <nfsc/libnfs-zdr.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-portmap.h>

#ifdef LIBNFS_API_V2
#error "libnfs 6 or later: READ and WRITE need the buffer calls described above"
#endif

/* RPC_QUEUE(nfs3_getattr, rpc, cb, &args, priv): 0, or negative when there
 * was no memory or the arguments did not fit libnfs's encode buffer. */
#define RPC_QUEUE(name, rpc, cb, args, priv) rpc_##name##_async((rpc), (cb), (args), (priv))

/* libnfs takes `char *` for what it only reads. */
static inline char *rpc_unconst(const void *p)
{
	return (char *)(uintptr_t)p;
}

#endif
