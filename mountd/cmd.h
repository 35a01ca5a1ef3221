/* The subcommands of `ontapfs`. Each gets its own argc and argv (argv[0] is
 * "ontapfs NAME", for messages) and returns the exit status. Main thread. */
#ifndef MOUNTD_CMD_H
#define MOUNTD_CMD_H

int cmd_mount(int argc, char **argv);
/* As mount(8) calls /sbin/mount.ontapfs; exit status as in mount(8). */
int cmd_mount_helper(int argc, char **argv);
int cmd_umount(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_jobs(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_top(int argc, char **argv);
/* The daemon itself, started by the holder only. */
int cmd_serve(int argc, char **argv);

/* Prints "ontapfs: " and the sentence to stderr. Returns 1. */
__attribute__((format(printf, 1, 2))) int cmd_fail(const char *fmt, ...);

#endif
