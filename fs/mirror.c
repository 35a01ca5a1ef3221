/* SnapMirror destinations: what ONTAP said last of each relationship, and the
 * start of a transfer. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/control_i.h"

/* As many as lists of snapshots are kept: the one that was not heard of for longest
 * goes, and is asked for anew by who wants it. */
#define MIRRORS_MAX WATCHES_MAX

struct mirror {
	struct list link;
	struct uuid volume;
	struct ontap_mirror m;
	int64_t fetched_ns;
	bool changed;       /* by a verb of ours since then */
};

static struct mirror *mirror_known(struct control *c, const struct uuid *volume)
{
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->mirrors) {
		struct mirror *k = list_entry(l, struct mirror, link);
		if (uuid_eq(&k->volume, volume))
			return k;
	}
	return NULL;
}

static void mirror_drop(struct control *c, struct mirror *k)
{
	list_remove(&k->link);
	c->nmirrors--;
	free(k);
}

/* The list is in the order of the news. NULL: no memory. */
static const struct mirror *mirror_keep(struct control *c, const struct uuid *volume, const struct ontap_mirror *m)
{
	struct mirror *k = mirror_known(c, volume);
	if (k)
		list_remove(&k->link);
	else if ((k = calloc(1, sizeof(*k))))
		c->nmirrors++;
	else
		return NULL;
	*k = (struct mirror){.volume = *volume, .m = *m, .fetched_ns = clock_now_ns()};
	list_append(&c->mirrors, &k->link);
	if (c->nmirrors > MIRRORS_MAX)
		mirror_drop(c, list_entry(c->mirrors.next, struct mirror, link));
	return k;
}

void mirrors_free(struct control *c)
{
	struct list *l;
	while ((l = list_pop(&c->mirrors)))
		free(list_entry(l, struct mirror, link));
}

void mirror_ask(struct control *c, const char *volume, ontap_mirrors_fn fn, void *priv)
{
	char path[ONTAP_MIRROR_PATH_MAX + 1];
	snprintf(path, sizeof(path), "%s:%s", c->fs->svm.name, volume);
	ontap_mirror_list(c->o, path, fn, priv);
}

void mirror_changed(struct control *c, const struct uuid *volume)
{
	struct mirror *k = mirror_known(c, volume);
	if (k)
		k->changed = true;
}

/* ---- in the background -------------------------------------------------------- */

static const struct catalog_volume *destination(struct control *c, const char *path)
{
	size_t len = strlen(c->fs->svm.name);
	if (strncmp(path, c->fs->svm.name, len) != 0 || path[len] != ':')
		return NULL;
	return catalog_find(c->catalog, path + len + 1);
}

static void mirrors_fetched(const struct ontap_mirror *am, size_t n, const struct ontap_error *e, void *priv)
{
	struct control *c = priv;
	c->mirrors_fetching = false;
	note_health(c, e);
	if (e)
		return; /* what was known is better than nothing */
	for (size_t i = 0; i < n; i++) {
		const struct catalog_volume *v = destination(c, am[i].destination);
		if (v)
			mirror_keep(c, &v->v.uuid, &am[i]);
	}
	struct list *l, *tmp;
	list_for_each(l, tmp, &c->mirrors) {
		struct mirror *k = list_entry(l, struct mirror, link);
		if (k->fetched_ns < c->mirrors_asked_ns)
			mirror_drop(c, k); /* a relationship no more */
	}
}

void mirrors_refresh(struct control *c)
{
	bool any = false;
	for (size_t i = 0; i < c->catalog->n && !any; i++)
		any = c->catalog->vol[i]->v.type == ONTAP_DP && !c->catalog->vol[i]->hidden_why;
	if (!any || c->mirrors_fetching)
		return;
	c->mirrors_fetching = true;
	c->mirrors_asked_ns = clock_now_ns();
	ontap_mirror_list(c->o, NULL, mirrors_fetched, c);
}

/* ---- when somebody asks -------------------------------------------------------- */

static void answer_known(struct ctl_msg *m, const struct mirror *k)
{
	m->mirror = k->m;
	if (m->mirror.lag_s >= 0)
		m->mirror.lag_s += (clock_now_ns() - k->fetched_ns) / NS_PER_SEC;
	m->found = true;
	ctl_answer(m);
}

static void mirror_found(const struct ontap_mirror *am, size_t n, const struct ontap_error *e, void *priv)
{
	struct ctl_msg *m = priv;
	struct mirror *was = mirror_known(m->ctl, &m->volume);
	note_health(m->ctl, e);
	/* While ONTAP is away, what was known is better than nothing. */
	const struct mirror *k = !e && n ? mirror_keep(m->ctl, &m->volume, &am[0]) : e ? was : NULL;
	if (k)
		answer_known(m, k);
	else if (e)
		ctl_answer_error(m, e);
	else if (n)
		ctl_answer_error(m, &(struct ontap_error){.err = -ENOMEM, .text = "out of memory"});
	else {
		if (was)
			mirror_drop(m->ctl, was); /* a relationship no more */
		ctl_answer(m);
	}
}

void mirror_find(struct control *c, struct ctl_msg *m)
{
	const struct mirror *k = mirror_known(c, &m->volume);
	bool young = k && !k->changed && clock_now_ns() - k->fetched_ns < c->fs->p.snapshot_refresh_ns;
	if (young || (k && !c->health.ok))
		answer_known(m, k);
	else
		mirror_ask(c, m->name, mirror_found, m);
}
