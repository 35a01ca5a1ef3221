/* ontapfs: the one command. Finds the subcommand and hands over. */
#include <argp.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "mountd/cmd.h"
#include "mountd/out.h"

static const struct command {
	const char *name, *title; /* the title is argv[0] of the command */
	int (*run)(int argc, char **argv);
} commands[] = {
	{"mount", "ontapfs mount", cmd_mount},
	{"umount", "ontapfs umount", cmd_umount},
	{"upgrade", "ontapfs upgrade", cmd_upgrade},
	{"status", "ontapfs status", cmd_status},
	{"doctor", "ontapfs doctor", cmd_doctor},
	{"log", "ontapfs log", cmd_log},
	{"restore", "ontapfs restore", cmd_restore},
	{"jobs", "ontapfs jobs", cmd_jobs},
	{"wait", "ontapfs wait", cmd_wait},
	{"top", "ontapfs top", cmd_top},
	{"serve", "ontapfs serve", cmd_serve},
};

const char *argp_program_version = "ontapfs " ONTAPFS_VERSION;

static const char doc[] =
	"Shows the volumes, snapshots and clones of an ONTAP SVM as one directory tree."
	"\vCommands:\n"
	"  mount SOURCE MOUNTPOINT   mount the tree\n"
	"  umount MOUNTPOINT         unmount it and wait for its end\n"
	"  upgrade MOUNTPOINT        replace its daemon by the program as it is now\n"
	"  status [MOUNTPOINT]       show mounts and how they are\n"
	"  doctor CONFIG             check all that a mount needs, with the remedy for what is wrong\n"
	"  log PATH                  list the snapshots of a volume, who made them, their clones\n"
	"  restore PATH SNAPSHOT     take a volume back to a snapshot (admins)\n"
	"  jobs MOUNTPOINT           show what ONTAP is at work on for a mount (root)\n"
	"  wait PATH...              wait for a verb that said EINPROGRESS\n"
	"  top [MOUNTPOINT]          show what goes on in each volume, live\n"
	"\n"
	"'ontapfs COMMAND --help' tells more about one of them, and so do ontapfs(8) and"
	" ontapfs.json(5).";

static const char what_next[] =
	"ontapfs shows the volumes, snapshots and clones of an ONTAP SVM as one directory tree.\n"
	"\n"
	"  1. Write down where the SVM is:  /etc/ontapfs/backend.json  (see ontapfs.json(5))\n"
	"  2. Have it checked:              ontapfs doctor /etc/ontapfs/backend.json\n"
	"  3. Mount it:                     ontapfs mount /etc/ontapfs/backend.json /datasets\n"
	"  4. Read the cheat sheet:         cat /datasets/.ontap/README\n"
	"\n"
	"'ontapfs --help' lists the commands.\n";

int cmd_fail(const char *fmt, ...)
{
	cleanup_free char *text = NULL, *plain = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0)
		plain = out_plain(text);
	else
		text = NULL;
	va_end(ap);
	fprintf(stderr, "ontapfs: %s\n", plain ? plain : "out of memory");
	return 1;
}

/* Stops at the command's name: what follows belongs to the command. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	*(int *)state->input = state->next - 1;
	state->next = state->argc;
	return 0;
}

int main(int argc, char **argv)
{
	argp_err_exit_status = 1;
	setlocale(LC_CTYPE, ""); /* which characters a terminal shows; nothing else follows the locale */
	const char *slash = strrchr(argv[0], '/');
	if (strncmp(slash ? slash + 1 : argv[0], "mount.", 6) == 0)
		return cmd_mount_helper(argc, argv);
	if (argc == 1)
		return fputs(what_next, stdout) < 0;

	static const struct argp argp = {.parser = parse, .args_doc = "COMMAND [ARGUMENT...]", .doc = doc};
	int at = 0;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &at);
	for (size_t i = 0; at && i < ARRAY_LEN(commands); i++) {
		if (strcmp(argv[at], commands[i].name) != 0)
			continue;
		char title[32];
		snprintf(title, sizeof(title), "%s", commands[i].title);
		argv[at] = title;
		return commands[i].run(argc - at, argv + at);
	}
	return cmd_fail("unknown command '%s'; 'ontapfs --help' lists the commands", argv[at]);
}
