/* ontapfs mount: checks what can be checked before anything is started, then
 * starts the holder and waits until the tree answers or the reason why not is
 * known. Also mount.ontapfs, as mount(8) calls it. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/cmd.h"
#include "mountd/config.h"
#include "mountd/dead.h"
#include "mountd/mountopts.h"
#include "mountd/mounts.h"

#define LOG_DIR      "/var/log/ontapfs"
#define HOLDER_NAME  "ontapfs-hold"
#define DEAD_MAX     16 /* dead mounts on top of each other */
#define EXIT_MOUNT_8 32 /* "mount failure" in mount(8) */

struct mount_args {
	const char *source, *mountpoint, *log;
	bool foreground, verbose, fake;
	struct mountopts opts;
	char err[512]; /* of the options */
};

/* What the holder is started with: absolute paths and options. */
struct mount_plan {
	char dir[PATH_MAX], source[PATH_MAX], self[PATH_MAX], holder[PATH_MAX], log[PATH_MAX];
	char flags[128], grace[32];
};

/* ---- checks ------------------------------------------------------------ */

static int check_mountpoint(const struct mount_args *a, struct mount_plan *p)
{
	int r = mounts_resolve(a->mountpoint, p->dir);
	if (r < 0)
		return cmd_fail("cannot mount %s: %s", a->mountpoint, strerror(-r));
	/* What holder and daemon left behind when both were killed. */
	for (int i = 0; !a->fake && i < DEAD_MAX && mounts_has(p->dir) > 0 && dead_detach(p->dir) > 0; i++)
		fprintf(stderr, "ontapfs: a mount at %s whose daemon is gone was taken away\n", p->dir);
	r = mounts_has(p->dir);
	if (r != 0)
		return cmd_fail("cannot mount %s: %s", p->dir,
				r < 0 ? strerror(-r)
				      : "an ontapfs is mounted there already; 'ontapfs umount' ends it");
	struct stat st;
	if (stat(p->dir, &st) < 0)
		return cmd_fail("cannot mount %s: %s", p->dir,
				errno == ENOENT ? "the directory does not exist" : strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return cmd_fail("cannot mount %s: it is not a directory", p->dir);
	return 0;
}

/* A source that is a file becomes absolute, since the daemon runs in "/". */
static int check_source(const struct mount_args *a, struct mount_plan *p)
{
	if (!realpath(a->source, p->source) &&
	    (size_t)snprintf(p->source, sizeof(p->source), "%s", a->source) >= sizeof(p->source))
		return cmd_fail("cannot mount %s: the source is too long", p->dir);
	char err[512] = "";
	struct config cfg = {0};
	int r = config_load(p->source, &cfg, err);
	if (r == 0 && a->opts.overrides.len)
		r = config_set_list(&cfg, a->opts.overrides.data, err);
	/* Whole seconds, rounded up: 0 would mean no patience at all. */
	snprintf(p->grace, sizeof(p->grace), "%lld",
		 (long long)((cfg.grace_ns + NS_PER_SEC - 1) / NS_PER_SEC));
	config_free(&cfg);
	return r < 0 ? cmd_fail("cannot mount %s: %s", p->dir, err) : 0;
}

/* The holder is beside this program in a build, and in the libexec directory of
 * the same prefix, wherever that was moved to, when installed. */
static int find_programs(struct mount_plan *p)
{
	ssize_t n = readlink("/proc/self/exe", p->self, sizeof(p->self) - 1);
	if (n < 0)
		return cmd_fail("cannot mount %s: /proc is not mounted", p->dir);
	p->self[n] = '\0';
	const char *env = getenv("ONTAPFS_HOLD");
	if (env && *env) {
		snprintf(p->holder, sizeof(p->holder), "%s", env);
	} else {
		static const char *const places[] = {"/" HOLDER_NAME,
						     "/../libexec/ontapfs/" HOLDER_NAME};
		int dirlen = (int)(strrchr(p->self, '/') - p->self);
		size_t i = 0;
		do
			snprintf(p->holder, sizeof(p->holder), "%.*s%s", dirlen, p->self, places[i]);
		while (access(p->holder, X_OK) < 0 && ++i < ARRAY_LEN(places));
		if (i == ARRAY_LEN(places))
			snprintf(p->holder, sizeof(p->holder), "%s",
				 ONTAPFS_LIBEXECDIR "/" HOLDER_NAME);
	}
	if (access(p->holder, X_OK) < 0)
		return cmd_fail("cannot mount %s: cannot start %s: %s", p->dir, p->holder,
				strerror(errno));
	return 0;
}

/* Opens the log: the file asked for, or LOG_DIR/<mountpoint with dashes>.log. */
static int open_log(const struct mount_args *a, struct mount_plan *p)
{
	if (a->log) {
		snprintf(p->log, sizeof(p->log), "%s", a->log);
	} else {
		if (mkdir(LOG_DIR, 0750) < 0 && errno != EEXIST) {
			cmd_fail("cannot mount %s: cannot make " LOG_DIR ": %s; --log names another place",
				 p->dir, strerror(errno));
			return -1;
		}
		int n = snprintf(p->log, sizeof(p->log), LOG_DIR "/%.200s.log",
				 p->dir[1] ? p->dir + 1 : "root");
		for (char *c = p->log + strlen(LOG_DIR) + 1; c < p->log + n; c++)
			if (*c == '/' || (unsigned char)*c < ' ')
				*c = '-';
	}
	int fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		cmd_fail("cannot mount %s: cannot write the log %s: %s; --log names another place",
			 p->dir, p->log, strerror(errno));
	return fd;
}

/* ---- start --------------------------------------------------------------- */

/* Becomes the holder. Returns only when that fails. execv takes char *, but
 * changes nothing. */
static void exec_holder(const struct mount_args *a, struct mount_plan *p, int ready_fd)
{
	static char opt_ready[] = "--ready-fd", opt_dir[] = "--mountpoint", opt_name[] = "--name",
		    opt_flags[] = "--options", opt_grace[] = "--grace", opt_end[] = "--",
		    serve[] = "serve", opt_verbose[] = "-v", opt_list[] = "-o";
	char number[16];
	char *argv[24] = {p->holder, opt_dir, p->dir, opt_name, p->source, opt_flags, p->flags,
			  opt_grace, p->grace};
	int n = 9;
	if (ready_fd >= 0) {
		snprintf(number, sizeof(number), "%d", ready_fd);
		argv[n++] = opt_ready;
		argv[n++] = number;
	}
	argv[n++] = opt_end;
	argv[n++] = p->self;
	argv[n++] = serve;
	if (a->verbose)
		argv[n++] = opt_verbose;
	if (a->opts.overrides.len) {
		argv[n++] = opt_list;
		argv[n++] = a->opts.overrides.data;
	}
	argv[n++] = p->source;
	argv[n++] = p->dir;
	execv(p->holder, argv);
}

static _Noreturn void holder_child(const struct mount_args *a, struct mount_plan *p, int log_fd,
				   int ready_fd)
{
	setsid();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, 0);
	dup2(log_fd, 1);
	dup2(log_fd, 2);
	/* The log is a file now, whatever the caller's stderr was. */
	unsetenv("JOURNAL_STREAM");
	fcntl(ready_fd, F_SETFD, 0);
	exec_holder(a, p, ready_fd);
	dprintf(ready_fd, "error: cannot start %s: %s\n", p->holder, strerror(errno));
	_exit(127);
}

/* Reads the holder's verdict, one line. Its length, 0 when it died silently. */
static size_t read_verdict(int fd, char *line, size_t len)
{
	size_t have = 0;
	while (have + 1 < len) {
		ssize_t n = read(fd, line + have, len - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		if (memchr(line, '\n', have))
			break;
	}
	line[have] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return strlen(line);
}

static int start_background(const struct mount_args *a, struct mount_plan *p)
{
	cleanup_fd int log_fd = open_log(a, p);
	if (log_fd < 0)
		return 1;
	int pipefd[2];
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return cmd_fail("cannot mount %s: %s", p->dir, strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		holder_child(a, p, log_fd, pipefd[1]);
	int err = errno;
	close(pipefd[1]);
	cleanup_fd int ready = pipefd[0];
	if (pid < 0)
		return cmd_fail("cannot mount %s: cannot start a process: %s", p->dir, strerror(err));

	char line[1200];
	size_t len = read_verdict(ready, line, sizeof(line));
	if (strcmp(line, "ok") == 0)
		return 0;
	/* It takes everything back before it ends. */
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (len == 0)
		return cmd_fail("cannot mount %s: the holder process died, see %s", p->dir, p->log);
	return cmd_fail("cannot mount %s: %s", p->dir,
			strncmp(line, "error: ", 7) == 0 ? line + 7 : line);
}

static int start(struct mount_args *a)
{
	struct mount_plan p = {0};
	if (geteuid() != 0)
		return cmd_fail("cannot mount %s: only root can", a->mountpoint);
	if (check_mountpoint(a, &p) || check_source(a, &p) || find_programs(&p))
		return 1;
	mountopts_flags(&a->opts, p.flags);
	if (a->fake)
		return 0;
	if (!a->foreground)
		return start_background(a, &p);
	exec_holder(a, &p, -1);
	return cmd_fail("cannot mount %s: cannot start %s: %s", p.dir, p.holder, strerror(errno));
}

/* ---- command lines --------------------------------------------------------- */

static const struct argp_option options[] = {
	{"foreground", 'f', NULL, 0,
	 "Stay until the mount ends, log to stderr; SIGINT and SIGTERM unmount", 0},
	{"log", 'L', "FILE", 0, "Log there instead of " LOG_DIR "/MOUNTPOINT.log", 0},
	{"options", 'o', "LIST", 0,
	 "ro, noexec, noatime and the like, and KEY=VALUE settings over those of the "
	 "configuration, separated by commas; the elements of a list are joined by '+'",
	 0},
	{"verbose", 'v', NULL, 0, "Log at level debug", 0},
	{"help", '?', NULL, 0, "Give this help list and the keys of the configuration", -1},
	{"keys", 'K', NULL, OPTION_HIDDEN, "Print the table of keys, for the man page", -1},
	{0},
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct mount_args *a = state->input;
	switch (key) {
	case 'o':
		if (!a->err[0])
			mountopts_add(&a->opts, arg, a->err);
		return 0;
	case ARGP_KEY_ARG:
		if (!a->source)
			a->source = arg;
		else if (!a->mountpoint)
			a->mountpoint = arg;
		else
			argp_error(state, "too many arguments: %s", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->mountpoint)
			argp_error(state, a->source ? "MOUNTPOINT is missing"
						    : "SOURCE and MOUNTPOINT are missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_mount(int key, char *arg, struct argp_state *state)
{
	struct mount_args *a = state->input;
	switch (key) {
	case 'f':
		a->foreground = true;
		return 0;
	case 'L':
		a->log = arg;
		return 0;
	case 'v':
		a->verbose = true;
		return 0;
	case '?': /* argp would re-wrap the table, so it is printed behind argp's part */
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK);
		puts("\nKeys of the configuration:");
		config_print_help(stdout);
		exit(0);
	case 'K':
		config_print_table(stdout);
		exit(0);
	default:
		return parse_common(key, arg, state);
	}
}

static int run(const struct argp *argp, unsigned flags, int argc, char **argv)
{
	struct mount_args a = {0};
	log_init("ontapfs", 2);
	/* The daemon reads the configuration again and logs its warnings. */
	log_set_level(LOG_LV_ERROR);
	mountopts_init(&a.opts);
	argp_parse(argp, argc, argv, flags, NULL, &a);
	int status = a.err[0] ? cmd_fail("cannot mount %s: %s", a.mountpoint, a.err) : start(&a);
	mountopts_fini(&a.opts);
	return status;
}

int cmd_mount(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse_mount, "SOURCE MOUNTPOINT",
		"Mounts the tree of an SVM; returns when it answers.\v"
		"SOURCE is a configuration file, see ontapfs.json(5), or HOST[:SVM]. 'ontapfs doctor' checks one.\n"
		"\n"
		"Examples:\n"
		"  ontapfs mount /etc/ontapfs/backend.json /datasets\n"
		"  ontapfs mount -o ro,include=project*+data /etc/ontapfs/backend.json /mnt\n"
		"  ontapfs mount --foreground --verbose /etc/ontapfs/backend.json /mnt",
		NULL, NULL, NULL};
	return run(&argp, ARGP_NO_HELP, argc, argv);
}

static const struct argp_option helper_options[] = {
	{NULL, 'o', "LIST", 0, "Mount options", 0},
	{NULL, 'f', NULL, 0, "Check everything but do not mount", 0},
	{NULL, 'n', NULL, 0, "Accepted, there is no mtab to leave alone", 0},
	{NULL, 's', NULL, 0, "Accepted", 0},
	{NULL, 'v', NULL, 0, "Accepted", 0},
	{0},
};

static error_t parse_helper(int key, char *arg, struct argp_state *state)
{
	struct mount_args *a = state->input;
	switch (key) {
	case 'f':
		a->fake = true;
		return 0;
	case 'n':
	case 's':
	case 'v':
		return 0;
	default:
		return parse_common(key, arg, state);
	}
}

int cmd_mount_helper(int argc, char **argv)
{
	static const struct argp argp = {
		helper_options, parse_helper, "SOURCE MOUNTPOINT",
		"Called by mount(8) for file systems of type ontapfs.\v"
		"Example:\n"
		"  mount -t ontapfs /etc/ontapfs/backend.json /datasets", NULL, NULL, NULL};
	return run(&argp, 0, argc, argv) ? EXIT_MOUNT_8 : 0;
}
