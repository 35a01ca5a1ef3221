/* What is at the other end: cluster, SVM, NFS service, data LIFs.
 *
 * Four requests, one after the other. Only the first two must succeed: an SVM
 * account is often not allowed to see the NFS service or the interfaces, and
 * the mount can do without them. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fs/base/log.h"
#include "ontap/call.h"
#include "ontap/parse.h"

#define NFS_FIELDS                                                                 \
	"enabled,protocol.v3_enabled,protocol.v3_64bit_identifiers_enabled,"       \
	"protocol.v3_features.mount_root_only,transport.tcp_max_transfer_size"
#define VERSION_NFS_FIELDS 91100
#define LIFS_MAX           1024 /* far beyond what an SVM has; a mount uses a part of them */

/* ---- parsing ------------------------------------------------------------ */

int cluster_parse(struct json_object *rec, struct ontap_cluster *ret, char why[160])
{
	struct ontap_cluster k = {0};
	int64_t g = 0, ma = 0, mi = 0;
	struct reader r;
	rd_init(&r, rec);
	rd_str(&r, "name", k.name, sizeof(k.name), OPTIONAL); /* may be hidden from an SVM account */
	rd_str(&r, "version.full", k.version_full, sizeof(k.version_full), OPTIONAL);
	rd_int(&r, "version.generation", 0, 999, &g, REQUIRED);
	rd_int(&r, "version.major", 0, 99, &ma, REQUIRED);
	rd_int(&r, "version.minor", 0, 99, &mi, OPTIONAL);
	if (r.err) {
		memcpy(why, r.why, sizeof(r.why));
		return r.err;
	}
	k.generation = (int)g;
	k.major = (int)ma;
	k.minor = (int)mi;
	*ret = k;
	return 0;
}

int svm_parse(struct json_object *rec, struct ontap_svm *ret, char why[160])
{
	struct ontap_svm s = {0};
	struct reader r;
	rd_init(&r, rec);
	rd_uuid(&r, "uuid", &s.uuid, REQUIRED);
	rd_name(&r, "name", s.name, sizeof(s.name), REQUIRED);
	rd_str(&r, "state", s.state, sizeof(s.state), OPTIONAL);
	return rd_done(&r, why, ret, &s, sizeof(s));
}

int nfs_service_parse(struct json_object *rec, struct ontap_nfs_service *ret, char why[160])
{
	struct ontap_nfs_service n = {.mount_root_only = true};
	int64_t size = 0;
	struct reader r;
	rd_init(&r, rec);
	rd_bool(&r, "enabled", &n.enabled, OPTIONAL);
	rd_bool(&r, "protocol.v3_enabled", &n.v3_enabled, OPTIONAL);
	rd_bool(&r, "protocol.v3_64bit_identifiers_enabled", &n.v3_64bit_ids, OPTIONAL);
	rd_bool(&r, "protocol.v3_features.mount_root_only", &n.mount_root_only, OPTIONAL);
	rd_int(&r, "transport.tcp_max_transfer_size", 0, UINT32_MAX, &size, OPTIONAL);
	if (r.err) {
		memcpy(why, r.why, sizeof(r.why));
		return r.err;
	}
	n.tcp_max_transfer_size = (uint32_t)size;
	*ret = n;
	return 0;
}

int lif_parse(struct json_object *rec, struct ontap_lif *ret, char why[160])
{
	struct ontap_lif l = {0};
	char state[32];
	bool enabled = true;
	struct reader r;
	rd_init(&r, rec);
	rd_str(&r, "name", l.name, sizeof(l.name), OPTIONAL);
	rd_str(&r, "ip.address", l.address, sizeof(l.address), REQUIRED);
	if (strspn(l.address, "0123456789abcdefABCDEF.:") != strlen(l.address) || !*l.address)
		rd_bad(&r, "ip.address", "is no address");
	rd_str(&r, "state", state, sizeof(state), OPTIONAL);
	rd_bool(&r, "enabled", &enabled, OPTIONAL);
	if (r.err) {
		memcpy(why, r.why, sizeof(r.why));
		return r.err;
	}
	l.up = enabled && strcasecmp(state, "up") == 0;
	*ret = l;
	return 0;
}

/* ---- the call ----------------------------------------------------------- */

struct discover_call {
	struct call c;
	struct ontap_discovery d;
	char wanted[ONTAP_NAME_MAX + 1]; /* SVM, "" the only one */
	size_t nsvms;
	char svm_names[128]; /* the first few, for the sentence */
	bool nfs_all;        /* ask with fields=* */
	size_t lif_cap;
};

static struct discover_call *of(struct call *c)
{
	return (struct discover_call *)c;
}

static void tell(void (*fn)(void), const void *data, size_t n, const struct ontap_error *e, void *priv)
{
	(void)n;
	((ontap_discover_fn)fn)(data, e, priv);
}

static void discover_fini(struct call *c)
{
	free(of(c)->d.lifs);
}

static void bad_record(struct call *c, const char *why)
{
	call_fail(c, -EIO, "cannot %s: the answer of ONTAP at %s is not usable: %s", c->what,
		  http_who(c->o->http)->host, why);
}

/* -- 4: data LIFs -- */

static int lif_record(struct call *c, struct json_object *rec)
{
	struct discover_call *dc = of(c);
	struct ontap_lif l;
	char why[160];
	if (lif_parse(rec, &l, why) < 0) {
		atomic_fetch_add(&c->o->counters.records_rejected, 1);
		log_warn("a data LIF is left out: %s", why);
		return 0;
	}
	if (dc->d.nlifs == LIFS_MAX)
		return -E2BIG;
	if (dc->d.nlifs == dc->lif_cap) {
		size_t cap = dc->lif_cap ? dc->lif_cap * 2 : 8;
		struct ontap_lif *p = realloc(dc->d.lifs, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		dc->d.lifs = p;
		dc->lif_cap = cap;
	}
	dc->d.lifs[dc->d.nlifs++] = l;
	return 0;
}

static void lifs_end(struct call *c, const struct ontap_error *e)
{
	if (e && e->err == -EACCES && e->http_status == 403) {
		log_info("the data LIFs are not visible: %s", e->text);
		of(c)->d.nlifs = 0;
		e = NULL;
	}
	if (!e) {
		struct ontap *o = c->o;
		o->svm_uuid = of(c)->d.svm.uuid;
		o->svm_known = true;
		memcpy(o->svm_name, of(c)->d.svm.name, sizeof(o->svm_name));
		c->result = &of(c)->d;
	}
	call_end(c, e);
}

static void ask_lifs(struct call *c)
{
	char text[UUID_TEXT_LEN + 1];
	call_what(c, "list the data LIFs of SVM \"%s\"", of(c)->d.svm.name);
	call_request(c, HTTP_GET, CALL_LIST_MAX,
		     "/network/ip/interfaces?services=data_nfs&svm.uuid=%s"
		     "&fields=name,ip.address,state,enabled",
		     uuid_format(&of(c)->d.svm.uuid, text));
	page_run(c, lif_record, lifs_end);
}

/* -- 3: the NFS service -- */

static void ask_nfs(struct call *c);

static void on_nfs(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct discover_call *dc = of(c);
	if (e && e->code == ONTAP_CODE_UNKNOWN_FIELD && !dc->nfs_all) {
		dc->nfs_all = true;
		ask_nfs(c);
		return;
	}
	if (e && (e->http_status == 403 || e->err == -EOPNOTSUPP || e->err == -ENOENT)) {
		log_info("the NFS service is not visible: %s", e->text);
		ask_lifs(c);
		return;
	}
	if (e) {
		call_end(c, e);
		return;
	}
	char why[160];
	struct json_object *rec;
	if (js_find(root, "records[0]", &rec) == 0) {
		if (nfs_service_parse(rec, &dc->d.nfs, why) < 0) {
			bad_record(c, why);
			return;
		}
	} /* an SVM without an NFS service has no record: known, and off */
	dc->d.nfs_known = true;
	ask_lifs(c);
}

static void ask_nfs(struct call *c)
{
	struct discover_call *dc = of(c);
	char text[UUID_TEXT_LEN + 1];
	if (c->o->version < VERSION_NFS_FIELDS)
		dc->nfs_all = true; /* which fields exist differs too much before 9.11 */
	call_what(c, "read the NFS service of SVM \"%s\"", dc->d.svm.name);
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/protocols/nfs/services?svm.uuid=%s&fields=%s",
		     uuid_format(&dc->d.svm.uuid, text), dc->nfs_all ? "*" : NFS_FIELDS);
	call_send(c, on_nfs);
}

/* -- 2: the SVM -- */

static int svm_record(struct call *c, struct json_object *rec)
{
	struct discover_call *dc = of(c);
	struct ontap_svm s;
	char why[160];
	if (svm_parse(rec, &s, why) < 0) {
		atomic_fetch_add(&c->o->counters.records_rejected, 1);
		log_warn("an SVM is left out: %s", why);
		return 0;
	}
	if (*dc->wanted && strcmp(dc->wanted, s.name) != 0)
		return 0;
	size_t used = strlen(dc->svm_names);
	if (dc->nsvms++ == 0)
		dc->d.svm = s;
	snprintf(dc->svm_names + used, sizeof(dc->svm_names) - used, "%s%.40s", used ? ", " : "",
		 s.name);
	return 0;
}

static void svms_end(struct call *c, const struct ontap_error *e)
{
	struct discover_call *dc = of(c);
	const char *k = *dc->d.cluster.name ? dc->d.cluster.name : http_who(c->o->http)->host;
	if (e)
		call_end(c, e);
	else if (dc->nsvms == 0 && *dc->wanted)
		call_fail(c, -ENOENT,
			  "SVM \"%s\" does not exist on cluster %s, or the account may not see it",
			  dc->wanted, k);
	else if (dc->nsvms == 0)
		call_fail(c, -ENOENT, "the account sees no SVM on cluster %s", k);
	else if (dc->nsvms > 1)
		call_fail(c, -EINVAL, "cluster %s has %zu SVMs (%s%s): name one with \"svm\"", k,
			  dc->nsvms, dc->svm_names, dc->nsvms > 3 ? ", ..." : "");
	else
		ask_nfs(c);
}

static void ask_svm(struct call *c)
{
	struct discover_call *dc = of(c);
	if (*dc->wanted)
		call_what(c, "find SVM \"%s\"", dc->wanted);
	else
		call_what(c, "list the SVMs");
	call_request(c, HTTP_GET, CALL_LIST_MAX, "/svm/svms?fields=name,uuid,state");
	if (*dc->wanted && !query_is_expression(dc->wanted))
		call_param(c, "name", dc->wanted);
	page_run(c, svm_record, svms_end);
}

/* -- 1: the cluster -- */

static void on_cluster(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	struct discover_call *dc = of(c);
	if (e) {
		call_end(c, e);
		return;
	}
	char why[160] = "no record";
	struct json_object *rec = page_instance(root);
	if (!rec || cluster_parse(rec, &dc->d.cluster, why) < 0) {
		bad_record(c, why);
		return;
	}
	c->o->version = dc->d.cluster.generation * 10000 + dc->d.cluster.major * 100 +
			dc->d.cluster.minor;
	ask_svm(c);
}

static void discover_start(struct call *c)
{
	snprintf(of(c)->wanted, sizeof(of(c)->wanted), "%s", c->o->svm_name);
	call_request(c, HTTP_GET, CALL_REPLY_MAX, "/cluster?fields=name,version");
	call_send(c, on_cluster);
}

static const struct call_ops ops = {sizeof(struct discover_call), discover_start, tell, discover_fini};

void ontap_discover(struct ontap *o, ontap_discover_fn fn, void *priv)
{
	struct call *c = call_new(o, &ops, (void (*)(void))fn, priv);
	if (!c)
		return;
	call_what(c, "read the cluster");
	of(c)->d.nfs.mount_root_only = true; /* ONTAP's default, should it stay unknown */
}
