/*
 * /private/cli/volume/recovery-queue and .../purge: deleted volumes that still
 * take room.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/rest/resources.h"
#include "tests/sim/rest/volume.h"
#include "tests/sim/seed.h"

static const struct field queue_fields[] = {
	{ "vserver", F_KEY | F_STD | F_POST, T_STR },
	{ "volume", F_KEY | F_STD | F_POST, T_STR },
	{ "deletion_request_time", F_STD, T_TIME },
	{ "retention_hours", F_STD, T_INT },
	{ NULL, 0, T_ANY },
};

static int list_queue(struct req *r, const char *key, struct list *out, struct fail *f)
{
	AUTO_STMT sqlite3_stmt *s = db_query(
	        r->m->db, "SELECT name,deleted_at,fsid FROM volumes WHERE deleted_at IS NOT NULL", "");

	(void)key;
	(void)f;
	while (db_row(s)) {
		json_t *rec = json_pack("{s:s, s:s, s:i}", "vserver", SIM_SVM, "volume", db_col_text(s, 0),
		                        "retention_hours", QUEUE_KEEP_S / 3600);

		json_put(rec, "deletion_request_time", json_time(db_col_int(s, 1)));
		list_add(out, db_col_int(s, 2), rec);
	}
	return 0;
}

static int post_purge(struct req *r, json_t *body, struct outcome *out, struct fail *f)
{
	const char *svm = json_text(body, "vserver"), *volume = json_text(body, "volume");

	(void)r;
	if (!svm || !volume)
		return fail_field(f, 400, E_FIELD_MISSING, svm ? "volume" : "vserver",
		                  "Fields \"vserver\" and \"volume\" are required");
	if (strcmp(svm, SIM_SVM) != 0)
		return fail_field(f, 400, E_SVM_NOT_FOUND, "vserver", "SVM \"%.80s\" does not exist.", svm);
	out->fn = job_volume_purge;
	out->args = json_pack("{s:s}", "volume", volume);
	return 0;
}

const struct resource res_recovery_queue = {
	.collection = "/private/cli/volume/recovery-queue",
	.fields = queue_fields,
	.list = list_queue,
};

const struct resource res_recovery_purge = {
	.collection = "/private/cli/volume/recovery-queue/purge",
	.fields = queue_fields,
	.list = list_queue,
	.post = post_purge,
};
