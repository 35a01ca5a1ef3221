/*
 * One request: its address and query taken apart, its body, who asks.
 */
#ifndef SIM_REST_REQUEST_H
#define SIM_REST_REQUEST_H

#include "tests/sim/rest/field.h"

enum verb { V_GET, V_POST, V_PATCH, V_DELETE, V_OPTIONS, V_OTHER };

#define SEG_MAX   12
#define PARAM_MAX 100

struct param {
	char *name, *value; /* decoded */
	bool used;          /* taken as an action parameter, not a filter */
};

struct req {
	struct model *m;
	enum verb verb;
	const char *verb_name;
	bool links;         /* the client wants _links */
	bool cluster_admin; /* else an account of the SVM */
	char *path;         /* as sent, without the query, e.g. /api/storage/volumes */
	char *query;        /* as sent, "" when there is none */
	char *seg[SEG_MAX]; /* decoded parts of the path after /api */
	int nseg;
	struct param param[PARAM_MAX];
	int nparam;
	const char *tmpl; /* template of the route, e.g. /storage/volumes/{uuid} */
	json_t *body;     /* an object, owned; NULL when the verb has none */

	/* From the query, see request_read_query. */
	bool sel[FIELD_MAX];
	bool any_fields; /* fields= was given and not empty */
	int64_t max_records, return_timeout;
	bool return_records, return_records_given, ignore_unknown;
};

/* Takes uri ("/api/...?a=b") apart.  0, or -1 with f set (400). */
int request_init(struct req *r, const char *uri, struct fail *f);
void request_fini(struct req *r);

/* The path segment that stands at {name} of the matched route, or NULL. */
const char *request_path(const struct req *r, const char *name);

/* A query parameter by name, or NULL. */
const char *request_param(const struct req *r, const char *name);

/* A boolean action parameter ("true", "false"); def when it is not there. */
bool request_flag(const struct req *r, const char *name, bool def);

/* Reads the parameters that every route knows and checks the rest against the
 * table: what is left unused afterwards is a filter.  params: names of the
 * route's own parameters, NULL terminated (a name ending in '.' stands for all
 * that begin with it).  0 or -1 with f set. */
int request_read_query(struct req *r, const struct field *table, const char *const *params,
                       struct fail *f);

/* Is the field at path (a row of the table) asked for: shown, filtered or ordered
 * by? */
bool request_wants(const struct req *r, const struct field *table, const char *path);

/* The row's path a filter parameter means: "svm=x" means svm.name.  NULL when the
 * table has none. */
char *request_filter_path(const struct field *table, const char *name);

#endif
