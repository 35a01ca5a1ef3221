/*
 * The simulator's NFS face: NFSv3 and MOUNT over the btrfs store, shown the way
 * ONTAP shows volumes, junctions and snapshots.
 *
 * Durability: a WRITE is answered FILE_SYNC as ONTAP does, whose NVRAM makes it
 * stable.  Here the page cache plays the NVRAM: what was answered survives a
 * kill -9 of this process, not a crash of the machine; an fsync for each write
 * would make the simulator slower than any filer.  With the setting unstable=1
 * UNSTABLE writes stay in this process's memory until COMMIT or a FILE_SYNC
 * write, and a kill -9 loses them, so that a client's recovery by write verifier
 * can be tested.
 */
#ifndef SIMNFS_H
#define SIMNFS_H

/*
 * Serves DIR (store/, state.db, run/) until SIGTERM or SIGINT; the calling
 * process becomes the server (signal mask, umask, threads), so call it in a
 * process of its own, as root.  With ONTAPSIM_READY_FD in the environment,
 * "ok\n" or "error: SENTENCE\n" is written to that descriptor as soon as it is
 * known whether the server can serve, and the descriptor closed.
 *
 * DIR/run/nfs.sock takes one command a line and answers each with "ok\n" or
 * "error SENTENCE\n":
 *   reload    read state.db again.  When "ok" comes, every later reply follows
 *             the new state, and no descriptor is held in a volume or snapshot
 *             that left service, so its subvolume may be deleted.
 *
 * Returns the exit status: 0 after a signal, 1 when it could not start.
 */
int simnfs_serve(const char *dir);

#endif
