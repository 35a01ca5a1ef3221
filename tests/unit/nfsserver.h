/* A small NFS server for tests of fs/nfs: a thread that reads calls by hand and
 * answers by hand, and can be told what to do wrong. It shares no code with
 * what it tests. */
#ifndef TESTS_UNIT_NFSSERVER_H
#define TESTS_UNIT_NFSSERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { P_NULL, P_GETATTR, P_LOOKUP = 3, P_READ = 6, P_CREATE = 8, P_REMOVE = 12, P_READDIRPLUS = 17, P_MNT = 101 };
enum { CONNS = 32, RECS = 4096, MSG = 1 << 17 };

enum fault {
	GOOD,
	CUT,     /* the first `arg` bytes of the reply, then close */
	JUKEBOX,
	HOLD,    /* no answer until release() */
	TWICE,
	PIECES,  /* `arg` bytes at a time, each its own fragment */
	DRIBBLE, /* `arg` bytes at a time, pushed out one by one */
	XOR,     /* word `arg` of the message is XORed with `val` */
	SET,     /* word `arg` is set to `val` */
	MARKER,  /* the record marker is `val` */
	SHORT,   /* a well-framed record of only `arg` bytes */
	DENY,    /* MSG_DENIED, AUTH_ERROR */
	UNAVAIL, /* PROG_UNAVAIL */
	SLAM,    /* close as soon as the call is in, nothing executed */
};

struct rec {
	uint32_t xid, proc, uid, gid, ngroups, groups[32];
	uint64_t offset;
	uint16_t sport;
	uint32_t conn; /* number of the accept */
};

struct held {
	int fd;
	uint32_t conn;
	size_t len;
	uint8_t *data;
};

struct server {
	int lfd, wake;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	bool stop, slam_accepts;
	enum fault fault;
	uint32_t fault_proc, fault_times, arg, val;
	struct rec recs[RECS];
	uint32_t nrecs, accepts, executed;
	uint32_t drc_xid[64], ndrc; /* CREATEs that were executed */
	struct held held[256];
	uint32_t nheld;
	uint32_t dir_entries;
	const char *dir_name; /* of every entry; NULL: numbered */
	struct {
		int fd;
		uint32_t number;
		uint16_t sport;
		size_t have;
		uint8_t in[MSG];
	} conns[CONNS];
};

#define LOCKED(s, expr)                                                        \
	({                                                                     \
		pthread_mutex_lock(&(s)->lock);                                \
		__typeof__(expr) locked_ = (expr);                             \
		pthread_mutex_unlock(&(s)->lock);                              \
		locked_;                                                       \
	})

/* What stands at that offset of every file. */
uint8_t pattern(uint64_t off);

/* Listens on a free port of the address; server_run answers. */
struct server *server_new(const char *address);
void server_run(struct server *s);
void server_stop(struct server *s);
/* The next `times` calls of that procedure (0: of any) meet that fault. */
void fault(struct server *s, enum fault f, uint32_t proc, uint32_t times, uint32_t arg, uint32_t val);
/* Answers what HOLD kept back. */
void release(struct server *s);
/* Closes every connection. */
void cut_all(struct server *s);

#endif
