/* A daemon as the holder sees it: a process, its pidfd, and a socket to it.
 * libc only, as all of the holder. */
#ifndef MOUNTD_HOLD_CHILD_H
#define MOUNTD_HOLD_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include "mountd/hold.h"

struct child {
	pid_t pid; /* 0: none */
	int pidfd, sock;
};
#define CHILD_NONE {.pidfd = -1, .sock = -1}

/* Starts argv with the socket named by HOLD_ENV, in a session of its own. 0, or
 * -errno with `why`. */
int child_start(struct child *c, char **argv, char *why, size_t len);
/* Sends one message, with descriptors. 0 or -errno: its death is told by the
 * pidfd all the same. */
int child_send(const struct child *c, struct hold_msg *msg, const int *fds, size_t nfds);
void child_signal(const struct child *c, int sig);
/* The next message: 1, 0 none now, -ENOTCONN at the end of the socket, -EPROTO
 * when it is none of this protocol. */
int child_receive(const struct child *c, struct hold_msg *ret);
/* True when it has exited; it is forgotten then. */
bool child_reap(struct child *c, siginfo_t *ret);
/* Closes the socket: nothing more is read. */
void child_hang_up(struct child *c);
void set_oom_score(const char *score);

#endif
