/* The option list of `ontapfs mount -o` and of mount(8) and fstab. */
#ifndef MOUNTD_MOUNTOPTS_H
#define MOUNTD_MOUNTOPTS_H

#include "fs/base/buf.h"

struct mountopts {
	unsigned flags;       /* private, see mountopts_flags */
	struct buf overrides; /* "key=value,key=value" for the configuration, or "" */
};

void mountopts_init(struct mountopts *o);
void mountopts_fini(struct mountopts *o);
/* Takes a comma-separated list; later words win. Words that only mount(8) or
 * systemd care about are skipped. 0, or -EINVAL with one sentence in err. */
int mountopts_add(struct mountopts *o, const char *list, char err[512]);
/* The words for the holder's mount(2), "ro,noexec", or "". Returns out. */
char *mountopts_flags(const struct mountopts *o, char out[128]);

#endif
