/*
 * The simulator's TLS certificate.
 */
#ifndef SIM_CERT_H
#define SIM_CERT_H

/* Writes a fresh key (0600) and a self-signed certificate (0644) as PEM: names
 * localhost and 127.0.0.1, CA:TRUE so that a client can pin it as its CA, ten
 * years.  0, or -1 with the reason told by sim_err. */
int cert_make(const char *cert_path, const char *key_path);

#endif
