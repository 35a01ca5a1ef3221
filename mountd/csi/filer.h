/* ONTAP for one worker: its REST calls, one at a time and waited for. A thread has
 * its own filer, with connections that are kept; nothing is shared. */
#ifndef MOUNTD_CSI_FILER_H
#define MOUNTD_CSI_FILER_H

#include "mountd/config.h"
#include "mountd/csi/csi.h"
#include "ontap/ontap.h"

struct filer {
	struct config cfg; /* as read when it was opened */
	struct ontap *o;
	bool done;
	struct ontap_error e; /* of the last call */
	/* of the call at work */
	struct ontap_volume *volume;
	struct ontap_snapshot *snapshot;
	size_t n;
	const struct uuid *of;
	ontap_snapshot_each_fn each;
	void (*each_volume)(const struct ontap_volume *v, void *priv);
	void *each_priv;
};

/* The filer of this worker, opened when there is none yet, ready for a call that
 * ends by the deadline of c. NULL: c is refused with *ret. */
struct filer *filer_of(struct grpc_call *c, enum grpc_status *ret);
void filer_free(struct filer *f);

/* Each returns 0, -ENOENT where the object is not there, or another -errno with
 * f->e.text. Results are copied. */
int filer_volume_get(struct filer *f, const struct uuid *volume, struct ontap_volume *ret);
int filer_volume_find(struct filer *f, const char *name, struct ontap_volume *ret);
int filer_volume_create(struct filer *f, const struct ontap_create *cr, struct ontap_volume *ret);
int filer_volume_clone(struct filer *f, const struct ontap_clone *cl, struct ontap_volume *ret);
int filer_volume_delete(struct filer *f, const struct uuid *volume);
int filer_volume_resize(struct filer *f, const struct uuid *volume, uint64_t bytes);
int filer_volumes(struct filer *f, void (*each)(const struct ontap_volume *v, void *priv), void *priv);
/* The clones of a volume, or of one of its snapshots only. */
int filer_clones(struct filer *f, const struct uuid *volume, const struct uuid *snapshot,
		 void (*each)(const struct ontap_volume *v, void *priv), void *priv);
/* Starts the split of a clone, and waits for its end: -ETIMEDOUT, it goes on. */
int filer_split(struct filer *f, const struct uuid *clone);
int filer_snapshot_get(struct filer *f, const struct uuid *volume, const struct uuid *snapshot,
		       struct ontap_snapshot *ret);
int filer_snapshot_create(struct filer *f, const struct uuid *volume, const char *name, const char *comment,
			  const char *request_id, struct ontap_snapshot *ret);
int filer_snapshot_delete(struct filer *f, const struct uuid *volume, const struct uuid *snapshot);
int filer_snapshot_comment(struct filer *f, const struct uuid *volume, const struct uuid *snapshot,
			   const char *comment);
int filer_snapshots_of(struct filer *f, const struct uuid *volume, ontap_snapshot_each_fn each, void *priv);
/* Of all volumes; name NULL: all. */
int filer_snapshots(struct filer *f, const char *name, ontap_snapshot_each_fn each, void *priv);

/* Refuses c with what the last call said. */
enum grpc_status filer_refuse(struct filer *f, struct grpc_call *c);

#endif
