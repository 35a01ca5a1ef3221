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
	struct ontap_mirror mirror;
	char path[4096];           /* within the volume, "" its root */
};

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
	char text[40];
	tree_format_time(text, sizeof(text), s);
	buf_puts(b, text);
}

static const char *style_of(const struct ontap_volume *v)
{
	return v->is_flexcache ? "flexcache" : v->style == ONTAP_FLEXGROUP ? "flexgroup" : "flexvol";
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
		if (who.known) {
			buf_printf(b, ",\"creator\":{\"uid\":%u,\"realm\":", who.uid);
			buf_json(b, who.realm);
			buf_printf(b, ",\"request\":\"%s\"}", who.request);
		}
		buf_puts(b, ",\"label\":");
		buf_json(b, f->snap.label);
		buf_puts(b, "}");
	}
	buf_puts(b, "}");
}

enum need {
	NEED_NOTHING, NEED_VOLUME, NEED_CLONE, NEED_COUNT, NEED_SNAPSHOT, NEED_PATH, NEED_ALL,
	NEED_SPLIT,  /* at the root of a clone: the volume, asked of ONTAP */
	NEED_MIRROR, /* at the root of a SnapMirror destination */
};

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

static void put_clone_split(struct buf *b, struct fs *fs, const struct facts *f)
{
	(void)fs;
	/* 0 also before it was started; a clone no more: it is done. */
	buf_printf(b, "%d", f->volume.is_flexclone ? MAX_OF(f->volume.split_percent, 0) : 100);
}

#define MIRROR_FIELD(id, ...)                                                                  \
	static void put_mirror_##id(struct buf *b, struct fs *fs, const struct facts *f)      \
	{                                                                                      \
		(void)fs;                                                                      \
		buf_printf(b, __VA_ARGS__);                                                    \
	}
MIRROR_FIELD(state, "%s", f->mirror.state)
MIRROR_FIELD(source, "%s", f->mirror.source)
MIRROR_FIELD(healthy, "%s", f->mirror.healthy ? "true" : "false")

static void put_mirror_lag(struct buf *b, struct fs *fs, const struct facts *f)
{
	(void)fs;
	if (f->mirror.lag_s >= 0)
		buf_printf(b, "%lld", (long long)f->mirror.lag_s);
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
	{"ontap.clone.split", NEED_SPLIT, put_clone_split},
	{"ontap.snapmirror.state", NEED_MIRROR, put_mirror_state},
	{"ontap.snapmirror.lag", NEED_MIRROR, put_mirror_lag},
	{"ontap.snapmirror.healthy", NEED_MIRROR, put_mirror_healthy},
	{"ontap.snapmirror.source", NEED_MIRROR, put_mirror_source},
};

static const struct value *value_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (strcmp(values[i].name, name) == 0)
			return &values[i];
	return NULL;
}

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

static void value_split(struct req *r, struct ctl_msg *m)
{
	struct getter *g = steal_ptr(r->extra);
	if (m->error.err || !m->found || !uuid_eq(&m->vol.uuid, &g->f.volume.uuid)) {
		free(g);
		req_err(r, m->error.err ? m->error.err : -ESTALE);
		return;
	}
	g->f.volume = m->vol;
	value_put(r, g);
}

static void value_mirror(struct req *r, struct ctl_msg *m)
{
	struct getter *g = steal_ptr(r->extra);
	if (m->error.err || !m->found) {
		free(g);
		if (m->error.err)
			req_refuse(r, m->error.err, "%s", m->error.text);
		else
			req_err(r, -ENODATA);
		return;
	}
	g->f.mirror = m->mirror;
	value_put(r, g);
}

/* Questions that go by the name of the volume. */
static void value_ask_volume(struct req *r, struct getter *g, enum ctl_op op, req_ctl_fn done)
{
	r->extra = g;
	struct ctl_msg *m = req_message(r, op, &g->f.space->volume);
	if (!m)
		return;
	strcpy_bounded(m->name, g->f.volume.name, sizeof(m->name));
	req_control(r, m, done);
}

static void value_ask(struct req *r, struct getter *g)
{
	if (g->v->need == NEED_COUNT) {
		value_ask_volume(r, g, CTL_SNAPSHOT_LIST, value_counted);
		return;
	}
	if (g->v->need == NEED_SPLIT) {
		value_ask_volume(r, g, CTL_VOLUME_FIND, value_split);
		return;
	}
	if (g->v->need == NEED_MIRROR) {
		value_ask_volume(r, g, CTL_MIRROR_FIND, value_mirror);
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

static void value_path(struct req *r, const char *path, int err)
{
	if (err) {
		req_err(r, err);
		return;
	}
	struct getter *g = r->getter;
	r->getter = NULL;
	strcpy_bounded(g->f.path, path, sizeof(g->f.path));
	value_ask(r, g);
}

static void value_get(struct req *r, struct node *n, const struct value *v)
{
	struct fs *fs = r->fs;
	const struct space *s = n->space ? &fs->st.spaces[n->space] : NULL;
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
	if (!g->f.has_volume && (v->need == NEED_VOLUME || v->need == NEED_CLONE || v->need == NEED_COUNT ||
				 v->need == NEED_SPLIT || v->need == NEED_MIRROR)) {
		free(g);
		req_err(r, -ENODATA);
	} else if ((v->need == NEED_PATH || v->need == NEED_ALL) && n->kind == NODE_FILE) {
		r->getter = g;
		path_of(r, n, value_path);
	} else {
		value_ask(r, g);
	}
}

/* ---- setting ------------------------------------------------------------------------------ */

/* Where an attribute can be set. */
enum place { AT_ARMABLE, AT_SNAPSHOT, AT_CLONE, AT_VOLUME, AT_MIRROR };

static bool is_place(struct fs *fs, const struct node *n, enum place place)
{
	const struct space *s = n->space ? &fs->st.spaces[n->space] : NULL;
	if (!s || (n->kind != NODE_SNAPOFF && !node_is_space_root(fs, n)))
		return false;
	bool snapshot = space_is_snapshot(s);
	switch (place) {
	case AT_ARMABLE:
		return snapshot || (fs->p.allow & 1u << FS_VOLUME_DELETE) || is_clone(fs, s);
	case AT_SNAPSHOT:
		return snapshot;
	case AT_CLONE:
		return !snapshot && is_clone(fs, s);
	case AT_VOLUME:
		return !snapshot;
	case AT_MIRROR:
		return !snapshot && space_is_mirror(fs, s);
	}
	return false;
}

static bool value_is_there(struct fs *fs, const struct node *n, const struct value *v)
{
	switch (v->need) {
	case NEED_NOTHING:
	case NEED_ALL:
		return true;
	case NEED_SNAPSHOT:
		return n->space && space_is_snapshot(&fs->st.spaces[n->space]);
	case NEED_CLONE:
		return n->space && is_clone(fs, &fs->st.spaces[n->space]);
	case NEED_SPLIT:
		return is_place(fs, n, AT_CLONE);
	case NEED_MIRROR:
		return is_place(fs, n, AT_MIRROR);
	default:
		return n->space;
	}
}

/* The next rmdir of that snapshot, clone or volume by this user is meant. The name
 * is said again on purpose. */
static void arm(struct req *r, const struct space *s, const char *value)
{
	if (strcmp(value, s->name) != 0) {
		req_refuse(r, -EINVAL, "the value of " ARM_NAME " must be its name, %s", s->name);
		return;
	}
	const struct caller *c = req_process(r);
	memory_put(r->fs->memory, MEMORY_ARMED, r->node->space, c->uid, c->pid_ns);
	req_err(r, 0);
}

static const struct settable {
	const char *name;
	enum place place;
	const char *where; /* for people */
	void (*set)(struct req *r, const struct space *s, const char *value);
} settables[] = {
	{ARM_NAME, AT_ARMABLE, "a snapshot or clone itself", arm},
	{"ontap.snapshot.comment", AT_SNAPSHOT, "a snapshot itself", ctl_snapshot_comment},
	{"ontap.snapshot.label", AT_SNAPSHOT, "a snapshot itself", ctl_snapshot_label},
	{"ontap.snapshot.expiry", AT_SNAPSHOT, "a snapshot itself", ctl_snapshot_expiry},
	{"ontap.clone.split", AT_CLONE, "the root of a clone", clone_split},
	{"ontap.volume.size", AT_VOLUME, "the root of a volume", volume_resize},
	{"ontap.snapmirror.update", AT_MIRROR, "the root of a SnapMirror destination", mirror_update},
};

static const struct settable *settable_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(settables); i++)
		if (strcmp(settables[i].name, name) == 0)
			return &settables[i];
	return NULL;
}

static void set_value(struct req *r, const struct settable *s, const char *value, size_t size)
{
	char text[ONTAP_COMMENT_MAX + 2];
	/* One byte more than any may have: its length is what the setter says no to. */
	size_t len = MIN_OF(size, sizeof(text) - 1);
	/* A predecessor looked before it sent; by now the clone may be none any more. */
	if (!req_was_sent(r) && !is_place(r->fs, r->node, s->place)) {
		req_refuse(r, -EPERM, "%s is set on %s", s->name, s->where);
	} else if (memchr(value, '\0', size)) {
		req_refuse(r, -EINVAL, "the value of %s is a text", s->name);
	} else {
		memcpy(text, value, len);
		text[len] = '\0';
		/* For the audit record of what are verbs. */
		const struct space *on = &r->fs->st.spaces[r->node->space];
		r->name = on->name;
		r->verb_space = space_is_snapshot(on) ? on->volume_space : r->node->space;
		s->set(r, on, text);
	}
}

/* ---- operations -------------------------------------------------------------------------- */

/* What value_get would answer there, and what else can be set. */
static void value_list(struct req *r, struct node *n)
{
	struct buf b;
	buf_init(&b, VALUE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (value_is_there(r->fs, n, &values[i]))
			buf_printf(&b, "%s\n", values[i].name);
	for (size_t i = 0; i < ARRAY_LEN(settables); i++)
		if (!value_named(settables[i].name) && is_place(r->fs, n, settables[i].place))
			buf_printf(&b, "%s\n", settables[i].name);
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
	const struct value *v = value_named(name);
	if (v && value_is_there(r->fs, n, v))
		value_get(r, n, v);
	else
		req_err(r, -ENODATA);
}

void op_listxattr(fuse_req_t fr, fuse_ino_t ino, size_t size)
{
	(void)ino;
	struct req *r = op_begin(fr);
	r->size = size;
	xattr_answer(r, "", 0);
}

void op_setxattr(fuse_req_t fr, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	(void)flags;
	struct req *r = op_begin(fr);
	struct node *n = req_node(r, ino);
	const struct settable *s = settable_find(name);
	if (!n)
		return;
	r->node = n;
	if (!req_holds(r, value, size))
		req_err(r, -EIO);
	else if (s)
		set_value(r, s, value, size);
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
