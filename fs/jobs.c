/* What the control verbs are doing, for people: .ontap/jobs, and the state of
 * one name (`ontapfs wait`). A verb that outlived its caller's patience, or that
 * somebody asked about, leaves its result here for a while. */
#include <stdio.h>
#include <string.h>
#include "fs/control_i.h"

/* How long a result is of interest. */
#define ENDED_NS (15 * 60 * NS_PER_SEC)

void jobs_ended(struct control *c, struct verb *v, const struct ontap_error *e)
{
	pthread_mutex_lock(&c->pic_lock);
	list_remove(&v->link);
	if (!v->awaited) {
		pthread_mutex_unlock(&c->pic_lock);
		return;
	}
	struct ended *d = &c->ended[c->nended++ % ARRAY_LEN(c->ended)];
	*d = (struct ended){.op = v->op, .volume = v->volume, .err = e ? e->err : 0, .ended_ns = clock_now_ns()};
	memcpy(d->name, v->name, sizeof(d->name));
	if (e)
		memcpy(d->text, e->text, sizeof(d->text));
	pthread_mutex_unlock(&c->pic_lock);
}

void jobs_volume_queued(struct control *c, const struct uuid *u)
{
	const struct catalog_volume *v = c->catalog ? catalog_by_uuid(c->catalog, u) : NULL;
	if (!v || !v->v.is_flexclone || c->fs->p.skip_recovery_queue)
		return;
	pthread_mutex_lock(&c->pic_lock);
	struct in_queue *q = &c->in_queue[c->nin_queue++ % ARRAY_LEN(c->in_queue)];
	*q = (struct in_queue){.base = v->v.clone_snapshot, .deleted_s = clock_wall_ns() / NS_PER_SEC};
	strcpy_bounded(q->name, v->v.name, sizeof(q->name));
	pthread_mutex_unlock(&c->pic_lock);
}

int64_t control_base_held(struct control *c, const struct uuid *base, char name[ONTAP_NAME_MAX + 1])
{
	int64_t until = 0, now = clock_wall_ns() / NS_PER_SEC;
	pthread_mutex_lock(&c->pic_lock);
	for (uint32_t i = 0; i < MIN_OF(c->nin_queue, ARRAY_LEN(c->in_queue)); i++) {
		const struct in_queue *q = &c->in_queue[i];
		if (uuid_eq(&q->base, base) && q->deleted_s + ONTAP_QUEUE_S > MAX_OF(until, now)) {
			until = q->deleted_s + ONTAP_QUEUE_S;
			memcpy(name, q->name, sizeof(q->name));
		}
	}
	pthread_mutex_unlock(&c->pic_lock);
	return until;
}

/* Of a name in .snapshots (of that volume), or of a volume or clone? */
static bool is_about(enum ctl_op op, const struct uuid *of, const char *name, const struct uuid *volume,
		     const char *wanted)
{
	bool snapshot = op == CTL_SNAPSHOT_CREATE || op == CTL_SNAPSHOT_DELETE || op == CTL_SNAPSHOT_RENAME;
	if (op == CTL_SNAPSHOT_SET || op == CTL_FILE_CLONE || snapshot != (volume != NULL))
		return false; /* the name of a SET is that of an attribute, of a file clone that of a file */
	return strcmp(name, wanted) == 0 && (!volume || uuid_eq(of, volume));
}

static const char *volume_name(const struct control *c, const struct uuid *u, char text[UUID_TEXT_LEN + 1])
{
	const struct catalog_volume *v = c->catalog ? catalog_by_uuid(c->catalog, u) : NULL;
	if (v)
		return v->v.name;
	return uuid_is_zero(u) ? "-" : uuid_format(u, text);
}

/* A split goes on at ONTAP without a verb of ours. Under pic_lock. */
static const struct volume_facts *split_under_way(const struct control *c, const char *name)
{
	for (size_t i = 0; c->catalog && i < c->catalog->n; i++) {
		const struct volume_facts *v = &c->catalog->vol[i]->v;
		if (v->is_flexclone && v->split_percent >= 0 && strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

bool control_verb_state(struct control *c, const struct uuid *volume, const char *name, struct buf *b)
{
	bool found = false;
	struct list *l, *tmp;
	int64_t now = clock_now_ns();
	pthread_mutex_lock(&c->pic_lock);
	list_for_each(l, tmp, &c->verbs) {
		struct verb *v = list_entry(l, struct verb, link);
		if (found || !is_about(v->op, &v->volume, v->name, volume, name))
			continue;
		found = true;
		v->awaited = true;
		buf_printf(b, "{\"verb\":\"%s\",\"running\":true,\"age\":%.1f,\"percent\":%d}", ctl_op_name(v->op),
			   (double)(now - v->started_ns) / 1e9, v->percent);
	}
	const struct volume_facts *split = found || volume ? NULL : split_under_way(c, name);
	if (split) {
		found = true;
		buf_printf(b, "{\"verb\":\"clone.split\",\"running\":true,\"age\":-1,\"percent\":%d}",
			   split->split_percent);
	}
	/* The newest first. */
	for (uint32_t i = c->nended; !found && i-- > 0 && c->nended - i <= ARRAY_LEN(c->ended);) {
		const struct ended *d = &c->ended[i % ARRAY_LEN(c->ended)];
		if (now - d->ended_ns > ENDED_NS || !is_about(d->op, &d->volume, d->name, volume, name))
			continue;
		found = true;
		buf_printf(b, "{\"verb\":\"%s\",\"running\":false,\"age\":%.1f,\"errno\":%d,\"error\":",
			   ctl_op_name(d->op), (double)(now - d->ended_ns) / 1e9, -d->err);
		buf_json(b, d->text);
		buf_puts(b, "}");
	}
	pthread_mutex_unlock(&c->pic_lock);
	return found;
}

void control_jobs(struct control *c, struct buf *b)
{
	char u[UUID_TEXT_LEN + 1], percent[16];
	struct list *l, *tmp;
	pthread_mutex_lock(&c->pic_lock);
	list_for_each(l, tmp, &c->verbs) {
		const struct verb *v = list_entry(l, struct verb, link);
		snprintf(percent, sizeof(percent), "%d%%", v->percent);
		/* The name is the last: it may hold anything but a newline, which none has that we
		 * made, and of others' the first line is enough. */
		buf_printf(b, "%.1fs %s %s uid=%u %s %.*s\n", (double)(clock_now_ns() - v->started_ns) / 1e9,
			   v->percent < 0 ? "-" : percent, ctl_op_name(v->op), v->uid, volume_name(c, &v->volume, u),
			   (int)strcspn(v->name, "\n"), v->name);
	}
	for (size_t i = 0; c->catalog && i < c->catalog->n; i++) {
		const struct volume_facts *v = &c->catalog->vol[i]->v;
		if (v->is_flexclone && v->split_percent >= 0)
			buf_printf(b, "- %d%% clone.split - %s %s\n", v->split_percent, v->clone_parent_name, v->name);
	}
	pthread_mutex_unlock(&c->pic_lock);
}
