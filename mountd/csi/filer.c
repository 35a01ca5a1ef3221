/* Calls that wait. */
#include "mountd/csi/filer.h"

#include <stdio.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/params.h"
#include "mountd/secret.h"

#define CALL_MS 60000 /* of one REST call, without a deadline of the gRPC call */

/* ---- one call -------------------------------------------------------------------- */

static void begin(struct filer *f)
{
	f->done = false;
	f->n = 0;
	f->e = (struct ontap_error){0};
}

static int wait_end(struct filer *f)
{
	while (!f->done) {
		int r = ontap_poll(f->o, -1, -1);
		if (r < 0 && !f->done) {
			ontap_cancel(f->o, f);
			while (!f->done && ontap_poll(f->o, 0, -1) == 0)
				;
			f->e = (struct ontap_error){.err = r};
			snprintf(f->e.text, sizeof(f->e.text), "cannot wait for ONTAP: %s", strerror(-r));
			break;
		}
	}
	return f->e.err;
}

static void on_end(const struct ontap_error *e, void *priv)
{
	struct filer *f = priv;
	f->done = true;
	if (e)
		f->e = *e;
}

static void on_discovery(const struct ontap_discovery *d, const struct ontap_error *e, void *priv)
{
	(void)d;
	on_end(e, priv);
}

/* Which SVM: all later calls keep to it. */
static int discover(struct filer *f, char err[512])
{
	begin(f);
	ontap_discover(f->o, on_discovery, f);
	int r = wait_end(f);
	if (r < 0)
		snprintf(err, 512, "%s", f->e.text);
	return r;
}

/* ---- life -------------------------------------------------------------------------- */

static void read_login(struct ontap *o, void *priv)
{
	const struct csi *s = priv;
	struct config cfg = {0};
	struct ontap_error e = {0};
	char err[512] = "";
	int r = config_load(s->config, &cfg, err);
	if (r == 0) {
		struct ontap_login login = params_login(&cfg);
		r = ontap_set_credentials(o, &login, &e);
	}
	if (r < 0)
		log_warn("the login stays as it is, its new one cannot be read: %s", *err ? err : e.text);
	config_free(&cfg);
}

static struct filer *open_filer(struct csi *s, char err[512])
{
	struct filer *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	int r = config_load(s->config, &f->cfg, err);
	struct ontap_params p = {.management_lifs = (const char *const *)f->cfg.management_lifs,
				 .port = (uint16_t)f->cfg.rest_port,
				 .svm = f->cfg.svm,
				 .read_login = read_login,
				 .read_login_priv = s,
				 .app = "ontapfs-csi/" ONTAPFS_VERSION,
				 .deadline_ms = CALL_MS};
	if (r == 0) {
		p.login = params_login(&f->cfg);
		f->o = ontap_new(&p, &f->e);
		if (!f->o)
			snprintf(err, 512, "%s: %s", s->config, f->e.text);
	}
	/* From here on the client has its own copy. */
	secret_free(&f->cfg.password);
	secret_free(&f->cfg.client_key_pem);
	if (f->o && discover(f, err) == 0)
		return f;
	filer_free(f);
	return NULL;
}

void filer_free(struct filer *f)
{
	if (!f)
		return;
	ontap_free(f->o);
	config_free(&f->cfg);
	free(f);
}

struct filer *filer_of(struct grpc_call *c, enum grpc_status *ret)
{
	struct csi *s = c->app;
	struct filer **f = &s->filer[c->worker];
	char err[512] = "no memory";
	if (!*f)
		*f = open_filer(s, err);
	if (!*f) {
		*ret = grpc_refuse(c, GRPC_UNAVAILABLE, "%s", err);
		return NULL;
	}
	int ms = CALL_MS;
	if (c->deadline_ns) {
		/* At least some seconds: the work goes on when nobody waits any more. */
		int64_t left = (c->deadline_ns - clock_now_ns()) / NS_PER_MS;
		ms = (int)MIN_OF(MAX_OF(left, (int64_t)5000), (int64_t)CALL_MS);
	}
	ontap_set_deadline((*f)->o, ms);
	return *f;
}

enum grpc_status filer_refuse(struct filer *f, struct grpc_call *c)
{
	return grpc_refuse(c, csi_status_of(f->e.err), "%s", f->e.text);
}

/* ---- the calls --------------------------------------------------------------------- */

static void on_volume(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	struct filer *f = priv;
	if (!e && n)
		*f->volume = v[0];
	f->n = n;
	on_end(e, f);
}

static void on_snapshot(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e, void *priv)
{
	struct filer *f = priv;
	if (!e && n)
		*f->snapshot = s[0];
	f->n = n;
	on_end(e, f);
}

/* Of calls whose empty answer means "not there". */
static int wait_one(struct filer *f, const char *what)
{
	int r = wait_end(f);
	if (r == 0 && f->n == 0) {
		f->e.err = r = -ENOENT;
		snprintf(f->e.text, sizeof(f->e.text), "%s is not on ONTAP", what);
	}
	return r;
}

int filer_volume_get(struct filer *f, const struct uuid *volume, struct ontap_volume *ret)
{
	begin(f);
	f->volume = ret;
	ontap_volume_get(f->o, volume, on_volume, f);
	return wait_one(f, "the volume");
}

int filer_volume_find(struct filer *f, const char *name, struct ontap_volume *ret)
{
	begin(f);
	f->volume = ret;
	ontap_volume_find(f->o, name, on_volume, f);
	return wait_one(f, "the volume");
}

int filer_volume_create(struct filer *f, const struct ontap_create *cr, struct ontap_volume *ret)
{
	begin(f);
	f->volume = ret;
	ontap_volume_create(f->o, cr, on_volume, f);
	return wait_one(f, "the new volume");
}

int filer_volume_clone(struct filer *f, const struct ontap_clone *cl, struct ontap_volume *ret)
{
	begin(f);
	f->volume = ret;
	ontap_volume_clone(f->o, cl, on_volume, f);
	return wait_one(f, "the new clone");
}

int filer_volume_delete(struct filer *f, const struct uuid *volume)
{
	begin(f);
	ontap_volume_delete(f->o, volume, f->cfg.skip_recovery_queue, on_end, f);
	return wait_end(f);
}

int filer_volume_resize(struct filer *f, const struct uuid *volume, uint64_t bytes)
{
	begin(f);
	ontap_volume_resize(f->o, volume, bytes, on_end, f);
	return wait_end(f);
}

int filer_volumes(struct filer *f, void (*each)(const struct ontap_volume *v, void *priv), void *priv)
{
	begin(f);
	ontap_volume_scan(f->o, each, priv, on_end, f);
	return wait_end(f);
}

static void on_clones(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	struct filer *f = priv;
	for (size_t i = 0; i < n && !e; i++)
		f->each_volume(&v[i], f->each_priv);
	on_end(e, f);
}

int filer_clones(struct filer *f, const struct uuid *volume, const struct uuid *snapshot,
		 void (*each)(const struct ontap_volume *v, void *priv), void *priv)
{
	begin(f);
	f->each_volume = each;
	f->each_priv = priv;
	ontap_volume_clones(f->o, volume, snapshot, on_clones, f);
	return wait_end(f);
}

static void on_split(const struct ontap_split *s, const struct ontap_error *e, void *priv)
{
	(void)s;
	on_end(e, priv);
}

int filer_split(struct filer *f, const struct uuid *clone)
{
	begin(f);
	ontap_volume_split(f->o, clone, on_end, f);
	int r = wait_end(f);
	if (r < 0)
		return r;
	begin(f);
	ontap_split_wait(f->o, clone, on_split, f);
	return wait_end(f);
}

int filer_snapshot_get(struct filer *f, const struct uuid *volume, const struct uuid *snapshot,
		       struct ontap_snapshot *ret)
{
	begin(f);
	f->snapshot = ret;
	ontap_snapshot_get(f->o, volume, snapshot, on_snapshot, f);
	return wait_one(f, "the snapshot");
}

int filer_snapshot_create(struct filer *f, const struct uuid *volume, const char *name, const char *comment,
			  const char *request_id, struct ontap_snapshot *ret)
{
	begin(f);
	f->snapshot = ret;
	ontap_snapshot_create(f->o, volume, name, comment, request_id, on_snapshot, f);
	return wait_one(f, "the new snapshot");
}

int filer_snapshot_delete(struct filer *f, const struct uuid *volume, const struct uuid *snapshot)
{
	begin(f);
	ontap_snapshot_delete(f->o, volume, snapshot, on_end, f);
	return wait_end(f);
}

int filer_snapshot_comment(struct filer *f, const struct uuid *volume, const struct uuid *snapshot,
			   const char *comment)
{
	begin(f);
	ontap_snapshot_set(f->o, volume, snapshot, "comment", comment, on_end, f);
	return wait_end(f);
}

static void on_list(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e, void *priv)
{
	struct filer *f = priv;
	for (size_t i = 0; i < n && !e; i++)
		f->each(f->of, &s[i], f->each_priv);
	on_end(e, f);
}

int filer_snapshots_of(struct filer *f, const struct uuid *volume, ontap_snapshot_each_fn each, void *priv)
{
	begin(f);
	f->of = volume;
	f->each = each;
	f->each_priv = priv;
	ontap_snapshot_list(f->o, volume, on_list, f);
	return wait_end(f);
}

int filer_snapshots(struct filer *f, const char *name, ontap_snapshot_each_fn each, void *priv)
{
	begin(f);
	ontap_snapshot_scan(f->o, name, each, priv, on_end, f);
	return wait_end(f);
}
