/* The picture of the filer: the catalog of volumes and the lists of snapshots,
 * immutable versions behind one lock that is never held across a wait.
 *
 * A picture is replaced only by one whose question was asked after the last
 * change made here: an answer that was under way while a snapshot was made
 * does not hold it, and must not undo it (`changed_ns`). */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/log.h"
#include "fs/control_i.h"

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

static void volume_put(struct catalog_volume *v)
{
	if (atomic_fetch_sub(&v->refs, 1) == 1)
		free(v);
}

void catalog_put(struct catalog *cat)
{
	if (!cat || atomic_fetch_sub(&cat->refs, 1) != 1)
		return;
	for (size_t i = 0; i < cat->n; i++)
		volume_put(cat->vol[i]);
	free(cat);
}

const struct catalog_volume *catalog_find(const struct catalog *cat, const char *name)
{
	size_t lo = 0, hi = cat->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = strcmp(cat->vol[mid]->v.name, name);
		if (d == 0)
			return cat->vol[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct catalog_volume *catalog_by_uuid(const struct catalog *cat, const struct uuid *u)
{
	size_t lo = 0, hi = cat->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = memcmp(cat->by_uuid[mid]->v.uuid.b, u->b, sizeof(u->b));
		if (d == 0)
			return cat->by_uuid[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
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

const char *catalog_name_hidden(const struct fs_params *p, const char *name)
{
	if (p->include && *p->include && !matches(p->include, name))
		return "no include pattern matches it";
	return matches(p->exclude, name) ? "an exclude pattern matches it" : NULL;
}

/* semantics: which volumes the tree lists, and why it leaves one out */
static const char *hidden_why(const struct fs_params *p, const struct volume_facts *v)
{
	if (v->is_svm_root)
		return "it is the SVM's root volume";
	if (!v->online)
		return "it is not online";
	if (v->type == ONTAP_LS)
		return "it is a load-sharing mirror";
	if (v->junction[0] == '\0')
		return "it has no junction path; mount it in the SVM's name space";
	return catalog_name_hidden(p, v->name);
}

const char *fs_hidden_why(const struct fs_params *p, const struct ontap_volume *v)
{
	const struct volume_facts facts = volume_view(v);
	return hidden_why(p, &facts);
}

struct volume_facts volume_view(const struct ontap_volume *v)
{
	return (struct volume_facts){
		.uuid = v->uuid, .name = v->name, .junction = v->junction, .comment = v->comment,
		.export_policy = v->export_policy, .style = v->style, .type = v->type, .online = v->online,
		.is_svm_root = v->is_svm_root, .is_flexcache = v->is_flexcache,
		.snapdir_access = v->snapdir_access, .is_flexclone = v->is_flexclone, .size = v->size,
		.used = v->used, .afs_total = v->afs_total, .create_time = v->create_time,
		.snapshot_count = v->snapshot_count, .clone_parent = v->clone_parent,
		.clone_snapshot = v->clone_snapshot, .clone_parent_name = v->clone_parent_name,
		.clone_snapshot_name = v->clone_snapshot_name, .split_percent = v->split_percent,
	};
}

void volume_unpack(const struct volume_facts *v, struct ontap_volume *out)
{
	*out = (struct ontap_volume){
		.uuid = v->uuid, .style = v->style, .type = v->type, .online = v->online,
		.is_svm_root = v->is_svm_root, .is_flexcache = v->is_flexcache,
		.snapdir_access = v->snapdir_access, .is_flexclone = v->is_flexclone, .size = v->size,
		.used = v->used, .afs_total = v->afs_total, .create_time = v->create_time,
		.snapshot_count = v->snapshot_count, .clone_parent = v->clone_parent,
		.clone_snapshot = v->clone_snapshot, .split_percent = v->split_percent,
	};
	strcpy_bounded(out->name, v->name, sizeof(out->name));
	strcpy_bounded(out->junction, v->junction, sizeof(out->junction));
	strcpy_bounded(out->comment, v->comment, sizeof(out->comment));
	strcpy_bounded(out->export_policy, v->export_policy, sizeof(out->export_policy));
	strcpy_bounded(out->clone_parent_name, v->clone_parent_name, sizeof(out->clone_parent_name));
	strcpy_bounded(out->clone_snapshot_name, v->clone_snapshot_name, sizeof(out->clone_snapshot_name));
}

/* The texts of a volume, to copy or compare them all. */
#define VOLUME_TEXTS 6
static const char **volume_text(struct volume_facts *v, size_t i)
{
	const char **all[VOLUME_TEXTS] = {&v->name, &v->junction, &v->comment, &v->export_policy,
					  &v->clone_parent_name, &v->clone_snapshot_name};
	return all[i];
}

/* But for how full it is. */
static bool same_shape(const struct volume_facts *a, const struct volume_facts *b)
{
	struct volume_facts x = *a, y = *b;
	for (size_t i = 0; i < VOLUME_TEXTS; i++)
		if (strcmp(*volume_text(&x, i), *volume_text(&y, i)) != 0)
			return false;
	return uuid_eq(&x.uuid, &y.uuid) && x.style == y.style && x.type == y.type && x.online == y.online &&
	       x.is_svm_root == y.is_svm_root && x.is_flexcache == y.is_flexcache &&
	       x.snapdir_access == y.snapdir_access && x.is_flexclone == y.is_flexclone &&
	       x.create_time == y.create_time && uuid_eq(&x.clone_parent, &y.clone_parent) &&
	       uuid_eq(&x.clone_snapshot, &y.clone_snapshot) && x.split_percent == y.split_percent;
}

static bool same_volume(const struct volume_facts *a, const struct volume_facts *b)
{
	return same_shape(a, b) && a->size == b->size && a->used == b->used && a->afs_total == b->afs_total &&
	       a->snapshot_count == b->snapshot_count;
}

static struct catalog_volume *volume_pack(const struct fs_params *p, const struct volume_facts *v)
{
	struct volume_facts packed = *v;
	size_t len = 0;
	for (size_t i = 0; i < VOLUME_TEXTS; i++)
		len += strlen(*volume_text(&packed, i)) + 1;
	struct catalog_volume *cv = malloc(sizeof(*cv) + len);
	if (!cv)
		return NULL;
	char *at = cv->text;
	for (size_t i = 0; i < VOLUME_TEXTS; i++) {
		const char **text = volume_text(&packed, i);
		len = strlen(*text) + 1;
		memcpy(at, *text, len);
		*text = at;
		at += len;
	}
	cv->v = packed;
	atomic_init(&cv->refs, 1);
	cv->hidden_why = hidden_why(p, &cv->v);
	return cv;
}

#define VOLUMES_MAX 100000u

/* Takes the reference; NULL: there was no memory for it. */
static void volumes_take(struct volumes *set, struct catalog_volume *cv)
{
	if (cv && set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 64;
		struct catalog_volume **p = set->n < VOLUMES_MAX ? realloc(set->v, cap * sizeof(set->v[0])) : NULL;
		if (p) {
			set->v = p;
			set->cap = cap;
		}
	}
	if (cv && set->n < set->cap) {
		set->v[set->n++] = cv;
		return;
	}
	if (cv)
		volume_put(cv);
	set->failed = true;
}

static struct catalog_volume *volume_ref(const struct catalog_volume *v)
{
	struct catalog_volume *shared = (struct catalog_volume *)(uintptr_t)v;
	atomic_fetch_add(&shared->refs, 1);
	return shared;
}

void volumes_add(struct control *c, struct volumes *set, const struct ontap_volume *v)
{
	struct volume_facts facts = volume_view(v);
	/* Read by the only thread that replaces it. */
	const struct catalog_volume *was = c->catalog ? catalog_by_uuid(c->catalog, &v->uuid) : NULL;
	volumes_take(set, was && same_volume(&was->v, &facts) ? volume_ref(was) : volume_pack(&c->fs->p, &facts));
}

void volumes_drop(struct volumes *set)
{
	for (size_t i = 0; i < set->n; i++)
		volume_put(set->v[i]);
	free(set->v);
	*set = (struct volumes){0};
}

static int by_name(const void *a, const void *b)
{
	const struct catalog_volume *const *x = a, *const *y = b;
	return strcmp((*x)->v.name, (*y)->v.name);
}

static int by_uuid(const void *a, const void *b)
{
	const struct catalog_volume *const *x = a, *const *y = b;
	return memcmp((*x)->v.uuid.b, (*y)->v.uuid.b, sizeof((*x)->v.uuid.b));
}

struct catalog *catalog_make(struct volumes *set, int64_t asked_ns)
{
	size_t n = set->n, bytes = n * sizeof(set->v[0]);
	struct catalog *cat = set->failed ? NULL : calloc(1, sizeof(*cat) + 2 * bytes);
	if (!cat) {
		volumes_drop(set);
		return NULL;
	}
	atomic_init(&cat->refs, 1);
	cat->fetched_ns = asked_ns;
	cat->n = n;
	cat->by_uuid = cat->vol + n;
	if (n) {
		qsort(set->v, n, sizeof(set->v[0]), by_name);
		memcpy(cat->vol, set->v, bytes);
		qsort(set->v, n, sizeof(set->v[0]), by_uuid);
		memcpy(cat->by_uuid, set->v, bytes);
	}
	free(set->v); /* their references are the catalog's now */
	*set = (struct volumes){0};
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

void note_health(struct control *c, const struct ontap_error *e)
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

void ctl_answer(struct ctl_msg *m)
{
	ev_post(m->home, &m->ev);
}

void ctl_answer_error(struct ctl_msg *m, const struct ontap_error *e)
{
	m->error = *e;
	/* ONTAP out of reach is one thing to users, however TCP puts it. */
	if (e->http_status == 0 && e->code == 0 &&
	    (e->err == -ECONNREFUSED || e->err == -EHOSTUNREACH || e->err == -ENETUNREACH ||
	     e->err == -ECONNRESET || e->err == -EPIPE))
		m->error.err = -ETIMEDOUT;
	ctl_answer(m);
}

/* ---- volumes ------------------------------------------------------------------------ */

static void catalog_record(const struct ontap_volume *v, void *priv)
{
	struct control *c = priv;
	volumes_add(c, &c->fetched, v);
}

static void tell_changes(const struct catalog *old, const struct catalog *fresh)
{
	for (size_t i = 0; old && i < old->n; i++) {
		const struct catalog_volume *was = old->vol[i], *now = catalog_by_uuid(fresh, &was->v.uuid);
		if (now == was)
			continue;
		if (!now)
			log_info("volume %s is no longer there", was->v.name);
		else if (now->hidden_why && !was->hidden_why)
			log_warn("volume %s leaves the tree: %s", now->v.name, now->hidden_why);
		else if (!now->hidden_why && was->hidden_why)
			log_info("volume %s is in the tree again", now->v.name);
		else if (*was->v.junction && strcmp(was->v.junction, now->v.junction) != 0)
			log_info("volume %s is mounted at %s in the SVM now, no longer at %s", now->v.name,
				 now->v.junction, was->v.junction);
	}
}

static void catalog_fetched(const struct ontap_error *e, void *priv)
{
	struct control *c = priv;
	c->catalog_fetching = false;
	c->catalog_due_ns = clock_now_ns() + c->fs->p.catalog_refresh_ns;
	note_health(c, e);
	if (e) {
		volumes_drop(&c->fetched);
		log_warn("cannot refresh the list of volumes: %s", e->text);
		return;
	}
	if (c->catalog_asked_ns < c->catalog_changed_ns) { /* asked before a change of ours */
		volumes_drop(&c->fetched);
		c->catalog_due_ns = clock_now_ns() + OVERTAKEN_GAP_NS;
		return;
	}
	for (size_t i = 0; i < c->fetched.n; i++)
		if (c->fetched.v[i]->v.split_percent >= 0) /* when it ends, the clone moves to the root */
			c->catalog_due_ns = MIN_OF(c->catalog_due_ns, clock_now_ns() + SPLIT_LOOK_NS);
	struct catalog *cat = catalog_make(&c->fetched, c->catalog_asked_ns);
	if (cat) {
		tell_changes(c->catalog, cat);
		catalog_swap(c, cat);
		mirrors_refresh(c);
	} else {
		log_warn("cannot refresh the list of volumes: out of memory, or more than %u of them", VOLUMES_MAX);
	}
}

void catalog_ask(struct control *c, ontap_done_fn done, void *priv)
{
	volumes_drop(&c->fetched);
	c->catalog_asked_ns = clock_now_ns();
	ontap_volume_scan(c->o, catalog_record, c, done, priv);
}

void catalog_fetch(struct control *c)
{
	c->catalog_fetching = true;
	catalog_ask(c, catalog_fetched, c);
}

/* A new version without the volume `u`, and with v if there is one. */
static void catalog_edit(struct control *c, const struct uuid *u, const struct ontap_volume *v)
{
	struct catalog *old = c->catalog;
	struct volumes all = {0};
	for (size_t i = 0; i < old->n; i++)
		if (!uuid_eq(&old->vol[i]->v.uuid, u) && (!v || strcmp(old->vol[i]->v.name, v->name) != 0))
			volumes_take(&all, volume_ref(old->vol[i]));
	if (v)
		volumes_add(c, &all, v);
	struct catalog *cat = catalog_make(&all, old->fetched_ns);
	c->catalog_changed_ns = clock_now_ns();
	if (cat)
		catalog_swap(c, cat);
}

void catalog_add(struct control *c, const struct ontap_volume *v)
{
	catalog_edit(c, &v->uuid, v);
}

void catalog_remove(struct control *c, const struct uuid *u)
{
	catalog_edit(c, u, NULL);
}

/* A name that the catalog did not know: one targeted question. */
static void volume_found(const struct ontap_volume *v, size_t n, const struct ontap_error *e,
			 void *priv)
{
	struct ctl_msg *m = priv;
	struct control *c = m->ctl;
	note_health(c, e);
	if (e) {
		ctl_answer_error(m, e);
		return;
	}
	m->found = n == 1;
	if (n == 1) {
		const struct volume_facts facts = volume_view(v);
		const struct catalog_volume *was = catalog_by_uuid(c->catalog, &v->uuid);
		m->vol = *v;
		/* Only news: each version makes answers old that are under way. */
		if (!was || !same_shape(&was->v, &facts))
			catalog_add(c, v);
	}
	ctl_answer(m);
}

void volume_find(struct control *c, struct ctl_msg *m)
{
	ontap_volume_find(c->o, m->name, volume_found, m);
}

/* ---- snapshots ------------------------------------------------------------------------ */

static void watch_forget(struct control *c, struct watch *w)
{
	pthread_mutex_lock(&c->pic_lock);
	list_remove(&w->link);
	pthread_mutex_unlock(&c->pic_lock);
	c->nwatches--;
	c->listed -= w->list ? w->list->n : 0;
	snaplist_put(w->list);
	free(w);
}

/* Makes room by the list that was not looked at for longest; never `but`, nor one
 * that is being fetched or has snapshots in use. */
static void watches_bound(struct control *c, const struct watch *but)
{
	while (c->nwatches > WATCHES_MAX || c->listed > LISTED_MAX) {
		struct watch *oldest = NULL;
		struct list *l, *tmp;
		list_for_each(l, tmp, &c->watches) {
			struct watch *w = list_entry(l, struct watch, link);
			if (w != but && !w->fetching && (!oldest || w->used_ns < oldest->used_ns) &&
			    !fs_has_snapshots(c->fs, &w->volume))
				oldest = w;
		}
		if (!oldest)
			return;
		watch_forget(c, oldest);
	}
}

struct watch *watch_get(struct control *c, const struct uuid *volume)
{
	pthread_mutex_lock(&c->pic_lock);
	struct watch *w = watch_find(c, volume);
	bool made = !w;
	if (made && (w = calloc(1, sizeof(*w)))) {
		w->volume = *volume;
		w->c = c;
		list_init(&w->waiters);
		list_append(&c->watches, &w->link);
		c->nwatches++;
	}
	if (w)
		w->used_ns = clock_now_ns();
	pthread_mutex_unlock(&c->pic_lock);
	c->watches_look_ns = 0;
	if (made && w)
		watches_bound(c, w);
	return w;
}

static bool same_snapshots(const struct snaplist *a, const struct snaplist *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++)
		same = uuid_eq(&a->snap[i].uuid, &b->snap[i].uuid) && strcmp(a->snap[i].name, b->snap[i].name) == 0;
	return same;
}

static void list_swap(struct control *c, struct watch *w, struct snaplist *fresh)
{
	pthread_mutex_lock(&c->pic_lock);
	struct snaplist *old = w->list;
	w->list = fresh;
	/* What went or got another name left no time behind. */
	if (old && old->n >= fresh->n && !same_snapshots(old, fresh))
		w->newest_s = clock_wall_ns() / NS_PER_SEC;
	pthread_mutex_unlock(&c->pic_lock);
	c->listed += fresh->n;
	c->listed -= old ? old->n : 0;
	snaplist_put(old);
	watches_bound(c, w);
}

/* The time of the newest change of the directory, as far as it is known here. */
int64_t snaplist_changed(struct control *c, const struct uuid *volume)
{
	pthread_mutex_lock(&c->pic_lock);
	struct watch *w = watch_find(c, volume);
	if (w)
		w->used_ns = clock_now_ns();
	int64_t t = w ? w->newest_s : 0;
	for (size_t i = 0; w && w->list && i < w->list->n; i++)
		t = MAX_OF(t, w->list->snap[i].create_time);
	pthread_mutex_unlock(&c->pic_lock);
	return t;
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
	c->watches_look_ns = 0;
	note_health(c, e);
	/* A verb ended meanwhile: not the picture, but right for those who asked before. */
	bool overtaken = !e && w->asked_ns < w->changed_ns;
	struct snaplist *fresh = NULL;
	if (!e && (fresh = calloc(1, sizeof(*fresh) + n * sizeof(*s)))) {
		atomic_store(&fresh->refs, 1);
		fresh->volume = w->volume;
		fresh->fetched_ns = w->asked_ns;
		fresh->n = n;
		if (n) /* else s may be NULL */
			memcpy(fresh->snap, s, n * sizeof(*s));
	}
	if (fresh && !overtaken) {
		list_swap(c, w, list_ref(fresh));
		fs_snapshots_changed(c->fs, fresh);
	}
	struct list *l, *tmp;
	list_for_each(l, tmp, &w->waiters) {
		struct ctl_msg *m = list_entry(l, struct ctl_msg, link);
		if (!e && m->since_ns > w->asked_ns && (overtaken || m->fresh))
			continue; /* answered by the next one */
		list_remove(l);
		if (fresh) {
			m->list = list_ref(fresh);
			ctl_answer(m);
		} else if (w->list && !m->fresh) {
			/* REST is away: what was known is better than nothing. */
			m->list = list_ref(w->list);
			ctl_answer(m);
		} else if (e) {
			ctl_answer_error(m, e);
		} else {
			m->error.err = -ENOMEM;
			ctl_answer(m);
		}
	}
	snaplist_put(fresh);
	if (!list_empty(&w->waiters))
		list_fetch(c, w);
	else if (overtaken)
		w->due_ns = MIN_OF(w->due_ns, clock_now_ns() + OVERTAKEN_GAP_NS);
}

static void list_fetch(struct control *c, struct watch *w)
{
	w->fetching = true;
	w->asked_ns = clock_now_ns();
	w->due_ns = w->asked_ns + c->fs->p.snapshot_refresh_ns;
	ontap_snapshot_list(c->o, &w->volume, list_fetched, w);
}

void list_edit(struct control *c, struct watch *w, const struct uuid *changed, const struct ontap_snapshot *made,
	       const char *name)
{
	const struct snaplist *old = w->list;
	struct snaplist *l = calloc(1, sizeof(*l) + (old->n + 1) * sizeof(l->snap[0]));
	if (!l)
		return; /* ONTAP's own list comes soon */
	atomic_store(&l->refs, 1);
	l->volume = old->volume;
	l->fetched_ns = old->fetched_ns;
	for (size_t i = 0; i < old->n; i++) {
		const struct ontap_snapshot *s = &old->snap[i];
		bool is = uuid_eq(&s->uuid, made ? &made->uuid : changed);
		if (is && !name)
			continue; /* gone, or known already and appended below */
		l->snap[l->n] = *s;
		if (is)
			strcpy_bounded(l->snap[l->n].name, name, sizeof(l->snap[0].name));
		l->n++;
	}
	if (made)
		l->snap[l->n++] = *made; /* the youngest */
	list_swap(c, w, l);
}

/* ONTAP does not answer, or not in time: nobody waits for it where something is
 * known, neither to open the directory nor to read it. */
static bool list_is_late(const struct control *c, const struct watch *w, int64_t now)
{
	return !c->health.ok || (w->fetching && now - w->asked_ns >= LIST_PATIENCE_NS);
}

void snapshot_list(struct control *c, struct ctl_msg *m)
{
	struct watch *w = watch_get(c, &m->volume);
	if (!w) {
		m->error.err = -ENOMEM;
		ctl_answer(m);
		return;
	}
	int64_t now = clock_now_ns();
	bool current = w->list && w->list->fetched_ns > w->changed_ns;
	bool young = current && now - w->list->fetched_ns < c->fs->p.snapshot_refresh_ns;
	bool fetch = m->fresh || !young;
	if (!m->fresh && current && (young || list_is_late(c, w, now))) {
		m->list = list_ref(w->list);
		ctl_answer(m); /* m is its worker's again */
	} else {
		m->since_ns = now;
		m->deadline_ns = w->list && !m->fresh ? now + LIST_PATIENCE_NS : 0;
		list_append(&w->waiters, &m->link);
	}
	if (fetch && !w->fetching)
		list_fetch(c, w);
}

static void snapshot_found(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e,
			   void *priv)
{
	struct ctl_msg *m = priv;
	note_health(m->ctl, e);
	if (e) {
		ctl_answer_error(m, e);
		return;
	}
	m->found = n == 1;
	if (n == 1)
		m->snap = s[0];
	ctl_answer(m);
}

void snapshot_find(struct control *c, struct ctl_msg *m)
{
	struct watch *w = watch_get(c, &m->volume);
	/* While ONTAP is out of reach, what was known goes on. */
	int64_t now = clock_now_ns();
	if (w && w->list && !m->fresh && w->list->fetched_ns > w->changed_ns &&
	    (now - w->list->fetched_ns < c->fs->p.snapshot_refresh_ns || list_is_late(c, w, now))) {
		const struct ontap_snapshot *s = snaplist_find(w->list, m->name);
		if (s) {
			m->snap = *s;
			m->found = true;
			ctl_answer(m);
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

int64_t watches_refresh(struct control *c, int64_t now)
{
	if (now < c->watches_look_ns)
		return c->watches_due_ns;
	int64_t next = 0;
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->watches) {
		struct watch *w = list_entry(l, struct watch, link);
		if (c->background >= BACKGROUND_MAX)
			break; /* the end of one wakes us */
		if (w->fetching || (now - w->used_ns > WATCH_IDLE_NS && !fs_has_snapshots(c->fs, &w->volume)))
			continue;
		int64_t due = MAX_OF(w->due_ns, c->background_ns + BACKGROUND_GAP_NS);
		if (due <= now) {
			c->background++;
			c->background_ns = now;
			w->background = true;
			list_fetch(c, w);
		} else if (!next || due < next) {
			next = due;
		}
	}
	c->watches_due_ns = next;
	/* A worker's look at an old list makes it used again, which nobody tells us. */
	c->watches_look_ns = next && next < now + NS_PER_SEC ? next : now + NS_PER_SEC;
	return next;
}

int64_t lists_expire(struct control *c, int64_t now)
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
				ctl_answer(m);
			} else if (!next || m->deadline_ns < next) {
				next = m->deadline_ns;
			}
		}
	}
	return next;
}

