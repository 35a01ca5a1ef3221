/*
 * Standing still: while a copy of a volume is made, the NFS face must not change
 * it.  Whoever copies holds a connection to DIR/run/nfs.sock; the face stops its
 * server and lets it go on when told, when the connection ends, however that comes
 * about, or after FREEZE_LIMIT_S.
 */
#ifndef SIM_FREEZE_H
#define SIM_FREEZE_H

#define FREEZE_LIMIT_S 120

/* Returns a descriptor for freeze_end once no NFS client can change anything,
 * -ENOENT when no NFS face runs, or another -errno.  Any thread; may wait for 15 s. */
int freeze_begin(const char *dir);

/* Lets the server go on and closes fd.  0 when nothing changed from begin to end,
 * else -ETIMEDOUT. */
int freeze_end(int fd);

#endif
