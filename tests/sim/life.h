/*
 * The life of a simulator as the command line sees it.  Each function returns
 * the exit status, after telling what went wrong.
 */
#ifndef SIM_LIFE_H
#define SIM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

/* Options of `up`; -1 (or NULL) means "not given": keep what was set before, or
 * the default. */
struct up_options {
	int64_t rest_port, nfs_port; /* 0 = any free port */
	int64_t lifs;                /* number of data LIFs */
	int64_t max_xfer;            /* bytes */
	int64_t size;                /* bytes of the store image */
	int64_t job_delay_ms;
	int64_t unstable; /* 0 or 1 */
	int64_t synthetic_volumes, synthetic_snapshots; /* without data, see rest/synthetic.h */
	const char *version; /* "9.15.1" */
	const char *nfs;     /* "builtin" or "ganesha"; cannot change */
};

int life_up(const char *dir, const struct up_options *opt);
int life_down(const char *dir);
int life_destroy(const char *dir);

/* Prints what runs where; 0 when both daemons run, else 1. */
int life_status(const char *dir);

/* Prints the folder of VOLUME or VOLUME@SNAPSHOT inside the mounted store. */
int life_path(const char *dir, const char *name);

/* Sends one line to the control socket and prints the answer. */
int life_ctl(const char *dir, int argc, char **argv);

#endif
