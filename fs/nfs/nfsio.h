/* The data path: NFSv3 over TCP. The door of fs/nfs/ (libnfs lives behind it).
 *
 * One `struct nfsio` belongs to one worker and its event loop; nothing here
 * may be called from another thread, nothing blocks. A caller fills a
 * `struct nfsio_call`, submits it, and gets `done` exactly once, never before
 * nfsio_submit returned. The call and all that it points to (names, data)
 * must stay until then; the same call may be submitted again from inside done.
 *
 * Hard by default: a call outlives its connection. It is sent again with the
 * same XID on a new connection, and ends only with the server's answer, by
 * nfsio_cancel(), or (soft) with -ETIMEDOUT after the total deadline. Where a
 * second run could do harm, look_first leaves the sending to the caller.
 * NFS3ERR_JUKEBOX is retried inside with a new XID and backoff. */
#ifndef FS_NFS_NFSIO_H
#define FS_NFS_NFSIO_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/base/ev.h"
#include "fs/base/list.h"

#define NFSIO_FH_MAX     64 /* RFC 1813 2.4 NFS3_FHSIZE */
#define NFSIO_GROUPS_MAX 16 /* RFC 5531 appendix A, AUTH_SYS */
#define NFSIO_LIFS_MAX   64
#define NFSIO_LOST       (-ECONNRESET) /* see nfsio_call.look_first */
#define NFSIO_XFER_MAX   (1u << 20)

struct nfsio_fh {
	uint8_t len;
	uint8_t data[NFSIO_FH_MAX];
};

/* Who asks, as AUTH_SYS carries it. */
struct nfsio_cred {
	uint32_t uid, gid;
	uint32_t ngroups;
	uint32_t groups[NFSIO_GROUPS_MAX];
};

enum nfsio_type { /* RFC 1813 2.5.5 ftype3 */
	NFSIO_REG = 1, NFSIO_DIR, NFSIO_BLK, NFSIO_CHR, NFSIO_LNK, NFSIO_SOCK, NFSIO_FIFO
};

struct nfsio_attr { /* RFC 1813 2.5.8 fattr3; times in ns since the epoch */
	uint32_t type; /* enum nfsio_type */
	uint32_t mode; /* permission bits only, 07777 */
	uint32_t nlink, uid, gid;
	uint32_t rdev_major, rdev_minor;
	uint64_t size, used, fsid, fileid;
	int64_t atime_ns, mtime_ns, ctime_ns;
};

struct nfsio_wcc { /* the server's attributes before the call */
	bool valid;
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
};

enum nfsio_proc {
	NFSIO_GETATTR, NFSIO_SETATTR, NFSIO_LOOKUP, NFSIO_ACCESS, NFSIO_READLINK, NFSIO_READ,
	NFSIO_WRITE, NFSIO_CREATE, NFSIO_MKDIR, NFSIO_SYMLINK, NFSIO_MKNOD, NFSIO_REMOVE,
	NFSIO_RMDIR, NFSIO_RENAME, NFSIO_LINK, NFSIO_READDIR, NFSIO_READDIRPLUS, NFSIO_FSSTAT,
	NFSIO_FSINFO, NFSIO_PATHCONF, NFSIO_COMMIT,
	NFSIO_MNT, /* MOUNT v3: name is the path; result fh */
	NFSIO_NPROCS
};

enum { /* RFC 1813 3.3.4 */
	NFSIO_ACCESS_READ = 1, NFSIO_ACCESS_LOOKUP = 2, NFSIO_ACCESS_MODIFY = 4,
	NFSIO_ACCESS_EXTEND = 8, NFSIO_ACCESS_DELETE = 16, NFSIO_ACCESS_EXECUTE = 32
};

/* Attributes to set; times: NFSIO_SET_* with NOW meaning the server's clock. */
enum {
	NFSIO_SET_MODE = 1, NFSIO_SET_UID = 2, NFSIO_SET_GID = 4, NFSIO_SET_SIZE = 8,
	NFSIO_SET_ATIME = 16, NFSIO_SET_ATIME_NOW = 32, NFSIO_SET_MTIME = 64,
	NFSIO_SET_MTIME_NOW = 128
};
struct nfsio_sattr {
	uint32_t set;
	uint32_t mode, uid, gid;
	uint64_t size;
	int64_t atime_ns, mtime_ns;
};

enum nfsio_createmode { NFSIO_UNCHECKED, NFSIO_GUARDED, NFSIO_EXCLUSIVE };

struct nfsio_dirent { /* valid during done only; name is NUL terminated, never has '/' */
	const char *name;
	uint64_t fileid, cookie;
	bool has_attr, has_fh;
	struct nfsio_attr attr; /* READDIRPLUS only */
	struct nfsio_fh fh;
};

struct nfsio_call;
typedef void (*nfsio_done_fn)(struct nfsio_call *c);

struct nfsio_call {
	/* ---- filled by the caller ---- */
	enum nfsio_proc proc;
	nfsio_done_fn done;
	void *priv;
	struct nfsio_cred cred;
	struct nfsio_fh fh;  /* object; directory of name; "from" directory */
	struct nfsio_fh fh2; /* RENAME "to" directory; LINK directory */
	const char *name;    /* LOOKUP .. RENAME from, LINK new name, MNT path */
	const char *name2;   /* RENAME to, SYMLINK target */
	struct nfsio_sattr sattr; /* SETATTR, CREATE, MKDIR, SYMLINK, MKNOD */
	bool guard;          /* SETATTR: only if ctime is guard_ctime_ns */
	int64_t guard_ctime_ns;
	uint64_t offset;     /* READ, WRITE, COMMIT */
	uint32_t count;      /* READ, WRITE, COMMIT bytes; READDIR count; READDIRPLUS maxcount */
	const void *data;    /* WRITE */
	bool unstable;       /* WRITE: UNSTABLE instead of FILE_SYNC */
	uint32_t access;     /* ACCESS bits to ask */
	enum nfsio_createmode createmode;
	uint64_t verf;       /* EXCLUSIVE create verifier; READDIR cookie verifier */
	uint64_t cookie;     /* READDIR */
	uint32_t mk_type, rdev_major, rdev_minor; /* MKNOD */
	/* When the connection is lost after it was sent, the call is not sent
	 * again: it ends with NFSIO_LOST, and may have been done or not. */
	bool look_first;

	/* ---- the answer, valid in done ---- */
	struct {
		int err;           /* 0 or -errno */
		uint32_t nfsstat;  /* the server's nfsstat3, 0 when it answered OK or not at all */
		bool resent;       /* sent more than once: the server may have run it twice */
		int64_t start_ns;  /* when the (last) send was queued: the stamp of attributes */
		bool has_attr;     /* of the object */
		struct nfsio_attr attr;
		bool has_dir_attr; /* of the directory (LOOKUP, CREATE .. RENAME from, LINK) */
		struct nfsio_attr dir_attr;
		bool has_dir2_attr; /* RENAME to */
		struct nfsio_attr dir2_attr;
		struct nfsio_wcc before; /* SETATTR, WRITE, COMMIT: of the object; else of the dir */
		bool has_fh;
		struct nfsio_fh fh; /* LOOKUP, CREATE, MKDIR, SYMLINK, MKNOD, MNT */
		uint32_t access;
		const char *target; /* READLINK, NUL terminated */
		const uint8_t *data; /* READ: count bytes inside the receive buffer */
		uint32_t count;      /* READ, WRITE */
		bool eof;            /* READ, READDIR */
		uint32_t committed;  /* WRITE: 0 UNSTABLE, 1 DATA_SYNC, 2 FILE_SYNC */
		uint64_t verf;       /* write verifier; cookie verifier */
		const struct nfsio_dirent *entries;
		uint32_t nentries;
		struct { uint64_t tbytes, fbytes, abytes, tfiles, ffiles, afiles; } fsstat;
		struct { uint32_t rtmax, wtmax, rtpref, wtpref, dtpref; uint64_t maxfilesize;
			 bool link, symlink; } fsinfo;
		struct { uint32_t linkmax, name_max; bool case_insensitive, no_trunc,
			 chown_restricted; } pathconf;
	} res;

	/* ---- private to fs/nfs/ ---- */
	struct list link;
	struct nfsio_conn *conn;
	void *pdu;
	uint32_t xid;
	uint32_t attempts;
	int64_t first_ns, due_ns;
	uint8_t state, jukebox, moves;
	bool new_xid, lost;
};

struct nfsio_lif {
	char address[64];
	uint16_t nfs_port;   /* 0: ask the portmapper */
	uint16_t mount_port; /* 0: ask the portmapper */
};

/* Counters of all workers of a mount: plain atomics, any thread reads. */
struct nfsio_counters {
	_Atomic uint64_t calls[NFSIO_NPROCS], errors[NFSIO_NPROCS], latency_ns[NFSIO_NPROCS];
	_Atomic uint64_t bytes_read, bytes_written, reconnects, resends, jukebox, garbage, stale;
	_Atomic uint64_t connections; /* open now */
};

struct nfsio_params {
	struct nfsio_lif lifs[NFSIO_LIFS_MAX];
	uint32_t nlifs;
	uint32_t nconnect;       /* connections per LIF of this worker, 1..16 */
	uint32_t inflight_bytes; /* READ and WRITE bytes in flight per connection; 0: 4 MiB */
	int64_t soft_ns;         /* 0: hard; else total deadline of a call */
	int64_t silence_ns;      /* a LIF silent that long with calls out gets no new ones; 0: 1 s */
	_Atomic uint32_t *next_xid; /* one counter per mount, in shared memory */
	struct nfsio_counters *counters;
};

struct nfsio;
/* NULL with errno set. params is copied (the pointers in it stay borrowed).
 * Connections are made on demand. Worker thread (or before it starts). */
struct nfsio *nfsio_new(struct ev *ev, const struct nfsio_params *params);
/* Every call in flight ends with -ECANCELED first. */
void nfsio_free(struct nfsio *n);

/* 0: the call is owned until done. -EINVAL: a name too long or a handle of
 * wrong length; done is not called then. */
int nfsio_submit(struct nfsio *n, struct nfsio_call *c);
/* Ends a call early: done runs with -EINTR before this returns. 0, or -EBUSY
 * when the call may already have changed something on the server (then it
 * goes on). Idempotent procedures always end. */
int nfsio_cancel(struct nfsio *n, struct nfsio_call *c);
/* True for procedures that change nothing on the server. */
bool nfsio_is_readonly(enum nfsio_proc proc);
const char *nfsio_proc_name(enum nfsio_proc proc);

/* State of the LIFs for status files: any thread, a snapshot of moments. */
struct nfsio_lif_state {
	char address[64];
	uint32_t connections; /* established now by this worker */
	bool silent;
	int last_err;         /* -errno of the last failed connect, 0 none */
};
/* Fills at most max entries; returns how many. */
uint32_t nfsio_lif_states(struct nfsio *n, struct nfsio_lif_state *out, uint32_t max);

#endif
