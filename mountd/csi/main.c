/* ontapfs-csi: the command line, and the order of start and end. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "mountd/csi/bind.h"
#include "mountd/csi/csi.h"
#include "mountd/csi/filer.h"
#include "mountd/csi/http.h"
#include "mountd/mounts.h"

#define DRAIN_MS 20000

enum { OPT_ENDPOINT = 256, OPT_CONFIG, OPT_TREE, OPT_NODE_ID, OPT_NAME, OPT_POLICY, OPT_REGISTRATION, OPT_HOST_ENDPOINT,
       OPT_KUBELET, OPT_HTTP, OPT_SNAPDIR };

static const struct argp_option options[] = {
	{"endpoint", OPT_ENDPOINT, "SOCKET", 0, "Unix socket to serve at, a path or unix:PATH", 0},
	{"controller", OPT_CONFIG, "CONFIG", 0, "Serve the controller, with this configuration of ontapfs", 0},
	{"node", OPT_TREE, "MOUNTPOINT", 0, "Serve the node, with the tree that is mounted there", 0},
	{"node-id", OPT_NODE_ID, "NAME", 0, "Name of this node (default: the host's)", 0},
	{"driver-name", OPT_NAME, "NAME", 0, "Name of the driver (default: " CSI_DRIVER ")", 0},
	{"policy", OPT_POLICY, "FILE", 0,
			"Which name spaces see which paths and verbs; without it no inline volumes", 0},
	{"kubelet-dir", OPT_KUBELET, "DIR", 0, "Targets lie below it (default: /var/lib/kubelet)", 0},
	{"registration", OPT_REGISTRATION, "SOCKET", 0, "Also serve kubelet's plugin registration there", 0},
	{"host-endpoint", OPT_HOST_ENDPOINT, "PATH", 0, "The endpoint as kubelet sees it (default: --endpoint)", 0},
	{"http", OPT_HTTP, "ADDRESS:PORT", 0, "Serve /metrics, /healthz and /readyz there", 0},
	{"snapdir", OPT_SNAPDIR, "NAME", 0, "As snapdir_name of the mount (default: .snapshots)", 0},
	{"verbose", 'v', NULL, 0, "Log at level debug", 0},
	{0},
};

struct args {
	const char *endpoint, *registration, *http;
	struct csi *s;
	bool verbose;
};

const char *argp_program_version = "ontapfs-csi " ONTAPFS_VERSION;

/* A name as CSI wants it: a domain of 63 characters; no quotes, since it stands in comments. */
static bool name_is_good(const char *s)
{
	size_t n = strlen(s);
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
	return n > 0 && n <= 63 && strspn(s, allowed) == n && *s != '-' && *s != '.' && s[n - 1] != '-' &&
			s[n - 1] != '.';
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	struct csi *s = a->s;
	switch (key) {
	case OPT_ENDPOINT:
		a->endpoint = strncmp(arg, "unix:", 5) == 0 ? arg + 5 : arg;
		if (strncmp(a->endpoint, "///", 3) == 0)
			a->endpoint += 2; /* unix:///PATH */
		return 0;
	case OPT_CONFIG:
		s->config = arg;
		return 0;
	case OPT_TREE:
		s->tree = arg;
		return 0;
	case OPT_NODE_ID:
		s->node_id = arg;
		return 0;
	case OPT_NAME:
		if (!name_is_good(arg))
			argp_error(state, "--driver-name: '%s' is no domain name of at most 63 characters", arg);
		s->driver = arg;
		return 0;
	case OPT_POLICY:
		s->policy_path = arg;
		return 0;
	case OPT_KUBELET:
		s->kubelet_dir = arg;
		return 0;
	case OPT_REGISTRATION:
		a->registration = arg;
		return 0;
	case OPT_HOST_ENDPOINT:
		s->endpoint = arg;
		return 0;
	case OPT_HTTP:
		a->http = arg;
		return 0;
	case OPT_SNAPDIR:
		s->snapdir = arg;
		return 0;
	case 'v':
		a->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is no option", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->endpoint || (!s->config && !s->tree))
			argp_error(state, "--endpoint, and --controller or --node or both, are missing");
		if (a->registration && !s->tree)
			argp_error(state, "--registration goes with --node");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "ontapfs-csi: %s: %s\n", what, why);
	return 1;
}

/* Signals end the server; nothing else happens in this thread. */
static void *on_signal(void *priv)
{
	struct csi *s = priv;
	sigset_t set;
	int sig;
	prctl(PR_SET_NAME, "signals");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigwait(&set, &sig);
	log_info("told to end by signal %d", sig);
	grpc_stop(s->grpc);
	return NULL;
}

static int start_signals(struct csi *s)
{
	sigset_t set;
	pthread_t t;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int r = pthread_create(&t, NULL, on_signal, s);
	if (r == 0)
		pthread_detach(t);
	return -r;
}

/* Mount points are compared as text with the kernel's, which has no symlinks in it. */
static int resolve(const char **path, char out[PATH_MAX])
{
	if (!realpath(*path, out))
		return fail(*path, strerror(errno));
	*path = out;
	return 0;
}

static int serve(struct csi *s, const struct args *a)
{
	char err[256];
	int r = grpc_listen(s->grpc, a->endpoint);
	if (r < 0)
		return fail(a->endpoint, strerror(-r));
	struct http *http = a->http ? csi_http_start(s, a->http, err) : NULL;
	if (a->http && !http)
		return fail("--http", err);
	if (s->tree)
		log_info("%d targets were published before, %d of them in snapshots", bind_adopt(s), s->kept);
	/* Last: kubelet calls as soon as it sees that socket. */
	if (a->registration && (r = grpc_listen(s->grpc, a->registration)) < 0) {
		csi_http_stop(http);
		return fail(a->registration, strerror(-r));
	}
	log_info("driver %s serves %s%s%s at %s", s->driver, s->config ? "the controller" : "",
		 s->config && s->tree ? " and " : "", s->tree ? "the node" : "", a->endpoint);
	r = grpc_serve(s->grpc, DRAIN_MS);
	csi_http_stop(http);
	return r < 0 ? fail("the server ended", strerror(-r)) : 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, NULL,
		"The CSI driver of ontapfs: publishes parts of a mounted tree to pods, and makes volumes, "
				"clones and snapshots.",
		NULL, NULL, NULL};
	static struct csi s = {.driver = CSI_DRIVER, .kubelet_dir = "/var/lib/kubelet", .snapdir = ".snapshots",
			       .lock = PTHREAD_MUTEX_INITIALIZER};
	static char tree[PATH_MAX], kubelet[PATH_MAX], host[HOST_NAME_MAX + 1];
	struct args a = {.s = &s};
	argp_err_exit_status = 1;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (!s.endpoint)
		s.endpoint = a.endpoint;
	if (!s.node_id && gethostname(host, sizeof(host) - 1) == 0)
		s.node_id = host;
	/* The tree may come later, or be dead: what is mounted there is not asked. */
	int found = s.tree ? mounts_resolve(s.tree, tree) : 0;
	if (found < 0)
		return fail(s.tree, strerror(-found));
	if (s.tree)
		s.tree = tree;
	if (s.tree && resolve(&s.kubelet_dir, kubelet) != 0)
		return 1;

	/* A core dump would hold the password. */
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	log_init("ontapfs-csi", 2);
	log_set_level(a.verbose ? LOG_LV_DEBUG : LOG_LV_INFO);
	list_init(&s.busy);
	list_init(&s.keeps);
	s.grpc = grpc_new(csi_methods, csi_nmethods, &s);
	if (!s.grpc)
		return fail("cannot start", strerror(errno));
	int r = start_signals(&s);
	int status = r < 0 ? fail("cannot start", strerror(-r)) : serve(&s, &a);
	grpc_free(s.grpc);
	for (int i = 0; i < GRPC_WORKERS; i++)
		filer_free(s.filer[i]);
	bind_forget(&s);
	return status;
}
