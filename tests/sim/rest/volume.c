/*
 * Volume rows and the rules for names and junctions.
 */
#include "tests/sim/rest/volume.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>

#include "tests/sim/store.h"

void volume_fini(struct volume *v)
{
	char *text[] = { v->uuid, v->name, v->style, v->type, v->state, v->junction, v->subvol,
		         v->export_policy, v->comment, v->snapshot_policy, v->guarantee, v->language,
		         v->security_style, v->tiering, v->aggregates, v->clone_volume, v->clone_snapshot };

	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		free(text[i]);
	memset(v, 0, sizeof(*v));
}

bool volume_next(sqlite3_stmt *s, struct volume *v)
{
	char **text[] = { &v->uuid, &v->name, &v->style, &v->type, &v->state, &v->junction, &v->subvol,
		          &v->export_policy, &v->comment, &v->snapshot_policy, &v->guarantee,
		          &v->language, &v->security_style, &v->tiering, &v->aggregates,
		          &v->clone_volume, &v->clone_snapshot };
	int64_t *num[] = { &v->fsid,        &v->size,           &v->create_time,
		           &v->snapshot_reserve, &v->constituents, &v->generation };
	int col = 0;

	if (!db_row(s))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		*text[i] = sim_dup(db_col_text(s, col++));
	for (size_t i = 0; i < ARRAY_LEN(num); i++)
		*num[i] = db_col_int(s, col++);
	v->snapdir_access = db_col_int(s, col++) != 0;
	v->ids32 = db_col_int(s, col++) != 0;
	v->is_root = db_col_int(s, col++) != 0;
	v->queued = sqlite3_column_type(s, col) != SQLITE_NULL;
	return true;
}

bool volume_load(sqlite3 *db, const char *column, const char *value, bool queued, struct volume *ret)
{
	AUTO_FREE char *sql = sim_fmt("SELECT " VOLUME_COLUMNS " FROM volumes WHERE %s=?%s", column,
	                              queued ? "" : " AND deleted_at IS NULL");
	AUTO_STMT sqlite3_stmt *s = db_query(db, sql, "s", value);

	return volume_next(s, ret);
}

/* ---- names ---------------------------------------------------------------- */

int volume_check_name(const char *name, bool group, struct fail *f)
{
	size_t max = group ? 197 : 203;

	if (!*name)
		return fail_field(f, 400, E_VOL_NAME_FIRST, "name", "The volume name is empty.");
	if (strlen(name) > max)
		return fail_field(f, 400, E_VOL_NAME_LONG, "name",
		                  "The volume name is longer than %d characters.", (int)max);
	if (!isalpha((unsigned char)*name) && *name != '_')
		return fail_field(f, 400, E_VOL_NAME_FIRST, "name",
		                  "Volume name \"%s\" must begin with a letter or an underscore.", name);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return fail_field(f, 400, E_VOL_NAME_CHAR, "name",
			                  "Volume name \"%s\" may hold letters, digits and underscores only.",
			                  name);
	return 0;
}

int snapshot_check_name(const char *name, int64_t code, struct fail *f)
{
	size_t len = strlen(name);

	if (!len || len > 255)
		return fail_field(f, 400, code, "name", "A snapshot name has 1 to 255 bytes.");
	if (name[0] == ' ' || name[len - 1] == ' ' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail_field(f, 400, code, "name", "Snapshot name \"%.200s\" is invalid.", name);
	for (const char *p = name; *p; p++)
		if (*p == '/' || *p == '*' || *p == '?' || *p == '|' || *p == '"' || *p == '<' || *p == '>' ||
		    (unsigned char)*p < ' ' || *p == 0x7f)
			return fail_field(f, 400, code, "name",
			                  "Snapshot name \"%.200s\" has a character that is not allowed.",
			                  name);
	return 0;
}

bool volume_parse_mode(json_t *v, unsigned *ret)
{
	AUTO_FREE char *num = json_is_integer(v) ? sim_fmt("%lld", (long long)json_integer_value(v)) : NULL;
	const char *s = num ? num : json_string_value(v), *rwx = "rwxrwxrwx";
	unsigned mode = 0;
	size_t len;

	if (!s || !*s)
		return false;
	len = strlen(s);
	if (strspn(s, "01234567") == len) {
		if (len > 5)
			return false;
		mode = (unsigned)strtoul(s, NULL, 8);
		*ret = mode;
		return mode <= 07777;
	}
	if (len == 12) {
		const char *bits = "sst";

		for (int i = 0; i < 3; i++) {
			if (s[i] != '-' && tolower((unsigned char)s[i]) != bits[i])
				return false;
			mode = mode << 1 | (s[i] != '-');
		}
		s += 3;
	} else if (len != 9) {
		return false;
	}
	for (int i = 0; i < 9; i++) {
		if (s[i] != '-' && s[i] != rwx[i])
			return false;
		mode = mode << 1 | (s[i] != '-');
	}
	*ret = mode;
	return true;
}

/* ---- junctions ------------------------------------------------------------ */

int volume_check_junction(const char *path, struct fail *f)
{
	size_t len = strlen(path);

	if (!len)
		return 0; /* unmounted */
	if (path[0] != '/' || len < 2 || path[len - 1] == '/' || len > 255 || strstr(path, "//") ||
	    strpbrk(path, "*#\"><|?\\"))
		return fail_field(f, 400, E_VOL_JUNCTION, "nas.path",
		                  "Junction path \"%s\" is invalid: it begins with \"/\", does not end with "
		                  "it, and has none of * # \" > < | ? \\.",
		                  path);
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		size_t n = strcspn(p + 1, "/");

		if ((n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
			return fail_field(f, 400, E_VOL_JUNCTION, "nas.path",
			                  "Junction path \"%s\" is invalid: \".\" and \"..\" are no names.",
			                  path);
	}
	return 0;
}

bool volume_has_folder(struct model *m, const char *subvol, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	AUTO_CLOSE int root = store_open(m->dir, subvol);
	AUTO_CLOSE int fd = -1;

	path += strspn(path, "/");
	if (root < 0)
		return false;
	if (!*path)
		return true;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	return fd >= 0;
}

int volume_check_place(struct model *m, const char *path, const char *self, struct fail *f)
{
	AUTO_FREE char *parent = sim_dup(path);
	AUTO_STMT sqlite3_stmt *s = NULL;
	AUTO_FREE char *best = NULL;
	AUTO_FREE char *subvol = NULL;
	size_t best_len = 0;
	const char *rest;

	if (db_int(m->db, 0, "SELECT count(*) FROM volumes WHERE lower(junction)=lower(?) AND uuid<>?", "ss",
	           path, self))
		return fail_field(f, 409, E_VOL_JUNCTION, "nas.path",
		                  "Junction path \"%s\" is already in use by another volume.", path);
	*strrchr(parent, '/') = '\0';
	/* The volume that the parent folder is in: the one with the longest junction. */
	s = db_query(m->db, "SELECT junction,subvol FROM volumes WHERE junction IS NOT NULL AND uuid<>?", "s",
	             self);
	while (db_row(s)) {
		const char *j = db_col_text(s, 0);
		size_t n = strcmp(j, "/") == 0 ? 0 : strlen(j);

		if (strncasecmp(parent, j, n) == 0 && (parent[n] == '\0' || parent[n] == '/') &&
		    (!best || n > best_len)) {
			free(best);
			free(subvol);
			best = sim_dup(j);
			subvol = sim_dup(db_col_text(s, 1));
			best_len = n;
		}
	}
	rest = best ? parent + best_len : NULL;
	if (rest)
		rest += *rest == '/';
	if (!rest || !volume_has_folder(m, subvol, rest))
		return fail_field(f, 400, E_VOL_JUNCTION, "nas.path",
		                  "Junction path \"%s\" is invalid: its parent folder does not exist.", path);
	return 0;
}

bool volume_has_children(sqlite3 *db, const char *junction)
{
	if (!junction)
		return false;
	if (strcmp(junction, "/") == 0)
		return db_int(db, 0, "SELECT count(*) FROM volumes WHERE junction LIKE '/_%'", "") != 0;
	return db_int(db, 0,
	              "SELECT count(*) FROM volumes WHERE lower(substr(junction,1,length(?1)+1))="
	              "lower(?1)||'/'",
	              "s", junction) != 0;
}

bool volume_has_clones(sqlite3 *db, const char *uuid)
{
	return db_int(db, 0, "SELECT count(*) FROM volumes WHERE clone_volume=?", "s", uuid) != 0;
}

bool snapshot_has_clones(sqlite3 *db, const char *uuid)
{
	return db_int(db, 0, "SELECT count(*) FROM volumes WHERE clone_snapshot=?", "s", uuid) != 0;
}

bool volume_is_cache(sqlite3 *db, const char *uuid)
{
	return db_int(db, 0, "SELECT count(*) FROM flexcaches WHERE uuid=?", "s", uuid) != 0;
}

int volume_of_body(struct model *m, const json_t *obj, const char *prefix, int64_t code, struct volume *ret,
                   struct fail *f)
{
	AUTO_FREE char *by_name = sim_fmt("%s.name", prefix);
	AUTO_FREE char *by_uuid = sim_fmt("%s.uuid", prefix);
	const char *name = json_text(obj, by_name), *uuid = json_text(obj, by_uuid);

	if (!name && !uuid)
		return fail_field(f, 400, E_FIELD_MISSING, by_name, "Field \"%s\" is required", by_name);
	if (!volume_load(m->db, uuid ? "uuid" : "name", uuid ? uuid : name, false, ret))
		return fail_field(f, 404, code, by_name, "Volume \"%.203s\" was not found.", name ? name : uuid);
	if (name && strcmp(name, ret->name) != 0)
		return fail_field(f, 400, E_VOL_MISMATCH, by_uuid, "The name and the uuid of the volume disagree.");
	return 0;
}
