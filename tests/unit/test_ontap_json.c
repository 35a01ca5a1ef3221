/* Strict JSON getters: missing, wrong type and out of range are told apart. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "ontap/json.h"
#include "ontap/ontap.h"

static struct ontap_json *parse(const char *text)
{
	char why[256] = "";
	struct ontap_json *j = ontap_json_parse(text, strlen(text), why);
	if (!j)
		fail_msg("%s: %s", text, why);
	return j;
}

static const char doc[] =
	"{\"s\":\"text\",\"e\":\"\",\"i\":42,\"neg\":-7,\"big\":9223372036854775807,"
	"\"huge\":9223372036854775808,\"d\":1.5,\"t\":true,\"n\":null,\"a\":[1,[2,3],{\"k\":\"v\"}],"
	"\"o\":{\"p\":{\"q\":9}},\"nul\":\"a\\u0000b\"}";

static void test_int(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		int64_t min, max;
		int want;
		int64_t value;
	} t[] = {
		{"i", 0, 100, 0, 42},
		{"i", 0, 41, -ERANGE, 0},
		{"i", 43, 100, -ERANGE, 0},
		{"neg", -10, 0, 0, -7},
		{"big", 0, INT64_MAX, 0, INT64_MAX},
		{"huge", 0, INT64_MAX, -ERANGE, 0},
		{"d", 0, 10, -EINVAL, 0},
		{"s", 0, 10, -EINVAL, 0},
		{"t", 0, 10, -EINVAL, 0},
		{"n", 0, 10, -ENOENT, 0},
		{"none", 0, 10, -ENOENT, 0},
		{"o.p.q", 0, 10, 0, 9},
		{"o.p", 0, 10, -EINVAL, 0},
		{"o.x.q", 0, 10, -ENOENT, 0},
		{"s.q", 0, 10, -EINVAL, 0},
		{"a[0]", 0, 10, 0, 1},
		{"a[1][1]", 0, 10, 0, 3},
		{"a[9]", 0, 10, -ENOENT, 0},
		{"a[x]", 0, 10, -EINVAL, 0},
		{"a[0", 0, 10, -EINVAL, 0},
		{"o[0]", 0, 10, -EINVAL, 0},
		{"a.k", 0, 10, -EINVAL, 0},
		{"a[99999999999999999999]", 0, 10, -EINVAL, 0},
	};
	struct ontap_json *j = parse(doc);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t v = -99;
		int r = ontap_json_int(j, t[i].path, t[i].min, t[i].max, &v);
		if (r != t[i].want || v != (r ? -99 : t[i].value))
			fail_msg("%s: %d, %lld", t[i].path, r, (long long)v);
	}
	ontap_json_free(j);
}

static void test_str(void **state)
{
	(void)state;
	struct ontap_json *j = parse(doc);
	const char *s = "untouched";
	assert_int_equal(ontap_json_str(j, "i", &s), -EINVAL);
	assert_int_equal(ontap_json_str(j, "n", &s), -ENOENT);
	assert_int_equal(ontap_json_str(j, "nul", &s), -EINVAL);
	assert_string_equal(s, "untouched");
	assert_int_equal(ontap_json_str(j, "a[2].k", &s), 0);
	assert_string_equal(s, "v");
	assert_int_equal(ontap_json_str(j, "e", &s), 0);
	assert_string_equal(s, "");

	char small[4] = "old";
	struct json_object *root = (struct json_object *)j;
	assert_int_equal(js_copy(root, "s", small, sizeof(small)), -ENAMETOOLONG);
	assert_string_equal(small, "old");
	char fits[5];
	assert_int_equal(js_copy(root, "s", fits, sizeof(fits)), 0);
	ontap_json_free(j);
}

static void count_key(const char *key, void *priv)
{
	assert_non_null(key);
	++*(int *)priv;
}

static void test_others(void **state)
{
	(void)state;
	struct ontap_json *j = parse(doc);
	bool b = false;
	double d = 0;
	int n = 0;
	assert_int_equal(ontap_json_bool(j, "t", &b), 0);
	assert_true(b);
	assert_int_equal(ontap_json_bool(j, "i", &b), -EINVAL);
	assert_int_equal(ontap_json_double(j, "d", &d), 0);
	assert_true(d > 1.4 && d < 1.6);
	assert_int_equal(ontap_json_double(j, "i", &d), 0);
	assert_int_equal(ontap_json_double(j, "s", &d), -EINVAL);
	assert_int_equal(ontap_json_len(j, "a"), 3);
	assert_int_equal(ontap_json_len(j, "o"), -EINVAL);
	assert_int_equal(ontap_json_len(j, "x"), -ENOENT);
	assert_int_equal(ontap_json_keys(j, "", count_key, &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(ontap_json_keys(j, "a", count_key, &n), -EINVAL);
	assert_int_equal(ontap_json_keys(j, "zz", count_key, &n), -ENOENT);
	ontap_json_free(j);
	/* json-c takes NaN for a number; nothing here does. */
	j = parse("{\"a\":NaN,\"b\":Infinity}");
	assert_int_equal(ontap_json_double(j, "a", &d), -ERANGE);
	assert_int_equal(ontap_json_double(j, "b", &d), -ERANGE);
	assert_int_equal(ontap_json_int(j, "a", 0, 9, &(int64_t){0}), -EINVAL);
	ontap_json_free(j);
	ontap_json_free(NULL);
}

static void test_bad_text(void **state)
{
	(void)state;
	static const struct {
		const char *text, *say;
	} t[] = {
		{"", "too early"},
		{"{", "too early"},
		{"{\"a\":1,\n \"b\":}", "line 2"},
		{"{\"a\":1} x", "line 1, column 9"},
		{"{\"a\":1,}", "line 1"},
		{"{\"a\":01}", "line 1"},
		{"{\"a\":\"\xff\xfe\"}", "utf-8"},
		{"null\n", "null"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char why[256] = "";
		struct ontap_json *j = ontap_json_parse(t[i].text, strlen(t[i].text), why);
		if (j || !strcasestr(why, t[i].say))
			fail_msg("%s: %s", t[i].text, why);
	}
	char why[256], deep[200];
	memset(deep, '[', sizeof(deep));
	assert_null(ontap_json_parse(deep, sizeof(deep), why));
	assert_null(ontap_json_parse("{\"a\":1}\0{}", 10, why));
	assert_non_null(strstr(why, "NUL"));
	/* Names on a filer may be in any encoding: the lax mode keeps the bytes. */
	const char latin[] = "{\"a\":\"\xe4\"}", *s;
	struct json_object *o = js_parse(latin, strlen(latin), false, why);
	assert_non_null(o);
	assert_int_equal(js_str(o, "a", &s), 0);
	assert_string_equal(s, "\xe4");
	js_free(o);
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} t[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2022-11-24T22:23:13+12:00", 1669285393},
		{"2022-11-24T22:23:13+1200", 1669285393},
		{"2022-11-24T10:23:13.123456Z", 1669285393},
		{"2022-11-24T05:23:13-05:00", 1669285393},
		{"2022-11-24T10:23:13", -1},
		{"2022-11-24", -1},
		{"2022-13-24T10:23:13Z", -1},
		{"2022-11-24T25:23:13Z", -1},
		{"2022-11-24T10:23:13Zx", -1},
		{"2022-11-24T10:23:13.Z", -1},
		{"", -1},
		{"never", -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t v = -1;
		int r = js_parse_time(t[i].text, &v);
		if (v != t[i].want || (r < 0) != (v == -1))
			fail_msg("%s: %d %lld", t[i].text, r, (long long)v);
	}
}

static void test_code(void **state)
{
	(void)state;
	const char text[] = "{\"a\":\"525059\",\"b\":4,\"c\":\"x\",\"d\":\"99999999999999999999\",\"e\":\"-1\"}";
	char why[256];
	struct json_object *o = js_parse(text, strlen(text), true, why);
	int64_t v = 0;
	assert_int_equal(js_code(o, "a", &v), 0);
	assert_int_equal(v, 525059);
	assert_int_equal(js_code(o, "b", &v), 0);
	assert_int_equal(v, 4);
	assert_int_equal(js_code(o, "c", &v), -EINVAL);
	assert_int_equal(js_code(o, "d", &v), -ERANGE);
	assert_int_equal(js_code(o, "e", &v), -EINVAL);
	js_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int),   cmocka_unit_test(test_str),
		cmocka_unit_test(test_others), cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_time),  cmocka_unit_test(test_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
