/* Service Controller: volumes.
 *
 * Nothing is remembered here. What CSI wants to know again later (its name for a
 * volume, what it was made of) stands in the volume's comment on ONTAP, and the id
 * of the request is a hash of the name: a call that comes again, also to another
 * process, finds what the first one made. */
#include "mountd/csi/controller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "mountd/csi/policy.h"
#include "mountd/csi/services.h"

#define FLEXVOL_MIN   (20ull << 20) /* bytes: ONTAP's smallest */
#define DEFAULT_SIZE  (1ull << 30)  /* where nobody says how much */
#define SPLITS_MAX    16            /* clones that one deletion splits off */
#define CODE_TOO_SMALL 917534       /* of ONTAP: its text names the minimum */
#define K8S           "csi.storage.k8s.io/"
#define PVC_NAMESPACE K8S "pvc/namespace"

enum grpc_status controller_begin(struct grpc_call *c, struct filer **ret)
{
	const struct csi *s = c->app;
	enum grpc_status st = GRPC_OK;
	if (!s->config)
		return grpc_refuse(c, GRPC_UNIMPLEMENTED, "this process has no controller service");
	*ret = filer_of(c, &st);
	return *ret ? GRPC_OK : st;
}

enum grpc_status controller_policy(struct grpc_call *c, const char *name_space, int verb)
{
	const struct csi *s = c->app;
	char err[256];
	int verbs = policy_allows(s->policy_path, name_space, err);
	if (verbs < 0)
		return grpc_refuse(c, GRPC_INTERNAL, "%s", err);
	return verbs & 1 << verb ? GRPC_OK
				 : grpc_refuse(c, GRPC_PERMISSION_DENIED, "the policy does not let name space %.64s %s",
					       name_space, policy_verbs[verb]);
}

void controller_creator(const struct csi *s, const struct uuid *volume, const char *request, char out[256])
{
	char v[UUID_TEXT_LEN + 1];
	snprintf(out, 256, "{\"ontapfs\":{\"uid\":0,\"realm\":\"%s\",%s%s%s\"request\":\"%s\"}}", s->driver,
		 volume ? "\"volume\":\"" : "", volume ? uuid_format(volume, v) : "", volume ? "\"," : "", request);
}

/* Made by CreateVolume, and no clone of such a one. */
static bool is_ours(const struct ontap_volume *v, struct csi_record *rec)
{
	csi_record_parse(v->comment, rec);
	return rec->found && strcmp(rec->object, v->name) == 0;
}

enum grpc_status csi_controller_get_capabilities(struct grpc_call *c)
{
	static const int types[] = {
		CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__CREATE_DELETE_VOLUME,
		CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__LIST_VOLUMES,
		CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__CREATE_DELETE_SNAPSHOT,
		CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__LIST_SNAPSHOTS,
		CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__CLONE_VOLUME,
		CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__EXPAND_VOLUME,
		CSI__V1__CONTROLLER_SERVICE_CAPABILITY__RPC__TYPE__SINGLE_NODE_MULTI_WRITER};
	const struct csi *s = c->app;
	if (!s->config)
		return grpc_refuse(c, GRPC_UNIMPLEMENTED, "this process has no controller service");
	Csi__V1__ControllerGetCapabilitiesResponse *r =
		grpc_new_message(c, Csi__V1__ControllerGetCapabilitiesResponse,
				 &csi__v1__controller_get_capabilities_response__descriptor);
	r->n_capabilities = ARRAY_LEN(types);
	r->capabilities = grpc_alloc(c, sizeof(*r->capabilities) * ARRAY_LEN(types));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		Csi__V1__ControllerServiceCapability *cap = grpc_new_message(
			c, Csi__V1__ControllerServiceCapability, &csi__v1__controller_service_capability__descriptor);
		cap->type_case = CSI__V1__CONTROLLER_SERVICE_CAPABILITY__TYPE_RPC;
		cap->rpc = grpc_new_message(c, Csi__V1__ControllerServiceCapability__RPC,
					    &csi__v1__controller_service_capability__rpc__descriptor);
		cap->rpc->type = (Csi__V1__ControllerServiceCapability__RPC__Type)types[i];
		r->capabilities[i] = cap;
	}
	c->reply = &r->base;
	return GRPC_OK;
}

/* ---- create: what is asked for ------------------------------------------------------- */

struct wish {
	const Csi__V1__CreateVolumeRequest *q;
	char name[ONTAP_NAME_MAX + 1]; /* on ONTAP */
	char request[UUID_TEXT_LEN + 1];
	char comment[ONTAP_COMMENT_MAX + 1];
	char source[CSI_ID_BUF];       /* its id, "" none */
	struct csi_id from;            /* parsed; volume and perhaps snapshot */
	bool readonly;                 /* all access modes are */
	uint64_t required, limit;      /* bytes; limit 0 none */
	/* parameters of the StorageClass, NULL where not given */
	bool flexgroup;
	const char *snapshot_policy, *export_policy, *unix_permissions, *space_reserve, *snapshot_dir;
};

static enum grpc_status take_parameters(struct grpc_call *c, struct wish *w)
{
	const struct {
		const char *name, **to;
	} known[] = {{"snapshotPolicy", &w->snapshot_policy},
		     {"exportPolicy", &w->export_policy},
		     {"unixPermissions", &w->unix_permissions},
		     {"spaceReserve", &w->space_reserve},
		     {"snapshotDirectory", &w->snapshot_dir}};
	const Csi__V1__CreateVolumeRequest *q = w->q;
	for (size_t i = 0; i < q->n_parameters; i++) {
		const char *key = q->parameters[i]->key, *value = q->parameters[i]->value;
		size_t k = 0;
		while (k < ARRAY_LEN(known) && strcmp(known[k].name, key) != 0)
			k++;
		if (k < ARRAY_LEN(known))
			*known[k].to = value;
		else if (strcmp(key, "style") == 0 && (strcmp(value, "flexvol") == 0 || strcmp(value,
				"flexgroup") == 0))
			w->flexgroup = strcmp(value, "flexgroup") == 0;
		else if (strncmp(key, K8S, strlen(K8S)) != 0)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT,
					"parameter %.64s: '%.64s' is not known here: style "
					   "(flexvol, flexgroup), snapshotPolicy, exportPolicy, unixPermissions, "
					   "spaceReserve and snapshotDirectory are", key, value);
	}
	const char *m = w->unix_permissions;
	if (m && (strspn(m, "01234567") != strlen(m) || strlen(m) < 3 || strlen(m) > 4))
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "unixPermissions: '%.16s' is not octal, as 0777", m);
	if (w->space_reserve && strcmp(w->space_reserve, "none") != 0 && strcmp(w->space_reserve, "volume") != 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "spaceReserve is neither none nor volume");
	if (w->snapshot_dir && strcmp(w->snapshot_dir, "true") != 0 && strcmp(w->snapshot_dir, "false") != 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "snapshotDirectory is neither true nor false");
	if (q->n_mutable_parameters)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "mutable parameters are not supported");
	return GRPC_OK;
}

enum grpc_status controller_range(struct grpc_call *c, const Csi__V1__CapacityRange *range, uint64_t *ret_required,
				  uint64_t *ret_limit)
{
	int64_t required = range ? range->required_bytes : 0, limit = range ? range->limit_bytes : 0;
	if (required < 0 || limit < 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "a capacity is negative");
	if (limit && limit < required)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "limit_bytes is less than required_bytes");
	*ret_required = (uint64_t)required;
	*ret_limit = (uint64_t)limit;
	return GRPC_OK;
}

static enum grpc_status take_source(struct grpc_call *c, struct wish *w)
{
	const Csi__V1__VolumeContentSource *src = w->q->volume_content_source;
	const char *id = NULL;
	if (!src)
		return GRPC_OK;
	if (src->type_case == CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_SNAPSHOT)
		id = src->snapshot->snapshot_id;
	else if (src->type_case == CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_VOLUME)
		id = src->volume->volume_id;
	if (!id || !*id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "the content source has no id");
	bool snapshot = src->type_case == CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_SNAPSHOT;
	if (csi_id_parse(id, &w->from) < 0 || w->from.path || (snapshot && uuid_is_zero(&w->from.snapshot)) ||
	    (snapshot && *w->from.hash))
		return grpc_refuse(c, GRPC_NOT_FOUND, "source '%.128s' is no %s of this driver", id,
				   snapshot ? "snapshot" : "volume");
	/* A read-only volume that is a snapshot is cloned as that snapshot. */
	csi_id_format(w->source, &w->from.volume, &w->from.snapshot, "");
	return GRPC_OK;
}

static enum grpc_status take_wish(struct grpc_call *c, struct filer *f, struct wish *w)
{
	const struct csi *s = c->app;
	const Csi__V1__CreateVolumeRequest *q = w->q;
	enum grpc_status st = csi_check_capabilities(c, q->n_volume_capabilities, q->volume_capabilities);
	if (st == GRPC_OK)
		st = take_parameters(c, w);
	if (st == GRPC_OK)
		st = controller_range(c, q->capacity_range, &w->required, &w->limit);
	if (st == GRPC_OK)
		st = take_source(c, w);
	if (st != GRPC_OK)
		return st;
	w->readonly = true;
	for (size_t i = 0; i < q->n_volume_capabilities; i++)
		w->readonly = w->readonly && csi_mode_is_readonly((int)q->volume_capabilities[i]->access_mode->mode);
	if (f->cfg.limit_volume_size && w->required > f->cfg.limit_volume_size)
		return grpc_refuse(c, GRPC_OUT_OF_RANGE, "limitVolumeSize allows %llu bytes",
				   (unsigned long long)f->cfg.limit_volume_size);
	struct uuid request;
	csi_hash(s->driver, "volume", q->name, &request);
	uuid_format(&request, w->request);
	csi_volume_name(f->cfg.storage_prefix ? f->cfg.storage_prefix : "", q->name, w->name, sizeof(w->name));
	struct csi_record rec = {0};
	char creator[256];
	strcpy_bounded(rec.name, q->name, sizeof(rec.name));
	strcpy_bounded(rec.object, w->name, sizeof(rec.object));
	strcpy_bounded(rec.source, w->source, sizeof(rec.source));
	controller_creator(s, NULL, w->request, creator);
	rec.rest = creator;
	if (csi_record_format(&rec, w->comment, sizeof(w->comment)) < 0) {
		*rec.name = '\0'; /* of characters that JSON writes in six */
		if (csi_record_format(&rec, w->comment, sizeof(w->comment)) < 0)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "the name is too long");
	}
	const char *ns = csi_map_get(q->n_parameters, (void *const *)q->parameters, PVC_NAMESPACE);
	return controller_policy(c, ns, *w->source ? POLICY_CLONE : POLICY_CREATE);
}

/* ---- create: what is made ------------------------------------------------------------- */

static void add_context(struct grpc_call *c, Csi__V1__Volume *v, const char *path)
{
	Csi__V1__Volume__VolumeContextEntry *e = grpc_new_message(c, Csi__V1__Volume__VolumeContextEntry,
								  &csi__v1__volume__volume_context_entry__descriptor);
	e->key = grpc_printf(c, "path");
	e->value = grpc_printf(c, "%s", path);
	v->n_volume_context = 1;
	v->volume_context = grpc_alloc(c, sizeof(*v->volume_context));
	v->volume_context[0] = e;
}

static Csi__V1__Volume *make_volume(struct grpc_call *c, const char *id, const char *path, uint64_t bytes)
{
	Csi__V1__Volume *v = grpc_new_message(c, Csi__V1__Volume, &csi__v1__volume__descriptor);
	v->volume_id = grpc_printf(c, "%s", id);
	v->capacity_bytes = (int64_t)MIN_OF(bytes, (uint64_t)INT64_MAX);
	add_context(c, v, path);
	return v;
}

static enum grpc_status reply_created(struct grpc_call *c, const struct wish *w, const char *id, const char *path,
				      uint64_t bytes)
{
	Csi__V1__CreateVolumeResponse *r =
		grpc_new_message(c, Csi__V1__CreateVolumeResponse, &csi__v1__create_volume_response__descriptor);
	r->volume = make_volume(c, id, path, bytes);
	r->volume->content_source = w->q->volume_content_source; /* lives as long as the request */
	c->reply = &r->base;
	return GRPC_OK;
}

/* The volume of that name is there: is it what is asked for? */
static enum grpc_status compare(struct grpc_call *c, const struct wish *w, const struct ontap_volume *v)
{
	struct csi_record rec;
	if (!is_ours(v, &rec) || !strstr(v->comment, w->request))
		return grpc_refuse(c, GRPC_ALREADY_EXISTS, "volume %s is there and was not made for '%.128s'", v->name,
				   w->q->name);
	if (strcmp(rec.source, w->source) != 0)
		return grpc_refuse(c, GRPC_ALREADY_EXISTS, "volume %s was made of %s", v->name,
				   *rec.source ? rec.source : "nothing");
	if (v->size < w->required || (w->limit && v->size > w->limit))
		return grpc_refuse(c, GRPC_ALREADY_EXISTS, "volume %s has %llu bytes", v->name,
				   (unsigned long long)v->size);
	return GRPC_OK;
}

static enum grpc_status refuse_size(struct filer *f, struct grpc_call *c)
{
	return f->e.code == CODE_TOO_SMALL ? grpc_refuse(c, GRPC_OUT_OF_RANGE, "%s", f->e.text) : filer_refuse(f, c);
}

static enum grpc_status make_empty(struct grpc_call *c, struct filer *f, struct wish *w, struct ontap_volume *v)
{
	const struct config *cfg = &f->cfg;
	char junction[ONTAP_NAME_MAX + 2];
	uint64_t size = w->required ? w->required : cfg->default_size ? cfg->default_size : DEFAULT_SIZE;
	/* A small FlexVol is made larger; a FlexGroup would grow by hundreds of GB. */
	if (!w->flexgroup)
		size = MAX_OF(size, (uint64_t)FLEXVOL_MIN);
	if (w->limit && size > w->limit) {
		if (w->limit < FLEXVOL_MIN)
			return grpc_refuse(c, GRPC_OUT_OF_RANGE, "ONTAP's smallest volume has %llu bytes", FLEXVOL_MIN);
		size = w->limit;
	}
	snprintf(junction, sizeof(junction), "/%s", w->name);
	struct ontap_create cr = {
		.name = w->name,
		.style = w->flexgroup ? ONTAP_FLEXGROUP : ONTAP_FLEXVOL,
		.size = size,
		.junction = junction,
		.export_policy = w->export_policy ? w->export_policy : cfg->export_policy,
		.snapshot_policy = w->snapshot_policy ? w->snapshot_policy : cfg->snapshot_policy,
		.comment = w->comment,
		.request_id = w->request,
		.unix_permissions = w->unix_permissions ? w->unix_permissions
				    : cfg->unix_permissions ? cfg->unix_permissions : "0777",
		.space_reserve = w->space_reserve ? w->space_reserve : cfg->space_reserve,
		/* On, whatever a backend file of Trident says: without it no pod sees a snapshot. */
		.snapshot_dir = !w->snapshot_dir || strcmp(w->snapshot_dir, "true") == 0};
	return filer_volume_create(f, &cr, v) == 0 ? GRPC_OK : refuse_size(f, c);
}

static enum grpc_status make_clone(struct grpc_call *c, struct filer *f, struct wish *w, struct ontap_volume *v)
{
	struct ontap_volume parent;
	struct ontap_snapshot base;
	char junction[ONTAP_NAME_MAX + 2];
	if (filer_volume_get(f, &w->from.volume, &parent) < 0)
		return filer_refuse(f, c);
	if (!uuid_is_zero(&w->from.snapshot) &&
	    filer_snapshot_get(f, &w->from.volume, &w->from.snapshot, &base) < 0)
		return filer_refuse(f, c);
	if (w->limit && parent.size > w->limit)
		return grpc_refuse(c, GRPC_OUT_OF_RANGE, "a clone of %s has %llu bytes at least", parent.name,
				   (unsigned long long)parent.size);
	snprintf(junction, sizeof(junction), "/%s", w->name);
	struct ontap_clone cl = {.name = w->name,
				 .parent = w->from.volume,
				 .snapshot = w->from.snapshot,
				 .junction = junction,
				 .export_policy = w->export_policy ? w->export_policy : parent.export_policy,
				 .comment = w->comment,
				 .request_id = w->request};
	if (filer_volume_clone(f, &cl, v) < 0)
		return filer_refuse(f, c);
	if (v->size < w->required) {
		if (filer_volume_resize(f, &v->uuid, w->required) < 0 || filer_volume_get(f, &v->uuid, v) < 0)
			return refuse_size(f, c);
	}
	return GRPC_OK;
}

/* Read-only-many of a snapshot is its own directory: no clone. The snapshot's
 * comment keeps who uses it, so that nobody deletes it. */
static enum grpc_status make_shared(struct grpc_call *c, struct filer *f, struct wish *w)
{
	const struct csi *s = c->app;
	struct ontap_volume v;
	struct ontap_snapshot snap;
	struct csi_record rec;
	char hash[CSI_HASH_LEN + 1], comment[ONTAP_COMMENT_MAX + 1], id[CSI_ID_BUF];
	if (filer_volume_get(f, &w->from.volume, &v) < 0 ||
	    filer_snapshot_get(f, &w->from.volume, &w->from.snapshot, &snap) < 0)
		return filer_refuse(f, c);
	csi_hash_text(w->q->name, hash);
	csi_record_parse(snap.comment, &rec);
	uuid_format(&v.uuid, rec.object);
	if (csi_users_add(&rec, hash) < 0 || csi_record_format(&rec, comment, sizeof(comment)) < 0)
		return grpc_refuse(c, GRPC_RESOURCE_EXHAUSTED,
				   "snapshot %s has as many read-only volumes as its comment can hold: make a "
						"clone", snap.name);
	if (strcmp(comment, snap.comment) != 0 && filer_snapshot_comment(f, &v.uuid, &snap.uuid, comment) < 0)
		return filer_refuse(f, c);
	char *path = grpc_printf(c, "%s/%s/%s", v.name, s->snapdir, snap.name);
	/* What it may hold is not for it to say: 0 bytes means unknown. */
	return reply_created(c, w, csi_id_format(id, &v.uuid, &snap.uuid, hash), path, 0);
}

static enum grpc_status create(struct grpc_call *c, struct filer *f, struct wish *w)
{
	struct ontap_volume v;
	char id[CSI_ID_BUF];
	enum grpc_status st;
	int r = filer_volume_find(f, w->name, &v);
	if (r < 0 && r != -ENOENT)
		return filer_refuse(f, c);
	if (r == 0)
		st = compare(c, w, &v);
	else
		st = *w->source ? make_clone(c, f, w, &v) : make_empty(c, f, w, &v);
	if (st != GRPC_OK)
		return st;
	log_info("volume %s is '%s' of %s", v.name, w->q->name, *w->source ? w->source : "nothing");
	return reply_created(c, w, csi_id_format(id, &v.uuid, NULL, ""), v.name, v.size);
}

enum grpc_status csi_create_volume(struct grpc_call *c)
{
	struct csi *s = c->app;
	struct wish w = {.q = (const void *)c->request};
	struct filer *f;
	struct csi_busy busy;
	enum grpc_status st = controller_begin(c, &f);
	if (st != GRPC_OK)
		return st;
	if (!*w.q->name)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "name is missing");
	if (strlen(w.q->name) > CSI_ID_MAX)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "the name is longer than %d bytes", CSI_ID_MAX);
	st = take_wish(c, f, &w);
	if (st != GRPC_OK)
		return st;
	bool shared = w.readonly && !uuid_is_zero(&w.from.snapshot);
	/* Comments are changed by reading and writing: one at a time for each snapshot. */
	const char *key = shared ? w.source : w.name;
	if (!csi_begin(s, &busy, key))
		return csi_busy_refusal(c, key);
	st = shared ? make_shared(c, f, &w) : create(c, f, &w);
	csi_end(s, &busy);
	return st;
}

/* ---- delete ------------------------------------------------------------------------------ */

static void note_snapshot(const struct uuid *volume, const struct ontap_snapshot *snap, void *priv)
{
	struct csi_record rec;
	char text[UUID_TEXT_LEN + 1];
	csi_record_parse(snap->comment, &rec);
	if (rec.found && strcmp(rec.object, uuid_format(volume, text)) == 0)
		snprintf(priv, ONTAP_NAME_MAX + 1, "%s", snap->name);
}

struct clones {
	struct uuid uuid[SPLITS_MAX];
	size_t n;
	char other[ONTAP_NAME_MAX + 1]; /* one that is not ours, or is too many */
};

static void note_clone(const struct ontap_volume *v, void *priv)
{
	struct clones *k = priv;
	struct csi_record rec;
	if (is_ours(v, &rec) && k->n < SPLITS_MAX)
		k->uuid[k->n++] = v->uuid;
	else
		memcpy(k->other, v->name, sizeof(k->other));
}

enum grpc_status controller_split_clones(struct grpc_call *c, struct filer *f, const struct uuid *volume,
					 const struct uuid *snapshot)
{
	struct clones k = {.n = 0};
	if (filer_clones(f, volume, snapshot, note_clone, &k) < 0)
		return filer_refuse(f, c);
	if (*k.other)
		return grpc_refuse(c, GRPC_FAILED_PRECONDITION,
				   "clone %s is not one of this driver, or one of too many: delete or split it "
						"first", k.other);
	for (size_t i = 0; i < k.n; i++) {
		int r = filer_split(f, &k.uuid[i]);
		if (r == -ETIMEDOUT)
			return grpc_refuse(c, GRPC_ABORTED, "a clone is being split off it: try again");
		if (r < 0)
			return filer_refuse(f, c);
	}
	return GRPC_OK;
}

static enum grpc_status delete_real(struct grpc_call *c, struct filer *f, const struct csi_id *id)
{
	struct ontap_volume v;
	struct csi_record rec;
	char snap[ONTAP_NAME_MAX + 1] = "";
	int r = filer_volume_get(f, &id->volume, &v);
	if (r == -ENOENT)
		return GRPC_OK;
	if (r < 0)
		return filer_refuse(f, c);
	if (!is_ours(&v, &rec))
		return grpc_refuse(c, GRPC_FAILED_PRECONDITION,
				   "volume %s was not made by this driver: only an administrator deletes it", v.name);
	if (filer_snapshots_of(f, &id->volume, note_snapshot, snap) < 0)
		return filer_refuse(f, c);
	if (*snap)
		return grpc_refuse(c, GRPC_FAILED_PRECONDITION,
				"volume %s has VolumeSnapshots, as %s: delete them first",
				   v.name, snap);
	r = filer_volume_delete(f, &id->volume);
	if (r == -EBUSY) {
		enum grpc_status st = controller_split_clones(c, f, &id->volume, NULL);
		if (st != GRPC_OK)
			return st;
		r = filer_volume_delete(f, &id->volume);
	}
	if (r < 0)
		return filer_refuse(f, c);
	log_info("volume %s is deleted", v.name);
	return GRPC_OK;
}

static enum grpc_status delete_shared(struct grpc_call *c, struct filer *f, const struct csi_id *id)
{
	struct ontap_snapshot snap;
	struct csi_record rec;
	char comment[ONTAP_COMMENT_MAX + 1];
	int r = filer_snapshot_get(f, &id->volume, &id->snapshot, &snap);
	if (r == -ENOENT)
		return GRPC_OK;
	if (r < 0)
		return filer_refuse(f, c);
	csi_record_parse(snap.comment, &rec);
	bool was = csi_users_remove(&rec, id->hash);
	if (!*rec.name && !*rec.users)
		*rec.object = '\0'; /* somebody else's snapshot gets its comment back */
	if (!was || csi_record_format(&rec, comment, sizeof(comment)) < 0)
		return GRPC_OK;
	return filer_snapshot_comment(f, &id->volume, &id->snapshot, comment) < 0 ? filer_refuse(f, c) : GRPC_OK;
}

enum grpc_status csi_delete_volume(struct grpc_call *c)
{
	struct csi *s = c->app;
	const Csi__V1__DeleteVolumeRequest *q = (const void *)c->request;
	struct csi_busy busy;
	struct filer *f;
	struct csi_id id;
	char key[CSI_ID_BUF];
	enum grpc_status st = controller_begin(c, &f);
	if (st != GRPC_OK)
		return st;
	if (!*q->volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_id is missing");
	c->reply = &grpc_new_message(c, Csi__V1__DeleteVolumeResponse,
			&csi__v1__delete_volume_response__descriptor)->base;
	if (csi_id_parse(q->volume_id, &id) < 0)
		return GRPC_OK; /* never one of ours, so it is not there */
	if (id.path)
		return grpc_refuse(c, GRPC_FAILED_PRECONDITION,
				   "a static volume is not deleted: set persistentVolumeReclaimPolicy to Retain");
	csi_id_format(key, &id.volume, &id.snapshot, "");
	if (!csi_begin(s, &busy, key))
		return csi_busy_refusal(c, key);
	st = *id.hash ? delete_shared(c, f, &id) : delete_real(c, f, &id);
	csi_end(s, &busy);
	return st;
}

/* ---- the rest ------------------------------------------------------------------------------ */

enum grpc_status controller_find(struct grpc_call *c, struct filer *f, const char *text, struct csi_id *id,
				 struct ontap_volume *v)
{
	char name[ONTAP_NAME_MAX + 1];
	if (csi_id_parse(text, id) < 0)
		return grpc_refuse(c, GRPC_NOT_FOUND, "'%.128s' is no volume of this driver", text);
	if (!id->path)
		return filer_volume_get(f, &id->volume, v) < 0 ? filer_refuse(f, c) : GRPC_OK;
	/* VOLUME, or VOLUME/.clones/CLONE: what has a volume of its own. */
	const char *last = id->path;
	for (const char *p = last; (p = strstr(p, "/.clones/")); p++)
		last = p + strlen("/.clones/");
	if (!strcpy_bounded(name, last, sizeof(name)) || filer_volume_find(f, name, v) < 0)
		return grpc_refuse(c, GRPC_NOT_FOUND, "'%.128s' is no volume", text);
	id->volume = v->uuid;
	return GRPC_OK;
}

enum grpc_status csi_validate_volume_capabilities(struct grpc_call *c)
{
	const Csi__V1__ValidateVolumeCapabilitiesRequest *q = (const void *)c->request;
	struct ontap_volume v;
	struct ontap_snapshot snap;
	struct filer *f;
	struct csi_id id;
	enum grpc_status st = controller_begin(c, &f);
	if (st != GRPC_OK)
		return st;
	if (!*q->volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_id is missing");
	if (q->n_volume_capabilities == 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume capabilities are missing");
	st = controller_find(c, f, q->volume_id, &id, &v);
	if (st == GRPC_OK && !uuid_is_zero(&id.snapshot) && filer_snapshot_get(f, &id.volume, &id.snapshot, &snap) < 0)
		st = filer_refuse(f, c);
	if (st != GRPC_OK)
		return st;
	Csi__V1__ValidateVolumeCapabilitiesResponse *r =
		grpc_new_message(c, Csi__V1__ValidateVolumeCapabilitiesResponse,
				 &csi__v1__validate_volume_capabilities_response__descriptor);
	c->reply = &r->base;
	st = csi_check_capabilities(c, q->n_volume_capabilities, q->volume_capabilities);
	bool writes = false;
	for (size_t i = 0; st == GRPC_OK && i < q->n_volume_capabilities; i++)
		writes = writes || !csi_mode_is_readonly((int)q->volume_capabilities[i]->access_mode->mode);
	if (st != GRPC_OK || (writes && !uuid_is_zero(&id.snapshot))) {
		r->message = grpc_printf(c, "%s", st == GRPC_OK ? "a snapshot is read-only" : c->text);
		return GRPC_OK;
	}
	r->confirmed = grpc_new_message(c, Csi__V1__ValidateVolumeCapabilitiesResponse__Confirmed,
					&csi__v1__validate_volume_capabilities_response__confirmed__descriptor);
	r->confirmed->n_volume_capabilities = q->n_volume_capabilities;
	r->confirmed->volume_capabilities = q->volume_capabilities;
	return GRPC_OK;
}

enum grpc_status csi_controller_expand_volume(struct grpc_call *c)
{
	struct csi *s = c->app;
	const Csi__V1__ControllerExpandVolumeRequest *q = (const void *)c->request;
	struct ontap_volume v;
	struct csi_record rec;
	struct csi_busy busy;
	struct filer *f;
	struct csi_id id;
	uint64_t required, limit;
	char key[CSI_ID_BUF];
	enum grpc_status st = controller_begin(c, &f);
	if (st != GRPC_OK)
		return st;
	if (!*q->volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_id is missing");
	if (!q->capacity_range || (!q->capacity_range->required_bytes && !q->capacity_range->limit_bytes))
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "capacity_range is missing");
	st = controller_range(c, q->capacity_range, &required, &limit);
	if (st == GRPC_OK)
		st = controller_find(c, f, q->volume_id, &id, &v);
	if (st != GRPC_OK)
		return st;
	if (id.path || *id.hash || !is_ours(&v, &rec))
		return grpc_refuse(c, GRPC_FAILED_PRECONDITION,
				"'%.128s' was not made by this driver, or is a snapshot: "
				   "only an administrator resizes it", q->volume_id);
	if (f->cfg.limit_volume_size && required > f->cfg.limit_volume_size)
		return grpc_refuse(c, GRPC_OUT_OF_RANGE, "limitVolumeSize allows %llu bytes",
				   (unsigned long long)f->cfg.limit_volume_size);
	if (!csi_begin(s, &busy, csi_id_format(key, &v.uuid, NULL, "")))
		return csi_busy_refusal(c, key);
	if (v.size < required &&
	    (filer_volume_resize(f, &v.uuid, required) < 0 || filer_volume_get(f, &v.uuid, &v) < 0))
		st = refuse_size(f, c);
	csi_end(s, &busy);
	if (st == GRPC_OK && limit && v.size > limit)
		st = grpc_refuse(c, GRPC_OUT_OF_RANGE, "volume %s has %llu bytes already", v.name,
				 (unsigned long long)v.size);
	Csi__V1__ControllerExpandVolumeResponse *r = grpc_new_message(
		c, Csi__V1__ControllerExpandVolumeResponse, &csi__v1__controller_expand_volume_response__descriptor);
	r->capacity_bytes = (int64_t)v.size;
	c->reply = &r->base;
	return st;
}

/* ---- list ------------------------------------------------------------------------------------ */

struct found {
	char id[CSI_ID_BUF], name[ONTAP_NAME_MAX + 1];
	uint64_t size;
};

struct list_of {
	struct found *row;
	size_t n, cap;
	bool nomem;
};

static void add_volume(const struct ontap_volume *v, void *priv)
{
	struct list_of *l = priv;
	struct csi_record rec;
	if (!is_ours(v, &rec))
		return;
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
	csi_id_format(f->id, &v->uuid, NULL, "");
	memcpy(f->name, v->name, sizeof(f->name));
	f->size = v->size;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->id, ((const struct found *)b)->id);
}

enum grpc_status controller_token(struct grpc_call *c, int32_t max_entries, const char *token)
{
	struct csi_id id;
	if (max_entries < 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "max_entries is negative");
	if (*token && (csi_id_parse(token, &id) < 0 || id.path))
		return grpc_refuse(c, GRPC_ABORTED, "starting_token is none of ours");
	return GRPC_OK;
}

enum grpc_status csi_list_volumes(struct grpc_call *c)
{
	const Csi__V1__ListVolumesRequest *q = (const void *)c->request;
	struct list_of l = {0};
	struct filer *f;
	enum grpc_status st = controller_begin(c, &f);
	if (st == GRPC_OK)
		st = controller_token(c, q->max_entries, q->starting_token);
	if (st != GRPC_OK)
		return st;
	if (filer_volumes(f, add_volume, &l) < 0 || l.nomem) {
		free(l.row);
		return l.nomem ? grpc_refuse(c, GRPC_RESOURCE_EXHAUSTED, "no memory") : filer_refuse(f, c);
	}
	if (l.n)
		qsort(l.row, l.n, sizeof(*l.row), by_id);
	Csi__V1__ListVolumesResponse *r =
		grpc_new_message(c, Csi__V1__ListVolumesResponse, &csi__v1__list_volumes_response__descriptor);
	r->entries = grpc_alloc(c, (l.n + 1) * sizeof(*r->entries));
	size_t i = 0;
	/* A token is the id of the next one, which may be gone by now. */
	while (i < l.n && strcmp(l.row[i].id, q->starting_token) < 0)
		i++;
	for (; i < l.n && (!q->max_entries || r->n_entries < (size_t)q->max_entries); i++) {
		Csi__V1__ListVolumesResponse__Entry *e = grpc_new_message(
			c, Csi__V1__ListVolumesResponse__Entry, &csi__v1__list_volumes_response__entry__descriptor);
		e->volume = make_volume(c, l.row[i].id, l.row[i].name, l.row[i].size);
		r->entries[r->n_entries++] = e;
	}
	if (i < l.n)
		r->next_token = grpc_printf(c, "%s", l.row[i].id);
	free(l.row);
	c->reply = &r->base;
	return GRPC_OK;
}
