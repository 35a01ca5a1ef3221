/* Who we are: service Identity, and kubelet's registration. */
#include <stdio.h>
#include "fs/base/log.h"
#include "mountd/csi/services.h"
#include "mountd/csi/tree.h"

enum grpc_status csi_get_plugin_info(struct grpc_call *c)
{
	const struct csi *s = c->app;
	Csi__V1__GetPluginInfoResponse *r =
		grpc_new_message(c, Csi__V1__GetPluginInfoResponse, &csi__v1__get_plugin_info_response__descriptor);
	r->name = grpc_printf(c, "%s", s->driver);
	r->vendor_version = grpc_printf(c, "%s", ONTAPFS_VERSION);
	c->reply = &r->base;
	return GRPC_OK;
}

enum grpc_status csi_get_plugin_capabilities(struct grpc_call *c)
{
	const struct csi *s = c->app;
	Csi__V1__GetPluginCapabilitiesResponse *r = grpc_new_message(
		c, Csi__V1__GetPluginCapabilitiesResponse, &csi__v1__get_plugin_capabilities_response__descriptor);
	c->reply = &r->base;
	if (!s->config)
		return GRPC_OK; /* no controller here: nothing to announce */
	Csi__V1__PluginCapability *service =
		grpc_new_message(c, Csi__V1__PluginCapability, &csi__v1__plugin_capability__descriptor);
	service->type_case = CSI__V1__PLUGIN_CAPABILITY__TYPE_SERVICE;
	service->service = grpc_new_message(c, Csi__V1__PluginCapability__Service,
					    &csi__v1__plugin_capability__service__descriptor);
	service->service->type = CSI__V1__PLUGIN_CAPABILITY__SERVICE__TYPE__CONTROLLER_SERVICE;
	Csi__V1__PluginCapability *grows =
		grpc_new_message(c, Csi__V1__PluginCapability, &csi__v1__plugin_capability__descriptor);
	grows->type_case = CSI__V1__PLUGIN_CAPABILITY__TYPE_VOLUME_EXPANSION;
	grows->volume_expansion = grpc_new_message(c, Csi__V1__PluginCapability__VolumeExpansion,
						   &csi__v1__plugin_capability__volume_expansion__descriptor);
	grows->volume_expansion->type = CSI__V1__PLUGIN_CAPABILITY__VOLUME_EXPANSION__TYPE__ONLINE;
	r->n_capabilities = 2;
	r->capabilities = grpc_alloc(c, 2 * sizeof(*r->capabilities));
	r->capabilities[0] = service;
	r->capabilities[1] = grows;
	return GRPC_OK;
}

enum grpc_status csi_probe(struct grpc_call *c)
{
	const struct csi *s = c->app;
	Csi__V1__ProbeResponse *r = grpc_new_message(c, Csi__V1__ProbeResponse, &csi__v1__probe_response__descriptor);
	char why[256];
	r->ready = grpc_new_message(c, Csi__V1__BoolValue, &csi__v1__bool_value__descriptor);
	/* Not ready is no reason to be killed: the tree comes and goes with the holder. */
	r->ready->value = !s->tree || tree_mounted(s, why) == 0;
	c->reply = &r->base;
	return GRPC_OK;
}

enum grpc_status csi_get_info(struct grpc_call *c)
{
	const struct csi *s = c->app;
	Pluginregistration__PluginInfo *r =
		grpc_new_message(c, Pluginregistration__PluginInfo, &pluginregistration__plugin_info__descriptor);
	r->type = grpc_printf(c, "CSIPlugin");
	r->name = grpc_printf(c, "%s", s->driver);
	r->endpoint = grpc_printf(c, "%s", s->endpoint);
	r->n_supported_versions = 1;
	r->supported_versions = grpc_alloc(c, sizeof(*r->supported_versions));
	r->supported_versions[0] = grpc_printf(c, "1.0.0");
	c->reply = &r->base;
	return GRPC_OK;
}

enum grpc_status csi_notify_registration_status(struct grpc_call *c)
{
	struct csi *s = c->app;
	const Pluginregistration__RegistrationStatus *q = (const void *)c->request;
	Pluginregistration__RegistrationStatusResponse *r =
		grpc_new_message(c, Pluginregistration__RegistrationStatusResponse,
				 &pluginregistration__registration_status_response__descriptor);
	s->registered = q->plugin_registered;
	if (q->plugin_registered)
		log_info("kubelet knows %s now", s->driver);
	else
		log_error("kubelet refused %s: %s", s->driver, q->error);
	c->reply = &r->base;
	return GRPC_OK;
}
