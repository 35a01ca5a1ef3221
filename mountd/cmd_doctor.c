/* ontapfs doctor: checks all that a mount needs, in order. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "mountd/cmd.h"
#include "mountd/doctor.h"
#include "mountd/out.h"

const struct doctor_check doctor_checks[] = {
	{"config", "configuration", 0, doctor_config},
	{"name", "management LIF's name", HAVE_CONFIG, doctor_name},
	{"connect", "management LIF", HAVE_ADDRESS, doctor_connect},
	{"tls", "TLS certificate", HAVE_ANSWER, doctor_tls},
	{"login", "login", HAVE_LOGIN, doctor_login},
	{"svm", "SVM", HAVE_SVM, doctor_svm},
	{"version", "ONTAP version", HAVE_VOLUMES, doctor_version},
	{"rights", "rights of the role", HAVE_VOLUMES, doctor_rights},
	{"nfs", "NFS service", HAVE_VOLUMES, doctor_nfs},
	{"lifs", "data LIFs", HAVE_VOLUMES, doctor_lifs},
	{"reserved", "reserved ports", HAVE_VOLUMES, doctor_reserved},
	{"export", "export rules, sec=sys", HAVE_LIF, doctor_export},
	{"transfer", "transfer size", HAVE_VOLUMES, doctor_transfer},
	{"identifiers", "64-bit identifiers", HAVE_VOLUMES, doctor_identifiers},
	{"snapdir", "snapshot directories", HAVE_VOLUMES, doctor_snapdir},
	{"flexclone", "FlexClone licence", HAVE_VOLUMES, doctor_licence},
	{"read", "a real read", HAVE_EXPORT, doctor_read},
	{"leftovers", "leftovers", HAVE_VOLUMES, doctor_leftovers},
};
const size_t doctor_nchecks = ARRAY_LEN(doctor_checks);

struct doctor_args {
	const char *source;
	bool json, role;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "JSON for programs", 0},
	{"print-role", 'r', NULL, 0,
	 "Print the ONTAP commands that make an account with only the rights that CONFIG needs (without "
	 "CONFIG: by default)", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor_args *a = state->input;
	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 'r':
		a->role = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->source)
			argp_error(state, "one CONFIG is enough");
		a->source = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->source && !a->role)
			argp_error(state, "CONFIG is missing: what 'ontapfs mount' is given as SOURCE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the role ------------------------------------------------------------------- */

static bool print_right(const char *path, const char *access, void *svm)
{
	printf("security login rest-role create -vserver %s -role ontapfs -api \"%s\" -access %s\n",
	       (const char *)svm, path, access);
	return true;
}

static int print_role(const char *source)
{
	struct config c = {0};
	char err[512], svm[256] = "SVM", user[256] = "ontapfs";
	static const char *const builtin[] = {"admin", "vsadmin"};
	/* Without a configuration: what the default of `allow` needs. */
	c.allow = 1u << CONFIG_SNAPSHOT_CREATE | 1u << CONFIG_SNAPSHOT_DELETE | 1u << CONFIG_SNAPSHOT_RENAME |
		  1u << CONFIG_CLONE_CREATE | 1u << CONFIG_CLONE_DELETE;
	c.clone_min = 1;
	if (source && config_load(source, &c, err) < 0)
		return cmd_fail("cannot tell which rights are needed: %s", err);
	snprintf(svm, sizeof(svm), "%s", c.svm ? c.svm : "SVM");
	if (c.username && strcmp(c.username, builtin[0]) != 0 && strcmp(c.username, builtin[1]) != 0)
		snprintf(user, sizeof(user), "%s", c.username);
	doctor_role(&c, print_right, svm);
	printf("security login create -vserver %s -user-or-group-name %s -application http "
	       "-authentication-method password -role ontapfs\n", svm, user);
	config_free(&c);
	return 0;
}

/* ---- printing --------------------------------------------------------------------- */

static const char *const words[] = {"ok", "warning", "failed", "skipped"};

static void print_check(const struct doctor *d, const struct doctor_check *c, bool colours)
{
	static const char *const colour[] = {"\033[32m", "\033[33m", "\033[31m", "\033[2m"};
	cleanup_free char *text = out_plain(d->text), *remedy = out_plain(d->remedy);
	printf("%s%-8s%s %-22s %s\n", colours ? colour[d->state] : "", words[d->state], colours ? "\033[0m" : "",
	       c->title, text ? text : "?");
	if (d->remedy[0])
		printf("%32s%s\n", "remedy: ", remedy ? remedy : "?");
	fflush(stdout);
}

static void print_json(const struct doctor *d, const struct doctor_check *c, bool first)
{
	printf("%s{\"check\":\"%s\",\"state\":\"%s\",\"text\":", first ? "" : ",\n  ", c->name, words[d->state]);
	out_json_string(d->text);
	fputs(",\"remedy\":", stdout);
	if (d->remedy[0])
		out_json_string(d->remedy);
	else
		fputs("null", stdout);
	putchar('}');
}

static void skip(struct doctor *d)
{
	doctor_say(d, DOCTOR_SKIPPED, NULL, "an earlier check failed");
}

static int examine(struct doctor *d, bool json)
{
	bool colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	unsigned count[4] = {0};
	if (json)
		fputs("{\"checks\":[\n  ", stdout);
	for (size_t i = 0; i < doctor_nchecks; i++) {
		const struct doctor_check *c = &doctor_checks[i];
		d->state = DOCTOR_OK;
		d->text[0] = d->remedy[0] = '\0';
		if ((d->have & c->needs) == c->needs)
			c->run(d);
		else
			skip(d);
		count[d->state]++;
		if (json)
			print_json(d, c, i == 0);
		else
			print_check(d, c, colours);
	}
	int status = count[DOCTOR_FAILED] ? 1 : count[DOCTOR_WARNING] ? 2 : 0;
	if (json)
		printf("],\n \"result\":\"%s\"}\n",
			words[status == 1 ? DOCTOR_FAILED : status ? DOCTOR_WARNING : DOCTOR_OK]);
	else
		printf("\n%u ok, %u warnings, %u failed, %u skipped\n", count[DOCTOR_OK], count[DOCTOR_WARNING],
		       count[DOCTOR_FAILED], count[DOCTOR_SKIPPED]);
	return status;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "CONFIG\n--print-role [CONFIG]",
		"Checks all that a mount needs, from the name of the management LIF to a real read over NFS, and "
		"tells the remedy for what is wrong. Changes nothing. Run it as root, like a mount. The exit "
		"status is 0 when all is well, 1 when something failed, 2 when there are only warnings.\v"
		"Examples:\n"
		"  ontapfs doctor /etc/ontapfs/backend.json\n"
		"  ontapfs doctor --json /etc/ontapfs/backend.json | jq '.checks[] | select(.state == \"failed\")'\n"
		"  ontapfs doctor --print-role /etc/ontapfs/backend.json",
		NULL, NULL, NULL};
	struct doctor_args a = {0};
	log_init("ontapfs", 2);
	log_set_level(LOG_LV_WARN);
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.role)
		return print_role(a.source);
	struct doctor *d = calloc(1, sizeof(*d));
	if (!d)
		return cmd_fail("out of memory");
	d->source = a.source;
	int status = examine(d, a.json);
	rest_close(&d->rest);
	free(d->lifs);
	free(d->volumes);
	free(d);
	return status;
}
