/*
 * The simulator's daemons as processes: start with readiness, find, stop.
 * Command line process only; one thread.
 */
#ifndef SIM_PROC_H
#define SIM_PROC_H

#include <sys/types.h>

/* One daemon: face is "rest" or "nfs"; it runs as `ontapsim serve-FACE DIR`, its
 * pid is in DIR/run/FACE.pid, its output goes to DIR/log/FACE.log. */

/* A daemon that was started and has not told yet that it is ready. */
struct starting {
	const char *face;
	pid_t pid;
	int ready_fd; /* read end of its readiness pipe */
};

/* Starts the daemon.  0, or -1 with the reason told.  Always follow a success
 * with proc_wait_ready. */
int proc_start(const char *dir, const char *face, struct starting *ret);

/* Waits until the daemon says "ok", says "error: TEXT", ends, or 30 s passed.
 * 0 when it is ready; -1 with the reason told, and then the daemon is gone. */
int proc_wait_ready(const char *dir, struct starting *st);

/* The pid of the running daemon, 0 when none runs.  A pid that now belongs to
 * something else counts as none. */
pid_t proc_find(const char *dir, const char *face);

/* SIGTERM, then SIGKILL after 10 s; returns when the process is gone.  0 also
 * when none ran; -1 with the reason told. */
int proc_stop(const char *dir, const char *face);

#endif
