/* One table of words; what is not in it must be key=value and is left to the
 * configuration to judge. */
#include "mountd/mountopts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"

enum {
	F_RO = 1, F_NOEXEC = 2, F_NOATIME = 4, F_NODIRATIME = 8, F_RELATIME = 16,
	F_STRICTATIME = 32, F_SYNC = 64, F_DIRSYNC = 128
};
#define F_ATIMES (F_NOATIME | F_RELATIME | F_STRICTATIME)

static const struct {
	const char *word;
	unsigned set, clear;
} words[] = {
	{"ro", F_RO, 0},
	{"rw", 0, F_RO},
	{"noexec", F_NOEXEC, 0},
	{"exec", 0, F_NOEXEC},
	{"noatime", F_NOATIME, F_ATIMES},
	{"atime", 0, F_NOATIME},
	{"relatime", F_RELATIME, F_ATIMES},
	{"norelatime", 0, F_RELATIME},
	{"strictatime", F_STRICTATIME, F_ATIMES},
	{"nostrictatime", 0, F_STRICTATIME},
	{"nodiratime", F_NODIRATIME, 0},
	{"diratime", 0, F_NODIRATIME},
	{"sync", F_SYNC, 0},
	{"async", 0, F_SYNC},
	{"dirsync", F_DIRSYNC, 0},
	/* for mount(8), systemd or other file systems; true here anyway, or idle */
	{"defaults", 0, 0}, {"auto", 0, 0}, {"noauto", 0, 0}, {"nofail", 0, 0}, {"_netdev", 0, 0}, {"user", 0, 0},
	{"users", 0, 0}, {"nouser", 0, 0}, {"owner", 0, 0}, {"group", 0, 0}, {"nosuid", 0, 0},
	{"nodev", 0, 0}, {"silent", 0, 0}, {"loud", 0, 0}, {"mand", 0, 0}, {"nomand", 0, 0},
	{"lazytime", 0, 0}, {"nolazytime", 0, 0}, {"iversion", 0, 0}, {"noiversion", 0, 0},
};
static const char *const skipped_prefixes[] = {"x-", "X-", "user=", "comment=", "uhelper=", "helper="};

static const struct {
	const char *word, *why;
} refused[] = {
	{"suid", "an ontapfs is always mounted nosuid"},
	{"dev", "an ontapfs is always mounted nodev"},
	{"remount", "an ontapfs cannot be remounted; unmount it and mount it again"},
	{"bind", "use 'mount --bind' with two directories"},
	{"rbind", "use 'mount --rbind' with two directories"},
	{"move", "use 'mount --move' with two directories"},
};

void mountopts_init(struct mountopts *o)
{
	o->flags = 0;
	buf_init(&o->overrides, 16384);
}

void mountopts_fini(struct mountopts *o)
{
	buf_fini(&o->overrides);
}

static int add_word(struct mountopts *o, const char *word, char err[512])
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(word, words[i].word) == 0) {
			o->flags = (o->flags & ~words[i].clear) | words[i].set;
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(skipped_prefixes); i++)
		if (strncmp(word, skipped_prefixes[i], strlen(skipped_prefixes[i])) == 0)
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		if (strcmp(word, refused[i].word) == 0) {
			snprintf(err, 512, "option '%s': %s", word, refused[i].why);
			return -EINVAL;
		}
	}
	const char *eq = strchr(word, '=');
	if (!eq || eq == word) {
		snprintf(err, 512, "unknown mount option '%s'", word);
		return -EINVAL;
	}
	return buf_printf(&o->overrides, "%s%s", o->overrides.len ? "," : "", word);
}

int mountopts_add(struct mountopts *o, const char *list, char err[512])
{
	cleanup_free char *copy = strdup(list);
	int r = copy ? 0 : -ENOMEM;
	if (copy)
		for (char *save = NULL, *w = strtok_r(copy, ",", &save); w && r == 0;
		     w = strtok_r(NULL, ",", &save))
			r = add_word(o, w, err);
	if (r < 0 && r != -EINVAL)
		snprintf(err, 512, "the mount options are too long");
	return r < 0 ? -EINVAL : 0;
}

char *mountopts_flags(const struct mountopts *o, char out[128])
{
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i].set & o->flags)
			len += (size_t)snprintf(out + len, 128 - len, "%s%s", len ? "," : "",
						words[i].word);
	return out;
}
