/* Verbs on whole volumes: mkdir and rmdir at the root, resize, the split of a
 * clone, and the update of a SnapMirror destination. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/fs_i.h"

/* ---- create -------------------------------------------------------------------- */

static void volume_made(struct req *r, struct ctl_msg *m)
{
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	r->object = m->vol.uuid;
	r->changed = true;
	const struct volume_facts v = volume_view(&m->vol);
	bind_volume(r, &v, reply_space_root);
}

void volume_create(struct req *r)
{
	if (ctl_answered(r))
		return;
	r->verb = 1 + FS_VOLUME_CREATE;
	if (!ctl_volume_name(r, r->name) || !ctl_allowed(r, FS_VOLUME_CREATE))
		return;
	uint64_t size = r->fs->p.create.size, limit = r->fs->p.limit_volume_size;
	if (limit && size > limit) {
		req_refuse(r, -EDQUOT, "new volumes have %llu bytes, the limit is %llu (limitVolumeSize)",
			   (unsigned long long)size, (unsigned long long)limit);
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_VOLUME_CREATE, NULL);
	if (!m)
		return;
	struct creator who = {.known = true, .uid = req_caller(r)->uid};
	if (!req_was_sent(r))
		uuid_random(&r->note->intent.request);
	m->request = r->request = r->note->intent.request;
	m->gid = req_caller(r)->gid;
	uuid_format(&m->request, who.request);
	strcpy_bounded(who.realm, r->fs->realm, sizeof(who.realm));
	strcpy_bounded(m->name, r->name, sizeof(m->name));
	tree_format_creator(m->comment, sizeof(m->comment), &who);
	req_intend(r);
	req_control(r, m, volume_made);
}

/* ---- delete: rule 6.4 ------------------------------------------------------------ */

/* The volume being deleted, across the steps; r->getter. */
struct removal {
	struct ontap_volume v;
	uint32_t space;
};

static void delete_done(struct req *r, struct ctl_msg *m)
{
	const struct removal *d = r->getter;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	uint32_t space = space_find(&r->fs->spaces, &d->v.uuid, NULL);
	if (space)
		fs_space_died(r->fs, space);
	req_err(r, 0);
}

static void delete_send(struct req *r)
{
	const struct removal *d = r->getter;
	struct ctl_msg *m = req_message(r, CTL_VOLUME_DELETE, &d->v.uuid);
	if (!m)
		return;
	strcpy_bounded(m->name, r->name, sizeof(m->name));
	r->note->intent.object = d->v.uuid;
	req_intend(r);
	req_control(r, m, delete_done);
}

static bool has_clones(struct fs *fs, const struct uuid *volume, char name[ONTAP_NAME_MAX + 1])
{
	bool yes = false;
	struct catalog *cat = catalog_get(fs->ctl);
	for (size_t i = 0; i < cat->n && !yes; i++) {
		const struct volume_facts *v = &cat->vol[i]->v;
		yes = v->is_flexclone && uuid_eq(&v->clone_parent, volume);
		if (yes)
			strcpy_bounded(name, v->name, ONTAP_NAME_MAX + 1);
	}
	catalog_put(cat);
	return yes;
}

static void delete_listed(struct req *r, struct ctl_msg *m)
{
	struct fs *fs = r->fs;
	const struct removal *d = r->getter;
	const struct caller *who = req_process(r);
	char clone[ONTAP_NAME_MAX + 1];
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else if (m->list->n)
		req_refuse(r, -EBUSY, "volume %s has %zu snapshots, the newest is %s: delete them first", r->name,
			   m->list->n, m->list->snap[m->list->n - 1].name);
	else if (has_clones(fs, &d->v.uuid, clone))
		req_refuse(r, -EBUSY, "volume %s has a clone, %s", r->name, clone);
	else if (atomic_load(&fs->st.spaces[d->space].opens) > 0)
		req_refuse(r, -EBUSY, "files of volume %s are open on this mount", r->name);
	else if (!memory_get(fs->memory, MEMORY_ARMED, d->space, who->uid, who->pid_ns, ARM_MEMORY_NS, true))
		req_refuse(r, -EPERM, "volume %s is not armed any more", r->name); /* used up meanwhile */
	else
		delete_send(r);
}

static void delete_bound(struct req *r, uint32_t space)
{
	struct removal *d = r->getter;
	const struct caller *who = req_process(r);
	d->space = space;
	if (!memory_get(r->fs->memory, MEMORY_ARMED, space, who->uid, who->pid_ns, ARM_MEMORY_NS, false)) {
		req_refuse(r, -EPERM, "rmdir deletes the volume %s with all that is in it only within 60 s after this "
			   "user said so: setfattr -n ontap.arm -v %s %s", r->name, r->name, r->name);
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST, &d->v.uuid);
	if (!m)
		return;
	m->fresh = true;
	req_control(r, m, delete_listed);
}

void volume_delete(struct req *r)
{
	struct fs *fs = r->fs;
	if (!(fs->p.allow & 1u << FS_VOLUME_DELETE)) {
		req_refuse(r, -EPERM, "rmdir does not delete the volume %s: the configuration of this mount does not "
			   "allow volume.delete", r->name);
		return;
	}
	r->verb = 1 + FS_VOLUME_DELETE;
	struct removal *d = calloc(1, sizeof(*d));
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_find(cat, r->name);
	bool there = v && !v->hidden_why, clone = there && tree_clone_parent(cat, v);
	if (d && there)
		volume_unpack(&v->v, &d->v);
	catalog_put(cat);
	r->getter = d;
	if (!d) {
		req_err(r, -ENOMEM);
	} else if (req_was_sent(r)) {
		/* A predecessor had checked it all and begun: done when ONTAP knows it no more. */
		d->v.uuid = r->object = r->note->intent.object;
		delete_send(r);
	} else if (!there) {
		req_err(r, -ENOENT);
	} else if (clone) {
		req_refuse(r, -EPERM, "%s is a link; the clone is deleted in its parent's .clones", r->name);
	} else if (ctl_allowed(r, FS_VOLUME_DELETE)) {
		struct creator c;
		tree_parse_creator(d->v.comment, &c);
		r->object = d->v.uuid;
		if (!c.known && !req_is_admin(r))
			req_refuse(r, -EPERM, "volume %s was not made through ontapfs: only an admin may delete it",
				   r->name);
		else if (!c.known || ctl_is_owner(r, "volume", d->v.name, d->v.comment, "deleted")) {
			const struct volume_facts facts = volume_view(&d->v);
			bind_volume(r, &facts, delete_bound);
		}
	}
}

/* ---- size ------------------------------------------------------------------------- */

static void verb_done(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else
		req_err(r, 0);
}

static void resize_permitted(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	if (!(c->res.access & (NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND)) && !req_is_admin(r)) {
		req_refuse(r, -EACCES, "to resize %s you must have write permission in its root", r->name);
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_VOLUME_RESIZE, &r->space->volume);
	if (!m)
		return;
	strcpy_bounded(m->name, r->space->name, sizeof(m->name));
	m->size = r->off; /* a size, not a difference: a successor simply says it again */
	req_control(r, m, verb_done);
}

void volume_resize(struct req *r, const struct space *s, const char *value)
{
	uint64_t limit = r->fs->p.limit_volume_size;
	r->verb = 1 + FS_VOLUME_RESIZE;
	r->space = s;
	r->object = s->volume;
	if (!ctl_allowed(r, FS_VOLUME_RESIZE))
		return;
	if (!tree_parse_size(value, &r->off) || r->off == 0) {
		req_refuse(r, -EINVAL, "a size is a number of bytes, or one with K, M, G or T");
		return;
	}
	if (limit && r->off > limit) {
		req_refuse(r, -EDQUOT, "the largest size that this mount gives is %llu bytes (limitVolumeSize)",
			   (unsigned long long)limit);
		return;
	}
	struct nfsio_call *c = req_call(r, NFSIO_ACCESS, NULL);
	c->fh = s->root;
	c->access = NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND;
	req_submit(r, resize_permitted);
}

/* ---- split of a clone ---------------------------------------------------------------- */

/* ONTAP is asked what the volume is: a catalog may be older than the clone, or, after a
 * takeover, not know who made it. */
static void split_ask(struct req *r, req_ctl_fn then)
{
	struct ctl_msg *m = req_message(r, CTL_VOLUME_FIND, NULL);
	if (!m)
		return;
	strcpy_bounded(m->name, r->space->name, sizeof(m->name));
	req_control(r, m, then);
}

static bool is_split(const struct req *r, const struct ctl_msg *m)
{
	return !m->error.err && m->found && uuid_eq(&m->vol.uuid, &r->space->volume) && !m->vol.is_flexclone;
}

/* Refused, after a predecessor had sent it: done by that one? */
static void split_looked(struct req *r, struct ctl_msg *m)
{
	if (is_split(r, m))
		req_err(r, 0);
	else
		req_refuse(r, m->error.err ? m->error.err : -EIO, "ONTAP refused to split %s for the successor of a "
			   "daemon that had asked for it: ontap.clone.split tells whether it goes on", r->space->name);
}

static void split_done(struct req *r, struct ctl_msg *m)
{
	if (m->error.err && req_was_sent(r))
		split_ask(r, split_looked);
	else
		verb_done(r, m);
}

static void split_begin(struct req *r, struct ctl_msg *m)
{
	const struct space *s = r->space;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
	} else if (!m->found || !uuid_eq(&m->vol.uuid, &s->volume)) {
		req_err(r, -ESTALE);
	} else if (!m->vol.is_flexclone) {
		if (req_was_sent(r)) /* by a predecessor, and done */
			req_err(r, 0);
		else
			req_refuse(r, -EINVAL, "%s is no clone any more", s->name);
	} else if (ctl_is_owner(r, "clone", s->name, m->vol.comment, "split")) {
		struct ctl_msg *split = req_message(r, CTL_CLONE_SPLIT, &s->volume);
		if (!split)
			return;
		strcpy_bounded(split->name, s->name, sizeof(split->name));
		req_intend(r);
		req_control(r, split, split_done);
	}
}

void clone_split(struct req *r, const struct space *s, const char *value)
{
	r->verb = 1 + FS_CLONE_SPLIT;
	r->space = s;
	r->object = s->volume;
	if (strcmp(value, "1") != 0)
		req_refuse(r, -EINVAL, "1 starts the split of a clone from its parent; nothing undoes it");
	else if (ctl_allowed(r, FS_CLONE_CREATE))
		split_ask(r, split_begin);
}

/* ---- SnapMirror --------------------------------------------------------------------- */

bool space_is_mirror(struct fs *fs, const struct space *s)
{
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_by_uuid(cat, &s->volume);
	bool yes = v && v->v.type == ONTAP_DP;
	catalog_put(cat);
	return yes;
}

/* A second transfer does no harm. One that is under way when a predecessor may have begun
 * it is what was asked for. */
static void update_done(struct req *r, struct ctl_msg *m)
{
	if (m->error.err == -EBUSY && req_was_sent(r))
		req_err(r, 0);
	else
		verb_done(r, m);
}

void mirror_update(struct req *r, const struct space *s, const char *value)
{
	r->verb = 1 + FS_SNAPMIRROR_UPDATE;
	r->object = s->volume;
	if (!ctl_allowed(r, FS_SNAPMIRROR_UPDATE))
		return;
	if (strcmp(value, "1") != 0) {
		req_refuse(r, -EINVAL, "1 starts a transfer from the source");
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_MIRROR_UPDATE, &s->volume);
	if (!m)
		return;
	strcpy_bounded(m->name, s->name, sizeof(m->name));
	req_intend(r);
	req_control(r, m, update_done);
}
