/*
 * Volumes and snapshots made up by rule, for clients that must stand thousands
 * of them: no rows, no data, nothing to change.  Volume I is synth0000I at
 * /synth0000I, its snapshot J is synthetic.000J, which cannot be entered.
 */
#ifndef SIM_REST_SYNTHETIC_H
#define SIM_REST_SYNTHETIC_H

#include "tests/sim/rest/engine.h"
#include "tests/sim/rest/volume.h"

/* Is this the UUID of such a volume? */
bool synthetic_is_volume(const struct model *m, const char *uuid);

/* Adds the volumes that the request is about, as struct resource's list does; make
 * turns a row into a record.  whole: also those that no page needs. */
void synthetic_volumes(struct req *r, const char *key, bool whole,
                       json_t *(*make)(struct model *m, const struct volume *v), struct list *out);

/* Adds the snapshots of such a volume; with key only that one. */
void synthetic_snapshots(struct req *r, const char *volume, const char *key, struct list *out);

#endif
