/* Service Node: a pod's volume is a bind mount of a part of the tree. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "mountd/csi/bind.h"
#include "mountd/csi/policy.h"
#include "mountd/csi/services.h"

#define NAMESPACE "csi.storage.k8s.io/pod.namespace"
#define EPHEMERAL "csi.storage.k8s.io/ephemeral"

static enum grpc_status need_node(struct grpc_call *c)
{
	const struct csi *s = c->app;
	return s->tree ? GRPC_OK : grpc_refuse(c, GRPC_UNIMPLEMENTED, "this process has no node service");
}

enum grpc_status csi_node_get_capabilities(struct grpc_call *c)
{
	static const int types[] = {CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__GET_VOLUME_STATS,
				    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__SINGLE_NODE_MULTI_WRITER};
	enum grpc_status st = need_node(c);
	if (st != GRPC_OK)
		return st;
	Csi__V1__NodeGetCapabilitiesResponse *r = grpc_new_message(
		c, Csi__V1__NodeGetCapabilitiesResponse, &csi__v1__node_get_capabilities_response__descriptor);
	r->n_capabilities = ARRAY_LEN(types);
	r->capabilities = grpc_alloc(c, sizeof(*r->capabilities) * ARRAY_LEN(types));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		Csi__V1__NodeServiceCapability *cap =
			grpc_new_message(c, Csi__V1__NodeServiceCapability,
					&csi__v1__node_service_capability__descriptor);
		cap->type_case = CSI__V1__NODE_SERVICE_CAPABILITY__TYPE_RPC;
		cap->rpc = grpc_new_message(c, Csi__V1__NodeServiceCapability__RPC,
					    &csi__v1__node_service_capability__rpc__descriptor);
		cap->rpc->type = (Csi__V1__NodeServiceCapability__RPC__Type)types[i];
		r->capabilities[i] = cap;
	}
	c->reply = &r->base;
	return GRPC_OK;
}

enum grpc_status csi_node_get_info(struct grpc_call *c)
{
	const struct csi *s = c->app;
	enum grpc_status st = need_node(c);
	if (st != GRPC_OK)
		return st;
	Csi__V1__NodeGetInfoResponse *r =
		grpc_new_message(c, Csi__V1__NodeGetInfoResponse, &csi__v1__node_get_info_response__descriptor);
	r->node_id = grpc_printf(c, "%s", s->node_id);
	c->reply = &r->base;
	return GRPC_OK;
}

/* ---- publish ----------------------------------------------------------------------- */

static const char *context(const Csi__V1__NodePublishVolumeRequest *q, const char *key)
{
	return csi_map_get(q->n_volume_context, (void *const *)q->volume_context, key);
}

static bool is_true(const char *s)
{
	return s && strcmp(s, "true") == 0;
}

static enum grpc_status take_flags(struct grpc_call *c, const Csi__V1__NodePublishVolumeRequest *q,
				   struct bind_flags *f)
{
	const Csi__V1__VolumeCapability *cap = q->volume_capability;
	const Csi__V1__VolumeCapability__MountVolume *m = cap->mount;
	int mode = (int)cap->access_mode->mode;
	const char *attribute = context(q, "readOnly");
	if (attribute && strcmp(attribute, "true") != 0 && strcmp(attribute, "false") != 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "readOnly is neither true nor false");
	f->readonly = q->readonly || csi_mode_is_readonly(mode) || is_true(attribute);
	f->single = mode == CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_SINGLE_WRITER;
	for (size_t i = 0; m && i < m->n_mount_flags; i++) {
		const char *o = m->mount_flags[i];
		if (strcmp(o, "ro") == 0)
			f->readonly = true;
		else if (strcmp(o, "noexec") == 0)
			f->noexec = true;
		else if (strcmp(o, "noatime") == 0)
			f->noatime = true;
		else if (strcmp(o, "nosuid") != 0 && strcmp(o, "nodev") != 0 && strcmp(o, "rw") != 0)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT,
					   "mount option '%.64s' is not known here: ro, noexec, noatime are", o);
	}
	return GRPC_OK;
}

/* The path that the volume stands for. */
static enum grpc_status path_of(struct grpc_call *c, const Csi__V1__NodePublishVolumeRequest *q, bool inline_volume,
				struct csi_id *id, const char **ret)
{
	const char *path = context(q, "path");
	*id = (struct csi_id){0};
	if (inline_volume) {
		if (!path)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT,
					   "volumeAttributes.path is missing, as in project1/.snapshots/run1");
	} else if (csi_id_parse(q->volume_id, id) < 0) {
		return grpc_refuse(c, GRPC_NOT_FOUND,
				   "'%.128s' is no volume of this driver: v1:UUID..., or path:PATH in the tree",
						q->volume_id);
	} else if (id->path) {
		if (path && strcmp(path, id->path) != 0)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volumeHandle and volumeAttributes.path differ");
		path = id->path;
	} else if (!path) {
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "the volume's context has no path");
	}
	if (!tree_path_is_good(path))
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "'%.128s' is no path in the tree: it must be relative, "
				   "without '..'", path);
	*ret = path;
	return GRPC_OK;
}

/* Whether the pod's name space may; takes the right to write away where it has none. */
static enum grpc_status apply_policy(struct grpc_call *c, const Csi__V1__NodePublishVolumeRequest *q,
				     bool inline_volume, const struct place *p, struct bind_flags *f)
{
	const struct csi *s = c->app;
	const char *ns = context(q, NAMESPACE);
	char err[256];
	if (inline_volume && !s->policy_path)
		return grpc_refuse(c, GRPC_PERMISSION_DENIED,
				   "inline volumes need a policy that says which name spaces see which paths");
	int verbs = policy_allows(s->policy_path, ns, err);
	if (verbs < 0)
		return grpc_refuse(c, GRPC_INTERNAL, "%s", err);
	int sees = !inline_volume ? 1 : policy_sees(s->policy_path, ns, p->path, err);
	if (sees == 0)
		sees = policy_sees(s->policy_path, ns, p->name, err);
	if (sees < 0)
		return grpc_refuse(c, GRPC_INTERNAL, "%s", err);
	if (!sees || !(verbs & 1 << POLICY_READ))
		return grpc_refuse(c, GRPC_PERMISSION_DENIED, "the policy does not let name space %.64s see %.128s",
				   ns ? ns : "(unknown)", p->path);
	if (!(verbs & 1 << POLICY_WRITE))
		f->readonly = true;
	return GRPC_OK;
}

static enum grpc_status publish(struct grpc_call *c, const Csi__V1__NodePublishVolumeRequest *q)
{
	struct csi *s = c->app;
	bool inline_volume = is_true(context(q, EPHEMERAL));
	struct bind_flags f = {0};
	struct csi_id id;
	const char *path = NULL;
	char err[256];
	enum grpc_status st = take_flags(c, q, &f);
	if (st == GRPC_OK)
		st = path_of(c, q, inline_volume, &id, &path);
	if (st != GRPC_OK)
		return st;
	struct place p;
	int r = tree_resolve(s, path, &p, err);
	if (r < 0)
		return grpc_refuse(c, r == -ELOOP || r == -ENOTDIR ? GRPC_INVALID_ARGUMENT : csi_status_of(r), "%s",
				err);
	bool same = uuid_is_zero(&id.volume) ||
		    (uuid_eq(&id.volume, &p.volume) && (uuid_is_zero(&id.snapshot) || uuid_eq(&id.snapshot,
				&p.snapshot)));
	if (!same)
		st = grpc_refuse(c, GRPC_NOT_FOUND, "%.128s is another volume or snapshot by now than %.128s", path,
				 q->volume_id);
	f.readonly = f.readonly || p.frozen;
	if (st == GRPC_OK)
		st = apply_policy(c, q, inline_volume, &p, &f);
	/* Nobody else may look, find no other target, and make one, too. */
	struct csi_busy busy;
	if (st == GRPC_OK && f.single && !csi_begin(s, &busy, q->volume_id))
		st = csi_busy_refusal(c, q->volume_id);
	if (st == GRPC_OK) {
		r = bind_publish(s, &p, q->target_path, &f, err);
		if (f.single)
			csi_end(s, &busy);
		if (r < 0)
			st = grpc_refuse(c, csi_status_of(r), "%s", err);
		else
			log_info("%s is published at %s%s", p.path, q->target_path, f.readonly ? ", read-only" : "");
	}
	place_close(&p);
	return st;
}

enum grpc_status csi_node_publish_volume(struct grpc_call *c)
{
	struct csi *s = c->app;
	const Csi__V1__NodePublishVolumeRequest *q = (const void *)c->request;
	struct csi_busy busy;
	char err[256];
	enum grpc_status st = need_node(c);
	if (st != GRPC_OK)
		return st;
	if (!*q->volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_id is missing");
	if (!*q->target_path)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "target_path is missing");
	if (!q->volume_capability)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_capability is missing");
	Csi__V1__VolumeCapability *caps[] = {q->volume_capability};
	st = csi_check_capabilities(c, 1, caps);
	if (st != GRPC_OK)
		return st;
	if (bind_check_target(s, q->target_path, err) < 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "%s", err);
	if (!csi_begin(s, &busy, q->target_path))
		return csi_busy_refusal(c, q->target_path);
	st = publish(c, q);
	csi_end(s, &busy);
	c->reply = &grpc_new_message(c, Csi__V1__NodePublishVolumeResponse,
			&csi__v1__node_publish_volume_response__descriptor)
			    ->base;
	return st;
}

enum grpc_status csi_node_unpublish_volume(struct grpc_call *c)
{
	struct csi *s = c->app;
	const Csi__V1__NodeUnpublishVolumeRequest *q = (const void *)c->request;
	struct csi_busy busy;
	char err[256];
	enum grpc_status st = need_node(c);
	if (st != GRPC_OK)
		return st;
	if (!*q->volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_id is missing");
	if (!*q->target_path)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "target_path is missing");
	if (bind_check_target(s, q->target_path, err) < 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "%s", err);
	if (!csi_begin(s, &busy, q->target_path))
		return csi_busy_refusal(c, q->target_path);
	int r = bind_unpublish(s, q->target_path, err);
	csi_end(s, &busy);
	if (r < 0)
		return grpc_refuse(c, r == -ENOTEMPTY ? GRPC_INTERNAL : csi_status_of(r), "%s", err);
	log_info("%s is unpublished", q->target_path);
	c->reply = &grpc_new_message(c, Csi__V1__NodeUnpublishVolumeResponse,
				     &csi__v1__node_unpublish_volume_response__descriptor)->base;
	return GRPC_OK;
}

/* ---- stats --------------------------------------------------------------------------- */

static Csi__V1__VolumeUsage *usage(struct grpc_call *c, Csi__V1__VolumeUsage__Unit unit, uint64_t total,
				   uint64_t available, uint64_t unused)
{
	Csi__V1__VolumeUsage *u = grpc_new_message(c, Csi__V1__VolumeUsage, &csi__v1__volume_usage__descriptor);
	u->unit = unit;
	u->total = (int64_t)MIN_OF(total, (uint64_t)INT64_MAX);
	u->available = (int64_t)MIN_OF(available, (uint64_t)INT64_MAX);
	uint64_t used = unused < total ? total - unused : 0;
	u->used = (int64_t)MIN_OF(used, (uint64_t)INT64_MAX);
	return u;
}

enum grpc_status csi_node_get_volume_stats(struct grpc_call *c)
{
	const struct csi *s = c->app;
	const Csi__V1__NodeGetVolumeStatsRequest *q = (const void *)c->request;
	char root[PATH_MAX];
	struct statvfs v;
	enum grpc_status st = need_node(c);
	if (st != GRPC_OK)
		return st;
	if (!*q->volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_id is missing");
	if (!*q->volume_path)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume_path is missing");
	int r = bind_is_published(s, q->volume_path, root);
	if (r < 0)
		return grpc_refuse(c, csi_status_of(r), "cannot read the mount table: %s", strerror(-r));
	if (r == 0)
		return grpc_refuse(c, GRPC_NOT_FOUND, "nothing is published at %.128s", q->volume_path);
	if (statvfs(q->volume_path, &v) < 0) {
		int e = errno;
		/* A snapshot that was deleted, or a session that ended: gone for good. */
		return grpc_refuse(c, e == ENOTCONN || e == ESTALE || e == ENOENT ? GRPC_NOT_FOUND : GRPC_INTERNAL,
				   "%.128s: %s", q->volume_path, strerror(e));
	}
	Csi__V1__NodeGetVolumeStatsResponse *reply = grpc_new_message(
		c, Csi__V1__NodeGetVolumeStatsResponse, &csi__v1__node_get_volume_stats_response__descriptor);
	reply->n_usage = 2;
	reply->usage = grpc_alloc(c, 2 * sizeof(*reply->usage));
	reply->usage[0] = usage(c, CSI__V1__VOLUME_USAGE__UNIT__BYTES, v.f_blocks * v.f_frsize,
				v.f_bavail * v.f_frsize, v.f_bfree * v.f_frsize);
	reply->usage[1] = usage(c, CSI__V1__VOLUME_USAGE__UNIT__INODES, v.f_files, v.f_favail, v.f_ffree);
	c->reply = &reply->base;
	return GRPC_OK;
}
