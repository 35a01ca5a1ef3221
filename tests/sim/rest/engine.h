/*
 * The generic engine: what every ONTAP collection does alike (fields, filters,
 * order, paging, jobs, links, errors).  A resource adds a table and a few
 * functions; a row in routes.c makes it reachable.
 */
#ifndef SIM_REST_ENGINE_H
#define SIM_REST_ENGINE_H

#include "tests/sim/rest/jobs.h"
#include "tests/sim/rest/request.h"

struct resource;

/* Records on their way out.  seq: the natural order of the collection, unique
 * and never used again, which is what lets a page be continued. */
struct list {
	struct list_entry {
		json_t *rec; /* owned */
		int64_t seq;
		json_t *key; /* engine: the order_by values, owned */
	} *entry;
	size_t n, cap;

	/* A page in natural order needs the records behind `after` (-1: all), and of
	 * those the first `room` (0: all) that list_add keeps.  A resource with many
	 * records may leave out the others. */
	int64_t after;
	size_t room;
	/* filter of list_add, or NULL */
	bool (*keep)(struct req *r, const struct resource *res, json_t *rec);
	struct req *r;
	const struct resource *res;
};

/* Takes rec.  False when the request's filters leave it out. */
bool list_add(struct list *l, int64_t seq, json_t *rec);

/* What a write came to.  Either a job (fn set) or a finished change. */
struct outcome {
	job_fn fn;
	json_t *args;   /* for fn, owned until the engine hands it to the job */
	json_t *record; /* key fields of the object concerned, owned, or NULL */
	char *name;     /* POST with a job: name for the Location query, owned */
	bool reload;    /* finished change that the NFS face must hear of */
	bool location_now; /* POST with a job: the Location is that of record already */
};

enum {
	R_CLUSTER_ONLY = 1, /* accounts of the SVM are refused */
	R_SINGLE = 2,       /* not a collection: one object */
};

/* One kind of object.  The functions run with the model locked, except fill.
 * They return 0, or -1 with f set. */
struct resource {
	const char *collection; /* template below /api, e.g. /storage/volumes/{volume.uuid}/snapshots */
	const char *item;       /* template of one record, NULL when there is none */
	const char *key;        /* the field in the last {} of item */
	const struct field *fields;
	const char *const *params; /* own query parameters, see request_read_query */
	unsigned flags;

	/* Adds the records in natural order; with key only those where the key field
	 * has this value (a record too many does no harm).  NULL: nothing to read here. */
	int (*list)(struct req *r, const char *key, struct list *out, struct fail *f);

	/* Puts the F_LAZY fields into a record.  Without the lock. */
	void (*fill)(struct req *r, json_t *rec);

	/* NULL where the verb is not allowed.  body has passed field_check_body; rec is
	 * the record as list gave it. */
	int (*post)(struct req *r, json_t *body, struct outcome *out, struct fail *f);
	int (*patch)(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f);
	int (*del)(struct req *r, json_t *rec, struct outcome *out, struct fail *f);
};

/* The table of routes.c, NULL terminated. */
extern const struct resource *const routes[];

struct reply {
	int status;
	json_t *body;   /* owned, or NULL */
	char *location; /* owned, or NULL */
	char *allow;    /* owned: methods, for 405 and OPTIONS, or NULL */
};

/* Answers one request; on return rep is filled. */
void engine_handle(struct req *r, struct reply *rep);

/* res_role.c: may the account do this?  Not while the model is locked. */
bool role_allows(struct req *r);
/* The account's rights, as `privileges` of its role; the model is locked. */
json_t *role_privileges(struct model *m);
/* Is it one of ONTAP's words for access? */
bool role_word(const char *word);

/* The error form of ONTAP. */
void reply_fail(struct reply *rep, const struct fail *f);
void reply_fini(struct reply *rep);

/* Parts that the engine's two files share. */

/* All records that the request's filters let pass, in the order asked for.  With
 * key only that record.  lazy: fill the lazy fields. */
int engine_collect(struct req *r, const struct resource *res, const char *key, struct list *out,
                   struct fail *f);
void list_fini(struct list *l);

/* The address of a record, e.g. /api/storage/volumes/UUID; freed by the caller. */
char *engine_self(const struct req *r, const struct resource *res, json_t *rec);

void engine_get(struct req *r, const struct resource *res, const char *key, struct reply *rep);
void engine_write(struct req *r, const struct resource *res, const char *key, struct reply *rep);

#endif
