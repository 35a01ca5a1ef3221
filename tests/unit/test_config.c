/* The configuration: what is accepted, what is refused with which sentence,
 * where the password may come from, and that no secret gets out again. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "mountd/config.h"
#include "mountd/secret.h"
#include "ontap/ontap.h"

static char dir[] = "/tmp/test-config-XXXXXX";
static char file[64];

#define PEM "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n"
/* base64 of "-----BEGIN X-----\nA\n-----END X-----\n" */
#define PEM64 "LS0tLS1CRUdJTiBYLS0tLS0KQQotLS0tLUVORCBYLS0tLS0K"
#define LOGIN "\"managementLIF\":\"10.0.0.1\",\"username\":\"u\",\"password\":\"s3cret\""

static const char *write_file(const char *name, const char *text, mode_t mode)
{
	snprintf(file, sizeof(file), "%s/%s", dir, name);
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
	return file;
}

static int load(const char *text, struct config *c, char err[512])
{
	err[0] = '\0';
	return config_load(write_file("c.json", text, 0600), c, err);
}

static void load_ok(const char *text, struct config *c)
{
	char err[512];
	if (load(text, c, err) != 0)
		fail_msg("%s: %s", text, err);
}

static void test_defaults(void **state)
{
	(void)state;
	struct config c;
	load_ok("{" LOGIN "}", &c);
	assert_string_equal(c.storage_driver, "ontap-nas");
	assert_string_equal(c.management_lifs[0], "10.0.0.1");
	assert_string_equal(c.password, "s3cret");
	assert_null(c.data_lifs);
	assert_null(c.svm);
	assert_null(c.realm);
	assert_int_equal(c.rest_port, 443);
	assert_int_equal(c.nfs_port, 2049);
	assert_int_equal(c.mount_port, 0);
	assert_int_equal(c.nconnect, 1);
	assert_int_equal(c.soft_ns, 0);
	assert_int_equal(c.workers, 0);
	assert_int_equal(c.slots, 1024);
	assert_int_equal(c.write_slots, 64);
	assert_int_equal(c.max_nodes, 4194304);
	assert_int_equal(c.attr_timeout_ns, NS_PER_SEC);
	assert_int_equal(c.snapshot_refresh_ns, 5 * NS_PER_SEC);
	assert_int_equal(c.catalog_refresh_ns, 30 * NS_PER_SEC);
	assert_int_equal(c.control_timeout_ns, 30 * NS_PER_SEC);
	assert_int_equal(c.verb_wait_ns, 10 * NS_PER_SEC);
	assert_int_equal(c.grace_ns, 30 * NS_PER_SEC);
	assert_int_equal(c.snapdir, CONFIG_SNAPDIR_HIDDEN);
	assert_string_equal(c.snapdir_name, ".snapshots");
	assert_int_equal(c.allow, 31); /* the first five verbs */
	for (int i = 0; i < CONFIG_NVERBS; i++)
		assert_int_equal(c.allow_gid[i], -1);
	assert_int_equal(c.snapshots_per_volume, 900);
	assert_int_equal(c.clones_per_uid, 20);
	assert_int_equal(c.verbs_per_minute, 60);
	assert_int_equal(c.clone_min, 16 << 20);
	assert_int_equal(c.read_ahead_kb, 4096);
	assert_int_equal(c.max_background, 64);
	assert_int_equal(c.lock, CONFIG_LOCK_LOCAL);
	assert_int_equal(c.log_level, LOG_LV_INFO);
	assert_int_equal(c.warnings, 0);
	config_free(&c);
	assert_null(c.password);
	config_free(&c);
}

static void test_trident_file(void **state)
{
	(void)state;
	struct config c;
	load_ok("{\"version\":1,\"storageDriverName\":\"ontap-nas-flexgroup\",\"backendName\":\"b\","
		"\"managementLIF\":\"[fd00::1]:8443\",\"dataLIF\":\"10.0.0.2\",\"svm\":\"svm1\","
		"\"username\":\"u\",\"password\":\"p\",\"storagePrefix\":\"\",\"limitVolumeSize\":\"50Gi\","
		"\"limitAggregateUsage\":\"80%\",\"autoExportPolicy\":true,\"nasType\":\"nfs\","
		"\"labels\":{\"a\":\"b\"},\"storage\":[{\"labels\":{}}],\"region\":\"r\","
		"\"debugTraceFlags\":{\"api\":true},\"skipRecoveryQueue\":\"true\","
		"\"trustedCACertificate\":\"" PEM64 "\",\"clientCertificate\":\"\","
		"\"nfsMountOptions\":\"-o nconnect=4,rsize=1048576,wsize=70000,soft,timeo=50,retrans=1\","
		"\"defaults\":{\"size\":\"1G\",\"snapshotPolicy\":\"none\",\"exportPolicy\":\"default\","
		"\"unixPermissions\":\"---rwxrwxrwx\",\"snapshotDir\":\"true\",\"spaceReserve\":\"volume\","
		"\"splitOnClone\":\"false\",\"snapshotReserve\":\"5\",\"encryption\":\"false\"}}",
		&c);
	assert_int_equal(c.warnings, 0);
	assert_string_equal(c.management_lifs[0], "fd00::1");
	assert_null(c.management_lifs[1]);
	assert_int_equal(c.rest_port, 8443);
	assert_string_equal(c.data_lifs[0], "10.0.0.2");
	assert_null(c.data_lifs[1]);
	assert_true(c.limit_volume_size == 50ULL << 30);
	assert_int_equal(c.default_size, 1000000000);
	assert_true(c.skip_recovery_queue && c.snapshot_dir && !c.split_on_clone);
	assert_string_equal(c.ca_pem, "-----BEGIN X-----\nA\n-----END X-----\n");
	assert_null(c.client_cert_pem);
	assert_int_equal(c.nconnect, 4);
	assert_int_equal(c.rsize, 1 << 20);
	assert_int_equal(c.wsize, 69632);
	assert_int_equal(c.soft_ns, 10 * NS_PER_SEC); /* 5 s, sent twice */
	config_free(&c);
}

static void test_our_keys(void **state)
{
	(void)state;
	struct config c;
	load_ok("{" LOGIN ",\"dataLIF\":[\"10.0.0.2\",\"fd00::2\"],\"ontapfs\":{\"restPort\":4443,"
		"\"nfsPort\":0,\"mountPort\":635,\"workers\":8,\"attr_timeout\":0.25,"
		"\"snapshot_refresh\":1,\"slots\":64,\"include\":[\"a*\",\"b\"],\"exclude\":[\"*tmp\"],"
		"\"snapdir\":\"visible\",\"snapdir_name\":\"snaps\",\"allow\":[\"snapshot.create\","
		"\"snapshot.delete:gid=100\",{\"verb\":\"foreign\",\"gid\":7},{\"verb\":\"clone.create\"}],"
		"\"admin_uids\":[1000,4294967294],\"clone_min\":\"1MiB\",\"realm\":\"site-1\","
		"\"log_level\":\"debug\",\"lock\":\"none\"}}",
		&c);
	assert_int_equal(c.rest_port, 4443);
	assert_int_equal(c.nfs_port, 0);
	assert_int_equal(c.mount_port, 635);
	assert_int_equal(c.workers, 8);
	assert_int_equal(c.attr_timeout_ns, NS_PER_SEC / 4);
	assert_string_equal(c.data_lifs[1], "fd00::2");
	assert_string_equal(c.include[1], "b");
	assert_string_equal(c.exclude[0], "*tmp");
	assert_int_equal(c.snapdir, CONFIG_SNAPDIR_VISIBLE);
	assert_int_equal(c.allow, 1 << CONFIG_SNAPSHOT_CREATE | 1 << CONFIG_SNAPSHOT_DELETE |
					  1 << CONFIG_FOREIGN | 1 << CONFIG_CLONE_CREATE);
	assert_int_equal(c.allow_gid[CONFIG_SNAPSHOT_CREATE], -1);
	assert_int_equal(c.allow_gid[CONFIG_SNAPSHOT_DELETE], 100);
	assert_int_equal(c.allow_gid[CONFIG_FOREIGN], 7);
	assert_int_equal(c.nadmin_uids, 2);
	assert_true(c.admin_uids[1] == 4294967294u);
	assert_int_equal(c.clone_min, 1 << 20);
	assert_int_equal(c.log_level, LOG_LV_DEBUG);
	assert_int_equal(c.lock, CONFIG_LOCK_NONE);
	config_free(&c);
	load_ok("{" LOGIN ",\"ontapfs\":{\"allow\":[],\"restPort\":443}}", &c);
	assert_int_equal(c.allow, 0);
	config_free(&c);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *say;
	} t[] = {
		{"", "not valid JSON"},
		{"{\"a\":1,\n\"b\" 2}", "not valid JSON: line 2"},
		{"[1]", "one JSON object"},
		{"{\"username\":\"u\",\"password\":\"p\"}", "\"managementLIF\" is missing"},
		{"{\"managementLIF\":\"a b\",\"username\":\"u\",\"password\":\"p\"}", "\"managementLIF\" must be"},
		{"{\"managementLIF\":\"h:99999\",\"username\":\"u\",\"password\":\"p\"}", "\"managementLIF\" must be"},
		{"{\"managementLIF\":\"https://h\",\"username\":\"u\",\"password\":\"p\"}", "\"managementLIF\" must"},
		{"{\"managementLIF\":7}", "\"managementLIF\" must be a list"},
		{"{\"managementLIF\":[\"h:1\",\"g:2\"]}", "names the ports 1 and 2"},
		{"{\"managementLIF\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", "more than 4"},
		{"{\"managementLIF\":\"h\"}", "no login"},
		{"{\"managementLIF\":\"h\",\"username\":\"u\"}", "password of user u is missing"},
		{"{\"managementLIF\":\"h\",\"credentials\":{\"name\":\"x\"}}", "Kubernetes secret"},
		{"{\"managementLIF\":\"h\",\"clientCertificate\":\"" PEM "\"}", "\"clientPrivateKey\" is missing"},
		{"{" LOGIN ",\"version\":2}", "\"version\" must be"},
		{"{" LOGIN ",\"storageDriverName\":\"ontap-san\"}", "\"storageDriverName\" is \"ontap-san\""},
		{"{" LOGIN ",\"storageDriverName\":\"ontap-nas-economy\"}", "qtrees"},
		{"{" LOGIN ",\"dataLIF\":[1]}", "\"dataLIF\" must be a list of texts"},
		{"{" LOGIN ",\"dataLIF\":\"10.0.0.1:2049\"}", "without port"},
		{"{" LOGIN ",\"trustedCACertificate\":\"%%%\"}", "\"trustedCACertificate\" must be PEM"},
		{"{" LOGIN ",\"trustedCACertificate\":\"AAAA\"}", "\"trustedCACertificate\" must be PEM"},
		{"{" LOGIN ",\"trustedCACertificate\":\"/nowhere/x.pem\"}", "/nowhere/x.pem: No such file"},
		{"{" LOGIN ",\"skipRecoveryQueue\":7}", "\"skipRecoveryQueue\" must be true or false"},
		{"{" LOGIN ",\"limitVolumeSize\":\"5 apples\"}", "\"limitVolumeSize\" must be a size"},
		{"{" LOGIN ",\"defaults\":[]}", "\"defaults\" must be an object"},
		{"{" LOGIN ",\"ontapfs\":7}", "\"ontapfs\" must be an object"},
		{"{" LOGIN ",\"ontapfs\":{\"workers\":9}}", "\"ontapfs.workers\" must be a whole number, 0 to 8"},
		{"{" LOGIN ",\"ontapfs\":{\"workers\":\"2\"}}", "\"ontapfs.workers\" must be a whole number"},
		{"{" LOGIN ",\"ontapfs\":{\"workers\":1.5}}", "\"ontapfs.workers\" must be a whole number"},
		{"{" LOGIN ",\"ontapfs\":{\"restPort\":0}}", "1 to 65535"},
		{"{" LOGIN ",\"ontapfs\":{\"attr_timeout\":-1}}",
		 "\"ontapfs.attr_timeout\" must be a number of seconds"},
		{"{" LOGIN ",\"ontapfs\":{\"attr_timeout\":NaN}}", "\"ontapfs.attr_timeout\" must be"},
		{"{" LOGIN ",\"ontapfs\":{\"snapshot_refresh\":0}}", "0.1 to 86400"},
		{"{" LOGIN ",\"ontapfs\":{\"snapdir\":\"yes\"}}", "one of: hidden, visible, off"},
		{"{" LOGIN ",\"ontapfs\":{\"snapdir_name\":\"a/b\"}}", "snapdir_name"},
		{"{" LOGIN ",\"ontapfs\":{\"snapdir_name\":\".snapshot\"}}", "snapdir_name"},
		{"{" LOGIN ",\"ontapfs\":{\"realm\":\"a}b\"}}", "\"ontapfs.realm\""},
		{"{" LOGIN ",\"ontapfs\":{\"allow\":[\"fly\"]}}", "no verb \"fly\"; there are: snapshot.create"},
		{"{" LOGIN ",\"ontapfs\":{\"allow\":[\"foreign:gid=x\"]}}", "VERB:gid=N"},
		{"{" LOGIN ",\"ontapfs\":{\"allow\":[\"foreign\",\"foreign:gid=1\"]}}", "foreign twice"},
		{"{" LOGIN ",\"ontapfs\":{\"allow\":\"foreign\"}}", "\"ontapfs.allow\" must be a list"},
		{"{" LOGIN ",\"ontapfs\":{\"admin_uids\":[4294967295]}}", "\"ontapfs.admin_uids\""},
		{"{" LOGIN ",\"ontapfs\":{\"include\":[\"\"]}}", "\"ontapfs.include\""},
		{"{" LOGIN ",\"ontapfs\":{\"clone_min\":-1}}", "\"ontapfs.clone_min\" must be a size"},
		{"{" LOGIN ",\"ontapfs\":{\"password_file\":\"/x\"}}", "several sources"},
		{"{" LOGIN ",\"nfsMountOptions\":\"nconnect=17\"}", "nconnect must be a whole number, 1 to 16"},
		{"{" LOGIN ",\"nfsMountOptions\":\"rsize=big\"}", "rsize must be"},
		{"{" LOGIN ",\"nfsMountOptions\":\"timeo\"}", "timeo must be"},
		{"{\"managementLIF\":\"h\",\"username\":\"u\",\"password\":\"a\\nb\"}", "\"password\" must be"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct config c;
		char err[512];
		int r = load(t[i].text, &c, err);
		if (r != -EINVAL || !strstr(err, t[i].say) || strncmp(err, file, strlen(file)) != 0 ||
		    strstr(err, "s3cret"))
			fail_msg("%s: %d \"%s\"", t[i].text, r, err);
		config_free(&c);
	}
}

static void test_warnings(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned want;
	} t[] = {
		{"{" LOGIN ",\"oops\":1,\"defaults\":{\"oops\":1},\"ontapfs\":{\"oops\":1,\"oops2\":{}}}", 4},
		{"{" LOGIN ",\"nfsMountOptions\":\"nfsvers=4.1,proto=rdma,minorversion=1\"}", 1},
		{"{" LOGIN ",\"nfsMountOptions\":\"vers=3,hard,tcp,sec=krb5\"}", 1},
		{"{" LOGIN ",\"nfsMountOptions\":\"\"}", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct config c;
		load_ok(t[i].text, &c);
		if (c.warnings != t[i].want)
			fail_msg("%s: %u", t[i].text, c.warnings);
		config_free(&c);
	}
}

static void test_file(void **state)
{
	(void)state;
	struct config c;
	char err[512];
	assert_int_equal(config_load("/nowhere/x.json", &c, err), -ENOENT);
	assert_int_equal(config_load("nowhere.json", &c, err), -ENOENT);
	assert_int_equal(config_load(dir, &c, err), -EISDIR);
	assert_int_equal(config_load("/dev/null", &c, err), -EINVAL);
	/* A password that others may read. */
	static const mode_t modes[] = {0644, 0640, 0604, 0660};
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		write_file("c.json", "{" LOGIN "}", modes[i]);
		assert_int_equal(config_load(file, &c, err), -EACCES);
		assert_non_null(strstr(err, "chmod 600"));
	}
	write_file("c.json", "{" LOGIN "}", 0400);
	assert_int_equal(config_load(file, &c, err), 0);
	config_free(&c);
	/* No secret in it: no matter. */
	setenv("TEST_PASSWORD", "from env", 1);
	write_file("c.json", "{\"managementLIF\":\"h\",\"username\":\"u\","
		   "\"ontapfs\":{\"password_env\":\"TEST_PASSWORD\"}}", 0644);
	assert_int_equal(config_load(file, &c, err), 0);
	assert_string_equal(c.password, "from env");
	config_free(&c);
	unsetenv("TEST_PASSWORD");
	assert_int_equal(config_load(file, &c, err), -EINVAL);
	assert_non_null(strstr(err, "TEST_PASSWORD is not set"));
	/* Too large. */
	size_t n = (1 << 20) + 10;
	char *big = malloc(n);
	memset(big, ' ', n);
	big[n - 1] = '\0';
	assert_int_equal(load(big, &c, err), -EFBIG);
	free(big);
}

static void test_password_sources(void **state)
{
	(void)state;
	struct config c;
	char err[512], text[400], path[64];
	snprintf(path, sizeof(path), "%s", write_file("secret", "pass word\nsecond line\n", 0600));
	snprintf(text, sizeof(text), "{\"managementLIF\":\"h\",\"username\":\"u\","
		 "\"ontapfs\":{\"password_file\":\"%s\"}}", path);
	load_ok(text, &c);
	assert_string_equal(c.password, "pass word");
	assert_int_equal(c.warnings, 0);
	config_free(&c);
	chmod(path, 0640);
	load_ok(text, &c);
	assert_int_equal(c.warnings, 1);
	config_free(&c);
	chmod(path, 0604);
	assert_int_equal(load(text, &c, err), -EACCES);
	assert_non_null(strstr(err, "chmod 600"));
	assert_null(c.password);
	write_file("secret", "\n", 0600);
	assert_int_equal(load(text, &c, err), -EINVAL);
	assert_non_null(strstr(err, "its first line is empty"));

	write_file("cred", "from systemd", 0400);
	const char *cred = "{\"managementLIF\":\"h\",\"username\":\"u\",\"ontapfs\":{\"credential\":\"cred\"}}";
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(load(cred, &c, err), -EINVAL);
	assert_non_null(strstr(err, "LoadCredential=cred"));
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	load_ok(cred, &c);
	assert_string_equal(c.password, "from systemd");
	config_free(&c);
	assert_int_equal(load("{\"managementLIF\":\"h\",\"username\":\"u\","
			      "\"ontapfs\":{\"credential\":\"../secret\"}}", &c, err), -EINVAL);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_host(void **state)
{
	(void)state;
	struct config c;
	char err[512];
	setenv("ONTAPFS_USERNAME", "admin", 1);
	setenv("ONTAPFS_PASSWORD", "pw", 1);
	static const struct {
		const char *source, *host, *svm;
	} t[] = {
		{"10.9.9.9", "10.9.9.9", NULL},
		{"filer.example:svm1", "filer.example", "svm1"},
		{"[fd00::9]:svm1", "fd00::9", "svm1"},
		{"fd00::9", "fd00::9", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		if (config_load(t[i].source, &c, err) != 0)
			fail_msg("%s: %s", t[i].source, err);
		assert_string_equal(c.management_lifs[0], t[i].host);
		if (t[i].svm)
			assert_string_equal(c.svm, t[i].svm);
		else
			assert_null(c.svm);
		assert_string_equal(c.username, "admin");
		assert_int_equal(c.nconnect, 1);
		config_free(&c);
	}
	static const char *const bad[] = {"", ":svm", "host:", "a b", "h!:s", "[fd00::9:svm"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (config_load(bad[i], &c, err) != -EINVAL)
			fail_msg("%s", bad[i]);
	unsetenv("ONTAPFS_PASSWORD");
	assert_int_equal(config_load("filer.example:svm1", &c, err), -EINVAL);
	assert_non_null(strstr(err, "ONTAPFS_PASSWORD"));
	assert_non_null(strstr(err, "/etc/ontapfs/filer.example.json"));
}

static void test_overrides(void **state)
{
	(void)state;
	static const struct {
		const char *list;
		int want;
		const char *say;
	} t[] = {
		{"workers=2,attr_timeout=0.5,snapdir=off,svm=s2,dataLIF=10.0.0.5+10.0.0.6", 0, NULL},
		{"allow=snapshot.create+foreign:gid=5,admin_uids=1+2,clone_min=32MiB", 0, NULL},
		{"nconnect=3,timeo=10,retrans=0,soft", 0, NULL},
		{"control_timeout=500ms", -EINVAL, "1 to 3600"},
		{"verb_wait=500ms,grace=0s", 0, NULL},
		{"workers=", -EINVAL, "workers"},
		{"workers=1.5", -EINVAL, "workers"},
		{"workers=99999999999999999999", -EINVAL, "workers"},
		{"nconnect=99", -EINVAL, "nconnect"},
		{"fly=1", -EINVAL, "'fly' is not known"},
		{"fly", -EINVAL, "'fly' is not known"},
		{"password=x", -EINVAL, "command line"},
		{"clientPrivateKey=/x", -EINVAL, "command line"},
		{"username=x", -EINVAL, "only be set in the configuration file"},
		{"snapdir_name=a/b", -EINVAL, "snapdir_name"},
		{"restPort=4443", 0, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct config c;
		char err[512] = "";
		load_ok("{" LOGIN ",\"nfsMountOptions\":\"nconnect=2\"}", &c);
		int r = config_set_list(&c, t[i].list, err);
		if (r != t[i].want || (t[i].say && !strstr(err, t[i].say)))
			fail_msg("%s: %d %s", t[i].list, r, err);
		if (i == 0) {
			assert_int_equal(c.workers, 2);
			assert_int_equal(c.attr_timeout_ns, NS_PER_SEC / 2);
			assert_string_equal(c.data_lifs[1], "10.0.0.6");
			assert_string_equal(c.svm, "s2");
			assert_int_equal(c.nconnect, 2);
		}
		if (i == 1) {
			assert_int_equal(c.allow_gid[CONFIG_FOREIGN], 5);
			assert_int_equal(c.nadmin_uids, 2);
		}
		if (i == 2) {
			assert_int_equal(c.nconnect, 3);
			assert_int_equal(c.soft_ns, NS_PER_SEC);
		}
		config_free(&c);
	}
}

static void test_dump(void **state)
{
	(void)state;
	struct config c;
	struct buf b;
	buf_init(&b, 1 << 16);
	load_ok("{" LOGIN ",\"svm\":\"s\\\"1\",\"trustedCACertificate\":\"" PEM "\","
		"\"ontapfs\":{\"attr_timeout\":0.25,\"allow\":[\"foreign:gid=3\"],\"admin_uids\":[5]}}", &c);
	config_dump_json(&c, &b);
	assert_true(buf_ok(&b));
	assert_null(strstr(b.data, "s3cret"));
	assert_null(strstr(b.data, "BEGIN"));
	char why[256];
	struct ontap_json *j = ontap_json_parse(b.data, b.len, why);
	if (!j)
		fail_msg("%s\n%s", why, b.data);
	const char *s;
	double d;
	int64_t n;
	assert_int_equal(ontap_json_str(j, "password", &s), 0);
	assert_string_equal(s, "***");
	assert_int_equal(ontap_json_str(j, "svm", &s), 0);
	assert_string_equal(s, "s\"1");
	assert_int_equal(ontap_json_double(j, "ontapfs.attr_timeout", &d), 0);
	assert_true(d > 0.249 && d < 0.251);
	assert_int_equal(ontap_json_str(j, "ontapfs.allow[0]", &s), 0);
	assert_string_equal(s, "foreign:gid=3");
	assert_int_equal(ontap_json_int(j, "ontapfs.admin_uids[0]", 0, 9, &n), 0);
	assert_int_equal(ontap_json_int(j, "nfs.nconnect", 1, 1, &n), 0);
	ontap_json_free(j);
	config_free(&c);
	buf_fini(&b);
}

static void test_help(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	config_print_help(f);
	config_print_table(f);
	fclose(f);
	assert_non_null(strstr(text, "ontapfs.workers (number, 0 to 8; default 0)"));
	assert_non_null(strstr(text, "ontapfs.snapdir\tword\thidden\thidden, visible, off\t"));
	free(text);
}

static void test_pem(void **state)
{
	(void)state;
	char *pem = NULL, path[64];
	assert_int_equal(secret_pem("LS0tLS1CRUdJTiBY\nLS0tLS0K\n", &pem), 0);
	assert_string_equal(pem, "-----BEGIN X-----\n");
	secret_free(&pem);
	assert_null(pem);
	snprintf(path, sizeof(path), "%s", write_file("x.pem", "-----BEGIN X-----\n", 0600));
	assert_int_equal(secret_pem(path, &pem), 0);
	secret_free(&pem);
	write_file("x.pem", "nothing", 0600);
	assert_int_equal(secret_pem(path, &pem), -EINVAL);
	assert_int_equal(secret_pem("LS0tLS1CRUdJTiBY=x", &pem), -EINVAL);
	assert_int_equal(secret_pem("", &pem), -EINVAL);
}

static int setup(void **state)
{
	(void)state;
	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC)); /* warnings are counted, not read */
	unsetenv("ONTAPFS_USERNAME");
	unsetenv("ONTAPFS_PASSWORD");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	static const char *const names[] = {"c.json", "secret", "cred", "x.pem"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, names[i]);
		unlink(file);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_trident_file),
		cmocka_unit_test(test_our_keys), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_warnings), cmocka_unit_test(test_file),
		cmocka_unit_test(test_password_sources), cmocka_unit_test(test_host),
		cmocka_unit_test(test_overrides), cmocka_unit_test(test_dump),
		cmocka_unit_test(test_help), cmocka_unit_test(test_pem),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
