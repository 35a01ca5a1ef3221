/* What the tree shows that no server directory holds: the root, .snapshots,
 * .clones, .ontap, and the links between them. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/fs_i.h"

/* sub of NODE_LATEST and NODE_OLDEST: where the link stands */
enum { PLACE_SNAPDIR, PLACE_ROOT };
/* How deep a junction may lie and still be led out of by "../". */
#define DEPTH_MAX 1000

static void entry_virtual(struct req *r, uint32_t space, uint8_t kind, uint64_t sub, double entry_s)
{
	struct node *n = req_make_virtual(r, space, kind, sub);
	if (n)
		req_entry(r, n, entry_s);
	else
		req_err(r, -ENFILE);
}

/* ---- .snapshots ---------------------------------------------------------------- */

static void newest_listed(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else if (!m->list->n)
		req_refuse(r, -ENOENT, "volume %s has no snapshot", r->fs->st.spaces[r->step].name);
	else
		entry_virtual(r, r->step, (uint8_t)r->mode, r->off, 0);
}

/* @latest or @oldest of a volume: there when it has a snapshot at all. */
static void lookup_newest(struct req *r, uint32_t vol_space, const char *which, uint64_t place)
{
	r->step = vol_space;
	r->mode = strcmp(which, "latest") == 0 ? NODE_LATEST : NODE_OLDEST;
	r->off = place;
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST, &r->fs->st.spaces[vol_space].volume);
	if (m)
		req_control(r, m, newest_listed);
}

static void lookup_in_snapdir(struct req *r)
{
	if (strcmp(r->name, "@latest") == 0 || strcmp(r->name, "@oldest") == 0)
		lookup_newest(r, r->node->space, r->name + 1, PLACE_SNAPDIR);
	else if (strlen(r->name) > ONTAP_NAME_MAX)
		req_err(r, -ENAMETOOLONG);
	else
		bind_snapshot(r, r->node->space, r->name, reply_space_root);
}

/* ---- the root ---------------------------------------------------------------------- */

static void link_bound(struct req *r, uint32_t space)
{
	entry_virtual(r, space, NODE_SNAPLINK, 0, 0);
}

static void at_volume_bound(struct req *r, uint32_t vol_space)
{
	const char *snap = strchr(r->name, '@') + 1;
	if (strcmp(snap, "latest") == 0 || strcmp(snap, "oldest") == 0)
		lookup_newest(r, vol_space, snap, PLACE_ROOT);
	else
		bind_snapshot(r, vol_space, snap, link_bound);
}

/* Negative answers are not cached: only ONTAP can say that a volume is not there. */
static void ask_volume(struct req *r, const char *name, req_ctl_fn then)
{
	struct ctl_msg *m = req_message(r, CTL_VOLUME_FIND, NULL);
	if (!m)
		return;
	strcpy_bounded(m->name, name, sizeof(m->name));
	req_control(r, m, then);
}

static void lookup_volume(struct req *r, bool asked);

static void volume_asked(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else
		lookup_volume(r, true);
}

static void lookup_volume(struct req *r, bool asked)
{
	char volume[256], snap[256];
	bool at = tree_split_at(r->name, volume, snap);
	if (!at && !strcpy_bounded(volume, r->name, sizeof(volume))) {
		req_err(r, -ENAMETOOLONG);
		return;
	}
	struct catalog *cat = catalog_get(r->fs->ctl);
	const struct catalog_volume *v = catalog_find(cat, volume);
	if (!v && !asked) {
		ask_volume(r, volume, volume_asked);
	} else if (!v) {
		req_err(r, -ENOENT);
	} else if (v->hidden_why) {
		req_refuse(r, -ENOENT, "volume %s is left out: %s", volume, v->hidden_why);
	} else if (at) {
		bind_volume(r, &v->v, at_volume_bound);
	} else if (tree_clone_parent(cat, v)) {
		entry_virtual(r, 0, NODE_JUNCTION, tree_offset(&v->v.uuid), 0);
	} else {
		bind_volume(r, &v->v, reply_space_root);
	}
	catalog_put(cat);
}

static void lookup_in_root(struct req *r)
{
	if (strcmp(r->name, ".ontap") == 0)
		entry_virtual(r, 0, NODE_ONTAPDIR, 0, TIMEOUT_ENDLESS);
	else if (r->name[0] == '.')
		req_err(r, -ENOENT); /* no volume begins so: spare ONTAP the question */
	else
		lookup_volume(r, false);
}

static void lookup_clone(struct req *r, bool asked);

static void clone_asked(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else
		lookup_clone(r, true);
}

static void lookup_clone(struct req *r, bool asked)
{
	struct catalog *cat = catalog_get(r->fs->ctl);
	const struct catalog_volume *v = catalog_find(cat, r->name), *p = v ? tree_clone_parent(cat, v) : NULL;
	if (p && !v->hidden_why && uuid_eq(&p->v.uuid, &r->fs->st.spaces[r->node->space].volume))
		bind_volume(r, &v->v, reply_space_root);
	else if (!v && !asked && r->name[0] != '.')
		ask_volume(r, r->name, clone_asked);
	else
		req_err(r, -ENOENT);
	catalog_put(cat);
}

void virtual_lookup(struct req *r)
{
	struct node *n = r->node;
	const char *name = r->name;
	int which;
	switch ((enum node_kind)n->kind) {
	case NODE_ROOT:
		lookup_in_root(r);
		break;
	case NODE_SNAPDIR:
		lookup_in_snapdir(r);
		break;
	case NODE_CLONEDIR:
		lookup_clone(r, false);
		break;
	case NODE_ONTAPDIR:
		which = statfile_find(name);
		if (which < 0)
			req_err(r, -ENOENT);
		else
			entry_virtual(r, 0, NODE_STATFILE, (uint64_t)which, TIMEOUT_ENDLESS);
		break;
	case NODE_SNAPOFF:
		req_refuse(r, -EACCES,
			   "snapshot directory access is off on volume %s: switch it on with "
			   "`volume modify -snapdir-access true`, or clone the snapshot",
			   r->fs->st.spaces[r->fs->st.spaces[n->space].volume_space].name);
		break;
	case NODE_FILE: /* a volume root and a name of ours */
		if (r->fs->p.snapdir != FS_SNAPDIR_OFF && strcmp(name, r->fs->p.snapdir_name) == 0)
			entry_virtual(r, n->space, NODE_SNAPDIR, 0, TIMEOUT_ENDLESS);
		else if (r->fs->p.snapdir != FS_SNAPDIR_OFF && strcmp(name, ".clones") == 0)
			entry_virtual(r, n->space, NODE_CLONEDIR, 0, TIMEOUT_ENDLESS);
		else if (r->fs->p.snapdir != FS_SNAPDIR_OFF && strcmp(name, ".snapshot") == 0)
			entry_virtual(r, n->space, NODE_SNAPALIAS, 0, TIMEOUT_ENDLESS);
		else
			req_err(r, -ENOENT);
		break;
	default:
		req_err(r, -ENOTDIR);
	}
}

/* ---- links ------------------------------------------------------------------------------ */

/* Path of a live volume from the root of the tree: NAME, or below its parent. */
static bool volume_path(const struct catalog *cat, const struct catalog_volume *v, char *out, size_t len,
			int depth)
{
	const struct catalog_volume *p = depth < 60 ? tree_clone_parent(cat, v) : NULL;
	if (!p)
		return strcpy_bounded(out, v->v.name, len);
	if (!volume_path(cat, p, out, len, depth + 1))
		return false;
	size_t at = strlen(out);
	return snprintf(out + at, len - at, "/.clones/%s", v->v.name) < (int)(len - at);
}

static bool volume_place(struct fs *fs, uint64_t offset, char *out, size_t len)
{
	bool ok = false;
	struct catalog *cat = catalog_get(fs->ctl);
	for (size_t i = 0; i < cat->n && !ok; i++)
		if (tree_offset(&cat->vol[i]->v.uuid) == offset)
			ok = volume_path(cat, cat->vol[i], out, len, 0);
	catalog_put(cat);
	return ok;
}

/* Directories between a junction and the root of the tree, -1: not known. A node
 * knows the directory that it was last seen in, and the kernel keeps those as long
 * as it uses what is below. */
static int depth_of(struct fs *fs, const struct node *n)
{
	int depth = 0;
	uint32_t space = n->space;
	char place[1024];
	do {
		n = node_by_id(&fs->nodes, atomic_load(&n->parent));
		if (!n || n->kind != NODE_FILE || n->space != space || ++depth > DEPTH_MAX)
			return -1;
	} while (!node_is_space_root(fs, n));
	if (!volume_place(fs, tree_offset(&fs->st.spaces[space].volume), place, sizeof(place)))
		return -1;
	for (const char *p = place; (p = strchr(p, '/')); p++)
		depth++;
	return depth;
}

/* Relative, so that it holds wherever the tree is mounted or bound; only where the
 * way up is not known does it lead through the mount point. */
static void junction_link(struct req *r, const struct node *n, const char *place)
{
	struct buf b;
	int depth = depth_of(r->fs, n);
	buf_init(&b, PATH_MAX - 1);
	if (depth < 0)
		buf_printf(&b, "%s/", r->fs->p.mountpoint);
	for (int i = 0; i < depth; i++)
		buf_puts(&b, "../");
	buf_puts(&b, place);
	if (buf_ok(&b))
		req_readlink(r, b.data);
	else
		req_err(r, -ENAMETOOLONG);
	buf_fini(&b);
}

static void newest_link(struct req *r, struct ctl_msg *m)
{
	struct fs *fs = r->fs;
	const struct space *s = &fs->st.spaces[r->node->space];
	char target[2048], place[1024];
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	if (!m->list->n) {
		req_err(r, -ENOENT);
		return;
	}
	size_t i = r->node->kind == NODE_LATEST ? m->list->n - 1 : 0;
	if (r->node->sub == PLACE_SNAPDIR)
		snprintf(target, sizeof(target), "%s", m->list->snap[i].name);
	else if (volume_place(fs, tree_offset(&s->volume), place, sizeof(place)))
		snprintf(target, sizeof(target), "%s/%s/%s", place, fs->p.snapdir_name,
			 m->list->snap[i].name);
	else {
		req_err(r, -ESTALE);
		return;
	}
	req_readlink(r, target);
}

void virtual_readlink(struct req *r, struct node *n)
{
	struct fs *fs = r->fs;
	const struct space *s = &fs->st.spaces[n->space];
	char target[2048], place[1024];
	r->node = n;
	switch ((enum node_kind)n->kind) {
	case NODE_SNAPALIAS:
		req_readlink(r, fs->p.snapdir_name);
		return;
	case NODE_LATEST:
	case NODE_OLDEST: {
		struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST, &s->volume);
		if (m)
			req_control(r, m, newest_link);
		return;
	}
	case NODE_SNAPLINK:
		if (volume_place(fs, tree_offset(&s->volume), place, sizeof(place))) {
			snprintf(target, sizeof(target), "%s/%s/%s", place, fs->p.snapdir_name, s->name);
			req_readlink(r, target);
			return;
		}
		break;
	case NODE_JUNCTION:
		if (volume_place(fs, n->sub, place, sizeof(place))) {
			if (n->space)
				junction_link(r, n, place);
			else
				req_readlink(r, place);
			return;
		}
		break;
	default:
		req_err(r, -EINVAL);
		return;
	}
	req_err(r, -ESTALE);
}

/* ---- listings --------------------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
	const struct virtual_entry *x = a, *y = b;
	return x->off < y->off ? -1 : x->off > y->off;
}

static void list_add(struct virtual_list *l, uint64_t off, uint64_t ino, uint32_t type, const char *name)
{
	struct virtual_entry *e = &l->e[l->n];
	if (!strcpy_bounded(e->name, name, sizeof(e->name)))
		return;
	e->off = off;
	e->ino = ino;
	e->type = type;
	l->n++;
}

static void list_volumes(struct fs *fs, const struct node *n, const struct catalog *cat,
			 struct virtual_list *l)
{
	for (size_t i = 0; i < cat->n; i++) {
		const struct catalog_volume *v = cat->vol[i], *p;
		if (v->hidden_why)
			continue;
		p = tree_clone_parent(cat, v);
		uint64_t off = tree_offset(&v->v.uuid);
		/* The inode number of a volume's root is known once it was looked up;
		 * readdir's is only a hint. */
		uint32_t idx = space_find(&fs->spaces, &v->v.uuid, NULL);
		const struct space *s = &fs->st.spaces[idx];
		uint64_t ino = idx ? node_ino(s, s->root_fileid, &s->root) : off;
		if (n->kind == NODE_ROOT)
			list_add(l, off, p ? node_ino_virtual(NULL, NODE_JUNCTION, off) : ino,
				 p ? DT_LNK : DT_DIR, v->v.name);
		else if (p && n->kind == NODE_CLONEDIR && uuid_eq(&p->v.uuid, &fs->st.spaces[n->space].volume))
			list_add(l, off, ino, DT_DIR, v->v.name);
	}
}

struct virtual_list *virtual_list_make(struct fs *fs, const struct node *n, const struct snaplist *snaps)
{
	struct catalog *cat = catalog_get(fs->ctl); /* never NULL once the mount is made */
	size_t room = 2 + cat->n + (snaps ? snaps->n : 0) + statfile_count();
	struct virtual_list *l = calloc(1, sizeof(*l) + room * sizeof(l->e[0]));
	if (!l)
		goto done;
	list_add(l, 1, n->ino, DT_DIR, ".");
	list_add(l, 2, n->ino, DT_DIR, "..");
	if (n->kind == NODE_ONTAPDIR) {
		for (uint64_t i = 0; i < statfile_count(); i++)
			list_add(l, TREE_OFF_MIN + i, node_ino_virtual(NULL, NODE_STATFILE, i), DT_REG,
				 statfile_name(i));
	} else if (n->kind == NODE_SNAPDIR && snaps) {
		for (size_t i = 0; i < snaps->n; i++) {
			const struct ontap_snapshot *s = &snaps->snap[i];
			const struct space *vol = &fs->st.spaces[n->space];
			struct space as = {.volume = vol->volume, .snapshot = s->uuid};
			uint32_t idx = space_find(&fs->spaces, &vol->volume, &s->uuid);
			if (idx)
				as = fs->st.spaces[idx];
			else
				as.root_fileid = vol->root_fileid; /* kept by ONTAP in its snapshots */
			list_add(l, tree_offset(&s->uuid), node_ino(&as, as.root_fileid, &as.root), DT_DIR,
				 s->name);
		}
	} else {
		list_volumes(fs, n, cat, l);
	}
	qsort(l->e, l->n, sizeof(l->e[0]), by_offset);
done:
	catalog_put(cat);
	return l;
}
