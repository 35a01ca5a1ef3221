/* ontapfs status: which ontapfs mounts there are and how they are. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "mountd/bounded.h"
#include "mountd/cmd.h"
#include "mountd/control.h"
#include "mountd/mounts.h"

#define HOLDER_MS 2000
#define FILE_MS   3000
#define FILE_MAX  (256 * 1024)

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **mountpoint = state->input;
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (*mountpoint)
		argp_error(state, "one MOUNTPOINT is enough");
	*mountpoint = arg;
	return 0;
}

/* Runs in a child: the mount may never answer. */
static int copy_status_file(int out_fd, const void *dir)
{
	char path[PATH_MAX + 16], chunk[4096];
	snprintf(path, sizeof(path), "%s/.ontap/status", (const char *)dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (write(out_fd, chunk, (size_t)n) != n)
			return -EIO;
	return n < 0 ? -errno : 0;
}

static int ask_holder(const char *dir, struct control_status *s)
{
	cleanup_fd int fd = control_connect(dir);
	if (fd < 0)
		return fd;
	return control_status(fd, HOLDER_MS, s);
}

/* One mount in the list. True when it is well. */
static bool print_row(const struct mount_entry *m)
{
	struct control_status s = {0};
	int r = ask_holder(m->dir, &s);
	char pids[2][16] = {"-", "-"};
	if (r == 0)
		snprintf(pids[0], sizeof(pids[0]), "%d", (int)s.holder);
	if (r == 0 && s.daemon)
		snprintf(pids[1], sizeof(pids[1]), "%d", (int)s.daemon);
	printf("%-10s %8s %8s %8d  %s  %s\n", r == 0 ? s.state : "no holder", pids[0], pids[1],
	       s.restarts, m->dir, m->source);
	return r == 0 && strcmp(s.state, "ready") == 0;
}

static int list_all(const struct mount_entry *list, size_t n)
{
	if (n == 0) {
		puts("No ontapfs is mounted; 'ontapfs mount SOURCE MOUNTPOINT' mounts one.");
		return 0;
	}
	bool well = true;
	printf("%-10s %8s %8s %8s  %s  %s\n", "STATE", "HOLDER", "DAEMON", "RESTARTS", "MOUNTPOINT",
	       "SOURCE");
	for (size_t i = 0; i < n; i++)
		well = print_row(&list[i]) && well;
	return well ? 0 : 1;
}

static int show_one(const struct mount_entry *m)
{
	struct control_status s;
	printf("mountpoint  %s\nsource      %s\noptions     %s\n", m->dir, m->source, m->options);
	int r = ask_holder(m->dir, &s);
	if (r < 0)
		printf("holder      none (%s)\n", strerror(-r));
	else
		printf("state       %s\nholder      %d\ndaemon      %d\nrestarts    %d\n", s.state,
		       (int)s.holder, (int)s.daemon, s.restarts);
	if (r == 0 && s.reason[0])
		printf("last end    %s\n", s.reason);

	static char text[FILE_MAX];
	int f = bounded_run(copy_status_file, m->dir, FILE_MS, text, sizeof(text));
	printf("\n%s", text);
	fflush(stdout);
	if (f < 0)
		return cmd_fail("cannot read %s/.ontap/status: %s", m->dir,
				f == -ETIMEDOUT ? "the mount does not answer" : strerror(-f));
	return r == 0 && strcmp(s.state, "ready") == 0 ? 0 : 1;
}

int cmd_status(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "[MOUNTPOINT]",
		"Lists the ontapfs mounts, or tells all about one. The exit status is 0 when all that "
		"is shown is well.",
		NULL, NULL, NULL};
	const char *mountpoint = NULL;
	argp_parse(&argp, argc, argv, 0, NULL, &mountpoint);

	char dir[PATH_MAX];
	int r = mountpoint ? mounts_resolve(mountpoint, dir) : 0;
	struct mount_entry *list = NULL;
	size_t n = 0;
	if (r == 0)
		r = mounts_read(&list, &n);
	if (r < 0)
		return cmd_fail("cannot show %s: %s", mountpoint ? mountpoint : "the mounts",
				strerror(-r));
	int status = -1;
	if (!mountpoint)
		status = list_all(list, n);
	/* From the end: of mounts on top of each other the last is seen. */
	for (size_t i = n; i-- > 0 && status < 0;)
		if (strcmp(list[i].dir, dir) == 0)
			status = show_one(&list[i]);
	mounts_free(list, n);
	return status >= 0 ? status : cmd_fail("no ontapfs is mounted at %s", dir);
}
