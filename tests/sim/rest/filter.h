/*
 * Filters of a query: field=value with the operators of ONTAP.
 *
 *   v        equal; '*' in it matches anything      a|b     either
 *   !v       set and not equal                      a..b    between, ends included
 *   <v >v <=v >=v                                   null  !null   not set, set
 *   "v"      equal, every character as it is
 */
#ifndef SIM_REST_FILTER_H
#define SIM_REST_FILTER_H

#include "tests/sim/rest/field.h"

/* Does the value at path in rec meet the expression?  A record where the field
 * is not set meets only "null".  type decides how text is compared. */
bool filter_match(json_t *rec, const char *path, enum field_type type, const char *expr);

/* Order of two values: <0, 0, >0.  NULL and null come after everything. */
int value_compare(json_t *a, json_t *b);

/* The first value at path (through lists too), borrowed, or NULL. */
json_t *value_first(json_t *rec, const char *path);

#endif
