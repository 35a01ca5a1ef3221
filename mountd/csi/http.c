/* Metrics and health over HTTP, by libmicrohttpd. */
#include "mountd/csi/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/csi/tree.h"

#define METRICS_MAX (1u << 20)
#define SILENT_NS   (10 * NS_PER_SEC)

struct http {
	const struct csi *s;
	struct MHD_Daemon *daemon;
};

bool csi_http_alive(const struct csi *s)
{
	return clock_now_ns() - grpc_alive_ns(s->grpc) < SILENT_NS;
}

static void gauge(struct buf *b, const char *name, const char *help, long long value)
{
	buf_printf(b, "# HELP ontapfs_csi_%s %s\n# TYPE ontapfs_csi_%s gauge\nontapfs_csi_%s %lld\n", name, help, name,
		   name, value);
}

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP ontapfs_csi_%s %s\n# TYPE ontapfs_csi_%s %s\n", name, help, name, type);
}

void csi_http_metrics(const struct csi *s, struct buf *out)
{
	char why[256];
	head(out, "calls_total", "counter", "Calls that ended, by method and gRPC code.");
	for (size_t i = 0; i < csi_nmethods; i++)
		for (int code = 0; code < GRPC_NCODES; code++) {
			unsigned long long n = grpc_counts_of(s->grpc, i)->codes[code];
			if (n)
				buf_printf(out, "ontapfs_csi_calls_total{method=\"%s\",code=\"%s\"} %llu\n",
					   csi_methods[i].path + 1, grpc_status_name((enum grpc_status)code), n);
		}
	head(out, "call_seconds_total", "counter", "Time that calls took, by method.");
	for (size_t i = 0; i < csi_nmethods; i++)
		buf_printf(out, "ontapfs_csi_call_seconds_total{method=\"%s\"} %.6f\n", csi_methods[i].path + 1,
			   (double)grpc_counts_of(s->grpc, i)->latency_ns / 1e9);
	head(out, "calls_active", "gauge", "Calls at work, by method.");
	for (size_t i = 0; i < csi_nmethods; i++)
		buf_printf(out, "ontapfs_csi_calls_active{method=\"%s\"} %lld\n", csi_methods[i].path + 1,
			   (long long)grpc_counts_of(s->grpc, i)->active);
	if (s->tree) {
		gauge(out, "published", "Targets that are bound on this node.", s->published);
		gauge(out, "snapshots_held", "Targets in snapshots, which are held against deletion.", s->kept);
		gauge(out, "tree_mounted", "Whether the tree is mounted.", tree_mounted(s, why) == 0);
		gauge(out, "registered", "Whether kubelet took the registration.", s->registered);
	}
	head(out, "info", "gauge", "The driver.");
	buf_printf(out, "ontapfs_csi_info{version=\"%s\",driver=\"%s\"} 1\n", ONTAPFS_VERSION, s->driver);
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type, const char *text, size_t len)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result on_request(void *priv, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **state)
{
	const struct http *h = priv;
	char why[256] = "the loop does not run";
	(void)version, (void)data, (void)state;
	*len = 0; /* a body is of no interest */
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "GET only\n", 9);
	bool alive = csi_http_alive(h->s);
	if (strcmp(url, "/metrics") == 0) {
		struct buf b;
		buf_init(&b, METRICS_MAX);
		csi_http_metrics(h->s, &b);
		enum MHD_Result ok = buf_ok(&b) ? answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4", b.data, b.len)
						: MHD_NO;
		buf_fini(&b);
		return ok;
	}
	bool ready = strcmp(url, "/readyz") == 0;
	if (!ready && strcmp(url, "/healthz") != 0)
		return answer(c, MHD_HTTP_NOT_FOUND, "text/plain", "/metrics, /healthz, /readyz\n", 28);
	bool ok = alive && !(ready && h->s->tree && tree_mounted(h->s, why) < 0);
	return ok ? answer(c, MHD_HTTP_OK, "text/plain", "ok\n", 3)
		  : answer(c, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", why, strlen(why));
}

/* Splits ADDRESS:PORT and looks the numbers up, never a name. */
static struct addrinfo *parse_address(const char *text)
{
	char host[128];
	const char *colon = strrchr(text, ':');
	if (!colon || !strcpy_bounded(host, text, sizeof(host)))
		return NULL;
	host[colon - text] = '\0';
	char *h = host;
	size_t n = strlen(h);
	if (n > 1 && h[0] == '[' && h[n - 1] == ']') {
		h[n - 1] = '\0';
		h++;
	}
	struct addrinfo hint = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	return getaddrinfo(*h ? h : NULL, colon + 1, &hint, &found) == 0 ? found : NULL;
}

struct http *csi_http_start(const struct csi *s, const char *address, char err[256])
{
	struct http *h = calloc(1, sizeof(*h));
	struct addrinfo *a = parse_address(address);
	if (h && a) {
		h->s = s;
		unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
		flags |= a->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0;
		h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, a->ai_addr,
					     MHD_OPTION_CONNECTION_LIMIT, 32u, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
					     MHD_OPTION_END);
	}
	if (a)
		freeaddrinfo(a);
	else
		errno = EINVAL;
	if (!h || !h->daemon) {
		snprintf(err, 256, "cannot listen at %.128s: %s", address, strerror(errno));
		free(h);
		return NULL;
	}
	const union MHD_DaemonInfo *port = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
	log_info("metrics and health: port %u of %s", port ? port->port : 0u, address);
	return h;
}

void csi_http_stop(struct http *h)
{
	if (!h)
		return;
	MHD_stop_daemon(h->daemon);
	free(h);
}
