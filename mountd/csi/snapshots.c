/* Service Controller: snapshots. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "mountd/csi/controller.h"
#include "mountd/csi/policy.h"
#include "mountd/csi/services.h"

#define NAMESPACE "csi.storage.k8s.io/volumesnapshot/namespace"

static Csi__V1__Snapshot *make_snapshot(struct grpc_call *c, const char *id, const char *source, int64_t created,
					uint64_t bytes)
{
	Csi__V1__Snapshot *s = grpc_new_message(c, Csi__V1__Snapshot, &csi__v1__snapshot__descriptor);
	s->snapshot_id = grpc_printf(c, "%s", id);
	s->source_volume_id = grpc_printf(c, "%s", source);
	s->size_bytes = (int64_t)MIN_OF(bytes, (uint64_t)INT64_MAX);
	s->creation_time = grpc_new_message(c, Csi__V1__Timestamp, &csi__v1__timestamp__descriptor);
	s->creation_time->seconds = created;
	s->ready_to_use = true;
	return s;
}

/* ---- create -------------------------------------------------------------------- */

struct same_name {
	const struct uuid *volume;
	const char *name; /* as CSI calls it */
	bool elsewhere;
};

static void look(const struct uuid *volume, const struct ontap_snapshot *s, void *priv)
{
	struct same_name *n = priv;
	struct csi_record rec;
	char text[UUID_TEXT_LEN + 1];
	csi_record_parse(s->comment, &rec);
	if (rec.found && strcmp(rec.name, n->name) == 0 && strcmp(rec.object, uuid_format(volume, text)) == 0 &&
	    !uuid_eq(volume, n->volume))
		n->elsewhere = true;
}

static enum grpc_status create(struct grpc_call *c, struct filer *f, const struct ontap_volume *v)
{
	const struct csi *s = c->app;
	const Csi__V1__CreateSnapshotRequest *q = (const void *)c->request;
	struct same_name same = {.volume = &v->uuid, .name = q->name};
	char name[ONTAP_NAME_MAX + 1], comment[ONTAP_COMMENT_MAX + 1], creator[256];
	char volume[CSI_ID_BUF], id[CSI_ID_BUF], request_text[UUID_TEXT_LEN + 1];
	csi_snapshot_name(q->name, name, sizeof(name));
	if (filer_snapshots(f, name, look, &same) < 0)
		return filer_refuse(f, c);
	if (same.elsewhere)
		return grpc_refuse(c, GRPC_ALREADY_EXISTS, "another volume has a snapshot '%.128s'", q->name);
	struct uuid request;
	csi_hash(s->driver, csi_id_format(volume, &v->uuid, NULL, ""), q->name, &request);
	uuid_format(&request, request_text);
	controller_creator(s, &v->uuid, request_text, creator);
	struct csi_record rec = {.rest = creator};
	strcpy_bounded(rec.name, q->name, sizeof(rec.name));
	uuid_format(&v->uuid, rec.object);
	if (csi_record_format(&rec, comment, sizeof(comment)) < 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "the name is too long for a comment");
	struct ontap_snapshot snap;
	if (filer_snapshot_create(f, &v->uuid, name, comment, request_text, &snap) < 0)
		return filer_refuse(f, c);
	log_info("snapshot %s of volume %s is '%s'", snap.name, v->name, q->name);
	Csi__V1__CreateSnapshotResponse *r =
		grpc_new_message(c, Csi__V1__CreateSnapshotResponse, &csi__v1__create_snapshot_response__descriptor);
	r->snapshot = make_snapshot(c, csi_id_format(id, &v->uuid, &snap.uuid, ""), q->source_volume_id,
				    snap.create_time, v->size);
	c->reply = &r->base;
	return GRPC_OK;
}

enum grpc_status csi_create_snapshot(struct grpc_call *c)
{
	struct csi *s = c->app;
	const Csi__V1__CreateSnapshotRequest *q = (const void *)c->request;
	struct ontap_volume v;
	struct csi_busy busy;
	struct filer *f;
	struct csi_id id;
	enum grpc_status st = controller_begin(c, &f);
	if (st != GRPC_OK)
		return st;
	if (!*q->name || strlen(q->name) > CSI_ID_MAX)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "name is missing, or longer than %d bytes", CSI_ID_MAX);
	if (!*q->source_volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "source_volume_id is missing");
	for (size_t i = 0; i < q->n_parameters; i++)
		if (strncmp(q->parameters[i]->key, "csi.storage.k8s.io/", 19) != 0)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "parameter %.64s is not known: there are none",
					   q->parameters[i]->key);
	st = controller_policy(c, csi_map_get(q->n_parameters, (void *const *)q->parameters, NAMESPACE),
			       POLICY_SNAPSHOT);
	if (st == GRPC_OK)
		st = controller_find(c, f, q->source_volume_id, &id, &v);
	if (st != GRPC_OK)
		return st;
	if (!uuid_is_zero(&id.snapshot))
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "the volume is a snapshot itself, and never changes");
	if (!csi_begin(s, &busy, q->name))
		return csi_busy_refusal(c, q->name);
	st = create(c, f, &v);
	csi_end(s, &busy);
	return st;
}

/* ---- delete ----------------------------------------------------------------------- */

static enum grpc_status delete(struct grpc_call *c, struct filer *f, const struct csi_id *id)
{
	struct ontap_snapshot snap;
	struct csi_record rec;
	char text[UUID_TEXT_LEN + 1];
	int r = filer_snapshot_get(f, &id->volume, &id->snapshot, &snap);
	if (r == -ENOENT)
		return GRPC_OK;
	if (r < 0)
		return filer_refuse(f, c);
	csi_record_parse(snap.comment, &rec);
	if (*rec.users && strcmp(rec.object, uuid_format(&id->volume, text)) == 0)
		return grpc_refuse(c, GRPC_FAILED_PRECONDITION,
				   "snapshot %s is shown by read-only PersistentVolumes: delete those first",
						snap.name);
	r = filer_snapshot_delete(f, &id->volume, &id->snapshot);
	if (r == -EBUSY) {
		enum grpc_status st = controller_split_clones(c, f, &id->volume, &id->snapshot);
		if (st != GRPC_OK)
			return st;
		r = filer_snapshot_delete(f, &id->volume, &id->snapshot);
	}
	if (r < 0)
		return filer_refuse(f, c);
	log_info("snapshot %s is deleted", snap.name);
	return GRPC_OK;
}

enum grpc_status csi_delete_snapshot(struct grpc_call *c)
{
	struct csi *s = c->app;
	const Csi__V1__DeleteSnapshotRequest *q = (const void *)c->request;
	struct csi_busy busy;
	struct filer *f;
	struct csi_id id;
	char key[CSI_ID_BUF];
	enum grpc_status st = controller_begin(c, &f);
	if (st != GRPC_OK)
		return st;
	if (!*q->snapshot_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "snapshot_id is missing");
	c->reply = &grpc_new_message(c, Csi__V1__DeleteSnapshotResponse,
			&csi__v1__delete_snapshot_response__descriptor)->base;
	if (csi_id_parse(q->snapshot_id, &id) < 0 || uuid_is_zero(&id.snapshot) || *id.hash)
		return GRPC_OK; /* never one of ours, so it is not there */
	/* The same key as that of volumes that are this snapshot. */
	if (!csi_begin(s, &busy, csi_id_format(key, &id.volume, &id.snapshot, "")))
		return csi_busy_refusal(c, key);
	st = delete(c, f, &id);
	csi_end(s, &busy);
	return st;
}

/* ---- list --------------------------------------------------------------------------- */

struct found {
	struct uuid volume, snapshot;
	int64_t created;
	char id[CSI_ID_BUF];
};

struct list_of {
	struct found *row;
	size_t n, cap;
	bool nomem;
};

static void add(const struct uuid *volume, const struct ontap_snapshot *s, struct list_of *l)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct found *p = reallocarray(l->row, cap, sizeof(*p));
		if (!p) {
			l->nomem = true;
			return;
		}
		l->row = p;
		l->cap = cap;
	}
	struct found *f = &l->row[l->n++];
	*f = (struct found){.volume = *volume, .snapshot = s->uuid, .created = s->create_time};
	csi_id_format(f->id, volume, &s->uuid, "");
}

/* Those that CreateSnapshot made, in the volume where it made them. */
static void add_ours(const struct uuid *volume, const struct ontap_snapshot *s, void *priv)
{
	struct csi_record rec;
	char text[UUID_TEXT_LEN + 1];
	csi_record_parse(s->comment, &rec);
	if (rec.found && *rec.name && strcmp(rec.object, uuid_format(volume, text)) == 0)
		add(volume, s, priv);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->id, ((const struct found *)b)->id);
}

/* Reads what the request asks for. 0 or -errno. */
static int collect(struct filer *f, const Csi__V1__ListSnapshotsRequest *q, struct list_of *l)
{
	struct csi_id id;
	struct ontap_snapshot snap;
	int r = 0;
	if (*q->snapshot_id) {
		if (csi_id_parse(q->snapshot_id, &id) < 0 || uuid_is_zero(&id.snapshot) || *id.hash)
			return 0;
		r = filer_snapshot_get(f, &id.volume, &id.snapshot, &snap);
		if (r == 0)
			add(&id.volume, &snap, l); /* whoever made it */
	} else if (*q->source_volume_id) {
		if (csi_id_parse(q->source_volume_id, &id) < 0 || id.path || !uuid_is_zero(&id.snapshot))
			return 0;
		r = filer_snapshots_of(f, &id.volume, add_ours, l);
	} else {
		r = filer_snapshots(f, NULL, add_ours, l);
	}
	return r == -ENOENT ? 0 : r;
}

enum grpc_status csi_list_snapshots(struct grpc_call *c)
{
	const Csi__V1__ListSnapshotsRequest *q = (const void *)c->request;
	struct list_of l = {0};
	struct filer *f;
	enum grpc_status st = controller_begin(c, &f);
	if (st == GRPC_OK)
		st = controller_token(c, q->max_entries, q->starting_token);
	if (st != GRPC_OK)
		return st;
	if (collect(f, q, &l) < 0 || l.nomem) {
		free(l.row);
		return l.nomem ? grpc_refuse(c, GRPC_RESOURCE_EXHAUSTED, "no memory") : filer_refuse(f, c);
	}
	if (l.n)
		qsort(l.row, l.n, sizeof(*l.row), by_id);
	/* Restoring wants to know how large: told of one, as asking costs a request. */
	struct ontap_volume v = {0};
	if (*q->snapshot_id && l.n)
		filer_volume_get(f, &l.row[0].volume, &v);
	Csi__V1__ListSnapshotsResponse *r =
		grpc_new_message(c, Csi__V1__ListSnapshotsResponse, &csi__v1__list_snapshots_response__descriptor);
	r->entries = grpc_alloc(c, (l.n + 1) * sizeof(*r->entries));
	size_t i = 0;
	while (i < l.n && strcmp(l.row[i].id, q->starting_token) < 0)
		i++;
	for (; i < l.n && (!q->max_entries || r->n_entries < (size_t)q->max_entries); i++) {
		Csi__V1__ListSnapshotsResponse__Entry *e = grpc_new_message(
			c, Csi__V1__ListSnapshotsResponse__Entry, &csi__v1__list_snapshots_response__entry__descriptor);
		char source[CSI_ID_BUF];
		e->snapshot = make_snapshot(c, l.row[i].id, csi_id_format(source, &l.row[i].volume, NULL, ""),
					    l.row[i].created, v.size);
		r->entries[r->n_entries++] = e;
	}
	if (i < l.n)
		r->next_token = grpc_printf(c, "%s", l.row[i].id);
	free(l.row);
	c->reply = &r->base;
	return GRPC_OK;
}
