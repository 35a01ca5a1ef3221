/*
 * /private/cli/volume and /private/cli/snapmirror: the passthrough to the commands
 * "volume" and "snapmirror", with the fields that clients change that way.
 */
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/snapmirror.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/seed.h"

static const char *const cli_params[] = { "privilege_level", NULL };

/* ---- volume --------------------------------------------------------------- */

static const struct field volume_fields[] = {
	{ "vserver", F_KEY | F_STD, T_STR },
	{ "volume", F_KEY | F_STD, T_STR },
	{ "instance_uuid", F_EXP, T_STR },
	{ "junction_path", F_EXP, T_STR },
	{ "size", F_EXP, T_SIZE },
	{ "state", F_EXP, T_STR },
	{ "type", F_EXP, T_STR },
	{ "comment", F_EXP | F_PATCH, T_STR },
	{ "snapdir_access", F_EXP | F_PATCH, T_BOOL },
	{ "vserver_dr_protection", F_EXP | F_PATCH, T_STR },
	{ NULL, 0, T_ANY },
};

static int list_volumes(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(
	        r->m->db, "SELECT " VOLUME_COLUMNS " FROM volumes WHERE deleted_at IS NULL ORDER BY fsid", "");
	struct volume v = { 0 };

	(void)key;
	(void)f;
	while (volume_next(s, &v)) {
		list_add(out, v.fsid,
		         json_pack("{s:s, s:s, s:s, s:s*, s:I, s:s, s:s, s:s, s:b}", "vserver", SIM_SVM, "volume",
		                   v.name, "instance_uuid", v.uuid, "junction_path", v.junction, "size",
		                   (json_int_t)v.size, "state", v.state, "type", v.type, "comment", v.comment,
		                   "snapdir_access", (int)v.snapdir_access));
		volume_fini(&v);
	}
	return 0;
}

static int patch_volume(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *uuid = json_text(rec, "instance_uuid");

	if (json_at(body, "vserver_dr_protection"))
		return fail_field(f, 400, E_BAD_VALUE, "vserver_dr_protection",
		                  "Cannot modify vserver-dr-protection because volume is not part of a Vserver DR "
		                  "configuration.");
	if (model_begin(r->m, "change a volume", f) < 0)
		return -1;
	out->reload = true;
	return model_end(r->m,
	                 db_exec(r->m->db,
	                         "UPDATE volumes SET comment=coalesce(?,comment),"
	                         "snapdir_access=coalesce(nullif(?,-1),snapdir_access) WHERE uuid=?",
	                         "sis", json_text(body, "comment"),
	                         json_at(body, "snapdir_access") ? (int64_t)json_flag(body, "snapdir_access", true) :
	                                                           (int64_t)-1,
	                         uuid),
	                 "change a volume", f);
}

const struct resource res_cli_volume = {
	.collection = "/private/cli/volume",
	.fields = volume_fields,
	.params = cli_params,
	.list = list_volumes,
	.patch = patch_volume,
};

/* ---- snapmirror ----------------------------------------------------------- */

static const struct field mirror_fields[] = {
	{ "source_path", F_KEY | F_STD, T_STR },
	{ "destination_path", F_KEY | F_STD, T_STR },
	{ "relationship_id", F_EXP, T_STR },
	{ "state", F_EXP, T_STR },
	{ "policy", F_EXP | F_PATCH, T_STR },
	{ "schedule", F_EXP | F_PATCH, T_STR },
	{ NULL, 0, T_ANY },
};

static int list_mirrors(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(r->m->db,
	                                     "SELECT m.seq,m.uuid,m.state,m.policy,m.schedule,a.name,b.name FROM"
	                                     " snapmirrors m JOIN volumes a ON a.uuid=m.source JOIN volumes b ON"
	                                     " b.uuid=m.destination WHERE NOT m.gone&1 ORDER BY m.seq",
	                                     "");

	(void)key;
	(void)f;
	while (db_row(s)) {
		AUTO_FREE char *from = sim_fmt("%s:%s", SIM_SVM, db_col_text(s, 5));
		AUTO_FREE char *to = sim_fmt("%s:%s", SIM_SVM, db_col_text(s, 6));

		list_add(out, db_col_int(s, 0),
		         json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "source_path", from, "destination_path", to,
		                   "relationship_id", db_col_text(s, 1), "state", db_col_text(s, 2), "policy",
		                   db_col_text(s, 3), "schedule", db_col_text(s, 4)));
	}
	return 0;
}

static int patch_mirror(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *policy = json_text(body, "policy");

	(void)out;
	if (policy && !db_int(r->m->db, 0, "SELECT count(*) FROM snapmirror_policies WHERE name=?", "s", policy))
		return fail_field(f, 400, E_NO_ENTRY, "policy", "SnapMirror policy \"%.255s\" was not found.", policy);
	if (model_begin(r->m, "change a relationship", f) < 0)
		return -1;
	return model_end(r->m,
	                 db_exec(r->m->db,
	                         "UPDATE snapmirrors SET policy=coalesce(?,policy),schedule=coalesce(?,schedule)"
	                         " WHERE uuid=?",
	                         "sss", policy, json_text(body, "schedule"), json_text(rec, "relationship_id")),
	                 "change a relationship", f);
}

const struct resource res_cli_snapmirror = {
	.collection = "/private/cli/snapmirror",
	.fields = mirror_fields,
	.params = cli_params,
	.list = list_mirrors,
	.patch = patch_mirror,
};
