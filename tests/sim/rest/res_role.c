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

json_t *role_privileges(struct model *m)
{
	AUTO_STMT sqlite3_stmt *s = rights(m);
	json_t *list = json_array();

	while (db_row(s))
		json_array_append_new(list, json_pack("{s:s, s:s}", "path", db_col_text(s, 0), "access",
		                                      db_col_text(s, 1)));
	if (json_array_size(list))
		return list;
	/* Everything but what R_CLUSTER_ONLY refuses. */
	json_decref(list);
	return json_pack("[{s:s, s:s}, {s:s, s:s}]", "path", "/api", "access", "all", "path", "/api/cluster/nodes",
	                 "access", "none");
}
