/* The checks of `ontapfs doctor`. Each looks at one thing that a mount needs, in
 * an order in which the first failure is the cause of the later ones, and
 * reports what it found with the remedy. Main thread; each waits some seconds. */
#ifndef MOUNTD_DOCTOR_H
#define MOUNTD_DOCTOR_H

#include "mountd/rest.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_FAILED, DOCTOR_SKIPPED };

/* What later checks need; a check without its needs is skipped. */
enum {
	HAVE_CONFIG = 1, HAVE_ADDRESS = 2, HAVE_ANSWER = 4, HAVE_LOGIN = 8, HAVE_SVM = 16, HAVE_VOLUMES = 32,
	HAVE_LIF = 64, HAVE_EXPORT = 128
};

struct doctor {
	const char *source;
	struct rest rest;
	unsigned have;

	/* learned on the way */
	bool discovered;
	struct ontap_error discovery_error;
	struct ontap_cluster cluster;
	struct ontap_svm svm;
	struct ontap_nfs_service nfs;
	bool nfs_known;
	struct ontap_lif *lifs;   /* as ONTAP tells them */
	size_t nlifs;
	struct ontap_volume *volumes;
	size_t nvolumes;
	struct nfsio_params np;   /* LIFs that answer */
	_Atomic uint32_t xid;
	struct nfsio_counters counters;
	char here[64];            /* our address, as the LIFs see it; "" not known */
	uint32_t rtmax;           /* as FSINFO tells; 0 not asked */

	/* the verdict of the check at work */
	enum doctor_state state;
	char text[1024], remedy[1024];
};

struct doctor_check {
	const char *name, *title;
	unsigned needs;
	void (*run)(struct doctor *d);
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_nchecks;

/* The verdict: the worst one said counts, and further texts are added to it.
 * remedy NULL: none. */
__attribute__((format(printf, 4, 5))) void doctor_say(struct doctor *d, enum doctor_state state,
						      const char *remedy, const char *fmt, ...);
/* The remedy with values in it; call it before doctor_say, with NULL there. */
__attribute__((format(printf, 2, 3))) void doctor_remedy(struct doctor *d, const char *fmt, ...);

/* doctor_rest.c */
void doctor_config(struct doctor *d);
void doctor_name(struct doctor *d);
void doctor_connect(struct doctor *d);
void doctor_tls(struct doctor *d);
void doctor_login(struct doctor *d);
void doctor_svm(struct doctor *d);
void doctor_version(struct doctor *d);
void doctor_rights(struct doctor *d);
void doctor_licence(struct doctor *d);
void doctor_leftovers(struct doctor *d);
/* doctor_nfs.c */
void doctor_nfs(struct doctor *d);
void doctor_lifs(struct doctor *d);
void doctor_reserved(struct doctor *d);
void doctor_transfer(struct doctor *d);
void doctor_identifiers(struct doctor *d);
void doctor_export(struct doctor *d);
void doctor_snapdir(struct doctor *d);
void doctor_read(struct doctor *d);

/* Can `address` be reached at a TCP port? 0 or -errno; local (may be NULL) gets
 * our own address. */
int doctor_reach(const char *address, uint16_t port, char local[64]);

/* Rights that a configuration needs: API path and access word, in order. fn may
 * stop by returning false. */
void doctor_role(const struct config *c, bool (*fn)(const char *path, const char *access, void *priv), void *priv);

#endif
