/*
 * /storage/file/clone: one file, or a range of it, inside a volume; the source may
 * be in a snapshot.  The store shares the blocks as ONTAP does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/store.h"

#define BLOCK INT64_C(4096)

enum {
	E_FILE_ABSOLUTE = 917812,
	E_FILE_NOT_FOUND = 917864,
	E_FILE_RANGE = 917898,
	E_FILE_START = 13565952,
	E_FILE_BACKUP = 13565988,
	E_FILE_AUTODELETE = 13565998,
};

static const struct field clone_fields[] = {
	{ "volume.uuid", F_KEY | F_POST, T_STR },  { "volume.name", F_KEY | F_POST, T_STR },
	{ "source_path", F_KEY | F_POST, T_STR },  { "destination_path", F_KEY | F_POST, T_STR },
	{ "range", F_POST, T_ANY },                { "autodelete", F_POST, T_BOOL },
	{ "is_backup", F_POST, T_BOOL },           { "overwrite_destination", F_POST, T_BOOL },
	{ "token_uuid", F_POST, T_STR },           { NULL, 0, T_ANY },
};

/* "source:destination:count" in blocks. */
static bool parse_range(const char *text, int64_t *src, int64_t *dst, int64_t *count)
{
	AUTO_FREE char *copy = sim_dup(text ? text : "");
	int64_t part[3] = { 0 };
	char *save = NULL, *p = strtok_r(copy, ":", &save);
	size_t n = 0;

	for (; p && n < 3; p = strtok_r(NULL, ":", &save), n++)
		if (!sim_parse_int(p, 0, INT64_MAX / BLOCK / 2, &part[n]))
			return false;
	*src = part[0];
	*dst = part[1];
	*count = part[2];
	return n == 3 && !p && *count > 0;
}

static int check_ranges(const json_t *list, struct fail *f)
{
	int64_t s, d, n, s2, d2, n2;
	json_t *e, *e2;
	size_t i, k;

	if (list && !json_is_array(list))
		return fail_field(f, 400, E_FILE_RANGE, "range", "The field \"range\" must be a list.");
	json_array_foreach(list, i, e) {
		if (!parse_range(json_string_value(e), &s, &d, &n))
			return fail_field(f, 400, E_FILE_RANGE, "range",
			                  "A range must be \"source:destination:count\" in blocks.");
		json_array_foreach(list, k, e2)
			if (k < i && parse_range(json_string_value(e2), &s2, &d2, &n2) && d < d2 + n2 &&
			    d2 < d + n)
				return fail_field(f, 400, E_FILE_RANGE, "range", "The ranges overlap.");
	}
	return 0;
}

static int check_body(const json_t *body, const struct volume *v, struct fail *f)
{
	static const char *const paths[] = { "source_path", "destination_path" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		const char *path = json_text(body, paths[i]);

		if (!path || !*path)
			return fail_field(f, 400, E_FIELD_MISSING, paths[i], "Field \"%s\" is required", paths[i]);
		if (*path == '/')
			return fail_field(f, 400, E_FILE_ABSOLUTE, paths[i],
			                  "The path \"%.200s\" must be relative to the volume.", path);
	}
	if (json_at(body, "volume.name") && strcmp(json_text(body, "volume.name"), v->name) != 0)
		return fail_field(f, 400, E_VOL_MISMATCH, "volume.uuid",
		                  "The name and the uuid of the volume disagree.");
	if (json_at(body, "autodelete") && v->constituents)
		return fail_field(f, 400, E_FILE_AUTODELETE, "autodelete",
		                  "Autodelete is not supported on FlexGroup volumes.");
	if (json_flag(body, "is_backup", false) && json_at(body, "range"))
		return fail_field(f, 400, E_FILE_BACKUP, "is_backup", "A backup cannot be of a range.");
	return check_ranges(json_at(body, "range"), f);
}

static int open_below(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | O_NONBLOCK),
		                .mode = mode,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Opens the source: in the volume, or in a snapshot when the path says so. */
static int open_source(struct model *m, const struct volume *v, const char *path)
{
	AUTO_FREE char *subvol = NULL;
	AUTO_CLOSE int root = -1;

	if (strncmp(path, ".snapshot/", 10) == 0) {
		const char *name = path + 10, *rest = strchr(name, '/');
		AUTO_FREE char *snap = sim_fmt("%.*s", (int)strcspn(name, "/"), name);

		if (!rest || !rest[1])
			return -ENOENT;
		model_lock(m);
		subvol = db_text(m->db, "SELECT subvol FROM snapshots WHERE volume_uuid=? AND name=?", "ss",
		                 v->uuid, snap);
		model_unlock(m);
		if (!subvol)
			return -ENOENT;
		path = rest + 1;
	}
	root = store_open(m->dir, subvol ? subvol : v->subvol);
	return root < 0 ? root : open_below(root, path, O_RDONLY, 0);
}

/* A last block that is not whole cannot be shared in the middle of a file. */
static int copy_bytes(int from, int to, int64_t src, int64_t dst, int64_t len)
{
	while (len > 0) {
		loff_t a = src, b = dst;
		ssize_t n = copy_file_range(from, &a, to, &b, (size_t)len, 0);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		src += n;
		dst += n;
		len -= n;
	}
	return 0;
}

static int clone_range(int from, int to, const char *text, int64_t size)
{
	struct file_clone_range r = { .src_fd = from };
	int64_t src, dst, count, len;

	if (!parse_range(text, &src, &dst, &count) || src * BLOCK >= size)
		return -ERANGE;
	len = count * BLOCK < size - src * BLOCK ? count * BLOCK : size - src * BLOCK;
	r.src_offset = (uint64_t)(src * BLOCK);
	r.dest_offset = (uint64_t)(dst * BLOCK);
	r.src_length = (uint64_t)(len / BLOCK * BLOCK);
	if (r.src_length && ioctl(to, FICLONERANGE, &r) < 0)
		return -errno;
	return copy_bytes(from, to, src * BLOCK + (int64_t)r.src_length, dst * BLOCK + (int64_t)r.src_length,
	                  len % BLOCK);
}

/* Fills the destination; a new file becomes what the source is. */
static int fill(int from, int to, const json_t *ranges, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	json_t *e;
	size_t i;

	json_array_foreach(ranges, i, e) {
		int r = clone_range(from, to, json_string_value(e), st->st_size);

		if (r < 0)
			return r;
	}
	if (json_array_size(ranges))
		return fsync(to) < 0 ? -errno : 0;
	if (ftruncate(to, 0) < 0 || (st->st_size && ioctl(to, FICLONE, from) < 0) ||
	    fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0 ||
	    futimens(to, times) < 0 || fsync(to) < 0)
		return -errno;
	return 0;
}

static int fail_of(int r, const char *path, struct fail *f)
{
	if (r == -ENOENT || r == -ENOTDIR || r == -EXDEV || r == -ELOOP)
		return fail_set(f, 404, E_FILE_NOT_FOUND, "Failed to get the file handle of \"%.200s\".", path);
	if (r == -ERANGE || r == -EINVAL)
		return fail_set(f, 400, E_FILE_RANGE, "A range is outside of the files.");
	return fail_set(f, r == -EEXIST ? 409 : 500, E_FILE_START,
	                "Failed to start the file clone operation on \"%.200s\": %s.", path, strerror(-r));
}

static int job_file_clone(struct model *m, json_t *args, struct fail *f)
{
	const char *source = json_text(args, "source_path"), *path = json_text(args, "destination_path");
	const json_t *ranges = json_at(args, "range");
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_CLOSE int from = -1;
	AUTO_CLOSE int root = -1;
	AUTO_CLOSE int to = -1;
	int flags = O_RDWR, r;
	struct stat st;
	bool found;

	model_lock(m);
	found = volume_load(m->db, "uuid", json_text(args, "volume.uuid"), false, &v);
	model_unlock(m);
	if (!found || strcmp(v.state, "online") != 0)
		return fail_set(f, 404, E_VOL_NOT_FOUND, "The volume was not found or is not online.");
	from = open_source(m, &v, source);
	if (from < 0)
		return fail_of(from, source, f);
	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return fail_of(-EISDIR, source, f);
	root = store_open(m->dir, v.subvol);
	if (root < 0)
		return fail_of(root, path, f);
	if (!json_array_size(ranges))
		flags |= O_CREAT | (json_flag(args, "overwrite_destination", false) ? 0 : O_EXCL);
	to = open_below(root, path, flags, flags & O_CREAT ? 0600 : 0);
	if (to < 0)
		return fail_of(to, path, f);
	r = fill(from, to, ranges, &st);
	if (r < 0 && (flags & O_EXCL))
		unlinkat(root, path, 0);
	return r < 0 ? fail_of(r, path, f) : 0;
}

static int post_clone(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	AUTO_VOLUME struct volume v = { 0 };
	const char *uuid = json_text(body, "volume.uuid");

	if (!uuid)
		return fail_field(f, 400, E_FIELD_MISSING, "volume.uuid", "Field \"volume.uuid\" is required");
	if (!license_there(r->m, "flexclone"))
		return fail_set(f, 400, E_UNSUPPORTED,
		                "The operation is not supported: the FlexClone license is not installed.");
	if (!volume_load(r->m->db, "uuid", uuid, false, &v))
		return fail_field(f, 404, E_VOL_NOT_FOUND, "volume.uuid", "Volume \"%.60s\" was not found.", uuid);
	if (check_body(body, &v, f) < 0)
		return -1;
	out->fn = job_file_clone;
	out->args = json_incref(body);
	out->record = json_incref(body);
	return 0;
}

const struct resource res_file_clone = {
	.collection = "/storage/file/clone",
	.fields = clone_fields,
	.post = post_clone,
};

/* ---- split-status --------------------------------------------------------- */

static const struct field split_fields[] = {
	{ "volume.uuid", F_KEY | F_STD, T_STR }, { "volume.name", F_KEY | F_STD, T_STR },
	{ "svm.uuid", F_KEY | F_STD, T_STR },    { "svm.name", F_KEY | F_STD, T_STR },
	{ "pending_splits", F_STD, T_INT },      { "unsplit_size", F_STD, T_SIZE },
	{ NULL, 0, T_ANY },
};

/* The store needs no scan that makes clones independent: none is ever pending. */
static int list_splits(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT uuid,name,fsid FROM volumes WHERE deleted_at IS NULL"
	                                     " AND (?1 IS NULL OR uuid=?1) ORDER BY fsid",
	                                     "s", key);

	(void)f;
	while (db_row(s)) {
		json_t *rec = json_pack("{s:i, s:i}", "pending_splits", 0, "unsplit_size", 0);

		json_put(rec, "volume", make_ref(db_col_text(s, 1), db_col_text(s, 0), NULL));
		json_put(rec, "svm", make_svm_ref(r->m));
		list_add(out, db_col_int(s, 2), rec);
	}
	return 0;
}

const struct resource res_file_splits = {
	.collection = "/storage/file/clone/split-status",
	.item = "/storage/file/clone/split-status/{volume.uuid}",
	.key = "volume.uuid",
	.fields = split_fields,
	.list = list_splits,
};
