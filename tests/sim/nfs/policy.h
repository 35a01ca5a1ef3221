/*
 * Export policies: what a client's address and auth flavor may do in a volume.
 */
#ifndef SIMNFS_POLICY_H
#define SIMNFS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/nfs/cred.h"

/* What a rule decides for one client. */
struct grant {
	bool read;       /* may do anything at all */
	bool write;      /* may change something */
	bool squash_all; /* every caller counts as anonymous */
	bool keep_root;  /* uid 0 stays uid 0 */
	uid_t anonymous;
};

struct net {
	uint32_t address, mask; /* host order */
};

struct rule {
	struct net *nets;
	int nnets;
	const char *clients; /* as configured, for EXPORT */
	const char *ro, *rw, *superuser;
	uid_t anonymous;
};

struct policy {
	const char *name;
	struct rule *rules; /* in order of their index */
	int nrules;
};

/* Parses "10.0.0.0/8", "10.1.2.3" or "0.0.0.0/0".  False on anything else (host
 * names and netgroups match no client here). */
bool policy_parse_net(const char *text, struct net *ret);

/* What policy grants a client at this IPv4 address (host order).  auth_sys: the
 * call carries AUTH_SYS, else AUTH_NONE.  NULL policy grants nothing. */
struct grant policy_eval(const struct policy *policy, uint32_t client, bool auth_sys);

/* The credential that counts in the volume for a caller who says *claimed; false
 * when this caller is refused. */
bool policy_squash(const struct grant *g, bool auth_sys, const struct cred *claimed,
                   struct cred *ret);

#endif
