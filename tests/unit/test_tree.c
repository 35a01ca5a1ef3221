/* Names and shapes of the tree: what a snapshot may be called, VOLUME@SNAP,
 * the creator's record in a comment, readdir offsets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/fs_i.h"

#define X10  "xxxxxxxxxx"
#define X50  X10 X10 X10 X10 X10
#define X250 X50 X50 X50 X50 X50

static void snapshot_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int want;
	} rows[] = {
		{"run1", 0}, {"a", 0}, {"two words", 0}, {"a.b-c_d", 0}, {"\"quoted\"", 0}, {"a:b*c?", 0},
		{"\xc3\xa9t\xc3\xa9", 0}, {"\xe6\x97\xa5\xe6\x9c\xac", 0}, {"\xf0\x9f\x98\x80", 0}, {"~", 0}, {"x.", 0},
		{X250 "12345", 0}, {X250 "123456", -ENAMETOOLONG}, {X250 X250, -ENAMETOOLONG},
		{"", -EINVAL}, {".hidden", -EINVAL}, {".", -EINVAL}, {"..", -EINVAL}, {"-rf", -EINVAL},
		{"@latest", -EINVAL},
		{"a@b", -EINVAL}, {"a@", -EINVAL}, {" a", -EINVAL}, {"a ", -EINVAL}, {" ", -EINVAL},
		{"a\nb", -EINVAL}, {"\t", -EINVAL}, {"a\x7f", -EINVAL}, {"\x01", -EINVAL}, {"a\x1f" "b", -EINVAL},
		/* not UTF-8: a lone continuation, overlong, cut short, beyond Unicode */
		{"\x80", -EINVAL}, {"\xc0\xaf", -EINVAL}, {"\xc1\x81", -EINVAL}, {"a\xc3", -EINVAL},
		{"\xe2\x82", -EINVAL},
		{"\xe2(\xa1", -EINVAL}, {"\xf0\x9f\x98", -EINVAL}, {"\xf5\x80\x80\x80", -EINVAL}, {"\xff", -EINVAL},
		{"\xfe\xfe", -EINVAL},
		{"\xe0\x80\xaf", -EINVAL}, {"\xf0\x80\x80\xaf", -EINVAL}, {"\xed\xa0\x80", -EINVAL},
		{"\xf4\x90\x80\x80", -EINVAL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = tree_check_snapshot_name(rows[i].name);
		if (got != rows[i].want)
			fail_msg("row %zu \"%s\": %d, want %d", i, rows[i].name, got, rows[i].want);
	}
}

static void every_control_byte(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		const char name[] = {'a', (char)c, 'b', '\0'};
		int want = c < 0x20 || c == 0x7f || c >= 0x80 || c == '@' ? -EINVAL : 0;
		if (c != '/' && tree_check_snapshot_name(name) != want)
			fail_msg("byte %02x", c);
	}
}

static void split_at(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool ok;
		const char *volume, *snap;
	} rows[] = {
		{"vol@run1", true, "vol", "run1"}, {"vol@@latest", true, "vol", "@latest"},
		{"a@b@c", true, "a", "b@c"}, {"a@b", true, "a", "b"}, {"vol", false, "", ""}, {"@run1", false, "", ""},
		{"vol@", false, "", ""}, {"@", false, "", ""}, {"", false, "", ""}, {"@@", false, "", ""},
		{X250 "12345@x", true, X250 "12345", "x"}, {X250 "123456@x", false, "", ""},
		{"x@" X250 "12345", true, "x", X250 "12345"}, {"x@" X250 "123456", false, "", ""},
		{X250 "12345@" X250 "12345", true, X250 "12345", X250 "12345"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char volume[256] = "", snap[256] = "";
		if (tree_split_at(rows[i].name, volume, snap) != rows[i].ok)
			fail_msg("row %zu", i);
		if (rows[i].ok) {
			assert_string_equal(volume, rows[i].volume);
			assert_string_equal(snap, rows[i].snap);
		}
	}
}

static void reserved_names(void **state)
{
	(void)state;
	static const struct {
		enum fs_snapdir how;
		const char *snapdir, *name;
		bool reserved;
	} rows[] = {
		{FS_SNAPDIR_HIDDEN, ".snapshots", ".snapshots", true},
		{FS_SNAPDIR_HIDDEN, ".snapshots", ".clones", true},
		{FS_SNAPDIR_HIDDEN, ".snapshots", ".snapshot", true},
		{FS_SNAPDIR_HIDDEN, ".snapshots", ".snapshotsx", false},
		{FS_SNAPDIR_HIDDEN, ".snapshots", "snapshots", false},
		{FS_SNAPDIR_HIDDEN, ".snapshots", ".ontap", false},
		{FS_SNAPDIR_VISIBLE, "snaps", "snaps", true},
		{FS_SNAPDIR_VISIBLE, "snaps", ".snapshots", false},
		{FS_SNAPDIR_OFF, ".snapshots", ".snapshots", false},
		{FS_SNAPDIR_OFF, ".snapshots", ".clones", false},
		{FS_SNAPDIR_OFF, ".snapshots", ".snapshot", true}, /* ONTAP's own is never passed through */
	};
	struct fs *fs = calloc(1, sizeof(*fs));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fs->p.snapdir = rows[i].how;
		fs->p.snapdir_name = rows[i].snapdir;
		if (tree_is_reserved(fs, rows[i].name) != rows[i].reserved)
			fail_msg("row %zu: %s", i, rows[i].name);
	}
	free(fs);
}

/* ---- the creator's record ---- */

#define ID  "0123abcd-0000-4000-8000-00000000beef"
#define REC(uid, realm, id) "{\"ontapfs\":{\"uid\":" uid ",\"realm\":\"" realm "\",\"request\":\"" id "\"}}"

static void creator_records(void **state)
{
	(void)state;
	static const struct {
		const char *what, *comment;
		bool known;
		uint32_t uid;
		const char *realm;
	} rows[] = {
		{"alone", REC("1000", "host", ID), true, 1000, "host"},
		{"root", REC("0", "h", ID), true, 0, "h"},
		{"largest uid", REC("4294967295", "h", ID), true, UINT32_MAX, "h"},
		{"after what people wrote", "before training " REC("7", "h", ID), true, 7, "h"},
		{"the last one counts", REC("1", "forged", ID) REC("2", "real", ID), true, 2, "real"},
		{"a realm of 63", REC("1", X50 X10 "123", ID), true, 1, X50 X10 "123"},
		{"nothing", "", false, 0, ""},
		{"a person's words", "made by uid 0", false, 0, ""},
		{"the mark alone", "{\"ontapfs\":{\"uid\":", false, 0, ""},
		{"no number", REC("", "h", ID), false, 0, ""},
		{"a word for a number", REC("root", "h", ID), false, 0, ""},
		{"a number too large", REC("4294967296", "h", ID), false, 0, ""},
		{"far too large", REC("99999999999999999999999", "h", ID), false, 0, ""},
		{"negative", REC("-1", "h", ID), false, 0, ""},
		{"negative, wraps round to 1", REC("-18446744073709551615", "h", ID), false, 0, ""},
		{"a sign", REC("+5", "h", ID), false, 0, ""},
		{"a blank", REC(" 5", "h", ID), false, 0, ""},
		{"no realm", REC("1", "", ID), false, 0, ""},
		{"a realm of 64", REC("1", X50 X10 "1234", ID), false, 0, ""},
		{"a quote in the realm", REC("1", "h\",\"x\":\"", ID), false, 0, ""},
		{"a short request", REC("1", "h", "0123abcd"), false, 0, ""},
		{"a long request", REC("1", "h", ID "00"), false, 0, ""},
		{"no uuid", REC("1", "h", "ZZZZabcd-0000-4000-8000-00000000beef"), false, 0, ""},
		{"one brace", "{\"ontapfs\":{\"uid\":1,\"realm\":\"h\",\"request\":\"" ID "\"}", false, 0, ""},
		{"three braces", REC("1", "h", ID) "}", false, 0, ""},
		{"something after it", REC("1", "h", ID) " ", false, 0, ""},
		{"a broken one after a good one", REC("0", "h", ID) "{\"ontapfs\":{\"uid\":x", false, 0, ""},
		{"a format", REC("%n", "%s%s%s", ID), false, 0, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct creator c;
		memset(&c, 0xee, sizeof(c));
		tree_parse_creator(rows[i].comment, &c);
		if (c.known != rows[i].known || c.uid != rows[i].uid || strcmp(c.realm, rows[i].realm) != 0 ||
		    strcmp(c.request, rows[i].known ? ID : "") != 0)
			fail_msg("%s: known %d uid %u realm \"%s\"", rows[i].what, c.known, c.uid, c.realm);
	}
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	static const uint32_t uids[] = {0, 1, 1000, 65534, UINT32_MAX};
	static const char *const realms[] = {"h", "0123456789abcdef0123456789abcdef", "a b.c-d:e", X50 X10 "123"};
	for (size_t i = 0; i < ARRAY_LEN(uids); i++)
		for (size_t j = 0; j < ARRAY_LEN(realms); j++) {
			struct creator in = {.known = true, .uid = uids[i]}, out;
			char comment[ONTAP_COMMENT_MAX + 1];
			snprintf(in.realm, sizeof(in.realm), "%s", realms[j]);
			snprintf(in.request, sizeof(in.request), ID);
			tree_format_creator(comment, sizeof(comment), &in);
			tree_parse_creator(comment, &out);
			assert_true(out.known && out.uid == in.uid);
			assert_string_equal(out.realm, in.realm);
			assert_string_equal(out.request, in.request);
		}
}

/* Every proper beginning of a record is no record. */
static void cut_records(void **state)
{
	(void)state;
	char text[] = REC("1000", "host", ID);
	struct creator c;
	for (size_t n = strlen(text); n-- > 0;) {
		text[n] = '\0';
		tree_parse_creator(text, &c);
		if (c.known)
			fail_msg("cut after %zu bytes", n);
	}
}

/* What people wrote in a comment, without the record. */
static void comment_text(void **state)
{
	(void)state;
	static const struct {
		const char *comment;
		size_t len;
	} rows[] = {
		{"", 0}, {"words", 5}, {REC("1", "h", ID), 0}, {"words " REC("1", "h", ID), 5},
		{"words" REC("1", "h", ID), 5}, {"two  " REC("1", "h", ID), 4}, {" " REC("1", "h", ID), 0},
		{REC("1", "h", ID) " " REC("2", "h", ID), sizeof(REC("1", "h", ID)) - 1},
		{REC("1", "h", ID) "x", sizeof(REC("1", "h", ID) "x") - 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (tree_comment_text(rows[i].comment) != rows[i].len)
			fail_msg("%s: %zu", rows[i].comment, tree_comment_text(rows[i].comment));
}

/* ---- offsets ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void offsets(void **state)
{
	(void)state;
	enum { N = 20000 };
	uint64_t *off = calloc(N, sizeof(*off));
	struct uuid u = {0};
	for (uint32_t i = 0; i < N; i++) {
		memcpy(u.b, &i, sizeof(i));
		off[i] = tree_offset(&u);
		assert_true(off[i] >= TREE_OFF_MIN && off[i] <= INT64_MAX); /* an off_t of the kernel */
		assert_true(off[i] == tree_offset(&u));
	}
	qsort(off, N, sizeof(*off), by_value);
	for (uint32_t i = 1; i < N; i++)
		assert_true(off[i] != off[i - 1]);
	free(off);
}

/* ---- clones ---- */

static void clone_parents(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		bool flexclone, parent_known, parent_hidden, found;
	} rows[] = {
		{"a clone", true, true, false, true},
		{"split from its parent", false, true, false, false},
		{"its parent is left out", true, true, true, false},
		{"its parent is not in the catalog", true, false, false, false},
	};
	struct catalog *cat = calloc(1, sizeof(*cat) + 2 * sizeof(cat->vol[0]));
	cat->n = 2;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memset(cat->vol, 0, 2 * sizeof(cat->vol[0]));
		cat->vol[0].v.uuid.b[0] = 1;
		cat->vol[0].hidden_why = rows[i].parent_hidden ? "why" : NULL;
		cat->vol[1].v.uuid.b[0] = 2;
		cat->vol[1].v.is_flexclone = rows[i].flexclone;
		cat->vol[1].v.clone_parent.b[0] = rows[i].parent_known ? 1 : 9;
		const struct catalog_volume *p = tree_clone_parent(cat, &cat->vol[1]);
		if (p != (rows[i].found ? &cat->vol[0] : NULL))
			fail_msg("%s", rows[i].what);
		assert_null(tree_clone_parent(cat, &cat->vol[0]));
	}
	memset(&cat->vol[1].v.clone_parent, 0, sizeof(cat->vol[1].v.clone_parent));
	cat->vol[1].v.is_flexclone = true;
	memset(&cat->vol[0].v.uuid, 0, sizeof(cat->vol[0].v.uuid));
	assert_null(tree_clone_parent(cat, &cat->vol[1])); /* a parent that ONTAP does not tell */
	free(cat);
}

static void catalog_lookups(void **state)
{
	(void)state;
	static const char *const names[] = {"A", "Z", "a", "ab", "b", "zz"};
	struct catalog *cat = calloc(1, sizeof(*cat) + ARRAY_LEN(names) * sizeof(cat->vol[0]));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(cat->vol[i].v.name, sizeof(cat->vol[i].v.name), "%s", names[i]);
		cat->vol[i].v.uuid.b[3] = (uint8_t)(i + 1);
	}
	for (cat->n = 0; cat->n <= ARRAY_LEN(names); cat->n++) {
		static const char *const missing[] = {"", "0", "aa", "B", "c", "zzz"};
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			const struct catalog_volume *want = i < cat->n ? &cat->vol[i] : NULL;
			assert_ptr_equal(catalog_find(cat, names[i]), want);
			assert_ptr_equal(catalog_by_uuid(cat, &cat->vol[i].v.uuid), want);
		}
		for (size_t i = 0; i < ARRAY_LEN(missing); i++)
			assert_null(catalog_find(cat, missing[i]));
	}
	free(cat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshot_names), cmocka_unit_test(every_control_byte), cmocka_unit_test(split_at),
		cmocka_unit_test(reserved_names), cmocka_unit_test(creator_records),
		cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(cut_records),
		cmocka_unit_test(comment_text),
		cmocka_unit_test(offsets),
		cmocka_unit_test(clone_parents), cmocka_unit_test(catalog_lookups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
