/* SnapMirror destinations: what ONTAP said last of each relationship, and the
 * start of a transfer. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/control_i.h"

struct mirror {
	struct list link;
	struct uuid volume;
	struct ontap_mirror m;
	int64_t fetched_ns;
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

static void mirror_keep(struct control *c, const struct uuid *volume, const struct ontap_mirror *m)
{
	struct mirror *k = mirror_known(c, volume);
	if (!k && (k = calloc(1, sizeof(*k)))) {
		k->volume = *volume;
		list_append(&c->mirrors, &k->link);
	}
	if (!k)
		return;
	k->m = *m;
	k->fetched_ns = clock_now_ns();
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

static void answer_known(struct ctl_msg *m, const struct mirror *k)
{
	m->mirror = k->m;
	m->found = true;
	ctl_answer(m);
}

static void mirror_found(const struct ontap_mirror *am, size_t n, const struct ontap_error *e, void *priv)
{
	struct ctl_msg *m = priv;
	struct mirror *k;
	note_health(m->ctl, e);
	if (!e && n)
		mirror_keep(m->ctl, &m->volume, &am[0]);
	k = e || n ? mirror_known(m->ctl, &m->volume) : NULL;
	if (k)
		answer_known(m, k); /* while ONTAP is away, what was known is better than nothing */
	else if (e)
		ctl_answer_error(m, e);
	else
		ctl_answer(m);
}

void mirror_find(struct control *c, struct ctl_msg *m)
{
	const struct mirror *k = mirror_known(c, &m->volume);
	if (k && (!c->health.ok || clock_now_ns() - k->fetched_ns < c->fs->p.snapshot_refresh_ns))
		answer_known(m, k);
	else
		mirror_ask(c, m->name, mirror_found, m);
}
