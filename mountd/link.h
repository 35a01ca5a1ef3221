/* The daemon's end of the line to its holder; the protocol is in hold.h.
 * link_send may be called from any thread, the others from the main thread
 * before the file system serves. */
#ifndef MOUNTD_LINK_H
#define MOUNTD_LINK_H

#include <stddef.h>
#include "mountd/hold.h"

struct link_setup {
	int fuse_fd, state_fd; /* close-on-exec; the caller owns them */
	enum hold_mode mode;
};

/* The descriptor that the holder left in the environment (which is cleared, so
 * that no child sees it), or -ENOTCONN when no holder started this process. */
int link_open(void);
/* Says HELLO and waits for the descriptors. 0 or -errno. */
int link_setup(int link, struct link_setup *ret);
/* Has the holder mount; options as for mount(2) without "fd=". 0 or -errno with
 * one sentence in err. */
int link_mount(int link, const char *options, char *err, size_t len);
/* A candidate's: says PREPARED and waits for GO. 0, or -errno: it is not needed. */
int link_wait_go(int link);
/* Best effort: a holder that is gone needs to know nothing. */
void link_send(int link, enum hold_type type, const char *text);

#endif
