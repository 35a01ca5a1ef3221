/* What the two halves of service Controller share. */
#ifndef MOUNTD_CSI_CONTROLLER_H
#define MOUNTD_CSI_CONTROLLER_H

#include "mountd/csi/filer.h"

enum grpc_status controller_begin(struct grpc_call *c, struct filer **ret);
/* verb: enum policy_verb. */
enum grpc_status controller_policy(struct grpc_call *c, const char *name_space, int verb);
/* The record of the creator, as ontapfs writes it at the end of a comment; volume:
 * of a snapshot, else NULL. */
void controller_creator(const struct csi *s, const struct uuid *volume, const char *request, char out[256]);
/* 0 where nothing is said. */
enum grpc_status controller_range(struct grpc_call *c, const Csi__V1__CapacityRange *range, uint64_t *ret_required,
				  uint64_t *ret_limit);
/* The volume of an id; of a path:, that of its last volume. NOT_FOUND. */
enum grpc_status controller_find(struct grpc_call *c, struct filer *f, const char *text, struct csi_id *id,
				 struct ontap_volume *v);
/* Kubernetes deletes a source while its clones live on: splits those that this driver
 * made off a volume, or off one of its snapshots. ABORTED while that goes on,
 * FAILED_PRECONDITION where somebody else has a clone of it. */
enum grpc_status controller_split_clones(struct grpc_call *c, struct filer *f, const struct uuid *volume,
					 const struct uuid *snapshot);
enum grpc_status controller_token(struct grpc_call *c, int32_t max_entries, const char *token);

#endif
