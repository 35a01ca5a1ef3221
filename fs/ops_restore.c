/* ontapfs restore: a volume goes back to one of its snapshots. Not a file
 * operation: an admin sets ontap.restore to "lose=N UUID" on the volume's root,
 * N being how many newer snapshots ONTAP will delete with it. The number is
 * counted here again, from what ONTAP says now. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/buf.h"
#include "fs/fs_i.h"

/* What was asked, across the steps; r->getter. */
struct restore {
	uint32_t space;
	struct uuid snapshot;
	unsigned long lose;
};

/* Files of the volume that are open here for writing. */
static uint32_t writers(struct fs *fs, uint32_t space)
{
	uint32_t n = 0, used = atomic_load(fs->st.opens_used);
	for (uint32_t i = 1; i < used; i++) {
		const struct openrec *o = &fs->st.opens[i];
		if (!atomic_load_explicit(&o->id, memory_order_acquire) || (o->flags & O_ACCMODE) == O_RDONLY)
			continue;
		const struct node *node = node_by_id(&fs->nodes, o->nodeid);
		n += node && node->space == space;
	}
	return n;
}

static void restore_done(struct req *r, struct ctl_msg *m)
{
	if (m->error.err)
		req_refuse(r, m->error.err, "%s", m->error.text);
	else
		req_err(r, 0);
}

static void restore_send(struct req *r, const struct ontap_snapshot *s)
{
	const struct restore *x = r->getter;
	const struct space *vol = &r->fs->st.spaces[x->space];
	struct ctl_msg *m = req_message(r, CTL_VOLUME_RESTORE, &vol->volume);
	if (!m)
		return;
	m->snapshot = r->object = s->uuid;
	strcpy_bounded(m->name, vol->name, sizeof(m->name));
	r->note->intent.object = s->uuid;
	req_intend(r);
	req_control(r, m, restore_done);
}

static void put_names(struct buf *b, const struct snaplist *l, size_t from)
{
	for (size_t i = from; i < l->n && b->len < 200; i++)
		buf_printf(b, "%s%s", i > from ? ", " : "", l->snap[i].name);
	if (b->len >= 200)
		buf_puts(b, ", ...");
}

static void restore_listed(struct req *r, struct ctl_msg *m)
{
	struct fs *fs = r->fs;
	const struct restore *x = r->getter;
	const struct space *vol = &fs->st.spaces[x->space];
	const struct snaplist *l = m->list;
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	size_t at = 0;
	while (at < l->n && !uuid_eq(&l->snap[at].uuid, &x->snapshot))
		at++;
	if (at == l->n) {
		req_refuse(r, -ENOENT, "volume %s has no such snapshot any more", vol->name);
		return;
	}
	size_t newer = l->n - at - 1;
	if (newer != x->lose) {
		struct buf b;
		buf_init(&b, 1024);
		put_names(&b, l, at + 1);
		req_refuse(r, -EINVAL, "a restore of %s to %s deletes %zu newer snapshots, not %lu: %s", vol->name,
			   l->snap[at].name, newer, x->lose, b.data ? b.data : "none");
		buf_fini(&b);
		return;
	}
	uint32_t open = writers(fs, x->space);
	if (open) {
		req_refuse(r, -EBUSY, "%u files of volume %s are open for writing on this mount; `fuser -vm %s` "
			   "shows by whom", open, vol->name, fs->p.mountpoint);
		return;
	}
	restore_send(r, &l->snap[at]);
}

/* "lose=N UUID", all of it. */
static bool parse_value(const char *value, size_t len, struct restore *x)
{
	char text[64], *end;
	if (len >= sizeof(text) || len < 7 || memcmp(value, "lose=", 5) != 0)
		return false;
	memcpy(text, value, len);
	text[len] = '\0';
	if (text[5] < '0' || text[5] > '9')
		return false;
	x->lose = strtoul(text + 5, &end, 10);
	return *end == ' ' && uuid_parse(end + 1, &x->snapshot) == 0;
}

void volume_restore(struct req *r, struct node *n, const char *value, size_t len)
{
	struct fs *fs = r->fs;
	const struct space *s = n->space ? &fs->st.spaces[n->space] : NULL;
	if (!s || space_is_snapshot(s) || !node_is_space_root(fs, n)) {
		req_refuse(r, -EPERM, XATTR_RESTORE " is set on the root of a volume or clone");
		return;
	}
	r->verb = 1 + FS_VOLUME_RESTORE;
	r->node = n;
	if (!req_is_admin(r)) {
		req_refuse(r, -EACCES, "only an admin restores a volume. `ln -s SNAPSHOT NAME` makes a clone of the "
			   "snapshot, which loses nothing");
		return;
	}
	if (req_was_sent(r)) { /* once more could undo what was written since */
		fs_volume_replaced(fs, n->space);
		req_refuse(r, -EINPROGRESS, "the daemon of this mount was replaced during the restore of %s: look "
			   "before you ask again", s->name);
		return;
	}
	struct restore *x = calloc(1, sizeof(*x));
	if (!x) {
		req_err(r, -ENOMEM);
		return;
	}
	r->getter = x;
	x->space = n->space;
	if (!parse_value(value, len, x)) {
		req_refuse(r, -EINVAL, "the value of " XATTR_RESTORE " is \"lose=N UUID\": `ontapfs restore` sets it");
		return;
	}
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST, &s->volume);
	if (!m)
		return;
	m->fresh = true;
	req_control(r, m, restore_listed);
}
