/* Mounts whose session has ended: every call in them is ENOTCONN, for ever. */
#ifndef MOUNTD_DEAD_H
#define MOUNTD_DEAD_H

#include <stdbool.h>

/* Whether the mount at dir (resolved) is dead. Looks for at most two seconds, in a child:
 * one that does not answer is not dead, since it may answer yet. */
bool dead_mount(const char *dir);
/* Detaches the uppermost mount at dir (resolved) if it is dead, and no other that may have
 * come there meanwhile. 1 it was detached, 0 it is not dead, or -errno. */
int dead_detach(const char *dir);

#endif
