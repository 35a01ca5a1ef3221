/* One record of the audit trail: who had what done to which object. */
#ifndef FS_AUDIT_H
#define FS_AUDIT_H

#include <stdint.h>
#include <sys/types.h>
#include "fs/base/uuid.h"

struct fs;

struct audit_record {
	uint8_t verb; /* 1 + enum fs_verb; 0: none */
	uint32_t uid, gid;
	pid_t pid;
	char comm[64];
	char name[256], volume[256]; /* "" none */
	struct uuid object, request; /* zero: none */
};

/* Opens fs->p.audit_log: a file, "journal" for the system's journal, or
 * "journal:SOCKET" for another one. 0, or -errno and a sentence in err. */
int audit_open(struct fs *fs, char err[512]);
/* Writes a record of a verb that ended with err (0 or -errno). Any thread. */
void audit_write(struct fs *fs, const struct audit_record *a, int err);

#endif
