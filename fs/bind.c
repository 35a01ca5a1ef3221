/* Binding: from a name that REST knows to a root handle that NFS knows.
 *
 * A snapshot is its uuid. Between asking REST for the uuid of a name and
 * looking the name up through NFS, somebody may delete the snapshot and make
 * another of that name; so REST is asked again afterwards, and only when both
 * answers name one uuid the handle found in between belongs to it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

#define BIND_ATTEMPTS 3

struct binding {
	bind_fn then;
	struct space s;            /* being filled */
	uint32_t vol_space;
	struct nfsio_fh snapdir;
	uint32_t attempts;
	bool enabled;              /* snapdir access was switched on, or tried */
	bool known;                /* the caller knows the uuid: no first question */
	char name[ONTAP_NAME_MAX + 1];
	char junction[ONTAP_PATH_MAX + 1];
	struct nfsio_attr root_attr;
	uint32_t old;              /* a snapshot's space whose root is being tried */
	struct ontap_error unasked; /* why REST did not tell */
};

static struct binding *binding_new(struct req *r, bind_fn then)
{
	struct binding *b = calloc(1, sizeof(*b));
	if (!b) {
		req_err(r, -ENOMEM);
		return NULL;
	}
	b->then = then;
	free(r->extra);
	r->extra = b;
	return b;
}

struct of_volume {
	struct fs *fs;
	uint32_t volume_space;
};

/* Snapshots outlive the root of their volume: a transfer to a SnapMirror
 * destination gives that a new one, and who reads in a snapshot goes on. */
static void adopt(uint32_t idx, void *priv)
{
	const struct of_volume *a = priv;
	struct space *s = &a->fs->st.spaces[idx];
	if (space_is_snapshot(s) && uuid_eq(&s->volume, &a->fs->st.spaces[a->volume_space].volume))
		s->volume_space = a->volume_space;
}

static void space_died(struct fs *fs, uint32_t space);

static void bound(struct req *r, struct binding *b)
{
	struct fs *fs = r->fs;
	uint32_t killed;
	b->s.bound_ns = clock_now_ns();
	atomic_store(&b->s.root_mode, b->root_attr.mode);
	atomic_store(&b->s.root_uid, b->root_attr.uid);
	atomic_store(&b->s.root_gid, b->root_attr.gid);
	uint32_t idx = space_bind(&fs->spaces, &b->s, &killed);
	if (killed)
		space_died(fs, killed);
	struct of_volume a = {.fs = fs, .volume_space = idx};
	if (idx && !space_is_snapshot(&b->s))
		space_each(&fs->spaces, adopt, &a);
	stats_add(&fs->stats.snapshot_binds, space_is_snapshot(&b->s));
	bind_fn then = b->then;
	free(steal_ptr(r->extra));
	if (idx)
		then(r, idx);
	else
		req_err(r, -ENFILE);
}

static void call_on(struct req *r, enum nfsio_proc proc, const struct nfsio_fh *fh, nfsio_done_fn done)
{
	struct nfsio_call *c = req_call(r, proc, NULL);
	c->fh = *fh;
	req_submit(r, done);
}

/* ---- volumes ----------------------------------------------------------------- */

static void volume_attr_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct binding *b = r->extra;
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	b->s.fsid = c->res.attr.fsid;
	b->s.root_fileid = c->res.attr.fileid;
	b->root_attr = c->res.attr;
	bound(r, b);
}

static void volume_fsinfo_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct binding *b = r->extra;
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	const struct fs_params *p = &r->fs->p;
	/* Whole pages, at least one, at most what the slots and libnfs hold. */
	uint32_t rt = MIN_OF(c->res.fsinfo.rtmax, NFSIO_XFER_MAX) & ~4095u;
	uint32_t wt = MIN_OF(c->res.fsinfo.wtmax, NFSIO_XFER_MAX) & ~4095u;
	b->s.rtmax = MAX_OF(p->rsize ? MIN_OF(p->rsize, rt) : rt, 4096u);
	b->s.wtmax = MAX_OF(p->wsize ? MIN_OF(p->wsize, wt) : wt, 4096u);
	b->s.dtpref = MIN_OF(MAX_OF(c->res.fsinfo.dtpref, 8192u), 131072u);
	call_on(r, NFSIO_GETATTR, &b->s.root, volume_attr_done);
}

static void volume_mnt_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct binding *b = r->extra;
	if (c->res.err) {
		int err = c->res.err == -ENOENT ? -ESTALE : c->res.err;
		req_refuse(r, err,
			   "volume %s cannot be mounted at %s over NFS: %s; its export policy must allow this host",
			   b->s.name, b->junction, strerror(-c->res.err));
		return;
	}
	b->s.root = c->res.fh;
	call_on(r, NFSIO_FSINFO, &b->s.root, volume_fsinfo_done);
}

void bind_volume(struct req *r, const struct volume_facts *v, bind_fn then)
{
	uint32_t idx = space_find(&r->fs->spaces, &v->uuid, NULL);
	if (idx) {
		then(r, idx);
		return;
	}
	struct binding *b = binding_new(r, then);
	if (!b)
		return;
	b->s.volume = v->uuid;
	b->s.btime = v->create_time;
	if (v->is_flexclone)
		b->s.clone_parent = v->clone_parent;
	b->s.ino_from_fh = v->style == ONTAP_FLEXGROUP && !r->fs->nfs_service.v3_64bit_ids;
	strcpy_bounded(b->s.name, v->name, sizeof(b->s.name));
	strcpy_bounded(b->junction, v->junction, sizeof(b->junction));
	struct nfsio_call *c = req_call(r, NFSIO_MNT, NULL);
	c->name = b->junction;
	req_submit(r, volume_mnt_done);
}

/* ---- snapshots ------------------------------------------------------------------- */

static void snap_ask(struct req *r, bool again);

static void snap_confirmed(struct req *r, struct ctl_msg *m)
{
	struct binding *b = r->extra;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
	} else if (!m->found) {
		req_err(r, -ENOENT);
	} else if (!uuid_eq(&m->snap.uuid, &b->s.snapshot) || !b->s.root.len) {
		/* Another snapshot took the name, or NFS did not show this one. */
		if (++b->attempts < BIND_ATTEMPTS) {
			b->known = false;
			snap_ask(r, false);
		} else {
			req_refuse(r, -EIO, "ONTAP lists snapshot %s of volume %s, but its data "
				   "does not appear under .snapshot: try again", b->name,
				   r->fs->st.spaces[b->vol_space].name);
		}
	} else {
		bound(r, b);
	}
}

static void snap_looked_up(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct binding *b = r->extra;
	b->s.root.len = 0;
	if (c->res.err == 0 && c->res.has_attr) {
		b->s.root = c->res.fh;
		b->s.fsid = c->res.attr.fsid;
		b->s.root_fileid = c->res.attr.fileid;
		b->root_attr = c->res.attr;
	} else if (c->res.err == -ESTALE) {
		space_set_snapdir(&r->fs->spaces, b->vol_space, &(struct nfsio_fh){0}); /* look again */
	} else if (c->res.err != -ENOENT) {
		req_err(r, c->res.err ? c->res.err : -EIO);
		return;
	}
	snap_ask(r, true);
}

static void snap_lookup(struct req *r)
{
	struct binding *b = r->extra;
	struct nfsio_call *c = req_call(r, NFSIO_LOOKUP, NULL);
	c->fh = b->snapdir;
	c->name = b->name;
	req_submit(r, snap_looked_up);
}

static void snapdir_lookup(struct req *r);
static void no_access(struct req *r, struct binding *b);

static void snapdir_enabled(struct req *r, struct ctl_msg *m)
{
	/* A verb of its own inside another request: it gets its own record. */
	uint8_t verb = r->verb;
	r->verb = 1 + FS_SNAPDIR_ENABLE;
	audit(r, m->error.err);
	r->verb = verb;
	if (m->error.err)
		no_access(r, r->extra); /* as it was */
	else
		snapdir_lookup(r);
}

static void no_access(struct req *r, struct binding *b)
{
	struct fs *fs = r->fs;
	int64_t gid = fs->p.allow_gid[FS_SNAPDIR_ENABLE];
	if (!b->enabled && (fs->p.allow & 1u << FS_SNAPDIR_ENABLE) &&
	    (gid < 0 || caller_in_group(req_caller(r), (uint32_t)gid))) {
		struct ctl_msg *m = req_message(r, CTL_SNAPDIR_ENABLE, &b->s.volume);
		b->enabled = true;
		if (m) {
			strcpy_bounded(m->name, fs->st.spaces[b->vol_space].name, sizeof(m->name));
			req_control(r, m, snapdir_enabled);
		}
		return;
	}
	b->s.no_access = 1;
	b->s.root.len = 0;
	b->s.fsid = 0;
	bound(r, b);
}

static void snapdir_looked_up(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct binding *b = r->extra;
	if (c->res.err == -ENOENT) {
		no_access(r, b); /* ONTAP hides .snapshot where access is switched off */
	} else if (c->res.err) {
		req_err(r, c->res.err);
	} else {
		b->snapdir = c->res.fh;
		space_set_snapdir(&r->fs->spaces, b->vol_space, &b->snapdir);
		snap_lookup(r);
	}
}

static void snapdir_lookup(struct req *r)
{
	struct binding *b = r->extra;
	struct nfsio_call *c = req_call(r, NFSIO_LOOKUP, NULL);
	c->fh = r->fs->st.spaces[b->vol_space].root;
	c->name = ".snapshot";
	req_submit(r, snapdir_looked_up);
}

static void snap_known(struct req *r, uint32_t idx)
{
	bind_fn then = ((struct binding *)r->extra)->then;
	free(steal_ptr(r->extra));
	then(r, idx);
}

static void snap_tried(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct binding *b = r->extra;
	if (c->res.err == -ESTALE && ++b->attempts < BIND_ATTEMPTS) {
		fs_space_died(r->fs, b->old);
		snap_ask(r, false);
	} else if (c->res.err) {
		req_err(r, c->res.err);
	} else {
		r->fs->st.spaces[b->old].bound_ns = clock_now_ns();
		snap_known(r, b->old);
	}
}

static void snap_bind(struct req *r, const struct ontap_snapshot *s)
{
	struct binding *b = r->extra;
	struct fs *fs = r->fs;
	const struct space *vol = &fs->st.spaces[b->vol_space];
	uint32_t idx = space_find(&fs->spaces, &vol->volume, &s->uuid);
	bool access = true;
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_by_uuid(cat, &vol->volume);
	if (v)
		access = v->v.snapdir_access;
	catalog_put(cat);
	if (idx && fs->st.spaces[idx].no_access && access)
		idx = 0; /* access was switched on meanwhile */
	if (idx) {
		if (strcmp(fs->st.spaces[idx].name, s->name) != 0)
			space_rename(&fs->spaces, idx, s->name);
		const struct space *known = &fs->st.spaces[idx];
		b->old = idx;
		/* Older than the root of its volume: its own may have gone with that one's predecessor. */
		if (known->bound_ns < vol->bound_ns && !known->no_access)
			call_on(r, NFSIO_GETATTR, &known->root, snap_tried);
		else
			snap_known(r, idx);
		return;
	}
	b->s = (struct space){
		.volume_space = b->vol_space, .volume = vol->volume, .snapshot = s->uuid,
		.btime = s->create_time, .rtmax = vol->rtmax, .wtmax = vol->wtmax,
		.dtpref = vol->dtpref, .ino_from_fh = vol->ino_from_fh,
	};
	strcpy_bounded(b->s.name, s->name, sizeof(b->s.name));
	space_get_snapdir(&fs->spaces, b->vol_space, &b->snapdir);
	if (!access) {
		no_access(r, b);
	} else if (b->snapdir.len) {
		snap_lookup(r);
	} else {
		snapdir_lookup(r);
	}
}

static void snap_shown(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct binding *b = r->extra;
	const struct space *s = &r->fs->st.spaces[b->old];
	if (c->res.err == 0 && c->res.has_attr && c->res.fh.len == s->root.len &&
	    memcmp(c->res.fh.data, s->root.data, s->root.len) == 0 && c->res.attr.fsid == s->fsid &&
	    c->res.attr.fileid == s->root_fileid && space_alive(&r->fs->st, b->old))
		snap_known(r, b->old);
	else
		req_refuse(r, b->unasked.err, "%s", b->unasked.text);
}

/* REST gives no answer. Under this name we know a snapshot; where the server still
 * shows the same handle under it, it is that one, and data goes on without REST. */
static void snap_without_rest(struct req *r, const struct ontap_error *e)
{
	struct binding *b = r->extra;
	b->old = space_find_named(&r->fs->spaces, &r->fs->st.spaces[b->vol_space].volume, b->name);
	space_get_snapdir(&r->fs->spaces, b->vol_space, &b->snapdir);
	if (!b->old || !b->snapdir.len) {
		req_refuse(r, e->err, "%s", e->text);
		return;
	}
	b->unasked = *e;
	struct nfsio_call *c = req_call(r, NFSIO_LOOKUP, NULL);
	c->fh = b->snapdir;
	c->name = b->name;
	req_submit(r, snap_shown);
}

static void snap_asked(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		snap_without_rest(r, &m->error);
	else if (!m->found)
		req_err(r, -ENOENT);
	else
		snap_bind(r, &m->snap);
}

static void snap_ask(struct req *r, bool again)
{
	struct binding *b = r->extra;
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_FIND, &r->fs->st.spaces[b->vol_space].volume);
	if (!m)
		return;
	m->fresh = again || b->attempts > 0;
	strcpy_bounded(m->name, b->name, sizeof(m->name));
	req_control(r, m, again ? snap_confirmed : snap_asked);
}

void bind_snapshot(struct req *r, uint32_t vol_space, const char *name, bind_fn then)
{
	struct binding *b = binding_new(r, then);
	if (!b)
		return;
	b->vol_space = vol_space;
	strcpy_bounded(b->name, name, sizeof(b->name));
	snap_ask(r, false);
}

void bind_snapshot_known(struct req *r, uint32_t vol_space, const struct ontap_snapshot *s, bind_fn then)
{
	struct binding *b = binding_new(r, then);
	if (!b)
		return;
	b->vol_space = vol_space;
	b->known = true;
	strcpy_bounded(b->name, s->name, sizeof(b->name));
	snap_bind(r, s);
}

/* ---- the root of a space as an entry ---------------------------------------------------- */

bool node_is_space_root(const struct fs *fs, const struct node *n)
{
	const struct space *s = &fs->st.spaces[n->space];
	return n->kind == NODE_FILE && n->fh.len == s->root.len &&
	       memcmp(n->fh.data, s->root.data, s->root.len) == 0;
}

static void root_attr_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	uint32_t idx = (uint32_t)r->off;
	struct fs *fs = r->fs;
	if (c->res.err == -ESTALE && !space_is_snapshot(&fs->st.spaces[idx]) && !r->has_target) {
		/* The volume came back as another file system: bind it anew, once. */
		struct uuid volume = fs->st.spaces[idx].volume;
		space_died(fs, idx);
		r->has_target = true;
		struct catalog *cat = catalog_get(fs->ctl);
		const struct catalog_volume *v = catalog_by_uuid(cat, &volume);
		if (v)
			bind_volume(r, &v->v, reply_space_root);
		else
			req_err(r, -ESTALE);
		catalog_put(cat);
		return;
	}
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	struct node *n = req_make_node(r, idx, &fs->st.spaces[idx].root, &c->res.attr, c->res.start_ns);
	if (n)
		req_entry(r, n, TIMEOUT_ENDLESS);
	else
		req_err(r, -ENFILE);
}

void reply_space_root(struct req *r, uint32_t space)
{
	struct fs *fs = r->fs;
	const struct space *s = &fs->st.spaces[space];
	struct node *n;
	if (s->no_access) {
		n = req_make_virtual(r, space, NODE_SNAPOFF, 0);
		if (n)
			/* Access may be switched on any time: not for ever. */
			req_entry(r, n, (double)fs->p.attr_timeout_ns / 1e9);
		else
			req_err(r, -ENFILE);
		return;
	}
	struct node_key k = {.space = space, .kind = NODE_FILE, .fh = s->root};
	uint64_t ino = node_ino(s, s->root_fileid, &s->root);
	n = space_is_snapshot(s) ? node_get(&fs->nodes, &k, ino) : NULL;
	if (n && node_brief(&fs->nodes, n).stamp_ns) {
		req_entry(r, n, TIMEOUT_ENDLESS);
		return;
	}
	if (n)
		node_forget(&fs->nodes, atomic_load(&n->nodeid), 1);
	r->off = space;
	struct nfsio_call *c = req_call(r, NFSIO_GETATTR, NULL);
	c->fh = s->root;
	req_submit(r, root_attr_done);
}

/* ---- when the picture changes --------------------------------------------------------------- */

/* Without its snapshots. */
static void space_died(struct fs *fs, uint32_t space)
{
	atomic_store(&fs->shadowed[space], 0);
	atomic_store(&fs->clone_place[space].refused_ns, 0);
	atomic_store(&fs->clone_place[space].sweep_ns, 0);
	struct space *s = &fs->st.spaces[space];
	space_kill(&fs->spaces, space);
	stats_add(&fs->stats.spaces_killed, 1);
	uint32_t left = atomic_load(&s->nodes), used = atomic_load(fs->st.nodes_used);
	for (uint32_t i = 1; i < used && left; i++) {
		struct node *n = &fs->st.nodes[i];
		uint64_t id = atomic_load(&n->nodeid);
		if (id && n->space == space) {
			notify_inode(&fs->notifier, id);
			left--;
		}
	}
}

static void died_with_volume(uint32_t idx, void *priv)
{
	const struct of_volume *d = priv;
	const struct space *s = &d->fs->st.spaces[idx];
	if (space_is_snapshot(s) && s->volume_space == d->volume_space)
		space_died(d->fs, idx);
}

void fs_space_died(struct fs *fs, uint32_t space)
{
	struct of_volume d = {.fs = fs, .volume_space = space};
	if (!space_is_snapshot(&fs->st.spaces[space]))
		space_each(&fs->spaces, died_with_volume, &d);
	space_died(fs, space);
}

void fs_volume_replaced(struct fs *fs, uint32_t space)
{
	const struct space *s = &fs->st.spaces[space];
	struct uuid of;
	space_get_clone_parent(&fs->spaces, space, &of);
	uint32_t parent = uuid_is_zero(&of) ? 0 : space_find(&fs->spaces, &of, NULL);
	fs_space_died(fs, space);
	notify_entry(&fs->notifier, NODE_ROOT_ID, s->name);
	if (parent)
		notify_entry(&fs->notifier, fs_clonedir_nodeid(fs, parent), s->name);
}

uint64_t fs_snapdir_nodeid(struct fs *fs, uint32_t vol_space)
{
	struct node_key k = {.space = vol_space, .kind = NODE_SNAPDIR};
	return node_find(&fs->nodes, &k, node_ino_virtual(&fs->st.spaces[vol_space], NODE_SNAPDIR, 0));
}

uint64_t fs_clonedir_nodeid(struct fs *fs, uint32_t vol_space)
{
	struct node_key k = {.space = vol_space, .kind = NODE_CLONEDIR};
	return node_find(&fs->nodes, &k, node_ino_virtual(&fs->st.spaces[vol_space], NODE_CLONEDIR, 0));
}

struct reconcile {
	struct fs *fs;
	const struct snaplist *list;
	const struct catalog *cat;
};

static void reconcile_snapshot(uint32_t idx, void *priv)
{
	struct reconcile *rc = priv;
	struct fs *fs = rc->fs;
	struct space *s = &fs->st.spaces[idx];
	if (!space_is_snapshot(s) || !uuid_eq(&s->volume, &rc->list->volume) ||
	    s->bound_ns >= rc->list->fetched_ns)
		return;
	for (size_t i = 0; i < rc->list->n; i++) {
		if (!uuid_eq(&rc->list->snap[i].uuid, &s->snapshot))
			continue;
		if (strcmp(rc->list->snap[i].name, s->name) != 0) {
			notify_entry(&fs->notifier, fs_snapdir_nodeid(fs, s->volume_space), s->name);
			space_rename(&fs->spaces, idx, rc->list->snap[i].name);
		}
		return;
	}
	/* A list may be incomplete for reasons of its own; the name is looked up
	 * anew from now on, and only ONTAP's word about the uuid ends the snapshot. */
	notify_entry(&fs->notifier, fs_snapdir_nodeid(fs, s->volume_space), s->name);
	control_verify_gone(fs->ctl, &s->volume, &s->snapshot);
}

void fs_snapshot_gone(struct fs *fs, const struct uuid *volume, const struct uuid *snapshot)
{
	uint32_t idx = space_find(&fs->spaces, volume, snapshot);
	if (!idx)
		return;
	struct space *s = &fs->st.spaces[idx];
	log_info("snapshot %s of volume %s was deleted elsewhere", s->name,
		 fs->st.spaces[s->volume_space].name);
	notify_entry(&fs->notifier, fs_snapdir_nodeid(fs, s->volume_space), s->name);
	fs_space_died(fs, idx);
}

void fs_snapshots_changed(struct fs *fs, const struct snaplist *l)
{
	struct reconcile rc = {.fs = fs, .list = l};
	space_each(&fs->spaces, reconcile_snapshot, &rc);
}

static void reconcile_volume(uint32_t idx, void *priv)
{
	struct reconcile *rc = priv;
	struct fs *fs = rc->fs;
	struct space *s = &fs->st.spaces[idx];
	const struct catalog_volume *v = catalog_by_uuid(rc->cat, &s->volume);
	if (v && !v->v.is_flexclone && !space_is_snapshot(s))
		space_was_split(&fs->spaces, idx); /* an ordinary volume, also after a takeover */
	if (v && strcmp(v->v.name, space_is_snapshot(s) ? v->v.name : s->name) == 0 && !v->hidden_why)
		return;
	if (!space_is_snapshot(s))
		notify_entry(&fs->notifier, NODE_ROOT_ID, s->name);
	/* A volume that is missing stays bound: if it is gone, NFS itself says STALE,
	 * and if only the list was short, open files go on. */
	if (v && !space_is_snapshot(s)) {
		space_rename(&fs->spaces, idx, v->v.name);
	}
}

void fs_volumes_changed(struct fs *fs, const struct catalog *old, const struct catalog *fresh)
{
	struct reconcile rc = {.fs = fs, .cat = fresh};
	/* A clone that went, was renamed or split is no longer in its parent's .clones. */
	for (size_t i = 0; i < old->n; i++) {
		const struct volume_facts *was = &old->vol[i]->v;
		uint32_t parent = was->is_flexclone ? space_find(&fs->spaces, &was->clone_parent, NULL) : 0;
		const struct catalog_volume *is = parent ? catalog_by_uuid(fresh, &was->uuid) : NULL;
		if (parent && (!is || !is->v.is_flexclone || strcmp(is->v.name, was->name) != 0))
			notify_entry(&fs->notifier, fs_clonedir_nodeid(fs, parent), was->name);
	}
	space_each(&fs->spaces, reconcile_volume, &rc);
}

struct has {
	const struct uuid *volume;
	struct fs *fs;
	bool yes;
};

static void has_one(uint32_t idx, void *priv)
{
	struct has *h = priv;
	const struct space *s = &h->fs->st.spaces[idx];
	h->yes |= space_is_snapshot(s) && uuid_eq(&s->volume, h->volume);
}

bool fs_has_snapshots(struct fs *fs, const struct uuid *volume)
{
	struct has h = {.volume = volume, .fs = fs};
	space_each(&fs->spaces, has_one, &h);
	return h.yes;
}
