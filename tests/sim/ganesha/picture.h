/*
 * What state.db says, in the words of Ganesha's configuration.
 */
#ifndef SIM_GANESHA_PICTURE_H
#define SIM_GANESHA_PICTURE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pic_export {
	int64_t id;
	char *identity; /* what Ganesha cannot change in an export */
	char *block;    /* its EXPORT { } */
};

struct pic_snap {
	char *name, *subvol;
};

struct pic_volume {
	char *subvol;
	bool shown;             /* .snapshot can be entered */
	struct pic_snap *snaps; /* by name; none when not shown */
	size_t nsnaps;
};

struct picture {
	int nfs_port, mnt_port;
	struct pic_export *exports;
	size_t nexports;
	struct pic_volume *vols;
	size_t nvols;
	char (*lifs)[INET_ADDRSTRLEN]; /* those that are up */
	size_t nlifs;
};

/* 0, or -errno.  picture_free() ends it in either case. */
int picture_load(const char *dir, struct picture *ret);
void picture_free(struct picture *p);

/* The EXPORT blocks of p; with also, only those that are in both as one and the
 * same export.  Freed by the caller. */
char *picture_exports(const struct picture *p, const struct picture *also);

/* All but the exports for the server at an address; exports is the name of the file
 * with them, in the same folder.  Freed by the caller. */
char *picture_core(const struct picture *p, const char *address, const char *exports);

/* Does p lack an export of old, so that it has to go first? */
bool picture_drops(const struct picture *p, const struct picture *old);

#endif
