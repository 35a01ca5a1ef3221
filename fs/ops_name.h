/* Steps that operations on names share: ops_name.c has them, ops_rename.c uses them.
 *
 * All run on the request's worker. A step that submits ends in `done` or replies by
 * itself; after a step that may reply, the request is not touched any more. */
#ifndef FS_OPS_NAME_H
#define FS_OPS_NAME_H

#include "fs/fs_i.h"

/* A call on a name of a directory, with the caller's credential; for req_submit.
 * The name stays the request's. */
struct nfsio_call *name_call(struct req *r, enum nfsio_proc proc, struct node *dir, const char *name);
/* Keeps the attributes of the directory r->node that came with an answer. */
void name_after_dir(struct req *r, const struct nfsio_call *c);

/* Submits a call that takes r->name in r->node away from intent.target. It is not
 * sent again blindly: done() gets NFSIO_LOST when its answer was lost. */
void name_submit_once(struct req *r, nfsio_done_fn done);
/* Whether it was done is not known: what does its name stand for now? */
void name_look(struct req *r, nfsio_done_fn looked);
/* After name_look(): was it not done, so that it is to be sent again? */
bool name_still_there(struct req *r, const struct nfsio_call *c);
/* The answer of a second run says "gone": did the first one do it? */
bool name_gone_by_us(const struct req *r, const struct nfsio_call *c);

/* On a second run: is the name gone, or another object's, because the first
 * run did it? Then there is nothing left to touch. */
bool name_done_by_predecessor(struct req *r, const struct nfsio_call *c);
/* Replies to it. What was open stands under its .nfsX name until the last
 * close, which may have been before this. */
void name_end_predecessors(struct req *r);

/* The node of what a LOOKUP found, if the kernel knows it, else NULL. */
struct node *name_known_node(struct req *r, uint32_t space, const struct nfsio_fh *fh, const struct nfsio_attr *a);
/* Is the last name going of a regular file that is open here? Private names are no
 * names: they go in a moment. What a predecessor began is ended its way: its .nfsX
 * may be there already. n may be NULL. */
bool name_must_stay(const struct req *r, const struct node *n, const struct nfsio_attr *a);
/* rm and mv of a .nfsX itself: EBUSY, as with other NFS clients, until the file is
 * closed. True: replied so. n may be NULL. */
bool name_is_silly(struct req *r, const struct node *n, const struct node *dir, const char *name);

#endif
