/* ontapfs upgrade: the daemon of a mount is replaced by one of the program as it
 * is installed now, with the configuration as it is now. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "mountd/args.h"
#include "mountd/cmd.h"
#include "mountd/control.h"
#include "mountd/mounts.h"
#include "mountd/out.h"

/* Looking may take 30 s, ending 15 s, and then there is `grace`. */
#define ANSWER_MS 300000

struct upgrade_args {
	const char *mountpoint;
	bool json;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "JSON for programs", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct upgrade_args *a = state->input;
	if (key == 'j') {
		a->json = true;
		return 0;
	}
	return args_mountpoint(&a->mountpoint, "MOUNTPOINT is missing; 'ontapfs status' lists the mounts", key,
				       arg, state);
}

int cmd_upgrade(int argc, char **argv)
{
	static const struct argp argp = {options, parse, "MOUNTPOINT",
					 "Replaces the daemon of a mount by one of the program and the "
					 "configuration as they are now. Programs that use the mount wait meanwhile.\v"
					 "Examples:\n"
					 "  ontapfs upgrade /datasets\n"
					 "  ontapfs upgrade --json /datasets | jq .waited_ms",
					 NULL, NULL, NULL};
	struct upgrade_args a = {0};
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	const char *mountpoint = a.mountpoint;

	char dir[PATH_MAX];
	int r = mounts_resolve(mountpoint, dir);
	if (r < 0)
		return cmd_fail("cannot upgrade %s: %s", mountpoint, strerror(-r));
	cleanup_fd int holder = control_connect(dir);
	if (holder < 0)
		return cmd_fail("cannot upgrade %s: %s", dir,
				holder == -ENOENT || holder == -ECONNREFUSED
					? "no holder of an ontapfs there answers; 'ontapfs status' lists the mounts"
					: strerror(-holder));
	struct control_upgrade u;
	r = control_upgrade(holder, ANSWER_MS, &u);
	if (r < 0)
		return cmd_fail("cannot tell how the upgrade of %s ended: %s", dir,
				r == -ECONNRESET ? "its holder has ended, or does not talk to this user"
						 : strerror(-r));
	if (u.error[0])
		return cmd_fail("%s is not upgraded: %s", dir, u.error);
	if (a.json) {
		fputs("{\"mountpoint\":", stdout);
		out_json_string(dir);
		printf(",\"daemon\":%d,\"before\":%d,\"waited_ms\":%.1f}\n", (int)u.new, (int)u.old,
		       (double)u.pause_us / 1000);
		return 0;
	}
	printf("%s: daemon %d took over", dir, (int)u.new);
	if (u.old)
		printf(" from %d", (int)u.old);
	printf(", requests waited %.1f ms\n", (double)u.pause_us / 1000);
	return 0;
}
