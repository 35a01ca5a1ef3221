/* ontapfs status: which ontapfs mounts there are and how they are. */
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "mountd/args.h"
#include "mountd/bounded.h"
#include "mountd/cmd.h"
#include "mountd/control.h"
#include "mountd/mounts.h"
#include "mountd/out.h"

#define HOLDER_MS 2000
#define FILE_MS   3000
#define FILE_MAX  (256 * 1024)

struct status_args {
	const char *mountpoint;
	bool json;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "JSON for programs", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct status_args *a = state->input;
	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	default:
		return args_mountpoint(&a->mountpoint, NULL, key, arg, state);
	}
}

static int ask_holder(const char *dir, struct control_status *s)
{
	cleanup_fd int fd = control_connect(dir);
	if (fd < 0)
		return fd;
	return control_status(fd, HOLDER_MS, s);
}

static char *decimal(int n, char text[16])
{
	snprintf(text, 16, "%d", n);
	return text;
}

/* One mount in the list. True when it is well. */
static bool add_row(struct out *o, const struct mount_entry *m, int *ret)
{
	struct control_status s = {0};
	int r = ask_holder(m->dir, &s);
	char holder[16], daemon[16], restarts[16];
	bool well = r == 0 && strcmp(s.state, "ready") == 0;
	const char *cells[] = {r == 0 ? s.state : "no holder",
			       r == 0 ? decimal((int)s.holder, holder) : NULL,
			       r == 0 && s.daemon ? decimal((int)s.daemon, daemon) : NULL,
			       decimal(s.restarts, restarts), m->dir, m->source};
	*ret = out_row(o, cells, well ? "green" : "red");
	return well;
}

static int list_all(const struct mount_entry *list, size_t n, bool json)
{
	static const struct out_column columns[] = {
		{"STATE", false, false}, {"HOLDER", true, false}, {"DAEMON", true, false},
		{"RESTARTS", true, false}, {"MOUNTPOINT", false, false}, {"SOURCE", false, true},
	};
	if (n == 0 && !json) {
		puts("No ontapfs is mounted; 'ontapfs mount SOURCE MOUNTPOINT' mounts one.");
		return 0;
	}
	struct out *o = out_new("mounts", columns, ARRAY_LEN(columns), json);
	int r = o ? 0 : -ENOMEM;
	bool well = true;
	for (size_t i = 0; i < n && r == 0; i++)
		well = add_row(o, &list[i], &r) && well;
	if (o)
		r = out_end(o) < 0 ? -ENOMEM : r;
	if (r < 0)
		return cmd_fail("cannot show the mounts: %s", strerror(-r));
	return well ? 0 : 1;
}

/* The mount's own status.json inside what the holder says. */
static void print_json(const struct mount_entry *m, const struct control_status *s, const char *state,
		       const char *status)
{
	fputs("{\"mountpoint\":", stdout);
	out_json_string(m->dir);
	fputs(",\"source\":", stdout);
	out_json_string(m->source);
	fputs(",\"options\":", stdout);
	out_json_string(m->options);
	fputs(",\"state\":", stdout);
	out_json_string(state);
	printf(",\"holder\":%d,\"daemon\":%d,\"restarts\":%d,\"last_end\":", (int)s->holder, (int)s->daemon,
	       s->restarts);
	out_json_string(s->reason);
	printf(",\"status\":%s}\n", status ? status : "null");
}

static int show_one(const struct mount_entry *m, bool json)
{
	struct control_status s = {0};
	int r = ask_holder(m->dir, &s);
	const char *state = r < 0 ? "no holder" : s.state;
	static char text[FILE_MAX];
	int f = bounded_file(m->dir, json ? "status.json" : "status", FILE_MS, text, sizeof(text));
	if (json) {
		print_json(m, &s, state, f < 0 ? NULL : text);
	} else {
		printf("mountpoint  %s\nsource      %s\noptions     %s\nstate       %s\n", m->dir, m->source,
		       m->options, state);
		if (r < 0)
			printf("holder      none (%s)\n", strerror(-r));
		else
			printf("holder      %d\ndaemon      %d\nrestarts    %d\n", (int)s.holder, (int)s.daemon,
			       s.restarts);
		if (s.reason[0])
			printf("last end    %s\n", s.reason);
		cleanup_free char *plain = out_plain(f < 0 ? "" : text);
		printf("\n%s", plain ? plain : "");
	}
	fflush(stdout);
	if (f < 0)
		return cmd_fail("cannot read %s/.ontap/status: %s", m->dir,
				f == -ETIMEDOUT ? "the mount does not answer" : strerror(-f));
	return r == 0 && strcmp(s.state, "ready") == 0 ? 0 : 1;
}

int cmd_status(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "[MOUNTPOINT]",
		"Lists the ontapfs mounts, or tells all about one. The exit status is 0 when all that "
		"is shown is well.\v"
		"Examples:\n"
		"  ontapfs status\n"
		"  ontapfs status /datasets\n"
		"  ontapfs status --json | jq -r '.mounts[] | select(.state != \"ready\") | .mountpoint'",
		NULL, NULL, NULL};
	struct status_args a = {0};
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	const char *mountpoint = a.mountpoint;

	char dir[PATH_MAX];
	int r = mountpoint ? mounts_resolve(mountpoint, dir) : 0;
	struct mount_entry *list = NULL;
	size_t n = 0;
	if (r == 0)
		r = mounts_read(false, &list, &n);
	if (r < 0)
		return cmd_fail("cannot show %s: %s", mountpoint ? mountpoint : "the mounts",
				strerror(-r));
	int status = -1;
	if (!mountpoint)
		status = list_all(list, n, a.json);
	/* From the end: of mounts on top of each other the last is seen. */
	for (size_t i = n; i-- > 0 && status < 0;)
		if (strcmp(list[i].dir, dir) == 0)
			status = show_one(&list[i], a.json);
	mounts_free(list, n);
	return status >= 0 ? status : cmd_fail("no ontapfs is mounted at %s; 'ontapfs status' lists the mounts", dir);
}
