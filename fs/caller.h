/* Who asks: credential, process, and what the server lets them do.
 *
 * Any worker; every function is short and takes only its own lock. */
#ifndef FS_CALLER_H
#define FS_CALLER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "fs/nfs/nfsio.h"

#define CALLER_GROUPS_MAX 256

struct caller {
	uint32_t uid, gid;
	pid_t tid;            /* thread that made the system call; 0: not visible from here */
	pid_t tgid;           /* its process, 0: unknown (gone, or pid 0) */
	uint64_t start_time;  /* of the process, clock ticks since boot; 0: unknown */
	uint64_t pid_ns;      /* inode of its pid name space, 0: unknown */
	uint32_t ngroups;
	uint32_t groups[CALLER_GROUPS_MAX];
};

/* Looks, before there are threads, whether /proc shows the pid name space that
 * this process lives in. False: it shows another one's, where the same number is
 * another process, and so from now on nobody is visible. */
bool caller_look_at_proc(void);
/* Reads /proc/TID/status. A vanished or invisible process has no groups and
 * tgid 0: it gets what uid and gid alone allow. */
void caller_read(struct caller *c, uint32_t uid, uint32_t gid, pid_t tid);
/* Closes what this thread keeps open to read faster the next time. */
void caller_thread_ends(void);
/* Adds start_time and pid_ns, which only control verbs and rule 6.2 need. */
void caller_read_process(struct caller *c);
/* The AUTH_SYS credential: gid, then want_gid if the caller has it, then the
 * others up to 16 (want_gid -1: none). */
void caller_cred(const struct caller *c, int64_t want_gid, struct nfsio_cred *out);
bool caller_in_group(const struct caller *c, uint32_t gid);
/* Is a signal pending for that thread that should end its wait: SIGKILL, or an
 * unblocked SIGINT, SIGTERM, SIGQUIT or SIGHUP that it does not ignore? Others
 * (SIGCHLD, SIGALRM, ...) must not make stat(2) fail with EINTR: programs do not
 * expect that of files. if_unseen: the answer for a thread that cannot be seen. */
bool caller_wants_out(pid_t tid, bool if_unseen);
/* uid 0 in this process's own user, pid and mount name space. */
bool caller_is_local_root(const struct caller *c);

/* ---- ACCESS answers ----------------------------------------------------- */

/* What the server said to ACCESS, by (node, credential). Bounded; an entry of
 * a live object is good for a time given at lookup, of a snapshot for ever. */
struct access_cache;
struct access_cache *access_cache_new(uint32_t entries);
void access_cache_free(struct access_cache *ac);
/* True when all bits of `want` were asked before and the answer is at most
 * max_age_ns old (negative: any age); *ret_bits are those granted of them. */
bool access_cache_get(struct access_cache *ac, uint64_t nodeid, const struct nfsio_cred *cred,
		      uint32_t want, int64_t max_age_ns, uint32_t *ret_bits);
/* `frozen`: the object never changes, so what was said of other bits stays. */
void access_cache_put(struct access_cache *ac, uint64_t nodeid, const struct nfsio_cred *cred,
		      uint32_t asked, uint32_t granted, int64_t stamp_ns, bool frozen);

/* ---- targets of symlinks in snapshots ------------------------------------ */

/* They never change, and the kernel is not told to keep them (that would be for
 * the whole mount). Bounded: a new one replaces another of its place. */
struct link_cache;
struct link_cache *link_cache_new(uint32_t entries);
void link_cache_free(struct link_cache *lc);
/* Copies the target (at most 4095 bytes and a NUL); false when not known. */
bool link_cache_get(struct link_cache *lc, uint64_t nodeid, char out[4096]);
void link_cache_put(struct link_cache *lc, uint64_t nodeid, const char *target);

/* ---- short memories ------------------------------------------------------ */

/* What a process or user did lately, for the safety rules: a bounded table of
 * (kind, a, b, c) -> when. The oldest entry gives way. */
struct memory;
enum memory_kind {
	MEMORY_WALKED, /* (space, tgid, start time) looked or tried to change inside */
	MEMORY_ARMED,  /* (space, uid, pid name space) set ontap.arm */
	MEMORY_STALE,  /* (nodeid, tid, 0) was told ESTALE at open */
	MEMORY_JUNCTION, /* (space, fsid, 0) shows a volume that ONTAP did not name */
};
struct memory *memory_new(uint32_t entries);
void memory_free(struct memory *m);
void memory_put(struct memory *m, enum memory_kind kind, uint64_t a, uint64_t b, uint64_t c);
/* True when it was put at most max_age_ns ago. `take` removes it. */
/* Had an entry that was not max_age_ns old yet to give way in that time? */
bool memory_lost(struct memory *m, int64_t max_age_ns);
bool memory_get(struct memory *m, enum memory_kind kind, uint64_t a, uint64_t b, uint64_t c,
		int64_t max_age_ns, bool take);

/* Counts one more verb of this uid; false when it has had `per_minute` in the
 * running minute already (0: no limit). */
struct rates;
struct rates *rates_new(void);
void rates_free(struct rates *rt);
bool rates_take(struct rates *rt, uint32_t uid, uint32_t per_minute);

/* ---- last errors --------------------------------------------------------- */

/* The last refusal of each (uid, pid name space), in words. */
struct last_errors;
struct last_errors *last_errors_new(void);
void last_errors_free(struct last_errors *le);
void last_error_set(struct last_errors *le, uint32_t uid, uint64_t pid_ns, const char *text);
/* Copies at most len bytes, always terminated; "" when there is none. */
void last_error_get(struct last_errors *le, uint32_t uid, uint64_t pid_ns, char *out, size_t len);

#endif
