/* ONTAP's error codes as errno and as one sentence. Private to ontap/. */
#ifndef ONTAP_ERROR_H
#define ONTAP_ERROR_H

#include <stdbool.h>
#include <stdint.h>
#include "ontap/ontap.h"

struct json_object;

/* Codes that the client itself decides on. */
enum {
	ONTAP_CODE_DUPLICATE = 1,
	ONTAP_CODE_NO_ENTRY = 4,
	ONTAP_CODE_DENIED = 6,
	ONTAP_CODE_UNKNOWN_FIELD = 262197,
	ONTAP_CODE_FIELD_NOT_SETTABLE = 262196,
	ONTAP_CODE_JOB_ENDED = 458762,
	ONTAP_CODE_VOLUME_BUSY = 524486,
	ONTAP_CODE_SNAP_EXISTS = 525059,
	ONTAP_CODE_SNAP_STATUS_UNKNOWN = 1638537,
	ONTAP_CODE_RENAME_STATUS_UNKNOWN = 1638539,
	ONTAP_CODE_TABLE_MISSING = 8585320,
	ONTAP_CODE_RPC_REJECT = 8585368,
	ONTAP_CODE_FLEXCACHE_NO_SNAPS = 9437613,
	ONTAP_CODE_CREATE_UNDER_WAY = 13107405,
};

/* -errno for a code of an error body or a failed job; http_status (0: a job)
 * decides where the code is 0 or unknown. *ret_known false: not in the table. */
int error_errno(int64_t code, int http_status, bool *ret_known);

/* Fills *e with a formatted sentence. Control characters of names and of the
 * server's text become blanks, so that a sentence is one line. */
__attribute__((format(printf, 5, 6))) void
error_set(struct ontap_error *e, int err, int http_status, int64_t code, const char *fmt, ...);

/* Whom the sentences name. */
struct error_who {
	const char *host; /* "10.0.0.1", with ":port" unless 443 */
	const char *user; /* NULL: a client certificate */
};

/* From an HTTP reply that is no success. root: its JSON or NULL. what: the
 * infinitive of what was tried, such as `create snapshot "run1"`. */
void error_from_reply(struct ontap_error *e, const struct error_who *who, const char *what,
		      int http_status, struct json_object *root);
/* From a failed job. */
void error_from_job(struct ontap_error *e, const char *what, int64_t code, const char *message);

#endif
