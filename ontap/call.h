/* A call of the door while it is under way. Private to ontap/.
 *
 * A call is a small state machine: it runs a step when its timer is due, or
 * has one HTTP exchange out; never both, never more. It ends by call_end(),
 * which tells the caller and frees it: nothing may touch a call after that.
 * Control thread only. */
#ifndef ONTAP_CALL_H
#define ONTAP_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/base/buf.h"
#include "fs/base/list.h"
#include "ontap/error.h"
#include "ontap/http.h"
#include "ontap/json.h"
#include "ontap/ontap.h"

#define CALL_REPLY_MAX (1u << 20)  /* bytes of the answer about one object */
#define CALL_LIST_MAX  (64u << 20) /* bytes of one page of a collection */
#define CALL_TRIES     5           /* of one exchange */
#define CALL_ROUNDS    4           /* repetitions of a verb whose outcome was unknown */
#define CALL_ID_MAX    127         /* bytes of a request id */

struct call;

/* What a kind of call does. Embed struct call as the first member. */
struct call_ops {
	size_t size;
	void (*start)(struct call *c);
	/* Runs the caller's completion fn, cast back to its type. e is NULL on
	 * success; then data and n are the call's result. */
	void (*tell)(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e,
		     void *priv);
	void (*fini)(struct call *c); /* frees what the kind owns; may be NULL */
};

/* e is NULL on success; then root is the reply (NULL when it had no body).
 * Both live until the function returns or sends again. */
typedef void (*call_reply_fn)(struct call *c, struct json_object *root,
			      const struct ontap_error *e);
typedef void (*call_end_fn)(struct call *c, const struct ontap_error *e);

struct call {
	struct list link; /* of ontap.calls */
	struct ontap *o;
	const struct call_ops *ops;
	void (*fn)(void); /* the caller's completion, cast back by tell */
	void *priv;
	const void *result; /* what tell gets on success; owned by the kind */
	size_t nresult;
	char what[352]; /* infinitive, for sentences: `list the volumes` */

	int deadline_ms;
	int64_t deadline_ns;
	int64_t due_ns; /* when step runs; INT64_MAX: waits for the exchange */
	void (*step)(struct call *c);

	/* the exchange */
	struct xfer x;
	struct buf path, body;
	enum http_method method;
	size_t max_reply;
	unsigned tries;
	call_reply_fn reply;
	bool cancelled; /* nothing is sent any more, and it ends so, whatever comes */
	bool renewed; /* the login was read again for this request */
	bool pending; /* a write is on its way, or its job runs */
	bool told_pending; /* its writes must not be repeated: when the deadline passes then, -EINPROGRESS */
	bool unsure; /* the last write failed, but may have been carried out */
	struct ontap_error last; /* why the last try failed, for the deadline's sentence */

	/* page.c */
	struct {
		int (*record)(struct call *c, struct json_object *rec);
		call_end_fn end;
		unsigned count;
	} page;

	/* job.c */
	struct {
		struct uuid uuid;
		int64_t pause_ms;
		call_end_fn end;
	} job;

	/* write.c */
	struct {
		void (*make)(struct call *c);
		call_end_fn end;
		unsigned rounds;
		bool once, doubt; /* doubt: an earlier round may have been carried out */
	} write;
};

struct ontap {
	struct http *http;
	struct list calls;
	int request_timeout_ms, deadline_ms, default_deadline_ms;
	struct ontap_counters counters;
	void (*read_login)(struct ontap *o, void *priv);
	void *read_login_priv;
	_Atomic bool relogin; /* by any thread */
	int64_t login_due_ns; /* when read_login is asked again */

	/* learned by discovery */
	char svm_name[ONTAP_NAME_MAX + 1]; /* configured, or found; "" none yet */
	bool svm_known;
	struct uuid svm_uuid;
	int version;            /* 91501 for 9.15.1; 0 not known */
	bool old_volume_fields; /* the server lacks the later fields */
	bool old_snapshot_fields;
	bool old_detail_fields;

	/* Completions owed to callers for whose call there was no memory. */
	struct {
		const struct call_ops *ops;
		void (*fn)(void);
		void *priv;
	} nomem[32];
	int nnomem;
};

/* Makes a call and queues its start. Without memory the caller will be told
 * -ENOMEM, later as always, and NULL is returned. */
struct call *call_new(struct ontap *o, const struct call_ops *ops, void (*fn)(void), void *priv);
__attribute__((format(printf, 2, 3))) void call_what(struct call *c, const char *fmt, ...);

/* Runs step after a delay. */
void call_after(struct call *c, int64_t delay_ms, void (*step)(struct call *c));
/* Copies an argument into the call. One that does not fit ends the call with
 * -EINVAL, as call_invalid does by itself: later, as always. */
void call_take(struct call *c, char *dst, size_t size, const char *src);
void call_invalid(struct call *c);
/* Full jitter: anything between 0 and the doubled pause, so that clients that
 * failed together do not come back together. tries counts from 1. */
int64_t call_backoff_ms(unsigned tries);

/* Starts a new request; the path is then completed in c->path, a body in
 * c->body. path is "/storage/...", printf style, without "/api". */
__attribute__((format(printf, 4, 5))) void
call_request(struct call *c, enum http_method method, size_t max_reply, const char *fmt, ...);
/* Appends ?name=value or &name=value, the value percent-encoded. */
void call_param(struct call *c, const char *name, const char *value);
/* Sends it. A GET is retried here after anything that may pass; a write only
 * where the server surely did not run it; the rest sets c->unsure. */
void call_send(struct call *c, call_reply_fn reply);
/* False when a text of the body is not UTF-8: ONTAP would store another one. */
bool call_body_is_faithful(const struct buf *body);

void call_end(struct call *c, const struct ontap_error *e);
/* The same with a sentence made here. */
__attribute__((format(printf, 3, 4))) void call_fail(struct call *c, int err, const char *fmt, ...);

/* ---- page.c ------------------------------------------------------------ */

/* Sends c's GET and follows the collection to its end. record sees each
 * record; it returns 0, or -errno to stop. */
void page_run(struct call *c, int (*record)(struct call *c, struct json_object *rec),
	      call_end_fn end);
/* The one object of an instance reply: itself, in "record", or the only
 * element of "records". NULL when there is none. */
struct json_object *page_instance(struct json_object *root);
/* 0, or -EINVAL when href must not be followed. */
int page_check_href(const char *href);

/* ---- job.c -------------------------------------------------------------- */

/* Asks ONTAP to hold a write's reply until its job is done, which mostly saves
 * the polls; a client that gives up first would only lose the reply. */
void job_param(struct call *c);
/* Waits for the job that a write's reply (root, may be NULL) names. A reply
 * other than 202 is done already. end gets the job's error; c->unsure when the
 * outcome cannot be learned from the job. */
void job_wait(struct call *c, struct json_object *root, call_end_fn end);

/* ---- write.c ------------------------------------------------------------- */

/* A write that may be carried out twice: make builds the request, it is sent and
 * its job awaited; while the outcome is unknown that is repeated, with pauses.
 * end gets the last outcome. */
void write_run(struct call *c, void (*make)(struct call *c), call_end_fn end);
/* The same without repetition: end looks at c->unsure. */
void write_once(struct call *c, void (*make)(struct call *c), call_end_fn end);
/* From end: another round for a refusal that may pass. False when there have
 * been enough. */
bool write_again(struct call *c);
/* tell of an ontap_done_fn. */
void write_tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv);

/* ---- read.c -------------------------------------------------------------- */

/* A kind of record that is read into an array. */
struct kind {
	const char *noun; /* "a volume" */
	size_t size;
	int (*parse)(struct json_object *rec, void *ret, char why[160]);
	/* Whether a record is meant; NULL: each is. row is NULL before it is parsed. */
	bool (*want)(struct call *c, struct json_object *rec, const void *row);
	/* In struct ontap: whether the server lacks the later fields. 0: none are later. */
	size_t old_flag;
};

/* A call that reads records; they are its result. Kinds of calls that do more
 * embed it as the first member. */
struct read_call {
	struct call c;
	const struct kind *kind;
	struct uuid uuid, parent;       /* of the object; of what it is in */
	char name[ONTAP_MIRROR_PATH_MAX + 1]; /* exact match, by `want`; "" none */
	void *row;                      /* n of them */
	size_t n, cap;
	void (*request)(struct call *c);
	call_end_fn end;
};
static inline struct read_call *read_of(struct call *c)
{
	return (struct read_call *)c;
}
/* Builds the request and reads the collection, or the one object (gone: n is 0).
 * A server that does not know a later field is asked again without those. */
void read_list(struct call *c, const struct kind *kind, void (*request)(struct call *c), call_end_fn end);
void read_one(struct call *c, const struct kind *kind, void (*request)(struct call *c), call_end_fn end);
/* 0 or -ENOMEM. */
int read_add(struct read_call *rc, const void *row);
void read_fini(struct call *c);
/* A step: ends the call with what it has, mostly nothing. */
void call_end_now(struct call *c);

/* ---- volume.c, for those that read volumes back -------------------------- */

/* The first release whose REST API knows snapshot_directory_access_enabled. */
#define VERSION_SNAPDIR 91301
extern const struct kind volume_kind;
/* The request of read_list: the volumes of the SVM called read_call.name ("" all). */
void volume_request(struct call *c);
void volume_tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv);
/* Adds svm.uuid or svm.name, as far as the SVM is known. */
void param_svm(struct call *c);
/* Starts a request to one volume; query is "" or "?...". */
void request_volume(struct call *c, enum http_method method, const struct uuid *volume, const char *query);

/* ---- for the resources -------------------------------------------------- */

/* True when ONTAP would read the value of a filter as an expression. */
bool query_is_expression(const char *value);

#endif
