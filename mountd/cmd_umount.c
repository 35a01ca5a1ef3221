/* ontapfs umount: unmounts, then waits until the holder and its daemon have
 * ended, so that what comes next may count on it. */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include "fs/base/cleanup.h"
#include "mountd/args.h"
#include "mountd/cmd.h"
#include "mountd/control.h"
#include "mountd/dead.h"
#include "mountd/mounts.h"

#define WAIT_END_MS 30000
/* Whoever looks at all mounts (df, a monitor, "ontapfs status") holds each for a
 * moment. The kernel tells nobody when that ends, so it is asked again. */
#define BUSY_MS     2000
#define BUSY_TRIES  40

struct umount_args {
	const char *mountpoint;
	bool lazy;
};

static const struct argp_option options[] = {
	{"lazy", 'l', NULL, 0, "Take it out of the tree now, end when nobody uses it any more", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct umount_args *a = state->input;
	switch (key) {
	case 'l':
		a->lazy = true;
		return 0;
	default:
		return args_mountpoint(&a->mountpoint, "MOUNTPOINT is missing; 'ontapfs status' lists the mounts", key,
				       arg, state);
	}
}

static int unmount(const char *dir, int flags)
{
	for (int i = 1;; i++) {
		int r = umount2(dir, flags) < 0 ? -errno : 0;
		/* Nobody answers in a dead one: taking it away cannot cost anybody anything. */
		if (r == -EBUSY && i == 1 && dead_mount(dir))
			flags |= MNT_DETACH;
		else if (r != -EBUSY || i == BUSY_TRIES)
			return r;
		else
			(void)poll(NULL, 0, BUSY_MS / BUSY_TRIES);
	}
}

int cmd_umount(int argc, char **argv)
{
	static const struct argp argp = {options, parse, "MOUNTPOINT",
					 "Unmounts an ontapfs and waits for its end.\v"
					 "Examples:\n"
					 "  ontapfs umount /datasets\n"
					 "  ontapfs umount --lazy /datasets",
					 NULL, NULL, NULL};
	struct umount_args a = {0};
	argp_parse(&argp, argc, argv, 0, NULL, &a);

	char dir[PATH_MAX];
	int r = mounts_resolve(a.mountpoint, dir);
	if (r < 0)
		return cmd_fail("cannot unmount %s: %s", a.mountpoint, strerror(-r));
	r = mounts_has(dir);
	if (r <= 0)
		return cmd_fail("cannot unmount %s: %s", dir,
				r < 0 ? strerror(-r)
				      : "no ontapfs is mounted there; 'ontapfs status' lists the mounts");

	/* Connected first: after the unmount the holder may be gone at once. */
	cleanup_fd int holder = control_connect(dir);
	r = unmount(dir, UMOUNT_NOFOLLOW | (a.lazy ? MNT_DETACH : 0));
	if (r == -EBUSY)
		return cmd_fail("cannot unmount %s: it is in use; 'fuser -vm %s' shows by whom, "
				"--lazy unmounts it anyway",
				dir, dir);
	if (r < 0)
		return cmd_fail("cannot unmount %s: %s", dir, strerror(-r));
	if (a.lazy || holder < 0)
		return 0;
	if (control_wait_end(holder, WAIT_END_MS) < 0)
		return cmd_fail("%s is unmounted here, but its daemon still serves after %d s: it is "
				"mounted in another mount name space, or waits for the NFS server",
				dir, WAIT_END_MS / 1000);
	return 0;
}
