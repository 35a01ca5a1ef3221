/* What the files of fs/nfs/ share.
 *
 *   nfsio.c  the door: submit, cancel, queues, choice of connection
 *   call.c   a call's life: sent, answered, delayed, timed out, finished
 *   conn.c   one TCP connection: connect, receive, send, drop, pace
 *   silence.c  a LIF does not answer: what goes elsewhere, and when
 *   longcall.c  SYMLINKs that libnfs has no room for
 *   mount.c  ports: the portmapper, and when the MOUNT connection closes
 *   procs.c  per procedure: encode the arguments, take in the answer
 *   conv.c   XDR structs to nfsio.h; guard.c: is this reply fit to decode
 *
 * A call is in exactly one place, named by its state:
 *
 *   QUEUED   on a queue of nfsio (any connection may take it), or on
 *            conn->resend (a changing call that was sent before and waits for
 *            the very connection, so that the server knows it again)
 *   SENT     call->pdu is its PDU on call->conn
 *   DELAYED  on nfsio->delayed until call->due_ns: JUKEBOX, or call->lost,
 *            which only waits for a place where done() may run
 *
 * What libnfs holds for a call is not the call but a struct pdu. A call that
 * is cancelled or sent again elsewhere leaves its PDU behind without a call;
 * the late reply then meets nobody and is dropped.
 *
 * libnfs calls back from inside rpc_service(POLLIN), and done() runs there.
 * Meanwhile (nfsio->serving) nothing is sent and no context is destroyed: new
 * calls go on the queues, a drop is noted, and both are carried out as soon as
 * rpc_service() has returned.
 *
 * A call is given to libnfs only when the connection's out queue is empty. So
 * at most the newest PDU (conn->unsent) is not on the wire, and a "reply" to
 * it is known to be a lie. */
#ifndef FS_NFS_NFS_I_H
#define FS_NFS_NFS_I_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include "fs/base/clock.h"
#include "fs/base/list.h"
#include "fs/nfs/nfsio.h"

#define CONN_CALLS_MAX     128u             /* calls out per connection; ONTAP serves 128 */
#define CONN_GROW_CALLS    4u               /* more calls out than that: open another one */
#define CONN_GROW_BYTES    (1u << 20)       /* the same for bytes */
#define CONN_CALL_WEIGHT   (16u << 10)      /* one call counts as that many bytes of load */
#define INFLIGHT_DEFAULT   (4u << 20)
#define CONNS_MAX          64u              /* connections of one nfsio to all LIFs */
#define NCONNECT_MAX       16u
#define BACKOFF_MIN_NS     (NS_PER_SEC / 10)
#define BACKOFF_MAX_NS     (15 * NS_PER_SEC)
#define CONNECT_TIMEOUT_NS (5 * NS_PER_SEC)
#define CONNECT_HEDGE_NS   (NS_PER_SEC / 4) /* connecting for longer: try another LIF too */
#define NO_ANSWER_WARN_NS  (15 * NS_PER_SEC)
#define NO_ANSWER_HARD_NS  (60 * NS_PER_SEC)
#define NO_ANSWER_SOFT_NS  (15 * NS_PER_SEC)
#define HOME_WAIT_NS       (2 * NS_PER_SEC) /* a changing call waits that long for its connection */
#define JUKEBOX_MIN_NS     (NS_PER_SEC / 5)
#define JUKEBOX_MAX_NS     (5 * NS_PER_SEC)
#define IDLE_CLOSE_NS      (5 * NS_PER_SEC) /* MOUNT and portmapper connections */
#define GARBAGE_TRIES      3u /* sends of a call on whose connection only garbage comes back */

struct rpc_context;
struct AUTH;

/* Internal procedures beyond those of nfsio.h: the portmapper's GETPORT, which
 * asks for program call->access and answers in res.count; NFS's NULL. */
enum { PROC_PMAP = NFSIO_NPROCS, PROC_NULL, PROCS_ALL };

enum conn_kind { KIND_NFS, KIND_MOUNT, KIND_PMAP };
enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_UP };
enum call_state { CALL_IDLE, CALL_QUEUED, CALL_SENT, CALL_DELAYED };

/* One request inside libnfs; pooled. */
struct pdu {
	struct list link; /* conn->pdus, oldest first; or nfsio->free_pdus */
	struct nfsio_conn *conn;
	struct nfsio_call *call; /* NULL: nobody waits any more */
	uint32_t xid;
	uint32_t bytes; /* of READ or WRITE data, counted in conn->bytes */
	uint8_t proc;
	bool gone; /* libnfs has let go of it without an answer */
	int deny; /* 0, or the -errno of a refusal that the guard has seen */
	int64_t sent_ns;
};

/* A slot for a connection. It outlives its sockets: the source port and the
 * pace of reconnecting stay with it. */
struct nfsio_conn {
	struct nfsio *n;
	struct lif *lif;
	enum conn_kind kind;
	enum conn_state state;
	struct list up_link; /* nfsio->up, KIND_NFS only */

	struct rpc_context *rpc; /* CONN_UP only; owns the descriptor then */
	struct ev_source src;
	uint32_t events;
	struct AUTH *auth; /* owned by rpc */
	struct nfsio_cred cred;
	uint16_t sport; /* network order, 0: none yet */

	struct list pdus;   /* oldest first */
	struct list resend; /* calls, oldest first */
	struct pdu *unsent;
	uint8_t *own; /* longcall.c: the bytes of `unsent` that libnfs does not send */
	size_t own_len, own_at;
	uint32_t npdus;
	uint64_t bytes;

	/* NULL, on a connection that is silent and on one that shall tell whether
	 * it is better: who answers that is alive, however slow a change may be. */
	struct nfsio_call probe;
	int64_t probe_ns; /* when it was last asked since it has been silent, or 0 */

	int drop; /* -errno: drop it as soon as nobody serves it */
	bool silent, warned, ever_up;
	bool answered; /* anything since it is up */
	uint32_t epoch; /* counts drops */

	/* Receiving: the message that libnfs is being fed, if any. */
	struct pdu *rx_pdu;
	size_t rx_skip; /* bytes of a reply that nobody waits for */
	int rx_lowat;

	int64_t connect_ns; /* start of the last connect */
	int64_t quiet_ns;   /* last reply, or the first call after none were out */
	int64_t down_ns;    /* since when it has not worked: down, or up without an answer; 0: works */
	int64_t retry_ns, backoff_ns;
};

struct lif {
	char address[64];
	struct sockaddr_storage sa; /* without port */
	socklen_t salen;
	uint16_t nfs_port, mount_port; /* host order; 0 not known yet */
	bool ask_nfs_port, ask_mount_port; /* the portmapper says */
	struct nfsio_conn *conns; /* nconnect of them */
	struct nfsio_conn mount, pmap;
	struct list pmap_queue;
	struct nfsio_call pmap_calls[2]; /* NFS, MOUNT */
	int64_t gate_ns, backoff_ns; /* after failed connects: not before, and how long */
	int64_t reply_ns; /* last reply on any of its NFS connections */
	int64_t told_ns;  /* of the last line in the log about what it refuses */
	bool denies;      /* it answers, but runs nothing */
	_Atomic uint32_t nup;
	_Atomic bool silent;
	_Atomic int last_err;
};

enum queue { Q_META, Q_BULK, Q_MOUNT, NQUEUES };

struct nfsio {
	struct ev *ev;
	struct nfsio_params p;
	struct lif *lifs;
	uint32_t first_lif; /* where the search for a LIF starts */
	struct list queues[NQUEUES];
	struct list delayed;
	struct list up; /* NFS connections that are UP */
	uint32_t nconns; /* NFS connections that are not DOWN */
	struct list free_pdus, slabs;
	struct ev_timer timer;
	uint32_t ncalls; /* in flight, in any state */
	uint32_t nresend; /* calls on some conn->resend */
	uint32_t npmap;   /* calls on some lif->pmap_queue */
	bool pumping, pump_again, serving, closing;
	uint8_t *peek; /* what the guard looks at */
	size_t peek_cap;
	struct nfsio_dirent *entries; /* res.entries of the reply being taken in */
	uint32_t entries_cap;
	uint64_t rnd;
	char host[64]; /* machine name of AUTH_SYS */
};

/* ---- nfsio.c ---- */
/* Sends what the queues hold and the connections take. */
void nfsio_pump(struct nfsio *n);
/* Opens one more connection, if any may be: to the LIF with the fewest. */
void nfsio_grow(struct nfsio *n, int64_t now);
/* Makes sure that the scan runs at `due_ns` or before. */
void nfsio_wake_at(struct nfsio *n, int64_t due_ns);
/* Puts a call on the queue it belongs to; `front` for one that is sent again. */
void nfsio_enqueue(struct nfsio *n, struct nfsio_call *c, bool front);
struct pdu *nfsio_pdu_new(struct nfsio *n);
/* Back to the pool; free() also takes it off its connection's books. */
void nfsio_pdu_recycle(struct nfsio *n, struct pdu *pdu);
void nfsio_pdu_free(struct nfsio *n, struct pdu *pdu);
/* Uniform in [0, below). */
uint64_t nfsio_random(struct nfsio *n, uint64_t below);

/* ---- call.c ---- */
/* Queues the call to the socket of an UP connection. 0, -ENOMEM, or
 * -ENAMETOOLONG when libnfs cannot encode it; then the call is on no list. */
int conn_call_send(struct nfsio_conn *conn, struct nfsio_call *c);
/* Ends the call: counters, then done(). The call is the caller's again. */
void call_finish(struct nfsio *n, struct nfsio_call *c, int err);
/* Takes a call off its queue or PDU; a reply will meet nobody. */
void call_detach(struct nfsio *n, struct nfsio_call *c);
/* The server's answer was taken in; err is 0 or -errno. */
void call_answered(struct nfsio *n, struct nfsio_call *c, int err, bool garbage);
/* The server asked to come back later. */
void call_jukebox(struct nfsio *n, struct nfsio_call *c);
/* It was sent, and its connection is gone: see nfsio_call.look_first. */
void call_lost(struct nfsio *n, struct nfsio_call *c);
/* Puts due DELAYED calls back on their queues, ends the lost ones; returns the
 * next due time. */
int64_t call_scan_delayed(struct nfsio *n, int64_t now);
/* Ends what is past the soft deadline; returns the next such time. */
int64_t call_scan_soft(struct nfsio *n, int64_t now);
/* Ends every call with err. */
void call_end_all(struct nfsio *n, int err);

/* ---- conn.c ---- */
void conn_init(struct nfsio_conn *conn, struct nfsio *n, struct lif *lif, enum conn_kind kind);
/* When a slot that is DOWN may be tried (again). */
int64_t conn_may_start(const struct nfsio_conn *conn);
/* Starts to connect a slot that is DOWN, or to find out the port. False: it
 * failed at once. */
bool conn_start(struct nfsio_conn *conn);
/* The encoded credential of the calls that follow. 0 or -ENOMEM. */
int conn_set_cred(struct nfsio_conn *conn, const struct nfsio_cred *cred);
/* Writes what is queued; may drop the connection. */
void conn_flush(struct nfsio_conn *conn);
/* Closes with RST and makes the calls wait to be sent again. */
void conn_drop(struct nfsio_conn *conn, int err);
/* A reply came in: it is alive. */
void conn_answered(struct nfsio_conn *conn);
/* Sends what waited for this connection. */
void conn_resend(struct nfsio_conn *conn);
/* Deadlines of one connection; returns the next time to look. */
int64_t conn_scan(struct nfsio_conn *conn, int64_t now);
/* The connection can take a call. */
static inline bool conn_ready(const struct nfsio_conn *conn)
{
	return conn->state == CONN_UP && !conn->unsent && !conn->drop &&
	       conn->npdus < CONN_CALLS_MAX && list_empty(&conn->resend);
}

/* ---- silence.c ---- */
/* A connection has been silent for silence_ns with calls out: sends elsewhere
 * what may go. True: its LIF is dark, drop it (-EHOSTDOWN), so that its changes
 * go elsewhere, too. */
bool silence_scan(struct nfsio_conn *conn, int64_t now);
/* A connection came up: who waits for an elsewhere has one. */
void silence_came_up(struct nfsio_conn *conn);

/* ---- longcall.c ---- */
#define LONGCALL_TARGET 2048u /* libnfs encodes a SYMLINK up to here, whatever its name and credential */
struct longcall {
	const char *target;
	uint32_t len;
	uint8_t *buf;
	int s[2];
};
/* Before the call is queued without its target, what could fail: 0 or -errno. */
int longcall_begin(struct longcall *l, const char *target);
/* After it. When it was queued, conn->own is what conn_flush() sends. */
void longcall_end(struct longcall *l, struct nfsio_conn *conn, bool queued);
/* Sends of conn->own what the socket takes: 0 all of it, -EAGAIN, other -errno. */
int longcall_flush(struct nfsio_conn *conn);
void longcall_drop(struct nfsio_conn *conn);

/* ---- mount.c ---- */
/* The port to connect to, host order; 0: the portmapper is being asked. */
uint16_t lif_port(struct nfsio *n, struct lif *lif, enum conn_kind kind);
/* A port that came from the portmapper did not answer: ask again. */
void lif_forget_port(struct lif *lif, enum conn_kind kind);
/* Connections for MOUNT and portmapper calls that wait. */
void mount_pump(struct nfsio *n, int64_t now);
/* Binds a port below 1024 if the kernel lets us; otherwise the server decides. */
void mount_bind_reserved(struct nfsio *n, int fd, int family);

/* ---- procs.c ---- */
/* Encodes and queues into conn->rpc. 0, -ENOMEM, or -ENAMETOOLONG when the
 * arguments are longer than libnfs's buffer. */
int proc_queue(struct nfsio_conn *conn, struct nfsio_call *c, struct pdu *pdu);
bool proc_is_bulk(int proc);

#endif
