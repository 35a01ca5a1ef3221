/* ontapfs restore: takes a volume back to a snapshot, through the daemon of the
 * mount, which knows open files and drops what is cached. ONTAP deletes the newer
 * snapshots with it; so it is done only when their number was said. */
#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include "fs/base/cleanup.h"
#include "mountd/cmd.h"
#include "mountd/out.h"
#include "mountd/treex.h"

#define TICK_MS 200

struct restore_args {
	const char *path, *snapshot;
	long lose; /* -1: not said */
	bool json;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "JSON: what is lost, and whether it was done", 0},
	{"lose", 'l', "N", 0, "Do it: N is how many newer snapshots ONTAP will delete", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct restore_args *a = state->input;
	char *end;
	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 'l':
		a->lose = strtol(arg, &end, 10);
		if (*arg < '0' || *arg > '9' || *end)
			argp_error(state, "--lose wants the number of newer snapshots, not '%s'", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (!a->path)
			a->path = arg;
		else if (!a->snapshot)
			a->snapshot = arg;
		else
			argp_error(state, "too many arguments: %s", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->snapshot)
			argp_error(state, a->path ? "which snapshot? 'ontapfs log %s' lists them"
						  : "PATH and SNAPSHOT are missing", a->path);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

struct setting {
	const char *path, *value;
	int err;
};

static void *set(void *priv)
{
	struct setting *s = priv;
	s->err = setxattr(s->path, "ontap.restore", s->value, strlen(s->value), 0) < 0 ? -errno : 0;
	return NULL;
}

/* In a thread of its own, so that somebody can tell that it is not dead. */
static int set_with_progress(const char *path, const char *value, struct progress *p)
{
	struct setting s = {.path = path, .value = value};
	pthread_t thread;
	int r = pthread_create(&thread, NULL, set, &s);
	if (r)
		return -r;
	for (;;) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		if (pthread_timedjoin_np(thread, NULL, &until) == 0)
			return s.err;
		progress_tick(p, -1);
	}
}

static void print_json(const struct snaps *l, size_t at, bool done)
{
	char when[32];
	fputs("{\"volume\":", stdout);
	out_json_string(l->volume);
	fputs(",\"snapshot\":", stdout);
	out_json_string(l->s[at].name);
	printf(",\"time\":\"%s\",\"done\":%s,\"lost\":[", out_time(l->s[at].time, true, when), done ? "true" : "false");
	for (size_t i = at + 1; i < l->n; i++) {
		fputs(i > at + 1 ? ",{\"name\":" : "{\"name\":", stdout);
		out_json_string(l->s[i].name);
		printf(",\"time\":\"%s\",\"clones\":", out_time(l->s[i].time, true, when));
		out_json_string(l->s[i].clones ? l->s[i].clones : "");
		putchar('}');
	}
	puts("]}");
}

static int restore(const char *path, const struct snaps *l, size_t at, bool json)
{
	char value[80], what[600], err[512] = "", dir[PATH_MAX], base[PATH_MAX];
	const struct snap *s = &l->s[at];
	struct progress p;
	strcpy_bounded(dir, path, sizeof(dir));
	strcpy_bounded(base, path, sizeof(base));
	snprintf(value, sizeof(value), "lose=%zu %s", l->n - at - 1, s->uuid);
	cleanup_free char *name = out_plain(s->name);
	if (!name)
		return cmd_fail("out of memory");
	snprintf(what, sizeof(what), "restoring %s to %s", l->volume, name);
	progress_begin(&p, what);
	int r = set_with_progress(path, value, &p);
	if (r == -EINPROGRESS)
		r = treex_wait(dirname(dir), basename(base), -1, &p, err);
	else if (r < 0)
		treex_last_error(path, err);
	progress_end(&p);
	if (r < 0 && err[0])
		return cmd_fail("%s", err);
	if (r < 0)
		return cmd_fail("cannot restore %s to %s: %s", l->volume, s->name, strerror(-r));
	const size_t lost = l->n - at - 1;
	if (json) {
		print_json(l, at, true);
		return 0;
	}
	printf("%s is what it was in %s; %zu newer snapshot%s deleted\n"
	       "What was open in it is stale: a shell that stands in it must cd there again.\n",
	       l->volume, name, lost, lost == 1 ? " is" : "s are");
	return 0;
}

/* Says no, with the remedy. */
static int not_done(const struct restore_args *a, size_t newer)
{
	fflush(stdout);
	if (a->lose >= 0)
		return cmd_fail("nothing is done: --lose=%ld, but %zu snapshots would be lost", a->lose, newer);
	return cmd_fail("nothing is done: say --lose=%zu", newer);
}

/* What it would cost, and what costs nothing. Exit status 1: nothing was done. */
static int explain(const struct restore_args *a, const char *path, const struct snaps *l, size_t at)
{
	const struct snap *s = &l->s[at];
	size_t newer = l->n - at - 1;
	char when[32];
	if (a->json) {
		print_json(l, at, false);
		return not_done(a, newer);
	}
	cleanup_free char *plain = out_plain(s->name);
	printf("A restore of %s to %s (%s) loses all changes since then", l->volume, plain ? plain : "?",
	       out_time(s->time, false, when));
	if (newer)
		printf(", and ONTAP deletes %zu newer snapshot%s:\n", newer, newer == 1 ? "" : "s");
	else
		puts(". There are no newer snapshots.");
	for (size_t i = at + 1; i < l->n; i++) {
		cleanup_free char *other = out_plain(l->s[i].name);
		printf("  %-24s %s%s%s\n", other ? other : "?", out_time(l->s[i].time, false, when),
		       l->s[i].clones ? "  busy, it has clones: " : "", l->s[i].clones ? l->s[i].clones : "");
	}
	cleanup_free char *snap = out_quoted("../.snapshots/", s->name), *clone = out_quoted(path, "/.clones/NAME"),
			  *volume = out_quoted(a->path, ""), *name = out_quoted(s->name, "");
	if (snap && clone && volume && name)
		printf("\nA clone loses nothing, and is as quick:\n"
		       "  ln -s %s %s\n"
		       "To restore all the same:\n"
		       "  ontapfs restore --lose=%zu %s %s\n",
		       snap, clone, newer, volume, name);
	return not_done(a, newer);
}

int cmd_restore(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "PATH SNAPSHOT",
		"Takes the volume or clone at PATH, in a mount, back to one of its snapshots. For admins. "
		"Without --lose it only tells what would be lost, and how a clone avoids that. It is refused "
		"while files of the volume are open for writing on this mount, and by ONTAP while newer "
		"snapshots have clones or are locked.\v"
		"Examples:\n"
		"  ontapfs restore /datasets/project1 run1            # what would be lost?\n"
		"  ontapfs restore --lose=2 /datasets/project1 run1   # do it",
		NULL, NULL, NULL};
	struct restore_args a = {.lose = -1};
	argp_parse(&argp, argc, argv, 0, NULL, &a);

	char path[PATH_MAX];
	cleanup_free char *kind = NULL;
	if (!realpath(a.path, path))
		return cmd_fail("cannot restore %s: %s", a.path, strerror(errno));
	int r = treex_get(path, "ontap.kind", &kind);
	if (r < 0 || (strcmp(kind, "volume") != 0 && strcmp(kind, "clone") != 0))
		return cmd_fail("cannot restore %s: it is not the directory of a volume or clone in an ontapfs mount",
				a.path);
	struct snaps l = {0};
	r = treex_snapshots(path, &l);
	if (r < 0)
		return cmd_fail("cannot list the snapshots of %s: %s", a.path, strerror(-r));
	size_t at = 0;
	while (at < l.n && strcmp(l.s[at].name, a.snapshot) != 0)
		at++;
	int status;
	if (at == l.n)
		status = cmd_fail("%s has no snapshot %s; 'ontapfs log %s' lists them", a.path, a.snapshot, a.path);
	else if (a.lose < 0 || (size_t)a.lose != l.n - at - 1)
		status = explain(&a, path, &l, at);
	else
		status = restore(path, &l, at, a.json);
	snaps_free(&l);
	return status;
}
