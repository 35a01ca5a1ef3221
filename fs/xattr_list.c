/* Attributes made for the commands of `ontapfs`, which so need no login: all
 * snapshots of a volume at once, and what a verb is doing. */
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fs/base/buf.h"
#include "fs/fs_i.h"

#define PAGE_MAX   XATTR_SIZE_MAX
#define PAGE_FULL  (PAGE_MAX - 20480) /* no entry is longer than the rest */
#define CLONES_MAX 4096               /* bytes for their names in one entry */

static void put_creator(struct buf *b, const struct fs *fs, const char *comment)
{
	struct creator who;
	tree_parse_creator(comment, &who);
	if (!who.known)
		return;
	buf_printf(b, ",\"uid\":%u,\"realm\":", who.uid);
	buf_json(b, who.realm);
	buf_printf(b, ",\"here\":%s", strcmp(who.realm, fs->realm) == 0 ? "true" : "false");
}

static void put_clones(struct buf *b, const struct catalog *cat, const struct ontap_snapshot *s,
		       const struct uuid *volume)
{
	size_t from = b->len, n = 0;
	for (size_t i = 0; i < cat->n; i++) {
		const struct volume_facts *v = &cat->vol[i]->v;
		if (!v->is_flexclone || !uuid_eq(&v->clone_parent, volume) || !uuid_eq(&v->clone_snapshot, &s->uuid))
			continue;
		if (n++ && b->len - from > CLONES_MAX)
			continue;
		buf_puts(b, n == 1 ? ",\"clones\":[" : ",");
		buf_json(b, v->name);
	}
	if (n)
		buf_printf(b, "],\"nclones\":%zu", n);
}

static void put_entry(struct buf *b, const struct fs *fs, const struct catalog *cat, const struct snaplist *l,
		      size_t i)
{
	const struct ontap_snapshot *s = &l->snap[i];
	char u[UUID_TEXT_LEN + 1], text[ONTAP_COMMENT_MAX + 1];
	buf_puts(b, "{\"name\":");
	buf_json(b, s->name);
	buf_printf(b, ",\"uuid\":\"%s\",\"time\":%lld,\"size\":%llu,\"comment\":", uuid_format(&s->uuid, u),
		   (long long)s->create_time, (unsigned long long)s->size);
	strcpy_bounded(text, s->comment, tree_comment_text(s->comment) + 1);
	buf_json(b, text);
	put_creator(b, fs, s->comment);
	put_clones(b, cat, s, &l->volume);
	buf_puts(b, "}");
}

static void listed(struct req *r, struct ctl_msg *m)
{
	if (m->error.err) {
		req_refuse(r, m->error.err, "%s", m->error.text);
		return;
	}
	struct fs *fs = r->fs;
	struct catalog *cat = catalog_get(fs->ctl);
	struct buf b;
	buf_init(&b, PAGE_MAX);
	size_t i = r->off, n = 0;
	buf_printf(&b, "{\"total\":%zu,\"volume\":", m->list->n);
	buf_json(&b, r->space->name);
	buf_puts(&b, ",\"snapshots\":[");
	for (; i < m->list->n && b.len < PAGE_FULL; i++) {
		buf_puts(&b, n++ ? "," : "");
		put_entry(&b, fs, cat, m->list, i);
	}
	buf_puts(&b, "]}");
	catalog_put(cat);
	if (buf_ok(&b))
		xattr_answer(r, b.data, b.len);
	else
		req_err(r, -ENOMEM);
	buf_fini(&b);
}

void xattr_snapshots(struct req *r, struct node *n, const char *from)
{
	char *end;
	unsigned long at = strtoul(from, &end, 10);
	if (!n->space || *from < '0' || *from > '9' || *end) {
		req_err(r, -ENODATA);
		return;
	}
	r->space = &r->fs->st.spaces[n->space];
	if (space_is_snapshot(r->space))
		r->space = &r->fs->st.spaces[r->space->volume_space];
	r->off = at;
	struct ctl_msg *m = req_message(r, CTL_SNAPSHOT_LIST, &r->space->volume);
	if (!m)
		return;
	m->fresh = at == 0; /* the pages after the first one go on with its list */
	req_control(r, m, listed);
}

void xattr_verb(struct req *r, struct node *n, const char *name)
{
	struct fs *fs = r->fs;
	bool snaps = n->kind == NODE_SNAPDIR;
	struct buf b;
	buf_init(&b, 4096);
	if ((snaps || n->kind == NODE_CLONEDIR || n->kind == NODE_ROOT) &&
	    control_verb_state(fs->ctl, snaps ? &fs->st.spaces[n->space].volume : NULL, name, &b) && buf_ok(&b))
		xattr_answer(r, b.data, b.len);
	else
		req_err(r, -ENODATA);
	buf_fini(&b);
}
