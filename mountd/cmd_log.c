/* ontapfs log: the snapshots of a volume, who made them and what hangs on them.
 * By a mount, which needs no login, or by a configuration. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "fs/base/cleanup.h"
#include "mountd/cmd.h"
#include "mountd/out.h"
#include "mountd/rest.h"
#include "mountd/treex.h"

#define DEADLINE_MS 30000

struct log_args {
	const char *where, *volume; /* path; or configuration and volume */
	bool mine, json;
	int64_t older_s; /* 0: all */
};

static const struct argp_option options[] = {
	{"mine", 'm', NULL, 0, "Only those that this user made, from this host", 0},
	{"older", 'o', "AGE", 0, "Only those older than this: 90s, 15m, 12h, 30d, 8w", 0},
	{"json", 'j', NULL, 0, "JSON instead of a table; times in UTC, sizes in bytes", 0},
	{0},
};

/* "30d" in seconds; 0: no such age. */
static int64_t parse_age(const char *text)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	size_t digits = strspn(text, "0123456789");
	if (!digits || digits >= 8 || strlen(text) != digits + 1)
		return 0;
	int64_t n = strtol(text, NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (tolower((unsigned char)text[digits]) == units[i].unit)
			return n * units[i].s;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct log_args *a = state->input;
	switch (key) {
	case 'm':
		a->mine = true;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case 'o':
		a->older_s = parse_age(arg);
		if (!a->older_s)
			argp_error(state, "'%s' is no age: say 90s, 15m, 12h, 30d or 8w", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (!a->where)
			a->where = arg;
		else if (!a->volume)
			a->volume = arg;
		else
			argp_error(state, "too many arguments: %s", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->where)
			argp_error(state, "which volume? A path in a mount, or CONFIG and the volume's name");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- by a configuration ------------------------------------------------------ */

struct by_rest {
	struct rest rest;
	struct ontap_volume volume, *clones;
	size_t nvolumes, nclones;
	char realm[64];
	struct snaps *out;
};

static void on_discovered(const struct ontap_discovery *d, const struct ontap_error *e, void *priv)
{
	(void)d;
	rest_ended(priv, e);
}

static void on_found(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	struct by_rest *x = priv;
	x->nvolumes = e ? 0 : n;
	if (x->nvolumes)
		x->volume = v[0];
	rest_ended(&x->rest, e);
}

/* Keeps the clones of the volume. */
static void on_volumes(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	struct by_rest *x = priv;
	if (!e)
		x->clones = calloc(n + 1, sizeof(*v));
	for (size_t i = 0; x->clones && i < n; i++)
		if (v[i].is_flexclone && uuid_eq(&v[i].clone_parent, &x->volume.uuid))
			x->clones[x->nclones++] = v[i];
	rest_ended(&x->rest, e);
}

static void clones_of(const struct by_rest *x, const struct uuid *snapshot, char *out, size_t len)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < x->nclones && used < len; i++)
		if (uuid_eq(&x->clones[i].clone_snapshot, snapshot))
			used += (size_t)snprintf(out + used, len - used, "%s%s", used ? "," : "",
						 x->clones[i].name);
}

static void on_snapshots(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e, void *priv)
{
	struct by_rest *x = priv;
	int r = 0;
	for (size_t i = 0; !e && i < n && r == 0; i++) {
		struct fs_creator who;
		char uuid[UUID_TEXT_LEN + 1], clones[8192], comment[ONTAP_COMMENT_MAX + 1];
		bool known = fs_creator_of(s[i].comment, &who);
		strcpy_bounded(comment, s[i].comment, who.text_len + 1);
		clones_of(x, &s[i].uuid, clones, sizeof(clones));
		r = snaps_add(x->out, &(struct snap_facts){.name = s[i].name, .comment = comment,
			.uuid = uuid_format(&s[i].uuid, uuid), .realm = who.realm, .clones = clones,
			.known = known, .here = strcmp(who.realm, x->realm) == 0, .uid = who.uid,
			.time = s[i].create_time, .size = s[i].size});
	}
	rest_ended(&x->rest, e);
	if (r < 0)
		x->rest.e.err = r;
}

static int ask(struct by_rest *x, const char *volume)
{
	struct ontap *o = x->rest.o;
	rest_begin(&x->rest);
	ontap_discover(o, on_discovered, &x->rest);
	int r = rest_wait(&x->rest);
	if (r < 0)
		return r;
	rest_begin(&x->rest);
	ontap_volume_find(o, volume, on_found, x);
	r = rest_wait(&x->rest);
	if (r < 0)
		return r;
	if (!x->nvolumes) {
		snprintf(x->rest.e.text, sizeof(x->rest.e.text), "there is no volume \"%s\"", volume);
		return x->rest.e.err = -ENOENT;
	}
	rest_begin(&x->rest);
	ontap_volume_list(o, on_volumes, x);
	r = rest_wait(&x->rest);
	if (r < 0)
		return r;
	rest_begin(&x->rest);
	ontap_snapshot_list(o, &x->volume.uuid, on_snapshots, x);
	return rest_wait(&x->rest);
}

static int read_by_config(const struct log_args *a, struct snaps *ret)
{
	struct by_rest *x = calloc(1, sizeof(*x));
	char err[512] = "out of memory";
	int r = x ? rest_open(&x->rest, a->where, DEADLINE_MS, err) : -ENOMEM;
	if (r == 0) {
		x->out = ret;
		ret->volume = strdup(a->volume);
		fs_realm(x->rest.cfg.realm, x->realm);
		r = ask(x, a->volume);
		snprintf(err, sizeof(err), "%s", x->rest.e.text);
	}
	if (x) {
		rest_close(&x->rest);
		free(x->clones);
		free(x);
	}
	return r < 0 ? cmd_fail("cannot list the snapshots of %s: %s", a->volume, err) : 0;
}

/* ---- by a mount ---------------------------------------------------------------- */

static int read_by_path(const struct log_args *a, struct snaps *ret)
{
	int r = treex_snapshots(a->where, ret);
	if (r == 0)
		return 0;
	char why[512];
	treex_last_error(a->where, why);
	if (r == -ENODATA || r == -EOPNOTSUPP)
		return cmd_fail("cannot list the snapshots of %s: it is in no volume of an ontapfs mount; "
				"'ontapfs log CONFIG VOLUME' asks ONTAP itself", a->where);
	return cmd_fail("cannot list the snapshots of %s: %s", a->where,
			r == -ETIMEDOUT && why[0] ? why : strerror(-r));
}

/* ---- printing -------------------------------------------------------------------- */

static int print(const struct log_args *a, const struct snaps *l)
{
	static const struct out_column columns[] = {
		{"NAME", false, false}, {"TIME", false, false}, {"SIZE", true, false},
		{"CREATOR", false, false}, {"CLONES", false, true}, {"COMMENT", false, true},
		{"UUID", false, false},
	};
	/* The uuid is for programs. */
	struct out *o = out_new("snapshots", columns, ARRAY_LEN(columns) - !a->json, a->json);
	int64_t now = time(NULL);
	int r = o ? 0 : -ENOMEM;
	for (size_t i = 0; i < l->n && r == 0; i++) {
		const struct snap *s = &l->s[i];
		if ((a->mine && !s->mine) || (a->older_s && now - s->time < a->older_s))
			continue;
		char when[32], size[24];
		if (a->json)
			snprintf(size, sizeof(size), "%llu", (unsigned long long)s->size);
		else
			out_size(s->size, size);
		const char *cells[] = {s->name, out_time(s->time, a->json, when), size, s->creator, s->clones,
				       s->comment, s->uuid};
		r = out_row(o, cells, NULL);
	}
	if (o)
		r = out_end(o) < 0 || r < 0 ? -ENOMEM : 0;
	return r < 0 ? cmd_fail("cannot print the snapshots: %s", strerror(-r)) : 0;
}

int cmd_log(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "PATH\nCONFIG VOLUME",
		"Lists the snapshots of a volume, oldest first: name, time, size, who made it through "
		"ontapfs, the clones that are based on it, comment.\v"
		"PATH is any path in a volume of a mount; no login is needed. CONFIG is a configuration as "
		"for 'ontapfs mount', and VOLUME a volume's name.\n\n"
		"Examples:\n"
		"  ontapfs log /datasets/project1\n"
		"  ontapfs log --mine --older 30d /datasets/project1\n"
		"  ontapfs log --json /etc/ontapfs/backend.json project1 | jq -r '.snapshots[].name'",
		NULL, NULL, NULL};
	struct log_args a = {0};
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	struct snaps l = {0};
	int status = a.volume ? read_by_config(&a, &l) : read_by_path(&a, &l);
	if (status == 0)
		status = print(&a, &l);
	snaps_free(&l);
	return status;
}
