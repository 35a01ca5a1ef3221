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

#include "fs/control_i.h"

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
		{"vol@", false, "", ""}, {"vol@.", false, "", ""}, {"vol@..", false, "", ""}, {"@", false, "", ""},
		{"", false, "", ""}, {"@@", false, "", ""},
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

static struct fs tree;
static struct control ctl = {.fs = &tree};

static struct ontap_volume volume(uint8_t id, const char *name)
{
	struct ontap_volume v = {.uuid = {.b = {id}}, .online = true, .junction = "/x"};
	snprintf(v.name, sizeof(v.name), "%s", name);
	return v;
}

static void clone_parents(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		bool flexclone;
		uint8_t parent;
		bool parent_hidden, found;
	} rows[] = {
		{"a clone", true, 1, false, true},
		{"split from its parent", false, 1, false, false},
		{"its parent is left out", true, 1, true, false},
		{"its parent is not in the catalog", true, 9, false, false},
		{"ONTAP does not tell the parent", true, 0, false, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ontap_volume parent = volume(1, "parent"), clone = volume(2, "clone");
		struct volumes set = {0};
		parent.online = !rows[i].parent_hidden;
		clone.is_flexclone = rows[i].flexclone;
		clone.clone_parent.b[0] = rows[i].parent;
		volumes_add(&ctl, &set, &clone);
		volumes_add(&ctl, &set, &parent);
		struct catalog *cat = catalog_make(&set, 0);
		assert_non_null(cat);
		const struct catalog_volume *was = catalog_find(cat, "parent");
		if (tree_clone_parent(cat, catalog_find(cat, "clone")) != (rows[i].found ? was : NULL))
			fail_msg("%s", rows[i].what);
		assert_null(tree_clone_parent(cat, was));
		catalog_put(cat);
	}
}

static void catalog_lookups(void **state)
{
	(void)state;
	static const char *const names[] = {"b", "zz", "A", "ab", "Z", "a"};
	static const char *const missing[] = {"", "0", "aa", "B", "c", "zzz"};
	for (size_t n = 0; n <= ARRAY_LEN(names); n++) {
		struct volumes set = {0};
		for (size_t i = 0; i < n; i++) {
			const struct ontap_volume v = volume((uint8_t)(40 - 5 * i), names[i]);
			volumes_add(&ctl, &set, &v);
		}
		struct catalog *cat = catalog_make(&set, 7);
		assert_int_equal(cat->n, n);
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			const struct ontap_volume v = volume((uint8_t)(40 - 5 * i), names[i]);
			const struct catalog_volume *found = catalog_find(cat, names[i]);
			assert_int_equal(found != NULL, i < n);
			assert_ptr_equal(catalog_by_uuid(cat, &v.uuid), found);
			if (found)
				assert_string_equal(found->v.name, names[i]);
			assert_null(catalog_find(cat, missing[i]));
		}
		catalog_put(cat);
	}
}

/* Versions of the catalog share what did not change, and nothing else. */
static void catalog_versions(void **state)
{
	(void)state;
	struct ontap_volume a = volume(1, "a"), b = volume(2, "b"), back;
	snprintf(b.comment, sizeof(b.comment), "%s", X250);
	b.clone_snapshot.b[9] = 5;
	b.split_percent = 40;
	struct volumes set = {0};
	volumes_add(&ctl, &set, &a);
	volumes_add(&ctl, &set, &b);
	ctl.catalog = catalog_make(&set, 1);

	const struct catalog_volume *was = catalog_find(ctl.catalog, "b");
	volume_unpack(&was->v, &back);
	assert_string_equal(back.name, "b");
	assert_string_equal(back.comment, X250);
	assert_string_equal(back.junction, "/x");
	assert_true(uuid_eq(&back.clone_snapshot, &b.clone_snapshot));
	assert_int_equal(back.split_percent, 40);

	snprintf(a.comment, sizeof(a.comment), "new");
	volumes_add(&ctl, &set, &a);
	volumes_add(&ctl, &set, &b);
	struct catalog *next = catalog_make(&set, 2);
	assert_ptr_equal(catalog_find(next, "b"), was);
	assert_ptr_not_equal(catalog_find(next, "a"), catalog_find(ctl.catalog, "a"));
	assert_string_equal(catalog_find(ctl.catalog, "a")->v.comment, "");
	assert_string_equal(catalog_find(next, "a")->v.comment, "new");
	catalog_put(ctl.catalog);
	ctl.catalog = NULL;
	assert_string_equal(was->v.comment, X250); /* held by the next one */
	catalog_put(next);

	volumes_add(&ctl, &set, &a);
	volumes_drop(&set);
	set.failed = true;
	assert_null(catalog_make(&set, 3));
	assert_false(set.failed);
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
		cmocka_unit_test(catalog_versions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
