/*
 * ontapsim: a simulated ONTAP cluster for tests, demos and bug reports.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/ganesha/ganesha.h"
#include "tests/sim/life.h"
#include "tests/sim/nfs/simnfs.h"
#include "tests/sim/rest/rest.h"
#include "tests/sim/util.h"

static const char usage_text[] =
        "usage: ontapsim up DIR [options]       start (and make, the first time)\n"
        "       ontapsim down DIR               stop; the state is kept\n"
        "       ontapsim destroy DIR            stop and remove everything\n"
        "       ontapsim status DIR             what runs where\n"
        "       ontapsim path DIR VOLUME[@SNAPSHOT]\n"
        "                                       folder of a volume or snapshot in the store\n"
        "       ontapsim ctl DIR WORDS...       one command, any of\n"
        "           fault rest [METHOD] delay MS|status CODE|reset|lost|garbage|truncate [COUNT]\n"
        "           fault clear | split MS | job delay MS | job stuck [COUNT] | job fail CODE [COUNT]\n"
        "           job release | account lock|unlock NAME | license add|remove NAME\n"
        "           volume full|room NAME\n"
        "           cert renew | record FILE|off\n"
        "options of up (kept for the next up):\n"
        "  --rest-port N    management port at 127.0.0.1; 0 picks a free one (default)\n"
        "  --nfs-port N     port of every data LIF; 0 picks a free one (default)\n"
        "  --lifs N         data LIFs, 1 to 64 (default 1)\n"
        "  --nfs SERVER     builtin (default) or ganesha; cannot change later\n"
        "  --max-xfer SIZE  NFS transfer size, 8K to 1M (default 64K)\n"
        "  --size SIZE      store image, sparse (default 64G)\n"
        "  --job-delay MS   run time of every job, 0 to 600000 (default 0)\n"
        "  --unstable       answer UNSTABLE writes as unstable; --no-unstable undoes it\n"
        "  --synthetic-volumes N, --synthetic-snapshots M\n"
        "                   N volumes with M snapshots each, without data (default 0)\n"
        "  --version V      ONTAP version to report (default 9.15.1)\n";

static int usage(void)
{
	fputs(usage_text, stderr);
	return 2;
}

static int bad_option(const char *name, const char *value, const char *want)
{
	sim_err("cannot use --%s %s: %s", name, value, want);
	return 1;
}

enum {
	O_REST,
	O_NFS_PORT,
	O_LIFS,
	O_NFS,
	O_XFER,
	O_SIZE,
	O_DELAY,
	O_UNSTABLE,
	O_STABLE,
	O_VERSION,
	O_VOLUMES,
	O_SNAPSHOTS,
};

static int cmd_up(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "rest-port", required_argument, NULL, O_REST },
		{ "nfs-port", required_argument, NULL, O_NFS_PORT },
		{ "lifs", required_argument, NULL, O_LIFS },
		{ "nfs", required_argument, NULL, O_NFS },
		{ "max-xfer", required_argument, NULL, O_XFER },
		{ "size", required_argument, NULL, O_SIZE },
		{ "job-delay", required_argument, NULL, O_DELAY },
		{ "unstable", no_argument, NULL, O_UNSTABLE },
		{ "no-unstable", no_argument, NULL, O_STABLE },
		{ "version", required_argument, NULL, O_VERSION },
		{ "synthetic-volumes", required_argument, NULL, O_VOLUMES },
		{ "synthetic-snapshots", required_argument, NULL, O_SNAPSHOTS },
		{ NULL, 0, NULL, 0 },
	};
	struct up_options o = { .rest_port = -1,
		                .nfs_port = -1,
		                .lifs = -1,
		                .max_xfer = -1,
		                .size = -1,
		                .job_delay_ms = -1,
		                .unstable = -1,
		                .synthetic_volumes = -1,
		                .synthetic_snapshots = -1 };
	int c, i = 0, gen, major, minor, n;

	while ((c = getopt_long(argc, argv, "", longs, &i)) >= 0) {
		switch (c) {
		case O_REST:
		case O_NFS_PORT:
			if (!sim_parse_int(optarg, 0, 65535, c == O_REST ? &o.rest_port : &o.nfs_port))
				return bad_option(longs[i].name, optarg, "want a port, 0 to 65535");
			break;
		case O_LIFS:
			if (!sim_parse_int(optarg, 1, 64, &o.lifs))
				return bad_option("lifs", optarg, "want 1 to 64");
			break;
		case O_NFS:
			if (strcmp(optarg, "builtin") != 0 && strcmp(optarg, "ganesha") != 0)
				return bad_option("nfs", optarg, "want builtin or ganesha");
			o.nfs = optarg;
			break;
		case O_XFER:
			if (!sim_parse_size(optarg, &o.max_xfer) || o.max_xfer < 8192 ||
			    o.max_xfer > 1048576 || o.max_xfer % 4096)
				return bad_option("max-xfer", optarg,
				                  "want 8192 to 1048576 bytes in steps of 4096");
			break;
		case O_SIZE:
			if (!sim_parse_size(optarg, &o.size) || o.size < INT64_C(256) << 20)
				return bad_option("size", optarg, "want 256M or more");
			break;
		case O_DELAY:
			if (!sim_parse_int(optarg, 0, 600000, &o.job_delay_ms))
				return bad_option("job-delay", optarg, "want 0 to 600000 milliseconds");
			break;
		case O_UNSTABLE:
		case O_STABLE:
			o.unstable = c == O_UNSTABLE;
			break;
		case O_VERSION:
			if (sscanf(optarg, "%2d.%3d.%3d%n", &gen, &major, &minor, &n) != 3 || optarg[n])
				return bad_option("version", optarg, "want three numbers such as 9.15.1");
			o.version = optarg;
			break;
		case O_VOLUMES:
			if (!sim_parse_int(optarg, 0, 99999, &o.synthetic_volumes))
				return bad_option(longs[i].name, optarg, "want 0 to 99999");
			break;
		case O_SNAPSHOTS:
			if (!sim_parse_int(optarg, 0, 1023, &o.synthetic_snapshots))
				return bad_option(longs[i].name, optarg, "want 0 to 1023");
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 1)
		return usage();
	return life_up(argv[optind], &o);
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	if (strcmp(cmd, "--help") == 0 || strcmp(cmd, "help") == 0) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (strcmp(cmd, "up") == 0)
		return cmd_up(argc - 1, argv + 1);
	if (argc == 3 && strcmp(cmd, "down") == 0)
		return life_down(argv[2]);
	if (argc == 3 && strcmp(cmd, "destroy") == 0)
		return life_destroy(argv[2]);
	if (argc == 3 && strcmp(cmd, "status") == 0)
		return life_status(argv[2]);
	if (argc == 4 && strcmp(cmd, "path") == 0)
		return life_path(argv[2], argv[3]);
	if (argc > 3 && strcmp(cmd, "ctl") == 0)
		return life_ctl(argv[2], argc - 3, argv + 3);
	/* The daemons, started by `up`. */
	if (argc == 3 && strcmp(cmd, "serve-rest") == 0)
		return simrest_serve(argv[2]);
	if (argc == 3 && strcmp(cmd, "serve-nfs") == 0)
		return ganesha_chosen(argv[2]) ? simganesha_serve(argv[2]) : simnfs_serve(argv[2]);
	return usage();
}
