/* The ceiling of the server and of libnfs: its raw calls, many in flight, and
 * no file system above them.
 *
 *     rawnfs [-d DEPTH] [-c CONNECTIONS] [-b BYTES] [-m MOUNTPORT] HOST PORT EXPORT seq FILE...
 *     rawnfs ...  HOST PORT EXPORT small LIST
 *     rawnfs ...  HOST PORT EXPORT walk
 *
 * FILE and the lines of LIST are NAME or DIR/NAME below EXPORT. `seq` reads
 * whole files with DEPTH reads in flight on each connection, `small` does
 * LOOKUP and then one READ for each file, DEPTH files at a time, `walk` reads
 * all directories by READDIRPLUS. Without -m MOUNT is on the port of NFS.
 * Prints one JSON object. One thread. */
#include <errno.h>
#include <poll.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

#define CONNS_MAX 16

struct fh {
	char data[NFS3_FHSIZE];
	uint32_t len;
};

struct known_dir {
	char name[512];
	struct fh fh;
};

static struct rpc_context *conns[CONNS_MAX];
static int nconns = 1, depth = 8;
static uint32_t block = 1 << 20;
static struct fh root;
static uint64_t bytes, files, errors, calls;
static int busy; /* calls in flight */

static struct known_dir *known;
static int nknown;

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static nfs_fh3 as_fh3(struct fh *fh)
{
	nfs_fh3 h;
	h.data.data_len = fh->len;
	h.data.data_val = fh->data;
	return h;
}

static bool keep_fh(struct fh *to, const char *data, uint32_t len)
{
	if (len > sizeof(to->data))
		return false;
	memcpy(to->data, data, len);
	to->len = len;
	return true;
}

/* Runs all connections until nothing is in flight. */
static bool drive(void)
{
	while (busy > 0) {
		struct pollfd p[CONNS_MAX];
		for (int i = 0; i < nconns; i++)
			p[i] = (struct pollfd){.fd = rpc_get_fd(conns[i]),
					       .events = (short)rpc_which_events(conns[i])};
		if (poll(p, (nfds_t)nconns, 30000) <= 0) {
			fprintf(stderr, "rawnfs: no answer for 30 s\n");
			return false;
		}
		for (int i = 0; i < nconns; i++)
			if (p[i].revents && rpc_service(conns[i], p[i].revents) < 0) {
				fprintf(stderr, "rawnfs: %s\n", rpc_get_error(conns[i]));
				return false;
			}
	}
	return true;
}

static void queued(int r)
{
	if (r != 0) {
		errors++;
		return;
	}
	busy++;
	calls++;
}

/* ---- connect and mount ---------------------------------------------------- */

static void connected(struct rpc_context *rpc, int status, void *res, void *priv)
{
	(void)rpc;
	(void)res;
	(void)priv;
	busy--;
	errors += status != RPC_STATUS_SUCCESS;
}

static void mounted(struct rpc_context *rpc, int status, void *res, void *priv)
{
	mountres3 *m = res;
	(void)rpc;
	(void)priv;
	busy--;
	if (status != RPC_STATUS_SUCCESS || m->fhs_status != MNT3_OK ||
	    !keep_fh(&root, m->mountres3_u.mountinfo.fhandle.fhandle3_val,
		     m->mountres3_u.mountinfo.fhandle.fhandle3_len))
		errors++;
}

static bool connect_all(const char *host, int port, int mount_port, char *export)
{
	int wanted = nconns;
	nconns = 1;
	conns[0] = rpc_init_context();
	queued(rpc_connect_port_async(conns[0], host, mount_port, MOUNT_PROGRAM, MOUNT_V3, connected, NULL));
	if (errors || !drive() || errors)
		return false;
	queued(rpc_mount3_mnt_async(conns[0], mounted, export, NULL));
	if (!drive() || errors)
		return false;
	rpc_destroy_context(conns[0]);
	for (nconns = 0; nconns < wanted; nconns++) {
		conns[nconns] = rpc_init_context();
		queued(rpc_connect_port_async(conns[nconns], host, port, NFS_PROGRAM, NFS_V3,
					      connected, NULL));
	}
	return drive() && !errors;
}

/* ---- names ------------------------------------------------------------------ */

struct lookup {
	struct fh *ret;
	bool ok;
};

static void looked_up(struct rpc_context *rpc, int status, void *res, void *priv)
{
	LOOKUP3res *l = res;
	struct lookup *want = priv;
	(void)rpc;
	busy--;
	want->ok = status == RPC_STATUS_SUCCESS && l->status == NFS3_OK &&
		   keep_fh(want->ret, l->LOOKUP3res_u.resok.object.data.data_val,
			   l->LOOKUP3res_u.resok.object.data.data_len);
}

static bool lookup_now(struct fh *dir, char *name, struct fh *ret)
{
	struct lookup want = {.ret = ret};
	LOOKUP3args a = {.what = {.dir = as_fh3(dir), .name = name}};
	queued(rpc_nfs3_lookup_async(conns[0], looked_up, &a, &want));
	return drive() && want.ok;
}

/* Directory of a DIR/NAME; asked of the server once. *name points at NAME. */
static struct fh *dir_of(char *path, char **name)
{
	char *slash = strchr(path, '/');
	*name = slash ? slash + 1 : path;
	if (!slash)
		return &root;
	size_t n = (size_t)(slash - path);
	for (int i = nknown - 1; i >= 0; i--)
		if (strlen(known[i].name) == n && memcmp(known[i].name, path, n) == 0)
			return &known[i].fh;
	return NULL;
}

/* ---- sequential -------------------------------------------------------------- */

static struct fh seq_fh;
static uint64_t seq_next;
static bool seq_end;

static void seq_more(struct rpc_context *rpc);

static void seq_read(struct rpc_context *rpc, int status, void *res, void *priv)
{
	READ3res *r = res;
	(void)priv;
	busy--;
	if (status != RPC_STATUS_SUCCESS || r->status != NFS3_OK) {
		errors++;
		seq_end = true;
		return;
	}
	bytes += r->READ3res_u.resok.count;
	if (r->READ3res_u.resok.eof)
		seq_end = true;
	seq_more(rpc);
}

static void seq_more(struct rpc_context *rpc)
{
	if (seq_end)
		return;
	READ3args a = {.file = as_fh3(&seq_fh), .offset = seq_next, .count = block};
	seq_next += block;
	queued(rpc_nfs3_read_async(rpc, seq_read, &a, NULL));
}

static bool run_seq(char **paths, int n)
{
	for (int i = 0; i < n; i++) {
		if (!lookup_now(&root, paths[i], &seq_fh))
			return false;
		seq_next = 0;
		seq_end = false;
		for (int k = 0; k < depth; k++)
			for (int c = 0; c < nconns; c++)
				seq_more(conns[c]);
		if (!drive() || errors)
			return false;
		files++;
	}
	return true;
}

/* ---- small files -------------------------------------------------------------- */

static FILE *small_list;

/* One of DEPTH places on a connection: one file after the other. */
struct place {
	char path[512];
	struct fh fh;
};

static void small_next(struct rpc_context *rpc, struct place *p);

static void small_read(struct rpc_context *rpc, int status, void *res, void *priv)
{
	READ3res *r = res;
	busy--;
	if (status != RPC_STATUS_SUCCESS || r->status != NFS3_OK || !r->READ3res_u.resok.eof) {
		errors++;
		return;
	}
	bytes += r->READ3res_u.resok.count;
	files++;
	small_next(rpc, priv);
}

static void small_found(struct rpc_context *rpc, int status, void *res, void *priv)
{
	LOOKUP3res *l = res;
	struct place *p = priv;
	busy--;
	if (status != RPC_STATUS_SUCCESS || l->status != NFS3_OK ||
	    !keep_fh(&p->fh, l->LOOKUP3res_u.resok.object.data.data_val,
		     l->LOOKUP3res_u.resok.object.data.data_len)) {
		errors++;
		return;
	}
	READ3args a = {.file = as_fh3(&p->fh), .offset = 0, .count = block};
	queued(rpc_nfs3_read_async(rpc, small_read, &a, p));
}

static void small_next(struct rpc_context *rpc, struct place *p)
{
	char *name;
	if (!fgets(p->path, sizeof(p->path), small_list))
		return;
	p->path[strcspn(p->path, "\n")] = '\0';
	struct fh *dir = dir_of(p->path, &name);
	if (!dir) {
		errors++;
		return;
	}
	LOOKUP3args a = {.what = {.dir = as_fh3(dir), .name = name}};
	queued(rpc_nfs3_lookup_async(rpc, small_found, &a, p));
}

static bool run_small(const char *list)
{
	char line[512];
	small_list = fopen(list, "re");
	if (!small_list)
		return false;
	/* The directories first: a client knows them after the first file of each. */
	while (fgets(line, sizeof(line), small_list)) {
		char *name, *slash = strchr(line, '/');
		if (!slash || dir_of(line, &name))
			continue;
		*slash = '\0';
		if (nknown % 64 == 0) {
			struct known_dir *more = realloc(known, sizeof(*known) * (size_t)(nknown + 64));
			if (!more)
				return false;
			known = more;
		}
		struct known_dir *k = &known[nknown];
		snprintf(k->name, sizeof(k->name), "%s", line);
		if (!lookup_now(&root, k->name, &k->fh))
			return false;
		nknown++;
	}
	rewind(small_list);
	struct place *places = calloc((size_t)(nconns * depth), sizeof(*places));
	for (int i = 0; places && i < nconns * depth; i++)
		small_next(conns[i % nconns], &places[i]);
	bool ok = places && drive();
	free(places);
	fclose(small_list);
	return ok && !errors;
}

/* ---- walk ------------------------------------------------------------------------ */

struct dirlist {
	struct fh fh;
	struct dirlist *next;
};

static struct dirlist *todo;
static uint64_t walk_cookie;
static char walk_verf[NFS3_COOKIEVERFSIZE];
static bool walk_eof;

static void walked(struct rpc_context *rpc, int status, void *res, void *priv)
{
	READDIRPLUS3res *r = res;
	(void)rpc;
	(void)priv;
	busy--;
	walk_eof = true;
	if (status != RPC_STATUS_SUCCESS || r->status != NFS3_OK) {
		errors++;
		return;
	}
	READDIRPLUS3resok *ok = &r->READDIRPLUS3res_u.resok;
	memcpy(walk_verf, ok->cookieverf, sizeof(walk_verf));
	walk_eof = ok->reply.eof;
	for (entryplus3 *e = ok->reply.entries; e; e = e->nextentry) {
		walk_cookie = e->cookie;
		if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0 ||
		    strcmp(e->name, ".snapshot") == 0)
			continue;
		files++;
		if (!e->name_attributes.attributes_follow || !e->name_handle.handle_follows)
			continue;
		fattr3 *a = &e->name_attributes.post_op_attr_u.attributes;
		nfs_fh3 *h = &e->name_handle.post_op_fh3_u.handle;
		bytes += a->size;
		struct dirlist *d = a->type == NF3DIR ? calloc(1, sizeof(*d)) : NULL;
		if (d && keep_fh(&d->fh, h->data.data_val, h->data.data_len)) {
			d->next = todo;
			todo = d;
		}
	}
}

static bool run_walk(void)
{
	todo = calloc(1, sizeof(*todo));
	if (!todo)
		return false;
	todo->fh = root;
	while (todo) {
		struct dirlist *d = todo;
		todo = d->next;
		walk_cookie = 0;
		memset(walk_verf, 0, sizeof(walk_verf));
		do {
			READDIRPLUS3args a = {.dir = as_fh3(&d->fh), .cookie = walk_cookie,
					      .dircount = 65536, .maxcount = 65536};
			memcpy(a.cookieverf, walk_verf, sizeof(walk_verf));
			queued(rpc_nfs3_readdirplus_async(conns[0], walked, &a, NULL));
			if (!drive() || errors)
				return false;
		} while (!walk_eof);
		free(d);
	}
	return true;
}

static int usage(void)
{
	fputs("usage: rawnfs [-d DEPTH] [-c CONNECTIONS] [-b BYTES] [-m MOUNTPORT] HOST PORT EXPORT"
	      " seq FILE...|small LIST|walk\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	int c, mount_port = 0;
	while ((c = getopt(argc, argv, "+d:c:b:m:")) >= 0) {
		switch (c) {
		case 'd':
			depth = (int)strtol(optarg, NULL, 10);
			break;
		case 'c':
			nconns = (int)strtol(optarg, NULL, 10);
			break;
		case 'b':
			block = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			mount_port = (int)strtol(optarg, NULL, 10);
			break;
		default:
			return usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 4 || depth < 1 || depth > 1024 || nconns < 1 || nconns > CONNS_MAX || block < 512)
		return usage();
	int port = (int)strtol(argv[1], NULL, 10);
	if (!connect_all(argv[0], port, mount_port ? mount_port : port, argv[2])) {
		fprintf(stderr, "rawnfs: cannot mount %s at %s port %s\n", argv[2], argv[0], argv[1]);
		return 1;
	}
	bool ok = false;
	calls = 0;
	double begin = now();
	if (strcmp(argv[3], "seq") == 0 && argc > 4)
		ok = run_seq(argv + 4, argc - 4);
	else if (strcmp(argv[3], "small") == 0 && argc == 5)
		ok = run_small(argv[4]);
	else if (strcmp(argv[3], "walk") == 0)
		ok = run_walk();
	else
		return usage();
	printf("{\"seconds\": %.6f, \"bytes\": %llu, \"files\": %llu, \"errors\": %llu, \"calls\": %llu}\n",
	       now() - begin, (unsigned long long)bytes, (unsigned long long)files,
	       (unsigned long long)errors, (unsigned long long)calls);
	for (int i = 0; i < nconns; i++)
		rpc_destroy_context(conns[i]);
	return !ok;
}
