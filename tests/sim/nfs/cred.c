/*
 * Credentials by thread.  setfsuid() and setfsgid() act on the calling thread;
 * glibc's setgroups() acts on all of them, so the raw system call is used.
 *
 * Leaving fsuid 0 makes the kernel drop the file capabilities (DAC_OVERRIDE,
 * DAC_READ_SEARCH, CHOWN, FOWNER, FSETID, MKNOD) from the effective set, coming
 * back restores them from the permitted set; CAP_SETUID and CAP_SETGID stay, so
 * a thread can always switch again.
 */
#include "tests/sim/nfs/cred.h"

#include <errno.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the thread is now.  The groups of a fresh thread are unknown. */
static __thread struct cred now;
static __thread bool groups_known;

void cred_plain(struct cred *c, uid_t id)
{
	memset(c, 0, sizeof *c);
	c->uid = id == (uid_t)-1 ? 65534 : id;
	c->gid = c->uid;
}

void cred_root(void)
{
	if (now.uid == 0)
		return;
	setfsuid(0);
	now.uid = 0;
}

int cred_become(const struct cred *who)
{
	size_t bytes = sizeof(gid_t) * (size_t)who->ngroups;

	if (!groups_known || who->ngroups != now.ngroups ||
	    memcmp(who->groups, now.groups, bytes) != 0) {
		if (syscall(SYS_setgroups, who->ngroups, who->groups) < 0)
			return -EPERM;
		memcpy(now.groups, who->groups, bytes);
		now.ngroups = who->ngroups;
		groups_known = true;
	}
	if (who->gid != now.gid) {
		setfsgid(who->gid);
		now.gid = who->gid;
	}
	if (who->uid != now.uid) {
		setfsuid(who->uid);
		now.uid = who->uid;
	}
	return 0;
}
