/* ontapfs upgrade: the daemon of a mount is replaced by one of the program as it
 * is installed now, with the configuration as it is now. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "mountd/args.h"
#include "mountd/cmd.h"
#include "mountd/control.h"
#include "mountd/mounts.h"

/* Looking may take 30 s, ending 15 s, and then there is `grace`. */
#define ANSWER_MS 300000

static error_t parse(int key, char *arg, struct argp_state *state)
{
	return args_mountpoint(state->input, "MOUNTPOINT is missing", key, arg, state);
}

int cmd_upgrade(int argc, char **argv)
{
	static const struct argp argp = {NULL, parse, "MOUNTPOINT",
					 "Replaces the daemon of a mount by one of the program and the "
					 "configuration as they are now. Programs that use the mount wait meanwhile.",
					 NULL, NULL, NULL};
	const char *mountpoint = NULL;
	argp_parse(&argp, argc, argv, 0, NULL, &mountpoint);

	char dir[PATH_MAX];
	int r = mounts_resolve(mountpoint, dir);
	if (r < 0)
		return cmd_fail("cannot upgrade %s: %s", mountpoint, strerror(-r));
	cleanup_fd int holder = control_connect(dir);
	if (holder < 0)
		return cmd_fail("cannot upgrade %s: %s", dir,
				holder == -ENOENT || holder == -ECONNREFUSED ? "no holder of an ontapfs there answers"
									     : strerror(-holder));
	struct control_upgrade u;
	r = control_upgrade(holder, ANSWER_MS, &u);
	if (r < 0)
		return cmd_fail("cannot tell how the upgrade of %s ended: %s", dir,
				r == -ECONNRESET ? "its holder has ended, or does not talk to this user"
						 : strerror(-r));
	if (u.error[0])
		return cmd_fail("%s is not upgraded: %s", dir, u.error);
	printf("%s: daemon %d took over", dir, (int)u.new);
	if (u.old)
		printf(" from %d", (int)u.old);
	printf(", requests waited %.1f ms\n", (double)u.pause_us / 1000);
	return 0;
}
