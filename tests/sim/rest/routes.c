/*
 * Every route of the simulator.  A new resource is one file and one row here.
 */
#include "tests/sim/rest/resources.h"

const struct resource *const routes[] = {
	&res_cluster,     &res_nodes,         &res_jobs,         &res_svms,
	&res_interfaces,  &res_aggregates,    &res_nfs_services, &res_export_policies,
	&res_export_rules, &res_volumes,      &res_snapshots,    &res_snapshot_policies,
	&res_recovery_queue, &res_recovery_purge,
	&res_accounts,    &res_roles,         &res_licenses,
	&res_peers,       &res_ems,           &res_file_clone,   &res_file_splits,
	&res_flexcaches,  &res_flexcache_origins, &res_snapmirrors, &res_snapmirror_transfers,
	&res_snapmirror_policies, &res_qtrees, &res_qtree_metrics, &res_quota_rules,
	&res_cifs_shares, &res_cli_volume,    &res_cli_snapmirror,
	NULL,
};
