/* Extended attributes: NFSv3 has none, so all that exist are ours (ontap.*).
 * They are never listed, or cp -a and tar would carry them; ontap.list names
 * the ones valid on a path. system.* and security.* are answered here without
 * a call: `ls -l` asks three per file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <linux/limits.h>
#include "fs/base/buf.h"
#include "fs/base/clock.h"
#include "fs/fs_i.h"

#define VALUE_MAX XATTR_SIZE_MAX
#define ARM_NAME  "ontap.arm"

/* What a value is made of; the volume is copied, since the catalog moves on. */
struct facts {
	struct node *node;
	const struct space *space; /* NULL: the tree itself */
	bool has_volume, has_snapshot;
	bool is_clone;             /* in its parent's .clones */
	struct ontap_volume volume;
	struct ontap_snapshot snap;
	char parent[ONTAP_NAME_MAX + 1]; /* of a clone */
	char path[4096];           /* within the volume, "" its root */
};

/* ---- the path of a node within its volume ------------------------------------------ */

/* A node knows the directory that it was last seen in, not its name; the name
 * is found by listing that directory for the node's file id. Slow and rare. */
struct pathwalk {
	struct node *at;           /* whose name is being looked for */
	struct node *dir;
	uint64_t cookie, verf, fileid;
	char path[4096];
	void (*then)(struct req *r, const char *path);
};

static void path_up(struct req *r);

static void path_listed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct pathwalk *w = r->extra;
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	for (uint32_t i = 0; i < c->res.nentries; i++) {
		const struct nfsio_dirent *d = &c->res.entries[i];
		w->cookie = d->cookie;
		bool same = d->has_fh ? d->fh.len == w->at->fh.len &&
						memcmp(d->fh.data, w->at->fh.data, d->fh.len) == 0
				      : d->fileid == w->fileid;
		if (!same || strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
			continue;
		size_t add = strlen(d->name) + 1, len = strlen(w->path);
		if (len + add >= sizeof(w->path)) {
			req_err(r, -ENAMETOOLONG);
			return;
		}
		memmove(w->path + add, w->path, len + 1);
		w->path[0] = '/';
		memcpy(w->path + 1, d->name, add - 1);
		w->at = w->dir;
		path_up(r);
		return;
	}
	if (c->res.eof || !c->res.nentries) {
		req_err(r, -ESTALE); /* it was moved away by somebody else */
		return;
	}
	w->verf = c->res.verf;
	struct nfsio_call *n = req_call(r, NFSIO_READDIRPLUS, w->dir);
	n->cookie = w->cookie;
	n->verf = w->verf;
	n->count = r->fs->st.spaces[w->dir->space].dtpref;
	req_submit(r, path_listed);
}

static void path_up(struct req *r)
{
	struct pathwalk *w = r->extra;
	if (node_is_space_root(r->fs, w->at) || node_is_virtual(w->at)) {
		void (*then)(struct req *, const char *) = w->then;
		char path[4096];
		strcpy_bounded(path, w->path, sizeof(path));
		free(steal_ptr(r->extra));
		then(r, path);
		return;
	}
	w->dir = node_by_id(&r->fs->nodes, atomic_load(&w->at->parent));
	if (!w->dir || w->dir->kind != NODE_FILE || w->dir->space != w->at->space) {
		req_err(r, -ESTALE);
		return;
	}
	struct node_attr a;
	node_attr_get(&r->fs->nodes, w->at, &a, false);
	w->fileid = a.fileid;
	w->cookie = 0;
	struct nfsio_call *c = req_call(r, NFSIO_READDIRPLUS, w->dir);
	c->count = r->fs->st.spaces[w->dir->space].dtpref;
	req_submit(r, path_listed);
}

static void path_of(struct req *r, struct node *n, void (*then)(struct req *r, const char *path))
{
	struct pathwalk *w = calloc(1, sizeof(*w));
	if (!w) {
		req_err(r, -ENOMEM);
		return;
	}
	w->at = n;
	w->then = then;
	r->extra = w;
	path_up(r);
}

/* ---- values --------------------------------------------------------------------------- */

static bool is_clone(struct fs *fs, const struct space *s)
{
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_by_uuid(cat, &s->volume);
	bool yes = v && tree_clone_parent(cat, v);
	catalog_put(cat);
	return yes;
}

static const char *kind_of(struct fs *fs, struct node *n)
{
	static const char *const virt[] = {
		[NODE_ROOT] = "root", [NODE_SNAPDIR] = "snapdir", [NODE_CLONEDIR] = "clonedir",
		[NODE_ONTAPDIR] = "status", [NODE_STATFILE] = "status", [NODE_SNAPOFF] = "snapshot",
		[NODE_SNAPALIAS] = "link", [NODE_LATEST] = "link", [NODE_OLDEST] = "link",
		[NODE_SNAPLINK] = "link", [NODE_JUNCTION] = "link",
	};
	if (node_is_virtual(n))
		return virt[n->kind];
	if (!node_is_space_root(fs, n)) {
		uint32_t type = node_brief(&fs->nodes, n).type;
		return type == NFSIO_DIR ? "directory" : type == NFSIO_LNK ? "symlink" : "file";
	}
	const struct space *s = &fs->st.spaces[n->space];
	return space_is_snapshot(s) ? "snapshot" : is_clone(fs, s) ? "clone" : "volume";
}

static void put_uri(struct buf *b, struct fs *fs, const struct facts *f)
{
	char u[UUID_TEXT_LEN + 1];
	buf_printf(b, "ontap://%s/%s", fs->svm.name, uuid_format(&f->space->volume, u));
	if (space_is_snapshot(f->space))
		buf_printf(b, "@%s", uuid_format(&f->space->snapshot, u));
	buf_puts(b, f->path[0] ? f->path : "/");
}

static void put_time(struct buf *b, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	char text[40];
	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_puts(b, text);
}

static const char *style_of(const struct ontap_volume *v)
{
	return v->style == ONTAP_FLEXGROUP ? "flexgroup" : "flexvol";
}

static const char *type_of(const struct ontap_volume *v)
{
	return v->type == ONTAP_DP ? "dp" : v->type == ONTAP_LS ? "ls" : "rw";
}

static void put_json(struct buf *b, struct fs *fs, const struct facts *f)
{
	char u[UUID_TEXT_LEN + 1];
	buf_puts(b, "{\"kind\":");
	buf_json(b, kind_of(fs, f->node));
	if (f->space) {
		struct buf uri;
		buf_init(&uri, VALUE_MAX);
		put_uri(&uri, fs, f);
		buf_puts(b, ",\"uri\":");
		buf_json(b, uri.data ? uri.data : "");
		buf_fini(&uri);
		buf_puts(b, ",\"path\":");
		buf_json(b, f->path[0] ? f->path : "/");
	}
	buf_puts(b, ",\"cluster\":");
	buf_json(b, fs->cluster.name);
	buf_puts(b, ",\"svm\":");
	buf_json(b, fs->svm.name);
	if (f->has_volume) {
		buf_puts(b, ",\"volume\":{\"name\":");
		buf_json(b, f->volume.name);
		buf_printf(b,
			   ",\"uuid\":\"%s\",\"style\":\"%s\",\"type\":\"%s\",\"state\":\"%s\",\"size\":%llu,"
			   "\"used\":%llu}",
			   uuid_format(&f->volume.uuid, u), style_of(&f->volume), type_of(&f->volume),
			   f->volume.online ? "online" : "offline", (unsigned long long)f->volume.size,
			   (unsigned long long)f->volume.used);
	}
	if (f->is_clone) {
		buf_puts(b, ",\"clone\":{\"parent\":");
		buf_json(b, f->parent);
		buf_puts(b, ",\"base\":");
		buf_json(b, f->volume.clone_snapshot_name);
		buf_puts(b, "}");
	}
	if (f->has_snapshot) {
		buf_puts(b, ",\"snapshot\":{\"name\":");
		buf_json(b, f->snap.name);
		buf_printf(b, ",\"uuid\":\"%s\",\"create_time\":\"", uuid_format(&f->snap.uuid, u));
		put_time(b, f->snap.create_time);
		buf_puts(b, "\",\"comment\":");
		char text[ONTAP_COMMENT_MAX + 1];
		strcpy_bounded(text, f->snap.comment, tree_comment_text(f->snap.comment) + 1);
		buf_json(b, text);
		struct creator who;
		tree_parse_creator(f->snap.comment, &who);
		if (who.known)
			buf_printf(b, ",\"creator\":{\"uid\":%u,\"realm\":\"%s\",\"request\":\"%s\"}", who.uid,
				   who.realm, who.request);
		buf_puts(b, ",\"label\":");
		buf_json(b, f->snap.label);
		buf_puts(b, "}");
	}
	buf_puts(b, "}");
}

enum need { NEED_NOTHING, NEED_VOLUME, NEED_CLONE, NEED_COUNT, NEED_SNAPSHOT, NEED_PATH, NEED_ALL };

static void put_kind(struct buf *b, struct fs *fs, const struct facts *f)
{
	buf_puts(b, kind_of(fs, f->node));
}

#define VOLUME_FIELD(id, ...)                                                                  \
	static void put_volume_##id(struct buf *b, struct fs *fs, const struct facts *f)      \
	{                                                                                      \
		const struct ontap_volume *v = &f->volume;                                     \
		(void)fs, (void)v;                                                             \
		buf_printf(b, __VA_ARGS__);                                                    \
	}
VOLUME_FIELD(name, "%s", v->name)
VOLUME_FIELD(uuid, "%s", uuid_format(&v->uuid, (char[UUID_TEXT_LEN + 1]){0}))
VOLUME_FIELD(svm, "%s", fs->svm.name)
VOLUME_FIELD(style, "%s", style_of(v))
VOLUME_FIELD(type, "%s", type_of(v))
VOLUME_FIELD(state, "%s", v->online ? "online" : "offline")
VOLUME_FIELD(size, "%llu", (unsigned long long)v->size)
VOLUME_FIELD(used, "%llu", (unsigned long long)v->used)
VOLUME_FIELD(snapshots, "%d", v->snapshot_count)

#define SNAP_FIELD(id, ...)                                                                    \
	static void put_snap_##id(struct buf *b, struct fs *fs, const struct facts *f)        \
	{                                                                                      \
		const struct ontap_snapshot *s = &f->snap;                                     \
		(void)fs;                                                                      \
		buf_printf(b, __VA_ARGS__);                                                    \
	}
SNAP_FIELD(name, "%s", s->name)
SNAP_FIELD(uuid, "%s", uuid_format(&s->uuid, (char[UUID_TEXT_LEN + 1]){0}))
SNAP_FIELD(size, "%llu", (unsigned long long)s->size)
SNAP_FIELD(owners, "%s", s->owners)
SNAP_FIELD(label, "%s", s->label)
SNAP_FIELD(comment, "%.*s", (int)tree_comment_text(s->comment), s->comment)

static void put_snap_btime(struct buf *b, struct fs *fs, const struct facts *f)
{
	(void)fs;
	put_time(b, f->snap.create_time);
}

static void put_snap_expiry(struct buf *b, struct fs *fs, const struct facts *f)
{
	(void)fs;
	if (f->snap.expiry_time)
		put_time(b, f->snap.expiry_time);
}

static void put_clone_parent(struct buf *b, struct fs *fs, const struct facts *f)
{
	(void)fs;
	buf_puts(b, f->parent);
}

static void put_clone_base(struct buf *b, struct fs *fs, const struct facts *f)
{
	(void)fs;
	buf_puts(b, f->volume.clone_snapshot_name);
}

static const struct value {
	const char *name;
	enum need need;
	void (*put)(struct buf *b, struct fs *fs, const struct facts *f);
} values[] = {
	{"ontap.kind", NEED_NOTHING, put_kind},
	{"ontap.uri", NEED_PATH, put_uri},
	{"ontap.json", NEED_ALL, put_json},
	{"ontap.volume.name", NEED_VOLUME, put_volume_name},
	{"ontap.volume.uuid", NEED_VOLUME, put_volume_uuid},
	{"ontap.volume.svm", NEED_VOLUME, put_volume_svm},
	{"ontap.volume.style", NEED_VOLUME, put_volume_style},
	{"ontap.volume.type", NEED_VOLUME, put_volume_type},
	{"ontap.volume.state", NEED_VOLUME, put_volume_state},
	{"ontap.volume.size", NEED_VOLUME, put_volume_size},
	{"ontap.volume.used", NEED_VOLUME, put_volume_used},
	{"ontap.volume.snapshots", NEED_COUNT, put_volume_snapshots},
	{"ontap.clone.parent", NEED_CLONE, put_clone_parent},
	{"ontap.clone.base", NEED_CLONE, put_clone_base},
	{"ontap.snapshot.name", NEED_SNAPSHOT, put_snap_name},
	{"ontap.snapshot.uuid", NEED_SNAPSHOT, put_snap_uuid},
	{"ontap.snapshot.btime", NEED_SNAPSHOT, put_snap_btime},
	{"ontap.snapshot.size", NEED_SNAPSHOT, put_snap_size},
	{"ontap.snapshot.owners", NEED_SNAPSHOT, put_snap_owners},
	{"ontap.snapshot.label", NEED_SNAPSHOT, put_snap_label},
	{"ontap.snapshot.comment", NEED_SNAPSHOT, put_snap_comment},
	{"ontap.snapshot.expiry", NEED_SNAPSHOT, put_snap_expiry},
};

/* ---- answering ---------------------------------------------------------------------------- */

/* What a GETXATTR carries across its questions. */
struct getter {
	const struct value *v;
	struct facts f;
};

void xattr_answer(struct req *r, const char *data, size_t len)
{
	if (r->size == 0)
		req_xattr_size(r, len);
	else if (r->size < len)
		req_err(r, -ERANGE);
	else
		req_buf(r, data, len);
}

static void value_put(struct req *r, struct getter *g)
{
	struct buf b;
	buf_init(&b, VALUE_MAX);
	g->v->put(&b, r->fs, &g->f);
	if (buf_ok(&b))
		xattr_answer(r, b.data ? b.data : "", b.len);
	else
		req_err(r, -ENOMEM);
	buf_fini(&b);
	free(g);
}

static void value_snapshot(struct req *r, struct ctl_msg *m);

static void value_find(struct req *r, bool fresh)
{
	const struct getter *g = r->extra;
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_FIND, &g->f.space->volume);
	if (!m)
		return;
	m->fresh = fresh;
	strcpy_bounded(m->name, g->f.space->name, sizeof(m->name));
	req_control(r, m, value_snapshot);
}

static void value_snapshot(struct req *r, struct ctl_msg *m)
{
	struct getter *g = r->extra;
	if (!m->error.err && (!m->found || !uuid_eq(&m->snap.uuid, &g->f.space->snapshot))) {
		/* The last list may be of before the name was this snapshot's. */
		if (m->fresh)
			req_err(r, -ESTALE);
		else
			value_find(r, true);
		return;
	}
	if (m->error.err) {
		req_err(r, m->error.err);
		return;
	}
	g->f.snap = m->snap;
	g->f.has_snapshot = true;
	value_put(r, steal_ptr(r->extra));
}

static void value_counted(struct req *r, struct ctl_msg *m)
{
	struct getter *g = steal_ptr(r->extra);
	if (!m->error.err)
		g->f.volume.snapshot_count = (int)m->list->n;
	value_put(r, g);
}

static void value_ask_snapshot(struct req *r, struct getter *g)
{
	if (g->v->need == NEED_COUNT) {
		r->extra = g;
		struct ctl_msg *l = req_message(r, CTL_SNAPSHOT_LIST, &g->f.space->volume);
		if (l)
			req_control(r, l, value_counted);
		return;
	}
	if (!g->f.space || !space_is_snapshot(g->f.space) ||
	    (g->v->need != NEED_SNAPSHOT && g->v->need != NEED_ALL)) {
		value_put(r, g);
		return;
	}
	r->extra = g;
	value_find(r, false);
}

static void value_path(struct req *r, const char *path)
{
	struct getter *g = r->getter;
	r->getter = NULL;
	strcpy_bounded(g->f.path, path, sizeof(g->f.path));
	value_ask_snapshot(r, g);
}

static void value_get(struct req *r, struct node *n, const struct value *v)
{
	struct fs *fs = r->fs;
	const struct space *s = n->space ? &fs->st.spaces[n->space] : NULL;
	if ((!s && v->need != NEED_NOTHING && v->need != NEED_ALL) ||
	    (v->need == NEED_SNAPSHOT && !space_is_snapshot(s))) {
		req_err(r, -ENODATA);
		return;
	}
	struct getter *g = calloc(1, sizeof(*g));
	if (!g) {
		req_err(r, -ENOMEM);
		return;
	}
	g->v = v;
	g->f.node = n;
	g->f.space = s;
	if (s) {
		struct catalog *cat = catalog_get(fs->ctl);
		const struct catalog_volume *cv = catalog_by_uuid(cat, &s->volume);
		if (cv) {
			volume_unpack(&cv->v, &g->f.volume);
			g->f.has_volume = true;
			const struct catalog_volume *p = tree_clone_parent(cat, cv);
			g->f.is_clone = p != NULL;
			if (p)
				strcpy_bounded(g->f.parent, p->v.name, sizeof(g->f.parent));
		}
		catalog_put(cat);
	}
	if (((v->need == NEED_VOLUME || v->need == NEED_COUNT) && !g->f.has_volume) ||
	    (v->need == NEED_CLONE && !g->f.is_clone)) {
		free(g);
		req_err(r, -ENODATA);
	} else if ((v->need == NEED_PATH || v->need == NEED_ALL) && n->kind == NODE_FILE) {
		r->getter = g;
		path_of(r, n, value_path);
	} else {
		value_ask_snapshot(r, g);
	}
}

static void value_list(struct req *r, const struct node *n)
{
	const struct space *s = n->space ? &r->fs->st.spaces[n->space] : NULL;
	struct buf b;
	buf_init(&b, VALUE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		enum need need = values[i].need;
		if ((!s && need != NEED_NOTHING && need != NEED_ALL) ||
		    (need == NEED_SNAPSHOT && !space_is_snapshot(s)) ||
		    (need == NEED_CLONE && !is_clone(r->fs, s)))
			continue;
		buf_printf(&b, "%s\n", values[i].name);
	}
	buf_puts(&b, "ontap.last_error\nontap.list\n");
	xattr_answer(r, b.data, b.len);
	buf_fini(&b);
}

static void value_last_error(struct req *r)
{
	char text[512];
	const struct caller *c = req_process(r);
	last_error_get(r->fs->last_errors, c->uid, c->pid_ns, text, sizeof(text));
	if (text[0])
		xattr_answer(r, text, strlen(text));
	else
		req_err(r, -ENODATA);
}

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

void op_getxattr(fuse_req_t fr, fuse_ino_t ino, const char *name, size_t size)
{
	struct req *r = op_begin(fr);
	r->size = size;
	if (!starts(name, "ontap.")) {
		req_err(r, starts(name, "system.posix_acl") ? -EOPNOTSUPP : -ENODATA);
		return;
	}
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	if (strcmp(name, "ontap.last_error") == 0) {
		value_last_error(r);
		return;
	}
	if (strcmp(name, "ontap.list") == 0) {
		value_list(r, n);
		return;
	}
	if (starts(name, XATTR_SNAPSHOTS)) {
		xattr_snapshots(r, n, name + strlen(XATTR_SNAPSHOTS));
		return;
	}
	if (starts(name, XATTR_VERB)) {
		xattr_verb(r, n, name + strlen(XATTR_VERB));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (strcmp(name, values[i].name) == 0) {
			value_get(r, n, &values[i]);
			return;
		}
	req_err(r, -ENODATA);
}

void op_listxattr(fuse_req_t fr, fuse_ino_t ino, size_t size)
{
	(void)ino;
	struct req *r = op_begin(fr);
	r->size = size;
	xattr_answer(r, "", 0);
}

/* setfattr -n ontap.arm -v NAME: the next rmdir of that snapshot or clone by this
 * user is meant. The name is said again on purpose. */
static void arm(struct req *r, struct node *n, const char *value, size_t size)
{
	const struct space *s = n->space ? &r->fs->st.spaces[n->space] : NULL;
	bool root = s && (n->kind == NODE_SNAPOFF || node_is_space_root(r->fs, n));
	if (!root || !(space_is_snapshot(s) || is_clone(r->fs, s))) {
		req_refuse(r, -EPERM, "%s is set on a snapshot or clone itself", ARM_NAME);
		return;
	}
	if (size != strlen(s->name) || memcmp(value, s->name, size) != 0) {
		req_refuse(r, -EINVAL, "the value of %s must be its name, %s", ARM_NAME, s->name);
		return;
	}
	const struct caller *c = req_process(r);
	memory_put(r->fs->memory, MEMORY_ARMED, n->space, c->uid, c->pid_ns);
	req_err(r, 0);
}

/* What can be written at the root of a snapshot, as REST calls it, or NULL. */
static const char *snapshot_field(const char *name)
{
	return strcmp(name, "ontap.snapshot.comment") == 0 ? "comment"
	     : strcmp(name, "ontap.snapshot.label") == 0   ? "snapmirror_label"
	     : strcmp(name, "ontap.snapshot.expiry") == 0  ? "expiry_time" : NULL;
}

static void set_snapshot(struct req *r, struct node *n, const char *name, const char *field, const char *value,
			 size_t size)
{
	const struct space *s = n->space ? &r->fs->st.spaces[n->space] : NULL;
	if (!s || !space_is_snapshot(s) || (n->kind != NODE_SNAPOFF && !node_is_space_root(r->fs, n)))
		req_refuse(r, -EPERM, "%s is set on a snapshot itself", name);
	else
		ctl_snapshot_set(r, s, field, value, size);
}

void op_setxattr(fuse_req_t fr, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	(void)flags;
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	if (strcmp(name, ARM_NAME) == 0)
		arm(r, n, value, size);
	else if (snapshot_field(name))
		set_snapshot(r, n, name, snapshot_field(name), value, size);
	else if (strcmp(name, XATTR_RESTORE) == 0)
		volume_restore(r, n, value, size);
	else if (starts(name, "ontap."))
		req_refuse(r, -EPERM, "%s is read-only here", name);
	else if (n->kind == NODE_SNAPDIR || n->kind == NODE_CLONEDIR)
		req_err(r, -EPERM);
	else
		req_err(r, -EOPNOTSUPP);
}

void op_removexattr(fuse_req_t fr, fuse_ino_t ino, const char *name)
{
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	if (!n)
		return;
	if (starts(name, "ontap.") || node_is_virtual(n))
		req_err(r, -EPERM);
	else if (starts(name, "user.") || starts(name, "system.posix_acl"))
		req_err(r, -EOPNOTSUPP);
	else
		req_err(r, -ENODATA);
}
