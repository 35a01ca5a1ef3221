/* Directories: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR.
 *
 * One NFS READDIRPLUS brings more entries than one FUSE request takes, so the
 * rest is kept with the open directory. Offsets are the server's cookies: a
 * successor, or a seek, asks the server again from the cookie. Offsets of our
 * own names lie above every cookie that is passed through. */
#include <dirent.h>
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "fs/base/log.h"
#include "fs/fs_i.h"

/* Readdir offsets: cookies below OFF_BIG as they are; a larger cookie is
 * OFF_BIG + its index in openstate.big; then our names. */
#define OFF_BIG  (1ull << 62)
#define OFF_OURS (OFF_BIG + (1ull << 61))

/* What readdir shows after the server's entries of a volume's root, with
 * snapdir=visible. Never .clones: a tree walker may write there. */
static const char *our_name(const struct fs *fs, uint32_t i)
{
	return i == 0 ? fs->p.snapdir_name : NULL;
}

/* ---- OPENDIR --------------------------------------------------------------------- */

static void opened(struct req *r, struct virtual_list *virt)
{
	struct fs *fs = r->fs;
	struct nfsio_cred cred;
	caller_cred(req_caller(r), node_brief(&r->fs->nodes, r->node).gid, &cred);
	if (!req_make_open(r, r->node, &cred)) {
		free(virt);
		req_err(r, -ENFILE);
		return;
	}
	if (virt) {
		struct openstate *os = openstate_get(fs, r->fi.fh);
		if (os)
			os->virt = virt;
		else
			free(virt);
	}
	bool frozen = r->node->kind == NODE_FILE && space_is_snapshot(&fs->st.spaces[r->node->space]);
	r->fi.cache_readdir = r->fi.keep_cache = frozen;
	req_open(r);
}

static void opendir_allowed(struct req *r, uint32_t granted)
{
	if (r->has_attr)
		req_take_attr(r, r->node, &r->attr, r->attr_stamp);
	if (!(granted & NFSIO_ACCESS_READ))
		req_refuse(r, -EACCES, "the server does not let you list this directory");
	else
		opened(r, NULL);
}

static void opendir_listed(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else
		opened(r, virtual_list_make(r->fs, r->node, m->list));
}

void op_opendir(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	r->node = n;
	r->fi = *fi;
	switch ((enum node_kind)n->kind) {
	case NODE_FILE:
		if (space_is_snapshot(&r->fs->st.spaces[n->space]))
			ctl_walked(r, n->space);
		req_access(r, n, NFSIO_ACCESS_READ, false, opendir_allowed);
		return;
	case NODE_SNAPDIR: {
		struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST, &r->fs->st.spaces[n->space].volume);
		if (m)
			req_control(r, m, opendir_listed);
		return;
	}
	case NODE_SNAPOFF:
		virtual_lookup(r); /* the refusal and its words */
		return;
	default:
		opened(r, virtual_list_make(r->fs, n, NULL));
	}
}

/* ---- filling a reply ---------------------------------------------------------------- */

struct fill {
	char *buf;
	size_t size, used;
	bool plus;
	uint64_t *counted; /* nodeids that this reply hands out */
	uint32_t ncounted, room;
};

static bool fill_init(struct fill *f, size_t size, bool plus)
{
	*f = (struct fill){.size = size, .plus = plus};
	f->buf = malloc(size);
	if (plus) {
		f->room = (uint32_t)(size / sizeof(struct fuse_direntplus)) + 1;
		f->counted = malloc(f->room * sizeof(f->counted[0]));
	}
	return f->buf && (!plus || f->counted);
}

/* Ends the request; counts go back when the kernel did not take the reply. */
static void fill_reply(struct req *r, struct fill *f)
{
	struct nodes *nt = &r->fs->nodes;
	if (req_buf(r, f->buf, f->used) < 0)
		for (uint32_t i = 0; i < f->ncounted; i++)
			node_forget(nt, f->counted[i], 1);
	free(f->buf);
	free(f->counted);
}

/* One entry; e->ino 0 and e->attr.st_ino, st_mode set: name and type only.
 * False: no room left. */
static bool fill_add(struct req *r, struct fill *f, const char *name, const struct fuse_entry_param *e,
		     uint64_t next_off)
{
	size_t left = f->size - f->used, need;
	if (f->plus)
		need = fuse_add_direntry_plus(r->fr, f->buf + f->used, left, name, e, (off_t)next_off);
	else
		need = fuse_add_direntry(r->fr, f->buf + f->used, left, name, &e->attr, (off_t)next_off);
	if (need > left)
		return false;
	f->used += need;
	return true;
}

static bool fill_name(struct req *r, struct fill *f, const char *name, uint64_t ino, uint32_t dtype,
		      uint64_t next_off)
{
	struct fuse_entry_param e = {.attr.st_ino = ino, .attr.st_mode = (mode_t)DTTOIF(dtype)};
	return fill_add(r, f, name, &e, next_off);
}

static mode_t entry_mode(const struct nfsio_attr *a)
{
	static const mode_t bits[] = {[NFSIO_REG] = S_IFREG, [NFSIO_DIR] = S_IFDIR, [NFSIO_BLK] = S_IFBLK,
				      [NFSIO_CHR] = S_IFCHR, [NFSIO_LNK] = S_IFLNK,
				      [NFSIO_SOCK] = S_IFSOCK, [NFSIO_FIFO] = S_IFIFO};
	return a->type < ARRAY_LEN(bits) ? bits[a->type] : 0;
}

/* ---- directories of the server --------------------------------------------------------- */

static uint64_t cookie_to_off(struct openstate *os, uint64_t cookie)
{
	if (cookie < OFF_BIG)
		return cookie;
	if (os->nbig && os->big[os->nbig - 1] == cookie)
		return OFF_BIG + os->nbig - 1; /* an entry that did not fit, again */
	uint64_t *p = realloc(os->big, (os->nbig + 1) * sizeof(*p));
	if (!p)
		return OFF_BIG; /* a seek there will find nothing; the stream goes on */
	os->big = p;
	p[os->nbig] = cookie;
	return OFF_BIG + os->nbig++;
}

/* False: an offset of a predecessor's table, which nobody can go on from. */
static bool off_to_cookie(const struct openstate *os, uint64_t off, uint64_t *ret_cookie)
{
	uint64_t i = off - OFF_BIG;
	if (off >= OFF_BIG && i >= os->nbig)
		return false;
	*ret_cookie = off < OFF_BIG ? off : os->big[i];
	return true;
}

static bool skip_name(const struct req *r, const char *name, bool root, bool live_root)
{
	if (strcmp(name, ".snapshot") == 0 || (root && strcmp(name, PRIVATE_DIR) == 0))
		return true; /* ONTAP's own, and what nobody shall see */
	if (!live_root || !tree_is_reserved(r->fs, name))
		return false;
	/* A real entry that nobody reaches here: .ontap/status tells of it. */
	atomic_fetch_or(&r->fs->shadowed[r->node->space],
			(uint8_t)(strcmp(name, ".clones") == 0 ? SHADOW_CLONEDIR : SHADOW_SNAPDIR));
	return true;
}

/* False: the entry did not fit. In a live directory only what came with this
 * very request says what a name is now: a kept entry may be of before a rename,
 * so it goes out as name and type, and the kernel looks it up when it must. */
static bool emit(struct req *r, struct fill *f, struct openstate *os, const struct kept_entry *k,
		 uint64_t next)
{
	struct fs *fs = r->fs;
	const struct space *s = &fs->st.spaces[r->node->space];
	const char *name = os->names + k->name;
	bool fresh = space_is_snapshot(s) || (r->has_attr && r->attr_stamp == os->stamp_ns);
	bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	bool junction = k->has_attr && k->attr.fsid != s->fsid && !dots;
	if (!f->plus || !fresh || dots || junction || !k->has_attr || !k->has_fh || nodes_scarce(&fs->nodes)) {
		/* The kernel will look it up; it is the same then. */
		const struct listing_dir dir = listing_dir(r);
		if (space_is_snapshot(s) && k->has_attr && k->has_fh && !dots && !junction)
			listing_put(fs->listing, &dir, name, &k->fh, &k->attr, os->stamp_ns);
		uint32_t type = junction ? DT_LNK : k->has_attr ? IFTODT(entry_mode(&k->attr)) : DT_UNKNOWN;
		uint64_t ino = dots && name[1] == '\0' ? r->node->ino
						       : node_ino(s, k->fileid, k->has_fh ? &k->fh : NULL);
		return fill_name(r, f, name, ino, type, next);
	}
	if (f->ncounted == f->room)
		return false;
	struct node *n = req_make_node(r, r->node->space, &k->fh, &k->attr, os->stamp_ns);
	if (!n)
		return fill_name(r, f, name, node_ino(s, k->fileid, &k->fh), IFTODT(entry_mode(&k->attr)), next);
	struct fuse_entry_param e = {.ino = atomic_load(&n->nodeid), .generation = n->generation};
	e.attr_timeout = e.entry_timeout = node_attr_timeout(fs, n);
	node_stat(fs, n, &e.attr, true);
	if (!fill_add(r, f, name, &e, next)) {
		node_forget(&fs->nodes, e.ino, 1);
		return false;
	}
	f->counted[f->ncounted++] = e.ino;
	return true;
}

static void list_more(struct req *r);

static void list_go_on(struct req *r)
{
	struct fs *fs = r->fs;
	struct openstate *os = openstate_get(fs, r->fi.fh);
	bool root = node_is_space_root(fs, r->node);
	bool live_root = root && !space_is_snapshot(&fs->st.spaces[r->node->space]);
	struct fill f;
	if (!os || !fill_init(&f, r->size, r->flags)) {
		req_err(r, -ENOMEM);
		return;
	}
	uint64_t off = r->off;
	bool full = false;
	if (off < OFF_OURS) {
		while (os->pos < os->nkept) {
			const struct kept_entry *k = &os->kept[os->pos];
			uint64_t next = cookie_to_off(os, k->cookie);
			if (!skip_name(r, os->names + k->name, root, live_root) && !emit(r, &f, os, k, next)) {
				full = true;
				break;
			}
			os->pos++;
			off = next;
		}
		os->next_off = off;
		if (!full && !os->eof && f.used == 0) {
			/* Everything so far was skipped: the kernel would take that for the end. */
			free(f.buf);
			free(f.counted);
			r->off = off;
			list_more(r);
			return;
		}
	}
	/* Our names after the server's last one. */
	if (!full && (os->eof || off >= OFF_OURS) && live_root && fs->p.snapdir == FS_SNAPDIR_VISIBLE) {
		const struct space *s = &fs->st.spaces[r->node->space];
		uint32_t i = off >= OFF_OURS ? (uint32_t)(off - OFF_OURS) : 0;
		for (const char *name; (name = our_name(fs, i)); i++)
			if (!fill_name(r, &f, name,
				       node_ino_virtual(s, NODE_SNAPDIR, 0), DT_DIR,
				       OFF_OURS + i + 1))
				break;
	}
	fill_reply(r, &f);
}

static bool keep(struct openstate *os, const struct nfsio_call *c)
{
	size_t names = 0;
	for (uint32_t i = 0; i < c->res.nentries; i++)
		names += strlen(c->res.entries[i].name) + 1;
	free(os->kept);
	free(os->names);
	os->kept = malloc((c->res.nentries + 1) * sizeof(os->kept[0]));
	os->names = malloc(names + 1);
	os->nkept = os->pos = 0;
	if (!os->kept || !os->names)
		return false;
	uint32_t at = 0;
	for (uint32_t i = 0; i < c->res.nentries; i++) {
		const struct nfsio_dirent *d = &c->res.entries[i];
		size_t len = strlen(d->name) + 1;
		memcpy(os->names + at, d->name, len);
		os->kept[i] = (struct kept_entry){.cookie = d->cookie, .fileid = d->fileid,
						  .has_attr = d->has_attr, .has_fh = d->has_fh,
						  .attr = d->attr, .fh = d->fh, .name = at};
		at += (uint32_t)len;
	}
	os->nkept = c->res.nentries;
	os->eof = c->res.eof;
	os->stamp_ns = c->res.start_ns;
	return true;
}

static void list_done(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct openrec *o = openrec_get(r->fs, r->fi.fh);
	struct openstate *os = openstate_get(r->fs, r->fi.fh);
	if (c->res.err) {
		if (c->verf && o && r->step++ == 0 && c->res.nfsstat == 10003 /* NFS3ERR_BAD_COOKIE */) {
			/* The directory changed under its verifier; cookies of the servers
			 * that we know stay good without it (RFC 1813 3.3.16). */
			o->dirverf = 0;
			list_more(r);
			return;
		}
		req_err(r, c->res.err);
		return;
	}
	if (c->res.has_attr || c->res.has_dir_attr)
		req_take_attr(r, r->node, c->res.has_attr ? &c->res.attr : &c->res.dir_attr, c->res.start_ns);
	if (o)
		o->dirverf = c->res.verf;
	r->has_attr = true;
	r->attr_stamp = c->res.start_ns;
	if (!os || !keep(os, c)) {
		req_err(r, -ENOMEM);
		return;
	}
	if (!os->nkept && !os->eof) {
		/* An answer with neither entries nor an end would have us ask for ever. */
		log_warn("the server answered READDIRPLUS with no entry and no end of directory");
		os->eof = true;
	}
	list_go_on(r);
}

/* Asks the server from r->off on. */
static void list_more(struct req *r)
{
	struct openrec *o = openrec_get(r->fs, r->fi.fh);
	struct openstate *os = openstate_get(r->fs, r->fi.fh);
	if (!o || !os) {
		req_err(r, o ? -ENOMEM : -EBADF);
		return;
	}
	const struct space *s = &r->fs->st.spaces[r->node->space];
	struct nfsio_call *c = req_call(r, NFSIO_READDIRPLUS, r->node);
	if (r->off == 0)
		os->nbig = 0;
	if (!off_to_cookie(os, r->off, &c->cookie)) {
		req_err(r, -ESTALE);
		return;
	}
	c->cred = o->cred;
	c->verf = c->cookie ? o->dirverf : 0;
	c->count = s->dtpref;
	/* In a live directory about as much as the reply can take, since the rest
	 * would go out without attributes. An entry is of about equal size in both. */
	if (!space_is_snapshot(s) && r->flags)
		c->count = MIN_OF(c->count, MAX_OF((uint32_t)r->size, 4096u));
	req_submit(r, list_done);
}

/* ---- READDIR ------------------------------------------------------------------------------ */

static void list_virtual(struct req *r, const struct virtual_list *l)
{
	struct fill f;
	if (!fill_init(&f, r->size, r->flags)) {
		req_err(r, -ENOMEM);
		return;
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->e[i].off > r->off &&
		    !fill_name(r, &f, l->e[i].name, l->e[i].ino, l->e[i].type, l->e[i].off))
			break;
	fill_reply(r, &f);
}

static void readdir_listed(struct req *r, struct ctl_msg *m)
{
	struct openstate *os = openstate_get(r->fs, r->fi.fh);
	if (m->error.err || !os) {
		req_err(r, m->error.err ? m->error.err : -ENOMEM);
		return;
	}
	if (!os->virt)
		os->virt = virtual_list_make(r->fs, r->node, m->list);
	if (os->virt)
		list_virtual(r, os->virt);
	else
		req_err(r, -ENOMEM);
}

static void readdir_any(fuse_req_t fr, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi,
			bool plus)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	struct openrec *o = openrec_get(r->fs, fi->fh);
	struct openstate *os = o ? openstate_get(r->fs, fi->fh) : NULL;
	r->node = n;
	r->fi = *fi;
	r->size = MIN_OF(size, (size_t)NFSIO_XFER_MAX);
	r->off = (uint64_t)off;
	r->flags = plus;
	if (!os) {
		req_err(r, o ? -ENOMEM : -EBADF);
		return;
	}
	if (node_is_virtual(n)) {
		/* A rewind shows what is there now. */
		if (off == 0 || !os->virt) {
			free(steal_ptr(os->virt));
			if (n->kind == NODE_SNAPDIR) {
				struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST,
								&r->fs->st.spaces[n->space].volume);
				if (m)
					req_control(r, m, readdir_listed);
				return;
			}
			os->virt = virtual_list_make(r->fs, n, NULL);
		}
		if (os->virt)
			list_virtual(r, os->virt);
		else
			req_err(r, -ENOMEM);
		return;
	}
	bool kept = os->kept && os->next_off == r->off && r->off != 0 && (os->pos < os->nkept || os->eof);
	if (kept || r->off >= OFF_OURS) {
		stats_add(&r->fs->stats.readdir_surplus, 1);
		list_go_on(r);
	} else {
		os->eof = false;
		list_more(r);
	}
}

void op_readdir(fuse_req_t fr, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	readdir_any(fr, ino, size, off, fi, false);
}

void op_readdirplus(fuse_req_t fr, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	readdir_any(fr, ino, size, off, fi, true);
}

void op_releasedir(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct req *r = op_begin(fr);
	openrec_free(r->fs, fi->fh, ino);
	req_err(r, 0);
}

void op_fsyncdir(fuse_req_t fr, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	/* NFSv3 servers make directory changes stable before they answer (RFC 1813 1.7). */
	req_err(op_begin(fr), 0);
}
