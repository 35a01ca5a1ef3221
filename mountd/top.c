#include "mountd/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/cleanup.h"

#define PREFIX "ontapfs_volume_"
#define LABEL  "{volume=\""

static const char *const counters[TOP_NCOUNTERS] = {
	[TOP_REQUESTS] = "requests_total",      [TOP_ERRORS] = "errors_total",
	[TOP_LATENCY] = "latency_seconds_total", [TOP_READ] = "read_bytes_total",
	[TOP_WRITTEN] = "written_bytes_total",  [TOP_HITS] = "cache_hits_total",
	[TOP_MISSES] = "cache_misses_total",
};

void top_sample_fini(struct top_sample *s)
{
	free(s->v);
	*s = (struct top_sample){0};
}

static struct top_volume *find(const struct top_sample *s, const char *name, size_t guess)
{
	/* Each counter lists the volumes in the same order. */
	if (guess < s->n && strcmp(s->v[guess].name, name) == 0)
		return &s->v[guess];
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	return NULL;
}

static struct top_volume *find_or_add(struct top_sample *s, const char *name, size_t guess)
{
	struct top_volume *v = find(s, name, guess);
	if (v || strlen(name) >= sizeof(v->name))
		return v;
	struct top_volume *more = reallocarray(s->v, s->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	s->v = more;
	v = &s->v[s->n++];
	*v = (struct top_volume){0};
	snprintf(v->name, sizeof(v->name), "%s", name);
	return v;
}

/* Which counter a line tells of, and where its label and value are; -1: none. */
static int split_line(char *line, char **name, char **value)
{
	if (strncmp(line, PREFIX, sizeof(PREFIX) - 1) != 0)
		return -1;
	char *counter = line + sizeof(PREFIX) - 1, *label = strchr(counter, '{');
	if (!label || strncmp(label, LABEL, sizeof(LABEL) - 1) != 0)
		return -1;
	*name = label + sizeof(LABEL) - 1;
	char *end = strstr(*name, "\"} ");
	if (!end)
		return -1;
	*label = *end = '\0';
	*value = end + 3;
	for (int i = 0; i < TOP_NCOUNTERS; i++)
		if (strcmp(counter, counters[i]) == 0)
			return i;
	return -1;
}

int top_parse(char *text, struct top_sample *s)
{
	free(s->v);
	s->v = NULL;
	s->n = 0;
	int last = -1;
	size_t at = 0;
	for (char *save = NULL, *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *name, *value;
		int which = split_line(l, &name, &value);
		if (which < 0)
			continue;
		at = which == last ? at + 1 : 0;
		last = which;
		struct top_volume *v = find_or_add(s, name, at);
		if (!v)
			return -ENOMEM;
		v->value[which] = strtod(value, NULL);
	}
	return 0;
}

static int busier(const void *a, const void *b)
{
	const struct top_rate *x = a, *y = b;
	double dx = x->read_bytes + x->written_bytes, dy = y->read_bytes + y->written_bytes;
	if (dx < dy || dx > dy)
		return dx < dy ? 1 : -1;
	if (x->requests < y->requests || x->requests > y->requests)
		return x->requests < y->requests ? 1 : -1;
	return strcmp(x->name, y->name);
}

struct top_rate *top_rates(const struct top_sample *now, const struct top_sample *before, size_t *ret_n)
{
	*ret_n = now->n;
	struct top_rate *list = now->n ? calloc(now->n, sizeof(*list)) : NULL;
	if (!list)
		return NULL;
	double s = before ? (double)(now->at_ns - before->at_ns) / 1e9 : 1;
	if (s < 1e-9)
		s = 1e-9;
	for (size_t i = 0; i < now->n; i++) {
		const struct top_volume *v = &now->v[i], *old = before ? find(before, v->name, i) : NULL;
		double d[TOP_NCOUNTERS];
		bool restarted = old && v->value[TOP_REQUESTS] < old->value[TOP_REQUESTS];
		for (int c = 0; c < TOP_NCOUNTERS; c++)
			d[c] = MAX_OF(v->value[c] - (old && !restarted ? old->value[c] : 0), 0.0);
		struct top_rate *r = &list[i];
		snprintf(r->name, sizeof(r->name), "%s", v->name[0] ? v->name : "(others)");
		r->read_bytes = d[TOP_READ] / s;
		r->written_bytes = d[TOP_WRITTEN] / s;
		r->requests = d[TOP_REQUESTS] / s;
		r->errors = d[TOP_ERRORS] / s;
		r->latency_ms = d[TOP_REQUESTS] > 0 ? d[TOP_LATENCY] * 1e3 / d[TOP_REQUESTS] : -1;
		double asked = d[TOP_HITS] + d[TOP_MISSES];
		r->hit_percent = asked > 0 ? d[TOP_HITS] * 100 / asked : -1;
	}
	qsort(list, now->n, sizeof(*list), busier);
	return list;
}
