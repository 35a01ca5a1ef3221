/*
 * /protocols/cifs/shares.  Kept and shown; nothing serves SMB here.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"

#define SHARE_NAME_MAX 80

/* Codes of shares. */
enum { E_SHARE_EXISTS = 655551, E_SHARE_PATH = 655549, E_SHARE_NAME = 655399 };

static const struct field share_fields[] = {
	{ "svm.name", F_KEY | F_STD | F_POST, T_STR },
	{ "svm.uuid", F_KEY | F_STD | F_POST, T_STR },
	{ "name", F_KEY | F_STD | F_POST, T_STR },
	{ "path", F_STD | F_POST | F_PATCH, T_STR },
	{ "comment", F_STD | F_POST | F_PATCH, T_STR },
	{ "acls.user_or_group", F_STD | F_POST, T_STR },
	{ "acls.permission", F_STD | F_POST, T_STR },
	{ "acls.type", F_STD | F_POST, T_STR },
	{ "home_directory", F_STD | F_POST, T_BOOL },
	{ "oplocks", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "browsable", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "show_snapshot", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "change_notify", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "encryption", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "continuously_available", F_STD | F_POST | F_PATCH, T_BOOL },
	{ "unix_symlink", F_STD | F_POST | F_PATCH, T_STR },
	{ NULL, 0, T_ANY },
};

static int list_shares(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s =
	        db_query(r->m->db, "SELECT seq,name,path,options FROM cifs_shares ORDER BY seq", "");

	(void)key;
	(void)f;
	while (db_row(s)) {
		json_t *rec = json_loads(db_col_text(s, 3), 0, NULL);

		json_put(rec, "name", json_string(db_col_text(s, 1)));
		json_put(rec, "path", json_string(db_col_text(s, 2)));
		json_put(rec, "svm", make_svm_ref(r->m));
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

/* The path must lie in the name space of the SVM. */
static int check_path(struct req *r, const char *path, struct fail *f)
{
	AUTO_FREE char *below = path ? sim_fmt("%s/x", strcmp(path, "/") == 0 ? "" : path) : NULL;
	struct fail ignored = { 0 };

	if (!path)
		return fail_field(f, 400, E_FIELD_MISSING, "path", "Field \"path\" is required");
	if (path[0] != '/' || volume_check_place(r->m, below, "", &ignored) < 0)
		return fail_field(f, 400, E_SHARE_PATH, "path", "Path \"%.255s\" does not exist in the SVM.", path);
	return 0;
}

static int post_share(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(body, "name"), *path = json_text(body, "path");
	AUTO_JSON json_t *options = json_deep_copy(body);
	AUTO_FREE char *text = NULL;

	if (!name)
		return fail_field(f, 400, E_FIELD_MISSING, "name", "Field \"name\" is required");
	if (!*name || strlen(name) > SHARE_NAME_MAX || strpbrk(name, "\"/\\[]:|<>+;,?*="))
		return fail_field(f, 400, E_SHARE_NAME, "name", "Share name \"%.80s\" is invalid.", name);
	if (volume_check_svm(r, body, "svm", true, f) < 0 || check_path(r, path, f) < 0)
		return -1;
	if (db_int(r->m->db, 0, "SELECT count(*) FROM cifs_shares WHERE name=?", "s", name))
		return fail_field(f, 409, E_SHARE_EXISTS, "name", "Share \"%s\" already exists.", name);
	if (!json_at(options, "acls"))
		json_put(options, "acls",
		         json_pack("[{s:s, s:s, s:s}]", "user_or_group", "Everyone", "permission", "full_control",
		                   "type", "windows"));
	text = json_dumps(options, JSON_COMPACT);
	if (model_begin(r->m, "record a share", f) < 0)
		return -1;
	out->record = json_pack("{s:s, s:{s:s}}", "name", name, "svm", "uuid", r->m->svm_uuid);
	return model_end(r->m,
	                 db_exec(r->m->db, "INSERT INTO cifs_shares(name,path,options) VALUES(?,?,?)", "sss", name,
	                         path, text),
	                 "record a share", f);
}

static int patch_share(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *name = json_text(rec, "name"), *path = json_text(body, "path");
	AUTO_FREE char *old = db_text(r->m->db, "SELECT options FROM cifs_shares WHERE name=?", "s", name);
	AUTO_JSON json_t *options = json_loads(old ? old : "{}", 0, NULL);
	AUTO_FREE char *text = NULL;

	(void)out;
	if (path && check_path(r, path, f) < 0)
		return -1;
	json_object_update(options, body);
	text = json_dumps(options, JSON_COMPACT);
	if (model_begin(r->m, "change a share", f) < 0)
		return -1;
	return model_end(r->m,
	                 db_exec(r->m->db, "UPDATE cifs_shares SET path=coalesce(?,path),options=? WHERE name=?", "sss",
	                         path, text, name),
	                 "change a share", f);
}

static int del_share(struct req *r, json_t *rec, struct outcome *out, struct fail *f)
{
	(void)out;
	if (model_begin(r->m, "delete a share", f) < 0)
		return -1;
	return model_end(r->m, db_exec(r->m->db, "DELETE FROM cifs_shares WHERE name=?", "s", json_text(rec, "name")),
	                 "delete a share", f);
}

const struct resource res_cifs_shares = {
	.collection = "/protocols/cifs/shares",
	.item = "/protocols/cifs/shares/{svm.uuid}/{name}",
	.key = "name",
	.fields = share_fields,
	.list = list_shares,
	.post = post_share,
	.patch = patch_share,
	.del = del_share,
};
