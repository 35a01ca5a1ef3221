/*
 * Addresses and ports of a simulator.  Command line process only.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include <netinet/in.h>
#include <stdbool.h>

/* The n-th (from 0) data address of the simulator in dir: 127.X.Y.(n+1), with X
 * and Y drawn from dir and attempt, so that two simulators on one machine do not
 * meet.  X is 16..239, which leaves 127.0.0.x and the far end to others. */
void net_lif_address(const char *dir, int attempt, int n, char out[INET_ADDRSTRLEN]);

/* A TCP port that is free at each of the count data addresses of this attempt:
 * want when not 0, otherwise any.  0 when there is none. */
int net_pick_nfs_port(const char *dir, int attempt, int count, int want);

/* A free TCP port at 127.0.0.1 (want when not 0), or 0. */
int net_pick_rest_port(int want);

#endif
