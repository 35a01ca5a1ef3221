/*
 * /storage/qtrees and their metrics.  A qtree is a folder in the root of its
 * volume; its row holds what a folder cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tests/sim/reflink.h"
#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/store.h"

#define QTREE_NAME_MAX 64
#define QTREE_MAX      4995 /* ids of one volume */

/* Codes of qtrees. */
enum {
	E_QTREE_EXISTS = 5242886,
	E_QTREE_READ_ONLY = 5242881,
	E_QTREE_DEFAULT = 5242894,
	E_QTREE_CACHE = 5242900,
	E_QTREE_NAME = 5242956,
};

static const struct field qtree_fields[] = {
	{ "volume.uuid", F_KEY | F_STD | F_POST, T_STR },
	{ "volume.name", F_KEY | F_STD | F_POST, T_STR },
	{ "id", F_KEY | F_STD, T_INT },
	{ "name", F_KEY | F_STD | F_POST | F_PATCH, T_STR },
	{ "svm.name", F_KEY | F_STD | F_POST, T_STR },
	{ "svm.uuid", F_KEY | F_STD | F_POST, T_STR },
	{ "security_style", F_STD | F_POST | F_PATCH, T_STR },
	{ "unix_permissions", F_STD | F_POST | F_PATCH, T_ANY },
	{ "export_policy.name", F_STD | F_POST | F_PATCH, T_STR },
	{ "export_policy.id", F_STD | F_POST | F_PATCH, T_INT },
	{ "path", F_STD, T_STR },
	{ "nas.path", F_STD, T_STR },
	{ "user.id", F_EXP, T_STR },
	{ "user.name", F_EXP, T_STR },
	{ "group.id", F_EXP, T_STR },
	{ "group.name", F_EXP, T_STR },
	{ "ext_performance_monitoring.enabled", F_EXP, T_BOOL },
	{ "qos_policy", F_TREE, T_ANY },
	{ "metric", F_TREE, T_ANY },
	{ "statistics", F_TREE, T_ANY },
	{ "_tags", 0, T_ANY },
	{ NULL, 0, T_ANY },
};

/* Mode and owner are those of the folder, wherever they were last changed.  False
 * when a client has removed it. */
static bool put_folder(struct model *m, json_t *rec, const char *subvol, const char *name)
{
	AUTO_CLOSE int fd = store_open(m->dir, subvol);
	struct stat st;
	char digits[16];

	if (fd < 0 || fstatat(fd, *name ? name : ".", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return false;
	/* Decimal digits that read as octal, as in volumes. */
	snprintf(digits, sizeof(digits), "%o", st.st_mode & 07777);
	json_put(rec, "unix_permissions", json_integer(strtol(digits, NULL, 10)));
	snprintf(digits, sizeof(digits), "%u", st.st_uid);
	json_put(rec, "user.id", json_string(digits));
	snprintf(digits, sizeof(digits), "%u", st.st_gid);
	json_put(rec, "group.id", json_string(digits));
	return true;
}

static void add_qtree(struct model *m, const struct volume *v, int64_t id, const char *name, const char *style,
                      const char *policy, struct list *out)
{
	json_t *rec = json_pack("{s:I, s:s, s:s, s:{s:b}}", "id", (json_int_t)id, "name", name, "security_style",
	                        style, "ext_performance_monitoring", "enabled", 0);

	if (strcmp(v->state, "online") == 0 && !put_folder(m, rec, v->subvol, name)) {
		json_decref(rec);
		return;
	}
	json_put(rec, "volume", make_ref(v->name, v->uuid, NULL));
	json_put(rec, "svm", make_svm_ref(m));
	json_put(rec, "export_policy.name", json_string(policy));
	json_put(rec, "export_policy.id",
	         json_integer((json_int_t)db_int(m->db, 0, "SELECT id FROM export_policies WHERE name=?", "s",
	                                         policy)));
	if (v->junction) {
		const char *top = strcmp(v->junction, "/") == 0 ? "" : v->junction;
		AUTO_FREE char *path = *name ? sim_fmt("%s/%s", top, name) : sim_dup(v->junction);

		json_put(rec, "path", json_string(path));
		json_put(rec, "nas.path", json_string(path));
	}
	list_add(out, v->fsid * 8192 + id, rec);
}

static void list_of_volume(struct model *m, const struct volume *v, struct list *out)
{
	AUTO_STMT sqlite3_stmt *s = db_query(m->db,
	                                     "SELECT id,name,security_style,coalesce(export_policy,?2) FROM qtrees"
	                                     " WHERE volume_uuid=?1 ORDER BY id",
	                                     "ss", v->uuid, v->export_policy);

	/* The volume itself is its qtree 0. */
	add_qtree(m, v, 0, "", v->security_style, v->export_policy, out);
	while (db_row(s))
		add_qtree(m, v, db_col_int(s, 0), db_col_text(s, 1), db_col_text(s, 2), db_col_text(s, 3), out);
}

static int list_qtrees(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT " VOLUME_COLUMNS " FROM volumes WHERE deleted_at IS NULL AND"
	                                     " (?1 IS NULL OR uuid=?1) AND uuid NOT IN (SELECT uuid FROM flexcaches)"
	                                     " ORDER BY fsid",
	                                     "s", request_path(r, "volume.uuid"));
	struct volume v = { 0 };

	(void)key;
	(void)f;
	while (volume_next(s, &v)) {
		list_of_volume(r->m, &v, out);
		volume_fini(&v);
	}
	return 0;
}

/* ---- changes -------------------------------------------------------------- */

static int check_name(const char *name, struct fail *f)
{
	if (!*name || strlen(name) > QTREE_NAME_MAX || strchr(name, '/') || name[0] == '.' || strchr(name, '"'))
		return fail_field(f, 400, E_QTREE_NAME, "name", "Qtree name \"%.80s\" is invalid.", name);
	return 0;
}

/* Clients write permissions both as digits that read as octal and as the number
 * they stand for: 755 and 493 are the same. */
static bool parse_mode(json_t *v, unsigned *ret)
{
	if (volume_parse_mode(v, ret))
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 07777)
		return false;
	*ret = (unsigned)json_integer_value(v);
	return true;
}

/* What POST and PATCH share, brought into args. */
static int take_common(struct req *r, const json_t *body, json_t *args, struct fail *f)
{
	static const char *const styles[] = { "unix", "ntfs", "mixed" };
	const char *style = json_text(body, "security_style"), *policy = json_text(body, "export_policy.name");
	json_t *perm = json_at(body, "unix_permissions");
	bool known = !style;
	unsigned mode;

	for (size_t i = 0; !known && i < ARRAY_LEN(styles); i++)
		known = strcasecmp(style, styles[i]) == 0;
	if (!known)
		return fail_field(f, 400, E_FIELD_VALUE, "security_style",
		                  "The value \"%.40s\" is invalid for field \"security_style\"", style);
	if (style)
		json_object_set_new(args, "style", json_string(style));
	if (perm && !parse_mode(perm, &mode))
		return fail_field(f, 400, E_FIELD_VALUE, "unix_permissions",
		                  "The value is invalid for field \"unix_permissions\"");
	if (perm)
		json_object_set_new(args, "mode", json_integer(mode));
	if (policy || json_at(body, "export_policy.id")) {
		AUTO_FREE char *found = db_text(r->m->db,
		                                "SELECT name FROM export_policies WHERE (?1 IS NULL OR name=?1)"
		                                " AND (?2<0 OR id=?2)",
		                                "si", policy, json_num(body, "export_policy.id", -1));

		if (!found)
			return fail_field(f, 400, E_EXPORT_NOT_FOUND, "export_policy.name",
			                  "Export policy \"%.255s\" was not found.", policy ? policy : "?");
		json_object_set_new(args, "policy", json_string(found));
	}
	return 0;
}

static int job_qtree_create(struct model *m, json_t *args, struct fail *f)
{
	const char *name = json_text(args, "name");
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_CLOSE int fd = -1;
	int r;

	model_lock(m);
	r = volume_load(m->db, "uuid", json_text(args, "volume"), false, &v) ? 0 :
	                                                                        fail_set(f, 404, E_VOL_NOT_FOUND,
	                                                                                 "The volume was not found.");
	if (r == 0 && strcmp(v.type, "rw") != 0)
		r = fail_set(f, 400, E_QTREE_READ_ONLY, "Volume \"%s\" is read-only.", v.name);
	model_unlock(m);
	if (r < 0)
		return -1;
	fd = store_open(m->dir, v.subvol);
	if (fd < 0)
		return fail_internal(f, "open the root folder of a volume", fd);
	if (mkdirat(fd, name, 0700) < 0)
		return errno == EEXIST ?
		               fail_field(f, 409, E_QTREE_EXISTS, "name",
		                          "Qtree \"%s\" already exists in volume \"%s\".", name, v.name) :
		               fail_internal(f, "make the folder of a qtree", errno);
	if (fchmodat(fd, name, (mode_t)json_num(args, "mode", 0755), 0) < 0)
		r = fail_internal(f, "change the permissions of a qtree", errno);
	model_lock(m);
	if (r == 0)
		r = model_begin(m, "record a qtree", f);
	if (r == 0)
		r = model_end(m,
		              db_exec(m->db, "INSERT INTO qtrees VALUES(?,?,?,?,?)", "sisss", v.uuid,
		                      json_num(args, "id", 0), name,
		                      json_text(args, "style") ? json_text(args, "style") : v.security_style,
		                      json_text(args, "policy")),
		              "record a qtree", f);
	model_unlock(m);
	if (r < 0)
		unlinkat(fd, name, AT_REMOVEDIR);
	return r;
}

static int post_qtree(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name");
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_FREE char *setting = NULL;
	AUTO_FREE char *next = NULL;
	int64_t id;

	if (!name)
		return fail_field(f, 400, E_FIELD_MISSING, "name", "Field \"name\" is required");
	if (volume_check_svm(r, body, "svm", true, f) < 0 ||
	    volume_of_body(r->m, body, "volume", E_VOL_NOT_FOUND, &v, f) < 0 || check_name(name, f) < 0)
		return -1;
	if (volume_is_cache(r->m->db, v.uuid))
		return fail_set(f, 400, E_QTREE_CACHE, "Qtrees cannot be made in FlexCache volume \"%s\".", v.name);
	/* The id is given out now, so that the reply can say where the qtree will be;
	 * one that is never made leaves a gap. */
	setting = sim_fmt("next_qtree.%s", v.uuid);
	id = db_setting_int(r->m->db, setting,
	                    db_int(r->m->db, 0, "SELECT max(id) FROM qtrees WHERE volume_uuid=?", "s", v.uuid) + 1);
	if (id > QTREE_MAX)
		return fail_set(f, 400, E_QTREE_NAME, "Volume \"%s\" has the maximum of %d qtrees.", v.name, QTREE_MAX);
	next = sim_fmt("%lld", (long long)id + 1);
	if (db_setting_put(r->m->db, setting, next) < 0)
		return fail_internal(f, "give out a qtree id", EIO);
	out->args = json_pack("{s:s, s:s, s:I}", "volume", v.uuid, "name", name, "id", (json_int_t)id);
	out->fn = job_qtree_create;
	out->record = json_pack("{s:I, s:s, s:{s:s, s:s}}", "id", (json_int_t)id, "name", name, "volume", "uuid",
	                        v.uuid, "name", v.name);
	out->location_now = true;
	return take_common(r, body, out->args, f);
}

/* The row and the volume that args name. */
static char *load(struct model *m, const json_t *args, struct volume *v, struct fail *f)
{
	char *name = NULL;

	if (volume_load(m->db, "uuid", json_text(args, "volume"), false, v))
		name = db_text(m->db, "SELECT name FROM qtrees WHERE volume_uuid=? AND id=?", "si", v->uuid,
		               json_num(args, "id", 0));
	if (!name)
		fail_set(f, 404, E_NO_ENTRY, "The qtree was not found.");
	else if (strcmp(v->type, "rw") != 0)
		fail_set(f, 400, E_QTREE_READ_ONLY, "Volume \"%s\" is read-only.", v->name);
	else
		return name;
	free(name);
	return NULL;
}

static int job_qtree_modify(struct model *m, json_t *args, struct fail *f)
{
	const char *name = json_text(args, "name");
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_FREE char *old = NULL;
	AUTO_CLOSE int fd = -1;
	int r;

	model_lock(m);
	old = load(m, args, &v, f);
	model_unlock(m);
	if (!old)
		return -1;
	fd = store_open(m->dir, v.subvol);
	if (fd < 0)
		return fail_internal(f, "open the root folder of a volume", fd);
	if (name && strcmp(name, old) != 0 && renameat2(fd, old, fd, name, RENAME_NOREPLACE) < 0)
		return errno == EEXIST ? fail_field(f, 409, E_QTREE_EXISTS, "name",
		                                    "Qtree \"%s\" already exists.", name) :
		                         fail_internal(f, "rename the folder of a qtree", errno);
	if (json_at(args, "mode") &&
	    fchmodat(fd, name ? name : old, (mode_t)json_num(args, "mode", 0755), 0) < 0)
		return fail_internal(f, "change the permissions of a qtree", errno);
	model_lock(m);
	r = model_begin(m, "change a qtree", f);
	if (r == 0)
		r = model_end(m,
		              db_exec(m->db,
		                      "UPDATE qtrees SET name=coalesce(?,name),security_style=coalesce(?,"
		                      "security_style),export_policy=coalesce(?,export_policy)"
		                      " WHERE volume_uuid=? AND id=?",
		                      "ssssi", name, json_text(args, "style"), json_text(args, "policy"), v.uuid,
		                      json_num(args, "id", 0)),
		              "change a qtree", f);
	model_unlock(m);
	return r;
}

static int remove_folder(struct model *m, const char *subvol, const char *name)
{
	AUTO_FREE char *path = sim_fmt("%s/store/%s/%s", m->dir, subvol, name);

	return reflink_remove(path);
}

static int job_qtree_delete(struct model *m, json_t *args, struct fail *f)
{
	AUTO_VOLUME struct volume v = { 0 };
	AUTO_FREE char *name = NULL;
	int r;

	model_lock(m);
	name = load(m, args, &v, f);
	model_unlock(m);
	if (!name)
		return -1;
	r = remove_folder(m, v.subvol, name);
	if (r < 0)
		return fail_internal(f, "remove the folder of a qtree", r);
	model_lock(m);
	r = model_begin(m, "delete a qtree", f);
	if (r == 0)
		r = model_end(m,
		              db_exec(m->db, "DELETE FROM qtrees WHERE volume_uuid=? AND id=?", "si", v.uuid,
		                      json_num(args, "id", 0)),
		              "delete a qtree", f);
	model_unlock(m);
	return r;
}

/* The default qtree is the volume: only its own routes change it. */
static int check_default(const json_t *rec, struct fail *f)
{
	return json_num(rec, "id", 0) ? 0 :
	                                fail_set(f, 400, E_QTREE_DEFAULT, "The default qtree cannot be changed here.");
}

static int patch_qtree(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name");

	if (check_default(rec, f) < 0 || (name && check_name(name, f) < 0))
		return -1;
	out->args = json_pack("{s:s, s:O, s:s*}", "volume", json_text(rec, "volume.uuid"), "id", json_at(rec, "id"),
	                      "name", name);
	out->fn = job_qtree_modify;
	return take_common(r, body, out->args, f);
}

static int del_qtree(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	(void)r;
	if (check_default(rec, f) < 0)
		return -1;
	out->args = json_pack("{s:s, s:O}", "volume", json_text(rec, "volume.uuid"), "id", json_at(rec, "id"));
	out->fn = job_qtree_delete;
	return 0;
}

const struct resource res_qtrees = {
	.collection = "/storage/qtrees",
	.item = "/storage/qtrees/{volume.uuid}/{id}",
	.key = "id",
	.fields = qtree_fields,
	.list = list_qtrees,
	.post = post_qtree,
	.patch = patch_qtree,
	.del = del_qtree,
};

/* ---- metrics -------------------------------------------------------------- */

static const struct field metric_fields[] = {
	{ "timestamp", F_KEY | F_STD, T_TIME },
	{ "duration", F_STD, T_STR },
	{ "status", F_STD, T_STR },
	{ "iops", F_TREE, T_ANY },
	{ "latency", F_TREE, T_ANY },
	{ "throughput", F_TREE, T_ANY },
	{ "qtree", F_TREE, T_ANY },
	{ "volume", F_TREE, T_ANY },
	{ "svm", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

/* None are kept: the extended performance monitoring of qtrees is off. */
static int list_metrics(struct req *r, const char *key, struct list *out, struct fail *f)
{
	const char *volume = request_path(r, "volume.uuid"), *id = request_path(r, "qtree.id");

	(void)key;
	(void)out;
	if (strcmp(id, "0") != 0 &&
	    !db_int(r->m->db, 0, "SELECT count(*) FROM qtrees WHERE volume_uuid=? AND id=?", "ss", volume, id))
		return fail_field(f, 404, E_NO_ENTRY, "qtree.id", "entry doesn't exist");
	return 0;
}

static const char *const metric_params[] = { "interval", NULL };

const struct resource res_qtree_metrics = {
	.collection = "/storage/qtrees/{volume.uuid}/{qtree.id}/metrics",
	.fields = metric_fields,
	.params = metric_params,
	.list = list_metrics,
};
