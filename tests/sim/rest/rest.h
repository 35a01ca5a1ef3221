/*
 * The door of the simulator's REST face.
 */
#ifndef SIM_REST_H
#define SIM_REST_H

/* Runs the REST daemon for the simulator in dir (its real path) until SIGTERM or
 * SIGINT; the store must be mounted.  Says "ok\n" or "error: TEXT\n" on the
 * descriptor named by the environment variable ONTAPSIM_READY_FD.  Returns the
 * exit status of the process. */
int simrest_serve(const char *dir);

#endif
