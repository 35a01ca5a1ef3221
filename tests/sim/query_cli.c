/*
 * The commands that ask a simulator something: status, path, ctl.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/sim/db.h"
#include "tests/sim/life.h"
#include "tests/sim/proc.h"
#include "tests/sim/seed.h"
#include "tests/sim/store.h"

#define CTL_MS 15000

static char *find(const char *dir, sqlite3 **db)
{
	char buf[PATH_MAX];
	int r;

	if (!realpath(dir, buf)) {
		sim_err("cannot use %s: %s", dir, strerror(errno));
		return NULL;
	}
	r = db_open_ro(buf, db);
	if (r < 0) {
		sim_err("cannot use %s: %s; make a simulator with 'ontapsim up %s'", buf,
		        r == -ENOENT ? "it is not a simulator" : "state.db cannot be read", dir);
		return NULL;
	}
	return sim_dup(buf);
}

int life_status(const char *dir)
{
	sqlite3 *db = NULL;
	AUTO_FREE char *real = find(dir, &db);
	AUTO_FREE char *version = NULL;
	sqlite3_stmt *lif;
	pid_t rest, nfs;

	if (!real)
		return 1;
	rest = proc_find(real, "rest");
	nfs = proc_find(real, "nfs");
	version = db_setting(db, "version");
	printf("simulator  %s (ONTAP %s)\n", real, version ? version : "?");
	printf("rest       %s", rest ? "running" : "stopped");
	if (rest)
		printf(", pid %d", (int)rest);
	printf(", https://%s:%lld/api\n", SIM_MGMT_ADDRESS, (long long)db_setting_int(db, "rest_port", 0));
	printf("nfs        %s", nfs ? "running" : "stopped");
	if (nfs)
		printf(", pid %d", (int)nfs);
	lif = db_query(db, "SELECT address,state FROM lifs ORDER BY name", "");
	while (db_row(lif))
		printf(", %s:%lld (%s)", db_col_text(lif, 0), (long long)db_setting_int(db, "nfs_port", 0),
		       db_col_text(lif, 1));
	sqlite3_finalize(lif);
	printf("\nstore      %s\n", store_is_up(real) ? "mounted" : "not mounted");
	sqlite3_close(db);
	return rest && nfs ? 0 : 1;
}

int life_path(const char *dir, const char *name)
{
	sqlite3 *db = NULL;
	AUTO_FREE char *real = find(dir, &db);
	AUTO_FREE char *volume = sim_dup(name);
	AUTO_FREE char *subvol = NULL;
	char *at = strchr(volume, '@');

	if (!real)
		return 1;
	if (at) {
		*at = '\0';
		subvol = db_text(db,
		                 "SELECT s.subvol FROM snapshots s JOIN volumes v ON v.uuid=s.volume_uuid"
		                 " WHERE v.name=? AND s.name=? AND v.deleted_at IS NULL",
		                 "ss", volume, at + 1);
	} else {
		subvol = db_text(db, "SELECT subvol FROM volumes WHERE name=? AND deleted_at IS NULL", "s",
		                 volume);
	}
	sqlite3_close(db);
	if (!subvol) {
		sim_err("cannot find %s in %s", name, real);
		return 1;
	}
	if (!store_is_up(real)) {
		sim_err("cannot reach %s: the store is not mounted; run 'ontapsim up %s'", name, dir);
		return 1;
	}
	printf("%s/store/%s\n", real, subvol);
	return 0;
}

int life_ctl(const char *dir, int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_FREE char *line = sim_dup("");
	char answer[4096];
	size_t len = 0;
	int n;

	n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/ctl.sock", dir);
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		sim_err("cannot reach %s: the path is too long", dir);
		return 1;
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		sim_err("cannot reach %s: %s; is the simulator up?", sa.sun_path, strerror(errno));
		return 1;
	}
	for (int i = 0; i < argc; i++) {
		char *longer = sim_fmt("%s%s%s", line, i ? " " : "", argv[i]);

		free(line);
		line = longer;
	}
	if (dprintf(fd, "%s\n", line) < 0) {
		sim_err("cannot send to %s: %s", sa.sun_path, strerror(errno));
		return 1;
	}
	while (len < sizeof(answer) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, CTL_MS) <= 0)
			break;
		got = read(fd, answer + len, sizeof(answer) - 1 - len);
		if (got <= 0)
			break;
		len += (size_t)got;
		if (answer[len - 1] == '\n')
			break;
	}
	answer[len] = '\0';
	if (!len) {
		sim_err("cannot read the answer of %s: it sent none", sa.sun_path);
		return 1;
	}
	if (strncmp(answer, "error: ", 7) == 0) {
		answer[strcspn(answer, "\n")] = '\0';
		sim_err("%s", answer + 7);
		return 1;
	}
	fputs(answer, stdout);
	return 0;
}
