/* The shape of the tree: names, offsets, the creator's record. Pure functions
 * of their arguments, so that tests need no mount. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>
#include "fs/fs_i.h"

const char *const fs_verb_names[FS_VERB_NAMES] = {
	"snapshot.create", "snapshot.delete", "snapshot.rename", "clone.create",
	"clone.delete", "volume.create", "volume.delete", "volume.resize",
	"snapdir.enable", "snapshot.retain", "foreign", "snapmirror.update",
	"clone.split", "snapshot.set", "file.clone", "volume.restore",
};

bool tree_is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	while (*p) {
		size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 :
			   *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
		if (n == 0)
			return false;
		for (size_t i = 1; i < n; i++)
			if ((p[i] & 0xc0) != 0x80)
				return false;
		/* Overlong forms, surrogates, beyond U+10FFFF. */
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return false;
		p += n;
	}
	return true;
}

/* Digits from the start of text; false when there are none, or too many. */
static bool parse_number(const char **text, uint64_t max, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;
	while (isdigit((unsigned char)*p)) {
		uint64_t d = (uint64_t)(*p++ - '0');
		if (n > (max - d) / 10)
			return false;
		n = n * 10 + d;
	}
	bool any = p != *text;
	*text = p;
	*ret = n;
	return any;
}

bool tree_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	uint64_t n;
	if (!parse_number(&text, INT64_MAX, &n))
		return false;
	const char *u = *text ? strchr(units, toupper((unsigned char)*text)) : NULL;
	unsigned shift = u ? 10 * (unsigned)(u - units + 1) : 0;
	if (u && strcmp(text + 1, "iB") != 0 && text[1])
		return false;
	if ((!u && *text) || n > (uint64_t)INT64_MAX >> shift)
		return false;
	*ret_bytes = n << shift;
	return true;
}

bool tree_parse_when(const char *text, int64_t now_s, int64_t *ret_s)
{
	struct tm tm = {0};
	uint64_t n;
	if (*text == '+') {
		text++;
		if (!parse_number(&text, 36500, &n) || !*text || text[1])
			return false;
		int64_t unit = *text == 'd' ? 86400 : *text == 'h' ? 3600 : *text == 'w' ? 7 * 86400 :
			       *text == 'm' ? 60 : 0;
		*ret_s = now_s + (int64_t)n * unit;
		return unit != 0;
	}
	const char *p = strptime(text, "%Y-%m-%d", &tm);
	if (p && *p == 'T') {
		const char *q = strptime(p, "T%H:%M:%S", &tm);
		p = q ? q : strptime(p, "T%H:%M", &tm);
	}
	if (!p)
		return false;
	/* Without a zone it is UTC, as everything that is shown here. */
	int64_t zone = 0;
	unsigned h, m;
	int used = 0;
	if (sscanf(p, "%*1[+-]%2u:%2u%n", &h, &m, &used) == 2 && used == 6 && p[used] == '\0' && h < 24 && m < 60)
		zone = (*p == '-' ? -1 : 1) * (int64_t)(h * 3600 + m * 60);
	else if (strcmp(p, "Z") != 0 && *p)
		return false;
	*ret_s = (int64_t)timegm(&tm) - zone;
	return true;
}

void tree_format_time(char *out, size_t len, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(out, len, "%Y-%m-%dT%H:%M:%SZ", &tm))
		out[0] = '\0';
}

int tree_check_snapshot_name(const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || name[0] == '.' || name[0] == '-' || strchr(name, '@'))
		return -EINVAL;
	if (len > ONTAP_NAME_MAX)
		return -ENAMETOOLONG;
	/* ONTAP takes neither a leading nor a trailing blank. */
	if (name[0] == ' ' || name[len - 1] == ' ')
		return -EINVAL;
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return -EINVAL;
	if (!tree_is_utf8(name))
		return -EINVAL;
	return 0;
}

bool tree_split_at(const char *name, char volume[256], char snap[256])
{
	const char *at = strchr(name, '@');
	if (!at || at == name || at[1] == '\0' || at - name > 255 || strlen(at + 1) > 255)
		return false;
	if (strcmp(at + 1, ".") == 0 || strcmp(at + 1, "..") == 0)
		return false; /* no snapshot is called so, and a path must not contain it */
	memcpy(volume, name, (size_t)(at - name));
	volume[at - name] = '\0';
	strcpy_bounded(snap, at + 1, 256);
	return true;
}

/* The component that ends at `end`; returns where it begins. */
static const char *component(const char *path, const char *end, char out[256])
{
	const char *p = end;
	while (p > path && p[-1] != '/')
		p--;
	size_t n = (size_t)(end - p);
	if (n > 255)
		n = 0; /* no name that anything here has */
	memcpy(out, p, n);
	out[n] = '\0';
	return p;
}

static const char *without_slashes(const char *path, const char *end)
{
	while (end > path && end[-1] == '/')
		end--;
	return end;
}

bool tree_parse_target(const char *target, const char *snapdir_name, char volume[256], char snap[256])
{
	char last[256], dir[256];
	const char *end = without_slashes(target, target + strlen(target));
	const char *at = component(target, end, last);
	if (last[0] != '@' && tree_split_at(last, volume, snap)) {
		/* VOLUME@latest is the same as VOLUME/.snapshots/@latest */
		if (strcmp(snap, "latest") == 0 || strcmp(snap, "oldest") == 0)
			strcpy_bounded(snap, last + strlen(volume), 256);
		return true;
	}
	if (!last[0] || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return false;
	at = component(target, without_slashes(target, at), dir);
	if (strcmp(dir, snapdir_name) != 0 && strcmp(dir, ".snapshot") != 0)
		return false;
	component(target, without_slashes(target, at), volume);
	if (strcmp(volume, ".") == 0 || strcmp(volume, "..") == 0)
		volume[0] = '\0';
	return strcpy_bounded(snap, last, 256);
}

bool tree_is_reserved(const struct fs *fs, const char *name)
{
	if (strcmp(name, ".snapshot") == 0)
		return true; /* the server's own is never passed through */
	if (strcmp(name, PRIVATE_DIR) == 0)
		return true; /* with every option: another mount may have made it */
	if (fs->p.snapdir == FS_SNAPDIR_OFF)
		return false;
	return strcmp(name, fs->p.snapdir_name) == 0 || strcmp(name, ".clones") == 0;
}

uint64_t tree_offset(const struct uuid *u)
{
	uint64_t h = XXH3_64bits(u->b, sizeof(u->b)) >> 1;
	return h < TREE_OFF_MIN ? h + TREE_OFF_MIN : h;
}

/* The record stands at the very end of a comment, after what people wrote:
 *     ... {"ontapfs":{"uid":1000,"realm":"HOST","volume":"UUID","request":"UUID"}}
 * `volume` stands in snapshots' comments only. */
#define CREATOR_MARK "{\"ontapfs\":{\"uid\":"

static const char *last_mark(const char *comment)
{
	const char *at = NULL;
	for (const char *p = comment; (p = strstr(p, CREATOR_MARK)); p++)
		at = p;
	return at;
}

void tree_parse_creator(const char *comment, struct creator *out)
{
	*out = (struct creator){0};
	const char *at = last_mark(comment);
	/* scanf would take blanks and signs, and have -18446744073709551615 be 1. */
	if (!at || !isdigit((unsigned char)at[strlen(CREATOR_MARK)]))
		return;
	at += strlen(CREATOR_MARK);
	unsigned long uid;
	char tail[3] = "";
	int used = 0, more = 0;
	struct creator c = {0};
	if (sscanf(at, "%lu,\"realm\":\"%63[^\"]\",%n", &uid, c.realm, &used) != 2 || !used || uid > UINT32_MAX)
		return;
	at += used;
	if (sscanf(at, "\"volume\":\"%36[0-9a-f-]\",%n", c.volume, &more) == 1) {
		if (!more || strlen(c.volume) != UUID_TEXT_LEN)
			return;
		at += more;
	}
	if (sscanf(at, "\"request\":\"%36[0-9a-f-]\"%2[}]%n", c.request, tail, &used) != 2 ||
	    strlen(c.request) != UUID_TEXT_LEN || strcmp(tail, "}}") != 0 || at[used] != '\0')
		return;
	c.uid = (uint32_t)uid;
	c.known = true;
	*out = c;
}

size_t tree_comment_text(const char *comment)
{
	struct creator c;
	tree_parse_creator(comment, &c);
	const char *at = c.known ? last_mark(comment) : NULL;
	if (!at)
		return strlen(comment);
	size_t n = (size_t)(at - comment);
	return n && comment[n - 1] == ' ' ? n - 1 : n;
}

bool fs_creator_of(const char *comment, struct fs_creator *ret)
{
	struct creator c;
	tree_parse_creator(comment, &c);
	*ret = (struct fs_creator){.uid = c.uid, .text_len = tree_comment_text(comment)};
	memcpy(ret->realm, c.realm, sizeof(ret->realm));
	return c.known;
}

void tree_format_creator(char *out, size_t len, const struct creator *c)
{
	snprintf(out, len, CREATOR_MARK "%u,\"realm\":\"%s\",%s%s%s\"request\":\"%s\"}}", c->uid, c->realm,
		 c->volume[0] ? "\"volume\":\"" : "", c->volume, c->volume[0] ? "\"," : "", c->request);
}

const struct catalog_volume *tree_clone_parent(const struct catalog *cat,
					       const struct catalog_volume *v)
{
	if (!v->v.is_flexclone || uuid_is_zero(&v->v.clone_parent))
		return NULL;
	const struct catalog_volume *p = catalog_by_uuid(cat, &v->v.clone_parent);
	return p && !p->hidden_why ? p : NULL;
}
