/* Records of ONTAP as plain structs: parsers that need no HTTP. Private to
 * ontap/ and its tests; pure, any thread. */
#ifndef ONTAP_PARSE_H
#define ONTAP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/base/buf.h"
#include "ontap/json.h"
#include "ontap/ontap.h"

/* Reads fields one after the other and keeps the first error, so that a parser
 * is a list of fields with one check at its end. `why` names the field. */
struct reader {
	struct json_object *rec;
	int err; /* 0 or -EBADMSG */
	char why[160];
};

enum reader_need { OPTIONAL, REQUIRED };

void rd_init(struct reader *r, struct json_object *rec);
/* A text up to size - 1 bytes; "" when absent. */
void rd_str(struct reader *r, const char *path, char *dst, size_t size, enum reader_need need);
/* A sentence for people: cut where it does not fit. */
void rd_text(struct reader *r, const char *path, char *dst, size_t size);
/* A text that becomes a path component: not empty, no '/', no control
 * character, not "." or "..". */
void rd_name(struct reader *r, const char *path, char *dst, size_t size, enum reader_need need);
void rd_int(struct reader *r, const char *path, int64_t min, int64_t max, int64_t *ret,
	    enum reader_need need);
void rd_u64(struct reader *r, const char *path, uint64_t *ret, enum reader_need need);
void rd_bool(struct reader *r, const char *path, bool *ret, enum reader_need need);
void rd_uuid(struct reader *r, const char *path, struct uuid *ret, enum reader_need need);
void rd_time(struct reader *r, const char *path, int64_t *ret, enum reader_need need);
/* An ISO 8601 duration in seconds; untouched when absent. */
void rd_duration(struct reader *r, const char *path, int64_t *ret);
/* Fails the record by hand. */
void rd_bad(struct reader *r, const char *path, const char *why);

/* An array of texts, comma separated; whole ones only, as many as fit. "" when absent. */
void rd_words(struct reader *r, const char *path, char *dst, size_t size);
/* The end of a parser: copies the record out, or the reason. r->err. */
int rd_done(const struct reader *r, char why[160], void *ret, const void *row, size_t size);

/* Each: 0, or -EBADMSG with why naming the field; *ret is complete or untouched. */
int volume_parse(struct json_object *rec, struct ontap_volume *ret, char why[160]);
int snapshot_parse(struct json_object *rec, struct ontap_snapshot *ret, char why[160]);
int cluster_parse(struct json_object *rec, struct ontap_cluster *ret, char why[160]);
int svm_parse(struct json_object *rec, struct ontap_svm *ret, char why[160]);
int nfs_service_parse(struct json_object *rec, struct ontap_nfs_service *ret, char why[160]);
int lif_parse(struct json_object *rec, struct ontap_lif *ret, char why[160]);
int volume_details_parse(struct json_object *rec, struct ontap_volume_details *ret, char why[160]);
int split_parse(struct json_object *rec, struct ontap_split *ret, char why[160]);
int file_splits_parse(struct json_object *rec, struct ontap_split *ret, char why[160]);
enum ontap_job_state job_state(const char *name);
int job_parse(struct json_object *rec, struct ontap_job *ret, char why[160]);
int flexcache_parse(struct json_object *rec, struct ontap_flexcache *ret, char why[160]);
int mirror_parse(struct json_object *rec, struct ontap_mirror *ret, char why[160]);
int qtree_parse(struct json_object *rec, struct ontap_qtree *ret, char why[160]);
int usage_parse(struct json_object *rec, struct ontap_usage *ret, char why[160]);
int export_rule_parse(struct json_object *rec, struct ontap_export_rule *ret, char why[160]);
int account_parse(struct json_object *rec, struct ontap_account *ret, char why[160]);
int privilege_parse(struct json_object *rec, struct ontap_privilege *ret, char why[160]);
int licence_parse(struct json_object *rec, enum ontap_licence *ret, char why[160]);

/* A constituent of a FlexGroup, which no list should show: skip it. */
bool volume_is_constituent(struct json_object *rec);
/* Oldest first; records of one second keep their order. 0 or -ENOMEM. */
int snapshot_sort(struct ontap_snapshot *s, size_t n);

/* Bodies of requests. */
/* 0, or -EINVAL for paths or a range that cannot be right. */
int file_clone_body(struct buf *b, const struct ontap_file_clone *f);
void snapshot_body_create(struct buf *b, const char *name, const char *comment);
void snapshot_body_field(struct buf *b, const char *field, const char *value);
/* New volumes of the SVM with that uuid, or of that name where it is zero. */
void volume_body_clone(struct buf *b, const struct ontap_clone *cl, const struct uuid *svm,
		       const char *svm_name);
/* Without "aggregates", which are found later. */
void volume_body_create(struct buf *b, const struct ontap_create *cr, const struct uuid *svm,
			const char *svm_name);
/* What of "nas" changes: NULL leaves it. path "" unmounts. */
void volume_body_nas(struct buf *b, const char *path, const char *export_policy);
/* 0, -EINVAL or -ENAMETOOLONG: ONTAP's rule for names of volumes. */
int volume_check_name(const char *name);

#endif
