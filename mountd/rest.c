/* One call at a time. */
#include "mountd/rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"

#define DUMP_MAX (1u << 20)

int rest_open(struct rest *x, const char *source, int deadline_ms, char err[512])
{
	*x = (struct rest){0};
	buf_init(&x->json, DUMP_MAX);
	int r = config_load(source, &x->cfg, err);
	if (r == 0)
		r = params_fill(&x->cfg, &x->json, &x->params, err);
	if (r < 0)
		return r;
	x->params.ontap.deadline_ms = deadline_ms;
	x->params.ontap.request_timeout_ms = deadline_ms;
	x->o = ontap_new(&x->params.ontap, &x->e);
	if (!x->o)
		snprintf(err, 512, "%s: %s", source, x->e.text);
	return x->o ? 0 : x->e.err;
}

void rest_close(struct rest *x)
{
	ontap_free(x->o);
	x->o = NULL;
	buf_fini(&x->json);
	config_free(&x->cfg);
}

void rest_begin(struct rest *x)
{
	x->done = false;
	x->e = (struct ontap_error){0};
}

void rest_ended(struct rest *x, const struct ontap_error *e)
{
	x->done = true;
	if (e)
		x->e = *e;
}

int rest_wait(struct rest *x)
{
	while (!x->done) {
		int r = ontap_poll(x->o, -1, -1);
		if (r < 0 && !x->done) {
			x->e = (struct ontap_error){.err = r};
			snprintf(x->e.text, sizeof(x->e.text), "cannot wait for ONTAP: %s", strerror(-r));
			break;
		}
	}
	return x->e.err;
}
