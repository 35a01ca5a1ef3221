/* The client against the simulator's REST face, for what no mount asks for: each
 * resource as that server, which shares no code with the client, tells it. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "mountd/config.h"
#include "ontap/ontap.h"

#define SKIP 77

static char sim_dir[256], sim_prog[PATH_MAX];
static struct ontap *o;

static int run_sim(const char *const argv[])
{
	pid_t pid = fork();
	int status = -1;
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execv(sim_prog, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}
#define SIM(verb, ...) run_sim((const char *const[]){sim_prog, verb, sim_dir, ##__VA_ARGS__, NULL})

/* ---- one call ------------------------------------------------------------- */

static int done;
static size_t count;
static struct ontap_error last;
static struct ontap_volume volume[16];
static struct ontap_snapshot snapshot[16];
static struct ontap_split split;
static struct ontap_job job[64];
static struct ontap_mirror mirror[4];
static struct ontap_flexcache cache[4];
static struct ontap_qtree qtree[4];
static struct ontap_volume_details details;
static char text[256];

static void note(const struct ontap_error *e, size_t n)
{
	done++;
	last = e ? *e : (struct ontap_error){0};
	count = n;
}
static void on_done(const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, 0);
}
#define LISTENER(name, type, array)                                            \
	static void name(const struct type *r, size_t n, const struct ontap_error *e, void *priv) \
	{                                                                      \
		(void)priv;                                                    \
		note(e, n);                                                    \
		for (size_t i = 0; i < MIN_OF(n, ARRAY_LEN(array)); i++)       \
			(array)[i] = r[i];                                     \
	}
#define ONE_LISTENER(name, type, one)                                          \
	static void name(const struct type *r, const struct ontap_error *e, void *priv) \
	{                                                                      \
		(void)priv;                                                    \
		note(e, r != NULL);                                            \
		if (r)                                                         \
			one = *r;                                              \
	}
LISTENER(on_volumes, ontap_volume, volume)
LISTENER(on_snapshots, ontap_snapshot, snapshot)
LISTENER(on_jobs, ontap_job, job)
LISTENER(on_mirrors, ontap_mirror, mirror)
LISTENER(on_caches, ontap_flexcache, cache)
LISTENER(on_qtrees, ontap_qtree, qtree)
ONE_LISTENER(on_split, ontap_split, split)
ONE_LISTENER(on_details, ontap_volume_details, details)

static void on_discovery(const struct ontap_discovery *d, const struct ontap_error *e, void *priv)
{
	(void)d, (void)priv;
	note(e, 0);
}
static void on_export(const struct ontap_export *x, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, x ? x->nrules : 0);
	if (x && x->nrules)
		snprintf(text, sizeof(text), "%.100s %.40s", x->rules[0].clients, x->rules[0].rw);
}
static void on_account(const struct ontap_account *a, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, a ? a->nprivileges : 0);
	if (a)
		snprintf(text, sizeof(text), "%.60s %.60s", a->user, a->role);
}
static void on_licence(enum ontap_licence l, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, l);
}

/* Runs the call just made to its end. */
static int ends(void)
{
	for (int i = 0; i < 10000 && !done; i++)
		ontap_poll(o, 1000, -1);
	assert_int_equal(done, 1);
	done = 0;
	return last.err;
}
#define OK(call)                                                               \
	do {                                                                   \
		call;                                                          \
		if (ends() != 0)                                               \
			fail_msg(#call ": %s", last.text);                     \
	} while (0)
#define FAILS(call, err_)                                                      \
	do {                                                                   \
		call;                                                          \
		if (ends() != (err_))                                          \
			fail_msg(#call ": errno %d: %s", last.err, last.text); \
	} while (0)

static struct ontap_volume find(const char *name)
{
	OK(ontap_volume_find(o, name, on_volumes, NULL));
	assert_int_equal(count, 1);
	return volume[0];
}

static struct ontap_volume make(const char *name)
{
	char junction[64];
	snprintf(junction, sizeof(junction), "/%s", name);
	struct ontap_create cr = {.name = name, .size = 100 << 20, .junction = junction, .comment = "id-1",
				  .request_id = "id-1", .snapshot_dir = true};
	OK(ontap_volume_create(o, &cr, on_volumes, NULL));
	return volume[0];
}

static struct uuid take(const struct uuid *v, const char *name)
{
	OK(ontap_snapshot_create(o, v, name, "id-2", "id-2", on_snapshots, NULL));
	return snapshot[0].uuid;
}

/* ---- tests ------------------------------------------------------------------ */

static void test_size_and_details(void **state)
{
	(void)state;
	struct ontap_volume v = make("sized");
	OK(ontap_volume_resize(o, &v.uuid, 200 << 20, on_done, NULL));
	assert_int_equal(find("sized").size, 200 << 20);
	FAILS(ontap_volume_resize(o, &v.uuid, 4096, on_done, NULL), -EINVAL);
	assert_int_equal(find("sized").size, 200 << 20);
	OK(ontap_volume_details(o, &v.uuid, on_details, NULL));
	assert_true(details.reserve_percent >= 0 && *details.snapshot_policy);
}

static void test_restore_loses_what_is_newer(void **state)
{
	(void)state;
	struct ontap_volume v = make("restored");
	struct uuid first = take(&v.uuid, "first"), second = take(&v.uuid, "second");
	OK(ontap_volume_restore(o, &v.uuid, &first, on_done, NULL));
	OK(ontap_snapshot_list(o, &v.uuid, on_snapshots, NULL));
	assert_int_equal(count, 1);
	assert_string_equal(snapshot[0].name, "first");
	FAILS(ontap_volume_restore(o, &v.uuid, &second, on_done, NULL), -ENOENT);
}

static void test_clones_and_split(void **state)
{
	(void)state;
	struct ontap_volume v = make("parent");
	struct uuid base = take(&v.uuid, "base"), other = take(&v.uuid, "other");
	struct ontap_clone cl = {.name = "child", .parent = v.uuid, .snapshot = base, .junction = "/child",
				 .comment = "id-3", .request_id = "id-3"};
	OK(ontap_volume_clone(o, &cl, on_volumes, NULL));
	struct uuid child = volume[0].uuid;

	OK(ontap_volume_clones(o, &v.uuid, NULL, on_volumes, NULL));
	assert_int_equal(count, 1);
	assert_true(uuid_eq(&volume[0].uuid, &child));
	OK(ontap_volume_clones(o, &v.uuid, &base, on_volumes, NULL));
	assert_int_equal(count, 1);
	OK(ontap_volume_clones(o, &v.uuid, &other, on_volumes, NULL));
	assert_int_equal(count, 0);

	FAILS(ontap_split_wait(o, &child, on_split, NULL), -EINVAL);
	OK(ontap_volume_split(o, &child, on_done, NULL));
	OK(ontap_split_wait(o, &child, on_split, NULL));
	assert_false(split.is_clone);
	OK(ontap_volume_clones(o, &v.uuid, NULL, on_volumes, NULL));
	assert_int_equal(count, 0);
}

static void test_jobs(void **state)
{
	(void)state;
	struct ontap_volume v = make("worked");
	take(&v.uuid, "done");
	OK(ontap_job_list(o, "/snapshots", false, on_jobs, NULL));
	assert_true(count >= 1);
	struct uuid id = job[0].uuid;
	assert_int_equal(job[0].state, ONTAP_JOB_SUCCESS);
	assert_true(job[0].start_time > 0);
	OK(ontap_job_list(o, "/snapshots", true, on_jobs, NULL));
	assert_int_equal(count, 0);
	OK(ontap_job_get(o, &id, on_jobs, NULL));
	assert_int_equal(count, 1);
	OK(ontap_job_wait(o, &id, on_jobs, NULL));
	assert_int_equal(job[0].state, ONTAP_JOB_SUCCESS);
	OK(ontap_job_cancel(o, &id, on_done, NULL)); /* ended already */
	OK(ontap_job_get(o, &v.uuid, on_jobs, NULL));
	assert_int_equal(count, 0);
}

static void shell(const char *cmd)
{
	pid_t pid = fork();
	int status = -1;
	if (pid == 0) {
		execl("/bin/sh", "sh", "-ec", cmd, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		fail_msg("%s: status %#x", cmd, (unsigned)status);
}

/* A request that the client has no call for: what an administrator does. */
static void admin(const char *method, const char *path, const char *body)
{
	char cmd[1024];
	snprintf(cmd, sizeof(cmd),
		 "curl -sSfk -o /dev/null -X %s -d '%s' -H 'Content-Type: application/json' "
		 "-u \"vsadmin:$(jq -r .password %s/backend.json)\" "
		 "\"https://127.0.0.1:$(jq .ontapfs.restPort %s/backend.json)/api%s?return_timeout=20\"",
		 method, body, sim_dir, sim_dir, path);
	shell(cmd);
}

/* Waits until the last transfer of the relationship has ended. */
static void transferred(const char *destination)
{
	for (int i = 0; i < 200; i++) {
		OK(ontap_mirror_list(o, destination, on_mirrors, NULL));
		assert_int_equal(count, 1);
		if (strcmp(mirror[0].transfer_state, "success") == 0)
			return;
		ontap_poll(o, 50, -1);
	}
	fail_msg("the transfer is %s: %s", mirror[0].transfer_state, mirror[0].unhealthy);
}

static void test_mirror(void **state)
{
	(void)state;
	struct ontap_volume v = make("source");
	take(&v.uuid, "kept");
	admin("POST", "/storage/volumes", "{\"name\":\"copy\",\"svm\":{\"name\":\"svm1\"},\"type\":\"dp\","
	      "\"size\":104857600,\"aggregates\":[{\"name\":\"aggr1\"}]}");
	assert_int_equal(find("copy").type, ONTAP_DP);
	OK(ontap_mirror_list(o, "svm1:copy", on_mirrors, NULL));
	assert_int_equal(count, 0);
	FAILS(ontap_mirror_create(o, "svm1:none", "svm1:copy", NULL, on_mirrors, NULL), -ENOENT);
	FAILS(ontap_mirror_create(o, "source", "svm1:copy", NULL, on_mirrors, NULL), -EINVAL);
	OK(ontap_mirror_create(o, "svm1:source", "svm1:copy", "MirrorAllSnapshots", on_mirrors, NULL));
	assert_int_equal(count, 1);
	assert_string_equal(mirror[0].state, "uninitialized");
	assert_string_equal(mirror[0].policy, "MirrorAllSnapshots");
	assert_int_equal(mirror[0].lag_s, -1);
	struct uuid id = mirror[0].uuid;
	OK(ontap_mirror_create(o, "svm1:source", "svm1:copy", NULL, on_mirrors, NULL)); /* the same again */
	assert_true(uuid_eq(&mirror[0].uuid, &id));
	struct ontap_volume other = make("other_source");
	(void)other;
	FAILS(ontap_mirror_create(o, "svm1:other_source", "svm1:copy", NULL, on_mirrors, NULL), -EEXIST);

	OK(ontap_mirror_set_state(o, &id, "snapmirrored", on_done, NULL));
	transferred("svm1:copy");
	assert_string_equal(mirror[0].state, "snapmirrored");
	assert_true(mirror[0].healthy && mirror[0].lag_s >= 0 && *mirror[0].exported_snapshot);
	struct uuid first = mirror[0].transfer, copy = find("copy").uuid;
	OK(ontap_snapshot_list(o, &copy, on_snapshots, NULL));
	assert_int_equal(count, 2); /* kept, and the transfer's own */
	FAILS(ontap_snapshot_create(o, &copy, "mine", "id-9", "id-9", on_snapshots, NULL), -EROFS);
	OK(ontap_mirror_update(o, &id, on_done, NULL));
	transferred("svm1:copy");
	assert_false(uuid_eq(&mirror[0].transfer, &first));

	OK(ontap_mirror_of_source(o, "svm1:source", on_mirrors, NULL));
	assert_int_equal(count, 1);
	assert_string_equal(mirror[0].destination, "svm1:copy");
	OK(ontap_mirror_set_state(o, &id, "paused", on_done, NULL));
	assert_true((ontap_mirror_update(o, &id, on_done, NULL), ends()) != 0);
	OK(ontap_mirror_set_state(o, &id, "broken_off", on_done, NULL));
	assert_int_equal(find("copy").type, ONTAP_RW);
	FAILS(ontap_mirror_set_state(o, &id, "sideways", on_done, NULL), -EINVAL);
	OK(ontap_mirror_delete(o, &id, on_done, NULL));
	OK(ontap_mirror_delete(o, &id, on_done, NULL));
	OK(ontap_mirror_list(o, NULL, on_mirrors, NULL));
	assert_int_equal(count, 0);
}

static void test_flexcache(void **state)
{
	(void)state;
	struct ontap_volume v = make("origin");
	(void)v;
	struct ontap_flexcache_new f = {.name = "cached", .origin_volume = "origin", .junction = "/cached"};
	OK(ontap_flexcache_create(o, &f, on_caches, NULL));
	assert_int_equal(count, 1);
	assert_string_equal(cache[0].origins[0].volume, "origin");
	assert_string_equal(cache[0].junction, "/cached");
	struct uuid id = cache[0].uuid;
	assert_true(find("cached").is_flexcache);
	OK(ontap_flexcache_create(o, &f, on_caches, NULL)); /* the same again */
	assert_true(uuid_eq(&cache[0].uuid, &id));
	struct ontap_flexcache_new g = {.name = "cached2", .origin_volume = "nowhere"};
	FAILS(ontap_flexcache_create(o, &g, on_caches, NULL), -ENOENT);
	OK(ontap_flexcache_delete(o, &id, on_done, NULL));
	OK(ontap_flexcache_delete(o, &id, on_done, NULL));
	OK(ontap_flexcache_list(o, on_caches, NULL));
	assert_int_equal(count, 0);
}

static void test_qtrees_and_file_clones(void **state)
{
	(void)state;
	struct ontap_volume v = make("parted");
	OK(ontap_qtree_list(o, &v.uuid, on_qtrees, NULL));
	assert_int_equal(count, 0);
	admin("POST", "/storage/qtrees", "{\"name\":\"q1\",\"svm\":{\"name\":\"svm1\"},"
	      "\"volume\":{\"name\":\"parted\"},\"security_style\":\"unix\"}");
	OK(ontap_qtree_list(o, &v.uuid, on_qtrees, NULL));
	assert_int_equal(count, 1);
	assert_string_equal(qtree[0].name, "q1");
	assert_string_equal(qtree[0].path, "/parted/q1");
	assert_string_equal(qtree[0].security_style, "unix");
	assert_true(qtree[0].id > 0);

	char cmd[600];
	snprintf(cmd, sizeof(cmd), "cd \"$(%.200s path %s parted)\"; head -c 1048576 /dev/urandom >big", sim_prog,
		 sim_dir);
	shell(cmd);
	struct ontap_file_clone f = {.volume = v.uuid, .source = "big", .destination = "q1/copy"};
	OK(ontap_file_clone(o, &f, on_done, NULL));
	snprintf(cmd, sizeof(cmd), "cd \"$(%.200s path %s parted)\"; cmp big q1/copy", sim_prog, sim_dir);
	shell(cmd);
	FAILS(ontap_file_clone(o, &f, on_done, NULL), -EEXIST);
	f.source = "none";
	f.destination = "copy2";
	FAILS(ontap_file_clone(o, &f, on_done, NULL), -ENOENT);
	OK(ontap_file_clone_splits(o, &v.uuid, on_split, NULL));
}

static void test_rights(void **state)
{
	(void)state;
	OK(ontap_export_get(o, "default", on_export, NULL));
	assert_true(count >= 1 && *text);
	FAILS(ontap_export_get(o, "nobodys", on_export, NULL), -ENOENT);
	OK(ontap_account_get(o, on_account, NULL));
	assert_string_equal(text, "vsadmin vsadmin");
	assert_true(count > 0);
	FAILS(ontap_licence_get(o, "flexclone", on_licence, NULL), -EACCES); /* not for an SVM's account */
}

/* ---- replies that are lost ------------------------------------------------------ */

#define REQUEST_MS 1000

static int times(const char *file, const char *words)
{
	static char said[1 << 20];
	FILE *f = fopen(file, "r");
	assert_non_null(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fclose(f);
	int n = 0;
	for (const char *p = said; (p = strstr(p, words)); p++)
		n++;
	return n;
}

/* What must not be done twice is on the wire once, also where the connection had
 * been used before: curl repeats requests there by itself, and tells less. */
static void test_lost_replies(void **state)
{
	(void)state;
	char file[300];
	struct ontap_volume v = make("lost");
	struct uuid s = take(&v.uuid, "s");
	struct ontap_file_clone f = {.volume = v.uuid, .source = "a", .destination = "b"};
	snprintf(file, sizeof(file), "%s.record", sim_dir);
	assert_int_equal(SIM("ctl", "record", file), 0);
	assert_int_equal(SIM("ctl", "fault", "rest", "PATCH", "lost", "1"), 0);
	FAILS(ontap_volume_restore(o, &v.uuid, &s, on_done, NULL), -EINPROGRESS);
	assert_int_equal(times(file, "restore_to"), 1);
	assert_int_equal(SIM("ctl", "fault", "rest", "POST", "lost", "1"), 0);
	FAILS(ontap_file_clone(o, &f, on_done, NULL), -EINPROGRESS);
	assert_int_equal(times(file, "file/clone"), 1);

	OK(ontap_volume_get(o, &v.uuid, on_volumes, NULL));
	assert_int_equal(SIM("ctl", "fault", "rest", "PATCH", "delay", "30000", "1"), 0);
	FAILS(ontap_volume_restore(o, &v.uuid, &s, on_done, NULL), -EINPROGRESS);
	assert_int_equal(times(file, "restore_to"), 1);
	assert_int_equal(SIM("ctl", "record", "off"), 0);
	assert_int_equal(SIM("ctl", "fault", "clear"), 0);
	unlink(file);
}

/* ---- the server ----------------------------------------------------------------- */

static int connect_to_sim(void **state)
{
	char file[300], err[512] = "";
	struct config c = {0};
	struct ontap_error e = {0};
	(void)state;
	snprintf(file, sizeof(file), "%s/backend.json", sim_dir);
	if (SIM("up") != 0 || config_load(file, &c, err) != 0)
		fail_msg("the simulator does not start: %s", err);
	struct ontap_params p = {.management_lifs = (const char *const *)c.management_lifs,
				 .port = (uint16_t)c.rest_port, .svm = c.svm,
				 .login = {.username = c.username, .password = c.password,
					   .ca_pem = c.ca_pem},
				 .request_timeout_ms = REQUEST_MS};
	o = ontap_new(&p, &e);
	config_free(&c);
	if (!o)
		fail_msg("%s", e.text);
	OK(ontap_discover(o, on_discovery, NULL));
	return 0;
}

static int take_sim_down(void **state)
{
	(void)state;
	ontap_free(o);
	SIM("destroy");
	rmdir(sim_dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_and_details),
		cmocka_unit_test(test_restore_loses_what_is_newer),
		cmocka_unit_test(test_clones_and_split),
		cmocka_unit_test(test_jobs),
		cmocka_unit_test(test_mirror),
		cmocka_unit_test(test_flexcache),
		cmocka_unit_test(test_qtrees_and_file_clones),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_lost_replies),
	};
	ssize_t n = readlink("/proc/self/exe", sim_prog, sizeof(sim_prog) - 16);
	if (n <= 0 || geteuid() != 0) {
		puts("skip: the simulator needs root");
		return SKIP;
	}
	/* build/tests/unit/test_ontap_sim -> build */
	sim_prog[n] = '\0';
	for (int i = 0; i < 3 && strrchr(sim_prog, '/'); i++)
		*strrchr(sim_prog, '/') = '\0';
	strncat(sim_prog, "/ontapsim", sizeof(sim_prog) - strlen(sim_prog) - 1);
	if (access(sim_prog, X_OK) != 0) {
		printf("skip: %s is not built\n", sim_prog);
		return SKIP;
	}
	const char *tmp = getenv("TMPDIR");
	snprintf(sim_dir, sizeof(sim_dir), "%s/ontapfs-rest-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(sim_dir)) {
		perror(sim_dir);
		return 1;
	}
	log_set_level(LOG_LV_ERROR);
	return cmocka_run_group_tests(tests, connect_to_sim, take_sim_down);
}
