/* ontapfs top: what goes on in each volume of a mount, from its .ontap/stats. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "mountd/args.h"
#include "mountd/bounded.h"
#include "mountd/cmd.h"
#include "mountd/mounts.h"
#include "mountd/out.h"
#include "mountd/screen.h"
#include "mountd/top.h"

#define FILE_MS  3000
#define FILE_MAX (1u << 20)

struct top_args {
	const char *mountpoint;
	int interval_ms;
	bool json, once, total;
};

static const struct argp_option options[] = {
	{"interval", 'i', "SECONDS", 0, "Between two looks, 1 to 3600 (2)", 0},
	{"json", 'j', NULL, 0, "JSON for programs: one interval, like --once", 0},
	{"once", 'o', NULL, 0, "One interval, and its end", 0},
	{"total", 't', NULL, 0, "Sums since the daemon began, at once", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top_args *a = state->input;
	char *end;
	long seconds;
	switch (key) {
	case 'i':
		seconds = strtol(arg, &end, 10);
		if (*end || seconds < 1 || seconds > 3600)
			argp_error(state, "'%s' is no number of seconds from 1 to 3600", arg);
		a->interval_ms = (int)seconds * 1000;
		return 0;
	case 'j':
		a->json = a->once = true;
		return 0;
	case 'o':
		a->once = true;
		return 0;
	case 't':
		a->total = a->once = true;
		return 0;
	default:
		return args_mountpoint(&a->mountpoint, NULL, key, arg, state);
	}
}

/* 0 or -errno, -ETIMEDOUT: the mount does not answer. */
static int look(const char *dir, struct top_sample *s)
{
	cleanup_free char *text = malloc(FILE_MAX);
	if (!text)
		return -ENOMEM;
	int r = bounded_file(dir, "stats", FILE_MS, text, FILE_MAX);
	if (r < 0)
		return r; /* *s stays the look that it was */
	s->at_ns = clock_now_ns();
	return top_parse(text, s);
}

static int print_row(struct out *o, const struct top_rate *r, bool json)
{
	char read[32], written[32], ops[32], errors[32], ms[32], hits[32];
	if (json) {
		snprintf(read, sizeof(read), "%.0f", r->read_bytes);
		snprintf(written, sizeof(written), "%.0f", r->written_bytes);
	} else {
		out_size((uint64_t)r->read_bytes, read);
		out_size((uint64_t)r->written_bytes, written);
	}
	snprintf(ops, sizeof(ops), json ? "%.1f" : "%.0f", r->requests);
	snprintf(errors, sizeof(errors), json ? "%.1f" : "%.0f", r->errors);
	snprintf(ms, sizeof(ms), "%.3f", r->latency_ms);
	snprintf(hits, sizeof(hits), "%.0f", r->hit_percent);
	const char *cells[] = {r->name, read, written, ops, errors, r->latency_ms < 0 ? NULL : ms,
			       r->hit_percent < 0 ? NULL : hits};
	return out_row(o, cells, r->errors > 0 ? "red" : NULL);
}

/* At most `rows` volumes, the busiest. */
static int print_table(const struct top_sample *now, const struct top_sample *before, size_t rows, bool json,
		       bool sums)
{
	static const struct out_column rates[] = {
		{"VOLUME", false, true}, {"READ/S", true, false},   {"WRITE/S", true, false}, {"OPS/S", true, false},
		{"ERRORS/S", true, false}, {"MS", true, false}, {"HITS%", true, false},
	};
	static const struct out_column totals[] = {
		{"VOLUME", false, true}, {"READ", true, false},   {"WRITE", true, false}, {"OPS", true, false},
		{"ERRORS", true, false}, {"MS", true, false}, {"HITS%", true, false},
	};
	static const struct out_column keys[] = {
		{"VOLUME", false, false}, {"READ_BYTES", true, false}, {"WRITTEN_BYTES", true, false},
		{"REQUESTS", true, false}, {"ERRORS", true, false}, {"LATENCY_MS", true, false},
		{"HIT_PERCENT", true, false},
	};
	size_t n = 0;
	cleanup_free struct top_rate *list = top_rates(now, before, &n);
	struct out *o = list || n == 0 ? out_new("volumes", json ? keys : sums ? totals : rates, ARRAY_LEN(keys), json)
				       : NULL;
	int r = o ? 0 : -ENOMEM;
	for (size_t i = 0; i < n && i < rows && r == 0; i++)
		r = print_row(o, &list[i], json);
	if (o)
		r = out_end(o) < 0 && r == 0 ? -ENOMEM : r;
	if (!json && n == 0 && r == 0)
		puts("No volume was used since the daemon began.");
	return fflush(stdout) != 0 && r == 0 ? -errno : r;
}

static int fail(const char *dir, int r)
{
	return cmd_fail("cannot read %s/.ontap/stats: %s", dir,
			r == -ETIMEDOUT ? "the mount does not answer; 'ontapfs status' tells how it is" : strerror(-r));
}

/* Not on a terminal: tables one after the other, or just one. */
static int plain(const char *dir, const struct top_args *a)
{
	struct top_sample s[2] = {0};
	int r = a->total ? 0 : look(dir, &s[0]);
	for (int i = 1; r == 0; i = !i) {
		if (!a->total)
			(void)poll(NULL, 0, a->interval_ms);
		r = look(dir, &s[i]);
		if (r == 0)
			r = print_table(&s[i], a->total ? NULL : &s[!i], SIZE_MAX, a->json, a->total);
		if (a->once)
			break;
	}
	top_sample_fini(&s[0]);
	top_sample_fini(&s[1]);
	return r < 0 ? fail(dir, r) : 0;
}

static int live(const char *dir, const struct top_args *a)
{
	struct screen screen;
	struct top_sample s[2] = {0};
	int r = look(dir, &s[0]), now = 0;
	if (r == 0)
		r = screen_begin(&screen);
	if (r < 0) {
		top_sample_fini(&s[0]);
		return fail(dir, r);
	}
	int shown = 0, before = now; /* of the first look nothing is known to have grown */
	for (enum screen_event e = SCREEN_REDRAW; r == 0 && e != SCREEN_QUIT;) {
		if (e == SCREEN_TIME) {
			shown = look(dir, &s[!now]);
			if (shown == 0) {
				before = now;
				now = !now;
			}
			if (shown < 0 && shown != -ETIMEDOUT)
				r = shown;
		}
		screen_clear();
		cleanup_free char *place = out_plain(dir);
		printf("%s%s    q quits\n\n", place ? place : "", shown < 0 ? "    does not answer" : "");
		if (r == 0)
			r = print_table(&s[now], &s[before], screen_rows(4), false, false);
		if (r == 0)
			e = screen_wait(&screen, a->interval_ms);
	}
	screen_end(&screen);
	top_sample_fini(&s[0]);
	top_sample_fini(&s[1]);
	return r < 0 ? fail(dir, r) : 0;
}

/* The mount point that is meant when none was named: the only one. */
static int only_mount(char dir[PATH_MAX])
{
	struct mount_entry *list = NULL;
	size_t n = 0;
	int r = mounts_read(false, &list, &n);
	if (r < 0)
		return cmd_fail("cannot list the mounts: %s", strerror(-r));
	if (n != 1)
		r = cmd_fail(n ? "which mount? There are %zu; 'ontapfs status' lists them"
			       : "no ontapfs is mounted (%zu); 'ontapfs mount SOURCE MOUNTPOINT' mounts one", n);
	else if (!strcpy_bounded(dir, list[0].dir, PATH_MAX))
		r = cmd_fail("cannot show %s: %s", list[0].dir, strerror(ENAMETOOLONG));
	mounts_free(list, n);
	return r;
}

int cmd_top(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "[MOUNTPOINT]",
		"Shows what goes on in each volume, the busiest first: bytes read and written, requests and "
		"errors a second, the mean time of a request in ms, and how many of the requests that read "
		"were answered without asking the filer. What the kernel answers from its own cache never "
		"gets here. On a terminal it goes on until q; elsewhere each interval is a table.\v"
		"Examples:\n"
		"  ontapfs top\n"
		"  ontapfs top --interval 10 /datasets\n"
		"  ontapfs top --once /datasets\n"
		"  ontapfs top --total --json /datasets | jq '.volumes[0]'",
		NULL, NULL, NULL};
	struct top_args a = {.interval_ms = 2000};
	argp_parse(&argp, argc, argv, 0, NULL, &a);

	char dir[PATH_MAX];
	if (!a.mountpoint) {
		if (only_mount(dir) != 0)
			return 1;
	} else {
		int r = mounts_resolve(a.mountpoint, dir);
		if (r == 0)
			r = mounts_has(dir);
		if (r < 0)
			return cmd_fail("cannot show %s: %s", a.mountpoint, strerror(-r));
		if (r == 0)
			return cmd_fail("no ontapfs is mounted at %s; 'ontapfs status' lists the mounts", dir);
	}
	return a.once || !isatty(STDOUT_FILENO) ? plain(dir, &a) : live(dir, &a);
}
