/*
 * The line from the REST face to the NFS face.
 */
#ifndef SIM_REST_NFSLINK_H
#define SIM_REST_NFSLINK_H

/* Tells the NFS daemon of the simulator in dir to read the state again and waits
 * until it has, at most 10 s.  When it does not run there is no one to tell: it
 * reads the state when it starts.  Call without the model lock; any thread. */
void nfslink_reload(const char *dir);

#endif
