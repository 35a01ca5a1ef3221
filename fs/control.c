/* The control thread owns the REST client. Two kinds of work: messages from
 * workers, and keeping the picture fresh.
 *
 * A verb (create, delete, rename) is one ONTAP job, waited for by any number
 * of messages: the same verb asked again joins it. After verb_wait its waiters
 * are told EINPROGRESS and the job goes on. */
#include "fs/control.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/log.h"
#include "fs/control_i.h"

#define RESTORE_MS (15 * 60 * 1000)

/* ---- verbs ------------------------------------------------------------------------------ */

/* Has the volume of such a verb another list of snapshots afterwards? A clone locks
 * its base, or makes one. */
static bool changes_list(enum ctl_op op)
{
	return op == CTL_SNAPSHOT_CREATE || op == CTL_SNAPSHOT_DELETE || op == CTL_SNAPSHOT_RENAME ||
	       op == CTL_SNAPSHOT_SET || op == CTL_CLONE_CREATE || op == CTL_CLONE_SPLIT || op == CTL_VOLUME_RESTORE;
}

static void verb_done(struct verb *v, const struct ontap_snapshot *s, const struct ontap_error *e)
{
	struct control *c = v->c;
	note_health(c, e);
	struct watch *w = changes_list(v->op) ? watch_get(c, &v->volume) : NULL;
	if (w)
		w->changed_ns = clock_now_ns();
	bool names = v->op == CTL_SNAPSHOT_CREATE || v->op == CTL_SNAPSHOT_DELETE || v->op == CTL_SNAPSHOT_RENAME;
	stats_add(&c->fs->stats.verbs[v->op], 1);
	if (e) {
		stats_add(&c->fs->stats.verb_errors[v->op], 1);
		log_warn("%s \"%s\" failed uid=%u: %s", ctl_op_name(v->op), v->name, v->uid, e->text);
	}
	if (w && names && !e) {
		if (w->list)
			list_edit(c, w, &v->snapshot, s, v->op == CTL_SNAPSHOT_RENAME ? v->name : NULL);
		pthread_mutex_lock(&c->pic_lock);
		w->newest_s = s ? s->create_time : clock_wall_ns() / NS_PER_SEC;
		pthread_mutex_unlock(&c->pic_lock);
	}
	jobs_ended(c, v, e);
	if (s)
		v->audit.object = s->uuid;
	if (list_empty(&v->waiters) && v->audit.verb)
		audit_write(c->fs, &v->audit, e ? e->err : 0);
	struct list *l;
	while ((l = list_pop(&v->waiters))) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		m->request = v->audit.request;
		if (e) {
			ctl_answer_error(m, e);
			continue;
		}
		if (s)
			m->snap = *s;
		m->found = s != NULL;
		ctl_answer(m);
	}
	free(v);
}

static void verb_created(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e,
			 void *priv)
{
	verb_done(priv, n == 1 ? s : NULL, e);
}

static void split_begun(const struct ontap_error *e, void *priv)
{
	struct control *c = priv;
	if (e)
		log_warn("splitOnClone: a new clone stays with its parent: %s", e->text);
	atomic_store(&c->refresh_now, true);
}

/* A clone or a new volume. */
static void verb_cloned(const struct ontap_volume *vol, size_t n, const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	if (!e && n == 1) {
		catalog_add(v->c, vol);
		v->audit.object = vol->uuid;
		struct list *l, *tmp;
		list_for_each(l, tmp, &v->waiters)
			list_entry(l, struct ctl_msg, link)->vol = *vol;
		if (v->op == CTL_CLONE_CREATE && v->c->fs->p.split_on_clone)
			ontap_volume_split(v->c->o, &vol->uuid, split_begun, v->c);
	}
	verb_done(v, NULL, e);
}

static void verb_volume_gone(const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	if (!e) {
		jobs_volume_queued(v->c, &v->volume);
		catalog_remove(v->c, &v->volume);
	}
	verb_done(v, NULL, e);
}

static void verb_snapdir_on(const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	struct catalog *cat = e ? NULL : catalog_get(v->c);
	const struct catalog_volume *cv = cat ? catalog_by_uuid(cat, &v->volume) : NULL;
	if (cv) {
		struct ontap_volume on;
		volume_unpack(&cv->v, &on);
		on.snapdir_access = true;
		catalog_add(v->c, &on);
	}
	catalog_put(cat);
	verb_done(v, NULL, e);
}

static void verb_finished(const struct ontap_error *e, void *priv)
{
	verb_done(priv, NULL, e);
}

static void verb_split(const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	atomic_store(&v->c->refresh_now, true);
	verb_done(v, NULL, e);
}

/* The caller who would take its name away may have left with EINPROGRESS. */
static void verb_snapshot_gone(const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	struct fs *fs = v->c->fs;
	uint32_t space = !e && list_empty(&v->waiters) ? space_find(&fs->spaces, &v->volume, &v->snapshot) : 0;
	if (space) {
		const struct space *s = &fs->st.spaces[space];
		notify_entry(&fs->notifier, fs_snapdir_nodeid(fs, s->volume_space), s->name);
		fs_space_died(fs, space);
	}
	verb_done(v, NULL, e);
}

/* Nothing of the old content may be seen any more, whoever still waits for this;
 * also where it is not known whether it was carried out. */
static void verb_restored(const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	struct fs *fs = v->c->fs;
	uint32_t space = space_find(&fs->spaces, &v->volume, NULL);
	if (space && (!e || e->err == -EINPROGRESS || e->err == -ETIMEDOUT))
		fs_volume_replaced(fs, space);
	verb_done(v, NULL, e);
}

/* ---- what each verb sends ---------------------------------------------------------------- */

static void send_snapshot_create(struct verb *v, const struct ctl_msg *m, const char *request)
{
	ontap_snapshot_create(v->c->o, &m->volume, m->name, m->comment, request, verb_created, v);
}

static void send_snapshot_delete(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	ontap_snapshot_delete(v->c->o, &m->volume, &m->snapshot, verb_snapshot_gone, v);
}

static void send_snapshot_rename(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	ontap_snapshot_rename(v->c->o, &m->volume, &m->snapshot, m->name, verb_finished, v);
}

static void send_snapshot_set(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	ontap_snapshot_set(v->c->o, &m->volume, &m->snapshot, m->name, m->comment, verb_finished, v);
}

static void send_clone_create(struct verb *v, const struct ctl_msg *m, const char *request)
{
	char junction[ONTAP_NAME_MAX + 2];
	snprintf(junction, sizeof(junction), "/%s", m->name);
	const struct ontap_clone clone = {
		.name = m->name, .parent = m->volume, .snapshot = m->snapshot, .junction = junction,
		.export_policy = m->policy[0] ? m->policy : NULL, .comment = m->comment, .request_id = request,
	};
	ontap_volume_clone(v->c->o, &clone, verb_cloned, v);
}

static void send_volume_create(struct verb *v, const struct ctl_msg *m, const char *request)
{
	char junction[ONTAP_NAME_MAX + 2];
	snprintf(junction, sizeof(junction), "/%s", m->name);
	const struct fs_params *p = &v->c->fs->p;
	const struct ontap_create create = {
		.name = m->name, .style = p->create.flexgroup ? ONTAP_FLEXGROUP : ONTAP_FLEXVOL,
		.size = p->create.size, .junction = junction, .export_policy = p->create.export_policy,
		.snapshot_policy = p->create.snapshot_policy, .comment = m->comment, .request_id = request,
		.unix_permissions = p->create.unix_permissions ? p->create.unix_permissions : "0777",
		.uid = m->uid, .gid = m->gid, .space_reserve = p->create.space_reserve,
		.snapshot_dir = p->create.snapshot_dir,
	};
	ontap_volume_create(v->c->o, &create, verb_cloned, v);
}

static void send_volume_delete(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	ontap_volume_delete(v->c->o, &m->volume, v->c->fs->p.skip_recovery_queue, verb_volume_gone, v);
}

static void send_snapdir_enable(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	ontap_volume_snapdir(v->c->o, &m->volume, true, verb_snapdir_on, v);
}

/* The size that ONTAP made of it is read back, into the picture too. */
static void resize_read_back(const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	if (e)
		verb_done(v, NULL, e);
	else
		ontap_volume_get(v->c->o, &v->volume, verb_cloned, v);
}

static void send_volume_resize(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	ontap_volume_resize(v->c->o, &m->volume, m->size, resize_read_back, v);
}

static void verb_mirrored(const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	mirror_changed(v->c, &v->volume);
	verb_done(v, NULL, e);
}

/* Which relationship it is, then its update. */
static void update_send(const struct ontap_mirror *am, size_t n, const struct ontap_error *e, void *priv)
{
	struct verb *v = priv;
	const struct ontap_error none = {.err = -ENOENT, .text = "the volume is not the destination of a SnapMirror "
					 "relationship that this account sees"};
	if (e || !n)
		verb_done(v, NULL, e ? e : &none);
	else
		ontap_mirror_update(v->c->o, &am[0].uuid, verb_mirrored, v);
}

static void send_mirror_update(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	mirror_ask(v->c, m->name, update_send, v);
}

static void send_file_clone(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	const struct ontap_file_clone f = {
		.volume = m->volume, .source = m->range->source, .destination = m->range->destination,
		.source_start = m->range->from, .destination_start = m->range->to, .length = m->range->length,
	};
	ontap_file_clone(v->c->o, &f, verb_finished, v);
}

static void send_clone_split(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	ontap_volume_split(v->c->o, &m->volume, verb_split, v);
}

static void send_volume_restore(struct verb *v, const struct ctl_msg *m, const char *request)
{
	(void)request;
	/* A large volume takes its time; those who wait are told EINPROGRESS meanwhile. */
	ontap_set_deadline(v->c->o, RESTORE_MS);
	ontap_volume_restore(v->c->o, &m->volume, &m->snapshot, verb_restored, v);
	ontap_set_deadline(v->c->o, 0);
}

/* Everything that there is to know of a verb. Those without `send` are questions. */
static const struct verb_kind {
	const char *name;
	void (*send)(struct verb *v, const struct ctl_msg *m, const char *request);
	bool joins; /* the same asked again by the same user waits for this one */
} kinds[CTL_NOPS] = {
	[CTL_VOLUME_FIND] = {"volume.find", NULL, false},
	[CTL_SNAPSHOT_LIST] = {"snapshot.list", NULL, false},
	[CTL_SNAPSHOT_FIND] = {"snapshot.find", NULL, false},
	[CTL_SNAPSHOT_CREATE] = {"snapshot.create", send_snapshot_create, true},
	[CTL_SNAPSHOT_DELETE] = {"snapshot.delete", send_snapshot_delete, true},
	[CTL_SNAPSHOT_RENAME] = {"snapshot.rename", send_snapshot_rename, true},
	[CTL_CLONE_CREATE] = {"clone.create", send_clone_create, true},
	[CTL_CLONE_DELETE] = {"clone.delete", send_volume_delete, true},
	[CTL_VOLUME_DELETE] = {"volume.delete", send_volume_delete, true},
	[CTL_SNAPDIR_ENABLE] = {"snapdir.enable", send_snapdir_enable, true},
	[CTL_VOLUME_CREATE] = {"volume.create", send_volume_create, true},
	[CTL_SNAPSHOT_SET] = {"snapshot.set", send_snapshot_set, false}, /* values may differ */
	[CTL_CLONE_SPLIT] = {"clone.split", send_clone_split, true},
	[CTL_VOLUME_RESTORE] = {"volume.restore", send_volume_restore, true},
	[CTL_VOLUME_RESIZE] = {"volume.resize", send_volume_resize, false}, /* as SET */
	[CTL_FILE_CLONE] = {"file.clone", send_file_clone, false},
	[CTL_MIRROR_FIND] = {"snapmirror.find", NULL, false},
	[CTL_MIRROR_UPDATE] = {"snapmirror.update", send_mirror_update, true},
};

const char *ctl_op_name(enum ctl_op op)
{
	return kinds[op].name;
}

static void verb_start(struct control *c, struct ctl_msg *m)
{
	struct list *l, *tmp;
	/* A copy that is still under way must not be believed to have ended: whoever
	 * asked would write the file himself, and be overwritten later. */
	m->deadline_ns = m->op == CTL_FILE_CLONE ? 0 : clock_now_ns() + c->fs->p.verb_wait_ns;
	list_for_each(l, tmp, &c->verbs) {
		struct verb *v = list_entry(l, struct verb, link);
		if (v->op == m->op && kinds[v->op].joins && v->uid == m->uid &&
		    uuid_eq(&v->volume, &m->volume) && uuid_eq(&v->snapshot, &m->snapshot) &&
		    strcmp(v->name, m->name) == 0) {
			list_append(&v->waiters, &m->link);
			return;
		}
	}
	struct verb *v = calloc(1, sizeof(*v));
	if (!v) {
		m->error.err = -ENOMEM;
		ctl_answer(m);
		return;
	}
	v->c = c;
	v->op = m->op;
	v->uid = m->uid;
	v->volume = m->volume;
	v->snapshot = m->snapshot;
	memcpy(v->name, m->name, sizeof(v->name));
	v->audit = m->audit;
	v->audit.request = m->request;
	list_init(&v->waiters);
	list_append(&v->waiters, &m->link);
	v->started_ns = clock_now_ns();
	v->percent = -1;
	pthread_mutex_lock(&c->pic_lock);
	list_append(&c->verbs, &v->link);
	pthread_mutex_unlock(&c->pic_lock);
	char request[UUID_TEXT_LEN + 1];
	kinds[m->op].send(v, m, uuid_format(&m->request, request));
}

static uint32_t file_clones_of(struct control *c, const struct uuid *volume)
{
	uint32_t n = 0;
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->verbs) {
		const struct verb *v = list_entry(l, struct verb, link);
		n += v->op == CTL_FILE_CLONE && uuid_eq(&v->volume, volume);
	}
	return n;
}

/* Begins those whose turn it is, once ONTAP is known to answer. Those that waited
 * too long, or for nothing, are told so: their callers copy by themselves. Next due
 * time, or 0. */
static int64_t queued_run(struct control *c, int64_t now)
{
	int64_t next = 0;
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->queued) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		if (c->health.ok && file_clones_of(c, &m->volume) < FILE_CLONES_MAX) {
			list_remove(l);
			verb_start(c, m);
		} else if (m->deadline_ns <= now || (!c->health.ok && c->health.last_fail_ns)) {
			list_remove(l);
			m->error.err = -EBUSY;
			if (c->health.ok)
				snprintf(m->error.text, sizeof(m->error.text),
					 "%u file clones are at work in this volume", FILE_CLONES_MAX);
			else
				snprintf(m->error.text, sizeof(m->error.text), "ONTAP does not answer");
			ctl_answer(m);
		} else if (!next || m->deadline_ns < next) {
			next = m->deadline_ns;
		}
	}
	return next;
}

/* Tells waiters whose patience ended; returns the next such time, or 0. */
static int64_t verbs_expire(struct control *c, int64_t now)
{
	int64_t next = 0;
	struct list *l, *tmp, *k, *ktmp;
	list_for_each(l, tmp, &c->verbs) {
		struct verb *v = list_entry(l, struct verb, link);
		list_for_each(k, ktmp, &v->waiters) {
			struct ctl_msg *m = list_entry(k, struct ctl_msg, link);
			if (!m->deadline_ns)
				continue;
			if (m->deadline_ns <= now) {
				list_remove(&m->link);
				pthread_mutex_lock(&c->pic_lock);
				v->awaited = true;
				pthread_mutex_unlock(&c->pic_lock);
				m->error.err = -EINPROGRESS;
				m->request = v->audit.request;
				snprintf(m->error.text, sizeof(m->error.text),
					 "ONTAP is still at work on %s \"%s\": it goes on, ask again to wait for it",
					 ctl_op_name(v->op), v->name);
				ctl_answer(m);
			} else if (!next || m->deadline_ns < next) {
				next = m->deadline_ns;
			}
		}
	}
	return next;
}

/* ---- the thread --------------------------------------------------------------------------- */

static void dispatch(struct control *c, struct ctl_msg *m)
{
	switch (m->op) {
	case CTL_VOLUME_FIND:
		volume_find(c, m);
		break;
	case CTL_SNAPSHOT_LIST:
		snapshot_list(c, m);
		break;
	case CTL_SNAPSHOT_FIND:
		snapshot_find(c, m);
		break;
	case CTL_MIRROR_FIND:
		mirror_find(c, m);
		break;
	case CTL_FILE_CLONE:
		m->deadline_ns = clock_now_ns() + c->fs->p.verb_wait_ns;
		list_append(&c->queued, &m->link);
		break;
	default:
		verb_start(c, m);
	}
}

static void inbox_run(struct control *c)
{
	for (;;) {
		pthread_mutex_lock(&c->inbox_lock);
		struct list *l = list_pop(&c->inbox);
		pthread_mutex_unlock(&c->inbox_lock);
		if (!l)
			return;
		dispatch(c, list_entry(l, struct ctl_msg, link));
	}
}

/* After a takeover the client must find its SVM again before it can ask
 * anything else. Until then messages wait, at most control_timeout. */
#define DISCOVER_AGAIN_NS (5 * NS_PER_SEC)

static void rediscovered(const struct ontap_discovery *d, const struct ontap_error *e, void *priv)
{
	struct control *c = priv;
	c->discovering = false;
	c->discover_due_ns = clock_now_ns() + DISCOVER_AGAIN_NS;
	note_health(c, e);
	if (e)
		log_warn("cannot reach ONTAP after taking over, data goes on: %s", e->text);
	else if (!uuid_eq(&d->svm.uuid, &c->fs->svm.uuid))
		log_error("SVM %s is another one than this mount was made for: unmount and mount again", d->svm.name);
	else
		c->undiscovered = false;
}

/* The kernel may drop a name that it knew, and ask for it: one that a predecessor
 * bound does not wait to the end, see snap_without_rest(). */
static bool is_bound(struct control *c, const struct ctl_msg *m)
{
	return m->op == CTL_SNAPSHOT_FIND && !m->fresh && space_find_named(&c->fs->spaces, &m->volume, m->name);
}

static int64_t inbox_wait(struct control *c, int64_t now)
{
	if (!c->discovering && c->discover_due_ns <= now) {
		c->discovering = true;
		ontap_discover(c->o, rediscovered, c);
	}
	int64_t next = now + NS_PER_SEC;
	struct list late, *l, *tmp;
	list_init(&late);
	pthread_mutex_lock(&c->inbox_lock);
	list_for_each(l, tmp, &c->inbox) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		if (!m->deadline_ns) {
			m->deadline_ns = now + c->fs->p.control_timeout_ns;
			m->since_ns = now;
		}
		bool away = c->health.last_fail_ns || now - m->since_ns >= LIST_PATIENCE_NS;
		if (m->deadline_ns <= now || (away && is_bound(c, m))) {
			list_remove(l);
			list_append(&late, l);
		} else {
			next = MIN_OF(next, m->deadline_ns);
		}
	}
	pthread_mutex_unlock(&c->inbox_lock);
	while ((l = list_pop(&late))) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		m->error.err = -ETIMEDOUT;
		snprintf(m->error.text, sizeof(m->error.text), "ONTAP has not answered since this daemon took over");
		ctl_answer(m);
	}
	return next;
}

/* The table of inodes is full and somebody waits: entries of volumes and
 * snapshots are dropped, and with them the kernel gives up what nobody uses in
 * those trees. A process that stands inside loses its getcwd(3) by that, so it
 * is the last resort; from 90 % on, zero timeouts have let most go already. */
#define SWEEP_NS (NS_PER_SEC / 4)

static void sweep_one(uint32_t idx, void *priv)
{
	struct fs *fs = priv;
	const struct space *s = &fs->st.spaces[idx];
	uint64_t parent = space_is_snapshot(s) ? fs_snapdir_nodeid(fs, s->volume_space) : NODE_ROOT_ID;
	notify_entry(&fs->notifier, parent, s->name);
}

/* Returns when to look again, or 0. */
static int64_t sweep(struct control *c, int64_t now)
{
	if (!atomic_load(&c->sweep_now))
		return 0;
	if (now - c->swept_ns < SWEEP_NS)
		return c->swept_ns + SWEEP_NS;
	atomic_store(&c->sweep_now, false);
	c->swept_ns = now;
	log_warn("the table of inodes is full (max_nodes %u): the kernel is asked to forget",
		 c->fs->st.max_nodes);
	space_each(&c->fs->spaces, sweep_one, c->fs);
	return 0;
}

static void *control_main(void *arg)
{
	struct control *c = arg;
	if (!c->undiscovered)
		mirrors_refresh(c);
	while (!atomic_load(&c->stopping)) {
		int64_t now = clock_now_ns(), next = 0, t;
		if (c->undiscovered) {
			next = inbox_wait(c, now);
		} else {
			inbox_run(c);
			now = clock_now_ns();
			next = verbs_expire(c, now);
			t = queued_run(c, now);
			if (t && (!next || t < next))
				next = t;
			t = watches_refresh(c, now);
			if (t && (!next || t < next))
				next = t;
			t = lists_expire(c, now);
			if (t && (!next || t < next))
				next = t;
		}
		t = sweep(c, now);
		if (t && (!next || t < next))
			next = t;
		bool idle = !c->undiscovered && !c->catalog_fetching;
		if (idle && (atomic_exchange(&c->refresh_now, false) || c->catalog_due_ns <= now))
			catalog_fetch(c);
		else if (idle && (!next || c->catalog_due_ns < next))
			next = c->catalog_due_ns;
		if (notifier_flush(&c->fs->notifier))
			next = now + 10 * NS_PER_MS;
		int64_t ms = next ? (next - now + NS_PER_MS - 1) / NS_PER_MS : -1;
		int r = ontap_poll(c->o, (int)MIN_OF(MAX_OF(ms, (int64_t)(next ? 0 : -1)), (int64_t)3600000), -1);
		if (r < 0)
			log_errno(r, "cannot wait for ONTAP");
	}
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct control *control_new(struct fs *fs, struct ontap *o)
{
	struct control *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->fs = fs;
	c->o = o;
	pthread_mutex_init(&c->inbox_lock, NULL);
	pthread_mutex_init(&c->pic_lock, NULL);
	list_init(&c->inbox);
	list_init(&c->watches);
	list_init(&c->verbs);
	list_init(&c->mirrors);
	list_init(&c->queued);
	return c;
}

static void adopt_one(uint32_t idx, void *priv)
{
	struct control *c = priv;
	const struct space *s = &c->fs->st.spaces[idx];
	struct ontap_volume v = {.uuid = s->volume, .online = true, .snapdir_access = true,
				 .create_time = s->btime, .split_percent = -1};
	if (space_is_snapshot(s))
		return;
	v.is_flexclone = !uuid_is_zero(&s->clone_parent);
	v.clone_parent = s->clone_parent;
	strcpy_bounded(v.name, s->name, sizeof(v.name));
	/* It is bound, so where it is mounted matters no more. */
	snprintf(v.junction, sizeof(v.junction), "/%.200s", s->name);
	volumes_add(c, &c->fetched, &v);
}

int control_adopt(struct control *c)
{
	space_each(&c->fs->spaces, adopt_one, c);
	c->catalog = catalog_make(&c->fetched, 0);
	c->undiscovered = true;
	return c->catalog ? 0 : -ENOMEM;
}

struct first {
	struct control *c;
	bool done;
	struct ontap_error err;
};

static void first_fetched(const struct ontap_error *e, void *priv)
{
	struct first *f = priv;
	f->done = true;
	note_health(f->c, e);
	if (e) {
		f->err = *e;
		return;
	}
	f->c->catalog = catalog_make(&f->c->fetched, f->c->catalog_asked_ns);
	f->c->catalog_due_ns = clock_now_ns() + f->c->fs->p.catalog_refresh_ns;
	if (!f->c->catalog)
		f->err.err = -ENOMEM;
}

int control_first_catalog(struct control *c, struct ontap_error *err)
{
	struct first f = {.c = c};
	catalog_ask(c, first_fetched, &f);
	while (!f.done) {
		int r = ontap_poll(c->o, -1, -1);
		if (r < 0)
			return r;
	}
	if (f.err.err)
		*err = f.err;
	return f.err.err;
}

int control_start(struct control *c)
{
	int r = pthread_create(&c->thread, NULL, control_main, c);
	c->started = r == 0;
	return -r;
}

void control_stop(struct control *c)
{
	if (!c->started)
		return;
	atomic_store(&c->stopping, true);
	ontap_wakeup(c->o);
	pthread_join(c->thread, NULL);
	c->started = false;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->watches) {
		struct watch *w = list_entry(l, struct watch, link);
		snaplist_put(w->list);
		free(w);
	}
	/* Nobody took these up any more. */
	while ((l = list_pop(&c->inbox)) || (l = list_pop(&c->queued))) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		m->ev.fn(&m->ev);
	}
	mirrors_free(c);
	catalog_put(c->catalog);
	volumes_drop(&c->fetched);
	free(c);
}

void control_submit(struct control *c, struct ctl_msg *m)
{
	m->ctl = c;
	list_init(&m->link);
	pthread_mutex_lock(&c->inbox_lock);
	list_append(&c->inbox, &m->link);
	pthread_mutex_unlock(&c->inbox_lock);
	ontap_wakeup(c->o);
}

void control_sweep(struct control *c)
{
	if (!atomic_exchange(&c->sweep_now, true))
		ontap_wakeup(c->o);
}

void control_refresh(struct control *c)
{
	atomic_store(&c->refresh_now, true);
	ontap_wakeup(c->o);
}

int64_t control_snapshot_age(const struct control *c)
{
	return c->fs->p.snapshot_refresh_ns;
}
