#include "tests/unit/nfsclient.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/log.h"

static const struct nfsio_fh dir_fh = {.len = 4, .data = "dir!"};

int client_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	log_init("test_nfsio", 2);
	log_set_level(getenv("TEST_LOG") ? LOG_LV_DEBUG : LOG_LV_ERROR);
	signal(SIGPIPE, SIG_IGN);
	f->ev = ev_new();
	f->a = server_new("127.0.0.1");
	f->b = server_new("127.0.0.2");
	f->xid = 0xfffffff0u; /* wraps during the test */
	f->p = (struct nfsio_params){.nlifs = 1,
				     .nconnect = 1,
				     .silence_ns = 60 * NS_PER_MS,
				     .next_xid = &f->xid,
				     .counters = &f->k};
	strcpy_bounded(f->p.lifs[0].address, "127.0.0.1", sizeof(f->p.lifs[0].address));
	strcpy_bounded(f->p.lifs[1].address, "127.0.0.2", sizeof(f->p.lifs[1].address));
	f->p.lifs[0].nfs_port = f->p.lifs[0].mount_port = f->a->port;
	f->p.lifs[1].nfs_port = f->p.lifs[1].mount_port = f->b->port;
	*state = f;
	return 0;
}

void start(struct fixture *f)
{
	if (!f->a->thread)
		server_run(f->a);
	if (f->p.nlifs > 1)
		server_run(f->b);
	f->n = nfsio_new(f->ev, &f->p);
	assert_non_null(f->n);
}

int client_teardown(void **state)
{
	struct fixture *f = *state;
	clock_set_fake(-1);
	nfsio_free(f->n);
	assert_int_equal(f->k.connections, 0);
	server_stop(f->a);
	server_stop(f->b);
	ev_free(f->ev);
	free(f);
	return 0;
}

void finished(struct nfsio_call *c)
{
	struct call *x = c->priv;
	x->done = true;
	x->times++;
	if (!c->res.err && c->proc == NFSIO_READ)
		memcpy(x->data, c->res.data, MIN_OF((size_t)c->res.count, sizeof(x->data)));
	for (uint32_t i = 0; !c->res.err && i < c->res.nentries && i < 4; i++)
		snprintf(x->names[i], sizeof(x->names[i]), "%s", c->res.entries[i].name);
}

void prepare(struct call *x, enum nfsio_proc proc)
{
	memset(x, 0, sizeof(*x));
	x->c.proc = proc;
	x->c.done = finished;
	x->c.priv = x;
	x->c.fh = dir_fh;
	x->c.name = "name";
	x->c.count = 4096;
}

void submit(struct fixture *f, struct call *x)
{
	x->done = false;
	assert_int_equal(nfsio_submit(f->n, &x->c), 0);
	assert_false(x->done);
}

int call(struct fixture *f, struct call *x)
{
	submit(f, x);
	run_until(f, x->done);
	return x->c.res.err;
}

void check_read(const struct call *x)
{
	assert_int_equal(x->c.res.err, 0);
	assert_int_equal(x->c.res.count, x->c.count);
	for (uint32_t i = 0; i < x->c.count && i < sizeof(x->data); i++)
		if (x->data[i] != pattern(x->c.offset + i))
			fail_msg("wrong byte at %u", i);
}

struct rec rec_at(struct server *s, uint32_t i)
{
	return LOCKED(s, s->recs[i]);
}

uint32_t seen(struct server *s, uint32_t proc)
{
	uint32_t n = 0;
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->nrecs; i++)
		n += s->recs[i].proc == proc;
	pthread_mutex_unlock(&s->lock);
	return n;
}
