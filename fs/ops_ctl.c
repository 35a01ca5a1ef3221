/* Control verbs on .snapshots: mkdir, rmdir and mv become snapshot create,
 * delete and rename, setfattr sets comment, label and expiry. Policy first, then the safety rules, then ONTAP; every
 * refusal leaves its reason in ontap.last_error. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

/* Rule 6.2: how long a look inside counts against deleting. */
#define WALK_MEMORY_NS (60 * NS_PER_SEC)

void ctl_walked(struct req *r, uint32_t space)
{
	const struct caller *c = req_process(r);
	memory_put(r->fs->memory, MEMORY_WALKED, space, (uint64_t)c->tgid, c->start_time);
}

/* ---- policy ------------------------------------------------------------------- */

/* A loop gone wild must not take the filer with it; admins know what they do. */
static bool in_rate(struct req *r)
{
	uint32_t limit = r->fs->p.verbs_per_minute, uid = req_caller(r)->uid;
	if (req_was_sent(r) || req_is_admin(r) || rates_take(r->fs->rates, uid, limit))
		return true;
	req_refuse(r, -EDQUOT, "uid %u has had its %u control verbs of this minute (verbs_per_minute)", uid, limit);
	return false;
}

bool ctl_allowed(struct req *r, enum fs_verb verb)
{
	const struct fs_params *p = &r->fs->p;
	if (!(p->allow & 1u << verb)) {
		req_refuse(r, -EACCES, "the configuration of this mount does not allow %s", fs_verb_names[verb]);
		return false;
	}
	if (p->allow_gid[verb] >= 0 && !caller_in_group(req_caller(r), (uint32_t)p->allow_gid[verb])) {
		req_refuse(r, -EACCES, "%s is allowed to members of group %lld only", fs_verb_names[verb],
			   (long long)p->allow_gid[verb]);
		return false;
	}
	return in_rate(r);
}

/* What was made by other means is nobody's here, unless `foreign` is allowed. */
bool ctl_is_owner(struct req *r, const char *what, const char *name, const char *comment, const char *verb)
{
	struct creator c;
	tree_parse_creator(comment, &c);
	if (!c.known) {
		int64_t gid = r->fs->p.allow_gid[FS_FOREIGN];
		if ((r->fs->p.allow & 1u << FS_FOREIGN) &&
		    (gid < 0 || caller_in_group(req_caller(r), (uint32_t)gid)))
			return true;
		req_refuse(r, -EPERM, "%s %s was not made through ontapfs: it is listed, not %s "
			   "(the configuration can allow \"foreign\")", what, name, verb);
		return false;
	}
	bool mine = c.uid == req_caller(r)->uid && strcmp(c.realm, r->fs->realm) == 0;
	if (mine || req_is_admin(r))
		return true;
	req_refuse(r, -EPERM, "%s %s belongs to uid %u of %s: only that user or an admin may have it %s", what,
		   name, c.uid, c.realm, verb);
	return false;
}

static bool is_owner(struct req *r, const struct ontap_snapshot *s, const char *verb)
{
	return ctl_is_owner(r, "snapshot", s->name, s->comment, verb);
}

static bool good_name(struct req *r, const char *name)
{
	int e = tree_check_snapshot_name(name);
	if (e == -ENAMETOOLONG)
		req_refuse(r, e, "a snapshot's name has at most 255 bytes");
	else if (e)
		req_refuse(r, e, "a snapshot's name is UTF-8 without control characters, does not begin with "
			   "'.', '-' or a blank, and has no '@'");
	return e == 0;
}

static void refused_by_ontap(struct req *r, const struct ontap_error *e)
{
	req_refuse(r, e->err, "%s", e->text);
}

/* ---- create ------------------------------------------------------------------------ */

static void create_done(struct req *r, struct ctl_msg *m)
{
	if (m->error.err) {
		refused_by_ontap(r, &m->error);
	} else {
		r->object = r->note->intent.object = m->snap.uuid;
		r->changed = true; /* it is made: no signal may say otherwise */
		bind_snapshot_known(r, r->node->space, &m->snap, reply_space_root);
	}
}

/* Counting them costs a question of its own, so it is asked only where the
 * last known number comes near the limit. */
#define LIMIT_SLACK 64u

static bool near_limit(struct fs *fs, const struct space *vol)
{
	size_t n = 0;
	struct snaplist *l = snaplist_get(fs->ctl, &vol->volume);
	if (l)
		n = l->n;
	snaplist_put(l);
	struct catalog *cat = catalog_get(fs->ctl);
	const struct catalog_volume *v = catalog_by_uuid(cat, &vol->volume);
	if (v && v->v.snapshot_count > 0)
		n = MAX_OF(n, (size_t)v->v.snapshot_count);
	catalog_put(cat);
	/* At ONTAP's own limit, ONTAP says so: EMLINK. */
	return fs->p.snapshots_per_volume < ONTAP_SNAPSHOTS_MAX && n + LIMIT_SLACK >= fs->p.snapshots_per_volume;
}

static void create_counted(struct req *r, struct ctl_msg *m);
static void create_send(struct req *r);

static void create_permitted(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct fs *fs = r->fs;
	const struct space *vol = &fs->st.spaces[r->node->space];
	if (c->res.err) {
		req_err(r, c->res.err);
		return;
	}
	if (!(c->res.access & (NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND)) && space_is_mirror(fs, vol)) {
		req_refuse(r, -EROFS, "%s is the destination of a SnapMirror relationship and read-only: its "
			   "snapshots are made in the source", vol->name);
		return;
	}
	if (!(c->res.access & (NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND))) {
		req_refuse(r, -EACCES, "to make a snapshot of %s you must have write permission in its root",
			   vol->name);
		return;
	}
	if (near_limit(fs, vol)) {
		struct ctl_msg *l = req_message(r, CTL_SNAPSHOT_LIST, &vol->volume);
		if (l)
			req_control(r, l, create_counted);
		return;
	}
	create_send(r);
}

static void create_counted(struct req *r, struct ctl_msg *m)
{
	const struct fs_params *p = &r->fs->p;
	if (m->error.err)
		refused_by_ontap(r, &m->error);
	else if (m->list->n >= p->snapshots_per_volume)
		req_refuse(r, -EDQUOT, "volume %s has %zu snapshots, the limit snapshots_per_volume is %u",
			   r->fs->st.spaces[r->node->space].name, m->list->n, p->snapshots_per_volume);
	else
		create_send(r);
}

static void create_send(struct req *r)
{
	struct fs *fs = r->fs;
	const struct space *vol = &fs->st.spaces[r->node->space];
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_CREATE, &vol->volume);
	if (!m)
		return;
	struct creator who = {.known = true, .uid = req_caller(r)->uid};
	if (uuid_is_zero(&r->note->intent.request))
		uuid_random(&r->note->intent.request);
	m->request = r->request = r->note->intent.request;
	uuid_format(&m->request, who.request);
	uuid_format(&vol->volume, who.volume);
	strcpy_bounded(who.realm, fs->realm, sizeof(who.realm));
	strcpy_bounded(m->name, r->name, sizeof(m->name));
	tree_format_creator(m->comment, sizeof(m->comment), &who);
	req_intend(r);
	req_control(r, m, create_done);
}

bool ctl_answered(struct req *r)
{
	if (!req_was_answered(r))
		return false;
	req_refuse(r, -EINPROGRESS, "%s was made when the daemon of this mount was replaced: look before you ask "
		   "again", r->name);
	return true;
}

/* A predecessor made it and may have said so: it is told again if it is there. */
static void create_answered(struct req *r, struct ctl_msg *m)
{
	if (!m->error.err && m->found && uuid_eq(&m->snap.uuid, &r->note->intent.object))
		bind_snapshot_known(r, r->node->space, &m->snap, reply_space_root);
	else
		ctl_answered(r);
}

static void find_first(struct req *r, const struct uuid *volume, const char *name, req_ctl_fn done);

void ctl_snapshot_create(struct req *r)
{
	if (req_was_answered(r)) {
		r->changed = true;
		find_first(r, &r->fs->st.spaces[r->node->space].volume, r->name, create_answered);
		return;
	}
	r->verb = 1 + FS_SNAPSHOT_CREATE;
	if (r->name[0] == '@') {
		req_refuse(r, -EINVAL, "names that begin with '@' are links made by ontapfs");
		return;
	}
	if (!good_name(r, r->name))
		return;
	if (!ctl_allowed(r, FS_SNAPSHOT_CREATE))
		return;
	if (!req_was_sent(r))
		r->note->intent.request = (struct uuid){0};
	struct nfsio_call *c = req_call(r, NFSIO_ACCESS, NULL);
	c->fh = r->fs->st.spaces[r->node->space].root;
	c->access = NFSIO_ACCESS_MODIFY | NFSIO_ACCESS_EXTEND;
	req_submit(r, create_permitted);
}

/* ---- changes of a snapshot: find it, then by uuid --------------------------------------- */

/* Asks ONTAP what has that name now; from there on it goes by uuid. */
static void find_first(struct req *r, const struct uuid *volume, const char *name, req_ctl_fn done)
{
	if (strlen(name) > ONTAP_NAME_MAX) {
		req_err(r, -ENAMETOOLONG); /* cut, it would be another snapshot's name */
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_FIND, volume);
	if (!m)
		return;
	m->fresh = true;
	strcpy_bounded(m->name, name, sizeof(m->name));
	req_control(r, m, done);
}

/* What was found becomes r->snap, if it is the caller's to have `verb`; replies
 * when not. */
static bool found_own(struct req *r, const struct ctl_msg *m, const char *verb)
{
	if (m->error.err) {
		refused_by_ontap(r, &m->error);
	} else if (!m->found) {
		req_err(r, -ENOENT);
	} else {
		r->snap = m->snap;
		r->object = m->snap.uuid;
		return is_owner(r, &m->snap, verb);
	}
	return false;
}

/* Sends a change of r->snap; name and value as op says. */
static void change(struct req *r, enum ctl_op op, const struct uuid *volume, const char *name, const char *value,
		   req_ctl_fn done)
{
	struct ctl_msg *m = req_message(r, op, volume);
	if (!m)
		return;
	m->snapshot = r->snap.uuid;
	strcpy_bounded(m->name, name, sizeof(m->name));
	strcpy_bounded(m->comment, value, sizeof(m->comment));
	r->note->intent.object = r->snap.uuid;
	req_intend(r);
	req_control(r, m, done);
}

static const struct uuid *volume_of(const struct req *r)
{
	return &r->fs->st.spaces[r->node->space].volume;
}

/* ---- comment, label, expiry --------------------------------------------------------------- */

struct setting {
	const char *field; /* REST's name of it */
	char value[ONTAP_COMMENT_MAX + 1];
};

static void set_done(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		refused_by_ontap(r, &m->error);
	else
		req_err(r, 0);
}

/* The record of who made it stays at the end, whatever people write. False: replied. */
static bool add_record(struct req *r, struct setting *s)
{
	struct creator real, said;
	char record[256];
	tree_parse_creator(r->snap.comment, &real);
	tree_parse_creator(s->value, &said);
	if (!real.known && said.known) {
		req_refuse(r, -EPERM, "a comment cannot say who made a snapshot");
		return false;
	}
	if (!real.known)
		return true;
	tree_format_creator(record, sizeof(record), &real);
	size_t len = strlen(s->value), add = strlen(record) + 1;
	if (len + add > ONTAP_COMMENT_MAX) {
		req_refuse(r, -E2BIG, "a comment has room for %zu bytes here", ONTAP_COMMENT_MAX - add);
		return false;
	}
	snprintf(s->value + len, sizeof(s->value) - len, "%s%s", len ? " " : "", record);
	return true;
}

static void set_found(struct req *r, struct ctl_msg *m)
{
	struct setting *s = r->extra;
	if (m->found && !uuid_eq(&m->snap.uuid, &r->space->snapshot)) {
		req_err(r, -ESTALE);
		return;
	}
	if (!found_own(r, m, "changed"))
		return;
	if (strcmp(s->field, "comment") != 0 || add_record(r, s))
		change(r, CTL_SNAPSHOT_SET, &r->space->volume, s->field, s->value, set_done);
}

static void set_begin(struct req *r, const struct space *s, const char *field, const char *value)
{
	struct setting *x = calloc(1, sizeof(*x));
	if (!x) {
		req_err(r, -ENOMEM);
		return;
	}
	x->field = field;
	strcpy_bounded(x->value, value, sizeof(x->value));
	r->extra = x;
	r->space = s;
	find_first(r, &s->volume, s->name, set_found);
}

void ctl_snapshot_comment(struct req *r, const struct space *s, const char *value)
{
	r->verb = 1 + FS_SNAPSHOT_SET;
	if (strlen(value) > ONTAP_COMMENT_MAX || !tree_is_utf8(value))
		req_refuse(r, strlen(value) > ONTAP_COMMENT_MAX ? -E2BIG : -EINVAL,
			   "a comment is UTF-8 of at most %d bytes", ONTAP_COMMENT_MAX);
	else if (in_rate(r))
		set_begin(r, s, "comment", value);
}

void ctl_snapshot_label(struct req *r, const struct space *s, const char *value)
{
	r->verb = 1 + FS_SNAPSHOT_SET;
	if (strlen(value) > 31 || !tree_is_utf8(value))
		req_refuse(r, -EINVAL, "a SnapMirror label is UTF-8 of at most 31 bytes");
	else if (in_rate(r))
		set_begin(r, s, "snapmirror_label", value);
}

void ctl_snapshot_expiry(struct req *r, const struct space *s, const char *value)
{
	int64_t now = clock_wall_ns() / NS_PER_SEC, when;
	char text[40];
	r->verb = 1 + FS_SNAPSHOT_RETAIN;
	if (!ctl_allowed(r, FS_SNAPSHOT_RETAIN))
		return;
	if (!tree_parse_when(value, now, &when)) {
		req_refuse(r, -EINVAL, "an expiry is a time as 2027-01-31 or 2027-01-31T12:00:00Z (UTC), or from now "
			   "on +30d (m, h, d, w)");
		return;
	}
	if (when < now) {
		req_refuse(r, -EINVAL, "that time has passed; +0d lets the snapshot go now");
		return;
	}
	tree_format_time(text, sizeof(text), when);
	set_begin(r, s, "expiry_time", text);
}

/* ---- delete -------------------------------------------------------------------------- */

static void refused_as_busy(struct req *r, const struct ontap_error *e)
{
	char clone[ONTAP_NAME_MAX + 1], text[32];
	int64_t until = control_base_held(r->fs->ctl, &r->snap.uuid, clone);
	tree_format_time(text, sizeof(text), until);
	if (until)
		req_refuse(r, e->err, "%s. Clone %s, deleted here, holds it while it waits in ONTAP's recovery queue, "
			   "until %s unless it is purged (skipRecoveryQueue)", e->text, clone, text);
	else
		req_refuse(r, e->err, "%s. Also a clone that was deleted keeps its base so while it waits in ONTAP's "
			   "recovery queue, 12 hours unless it is purged (skipRecoveryQueue)", e->text);
}

static void delete_done(struct req *r, struct ctl_msg *m)
{
	struct fs *fs = r->fs;
	if (m->error.code == ONTAP_SNAPSHOT_BUSY) {
		refused_as_busy(r, &m->error);
		return;
	}
	if (m->error.err) {
		refused_by_ontap(r, &m->error);
		return;
	}
	const struct space *vol = &fs->st.spaces[r->node->space];
	uint32_t idx = space_find(&fs->spaces, &vol->volume, &r->snap.uuid);
	if (idx)
		fs_space_died(fs, idx);
	req_err(r, 0);
}

/* Whoever walked before a takeover is not remembered. */
static bool new_here(const struct fs *fs)
{
	return fs->p.takeover && clock_now_ns() - fs->born_ns < WALK_MEMORY_NS;
}

/* Rule 6.2: a tree walker looks before it removes, `rmdir run1` does not. */
static bool looked_inside(struct req *r, uint32_t space)
{
	const struct caller *c = req_process(r);
	if (c->tgid <= 0 || !c->start_time)
		return true; /* a process that cannot be told apart */
	/* What a predecessor saw, or what had no room, is not known: counts as yes. */
	if (new_here(r->fs))
		return true;
	if (memory_lost(r->fs->memory, WALK_MEMORY_NS))
		return true;
	return memory_get(r->fs->memory, MEMORY_WALKED, space, (uint64_t)c->tgid, c->start_time,
			  WALK_MEMORY_NS, false);
}

/* Kept until then: nobody deletes it, and nobody can arm it. */
static bool retained(struct req *r)
{
	char text[40];
	if (r->snap.expiry_time <= clock_wall_ns() / NS_PER_SEC)
		return false;
	tree_format_time(text, sizeof(text), r->snap.expiry_time);
	req_refuse(r, -EPERM, "snapshot %s is retained until %s (ontap.snapshot.expiry)", r->name, text);
	return true;
}

/* Rule 6.2, for the snapshot bound to that space. */
static bool may_delete(struct req *r, uint32_t space)
{
	struct fs *fs = r->fs;
	const struct caller *c = req_process(r);
	if (!looked_inside(r, space) ||
	    memory_get(fs->memory, MEMORY_ARMED, space, c->uid, c->pid_ns, WALK_MEMORY_NS, true))
		return true;
	if (new_here(fs))
		req_refuse(r, -ENOTEMPTY,
			   "this daemon took over less than a minute ago and cannot know who looked inside snapshot %s "
			   "before. If you mean it: setfattr -n ontap.arm -v %s on it first, or wait a minute",
			   r->name, r->name);
	else
		req_refuse(r, -ENOTEMPTY,
			   "this process looked inside snapshot %s within the last minute, as a tree walker does "
			   "before it removes. If you mean it: `rmdir %s` from a shell, or setfattr -n ontap.arm "
			   "-v %s on it first", r->name, r->name, r->name);
	return false;
}

static void delete_found(struct req *r, struct ctl_msg *m)
{
	struct fs *fs = r->fs;
	bool was_sent = req_was_sent(r);
	if (!m->error.err && was_sent && (!m->found || !uuid_eq(&m->snap.uuid, &r->note->intent.object))) {
		req_err(r, 0); /* a predecessor's request did it */
		return;
	}
	if (!found_own(r, m, "deleted"))
		return;
	uint32_t idx = space_find(&fs->spaces, volume_of(r), &r->snap.uuid);
	if (retained(r) || (idx && !was_sent && !may_delete(r, idx)))
		return;
	if (idx && atomic_load(&fs->st.spaces[idx].opens) > 0) {
		req_refuse(r, -EBUSY, "files of snapshot %s are open on this mount", r->name);
		return;
	}
	change(r, CTL_SNAPSHOT_DELETE, volume_of(r), r->name, "", delete_done);
}

void ctl_snapshot_delete(struct req *r)
{
	r->verb = 1 + FS_SNAPSHOT_DELETE;
	if (r->name[0] == '@') {
		req_refuse(r, -EPERM, "%s is a link made by ontapfs", r->name);
		return;
	}
	if (ctl_allowed(r, FS_SNAPSHOT_DELETE))
		find_first(r, volume_of(r), r->name, delete_found);
}

/* ---- rename --------------------------------------------------------------------------- */

static void rename_done(struct req *r, struct ctl_msg *m)
{
	struct fs *fs = r->fs;
	if (m->error.err) {
		refused_by_ontap(r, &m->error);
		return;
	}
	uint32_t idx = space_find(&fs->spaces, volume_of(r), &r->snap.uuid);
	if (idx)
		space_rename(&fs->spaces, idx, r->name2);
	req_err(r, 0);
}

static void rename_found(struct req *r, struct ctl_msg *m)
{
	if (found_own(r, m, "renamed"))
		change(r, CTL_SNAPSHOT_RENAME, volume_of(r), r->name2, "", rename_done);
}

static void rename_target_asked(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		refused_by_ontap(r, &m->error);
	else if (m->found && req_was_sent(r) && uuid_eq(&m->snap.uuid, &r->note->intent.object))
		req_err(r, 0); /* a predecessor's request did it */
	else if (!m->found && (r->flags & ~(unsigned)RENAME_NOREPLACE))
		req_err(r, -EINVAL);
	else if (m->found)
		req_refuse(r, -EEXIST, "there is a snapshot %s already; a snapshot is never replaced", r->name2);
	else
		find_first(r, volume_of(r), r->name, rename_found);
}

void ctl_snapshot_rename(struct req *r)
{
	r->verb = 1 + FS_SNAPSHOT_RENAME;
	if (r->name[0] == '@') {
		req_refuse(r, -EPERM, "%s is a link made by ontapfs", r->name);
		return;
	}
	if (strcmp(r->name, r->name2) == 0) {
		req_err(r, 0);
		return;
	}
	if (good_name(r, r->name2) && ctl_allowed(r, FS_SNAPSHOT_RENAME))
		find_first(r, volume_of(r), r->name2, rename_target_asked);
}
