/* Named moments in the life of a request at which a test wants the daemon dead.
 *
 * Compiled away, except in the build that `make` puts into build/kill for the
 * tests of takeovers (ONTAPFS_KILL_POINTS, tests/lib/kill_point.c). There the file
 * that ONTAPFS_KILL_AT names may hold one line "POINT WHAT"; the process that gets
 * to that point takes the file away and dies of SIGKILL, its successors live.
 *
 *   read OPCODE       a FUSE request lies in its slot, nothing was done for it
 *   intent PROC       its intent is written, the call not sent; PROC as in "RENAME"
 *   sent PROC         the bytes of the call were given to the kernel
 *   received PROC     the server's answer is there
 *   answering OPCODE  the outcome is known and noted, the reply not written
 *   replied OPCODE    the reply is written, the slot not free
 *   freed OPCODE      the slot is free
 *   intent, sent, received with POST, PATCH, DELETE: the same of REST */
#ifndef FS_BASE_KILLPOINT_H
#define FS_BASE_KILLPOINT_H

#ifdef ONTAPFS_KILL_POINTS
void kill_point(const char *point, const char *what);
void kill_point_op(const char *point, unsigned opcode);
#else
#define kill_point(point, what)      ((void)0)
#define kill_point_op(point, opcode) ((void)0)
#endif

#endif
