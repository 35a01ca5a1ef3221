/*
 * What the role of the SVM's account allows: /api, unless `ctl DIR role` gave it
 * single rights.  The longest path that covers a request decides, as on ONTAP.
 */
#include <string.h>

#include "tests/sim/rest/resources.h"

static const struct {
	const char *word;
	unsigned verbs; /* bits of enum verb */
} access_words[] = {
	{ "none", 0 },
	{ "readonly", 1 << V_GET },
	{ "read_create", 1 << V_GET | 1 << V_POST },
	{ "read_modify", 1 << V_GET | 1 << V_PATCH },
	{ "read_create_modify", 1 << V_GET | 1 << V_POST | 1 << V_PATCH },
	{ "all", ~0u },
};

bool role_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(access_words); i++)
		if (!strcmp(word, access_words[i].word))
			return true;
	return false;
}

/* How many parts of the request's path the right covers, -1 when none. */
static int covers(const char *right, const struct req *r)
{
	int n = 0;

	if (strncmp(right, "/api", 4) != 0)
		return -1;
	for (right += 4; *right == '/' && right[1]; n++) {
		size_t len = strcspn(++right, "/");

		if (n == r->nseg)
			return -1;
		if ((len != 1 || *right != '*') && (strlen(r->seg[n]) != len || strncmp(right, r->seg[n], len) != 0))
			return -1;
		right += len;
	}
	return n;
}

static sqlite3_stmt *rights(struct model *m)
{
	return db_query(m->db, "SELECT substr(key,?1),value FROM settings WHERE key LIKE '" ROLE_RIGHT "%'"
	                       " ORDER BY key", "i", (int64_t)sizeof(ROLE_RIGHT));
}

bool role_allows(struct req *r)
{
	unsigned verbs = 0;
	int best = -1;
	bool any = false;

	if (r->cluster_admin || r->verb == V_OPTIONS)
		return true;
	model_lock(r->m);
	{
		AUTO_STMT sqlite3_stmt *s = rights(r->m);

		while (db_row(s)) {
			int n = covers(db_col_text(s, 0), r);

			any = true;
			if (n <= best)
				continue;
			best = n;
			for (size_t i = 0; i < ARRAY_LEN(access_words); i++)
				if (!strcmp(db_col_text(s, 1), access_words[i].word))
					verbs = access_words[i].verbs;
		}
	}
	model_unlock(r->m);
	return !any || (verbs & 1u << r->verb);
}

static const struct field privilege_fields[] = {
	{ "owner.uuid", F_KEY | F_STD, T_STR }, { "name", F_KEY | F_STD, T_STR },
	{ "path", F_KEY | F_STD, T_STR },       { "access", F_STD, T_STR },
	{ NULL, 0, T_ANY },
};

static void add(struct req *r, struct list *out, int64_t seq, const char *path, const char *word)
{
	json_t *rec = json_pack("{s:s, s:s, s:s}", "path", path, "access", word, "name", request_path(r, "name"));

	json_put(rec, "owner.uuid", json_string(request_path(r, "owner.uuid")));
	list_add(out, seq, rec);
}

static int list_privileges(struct req *r, const char *key, struct list *out, struct fail *f)
{
	const char *role = request_path(r, "name");
	int64_t seq = 0;

	(void)key;
	if (!role || (strcmp(role, "vsadmin") != 0 && (!r->cluster_admin || strcmp(role, "admin") != 0)))
		return fail_field(f, 404, E_NO_ENTRY, "name", "entry doesn't exist");
	if (!strcmp(role, "vsadmin")) {
		AUTO_STMT sqlite3_stmt *s = rights(r->m);

		while (db_row(s))
			add(r, out, seq++, db_col_text(s, 0), db_col_text(s, 1));
	}
	if (!seq)
		add(r, out, 0, "/api", "all");
	return 0;
}

const struct resource res_privileges = {
	.collection = "/security/roles/{owner.uuid}/{name}/privileges",
	.fields = privilege_fields,
	.list = list_privileges,
};
