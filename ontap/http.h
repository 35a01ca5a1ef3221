/* HTTPS exchanges with one ONTAP, by one or several management LIFs. Private to ontap/; curl lives behind it.
 *
 * One exchange is one request and its reply, without any retry: what may be
 * tried again is decided above, by call.c. All on the control thread, except
 * http_wakeup(). */
#ifndef ONTAP_HTTP_H
#define ONTAP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/base/buf.h"
#include "fs/base/list.h"
#include "ontap/error.h"

#define HTTP_HOSTS_MAX 4 /* fewer than CALL_TRIES, so that one call may try them all */

enum http_method { HTTP_GET, HTTP_POST, HTTP_PATCH, HTTP_DELETE };

struct xfer {
	/* ---- filled by the caller, alive until done ---- */
	enum http_method method;
	const char *path; /* "/api/..." with its query, percent-encoded */
	const char *body; /* JSON, or NULL */
	size_t body_len;
	size_t max_reply; /* bytes; a longer reply is an error */
	int64_t timeout_ms;
	bool once; /* must never be carried out twice: goes on a connection of its own */
	void (*done)(struct xfer *x);

	/* ---- the outcome, valid in done and until the next start ---- */
	int status;           /* HTTP status, 0 when no reply came */
	struct buf reply;     /* the body */
	struct ontap_error e; /* err != 0: no (complete) reply; a sentence */
	bool retryable;       /* a later try may well succeed */
	bool executed;        /* no reply, but the server may have run it */
	bool moved;           /* that host is silent, the next try goes to another */
	int64_t retry_after_ms; /* what the server asked for, 0 nothing */

	/* ---- private to http.c ---- */
	struct list link; /* of waiting or active */
	struct http *http; /* NULL: idle */
	struct login *login; /* that it was sent with; NULL never sent */
	unsigned host;
	void *easy;
	int64_t start_ns;
	char curl_text[256];
};

struct http;

/* NULL: *ret_error says why. Copies all strings. */
struct http *http_new(const struct ontap_params *p, struct ontap_counters *counters,
		      struct ontap_error *ret_error);
/* No exchange may be under way. Wipes the secrets. */
void http_free(struct http *h);
/* For all exchanges that start from now on; the same as before changes nothing.
 * 0, or -errno with the old one kept. */
int http_set_login(struct http *h, const struct ontap_login *l, struct ontap_error *ret_error);
/* Whether x was sent with another login than the one of now. */
bool http_login_changed(const struct http *h, const struct xfer *x);

void http_xfer_init(struct xfer *x);
void http_xfer_fini(struct xfer *x);
/* Queues the exchange; done runs later, from http_run(). 0 or -ENOMEM. */
int http_start(struct http *h, struct xfer *x);
/* Ends it without done; the server may have run the request. No-op when idle. */
void http_abort(struct xfer *x);

/* Moves transfers on and runs done of those that ended. 0 or -EIO. */
int http_run(struct http *h);
/* Waits for traffic, extra_fd (-1: none), http_wakeup() or timeout_ms. 0 or -errno. */
int http_wait(struct http *h, int timeout_ms, int extra_fd);
void http_wakeup(struct http *h);

/* Names for sentences; strings belong to h. */
const struct error_who *http_who(const struct http *h);

/* Appends s percent-encoded: everything but RFC 3986 unreserved characters. */
void http_escape(struct buf *b, const char *s);

#endif
