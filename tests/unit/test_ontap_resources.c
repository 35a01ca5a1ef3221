/* unit-wrap: http_new http_set_login http_login_changed http_free
 * unit-wrap: http_who http_start http_abort http_run http_wait http_wakeup
 *
 * The rarer resources above a scripted transport: their requests, and how each
 * write finds out what happened when a reply is lost. */
#include "tests/unit/ontap_fake.h"

#define U1 "11111111-1111-1111-1111-111111111111"
#define U2 "22222222-2222-2222-2222-222222222222"

static struct uuid vol, snap;

/* The last result, whole. */
static union {
	struct ontap_volume volume;
	struct ontap_volume_details details;
	struct ontap_split split;
	struct ontap_job job;
	struct ontap_flexcache cache;
	struct ontap_mirror mirror;
	struct ontap_qtree qtree;
	struct ontap_usage usage;
} got;
static enum ontap_licence licence;

#define LISTENER(name, type, member)                                           \
	static void name(const struct type *r, size_t n, const struct ontap_error *e, void *priv) \
	{                                                                      \
		(void)priv;                                                    \
		note(e, n);                                                    \
		if (n)                                                         \
			got.member = r[0];                                     \
	}
#define ONE_LISTENER(name, type, member)                                       \
	static void name(const struct type *r, const struct ontap_error *e, void *priv) \
	{                                                                      \
		(void)priv;                                                    \
		assert_true((r == NULL) != (e == NULL));                       \
		note(e, r != NULL);                                            \
		if (r)                                                         \
			got.member = *r;                                       \
	}
LISTENER(on_volumes, ontap_volume, volume)
LISTENER(on_jobs, ontap_job, job)
LISTENER(on_caches, ontap_flexcache, cache)
LISTENER(on_mirrors, ontap_mirror, mirror)
LISTENER(on_qtrees, ontap_qtree, qtree)
ONE_LISTENER(on_details, ontap_volume_details, details)
ONE_LISTENER(on_split, ontap_split, split)
ONE_LISTENER(on_usage, ontap_usage, usage)

static void on_licence(enum ontap_licence l, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, 0);
	licence = l;
}

/* Ends the call and checks how. */
#define ENDS(err_)                                                             \
	do {                                                                   \
		finish(o);                                                     \
		if (last.err != (err_))                                        \
			fail_msg("errno %d: %s", last.err, last.text);         \
	} while (0)

/* ---- volumes ------------------------------------------------------------- */

static void test_resize(void **state)
{
	(void)state;
	{
		BEGIN("s", {PATCH, "/volumes/" U1 "?return_timeout=", 202, JOB, .sent = "{\"size\":1073741824}"},
		      {GET, "/jobs/", 200, SUCCESS});
		ontap_volume_resize(o, &vol, 1 << 30, on_done, NULL);
		ENDS(0);
	}
	{
		BEGIN("s", {PATCH, "/volumes/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(917534)});
		ontap_volume_resize(o, &vol, 4096, on_done, NULL);
		ENDS(-EINVAL);
	}
	{
		BEGIN("s", {PATCH, "/volumes/", 202, JOB},
		      {GET, "/jobs/", 200, FAILURE_SAYING(460770, "Not enough space in the aggregate")});
		ontap_volume_resize(o, &vol, 1 << 30, on_done, NULL);
		ENDS(-ENOSPC);
	}
	{ /* a lost reply: the same size again */
		BEGIN("s", {PATCH, "/volumes/", 0, NULL, LOST}, {PATCH, "/volumes/", 200, "{}", .sent = "size"});
		ontap_volume_resize(o, &vol, 1 << 30, on_done, NULL);
		ENDS(0);
	}
	BEGIN("s");
	ontap_volume_resize(o, &vol, 0, on_done, NULL);
	ENDS(-EINVAL);
}

static void test_restore(void **state)
{
	(void)state;
	{
		BEGIN("s", {PATCH, "restore_to.snapshot.uuid=" U2, 202, JOB, .sent = "{}"},
		      {GET, "/jobs/", 200, SUCCESS});
		ontap_volume_restore(o, &vol, &snap, on_done, NULL);
		ENDS(0);
	}
	{ /* writes may have come between: never twice */
		BEGIN("s", {PATCH, "restore_to", 0, NULL, LOST});
		ontap_volume_restore(o, &vol, &snap, on_done, NULL);
		ENDS(-EINPROGRESS);
	}
	{
		BEGIN("s", {PATCH, "restore_to", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)});
		ontap_volume_restore(o, &vol, &snap, on_done, NULL);
		ENDS(-EINPROGRESS);
	}
	{ /* not sent: may be sent again */
		BEGIN("s", {PATCH, "restore_to", 0, NULL, REFUSED}, {PATCH, "restore_to", 503, ""},
		      {PATCH, "restore_to", 409, ERROR(1638480)});
		ontap_volume_restore(o, &vol, &snap, on_done, NULL);
		ENDS(-EBUSY);
	}
	{ /* the deadline comes while its job runs */
		BEGIN("s", {PATCH, "restore_to", 202, JOB}, {GET, "/jobs/", 0, NULL, SILENT});
		ontap_set_deadline(o, 5000);
		ontap_volume_restore(o, &vol, &snap, on_done, NULL);
		for (int i = 0; i < 100 && !done; i++)
			ontap_poll(o, -1, -1);
		assert_int_equal(last.err, -EINPROGRESS);
		ontap_free(o);
	}
}

#define CLONE(name, parent, base)                                              \
	"{\"uuid\":\"33333333-3333-3333-3333-333333333333\",\"name\":\"" name "\",\"clone\":{\"is_flexclone\":true," \
	"\"parent_volume\":{\"uuid\":\"" parent "\"},\"parent_snapshot\":{\"uuid\":\"" base "\"}}}"

static void test_clones_of(void **state)
{
	(void)state;
	{ /* a server that ignores the filter names others, too */
		BEGIN("s", {GET, "clone.parent_volume.uuid=" U1 "&clone.parent_snapshot.uuid=" U2, 200,
			    "{\"records\":[" CLONE("a", U1, U2) "," CLONE("b", U1, U1) "," CLONE("c", U2, U2) "]}"});
		ontap_volume_clones(o, &vol, &snap, on_volumes, NULL);
		ENDS(0);
		assert_int_equal(count, 1);
		assert_string_equal(got.volume.name, "a");
	}
	BEGIN("s", {GET, "clone.parent_volume.uuid=" U1, 200,
		    "{\"records\":[" CLONE("a", U1, U2) "," CLONE("b", U1, U1) "," CLONE("c", U2, U2) "]}"});
	ontap_volume_clones(o, &vol, NULL, on_volumes, NULL);
	ENDS(0);
	assert_int_equal(count, 2);
}

static void test_details(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, ",analytics.state", 400, ERROR(262197)},
		      {GET, "logical_space.used", 200,
		       "{\"snapmirror\":{\"is_protected\":true},\"space\":{\"snapshot\":{\"reserve_percent\":5,"
		       "\"used\":7}},\"files\":{\"maximum\":100,\"used\":3},\"analytics\":{\"state\":\"on\"}}"});
		ontap_volume_details(o, &vol, on_details, NULL);
		ENDS(0);
		assert_true(got.details.is_protected);
		assert_int_equal(got.details.reserve_percent, 5);
		assert_int_equal(got.details.reserve_used, 7);
		assert_int_equal(got.details.files_max, 100);
		assert_string_equal(got.details.analytics, "on");
	}
	BEGIN("s", {GET, "/volumes/", 404, ERROR(4)});
	ontap_volume_details(o, &vol, on_details, NULL);
	ENDS(-ENOENT);
}

#define SPLIT(n) "{\"clone\":{\"is_flexclone\":true,\"split_initiated\":true,\"split_complete_percent\":" #n \
	",\"split_estimate\":4096}}"

static void test_split_progress(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "clone.split_estimate", 200, SPLIT(40)});
		ontap_split_get(o, &vol, on_split, NULL);
		ENDS(0);
		assert_true(got.split.is_clone && got.split.under_way);
		assert_int_equal(got.split.percent, 40);
		assert_int_equal(got.split.estimate, 4096);
	}
	{
		BEGIN("s", {GET, "/volumes/", 200, SPLIT(40)}, {GET, "/volumes/", 200, SPLIT(90)},
		      {GET, "/volumes/", 200, "{\"clone\":{\"is_flexclone\":false}}"});
		ontap_split_wait(o, &vol, on_split, NULL);
		ENDS(0);
		assert_false(got.split.is_clone);
		assert_int_equal(got.split.percent, -1);
	}
	{
		BEGIN("s", {GET, "/volumes/", 200, SPLIT(40)},
		      {GET, "/volumes/", 200, "{\"clone\":{\"is_flexclone\":true}}"});
		ontap_split_wait(o, &vol, on_split, NULL);
		ENDS(-EIO);
	}
	{
		BEGIN("s", {GET, "/volumes/", 200, "{\"clone\":{\"is_flexclone\":true}}"});
		ontap_split_wait(o, &vol, on_split, NULL);
		ENDS(-EINVAL);
	}
	{
		BEGIN("s", {GET, "/file/clone/split-status/" U1, 200, "{\"pending_splits\":2,\"unsplit_size\":8192}"});
		ontap_file_clone_splits(o, &vol, on_split, NULL);
		ENDS(0);
		assert_true(got.split.under_way);
		assert_int_equal(got.split.estimate, 8192);
	}
	BEGIN("s", {GET, "/volumes/", 404, ERROR(4)});
	ontap_split_get(o, &vol, on_split, NULL);
	ENDS(-ENOENT);
}

/* ---- file clones ------------------------------------------------------------ */

static void test_file_clone(void **state)
{
	(void)state;
	struct ontap_file_clone f = {.volume = vol, .source = ".snapshot/s/a b", .destination = "d/c"};
	struct ontap_file_clone range = f;
	range.source_start = 8192;
	range.destination_start = 4096;
	range.length = 5000; /* to the end of the file */
	{
		BEGIN("s", {POST, "/storage/file/clone", 202, JOB,
			    .sent = "{\"volume\":{\"uuid\":\"" U1 "\"},\"source_path\":\".snapshot/s/a b\","
				    "\"destination_path\":\"d/c\"}"},
		      {GET, "/jobs/", 200, SUCCESS});
		ontap_file_clone(o, &f, on_done, NULL);
		ENDS(0);
	}
	{ /* the same when done twice */
		BEGIN("s", {POST, "/file/clone", 0, NULL, LOST, "\"range\":[\"2:1:2\"]"},
		      {POST, "/file/clone", 201, "{}", .sent = "range"});
		ontap_file_clone(o, &range, on_done, NULL);
		ENDS(0);
	}
	{ /* not the same, where the source may have changed meanwhile */
		struct ontap_file_clone live = range;
		live.source = "s/a b";
		BEGIN("s", {POST, "/file/clone", 0, NULL, LOST});
		ontap_file_clone(o, &live, on_done, NULL);
		ENDS(-EINPROGRESS);
	}
	{ /* not the same: who made it is not known */
		BEGIN("s", {POST, "/file/clone", 0, NULL, LOST});
		ontap_file_clone(o, &f, on_done, NULL);
		ENDS(-EINPROGRESS);
	}
	static const struct {
		const char *reply;
		int err;
	} refused[] = {
		{FAILURE(917864), -ENOENT},
		{FAILURE(917898), -EINVAL},
		{FAILURE_SAYING(13565952, "destination already exists"), -EEXIST},
		{FAILURE_SAYING(13565952, "Failed to start the file clone operation: File exists"), -EEXIST},
		{FAILURE_SAYING(13565952, "the node has reached its maximum split load"), -EBUSY},
		{FAILURE_SAYING(13565952, "FlexClone is not licensed"), -EOPNOTSUPP},
		{FAILURE(13565952), -EIO},
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		BEGIN("s", {POST, "/file/clone", 202, JOB}, {GET, "/jobs/", 200, refused[i].reply});
		ontap_file_clone(o, &range, on_done, NULL);
		ENDS(refused[i].err);
	}
	static const char *const paths[] = {"", "/a", "a//b", "../a", "a/..", "a/./b", "a/"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct ontap_file_clone bad = f;
		bad.destination = paths[i];
		BEGIN("s");
		ontap_file_clone(o, &bad, on_done, NULL);
		ENDS(-EINVAL);
	}
	range.source_start = 100;
	BEGIN("s");
	ontap_file_clone(o, &range, on_done, NULL);
	ENDS(-EINVAL);
}

/* ---- jobs ---------------------------------------------------------------------- */

#define JOB_OF(state, text, start)                                             \
	"{\"uuid\":\"" U1 "\",\"state\":\"" state "\",\"description\":\"" text "\",\"start_time\":\"" start "\"}"

static void test_jobs(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "/cluster/jobs?fields=uuid,description,state", 200,
			    "{\"records\":[" JOB_OF("running", "POST /api/a", "2022-11-24T22:23:13Z") ","
			    JOB_OF("paused", "POST /api/a b", "2023-11-24T22:23:13Z") ","
			    JOB_OF("success", "POST /api/a", "2024-11-24T22:23:13Z") ","
			    JOB_OF("running", "DELETE /api/c", "2025-11-24T22:23:13Z") "]}"});
		ontap_job_list(o, "/api/a", true, on_jobs, NULL);
		ENDS(0);
		assert_int_equal(count, 2);
		assert_int_equal(got.job.state, ONTAP_JOB_PAUSED); /* the newest first */
		assert_string_equal(got.job.description, "POST /api/a b");
	}
	{
		BEGIN("s", {GET, "/cluster/jobs/" U1, 200, "{\"uuid\":\"" U1 "\",\"state\":\"failure\",\"code\":4}"});
		ontap_job_get(o, &vol, on_jobs, NULL);
		ENDS(0);
		assert_int_equal(got.job.code, 4);
	}
	{
		BEGIN("s", {GET, "/cluster/jobs/", 404, ERROR(4)});
		ontap_job_get(o, &vol, on_jobs, NULL);
		ENDS(0);
		assert_int_equal(count, 0);
	}
	{
		BEGIN("s", {GET, "/jobs/", 200, JOB_OF("queued", "", "2022-11-24T22:23:13Z")},
		      {GET, "/jobs/", 200, JOB_OF("a later word", "", "2022-11-24T22:23:13Z")},
		      {GET, "/jobs/", 200, JOB_OF("success", "", "2022-11-24T22:23:13Z")});
		ontap_job_wait(o, &vol, on_jobs, NULL);
		ENDS(0);
		assert_int_equal(got.job.state, ONTAP_JOB_SUCCESS);
	}
	{
		BEGIN("s", {PATCH, "/jobs/" U1 "?action=cancel", 400, ERROR(458762)});
		ontap_job_cancel(o, &vol, on_done, NULL);
		ENDS(0); /* it has ended */
	}
	BEGIN("s", {PATCH, "/jobs/", 400, ERROR(458784)});
	ontap_job_cancel(o, &vol, on_done, NULL);
	ENDS(-EOPNOTSUPP);
}

/* ---- FlexCache ------------------------------------------------------------------- */

#define CACHE(name, origin)                                                    \
	"{\"uuid\":\"" U1 "\",\"name\":\"" name "\",\"path\":\"/" name "\",\"size\":9,\"origins\":[{\"svm\":" \
	"{\"name\":\"s\"},\"volume\":{\"name\":\"" origin "\"},\"cluster\":{\"name\":\"k\"},\"state\":\"online\"}]}"

static void test_flexcache(void **state)
{
	(void)state;
	struct ontap_flexcache_new f = {.name = "c", .origin_volume = "v", .junction = "/c", .size = 4096};
	{
		BEGIN("s", {GET, "/flexcaches?fields=uuid,name,path,size,origins", 200, ONE(CACHE("c", "v"))});
		ontap_flexcache_list(o, on_caches, NULL);
		ENDS(0);
		assert_int_equal(count, 1);
		assert_string_equal(got.cache.origins[0].volume, "v");
		assert_string_equal(got.cache.origins[0].cluster, "k");
		assert_string_equal(got.cache.junction, "/c");
	}
	{
		BEGIN("s", {POST, "/flexcache/flexcaches", 202, JOB,
			    .sent = "{\"name\":\"c\",\"svm\":{\"name\":\"s\"},\"origins\":[{\"svm\":{\"name\":\"s\"},"
				    "\"volume\":{\"name\":\"v\"}}],\"path\":\"/c\",\"size\":4096}"},
		      {GET, "/jobs/", 200, SUCCESS}, {GET, "&name=c", 200, NONE},
		      {GET, "&name=c", 200, ONE(CACHE("c", "v"))});
		ontap_flexcache_create(o, &f, on_caches, NULL);
		ENDS(0);
		assert_int_equal(count, 1);
	}
	{ /* lost, and made */
		BEGIN("s", {POST, "/flexcaches", 0, NULL, LOST}, {GET, "&name=c", 200, ONE(CACHE("c", "v"))});
		ontap_flexcache_create(o, &f, on_caches, NULL);
		ENDS(0);
	}
	{ /* lost, and not made */
		BEGIN("s", {POST, "/flexcaches", 0, NULL, LOST}, {GET, "&name=c", 200, NONE},
		      {POST, "/flexcaches", 400, ERROR(66846767)});
		ontap_flexcache_create(o, &f, on_caches, NULL);
		ENDS(-ENOENT);
	}
	{
		BEGIN("s", {POST, "/flexcaches", 409, ERROR(66846768)},
		      {GET, "&name=c", 200, ONE(CACHE("c", "other"))});
		ontap_flexcache_create(o, &f, on_caches, NULL);
		ENDS(-EEXIST);
	}
	{
		BEGIN("s", {PATCH, "/storage/volumes/" U1, 200, "{}", .sent = "{\"nas\":{\"path\":\"\"}}"},
		      {DELETE, "/flexcaches/" U1, 409, ERROR(66847172)}, {DELETE, "/flexcaches/" U1, 202, JOB},
		      {GET, "/jobs/", 200, SUCCESS});
		ontap_flexcache_delete(o, &vol, on_done, NULL);
		ENDS(0);
	}
	BEGIN("s", {PATCH, "/volumes/", 404, ERROR(4)});
	ontap_flexcache_delete(o, &vol, on_done, NULL);
	ENDS(0);
}

/* ---- SnapMirror --------------------------------------------------------------------- */

#define MIRROR(src, dst)                                                       \
	"{\"uuid\":\"" U1 "\",\"source\":{\"path\":\"" src "\"},\"destination\":{\"path\":\"" dst "\"}," \
	"\"state\":\"snapmirrored\",\"healthy\":false,\"unhealthy_reason\":[{\"code\":\"1\",\"message\":\"late\"}]," \
	"\"lag_time\":\"P1DT2H3M4.5S\",\"exported_snapshot\":\"x\",\"transfer\":{\"state\":\"success\"," \
	"\"bytes_transferred\":5}}"

static void test_mirrors(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "destination.path=s%3Ad", 200,
			    "{\"records\":[" MIRROR("t:v", "s:d") "," MIRROR("t:v", "s:e") "]}"});
		ontap_mirror_list(o, "s:d", on_mirrors, NULL);
		ENDS(0);
		assert_int_equal(count, 1);
		assert_string_equal(got.mirror.source, "t:v");
		assert_false(got.mirror.healthy);
		assert_string_equal(got.mirror.unhealthy, "late");
		assert_int_equal(got.mirror.lag_s, 86400 + 2 * 3600 + 3 * 60 + 4);
		assert_string_equal(got.mirror.exported_snapshot, "x");
		assert_string_equal(got.mirror.transfer_state, "success");
		assert_int_equal(got.mirror.transfer_bytes, 5);
	}
	{
		BEGIN("s", {GET, "list_destinations_only=true", 200,
			    "{\"records\":[" MIRROR("s:v", "t:d") "," MIRROR("s:w", "t:e") "]}"});
		ontap_mirror_of_source(o, "s:v", on_mirrors, NULL);
		ENDS(0);
		assert_int_equal(count, 1);
	}
	{
		BEGIN("s", {POST, "/snapmirror/relationships", 0, NULL, LOST,
			    "{\"source\":{\"path\":\"t:v\"},\"destination\":{\"path\":\"s:d\"},"
			    "\"policy\":{\"name\":\"p\"}}"},
		      {GET, "destination.path", 200, ONE(MIRROR("t:v", "s:d"))});
		ontap_mirror_create(o, "t:v", "s:d", "p", on_mirrors, NULL);
		ENDS(0);
		assert_int_equal(count, 1);
	}
	{
		BEGIN("s", {POST, "/relationships", 409, ERROR(6619637)},
		      {GET, "destination.path", 200, ONE(MIRROR("t:w", "s:d"))});
		ontap_mirror_create(o, "t:v", "s:d", NULL, on_mirrors, NULL);
		ENDS(-EEXIST);
	}
	{
		BEGIN("s", {PATCH, "/relationships/" U1, 202, JOB, .sent = "{\"state\":\"broken_off\"}"},
		      {GET, "/jobs/", 200, SUCCESS});
		ontap_mirror_set_state(o, &vol, "broken_off", on_done, NULL);
		ENDS(0);
	}
#define STATE(s, more) "{\"uuid\":\"" U1 "\",\"destination\":{\"path\":\"s:d\"},\"state\":\"" s "\"" more "}"
	{ /* a lost reply: it is so by now */
		BEGIN("s", {PATCH, "/relationships/" U1, 0, NULL, LOST},
		      {GET, "/relationships/" U1 "?fields=", 200, STATE("broken_off", "")});
		ontap_mirror_set_state(o, &vol, "broken_off", on_done, NULL);
		ENDS(0);
	}
	{ /* or its transfer goes on */
		BEGIN("s", {PATCH, "/relationships/" U1, 0, NULL, LOST},
		      {GET, "/relationships/" U1, 200,
		       STATE("uninitialized", ",\"transfer\":{\"state\":\"transferring\"}")});
		ontap_mirror_set_state(o, &vol, "snapmirrored", on_done, NULL);
		ENDS(0);
	}
	{ /* or it was never done: again, which is refused for what it is now */
		BEGIN("s", {PATCH, "/relationships/" U1, 0, NULL, LOST},
		      {GET, "/relationships/" U1, 200, STATE("snapmirrored", "")},
		      {PATCH, "/relationships/" U1, 409, ERROR(13303812)},
		      {GET, "/relationships/" U1, 200, STATE("snapmirrored", "")});
		ontap_mirror_set_state(o, &vol, "broken_off", on_done, NULL);
		ENDS(-EBUSY);
	}
	{ /* refused at once: nothing is in doubt */
		BEGIN("s", {PATCH, "/relationships/" U1, 409, ERROR(13303812)});
		ontap_mirror_set_state(o, &vol, "snapmirrored", on_done, NULL);
		ENDS(-EBUSY);
	}
	{
		BEGIN("s");
		ontap_mirror_set_state(o, &vol, "gone", on_done, NULL);
		ENDS(-EINVAL);
	}
	{
		BEGIN("s", {POST, "/relationships/" U1 "/transfers", 409, ERROR(13303812)});
		ontap_mirror_update(o, &vol, on_done, NULL);
		ENDS(-EBUSY);
	}
	{ /* under way by our own lost request */
		BEGIN("s", {POST, "/transfers", 0, NULL, LOST}, {POST, "/transfers", 409, ERROR(13303812)});
		ontap_mirror_update(o, &vol, on_done, NULL);
		ENDS(0);
	}
	BEGIN("s", {DELETE, "/relationships/" U1, 0, NULL, LOST}, {DELETE, "/relationships/" U1, 404, ERROR(4)});
	ontap_mirror_delete(o, &vol, on_done, NULL);
	ENDS(0);
}

/* ---- qtrees, sizes, exports, account, licences ------------------------------------------ */

static void test_qtrees(void **state)
{
	(void)state;
	BEGIN("s", {GET, "/storage/qtrees?volume.uuid=" U1, 200, "{\"records\":[{\"id\":0,\"name\":\"\"},"
		    "{\"id\":1,\"name\":\"q\",\"path\":\"/v/q\",\"export_policy\":{\"name\":\"e\"}},"
		    "{\"id\":2,\"name\":\"a/b\"}]}"});
	ontap_qtree_list(o, &vol, on_qtrees, NULL);
	ENDS(0);
	assert_int_equal(count, 1); /* neither the volume itself nor a name with a slash */
	assert_string_equal(got.qtree.path, "/v/q");
	assert_string_equal(got.qtree.export_policy, "e");
}

static void test_usage(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "/volumes/" U1 "/files/a%2Fb%20c?return_metadata=true&fields=analytics", 200,
			    "{\"analytics\":{\"bytes_used\":7,\"file_count\":2,"
			    "\"subdir_count\":1,\"incomplete_data\":true}}"});
		ontap_usage_get(o, &vol, "a/b c", on_usage, NULL);
		ENDS(0);
		assert_int_equal(got.usage.bytes, 7);
		assert_int_equal(got.usage.files, 2);
		assert_true(got.usage.incomplete);
	}
	{
		BEGIN("s", {GET, "/files/%2F?", 200, "{\"name\":\".\"}"});
		ontap_usage_get(o, &vol, "", on_usage, NULL);
		ENDS(-EOPNOTSUPP);
	}
	BEGIN("s", {GET, "/files/x", 404, ERROR(6684674)});
	ontap_usage_get(o, &vol, "x", on_usage, NULL);
	ENDS(-ENOENT);
}

static void on_export(const struct ontap_export *x, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, x ? x->nrules : 0);
	if (!x)
		return;
	assert_int_equal(x->id, 12);
	assert_int_equal(x->rules[0].index, 1);
	assert_string_equal(x->rules[0].clients, "10.0.0.0/8,@lab");
	assert_string_equal(x->rules[0].ro, "sys,krb5");
	assert_string_equal(x->rules[1].superuser, "any");
	size_t n = strlen(x->rules[1].clients);
	assert_true(n < sizeof(x->rules[1].clients) && strcmp(x->rules[1].clients + n - 4, ",...") == 0);
}

static void test_export(void **state)
{
	(void)state;
	static char rules[8192] = "{\"records\":[{\"index\":2,\"superuser\":[\"any\"],\"clients\":[";
	for (int i = 0; i < 100; i++)
		snprintf(rules + strlen(rules), 64, "%s{\"match\":\"host%d.example\"}", i ? "," : "", i);
	snprintf(rules + strlen(rules), 256, "]},{\"index\":1,"
		 "\"clients\":[{\"match\":\"10.0.0.0/8\"},{\"match\":\"@lab\"}],"
		 "\"ro_rule\":[\"sys\",\"krb5\"]}]}");
	{
		BEGIN("s", {GET, "/export-policies?fields=id,name&svm.name=s&name=e", 200,
			    "{\"records\":[{\"id\":11,\"name\":\"e2\"},{\"id\":12,\"name\":\"e\"}]}"},
		      {GET, "/export-policies/12/rules", 200, rules});
		ontap_export_get(o, "e", on_export, NULL);
		ENDS(0);
		assert_int_equal(count, 2);
	}
	BEGIN("s", {GET, "/export-policies", 200, NONE});
	ontap_export_get(o, "e", on_export, NULL);
	ENDS(-ENOENT);
}

static struct ontap_account account;
static void on_account(const struct ontap_account *a, const struct ontap_error *e, void *priv)
{
	(void)priv;
	note(e, a ? a->nprivileges : 0);
	if (!a)
		return;
	account = *a;
	if (a->nprivileges)
		assert_string_equal(a->privileges[0].access, "readonly");
}

#define ACCOUNTS                                                               \
	ONE("{\"name\":\"vsadmin\",\"role\":{\"name\":\"r 1\"},\"owner\":{\"name\":\"s\",\"uuid\":\"" U1 "\"}}")

static void test_account(void **state)
{
	(void)state;
	{
		BEGIN("s", {GET, "/security/accounts?fields=name,role.name,owner,locked&name=vsadmin", 200, ACCOUNTS},
		      {GET, "/security/roles/" U1 "/r%201?fields=privileges", 200,
		       "{\"privileges\":[{\"path\":\"/api\",\"access\":\"readonly\"},{\"path\":7}]}"});
		ontap_account_get(o, on_account, NULL);
		ENDS(0);
		assert_int_equal(count, 1);
		assert_true(account.privileges_known);
		assert_string_equal(account.role, "r 1");
	}
	{
		BEGIN("s", {GET, "/accounts", 200, ACCOUNTS}, {GET, "/security/roles/", 403, ERROR(6)});
		ontap_account_get(o, on_account, NULL);
		ENDS(0);
		assert_false(account.privileges_known);
	}
	BEGIN("s", {GET, "/accounts", 403, ERROR(6)});
	ontap_account_get(o, on_account, NULL);
	ENDS(-EACCES);
}

static void test_licence(void **state)
{
	(void)state;
	static const struct {
		const char *reply;
		enum ontap_licence l;
	} t[] = {
		{NONE, ONTAP_LICENCE_NONE},
		{ONE("{\"name\":\"flexclone\",\"state\":\"unlicensed\"}"), ONTAP_LICENCE_NONE},
		{ONE("{\"name\":\"flexclone\",\"state\":\"noncompliant\"}"), ONTAP_LICENCE_BAD},
		{ONE("{\"name\":\"flexclone\",\"state\":\"compliant\"}"), ONTAP_LICENCE_OK},
		{ONE("{\"name\":\"nfs\",\"state\":\"compliant\"}"), ONTAP_LICENCE_NONE},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		BEGIN("s", {GET, "/cluster/licensing/licenses?fields=name,state&name=flexclone", 200, t[i].reply});
		ontap_licence_get(o, "flexclone", on_licence, NULL);
		ENDS(0);
		assert_int_equal(licence, t[i].l);
	}
	BEGIN("s", {GET, "/licenses", 403, ERROR(6)});
	ontap_licence_get(o, "flexclone", on_licence, NULL);
	ENDS(-EACCES);
}

/* ---- what all calls share ------------------------------------------------------------------ */

static bool renew; /* what read_login finds: another login */
static unsigned asked;
static void read_login(struct ontap *o, void *priv)
{
	(void)priv;
	asked++;
	struct ontap_error e;
	if (renew)
		assert_int_equal(ontap_set_credentials(o, &(struct ontap_login){.username = "u"}, &e), 0);
}

static void test_login_is_read_again(void **state)
{
	(void)state;
	fake_read_login = read_login;
	asked = 0;
	renew = true;
	{ /* once a request; writes, too, were not carried out */
		BEGIN("s", {PATCH, "/volumes/", 401, ERROR(6691623)}, {PATCH, "/volumes/", 200, "{}"});
		ontap_volume_resize(o, &vol, 4096, on_done, NULL);
		ENDS(0);
		assert_int_equal(asked, 1);
	}
	{
		BEGIN("s", {GET, "/qtrees", 401, ERROR(6691623)}, {GET, "/qtrees", 401, ERROR(6691623)});
		ontap_qtree_list(o, &vol, on_qtrees, NULL);
		ENDS(-EACCES);
		assert_int_equal(asked, 2);
	}
	renew = false;
	{ /* the same password again would only lock the account */
		BEGIN("s", {GET, "/qtrees", 401, ERROR(6691623)});
		ontap_qtree_list(o, &vol, on_qtrees, NULL);
		ENDS(-EACCES);
		assert_int_equal(asked, 3);
	}
	{
		BEGIN("s", {GET, "/qtrees", 200, NONE});
		ontap_relogin(o);
		ontap_qtree_list(o, &vol, on_qtrees, NULL);
		ENDS(0);
		assert_int_equal(asked, 4);
	}
	{ /* unasked, too: the old one may still do, but is no longer meant */
		BEGIN("s");
		for (int i = 0; i < 2; i++)
			ontap_poll(o, -1, -1);
		assert_int_equal(now_ns, (1000 + 2 * ONTAP_LOGIN_S) * NS_PER_SEC);
		assert_int_equal(asked, 5);
		ontap_free(o);
	}
	renew = true;
	{ /* a certificate that was renewed */
		BEGIN("s", {PATCH, "/volumes/", 0, NULL, TLS}, {PATCH, "/volumes/", 200, "{}"});
		ontap_volume_resize(o, &vol, 4096, on_done, NULL);
		ENDS(0);
		assert_int_equal(asked, 6);
	}
	{
		BEGIN("s", {GET, "/qtrees", 0, NULL, TLS}, {GET, "/qtrees", 0, NULL, TLS});
		ontap_qtree_list(o, &vol, on_qtrees, NULL);
		ENDS(-EACCES);
		assert_int_equal(asked, 7);
	}
	fake_read_login = NULL;
}

/* priv: where the outcome goes. */
static void job_told(const struct ontap_job *j, size_t n, const struct ontap_error *e, void *priv)
{
	(void)j, (void)n;
	*(int *)priv = e ? e->err : 1;
}
static void qtree_told(const struct ontap_qtree *q, size_t n, const struct ontap_error *e, void *priv)
{
	(void)q, (void)n;
	*(int *)priv = e ? e->err : 1;
}

static void test_cancel(void **state)
{
	(void)state;
	int mine = 0, other = 0;
	BEGIN("s", {GET, "/qtrees", 200, NONE});
	ontap_job_wait(o, &vol, job_told, &mine);
	ontap_qtree_list(o, &vol, qtree_told, &other);
	assert_int_equal(ontap_cancel(o, &mine), 1);
	assert_int_equal(mine, 0); /* not before it returned */
	for (int i = 0; i < 10 && !(mine && other); i++)
		ontap_poll(o, -1, -1);
	assert_int_equal(mine, -ECANCELED);
	assert_int_equal(other, 1);
	assert_int_equal(ontap_cancel(o, &mine), 0);
	ontap_free(o);

	/* On the wire. */
	const struct step never[] = {{GET, "/jobs/", 0, NULL, SILENT}};
	o = begin("s", never, 1);
	mine = 0;
	ontap_job_wait(o, &vol, job_told, &mine);
	ontap_poll(o, 0, -1);
	assert_int_equal(ontap_cancel(o, &mine), 1);
	ontap_poll(o, 0, -1);
	assert_int_equal(mine, -ECANCELED);
	ontap_free(o);
	clock_set_fake(-1);
}

struct stopper {
	struct ontap *o;
	int seen, err;
};

static void stop_scan(const struct ontap_volume *v, void *priv)
{
	struct stopper *s = priv;
	(void)v;
	s->seen++;
	assert_int_equal(ontap_cancel(s->o, s), 1);
}
static void scan_told(const struct ontap_error *e, void *priv)
{
	((struct stopper *)priv)->err = e ? e->err : 1;
}

/* By the one who is being shown the volumes: no more of them, and no other page. */
static void test_cancel_a_scan(void **state)
{
	(void)state;
#define TWO "{\"records\":[{\"uuid\":\"" U1 "\",\"name\":\"a\"},{\"uuid\":\"" U2 "\",\"name\":\"b\"}]"
	static const char *const pages[] = {
		TWO ",\"_links\":{\"next\":{\"href\":\"/api/storage/volumes?x\"}}}", TWO "}"};
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		BEGIN("s", {GET, "/storage/volumes", 200, pages[i]});
		struct stopper s = {.o = o};
		ontap_volume_scan(o, stop_scan, &s, scan_told, &s);
		for (int n = 0; n < 10 && !s.err; n++)
			ontap_poll(o, -1, -1);
		assert_int_equal(s.err, -ECANCELED);
		assert_int_equal(s.seen, 1);
		ontap_free(o);
	}
	clock_set_fake(-1);
}

static void test_deadlines(void **state)
{
	(void)state;
	const struct step running[] = {{GET, "/jobs/", 0, NULL, SILENT}};
	struct ontap *o = begin("s", running, 1);
	ontap_set_deadline(o, 90000);
	int64_t start = now_ns;
	ontap_job_wait(o, &vol, on_jobs, NULL);
	for (int i = 0; i < 100 && !done; i++)
		ontap_poll(o, -1, -1);
	assert_int_equal(last.err, -ETIMEDOUT);
	assert_int_equal((now_ns - start) / NS_PER_SEC, 90);
	ontap_set_deadline(o, 0);
	ontap_free(o);
}

static void test_retry_after(void **state)
{
	(void)state;
	BEGIN("s", {GET, "/qtrees", 429, "", REPLY, NULL, 4000}, {GET, "/qtrees", 200, NONE});
	ontap_qtree_list(o, &vol, on_qtrees, NULL);
	assert_true(finish(o) >= 4);
	assert_int_equal(last.err, 0);
}

static void test_another_host_at_once(void **state)
{
	(void)state;
	BEGIN("s", {GET, "/qtrees", 0, NULL, MOVED}, {GET, "/qtrees", 0, NULL, MOVED}, {GET, "/qtrees", 0, NULL, MOVED},
	      {GET, "/qtrees", 200, NONE});
	ontap_qtree_list(o, &vol, on_qtrees, NULL);
	assert_int_equal(finish(o), 0); /* seconds */
	assert_int_equal(last.err, 0);
}

static void test_caps(void **state)
{
	(void)state;
	{ /* more records than any SVM has */
		struct buf b;
		buf_init(&b, 16 << 20);
		buf_puts(&b, "{\"records\":[");
		for (int i = 1; i <= 100001; i++)
			buf_printf(&b, "%s{\"id\":%d,\"name\":\"q%d\"}", i > 1 ? "," : "", i, i);
		buf_puts(&b, "]}");
		assert_true(buf_ok(&b));
		BEGIN("s", {GET, "/qtrees", 200, b.data});
		ontap_qtree_list(o, &vol, on_qtrees, NULL);
		ENDS(-E2BIG);
		buf_fini(&b);
	}
	{ /* deeper than any reply */
		char deep[200] = "{\"records\":";
		memset(deep + strlen(deep), '[', 40);
		memset(deep + strlen(deep), ']', 40);
		deep[strlen(deep)] = '}';
		BEGIN("s", {GET, "/qtrees", 200, deep});
		ontap_qtree_list(o, &vol, on_qtrees, NULL);
		ENDS(-EIO);
		assert_non_null(strstr(last.text, "no valid JSON"));
	}
}

int main(void)
{
	log_set_level(LOG_LV_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_clones_of),
		cmocka_unit_test(test_details),
		cmocka_unit_test(test_split_progress),
		cmocka_unit_test(test_file_clone),
		cmocka_unit_test(test_jobs),
		cmocka_unit_test(test_flexcache),
		cmocka_unit_test(test_mirrors),
		cmocka_unit_test(test_qtrees),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_licence),
		cmocka_unit_test(test_login_is_read_again),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_a_scan),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_another_host_at_once),
		cmocka_unit_test(test_caps),
	};
	assert_int_equal(uuid_parse(U1, &vol), 0);
	assert_int_equal(uuid_parse(U2, &snap), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
