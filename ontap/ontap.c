/* The client: calls under way, their timers and retries, and the loop.
 *
 * Invariants: a call is on o->calls from call_new() to call_end(). Completions
 * run only below ontap_poll() and ontap_free(). */
#include "ontap/ontap.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "ontap/call.h"

#define REQUEST_TIMEOUT_MS 15000
#define DEADLINE_MS        30000
#define BACKOFF_MIN_MS     100
#define BACKOFF_MAX_MS     2000
#define PATH_LEN_MAX       4096
#define BODY_LEN_MAX       65536

/* ---- making and ending calls -------------------------------------------- */

struct call *call_new(struct ontap *o, const struct call_ops *ops, void (*fn)(void), void *priv)
{
	struct call *c = calloc(1, ops->size);
	if (!c) {
		if (o->nnomem < (int)ARRAY_LEN(o->nomem)) {
			int i = o->nnomem++;
			o->nomem[i].ops = ops;
			o->nomem[i].fn = fn;
			o->nomem[i].priv = priv;
		} else {
			/* Not later, as promised, but better than never. */
			struct ontap_error e;
			error_set(&e, -ENOMEM, 0, 0, "out of memory");
			ops->tell(fn, NULL, 0, &e, priv);
		}
		return NULL;
	}
	c->o = o;
	c->ops = ops;
	c->fn = fn;
	c->priv = priv;
	c->deadline_ms = o->deadline_ms;
	c->deadline_ns = clock_now_ns() + c->deadline_ms * NS_PER_MS;
	http_xfer_init(&c->x);
	buf_init(&c->path, PATH_LEN_MAX);
	buf_init(&c->body, BODY_LEN_MAX);
	call_after(c, 0, ops->start);
	list_append(&o->calls, &c->link);
	return c;
}

void call_what(struct call *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->what, sizeof(c->what), fmt, ap);
	va_end(ap);
}

void call_end(struct call *c, const struct ontap_error *e)
{
	struct ontap_error copy; /* e may live inside c */
	struct ontap_error cancelled;
	if (c->cancelled) {
		error_set(&cancelled, -ECANCELED, 0, 0, "cannot %s: it was cancelled", c->what);
		e = &cancelled;
	}
	if (e) {
		copy = *e;
		e = &copy;
		atomic_fetch_add(&c->o->counters.failures, 1);
	}
	list_remove(&c->link);
	http_abort(&c->x);
	c->ops->tell(c->fn, e ? NULL : c->result, e ? 0 : c->nresult, e, c->priv);
	if (c->ops->fini)
		c->ops->fini(c);
	http_xfer_fini(&c->x);
	buf_fini(&c->path);
	buf_fini(&c->body);
	free(c);
}

void call_fail(struct call *c, int err, const char *fmt, ...)
{
	char text[sizeof(((struct ontap_error *)0)->text)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct ontap_error e;
	error_set(&e, err, 0, 0, "%s", text);
	call_end(c, &e);
}

void call_after(struct call *c, int64_t delay_ms, void (*step)(struct call *c))
{
	c->step = c->cancelled ? call_end_now : step;
	c->due_ns = clock_now_ns() + (c->cancelled ? 0 : delay_ms) * NS_PER_MS;
}

void call_end_now(struct call *c)
{
	call_end(c, NULL);
}

static void end_invalid(struct call *c)
{
	call_fail(c, -EINVAL, "cannot %s: not a valid name or value", c->what);
}

void call_invalid(struct call *c)
{
	call_after(c, 0, end_invalid);
}

void call_take(struct call *c, char *dst, size_t size, const char *src)
{
	if (strlen(src) < size)
		memcpy(dst, src, strlen(src) + 1);
	else
		call_invalid(c);
}

int64_t call_backoff_ms(unsigned tries)
{
	int64_t cap = BACKOFF_MIN_MS;
	for (unsigned i = 1; i < tries && cap < BACKOFF_MAX_MS; i++)
		cap *= 2;
	cap = MIN_OF(cap, (int64_t)BACKOFF_MAX_MS);
	uint32_t r = 0;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_now_ns();
	return (int64_t)(r % (uint32_t)(cap + 1));
}

/* ---- one exchange, with retries ----------------------------------------- */

void call_request(struct call *c, enum http_method method, size_t max_reply, const char *fmt, ...)
{
	char path[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	buf_reset(&c->path);
	buf_reset(&c->body);
	buf_puts(&c->path, "/api");
	if (n < 0 || n >= (int)sizeof(path))
		c->path.bad = true;
	buf_puts(&c->path, path);
	c->method = method;
	c->max_reply = max_reply;
}

void call_param(struct call *c, const char *name, const char *value)
{
	char sep = c->path.data && strchr(c->path.data, '?') ? '&' : '?';
	buf_printf(&c->path, "%c%s=", sep, name);
	http_escape(&c->path, value);
}

bool call_body_is_faithful(const struct buf *body)
{
	return !body->data || !strstr(body->data, "\\ufffd");
}

static void on_exchange(struct xfer *x);

static void send_now(struct call *c)
{
	int64_t left_ms = (c->deadline_ns - clock_now_ns()) / NS_PER_MS;
	if (left_ms < 1)
		left_ms = 1;
	c->tries++;
	c->due_ns = INT64_MAX;
	c->pending = c->pending || c->method != HTTP_GET;
	c->x.method = c->method;
	c->x.path = c->path.data;
	c->x.body = c->body.len ? c->body.data : NULL;
	c->x.body_len = c->body.len;
	c->x.max_reply = c->max_reply;
	c->x.timeout_ms = MIN_OF((int64_t)c->o->request_timeout_ms, left_ms);
	c->x.once = c->told_pending && c->method != HTTP_GET;
	c->x.done = on_exchange;
	if (http_start(c->o->http, &c->x) < 0)
		call_fail(c, -ENOMEM, "cannot %s: out of memory", c->what);
}

void call_send(struct call *c, call_reply_fn reply)
{
	c->reply = reply;
	c->tries = 0;
	c->unsure = c->renewed = false;
	if (c->cancelled) { /* by its owner, while he was shown what it brought */
		call_after(c, 0, call_end_now);
		return;
	}
	if (!buf_ok(&c->path) || !buf_ok(&c->body)) {
		call_fail(c, -ENAMETOOLONG, "cannot %s: the request would be too long", c->what);
		return;
	}
	send_now(c);
}

/* True when the exchange that just ended should be made again. */
static bool again(const struct call *c, const struct ontap_error *e)
{
	if (c->tries >= CALL_TRIES)
		return false;
	if (c->x.retryable) /* no connection, a lost reply, 429 or 503 */
		return c->method == HTTP_GET || !c->x.executed;
	if (c->method != HTTP_GET)
		return false;
	if (e->code == ONTAP_CODE_TABLE_MISSING || e->code == ONTAP_CODE_RPC_REJECT)
		return c->tries < 3;
	return e->http_status == 502 || e->http_status == 504;
}

static void read_login(struct ontap *o)
{
	o->login_due_ns = clock_now_ns() + ONTAP_LOGIN_S * NS_PER_SEC;
	o->read_login(o, o->read_login_priv);
}

/* After a refusal: true when there is another login by now. Once a request, so that
 * no wrong password is tried again and again, which locks accounts. */
static bool login_renewed(struct call *c)
{
	struct ontap *o = c->o;
	if (c->renewed)
		return false;
	c->renewed = true;
	c->pending = false;
	if (!http_login_changed(o->http, &c->x) && o->read_login)
		read_login(o);
	return http_login_changed(o->http, &c->x);
}

static void on_exchange(struct xfer *x)
{
	struct call *c = container_of(x, struct call, x);
	struct ontap_error e = x->e;
	struct json_object *root = NULL;
	char why[JS_WHY_LEN] = "";

	if (x->e.err == 0) {
		if (x->reply.len)
			root = js_parse(x->reply.data, x->reply.len, false, why);
		if (x->status < 200 || x->status > 299) {
			error_from_reply(&e, http_who(c->o->http), c->what, x->status, root);
			bool known;
			error_errno(e.code, x->status, &known);
			if (!known) {
				atomic_fetch_add(&c->o->counters.unknown_codes, 1);
				log_warn("unknown ONTAP code: %s", e.text);
			}
			/* A server error without ONTAP's own reason proves nothing. */
			x->executed = x->status >= 500 && x->status != 503 && e.code == 0;
			if (x->status == 401 && login_renewed(c)) {
				js_free(root);
				call_after(c, 0, send_now);
				return;
			}
		} else if (!root && x->reply.len) {
			error_set(&e, -EIO, x->status, 0,
				  "cannot %s: the answer of ONTAP at %s is no valid JSON: %s", c->what,
				  http_who(c->o->http)->host, why);
			x->executed = true;
		}
		buf_fini(&x->reply); /* a list may be large, and root has it now */
	} else if (x->e.err == -EACCES && !x->executed && login_renewed(c)) {
		call_after(c, 0, send_now); /* a certificate, theirs or ours, was renewed */
		return;
	}
	if (e.err != 0 && again(c, &e)) {
		if (c->method != HTTP_GET)
			c->pending = false; /* or it would not be sent again */
		js_free(root);
		atomic_fetch_add(&c->o->counters.retries, 1);
		log_debug("try %u of %s: %s", c->tries, c->what, e.text);
		c->last = e;
		/* Another host is another chance at once, until all had theirs. */
		bool now = x->moved && c->tries < HTTP_HOSTS_MAX;
		call_after(c, now ? 0 : MAX_OF(call_backoff_ms(c->tries), x->retry_after_ms), send_now);
		return;
	}
	if (c->method != HTTP_GET)
		c->pending = e.err ? x->executed : x->status == 202;
	c->unsure = e.err != 0 && c->method != HTTP_GET && x->executed;
	if (e.err != 0)
		c->last = e;
	c->reply(c, e.err ? NULL : root, e.err ? &e : NULL);
	js_free(root); /* c may be gone by now; root is ours */
}

bool query_is_expression(const char *value)
{
	return strpbrk(value, "*|!<>{}\",\\") || strstr(value, "..") || strcmp(value, "null") == 0;
}

/* ---- the door ----------------------------------------------------------- */

struct ontap *ontap_new(const struct ontap_params *p, struct ontap_error *ret_error)
{
	struct ontap *o = calloc(1, sizeof(*o));
	if (!o) {
		error_set(ret_error, -ENOMEM, 0, 0, "out of memory");
		return NULL;
	}
	list_init(&o->calls);
	o->request_timeout_ms = p->request_timeout_ms > 0 ? p->request_timeout_ms : REQUEST_TIMEOUT_MS;
	o->deadline_ms = p->deadline_ms > 0 ? p->deadline_ms : DEADLINE_MS;
	if (p->svm && strlen(p->svm) > ONTAP_NAME_MAX) {
		error_set(ret_error, -ENAMETOOLONG, 0, 0, "the SVM name is longer than %d bytes",
			  ONTAP_NAME_MAX);
		free(o);
		return NULL;
	}
	snprintf(o->svm_name, sizeof(o->svm_name), "%s", p->svm ? p->svm : "");
	o->default_deadline_ms = o->deadline_ms;
	o->read_login = p->read_login;
	o->read_login_priv = p->read_login_priv;
	o->login_due_ns = clock_now_ns() + ONTAP_LOGIN_S * NS_PER_SEC;
	o->http = http_new(p, &o->counters, ret_error);
	if (!o->http) {
		free(o);
		return NULL;
	}
	return o;
}

static void tell_nomem(struct ontap *o)
{
	struct ontap_error e;
	error_set(&e, -ENOMEM, 0, 0, "out of memory");
	for (int n = o->nnomem; n > 0; n--) { /* those added meanwhile wait for the next round */
		const struct call_ops *ops = o->nomem[0].ops;
		void (*fn)(void) = o->nomem[0].fn;
		void *priv = o->nomem[0].priv;
		o->nnomem--;
		memmove(&o->nomem[0], &o->nomem[1], sizeof(o->nomem[0]) * (size_t)o->nnomem);
		ops->tell(fn, NULL, 0, &e, priv);
	}
}

void ontap_free(struct ontap *o)
{
	if (!o)
		return;
	while (!list_empty(&o->calls)) {
		struct call *c = list_entry(o->calls.next, struct call, link);
		call_fail(c, -ECANCELED, "cannot %s: the client is shutting down", c->what);
	}
	tell_nomem(o);
	http_free(o->http);
	free(o);
}

static void end_late(struct call *c)
{
	int s = c->deadline_ms / 1000;
	const char *host = http_who(c->o->http)->host;
	int err = c->told_pending && (c->pending || c->write.doubt) ? -EINPROGRESS : -ETIMEDOUT;
	if (c->last.err)
		call_fail(c, err, "cannot %s within %d s: %s", c->what, s, c->last.text);
	else
		call_fail(c, err, "cannot %s: ONTAP at %s did not finish it within %d s", c->what,
			  host, s);
}

/* Runs what is due. A step ends at most its own call, so the next list entry
 * stays valid. Returns how many ran; *ret_next: when the next one is due. */
static int run_timers(struct ontap *o, int64_t *ret_next)
{
	int ran = 0;
	int64_t now = clock_now_ns(), next = INT64_MAX;
	struct list *pos, *tmp;
	list_for_each(pos, tmp, &o->calls) {
		struct call *c = list_entry(pos, struct call, link);
		if (c->deadline_ns <= now) {
			end_late(c);
			ran++;
		} else if (c->due_ns <= now) {
			c->due_ns = INT64_MAX;
			c->step(c);
			ran++;
		} else {
			int64_t due = MIN_OF(c->due_ns, c->deadline_ns);
			next = MIN_OF(next, due);
		}
	}
	*ret_next = next;
	return ran;
}

int ontap_poll(struct ontap *o, int timeout_ms, int extra_fd)
{
	int64_t next;
	int ran = o->nnomem;
	tell_nomem(o);
	/* The exchange first: whatever the clock says, that wish is fulfilled. */
	if ((atomic_exchange(&o->relogin, false) || o->login_due_ns <= clock_now_ns()) && o->read_login)
		read_login(o);
	ran += run_timers(o, &next);
	if (o->read_login)
		next = MIN_OF(next, o->login_due_ns);
	int64_t wait_ms = timeout_ms < 0 ? INT_MAX : timeout_ms;
	if (ran > 0) {
		wait_ms = 0;
	} else if (next != INT64_MAX) {
		/* Rounded up: waking a moment early would only spin. */
		int64_t ms = (next - clock_now_ns() + NS_PER_MS - 1) / NS_PER_MS;
		wait_ms = MIN_OF(wait_ms, MAX_OF(ms, (int64_t)0));
	}
	int r = http_wait(o->http, (int)wait_ms, extra_fd);
	int r2 = http_run(o->http);
	run_timers(o, &next);
	return r < 0 ? r : r2;
}

void ontap_wakeup(struct ontap *o)
{
	http_wakeup(o->http);
}

int ontap_set_credentials(struct ontap *o, const struct ontap_login *l, struct ontap_error *ret_error)
{
	return http_set_login(o->http, l, ret_error);
}

void ontap_relogin(struct ontap *o)
{
	atomic_store(&o->relogin, true);
	http_wakeup(o->http);
}

void ontap_set_deadline(struct ontap *o, int deadline_ms)
{
	o->deadline_ms = deadline_ms > 0 ? deadline_ms : o->default_deadline_ms;
}

size_t ontap_cancel(struct ontap *o, const void *priv)
{
	size_t n = 0;
	struct list *pos, *tmp;
	list_for_each(pos, tmp, &o->calls) {
		struct call *c = list_entry(pos, struct call, link);
		if (c->priv != priv)
			continue;
		http_abort(&c->x);
		c->cancelled = true;
		call_after(c, 0, call_end_now);
		n++;
	}
	return n;
}

struct ontap_counters *ontap_counters(struct ontap *o)
{
	return &o->counters;
}
