/*
 * Making a snapshot: shared by POST of a snapshot and by clones.
 */
#ifndef SIM_REST_SNAPSHOT_H
#define SIM_REST_SNAPSHOT_H

#include "tests/sim/rest/volume.h"

struct snapshot_args {
	const char *uuid, *name;
	const char *comment, *label; /* or NULL */
	int64_t expiry_time;         /* seconds since the epoch, -1 = none */
};

/* Takes a snapshot of the volume: checks, btrfs snapshot, row.  Does not tell the
 * NFS face.  Worker thread, model unlocked.  0 or -1 with f set. */
int snapshot_make(struct model *m, const struct volume *v, const struct snapshot_args *a, struct fail *f);

#endif
