/* For tests of the client above the transport: a scripted one in the place of
 * http.c (all its functions are wrapped), and a clock that is ours, so that
 * seconds of backoff and polling take no time. */
#ifndef UNIT_ONTAP_FAKE_H
#define UNIT_ONTAP_FAKE_H

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

enum fate { REPLY, REFUSED, LOST, TLS, SILENT, MOVED /* refused, another host is next */ };

/* One expected request and what becomes of it. */
struct step {
	enum http_method method;
	const char *path; /* must be part of the path */
	int status;       /* of REPLY */
	const char *body;
	enum fate fate;
	const char *sent; /* must be part of the request's body, or NULL */
	int64_t retry_after_ms;
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
static unsigned logins, sent_login; /* how often it changed; with which one the last request went */
int __wrap_http_set_login(struct http *h, const struct ontap_login *l, struct ontap_error *ret_error)
{
	(void)h, (void)l, (void)ret_error;
	logins++;
	return 0;
}
bool __wrap_http_login_changed(const struct http *h, const struct xfer *x)
{
	(void)h, (void)x;
	return sent_login != logins;
}
int __wrap_http_start(struct http *h, struct xfer *x)
{
	(void)h;
	x->status = 0;
	x->e = (struct ontap_error){0};
	x->retryable = x->executed = false;
	x->retry_after_ms = 0;
	x->moved = false;
	sent_login = logins;
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
	case MOVED:
		x->moved = true;
		/* fall through */
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
		x->retry_after_ms = s->retry_after_ms;
		buf_fini(&x->reply);
		buf_init(&x->reply, x->max_reply);
		if (s->body)
			buf_puts(&x->reply, s->body);
	}
	x->done(x);
	return 0;
}

/* ---- replies ------------------------------------------------------------ */

#define NONE    "{\"records\":[],\"num_records\":0}"
#define ONE(r)  "{\"records\":[" r "],\"num_records\":1}"
#define JOB     "{\"job\":{\"uuid\":\"33333333-3333-3333-3333-333333333333\"}}"
#define RUNNING "{\"state\":\"running\"}"
#define SUCCESS "{\"state\":\"success\",\"code\":0}"
#define FAILURE_SAYING(code, text) "{\"state\":\"failure\",\"code\":" #code ",\"message\":\"" text "\"}"
#define FAILURE(code) FAILURE_SAYING(code, "because")
#define ERROR(code) "{\"error\":{\"message\":\"because\",\"code\":\"" #code "\"}}"

/* ---- running one call --------------------------------------------------- */

static int done;
static size_t count;
static struct ontap_error last;

static void note(const struct ontap_error *e, size_t n)
{
	done++;
	last = e ? *e : (struct ontap_error){0};
	count = n;
}
static void on_done(const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, 0);
}

static void (*fake_read_login)(struct ontap *o, void *priv);

static struct ontap *begin(const char *svm, const struct step *s, size_t n)
{
	static const char *const lifs[] = {"10.0.0.1", NULL};
	struct ontap_params p = {.management_lifs = lifs, .svm = svm,
				 .read_login = fake_read_login,
				 .login = {.username = "vsadmin", .password = "x"}};
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

#endif
