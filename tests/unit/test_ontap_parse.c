/* Records of ONTAP to structs, errors to errno and sentences, and the pure
 * parts of requests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/base/buf.h"
#include "fs/base/cleanup.h"
#include "ontap/call.h"
#include "ontap/error.h"
#include "ontap/http.h"
#include "ontap/parse.h"

#define UUID_A "\"uuid\":\"11111111-2222-3333-4444-555555555555\""
#define UUID_B "\"uuid\":\"AAAAAAAA-2222-3333-4444-555555555555\""

static struct json_object *parse(const char *text)
{
	char why[JS_WHY_LEN] = "";
	struct json_object *o = js_parse(text, strlen(text), false, why);
	if (!o)
		fail_msg("%s: %s", text, why);
	return o;
}

static void test_volume(void **state)
{
	(void)state;
	struct json_object *o = parse(
		"{" UUID_A ",\"name\":\"vol1\",\"style\":\"flexgroup\",\"type\":\"DP\","
		"\"state\":\"online\",\"size\":100,\"space\":{\"used\":7},\"comment\":\"c\","
		"\"nas\":{\"path\":\"/vol1\",\"export_policy\":{\"name\":\"default\"}},"
		"\"create_time\":\"2022-11-24T22:23:13+12:00\",\"snapshot_count\":3,"
		"\"is_svm_root\":false,\"flexcache_endpoint_type\":\"cache\","
		"\"snapshot_directory_access_enabled\":false,"
		"\"clone\":{\"is_flexclone\":true,\"parent_volume\":{\"name\":\"p\"," UUID_B "},"
		"\"parent_snapshot\":{\"name\":\"s\"," UUID_B "},\"split_initiated\":true,"
		"\"split_complete_percent\":40}}");
	struct ontap_volume v;
	char why[160], text[UUID_TEXT_LEN + 1];
	assert_int_equal(volume_parse(o, &v, why), 0);
	assert_string_equal(v.name, "vol1");
	assert_string_equal(v.junction, "/vol1");
	assert_string_equal(v.export_policy, "default");
	assert_string_equal(v.comment, "c");
	assert_int_equal(v.style, ONTAP_FLEXGROUP);
	assert_int_equal(v.type, ONTAP_DP);
	assert_true(v.online && v.is_flexcache && v.is_flexclone && !v.snapdir_access);
	assert_int_equal(v.size, 100);
	assert_int_equal(v.used, 7);
	assert_int_equal(v.create_time, 1669285393);
	assert_int_equal(v.snapshot_count, 3);
	assert_int_equal(v.split_percent, 40);
	assert_string_equal(v.clone_parent_name, "p");
	assert_string_equal(v.clone_snapshot_name, "s");
	assert_string_equal(uuid_format(&v.clone_parent, text), "aaaaaaaa-2222-3333-4444-555555555555");
	js_free(o);

	/* What an old release or a lowly account leaves out has a safe value. */
	o = parse("{" UUID_A ",\"name\":\"v\"}");
	assert_int_equal(volume_parse(o, &v, why), 0);
	assert_true(v.snapdir_access && !v.online && !v.is_flexclone);
	assert_int_equal(v.split_percent, -1);
	assert_string_equal(v.junction, "");
	js_free(o);
}

static char *filled(const char *before, size_t n, const char *after)
{
	char *s = NULL;
	assert_true(asprintf(&s, "%s%*s%s", before, (int)n, "", after) > 0);
	memset(s + strlen(before), 'x', n);
	return s;
}

static void test_volume_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *field;
	} t[] = {
		{"{\"name\":\"v\"}", "uuid"},
		{"{\"uuid\":\"123\",\"name\":\"v\"}", "uuid"},
		{"{" UUID_A "}", "name"},
		{"{" UUID_A ",\"name\":\"\"}", "name"},
		{"{" UUID_A ",\"name\":\"..\"}", "name"},
		{"{" UUID_A ",\"name\":\"a/b\"}", "name"},
		{"{" UUID_A ",\"name\":\"a\\nb\"}", "name"},
		{"{" UUID_A ",\"name\":7}", "name"},
		{"{" UUID_A ",\"name\":\"v\",\"size\":-1}", "size"},
		{"{" UUID_A ",\"name\":\"v\",\"size\":\"1\"}", "size"},
		{"{" UUID_A ",\"name\":\"v\",\"nas\":{\"path\":\"vol\"}}", "nas.path"},
		{"{" UUID_A ",\"name\":\"v\",\"nas\":7}", "nas.path"},
		{"{" UUID_A ",\"name\":\"v\",\"style\":\"odd\"}", "style"},
		{"{" UUID_A ",\"name\":\"v\",\"type\":\"odd\"}", "type"},
		{"{" UUID_A ",\"name\":\"v\",\"create_time\":\"soon\"}", "create_time"},
		{"{" UUID_A ",\"name\":\"v\",\"clone\":{\"is_flexclone\":true,"
		 "\"split_complete_percent\":101}}", "clone.split_complete_percent"},
		{"[1]", "uuid"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct json_object *o = parse(t[i].text);
		struct ontap_volume v = {.size = 99};
		char why[160] = "", quoted[64];
		snprintf(quoted, sizeof(quoted), "\"%s\"", t[i].field);
		int r = volume_parse(o, &v, why);
		if (r != -EBADMSG || !strstr(why, quoted) || v.size != 99)
			fail_msg("%s: %d %s", t[i].text, r, why);
		js_free(o);
	}
	struct ontap_volume v;
	char why[160];
	cleanup_free char *name = filled("{" UUID_A ",\"name\":\"", 256, "\"}");
	struct json_object *o = parse(name);
	assert_int_equal(volume_parse(o, &v, why), -EBADMSG);
	assert_non_null(strstr(why, "\"name\" is too long"));
	js_free(o);
	/* A comment that does not fit is not half read, and hides nothing. */
	cleanup_free char *comment = filled("{" UUID_A ",\"name\":\"v\",\"comment\":\"", 1024, "\"}");
	o = parse(comment);
	assert_int_equal(volume_parse(o, &v, why), 0);
	assert_string_equal(v.comment, "");
	js_free(o);
	o = parse("{\"style\":\"FLEXGROUP_constituent\"}");
	assert_true(volume_is_constituent(o));
	js_free(o);
}

static void test_snapshot(void **state)
{
	(void)state;
	struct json_object *o = parse(
		"{" UUID_A ",\"name\":\"run 1\",\"comment\":\"x\",\"snapmirror_label\":\"l\",\"size\":5,"
		"\"owners\":[\"volume_clone\",\"dump\"],\"create_time\":\"1970-01-01T00:00:09Z\","
		"\"expiry_time\":\"1970-01-01T00:01:00Z\"}");
	struct ontap_snapshot s;
	char why[160];
	assert_int_equal(snapshot_parse(o, &s, why), 0);
	assert_string_equal(s.name, "run 1");
	assert_string_equal(s.owners, "volume_clone,dump");
	assert_string_equal(s.label, "l");
	assert_int_equal(s.create_time, 9);
	assert_int_equal(s.expiry_time, 60);
	assert_int_equal(s.size, 5);
	js_free(o);
	o = parse("{" UUID_A ",\"name\":\"s\"}");
	assert_int_equal(snapshot_parse(o, &s, why), -EBADMSG);
	assert_non_null(strstr(why, "create_time"));
	js_free(o);
	o = parse("{" UUID_A ",\"name\":\"s\",\"create_time\":\"1970-01-01T00:00:09Z\",\"owners\":[1]}");
	assert_int_equal(snapshot_parse(o, &s, why), -EBADMSG);
	assert_non_null(strstr(why, "owners"));
	js_free(o);
}

static void test_sort(void **state)
{
	(void)state;
	struct ontap_snapshot s[5] = {0};
	static const int64_t time[] = {5, 1, 3, 1, 4};
	for (size_t i = 0; i < 5; i++) {
		s[i].create_time = time[i];
		s[i].size = i;
	}
	assert_int_equal(snapshot_sort(s, 5), 0);
	static const uint64_t want[] = {1, 3, 2, 4, 0};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(s[i].size, want[i]);
	assert_int_equal(snapshot_sort(NULL, 0), 0);
}

static void test_small_records(void **state)
{
	(void)state;
	char why[160];
	struct ontap_cluster k;
	struct json_object *o = parse("{\"name\":\"c\",\"version\":{\"full\":\"NetApp\","
				      "\"generation\":9,\"major\":15,\"minor\":1}}");
	assert_int_equal(cluster_parse(o, &k, why), 0);
	assert_int_equal(k.generation * 10000 + k.major * 100 + k.minor, 91501);
	js_free(o);
	o = parse("{\"name\":\"c\"}");
	assert_int_equal(cluster_parse(o, &k, why), -EBADMSG);
	js_free(o);

	struct ontap_nfs_service n;
	o = parse("{\"enabled\":true,\"protocol\":{\"v3_enabled\":true}}");
	assert_int_equal(nfs_service_parse(o, &n, why), 0);
	assert_true(n.enabled && n.v3_enabled && n.mount_root_only);
	assert_int_equal(n.tcp_max_transfer_size, 0);
	js_free(o);

	struct ontap_lif l;
	o = parse("{\"name\":\"l\",\"ip\":{\"address\":\"10.0.0.1\"},\"state\":\"up\"}");
	assert_int_equal(lif_parse(o, &l, why), 0);
	assert_true(l.up);
	js_free(o);
	o = parse("{\"name\":\"l\",\"ip\":{\"address\":\"10.0.0.1\"},\"state\":\"up\",\"enabled\":false}");
	assert_int_equal(lif_parse(o, &l, why), 0);
	assert_false(l.up);
	js_free(o);
	o = parse("{\"name\":\"l\",\"ip\":{\"address\":\"host name\"},\"state\":\"up\"}");
	assert_int_equal(lif_parse(o, &l, why), -EBADMSG);
	js_free(o);
}

static void test_error_table(void **state)
{
	(void)state;
	static const struct {
		int64_t code;
		int status, want;
		bool known;
	} t[] = {
		{1, 409, -EEXIST, true},
		{4, 404, -ENOENT, true},
		{4, 405, -ENOENT, true},
		{6, 403, -EACCES, true},
		{8, 409, -EBUSY, true},
		{262197, 400, -EINVAL, true},
		{525059, 0, -EEXIST, true},
		{525062, 0, -EMLINK, true},
		{1638461, 400, -EROFS, true},
		{1638555, 0, -EBUSY, true},
		{1638600, 0, -ENOENT, true},
		{1638415, 409, -EBUSY, true},
		{5242925, 0, -EBUSY, true},
		{6488085, 400, -EINVAL, true},
		{66846925, 400, -ENOENT, true},
		{92405873, 400, -EOPNOTSUPP, true},
		{987654321012LL, 400, -EIO, false},
		{7, 0, -EIO, false},
		{0, 401, -EACCES, true},
		{0, 404, -EIO, true}, /* anybody on the way can say 404 */
		{0, 429, -EAGAIN, true},
		{0, 503, -EAGAIN, true},
		{0, 500, -EIO, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		bool known;
		int r = error_errno(t[i].code, t[i].status, &known);
		if (r != t[i].want || known != t[i].known)
			fail_msg("%lld: %d %d", (long long)t[i].code, r, known);
	}
}

/* Weeks without end: no sum that overflows. */
static void test_long_duration(void **state)
{
	(void)state;
	struct buf b;
	struct ontap_mirror m;
	char why[160];
	buf_init(&b, 1 << 20);
	buf_puts(&b, "{\"uuid\":\"11111111-1111-1111-1111-111111111111\",\"destination\":{\"path\":\"a:b\"},"
		 "\"lag_time\":\"P");
	for (int i = 0; i < 20000; i++)
		buf_puts(&b, "2147483647W");
	buf_puts(&b, "\"}");
	assert_true(buf_ok(&b));
	struct json_object *o = parse(b.data);
	assert_int_equal(mirror_parse(o, &m, why), -EBADMSG);
	assert_non_null(strstr(why, "lag_time"));
	js_free(o);
	buf_fini(&b);
}

static void test_error_text(void **state)
{
	(void)state;
	const struct error_who who = {"10.0.0.1", "vsadmin"}, cert = {"10.0.0.1", NULL};
	struct ontap_error e;
	error_from_reply(&e, &who, "list the volumes", 401, NULL);
	assert_string_equal(e.text, "ONTAP at 10.0.0.1 refused the login of user vsadmin (HTTP 401): "
				    "check username and password");
	error_from_reply(&e, &cert, "list the volumes", 401, NULL);
	assert_non_null(strstr(e.text, "client certificate"));
	struct json_object *o = parse("{\"error\":{\"message\":\"Snapshot\\n is busy. \",\"code\":\"1638555\"}}");
	error_from_reply(&e, &who, "delete snapshot \"a\"", 409, o);
	assert_string_equal(e.text,
			    "cannot delete snapshot \"a\": Snapshot  is busy (ONTAP code 1638555)");
	assert_int_equal(e.err, -EBUSY);
	assert_int_equal(e.code, 1638555);
	assert_int_equal(e.http_status, 409);
	js_free(o);
	error_from_job(&e, "x", 524479, "volume is not online");
	assert_int_equal(e.err, -EIO);
	error_from_job(&e, "x", 524479, "no space");
	assert_int_equal(e.err, -ENOSPC);
}

static void test_href(void **state)
{
	(void)state;
	static const struct {
		const char *href;
		int want;
	} t[] = {
		{"/api/storage/volumes?start.uuid=1&fields=a..b", 0},
		{"/api/x", 0},
		{"https://evil/api/x", -EINVAL},
		{"//evil/api/x", -EINVAL},
		{"/apix", -EINVAL},
		{"/api/../x", -EINVAL},
		{"/api/a b", -EINVAL},
		{"/api/a\nb", -EINVAL},
		{"/api/a#b", -EINVAL},
		{"@evil/api/", -EINVAL},
		{"", -EINVAL},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (page_check_href(t[i].href) != t[i].want)
			fail_msg("%s", t[i].href);
	cleanup_free char *longest = filled("/api/", 5000, "");
	assert_int_equal(page_check_href(longest), -EINVAL);
}

static void test_requests(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	http_escape(&b, "a-Z_0.~ /\xc3\xa9&=+%");
	assert_string_equal(b.data, "a-Z_0.~%20%2F%C3%A9%26%3D%2B%25");
	buf_reset(&b);
	snapshot_body_create(&b, "a\"b", "c\\");
	assert_string_equal(b.data, "{\"name\":\"a\\\"b\",\"comment\":\"c\\\\\"}");
	buf_reset(&b);
	snapshot_body_field(&b, "name", "n");
	assert_string_equal(b.data, "{\"name\":\"n\"}");
	buf_fini(&b);
	static const char *const expressions[] = {"a*", "a|b", "!a", "<1", ">1", "1..2", "null", "{a}"};
	for (size_t i = 0; i < ARRAY_LEN(expressions); i++)
		assert_true(query_is_expression(expressions[i]));
	assert_false(query_is_expression("run-1.2_x@y"));
	for (unsigned i = 0; i < 40; i++) {
		int64_t ms = call_backoff_ms(i);
		assert_true(ms >= 0 && ms <= 2000);
	}
}

static void test_instance(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool found;
	} t[] = {
		{"{\"name\":\"n\"}", true},
		{"{\"record\":{\"name\":\"n\"}}", true},
		{"{\"records\":[{\"name\":\"n\"}]}", true},
		{"{\"records\":[]}", false},
		{"{\"records\":[{},{}]}", false},
		{"{\"records\":7}", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct json_object *o = parse(t[i].text), *r = page_instance(o);
		const char *name = NULL;
		if (r)
			js_str(r, "name", &name);
		if ((r != NULL) != t[i].found || (r && strcmp(name ? name : "", "n") != 0))
			fail_msg("%s", t[i].text);
		js_free(o);
	}
	assert_null(page_instance(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volume),      cmocka_unit_test(test_volume_refused),
		cmocka_unit_test(test_snapshot),    cmocka_unit_test(test_sort),
		cmocka_unit_test(test_small_records), cmocka_unit_test(test_error_table),
		cmocka_unit_test(test_error_text),  cmocka_unit_test(test_href),
		cmocka_unit_test(test_requests),    cmocka_unit_test(test_instance),
		cmocka_unit_test(test_long_duration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
