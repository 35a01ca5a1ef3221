/* What the holder and the daemon say to each other.
 *
 * `ontapfs-hold` owns the /dev/fuse descriptor and the memfd of the shared
 * state, so that neither dies with a daemon. It starts the daemon as
 * `ontapfs serve SOURCE MOUNTPOINT` with a SOCK_SEQPACKET socket as the
 * descriptor named by HOLD_ENV. Every message is one struct hold_msg; SETUP
 * carries the two descriptors as SCM_RIGHTS. The holder is the only parent.
 *
 * First start:  HELLO, SETUP(first), MOUNT, MOUNTED, READY ... ENDED
 * Takeover:     HELLO, SETUP(takeover), READY ... ENDED
 * Upgrade:      HELLO, SETUP(candidate), PREPARED, GO, READY ... ENDED
 * In all, FAILED may come instead of any later message of the daemon. A
 * candidate looks only, and serves from GO on: its predecessor is gone then. */
#ifndef MOUNTD_HOLD_H
#define MOUNTD_HOLD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define HOLD_ENV     "ONTAPFS_HOLD_FD"
#define HOLD_MAGIC   0x4f484c44u /* "OHLD" */
#define HOLD_VERSION 1

enum hold_type {
	HOLD_HELLO = 1, /* daemon: I am here */
	HOLD_SETUP,     /* holder: fds = {fuse (O_NONBLOCK), state}; flag = enum hold_mode */
	HOLD_MOUNT,     /* daemon, first start only: text = options for mount(2) */
	HOLD_MOUNTED,   /* holder: err = 0 or -errno, text = why */
	HOLD_READY,     /* daemon: the tree answers */
	HOLD_FAILED,    /* daemon: text = one sentence; it exits next */
	HOLD_ENDED,     /* daemon: the mount is gone (unmounted); it exits next with 0 */
	HOLD_PREPARED,  /* candidate: nothing is in the way of taking over */
	HOLD_GO,        /* holder: take over now */
};

enum hold_mode { HOLD_FIRST, HOLD_TAKEOVER, HOLD_CANDIDATE };

struct hold_msg {
	uint32_t magic, version;
	uint32_t type; /* enum hold_type */
	int32_t err;
	uint32_t flag;
	char text[1024]; /* NUL terminated */
};

/* Exit status of a daemon. Anything but CANNOT is tried again within grace. */
enum {
	HOLD_EXIT_OK = 0,     /* unmounted (ENDED was sent), or stopped by a signal */
	HOLD_EXIT_FAILED = 1, /* FAILED was sent */
	HOLD_EXIT_CANNOT = 3, /* takeover is impossible with this state: do not try again */
};

/* The holder's own socket (SOCK_SEQPACKET), for `ontapfs umount`, `status` and
 * `upgrade`. Peers are root or the holder's user. A peer sends "status" and gets
 * lines of "key value": mountpoint, holder, daemon (pid, 0 none), state, restarts,
 * reason (last failure; the line is missing when there was none). "upgrade" is
 * answered when it is over: old, new (pids), pause_us; or "error" and a sentence,
 * and then the daemon that served serves on, if one did. A peer that stays
 * connected sees end of file when the holder has exited. */
#define HOLD_RUN_DIR     "/run/ontapfs"
#define HOLD_RUN_DIR_ENV "ONTAPFS_RUN_DIR"
#define HOLD_CMD_STATUS  "status"
#define HOLD_CMD_UPGRADE "upgrade"

static inline const char *hold_run_dir(void)
{
	const char *dir = getenv(HOLD_RUN_DIR_ENV);
	return dir && *dir ? dir : HOLD_RUN_DIR;
}

/* The socket of the holder of `mountpoint` (absolute, resolved): the last part
 * of its path for people, a hash of all of it to be unique. Returns 0, or -1
 * when it does not fit into len bytes. */
static inline int hold_socket_path(const char *mountpoint, char *out, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a, 64 bits */
	const char *base = mountpoint;
	for (const char *p = mountpoint; *p; p++) {
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3ull;
		if (*p == '/')
			base = p + 1;
	}
	char name[25];
	size_t n = 0;
	for (; n < sizeof(name) - 1 && base[n]; n++) {
		char c = base[n];
		int plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '_';
		name[n] = plain ? c : '_';
	}
	name[n] = '\0';
	int w = snprintf(out, len, "%s/%s-%016llx.sock", hold_run_dir(), name,
			 (unsigned long long)hash);
	return w > 0 && (size_t)w < len ? 0 : -1;
}

#endif
