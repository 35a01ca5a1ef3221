/*
 * HTTPS: from bytes to a struct req and back.  One thread per connection, so a
 * request that waits for its job holds up nobody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "tests/sim/cert.h"
#include "tests/sim/rest/engine.h"
#include "tests/sim/rest/fault.h"
#include "tests/sim/rest/record.h"
#include "tests/sim/rest/rest.h"
#include "tests/sim/rest/server.h"
#include "tests/sim/seed.h"
#include "tests/sim/store.h"

#define BODY_MAX  (1 << 20)
#define CONN_MAX  512
#define IDLE_S    120

struct exchange {
	char *uri;
	bool started;
	char *body;
	size_t len;
};

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct exchange *x = calloc(1, sizeof(*x));

	(void)cls;
	(void)c;
	if (x)
		x->uri = strdup(uri);
	return x;
}

static void on_end(void *cls, struct MHD_Connection *c, void **con_cls, enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *con_cls;

	(void)cls;
	(void)c;
	(void)code;
	if (!x)
		return;
	free(x->uri);
	free(x->body);
	free(x);
	*con_cls = NULL;
}

/* Whose request is it?  "cluster", "svm" or NULL; static text. */
static const char *authenticate(struct model *m, const char *header)
{
	AUTO_FREE char *plain = NULL;
	AUTO_FREE char *password = NULL;
	AUTO_FREE char *scope = NULL;
	AUTO_FREE char *lock_key = NULL;
	int64_t locked;
	char *colon;
	size_t len;

	if (!header || strncasecmp(header, "Basic ", 6) != 0)
		return NULL;
	plain = sim_unbase64(header + 6 + strspn(header + 6, " "), &len);
	if (!plain || strlen(plain) != len || !(colon = strchr(plain, ':')))
		return NULL;
	*colon = '\0';
	lock_key = sim_fmt(ACCOUNT_LOCKED "%s", plain);
	model_lock(m);
	locked = db_setting_int(m->db, lock_key, 0);
	password = db_text(m->db, "SELECT password FROM accounts WHERE name=?", "s", plain);
	scope = db_text(m->db, "SELECT scope FROM accounts WHERE name=?", "s", plain);
	model_unlock(m);
	if (locked || !password || !scope || !sim_equal_secret(password, colon + 1))
		return NULL;
	return strcmp(scope, "cluster") == 0 ? "cluster" : "svm";
}

static enum verb verb_of(const char *method)
{
	static const struct {
		const char *name;
		enum verb verb;
	} map[] = { { "GET", V_GET },       { "HEAD", V_GET },      { "POST", V_POST },
		    { "PATCH", V_PATCH },   { "DELETE", V_DELETE }, { "OPTIONS", V_OPTIONS } };

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (strcmp(map[i].name, method) == 0)
			return map[i].verb;
	return V_OTHER;
}

static int read_body(struct req *r, const struct exchange *x, struct fail *f)
{
	json_error_t err;

	if (r->verb != V_POST && r->verb != V_PATCH && r->verb != V_DELETE)
		return 0;
	if (!x->len || strspn(x->body, " \t\r\n") == x->len) {
		r->body = json_object();
		return 0;
	}
	r->body = json_loadb(x->body, x->len, JSON_REJECT_DUPLICATES, &err);
	if (!json_is_object(r->body))
		return fail_set(f, 400, E_BAD_VALUE, "The request body is not a JSON object: %s",
		                r->body ? "wrong type" : err.text);
	return 0;
}

/* A cluster account may bind its request to one SVM by header. */
static int check_tunnel(struct model *m, const char *name, const char *uuid, struct fail *f)
{
	if ((name && strcmp(name, SIM_SVM) != 0) || (uuid && strcmp(uuid, m->svm_uuid) != 0))
		return fail_set(f, 400, 2621462, "SVM \"%s\" does not exist.", name ? name : uuid);
	return 0;
}

static void handle(struct model *m, struct MHD_Connection *c, const char *method, struct exchange *x,
                   struct reply *rep)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");
	const char *auth = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
	const char *svm = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Dot-SVM-Name");
	const char *svm_uuid = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Dot-SVM-UUID");
	struct req r = { .m = m, .verb = verb_of(method), .verb_name = method };
	const char *scope = authenticate(m, auth);
	struct fail f = { 0 };

	if (!scope) {
		fail_set(&f, 401, 6691623, "User is not authorized.");
		reply_fail(rep, &f);
		record_exchange(method, x->uri, accept, NULL, rep);
		return;
	}
	r.cluster_admin = strcmp(scope, "cluster") == 0 && !svm && !svm_uuid;
	r.links = !accept || strcmp(accept, "application/json") != 0;
	if (request_init(&r, x->uri, &f) < 0 || check_tunnel(m, svm, svm_uuid, &f) < 0 ||
	    read_body(&r, x, &f) < 0)
		reply_fail(rep, &f);
	else
		engine_handle(&r, rep);
	if ((r.verb != V_GET && r.verb != V_OPTIONS) || rep->status >= 400) {
		const char *text = json_text(rep->body, "error.message");
		const char *code = json_text(rep->body, "error.code");

		sim_log("%s %s: %d%s%s%s%s", method, r.path, rep->status, code ? " code " : "",
		        code ? code : "", text ? " " : "", text ? text : "");
	}
	record_exchange(method, x->uri, accept, r.body, rep);
	request_fini(&r);
}

/* How a broken gateway between a client and ONTAP answers. */
#define GARBAGE "<html>\xff\xfe \"{[ not JSON"

static enum MHD_Result send_reply(struct MHD_Connection *c, struct reply *rep, bool links,
                                  const struct fault *fault)
{
	char *text = fault->garbage ? sim_dup(GARBAGE) : rep->body ? json_dumps(rep->body, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	struct MHD_Response *res = MHD_create_response_from_buffer(
	        fault->truncate ? len / 2 : len, text, text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ok;

	if (!res) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(res, "Content-Type", links ? "application/hal+json" : "application/json");
	MHD_add_response_header(res, "Cache-Control", "no-cache,no-store,must-revalidate");
	if (rep->location)
		MHD_add_response_header(res, "Location", rep->location);
	if (rep->allow)
		MHD_add_response_header(res, "Allow", rep->allow);
	if (rep->status == 401)
		MHD_add_response_header(res, "WWW-Authenticate", "Basic realm=\"ontapsim\"");
	if (rep->status == 429 || rep->status == 503) {
		AUTO_FREE char *seconds = sim_fmt("%lld", (long long)fault->retry_after);

		MHD_add_response_header(res, "Retry-After", seconds);
	}
	ok = MHD_queue_response(c, (unsigned)rep->status, res);
	MHD_destroy_response(res);
	return ok;
}

/* Adds a piece of the body; false when it grows over the limit. */
static bool take_body(struct exchange *x, const char *data, size_t n)
{
	char *longer;

	if (x->len + n > BODY_MAX || !(longer = realloc(x->body, x->len + n + 1)))
		return false;
	memcpy(longer + x->len, data, n);
	x->body = longer;
	x->len += n;
	x->body[x->len] = '\0';
	return true;
}

/* Ends the connection without a word: the client's socket sees a reset. */
static enum MHD_Result hang_up(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct linger now = { .l_onoff = 1 };

	if (info)
		setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return MHD_NO;
}

static bool announced_too_big(struct MHD_Connection *c)
{
	const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
	int64_t n;

	return text && (!sim_parse_int(text, 0, INT64_MAX, &n) || n > BODY_MAX);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **con_cls)
{
	struct exchange *x = *con_cls;
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");
	bool links = !accept || strcmp(accept, "application/json") != 0;
	struct reply rep = { 0 };
	struct fault fault = { 0 };
	struct fail f = { 0 };
	enum MHD_Result ok;

	(void)url;
	(void)version;
	if (!x || !x->uri)
		return MHD_NO;
	if (!x->started) {
		x->started = true;
		if (!announced_too_big(c))
			return MHD_YES;
		fail_set(&f, 413, E_BAD_VALUE, "The request body is larger than %d bytes", BODY_MAX);
		reply_fail(&rep, &f);
	} else if (*size) {
		size_t n = *size;

		*size = 0;
		return take_body(x, data, n) ? MHD_YES : MHD_NO;
	} else {
		fault = fault_take(method);
		fault_wait(fault.delay_ms);
		if (fault.reset)
			return hang_up(c);
		if (fault.status) {
			fail_set(&f, fault.status, E_INTERNAL, "Fault asked for at the control socket");
			reply_fail(&rep, &f);
		} else {
			handle(cls, c, method, x, &rep);
		}
	}
	ok = fault.lost ? hang_up(c) : send_reply(c, &rep, links, &fault);
	reply_fini(&rep);
	return ok;
}

static int listen_socket(int64_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 128) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* Tells `ontapsim up` how the start went.  error NULL: well. */
static int tell_ready(const char *error)
{
	const char *env = getenv("ONTAPSIM_READY_FD");
	int64_t fd;

	if (error)
		sim_log("cannot start: %s", error);
	if (env && sim_parse_int(env, 3, 1 << 20, &fd)) {
		dprintf((int)fd, "%s%s\n", error ? "error: " : "ok", error ? error : "");
		close((int)fd);
		unsetenv("ONTAPSIM_READY_FD");
	}
	return error ? 1 : 0;
}

static int load_text(sqlite3 *db, const char *key, char out[UUID_BUF])
{
	AUTO_FREE char *v = db_setting(db, key);

	if (!v || strlen(v) != UUID_LEN)
		return -1;
	memcpy(out, v, UUID_BUF);
	return 0;
}

static const char *load_model(struct model *m, const char *dir)
{
	m->dir = dir;
	if (!store_is_up(dir))
		return "the store is not mounted";
	if (db_open(dir, &m->db) < 0)
		return "state.db cannot be opened";
	m->version = db_setting(m->db, "version");
	m->rest_port = db_setting_int(m->db, "rest_port", 0);
	atomic_init(&m->job_delay_ms, db_setting_int(m->db, "job_delay_ms", 0));
	atomic_init(&m->split_ms, 0);
	m->synthetic_volumes = db_setting_int(m->db, "synthetic_volumes", 0);
	m->synthetic_snapshots = db_setting_int(m->db, "synthetic_snapshots", 0);
	if (!m->version || !m->rest_port || load_text(m->db, "svm_uuid", m->svm_uuid) < 0 ||
	    load_text(m->db, "cluster_uuid", m->cluster_uuid) < 0 ||
	    load_text(m->db, "mgmt_lif_uuid", m->mgmt_uuid) < 0)
		return "state.db is not complete";
	field_set_release(m->version);
	return NULL;
}

static struct MHD_Daemon *start_http(struct model *m, int fd)
{
	AUTO_FREE char *cert_path = sim_fmt("%s/cert.pem", m->dir);
	AUTO_FREE char *key_path = sim_fmt("%s/key.pem", m->dir);
	AUTO_FREE char *cert = NULL;
	AUTO_FREE char *key = NULL;

	if (sim_read_file(cert_path, 65536, &cert) < 0 || sim_read_file(key_path, 65536, &key) < 0)
		return NULL;
	return MHD_start_daemon(
	        MHD_USE_TLS | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
	                MHD_USE_ITC,
	        0, NULL, NULL, on_request, m, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_HTTPS_MEM_CERT,
	        cert, MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL,
	        MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_CONNECTION_LIMIT, CONN_MAX,
	        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	        (size_t)131072, MHD_OPTION_END);
}

static struct {
	pthread_mutex_t lock;
	struct MHD_Daemon *daemon; /* NULL: nothing listens */
} http = { .lock = PTHREAD_MUTEX_INITIALIZER };

int server_renew_cert(struct model *m)
{
	AUTO_FREE char *cert_path = sim_fmt("%s/cert.pem", m->dir);
	AUTO_FREE char *key_path = sim_fmt("%s/key.pem", m->dir);
	int r = -1;

	pthread_mutex_lock(&http.lock);
	if (http.daemon && cert_make(cert_path, key_path) == 0) {
		MHD_socket fd = MHD_quiesce_daemon(http.daemon);

		MHD_stop_daemon(http.daemon);
		http.daemon = fd == MHD_INVALID_SOCKET ? NULL : start_http(m, fd);
		if (http.daemon)
			r = 0;
		else
			sim_log("cannot go on serving with the new certificate");
	}
	pthread_mutex_unlock(&http.lock);
	return r;
}

int simrest_serve(const char *dir)
{
	struct model m = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const char *error;
	sigset_t set;
	int sig, fd;

	signal(SIGPIPE, SIG_IGN);
	/* Blocked before any thread starts, so that only sigwait below gets them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	error = load_model(&m, dir);
	if (error)
		return tell_ready(error);
	fd = listen_socket(m.rest_port);
	if (fd < 0) {
		AUTO_FREE char *text = sim_fmt("port %lld at 127.0.0.1: %s", (long long)m.rest_port,
		                               strerror(-fd));

		return tell_ready(text);
	}
	if (jobs_start(&m) < 0)
		return tell_ready("the job worker does not start");
	if (getenv("ONTAPSIM_RECORD") && record_to(getenv("ONTAPSIM_RECORD")) < 0)
		return tell_ready("the file of ONTAPSIM_RECORD cannot be written");
	if (ctl_start(&m) < 0)
		return tell_ready("the control socket cannot be made");
	pthread_mutex_lock(&http.lock);
	http.daemon = start_http(&m, fd);
	pthread_mutex_unlock(&http.lock);
	if (!http.daemon)
		return tell_ready("the HTTPS server does not start");
	sim_log("REST face of %s at https://127.0.0.1:%lld/api", dir, (long long)m.rest_port);
	tell_ready(NULL);

	sigwait(&set, &sig);
	sim_log("signal %d: ending", sig);
	/* Waits and delays first, then the threads that may be in them. */
	fault_stop();
	jobs_stop();
	ctl_stop();
	if (http.daemon)
		MHD_stop_daemon(http.daemon);
	jobs_free();
	sqlite3_close(m.db);
	free(m.version);
	return 0;
}
