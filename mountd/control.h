/* Talking to the holder of a mount, for `ontapfs umount`, `status` and `upgrade`. */
#ifndef MOUNTD_CONTROL_H
#define MOUNTD_CONTROL_H

#include <stdint.h>
#include <sys/types.h>

struct control_status {
	pid_t holder, daemon; /* daemon 0: none lives */
	int restarts;
	char state[16];       /* "ready", "fallback", ... */
	char reason[512];     /* why the last daemon ended, "" none */
};

/* Connects to the holder of `dir` (resolved). A descriptor, or -ENOENT or
 * -ECONNREFUSED when no holder lives, or another -errno. */
int control_connect(const char *dir);
/* Asks the holder, waits at most timeout_ms. 0 or -errno. */
int control_status(int fd, int timeout_ms, struct control_status *ret);
struct control_upgrade {
	pid_t old, new;       /* daemons; old 0: none lived */
	int64_t pause_us;     /* requests waited so long */
	char error[1200];     /* why it was refused; "" it was not */
};

/* Has the daemon replaced by one of the program as it is now. 0 when the holder
 * answered: look at ret->error. */
int control_upgrade(int fd, int timeout_ms, struct control_upgrade *ret);
/* Waits for the holder's exit. 0, or -ETIMEDOUT. */
int control_wait_end(int fd, int timeout_ms);

#endif
