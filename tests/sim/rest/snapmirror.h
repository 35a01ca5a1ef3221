/*
 * SnapMirror: relationships between two volumes of the SVM, and the jobs that
 * carry snapshots from one to the other.
 */
#ifndef SIM_REST_SNAPMIRROR_H
#define SIM_REST_SNAPMIRROR_H

#include "tests/sim/rest/volume.h"

/* Codes of relationships and transfers. */
enum {
	E_MIRROR_EXISTS = 6619637,
	E_MIRROR_BUSY = 13303812,
	E_MIRROR_FAILED = 13303844,
	E_MIRROR_PATH = 13303852,
};

/* Which ends no longer show a relationship (column gone). */
enum { GONE_DESTINATION = 1, GONE_SOURCE = 2 };

/* One row of snapmirrors. */
struct mirror {
	char *uuid, *source, *destination, *state, *policy, *schedule, *base_source, *base_destination,
	        *unhealthy;
	int64_t seq, throttle, gone;
};

#define AUTO_MIRROR __attribute__((cleanup(mirror_fini)))
void mirror_fini(struct mirror *r);

#define MIRROR_COLUMNS \
	"seq,throttle,gone,uuid,source,destination,state,policy,schedule,base_source,base_destination,unhealthy"

/* Steps a statement made with MIRROR_COLUMNS; false at its end. */
bool mirror_next(sqlite3_stmt *s, struct mirror *ret);

/* Model locked; false when there is none. */
bool mirror_load(sqlite3 *db, const char *uuid, struct mirror *ret);

/* Is this snapshot what the two ends of a relationship have in common?  Model
 * locked. */
bool snapshot_is_base(sqlite3 *db, const char *uuid);

/* Writes a transfer that waits for its job; model locked, inside a transaction.
 * 0 or -errno. */
int transfer_insert(struct model *m, const char *uuid, const char *mirror, const char *kind);

/* Is a transfer of this relationship waiting or running?  Model locked. */
bool transfer_active(sqlite3 *db, const char *mirror);

/* The jobs. */
int job_transfer(struct model *m, json_t *args, struct fail *f);       /* {transfer, [source_snapshot]} */
int job_mirror_modify(struct model *m, json_t *args, struct fail *f);  /* {uuid, [state, policy, ...]} */
int job_mirror_delete(struct model *m, json_t *args, struct fail *f);  /* {uuid, gone, keep_base} */

#endif
