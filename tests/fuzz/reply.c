/* Replies of ONTAP: every parser of records, the error form, the next page. The
 * first byte chooses whether a record or an error is meant. */
#include "ontap/call.h"
#include "ontap/parse.h"
#include "ontap/resources.h"
#include "tests/fuzz/fuzz.h"

static bool is_text(const char *s, size_t size)
{
	return strnlen(s, size) < size;
}

static void volumes(struct json_object *rec)
{
	char why[160];
	struct ontap_volume v;
	struct ontap_volume_details d;
	struct ontap_split split;
	struct ontap_flexcache fc;
	volume_is_constituent(rec);
	if (volume_parse(rec, &v, why) == 0) {
		/* A name becomes a directory entry, a junction a path. */
		MUST(is_text(v.name, sizeof(v.name)) && v.name[0] && !strchr(v.name, '/'));
		MUST(strcmp(v.name, ".") != 0 && strcmp(v.name, "..") != 0);
		MUST(is_text(v.junction, sizeof(v.junction)) && (!v.junction[0] || v.junction[0] == '/'));
		MUST(is_text(v.comment, sizeof(v.comment)));
	}
	volume_details_parse(rec, &d, why);
	split_parse(rec, &split, why);
	file_splits_parse(rec, &split, why);
	flexcache_parse(rec, &fc, why);
}

static void others(struct json_object *rec)
{
	char why[160];
	struct ontap_snapshot s;
	struct ontap_cluster cluster;
	struct ontap_svm svm;
	struct ontap_nfs_service nfs;
	struct ontap_lif lif;
	struct ontap_job job;
	struct ontap_mirror mirror;
	struct ontap_qtree qtree;
	struct ontap_usage usage;
	struct ontap_export_rule rule;
	struct ontap_account account;
	struct ontap_privilege privilege;
	enum ontap_licence licence;
	if (snapshot_parse(rec, &s, why) == 0)
		MUST(is_text(s.name, sizeof(s.name)) && s.name[0] && !strchr(s.name, '/') &&
		     is_text(s.comment, sizeof(s.comment)) && is_text(s.owners, sizeof(s.owners)));
	cluster_parse(rec, &cluster, why);
	svm_parse(rec, &svm, why);
	nfs_service_parse(rec, &nfs, why);
	lif_parse(rec, &lif, why);
	job_parse(rec, &job, why);
	mirror_parse(rec, &mirror, why);
	qtree_parse(rec, &qtree, why);
	usage_parse(rec, &usage, why);
	export_rule_parse(rec, &rule, why);
	account_parse(rec, &account, why);
	privilege_parse(rec, &privilege, why);
	licence_parse(rec, &licence, why);
}

static void failure(struct json_object *root, int status)
{
	static const struct error_who who = {"10.0.0.1", "vsadmin"};
	struct ontap_error e;
	error_from_reply(&e, &who, "create snapshot \"run1\"", status, root);
	MUST(e.err < 0 && is_text(e.text, sizeof(e.text)) && !strpbrk(e.text, "\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int status[] = {400, 401, 403, 404, 409, 500, 503};
	char why[JS_WHY_LEN];
	if (size < 1)
		return 0;
	char *text = fuzz_text(data + 1, size - 1);
	struct json_object *root = js_parse(text, size - 1, false, why);
	const char *href;
	if (root) {
		struct json_object *rec = page_instance(root);
		int n = js_len(root, "records");
		volumes(rec ? rec : root);
		others(rec ? rec : root);
		for (int i = 0; i < n && i < 4; i++) {
			struct json_object *array;
			if (js_find(root, "records", &array) == 0)
				volumes(js_at(array, (size_t)i));
		}
		if (js_str(root, "_links.next.href", &href) == 0 && page_check_href(href) == 0)
			MUST(strncmp(href, "/api/", 5) == 0);
		failure(root, status[data[0] % (sizeof(status) / sizeof(status[0]))]);
	}
	js_free(root);
	free(text);
	return 0;
}
