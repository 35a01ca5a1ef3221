/*
 * Field tables: the one place where a resource says which fields it has, which
 * of them a plain GET shows, and which a client may set.
 */
#ifndef SIM_REST_FIELD_H
#define SIM_REST_FIELD_H

#include "tests/sim/rest/model.h"

enum {
	F_KEY = 1,    /* in every reply */
	F_STD = 2,    /* in fields=* */
	F_EXP = 4,    /* only when named, or with fields=** */
	F_POST = 8,   /* may be set on create */
	F_PATCH = 16, /* may be changed */
	F_LAZY = 32,  /* costs work: put in by the resource's fill() only when wanted */
	F_TREE = 64,  /* stands for everything below it as well */
};

/* In flags: the field came with ONTAP 9.MAJOR.MINOR; to an older one it is unknown. */
#define F_SINCE(major, minor) ((unsigned)((major) << 4 | (minor)) << 16)

/* The release that is played, "9.15.1"; call once, before any request. */
void field_set_release(const char *version);

/* How values from a client are read and compared. */
enum field_type { T_STR, T_INT, T_SIZE, T_BOOL, T_TIME, T_ANY };

/* One field: dotted path.  A path through a list means "of each element".  A
 * field that no record sets is still known: naming it is no error. */
struct field {
	const char *path;
	unsigned flags;
	enum field_type type;
};

#define FIELD_MAX 160 /* rows in one table, the closing one not counted */

/* The row for exactly this path, for the F_TREE row above it, or NULL. */
const struct field *field_find(const struct field *table, const char *path);

/* True when path is a row or the parent of one. */
bool field_known(const struct field *table, const char *path);

/* Marks in sel[] (one bool per row) what "a,b.c,*" names.  0, or -1 with f set
 * when it names what is not there and ignore_unknown is false. */
int field_select(const struct field *table, const char *list, bool ignore_unknown, bool *sel,
                 struct fail *f);

/* Copies the selected rows of rec; with links also every _links next to what was
 * copied.  New reference. */
json_t *field_project(const struct field *table, const bool *sel, json_t *rec, bool links);

/* Checks a request body against the table and brings its values to their types
 * ("true" to true, "10GB" to bytes).  verb is F_POST or F_PATCH.  0 or -1 with f
 * set.  Unknown fields are dropped when ignore_unknown. */
int field_check_body(const struct field *table, json_t *body, unsigned verb, bool ignore_unknown,
                     struct fail *f);

#endif
