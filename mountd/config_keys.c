/* The one table of keys, and how values get in.
 *
 * A default is written as the text that a user would write, and takes the same
 * way in; so what --help shows is what happens. Numbers are parsed here and not
 * by strtod, which follows the locale. */
#include "mountd/config_i.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "mountd/secret.h"
#include "ontap/ontap.h"

const char *const config_verb_names[CONFIG_NVERBS] = {
	"snapshot.create", "snapshot.delete", "snapshot.rename", "clone.create",
	"clone.delete",    "volume.create",   "volume.delete",   "volume.resize",
	"snapdir.enable",  "snapshot.retain", "foreign",         "snapmirror.update",
};

static const char *const snapdir_words[] = {"hidden", "visible", "off", NULL};
static const char *const lock_words[] = {"local", "none", NULL};
static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};

#define AT(field)  offsetof(struct config, field)
#define SEC(s)     ((s) * 1000LL)
#define ANY        0, INT64_MAX
#define TEXT_MAX_LEN 1, 1024

const struct config_key config_keys[] = {
	/* ---- a Trident backend file ---- */
	{"version", KEY_UINT, AT(version), "1", 1, 1, NULL, false, "version of the file format"},
	{"storageDriverName", KEY_TEXT, AT(storage_driver), "ontap-nas", TEXT_MAX_LEN, NULL, false,
	 "ontap-nas or ontap-nas-flexgroup"},
	{"backendName", KEY_TEXT, AT(backend_name), NULL, TEXT_MAX_LEN, NULL, false,
	 "a name for people"},
	{"managementLIF", KEY_LIST, AT(management_lifs), NULL, 1, 255, NULL, false,
	 "host name or address of ONTAP's management interface, with an optional :port; or a list, tried in turn"},
	{"dataLIF", KEY_LIST, AT(data_lifs), NULL, 1, 63, NULL, true,
	 "address, or list of addresses, of the data interfaces; without it all are discovered"},
	{"svm", KEY_TEXT, AT(svm), NULL, 1, 255, NULL, true,
	 "storage virtual machine; without it the only one that the account sees"},
	{"username", KEY_TEXT, AT(username), NULL, 1, 255, NULL, false, "ONTAP account"},
	{"password", KEY_SECRET, AT(password), NULL, 1, 4096, NULL, false, "its password"},
	{"clientCertificate", KEY_PEM, AT(client_cert_pem), NULL, ANY, NULL, false,
	 "client certificate instead of a password: PEM, base64 of PEM, or a path"},
	{"clientPrivateKey", KEY_PEM, AT(client_key_pem), NULL, ANY, NULL, false,
	 "its private key: PEM, base64 of PEM, or a path"},
	{"trustedCACertificate", KEY_PEM, AT(ca_pem), NULL, ANY, NULL, false,
	 "the only certificate to trust, the host name is not checked then: PEM, base64 of PEM, or "
	 "a path; without it the system's CAs are trusted"},
	{"storagePrefix", KEY_TEXT, AT(storage_prefix), NULL, 0, 255, NULL, false,
	 "prefix of the names of volumes that are made"},
	{"limitVolumeSize", KEY_SIZE, AT(limit_volume_size), "0", ANY, NULL, false,
	 "largest volume that may be made, 0 or empty: no limit"},
	{"skipRecoveryQueue", KEY_BOOL, AT(skip_recovery_queue), "false", ANY, NULL, false,
	 "deleted clones and volumes do not wait in ONTAP's recovery queue"},
	{"nfsMountOptions", KEY_TEXT, AT(nfs_mount_options), NULL, 0, 1024, NULL, false,
	 "nconnect, rsize, wsize, hard, soft, timeo, retrans are honoured"},
	{"defaults.size", KEY_SIZE, AT(default_size), "0", ANY, NULL, false,
	 "size of volumes that are made"},
	{"defaults.snapshotPolicy", KEY_TEXT, AT(snapshot_policy), NULL, 0, 255, NULL, false,
	 "snapshot policy of volumes that are made"},
	{"defaults.exportPolicy", KEY_TEXT, AT(export_policy), NULL, 0, 255, NULL, false,
	 "export policy of volumes that are made"},
	{"defaults.unixPermissions", KEY_TEXT, AT(unix_permissions), NULL, 0, 12, NULL, false,
	 "mode of the root of volumes that are made, such as 0755"},
	{"defaults.snapshotDir", KEY_BOOL, AT(snapshot_dir), "false", ANY, NULL, false,
	 "access to snapshots of volumes that are made"},
	{"defaults.spaceReserve", KEY_TEXT, AT(space_reserve), NULL, 0, 16, NULL, false,
	 "none (thin) or volume (thick)"},
	{"defaults.splitOnClone", KEY_BOOL, AT(split_on_clone), "false", ANY, NULL, false,
	 "a new clone is split from its parent at once"},

	/* ---- our own ---- */
	{"ontapfs.restPort", KEY_UINT, AT(rest_port), "443", 1, 65535, NULL, true, "port of the REST API"},
	{"ontapfs.nfsPort", KEY_UINT, AT(nfs_port), "2049", 0, 65535, NULL, true,
	 "port of NFS, 0: ask the portmapper"},
	{"ontapfs.mountPort", KEY_UINT, AT(mount_port), "0", 0, 65535, NULL, true,
	 "port of the MOUNT protocol, 0: ask the portmapper"},
	{"ontapfs.workers", KEY_UINT, AT(workers), "0", 0, 8, NULL, true,
	 "threads that serve requests, 0: one per core, at most 8"},
	{"ontapfs.attr_timeout", KEY_TIME, AT(attr_timeout_ns), "1", 0, SEC(3600), NULL, true,
	 "seconds that attributes and entries of live directories are cached"},
	{"ontapfs.snapshot_refresh", KEY_TIME, AT(snapshot_refresh_ns), "5", 100, SEC(86400), NULL, true,
	 "seconds until a snapshot made or deleted elsewhere is seen at the latest"},
	{"ontapfs.catalog_refresh", KEY_TIME, AT(catalog_refresh_ns), "30", SEC(1), SEC(86400), NULL,
	 true, "seconds between two readings of the list of volumes"},
	{"ontapfs.control_timeout", KEY_TIME, AT(control_timeout_ns), "30", SEC(1), SEC(3600), NULL,
	 true, "seconds after which a control verb fails with ETIMEDOUT"},
	{"ontapfs.verb_wait", KEY_TIME, AT(verb_wait_ns), "10", 100, SEC(3600), NULL, true,
	 "seconds that a control verb keeps its caller; longer work goes on after EINPROGRESS"},
	{"ontapfs.grace", KEY_TIME, AT(grace_ns), "30", 0, SEC(86400), NULL, true,
	 "seconds without a daemon after which requests fail with EIO"},
	{"ontapfs.slots", KEY_UINT, AT(slots), "1024", 64, 65536, NULL, true,
	 "requests that can be under way"},
	{"ontapfs.write_slots", KEY_UINT, AT(write_slots), "64", 8, 1024, NULL, true,
	 "writes that can be under way, up to 1 MiB each"},
	{"ontapfs.max_nodes", KEY_UINT, AT(max_nodes), "4194304", 1024, 16777216, NULL, true,
	 "files and directories that the kernel may know at once"},
	{"ontapfs.include", KEY_LIST, AT(include), NULL, 1, 255, NULL, true,
	 "patterns of volume names to show; without it all"},
	{"ontapfs.exclude", KEY_LIST, AT(exclude), NULL, 1, 255, NULL, true,
	 "patterns of volume names to leave out; wins over include"},
	{"ontapfs.snapdir", KEY_WORD, AT(snapdir), "hidden", ANY, snapdir_words, true,
	 "the snapshot directory: reachable by name only, listed as well, or not there"},
	{"ontapfs.snapdir_name", KEY_TEXT, AT(snapdir_name), ".snapshots", 1, 255, NULL, true,
	 "name of the snapshot directory"},
	{"ontapfs.allow", KEY_ALLOW, AT(allow),
	 "snapshot.create+snapshot.delete+snapshot.rename+clone.create+clone.delete", ANY, NULL, true,
	 "control verbs that users may use, each for all or, as VERB:gid=N, for one group"},
	{"ontapfs.admin_uids", KEY_UIDS, AT(admin_uids), NULL, ANY, NULL, true,
	 "users that count as admin besides root"},
	{"ontapfs.snapshots_per_volume", KEY_UINT, AT(snapshots_per_volume), "900", 1, 1023, NULL, true,
	 "snapshots of a volume above which none is made here"},
	{"ontapfs.clones_per_uid", KEY_UINT, AT(clones_per_uid), "20", 0, 100000, NULL, true,
	 "clones that one user may have"},
	{"ontapfs.verbs_per_minute", KEY_UINT, AT(verbs_per_minute), "60", 1, 100000, NULL, true,
	 "control verbs of one user in a minute"},
	{"ontapfs.clone_min", KEY_SIZE, AT(clone_min), "16MiB", ANY, NULL, true,
	 "bytes from which on a copy of a file is made by ONTAP, 0: never"},
	{"ontapfs.realm", KEY_TEXT, AT(realm), NULL, 1, 64, NULL, true,
	 "name space of the user ids in ownership records; without it the machine id"},
	{"ontapfs.audit_log", KEY_TEXT, AT(audit_log), NULL, 1, 4096, NULL, true,
	 "file that gets a JSON line for each control verb, or \"journal\" for the system's journal (journal:SOCKET "
	 "for another one); without it they go to the log"},
	{"ontapfs.read_ahead_kb", KEY_UINT, AT(read_ahead_kb), "4096", 0, 1048576, NULL, true,
	 "KiB that the kernel reads ahead"},
	{"ontapfs.max_background", KEY_UINT, AT(max_background), "64", 1, 65535, NULL, true,
	 "background requests that the kernel sends at once"},
	{"ontapfs.spin_us", KEY_UINT, AT(spin_us), "0", 0, 1000, NULL, true,
	 "microseconds that a worker polls before it sleeps, while at most one request is at work"},
	{"ontapfs.log_level", KEY_WORD, AT(log_level), "info", ANY, level_words, true, "what is logged"},
	{"ontapfs.lock", KEY_WORD, AT(lock), "local", ANY, lock_words, true,
	 "flock and fcntl locks: between the processes of this host, or refused"},
	{"ontapfs.password_file", KEY_TEXT, AT(password_file), NULL, TEXT_MAX_LEN, NULL, false,
	 "file whose first line is the password"},
	{"ontapfs.password_env", KEY_TEXT, AT(password_env), NULL, TEXT_MAX_LEN, NULL, false,
	 "environment variable that holds the password"},
	{"ontapfs.credential", KEY_TEXT, AT(credential), NULL, 1, 255, NULL, false,
	 "name of a systemd credential whose first line is the password"},
};
const size_t config_nkeys = ARRAY_LEN(config_keys);

const char *config_key_name(const struct config_key *k)
{
	const char *dot = strrchr(k->path, '.');
	return dot ? dot + 1 : k->path;
}

const struct config_key *config_key_find(const char *path)
{
	for (size_t i = 0; i < config_nkeys; i++)
		if (strcmp(config_keys[i].path, path) == 0)
			return &config_keys[i];
	return NULL;
}

static void *field(struct config *c, const struct config_key *k)
{
	return (char *)c + k->offset;
}

/* ---- the sentence for a value that does not fit ---------------------------- */

static int wrong(const struct config_key *k, char err[512])
{
	struct buf b;
	buf_init(&b, 400);
	config_key_range(k, &b);
	const char *range = b.data ? b.data : "";
	switch (k->type) {
	case KEY_UINT:
		snprintf(err, 512, "\"%s\" must be a whole number, %s", k->path, range);
		break;
	case KEY_TIME:
		snprintf(err, 512, "\"%s\" must be a number of seconds, %s", k->path, range);
		break;
	case KEY_SIZE:
		snprintf(err, 512, "\"%s\" must be a size, such as 16777216 or \"16MiB\"", k->path);
		break;
	case KEY_BOOL:
		snprintf(err, 512, "\"%s\" must be true or false", k->path);
		break;
	case KEY_WORD:
		snprintf(err, 512, "\"%s\" must be one of: %s", k->path, range);
		break;
	case KEY_LIST:
		snprintf(err, 512, "\"%s\" must be a list of texts, each up to %" PRId64 " bytes", k->path,
			 k->max);
		break;
	case KEY_ALLOW:
		snprintf(err, 512, "\"%s\" must be a list of \"VERB\", \"VERB:gid=N\" or "
			 "{\"verb\": \"VERB\", \"gid\": N}", k->path);
		break;
	case KEY_UIDS:
		snprintf(err, 512, "\"%s\" must be a list of user ids, 0 to 4294967294", k->path);
		break;
	case KEY_PEM:
		snprintf(err, 512, "\"%s\" must be PEM text, base64 of PEM, or the absolute path of a PEM file",
			 k->path);
		break;
	default:
		if (k->min > 0)
			snprintf(err, 512, "\"%s\" must be a text of %" PRId64 " to %" PRId64 " bytes", k->path,
				 k->min, k->max);
		else
			snprintf(err, 512, "\"%s\" must be a text of at most %" PRId64 " bytes", k->path,
				 k->max);
	}
	buf_fini(&b);
	return -EINVAL;
}

static int no_memory(char err[512])
{
	snprintf(err, 512, "out of memory");
	return -ENOMEM;
}

/* ---- numbers from text -------------------------------------------------- */

/* Digits with an optional fraction; *end is behind them. */
static bool take_decimal(const char *s, const char **end, double *ret)
{
	double v = 0, unit = 1;
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (*s - '0');
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++) {
			unit /= 10;
			v += unit * (*s - '0');
		}
	}
	*end = s;
	*ret = v;
	return true;
}

/* "16MiB", "16Mi", "50Gi" count in 1024, "16MB", "16M" in 1000. */
static bool take_size(const char *s, uint64_t *ret)
{
	static const char units[] = "KMGTP";
	double v;
	if (*s == '\0') { /* Trident writes an empty text for no limit */
		*ret = 0;
		return true;
	}
	if (!take_decimal(s, &s, &v))
		return false;
	while (*s == ' ')
		s++;
	char u = *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s;
	const char *hit = u ? strchr(units, u) : NULL;
	if (hit) {
		s++;
		double base = *s == 'i' ? 1024 : 1000;
		if (*s == 'i')
			s++;
		for (const char *p = units; p <= hit; p++)
			v *= base;
	}
	if (*s == 'B' || *s == 'b')
		s++;
	if (*s || v >= 9e18)
		return false;
	*ret = (uint64_t)(v + 0.5);
	return true;
}

/* ---- typed setters ------------------------------------------------------ */

static int set_uint(struct config *c, const struct config_key *k, int64_t v, char err[512])
{
	if (v < k->min || v > k->max)
		return wrong(k, err);
	*(uint32_t *)field(c, k) = (uint32_t)v;
	return 0;
}

static int set_seconds(struct config *c, const struct config_key *k, double s, char err[512])
{
	if (!(s * 1000 >= (double)k->min && s * 1000 <= (double)k->max)) /* also refuses NaN */
		return wrong(k, err);
	*(int64_t *)field(c, k) = (int64_t)(s * 1e9 + 0.5);
	return 0;
}

/* "30", "0.5", "30s", "500ms" */
static bool take_seconds(const char *text, double *ret)
{
	const char *end;
	double v;
	if (!take_decimal(text, &end, &v))
		return false;
	if (strcmp(end, "ms") == 0)
		v /= 1000;
	else if (*end && strcmp(end, "s") != 0)
		return false;
	*ret = v;
	return true;
}

static bool one_line(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

static int set_text(struct config *c, const struct config_key *k, const char *text, char err[512])
{
	int64_t n = (int64_t)strlen(text);
	if (n < k->min || n > k->max || !one_line(text))
		return wrong(k, err);
	char *copy = strdup(text);
	if (!copy)
		return no_memory(err);
	secret_free((char **)field(c, k));
	*(char **)field(c, k) = copy;
	return 0;
}

static int set_pem(struct config *c, const struct config_key *k, const char *text, char err[512])
{
	char *pem;
	if (*text == '\0') /* as good as not given */
		return 0;
	int r = secret_pem(text, &pem);
	if (r == -EINVAL)
		return wrong(k, err);
	if (r < 0) {
		snprintf(err, 512, "\"%s\": cannot read %s: %s", k->path, *text == '/' ? text : "it",
			 strerror(-r));
		return -EINVAL;
	}
	secret_free((char **)field(c, k));
	*(char **)field(c, k) = pem;
	return 0;
}

static int set_word(struct config *c, const struct config_key *k, const char *text, char err[512])
{
	for (uint32_t i = 0; k->words[i]; i++) {
		if (strcmp(k->words[i], text) == 0) {
			*(uint32_t *)field(c, k) = i;
			return 0;
		}
	}
	return wrong(k, err);
}

static int set_bool(struct config *c, const struct config_key *k, const char *text, char err[512])
{
	bool yes = strcmp(text, "true") == 0;
	if (!yes && strcmp(text, "false") != 0)
		return *text ? wrong(k, err) : 0;
	*(bool *)field(c, k) = yes;
	return 0;
}

static void free_list(char **l)
{
	for (size_t i = 0; l && l[i]; i++)
		free(l[i]);
	free(l);
}

/* A list being read; lands in the configuration only when it is whole. */
struct draft {
	const struct config_key *k;
	char **texts;     /* KEY_LIST */
	uint32_t *uids;   /* KEY_UIDS */
	size_t n;
	uint32_t allow;
	int64_t gid[CONFIG_NVERBS];
};

static int draft_init(struct draft *d, const struct config_key *k, size_t max, char err[512])
{
	*d = (struct draft){.k = k};
	for (size_t i = 0; i < CONFIG_NVERBS; i++)
		d->gid[i] = -1;
	d->texts = calloc(max + 1, sizeof(*d->texts));
	d->uids = calloc(max + 1, sizeof(*d->uids));
	return d->texts && d->uids ? 0 : no_memory(err);
}

static void draft_fini(struct draft *d)
{
	free_list(d->texts);
	free(d->uids);
}

static int draft_verb(struct draft *d, const char *verb, size_t len, int64_t gid, char err[512])
{
	for (uint32_t i = 0; i < CONFIG_NVERBS; i++) {
		if (strlen(config_verb_names[i]) != len || strncmp(config_verb_names[i], verb, len) != 0)
			continue;
		if (d->allow & 1u << i) {
			snprintf(err, 512, "\"%s\" names %s twice; a verb has one group", d->k->path,
				 config_verb_names[i]);
			return -EINVAL;
		}
		d->allow |= 1u << i;
		d->gid[i] = gid;
		return 0;
	}
	int used = snprintf(err, 512, "\"%s\" knows no verb \"%.*s\"; there are: ", d->k->path,
			    (int)MIN_OF(len, (size_t)40), verb);
	for (size_t i = 0; i < CONFIG_NVERBS && used < 512; i++)
		used += snprintf(err + used, 512 - (size_t)used, "%s%s", i ? ", " : "",
				 config_verb_names[i]);
	return -EINVAL;
}

bool config_number(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > UINT32_MAX)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*ret = v;
	return true;
}

/* Up to 2^32 - 2, the largest id that is not "none". */
static bool take_id(const char *s, uint32_t *ret)
{
	uint64_t v;
	if (!config_number(s, &v) || v >= UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static int draft_text(struct draft *d, const char *item, char err[512])
{
	const struct config_key *k = d->k;
	uint32_t id;
	if (k->type == KEY_UIDS) {
		if (!take_id(item, &id))
			return wrong(k, err);
		d->uids[d->n++] = id;
		return 0;
	}
	if (k->type == KEY_ALLOW) {
		size_t n = strcspn(item, ":");
		if (!item[n])
			return draft_verb(d, item, n, -1, err);
		if (strncmp(item + n, ":gid=", 5) != 0 || !take_id(item + n + 5, &id))
			return wrong(k, err);
		return draft_verb(d, item, n, id, err);
	}
	int64_t n = (int64_t)strlen(item);
	if (n < k->min || n > k->max || !one_line(item))
		return wrong(k, err);
	d->texts[d->n] = strdup(item);
	return d->texts[d->n++] ? 0 : no_memory(err);
}

static void draft_commit(struct draft *d, struct config *c)
{
	switch (d->k->type) {
	case KEY_UIDS:
		free(c->admin_uids);
		c->admin_uids = steal_ptr(d->uids);
		c->nadmin_uids = d->n;
		break;
	case KEY_ALLOW:
		c->allow = d->allow;
		memcpy(c->allow_gid, d->gid, sizeof(c->allow_gid));
		break;
	default:
		free_list(*(char ***)field(c, d->k));
		*(char ***)field(c, d->k) = d->n ? steal_ptr(d->texts) : NULL;
	}
}

static int set_list(struct config *c, const struct config_key *k, const char *text, char err[512])
{
	cleanup_free char *copy = strdup(text);
	struct draft d;
	if (!copy)
		return no_memory(err);
	int r = draft_init(&d, k, strlen(text) + 1, err);
	for (char *save = NULL, *w = strtok_r(copy, "+", &save); w && r == 0;
	     w = strtok_r(NULL, "+", &save))
		r = draft_text(&d, w, err);
	if (r == 0)
		draft_commit(&d, c);
	draft_fini(&d);
	return r;
}

int config_key_set(struct config *c, const struct config_key *k, const char *text, char err[512])
{
	double number;
	uint64_t whole;
	switch (k->type) {
	case KEY_UINT:
		return config_number(text, &whole) ? set_uint(c, k, (int64_t)whole, err) : wrong(k, err);
	case KEY_TIME:
		return take_seconds(text, &number) ? set_seconds(c, k, number, err) : wrong(k, err);
	case KEY_SIZE:
		return take_size(text, (uint64_t *)field(c, k)) ? 0 : wrong(k, err);
	case KEY_BOOL:
		return set_bool(c, k, text, err);
	case KEY_WORD:
		return set_word(c, k, text, err);
	case KEY_PEM:
		return set_pem(c, k, text, err);
	case KEY_LIST:
	case KEY_ALLOW:
	case KEY_UIDS:
		return set_list(c, k, text, err);
	case KEY_TEXT:
	case KEY_SECRET:
		break;
	}
	return set_text(c, k, text, err);
}

int config_key_defaults(struct config *c, char err[512])
{
	int r = 0;
	for (size_t i = 0; i < config_nkeys && r == 0; i++)
		if (config_keys[i].def)
			r = config_key_set(c, &config_keys[i], config_keys[i].def, err);
	return r;
}

/* ---- from JSON ---------------------------------------------------------- */

static int read_item(struct draft *d, const struct ontap_json *j, const char *path, char err[512])
{
	const char *text;
	int64_t n;
	char sub[160];
	if (d->k->type == KEY_UIDS) {
		if (ontap_json_int(j, path, 0, UINT32_MAX - 1, &n) < 0)
			return wrong(d->k, err);
		d->uids[d->n++] = (uint32_t)n;
		return 0;
	}
	if (ontap_json_str(j, path, &text) == 0)
		return draft_text(d, text, err);
	if (d->k->type != KEY_ALLOW)
		return wrong(d->k, err);
	snprintf(sub, sizeof(sub), "%s.verb", path);
	if (ontap_json_str(j, sub, &text) < 0)
		return wrong(d->k, err);
	snprintf(sub, sizeof(sub), "%s.gid", path);
	int r = ontap_json_int(j, sub, 0, UINT32_MAX - 1, &n);
	if (r < 0 && r != -ENOENT)
		return wrong(d->k, err);
	return draft_verb(d, text, strlen(text), r == 0 ? n : -1, err);
}

static int read_list(struct config *c, const struct config_key *k, const struct ontap_json *j,
		     char err[512])
{
	struct draft d;
	const char *text;
	int n = ontap_json_len(j, k->path);
	bool single = k->type == KEY_LIST && ontap_json_str(j, k->path, &text) == 0;
	if (single && *text == '\0') /* Trident files have "dataLIF": "" */
		return 0;
	if (n < 0 && !single)
		return wrong(k, err);
	int r = draft_init(&d, k, single ? 1 : (size_t)n, err);
	if (r == 0 && single)
		r = draft_text(&d, text, err);
	for (int i = 0; !single && i < n && r == 0; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s[%d]", k->path, i);
		r = read_item(&d, j, path, err);
	}
	if (r == 0)
		draft_commit(&d, c);
	draft_fini(&d);
	return r;
}

int config_key_read(struct config *c, const struct config_key *k, const struct ontap_json *j,
		    char err[512])
{
	const char *text = NULL;
	int64_t n;
	double number;
	bool yes;
	int r = ontap_json_str(j, k->path, &text);
	if (r == -ENOENT)
		return 0;
	bool is_text = r == 0;
	switch (k->type) {
	case KEY_UINT:
		r = ontap_json_int(j, k->path, k->min, k->max, &n);
		return r < 0 ? wrong(k, err) : set_uint(c, k, n, err);
	case KEY_TIME:
		r = ontap_json_double(j, k->path, &number);
		return r < 0 ? wrong(k, err) : set_seconds(c, k, number, err);
	case KEY_SIZE:
		if (is_text)
			return config_key_set(c, k, text, err);
		if (ontap_json_int(j, k->path, 0, INT64_MAX, &n) < 0)
			return wrong(k, err);
		*(uint64_t *)field(c, k) = (uint64_t)n;
		return 0;
	case KEY_BOOL:
		if (is_text) /* Trident files quote them */
			return config_key_set(c, k, text, err);
		if (ontap_json_bool(j, k->path, &yes) < 0)
			return wrong(k, err);
		*(bool *)field(c, k) = yes;
		return 0;
	case KEY_LIST:
	case KEY_ALLOW:
	case KEY_UIDS:
		return read_list(c, k, j, err);
	case KEY_TEXT:
	case KEY_SECRET:
	case KEY_PEM:
	case KEY_WORD:
		break;
	}
	if (!is_text)
		return wrong(k, err);
	/* An empty text is what generators write for "not given". */
	if (*text == '\0' && k->min > 0 && (k->type == KEY_TEXT || k->type == KEY_SECRET))
		return 0;
	return config_key_set(c, k, text, err);
}
