/* One assignment per parameter: this file is the list of what reaches fs/. */
#include "mountd/params.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)CONFIG_NVERBS == (int)FS_NVERBS, "both lists of verbs are one list");
_Static_assert((int)CONFIG_FOREIGN == (int)FS_FOREIGN, "in one order");
_Static_assert((int)CONFIG_SNAPDIR_OFF == (int)FS_SNAPDIR_OFF, "in one order");

static int fill_lifs(const struct config *c, struct fs_params *p, char err[512])
{
	const size_t room = sizeof(p->data_lifs[0]);
	for (char *const *l = c->data_lifs; l && *l; l++, p->nlifs++) {
		if (p->nlifs == NFSIO_LIFS_MAX ||
		    (size_t)snprintf(p->data_lifs[p->nlifs], room, "%s", *l) >= room) {
			snprintf(err, 512, "dataLIF: '%s' is too long, or one of more than %d", *l,
				 NFSIO_LIFS_MAX);
			return -EINVAL;
		}
	}
	return 0;
}

struct ontap_login params_login(const struct config *c)
{
	return (struct ontap_login){.username = c->username,
				    .password = c->password,
				    .client_cert_pem = c->client_cert_pem,
				    .client_key_pem = c->client_key_pem,
				    .ca_pem = c->ca_pem};
}

int params_fill(const struct config *c, struct buf *json, struct fs_params *ret, char err[512])
{
	config_dump_json(c, json);
	if (!buf_ok(json)) {
		snprintf(err, 512, "%s: the configuration is too large", c->source);
		return -EINVAL;
	}
	*ret = (struct fs_params){
		.ontap = {.management_lifs = (const char *const *)c->management_lifs,
			  .port = (uint16_t)c->rest_port,
			  .svm = c->svm,
			  .login = params_login(c),
			  .app = "ontapfs/" ONTAPFS_VERSION,
			  .deadline_ms = (int)(c->control_timeout_ns / 1000000)},
		.nfs_port = (uint16_t)c->nfs_port,
		.mount_port = (uint16_t)c->mount_port,
		.nconnect = c->nconnect,
		.rsize = c->rsize,
		.wsize = c->wsize,
		.soft_ns = c->soft_ns,
		.workers = c->workers,
		.slots = c->slots,
		.write_slots = c->write_slots,
		.max_nodes = c->max_nodes,
		.attr_timeout_ns = c->attr_timeout_ns,
		.snapshot_refresh_ns = c->snapshot_refresh_ns,
		.catalog_refresh_ns = c->catalog_refresh_ns,
		.control_timeout_ns = c->control_timeout_ns,
		.verb_wait_ns = c->verb_wait_ns,
		.read_ahead_kb = c->read_ahead_kb,
		.max_background = c->max_background,
		.spin_ns = (int64_t)c->spin_us * 1000,
		.snapdir = (enum fs_snapdir)c->snapdir,
		.snapdir_name = c->snapdir_name,
		.include = (const char *const *)c->include,
		.exclude = (const char *const *)c->exclude,
		.allow = c->allow,
		.admin_uids = c->admin_uids,
		.nadmin_uids = c->nadmin_uids,
		.snapshots_per_volume = c->snapshots_per_volume,
		.clones_per_uid = c->clones_per_uid,
		.clone_min = c->clone_min,
		.skip_recovery_queue = c->skip_recovery_queue,
		.split_on_clone = c->split_on_clone,
		.verbs_per_minute = c->verbs_per_minute,
		.limit_volume_size = c->limit_volume_size,
		.realm = c->realm,
		.audit_log = c->audit_log,
		.lock_none = c->lock == CONFIG_LOCK_NONE,
		.create = {
			.flexgroup = strcmp(c->storage_driver, "ontap-nas-flexgroup") == 0,
			.size = c->default_size,
			.export_policy = c->export_policy,
			.snapshot_policy = c->snapshot_policy,
			.unix_permissions = c->unix_permissions,
			.space_reserve = c->space_reserve,
			.snapshot_dir = c->snapshot_dir,
		},
		.config_json = json->data,
	};
	memcpy(ret->allow_gid, c->allow_gid, sizeof(ret->allow_gid));
	return fill_lifs(c, ret, err);
}
