/*
 * NFS-Ganesha as the NFS face: a server that nobody here wrote, over the store on
 * XFS.  See docs/simulator.md for what it shows differently.
 */
#ifndef SIM_GANESHA_H
#define SIM_GANESHA_H

#include <stdbool.h>

/* One Ganesha serves one address. */
#define GANESHA_LIFS_MAX 8

/* Was DIR made with --nfs=ganesha? */
bool ganesha_chosen(const char *dir);

/* Is the program there?  If not, the reason is told by sim_err. */
bool ganesha_installed(void);

/*
 * Serves DIR with one Ganesha for every LIF that is up, until SIGTERM or SIGINT;
 * the calling process becomes their keeper, in a mount name space of its own.  It
 * reports readiness as simnfs_serve does.  If it dies, its Ganeshas die with it; if
 * one of them ends, it ends as well.
 *
 * DIR/run/nfs.sock takes one command a line and answers each with "ok\n" or
 * "error SENTENCE\n":
 *   reload    read state.db again; "ok" comes when exports, LIFs and .snapshot
 *             show what it says
 *   freeze    stop all Ganeshas (SIGSTOP); they go on when this connection says
 *             thaw, when it ends, or after FREEZE_LIMIT_S.  Nothing else is
 *             answered meanwhile.
 *   thaw      error when the time had run out
 *
 * Returns the exit status: 0 after a signal, else 1.
 */
int simganesha_serve(const char *dir);

/* Waits for Ganeshas of a keeper that was killed: they die by themselves, but not
 * at once.  -1 with the reason told when one is still there. */
int ganesha_reap(const char *dir);

#endif
