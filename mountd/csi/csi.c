/* What all services share: the list of methods, calls that exclude each other. */
#include "mountd/csi/csi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "mountd/csi/services.h"

#define V1(service, method, fn) \
	{"/csi.v1." #service "/" #method, &csi__v1__##fn##_request__descriptor, csi_##fn}

const struct grpc_method csi_methods[] = {
	V1(Identity, GetPluginInfo, get_plugin_info),
	V1(Identity, GetPluginCapabilities, get_plugin_capabilities),
	V1(Identity, Probe, probe),
	V1(Controller, CreateVolume, create_volume),
	V1(Controller, DeleteVolume, delete_volume),
	V1(Controller, ValidateVolumeCapabilities, validate_volume_capabilities),
	V1(Controller, ListVolumes, list_volumes),
	V1(Controller, ControllerGetCapabilities, controller_get_capabilities),
	V1(Controller, CreateSnapshot, create_snapshot),
	V1(Controller, DeleteSnapshot, delete_snapshot),
	V1(Controller, ListSnapshots, list_snapshots),
	V1(Controller, ControllerExpandVolume, controller_expand_volume),
	V1(Node, NodePublishVolume, node_publish_volume),
	V1(Node, NodeUnpublishVolume, node_unpublish_volume),
	V1(Node, NodeGetVolumeStats, node_get_volume_stats),
	V1(Node, NodeGetCapabilities, node_get_capabilities),
	V1(Node, NodeGetInfo, node_get_info),
	{"/pluginregistration.Registration/GetInfo", &pluginregistration__info_request__descriptor, csi_get_info},
	{"/pluginregistration.Registration/NotifyRegistrationStatus",
	 &pluginregistration__registration_status__descriptor, csi_notify_registration_status},
};
const size_t csi_nmethods = sizeof(csi_methods) / sizeof(csi_methods[0]);

bool csi_begin(struct csi *s, struct csi_busy *b, const char *key)
{
	struct list *pos, *tmp;
	bool free = true;
	b->key = key;
	pthread_mutex_lock(&s->lock);
	list_for_each(pos, tmp, &s->busy)
		free = free && strcmp(list_entry(pos, struct csi_busy, link)->key, key) != 0;
	if (free)
		list_append(&s->busy, &b->link);
	pthread_mutex_unlock(&s->lock);
	return free;
}

void csi_end(struct csi *s, struct csi_busy *b)
{
	pthread_mutex_lock(&s->lock);
	list_remove(&b->link);
	pthread_mutex_unlock(&s->lock);
}

enum grpc_status csi_busy_refusal(struct grpc_call *c, const char *key)
{
	return grpc_refuse(c, GRPC_ABORTED, "another call is at work on %s: try again", key);
}

const char *csi_map_get(size_t n, void *const *entries, const char *key)
{
	/* protoc-c gives each map a type of its own; all have this shape. */
	for (size_t i = 0; i < n; i++) {
		const Csi__V1__Volume__VolumeContextEntry *e = entries[i];
		if (e && strcmp(e->key, key) == 0)
			return e->value;
	}
	return NULL;
}

enum grpc_status csi_status_of(int err)
{
	switch (-err) {
	case ENOENT:
	case ESTALE: /* went away while it was looked at */
		return GRPC_NOT_FOUND;
	case EEXIST:
		return GRPC_ALREADY_EXISTS;
	case EINVAL:
	case ENAMETOOLONG:
		return GRPC_INVALID_ARGUMENT;
	case ENOSPC:
	case EDQUOT:
	case EMLINK:
	case ENOMEM:
		return GRPC_RESOURCE_EXHAUSTED;
	case EBUSY:
	case EOPNOTSUPP:
	case EPERM:
	case EROFS:
		return GRPC_FAILED_PRECONDITION;
	case EACCES:
		return GRPC_PERMISSION_DENIED;
	case EINPROGRESS:
	case EAGAIN:
		return GRPC_ABORTED;
	case ETIMEDOUT:
		return GRPC_DEADLINE_EXCEEDED;
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ECONNRESET:
	case ENOTCONN:
		return GRPC_UNAVAILABLE;
	default:
		return GRPC_INTERNAL;
	}
}

bool csi_mode_is_readonly(int mode)
{
	return mode == CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_READER_ONLY ||
	       mode == CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__MULTI_NODE_READER_ONLY;
}

enum grpc_status csi_check_capabilities(struct grpc_call *c, size_t n, Csi__V1__VolumeCapability *const *caps)
{
	if (n == 0)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "volume capabilities are missing");
	for (size_t i = 0; i < n; i++) {
		const Csi__V1__VolumeCapability *cap = caps[i];
		if (cap->access_type_case == CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_BLOCK)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT,
					   "block volumes are not supported: these are directories");
		if (cap->access_type_case != CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "a capability has no access type");
		int mode = cap->access_mode ? (int)cap->access_mode->mode : 0;
		if (mode < CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_WRITER ||
		    mode > CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_MULTI_WRITER)
			return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "access mode %d is not known", mode);
	}
	return GRPC_OK;
}
