/* The holder's last resort: refuses every request when no daemon is there to
 * serve it, so that nothing that waits for the mount hangs. Raw FUSE protocol,
 * libc only. Holder process only; nothing here blocks. */
#ifndef MOUNTD_HOLD_FALLBACK_H
#define MOUNTD_HOLD_FALLBACK_H

#include <stdbool.h>

/* Gets the read buffer (address space only). 0 or -errno. */
int fallback_init(void);
/* Answers what dead daemons had read and not answered: the journal slots of
 * the state in state_fd, which are then free, and, where the kernel can send
 * requests again, those that are in no slot. No daemon may live. 0, -EUCLEAN
 * when the state is too damaged to find the slots, or another -errno; there is
 * nothing to do about either. */
int fallback_begin(int fuse_fd, int state_fd);
/* Reads and refuses what waits in fuse_fd (O_NONBLOCK), a batch at most. False
 * when the mount has ended. */
bool fallback_serve(int fuse_fd);

#endif
