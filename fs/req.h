/* One FUSE request from its arrival to its one reply. Private to fs/.
 *
 * A request lives in a journal slot of the shared state until its reply was
 * written; all that libfuse hands to an operation (names, data) points into
 * that slot, so nothing is copied for the asynchronous part. The worker that
 * read a request is the only thread that touches it. */
#ifndef FS_REQ_H
#define FS_REQ_H

#include <fuse_lowlevel.h>
#include "fs/caller.h"
#include "fs/control.h"
#include "fs/node.h"
#include "fs/space.h"
#include "fs/stats.h"

struct fs;
struct worker;
struct req;

/* Endless, as far as a kernel's clock goes. */
#define TIMEOUT_ENDLESS 315360000.0 /* ten years, seconds */

/* A READ or WRITE among those of the same pages: fs/order.c. */
enum order_state { ORDER_NONE, ORDER_WRITING, ORDER_WAITING, ORDER_POSTED };
struct order_entry {
	struct list link;
	uint64_t nodeid, from, to; /* pages, `to` included */
	_Atomic int state;         /* enum order_state */
	struct ev_msg ev;          /* that a READ may go on */
	void (*go)(struct req *r);
};

struct req {
	/* Where it lives: set once, read by any worker. */
	struct fs *fs;
	struct state_slot *slot;
	struct slot_note *note;
	uint32_t index;            /* of the pool */
	bool large;
	/* Whose it is. `unique` is published last and cleared first: a worker that
	 * serves an INTERRUPT reads these two and nothing else of it. */
	_Atomic(struct worker *) owner;
	_Atomic uint64_t unique;   /* 0: free */

	fuse_req_t fr;             /* NULL: not decoded (yet) */
	struct worker *w;          /* owner, for its own use */
	uint8_t opcode;
	bool replay;               /* read by a predecessor: may have been executed */
	bool reopened;             /* its open record is the one that a predecessor made */
	bool parked;
	bool gating;               /* a replayed change: others wait for its end */
	bool interrupted;          /* its thread got a signal; worker looks which */
	bool calling;              /* `call` is with nfsio */
	bool waiting_control;      /* a ctl_msg is out */
	bool asked;                /* a server: by NFS or REST */
	bool changed;              /* the server was changed: EINTR would lie */
	int64_t start_ns;
	struct list link;          /* parked requests */

	struct order_entry order;
	struct caller who;
	struct nfsio_call call;    /* one at a time; splits have their own */

	/* What the operation needs across its steps. */
	struct node *node, *node2; /* directory or object; second object */
	uint64_t nodeid2;          /* an object found on the way that the kernel may forget */
	struct silly *silly;       /* a .nfsX being made; given up with the request */
	struct node *to;           /* RENAME: the directory moved to */
	const struct space *space;
	const char *name, *name2;
	struct fuse_file_info fi;
	uint32_t flags;
	uint32_t step;
	uint64_t off;
	size_t size;
	uint32_t mode, rdev;
	struct nfsio_fh fh, fh2;   /* handles learnt on the way */
	struct nfsio_attr attr;
	int64_t attr_stamp;
	bool has_attr, has_target, has_target2;
	bool lost;                 /* the answer to a change was: it may have been done */
	uint64_t fileid;
	struct ontap_snapshot snap;
	uint8_t verb;              /* 1 + enum fs_verb of a control verb: it is audited */
	struct uuid object, request; /* for the audit record */
	uint32_t verb_space;       /* for it: the volume meant, where `node` does not tell; 0 none */
	struct prefetched *prefetched; /* of an OPEN, until there is an open record */
	void *extra;               /* malloc'ed by the operation, freed with the request */
	void *getter;              /* the same, for a GETXATTR that walks a path */
	void *private;             /* struct private_names, in what `getter` points to */
	void (*then)(struct req *r, uint32_t value); /* continuation of a shared step */
	void (*again)(struct req *r); /* of a request that waits for a free inode record */
	void (*cancel)(struct req *r); /* how to end what runs besides `call`, or NULL */
};

/* ---- replies: each ends the request ---------------------------------------- */

void req_err(struct req *r, int err);              /* 0 or -errno */
void req_none(struct req *r);
/* < 0: the kernel had given the request up. */
int req_buf(struct req *r, const void *data, size_t len);
void req_iov(struct req *r, const struct iovec *iov, int n);
void req_readlink(struct req *r, const char *target);
void req_xattr_size(struct req *r, size_t size);
void req_write(struct req *r, size_t count);
void req_statfs(struct req *r, const struct statvfs *sv);
/* The open record of an OPEN, OPENDIR or CREATE, into r->fi.fh: a new one, or the
 * one that a predecessor made for this request. False: full (ENFILE). */
bool req_make_open(struct req *r, struct node *n, const struct nfsio_cred *cred);
/* Fill r->fi first. Gives back what the open counted when the kernel is gone. */
void req_open(struct req *r);
/* The entry for a node that node_get counted. Timeouts by the node's space;
 * entry_s < 0: those. */
void req_entry(struct req *r, struct node *n, double entry_s);
void req_entry_negative(struct req *r, double entry_s);
void req_create(struct req *r, struct node *n);
void req_attr(struct req *r, struct node *n);

/* Of a replayed request whose answer a predecessor noted: answers the same, if no
 * more than a number is needed. The kernel forgets it where it came through before. */
bool req_answer_again(struct req *r);

/* The refusal in words, kept for ontap.last_error of this caller; then the
 * error itself. */
__attribute__((format(printf, 3, 4))) void req_refuse(struct req *r, int err, const char *fmt, ...);
/* The words alone. */
void req_explain(struct req *r, const char *text);

/* Whether the size bytes at p, which libfuse found in the request, are in it. libfuse takes
 * the sizes of WRITE and SETXATTR from the message without comparing them with its length. */
bool req_holds(const struct req *r, const void *p, size_t size);

/* ---- what must not happen twice --------------------------------------------- */

/* Writes the intent down for a successor: call it right before sending. */
static inline void req_intend(struct req *r)
{
	atomic_store_explicit(&r->note->intent.phase, INTENT_WRITTEN, memory_order_release);
}
/* Done, and from here on the caller may have the answer and go on: a successor
 * must not do it again, over what came later. */
static inline void req_done(struct req *r)
{
	atomic_store_explicit(&r->note->intent.phase, INTENT_ANSWERED, memory_order_release);
}
/* True when a predecessor did it and may have answered: then it must not be done
 * again, somebody may have removed it since. (One that failed does not get here:
 * req_answer_again.) */
static inline bool req_was_answered(const struct req *r)
{
	return r->replay && atomic_load(&r->note->intent.phase) == INTENT_ANSWERED;
}
/* True when a predecessor may have sent it already: the intent tells what. */
static inline bool req_was_sent(const struct req *r)
{
	return r->replay && atomic_load_explicit(&r->note->intent.phase, memory_order_acquire) != INTENT_NONE;
}

/* ---- steps -------------------------------------------------------------------- */

/* r->call with the caller's own credential (groups preferring those of n) and
 * the handle of n, everything else zero. */
struct nfsio_call *req_call(struct req *r, enum nfsio_proc proc, struct node *n);
/* Submits r->call; done gets the request in call->priv. Replies by itself when
 * that fails. */
void req_submit(struct req *r, nfsio_done_fn done);
/* First line of every completion of r->call. */
static inline struct req *call_req(struct nfsio_call *c)
{
	struct req *r = c->priv;
	r->calling = false;
	return r;
}
/* req_message that returns NULL without a reply. */
struct ctl_msg *req_message_try(struct req *r, enum ctl_op op, const struct uuid *volume);
/* Frees one that is not sent; NULL is fine. */
void req_message_drop(struct ctl_msg *m);
/* A message to the control thread; done runs on this worker, unless the
 * request has ended (interrupted) by then. m->priv is used here. */
struct ctl_msg *req_message(struct req *r, enum ctl_op op, const struct uuid *volume);
typedef void (*req_ctl_fn)(struct req *r, struct ctl_msg *m);
void req_control(struct req *r, struct ctl_msg *m, req_ctl_fn done);

/* The node behind a nodeid of the request, alive: NULL has replied (ESTALE). */
struct node *req_node(struct req *r, uint64_t nodeid);

/* A node for what the server showed in directory r->node: counted once,
 * attributes taken in. NULL: the table is full (ENFILE). */
struct node *req_make_node(struct req *r, uint32_t space, const struct nfsio_fh *fh,
			   const struct nfsio_attr *a, int64_t stamp_ns);
struct node *req_make_virtual(struct req *r, uint32_t space, uint8_t kind, uint64_t sub);
/* Attributes that a reply brought for a known node. */
void req_take_attr(struct req *r, struct node *n, const struct nfsio_attr *a, int64_t stamp_ns);

/* Reads groups and process of the caller (once). */
const struct caller *req_caller(struct req *r);
const struct caller *req_process(struct req *r);
bool req_is_admin(struct req *r);

/* ---- the pool (used by the worker) ---------------------------------------------- */

struct pool {
	pthread_mutex_t lock;
	struct req *reqs;          /* small slots first, then large */
	uint32_t nsmall, nlarge;
	uint32_t *free_small, *free_large; /* stacks of indexes; under lock */
	uint32_t nfree_small, nfree_large;
	uint32_t max_small, max_large;     /* at work at a time; the rest is parked */
	uint32_t busy_small, busy_large;   /* under lock */
	struct list parked_small, parked_large; /* under lock */
};

int pool_init(struct pool *p, struct fs *fs, const struct state_sizes *active);
void pool_fini(struct pool *p);

#endif
