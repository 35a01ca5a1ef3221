/*
 * A port mapper that says yes: Ganesha ends when it cannot register itself, and the
 * simulator's ports are no business of the machine's own port mapper.
 */
#ifndef SIM_GANESHA_PORTMAP_H
#define SIM_GANESHA_PORTMAP_H

#include <poll.h>
#include <stddef.h>

#define PORTMAP_FDS 17

/* Listens at path.  0 or -errno.  One per process; one thread. */
int portmap_open(const char *path);

/* Fills in what to poll for (at most PORTMAP_FDS entries) and returns how many. */
size_t portmap_poll(struct pollfd *p);

/* Serves those of the n entries that are ready. */
void portmap_serve(const struct pollfd *p, size_t n);

#endif
