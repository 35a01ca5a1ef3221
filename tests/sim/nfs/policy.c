/*
 * The first rule whose client match fits decides; without one the client is
 * refused.  A rule's ro, rw and superuser are comma separated lists of flavors:
 * "any", "sys", "none" (any flavor, as the anonymous user), "never" and those of
 * Kerberos, which no caller here can present.
 */
#include "tests/sim/nfs/policy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/util.h"

/* ONTAP's way to say that there is no anonymous user. */
#define ANONYMOUS_OFF 65535

bool policy_parse_net(const char *text, struct net *ret)
{
	char address[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct in_addr in;
	int64_t bits = 32;

	if (len >= sizeof address)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1)
		return false;
	if (slash && !sim_parse_int(slash + 1, 0, 32, &bits))
		return false;
	ret->mask = bits ? UINT32_MAX << (32 - bits) : 0;
	ret->address = ntohl(in.s_addr) & ret->mask;
	return true;
}

static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (;;) {
		while (*list == ' ')
			list++;
		if (strncmp(list, word, len) == 0 && (!list[len] || list[len] == ',' || list[len] == ' '))
			return true;
		list = strchr(list, ',');
		if (!list)
			return false;
		list++;
	}
}

static bool allowed(const char *list, bool auth_sys)
{
	return listed(list, "any") || listed(list, "none") || (auth_sys && listed(list, "sys"));
}

struct grant policy_eval(const struct policy *policy, uint32_t client, bool auth_sys)
{
	struct grant g = {.read = false};

	for (int i = 0; policy && i < policy->nrules; i++) {
		const struct rule *r = &policy->rules[i];
		bool match = false;

		for (int j = 0; j < r->nnets && !match; j++)
			match = (client & r->nets[j].mask) == r->nets[j].address;
		if (!match)
			continue;
		g.read = allowed(r->ro, auth_sys);
		g.write = g.read && allowed(r->rw, auth_sys);
		g.squash_all = !auth_sys || (!listed(r->ro, "any") && !listed(r->ro, "sys"));
		g.keep_root = auth_sys && (listed(r->superuser, "any") || listed(r->superuser, "sys"));
		g.anonymous = r->anonymous;
		break;
	}
	return g;
}

bool policy_squash(const struct grant *g, bool auth_sys, const struct cred *claimed,
                   struct cred *ret)
{
	if (!auth_sys || g->squash_all || (claimed->uid == 0 && !g->keep_root)) {
		if (g->anonymous == ANONYMOUS_OFF)
			return false;
		cred_plain(ret, g->anonymous);
		return true;
	}
	/* no memcpy of all 16 groups: this is in the way of every call */
	ret->uid = claimed->uid;
	ret->gid = claimed->gid;
	ret->ngroups = claimed->ngroups;
	memcpy(ret->groups, claimed->groups, sizeof(gid_t) * (size_t)claimed->ngroups);
	return true;
}
