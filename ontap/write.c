/* One write: its request, its job, and what to do when nobody knows whether it
 * was carried out.
 *
 * A reply can be lost after ONTAP did the work, and a job can be forgotten. A
 * write that is the same when done twice (by uuid, to a given value) is then
 * simply made again; the others ask for one round and look for themselves. */
#include <errno.h>

#include "ontap/call.h"

static void send_write(struct call *c);

static void write_end(struct call *c, const struct ontap_error *e)
{
	if (e && c->unsure && !c->write.once && write_again(c))
		return;
	c->write.end(c, e);
}

static void on_write(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e)
		write_end(c, e);
	else
		job_wait(c, root, write_end);
}

static void send_write(struct call *c)
{
	c->write.make(c);
	job_param(c);
	if (!call_body_is_faithful(&c->body))
		call_fail(c, -EINVAL, "cannot %s: the name or value is not UTF-8", c->what);
	else
		call_send(c, on_write);
}

static void begin(struct call *c, void (*make)(struct call *c), call_end_fn end, bool once)
{
	c->write.make = make;
	c->write.end = end;
	c->write.once = once;
	c->write.rounds = 0;
	c->write.doubt = false;
	send_write(c);
}

void write_run(struct call *c, void (*make)(struct call *c), call_end_fn end)
{
	begin(c, make, end, false);
}

void write_once(struct call *c, void (*make)(struct call *c), call_end_fn end)
{
	begin(c, make, end, true);
}

bool write_again(struct call *c)
{
	if (c->write.rounds >= CALL_ROUNDS)
		return false;
	c->write.rounds++;
	c->write.doubt = true;
	call_after(c, call_backoff_ms(c->write.rounds), send_write);
	return true;
}

void write_tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)data, (void)n;
	((ontap_done_fn)fn)(e, priv);
}
