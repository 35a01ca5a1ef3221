/* unit-wrap: http_new http_set_login http_login_changed http_free
 * unit-wrap: http_who http_start http_abort http_run http_wait http_wakeup
 *
 * New volumes and changes of volumes, above a scripted transport: the requests
 * of each verb in their order, whose volume it is when a reply was lost, what
 * is set right afterwards, and that a refused delete leaves a volume mounted. */
#include "tests/unit/ontap_fake.h"

#include <fcntl.h>
#include <unistd.h>

#include "fs/base/buf.h"
#include "ontap/parse.h"

#define VOLUME_ID "11111111-1111-1111-1111-111111111111"
#define PARENT_ID "44444444-4444-4444-4444-444444444444"
#define SNAP_ID   "55555555-5555-5555-5555-555555555555"
#define SVM_ID    "66666666-6666-6666-6666-666666666666"

#define RECORD(comment, more) "{\"uuid\":\"" VOLUME_ID "\",\"name\":\"exp1\",\"comment\":\"" comment "\"" more "}"
#define ONLINE  ",\"state\":\"online\""
#define AT(nas) ",\"nas\":{" nas "}"
#define PATH    "\"path\":\"/exp1\""
#define POLICY(p) "\"export_policy\":{\"name\":\"" p "\"}"
#define OURS(more)   ONE(RECORD("by {id-1}", more))
#define READY   OURS(ONLINE AT(PATH "," POLICY("pods")))
#define THEIRS  ONE(RECORD("by {id-2}", ONLINE AT(PATH "," POLICY("pods"))))

static struct uuid vol, parent, snap, svm, zero;
static struct ontap_volume got;

static void on_volumes(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	(void)priv;
	assert_true(e ? n == 0 : n == 1);
	note(e, n);
	if (n)
		got = *v;
}

/* A table row: requests, and what the call ends with. */
struct row {
	struct step steps[12];
	int want;
};

static void run(const struct row *t, size_t n, void (*verb)(struct ontap *o))
{
	for (size_t i = 0; i < n; i++) {
		size_t steps = 0;
		while (steps < ARRAY_LEN(t->steps) && t[i].steps[steps].path)
			steps++;
		struct ontap *o = begin("s", t[i].steps, steps);
		verb(o);
		finish(o);
		if (last.err != t[i].want)
			fail_msg("row %zu: %d %s", i, last.err, last.text);
	}
}

/* ---- bodies ------------------------------------------------------------- */

static struct ontap_clone a_clone(void)
{
	return (struct ontap_clone){.name = "exp1", .parent = parent, .parent_name = "data",
				    .snapshot = snap, .snapshot_name = "run1", .junction = "/exp1",
				    .export_policy = "pods", .comment = "by {id-1}", .request_id = "id-1"};
}

static struct ontap_create a_volume(void)
{
	return (struct ontap_create){.name = "exp1", .size = 1 << 30, .junction = "/exp1",
				     .export_policy = "pods", .snapshot_policy = "none",
				     .comment = "by {id-1}", .request_id = "id-1",
				     .unix_permissions = "0777", .uid = 7, .gid = 8,
				     .space_reserve = "none", .snapshot_dir = true};
}

static void test_bodies(void **state)
{
	(void)state;
	struct buf b;
	struct ontap_clone cl = a_clone();
	buf_init(&b, 2000);
	volume_body_clone(&b, &cl, &svm, "s");
	assert_string_equal(b.data, "{\"name\":\"exp1\",\"svm\":{\"uuid\":\"" SVM_ID "\"},"
			    "\"clone\":{\"is_flexclone\":true,\"parent_volume\":{\"uuid\":\"" PARENT_ID "\"},"
			    "\"parent_snapshot\":{\"uuid\":\"" SNAP_ID "\"}},\"comment\":\"by {id-1}\","
			    "\"nas\":{\"path\":\"/exp1\"}}");
	/* of now, by names, not mounted */
	cl.parent = cl.snapshot = zero;
	cl.snapshot_name = NULL;
	cl.junction = NULL;
	buf_reset(&b);
	volume_body_clone(&b, &cl, &zero, "s");
	assert_string_equal(b.data, "{\"name\":\"exp1\",\"svm\":{\"name\":\"s\"},\"clone\":{\"is_flexclone\":true,"
			    "\"parent_volume\":{\"name\":\"data\"}},\"comment\":\"by {id-1}\"}");

	struct ontap_create cr = a_volume();
	buf_reset(&b);
	volume_body_create(&b, &cr, &svm, "s");
	assert_string_equal(b.data, "{\"name\":\"exp1\",\"svm\":{\"uuid\":\"" SVM_ID "\"},\"style\":\"flexvol\","
			    "\"size\":1073741824,\"comment\":\"by {id-1}\",\"guarantee\":{\"type\":\"none\"},"
			    "\"snapshot_policy\":{\"name\":\"none\"},\"nas\":{\"uid\":7,\"gid\":8,"
			    "\"path\":\"/exp1\",\"export_policy\":{\"name\":\"pods\"},"
			    "\"security_style\":\"unix\",\"unix_permissions\":777}}");
	cr = (struct ontap_create){.name = "g", .style = ONTAP_FLEXGROUP, .comment = "", .request_id = ""};
	buf_reset(&b);
	volume_body_create(&b, &cr, &zero, "");
	assert_string_equal(b.data, "{\"name\":\"g\",\"style\":\"flexgroup\",\"comment\":\"\","
			    "\"nas\":{\"uid\":0,\"gid\":0}}");
	buf_reset(&b);
	volume_body_nas(&b, "", NULL);
	assert_string_equal(b.data, "\"nas\":{\"path\":\"\"}");
	buf_reset(&b);
	volume_body_nas(&b, "/a", "p");
	assert_string_equal(b.data, "\"nas\":{\"path\":\"/a\",\"export_policy\":{\"name\":\"p\"}}");
	buf_reset(&b);
	volume_body_nas(&b, NULL, "p");
	assert_string_equal(b.data, "\"nas\":{\"export_policy\":{\"name\":\"p\"}}");
	buf_fini(&b);
}

static void test_names(void **state)
{
	(void)state;
	char name[300];
	memset(name, 'a', sizeof(name));
	name[203] = '\0';
	assert_int_equal(volume_check_name(name), 0);
	name[203] = 'a';
	name[204] = '\0';
	assert_int_equal(volume_check_name(name), -ENAMETOOLONG);
	static const char *const good[] = {"a", "_", "A_9"}, *const bad[] = {"", "9a", "a-b", "a*", "a b", "\xc3\xa9"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(volume_check_name(good[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(volume_check_name(bad[i]), -EINVAL);
}

/* What ONTAP says in words only. */
static void test_error_words(void **state)
{
	(void)state;
	static const struct {
		int64_t code;
		const char *text;
		int want;
	} t[] = {
		{460770, "FlexClone is not licensed on the cluster.", -EOPNOTSUPP},
		{524597, "Clone operation is not supported for FlexGroup volumes", -EOPNOTSUPP},
		{524819, "Insufficient space in aggregate aggr1", -ENOSPC},
		{460770, "You must delete the SnapMirror relationships before deleting the volume.", -EBUSY},
		{12345678, "is the source endpoint of one or more SnapMirror relationships", -EBUSY},
		{524597, "because", -EIO},
		{4, "no space", -ENOENT}, /* a code that says enough is not doubted */
		{524479, "Volume is not online: no space", -EIO},
		{0, "no space", -EIO}, /* not ONTAP's own */
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ontap_error e;
		error_from_job(&e, "x", t[i].code, t[i].text);
		if (e.err != t[i].want)
			fail_msg("%s: %d", t[i].text, e.err);
	}
}

/* ---- clone -------------------------------------------------------------- */

static void make_clone(struct ontap *o)
{
	struct ontap_clone cl = a_clone();
	ontap_volume_clone(o, &cl, on_volumes, NULL);
	memset(&cl, 0x55, sizeof(cl)); /* borrowed until it returned only */
}

static void test_clone(void **state)
{
	(void)state;
	{
		BEGIN("s", {POST, "/storage/volumes?return_timeout=5", 202, JOB, REPLY,
			    "\"parent_snapshot\":{\"uuid\":\"" SNAP_ID "\"}"},
		      {GET, "/cluster/jobs/33333333", 200, RUNNING}, {GET, "/jobs/", 200, SUCCESS},
		      {GET, "clone.parent_volume.uuid,clone.parent_volume.name,clone.parent_snapshot.uuid,"
			    "clone.parent_snapshot.name", 200, READY});
		make_clone(o);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_string_equal(got.export_policy, "pods");
		assert_string_equal(got.junction, "/exp1");
		assert_true(uuid_eq(&got.uuid, &vol));
	}
	static const struct row t[] = {
		/* listed late, online late, mounted late */
		{{{POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, NONE},
		  {GET, "name=exp1", 200, OURS(",\"state\":\"offline\"")},
		  {GET, "name=exp1", 200, OURS(ONLINE AT(POLICY("pods")))}, {GET, "name=exp1", 200, READY}}, 0},
		/* another export policy: patched, and read again */
		{{{POST, "/volumes", 201, JOB},
		  {GET, "name=exp1", 200, OURS(ONLINE AT(PATH "," POLICY("default")))},
		  {PATCH, "/volumes/" VOLUME_ID "?return_timeout=5", 202, JOB, REPLY,
		   "{\"nas\":{\"export_policy\":{\"name\":\"pods\"}}}"},
		  {GET, "/jobs/", 200, SUCCESS}, {GET, "name=exp1", 200, READY}}, 0},
		/* that patch's reply lost: the volume tells */
		{{{POST, "/volumes", 201, JOB},
		  {GET, "name=exp1", 200, OURS(ONLINE AT(PATH "," POLICY("default")))},
		  {PATCH, "/volumes/", 0, NULL, LOST}, {GET, "name=exp1", 200, READY}}, 0},
		{{{POST, "/volumes", 201, JOB},
		  {GET, "name=exp1", 200, OURS(ONLINE AT(PATH "," POLICY("default")))},
		  {PATCH, "/volumes/", 0, NULL, LOST},
		  {GET, "name=exp1", 200, OURS(ONLINE AT(PATH "," POLICY("default")))},
		  {PATCH, "/volumes/", 200, "{}"}, {GET, "name=exp1", 200, READY}}, 0},
		/* the policy is not there: the clone stays, the caller hears it */
		{{{POST, "/volumes", 201, JOB},
		  {GET, "name=exp1", 200, OURS(ONLINE AT(PATH "," POLICY("default")))},
		  {PATCH, "/volumes/", 400, ERROR(918271)}}, -ENOENT},
		/* an account that may not read policies: a yes is enough */
		{{{POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, OURS(ONLINE AT(PATH))},
		  {PATCH, "/volumes/", 200, "{}"}, {GET, "name=exp1", 200, OURS(ONLINE AT(PATH))}}, 0},
		/* never mounted: mounted here, with its policy in one step */
		{{{POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, OURS(ONLINE)},
		  {GET, "name=exp1", 200, OURS(ONLINE)}, {GET, "name=exp1", 200, OURS(ONLINE)},
		  {GET, "name=exp1", 200, OURS(ONLINE)},
		  {PATCH, "/volumes/", 200, "{}", REPLY,
		   "{\"nas\":{\"path\":\"/exp1\",\"export_policy\":{\"name\":\"pods\"}}}"},
		  {GET, "name=exp1", 200, READY}}, 0},
		{{{POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, OURS(",\"state\":\"error\"")}}, -EIO},
		/* gone again while we look */
		{{{POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, OURS(",\"state\":\"offline\"")},
		  {GET, "name=exp1", 200, NONE}}, -ESTALE},
		/* replaced by another one */
		{{{POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, OURS(",\"state\":\"offline\"")},
		  {GET, "name=exp1", 200, ONE("{\"uuid\":\"" PARENT_ID "\",\"name\":\"exp1\"}")}}, -EEXIST},
		/* an old server does not know all fields */
		{{{POST, "/volumes", 201, JOB}, {GET, "snapshot_directory", 400, ERROR(262197)},
		  {GET, "split_complete_percent&max", 200, READY}}, 0},
		/* a pattern's other matches are not ours to judge */
		{{{POST, "/volumes", 201, JOB},
		  {GET, "name=exp1", 200, ONE("{\"uuid\":\"" PARENT_ID "\",\"name\":\"exp11\"}")},
		  {GET, "name=exp1", 200, READY}}, 0},
	};
	run(t, ARRAY_LEN(t), make_clone);
}

static void test_clone_in_doubt(void **state)
{
	(void)state;
	static const struct row t[] = {
		/* the reply was lost, the work was done */
		{{{POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, READY}}, 0},
		/* the request was lost, too */
		{{{POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, NONE}, {POST, "/volumes", 201, JOB},
		  {GET, "name=exp1", 200, READY}}, 0},
		/* the lost one is still at work when ours comes again */
		{{{POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, NONE},
		  {POST, "/volumes", 409, ERROR(13107405)}, {GET, "name=exp1", 200, NONE},
		  {POST, "/volumes", 409, ERROR(917526)}, {GET, "name=exp1", 200, READY}}, 0},
		/* never ran: the same request again, without a look */
		{{{POST, "/volumes", 0, NULL, REFUSED}, {POST, "/volumes", 503, ""},
		  {POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, READY}}, 0},
		/* the name exists: ours by an earlier run of the same verb ... */
		{{{POST, "/volumes", 409, ERROR(917526)}, {GET, "name=exp1", 200, READY}}, 0},
		/* ... which had not come to its export policy */
		{{{POST, "/volumes", 409, ERROR(1)},
		  {GET, "name=exp1", 200, OURS(ONLINE AT(PATH "," POLICY("default")))},
		  {PATCH, "/volumes/" VOLUME_ID, 200, "{}"}, {GET, "name=exp1", 200, READY}}, 0},
		/* or somebody else's, which is not touched */
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 200, FAILURE(917526)},
		  {GET, "name=exp1", 200, THEIRS}}, -EEXIST},
		{{{POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, THEIRS}}, -EEXIST},
		/* no comment at all: only ours if ONTAP said yes to us */
		{{{POST, "/volumes", 0, NULL, LOST},
		  {GET, "name=exp1", 200, ONE(RECORD("", ONLINE AT(PATH "," POLICY("pods"))))}}, -EEXIST},
		{{{POST, "/volumes", 201, JOB},
		  {GET, "name=exp1", 200, ONE(RECORD("", ONLINE AT(PATH "," POLICY("pods"))))}}, 0},
		/* the job is gone, or not for our eyes, or not named */
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)}, {GET, "name=exp1", 200, READY}}, 0},
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 403, ERROR(6)}, {GET, "name=exp1", 200, READY}}, 0},
		{{{POST, "/volumes", 202, "{}"}, {GET, "name=exp1", 200, READY}}, 0},
		/* lost each time: the reason of the doubt in the end */
		{{{POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, NONE},
		  {POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, NONE},
		  {POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, NONE},
		  {POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, NONE},
		  {POST, "/volumes", 0, NULL, LOST}, {GET, "name=exp1", 200, NONE}}, -ETIMEDOUT},
	};
	run(t, ARRAY_LEN(t), make_clone);
}

static void test_clone_refused(void **state)
{
	(void)state;
	static const struct row t[] = {
		{{{POST, "/volumes", 404, ERROR(524601)}}, -ENOENT},
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 200, FAILURE(524601)}}, -ENOENT},
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 200, FAILURE(1638400)}}, -ENOENT},
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 200, FAILURE(13107341)}}, -ENOSPC},
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 200, FAILURE(8)}}, -EBUSY},
		{{{POST, "/volumes", 400, ERROR(3)}}, -EOPNOTSUPP},
		{{{POST, "/volumes", 400, ERROR(918252)}}, -EINVAL},
		{{{POST, "/volumes", 202, JOB},
		  {GET, "/jobs/", 200, FAILURE_SAYING(524819, "FlexClone license missing")}}, -EOPNOTSUPP},
		{{{POST, "/volumes", 202, JOB},
		  {GET, "/jobs/", 200, FAILURE_SAYING(524597, "not enough space")}}, -ENOSPC},
		{{{POST, "/volumes", 202, JOB}, {GET, "/jobs/", 200, FAILURE(524597)}}, -EIO},
	};
	run(t, ARRAY_LEN(t), make_clone);
	assert_string_equal(last.text, "cannot clone volume \"data\" as \"exp1\": because (ONTAP code 524597)");

	/* Nothing is sent for what cannot be right. */
	static const char *const names[] = {"", "a-b", "a*", "9a"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct ontap *o = begin("s", NULL, 0);
		struct ontap_clone cl = a_clone();
		cl.name = names[i];
		ontap_volume_clone(o, &cl, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
	}
	char big[2000];
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	struct ontap_clone bad[] = {a_clone(), a_clone(), a_clone(), a_clone(), a_clone(), a_clone()};
	bad[0].comment = big;
	bad[1].comment = "\xff";
	bad[2].request_id = big;
	bad[3].junction = "exp1";
	bad[4].junction = big;
	bad[5].parent = zero;
	bad[5].parent_name = NULL;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ontap *o = begin("s", NULL, 0);
		ontap_volume_clone(o, &bad[i], on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
	}
	struct ontap *o = begin("s", NULL, 0);
	bad[0] = a_clone();
	bad[0].name = big;
	ontap_volume_clone(o, &bad[0], on_volumes, NULL);
	finish(o);
	assert_int_equal(last.err, -ENAMETOOLONG);
}

/* ONTAP says yes to a policy each time and never sets it. */
static void test_clone_policy_does_not_stick(void **state)
{
	(void)state;
#define OTHER  {GET, "name=exp1", 200, OURS(ONLINE AT(PATH "," POLICY("default")))}
#define ACCEPT {PATCH, "/volumes/", 200, "{}"}
	BEGIN("s", {POST, "/volumes", 201, JOB}, OTHER, ACCEPT, OTHER, ACCEPT, OTHER, ACCEPT, OTHER, ACCEPT, OTHER);
	make_clone(o);
	finish(o);
	assert_int_equal(last.err, -EIO);
	assert_string_equal(last.text, "cannot set the export policy of volume \"exp1\" to \"pods\": ONTAP accepts "
				       "it, but does not do it");
}

static void test_clone_unmounted(void **state)
{
	(void)state;
	BEGIN("s", {POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, OURS(ONLINE)});
	struct ontap_clone cl = a_clone();
	cl.junction = cl.export_policy = NULL;
	ontap_volume_clone(o, &cl, on_volumes, NULL);
	finish(o);
	assert_int_equal(last.err, 0);
	assert_string_equal(got.junction, "");
}

static int64_t until_late(struct ontap *o)
{
	for (int i = 0; i < 1000 && !done; i++)
		ontap_poll(o, -1, -1);
	assert_int_equal(done, 1);
	assert_int_equal(last.err, -ETIMEDOUT);
	ontap_free(o);
	clock_set_fake(-1);
	return (now_ns - 1000 * NS_PER_SEC) / NS_PER_SEC;
}

static void test_deadline(void **state)
{
	(void)state;
	{ /* a job that never ends */
		struct step steps[200] = {{POST, "/volumes", 202, JOB}};
		for (size_t i = 1; i < ARRAY_LEN(steps); i++)
			steps[i] = (struct step){GET, "/jobs/", 200, RUNNING};
		struct ontap *o = begin("s", steps, ARRAY_LEN(steps));
		make_clone(o);
		assert_int_equal(until_late(o), 30);
	}
	{ /* a clone that never comes online: the sentence says so */
		struct step steps[3000] = {{POST, "/volumes", 201, JOB}};
		for (size_t i = 1; i < ARRAY_LEN(steps); i++)
			steps[i] = (struct step){GET, "name=exp1", 200, OURS(",\"state\":\"offline\"")};
		struct ontap *o = begin("s", steps, ARRAY_LEN(steps));
		make_clone(o);
		assert_int_equal(until_late(o), 30);
		assert_non_null(strstr(last.text, "it is not online yet"));
	}
	{ /* no reply at all */
		BEGIN("s", {PATCH, "/volumes/", 0, NULL, SILENT});
		ontap_volume_comment(o, &vol, "x", on_done, NULL);
		assert_int_equal(until_late(o), 30);
	}
	{ /* the end of the client */
		BEGIN("s", {POST, "/volumes", 0, NULL, SILENT});
		make_clone(o);
		ontap_volume_delete(o, &vol, false, on_done, NULL);
		ontap_poll(o, 0, -1);
		ontap_free(o);
		assert_int_equal(done, 2);
		assert_int_equal(last.err, -ECANCELED);
		clock_set_fake(-1);
	}
}

/* ---- create ------------------------------------------------------------- */

#define SVM_AGGRS(list) ONE("{\"uuid\":\"" SVM_ID "\",\"name\":\"s\",\"aggregates\":[" list "]}")
#define A1 "{\"name\":\"a1\"}"
#define A2 "{\"name\":\"a2\"}"
#define ROOM(name, state, size, used) "{\"name\":\"" name "\",\"state\":\"" state "\",\"space\":{" \
	"\"block_storage\":{\"size\":" #size ",\"used\":" #used "}}}"
#define ON(name) "{\"aggregates\":[{\"name\":\"" name "\"}],\"name\":\"exp1\",\"svm\":{\"name\":\"s\"}"
#define LOOK {GET, "name=exp1", 200, READY}

static void create(struct ontap *o)
{
	struct ontap_create cr = a_volume();
	ontap_volume_create(o, &cr, on_volumes, NULL);
	memset(&cr, 0x55, sizeof(cr));
}

static void test_create_place(void **state)
{
	(void)state;
	static const struct row t[] = {
		/* only one: no need to look at its room */
		{{{GET, "/svm/svms?fields=name,aggregates&name=s", 200, SVM_AGGRS(A2)},
		  {POST, "/volumes", 201, JOB, REPLY, ON("a2")}, LOOK}, 0},
		/* most room of those of the SVM that are online */
		{{{GET, "/svm/svms", 200, SVM_AGGRS(A1 "," A2 ",{\"name\":\"a3\"}")},
		  {GET, "/storage/aggregates?fields=name,state,space.block", 200,
		   "{\"records\":[" ROOM("a2", "online", 50, 1) "," ROOM("a1", "online", 100, 90) ","
		   ROOM("a3", "offline", 999, 0) "," ROOM("root", "online", 9999, 0) "]}"},
		  {POST, "/volumes", 201, JOB, REPLY, ON("a2")}, LOOK}, 0},
		/* an SVM's account may not see them */
		{{{GET, "/svm/svms", 200, SVM_AGGRS(A1 "," A2)}, {GET, "/storage/aggregates", 403, ERROR(6)},
		  {POST, "/volumes", 201, JOB, REPLY, ON("a1")}, LOOK}, 0},
		{{{GET, "/svm/svms", 200, SVM_AGGRS(A1 "," A2)}, {GET, "/storage/aggregates", 200, NONE},
		  {POST, "/volumes", 201, JOB, REPLY, ON("a1")}, LOOK}, 0},
		/* an SVM without a list: any */
		{{{GET, "/svm/svms", 200, SVM_AGGRS("")},
		  {GET, "/storage/aggregates", 200, ONE(ROOM("a9", "online", 5, 6))},
		  {POST, "/volumes", 201, JOB, REPLY, ON("a9")}, LOOK}, 0},
		{{{GET, "/svm/svms", 200, NONE}, {GET, "/storage/aggregates", 200, NONE}}, -ENOSPC},
		/* the choice is kept when the reply is lost */
		{{{GET, "/svm/svms", 200, SVM_AGGRS(A1)}, {POST, "/volumes", 0, NULL, LOST},
		  {GET, "name=exp1", 200, NONE}, {POST, "/volumes", 201, JOB, REPLY, ON("a1")}, LOOK}, 0},
		{{{GET, "/svm/svms", 200, SVM_AGGRS(A1)}, {POST, "/volumes", 202, JOB},
		  {GET, "/jobs/", 200, FAILURE(917534)}}, -EINVAL},
	};
	run(t, ARRAY_LEN(t), create);
}

static void test_create(void **state)
{
	(void)state;
	{ /* a FlexGroup is placed by ONTAP; then the snapshot directory */
		BEGIN("s", {POST, "/volumes?return_timeout=5", 202, JOB, REPLY,
			    "{\"name\":\"exp1\",\"svm\":{\"name\":\"s\"},\"style\":\"flexgroup\""},
		      {GET, "/jobs/", 200, SUCCESS}, {GET, "name=exp1", 200, READY},
		      {PATCH, "/volumes/" VOLUME_ID, 200, "{}", REPLY, "{\"snapshot_directory_access_enabled\":false}"},
		      {GET, "name=exp1", 200, OURS(ONLINE ",\"snapshot_directory_access_enabled\":false"
						   AT(PATH "," POLICY("pods")))});
		struct ontap_create cr = a_volume();
		cr.style = ONTAP_FLEXGROUP;
		cr.snapshot_dir = false;
		ontap_volume_create(o, &cr, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
		assert_false(got.snapdir_access);
	}
	{ /* a release that has no switch for it */
		BEGIN("s", {POST, "/volumes", 201, JOB}, {GET, "name=exp1", 200, READY},
		      {PATCH, "/volumes/", 400, ERROR(262197)});
		struct ontap_create cr = a_volume();
		cr.style = ONTAP_FLEXGROUP;
		cr.snapshot_dir = false;
		ontap_volume_create(o, &cr, on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EOPNOTSUPP);
	}
	struct ontap_create bad[] = {a_volume(), a_volume(), a_volume(), a_volume()};
	bad[0].unix_permissions = "rwx";
	bad[1].unix_permissions = "0779x";
	bad[2].space_reserve = "some";
	bad[3].name = "a b";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ontap *o = begin("s", NULL, 0);
		ontap_volume_create(o, &bad[i], on_volumes, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
	}
}

/* ---- delete ------------------------------------------------------------- */

#define IS(nas)   {GET, "/volumes/" VOLUME_ID "?fields=name,nas.path", 200, "{\"name\":\"exp1\"" nas "}"}
#define MOUNTED   IS(AT(PATH))
#define FREE      {GET, "clone.parent_volume.uuid=" VOLUME_ID, 200, NONE}
#define UNMOUNT   {PATCH, "/volumes/" VOLUME_ID "?return_timeout=5", 200, "{}", REPLY, "{\"nas\":{\"path\":\"\"}}"}
#define REMOUNT   {PATCH, "/volumes/" VOLUME_ID "?return_timeout=5", 200, "{}", REPLY, "{\"nas\":{\"path\":\"/exp1\"}}"}
#define CHILD(n)  "{\"name\":\"" n "\",\"clone\":{\"parent_volume\":{\"uuid\":\"" VOLUME_ID "\"}}}"

static void delete(struct ontap *o)
{
	ontap_volume_delete(o, &vol, false, on_done, NULL);
}

static void test_delete(void **state)
{
	(void)state;
	static const struct row t[] = {
		{{MOUNTED, FREE, UNMOUNT, {DELETE, "?force=false&return_timeout=5", 202, JOB},
		  {GET, "/jobs/", 200, SUCCESS}}, 0},
		{{IS(""), FREE, {DELETE, "?force=false", 200, "{}"}}, 0},
		/* gone already, at every step */
		{{{GET, "/volumes/", 404, ERROR(4)}}, 0},
		{{MOUNTED, FREE, {PATCH, "/volumes/", 404, ERROR(917525)}}, 0},
		{{MOUNTED, FREE, UNMOUNT, {DELETE, "/volumes/", 404, ERROR(4)}}, 0},
		{{IS(""), FREE, {DELETE, "/volumes/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(918235)}}, 0},
		/* a 404 that is not ONTAP's own proves nothing */
		{{{GET, "/volumes/", 404, "<html>"}}, -EIO},
		/* lost replies and jobs: again, and 404 tells */
		{{MOUNTED, FREE, {PATCH, "/volumes/", 0, NULL, LOST}, UNMOUNT, {DELETE, "/volumes/", 0, NULL, LOST},
		  {DELETE, "/volumes/", 404, ERROR(4)}}, 0},
		{{IS(""), FREE, {DELETE, "/volumes/", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)},
		  {DELETE, "/volumes/", 404, ERROR(4)}}, 0},
		/* the unmount is refused: nothing happened */
		{{MOUNTED, FREE, {PATCH, "/volumes/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(524486)}}, -EBUSY},
		/* busy for a moment */
		{{MOUNTED, FREE, UNMOUNT, {DELETE, "/volumes/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(524486)},
		  {DELETE, "/volumes/", 200, "{}"}}, 0},
		/* refused in the end: mounted again where it was */
		{{MOUNTED, FREE, UNMOUNT, {DELETE, "/volumes/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(524615)},
		  REMOUNT}, -EBUSY},
		{{MOUNTED, FREE, UNMOUNT, {DELETE, "/volumes/", 400, ERROR(66846758)},
		  {PATCH, "/volumes/", 0, NULL, LOST}, REMOUNT}, -EPERM},
		{{MOUNTED, FREE, UNMOUNT, {DELETE, "/volumes/", 202, JOB},
		  {GET, "/jobs/", 200, FAILURE_SAYING(460770, "is the source endpoint of one or more SnapMirror "
						      "relationships")}, REMOUNT}, -EBUSY},
		/* not mounted before, so not now */
		{{IS(""), FREE, {DELETE, "/volumes/", 409, ERROR(917531)}}, -EBUSY},
		/* a server that lacks the filter, or ignores it */
		{{IS(""), {GET, "clone.parent_volume.uuid", 400, ERROR(262197)}, {DELETE, "/volumes/", 200, "{}"}}, 0},
		{{IS(""), {GET, "clone.parent_volume.uuid", 200,
			  "{\"records\":[{\"name\":\"x\"},"
			  "{\"name\":\"y\",\"clone\":{\"parent_volume\":{\"uuid\":\"" PARENT_ID "\"}}}]}"},
		  {DELETE, "/volumes/", 200, "{}"}}, 0},
	};
	run(t, ARRAY_LEN(t), delete);
}

static void test_delete_texts(void **state)
{
	(void)state;
	{ /* clones: known before anything is touched */
		BEGIN("s", MOUNTED, {GET, "clone.parent_volume.uuid=" VOLUME_ID, 200, ONE(CHILD("c1"))});
		delete(o);
		finish(o);
		assert_int_equal(last.err, -EBUSY);
		assert_string_equal(last.text, "cannot delete volume \"exp1\": it has the clone c1");
	}
	{
		BEGIN("s", MOUNTED, {GET, "clone.parent_volume.uuid", 200,
				     "{\"records\":[" CHILD("c1") "," CHILD("c2") "," CHILD("c3") ","
				     CHILD("c4") "]}"});
		delete(o);
		finish(o);
		assert_string_equal(last.text, "cannot delete volume \"exp1\": it has the clones c1, c2, c3, ...");
	}
	{ /* it cannot even be mounted again: the caller must know where it was */
		BEGIN("s", MOUNTED, FREE, UNMOUNT, {DELETE, "/volumes/", 409, ERROR(524615)},
		      {PATCH, "/volumes/", 409, ERROR(918252)});
		int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		log_set_fd(fd);
		delete(o);
		finish(o);
		log_set_fd(2);
		close(fd);
		assert_int_equal(last.err, -EBUSY);
		assert_string_equal(last.text, "cannot delete volume \"exp1\": because (ONTAP code 524615); it is "
					       "unmounted now, and was mounted at \"/exp1\"");
	}
	{
		BEGIN("s", IS(""), FREE, {DELETE, "?force=true", 200, "{}"});
		ontap_volume_delete(o, &vol, true, on_done, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
	}
}

/* ---- patches ------------------------------------------------------------ */

static void set_comment(struct ontap *o)
{
	ontap_volume_comment(o, &vol, "a \"b\"", on_done, NULL);
}
static void snapdir_off(struct ontap *o)
{
	ontap_volume_snapdir(o, &vol, false, on_done, NULL);
}

static void test_patches(void **state)
{
	(void)state;
	static const struct row comment[] = {
		{{{PATCH, "/volumes/" VOLUME_ID "?return_timeout=5", 202, JOB, REPLY, "{\"comment\":\"a \\\"b\\\"\"}"},
		  {GET, "/jobs/", 200, SUCCESS}}, 0},
		{{{PATCH, "/volumes/", 0, NULL, LOST}, {PATCH, "/volumes/", 200, "", REPLY, "{\"comment\":"}}, 0},
		{{{PATCH, "/volumes/", 202, JOB}, {GET, "/jobs/", 404, ERROR(4)}, {PATCH, "/volumes/", 200, ""}}, 0},
		{{{PATCH, "/volumes/", 404, ERROR(918235)}}, -ENOENT},
		{{{PATCH, "/volumes/", 202, JOB}, {GET, "/jobs/", 200, FAILURE(917628)}}, -EPERM},
		{{{PATCH, "/volumes/", 500, ""}, {PATCH, "/volumes/", 500, ""}, {PATCH, "/volumes/", 500, ""},
		  {PATCH, "/volumes/", 500, ""}, {PATCH, "/volumes/", 500, ""}}, -EIO},
	};
	run(comment, ARRAY_LEN(comment), set_comment);
	static const struct row off[] = {
		{{{PATCH, "/volumes/", 200, "", REPLY, "{\"snapshot_directory_access_enabled\":false}"}}, 0},
		{{{PATCH, "/volumes/", 0, NULL, LOST}, {PATCH, "/volumes/", 400, ERROR(262197)}}, -EOPNOTSUPP},
	};
	run(off, ARRAY_LEN(off), snapdir_off);
	assert_non_null(strstr(last.text, "switch off the snapshot directory of volume " VOLUME_ID));
	{
		BEGIN("s", {PATCH, "/volumes/", 200, "", REPLY, "{\"snapshot_directory_access_enabled\":true}"});
		ontap_volume_snapdir(o, &vol, true, on_done, NULL);
		finish(o);
		assert_int_equal(last.err, 0);
	}
	char big[1025];
	memset(big, 'x', sizeof(big));
	big[1024] = '\0';
	static const char *const broken = "\xff";
	const char *const bad[] = {big, broken};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ontap *o = begin("s", NULL, 0);
		ontap_volume_comment(o, &vol, bad[i], on_done, NULL);
		finish(o);
		assert_int_equal(last.err, -EINVAL);
	}
}

#define CLONE_IS(clone, splitting) "{\"clone\":{\"is_flexclone\":" #clone ",\"split_initiated\":" #splitting "}}"
#define SPLIT(status, ...) {PATCH, "/volumes/" VOLUME_ID, status, __VA_ARGS__}

static void split(struct ontap *o)
{
	ontap_volume_split(o, &vol, on_done, NULL);
}

static void test_split(void **state)
{
	(void)state;
	static const struct row t[] = {
		/* waited for until the volume shows it, not for its end */
		{{SPLIT(202, JOB, REPLY, "{\"clone\":{\"split_initiated\":true}}"),
		  {GET, "?fields=clone.is_flexclone", 200, CLONE_IS(true, false)},
		  {GET, "?fields=clone.is_flexclone", 200, CLONE_IS(true, true)}}, 0},
		{{SPLIT(202, JOB), {GET, "/volumes/", 403, ERROR(6)}}, 0},
		{{SPLIT(404, ERROR(4))}, -ENOENT},
		/* refused since it is under way */
		{{SPLIT(400, ERROR(918248)), {GET, "?fields=clone.is_flexclone", 200, CLONE_IS(true, true)}}, 0},
		/* refused since it never was a clone, or may not be split */
		{{SPLIT(400, ERROR(918248)), {GET, "/volumes/", 200, CLONE_IS(false, false)}}, -EINVAL},
		{{SPLIT(400, ERROR(918248)), {GET, "/volumes/", 403, ERROR(6)}}, -EINVAL},
		{{SPLIT(409, ERROR(8)), {GET, "/volumes/", 200, CLONE_IS(true, false)}}, -EBUSY},
		/* a lost one did it, and is over already */
		{{SPLIT(0, NULL, LOST), SPLIT(400, ERROR(918248)), {GET, "/volumes/", 200, CLONE_IS(false, false)}}, 0},
		{{SPLIT(0, NULL, LOST), SPLIT(202, JOB), {GET, "/volumes/", 200, CLONE_IS(true, true)}}, 0},
	};
	run(t, ARRAY_LEN(t), split);
}

int main(void)
{
	log_set_level(LOG_LV_ERROR);
	uuid_parse(VOLUME_ID, &vol);
	uuid_parse(PARENT_ID, &parent);
	uuid_parse(SNAP_ID, &snap);
	uuid_parse(SVM_ID, &svm);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_error_words),
		cmocka_unit_test(test_clone),
		cmocka_unit_test(test_clone_in_doubt),
		cmocka_unit_test(test_clone_refused),
		cmocka_unit_test(test_clone_policy_does_not_stick),
		cmocka_unit_test(test_clone_unmounted),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_create_place),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_delete_texts),
		cmocka_unit_test(test_patches),
		cmocka_unit_test(test_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
