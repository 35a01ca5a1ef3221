/* The doctor's checks of the data side. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "mountd/doctor.h"

#define PMAP_PORT     111
#define TRANSFER_FULL (1u << 20)
/* Volumes that are tried over NFS; a filer may have thousands. */
#define VOLUMES_MAX   16

void doctor_nfs(struct doctor *d)
{
	if (!d->nfs_known)
		doctor_say(d, DOCTOR_SKIPPED, NULL,
			   "the account may not read the NFS service; whether it works shows below");
	else if (!d->nfs.enabled) {
		doctor_remedy(d,
			   "`vserver nfs create -vserver %s -v3 enabled`, or `vserver nfs start -vserver %s`",
			   d->svm.name, d->svm.name);
		doctor_say(d, DOCTOR_FAILED, NULL, "SVM %s does not serve NFS", d->svm.name);
	} else if (!d->nfs.v3_enabled) {
		doctor_remedy(d, "`vserver nfs modify -vserver %s -v3 enabled`", d->svm.name);
		doctor_say(d, DOCTOR_FAILED, NULL, "SVM %s does not serve NFSv3", d->svm.name);
	} else
		doctor_say(d, DOCTOR_OK, NULL, "NFSv3 is on");
}

/* One LIF: each port that a mount will use. */
static bool check_lif(struct doctor *d, const char *address)
{
	const struct config *c = &d->rest.cfg;
	uint16_t ports[2] = {(uint16_t)(c->nfs_port ? c->nfs_port : PMAP_PORT),
			     (uint16_t)(c->mount_port ? c->mount_port : PMAP_PORT)};
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		int r = i && ports[1] == ports[0] ? 0 : doctor_reach(address, ports[i], d->here);
		if (r == 0)
			continue;
		doctor_say(d, DOCTOR_FAILED, NULL, "%s, TCP port %u%s: %s", address, ports[i],
			   ports[i] == PMAP_PORT ? " (portmapper)" : "", strerror(-r));
		return false;
	}
	return true;
}

void doctor_lifs(struct doctor *d)
{
	struct nfsio_params *np = &d->np;
	const struct config *c = &d->rest.cfg;
	const struct fs_params *p = &d->rest.params;
	size_t wanted = p->nlifs ? p->nlifs : d->nlifs, good = 0;
	for (size_t i = 0; i < wanted && np->nlifs < NFSIO_LIFS_MAX; i++) {
		const char *address = p->nlifs ? p->data_lifs[i] : d->lifs[i].address;
		if (!p->nlifs && !d->lifs[i].up) {
			doctor_say(d, DOCTOR_WARNING, NULL, "%s is down", address);
			continue;
		}
		if (!check_lif(d, address))
			continue;
		good++;
		struct nfsio_lif *l = &np->lifs[np->nlifs++];
		strcpy_bounded(l->address, address, sizeof(l->address));
		l->nfs_port = (uint16_t)c->nfs_port;
		l->mount_port = (uint16_t)c->mount_port;
		/* The data path knows addresses only. */
		struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
		if (getaddrinfo(address, NULL, &hints, &found) == 0) {
			getnameinfo(found->ai_addr, found->ai_addrlen, l->address, sizeof(l->address), NULL, 0,
				NI_NUMERICHOST);
			freeaddrinfo(found);
		}
	}
	if (good)
		d->have |= HAVE_LIF;
	if (good == wanted && good)
		doctor_say(d, DOCTOR_OK, NULL, "%zu up, and reachable from %s", good, d->here);
	else if (!wanted)
		doctor_say(d, DOCTOR_FAILED, "`network interface create` with the service data_nfs, or set "
			   "dataLIF where the account may not read interfaces",
			   "SVM %s shows no data LIF that serves NFS", d->svm.name);
	else {
		doctor_remedy(d, "`network interface show -vserver %s`; let TCP 2049, 111 and 635 through to "
			   "the data LIFs; compare dataLIF, ontapfs.nfsPort and ontapfs.mountPort",
			   d->svm.name);
		if (good) /* the others serve, with fewer paths */
			d->state = DOCTOR_WARNING;
		else
			doctor_say(d, DOCTOR_FAILED, NULL, "no data LIF can be used");
	}
}

/* May this process use a port below 1024? */
static int bind_reserved(void)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	for (uint16_t port = 1023; port >= 512; port--) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

void doctor_reserved(struct doctor *d)
{
	int r = bind_reserved();
	bool wanted = !d->nfs_known || d->nfs.mount_root_only;
	if (!wanted)
		doctor_say(d, DOCTOR_OK, NULL, "mount-rootonly is off: any port will do");
	else if (r == 0)
		doctor_say(d, DOCTOR_OK, NULL, "MOUNT from a reserved port is possible");
	else {
		doctor_remedy(d, "run as root (with CAP_NET_BIND_SERVICE in a container), or `vserver nfs "
			   "modify -vserver %s -mount-rootonly disabled`", d->svm.name);
		doctor_say(d, DOCTOR_FAILED, NULL,
			   "ONTAP wants MOUNT from a port below 1024, and none can be had: %s", strerror(-r));
	}
}

/* ---- NFS itself ---------------------------------------------------------------- */

static bool shown(const struct doctor *d, size_t i)
{
	return !fs_hidden_why(&d->rest.params, &d->volumes[i]);
}

static int look(struct doctor *d, const char *path, bool deep, struct fs_probe *ret)
{
	d->np.next_xid = &d->xid;
	d->np.counters = &d->counters;
	return fs_probe_nfs(&d->np, path, deep, ret);
}

static void export_refused(struct doctor *d, const struct ontap_volume *v, const struct fs_probe *p, int r)
{
	if (r == -EACCES && p->step == NFSIO_MNT) {
		doctor_remedy(d, "`vserver export-policy rule create -vserver %s -policyname %s -clientmatch "
			   "%s -protocol nfs -rorule sys -rwrule sys -superuser sys`, and read access in the "
			   "policy of the SVM's root volume", d->svm.name, v->export_policy,
			   d->here[0] ? d->here : "HOST");
		doctor_say(d, DOCTOR_FAILED, NULL, "%s: no rule of policy %s lets %s in", v->name,
			   v->export_policy, d->here[0] ? d->here : "this host");
	} else if (r == -EACCES) {
		doctor_remedy(d, "`vserver export-policy rule modify -vserver %s -policyname %s -ruleindex N "
			   "-rorule sys -rwrule sys`", d->svm.name, v->export_policy);
		doctor_say(d, DOCTOR_FAILED, NULL, "%s: the rule of policy %s for this host does not allow sys",
			   v->name, v->export_policy);
	} else {
		doctor_remedy(d, "is the volume mounted at %s (`volume show -fields junction-path`)?", v->junction);
		doctor_say(d, DOCTOR_FAILED, NULL, "%s: %s %s: %s", v->name, nfsio_proc_name(p->step),
			   v->junction, strerror(-r));
	}
}

void doctor_export(struct doctor *d)
{
	size_t tried = 0, good = 0;
	for (size_t i = 0; i < d->nvolumes && tried < VOLUMES_MAX; i++) {
		struct fs_probe p;
		if (!shown(d, i))
			continue;
		tried++;
		int r = look(d, d->volumes[i].junction, false, &p);
		if (r == 0) {
			good++;
			d->rtmax = MAX_OF(d->rtmax, p.rtmax);
			continue;
		}
		export_refused(d, &d->volumes[i], &p, r);
		if (r != -EACCES && r != -ENOENT)
			break; /* the others would wait as long in vain */
	}
	if (good)
		d->have |= HAVE_EXPORT;
	if (good == tried && good)
		doctor_say(d, DOCTOR_OK, NULL, "%zu volumes let this host in with sys%s", good,
			   tried == VOLUMES_MAX ? " (more were not tried)" : "");
	else if (good)
		d->state = DOCTOR_WARNING;
	else if (!tried)
		doctor_say(d, DOCTOR_SKIPPED, NULL, "there is no volume to try");
}

void doctor_transfer(struct doctor *d)
{
	uint32_t size = d->nfs_known && d->nfs.tcp_max_transfer_size ? d->nfs.tcp_max_transfer_size : d->rtmax;
	if (!size)
		doctor_say(d, DOCTOR_SKIPPED, NULL, "neither REST nor NFS tells it");
	else if (size >= TRANSFER_FULL)
		doctor_say(d, DOCTOR_OK, NULL, "tcp-max-xfer-size is %u", size);
	else {
		doctor_remedy(d, "`vserver nfs modify -vserver %s -tcp-max-xfer-size 1048576` (advanced; "
			   "clients mount anew)", d->svm.name);
		doctor_say(d, DOCTOR_WARNING, NULL,
			   "tcp-max-xfer-size is %u: large files are read in small pieces", size);
	}
}

void doctor_identifiers(struct doctor *d)
{
	const char *flexgroup = NULL;
	for (size_t i = 0; i < d->nvolumes && !flexgroup; i++)
		if (shown(d, i) && d->volumes[i].style == ONTAP_FLEXGROUP)
			flexgroup = d->volumes[i].name;
	if (!d->nfs_known)
		doctor_say(d, DOCTOR_SKIPPED, NULL, "the account may not read the NFS service");
	else if (d->nfs.v3_64bit_ids)
		doctor_say(d, DOCTOR_OK, NULL, "NFSv3 has 64-bit identifiers");
	else if (!flexgroup)
		doctor_say(d, DOCTOR_OK, NULL, "32 bits, which is enough without FlexGroups");
	else {
		doctor_remedy(d, "`vserver nfs modify -vserver %s -v3-64bit-identifiers enabled` (advanced; "
			   "all clients of the SVM mount anew)", d->svm.name);
		doctor_say(d, DOCTOR_WARNING, NULL, "file numbers have 32 bits and may collide in FlexGroups "
			   "such as %s; ontapfs goes by file handles there", flexgroup);
	}
}

void doctor_snapdir(struct doctor *d)
{
	size_t off = 0;
	for (size_t i = 0; i < d->nvolumes; i++)
		if (shown(d, i) && !d->volumes[i].snapdir_access && off++ < 8)
			doctor_say(d, DOCTOR_WARNING, NULL,
				   "%s has it off: its snapshots list, but cannot be entered",
				   d->volumes[i].name);
	if (off)
		doctor_remedy(d, "`volume modify -vserver %s -volume NAME -snapdir-access true`, or allow "
			   "snapdir.enable, so that entering one switches it on", d->svm.name);
	else
		doctor_say(d, DOCTOR_OK, NULL, "on for all volumes");
	if (off > 8)
		doctor_say(d, DOCTOR_WARNING, NULL, "and %zu more", off - 8);
}

void doctor_read(struct doctor *d)
{
	struct fs_probe p = {0};
	const struct ontap_volume *listed = NULL;
	int r = 0;
	size_t tried = 0;
	for (size_t i = 0; i < d->nvolumes && tried < VOLUMES_MAX && !p.bytes; i++) {
		if (!shown(d, i))
			continue;
		tried++;
		int e = look(d, d->volumes[i].junction, true, &p);
		if (e == 0)
			listed = &d->volumes[i];
		else
			r = e;
	}
	if (p.bytes)
		doctor_say(d, DOCTOR_OK, NULL, "read %u bytes of %s/%s", p.bytes, listed->name, p.file);
	else if (listed)
		doctor_say(d, DOCTOR_OK, NULL, "listed the root of %s; there is no file in it to read", listed->name);
	else if (r == -EACCES)
		doctor_say(d, DOCTOR_WARNING, "none, if users may; else check superuser in the export rule",
			   "root of this host may not list any volume: it is squashed, or the modes forbid it");
	else
		doctor_say(d, DOCTOR_FAILED, "look at the events of the filer and at the network between",
			   "%s fails: %s", nfsio_proc_name(p.step), strerror(-r));
}
