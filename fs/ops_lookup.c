/* LOOKUP, GETATTR, READLINK, STATFS of what the server shows, and how cached
 * answers live: for ever in a snapshot, attr_timeout in a live volume. */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include "fs/base/clock.h"
#include "fs/fs_i.h"

double node_attr_timeout(struct fs *fs, const struct node *n)
{
	if (nodes_scarce(&fs->nodes))
		return 0; /* what the kernel does not keep, it can give back */
	if (n->kind == NODE_FILE && space_is_snapshot(&fs->st.spaces[n->space]))
		return TIMEOUT_ENDLESS;
	return (double)fs->p.attr_timeout_ns / 1e9;
}

bool node_is_virtual(const struct node *n)
{
	return n->kind != NODE_FILE;
}

static mode_t type_bits(uint32_t type)
{
	static const mode_t bits[] = {
		[NFSIO_REG] = S_IFREG, [NFSIO_DIR] = S_IFDIR, [NFSIO_BLK] = S_IFBLK,
		[NFSIO_CHR] = S_IFCHR, [NFSIO_LNK] = S_IFLNK, [NFSIO_SOCK] = S_IFSOCK,
		[NFSIO_FIFO] = S_IFIFO,
	};
	return type < ARRAY_LEN(bits) ? bits[type] : 0;
}

/* Programs take it as the size worth reading and writing at a time; stdio makes
 * its buffers of it, so not the megabyte that would be fastest for cp. */
#define BLKSIZE 131072

static void stat_virtual(struct fs *fs, struct node *n, struct stat *st)
{
	const struct space *s = &fs->st.spaces[n->space]; /* 0: the tree itself, all zero */
	struct timespec when = clock_to_ts(fs->started_ns);
	st->st_mode = S_IFDIR | 0755;
	st->st_nlink = 1;
	switch ((enum node_kind)n->kind) {
	case NODE_ROOT:
		if (fs->p.allow & (1u << FS_CLONE_CREATE | 1u << FS_VOLUME_CREATE | 1u << FS_VOLUME_DELETE))
			st->st_mode = S_IFDIR | 0777;
		break;
	case NODE_SNAPDIR:
	case NODE_CLONEDIR: {
		st->st_mode = S_IFDIR | (atomic_load(&s->root_mode) & 0777);
		st->st_uid = atomic_load(&s->root_uid);
		st->st_gid = atomic_load(&s->root_gid);
		when = (struct timespec){.tv_sec = s->btime};
		if (n->kind == NODE_SNAPDIR)
			when.tv_sec = MAX_OF(when.tv_sec, (time_t)snaplist_changed(fs->ctl, &s->volume));
		break;
	}
	case NODE_SNAPOFF:
		st->st_mode = S_IFDIR; /* nobody can enter: not by the server's choice, by ONTAP's */
		when = (struct timespec){.tv_sec = s->btime};
		break;
	case NODE_STATFILE:
		st->st_mode = S_IFREG | (statfile_admin_only(n->sub) ? 0400 : 0444);
		break;
	case NODE_SNAPALIAS:
	case NODE_LATEST:
	case NODE_OLDEST:
	case NODE_SNAPLINK:
	case NODE_JUNCTION:
		st->st_mode = S_IFLNK | 0777;
		break;
	case NODE_FREE:
	case NODE_FILE:
	case NODE_ONTAPDIR:
		break;
	}
	st->st_atim = st->st_mtim = st->st_ctim = when;
}

void node_stat(struct fs *fs, struct node *n, struct stat *st, bool tell)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = n->ino;
	st->st_blksize = BLKSIZE;
	if (node_is_virtual(n)) {
		stat_virtual(fs, n, st);
		return;
	}
	struct node_attr a;
	node_attr_get(&fs->nodes, n, &a, tell);
	st->st_mode = type_bits(a.type) | (a.mode & 07777);
	st->st_nlink = a.nlink;
	st->st_uid = a.uid;
	st->st_gid = a.gid;
	st->st_rdev = makedev(a.rdev_major, a.rdev_minor);
	st->st_size = (off_t)MIN_OF(a.size, (uint64_t)INT64_MAX);
	st->st_blocks = (blkcnt_t)((a.used + 511) / 512);
	st->st_atim = clock_to_ts(a.atime_ns);
	st->st_mtim = clock_to_ts(a.mtime_ns);
	st->st_ctim = clock_to_ts(a.ctime_ns);
	const struct space *s = &fs->st.spaces[n->space];
	if (space_is_snapshot(s) && node_is_space_root(fs, n))
		/* so that `ls -lt .snapshots` sorts by age */
		st->st_mtim = st->st_ctim = (struct timespec){.tv_sec = s->btime};
}

/* ---- LOOKUP ------------------------------------------------------------------- */

static void reply_junction(struct req *r, bool asked);

static void junction_bound(struct req *r, uint32_t space)
{
	(void)space;
	reply_junction(r, false);
}

static void junction_asked(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else
		reply_junction(r, true);
}

/* A directory of the server shows another volume here: a link to its place.
 * asked: ONTAP was asked just now for a volume of this name. */
static void reply_junction(struct req *r, bool asked)
{
	struct fs *fs = r->fs;
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *found = NULL, *candidate = NULL;
	for (size_t i = 0; i < cat->n && !found; i++) {
		const struct catalog_volume *v = cat->vol[i];
		const char *base = strrchr(v->v.junction, '/');
		uint32_t idx = space_find(&fs->spaces, &v->v.uuid, NULL);
		if (idx && fs->st.spaces[idx].fsid == r->attr.fsid)
			found = v;
		else if (!idx && base && strcmp(base + 1, r->name) == 0)
			candidate = v;
	}
	if (!found && candidate) {
		/* Only the fsid tells volumes of one name apart: bind it and look again.
		 * Each turn binds one more, so this ends. */
		bind_volume(r, &candidate->v, junction_bound);
		catalog_put(cat);
		return;
	}
	/* What ONTAP did not know a moment ago, at this place, it is not asked again. */
	if (!found && asked)
		memory_put(fs->stale, MEMORY_JUNCTION, r->node->space, r->attr.fsid, 0);
	if (!found && !asked && !memory_get(fs->stale, MEMORY_JUNCTION, r->node->space, r->attr.fsid, 0,
					    control_snapshot_age(fs->ctl), false)) {
		/* Newer than the catalog; mostly a junction is named as its volume is. */
		struct ctl_msg *m = req_message(r, CTL_VOLUME_FIND, NULL);
		if (m) {
			strcpy_bounded(m->name, r->name, sizeof(m->name));
			req_control(r, m, junction_asked);
		}
		catalog_put(cat);
		return;
	}
	struct node *n = found && !found->hidden_why
		? req_make_virtual(r, r->node->space, NODE_JUNCTION, tree_offset(&found->v.uuid)) : NULL;
	if (n) /* how deep it lies decides how the link begins */
		atomic_store(&n->parent, atomic_load(&r->node->nodeid));
	bool known = found != NULL;
	catalog_put(cat);
	if (n)
		req_entry(r, n, 0);
	else if (known)
		req_refuse(r, -EACCES, "%s is a junction of a volume that this mount does not show", r->name);
	else
		req_refuse(r, -ENOENT, "%s is a junction of a volume that is not in the catalog", r->name);
}

static void found(struct req *r, const struct nfsio_fh *fh, const struct nfsio_attr *a, int64_t stamp);

static void found_again(struct req *r)
{
	const struct nfsio_attr a = r->attr;
	const struct nfsio_fh fh = r->fh;
	found(r, &fh, &a, r->attr_stamp);
}

static void found(struct req *r, const struct nfsio_fh *fh, const struct nfsio_attr *a, int64_t stamp)
{
	const struct space *s = &r->fs->st.spaces[r->node->space];
	if (a->fsid != s->fsid) {
		r->attr = *a;
		reply_junction(r, false);
		return;
	}
	struct node *n = req_make_node(r, r->node->space, fh, a, stamp);
	if (n) {
		req_entry(r, n, -1);
		return;
	}
	r->fh = *fh;
	r->attr = *a;
	r->attr_stamp = stamp;
	worker_starve(r, found_again);
}

static void late_attr_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err)
		req_err(r, c->res.err);
	else
		found(r, &r->fh, &c->res.attr, c->res.start_ns);
}

static void lookup_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	const struct space *s = &r->fs->st.spaces[r->node->space];
	if (space_is_snapshot(s) && (!c->res.err || c->res.err == -ENOENT))
		access_cache_put(r->fs->access, atomic_load(&r->node->nodeid), &c->cred, NFSIO_ACCESS_LOOKUP,
				 NFSIO_ACCESS_LOOKUP, c->res.start_ns, true);
	if (c->res.err == -ENOENT && space_is_snapshot(s) && c->res.has_dir_attr) {
		req_entry_negative(r, TIMEOUT_ENDLESS);
	} else if (c->res.err) {
		req_err(r, c->res.err);
	} else if (c->res.has_attr) {
		found(r, &c->res.fh, &c->res.attr, c->res.start_ns);
	} else {
		/* Post-op attributes are optional (RFC 1813 2.6); an entry needs them. */
		r->fh = c->res.fh;
		struct nfsio_call *again = req_call(r, NFSIO_GETATTR, NULL);
		again->fh = r->fh;
		req_submit(r, late_attr_done);
	}
}

/* In a snapshot: from what a listing brought, for whom the server has let look up
 * here before. */
static bool lookup_listed(struct req *r)
{
	struct fs *fs = r->fs;
	const struct listing_dir dir = listing_dir(r);
	uint32_t granted;
	struct nfsio_fh fh;
	struct nfsio_attr a;
	int64_t stamp;
	if (!access_cache_get(fs->access, atomic_load(&r->node->nodeid), &r->call.cred, NFSIO_ACCESS_LOOKUP, -1,
			      &granted) ||
	    !(granted & NFSIO_ACCESS_LOOKUP) || !listing_get(fs->listing, &dir, r->name, &fh, &a, &stamp))
		return false;
	stats_add(&fs->stats.lookup_kept, 1);
	found(r, &fh, &a, stamp);
	return true;
}

void op_lookup(fuse_req_t fr, fuse_ino_t parent, const char *name)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, parent);
	if (!n)
		return;
	r->node = n;
	r->name = name;
	bool live_root = n->kind == NODE_FILE && !space_is_snapshot(&r->fs->st.spaces[n->space]) &&
			 node_is_space_root(r->fs, n);
	if (node_is_virtual(n) || (live_root && tree_is_reserved(r->fs, name))) {
		virtual_lookup(r);
		return;
	}
	/* The server has a .snapshot in every directory; we pass none through. */
	if (strcmp(name, ".snapshot") == 0 || (strcmp(name, PRIVATE_DIR) == 0 && node_is_space_root(r->fs, n))) {
		req_err(r, -ENOENT);
		return;
	}
	struct nfsio_call *c = req_call(r, NFSIO_LOOKUP, n);
	c->name = name;
	if (space_is_snapshot(&r->fs->st.spaces[n->space])) {
		if (lookup_listed(r))
			return;
		listing_missed(r);
	}
	req_submit(r, lookup_done);
}

/* ---- GETATTR --------------------------------------------------------------------- */

static void getattr_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	req_take_attr(r, r->node, &c->res.attr, c->res.start_ns);
	req_attr(r, r->node);
}

void op_getattr(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	if (node_is_virtual(n) ||
	    (space_is_snapshot(&r->fs->st.spaces[n->space]) && node_brief(&r->fs->nodes, n).stamp_ns)) {
		req_attr(r, n);
		return;
	}
	r->node = n;
	req_call(r, NFSIO_GETATTR, n);
	req_submit(r, getattr_done);
}

/* ---- READLINK ---------------------------------------------------------------------- */

static void readlink_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	if (space_is_snapshot(&r->fs->st.spaces[r->node->space]))
		link_cache_put(r->fs->links, atomic_load(&r->node->nodeid), c->res.target);
	req_readlink(r, c->res.target);
}

void op_readlink(fuse_req_t fr, fuse_ino_t ino)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	if (node_is_virtual(n)) {
		virtual_readlink(r, n);
		return;
	}
	char target[4096];
	if (space_is_snapshot(&r->fs->st.spaces[n->space]) && link_cache_get(r->fs->links, ino, target)) {
		req_readlink(r, target);
		return;
	}
	r->node = n;
	req_call(r, NFSIO_READLINK, n);
	req_submit(r, readlink_done);
}

/* ---- STATFS -------------------------------------------------------------------------- */

#define STATFS_BLOCK 4096u

static void statfs_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	struct statvfs sv = {
		.f_bsize = STATFS_BLOCK, .f_frsize = STATFS_BLOCK, .f_namemax = 255,
		.f_blocks = c->res.fsstat.tbytes / STATFS_BLOCK,
		.f_bfree = c->res.fsstat.fbytes / STATFS_BLOCK,
		.f_bavail = c->res.fsstat.abytes / STATFS_BLOCK,
		.f_files = c->res.fsstat.tfiles,
		.f_ffree = c->res.fsstat.ffiles,
		.f_favail = c->res.fsstat.afiles,
	};
	if (r->flags) /* a snapshot: this volume, nothing available */
		sv.f_bfree = sv.f_bavail = sv.f_ffree = sv.f_favail = 0;
	req_statfs(r, &sv);
}

static void statfs_tree(struct req *r)
{
	struct statvfs sv = {.f_bsize = STATFS_BLOCK, .f_frsize = STATFS_BLOCK, .f_namemax = 255};
	struct catalog *cat = catalog_get(r->fs->ctl);
	for (size_t i = 0; i < cat->n; i++) {
		if (cat->vol[i]->hidden_why)
			continue;
		const struct volume_facts *v = &cat->vol[i]->v;
		sv.f_blocks += v->afs_total / STATFS_BLOCK;
		sv.f_bfree += (v->afs_total > v->used ? v->afs_total - v->used : 0) / STATFS_BLOCK;
	}
	catalog_put(cat);
	sv.f_bavail = sv.f_bfree;
	req_statfs(r, &sv);
}

void op_statfs(fuse_req_t fr, fuse_ino_t ino)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	if (!n->space) {
		statfs_tree(r);
		return;
	}
	const struct space *s = &r->fs->st.spaces[n->space];
	r->flags = space_is_snapshot(s);
	/* The live volume answers for its snapshots and virtual directories. */
	if (r->flags)
		s = &r->fs->st.spaces[s->volume_space];
	struct nfsio_call *c = req_call(r, NFSIO_FSSTAT, NULL);
	c->fh = s->root;
	req_submit(r, statfs_done);
}
