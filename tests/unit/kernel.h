/* The kernel's side of the FUSE protocol, over a socket that stands for
 * /dev/fuse; the other side is the whole of fs/ in front of a simulator of its
 * own. For the tests test_ops*.c.
 *
 * Whatever a test does, at its end (unmount_fs) each request has had exactly
 * one reply, each slot is free, every count that was handed out and given back
 * is gone, and the statistics have counted just that. */
#ifndef TESTS_UNIT_KERNEL_H
#define TESTS_UNIT_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/fs_i.h"

#define MIB (1u << 20)
#define PATIENCE_MS 30000

enum { SENT_MAX = 20000, NODES_MAX = 4096 };

struct sent {
	uint8_t opcode;
	uint8_t want, got; /* replies */
	bool accounted;    /* by fs/, not by libfuse */
	int err;           /* as the statistics see it */
};

struct kernel {
	int fd;
	struct fs *fs;
	int state_fd;
	pthread_t thread;
	sem_t ready;
	int ended;         /* what fs_serve returned */
	char err[512];
	uint32_t uid, gid, pid;
	struct sent sent[SENT_MAX];
	uint32_t nsent;
	uint64_t notes;    /* notifications seen */
	struct fuse_init_out init;
	/* the last reply */
	uint64_t unique;
	int error;
	size_t len;
	uint8_t buf[MIB + 65536];
	/* what lookups counted */
	uint64_t node[NODES_MAX], count[NODES_MAX];
	uint32_t nnodes, forgets;
};
extern struct kernel K;

#define VEC(...)                                                                               \
	((struct iovec[]){__VA_ARGS__}),                                                       \
		(int)(sizeof((struct iovec[]){__VA_ARGS__}) / sizeof(struct iovec))
#define RAW(p, n)     {(void *)(uintptr_t)(p), (n)}
#define ARG(x)        {&(x), sizeof(x)}
#define STR(s)        {(void *)(uintptr_t)(s), strlen(s) + 1}

#define OK(call_) want(call_, 0, #call_)
#define ERR(e, call_) want(call_, e, #call_)

enum place { ROOT, VOL, DIR_, FILE_, SNAPDIR, SNAP, SDIR, SFILE, CLONES, ONTAP, STAT, GONE, NPLACES };
extern const char *const place_name[NPLACES];

extern struct planted {
	uint64_t at[NPLACES], link, slink;
	char top[32], snap[32];
} T;

struct listing {
	uint32_t n, dots;
	char name[600][64];
	uint64_t ino[600], off[600], node[600];
	uint32_t type[600];
};

extern struct fuse_entry_out last;   /* of the last entry() */
extern struct fuse_open_out opened;   /* of the last open */
extern uint8_t block[MIB + 4096];

/* Finds the simulator beside the test; 0, or the exit status of a test that can't run. */
int kernel_prepare(const char *argv0);
/* Group fixtures: a simulator in a process that takes it away however this one ends. */
int sim_up(void **state);
int sim_down(void **state);
/* `ontapsim ctl` with up to four words. */
int ctl(const char *a, const char *b, const char *c, const char *d);
/* Test fixtures: a mount with two workers; one with so little room that a crowd waits. */
int mount_two(void **state);
int mount_tight(void **state);
int unmount_fs(void **state);

/* Sends a request; `lie` is added to the length it claims. Returns its unique. */
uint64_t post_as(uint64_t unique, uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n, int64_t lie);
uint64_t post(uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n);
/* Takes one message into K; false when none comes in time. */
bool take(int timeout_ms);
void wait_for_reply(uint64_t unique);
/* post and wait: an errno, the reply is in K. */
int call(uint32_t opcode, uint64_t nodeid, const struct iovec *iov, int n);
/* Of a lookup that succeeded: the kernel counts it. */
void counted(uint64_t nodeid);
/* Takes a fuse_entry_out out of the reply, unless err. */
int entry(int err);

/* One operation each, as the kernel sends it: an errno. */
int do_lookup(uint64_t dir, const char *name);
int do_getattr(uint64_t node, struct fuse_attr *out);
int do_setattr(uint64_t node, const struct fuse_setattr_in *in);
int do_mknod(uint64_t dir, const char *name, uint32_t mode);
int do_mkdir(uint64_t dir, const char *name);
int do_symlink(uint64_t dir, const char *name, const char *target);
int do_remove(uint32_t opcode, uint64_t dir, const char *name);
int do_rename(uint64_t dir, const char *name, uint64_t to, const char *name2, uint32_t flags);
int do_link(uint64_t node, uint64_t dir, const char *name);
int do_open(uint32_t opcode, uint64_t node, uint32_t flags);
int do_release(uint32_t opcode, uint64_t node, uint64_t fh);
int open_close(uint32_t opcode, uint64_t node, uint32_t flags);
int do_create(uint64_t dir, const char *name, uint32_t flags, uint32_t mode);
int do_read(uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, uint32_t size);
int do_write_as(uint64_t node, uint64_t fh, uint64_t off, const void *data, uint32_t size, uint32_t flags,
		uint32_t write_flags);
int do_write(uint64_t node, uint64_t fh, uint64_t off, const void *data, uint32_t size);
int do_setxattr(uint64_t node, const char *name, const char *value);
int do_getxattr(uint64_t node, const char *name, uint32_t size);
uint64_t size_of(uint64_t node);

void want(int got, int expected, const char *what);
/* A name that no test had before; four of them live at a time. */
const char *fresh(const char *prefix);
/* Makes the tree T: one of each place. */
void plant(void);
void fill_block(uint32_t seed);
/* Reads on from `off`; buffers of `size` bytes. */
void list_from(uint64_t node, uint64_t fh, uint64_t off, bool plus, uint32_t size, struct listing *l);
struct listing list_of(uint64_t node, bool plus, uint32_t size);
/* Its index, or -1; a name twice is a failure. */
int find(const struct listing *l, const char *name);

#endif
