/* nfsproxy: a TCP proxy that knows the records of ONC RPC and the procedures of
 * NFSv3, and does wrong what it is told to. It stands between any client and
 * any server:
 *
 *     nfsproxy [--port N] --control SOCKET ADDRESS:PORT...
 *     nfsproxy ctl SOCKET WORDS...
 *
 * For each ADDRESS:PORT it listens on the same address (at port N, or any free
 * one: the same on all) and forwards to it. Once all listen it prints that port.
 * A client whose port is reserved is given a reserved port towards the server.
 *
 * One process, one thread. It shares nothing but fs/base with either end. */
#ifndef TESTS_PROXY_H
#define TESTS_PROXY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/base/buf.h"
#include "fs/base/ev.h"
#include "fs/base/list.h"

enum {
	PROC_ANY = 64,   /* matches every call */
	PROC_MOUNT = 32, /* all of MOUNT, portmapper and so on */
	PROCS = 33,
};
/* "READ" and so on; -1 when unknown. */
int proc_by_name(const char *name);
const char *proc_name(int proc);

/* ---- rules: what goes wrong with which call -------------------------------- */

enum action {
	ACT_DELAY,   /* milliseconds, then on its way: others overtake it */
	ACT_HOLD,    /* until `release` */
	ACT_REORDER, /* until the next record in that direction has passed */
	ACT_DROP,    /* never arrives; the connection stays */
	ACT_LOSE,    /* never arrives; the connection is closed */
	ACT_CUT,     /* the first `arg` bytes of the record, mark included; then closed */
	ACT_DUP,     /* twice */
	ACT_XOR,     /* word `arg` is XORed with `arg2` */
	ACT_SHORT,   /* READ and WRITE: a count of at most `arg` */
	ACT_STATUS,  /* nfsstat3 `arg`; of a call: it is answered here and never executed */
	ACTIONS,
};

struct rule {
	struct list link;
	int proc;
	bool reply;        /* the reply, not the call */
	enum action action;
	uint32_t arg, arg2;
	uint32_t skip;     /* so many pass unharmed first */
	uint32_t left;     /* then so many are hit; UINT32_MAX: all */
};

/* "on PROC [call|reply] ACTION [ARG [ARG]] [skip N] [count N]"; count 0: for ever.
 * NULL: error says why. */
struct rule *rule_parse(char *words[], int n, char error[200]);

/* ---- records ------------------------------------------------------------------ */

/* A whole record with its mark. */
struct record {
	struct list link;
	struct ev_timer timer;
	struct end *to; /* where it goes */
	uint32_t len;
	uint8_t data[];
};

/* What the head of a record says; false: not RPC. */
struct rpc_head {
	uint32_t xid;
	bool reply;
	int proc; /* of a call */
};
bool rpc_head(const struct record *r, struct rpc_head *ret);
/* A reply to the call with that xid that says nfsstat3 `status`; NULL: no memory. */
struct record *rpc_error_reply(uint32_t xid, int proc, uint32_t status);
/* Makes the count of a READ or WRITE reply at most `count`. */
void rpc_shorten(struct record *r, int proc, uint32_t count);

/* ---- the proxy -------------------------------------------------------------------- */

struct proxy;

struct listener {
	struct ev_source src;
	struct proxy *p;
	struct sockaddr_in listen, server;
	bool blackhole; /* accepts, and passes nothing on, either way */
};

struct waiter;

struct proxy {
	struct ev *ev;
	struct listener listener[8];
	int nlisteners;
	struct list rules, held, links, dead;
	uint32_t throttle;                     /* bytes a second and direction of a link; 0: none */
	uint64_t calls[PROCS], replies[PROCS]; /* seen */
	uint64_t hits;                         /* times that a rule applied */
	uint64_t links_made;
	struct list waiters;
	bool end;
};

/* A connection came in: connects to the server and forwards. Owns fd. */
void link_new(struct listener *l, int fd, const struct sockaddr_in *peer);
void link_reset_all(struct proxy *p);
/* Frees links that were closed: between two turns of the loop. */
void link_reap(struct proxy *p);
/* Sends what was held back. */
void link_release(struct proxy *p);
/* A black hole has ended: what piled up goes on its way, as TCP would send it
 * again; but not that of a client which has reset its connection since. */
void link_resume_all(struct proxy *p);

/* The control socket: one line in, one or more out. 0 or -errno. */
int control_listen(struct proxy *p, const char *path);
/* Something was counted: commands that wait for it are looked at. */
void control_counted(struct proxy *p);
/* `nfsproxy ctl`: an exit status. */
int control_client(const char *path, int argc, char **argv);

#endif
