/* unit-wrap: http_new http_free http_who http_start http_abort http_run http_wait http_wakeup
 *
 * The client above a scripted transport: which requests it makes, what it
 * retries, and how each verb finds out what happened when a reply is lost. The
 * clock is ours, so seconds of backoff and polling take no time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "ontap/http.h"
#include "ontap/ontap.h"

/* Steps of a script name only what matters to them. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* ---- the transport ------------------------------------------------------ */

enum fate { REPLY, REFUSED, LOST, TLS, SILENT };

/* One expected request and what becomes of it. */
struct step {
	enum http_method method;
	const char *path; /* must be part of the path */
	int status;       /* of REPLY */
	const char *body;
	enum fate fate;
	const char *sent; /* must be part of the request's body, or NULL */
};

static const struct step *script;
static size_t nsteps, at;
static struct list pending;
static int64_t now_ns;
static char fake_http;
static const struct error_who fake_who = {"10.0.0.1", "vsadmin"};

struct http *__wrap_http_new(const struct ontap_params *p, struct ontap_counters *counters,
			     struct ontap_error *ret_error)
{
	(void)p, (void)counters, (void)ret_error;
	list_init(&pending);
	return (struct http *)(void *)&fake_http;
}
void __wrap_http_free(struct http *h)
{
	(void)h;
	assert_true(list_empty(&pending));
}
const struct error_who *__wrap_http_who(const struct http *h)
{
	(void)h;
	return &fake_who;
}
int __wrap_http_start(struct http *h, struct xfer *x)
{
	(void)h;
	x->status = 0;
	x->e = (struct ontap_error){0};
	x->retryable = x->executed = false;
	x->retry_after_ms = 0;
	list_append(&pending, &x->link);
	return 0;
}
void __wrap_http_abort(struct xfer *x)
{
	list_remove(&x->link);
}
void __wrap_http_wakeup(struct http *h)
{
	(void)h;
}
int __wrap_http_wait(struct http *h, int timeout_ms, int extra_fd)
{
	(void)h, (void)extra_fd;
	if (at < nsteps && !list_empty(&pending) && script[at].fate != SILENT)
		return 0;
	assert_true(timeout_ms < 100000); /* else this test would sleep for ever */
	now_ns += timeout_ms * NS_PER_MS;
	clock_set_fake(now_ns);
	return 0;
}
int __wrap_http_run(struct http *h)
{
	(void)h;
	if (list_empty(&pending))
		return 0;
	struct xfer *x = list_entry(pending.next, struct xfer, link);
	if (at >= nsteps)
		fail_msg("a request too many: %s", x->path);
	const struct step *s = &script[at];
	if (s->method != x->method || !strstr(x->path, s->path))
		fail_msg("step %zu: expected %d %s, got %d %s", at, s->method, s->path, x->method, x->path);
	if (s->sent && (!x->body || !strstr(x->body, s->sent)))
		fail_msg("step %zu: body %s", at, x->body ? x->body : "none");
	if (s->fate == SILENT)
		return 0;
	at++;
	list_remove(&x->link);
	switch (s->fate) {
	case REFUSED:
		error_set(&x->e, -ECONNREFUSED, 0, 0, "cannot reach ONTAP at 10.0.0.1: connection refused");
		x->retryable = true;
		break;
	case LOST:
		error_set(&x->e, -ETIMEDOUT, 0, 0, "ONTAP at 10.0.0.1 did not answer");
		x->retryable = x->executed = true;
		break;
	case TLS:
		error_set(&x->e, -EACCES, 0, 0, "the certificate of 10.0.0.1 is not trusted");
		break;
	default:
		x->status = s->status;
		x->retryable = s->status == 429 || s->status == 503;
		buf_fini(&x->reply);
		buf_init(&x->reply, x->max_reply);
		if (s->body)
			buf_puts(&x->reply, s->body);
	}
	x->done(x);
	return 0;
}

/* ---- running one call --------------------------------------------------- */

#define V  "\"uuid\":\"11111111-1111-1111-1111-111111111111\""
#define S1 "\"uuid\":\"22222222-2222-2222-2222-222222222222\""
#define SNAP(name, comment) "{" S1 ",\"name\":\"" name "\",\"comment\":\"" comment \
	"\",\"create_time\":\"2022-11-24T22:23:13Z\"}"
#define NONE    "{\"records\":[],\"num_records\":0}"
#define ONE(r)  "{\"records\":[" r "],\"num_records\":1}"
#define JOB     "{\"job\":{\"uuid\":\"33333333-3333-3333-3333-333333333333\"}}"
#define RUNNING "{\"state\":\"running\"}"
#define SUCCESS "{\"state\":\"success\",\"code\":0}"
#define FAILURE(code) "{\"state\":\"failure\",\"code\":" #code ",\"message\":\"because\"}"
#define ERROR(code) "{\"error\":{\"message\":\"because\",\"code\":\"" #code "\"}}"

static struct uuid vol, snap;
static int done;
static size_t count;
static struct ontap_error last;
static char first_name[ONTAP_NAME_MAX + 1];

static void note(const struct ontap_error *e, size_t n)
{
	done++;
	last = e ? *e : (struct ontap_error){0};
	count = n;
}
static void on_volumes(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, n);
	if (n)
		snprintf(first_name, sizeof(first_name), "%s", v[0].name);
}
static void on_snapshots(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e,
			 void *priv)
{
	(void)priv;
	note(e, n);
	if (n)
		snprintf(first_name, sizeof(first_name), "%s", s[0].name);
}
static void on_done(const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, 0);
}
static struct ontap_discovery found;
static void on_discover(const struct ontap_discovery *d, const struct ontap_error *e, void *priv)
{
	(void)priv;
	assert_true((d == NULL) != (e == NULL));
	note(e, d ? d->nlifs : 0);
	if (d)
		found = *d;
}

static struct ontap *begin(const char *svm, const struct step *s, size_t n)
{
	struct ontap_params p = {.management_lif = "10.0.0.1", .svm = svm, .username = "vsadmin",
				 .password = "x"};
	struct ontap_error e;
	now_ns = 1000 * NS_PER_SEC;
	clock_set_fake(now_ns);
	script = s;
	nsteps = n;
	at = 0;
	done = 0;
	count = 99;
	struct ontap *o = ontap_new(&p, &e);
	assert_non_null(o);
	return o;
}

/* Seconds that the call took. */
static int64_t finish(struct ontap *o)
{
	assert_int_equal(done, 0); /* never before the call returned */
	int64_t start = now_ns;
	for (int i = 0; i < 10000 && !done; i++)
		ontap_poll(o, -1, -1);
	assert_int_equal(done, 1);
	assert_int_equal(at, nsteps);
	ontap_free(o);
	assert_int_equal(done, 1);
	clock_set_fake(-1);
	return (now_ns - start) / NS_PER_SEC;
}

#define BEGIN(svm, ...)                                                        \
	const struct step steps_[] = {__VA_ARGS__};                            \
	struct ontap *o = begin(svm, steps_, ARRAY_LEN(steps_))
#define GET    HTTP_GET
#define POST   HTTP_POST
#define PATCH  HTTP_PATCH
#define DELETE HTTP_DELETE

/* ---- reading ------------------------------------------------------------ */

#define CLUSTER "{\"name\":\"k\",\"version\":{\"generation\":9,\"major\":15,\"minor\":1}}"
#define SVM(n)  "{" V ",\"name\":\"" n "\",\"state\":\"running\"}"

static void test_discover(void **state)
{
	(void)state;
	BEGIN("svm1", {GET, "/api/cluster?fields=name,version", 200, CLUSTER},
	      {GET, "/api/svm/svms?fields=name,uuid,state&name=svm1", 200, ONE(SVM("svm1"))},
	      {GET, "/api/protocols/nfs/services?svm.uuid=11111111", 200,
	       ONE("{\"enabled\":true,\"protocol\":{\"v3_enabled\":true}}")},
	      {GET, "/api/network/ip/interfaces?services=data_nfs&svm.uuid=1", 200,
	       ONE("{\"name\":\"l\",\"ip\":{\"address\":\"10.0.0.2\"},\"state\":\"up\"}")});
	ontap_discover(o, on_discover, NULL);
	finish(o);
	assert_int_equal(last.err, 0);
	assert_int_equal(count, 1);
	assert_true(found.nfs_known && found.nfs.v3_enabled);
	assert_string_equal(found.svm.name, "svm1");
}

static void test_discover_limited_account(void **state)
{
	(void)state;
	BEGIN(NULL, {GET, "/api/cluster", 200, CLUSTER}, {GET, "/api/svm/svms", 200, ONE(SVM("s"))},
	      {GET, "/nfs/services", 403, ERROR(6)}, {GET, "/ip/interfaces", 403, ERROR(6)});
	ontap_discover(o, on_discover, NULL);
	finish(o);
	assert_int_equal(last.err, 0);
	assert_int_equal(count, 0);
	assert_true(!found.nfs_known && found.nfs.mount_root_only);
}

static void test_discover_refused(void **state)
{
	(void)state;
	{
		BEGIN("svm9", {GET, "/api/cluster", 200, CLUSTER}, {GET, "name=svm9", 200, NONE});
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -ENOENT);
		assert_string_equal(last.text, "SVM \"svm9\" does not exist on cluster k, or the account "
					       "may not see it");
	}
	{
		BEGIN(NULL, {GET, "/api/cluster", 200, CLUSTER},
		      {GET, "/svm/svms", 200, "{\"records\":[" SVM("a") "," SVM("b") "]}"});
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
		assert_non_null(strstr(last.text, "(a, b)"));
	}
	{
		BEGIN(NULL, {GET, "/api/cluster", 401, ERROR(6691623)});
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -EACCES);
		assert_int_equal(last.http_status, 401);
	}
	{
		BEGIN(NULL, {GET, "/api/cluster", 0, NULL, TLS}); /* no second try */
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -EACCES);
	}
}

static void test_retries(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "/volumes", 500, ERROR(8585320)}, {GET, "/volumes", 503, ""},
		      {GET, "/volumes", 0, NULL, REFUSED}, {GET, "/volumes", 0, NULL, LOST},
		      {GET, "/volumes", 200, NONE});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
	{
		BEGIN("s", {GET, "/volumes", 0, NULL, REFUSED}, {GET, "/volumes", 0, NULL, REFUSED},
		      {GET, "/volumes", 0, NULL, REFUSED}, {GET, "/volumes", 0, NULL, REFUSED},
		      {GET, "/volumes", 0, NULL, REFUSED});
		ontap_volume_list(o, on_volumes, NULL);
		assert_true(finish(o) < 10);
		assert_int_equal(last.err, -ECONNREFUSED);
	}
	{
		BEGIN("s", {GET, "/volumes", 500, ERROR(917505)}); /* says no; no retry */
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -ENOENT);
		assert_int_equal(last.code, 917505);
	}
	{
		BEGIN("s", {GET, "/volumes", 200, "{\"records\":["});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
		assert_non_null(strstr(last.text, "no valid JSON"));
	}
}

#define VOL(n) "{" V ",\"name\":\"" n "\"}"

static void test_pages(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "fields=uuid,name", 200, "{\"records\":[" VOL("a") "],\"_links\":{\"next\":"
			    "{\"href\":\"/api/storage/volumes?start.uuid=a\"}}}"},
		      {GET, "/api/storage/volumes?start.uuid=a", 200,
		       "{\"records\":[" VOL("b") "," VOL("c/d") ",{\"style\":\"flexgroup_constituent\"}]}"});
		ontap_volume_list(o, on_volumes, NULL);
		for (int i = 0; i < 100 && !done; i++)
			ontap_poll(o, -1, -1);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 2); /* the odd name is left out and counted */
		assert_int_equal(ontap_counters(o)->records_rejected, 1);
		ontap_free(o);
	}
	static const char *const bad[] = {"https://evil/api/x", "/api/../../x", "//evil"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char body[200];
		snprintf(body, sizeof(body), "{\"records\":[],\"_links\":{\"next\":{\"href\":\"%s\"}}}",
			 bad[i]);
		BEGIN("s", {GET, "/volumes", 200, body});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
	}
	{
		const char *loop = "{\"records\":[],\"_links\":{\"next\":{\"href\":\"/api/x\"}}}";
		BEGIN("s", {GET, "/volumes", 200, loop}, {GET, "/api/x", 200, loop});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
	}
	{
		BEGIN("s", {GET, "/volumes", 200, "{\"num_records\":0}"});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
	}
}

static void test_old_server(void **state)
{
	(void)state;
	BEGIN("s", {GET, "snapshot_directory_access_enabled", 400, ERROR(262197)},
	      {GET, "split_complete_percent&max_records", 200, ONE(VOL("a"))});
	ontap_volume_list(o, on_volumes, NULL);
	finish(o);
	assert_int_equal(last.err, 0);
	assert_int_equal(count, 1);
}

static void test_find(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "name=vol", 200, "{\"records\":[" VOL("vol2") "," VOL("vol") "]}"});
		ontap_volume_find(o, "vol", on_volumes, NULL);
		finish(o);
		assert_int_equal(count, 1);
		assert_string_equal(first_name, "vol");
	}
	{ /* an expression is no volume's name: not even asked */
		struct ontap *o = begin("s", NULL, 0);
		ontap_volume_find(o, "v*", on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
	{ /* but it can be a snapshot's: picked out of the whole list */
		BEGIN("s", {GET, "max_records=1024", 200,
			    "{\"records\":[" SNAP("ab", "") "," SNAP("a*", "") "]}"});
		ontap_snapshot_find(o, &vol, "a*", on_snapshots, NULL);
		finish(o);
		assert_int_equal(count, 1);
		assert_string_equal(first_name, "a*");
	}
	{
		BEGIN("s", {GET, "/volumes/11111111", 404, ERROR(4)});
		ontap_volume_get(o, &vol, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
	{
		BEGIN("s", {GET, "/snapshots", 400, ERROR(9437613)});
		ontap_snapshot_list(o, &vol, on_snapshots, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
}

/* ---- create ------------------------------------------------------------- */

#define MINE  ONE(SNAP("run", "by {id-1}"))
#define THEIRS ONE(SNAP("run", "by {id-2}"))

static void create(struct ontap *o)
{
	ontap_snapshot_create(o, &vol, "run", "by {id-1}", "id-1", on_snapshots, NULL);
	finish(o);
}

static void test_create(void **state)
{
	(void)state;
	{
		BEGIN("s", {POST, "/snapshots?return_timeout=5", 202, JOB, REPLY, "id-1"},
		      {GET, "/cluster/jobs/33333333", 200, RUNNING}, {GET, "/jobs/", 200, RUNNING},
		      {GET, "/jobs/", 200, SUCCESS}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 1);
	}
	{ /* done within return_timeout: no poll; not listed at once: looks again */
		BEGIN("s", {POST, "/snapshots", 201, JOB}, {GET, "name=run", 200, NONE},
		      {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 200, FAILURE(525062)});
		create(o);
		assert_int_equal(last.err, -EMLINK);
		assert_int_equal(last.code, 525062);
		assert_string_equal(last.text,
				    "cannot create snapshot \"run\": because (ONTAP code 525062)");
	}
}

static void test_create_in_doubt(void **state)
{
	(void)state;
	{ /* the reply was lost, the work was done */
		BEGIN("s", {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* the reply was lost, and the request too */
		BEGIN("s", {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 201, JOB}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* never ran: the same request again, without a look */
		BEGIN("s", {POST, "/snapshots", 0, NULL, REFUSED}, {POST, "/snapshots", 503, ""},
		      {POST, "/snapshots", 201, JOB}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* the name exists: ours by an earlier run of the same verb */
		BEGIN("s", {POST, "/snapshots", 409, ERROR(1)}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* or somebody else's */
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 200, FAILURE(525059)},
		      {GET, "name=run", 200, THEIRS});
		create(o);
		assert_int_equal(last.err, -EEXIST);
	}
	{ /* the job is gone, or not for our eyes */
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)},
		      {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{
		BEGIN("s", {POST, "/snapshots", 202, "{}"}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 200, FAILURE(1638537)},
		      {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* lost each time: the reason of the doubt in the end */
		BEGIN("s", {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE});
		create(o);
		assert_int_equal(last.err, -ETIMEDOUT);
	}
}

/* ---- delete, rename, set ------------------------------------------------- */

static void test_delete(void **state)
{
	(void)state;
	static const struct {
		struct step steps[4];
		size_t n;
		int want;
	} t[] = {
		{{{DELETE, "/snapshots/22222222", 202, JOB}, {GET, "/jobs/", 200, SUCCESS}}, 2, 0},
		{{{DELETE, "/snapshots/", 200, JOB}}, 1, 0},
		{{{DELETE, "/snapshots/", 404, ERROR(4)}}, 1, 0},
		{{{DELETE, "/snapshots/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(1638600)}}, 2, 0},
		/* a 404 that is not ONTAP's own proves nothing */
		{{{DELETE, "/snapshots/", 404, "<html>"}}, 1, -EIO},
		{{{DELETE, "/snapshots/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(1638555)}}, 2, -EBUSY},
		{{{DELETE, "/snapshots/", 0, NULL, LOST}, {DELETE, "/snapshots/", 404, ERROR(4)}}, 2, 0},
		{{{DELETE, "/snapshots/", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)},
		  {DELETE, "/snapshots/", 404, ERROR(4)}}, 3, 0},
		{{{DELETE, "/snapshots/", 500, ""}, {DELETE, "/snapshots/", 200, "{}"}}, 2, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ontap *o = begin("s", t[i].steps, t[i].n);
		ontap_snapshot_delete(o, &vol, &snap, on_done, NULL);
		finish(o);
		if (last.err != t[i].want)
			fail_msg("row %zu: %d %s", i, last.err, last.text);
	}
}

static void test_rename(void **state)
{
	(void)state;
	static const struct {
		struct step steps[4];
		size_t n;
		int want;
	} t[] = {
		{{{PATCH, "/snapshots/22222222", 202, JOB, REPLY, "{\"name\":\"new\"}"},
		  {GET, "/jobs/", 200, SUCCESS}}, 2, 0},
		/* collides with its own first run */
		{{{PATCH, "/snapshots/", 409, ERROR(1)}, {GET, "/snapshots/22222222", 200, SNAP("new", "")}},
		 2, 0},
		{{{PATCH, "/snapshots/", 409, ERROR(1)}, {GET, "/snapshots/", 200, SNAP("old", "")}}, 2,
		 -EEXIST},
		{{{PATCH, "/snapshots/", 0, NULL, LOST}, {GET, "/snapshots/", 200, SNAP("new", "")}}, 2, 0},
		{{{PATCH, "/snapshots/", 0, NULL, LOST}, {GET, "/snapshots/", 200, SNAP("old", "")},
		  {PATCH, "/snapshots/", 200, "{}"}}, 3, 0},
		{{{PATCH, "/snapshots/", 202, JOB}, {GET, "/jobs/", 403, ERROR(6)},
		  {GET, "/snapshots/", 200, SNAP("new", "")}}, 3, 0},
		{{{PATCH, "/snapshots/", 404, ERROR(4)}}, 1, -ENOENT},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ontap *o = begin("s", t[i].steps, t[i].n);
		ontap_snapshot_rename(o, &vol, &snap, "new", on_done, NULL);
		finish(o);
		if (last.err != t[i].want)
			fail_msg("row %zu: %d %s", i, last.err, last.text);
	}
}

static void test_set(void **state)
{
	(void)state;
	{
		BEGIN("s", {PATCH, "/snapshots/", 0, NULL, LOST, "{\"comment\":\"x\"}"},
		      {PATCH, "/snapshots/", 200, ""});
		ontap_snapshot_set(o, &vol, &snap, "comment", "x", on_done, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
	}
	static const char *const fields[] = {"name", "uuid", "x\",\"y"};
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct ontap *o = begin("s", NULL, 0);
		ontap_snapshot_set(o, &vol, &snap, fields[i], "x", on_done, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
	}
	char big[2000];
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	struct ontap *o = begin("s", NULL, 0);
	ontap_snapshot_create(o, &vol, "n", big, "id", on_snapshots, NULL);
	finish(o);
	assert_int_equal(last.err, -EINVAL);
	o = begin("s", NULL, 0);
	ontap_snapshot_create(o, &vol, "bad\xff", "c", "id", on_snapshots, NULL);
	finish(o);
	assert_int_equal(last.err, -EINVAL);
}

/* ---- time and end --------------------------------------------------------- */

static void test_deadline(void **state)
{
	(void)state;
	BEGIN("s", {GET, "/volumes", 0, NULL, SILENT});
	ontap_volume_list(o, on_volumes, NULL);
	for (int i = 0; i < 1000 && !done; i++)
		ontap_poll(o, -1, -1);
	assert_int_equal(last.err, -ETIMEDOUT);
	assert_int_equal((now_ns - 1000 * NS_PER_SEC) / NS_PER_SEC, 30);
	ontap_free(o);
	clock_set_fake(-1);
}

static void test_cancel(void **state)
{
	(void)state;
	BEGIN("s", {GET, "/volumes", 0, NULL, SILENT});
	ontap_volume_list(o, on_volumes, NULL);
	ontap_snapshot_list(o, &vol, on_snapshots, NULL);
	ontap_poll(o, 0, -1);
	ontap_free(o);
	assert_int_equal(done, 2);
	assert_int_equal(last.err, -ECANCELED);
	clock_set_fake(-1);
}

int main(void)
{
	log_set_level(LOG_LV_ERROR);
	uuid_parse("11111111-1111-1111-1111-111111111111", &vol);
	uuid_parse("22222222-2222-2222-2222-222222222222", &snap);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discover),
		cmocka_unit_test(test_discover_limited_account),
		cmocka_unit_test(test_discover_refused),
		cmocka_unit_test(test_retries),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_old_server),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_create_in_doubt),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
