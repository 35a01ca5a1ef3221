/* From the configuration to what the file system wants to know. */
#ifndef MOUNTD_PARAMS_H
#define MOUNTD_PARAMS_H

#include "fs/base/buf.h"
#include "fs/fs.h"
#include "mountd/config.h"

/* Fills all of *ret but the descriptors, takeover and the mountpoint. Pointers
 * go into *c and *json (an initialised buffer, which gets the masked dump):
 * both must stay until fs_new returned. 0, or -EINVAL with a sentence in err. */
int params_fill(const struct config *c, struct buf *json, struct fs_params *ret, char err[512]);
/* Points into *c. */
struct ontap_login params_login(const struct config *c);

#endif
