/* HTTPS by curl's multi interface.
 *
 * Trust. The server's chain is always verified. Without a pinned certificate
 * the system's CAs are asked and the host name must match. With one (ca_pem)
 * nothing but that certificate is trusted, and the name is not looked at,
 * because ONTAP's self-signed certificates carry no address. The system's CAs
 * must then be out: any public CA could otherwise vouch for any server.
 *
 * Secrets. The password exists here only in the Authorization header, which is
 * our memory and is wiped with its login, like the client key. curl gets
 * pointers to both. The pinned certificate belongs to the login, too, since both
 * may be renewed while we run.
 *
 * Hosts. Several management LIFs lead to the same ONTAP: requests go to one until
 * it does not answer, then to the next.
 *
 * Sending twice. When a kept connection turns out dead, curl by itself sends a
 * request again, also a POST. So most verbs above are safe under their own
 * repetition, retry or no retry; those that are not say `once`, and get a
 * connection that nothing was sent on before. */
#include "ontap/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/killpoint.h"
#include "fs/base/log.h"

/* Connections at once. ONTAP's web server serves few clients well and queues
 * the rest; more than this only moves the queue to the far side. */
#define HTTP_PARALLEL 8
#define HTTP_CONNECT_MS 5000
#define HTTP_RETRY_AFTER_MAX_MS 5000
#define HTTP_URL_MAX 8192
#define HTTP_PEM_MAX (1u << 20)

/* Exchanges on the wire keep the login that they were sent with. */
struct login {
	unsigned refs;
	struct curl_slist *headers;
	char *user;       /* NULL: client certificate */
	char *cert, *key;
	char *ca;         /* the pinned certificate; NULL: the system's */
};

struct host {
	char *base; /* "https://host:port" */
	char *name; /* as sentences name it */
};

struct http {
	CURLM *multi;
	struct host host[HTTP_HOSTS_MAX];
	unsigned nhosts, current; /* the one that answered last */
	struct login *login;
	char app[300]; /* a header */
	struct error_who who;
	struct list waiting, active;
	int nactive;
	CURL *idle[HTTP_PARALLEL];
	int nidle;
	struct ontap_counters *counters;
};

static void wipe_free(char **s)
{
	if (*s) {
		explicit_bzero(*s, strlen(*s));
		free(*s);
	}
	*s = NULL;
}

/* ---- set-up ------------------------------------------------------------- */

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void global_init(void)
{
	global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Header values and URLs are built by pasting: nothing may end them early. */
static bool plain_text(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

/* Accepts a name, an IPv4 address, or an IPv6 address with or without brackets. */
static int build_host(struct host *h, const char *lif, uint16_t port, struct ontap_error *e)
{
	char host[ONTAP_NAME_MAX + 1];
	size_t n = strlen(lif);
	bool bracketed = n > 2 && lif[0] == '[' && lif[n - 1] == ']';
	if (bracketed) {
		lif++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host)) {
		error_set(e, -EINVAL, 0, 0, "the management LIF is %s", n ? "too long" : "missing");
		return -EINVAL;
	}
	memcpy(host, lif, n);
	host[n] = '\0';

	struct in6_addr v6;
	bool is_v6 = strchr(host, ':') != NULL;
	if ((is_v6 && inet_pton(AF_INET6, host, &v6) != 1) || (bracketed && !is_v6) ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") != n) {
		error_set(e, -EINVAL, 0, 0, "the management LIF \"%s\" is no host name or address", host);
		return -EINVAL;
	}
	const char *l = is_v6 ? "[" : "", *r = is_v6 ? "]" : "";
	if (port == 0)
		port = 443;
	if (asprintf(&h->base, "https://%s%s%s:%u", l, host, r, port) < 0)
		h->base = NULL;
	if (port == 443 ? asprintf(&h->name, "%s", host) < 0 :
			  asprintf(&h->name, "%s%s%s:%u", l, host, r, port) < 0)
		h->name = NULL;
	if (h->base && h->name)
		return 0;
	error_set(e, -ENOMEM, 0, 0, "out of memory");
	return -ENOMEM;
}

static int build_hosts(struct http *h, const char *const *lifs, uint16_t port, struct ontap_error *e)
{
	for (; lifs && lifs[h->nhosts]; h->nhosts++) {
		if (h->nhosts == HTTP_HOSTS_MAX) {
			error_set(e, -EINVAL, 0, 0, "more than %d management LIFs", HTTP_HOSTS_MAX);
			return -EINVAL;
		}
		int r = build_host(&h->host[h->nhosts], lifs[h->nhosts], port, e);
		if (r < 0)
			return r;
	}
	if (h->nhosts > 0)
		return 0;
	error_set(e, -EINVAL, 0, 0, "the management LIF is missing");
	return -EINVAL;
}

/* ---- the login ------------------------------------------------------------ */

static int add_header(struct login *l, const char *line)
{
	struct curl_slist *n = curl_slist_append(l->headers, line);
	if (!n)
		return -ENOMEM;
	l->headers = n;
	return 0;
}

static int add_auth(struct login *l, const char *user, const char *password)
{
	static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char start[] = "Authorization: Basic ";
	char *plain = NULL;
	int n = asprintf(&plain, "%s:%s", user, password);
	if (n < 0)
		return -ENOMEM;
	char *line = malloc(sizeof(start) + (size_t)(n + 2) / 3 * 4);
	int r = -ENOMEM;
	if (line) {
		memcpy(line, start, sizeof(start) - 1);
		char *w = line + sizeof(start) - 1;
		const unsigned char *p = (const unsigned char *)plain;
		for (int i = 0; i < n; i += 3) {
			unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
				     (i + 2 < n ? p[i + 2] : 0u);
			*w++ = abc[v >> 18];
			*w++ = abc[v >> 12 & 63];
			*w++ = i + 1 < n ? abc[v >> 6 & 63] : '=';
			*w++ = i + 2 < n ? abc[v & 63] : '=';
		}
		*w = '\0';
		r = add_header(l, line);
	}
	wipe_free(&line);
	wipe_free(&plain);
	return r;
}

/* A certificate is only understood when the first connection is made; what is
 * plainly no PEM is better refused before anything starts. */
static int copy_pem(const char *pem, const char *what, const char *label, char **ret,
		    struct ontap_error *e)
{
	const char *begin = strstr(pem, "-----BEGIN ");
	const char *hit = begin ? strstr(begin, label) : NULL;
	if (!hit || !strstr(hit, "-----END ") || strlen(pem) > HTTP_PEM_MAX) {
		error_set(e, -EINVAL, 0, 0, "the %s is not PEM text with a block \"BEGIN ... %s\"", what,
			  label);
		return -EINVAL;
	}
	*ret = strdup(pem);
	if (!*ret) {
		error_set(e, -ENOMEM, 0, 0, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

static void login_unref(struct login *l)
{
	if (!l || --l->refs > 0)
		return;
	for (struct curl_slist *n = l->headers; n; n = n->next)
		explicit_bzero(n->data, strlen(n->data));
	curl_slist_free_all(l->headers);
	wipe_free(&l->cert);
	wipe_free(&l->key);
	free(l->ca);
	free(l->user);
	free(l);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_login(const struct login *a, const struct login *b)
{
	const struct curl_slist *x = a->headers, *y = b->headers;
	for (; x && y; x = x->next, y = y->next)
		if (strcmp(x->data, y->data) != 0)
			return false;
	return !x && !y && same_text(a->cert, b->cert) && same_text(a->key, b->key) &&
	       same_text(a->ca, b->ca);
}

static int fill_login(const struct http *h, struct login *l, const struct ontap_login *p, struct ontap_error *e)
{
	bool by_cert = p->client_cert_pem && *p->client_cert_pem;
	bool by_password = p->username && *p->username && p->password;
	int r;
	if (!by_cert && !by_password) {
		error_set(e, -EINVAL, 0, 0,
			  "no login for ONTAP at %s: give username and password, or a client certificate",
			  h->host[0].name);
		return -EINVAL;
	}
	if (by_cert && !(p->client_key_pem && *p->client_key_pem)) {
		error_set(e, -EINVAL, 0, 0, "a client certificate needs its private key");
		return -EINVAL;
	}
	if (p->username && (!plain_text(p->username) || strchr(p->username, ':'))) {
		error_set(e, -EINVAL, 0, 0, "the username has a character that a login cannot carry");
		return -EINVAL;
	}
	if (p->ca_pem && *p->ca_pem &&
	    (r = copy_pem(p->ca_pem, "trusted CA certificate", "CERTIFICATE", &l->ca, e)) < 0)
		return r;
	if (by_cert &&
	    ((r = copy_pem(p->client_cert_pem, "client certificate", "CERTIFICATE", &l->cert, e)) < 0 ||
	     (r = copy_pem(p->client_key_pem, "client private key", "PRIVATE KEY", &l->key, e)) < 0))
		return r;
	/* With hal+json every record would bring links that nobody reads; plain
	 * JSON keeps _links.next, which paging lives on. */
	if (add_header(l, "Accept: application/json") < 0 ||
	    add_header(l, "Content-Type: application/json") < 0 ||
	    add_header(l, "Expect:") < 0 || /* no 100-continue round trip */
	    add_header(l, h->app) < 0 ||
	    (!by_cert && (add_auth(l, p->username, p->password) < 0 ||
			  !(l->user = strdup(p->username))))) {
		error_set(e, -ENOMEM, 0, 0, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

int http_set_login(struct http *h, const struct ontap_login *p, struct ontap_error *e)
{
	struct login *l = calloc(1, sizeof(*l));
	if (!l) {
		error_set(e, -ENOMEM, 0, 0, "out of memory");
		return -ENOMEM;
	}
	l->refs = 1;
	int r = fill_login(h, l, p, e);
	if (r < 0 || (h->login && same_login(h->login, l))) {
		login_unref(l);
		return r;
	}
	login_unref(h->login);
	h->login = l;
	h->who.user = l->user;
	return 0;
}

bool http_login_changed(const struct http *h, const struct xfer *x)
{
	return x->login != h->login;
}

/* ---- life ------------------------------------------------------------------ */

static int fill(struct http *h, const struct ontap_params *p, struct ontap_error *e)
{
	int r = build_hosts(h, p->management_lifs, p->port, e);
	if (r < 0)
		return r;
	h->who.host = h->host[0].name;
	if (p->app && !plain_text(p->app)) {
		error_set(e, -EINVAL, 0, 0, "the name of the application has a control character");
		return -EINVAL;
	}
	snprintf(h->app, sizeof(h->app), "X-Dot-Client-App: %s", p->app && *p->app ? p->app : "ontapfs");
	if ((r = http_set_login(h, &p->login, e)) < 0)
		return r;
	h->multi = curl_multi_init();
	if (!h->multi) {
		error_set(e, -ENOMEM, 0, 0, "curl has no memory");
		return -ENOMEM;
	}
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_PARALLEL);
	return 0;
}

struct http *http_new(const struct ontap_params *p, struct ontap_counters *counters,
		      struct ontap_error *ret_error)
{
	pthread_once(&global_once, global_init);
	if (global_code != CURLE_OK) {
		error_set(ret_error, -EIO, 0, 0, "curl does not start: %s",
			  curl_easy_strerror(global_code));
		return NULL;
	}
	struct http *h = calloc(1, sizeof(*h));
	if (!h) {
		error_set(ret_error, -ENOMEM, 0, 0, "out of memory");
		return NULL;
	}
	list_init(&h->waiting);
	list_init(&h->active);
	h->counters = counters;
	if (fill(h, p, ret_error) < 0) {
		http_free(h);
		return NULL;
	}
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->nidle > 0)
		curl_easy_cleanup(h->idle[--h->nidle]);
	if (h->multi)
		curl_multi_cleanup(h->multi);
	login_unref(h->login);
	for (unsigned i = 0; i < HTTP_HOSTS_MAX; i++) {
		free(h->host[i].base);
		free(h->host[i].name);
	}
	free(h);
}

const struct error_who *http_who(const struct http *h)
{
	return &h->who;
}

void http_escape(struct buf *b, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || strchr("-._~", *p);
		if (plain)
			buf_append(b, p, 1);
		else
			buf_printf(b, "%%%02X", *p);
	}
}

static const char *const verb[] = {"GET", "POST", "PATCH", "DELETE"};

/* ---- one exchange ------------------------------------------------------- */

static size_t on_body(char *data, size_t one, size_t len, void *priv)
{
	struct xfer *x = priv;
	(void)one; /* always 1 */
	return buf_append(&x->reply, data, len) == 0 ? len : 0;
}

static struct curl_blob blob_of(char *pem)
{
	/* NOCOPY: curl reads our memory, so that there is one copy to wipe. */
	return (struct curl_blob){.data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
}

static CURLcode set_trust(const struct login *l, CURL *c)
{
	CURLcode r = CURLE_OK;
#define SET(...)                                                               \
	do {                                                                   \
		if (r == CURLE_OK)                                             \
			r = curl_easy_setopt(c, __VA_ARGS__);                  \
	} while (0)
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, l->ca ? 0L : 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (l->ca) {
		struct curl_blob ca = blob_of(l->ca);
		SET(CURLOPT_CAINFO_BLOB, &ca);
		/* The blob replaces the default file but not the default directory. */
		SET(CURLOPT_CAPATH, NULL);
	}
	if (l->cert) {
		struct curl_blob cert = blob_of(l->cert), key = blob_of(l->key);
		SET(CURLOPT_SSLCERT_BLOB, &cert);
		SET(CURLOPT_SSLKEY_BLOB, &key);
	}
	return r;
}

static CURLcode set_request(struct xfer *x, CURL *c, const char *url)
{
	CURLcode r = set_trust(x->login, c);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L); /* a redirect could carry the login elsewhere */
	SET(CURLOPT_PROXY, "");          /* nor does the environment choose the way */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTPHEADER, x->login->headers);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)MIN_OF((int64_t)HTTP_CONNECT_MS, x->timeout_ms));
	SET(CURLOPT_TIMEOUT_MS, (long)x->timeout_ms);
	SET(CURLOPT_FRESH_CONNECT, (long)x->once);
	SET(CURLOPT_ERRORBUFFER, x->curl_text);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_PRIVATE, x);
	if (x->body || x->method == HTTP_POST || x->method == HTTP_PATCH) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body_len);
		SET(CURLOPT_POSTFIELDS, x->body ? x->body : "");
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	SET(CURLOPT_CUSTOMREQUEST, verb[x->method]);
#undef SET
	return r;
}

void http_xfer_init(struct xfer *x)
{
	*x = (struct xfer){0};
	list_init(&x->link);
	buf_init(&x->reply, 0);
}

void http_xfer_fini(struct xfer *x)
{
	http_abort(x);
	login_unref(x->login);
	buf_fini(&x->reply);
}

/* Puts a waiting exchange on the wire. */
static int launch(struct http *h, struct xfer *x)
{
	CURL *c = h->nidle > 0 ? h->idle[--h->nidle] : curl_easy_init();
	if (!c)
		return -ENOMEM;
	char *url = NULL;
	CURLcode r = CURLE_OUT_OF_MEMORY;
	login_unref(x->login);
	x->login = h->login;
	x->login->refs++;
	x->host = h->current;
	if (asprintf(&url, "%s%s", h->host[x->host].base, x->path) >= 0) {
		x->curl_text[0] = '\0';
		r = set_request(x, c, url);
		free(url);
	}
	kill_point("intent", verb[x->method]);
	if (r != CURLE_OK || curl_multi_add_handle(h->multi, c) != CURLM_OK) {
		curl_easy_cleanup(c);
		return -ENOMEM;
	}
	x->easy = c;
	x->start_ns = clock_now_ns();
	h->nactive++;
	list_remove(&x->link);
	list_append(&h->active, &x->link);
	atomic_fetch_add(&h->counters->requests, 1);
	return 0;
}

static void retire(struct http *h, struct xfer *x)
{
	if (x->easy) {
		curl_multi_remove_handle(h->multi, x->easy);
		curl_easy_reset(x->easy); /* drops all pointers to x, keeps the connection */
		if (h->nidle < HTTP_PARALLEL)
			h->idle[h->nidle++] = x->easy;
		else
			curl_easy_cleanup(x->easy);
		x->easy = NULL;
		h->nactive--;
	}
	list_remove(&x->link);
	x->http = NULL;
}

int http_start(struct http *h, struct xfer *x)
{
	buf_fini(&x->reply);
	buf_init(&x->reply, x->max_reply);
	x->status = 0;
	x->e = (struct ontap_error){0};
	x->retryable = x->executed = x->moved = false;
	x->retry_after_ms = 0;
	x->http = h;
	list_append(&h->waiting, &x->link);
	if (h->nactive >= HTTP_PARALLEL)
		return 0;
	int r = launch(h, x);
	if (r < 0)
		retire(h, x);
	return r;
}

void http_abort(struct xfer *x)
{
	if (x->http)
		retire(x->http, x);
}

/* ---- how it ended ------------------------------------------------------- */

/* OpenSSL's "error:0A000086:SSL routines::certificate verify failed" and curl's
 * own prefixes are noise in a sentence for people. */
static const char *tls_reason(const char *text)
{
	static const char *const prefix[] = {"SSL certificate problem: ", "SSL: "};
	for (size_t i = 0; i < ARRAY_LEN(prefix); i++)
		if (strncmp(text, prefix[i], strlen(prefix[i])) == 0)
			return text + strlen(prefix[i]);
	const char *r = strstr(text, "SSL routines::");
	return r ? r + strlen("SSL routines::") : text;
}

static void tls_error(struct http *h, struct xfer *x, CURLcode code)
{
	const char *why = *x->curl_text ? tls_reason(x->curl_text) : curl_easy_strerror(code);
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		if (strstr(x->curl_text, "host name"))
			error_set(&x->e, -EACCES, 0, 0,
				  "the certificate of %s is for another host (%s): set managementLIF to "
				  "its name, or trustedCACertificate to the certificate itself",
				  h->host[x->host].name, why);
		else if (x->login->ca)
			error_set(&x->e, -EACCES, 0, 0,
				  "the certificate of %s is not the one that trustedCACertificate vouches "
				  "for (%s)", h->host[x->host].name, why);
		else
			error_set(&x->e, -EACCES, 0, 0,
				  "the certificate of %s is not trusted (%s): set trustedCACertificate",
				  h->host[x->host].name, why);
		return;
	case CURLE_SSL_CACERT_BADFILE:
		if (x->login->ca)
			error_set(&x->e, -EACCES, 0, 0,
				  "trustedCACertificate holds no usable certificate (%s)", why);
		else
			error_set(&x->e, -EACCES, 0, 0,
				  "the system's CA certificates cannot be read (%s): install "
				  "ca-certificates or set trustedCACertificate", why);
		return;
	case CURLE_SSL_CERTPROBLEM:
		error_set(&x->e, -EACCES, 0, 0,
			  "clientCertificate and clientPrivateKey are not usable together (%s)", why);
		return;
	default:
		error_set(&x->e, -EACCES, 0, 0, "no TLS connection to ONTAP at %s: %s", h->host[x->host].name, why);
	}
}

static void connect_error(struct http *h, struct xfer *x)
{
	long os = 0;
	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os);
	int err = os == ECONNREFUSED ? -ECONNREFUSED : os == ETIMEDOUT ? -ETIMEDOUT : -EHOSTUNREACH;
	const char *why = os == ECONNREFUSED ? "connection refused" :
			  os == ENETUNREACH  ? "network unreachable" :
			  os == EHOSTUNREACH ? "no route to host" :
			  os == ETIMEDOUT    ? "connection timed out" :
			  *x->curl_text      ? x->curl_text : "connection failed";
	error_set(&x->e, err, 0, 0, "cannot reach ONTAP at %s: %s", h->host[x->host].name, why);
	x->retryable = true;
}

/* No complete HTTP reply: says why in x->e, and whether the server may have
 * run the request all the same. */
static void transport_error(struct http *h, struct xfer *x, CURLcode code)
{
	/* Not the time of the handshake, which is none on a connection that is used again. */
	long sent = 0;
	curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &sent);
	x->executed = sent > 0;
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		x->retryable = true;
		error_set(&x->e, -EHOSTUNREACH, 0, 0, "cannot reach ONTAP at %s: unknown host name",
			  h->host[x->host].name);
		return;
	case CURLE_COULDNT_CONNECT:
		connect_error(h, x);
		return;
	case CURLE_OPERATION_TIMEDOUT:
		x->retryable = true;
		if (x->executed)
			error_set(&x->e, -ETIMEDOUT, 0, 0, "ONTAP at %s did not answer within %lld ms",
				  h->host[x->host].name, (long long)x->timeout_ms);
		else
			error_set(&x->e, -ETIMEDOUT, 0, 0, "cannot reach ONTAP at %s: connection timed out",
				  h->host[x->host].name);
		return;
	case CURLE_WRITE_ERROR:
		error_set(&x->e, -EIO, 0, 0, "the answer of ONTAP at %s is larger than %zu bytes",
			  h->host[x->host].name, x->max_reply);
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		tls_error(h, x, code);
		return;
	case CURLE_SSL_CONNECT_ERROR:
		/* A peer that goes away in the handshake is a network matter. */
		if (!strstr(x->curl_text, "SYSCALL") && !strstr(x->curl_text, "reset") &&
		    !strstr(x->curl_text, "unexpected eof")) {
			tls_error(h, x, code);
			return;
		}
		break;
	case CURLE_OUT_OF_MEMORY:
		error_set(&x->e, -ENOMEM, 0, 0, "out of memory");
		return;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		/* TLS 1.3: the refusal of a client certificate comes after the
		 * handshake, as an alert on the first read. */
		if (strstr(x->curl_text, "alert")) {
			error_set(&x->e, -EACCES, 0, 0, "ONTAP at %s refused the TLS connection: %s",
				  h->host[x->host].name, tls_reason(x->curl_text));
			x->executed = false;
			return;
		}
		break;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		break;
	default:
		error_set(&x->e, -EIO, 0, 0, "no valid HTTP answer from ONTAP at %s: %s", h->host[x->host].name,
			  *x->curl_text ? x->curl_text : curl_easy_strerror(code));
		return;
	}
	x->retryable = true;
	/* The alert that tells of a refused certificate may be lost with the connection. */
	error_set(&x->e, -EHOSTUNREACH, 0, 0, "ONTAP at %s closed the connection without an answer%s",
		  h->host[x->host].name,
		  x->login && x->login->cert ? "; perhaps it refuses the client certificate" : "");
}

/* Those that failed together move on by one host, not by one each. */
static void next_host(struct http *h, struct xfer *x)
{
	if (!x->retryable || h->nhosts == 1)
		return;
	x->moved = true;
	if (x->host != h->current)
		return;
	h->current = (h->current + 1) % h->nhosts;
	h->who.host = h->host[h->current].name;
	log_warn("%s: going on with %s", x->e.text, h->who.host);
}

static void finish(struct http *h, struct xfer *x, CURLcode code)
{
	long status = 0;
	curl_off_t after_s = 0;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &after_s);
	int64_t now = clock_now_ns();
	atomic_fetch_add(&h->counters->latency_ns_sum, (uint64_t)(now - x->start_ns));
	atomic_fetch_add(&h->counters->bytes_received, x->reply.len);

	if (code == CURLE_OK) {
		x->status = (int)status;
		x->retryable = status == 429 || status == 503;
		if (after_s > 0)
			x->retry_after_ms = after_s > HTTP_RETRY_AFTER_MAX_MS / 1000 ?
						    HTTP_RETRY_AFTER_MAX_MS : (int64_t)after_s * 1000;
	} else {
		transport_error(h, x, code);
		next_host(h, x);
	}
	/* Health is whether ONTAP answers us, not whether it liked the request. */
	kill_point("received", verb[x->method]);
	bool healthy = code == CURLE_OK && status < 500 && status != 401 && status != 429;
	atomic_store(healthy ? &h->counters->last_success_ns : &h->counters->last_failure_ns, now);
	retire(h, x);
	x->done(x);
}

/* ---- the loop ----------------------------------------------------------- */

/* Test builds only: dies once a request is out. */
static void see_sent(struct http *h)
{
#ifdef ONTAPFS_KILL_POINTS
	struct list *l, *tmp;
	list_for_each(l, tmp, &h->active) {
		struct xfer *x = list_entry(l, struct xfer, link);
		long sent = 0;
		curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &sent);
		if (sent > 0)
			kill_point("sent", verb[x->method]);
	}
#else
	(void)h;
#endif
}

int http_run(struct http *h)
{
	int running;
	CURLMcode r = curl_multi_perform(h->multi, &running);
	see_sent(h);
	for (;;) {
		int left;
		CURLMsg *m = curl_multi_info_read(h->multi, &left);
		if (!m)
			break;
		if (m->msg != CURLMSG_DONE)
			continue;
		char *priv = NULL;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &priv);
		finish(h, (struct xfer *)(void *)priv, code);
	}
	while (h->nactive < HTTP_PARALLEL && !list_empty(&h->waiting)) {
		struct xfer *x = list_entry(h->waiting.next, struct xfer, link);
		if (launch(h, x) < 0) {
			retire(h, x);
			error_set(&x->e, -ENOMEM, 0, 0, "out of memory");
			x->done(x);
		}
	}
	return r == CURLM_OK ? 0 : -EIO;
}

int http_wait(struct http *h, int timeout_ms, int extra_fd)
{
	struct curl_waitfd extra = {.fd = extra_fd, .events = CURL_WAIT_POLLIN};
	CURLMcode r = curl_multi_poll(h->multi, extra_fd >= 0 ? &extra : NULL, extra_fd >= 0,
				      timeout_ms, NULL);
	return r == CURLM_OK ? 0 : r == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

void http_wakeup(struct http *h)
{
	curl_multi_wakeup(h->multi);
}
