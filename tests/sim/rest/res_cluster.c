/*
 * /cluster, /cluster/nodes, /cluster/jobs.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/seed.h"

/* ---- /cluster ------------------------------------------------------------- */

static const struct field cluster_fields[] = {
	{ "name", F_KEY | F_STD, T_STR },
	{ "uuid", F_KEY | F_STD, T_STR },
	{ "version.full", F_STD, T_STR },
	{ "version.generation", F_STD, T_INT },
	{ "version.major", F_STD, T_INT },
	{ "version.minor", F_STD, T_INT },
	{ "location", F_STD, T_STR },
	{ "contact", F_STD, T_STR },
	{ "timezone.name", F_STD, T_STR },
	{ "management_interfaces.name", F_STD, T_STR },
	{ "management_interfaces.uuid", F_STD, T_STR },
	{ "management_interfaces.ip.address", F_STD, T_STR },
	{ "nodes.name", F_EXP, T_STR },
	{ "nodes.uuid", F_EXP, T_STR },
	{ "nodes.serial_number", F_EXP, T_STR },
	{ "san_optimized", F_SINCE(16, 1) | F_EXP, T_BOOL },
	{ "disaggregated", F_SINCE(16, 1) | F_EXP, T_BOOL },
	{ "dns_domains", 0, T_ANY },
	{ "name_servers", 0, T_ANY },
	{ "ntp_servers", 0, T_ANY },
	{ "peering_policy", F_TREE, T_ANY },
	{ "certificate", F_TREE, T_ANY },
	{ "metric", F_TREE, T_ANY },
	{ "statistics", F_TREE, T_ANY },
	{ NULL, 0, T_ANY },
};

static json_t *node_list(struct model *m)
{
	AUTO_STMT sqlite3_stmt *s =
	        db_query(m->db, "SELECT name,uuid,serial_number FROM nodes ORDER BY name", "");
	json_t *list = json_array();

	while (db_row(s)) {
		AUTO_FREE char *href = sim_fmt("/api/cluster/nodes/%s", db_col_text(s, 1));
		json_t *n = make_ref(db_col_text(s, 0), db_col_text(s, 1), href);

		json_put(n, "serial_number", json_string(db_col_text(s, 2)));
		json_array_append_new(list, n);
	}
	return list;
}

static int list_cluster(struct req *r, const char *key, struct list *out, struct fail *f)
{
	struct model *m = r->m;
	int gen = 9, major = 15, minor = 1;
	AUTO_FREE char *full = NULL;
	json_t *rec, *mgmt;

	(void)key;
	(void)f;
	sscanf(m->version, "%d.%d.%d", &gen, &major, &minor);
	full = sim_fmt("NetApp Release %d.%d.%d: Thu Aug 01 12:00:00 UTC 2024", gen, major, minor);
	rec = json_pack("{s:s, s:s, s:{s:s, s:i, s:i, s:i}, s:s, s:s, s:{s:s}}", "name", SIM_CLUSTER, "uuid",
	                m->cluster_uuid, "version", "full", full, "generation", gen, "major", major, "minor",
	                minor, "location", "a process on this machine", "contact", "", "timezone", "name",
	                "Etc/UTC");
	mgmt = make_ref("cluster_mgmt", m->mgmt_uuid, NULL);
	json_put(mgmt, "ip.address", json_string(SIM_MGMT_ADDRESS));
	json_put(rec, "management_interfaces", json_pack("[o]", mgmt));
	json_put(rec, "nodes", node_list(m));
	json_put(rec, "san_optimized", json_false());
	json_put(rec, "disaggregated", json_false());
	list_add(out, 1, rec);
	return 0;
}

const struct resource res_cluster = {
	.collection = "/cluster",
	.fields = cluster_fields,
	.flags = R_SINGLE,
	.list = list_cluster,
};

/* ---- /cluster/nodes ------------------------------------------------------- */

static const struct field node_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },        { "name", F_KEY | F_STD, T_STR },
	{ "serial_number", F_STD, T_STR },       { "state", F_STD, T_STR },
	{ "model", F_STD, T_STR },               { "version.full", F_STD, T_STR },
	{ "version.generation", F_STD, T_INT },  { "version.major", F_STD, T_INT },
	{ "version.minor", F_STD, T_INT },       { "uptime", 0, T_INT },
	{ "membership", F_STD, T_STR },          { "statistics", F_TREE, T_ANY },
	{ "metric", F_TREE, T_ANY },             { "ha", F_TREE, T_ANY },
	{ "controller", F_TREE, T_ANY },         { NULL, 0, T_ANY },
};

static int list_nodes(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(
	        r->m->db, "SELECT uuid,name,serial_number,rowid FROM nodes ORDER BY rowid", "");
	int gen = 9, major = 15, minor = 1;

	(void)key;
	(void)f;
	sscanf(r->m->version, "%d.%d.%d", &gen, &major, &minor);
	while (db_row(s))
		list_add(out, db_col_int(s, 3),
		         json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:i, s:i, s:i}}", "uuid",
		                   db_col_text(s, 0), "name", db_col_text(s, 1), "serial_number",
		                   db_col_text(s, 2), "state", "up", "model", "SIMBOX", "membership",
		                   "member", "version", "generation", gen, "major", major, "minor", minor));
	return 0;
}

const struct resource res_nodes = {
	.collection = "/cluster/nodes",
	.item = "/cluster/nodes/{uuid}",
	.key = "uuid",
	.fields = node_fields,
	.flags = R_CLUSTER_ONLY,
	.list = list_nodes,
};

/* ---- /cluster/jobs -------------------------------------------------------- */

static const struct field job_fields[] = {
	{ "uuid", F_KEY | F_STD, T_STR },    { "description", F_STD, T_STR },
	{ "state", F_STD, T_STR },           { "message", F_STD, T_STR },
	{ "code", F_STD, T_INT },            { "start_time", F_STD, T_TIME },
	{ "end_time", F_STD, T_TIME },       { "error.message", F_STD, T_STR },
	{ "error.code", F_STD, T_STR },      { "error.arguments", 0, T_ANY },
	{ "svm.name", F_STD, T_STR },        { "svm.uuid", F_STD, T_STR },
	{ "node.name", F_STD, T_STR },       { NULL, 0, T_ANY },
};

static int list_jobs(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s =
	        db_query(r->m->db,
	                 "SELECT seq,uuid,description,state,message,code,start_time,end_time FROM jobs"
	                 " WHERE ?1 IS NULL OR uuid=?1 ORDER BY seq",
	                 "s", key);

	(void)f;
	while (db_row(s)) {
		json_t *rec = json_pack("{s:s, s:s, s:s, s:s*, s:I, s:{s:s}}", "uuid", db_col_text(s, 1),
		                        "description", db_col_text(s, 2), "state", db_col_text(s, 3),
		                        "message", db_col_text(s, 4), "code", (json_int_t)db_col_int(s, 5),
		                        "node", "name", SIM_CLUSTER "-01");

		json_put(rec, "start_time", json_time(db_col_int(s, 6)));
		if (sqlite3_column_type(s, 7) != SQLITE_NULL)
			json_put(rec, "end_time", json_time(db_col_int(s, 7)));
		if (strcmp(db_col_text(s, 3), "failure") == 0) {
			AUTO_FREE char *code = sim_fmt("%lld", (long long)db_col_int(s, 5));

			json_put(rec, "error.message", json_string(db_col_text(s, 4)));
			json_put(rec, "error.code", json_string(code));
		}
		json_put(rec, "svm", make_svm_ref(r->m));
		list_add(out, db_col_int(s, 0), rec);
	}
	return 0;
}

static int patch_job(struct req *r, json_t *rec, json_t *body, struct outcome *out, struct fail *f)
{
	const char *action = request_param(r, "action");
	const char *state = json_text(rec, "state");

	(void)body;
	(void)out;
	if (!action)
		return fail_field(f, 400, E_FIELD_MISSING, "action", "Field \"action\" is required");
	if (strcmp(state, "success") == 0 || strcmp(state, "failure") == 0)
		return fail_set(f, 400, 458762, "The job has ended already.");
	if (strcmp(action, "cancel") == 0) {
		if (!jobs_cancel(r->m, json_text(rec, "uuid")))
			return fail_set(f, 400, 458784, "The job cannot be cancelled.");
		return 0;
	}
	if (strcmp(action, "pause") == 0 || strcmp(action, "resume") == 0)
		return fail_set(f, 400, 458783, "The job cannot be paused.");
	return fail_field(f, 400, E_FIELD_VALUE, "action",
	                  "The value \"%.40s\" is invalid for field \"action\" (<pause|resume|cancel>)",
	                  action);
}

static const char *const job_params[] = { "action", NULL };

const struct resource res_jobs = {
	.collection = "/cluster/jobs",
	.item = "/cluster/jobs/{uuid}",
	.key = "uuid",
	.fields = job_fields,
	.params = job_params,
	.list = list_jobs,
	.patch = patch_job,
};
