/* Reading mountinfo and resolving paths around dead mounts. */
#include "mountd/mounts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fs/base/cleanup.h"

#define FSTYPE      "fuse.ontapfs"
#define SYMLINK_MAX 40 /* as the kernel's limit */

/* mountinfo writes blanks and backslashes in octal, "\040". */
static void unescape(char *s)
{
	char *w = s;
	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*w++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*w++ = *s;
		}
	}
	*w = '\0';
}

/* Splits one line, see proc(5): id parent dev root DIR OPTIONS [tags] - TYPE
 * SOURCE SUPEROPTIONS. False when it is not one of ours. */
static bool parse_line(char *line, bool parts, struct mount_entry *ret)
{
	char *fields[6], *save = NULL;
	for (int i = 0; i < 6; i++)
		if (!(fields[i] = strtok_r(i ? NULL : line, " \n", &save)))
			return false;
	char *tag;
	while ((tag = strtok_r(NULL, " \n", &save)) && strcmp(tag, "-") != 0)
		;
	char *type = strtok_r(NULL, " \n", &save), *source = strtok_r(NULL, " \n", &save);
	if (!type || !source || strcmp(type, FSTYPE) != 0)
		return false;
	if (!parts && strcmp(fields[3], "/") != 0)
		return false;
	unescape(fields[3]);
	unescape(fields[4]);
	unescape(source);
	*ret = (struct mount_entry){.dir = strdup(fields[4]),
				    .root = strdup(fields[3]),
				    .source = strdup(source),
				    .options = strdup(fields[5])};
	return strcpy_bounded(ret->dev, fields[2], sizeof(ret->dev));
}

int mounts_read(bool parts, struct mount_entry **ret, size_t *ret_n)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return -errno;
	struct mount_entry *list = NULL, e;
	size_t n = 0, cap = 0;
	cleanup_free char *line = NULL;
	int r = 0;
	while (r == 0 && getline(&line, &cap, f) > 0) {
		if (!parse_line(line, parts, &e))
			continue;
		struct mount_entry *grown = reallocarray(list, n + 1, sizeof(*list));
		if (grown) {
			list = grown;
			list[n++] = e;
		}
		if (!grown || !e.dir || !e.root || !e.source || !e.options)
			r = -ENOMEM;
	}
	fclose(f);
	if (r < 0) {
		mounts_free(list, n);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

void mounts_free(struct mount_entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].dir);
		free(list[i].root);
		free(list[i].source);
		free(list[i].options);
	}
	free(list);
}

int mounts_has(const char *dir)
{
	struct mount_entry *list = NULL;
	size_t n = 0;
	int r = mounts_read(false, &list, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && !r; i++)
		r = strcmp(list[i].dir, dir) == 0;
	mounts_free(list, n);
	return r;
}

/* Absolute, without doubled and trailing slashes and "." at the end. */
static int make_absolute(const char *path, char out[PATH_MAX])
{
	char cwd[PATH_MAX];
	int n;
	if (path[0] == '/')
		n = snprintf(out, PATH_MAX, "%s", path);
	else if (getcwd(cwd, sizeof(cwd))) /* a system call: asks no file system */
		n = snprintf(out, PATH_MAX, "%s/%s", cwd, path);
	else
		return -errno;
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	for (;;) {
		if (n > 1 && out[n - 1] == '/')
			out[--n] = '\0';
		else if (n > 1 && out[n - 1] == '.' && out[n - 2] == '/')
			out[n -= 1] = '\0';
		else
			return 0;
	}
}

int mounts_resolve(const char *path, char out[PATH_MAX])
{
	char abs[PATH_MAX] = "/", parent[PATH_MAX], target[PATH_MAX];
	if (!*path)
		return -ENOENT;
	int r = make_absolute(path, abs);
	for (int links = 0; r == 0; links++) {
		char *slash = strrchr(abs, '/');
		if (strcmp(slash, "/..") == 0) /* names no mount by itself */
			return realpath(abs, out) ? 0 : -errno;
		if (abs[1] == '\0') {
			memcpy(out, "/", 2);
			return 0;
		}
		*slash = '\0';
		if (!realpath(slash == abs ? "/" : abs, parent))
			return -errno;
		bool top = parent[1] == '\0';
		if (snprintf(out, PATH_MAX, "%s/%s", top ? "" : parent, slash + 1) >= PATH_MAX)
			return -ENAMETOOLONG;
		r = mounts_has(out);
		if (r != 0)
			return r < 0 ? r : 0;
		/* Not one of ours, so it may be looked at: a symlink is followed. */
		ssize_t n = readlink(out, target, sizeof(target) - 1);
		if (n < 0)
			return 0;
		if (links == SYMLINK_MAX)
			return -ELOOP;
		target[n] = '\0';
		char joined[2 * PATH_MAX];
		if (target[0] == '/')
			r = make_absolute(target, abs);
		else if (snprintf(joined, sizeof(joined), "%s/%s", parent, target) < PATH_MAX)
			r = make_absolute(joined, abs);
		else
			r = -ENAMETOOLONG;
	}
	return r;
}
