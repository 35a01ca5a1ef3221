/* ONTAP for commands that run without a mount: by a configuration, one call at a
 * time, waited for. */
#ifndef MOUNTD_REST_H
#define MOUNTD_REST_H

#include "mountd/config.h"
#include "mountd/params.h"

struct rest {
	struct config cfg;
	struct buf json;       /* what params point into */
	struct fs_params params;
	struct ontap *o;
	bool done;             /* a completion sets it */
	struct ontap_error e;  /* e.err 0: it succeeded */
};

/* Reads the configuration and makes a client; asks nothing yet. 0 or -errno with
 * a sentence. Close it in any case. */
int rest_open(struct rest *x, const char *source, int deadline_ms, char err[512]);
void rest_close(struct rest *x);
/* Clears done and e: before a call. */
void rest_begin(struct rest *x);
/* For completions: e may be NULL. */
void rest_ended(struct rest *x, const struct ontap_error *e);
/* Until it has ended. Returns e.err. */
int rest_wait(struct rest *x);

#endif
