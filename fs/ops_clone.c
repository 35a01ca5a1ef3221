/* Clones: `ln -s` of a snapshot (at the root, or in .clones), `mkdir` in
 * .clones, and `rmdir` there. A clone lives in its parent's .clones; a link at
 * the root shows where. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/fs_i.h"

/* ---- names -------------------------------------------------------------------- */

/* A clone or volume that the patterns of this mount leave out would be made and
 * never seen: nobody could use it or remove it from here. */
static bool shown_name(struct req *r, const char *name)
{
	const char *why = catalog_name_hidden(&r->fs->p, name);
	if (why)
		req_refuse(r, -EACCES, "this mount would not show %s: %s", name, why);
	return !why;
}

/* ONTAP's rule for volumes (and so for clones). */
bool ctl_volume_name(struct req *r, const char *name)
{
	size_t ok = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	if (strlen(name) > 203)
		req_refuse(r, -ENAMETOOLONG, "a clone's name has at most 203 characters");
	else if (name[ok] || (name[0] >= '0' && name[0] <= '9'))
		req_refuse(r, -EINVAL, "a clone is a volume: its name is letters, digits and '_', and does not begin "
			   "with a digit");
	else
		return shown_name(r, name);
	return false;
}

/* The volume that a path component names, if it is one of the tree. */
static bool is_volume(struct fs *fs, const char *name)
{
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_find(cat, name);
	bool yes = v && !v->hidden_why;
	catalog_put(cat);
	return yes;
}

/* ---- create ----------------------------------------------------------------------- */

/* What a clone is made of, across the steps; r->extra. */
struct cloning {
	char snap[ONTAP_NAME_MAX + 1]; /* "" of now */
	struct uuid snapshot;
	bool as_link;                  /* SYMLINK, so the reply must be one */
};

static void bind_made(struct req *r, const struct ctl_msg *m)
{
	const struct volume_facts v = volume_view(&m->vol);
	bind_volume(r, &v, reply_space_root);
}

static void clone_made(struct req *r, struct ctl_msg *m)
{
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	r->object = m->vol.uuid;
	bool as_link = ((struct cloning *)r->extra)->as_link;
	free(steal_ptr(r->extra));
	r->changed = true; /* it is made: no signal may say otherwise */
	if (!as_link) {
		bind_made(r, m);
		return;
	}
	/* The kernel insists on a link here. At the root that is what stays; in
	 * .clones it is a throw-away inode, and the next LOOKUP finds the directory. */
	uint32_t space = r->node->kind == NODE_CLONEDIR ? r->node->space : 0;
	struct node *n = req_make_virtual(r, space, NODE_JUNCTION, tree_offset(&m->vol.uuid));
	if (n)
		req_entry(r, n, 0);
	else
		req_err(r, -ENFILE);
}

static void clone_send(struct req *r)
{
	struct fs *fs = r->fs;
	struct cloning *x = r->extra;
	const struct space *vol = &fs->st.spaces[r->step];
	struct ctl_msg *m = req_message(r, CTL_CLONE_CREATE, &vol->volume);
	if (!m)
		return;
	struct creator who = {.known = true, .uid = req_caller(r)->uid};
	if (!req_was_sent(r))
		uuid_random(&r->note->intent.request);
	m->request = r->request = r->note->intent.request;
	m->snapshot = x->snapshot;
	uuid_format(&m->request, who.request);
	strcpy_bounded(who.realm, fs->realm, sizeof(who.realm));
	strcpy_bounded(m->name, r->name, sizeof(m->name));
	tree_format_creator(m->comment, sizeof(m->comment), &who);
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_by_uuid(cat, &vol->volume);
	if (v)
		strcpy_bounded(m->policy, v->v.export_policy, sizeof(m->policy));
	catalog_put(cat);
	req_intend(r);
	req_control(r, m, clone_made);
}

static void clone_base_found(struct req *r, struct ctl_msg *m)
{
	struct cloning *x = r->extra;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
	} else if (!m->found) {
		req_refuse(r, -ENOENT, "volume %s has no snapshot %s", r->fs->st.spaces[r->step].name, x->snap);
	} else {
		x->snapshot = m->snap.uuid;
		clone_send(r);
	}
}

static void clone_base_listed(struct req *r, struct ctl_msg *m)
{
	struct cloning *x = r->extra;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
	} else if (!m->list->n) {
		req_refuse(r, -ENOENT, "volume %s has no snapshot", r->fs->st.spaces[r->step].name);
	} else {
		x->snapshot = m->list->snap[strcmp(x->snap, "@oldest") == 0 ? 0 : m->list->n - 1].uuid;
		clone_send(r);
	}
}

/* Clones of this user that the catalog shows. */
static uint32_t clones_of(struct fs *fs, uint32_t uid)
{
	uint32_t n = 0;
	struct catalog *cat = catalog_get(fs->ctl);
	for (size_t i = 0; i < cat->n; i++) {
		struct creator c;
		if (!cat->vol[i]->v.is_flexclone)
			continue;
		tree_parse_creator(cat->vol[i]->v.comment, &c);
		n += c.known && c.uid == uid && strcmp(c.realm, fs->realm) == 0;
	}
	catalog_put(cat);
	return n;
}

/* Nobody may write in a SnapMirror destination, so the server's word about that
 * says nothing of who may clone it. The modes came with the content: who may write
 * in the root of the source may clone its copy, if the server lets him read here.
 * uid 0 owns nothing by that: the server may squash it, and does not say. */
static bool may_clone_mirror(struct req *r, const struct nfsio_call *c)
{
	const uint32_t look = NFSIO_ACCESS_READ | NFSIO_ACCESS_LOOKUP;
	const struct caller *who = req_caller(r);
	if ((c->res.access & look) != look || !c->res.has_attr)
		return false;
	if (req_is_admin(r))
		return true;
	uint32_t bit = 0002;
	if (who->uid && who->uid == c->res.attr.uid)
		bit = 0200;
	else if (who->uid && caller_in_group(who, c->res.attr.gid))
		bit = 0020;
	return c->res.attr.mode & bit;
}

static void clone_permitted(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct fs *fs = r->fs;
	struct cloning *x = r->extra;
	const struct space *vol = &fs->st.spaces[r->step];
	uint32_t limit = fs->p.clones_per_uid;
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	bool frozen = !(c->res.access & (NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND));
	bool mirror = frozen && space_is_mirror(fs, vol);
	if (mirror && !x->snap[0]) {
		req_refuse(r, -EROFS, "%s is the destination of a SnapMirror relationship and read-only, so there is "
			   "no clone of now; clone its newest snapshot: ln -s %s@latest %s",
			   vol->name, vol->name, r->name);
		return;
	}
	if (frozen && !(mirror && may_clone_mirror(r, c))) {
		req_refuse(r, -EACCES, "to clone %s you must have write permission in its root", vol->name);
		return;
	}
	if (limit && !req_was_sent(r) && !req_is_admin(r) && clones_of(fs, req_caller(r)->uid) >= limit) {
		req_refuse(r, -EDQUOT, "uid %u has %u clones already (clones_per_uid)", req_caller(r)->uid, limit);
		return;
	}
	if (!x->snap[0]) {
		clone_send(r);
		return;
	}
	bool newest = x->snap[0] == '@';
	struct ctl_msg *m = req_message(r, newest ? CTL_SNAPSHOT_LIST : CTL_SNAPSHOT_FIND, &vol->volume);
	if (!m)
		return;
	m->fresh = true; /* the name must be today's: from here on by uuid */
	strcpy_bounded(m->name, x->snap, sizeof(m->name));
	req_control(r, m, newest ? clone_base_listed : clone_base_found);
}

/* The parent is bound to vol_space: may this caller write in its root? */
static void clone_parent_bound(struct req *r, uint32_t vol_space)
{
	struct cloning *x = steal_ptr(r->getter);
	free(r->extra);
	r->extra = x;
	r->step = r->verb_space = vol_space;
	struct nfsio_call *c = req_call(r, NFSIO_ACCESS, NULL);
	c->fh = r->fs->st.spaces[vol_space].root;
	c->access = NFSIO_ACCESS_READ | NFSIO_ACCESS_LOOKUP | NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND;
	req_submit(r, clone_permitted);
}

static void clone_begin(struct req *r, const char *volume, const char *snap, bool as_link)
{
	struct fs *fs = r->fs;
	if (ctl_answered(r))
		return;
	r->verb = 1 + FS_CLONE_CREATE;
	if (!ctl_volume_name(r, r->name) || !ctl_allowed(r, FS_CLONE_CREATE))
		return;
	struct cloning *x = calloc(1, sizeof(*x));
	if (!x) {
		req_err(r, -ENOMEM);
		return;
	}
	strcpy_bounded(x->snap, snap, sizeof(x->snap));
	x->as_link = as_link;
	r->getter = x; /* binding uses r->extra */
	if (r->node->kind == NODE_CLONEDIR) {
		clone_parent_bound(r, r->node->space);
		return;
	}
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_find(cat, volume);
	if (v && !v->hidden_why)
		bind_volume(r, &v->v, clone_parent_bound);
	else
		req_refuse(r, -ENOENT, "there is no volume %s here", volume);
	catalog_put(cat);
}

void clone_by_link(struct req *r)
{
	struct fs *fs = r->fs;
	char volume[256], snap[256];
	r->verb = 1 + FS_CLONE_CREATE;
	bool in_clones = r->node->kind == NODE_CLONEDIR;
	if (!tree_parse_target(r->name2, fs->p.snapdir_name, volume, snap)) {
		req_refuse(r, -EPERM, "a link here makes a clone, so its target must be a snapshot: "
			   "VOLUME/%s/SNAPSHOT or VOLUME@SNAPSHOT", fs->p.snapdir_name);
		return;
	}
	if (in_clones && volume[0] && is_volume(fs, volume) &&
	    strcmp(volume, fs->st.spaces[r->node->space].name) != 0) {
		req_refuse(r, -EPERM, ".clones of %s holds clones of %s only; this is a snapshot of %s",
			   fs->st.spaces[r->node->space].name, fs->st.spaces[r->node->space].name, volume);
		return;
	}
	if (!in_clones && !volume[0]) {
		req_refuse(r, -EPERM, "the target does not say of which volume: VOLUME/%s/SNAPSHOT",
			   fs->p.snapdir_name);
		return;
	}
	clone_begin(r, volume, snap, true);
}

void clone_by_mkdir(struct req *r)
{
	clone_begin(r, "", "", false);
}

/* ---- delete ------------------------------------------------------------------------------ */

/* The clone being deleted, across the steps; r->getter. */
struct unclone {
	struct ontap_volume v;
	uint32_t space;
};

static void delete_done(struct req *r, struct ctl_msg *m)
{
	struct fs *fs = r->fs;
	struct unclone *u = r->getter;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	uint32_t space = space_find(&fs->spaces, &u->v.uuid, NULL);
	if (space)
		fs_space_died(fs, space);
	notify_entry(&fs->notifier, NODE_ROOT_ID, u->v.name);
	req_err(r, 0);
}

static void delete_send(struct req *r)
{
	struct unclone *u = r->getter;
	struct ctl_msg *m = req_message(r, CTL_CLONE_DELETE, &u->v.uuid);
	if (!m)
		return;
	strcpy_bounded(m->name, u->v.name, sizeof(m->name));
	r->note->intent.object = u->v.uuid;
	req_intend(r);
	req_control(r, m, delete_done);
}

static void delete_looked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct unclone *u = r->getter;
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	/* Asked last: the kernel sends a RELEASE after close(2) returned, and another
	 * worker may still have it in hands. */
	if (atomic_load(&r->fs->st.spaces[u->space].opens) > 0) {
		req_refuse(r, -EBUSY, "files of clone %s are open on this mount", u->v.name);
		return;
	}
	bool empty = c->res.eof;
	for (uint32_t i = 0; i < c->res.nentries && empty; i++) {
		const char *n = c->res.entries[i].name;
		empty = strcmp(n, ".") == 0 || strcmp(n, "..") == 0 || strcmp(n, ".snapshot") == 0 ||
			strcmp(n, PRIVATE_DIR) == 0;
	}
	const struct caller *who = req_process(r);
	if (!empty && !memory_get(r->fs->memory, MEMORY_ARMED, u->space, who->uid, who->pid_ns, ARM_MEMORY_NS, true)) {
		req_refuse(r, -ENOTEMPTY, "clone %s is not empty. Empty it first, or say that you mean it: "
			   "setfattr -n ontap.arm -v %s %s", u->v.name, u->v.name, u->v.name);
		return;
	}
	delete_send(r);
}

/* The same snapshot, by name or (renamed there since) by the record in its comment. */
static bool in_list(const struct snaplist *l, const struct ontap_snapshot *s)
{
	for (size_t i = 0; l && i < l->n; i++)
		if (l->snap[i].create_time == s->create_time &&
		    (strcmp(l->snap[i].name, s->name) == 0 ||
		     (s->comment[0] && strcmp(l->snap[i].comment, s->comment) == 0)))
			return true;
	return false;
}

/* A snapshot that was made in the clone. Those it was born with are its parent's
 * and older than itself; times are whole seconds, so of its first second the
 * record of who made it tells, or for strangers' the parent's list (the base may
 * be gone from there, but has its name). */
static const char *own_snapshot(const struct unclone *u, const struct snaplist *l, const struct snaplist *parents)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct ontap_snapshot *s = &l->snap[i];
		if (s->create_time < u->v.create_time || strcmp(s->name, u->v.clone_snapshot_name) == 0)
			continue;
		struct creator c;
		char here[UUID_TEXT_LEN + 1];
		tree_parse_creator(s->comment, &c);
		bool inherited = c.volume[0] ? strcmp(c.volume, uuid_format(&u->v.uuid, here)) != 0
					     : in_list(parents, s);
		if (s->create_time > u->v.create_time || !inherited)
			return s->name;
	}
	return NULL;
}

static void delete_snapshots_listed(struct req *r, struct ctl_msg *m)
{
	struct unclone *u = r->getter;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	struct snaplist *parents = snaplist_get(r->fs->ctl, &u->v.clone_parent);
	const char *own = own_snapshot(u, m->list, parents);
	if (own)
		req_refuse(r, -EBUSY, "clone %s has a snapshot of its own, %s: delete it first", u->v.name, own);
	snaplist_put(parents);
	if (own)
		return;
	const struct space *s = &r->fs->st.spaces[u->space];
	struct nfsio_call *c = req_call(r, NFSIO_READDIRPLUS, NULL);
	c->fh = s->root;
	c->count = s->dtpref;
	req_submit(r, delete_looked);
}

static void delete_parents_listed(struct req *r, struct ctl_msg *m)
{
	struct unclone *u = r->getter;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	struct ctl_msg *n = req_message(r, CTL_SNAPSHOT_LIST, &u->v.uuid);
	if (!n)
		return;
	n->fresh = true;
	req_control(r, n, delete_snapshots_listed);
}

static void delete_bound(struct req *r, uint32_t space)
{
	struct unclone *u = r->getter;
	u->space = space;
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST, &u->v.clone_parent);
	if (!m)
		return;
	m->fresh = true;
	req_control(r, m, delete_parents_listed);
}

static void delete_by_owner(struct req *r)
{
	struct unclone *u = r->getter;
	if (!ctl_is_owner(r, "clone", u->v.name, u->v.comment, "deleted"))
		return;
	const struct volume_facts facts = volume_view(&u->v);
	bind_volume(r, &facts, delete_bound);
}

static void delete_found(struct req *r, struct ctl_msg *m)
{
	struct unclone *u = r->getter;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	if (m->found && uuid_eq(&m->vol.uuid, &u->v.uuid))
		u->v = m->vol;
	delete_by_owner(r);
}

/* After a takeover the catalog does not know who made a volume, until the list has come. */
static void delete_who_made(struct req *r)
{
	struct unclone *u = r->getter;
	struct creator c;
	tree_parse_creator(u->v.comment, &c);
	if (c.known) {
		delete_by_owner(r);
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_VOLUME_FIND, NULL);
	if (!m)
		return;
	strcpy_bounded(m->name, u->v.name, sizeof(m->name));
	req_control(r, m, delete_found);
}

void clone_delete(struct req *r)
{
	struct fs *fs = r->fs;
	struct unclone *u = calloc(1, sizeof(*u));
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_find(cat, r->name), *p = v ? tree_clone_parent(cat, v) : NULL;
	bool there = p && !v->hidden_why && uuid_eq(&p->v.uuid, &fs->st.spaces[r->node->space].volume);
	if (u && there) {
		volume_unpack(&v->v, &u->v);
		r->object = v->v.uuid;
	}
	catalog_put(cat);
	r->getter = u;
	r->verb = 1 + FS_CLONE_DELETE;
	if (u && req_was_sent(r)) {
		/* A predecessor had checked it all and begun: by uuid, which is done when
		 * ONTAP knows it no more. */
		u->v.uuid = r->object = r->note->intent.object;
		strcpy_bounded(u->v.name, r->name, sizeof(u->v.name));
		delete_send(r);
	} else if (!u)
		req_err(r, -ENOMEM);
	else if (!there)
		req_err(r, -ENOENT);
	else if (ctl_allowed(r, FS_CLONE_DELETE))
		delete_who_made(r);
}
