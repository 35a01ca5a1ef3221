/* The control thread owns the REST client. Two kinds of work: messages from
 * workers, and keeping the picture fresh.
 *
 * A picture is replaced only by one whose question was asked after the last
 * change made here: an answer that was under way while a snapshot was made
 * does not hold it, and must not undo it (`changed_ns`).
 *
 * A verb (create, delete, rename) is one ONTAP job, waited for by any number
 * of messages: the same verb asked again joins it. After verb_wait its waiters
 * are told EINPROGRESS and the job goes on. */
#include "fs/control.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

const char *const ctl_op_names[CTL_NOPS] = {
	"volume.find", "snapshot.list", "snapshot.find",
	"snapshot.create", "snapshot.delete", "snapshot.rename", "snapshot.set",
};

/* A volume whose snapshots someone looks at. */
struct watch {
	struct list link;
	struct uuid volume;
	struct snaplist *list;    /* under pic_lock */
	int64_t used_ns;          /* last time somebody asked; under pic_lock */
	int64_t changed_ns;       /* last change made here */
	bool fetching, background; /* under way; and nobody asked for it */
	int64_t asked_ns;
	struct list waiters;      /* CTL_SNAPSHOT_LIST messages */
	struct control *c;
};

struct verb {
	struct list link;
	struct control *c;
	enum ctl_op op;
	struct uuid volume, snapshot;
	char name[ONTAP_NAME_MAX + 1];
	uint32_t uid;
	struct list waiters;      /* messages */
	int64_t started_ns;
};

struct control {
	struct fs *fs;
	struct ontap *o;
	pthread_t thread;
	bool started;
	_Atomic bool stopping;
	_Atomic bool refresh_now;

	pthread_mutex_t inbox_lock;
	struct list inbox;        /* messages; under inbox_lock */

	pthread_mutex_t pic_lock; /* guards the pointers, never held across a wait */
	struct catalog *catalog;
	struct list watches;      /* grows only; entries by the control thread */
	struct control_health health;

	struct list verbs;        /* changed by the control thread, under pic_lock */
	/* control thread only */
	bool undiscovered, discovering; /* after a takeover, until ONTAP answers */
	int64_t discover_due_ns;
	struct ontap_volume *adopted;
	size_t nadopted;
	int64_t swept_ns;         /* last time the kernel was made to forget */
	bool catalog_fetching;
	int64_t catalog_asked_ns, catalog_due_ns;
	uint32_t background;      /* list calls under way that nobody waits for */
};

/* Background list calls at a time: the filer has other customers. */
#define BACKGROUND_MAX 4u
/* A volume nobody looked at for this long is not asked about any more. */
#define WATCH_IDLE_NS (120 * NS_PER_SEC)
/* People wait for a listing no longer than this when an older one is known. */
#define LIST_PATIENCE_NS NS_PER_SEC

/* ---- the picture ------------------------------------------------------------ */

struct catalog *catalog_get(struct control *c)
{
	pthread_mutex_lock(&c->pic_lock);
	struct catalog *cat = c->catalog;
	if (cat)
		atomic_fetch_add(&cat->refs, 1);
	pthread_mutex_unlock(&c->pic_lock);
	return cat;
}

void catalog_put(struct catalog *cat)
{
	if (cat && atomic_fetch_sub(&cat->refs, 1) == 1)
		free(cat);
}

const struct catalog_volume *catalog_find(const struct catalog *cat, const char *name)
{
	size_t lo = 0, hi = cat->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = strcmp(cat->vol[mid].v.name, name);
		if (d == 0)
			return &cat->vol[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct catalog_volume *catalog_by_uuid(const struct catalog *cat, const struct uuid *u)
{
	for (size_t i = 0; i < cat->n; i++)
		if (uuid_eq(&cat->vol[i].v.uuid, u))
			return &cat->vol[i];
	return NULL;
}

/* Under pic_lock. */
static struct watch *watch_find(struct control *c, const struct uuid *volume)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->watches) {
		struct watch *w = list_entry(l, struct watch, link);
		if (uuid_eq(&w->volume, volume))
			return w;
	}
	return NULL;
}

struct snaplist *snaplist_get(struct control *c, const struct uuid *volume)
{
	pthread_mutex_lock(&c->pic_lock);
	struct watch *w = watch_find(c, volume);
	struct snaplist *l = w ? w->list : NULL;
	if (l)
		atomic_fetch_add(&l->refs, 1);
	if (w)
		w->used_ns = clock_now_ns();
	pthread_mutex_unlock(&c->pic_lock);
	return l;
}

void snaplist_put(struct snaplist *l)
{
	if (l && atomic_fetch_sub(&l->refs, 1) == 1)
		free(l);
}

const struct ontap_snapshot *snaplist_find(const struct snaplist *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->snap[i].name, name) == 0)
			return &l->snap[i];
	return NULL;
}

static bool matches(const char *const *globs, const char *name)
{
	for (; globs && *globs; globs++)
		if (fnmatch(*globs, name, 0) == 0)
			return true;
	return false;
}

/* semantics: which volumes the tree lists, and why it leaves one out */
static const char *hidden_why(const struct fs_params *p, const struct ontap_volume *v)
{
	if (v->is_svm_root)
		return "it is the SVM's root volume";
	if (!v->online)
		return "it is not online";
	if (v->type == ONTAP_LS)
		return "it is a load-sharing mirror";
	if (v->junction[0] == '\0')
		return "it has no junction path; mount it in the SVM's name space";
	if (p->include && *p->include && !matches(p->include, v->name))
		return "no include pattern matches it";
	if (matches(p->exclude, v->name))
		return "an exclude pattern matches it";
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct catalog_volume *)a)->v.name,
		      ((const struct catalog_volume *)b)->v.name);
}

static struct catalog *catalog_make(struct control *c, const struct ontap_volume *v, size_t n,
				    int64_t asked_ns)
{
	struct catalog *cat = calloc(1, sizeof(*cat) + n * sizeof(cat->vol[0]));
	if (!cat)
		return NULL;
	atomic_store(&cat->refs, 1);
	cat->fetched_ns = asked_ns;
	cat->n = n;
	for (size_t i = 0; i < n; i++) {
		cat->vol[i].v = v[i];
		cat->vol[i].hidden_why = hidden_why(&c->fs->p, &v[i]);
	}
	qsort(cat->vol, n, sizeof(cat->vol[0]), by_name);
	return cat;
}

static void catalog_swap(struct control *c, struct catalog *fresh)
{
	pthread_mutex_lock(&c->pic_lock);
	struct catalog *old = c->catalog;
	c->catalog = fresh;
	pthread_mutex_unlock(&c->pic_lock);
	if (old)
		fs_volumes_changed(c->fs, old, fresh);
	catalog_put(old);
}

/* ---- health -------------------------------------------------------------------- */

static void note_health(struct control *c, const struct ontap_error *e)
{
	/* An answer of any kind means that ONTAP is there. */
	bool reached = !e || e->http_status != 0;
	pthread_mutex_lock(&c->pic_lock);
	if (reached) {
		c->health.last_ok_ns = clock_now_ns();
	} else {
		c->health.last_fail_ns = clock_now_ns();
		memcpy(c->health.text, e->text, sizeof(c->health.text));
	}
	c->health.ok = reached;
	pthread_mutex_unlock(&c->pic_lock);
}

void control_health(struct control *c, struct control_health *out)
{
	pthread_mutex_lock(&c->pic_lock);
	*out = c->health;
	pthread_mutex_unlock(&c->pic_lock);
}

/* ---- answering -------------------------------------------------------------------- */

static void answer(struct ctl_msg *m)
{
	ev_post(m->home, &m->ev);
}

static void answer_error(struct ctl_msg *m, const struct ontap_error *e)
{
	m->error = *e;
	/* ONTAP out of reach is one thing to users, however TCP puts it. */
	if (e->http_status == 0 && e->code == 0 &&
	    (e->err == -ECONNREFUSED || e->err == -EHOSTUNREACH || e->err == -ENETUNREACH ||
	     e->err == -ECONNRESET || e->err == -EPIPE))
		m->error.err = -ETIMEDOUT;
	answer(m);
}

/* ---- volumes ------------------------------------------------------------------------ */

static void catalog_fetched(const struct ontap_volume *v, size_t n, const struct ontap_error *e,
			    void *priv)
{
	struct control *c = priv;
	c->catalog_fetching = false;
	c->catalog_due_ns = clock_now_ns() + c->fs->p.catalog_refresh_ns;
	note_health(c, e);
	if (e) {
		log_warn("cannot refresh the list of volumes: %s", e->text);
		return;
	}
	struct catalog *cat = catalog_make(c, v, n, c->catalog_asked_ns);
	if (cat)
		catalog_swap(c, cat);
}

static void catalog_fetch(struct control *c)
{
	c->catalog_fetching = true;
	c->catalog_asked_ns = clock_now_ns();
	ontap_volume_list(c->o, catalog_fetched, c);
}

/* A name that the catalog did not know: one targeted question. */
static void volume_found(const struct ontap_volume *v, size_t n, const struct ontap_error *e,
			 void *priv)
{
	struct ctl_msg *m = priv;
	struct control *c = m->ctl;
	note_health(c, e);
	if (e) {
		answer_error(m, e);
		return;
	}
	m->found = n == 1;
	if (n == 1) {
		struct catalog *old = catalog_get(c);
		struct ontap_volume *all = malloc((old->n + 1) * sizeof(*all));
		struct catalog *cat = NULL;
		if (all) {
			size_t k = 0;
			for (size_t i = 0; i < old->n; i++)
				if (!uuid_eq(&old->vol[i].v.uuid, &v->uuid) &&
				    strcmp(old->vol[i].v.name, v->name) != 0)
					all[k++] = old->vol[i].v;
			all[k++] = *v;
			cat = catalog_make(c, all, k, old->fetched_ns);
			free(all);
		}
		catalog_put(old);
		if (cat)
			catalog_swap(c, cat);
	}
	answer(m);
}

/* ---- snapshots ------------------------------------------------------------------------ */

static struct watch *watch_get(struct control *c, const struct uuid *volume)
{
	pthread_mutex_lock(&c->pic_lock);
	struct watch *w = watch_find(c, volume);
	if (!w && (w = calloc(1, sizeof(*w)))) {
		w->volume = *volume;
		w->c = c;
		list_init(&w->waiters);
		list_append(&c->watches, &w->link);
	}
	if (w)
		w->used_ns = clock_now_ns();
	pthread_mutex_unlock(&c->pic_lock);
	return w;
}

static void list_swap(struct control *c, struct watch *w, struct snaplist *fresh)
{
	pthread_mutex_lock(&c->pic_lock);
	struct snaplist *old = w->list;
	w->list = fresh;
	pthread_mutex_unlock(&c->pic_lock);
	snaplist_put(old);
}

static struct snaplist *list_ref(struct snaplist *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

static void list_fetch(struct control *c, struct watch *w);

static void list_fetched(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e,
			 void *priv)
{
	struct watch *w = priv;
	struct control *c = w->c;
	w->fetching = false;
	if (w->background)
		c->background--;
	w->background = false;
	note_health(c, e);
	struct snaplist *fresh = NULL;
	if (!e && w->asked_ns < w->changed_ns) {
		/* Asked before a change of ours was done: ask again. */
		list_fetch(c, w);
		return;
	}
	if (!e && (fresh = calloc(1, sizeof(*fresh) + n * sizeof(*s)))) {
		atomic_store(&fresh->refs, 1);
		fresh->volume = w->volume;
		fresh->fetched_ns = w->asked_ns;
		fresh->n = n;
		memcpy(fresh->snap, s, n * sizeof(*s));
		list_swap(c, w, fresh);
		fs_snapshots_changed(c->fs, fresh);
	}
	struct list *l;
	while ((l = list_pop(&w->waiters))) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		if (fresh) {
			m->list = list_ref(fresh);
			answer(m);
		} else if (w->list) {
			/* REST is away: what was known is better than nothing. */
			m->list = list_ref(w->list);
			answer(m);
		} else if (e) {
			answer_error(m, e);
		} else {
			m->error.err = -ENOMEM;
			answer(m);
		}
	}
}

static void list_fetch(struct control *c, struct watch *w)
{
	w->fetching = true;
	w->asked_ns = clock_now_ns();
	ontap_snapshot_list(c->o, &w->volume, list_fetched, w);
}

static void snapshot_list(struct control *c, struct ctl_msg *m)
{
	struct watch *w = watch_get(c, &m->volume);
	if (!w) {
		m->error.err = -ENOMEM;
		answer(m);
		return;
	}
	if (w->list && !m->fresh && w->list->fetched_ns > w->changed_ns &&
	    clock_now_ns() - w->list->fetched_ns < c->fs->p.snapshot_refresh_ns) {
		m->list = list_ref(w->list);
		answer(m);
		return;
	}
	m->deadline_ns = w->list && !m->fresh ? clock_now_ns() + LIST_PATIENCE_NS : 0;
	list_append(&w->waiters, &m->link);
	if (!w->fetching)
		list_fetch(c, w);
}

static void snapshot_found(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e,
			   void *priv)
{
	struct ctl_msg *m = priv;
	note_health(m->ctl, e);
	if (e) {
		answer_error(m, e);
		return;
	}
	m->found = n == 1;
	if (n == 1)
		m->snap = s[0];
	answer(m);
}

static void snapshot_find(struct control *c, struct ctl_msg *m)
{
	struct watch *w = watch_get(c, &m->volume);
	/* While ONTAP is out of reach, what was known goes on. */
	if (w && w->list && !m->fresh && w->list->fetched_ns > w->changed_ns &&
	    (!c->health.ok || clock_now_ns() - w->list->fetched_ns < c->fs->p.snapshot_refresh_ns)) {
		const struct ontap_snapshot *s = snaplist_find(w->list, m->name);
		if (s) {
			m->snap = *s;
			m->found = true;
			answer(m);
			return;
		}
	}
	/* A name that is not known, or not known well: only ONTAP can say no. */
	ontap_snapshot_find(c->o, &m->volume, m->name, snapshot_found, m);
}

struct verify {
	struct control *c;
	struct uuid volume, snapshot;
};

static void verified(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e, void *priv)
{
	struct verify *v = priv;
	(void)s;
	note_health(v->c, e);
	if (n == 0 && (!e || e->err == -ENOENT))
		fs_snapshot_gone(v->c->fs, &v->volume, &v->snapshot);
	free(v);
}

void control_verify_gone(struct control *c, const struct uuid *volume, const struct uuid *snapshot)
{
	struct verify *v = calloc(1, sizeof(*v));
	if (!v)
		return; /* the next list brings it up again */
	*v = (struct verify){.c = c, .volume = *volume, .snapshot = *snapshot};
	ontap_snapshot_get(c->o, volume, snapshot, verified, v);
}

/* ---- verbs ------------------------------------------------------------------------------ */

static void verb_done(struct verb *v, const struct ontap_snapshot *s, const struct ontap_error *e)
{
	struct control *c = v->c;
	note_health(c, e);
	struct watch *w = watch_get(c, &v->volume);
	if (w)
		w->changed_ns = clock_now_ns();
	stats_add(&c->fs->stats.verbs[v->op], 1);
	if (e) {
		stats_add(&c->fs->stats.verb_errors[v->op], 1);
		log_warn("%s \"%s\" failed uid=%u: %s", ctl_op_names[v->op], v->name, v->uid, e->text);
	}
	pthread_mutex_lock(&c->pic_lock);
	list_remove(&v->link);
	pthread_mutex_unlock(&c->pic_lock);
	struct list *l;
	while ((l = list_pop(&v->waiters))) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		if (e) {
			answer_error(m, e);
			continue;
		}
		if (s)
			m->snap = *s;
		m->found = s != NULL;
		answer(m);
	}
	free(v);
}

static void verb_created(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e,
			 void *priv)
{
	verb_done(priv, n == 1 ? s : NULL, e);
}

static void verb_finished(const struct ontap_error *e, void *priv)
{
	verb_done(priv, NULL, e);
}

static void verb_start(struct control *c, struct ctl_msg *m)
{
	struct list *l, *tmp;
	m->deadline_ns = clock_now_ns() + c->fs->p.verb_wait_ns;
	list_for_each(l, tmp, &c->verbs) {
		struct verb *v = list_entry(l, struct verb, link);
		/* The value of a SET may differ: those never join. */
		if (v->op == m->op && v->op != CTL_SNAPSHOT_SET && v->uid == m->uid &&
		    uuid_eq(&v->volume, &m->volume) && uuid_eq(&v->snapshot, &m->snapshot) &&
		    strcmp(v->name, m->name) == 0) {
			list_append(&v->waiters, &m->link);
			return;
		}
	}
	struct verb *v = calloc(1, sizeof(*v));
	if (!v) {
		m->error.err = -ENOMEM;
		answer(m);
		return;
	}
	v->c = c;
	v->op = m->op;
	v->uid = m->uid;
	v->volume = m->volume;
	v->snapshot = m->snapshot;
	memcpy(v->name, m->name, sizeof(v->name));
	list_init(&v->waiters);
	list_append(&v->waiters, &m->link);
	v->started_ns = clock_now_ns();
	pthread_mutex_lock(&c->pic_lock);
	list_append(&c->verbs, &v->link);
	pthread_mutex_unlock(&c->pic_lock);
	char request[UUID_TEXT_LEN + 1];
	uuid_format(&m->request, request);
	if (m->op == CTL_SNAPSHOT_CREATE)
		ontap_snapshot_create(c->o, &m->volume, m->name, m->comment, request, verb_created, v);
	else if (m->op == CTL_SNAPSHOT_DELETE)
		ontap_snapshot_delete(c->o, &m->volume, &m->snapshot, verb_finished, v);
	else if (m->op == CTL_SNAPSHOT_SET)
		ontap_snapshot_set(c->o, &m->volume, &m->snapshot, m->name, m->comment, verb_finished, v);
	else
		ontap_snapshot_rename(c->o, &m->volume, &m->snapshot, m->name, verb_finished, v);
}

void control_jobs(struct control *c, struct buf *b)
{
	char u[UUID_TEXT_LEN + 1];
	struct list *l, *tmp;
	pthread_mutex_lock(&c->pic_lock);
	list_for_each(l, tmp, &c->verbs) {
		const struct verb *v = list_entry(l, struct verb, link);
		buf_printf(b, "%.1f s  %s  %s  volume %s  uid %u\n",
			   (double)(clock_now_ns() - v->started_ns) / 1e9, ctl_op_names[v->op], v->name,
			   uuid_format(&v->volume, u), v->uid);
	}
	pthread_mutex_unlock(&c->pic_lock);
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
			if (m->deadline_ns <= now) {
				list_remove(&m->link);
				m->error.err = -EINPROGRESS;
				snprintf(m->error.text, sizeof(m->error.text),
					 "ONTAP is still at work on %s \"%s\": it goes on, ask again to wait for it",
					 ctl_op_names[v->op], v->name);
				answer(m);
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
		ontap_volume_find(c->o, m->name, volume_found, m);
		break;
	case CTL_SNAPSHOT_LIST:
		snapshot_list(c, m);
		break;
	case CTL_SNAPSHOT_FIND:
		snapshot_find(c, m);
		break;
	case CTL_SNAPSHOT_CREATE:
	case CTL_SNAPSHOT_DELETE:
	case CTL_SNAPSHOT_RENAME:
	case CTL_SNAPSHOT_SET:
		verb_start(c, m);
		break;
	case CTL_NOPS:
		break;
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

/* Asks about watched volumes whose list is old; returns the next due time, or 0. */
static int64_t watches_refresh(struct control *c, int64_t now)
{
	int64_t next = 0;
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->watches) {
		struct watch *w = list_entry(l, struct watch, link);
		if (w->fetching || (now - w->used_ns > WATCH_IDLE_NS && !fs_has_snapshots(c->fs, &w->volume)))
			continue;
		/* After a failure the age counts from when we asked last. */
		int64_t due = w->asked_ns + c->fs->p.snapshot_refresh_ns;
		if (due <= now && c->background < BACKGROUND_MAX) {
			c->background++;
			w->background = true;
			list_fetch(c, w);
		} else if (!next || due < next) {
			next = due;
		}
	}
	return next;
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

static int64_t inbox_wait(struct control *c, int64_t now)
{
	if (!c->discovering && c->discover_due_ns <= now) {
		c->discovering = true;
		ontap_discover(c->o, rediscovered, c);
	}
	struct list late, *l, *tmp;
	list_init(&late);
	pthread_mutex_lock(&c->inbox_lock);
	list_for_each(l, tmp, &c->inbox) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		if (!m->deadline_ns)
			m->deadline_ns = now + c->fs->p.control_timeout_ns;
		if (m->deadline_ns <= now) {
			list_remove(l);
			list_append(&late, l);
		}
	}
	pthread_mutex_unlock(&c->inbox_lock);
	while ((l = list_pop(&late))) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		m->error.err = -ETIMEDOUT;
		snprintf(m->error.text, sizeof(m->error.text), "ONTAP has not answered since this daemon took over");
		answer(m);
	}
	return now + NS_PER_SEC;
}

/* 90 % of the inodes are taken: entries of volumes and snapshots are dropped,
 * and with them the kernel gives up whole trees that nobody uses. */
#define SWEEP_NS (5 * NS_PER_SEC)

static void sweep_one(uint32_t idx, void *priv)
{
	struct fs *fs = priv;
	const struct space *s = &fs->st.spaces[idx];
	uint64_t parent = space_is_snapshot(s) ? fs_snapdir_nodeid(fs, s->volume_space) : NODE_ROOT_ID;
	notify_entry(&fs->notifier, parent, s->name);
}

static void sweep(struct control *c, int64_t now)
{
	if (!nodes_scarce(&c->fs->nodes) || now - c->swept_ns < SWEEP_NS)
		return;
	c->swept_ns = now;
	log_warn("the table of inodes is over 90 %% full (max_nodes %u): the kernel is asked to forget",
		 c->fs->st.max_nodes);
	space_each(&c->fs->spaces, sweep_one, c->fs);
}

static int64_t lists_expire(struct control *c, int64_t now)
{
	int64_t next = 0;
	struct list *l, *tmp, *k, *ktmp;
	list_for_each(l, tmp, &c->watches) {
		struct watch *w = list_entry(l, struct watch, link);
		list_for_each(k, ktmp, &w->waiters) {
			struct ctl_msg *m = list_entry(k, struct ctl_msg, link);
			if (!w->list || !m->deadline_ns)
				continue;
			if (m->deadline_ns <= now) {
				list_remove(&m->link);
				m->list = list_ref(w->list);
				answer(m);
			} else if (!next || m->deadline_ns < next) {
				next = m->deadline_ns;
			}
		}
	}
	return next;
}

static void *control_main(void *arg)
{
	struct control *c = arg;
	while (!atomic_load(&c->stopping)) {
		int64_t now = clock_now_ns(), next = 0, t;
		if (c->undiscovered) {
			next = inbox_wait(c, now);
		} else {
			inbox_run(c);
			now = clock_now_ns();
			next = verbs_expire(c, now);
			t = watches_refresh(c, now);
			if (t && (!next || t < next))
				next = t;
			t = lists_expire(c, now);
			if (t && (!next || t < next))
				next = t;
		}
		sweep(c, now);
		if (!c->undiscovered && !c->catalog_fetching && (atomic_exchange(&c->refresh_now, false) || c->catalog_due_ns <= now))
			catalog_fetch(c);
		if (!c->undiscovered && !c->catalog_fetching && (!next || c->catalog_due_ns < next))
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
	return c;
}

static void adopt_one(uint32_t idx, void *priv)
{
	struct control *c = priv;
	const struct space *s = &c->fs->st.spaces[idx];
	struct ontap_volume *v = &c->adopted[c->nadopted];
	if (space_is_snapshot(s))
		return;
	*v = (struct ontap_volume){.uuid = s->volume, .online = true, .snapdir_access = true,
				   .create_time = s->btime, .split_percent = -1};
	strcpy_bounded(v->name, s->name, sizeof(v->name));
	/* It is bound, so where it is mounted matters no more. */
	snprintf(v->junction, sizeof(v->junction), "/%.200s", s->name);
	c->nadopted++;
}

int control_adopt(struct control *c)
{
	c->adopted = calloc(atomic_load(c->fs->st.spaces_used) + 1, sizeof(*c->adopted));
	if (!c->adopted)
		return -ENOMEM;
	space_each(&c->fs->spaces, adopt_one, c);
	c->catalog = catalog_make(c, c->adopted, c->nadopted, 0);
	free(steal_ptr(c->adopted));
	c->undiscovered = true;
	return c->catalog ? 0 : -ENOMEM;
}

struct first {
	struct control *c;
	bool done;
	struct ontap_error err;
};

static void first_fetched(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	struct first *f = priv;
	f->done = true;
	note_health(f->c, e);
	if (e) {
		f->err = *e;
		return;
	}
	f->c->catalog = catalog_make(f->c, v, n, f->c->catalog_asked_ns);
	f->c->catalog_due_ns = clock_now_ns() + f->c->fs->p.catalog_refresh_ns;
	if (!f->c->catalog)
		f->err.err = -ENOMEM;
}

int control_first_catalog(struct control *c, struct ontap_error *err)
{
	struct first f = {.c = c};
	c->catalog_asked_ns = clock_now_ns();
	ontap_volume_list(c->o, first_fetched, &f);
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
	catalog_put(c->catalog);
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

void control_refresh(struct control *c)
{
	atomic_store(&c->refresh_now, true);
	ontap_wakeup(c->o);
}

int64_t control_snapshot_age(const struct control *c)
{
	return c->fs->p.snapshot_refresh_ns;
}
