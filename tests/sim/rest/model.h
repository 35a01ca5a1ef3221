/*
 * What every part of the REST face shares: the state, failures, requests.
 */
#ifndef SIM_REST_MODEL_H
#define SIM_REST_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/sim/db.h"

/* The state of the simulated cluster.  The texts are fixed after start; db is
 * used only with lock held.  The lock is never held while btrfs makes or removes
 * a subvolume or counts files, nor while the NFS face or a client is waited for.
 * Lock order: model, jobs. */
struct model {
	const char *dir;
	sqlite3 *db;
	pthread_mutex_t lock;
	char svm_uuid[UUID_BUF], cluster_uuid[UUID_BUF], mgmt_uuid[UUID_BUF];
	char *version; /* "9.15.1" */
	int64_t rest_port;
	atomic_llong job_delay_ms;
	atomic_llong split_ms; /* how long the split of a clone takes */
	int64_t synthetic_volumes, synthetic_snapshots; /* how many by rule, see synthetic.h */
};

static inline void model_lock(struct model *m)
{
	pthread_mutex_lock(&m->lock);
}
static inline void model_unlock(struct model *m)
{
	pthread_mutex_unlock(&m->lock);
}

/* Settings of this name and an account's: "1" while it is locked. */
#define ACCOUNT_LOCKED "locked:"
/* ... and of a licence: "1" while it is missing. */
#define UNLICENSED "unlicensed:"
#define ROLE_RIGHT "privilege:" /* and a path: access of the SVM's account */

/* Is the feature licensed?  Model locked. */
bool license_there(struct model *m, const char *name);

/* Why something was refused: HTTP status, ONTAP code, text, field at fault. */
struct fail {
	int http;
	int64_t code;
	char text[400];
	char target[80];
};

/* Codes that many routes use. */
enum {
	E_DUPLICATE = 1,
	E_BAD_VALUE = 2,
	E_UNSUPPORTED = 3,
	E_NO_ENTRY = 4,
	E_PERMISSION = 6,
	E_IN_USE = 8,
	E_COMBINATION = 262186,
	E_NOT_SETTABLE = 262196,
	E_UNKNOWN_FIELD = 262197,
	E_FIELD_VALUE = 262247,
	E_FIELD_MISSING = 262278,
	E_JOB_FAILED = 460770,
	E_INTERNAL = 8585320,
};

/* Fills f and returns -1. */
int fail_set(struct fail *f, int http, int64_t code, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* The same with the field that is at fault. */
int fail_field(struct fail *f, int http, int64_t code, const char *field, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));

/* For a database or store error (-errno): 500, logged with what was tried. */
int fail_internal(struct fail *f, const char *what, int err);

/* One durable change of the state, model locked.  model_end commits when rc is 0
 * and takes it back when not; what: "write a qtree".  Both 0 or -1 with f set. */
int model_begin(struct model *m, const char *what, struct fail *f);
int model_end(struct model *m, int rc, const char *what, struct fail *f);

/* A JSON object {name, uuid, _links.self} for a reference to another object;
 * href may be NULL.  New reference. */
json_t *make_ref(const char *name, const char *uuid, const char *href);
json_t *make_svm_ref(const struct model *m);

/* obj.PATH = value with missing objects on the way made; takes value.  A NULL
 * value sets nothing. */
void json_put(json_t *obj, const char *path, json_t *value);

/* obj.PATH or NULL (borrowed); text, integer, boolean with a default. */
json_t *json_at(const json_t *obj, const char *path);
const char *json_text(const json_t *obj, const char *path);
int64_t json_num(const json_t *obj, const char *path, int64_t def);
bool json_flag(const json_t *obj, const char *path, bool def);

/* A time column as JSON text. */
json_t *json_time(int64_t t);

/* Seconds as an ISO-8601 duration, e.g. PT8H35M42S. */
json_t *json_duration(int64_t s);

#endif
