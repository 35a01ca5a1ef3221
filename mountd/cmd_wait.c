/* ontapfs wait: until ONTAP is done with what was asked for a name, and how it
 * ended. For verbs that answered EINPROGRESS, and for splits of clones. */
#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "mountd/cmd.h"
#include "mountd/out.h"
#include "mountd/treex.h"

struct wait_args {
	char **paths;
	int n;
	int64_t timeout_ms; /* -1: none */
	bool json;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "A JSON object for each PATH, one a line", 0},
	{"timeout", 't', "SECONDS", 0, "Give up after this time; ONTAP goes on", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wait_args *a = state->input;
	char *end;
	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 't':
		a->timeout_ms = strtol(arg, &end, 10) * 1000;
		if (*arg < '0' || *arg > '9' || *end || a->timeout_ms > 1000000000)
			argp_error(state, "'%s' is no number of seconds", arg);
		return 0;
	case ARGP_KEY_ARGS:
		a->paths = state->argv + state->next;
		a->n = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "PATH is missing: the name that a command said EINPROGRESS about");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_json(const char *path, const char *result, const char *error)
{
	fputs("{\"path\":", stdout);
	out_json_string(path);
	printf(",\"result\":\"%s\",\"error\":", result);
	out_json_string(error);
	puts("}");
}

static int wait_for(const char *path, int64_t timeout_ms, bool json)
{
	char dir[PATH_MAX], base[PATH_MAX], err[512] = "";
	if (!strcpy_bounded(dir, path, sizeof(dir)) || !strcpy_bounded(base, path, sizeof(base)))
		return cmd_fail("cannot wait for %s: %s", path, strerror(ENAMETOOLONG));
	/* Of the name, not of what it may lead to: that may be gone. */
	const char *name = basename(base);
	struct progress p;
	progress_begin(&p, path);
	int r = treex_wait(dirname(dir), name, timeout_ms, &p, err);
	progress_end(&p);
	if (json)
		print_json(path, r < 0 ? "failed" : r ? "done" : "idle", r < 0 ? err : "");
	if (r < 0)
		return cmd_fail("%s: %s", path, err);
	if (!json)
		printf("%s: %s\n", path, r ? "done" : "nothing is at work on it");
	return 0;
}

int cmd_wait(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "PATH...",
		"Waits until ONTAP is done with what was asked for PATH: the name of a snapshot, clone or "
		"volume that a command was told EINPROGRESS about, or of a clone that is being split. The "
		"exit status is 0 when it was done, or when nothing is at work on that name; else 1, with "
		"the reason.\v"
		"Examples:\n"
		"  mkdir V/.snapshots/run1 || ontapfs wait V/.snapshots/run1\n"
		"  ontapfs wait --timeout 3600 /datasets/exp1",
		NULL, NULL, NULL};
	struct wait_args a = {.timeout_ms = -1};
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	int status = 0;
	for (int i = 0; i < a.n; i++)
		status = wait_for(a.paths[i], a.timeout_ms, a.json) || status;
	return status;
}
