/*
 * The HTTPS server itself, for the control socket.
 */
#ifndef SIM_REST_SERVER_H
#define SIM_REST_SERVER_H

#include "tests/sim/rest/model.h"

/* Gives the server another key and certificate (DIR/cert.pem, key.pem) and breaks
 * all connections, as an administrator's change does.  Waits for the requests
 * under way.  backend.json keeps the old certificate until the next start.  0, or -1
 * with the reason logged; then nothing listens any more. */
int server_renew_cert(struct model *m);

#endif
