/* unit-wrap: http_new http_set_login http_login_changed http_free
 * unit-wrap: http_who http_start http_abort http_run http_wait http_wakeup
 *
 * The client above a scripted transport: which requests it makes, what it
 * retries, and how each verb finds out what happened when a reply is lost. */
#include "tests/unit/ontap_fake.h"

#define V  "\"uuid\":\"11111111-1111-1111-1111-111111111111\""
#define S1 "\"uuid\":\"22222222-2222-2222-2222-222222222222\""
#define SNAP(name, comment) "{" S1 ",\"name\":\"" name "\",\"comment\":\"" comment \
	"\",\"create_time\":\"2022-11-24T22:23:13Z\"}"

static struct uuid vol, snap;
static char first_name[ONTAP_NAME_MAX + 1];

static void on_volumes(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, n);
	if (n)
		snprintf(first_name, sizeof(first_name), "%s", v[0].name);
}
static void on_snapshots(const struct ontap_snapshot *s, size_t n, const struct ontap_error *e,
			 void *priv)
{
	(void)priv;
	note(e, n);
	if (n)
		snprintf(first_name, sizeof(first_name), "%s", s[0].name);
}
static struct ontap_discovery found;
static void on_discover(const struct ontap_discovery *d, const struct ontap_error *e, void *priv)
{
	(void)priv;
	assert_true((d == NULL) != (e == NULL));
	note(e, d ? d->nlifs : 0);
	if (d)
		found = *d;
}

/* ---- reading ------------------------------------------------------------ */

#define CLUSTER "{\"name\":\"k\",\"version\":{\"generation\":9,\"major\":15,\"minor\":1}}"
#define SVM(n)  "{" V ",\"name\":\"" n "\",\"state\":\"running\"}"

static void test_discover(void **state)
{
	(void)state;
	BEGIN("svm1", {GET, "/api/cluster?fields=name,version", 200, CLUSTER},
	      {GET, "/api/svm/svms?fields=name,uuid,state&name=svm1", 200, ONE(SVM("svm1"))},
	      {GET, "/api/protocols/nfs/services?svm.uuid=11111111", 200,
	       ONE("{\"enabled\":true,\"protocol\":{\"v3_enabled\":true}}")},
	      {GET, "/api/network/ip/interfaces?services=data_nfs&svm.uuid=1", 200,
	       ONE("{\"name\":\"l\",\"ip\":{\"address\":\"10.0.0.2\"},\"state\":\"up\"}")});
	ontap_discover(o, on_discover, NULL);
	finish(o);
	assert_int_equal(last.err, 0);
	assert_int_equal(count, 1);
	assert_true(found.nfs_known && found.nfs.v3_enabled);
	assert_string_equal(found.svm.name, "svm1");
}

static void test_discover_limited_account(void **state)
{
	(void)state;
	BEGIN(NULL, {GET, "/api/cluster", 200, CLUSTER}, {GET, "/api/svm/svms", 200, ONE(SVM("s"))},
	      {GET, "/nfs/services", 403, ERROR(6)}, {GET, "/ip/interfaces", 403, ERROR(6)});
	ontap_discover(o, on_discover, NULL);
	finish(o);
	assert_int_equal(last.err, 0);
	assert_int_equal(count, 0);
	assert_true(!found.nfs_known && found.nfs.mount_root_only);
}

/* A server whose list of data LIFs does not end. */
static void test_discover_endless(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_puts(&b, "{\"records\":[");
	for (int i = 0; i < 1025; i++)
		buf_printf(&b, "%s{\"ip\":{\"address\":\"10.1.%d.%d\"},\"state\":\"up\"}", i ? "," : "", i / 250,
			   i % 250);
	buf_puts(&b, "]}");
	assert_true(buf_ok(&b));
	BEGIN("s", {GET, "/api/cluster", 200, CLUSTER}, {GET, "/svm/svms", 200, ONE(SVM("s"))},
	      {GET, "/nfs/services", 403, ERROR(6)}, {GET, "/ip/interfaces", 200, b.data});
	ontap_discover(o, on_discover, NULL);
	finish(o);
	assert_int_equal(last.err, -E2BIG);
	buf_fini(&b);
}

static void test_discover_refused(void **state)
{
	(void)state;
	{
		BEGIN("svm9", {GET, "/api/cluster", 200, CLUSTER}, {GET, "name=svm9", 200, NONE});
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -ENOENT);
		assert_string_equal(last.text, "SVM \"svm9\" does not exist on cluster k, or the account "
					       "may not see it");
	}
	{
		BEGIN(NULL, {GET, "/api/cluster", 200, CLUSTER},
		      {GET, "/svm/svms", 200, "{\"records\":[" SVM("a") "," SVM("b") "]}"});
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
		assert_non_null(strstr(last.text, "(a, b)"));
	}
	{
		BEGIN(NULL, {GET, "/api/cluster", 401, ERROR(6691623)});
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -EACCES);
		assert_int_equal(last.http_status, 401);
	}
	{
		BEGIN(NULL, {GET, "/api/cluster", 0, NULL, TLS}); /* no second try */
		ontap_discover(o, on_discover, NULL);
		finish(o);
		assert_int_equal(last.err, -EACCES);
	}
}

static void test_retries(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "/volumes", 500, ERROR(8585320)}, {GET, "/volumes", 503, ""},
		      {GET, "/volumes", 0, NULL, REFUSED}, {GET, "/volumes", 0, NULL, LOST},
		      {GET, "/volumes", 200, NONE});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
	{
		BEGIN("s", {GET, "/volumes", 0, NULL, REFUSED}, {GET, "/volumes", 0, NULL, REFUSED},
		      {GET, "/volumes", 0, NULL, REFUSED}, {GET, "/volumes", 0, NULL, REFUSED},
		      {GET, "/volumes", 0, NULL, REFUSED});
		ontap_volume_list(o, on_volumes, NULL);
		assert_true(finish(o) < 10);
		assert_int_equal(last.err, -ECONNREFUSED);
	}
	{
		BEGIN("s", {GET, "/volumes", 500, ERROR(917505)}); /* says no; no retry */
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -ENOENT);
		assert_int_equal(last.code, 917505);
	}
	{
		BEGIN("s", {GET, "/volumes", 200, "{\"records\":["});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
		assert_non_null(strstr(last.text, "no valid JSON"));
	}
}

#define VOL(n) "{" V ",\"name\":\"" n "\"}"

static void test_pages(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "fields=uuid,name", 200, "{\"records\":[" VOL("a") "],\"_links\":{\"next\":"
			    "{\"href\":\"/api/storage/volumes?start.uuid=a\"}}}"},
		      {GET, "/api/storage/volumes?start.uuid=a", 200,
		       "{\"records\":[" VOL("b") "," VOL("c/d") ",{\"style\":\"flexgroup_constituent\"}]}"});
		ontap_volume_list(o, on_volumes, NULL);
		for (int i = 0; i < 100 && !done; i++)
			ontap_poll(o, -1, -1);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 2); /* the odd name is left out and counted */
		assert_int_equal(ontap_counters(o)->records_rejected, 1);
		ontap_free(o);
	}
	static const char *const bad[] = {"https://evil/api/x", "/api/../../x", "//evil"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char body[200];
		snprintf(body, sizeof(body), "{\"records\":[],\"_links\":{\"next\":{\"href\":\"%s\"}}}",
			 bad[i]);
		BEGIN("s", {GET, "/volumes", 200, body});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
	}
	{
		const char *loop = "{\"records\":[],\"_links\":{\"next\":{\"href\":\"/api/x\"}}}";
		BEGIN("s", {GET, "/volumes", 200, loop}, {GET, "/api/x", 200, loop});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
	}
	{
		BEGIN("s", {GET, "/volumes", 200, "{\"num_records\":0}"});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
	}
}

static void test_old_server(void **state)
{
	(void)state;
	{ /* none of the later ones, once */
		BEGIN("s", {GET, "space.afs_total", 400, ERROR(262197)},
		      {GET, "space.used,nas.path,", 400, ERROR(262197)});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
	}
	{
		BEGIN("s", {GET, "snapshot_directory_access_enabled", 400, ERROR(262197)},
		      {GET, "split_complete_percent&max_records", 200, ONE(VOL("a"))});
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 1);
	}
	{ /* a version that is known not to have some: the others only */
		BEGIN("s",
		      {GET, "/api/cluster", 200, "{\"version\":{\"generation\":9,\"major\":12,\"minor\":1}}"},
		      {GET, "/svm/svms", 200, ONE(SVM("s"))}, {GET, "/nfs/services", 403, ERROR(6)},
		      {GET, "/ip/interfaces", 403, ERROR(6)},
		      {GET, "split_complete_percent,space.afs_total&max_records", 200, ONE(VOL("a"))});
		ontap_discover(o, on_discover, NULL);
		for (int i = 0; i < 1000 && !done; i++)
			ontap_poll(o, -1, -1);
		done = 0;
		ontap_volume_list(o, on_volumes, NULL);
		finish(o);
		assert_int_equal(count, 1);
	}
}

static void test_find(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "name=vol", 200, "{\"records\":[" VOL("vol2") "," VOL("vol") "]}"});
		ontap_volume_find(o, "vol", on_volumes, NULL);
		finish(o);
		assert_int_equal(count, 1);
		assert_string_equal(first_name, "vol");
	}
	{ /* an expression is no volume's name: not even asked */
		struct ontap *o = begin("s", NULL, 0);
		ontap_volume_find(o, "v*", on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
	{ /* but it can be a snapshot's: picked out of the whole list */
		BEGIN("s", {GET, "max_records=1024", 200,
			    "{\"records\":[" SNAP("ab", "") "," SNAP("a*", "") "]}"});
		ontap_snapshot_find(o, &vol, "a*", on_snapshots, NULL);
		finish(o);
		assert_int_equal(count, 1);
		assert_string_equal(first_name, "a*");
	}
	{ /* another volume than the one that was asked for */
		BEGIN("s", {GET, "/volumes/22222222", 200, VOL("vol")});
		ontap_volume_get(o, &snap, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EIO);
		assert_non_null(strstr(last.text, "another object"));
	}
	{
		BEGIN("s", {GET, "/volumes/11111111", 404, ERROR(4)});
		ontap_volume_get(o, &vol, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
	{
		BEGIN("s", {GET, "/snapshots", 400, ERROR(9437613)});
		ontap_snapshot_list(o, &vol, on_snapshots, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 0);
	}
}

/* ---- create ------------------------------------------------------------- */

#define MINE  ONE(SNAP("run", "by {id-1}"))
#define THEIRS ONE(SNAP("run", "by {id-2}"))

static void create(struct ontap *o)
{
	ontap_snapshot_create(o, &vol, "run", "by {id-1}", "id-1", on_snapshots, NULL);
	finish(o);
}

static void test_create(void **state)
{
	(void)state;
	{
		BEGIN("s", {POST, "/snapshots?return_timeout=5", 202, JOB, REPLY, "id-1"},
		      {GET, "/cluster/jobs/33333333", 200, RUNNING}, {GET, "/jobs/", 200, RUNNING},
		      {GET, "/jobs/", 200, SUCCESS}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
		assert_int_equal(count, 1);
	}
	{ /* done within return_timeout: no poll; not listed at once: looks again */
		BEGIN("s", {POST, "/snapshots", 201, JOB}, {GET, "name=run", 200, NONE},
		      {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 200, FAILURE(525062)});
		create(o);
		assert_int_equal(last.err, -EMLINK);
		assert_int_equal(last.code, 525062);
		assert_string_equal(last.text,
				    "cannot create snapshot \"run\": because (ONTAP code 525062)");
	}
}

static void test_create_in_doubt(void **state)
{
	(void)state;
	{ /* the reply was lost, the work was done */
		BEGIN("s", {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* the reply was lost, and the request too */
		BEGIN("s", {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 201, JOB}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* never ran: the same request again, without a look */
		BEGIN("s", {POST, "/snapshots", 0, NULL, REFUSED}, {POST, "/snapshots", 503, ""},
		      {POST, "/snapshots", 201, JOB}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* the name exists: ours by an earlier run of the same verb */
		BEGIN("s", {POST, "/snapshots", 409, ERROR(1)}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* or somebody else's */
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 200, FAILURE(525059)},
		      {GET, "name=run", 200, THEIRS});
		create(o);
		assert_int_equal(last.err, -EEXIST);
	}
	{ /* the job is gone, or not for our eyes */
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)},
		      {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{
		BEGIN("s", {POST, "/snapshots", 202, "{}"}, {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{
		BEGIN("s", {POST, "/snapshots", 202, JOB}, {GET, "/jobs/", 200, FAILURE(1638537)},
		      {GET, "name=run", 200, MINE});
		create(o);
		assert_int_equal(last.err, 0);
	}
	{ /* lost each time: the reason of the doubt in the end */
		BEGIN("s", {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE},
		      {POST, "/snapshots", 0, NULL, LOST}, {GET, "name=run", 200, NONE});
		create(o);
		assert_int_equal(last.err, -ETIMEDOUT);
	}
}

/* ---- delete, rename, set ------------------------------------------------- */

static void test_delete(void **state)
{
	(void)state;
	static const struct {
		struct step steps[4];
		size_t n;
		int want;
	} t[] = {
		{{{DELETE, "/snapshots/22222222", 202, JOB}, {GET, "/jobs/", 200, SUCCESS}}, 2, 0},
		{{{DELETE, "/snapshots/", 200, JOB}}, 1, 0},
		{{{DELETE, "/snapshots/", 404, ERROR(4)}}, 1, 0},
		{{{DELETE, "/snapshots/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(1638600)}}, 2, 0},
		/* a 404 that is not ONTAP's own proves nothing */
		{{{DELETE, "/snapshots/", 404, "<html>"}}, 1, -EIO},
		{{{DELETE, "/snapshots/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(1638555)}}, 2, -EBUSY},
		{{{DELETE, "/snapshots/", 0, NULL, LOST}, {DELETE, "/snapshots/", 404, ERROR(4)}}, 2, 0},
		{{{DELETE, "/snapshots/", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)},
		  {DELETE, "/snapshots/", 404, ERROR(4)}}, 3, 0},
		{{{DELETE, "/snapshots/", 500, ""}, {DELETE, "/snapshots/", 200, "{}"}}, 2, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ontap *o = begin("s", t[i].steps, t[i].n);
		ontap_snapshot_delete(o, &vol, &snap, on_done, NULL);
		finish(o);
		if (last.err != t[i].want)
			fail_msg("row %zu: %d %s", i, last.err, last.text);
	}
}

static void test_rename(void **state)
{
	(void)state;
	static const struct {
		struct step steps[4];
		size_t n;
		int want;
	} t[] = {
		{{{PATCH, "/snapshots/22222222", 202, JOB, REPLY, "{\"name\":\"new\"}"},
		  {GET, "/jobs/", 200, SUCCESS}}, 2, 0},
		/* collides with its own first run */
		{{{PATCH, "/snapshots/", 409, ERROR(1)}, {GET, "/snapshots/22222222", 200, SNAP("new", "")}},
		 2, 0},
		{{{PATCH, "/snapshots/", 409, ERROR(1)}, {GET, "/snapshots/", 200, SNAP("old", "")}}, 2,
		 -EEXIST},
		{{{PATCH, "/snapshots/", 0, NULL, LOST}, {GET, "/snapshots/", 200, SNAP("new", "")}}, 2, 0},
		{{{PATCH, "/snapshots/", 0, NULL, LOST}, {GET, "/snapshots/", 200, SNAP("old", "")},
		  {PATCH, "/snapshots/", 200, "{}"}}, 3, 0},
		{{{PATCH, "/snapshots/", 202, JOB}, {GET, "/jobs/", 403, ERROR(6)},
		  {GET, "/snapshots/", 200, SNAP("new", "")}}, 3, 0},
		{{{PATCH, "/snapshots/", 404, ERROR(4)}}, 1, -ENOENT},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ontap *o = begin("s", t[i].steps, t[i].n);
		ontap_snapshot_rename(o, &vol, &snap, "new", on_done, NULL);
		finish(o);
		if (last.err != t[i].want)
			fail_msg("row %zu: %d %s", i, last.err, last.text);
	}
}

static void test_set(void **state)
{
	(void)state;
	{
		BEGIN("s", {PATCH, "/snapshots/", 0, NULL, LOST, "{\"comment\":\"x\"}"},
		      {PATCH, "/snapshots/", 200, ""});
		ontap_snapshot_set(o, &vol, &snap, "comment", "x", on_done, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
	}
	static const char *const fields[] = {"name", "uuid", "x\",\"y"};
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct ontap *o = begin("s", NULL, 0);
		ontap_snapshot_set(o, &vol, &snap, fields[i], "x", on_done, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
	}
	char big[2000];
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	struct ontap *o = begin("s", NULL, 0);
	ontap_snapshot_create(o, &vol, "n", big, "id", on_snapshots, NULL);
	finish(o);
	assert_int_equal(last.err, -EINVAL);
	o = begin("s", NULL, 0);
	ontap_snapshot_create(o, &vol, "bad\xff", "c", "id", on_snapshots, NULL);
	finish(o);
	assert_int_equal(last.err, -EINVAL);
}

/* ---- time and end --------------------------------------------------------- */

static void test_deadline(void **state)
{
	(void)state;
	BEGIN("s", {GET, "/volumes", 0, NULL, SILENT});
	ontap_volume_list(o, on_volumes, NULL);
	for (int i = 0; i < 1000 && !done; i++)
		ontap_poll(o, -1, -1);
	assert_int_equal(last.err, -ETIMEDOUT);
	assert_int_equal((now_ns - 1000 * NS_PER_SEC) / NS_PER_SEC, 30);
	ontap_free(o);
	clock_set_fake(-1);
}

static void test_cancel(void **state)
{
	(void)state;
	BEGIN("s", {GET, "/volumes", 0, NULL, SILENT});
	ontap_volume_list(o, on_volumes, NULL);
	ontap_snapshot_list(o, &vol, on_snapshots, NULL);
	ontap_poll(o, 0, -1);
	ontap_free(o);
	assert_int_equal(done, 2);
	assert_int_equal(last.err, -ECANCELED);
	clock_set_fake(-1);
}

int main(void)
{
	log_set_level(LOG_LV_ERROR);
	uuid_parse("11111111-1111-1111-1111-111111111111", &vol);
	uuid_parse("22222222-2222-2222-2222-222222222222", &snap);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discover),
		cmocka_unit_test(test_discover_limited_account),
		cmocka_unit_test(test_discover_endless),
		cmocka_unit_test(test_discover_refused),
		cmocka_unit_test(test_retries),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_old_server),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_create_in_doubt),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
