/*
 * The MOUNT protocol: the root handle of any path of the tree, the list of exports,
 * and who mounted what, which is only for show as it is in every server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mount3.h"
#include "tests/sim/nfs/tree.h"
#include "tests/sim/util.h"

#define MOUNTS_MAX 1024 /* the oldest are forgotten */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mount {
	uint32_t client;
	char *path;
} mounts[MOUNTS_MAX]; /* under lock */
static size_t nmounts; /* under lock */

static mountstat3 mount_status(int r)
{
	switch (-r) {
	case 0: return MNT3_OK;
	case EPERM: return MNT3ERR_PERM;
	case ENOENT: return MNT3ERR_NOENT;
	case EACCES: return MNT3ERR_ACCES;
	case ENOTDIR: return MNT3ERR_NOTDIR;
	case EINVAL: return MNT3ERR_INVAL;
	case ENAMETOOLONG: return MNT3ERR_NAMETOOLONG;
	case EIO: return MNT3ERR_IO;
	default: return MNT3ERR_SERVERFAULT;
	}
}

static void forget_at(size_t i)
{
	free(mounts[i].path);
	memmove(&mounts[i], &mounts[i + 1], sizeof mounts[0] * (nmounts - i - 1));
	nmounts--;
}

/* Forgets a client's mount of path, or all of them with path NULL. */
static void forget(uint32_t client, const char *path)
{
	pthread_mutex_lock(&lock);
	for (size_t i = nmounts; i-- > 0;)
		if (mounts[i].client == client && (!path || strcmp(mounts[i].path, path) == 0))
			forget_at(i);
	pthread_mutex_unlock(&lock);
}

static void remember(uint32_t client, const char *path)
{
	forget(client, path);
	pthread_mutex_lock(&lock);
	if (nmounts == MOUNTS_MAX)
		forget_at(0);
	mounts[nmounts++] = (struct mount){.client = client, .path = sim_dup(path)};
	pthread_mutex_unlock(&lock);
}

/* The path argument as a C string in scratch.  False: garbage. */
static bool arg_path(struct call *c, const char **ret)
{
	dirpath3 path = {.dirpath3_val = c->mem->path};

	_Static_assert(sizeof c->mem->path > MNT3_PATHLEN, "room for the NUL");
	if (!xdr_dirpath3(&c->in, &path) || memchr(path.dirpath3_val, '\0', path.dirpath3_len))
		return false;
	c->mem->path[path.dirpath3_len] = '\0';
	*ret = c->mem->path;
	return true;
}

bool mnt_mnt(struct call *c)
{
	int flavor = AUTH_SYS;
	char fh[FH_WIRE_LEN];
	mountres3_ok res;
	mountstat3 s;
	struct node n;
	nfs_fh3 wire;
	const char *path;

	if (!arg_path(c, &path))
		return false;
	if (c->st->set.mount_root_only && c->client_port >= 1024)
		s = MNT3ERR_ACCES;
	else
		s = mount_status(tree_walk(c->st, path, c->client, c->auth_sys, &n));
	xdr_mountstat3(&c->out, &s);
	if (s != MNT3_OK)
		return true;
	node_handle(&n, fh, &wire);
	res.fhandle.fhandle_len = wire.data.data_len;
	res.fhandle.fhandle_val = wire.data.data_val;
	res.auth_flavors.auth_flavors_len = 1;
	res.auth_flavors.auth_flavors_val = &flavor;
	xdr_mountres3_ok(&c->out, &res);
	remember(c->client, path);
	return true;
}

bool mnt_umnt(struct call *c)
{
	const char *path;

	if (!arg_path(c, &path))
		return false;
	forget(c->client, path);
	return true;
}

bool mnt_umntall(struct call *c)
{
	forget(c->client, NULL);
	return true;
}

/* Room for one more entry and the end of the lists?  What does not fit in a reply is
 * left out. */
static bool fits(struct call *c, size_t bytes)
{
	return xdr_getpos(&c->out) + bytes + 64 <= c->out_size;
}

static bool put_text(struct call *c, const char *text)
{
	size_t len = strlen(text);
	dirpath3 p = {
	        .dirpath3_len = len < MNT3_PATHLEN ? (u_int)len : MNT3_PATHLEN,
	        .dirpath3_val = (char *)(uintptr_t)text,
	};

	return xdr_dirpath3(&c->out, &p);
}

bool mnt_dump(struct call *c)
{
	bool_t more = TRUE;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < nmounts && fits(c, strlen(mounts[i].path) + INET_ADDRSTRLEN); i++) {
		struct in_addr a = {.s_addr = htonl(mounts[i].client)};
		char host[INET_ADDRSTRLEN];

		inet_ntop(AF_INET, &a, host, sizeof host);
		xdr_bool(&c->out, &more);
		put_text(c, host);
		put_text(c, mounts[i].path);
	}
	pthread_mutex_unlock(&lock);
	more = FALSE;
	return xdr_bool(&c->out, &more);
}

/* The clients of a policy, each with TRUE before it, and FALSE at the end. */
static void put_groups(struct call *c, const struct policy *p)
{
	bool_t more = TRUE;

	for (int i = 0; p && i < p->nrules; i++) {
		if (!fits(c, strlen(p->rules[i].clients)))
			break;
		xdr_bool(&c->out, &more);
		put_text(c, p->rules[i].clients);
	}
	more = FALSE;
	xdr_bool(&c->out, &more);
}

bool mnt_export(struct call *c)
{
	bool_t more = TRUE;

	for (size_t i = 0; i < c->st->njunctions; i++) {
		const struct volume *v = c->st->by_junction[i];

		if (!v->online)
			continue;
		if (!fits(c, strlen(v->junction)))
			break;
		xdr_bool(&c->out, &more);
		put_text(c, v->junction);
		put_groups(c, v->policy);
	}
	more = FALSE;
	return xdr_bool(&c->out, &more);
}
