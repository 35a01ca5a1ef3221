/* What the command lines of several commands have in common. */
#ifndef MOUNTD_ARGS_H
#define MOUNTD_ARGS_H

#include <argp.h>

/* For the `default` of an argp parser of a command that takes one MOUNTPOINT: keeps
 * it (borrowed), refuses a second one, and with `missing` (else NULL) wants one. */
error_t args_mountpoint(const char **mountpoint, const char *missing, int key, char *arg, struct argp_state *state);

#endif
