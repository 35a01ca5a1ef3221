/*
 * Who a thread acts as.  Permission checks are the kernel's: a worker takes on
 * the caller's file system uid, gid and groups before it touches a file.
 */
#ifndef SIMNFS_CRED_H
#define SIMNFS_CRED_H

#include <stdbool.h>
#include <sys/types.h>

#define CRED_GROUPS_MAX 16 /* what AUTH_SYS can carry */

struct cred {
	uid_t uid;
	gid_t gid;
	int ngroups;
	gid_t groups[CRED_GROUPS_MAX];
};

/* Makes the calling thread act as *who; costs nothing when it does already.
 * 0, or -EPERM when the kernel refuses: the caller must then not touch files. */
int cred_become(const struct cred *who);

/* Makes the calling thread act as uid 0 with all file capabilities; the gid and
 * groups it has do not matter then and stay. */
void cred_root(void);

/* Uid and gid id, no groups.  (uid_t)-1 cannot be taken on: setfsuid() would
 * silently keep the former identity; such an id becomes 65534. */
void cred_plain(struct cred *c, uid_t id);

#endif
