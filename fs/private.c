/* Names by which ONTAP reaches two files, and nobody else.
 *
 * Its REST interface takes paths and acts with the account's rights. Whoever may
 * rename or link in the directories of a path could put another file there while
 * ONTAP is at work. So files are named by their handles: uid 0 links them into
 * .ontapfs at the volume's root, where only uid 0 enters, under random names.
 * Who owns the root can move .ontapfs away, but whatever stands there then has
 * no such name in it, as long as nobody else learns the name: it is in no text
 * that a user sees (private_mask).
 *
 * Several gateways share the directory. What one of them left behind is removed
 * once it is older than any clone takes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

/* A volume that took no private names is not tried again for so long. */
#define REFUSED_NS (60 * NS_PER_SEC)
#define SWEEP_EVERY_NS (10 * 60 * NS_PER_SEC)
#define LEFTOVER_NS (3600 * NS_PER_SEC)
#define SWEEP_BYTES 32768u

static const char *name_of(const struct uuid *u, char out[PRIVATE_NAME_LEN + 1])
{
	char text[UUID_TEXT_LEN + 1];
	snprintf(out, PRIVATE_NAME_LEN + 1, PRIVATE_PREFIX "%s", uuid_format(u, text));
	return out;
}

/* False: not a name of ours. */
static bool uuid_of(const char *name, struct uuid *ret)
{
	return strncmp(name, PRIVATE_PREFIX, strlen(PRIVATE_PREFIX)) == 0 &&
	       uuid_parse(name + strlen(PRIVATE_PREFIX), ret) == 0;
}

void private_path(const struct uuid *u, char *out, size_t len)
{
	char name[PRIVATE_NAME_LEN + 1];
	snprintf(out, len, PRIVATE_DIR "/%s", name_of(u, name));
}

void private_mask(char *text)
{
	static const char mark[] = PRIVATE_DIR "/" PRIVATE_PREFIX;
	for (char *p; (p = strstr(text, mark));) {
		char *end = p + sizeof(mark) - 1;
		end += strspn(end, "0123456789abcdef-");
		memcpy(p, "the file", 8);
		memmove(p + 8, end, strlen(end) + 1);
	}
}

uint32_t private_links_of(struct fs *fs, const struct node *n)
{
	const struct nfsio_fh fh = node_fh(n);
	uint32_t found = 0;
	for (uint32_t i = 0; i < fs->pool.nsmall + fs->pool.nlarge; i++) {
		const struct intent *in = &fs->st.notes[i].intent;
		if (atomic_load_explicit(&in->linked, memory_order_acquire))
			found += (uint32_t)fh_same(&in->target, &fh) + fh_same(&in->target2, &fh);
	}
	return found;
}

/* ---- steps --------------------------------------------------------------------- */

static struct nfsio_call *call_root(struct req *r, enum nfsio_proc proc, const struct nfsio_fh *fh,
				    const char *name)
{
	struct nfsio_call *c = req_call(r, proc, NULL);
	c->fh = *fh;
	c->cred = (struct nfsio_cred){0};
	c->name = name;
	return c;
}

static void done(struct req *r, int err, const char *why)
{
	struct private_names *p = r->private;
	p->why = why;
	p->then(r, err);
}

static struct clone_place *place_of(struct req *r)
{
	return &r->fs->clone_place[r->space - r->fs->st.spaces];
}

void private_refused(struct req *r)
{
	atomic_store(&place_of(r)->refused_ns, clock_now_ns() + REFUSED_NS);
}

/* ---- the directory --------------------------------------------------------------- */

static void open_refused(struct req *r, int err, const char *why)
{
	if (err != -ECANCELED && err != -EINTR)
		private_refused(r);
	done(r, err, why);
}

static void squashed_removed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	open_refused(r, c->res.err == -ECANCELED ? -ECANCELED : -EPERM,
		     "the server does not let this host's root keep a directory of its own");
}

static void dir_find(struct req *r);

static void dir_made(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct private_names *p = r->private;
	p->made = c->res.err == 0;
	if (c->res.err && c->res.err != -EEXIST)
		open_refused(r, c->res.err, "the server does not let this host's root make " PRIVATE_DIR);
	else
		dir_find(r);
}

/* Does only uid 0 enter it? */
static bool is_private(const struct req *r, const struct nfsio_call *c)
{
	const struct nfsio_attr *a = &c->res.attr;
	return c->res.has_attr && a->type == NFSIO_DIR && a->uid == 0 && !(a->mode & 077) &&
	       a->fsid == r->space->fsid;
}

static void dir_found(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct private_names *p = r->private;
	uint32_t idx = (uint32_t)(r->space - r->fs->st.spaces);
	if (c->res.err == -ENOENT && !p->tried) {
		p->tried = true;
		struct nfsio_call *n = call_root(r, NFSIO_MKDIR, &r->space->root, PRIVATE_DIR);
		n->sattr = (struct nfsio_sattr){.set = NFSIO_SET_MODE, .mode = 0700};
		req_submit(r, dir_made);
	} else if (c->res.err) {
		open_refused(r, c->res.err, "the server does not let this host's root look into " PRIVATE_DIR);
	} else if (is_private(r, c)) {
		p->dir = c->res.fh;
		atomic_fetch_and(&r->fs->shadowed[idx], (uint8_t)~SHADOW_PRIVATE);
		done(r, 0, NULL);
	} else if (p->made) {
		/* Root is squashed: leave nothing of nobody's behind. */
		call_root(r, NFSIO_RMDIR, &r->space->root, PRIVATE_DIR);
		req_submit(r, squashed_removed);
	} else {
		atomic_fetch_or(&r->fs->shadowed[idx], (uint8_t)SHADOW_PRIVATE);
		open_refused(r, -EPERM, PRIVATE_DIR " of this volume is not a directory that only root enters");
	}
}

static void dir_find(struct req *r)
{
	call_root(r, NFSIO_LOOKUP, &r->space->root, PRIVATE_DIR);
	req_submit(r, dir_found);
}

void private_open(struct req *r, private_fn then)
{
	struct private_names *p = r->private;
	p->then = then;
	p->made = p->tried = false;
	p->dir.len = 0;
	/* A second run looks in any case: names of the first one may be there. */
	if (clock_now_ns() < atomic_load(&place_of(r)->refused_ns) && !req_was_sent(r))
		done(r, -EPERM, "this volume lately took no file clone");
	else
		dir_find(r);
}

/* ---- what others left behind ------------------------------------------------------ */

static void sweep_next(struct req *r);

static void swept(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	if (c->res.err && c->res.err != -ENOENT)
		log_warn("cannot remove an old name in " PRIVATE_DIR " of %s: %s", r->space->name,
			 strerror(-c->res.err));
	if (c->res.err == -ECANCELED)
		done(r, c->res.err, NULL);
	else
		sweep_next(r);
}

static void sweep_next(struct req *r)
{
	struct private_names *p = r->private;
	if (p->nold == 0) {
		done(r, 0, NULL);
		return;
	}
	name_of(&p->old[--p->nold], p->name);
	call_root(r, NFSIO_REMOVE, &p->dir, p->name);
	req_submit(r, swept);
}

static void sweep_listed(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct private_names *p = r->private;
	if (c->res.err) {
		done(r, c->res.err == -ECANCELED ? -ECANCELED : 0, NULL);
		return;
	}
	for (uint32_t i = 0; i < c->res.nentries && p->nold < ARRAY_LEN(p->old); i++) {
		const struct nfsio_dirent *d = &c->res.entries[i];
		if (d->has_attr && d->attr.type == NFSIO_REG &&
		    p->server_now_ns - d->attr.ctime_ns > LEFTOVER_NS)
			p->nold += uuid_of(d->name, &p->old[p->nold]);
	}
	sweep_next(r);
}

void private_sweep(struct req *r, int64_t server_now_ns, private_fn then)
{
	struct private_names *p = r->private;
	struct clone_place *place = place_of(r);
	int64_t now = clock_now_ns(), due = atomic_load(&place->sweep_ns);
	p->then = then;
	if (now < due || !server_now_ns ||
	    !atomic_compare_exchange_strong(&place->sweep_ns, &due, now + SWEEP_EVERY_NS)) {
		done(r, 0, NULL);
		return;
	}
	p->nold = 0;
	p->server_now_ns = server_now_ns;
	call_root(r, NFSIO_READDIRPLUS, &p->dir, NULL)->count = SWEEP_BYTES;
	req_submit(r, sweep_listed);
}

/* ---- linking ------------------------------------------------------------------------ */

static const struct nfsio_fh *file_of(const struct intent *i, uint32_t which)
{
	return which == 0 ? &i->target : &i->target2;
}

static void link_next(struct req *r);

static void link_checked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct private_names *p = r->private;
	if (c->res.err) {
		done(r, c->res.err, "the server does not show a hard link that was made for a file clone");
	} else if (!fh_same(&c->res.fh, file_of(&r->note->intent, p->at))) {
		done(r, -EIO, "a hard link that was made for a file clone leads to another file");
	} else {
		p->at++;
		link_next(r);
	}
}

static void link_made(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct private_names *p = r->private;
	if (c->res.err && c->res.err != -EEXIST) { /* there: sent twice. The handle tells. */
		done(r, c->res.err, "the server makes no hard link to the file");
		return;
	}
	call_root(r, NFSIO_LOOKUP, &p->dir, p->name);
	req_submit(r, link_checked);
}

static void link_next(struct req *r)
{
	struct private_names *p = r->private;
	struct intent *i = &r->note->intent;
	if (p->at == 2 || !file_of(i, p->at)->len) {
		done(r, 0, NULL);
		return;
	}
	name_of(&i->links[p->at], p->name);
	struct nfsio_call *c = call_root(r, NFSIO_LINK, file_of(i, p->at), p->name);
	c->fh2 = p->dir;
	req_submit(r, link_made);
}

void private_link(struct req *r, private_fn then)
{
	struct private_names *p = r->private;
	struct intent *i = &r->note->intent;
	p->then = then;
	p->at = 0;
	uuid_random(&i->links[0]);
	uuid_random(&i->links[1]);
	atomic_store_explicit(&i->linked, 1, memory_order_release);
	link_next(r);
}

static void unlink_next(struct req *r);

static void unlinked(struct nfsio_call *c)
{
	struct req *r = call_req(c);
	struct private_names *p = r->private;
	if (c->res.err == -ECANCELED) {
		done(r, c->res.err, NULL);
		return;
	}
	if (c->res.err && c->res.err != -ENOENT)
		log_warn("cannot remove a name in " PRIVATE_DIR " of %s, it goes in an hour: %s", r->space->name,
			 strerror(-c->res.err));
	p->at++;
	unlink_next(r);
}

static void unlink_next(struct req *r)
{
	struct private_names *p = r->private;
	struct intent *i = &r->note->intent;
	if (!p->dir.len || p->at == 2 || !file_of(i, p->at)->len) {
		atomic_store(&i->linked, 0);
		done(r, 0, NULL);
		return;
	}
	name_of(&i->links[p->at], p->name);
	call_root(r, NFSIO_REMOVE, &p->dir, p->name);
	req_submit(r, unlinked);
}

static void unlink_opened(struct req *r, int err)
{
	struct private_names *p = r->private;
	p->then = p->after;
	p->at = 0;
	if (err == -ECANCELED)
		done(r, err, NULL);
	else
		unlink_next(r);
}

void private_unlink(struct req *r, private_fn then)
{
	struct private_names *p = r->private;
	p->after = p->then = then;
	if (!atomic_load(&r->note->intent.linked))
		done(r, 0, NULL);
	else if (!p->dir.len)
		private_open(r, unlink_opened);
	else
		unlink_opened(r, 0);
}
