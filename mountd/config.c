/* Reading a configuration: which file, what is in it, and what it means.
 *
 * The file is read as secrets are: into memory that is wiped, refused when
 * others may read it although it holds one. */
#include "mountd/config_i.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/secret.h"
#include "ontap/ontap.h"

#define CONFIG_MAX_BYTES (1u << 20)
#define CONFIG_DIR       "/etc/ontapfs"

/* What Trident knows and a mount has no use for: no warning. */
static const char *const trident_keys[] = {
	"limitAggregateUsage", "limitVolumePoolSize", "autoExportPolicy", "autoExportCIDRs",
	"nasType", "labels", "storage", "region", "zone", "debugTraceFlags", "debug", "useREST",
	"aggregate", "flexgroupAggregateList", "denyNewVolumePools", "replicationPolicy",
	"replicationSchedule", "smbShare", "usageHeartbeat", "emptyFlexvolDeferredDeletePeriod",
	"cloneSplitDelay", "qtreePruneFlexvolsPeriod", "qtreeQuotaResizePeriod", "qtreesPerFlexvol",
	"lunsPerFlexvol", "credentials", "disableDelete", "driverContext", "supportedTopologies",
	"userState", "nameTemplate", "adAdminUser", "useCHAP", "igroupName", "sanType",
	"defaults.snapshotReserve", "defaults.encryption", "defaults.tieringPolicy",
	"defaults.securityStyle", "defaults.qosPolicy", "defaults.adaptiveQosPolicy",
	"defaults.fileSystemType", "defaults.formatOptions", "defaults.luksEncryption",
	"defaults.mirroring", "defaults.nameTemplate", "defaults.skipRecoveryQueue",
	"defaults.spaceAllocation", "defaults.adAdminUser", "defaults.limitVolumePoolSize",
};

/* ---- small parts -------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void warn(struct config *c, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("%s: %s", c->source, text);
	c->warnings++;
}

struct unknown {
	struct config *c;
	const char *section; /* "", "defaults.", "ontapfs." */
};

static void check_key(const char *key, void *priv)
{
	struct unknown *u = priv;
	char path[200];
	if (!*u->section && (strcmp(key, "defaults") == 0 || strcmp(key, "ontapfs") == 0))
		return;
	snprintf(path, sizeof(path), "%s%s", u->section, key);
	if (config_key_find(path))
		return;
	for (size_t i = 0; i < ARRAY_LEN(trident_keys); i++)
		if (strcmp(trident_keys[i], path) == 0)
			return;
	warn(u->c, "key \"%s\" is not known and is ignored", path);
}

static int check_keys(struct config *c, const struct ontap_json *j, char err[512])
{
	static const char *const section[] = {"", "defaults", "ontapfs"};
	for (size_t i = 0; i < ARRAY_LEN(section); i++) {
		char prefix[32];
		snprintf(prefix, sizeof(prefix), "%s%s", section[i], *section[i] ? "." : "");
		struct unknown u = {.c = c, .section = prefix};
		int r = ontap_json_keys(j, section[i], check_key, &u);
		if (r < 0 && r != -ENOENT) {
			if (*section[i])
				snprintf(err, 512, "\"%s\" must be an object, {...}", section[i]);
			else
				snprintf(err, 512, "the file must hold one JSON object, {...}");
			return -EINVAL;
		}
	}
	return 0;
}

static bool host_text(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:");
	return n > 0 && s[n] == '\0' && *s != '-' && *s != '.';
}

/* Splits "host", "host:port", "[v6]", "[v6]:port" or a bare v6 address; *port
 * stays as it is when there is none. The host is written over s. */
static bool split_host(char *s, uint32_t *port)
{
	char *colon = NULL, *rest = s;
	struct in6_addr v6;
	if (*s == '[') {
		char *close = strchr(s, ']');
		if (!close)
			return false;
		*close = '\0';
		memmove(s, s + 1, strlen(s)); /* with its NUL */
		rest = close + 1;
		if (*rest && *rest != ':')
			return false;
		colon = *rest ? rest : NULL;
		if (inet_pton(AF_INET6, s, &v6) != 1)
			return false;
	} else {
		colon = strchr(s, ':');
		if (colon && strchr(colon + 1, ':')) /* several: an IPv6 address */
			return inet_pton(AF_INET6, s, &v6) == 1;
	}
	if (colon) {
		uint64_t v;
		if (!config_number(colon + 1, &v) || v < 1 || v > 65535)
			return false;
		*colon = '\0';
		*port = (uint32_t)v;
	}
	return host_text(s);
}

/* ---- what the values mean together --------------------------------------- */

static int check_driver(const struct config *c, char err[512])
{
	const char *d = c->storage_driver;
	if (strcmp(d, "ontap-nas") == 0 || strcmp(d, "ontap-nas-flexgroup") == 0)
		return 0;
	if (strcmp(d, "ontap-nas-economy") == 0)
		snprintf(err, 512, "\"storageDriverName\" ontap-nas-economy puts qtrees in place of volumes, "
			 "which have no snapshots of their own: use ontap-nas or ontap-nas-flexgroup");
	else
		snprintf(err, 512, "\"storageDriverName\" is \"%.100s\": only ontap-nas and "
			 "ontap-nas-flexgroup are supported", d);
	return -EINVAL;
}

static int check_lifs(struct config *c, bool port_given, char err[512])
{
	if (!c->management_lifs) {
		snprintf(err, 512, "\"managementLIF\" is missing: set it to the address of ONTAP's "
			 "management interface");
		return -EINVAL;
	}
	uint32_t port = 0;
	for (size_t i = 0; c->management_lifs[i]; i++) {
		uint32_t own = 0;
		if (i >= CONFIG_MANAGEMENT_MAX) {
			snprintf(err, 512, "\"managementLIF\" holds more than %d addresses", CONFIG_MANAGEMENT_MAX);
			return -EINVAL;
		}
		if (!split_host(c->management_lifs[i], &own)) {
			snprintf(err, 512, "\"managementLIF\" must be a host name or an address");
			return -EINVAL;
		}
		if (own && port && own != port) {
			snprintf(err, 512, "\"managementLIF\" names the ports %u and %u: all must have the same", port,
				 own);
			return -EINVAL;
		}
		port = own ? own : port;
	}
	if (port && !port_given)
		c->rest_port = port;
	for (size_t i = 0; c->data_lifs && c->data_lifs[i]; i++) {
		uint32_t none = 0;
		if (i >= CONFIG_LIFS_MAX) {
			snprintf(err, 512, "\"dataLIF\" holds more than %d addresses", CONFIG_LIFS_MAX);
			return -EINVAL;
		}
		if (!split_host(c->data_lifs[i], &none) || none) {
			snprintf(err, 512, "\"dataLIF\" must hold addresses without port; the port is "
				 "\"ontapfs.nfsPort\"");
			return -EINVAL;
		}
	}
	return 0;
}

static int check_names(const struct config *c, char err[512])
{
	const char *n = c->snapdir_name;
	if (strchr(n, '/') || strcmp(n, ".") == 0 || strcmp(n, "..") == 0 ||
	    strcmp(n, ".snapshot") == 0) {
		snprintf(err, 512, "\"ontapfs.snapdir_name\" must be a file name other than .snapshot");
		return -EINVAL;
	}
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@-";
	if (c->realm && strspn(c->realm, plain) != strlen(c->realm)) {
		snprintf(err, 512, "\"ontapfs.realm\" may hold letters, digits and . _ : @ - only");
		return -EINVAL;
	}
	return 0;
}

static int check_all(struct config *c, bool port_given, char err[512])
{
	int r = check_driver(c, err);
	if (r == 0)
		r = check_lifs(c, port_given, err);
	return r < 0 ? r : check_names(c, err);
}

/* ---- nfsMountOptions ---------------------------------------------------- */

static int nfs_number(const char *word, const char *value, uint32_t min, uint32_t max,
		      uint32_t *ret, char err[512])
{
	uint64_t v;
	if (!value || !config_number(value, &v) || v < min || v > max) {
		snprintf(err, 512, "\"nfsMountOptions\": %.60s must be a whole number, %u to %u", word, min,
			 max);
		return -EINVAL;
	}
	*ret = (uint32_t)v;
	return 1;
}

/* timeo, retrans and soft together make the deadline; kept between words. */
struct nfs_soft {
	bool soft;
	uint32_t timeo_ds, retrans;
};

static int nfs_word(struct config *c, struct nfs_soft *s, const char *word, char err[512])
{
	char name[32];
	size_t n = strcspn(word, "=");
	const char *value = word[n] ? word + n + 1 : NULL;
	snprintf(name, sizeof(name), "%.*s", (int)MIN_OF(n, sizeof(name) - 1), word);
	uint32_t size;
	int r;
	if (strcmp(name, "nconnect") == 0)
		return nfs_number(name, value, 1, 16, &c->nconnect, err);
	if (strcmp(name, "rsize") == 0 || strcmp(name, "wsize") == 0) {
		/* nfs(5): rounded and cut to what is possible, without complaint */
		r = nfs_number(name, value, 1024, UINT32_MAX, &size, err);
		if (r < 0)
			return r;
		size = MIN_OF(size, 1u << 20) / 1024 * 1024;
		*(*name == 'r' ? &c->rsize : &c->wsize) = size;
		return 1;
	}
	if (strcmp(name, "timeo") == 0)
		return nfs_number(name, value, 1, 100000, &s->timeo_ds, err);
	if (strcmp(name, "retrans") == 0)
		return nfs_number(name, value, 0, 1000, &s->retrans, err);
	if (!value && (strcmp(name, "hard") == 0 || strncmp(name, "soft", 4) == 0)) {
		s->soft = *name == 's'; /* also softerr */
		return 1;
	}
	return 0;
}

static void nfs_soft_apply(struct config *c, const struct nfs_soft *s)
{
	/* nfs(5): a soft request fails after retrans retransmissions, timeo
	 * tenths of a second each. */
	c->soft_ns = s->soft ? (int64_t)s->timeo_ds * (s->retrans + 1) * (NS_PER_SEC / 10) : 0;
}

#define NFS_SOFT_DEFAULT {.timeo_ds = 600, .retrans = 2}

/* What to say of a word that does nothing here: NULL is nothing at all. */
static const char *nfs_ignored(const char *word)
{
	static const char *const quiet[] = {"vers=3", "nfsvers=3", "proto=tcp", "tcp", "rw", "lock",
					    "fg", "bg", "noatime", "nodiratime", "relatime", "nosuid",
					    "nodev", "_netdev", "cto", "acl", "defaults"};
	for (size_t i = 0; i < ARRAY_LEN(quiet); i++)
		if (strcmp(word, quiet[i]) == 0)
			return NULL;
	if (strncmp(word, "vers=4", 6) == 0 || strncmp(word, "nfsvers=4", 9) == 0 ||
	    strncmp(word, "minorversion=", 13) == 0 || strncmp(word, "proto=rdma", 10) == 0 ||
	    strcmp(word, "rdma") == 0)
		return "NFSv3 over TCP is used instead";
	return "it has no meaning here";
}

static int nfs_each(struct config *c, struct nfs_soft *s, bool say, const char *text, char err[512])
{
	cleanup_free char *copy = strdup(text);
	if (!copy) {
		snprintf(err, 512, "out of memory");
		return -ENOMEM;
	}
	bool said_version = false;
	/* Trident's value is a command line: "-o nconnect=4,hard" */
	for (char *save = NULL, *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		if (strcmp(w, "-o") == 0)
			continue;
		int r = nfs_word(c, s, w, err);
		if (r < 0)
			return r;
		const char *why = r == 0 ? nfs_ignored(w) : NULL;
		bool version = why && strstr(why, "NFSv3");
		if (why && say && !(version && said_version))
			warn(c, "\"nfsMountOptions\": \"%.60s\" is ignored: %s", w, why);
		said_version = said_version || version;
	}
	return 0;
}

int config_nfs_options(struct config *c, char err[512])
{
	struct nfs_soft s = NFS_SOFT_DEFAULT;
	c->nconnect = 1;
	int r = c->nfs_mount_options ? nfs_each(c, &s, true, c->nfs_mount_options, err) : 0;
	if (r == 0)
		nfs_soft_apply(c, &s);
	return r;
}

int config_nfs_word(struct config *c, const char *word, char err[512])
{
	struct nfs_soft probe = NFS_SOFT_DEFAULT, s = NFS_SOFT_DEFAULT;
	struct buf all;
	int r = nfs_word(c, &probe, word, err);
	if (r <= 0)
		return r;
	/* Later words win: append, and read the whole list again. */
	buf_init(&all, 2048);
	if (c->nfs_mount_options)
		buf_printf(&all, "%s,", c->nfs_mount_options);
	buf_puts(&all, word);
	char *text = buf_steal(&all, NULL);
	if (!text) {
		buf_fini(&all);
		snprintf(err, 512, "\"nfsMountOptions\" is too long");
		return -EINVAL;
	}
	free(c->nfs_mount_options);
	c->nfs_mount_options = text;
	r = nfs_each(c, &s, false, text, err);
	if (r == 0)
		nfs_soft_apply(c, &s);
	return r < 0 ? r : 1;
}

/* ---- the login ---------------------------------------------------------- */

static int replace(char **dst, const char *text, char err[512])
{
	char *copy = strdup(text);
	if (!copy) {
		snprintf(err, 512, "out of memory");
		return -ENOMEM;
	}
	secret_free(dst);
	*dst = copy;
	return 0;
}

static int password_from_file(struct config *c, const char *path, const char *key, char err[512])
{
	mode_t mode = 0;
	char *line;
	int r = secret_read_line(path, &line, &mode);
	if (r < 0) {
		snprintf(err, 512, "\"ontapfs.%s\": cannot read the password from %s: %s", key, path,
			 r == -ENODATA ? "its first line is empty" : strerror(-r));
		return r == -EACCES ? r : -EINVAL;
	}
	if (mode & 007) {
		snprintf(err, 512, "\"ontapfs.%s\": others may read the password in %s (mode %03o): run chmod 600 "
			 "on it; for a secret of Kubernetes set defaultMode", key, path, (unsigned)mode & 0777);
		secret_free(&line);
		return -EACCES;
	}
	if (mode & 077) /* container platforms give secrets to a group; still worth a word */
		warn(c, "the password file %s may be read by its group: chmod 600", path);
	secret_free(&c->password);
	c->password = line;
	return 0;
}

static int password_from_credential(struct config *c, char err[512])
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];
	if (!dir) {
		snprintf(err, 512, "\"ontapfs.credential\" needs systemd: the unit must have "
			 "LoadCredential=%.100s:FILE", c->credential);
		return -EINVAL;
	}
	if (strchr(c->credential, '/')) {
		snprintf(err, 512, "\"ontapfs.credential\" must be a name, not a path");
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, c->credential);
	return password_from_file(c, path, "credential", err);
}

static int find_password(struct config *c, char err[512])
{
	int ways = (c->password != NULL) + (c->password_file != NULL) + (c->password_env != NULL) +
		   (c->credential != NULL);
	if (ways > 1) {
		snprintf(err, 512, "the password has several sources: keep one of \"password\", "
			 "\"ontapfs.password_file\", \"ontapfs.password_env\", \"ontapfs.credential\"");
		return -EINVAL;
	}
	if (c->password_file)
		return password_from_file(c, c->password_file, "password_file", err);
	if (c->credential)
		return password_from_credential(c, err);
	if (c->password_env) {
		const char *v = getenv(c->password_env);
		if (!v || !*v) {
			snprintf(err, 512, "\"ontapfs.password_env\": the environment variable %.100s is not set",
				 c->password_env);
			return -EINVAL;
		}
		return replace(&c->password, v, err);
	}
	return 0;
}

static int check_login(const struct config *c, bool has_credentials, char err[512])
{
	bool cert = c->client_cert_pem != NULL, key = c->client_key_pem != NULL;
	if (cert != key) {
		snprintf(err, 512, "\"%s\" is missing: a client certificate and its key go together",
			 cert ? "clientPrivateKey" : "clientCertificate");
		return -EINVAL;
	}
	if (cert || (c->username && c->password))
		return 0;
	if (has_credentials)
		snprintf(err, 512, "\"credentials\" names a Kubernetes secret, which cannot be read here: set "
			 "\"username\" and \"password\" or \"ontapfs.password_file\"");
	else if (c->username)
		snprintf(err, 512, "the password of user %.100s is missing: set \"password\", "
			 "\"ontapfs.password_file\", \"ontapfs.password_env\" or \"ontapfs.credential\"",
			 c->username);
	else
		snprintf(err, 512, "there is no login: set \"username\" and \"password\", or "
			 "\"clientCertificate\" and \"clientPrivateKey\"");
	return -EINVAL;
}

/* ---- the file ----------------------------------------------------------- */

/* A key given inside the file, not as a path to another one. */
static bool inline_secret(const struct ontap_json *j)
{
	const char *v;
	if (ontap_json_str(j, "password", &v) == 0 && *v)
		return true;
	return ontap_json_str(j, "clientPrivateKey", &v) == 0 && *v && *v != '/';
}

static int read_tree(struct config *c, const struct ontap_json *j, mode_t mode, char err[512])
{
	int r = check_keys(c, j, err);
	if (r < 0)
		return r;
	if (inline_secret(j) && (mode & 077)) {
		snprintf(err, 512, "it holds a password or a key and others may read it (mode %03o): "
			 "run chmod 600 on it", (unsigned)mode & 0777);
		return -EACCES;
	}
	for (size_t i = 0; i < config_nkeys && r == 0; i++)
		r = config_key_read(c, &config_keys[i], j, err);
	if (r == 0)
		r = config_nfs_options(c, err);
	if (r == 0)
		r = find_password(c, err);
	int64_t port;
	if (r == 0)
		r = check_all(c, ontap_json_int(j, "ontapfs.restPort", 1, 65535, &port) == 0, err);
	bool credentials = ontap_json_len(j, "credentials") != -ENOENT;
	return r < 0 ? r : check_login(c, credentials, err);
}

static int read_file(struct config *c, const char *path, char err[512])
{
	char *text;
	size_t len;
	mode_t mode;
	int r = secret_read_file(path, CONFIG_MAX_BYTES, &text, &len, &mode);
	if (r < 0) {
		snprintf(err, 512, "cannot read the configuration: %s",
			 r == -EFBIG ? "it is larger than 1 MiB" :
			 r == -EINVAL ? "it is not a regular file" : strerror(-r));
		return r;
	}
	char why[256];
	struct ontap_json *j = ontap_json_parse(text, len, why);
	secret_free_len(text, len);
	if (!j) {
		snprintf(err, 512, "not valid JSON: %s", why);
		return -EINVAL;
	}
	r = read_tree(c, j, mode, err);
	ontap_json_free(j);
	return r;
}

/* ---- HOST[:SVM] --------------------------------------------------------- */

static int login_from_env(struct config *c, char err[512])
{
	const char *user = getenv("ONTAPFS_USERNAME"), *password = getenv("ONTAPFS_PASSWORD");
	if (!user || !*user || !password || !*password) {
		snprintf(err, 512, "there is no such file, and as a host name it needs a login: set "
			 "ONTAPFS_USERNAME and ONTAPFS_PASSWORD, or write " CONFIG_DIR "/%.100s.json",
			 c->management_lifs[0]);
		return -EINVAL;
	}
	int r = replace(&c->username, user, err);
	return r < 0 ? r : replace(&c->password, password, err);
}

static int read_host(struct config *c, char err[512])
{
	char host[512], path[640];
	const char *src = c->source, *svm = NULL;
	size_t n = strlen(src);
	const char *close = *src == '[' ? strchr(src, ']') : NULL;
	const char *colon = strchr(close ? close : src, ':');
	if (colon && (close || !strchr(colon + 1, ':'))) {
		svm = colon + 1;
		n = (size_t)(colon - src);
	}
	uint32_t port = 0;
	if (n == 0 || n >= sizeof(host) / 2 || (svm && (!*svm || strlen(svm) > 255))) {
		snprintf(err, 512, "it is neither a file nor HOST[:SVM]");
		return -EINVAL;
	}
	memcpy(host, src, n);
	host[n] = '\0';
	if (!split_host(host, &port)) {
		snprintf(err, 512, "it is neither a file nor HOST[:SVM]");
		return -EINVAL;
	}
	int r = config_key_set(c, config_key_find("managementLIF"), host, err);
	if (r == 0 && svm)
		r = replace(&c->svm, svm, err);
	snprintf(path, sizeof(path), CONFIG_DIR "/%s.json", host);
	if (r < 0)
		return r;
	if (access(path, F_OK) == 0) {
		r = read_file(c, path, err); /* its managementLIF, if any, wins */
		return r < 0 || !svm ? r : replace(&c->svm, svm, err);
	}
	r = login_from_env(c, err);
	if (r == 0)
		r = config_nfs_options(c, err);
	return r < 0 ? r : check_all(c, false, err);
}

/* ---- the door ----------------------------------------------------------- */

int config_load(const char *source, struct config *ret, char err[512])
{
	struct config c = {0};
	char why[512] = "out of memory";
	*ret = c;
	int r = -ENOMEM;
	c.source = strdup(source);
	if (c.source)
		r = config_key_defaults(&c, why);
	struct stat st;
	if (r == 0) {
		size_t n = strlen(source);
		bool json = n > 5 && strcmp(source + n - 5, ".json") == 0;
		if (strchr(source, '/') || json || stat(source, &st) == 0)
			r = read_file(&c, source, why);
		else
			r = read_host(&c, why);
	}
	if (r < 0) {
		snprintf(err, 512, "%.170s: %.339s", source, why);
		config_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}

/* One "key=value" of mount -o. */
static int set_one(struct config *c, char *word, char err[512])
{
	int r = config_nfs_word(c, word, err);
	if (r != 0)
		return r < 0 ? r : 0;
	char *eq = strchr(word, '=');
	if (!eq) {
		snprintf(err, 512, "option '%.100s' is not known", word);
		return -EINVAL;
	}
	*eq = '\0';
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		if (strcmp(config_key_name(k), word) != 0)
			continue;
		if (k->type == KEY_SECRET || k->type == KEY_PEM) {
			snprintf(err, 512, "option '%s' is not taken from a command line, which everyone can "
				 "read: put it into the configuration file", word);
			return -EINVAL;
		}
		if (!k->mount_option) {
			snprintf(err, 512, "option '%s' can only be set in the configuration file", word);
			return -EINVAL;
		}
		return config_key_set(c, k, eq + 1, err);
	}
	snprintf(err, 512, "option '%.100s' is not known", word);
	return -EINVAL;
}

int config_set_list(struct config *c, const char *list, char err[512])
{
	cleanup_free char *copy = strdup(list);
	int r = copy ? 0 : -ENOMEM;
	if (!copy)
		snprintf(err, 512, "out of memory");
	for (char *save = NULL, *w = copy ? strtok_r(copy, ",", &save) : NULL; w && r == 0;
	     w = strtok_r(NULL, ",", &save))
		r = set_one(c, w, err);
	return r < 0 ? r : check_all(c, true, err);
}

static void free_list(char **l)
{
	for (size_t i = 0; l && l[i]; i++)
		free(l[i]);
	free(l);
}

void config_free(struct config *c)
{
	/* Every owned text is a key of the table but for the source. */
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		char *field = (char *)c + k->offset;
		if (k->type == KEY_TEXT || k->type == KEY_SECRET || k->type == KEY_PEM)
			secret_free((char **)(void *)field);
		else if (k->type == KEY_LIST)
			free_list(*(char ***)(void *)field);
	}
	free(c->admin_uids);
	free(c->source);
	*c = (struct config){0};
}
