/* The handlers of all methods. */
#ifndef MOUNTD_CSI_SERVICES_H
#define MOUNTD_CSI_SERVICES_H

#include "mountd/csi/csi.h"
#include "registration.pb-c.h"

enum grpc_status csi_get_plugin_info(struct grpc_call *c);
enum grpc_status csi_get_plugin_capabilities(struct grpc_call *c);
enum grpc_status csi_probe(struct grpc_call *c);

enum grpc_status csi_create_volume(struct grpc_call *c);
enum grpc_status csi_delete_volume(struct grpc_call *c);
enum grpc_status csi_validate_volume_capabilities(struct grpc_call *c);
enum grpc_status csi_list_volumes(struct grpc_call *c);
enum grpc_status csi_controller_get_capabilities(struct grpc_call *c);
enum grpc_status csi_create_snapshot(struct grpc_call *c);
enum grpc_status csi_delete_snapshot(struct grpc_call *c);
enum grpc_status csi_list_snapshots(struct grpc_call *c);
enum grpc_status csi_controller_expand_volume(struct grpc_call *c);

enum grpc_status csi_node_publish_volume(struct grpc_call *c);
enum grpc_status csi_node_unpublish_volume(struct grpc_call *c);
enum grpc_status csi_node_get_volume_stats(struct grpc_call *c);
enum grpc_status csi_node_get_capabilities(struct grpc_call *c);
enum grpc_status csi_node_get_info(struct grpc_call *c);

enum grpc_status csi_get_info(struct grpc_call *c);
enum grpc_status csi_notify_registration_status(struct grpc_call *c);

#endif
