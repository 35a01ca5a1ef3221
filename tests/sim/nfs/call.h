/*
 * One RPC call on its way through the server, and the objects its handles name.
 * Everything here belongs to the worker thread that processes the call.
 */
#ifndef SIMNFS_CALL_H
#define SIMNFS_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "nfs3.h"
#include "tests/sim/nfs/cred.h"
#include "tests/sim/nfs/fdcache.h"
#include "tests/sim/nfs/handle.h"
#include "tests/sim/nfs/state.h"

/* Bytes a reply needs at most beside READ data or a directory list. */
#define REPLY_ROOM 8192
/* The largest READDIR reply; READDIRPLUS may go up to max_xfer. */
#define DIR_REPLY_MAX 65536u
/* What a record may carry beside the data of a WRITE. */
#define CALL_ROOM 65536

/* Decoded handles and names land here instead of in fresh memory. */
struct scratch {
	char fh[2][NFS3_FHSIZE];
	char name[2][NFS3_NAME_WIRE_MAX + 1];
	char path[NFS3_NAME_WIRE_MAX + 1];
};

struct call {
	uint32_t xid, prog, vers, proc;
	bool auth_sys;        /* else AUTH_NONE */
	struct cred claimed;  /* by AUTH_SYS */
	uint32_t client;      /* IPv4 address, host order */
	uint16_t client_port;
	const char *body;     /* the arguments; inside the receive buffer */
	uint32_t body_len;
	XDR in;               /* decodes body */
	XDR out;              /* encodes behind the reply header */
	char *out_base;       /* where out's position 0 is */
	uint32_t out_size;    /* bytes there */
	const struct state *st;
	struct scratch *mem;
};

/* An object of the tree.  Exactly one of: a node of a live volume (snap NULL), a
 * node of a snapshot, or the virtual .snapshot of the live directory k. */
struct node {
	const struct volume *vol;
	const struct snap *snap;
	bool snapdir;
	unsigned type; /* S_IFMT bits */
	struct kfh k;
};

/* What the call wants to do with an object. */
enum intent {
	WANT_ATTR,   /* look at it */
	WANT_READ,   /* read file data */
	WANT_CHANGE, /* change it or, of a directory, its entries */
	WANT_WRITE,  /* change file data */
};

/* An object in the hands of a procedure, from obj_get() to obj_put(). */
struct obj {
	struct node n;
	struct grant grant;
	struct cred who;   /* the caller, after squashing */
	struct fdent *ent; /* NULL: nothing is known, not even attributes */
	int fd;            /* of ent, good for the intent */
	struct stat st;    /* of the store, as of obj_get(): the "before" of wcc_data */
};

/*
 * Finds what a handle names, checks export rules and whether the intent is
 * possible at all, and takes on the caller's credential.  Returns the status; with
 * ROFS and the like o->ent may still be set, so that the reply can carry
 * attributes.  Always followed by obj_put().
 */
nfsstat3 obj_get(struct call *c, const nfs_fh3 *fh, enum intent want, struct obj *o);
void obj_put(struct obj *o);

/* May the caller do this?  mode: R_OK, W_OK, X_OK or a sum; asked of the kernel.
 * 0 or -errno. */
int obj_access(const struct obj *o, int mode);

/* The same for the credential the thread acts as, on any descriptor. */
int fd_access(int fd, int mode);

/* Wire handle of a node; out has room for FH_WIRE_LEN and is borrowed by ret. */
void node_handle(const struct node *n, char *out, nfs_fh3 *ret);

/* Status of a failed system call; r is -errno. */
nfsstat3 status_of(int r);

/* Attributes as the client sees them, from those of the store. */
void attr_of(const struct node *n, const struct stat *st, fattr3 *ret);
/* The file id that stands for inode number ino of this volume. */
uint64_t attr_fileid(const struct volume *vol, uint64_t ino);
/* The file id of a directory entry under which something else is mounted: a
 * junction or, in .snapshot, a snapshot. */
uint64_t attr_mount_fileid(const struct volume *vol, uint64_t fsid);
uint64_t attr_snapdir_fileid(const struct volume *vol, uint64_t ino);

/* Attributes now.  Not filled when nothing is known about the object. */
void attr_post(const struct obj *o, post_op_attr *ret);
/* Those obj_get() saw. */
void attr_known(const struct obj *o, post_op_attr *ret);
void attr_wcc(const struct obj *o, wcc_data *ret);

/* ---- arguments and results -------------------------------------------------- */

/* Decoders.  False: the arguments are garbage. */
bool arg_fh(struct call *c, int slot, nfs_fh3 *ret);
bool arg_where(struct call *c, int slot, diropargs3 *ret);

/* A decoded name as a C string (it lies in scratch, one byte longer than it may
 * be).  NFS3_OK, or why it cannot name anything: INVAL (empty, or with '/' or NUL
 * in it), NAMETOOLONG. */
nfsstat3 arg_name(filename3 *name, const char **ret);

/* Encodes a status. */
bool put_status(struct call *c, nfsstat3 status);

/* Writes pending in memory when the server runs unstable (see unstable.h) count
 * as part of the file: adjusts size and times.  k is the object of st. */
void attr_pending(const struct kfh *k, struct stat *st);

/* ---- dispatch ----------------------------------------------------------------- */

/* A procedure decodes c->in and encodes its whole result to c->out.  False: the
 * arguments are garbage, and what was encoded is dropped. */
typedef bool (*proc_fn)(struct call *c);

bool proc_getattr(struct call *c);
bool proc_setattr(struct call *c);
bool proc_lookup(struct call *c);
bool proc_access(struct call *c);
bool proc_readlink(struct call *c);
bool proc_read(struct call *c);
bool proc_write(struct call *c);
bool proc_create(struct call *c);
bool proc_mkdir(struct call *c);
bool proc_symlink(struct call *c);
bool proc_mknod(struct call *c);
bool proc_remove(struct call *c);
bool proc_rmdir(struct call *c);
bool proc_rename(struct call *c);
bool proc_link(struct call *c);
bool proc_readdir(struct call *c);
bool proc_readdirplus(struct call *c);
bool proc_fsstat(struct call *c);
bool proc_fsinfo(struct call *c);
bool proc_pathconf(struct call *c);
bool proc_commit(struct call *c);

bool mnt_mnt(struct call *c);
bool mnt_dump(struct call *c);
bool mnt_umnt(struct call *c);
bool mnt_umntall(struct call *c);
bool mnt_export(struct call *c);

/* Applies the attributes a client sets to an object that the thread's credential
 * may change; skip_mode leaves the mode out.  file_fd: a writable descriptor when
 * the size is to be set, else -1.  0 or -errno. */
int attr_apply(int fd, int file_fd, const sattr3 *a, bool skip_mode);

#endif
