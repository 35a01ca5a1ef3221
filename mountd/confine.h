/* What a daemon gives up for good, before it reads the first byte that others wrote. */
#ifndef MOUNTD_CONFINE_H
#define MOUNTD_CONFINE_H

/* Drops all capabilities but four and refuses system calls that a file system's
 * daemon never makes; both hold for all threads and children made later. Kept are
 *   CAP_NET_BIND_SERVICE  MOUNT comes from a reserved port
 *   CAP_NET_ADMIN         receive buffers for whole replies, beyond the host's limit
 *   CAP_SYS_PTRACE        name spaces of a caller are looked up in /proc/PID/ns
 *   CAP_DAC_READ_SEARCH   a changed password is read from whoever's file it is in
 * as far as the process has them. A refused call fails with EPERM and kills nobody,
 * since a daemon that dies on input would wedge its users. What the kernel does not let
 * us give up is logged as a warning; the daemon goes on.
 * Before the first thread is started. */
void confine_daemon(void);

#endif
