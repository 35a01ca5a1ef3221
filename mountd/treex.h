/* What a mounted tree tells of a path by its attributes: so commands that act on
 * a mount need no login, and see what the daemon sees. */
#ifndef MOUNTD_TREEX_H
#define MOUNTD_TREEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ontap_json;

/* An attribute as text, malloc'ed. 0 or -errno: -ENODATA, -EOPNOTSUPP also where
 * no ontapfs is. */
int treex_get(const char *path, const char *name, char **ret);
/* Why the last verb of this user there was refused; "" unknown. */
void treex_last_error(const char *path, char text[512]);

struct progress;
/* Waits until no verb is at work on `name` in `dir` (.snapshots, .clones or the
 * root of a tree). 1: one was known and is done; 0: nothing is known of one; the
 * verb's own -errno, -ETIMEDOUT after timeout_ms (-1: never), or why nothing can
 * be asked, each with a sentence in err. */
int treex_wait(const char *dir, const char *name, int64_t timeout_ms, struct progress *p, char err[512]);

struct snap {
	char *name, *comment; /* comment without our record */
	char *creator;        /* a user name, uid@realm, or NULL: not made by ontapfs */
	char *clones;         /* names with commas, or NULL */
	char uuid[40];
	int64_t time;         /* seconds since the epoch */
	uint64_t size;
	bool mine;            /* made by this user, on this host (realm) */
};
struct snaps {
	char *volume;
	struct snap *s;       /* oldest first */
	size_t n;
};
void snaps_free(struct snaps *l);
/* Takes one in; strings are copied. uid and realm count only where known. */
struct snap_facts {
	const char *name, *comment, *uuid, *realm, *clones;
	bool known, here; /* made through ontapfs; in our realm */
	uint32_t uid;
	int64_t time;
	uint64_t size;
};
int snaps_add(struct snaps *l, const struct snap_facts *f);
/* All snapshots of the volume that `path` lies in. -ENODATA: no volume there. */
int treex_snapshots(const char *path, struct snaps *ret);

#endif
