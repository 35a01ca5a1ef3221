/* Names and identifiers: how CSI's texts become ONTAP's names and back. Pure
 * functions; any thread. */
#ifndef MOUNTD_CSI_IDS_H
#define MOUNTD_CSI_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include "fs/base/uuid.h"

#define CSI_ID_MAX   128 /* bytes, as the specification says, of names too */
#define CSI_HASH_LEN 16
#define CSI_ID_BUF   (3 + 2 * (UUID_TEXT_LEN + 1) + CSI_HASH_LEN + 1)

/* v1:VOLUME                  a volume
 * v1:VOLUME:SNAPSHOT         a snapshot
 * v1:VOLUME:SNAPSHOT:HASH    a read-only volume that is a snapshot; HASH tells apart
 *                            several of the same one
 * path:PATH                  a part of the tree that an administrator names */
struct csi_id {
	struct uuid volume, snapshot; /* zero: none */
	char hash[CSI_HASH_LEN + 1];  /* "" none */
	const char *path;             /* in the text that was parsed, or NULL */
};
/* 0 or -EINVAL. */
int csi_id_parse(const char *text, struct csi_id *ret);
/* Writes a volume's or snapshot's id; hash "" none. Returns out. */
char *csi_id_format(char out[CSI_ID_BUF], const struct uuid *volume, const struct uuid *snapshot, const char *hash);

/* The same texts give the same id, always: 128 bits of FNV-1a, as a uuid. */
void csi_hash(const char *driver, const char *kind, const char *name, struct uuid *ret);
void csi_hash_text(const char *name, char out[CSI_HASH_LEN + 1]);

/* The name of a volume for a PersistentVolume's name: letters, digits, '_'. What does
 * not fit is replaced, and a hash of the whole name keeps it apart from others. */
void csi_volume_name(const char *prefix, const char *name, char *out, size_t len);
/* The same for a snapshot, which may keep more characters. */
void csi_snapshot_name(const char *name, char *out, size_t len);

/* ---- our record in front of a comment: {"csi":{...}} ------------------------------- */

struct csi_record {
	bool found;
	char name[CSI_ID_MAX + 1];           /* as CSI calls it; "" of a snapshot that others made */
	char object[UUID_TEXT_LEN + 256];    /* the volume's name, or the uuid of a snapshot's volume:
	                                        clones inherit comments */
	char source[CSI_ID_BUF];             /* id of what a volume was made of, "" nothing */
	char users[640];                     /* hashes of read-only volumes that are this snapshot, joined by ',' */
	const char *rest;                    /* what follows it in the comment */
};
/* Anything else than a whole record is taken for "not found"; rest is then all of it. */
void csi_record_parse(const char *comment, struct csi_record *ret);
/* Writes record and rest. 0, or -EMSGSIZE when they do not fit. */
int csi_record_format(const struct csi_record *r, char *out, size_t len);
/* 0; -ENOSPC when there is no room for another. Adding twice is adding once. */
int csi_users_add(struct csi_record *r, const char *hash);
/* False when it was not there. */
bool csi_users_remove(struct csi_record *r, const char *hash);

#endif
