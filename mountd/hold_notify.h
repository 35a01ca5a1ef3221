/* Tells systemd, where it started us (Type=notify), how we are. libc only. */
#ifndef MOUNTD_HOLD_NOTIFY_H
#define MOUNTD_HOLD_NOTIFY_H

/* One assignment as in sd_notify(3), for example "READY=1". Without NOTIFY_SOCKET
 * nothing happens, and nobody is told when it cannot be sent: the mount goes on. */
void notify_systemd(const char *text);

#endif
