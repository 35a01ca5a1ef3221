/* ontapfs-csi: the driver by which Kubernetes publishes parts of a mounted tree to
 * pods, and makes volumes, clones and snapshots. The door of mountd/csi/.
 *
 * A process of its own: it shares nothing with the daemon of a mount but the tree
 * itself, and may crash or be replaced at any time without a pod noticing.
 *   controller  asks ONTAP by REST (filer.h); needs the configuration and its login
 *   node        binds parts of the tree to pods (tree.h, bind.h); needs no login */
#ifndef MOUNTD_CSI_CSI_H
#define MOUNTD_CSI_CSI_H

#include <pthread.h>
#include <stdbool.h>
#include "csi.pb-c.h"
#include "fs/base/list.h"
#include "mountd/csi/grpc.h"
#include "mountd/csi/ids.h"

#define CSI_DRIVER "csi.ontapfs.io"

struct filer;
struct policy;

/* An object that a call is at work on: another call for it is told ABORTED. */
struct csi_busy {
	struct list link;
	const char *key;
};

struct csi {
	/* immutable once it serves */
	const char *driver, *node_id;
	const char *config;      /* of the controller; NULL: none */
	const char *tree;        /* mount point; NULL: no node service */
	const char *kubelet_dir; /* targets lie below it */
	const char *policy_path; /* NULL: none */
	const char *endpoint;    /* as kubelet sees the socket; "" none */
	const char *snapdir;     /* ".snapshots" */
	struct grpc *grpc;

	struct filer *filer[GRPC_WORKERS]; /* each its worker's */
	pthread_mutex_t lock;
	struct list busy;        /* of csi_busy, under lock */
	struct list keeps;       /* under lock: see bind.c */
	_Atomic int published;   /* targets that are bound now */
	_Atomic int kept;        /* of these, snapshots that are held */
	_Atomic bool registered; /* kubelet said so */
};

extern const struct grpc_method csi_methods[];
extern const size_t csi_nmethods;

/* False: another call has it. Else csi_end() gives it free. Key lives that long. */
bool csi_begin(struct csi *s, struct csi_busy *b, const char *key);
void csi_end(struct csi *s, struct csi_busy *b);
enum grpc_status csi_busy_refusal(struct grpc_call *c, const char *key);

/* The value of a key in a protobuf map, or NULL. */
const char *csi_map_get(size_t n, void *const *entries, const char *key);

/* How the errno of a failed REST call or system call ends a gRPC call. */
enum grpc_status csi_status_of(int err);

/* Whether the driver can serve each of the capabilities. */
enum grpc_status csi_check_capabilities(struct grpc_call *c, size_t n, Csi__V1__VolumeCapability *const *caps);
bool csi_mode_is_readonly(int mode);

#endif
