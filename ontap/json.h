/* Strict reading of JSON trees. Private to ontap/; the public face is the
 * ontap_json_* family of the door.
 *
 * Missing (also null), wrong type and out of range are three errors: -ENOENT,
 * -EINVAL, -ERANGE. Paths are dotted keys with optional indices: "a.b[2].c".
 * Out parameters are untouched on failure. Everything here may run on any
 * thread; a tree belongs to one thread at a time. */
#ifndef ONTAP_JSON_H
#define ONTAP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/base/uuid.h"

struct json_object; /* json-c's own type */

#define JS_DEPTH_MAX 32
#define JS_WHY_LEN   256

/* Parses exactly len bytes. utf8: refuse strings that are not UTF-8 (for files
 * written by people; a name stored on a filer may be in another encoding and
 * must not spoil the list it is in). NULL: why says what is wrong and where. */
struct json_object *js_parse(const char *text, size_t len, bool utf8, char why[JS_WHY_LEN]);
void js_free(struct json_object *root);

/* *ret is borrowed from the tree. 0, -ENOENT, or -EINVAL when something on the
 * way is no object or no array. */
int js_find(struct json_object *root, const char *path, struct json_object **ret);
/* *ret is borrowed. -EINVAL also for a string with a NUL byte inside. */
int js_str(struct json_object *root, const char *path, const char **ret);
/* Copies with the NUL into dst[size]; -ENAMETOOLONG when it does not fit. */
int js_copy(struct json_object *root, const char *path, char *dst, size_t size);
int js_int(struct json_object *root, const char *path, int64_t min, int64_t max, int64_t *ret);
int js_bool(struct json_object *root, const char *path, bool *ret);
int js_uuid(struct json_object *root, const char *path, struct uuid *ret);
/* ISO 8601 date and time with zone; seconds since the epoch. -EINVAL. */
int js_time(struct json_object *root, const char *path, int64_t *ret);
/* An ONTAP error code: a number in jobs, a string of digits in error bodies. */
int js_code(struct json_object *root, const char *path, int64_t *ret);
/* Elements of the array at path, or -errno. */
int js_len(struct json_object *root, const char *path);
/* Element i of an array (borrowed), or NULL. */
struct json_object *js_at(struct json_object *array, size_t i);
/* Parses "2022-11-24T22:23:13.5+12:00" or with Z. 0 or -EINVAL. */
int js_parse_time(const char *text, int64_t *ret);

#endif
