/* Names and comments that people and other clients choose. */
#include "fs/fs_i.h"
#include "tests/fuzz/fuzz.h"

static void targets(const char *s)
{
	char volume[256], snap[256];
	if (tree_split_at(s, volume, snap))
		MUST(volume[0] && snap[0] && strlen(volume) + strlen(snap) + 1 == strlen(s));
	if (tree_parse_target(s, ".snapshots", volume, snap)) {
		MUST(snap[0] && !strchr(snap, '/') && !strchr(volume, '/'));
		MUST(strcmp(snap, ".") != 0 && strcmp(snap, "..") != 0);
	}
}

static void creator(const char *s)
{
	struct creator c, again;
	char text[ONTAP_COMMENT_MAX + 1];
	tree_parse_creator(s, &c);
	size_t n = tree_comment_text(s);
	MUST(n <= strlen(s) && (c.known || n == strlen(s)));
	if (!c.known)
		return;
	tree_format_creator(text, sizeof(text), &c);
	tree_parse_creator(text, &again);
	MUST(again.known && again.uid == c.uid && strcmp(again.realm, c.realm) == 0 &&
	     strcmp(again.request, c.request) == 0);
	MUST(strcmp(s + strlen(s) - 2, "}}") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_text(data, size);
	if (tree_check_snapshot_name(s) == 0)
		MUST(s[0] && strlen(s) <= ONTAP_NAME_MAX && !strchr(s, '@') && s[0] != '.' && s[0] != '-');
	targets(s);
	creator(s);
	free(s);
	return 0;
}
