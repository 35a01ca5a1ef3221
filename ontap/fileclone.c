/* File clones inside one volume: a whole file, or a range into one that exists.
 *
 * A range is counted in blocks; the last one may be cut by the end of the source.
 * Outcomes: a whole file that was asked for twice collides with itself, and its
 * name proves nothing about whose it is, so that is told as it is (-EEXIST). A
 * range out of a snapshot is the same when done twice; out of a live file it is
 * not, once somebody wrote to that. */
#include <errno.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define FILE_PATH_MAX 4095

/* Relative, and nothing in it that climbs: this is not a place for "..". */
static bool path_is_valid(const char *p)
{
	if (!p || !*p || *p == '/' || strlen(p) > FILE_PATH_MAX)
		return false;
	for (const char *s = p; s; s = strchr(s, '/')) {
		s += *s == '/';
		size_t n = strcspn(s, "/");
		if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
	}
	return true;
}

static bool range_is_valid(const struct ontap_file_clone *f)
{
	uint64_t max = (uint64_t)INT64_MAX - ONTAP_FILE_BLOCK;
	return f->source_start % ONTAP_FILE_BLOCK == 0 && f->destination_start % ONTAP_FILE_BLOCK == 0 &&
	       f->source_start <= max && f->destination_start <= max &&
	       f->length <= max - f->source_start && f->length <= max - f->destination_start;
}

int file_clone_body(struct buf *b, const struct ontap_file_clone *f)
{
	char text[UUID_TEXT_LEN + 1];
	if (!path_is_valid(f->source) || !path_is_valid(f->destination) || !range_is_valid(f) ||
	    (f->length == 0 && (f->source_start || f->destination_start)))
		return -EINVAL;
	buf_printf(b, "{\"volume\":{\"uuid\":\"%s\"},\"source_path\":", uuid_format(&f->volume, text));
	buf_json(b, f->source);
	buf_puts(b, ",\"destination_path\":");
	buf_json(b, f->destination);
	if (f->length) {
		uint64_t blocks = (f->length + ONTAP_FILE_BLOCK - 1) / ONTAP_FILE_BLOCK;
		buf_printf(b, ",\"range\":[\"%llu:%llu:%llu\"]",
			   (unsigned long long)(f->source_start / ONTAP_FILE_BLOCK),
			   (unsigned long long)(f->destination_start / ONTAP_FILE_BLOCK),
			   (unsigned long long)blocks);
	}
	buf_puts(b, "}");
	return 0;
}

struct file_call {
	struct call c;
	struct buf body;
	bool repeatable;
};

static struct file_call *of(struct call *c)
{
	return (struct file_call *)c;
}

static void file_fini(struct call *c)
{
	buf_fini(&of(c)->body);
}

static void make_clone(struct call *c)
{
	const struct buf *b = &of(c)->body;
	call_request(c, HTTP_POST, CALL_REPLY_MAX, "/storage/file/clone");
	buf_append(&c->body, b->data, b->len);
}

static void cloned(struct call *c, const struct ontap_error *e)
{
	struct ontap_error unknown;
	if (e && (c->unsure || c->write.doubt)) { /* what the first try began may still run */
		error_set(&unknown, -EINPROGRESS, e->http_status, e->code,
			  "it is not known whether ONTAP cloned the file: %.300s", e->text);
		e = &unknown;
	}
	call_end(c, e);
}

static void clone_start(struct call *c)
{
	if (!buf_ok(&of(c)->body))
		call_fail(c, -ENAMETOOLONG, "cannot %s: the paths are too long", c->what);
	else if (of(c)->repeatable)
		write_run(c, make_clone, cloned);
	else
		write_once(c, make_clone, cloned);
}

static const struct call_ops ops = {sizeof(struct file_call), clone_start, write_tell, file_fini};

void ontap_file_clone(struct ontap *o, const struct ontap_file_clone *f, ontap_done_fn fn, void *priv)
{
	struct call *c = call_new(o, &ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "clone the file \"%.150s\" to \"%.150s\"", f->source ? f->source : "",
		  f->destination ? f->destination : "");
	c->told_pending = true;
	of(c)->repeatable = f->length > 0 && f->source && strncmp(f->source, ".snapshot/", 10) == 0;
	buf_init(&of(c)->body, 4 * FILE_PATH_MAX);
	if (file_clone_body(&of(c)->body, f) < 0)
		call_invalid(c);
}
