/*
 * A record of all requests and replies, one JSON object a line, for checks of
 * what was said against what ONTAP's interface says.
 */
#ifndef SIM_REST_RECORD_H
#define SIM_REST_RECORD_H

#include "tests/sim/rest/engine.h"

/* Appends to the file at path (made 0600) from now on; NULL ends that.  0 or -errno. */
int record_to(const char *path);

/* Notes one exchange.  accept and body may be NULL.  Passwords are in the header
 * that nobody passes here.  Any thread. */
void record_exchange(const char *method, const char *uri, const char *accept, json_t *body,
                     const struct reply *rep);

#endif
