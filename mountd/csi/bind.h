/* Bind mounts of places in the tree at the targets that kubelet names. Worker
 * threads; calls for one target exclude each other (csi_begin). */
#ifndef MOUNTD_CSI_BIND_H
#define MOUNTD_CSI_BIND_H

#include "mountd/csi/tree.h"

struct bind_flags {
	bool readonly, noexec, noatime; /* nosuid and nodev always */
	bool single;                    /* the place may have no other target on this node */
};

/* The target, absolute, below the kubelet directory, without '..': 0 or -EINVAL with
 * a sentence. */
int bind_check_target(const struct csi *s, const char *target, char err[256]);
/* Makes the target a mount of the place. One that shows it already, with these flags,
 * is left; one of another session or place is replaced. 0, -EBUSY (single), or
 * another -errno with a sentence. A place in a snapshot is then held, so that it
 * can't be deleted through the tree while it is published. */
int bind_publish(struct csi *s, const struct place *p, const char *target, const struct bind_flags *f,
		 char err[256]);
/* Unmounts all that is at the target, and removes it. Not there is success. */
int bind_unpublish(struct csi *s, const char *target, char err[256]);
/* 1 a part of a tree is mounted there, and its path in *ret_root; 0 not. */
int bind_is_published(const struct csi *s, const char *target, char ret_root[PATH_MAX]);
/* At start: holds what a predecessor published. Returns how many targets there are. */
int bind_adopt(struct csi *s);
/* Before a process ends: gives all holds up. */
void bind_forget(struct csi *s);

#endif
