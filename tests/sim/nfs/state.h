/*
 * What state.db says, in the form the server works with.  A state is immutable
 * once built; a reload builds a new one and swaps (see server.c).
 */
#ifndef SIMNFS_STATE_H
#define SIMNFS_STATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "tests/sim/nfs/handle.h"
#include "tests/sim/nfs/policy.h"

struct settings {
	uint16_t nfs_port;
	uint32_t max_xfer; /* bytes, of READ and WRITE */
	bool mount_root_only;
	bool v3_enabled;
	bool unstable;
};

struct snap {
	const char *name;
	uint64_t fsid;
	uint64_t root; /* subvolume id */
	const struct volume *vol;
};

struct volume {
	const char *name;
	const char *junction; /* NULL: not mounted */
	uint64_t fsid;
	const char *subvol;   /* relative to DIR/store */
	uint64_t size;        /* bytes for files, without the snapshot reserve */
	bool online;          /* false: known, but its handles are stale */
	bool read_only;       /* a data protection volume */
	bool ids32;
	bool full;            /* a fault: no room for one more byte */
	bool snapdir;         /* .snapshot can be entered */
	bool is_root;
	bool synthetic;       /* made up; no directory of the root volume leads to it */
	const struct policy *policy;
	struct kfh top;       /* its root directory */

	/* The junction: the directory it lies in; parent NULL when that was not
	 * found, or there is none. */
	const struct volume *parent;
	struct kfh parent_dir;
	const char *leaf;

	/* Volumes mounted in this one, twice: by (directory, name) for lookups and
	 * by (directory, fsid) for listings. */
	struct volume **kids_by_name, **kids_by_fsid;
	size_t nkids;

	struct snap **snaps_by_name, **snaps_by_fsid;
	size_t nsnaps;
	struct timespec snaps_changed; /* when this server learned of the last change of them */
};

struct state {
	const char *dir; /* DIR, borrowed */
	struct settings set;
	struct in_addr *lifs; /* those that are up */
	size_t nlifs;
	struct policy *policies;
	size_t npolicies;
	struct volume *vols; /* by fsid */
	size_t nvols;
	struct snap *snaps;  /* by fsid; only those of online volumes */
	size_t nsnaps;
	struct volume **by_junction;
	size_t njunctions;
	uint64_t *roots;     /* ids of all subvolumes in service, rising */
	size_t nroots;
	struct block *memory; /* owns all of the above */
};

/* Reads DIR/state.db.  old is the state so far (or NULL): a junction whose parent
 * directory was renamed since stays where it was, and what changed is dated.  0, or -errno explained in err.
 * fh_init() must have been called. */
int state_load(const char *dir, const struct state *old, struct state **ret, char *err,
               size_t err_len);
void state_free(struct state *st);

/* NULL when there is none, or not in service. */
const struct volume *state_volume(const struct state *st, uint64_t fsid);
const struct snap *state_snap(const struct state *st, uint64_t fsid);
bool state_has_root(const struct state *st, uint64_t root);

/* The volume whose junction path is the first len bytes of path, online or not. */
const struct volume *state_junction(const struct state *st, const char *path, size_t len);

const struct snap *state_snap_named(const struct volume *vol, const char *name);

/* The volume mounted on name in directory dir (inode number) of vol, or NULL. */
const struct volume *state_kid(const struct volume *vol, uint64_t dir, const char *name);

/* The first volume in kids_by_fsid that lies in dir and has an fsid above after;
 * the next ones follow in the array while parent_dir.ino is dir. */
size_t state_first_kid(const struct volume *vol, uint64_t dir, uint64_t after);

#endif
