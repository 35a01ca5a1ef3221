/* The doctor's checks of ONTAP's control side. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "mountd/doctor.h"

#define DEADLINE_MS 10000
#define CONNECT_MS  5000

/* ---- verdicts ------------------------------------------------------------- */

void doctor_remedy(struct doctor *d, const char *fmt, ...)
{
	size_t used = strlen(d->remedy);
	va_list ap;
	if (used && used + 2 < sizeof(d->remedy))
		used += (size_t)snprintf(d->remedy + used, sizeof(d->remedy) - used, "; ");
	va_start(ap, fmt);
	vsnprintf(d->remedy + used, sizeof(d->remedy) - used, fmt, ap);
	va_end(ap);
}

void doctor_say(struct doctor *d, enum doctor_state state, const char *remedy, const char *fmt, ...)
{
	size_t used = strlen(d->text);
	va_list ap;
	if (used && used + 2 < sizeof(d->text))
		used += (size_t)snprintf(d->text + used, sizeof(d->text) - used, "; ");
	va_start(ap, fmt);
	vsnprintf(d->text + used, sizeof(d->text) - used, fmt, ap);
	va_end(ap);
	if (remedy)
		doctor_remedy(d, "%s", remedy);
	d->state = MAX_OF(d->state, state);
}

/* ---- from the file to the first answer ----------------------------------------- */

void doctor_config(struct doctor *d)
{
	char err[512];
	int r = rest_open(&d->rest, d->source, DEADLINE_MS, err);
	if (r < 0) {
		doctor_say(d, DOCTOR_FAILED, "ontapfs.json(5) tells every key", "%s", err);
		return;
	}
	d->have |= HAVE_CONFIG;
	if (d->rest.cfg.warnings)
		doctor_say(d, DOCTOR_WARNING, "correct or remove what the lines above name",
			   "%u keys or values are ignored", d->rest.cfg.warnings);
	else
		doctor_say(d, DOCTOR_OK, NULL, "%s", d->source);
}

void doctor_name(struct doctor *d)
{
	size_t good = 0;
	for (char *const *lif = d->rest.cfg.management_lifs; *lif; lif++) {
		struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
		char text[64];
		int e = getaddrinfo(*lif, NULL, &hints, &found);
		if (e == 0)
			e = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0,
				NI_NUMERICHOST);
		if (found)
			freeaddrinfo(found);
		if (e) {
			doctor_remedy(d,
				   "check the spelling of managementLIF, DNS and /etc/hosts, or give an address"
				   );
			doctor_say(d, DOCTOR_FAILED, NULL, "%s: %s", *lif, gai_strerror(e));
			continue;
		}
		good++;
		if (strcmp(*lif, text) == 0)
			doctor_say(d, DOCTOR_OK, NULL, "%s is an address", *lif);
		else
			doctor_say(d, DOCTOR_OK, NULL, "%s is %s", *lif, text);
	}
	if (good)
		d->have |= HAVE_ADDRESS;
}

/* Waits for what connect(2) began. 0 or -errno. */
static int connected(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err = 0, n;
	socklen_t len = sizeof(err);
	do
		n = poll(&p, 1, CONNECT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

int doctor_reach(const char *address, uint16_t port, char local[64])
{
	char service[8];
	snprintf(service, sizeof(service), "%u", port);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	if (getaddrinfo(address, service, &hints, &found) != 0)
		return -EHOSTUNREACH;
	int r = -EHOSTUNREACH;
	for (struct addrinfo *a = found; a && r < 0; a = a->ai_next) {
		cleanup_fd int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		r = fd < 0 || (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) ? -errno : 0;
		if (r == 0)
			r = connected(fd);
		struct sockaddr_storage me;
		socklen_t len = sizeof(me);
		if (r == 0 && local && getsockname(fd, (struct sockaddr *)&me, &len) == 0 &&
		    getnameinfo((struct sockaddr *)&me, len, local, 64, NULL, 0, NI_NUMERICHOST) != 0)
			local[0] = '\0';
	}
	freeaddrinfo(found);
	return r;
}

void doctor_connect(struct doctor *d)
{
	uint16_t port = (uint16_t)(d->rest.cfg.rest_port ? d->rest.cfg.rest_port : 443);
	for (char *const *lif = d->rest.cfg.management_lifs; *lif; lif++) {
		int r = doctor_reach(*lif, port, NULL);
		if (r == 0) {
			d->have |= HAVE_ANSWER;
			doctor_say(d, DOCTOR_OK, NULL, "%s takes connections at port %u", *lif, port);
			continue;
		}
		doctor_remedy(d, "is %s the management LIF of the SVM or cluster, is it up (`network interface "
			   "show`), and does every firewall let TCP %u through?", *lif, port);
		doctor_say(d, d->have & HAVE_ANSWER || lif[1] ? DOCTOR_WARNING : DOCTOR_FAILED, NULL,
			   "%s, port %u: %s", *lif, port, strerror(-r));
	}
	if (!(d->have & HAVE_ANSWER))
		d->state = DOCTOR_FAILED;
}

static void on_discovered(const struct ontap_discovery *f, const struct ontap_error *e, void *priv)
{
	struct doctor *d = priv;
	if (e) {
		d->discovery_error = *e;
	} else {
		d->discovered = true;
		d->cluster = f->cluster;
		d->svm = f->svm;
		d->nfs = f->nfs;
		d->nfs_known = f->nfs_known;
		d->lifs = calloc(f->nlifs + 1, sizeof(*d->lifs));
		for (size_t i = 0; d->lifs && i < f->nlifs; i++)
			d->lifs[d->nlifs++] = f->lifs[i];
	}
	rest_ended(&d->rest, e);
}

/* Did any HTTP answer come? The client's own refusals have no status either, but
 * come after answers. */
static bool answered(const struct doctor *d)
{
	const struct ontap_error *e = &d->discovery_error;
	return d->discovered || e->http_status || e->code || e->err == -ENOENT || e->err == -EINVAL;
}

void doctor_tls(struct doctor *d)
{
	rest_begin(&d->rest);
	ontap_discover(d->rest.o, on_discovered, d);
	rest_wait(&d->rest);
	const char *lif = d->rest.cfg.management_lifs[0];
	unsigned port = d->rest.cfg.rest_port ? d->rest.cfg.rest_port : 443;
	if (answered(d)) {
		d->have |= HAVE_LOGIN;
		doctor_say(d, DOCTOR_OK, NULL, d->rest.cfg.ca_pem ? "the pinned certificate matches" :
			   "a CA of this system vouches for the certificate, and the host name matches");
	} else if (d->discovery_error.err == -EACCES) {
		doctor_remedy(d, "to pin it: `openssl s_client -connect %s:%u </dev/null | openssl x509 > "
			   "/etc/ontapfs/pin.pem`, compare `openssl x509 -in /etc/ontapfs/pin.pem -noout "
			   "-fingerprint -sha256` with what `security certificate show -instance` on the filer "
			   "leads to, then set trustedCACertificate to that file", lif, port);
		doctor_say(d, DOCTOR_FAILED, NULL, "%s", d->discovery_error.text);
	} else {
		doctor_say(d, DOCTOR_FAILED, "is it ONTAP that listens there, with its web services on "
			   "(`vserver services web show`)?", "%s", d->discovery_error.text);
	}
}

void doctor_login(struct doctor *d)
{
	const char *user = d->rest.cfg.username ? d->rest.cfg.username : "the client certificate";
	const struct ontap_error *e = &d->discovery_error;
	if (e->http_status != 401) {
		d->have |= HAVE_SVM; /* worth asking, at least */
		doctor_say(d, DOCTOR_OK, NULL, "as %s", user);
		return;
	}
	d->have &= ~(unsigned)HAVE_SVM;
	doctor_remedy(d, "check username and password; `security login show -user-or-group-name %s` must show "
		   "application http with this method, not locked (`security login unlock`)", user);
	doctor_say(d, DOCTOR_FAILED, NULL, "%s", e->text);
}

static void on_volumes(const struct ontap_volume *v, size_t n, const struct ontap_error *e, void *priv)
{
	struct doctor *d = priv;
	d->volumes = e ? NULL : calloc(n + 1, sizeof(*v));
	for (size_t i = 0; d->volumes && i < n; i++)
		d->volumes[d->nvolumes++] = v[i];
	rest_ended(&d->rest, e);
}

void doctor_svm(struct doctor *d)
{
	const struct ontap_error *e = &d->discovery_error;
	if (!d->discovered) {
		doctor_say(d, DOCTOR_FAILED, e->http_status == 403 ?
			   "give the account the rights that `ontapfs doctor --print-role` lists" :
			   "set svm to a name of `vserver show`, and use an account that sees it", "%s",
			   e->text);
		return;
	}
	if (d->svm.state[0] && strcmp(d->svm.state, "running") != 0) {
		doctor_remedy(d, "`vserver start -vserver %s`", d->svm.name);
		doctor_say(d, DOCTOR_FAILED, NULL, "%s is %s", d->svm.name, d->svm.state);
		return;
	}
	rest_begin(&d->rest);
	ontap_volume_list(d->rest.o, on_volumes, d);
	if (rest_wait(&d->rest) < 0) {
		doctor_say(d, DOCTOR_FAILED,
			   "give the account the rights that `ontapfs doctor --print-role` lists", "%s",
			   d->rest.e.text);
		return;
	}
	d->have |= HAVE_VOLUMES;
	size_t shown = 0;
	for (size_t i = 0; i < d->nvolumes; i++)
		shown += !fs_hidden_why(&d->rest.params, &d->volumes[i]);
	if (shown)
		doctor_say(d, DOCTOR_OK, NULL, "%s, with %zu volumes that a mount shows", d->svm.name, shown);
	else
		doctor_say(d, DOCTOR_WARNING,
			   "mount volumes in the SVM's name space (`volume mount`), check include and exclude",
			   "%s has %zu volumes, but none that a mount shows", d->svm.name, d->nvolumes);
}

void doctor_version(struct doctor *d)
{
	const struct ontap_cluster *c = &d->cluster;
	if (c->generation * 10000 + c->major * 100 + c->minor >= 91001)
		doctor_say(d, DOCTOR_OK, NULL, "ONTAP %d.%d.%d", c->generation, c->major, c->minor);
	else
		doctor_say(d, DOCTOR_FAILED, "upgrade the cluster",
			   "ONTAP %d.%d.%d; 9.10.1 is the oldest with the REST API that is needed",
			   c->generation, c->major, c->minor);
}

/* ---- rights ---------------------------------------------------------------------- */

void doctor_role(const struct config *c, bool (*fn)(const char *path, const char *access, void *priv), void *priv)
{
	const unsigned makes = 1u << CONFIG_CLONE_CREATE | 1u << CONFIG_CLONE_DELETE | 1u << CONFIG_VOLUME_CREATE |
			       1u << CONFIG_VOLUME_DELETE;
	const unsigned makes_snapshots = 1u << CONFIG_SNAPSHOT_CREATE | 1u << CONFIG_SNAPSHOT_DELETE |
					 1u << CONFIG_SNAPSHOT_RENAME | 1u << CONFIG_SNAPSHOT_RETAIN;
	const struct {
		const char *path, *access;
	} rights[] = {
		{"/api/cluster", "readonly"},
		{"/api/cluster/jobs", "readonly"},
		{"/api/svm/svms", "readonly"},
		{"/api/network/ip/interfaces", "readonly"},
		{"/api/protocols/nfs/services", "readonly"},
		{"/api/security/accounts", "readonly"}, /* for this check only */
		{"/api/security/roles", "readonly"},
		/* Restoring, resizing and switching snapshot directories on are changes. */
		{"/api/storage/volumes", c->allow & makes ? "all" : "read_modify"},
		{"/api/storage/volumes/*/snapshots", c->allow & makes_snapshots ? "all" : "readonly"},
		{"/api/storage/file/clone", c->clone_min ? "read_create" : NULL},
		{"/api/snapmirror/relationships", c->allow & 1u << CONFIG_SNAPMIRROR_UPDATE ? "readonly" : NULL},
		{"/api/snapmirror/relationships/*/transfers",
		 c->allow & 1u << CONFIG_SNAPMIRROR_UPDATE ? "read_create" : NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rights); i++)
		if (rights[i].access && !fn(rights[i].path, rights[i].access, priv))
			return;
}

/* How many parts of `path` the pattern covers from its start; 0: it does not match. */
static size_t covers(const char *pattern, const char *path)
{
	size_t parts = 0;
	while (*pattern == '/' && *path == '/') {
		size_t a = strcspn(pattern + 1, "/"), b = strcspn(path + 1, "/");
		bool any = (a == 1 && pattern[1] == '*') || (b == 1 && path[1] == '*');
		if (!any && (a != b || strncmp(pattern + 1, path + 1, a) != 0))
			return 0;
		pattern += a + 1;
		path += b + 1;
		parts++;
	}
	return *pattern == '\0' || strcmp(pattern, "/") == 0 ? parts : 0;
}

/* Does access `have` hold all of `want`? */
static bool enough(const char *have, const char *want)
{
	static const struct {
		const char *word;
		unsigned bits; /* read, create, modify, delete */
	} words[] = {{"none", 0}, {"readonly", 1}, {"read_create", 3}, {"read_modify", 5},
		     {"read_create_modify", 7}, {"all", 15}};
	unsigned h = 0, w = 15;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		h = strcmp(have, words[i].word) == 0 ? words[i].bits : h;
		w = strcmp(want, words[i].word) == 0 ? words[i].bits : w;
	}
	return (h & w) == w;
}

struct rights {
	struct doctor *d;
	const struct ontap_account *account;
	unsigned missing;
};

static bool check_right(const char *path, const char *access, void *priv)
{
	struct rights *x = priv;
	const char *have = "none";
	size_t best = 0;
	for (size_t i = 0; i < x->account->nprivileges; i++) {
		size_t n = covers(x->account->privileges[i].path, path);
		if (n > best) {
			best = n;
			have = x->account->privileges[i].access;
		}
	}
	if (enough(have, access))
		return true;
	x->missing++;
	doctor_remedy(x->d, "`security login rest-role create -vserver %s -role %s -api \"%s\" -access %s` "
		   "(modify, where it exists)", x->account->owner, x->account->role, path, access);
	doctor_say(x->d, DOCTOR_FAILED, NULL, "role %s has %s on %s, %s is needed", x->account->role, have,
		   path, access);
	return true;
}

static void on_account(const struct ontap_account *a, const struct ontap_error *e, void *priv)
{
	struct doctor *d = priv;
	if (a && a->privileges_known) {
		struct rights x = {.d = d, .account = a};
		doctor_role(&d->rest.cfg, check_right, &x);
		if (!x.missing)
			doctor_say(d, DOCTOR_OK, NULL, "role %s of %s has what is needed", a->role, a->owner);
	} else {
		doctor_say(d, DOCTOR_WARNING, "give it readonly on /api/security/accounts and "
			   "/api/security/roles, as `ontapfs doctor --print-role` does",
			   "the account may not look at its own role: what it lacks shows only when it is "
			   "used%s%s", e ? ": " : "", e ? e->text : "");
	}
	rest_ended(&d->rest, e);
}

void doctor_rights(struct doctor *d)
{
	rest_begin(&d->rest);
	ontap_account_get(d->rest.o, on_account, d);
	rest_wait(&d->rest);
}

/* ---- licence, leftovers ------------------------------------------------------------- */

static void on_licence(enum ontap_licence l, const struct ontap_error *e, void *priv)
{
	struct doctor *d = priv;
	if (e)
		doctor_say(d, DOCTOR_SKIPPED, NULL, "only administrators of the cluster see licences; an SVM "
			   "without it refuses clones with EOPNOTSUPP");
	else if (l == ONTAP_LICENCE_OK)
		doctor_say(d, DOCTOR_OK, NULL, "FlexClone is licensed");
	else
		doctor_say(d, DOCTOR_WARNING, "`system license add`; or take clone.create out of allow",
			   l == ONTAP_LICENCE_BAD ?
			   "the FlexClone licence is not compliant: clones may be refused" :
			   "FlexClone is not licensed: clones are refused (EOPNOTSUPP)");
	rest_ended(&d->rest, e);
}

void doctor_licence(struct doctor *d)
{
	if (!(d->rest.cfg.allow & 1u << CONFIG_CLONE_CREATE)) {
		doctor_say(d, DOCTOR_OK, NULL, "not needed: clone.create is not allowed");
		return;
	}
	rest_begin(&d->rest);
	ontap_licence_get(d->rest.o, "flexclone", on_licence, d);
	rest_wait(&d->rest);
}

static bool exists(const struct doctor *d, const struct uuid *u)
{
	for (size_t i = 0; i < d->nvolumes; i++)
		if (uuid_eq(&d->volumes[i].uuid, u))
			return true;
	return false;
}

/* Why a volume that was made through ontapfs may be of no use to anybody; NULL. */
static const char *useless(const struct doctor *d, const struct ontap_volume *v, bool here, uint32_t uid)
{
	if (v->is_flexclone && !uuid_is_zero(&v->clone_parent) && !exists(d, &v->clone_parent))
		return "its parent is gone";
	if (!v->junction[0])
		return "it is not mounted, so no tree shows it";
	if (here && !getpwuid(uid))
		return "its creator has no account here any more";
	return NULL;
}

void doctor_leftovers(struct doctor *d)
{
	char realm[64];
	size_t ours = 0;
	fs_realm(d->rest.cfg.realm, realm);
	for (size_t i = 0; i < d->nvolumes; i++) {
		const struct ontap_volume *v = &d->volumes[i];
		struct fs_creator who;
		if (!fs_creator_of(v->comment, &who))
			continue;
		ours++;
		const char *why = useless(d, v, strcmp(who.realm, realm) == 0, who.uid);
		if (why)
			doctor_say(d, DOCTOR_WARNING, NULL, "%s %s of uid %u: %s", v->is_flexclone ? "clone" :
				   "volume", v->name, who.uid, why);
	}
	if (d->state == DOCTOR_OK)
		doctor_say(d, DOCTOR_OK, NULL, "%zu clones and volumes were made through ontapfs, all in use", ours);
	else
		doctor_remedy(d, "look at them; `volume mount -vserver %s -volume NAME -junction-path /NAME` "
			   "brings one back, `volume delete` ends it", d->svm.name);
}
