/* ontapfs jobs: what ONTAP is at work on for a mount, from its .ontap/jobs. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "mountd/args.h"
#include "mountd/bounded.h"
#include "mountd/cmd.h"
#include "mountd/mounts.h"
#include "mountd/out.h"

#define FILE_MS  3000
#define FILE_MAX (256 * 1024)

struct jobs_args {
	const char *mountpoint;
	bool json;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "JSON instead of a table; ages in seconds", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct jobs_args *a = state->input;
	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	default:
		return args_mountpoint(&a->mountpoint, "MOUNTPOINT is missing; 'ontapfs status' lists the mounts", key,
				       arg, state);
	}
}

/* "AGEs PERCENT% VERB uid=UID VOLUME NAME", see control_jobs() in fs/. */
static int print_line(struct out *o, char *line, bool json)
{
	char *field[5], *save = NULL;
	for (int i = 0; i < 5; i++)
		if (!(field[i] = strtok_r(i ? NULL : line, " ", &save)))
			return -EPROTO;
	const char *name = save;
	for (int i = 0; i < 5; i++)
		if (strcmp(field[i], "-") == 0)
			field[i] = NULL;
	const char *uid = field[3] && strncmp(field[3], "uid=", 4) == 0 ? field[3] + 4 : NULL;
	if (json && field[0])
		field[0][strcspn(field[0], "s")] = '\0';
	if (json && field[1])
		field[1][strcspn(field[1], "%")] = '\0';
	const char *cells[] = {field[0], field[1], field[2], uid, field[4], name};
	return out_row(o, cells, NULL);
}

int cmd_jobs(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "MOUNTPOINT",
		"Shows what ONTAP is at work on for a mount: age, percent where ONTAP tells it, the verb, "
		"whose it is, the volume and the name. Only root may see it.\v"
		"Examples:\n"
		"  ontapfs jobs /datasets\n"
		"  ontapfs jobs --json /datasets | jq '.jobs[] | select(.age > 60)'",
		NULL, NULL, NULL};
	static const struct out_column columns[] = {
		{"AGE", true, false}, {"PERCENT", true, false}, {"VERB", false, false},
		{"UID", true, false}, {"VOLUME", false, false}, {"NAME", false, true},
	};
	struct jobs_args a = {0};
	argp_parse(&argp, argc, argv, 0, NULL, &a);

	char dir[PATH_MAX];
	int r = mounts_resolve(a.mountpoint, dir);
	if (r == 0 && (r = mounts_has(dir)) == 0)
		return cmd_fail("no ontapfs is mounted at %s; 'ontapfs status' lists the mounts", dir);
	cleanup_free char *text = calloc(1, FILE_MAX);
	if (r < 0 || !text)
		return cmd_fail("cannot show the jobs of %s: %s", a.mountpoint, strerror(r < 0 ? -r : ENOMEM));
	r = bounded_file(dir, "jobs", FILE_MS, text, FILE_MAX);
	if (r < 0)
		return cmd_fail("cannot read %s/.ontap/jobs: %s", dir,
				r == -EACCES	? "only root may; 'ontapfs wait PATH' tells about a name of yours"
				: r == -ETIMEDOUT ? "the mount does not answer"
						  : strerror(-r));
	struct out *o = out_new("jobs", columns, ARRAY_LEN(columns), a.json);
	r = o ? 0 : -ENOMEM;
	for (char *save = NULL, *l = strtok_r(text, "\n", &save); l && r == 0; l = strtok_r(NULL, "\n", &save))
		r = print_line(o, l, a.json);
	if (o)
		r = out_end(o) < 0 && r == 0 ? -ENOMEM : r;
	return r < 0 ? cmd_fail("cannot show the jobs of %s: %s", dir, strerror(-r)) : 0;
}
