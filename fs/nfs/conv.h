/* Between libnfs's XDR structs and nfsio.h: pure functions, and the one table
 * from nfsstat3 to errno. */
#ifndef FS_NFS_CONV_H
#define FS_NFS_CONV_H

#include <stdbool.h>
#include "fs/nfs/nfsio.h"
#include "fs/nfs/rpc_compat.h"

/* -errno of an nfsstat3 or mountstat3 (their numbers agree), 0 for OK. A
 * number that neither RFC 1813 section 2.6 nor 5.1.5 knows is -EIO, and
 * *ret_known is false. JUKEBOX is -EAGAIN here; callers never see it. */
int conv_status(uint32_t status, bool *ret_known);

/* False when the type is none of RFC 1813's; *ret is then untouched. */
bool conv_attr(const struct fattr3 *a, struct nfsio_attr *ret);
/* True when attributes follow and are sound. */
bool conv_post_attr(const struct post_op_attr *a, struct nfsio_attr *ret);
void conv_pre_attr(const struct pre_op_attr *a, struct nfsio_wcc *ret);
/* False when the length is not 1..64; *ret is then untouched. */
bool conv_handle(const char *data, uint32_t len, struct nfsio_fh *ret);
/* Borrows h's bytes. */
struct nfs_fh3 conv_to_handle(const struct nfsio_fh *h);
void conv_to_sattr(const struct nfsio_sattr *s, struct sattr3 *ret);
/* nfstime3 is unsigned: 1970 to 2106. A nanosecond part of a second or more
 * counts as 999999999; times outside are clamped on the way out. */
int64_t conv_time(const struct nfstime3 *t);
struct nfstime3 conv_to_time(int64_t ns);
/* A name that may become a directory entry: 1..255 bytes, no '/'. */
bool conv_name_ok(const char *name);

#endif
