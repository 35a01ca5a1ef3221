/* The files of .ontap: the mount explains itself. Text is made when a file is
 * opened, from what is known; none waits for ONTAP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/buf.h"
#include "fs/base/clock.h"
#include "fs/fs_i.h"

#define TEXT_MAX (4u << 20)

typedef void (*text_fn)(struct fs *fs, const struct caller *who, struct buf *b);

/* ---- README ----------------------------------------------------------------------- */

static void put_readme(struct fs *fs, const struct caller *who, struct buf *b)
{
	(void)who;
	const char *sd = fs->p.snapdir_name;
	buf_printf(b,
		   "This directory tree shows the volumes of SVM %s on cluster %s.\n\n"
		   "  ls %s                          the volumes\n"
		   "  ls VOLUME/%s          its snapshots (hidden from ls -a, find, rsync; enter by name)\n"
		   "  mkdir VOLUME/%s/run1  make snapshot run1, now\n"
		   "  diff -r VOLUME VOLUME/%s/run1\n"
		   "  cp -a VOLUME/%s/run1/dir VOLUME/   bring something back\n"
		   "  mv VOLUME/%s/run1 VOLUME/%s/good   rename a snapshot\n"
		   "  rmdir VOLUME/%s/run1  delete it, full as it is, at once\n"
		   "  readlink VOLUME@latest           the newest snapshot's path, pinned\n"
		   "  getfattr --only-values -n ontap.json VOLUME/%s/run1\n\n",
		   fs->svm.name, fs->cluster.name, fs->p.mountpoint, sd, sd, sd, sd, sd, sd, sd, sd);
	if (fs->p.snapdir != FS_SNAPDIR_OFF && fs->p.allow & 1u << FS_CLONE_CREATE)
		buf_printf(b,
			   "  ln -s VOLUME/%s/run1 exp1   clone exp1 of run1: writable, made at once;\n"
			   "                                     here a link to VOLUME/.clones/exp1\n"
			   "  ln -s ../%s/run1 VOLUME/.clones/exp1   the same from within the volume\n"
			   "  mkdir VOLUME/.clones/exp2        a clone of what VOLUME holds now\n"
			   "  ls VOLUME/.clones                its clones; each has .snapshots and .clones of its own\n"
			   "  rmdir VOLUME/.clones/exp1        delete an empty clone; a full one after\n"
			   "  setfattr -n ontap.arm -v exp1 VOLUME/.clones/exp1\n\n", sd, sd);
	buf_puts(b,
		 "Where it is allowed:\n"
		 "  setfattr -n ontap.snapshot.expiry -v +30d SNAPSHOT   nobody deletes it until then\n"
		 "  setfattr -n ontap.clone.split -v 1 CLONE             a volume of its own (getfattr: percent)\n"
		 "  setfattr -n ontap.volume.size -v 2T VOLUME\n"
		 "  setfattr -n ontap.arm -v VOLUME VOLUME && rmdir VOLUME\n"
		 "  setfattr -n ontap.snapmirror.update -v 1 VOLUME      a transfer to this destination\n"
		 "Large files are copied by cp, and by ln out of a snapshot, without moving data.\n\n"
		 "Nothing is lost by accident: rm -rf of a volume's files does not reach its snapshots,\n"
		 "a snapshot cannot be moved out or overwritten, and a program that walked through a\n"
		 "snapshot cannot remove it in the same breath.\n\n"
		 "When something is refused, the reason in words:\n"
		 "  getfattr --only-values -n ontap.last_error .\n\n"
		 "\"ln snapshot name\" without -s never reaches this file system: coreutils says\n"
		 "\"hard link not allowed for directory\". It is ln -s that makes a clone.\n\n"
		 "Files here: status, status.json, stats (Prometheus), config, jobs, last_error.\n");
}

/* ---- status ------------------------------------------------------------------------- */

static double age_s(int64_t ns)
{
	return ns ? (double)(clock_now_ns() - ns) / 1e9 : -1;
}

/* Entries of a volume's root that cannot be reached since ours have their names. */
static void put_shadowed(struct fs *fs, const struct volume_facts *v, struct buf *b)
{
	uint32_t space = space_find(&fs->spaces, &v->uuid, NULL);
	uint8_t what = space ? atomic_load(&fs->shadowed[space]) : 0;
	if (what & SHADOW_SNAPDIR)
		buf_printf(b, "  %s: an entry %s of its own is hidden by ours\n", v->name, fs->p.snapdir_name);
	if (what & SHADOW_CLONEDIR)
		buf_printf(b, "  %s: an entry .clones of its own is hidden by ours\n", v->name);
	if (what & SHADOW_PRIVATE)
		buf_printf(b, "  %s: no file clones, its " PRIVATE_DIR " is not a directory that only root enters\n",
			   v->name);
}

static void put_status(struct fs *fs, const struct caller *who, struct buf *b)
{
	(void)who;
	struct control_health h;
	control_health(fs->ctl, &h);
	struct catalog *cat = catalog_get(fs->ctl);
	size_t shown = 0;
	for (size_t i = 0; i < cat->n; i++)
		shown += !cat->vol[i]->hidden_why;
	buf_printf(b, "mount        %s\ncluster      %s, %s\nsvm          %s\n", fs->p.mountpoint,
		   fs->cluster.name, fs->cluster.version_full, fs->svm.name);
	buf_printf(b, "rest         %s, last answer %.1f s ago%s%s\n", h.ok ? "ok" : "no answer",
		   age_s(h.last_ok_ns), h.ok ? "" : ": ", h.ok ? "" : h.text);
	for (uint32_t i = 0; i < fs->nfs_params.nlifs; i++)
		buf_printf(b, "lif          %s port %u\n", fs->nfs_params.lifs[i].address,
			   fs->nfs_params.lifs[i].nfs_port);
	buf_printf(b, "connections  %llu open, %llu reconnects\n",
		   (unsigned long long)stats_get(&fs->nfs_counters.connections),
		   (unsigned long long)stats_get(&fs->nfs_counters.reconnects));
	buf_printf(b, "inodes       %u of %u\nworkers      %u\n", atomic_load(&fs->nodes.live),
		   fs->st.max_nodes, fs->nworkers);
	buf_printf(b, "volumes      %zu shown, %zu left out\n", shown, cat->n - shown);
	for (size_t i = 0; i < cat->n; i++) {
		if (cat->vol[i]->hidden_why)
			buf_printf(b, "  %s: %s\n", cat->vol[i]->v.name, cat->vol[i]->hidden_why);
		else if (!cat->vol[i]->v.snapdir_access)
			buf_printf(b, "  %s: snapshot directory access is off, its snapshots cannot be entered\n",
				   cat->vol[i]->v.name);
		put_shadowed(fs, &cat->vol[i]->v, b);
	}
	catalog_put(cat);
}

static void put_status_json(struct fs *fs, const struct caller *who, struct buf *b)
{
	(void)who;
	struct control_health h;
	control_health(fs->ctl, &h);
	buf_puts(b, "{\"version\":\"" ONTAPFS_VERSION "\",\"mountpoint\":");
	buf_json(b, fs->p.mountpoint);
	buf_puts(b, ",\"cluster\":{\"name\":");
	buf_json(b, fs->cluster.name);
	buf_puts(b, ",\"version\":");
	buf_json(b, fs->cluster.version_full);
	buf_puts(b, "},\"svm\":");
	buf_json(b, fs->svm.name);
	buf_printf(b, ",\"rest\":{\"ok\":%s,\"last_ok_s\":%.3f,\"error\":", h.ok ? "true" : "false",
		   age_s(h.last_ok_ns));
	buf_json(b, h.ok ? "" : h.text);
	buf_puts(b, "},\"lifs\":[");
	for (uint32_t i = 0; i < fs->nfs_params.nlifs; i++) {
		buf_puts(b, i ? ",{\"address\":" : "{\"address\":");
		buf_json(b, fs->nfs_params.lifs[i].address);
		buf_printf(b, ",\"port\":%u}", fs->nfs_params.lifs[i].nfs_port);
	}
	buf_printf(b, "],\"connections\":%llu,\"inodes\":%u,\"max_inodes\":%u,\"workers\":%u,\"volumes\":[",
		   (unsigned long long)stats_get(&fs->nfs_counters.connections),
		   atomic_load(&fs->nodes.live), fs->st.max_nodes, fs->nworkers);
	struct catalog *cat = catalog_get(fs->ctl);
	char u[UUID_TEXT_LEN + 1];
	for (size_t i = 0; i < cat->n; i++) {
		buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
		buf_json(b, cat->vol[i]->v.name);
		buf_printf(b, ",\"uuid\":\"%s\",\"shown\":%s,\"why\":", uuid_format(&cat->vol[i]->v.uuid, u),
			   cat->vol[i]->hidden_why ? "false" : "true");
		buf_json(b, cat->vol[i]->hidden_why ? cat->vol[i]->hidden_why : "");
		buf_printf(b, ",\"snapdir_access\":%s}", cat->vol[i]->v.snapdir_access ? "true" : "false");
	}
	catalog_put(cat);
	buf_puts(b, "]}\n");
}

/* ---- stats ------------------------------------------------------------------------------ */

static const char *const op_names[STATS_OPCODES] = {
	[1] = "LOOKUP", [3] = "GETATTR", [4] = "SETATTR", [5] = "READLINK", [6] = "SYMLINK",
	[8] = "MKNOD", [9] = "MKDIR", [10] = "UNLINK", [11] = "RMDIR", [12] = "RENAME", [13] = "LINK",
	[14] = "OPEN", [15] = "READ", [16] = "WRITE", [17] = "STATFS", [18] = "RELEASE",
	[20] = "FSYNC", [21] = "SETXATTR", [22] = "GETXATTR", [23] = "LISTXATTR",
	[24] = "REMOVEXATTR", [25] = "FLUSH", [27] = "OPENDIR", [28] = "READDIR",
	[29] = "RELEASEDIR", [30] = "FSYNCDIR", [34] = "ACCESS", [35] = "CREATE", [39] = "IOCTL",
	[40] = "POLL", [43] = "FALLOCATE", [44] = "READDIRPLUS", [45] = "RENAME2", [46] = "LSEEK",
	[47] = "COPY_FILE_RANGE",
};

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP ontapfs_%s %s\n# TYPE ontapfs_%s %s\n", name, help, name, type);
}

static void one(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
	head(b, name, type, help);
	buf_printf(b, "ontapfs_%s %llu\n", name, (unsigned long long)v);
}

static void put_fuse_stats(struct fs *fs, struct buf *b)
{
	struct stats *s = &fs->stats;
	head(b, "fuse_requests_total", "counter", "Requests of the kernel that were answered.");
	for (uint32_t i = 0; i < STATS_OPCODES; i++)
		if (op_names[i])
			buf_printf(b, "ontapfs_fuse_requests_total{op=\"%s\"} %llu\n", op_names[i],
				   (unsigned long long)stats_get(&s->requests[i]));
	head(b, "fuse_errors_total", "counter", "Requests that were answered with an error.");
	for (uint32_t i = 0; i < STATS_OPCODES; i++)
		if (op_names[i])
			buf_printf(b, "ontapfs_fuse_errors_total{op=\"%s\"} %llu\n", op_names[i],
				   (unsigned long long)stats_get(&s->errors[i]));
	head(b, "fuse_latency_seconds", "histogram", "From reading a request to writing its answer.");
	uint64_t sum = 0;
	for (uint32_t i = 0; i < STATS_BUCKETS; i++) {
		sum += stats_get(&s->latency[i]);
		if (i + 1 < STATS_BUCKETS)
			buf_printf(b, "ontapfs_fuse_latency_seconds_bucket{le=\"%.6f\"} %llu\n",
				   (double)(1ull << i) / 1e6, (unsigned long long)sum);
	}
	buf_printf(b, "ontapfs_fuse_latency_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long)sum);
	buf_printf(b, "ontapfs_fuse_latency_seconds_sum %.9f\nontapfs_fuse_latency_seconds_count %llu\n",
		   (double)stats_get(&s->latency_ns) / 1e9, (unsigned long long)sum);
	one(b, "fuse_replies_lost_total", "counter", "Answers that the kernel had given up.",
	    stats_get(&s->replies_lost));
	one(b, "fuse_interrupts_total", "counter", "Interrupts.", stats_get(&s->interrupts));
	one(b, "fuse_forgets_total", "counter", "FORGET requests.", stats_get(&s->forgets));
	one(b, "fuse_parked_total", "counter", "Requests that had to wait for a slot.", stats_get(&s->parked));
	one(b, "fuse_read_bytes_total", "counter", "Bytes given to READ.", stats_get(&s->bytes_read));
	one(b, "fuse_written_bytes_total", "counter", "Bytes taken by WRITE.", stats_get(&s->bytes_written));
	one(b, "access_cache_hits_total", "counter", "ACCESS answered from the cache.",
	    stats_get(&s->access_hits));
	one(b, "access_cache_misses_total", "counter", "ACCESS asked of the server.",
	    stats_get(&s->access_misses));
	one(b, "open_stale_total", "counter", "Opens of files that had changed elsewhere.",
	    stats_get(&s->open_stale));
	one(b, "readdir_kept_total", "counter", "Directory reads served from a kept answer.",
	    stats_get(&s->readdir_surplus));
	one(b, "lookup_kept_total", "counter", "Lookups in snapshots answered from a listing.",
	    stats_get(&s->lookup_kept));
	one(b, "open_prefetched_total", "counter", "Opens in snapshots that read the file in the place of ACCESS.",
	    stats_get(&s->open_prefetched));
	one(b, "own_listings_total", "counter", "Pieces of snapshots' directories listed to spare lookups.",
	    stats_get(&s->own_listings));
	one(b, "silly_renames_total", "counter", "Open files kept under a .nfs name.",
	    stats_get(&s->silly_renames));
	one(b, "inodes", "gauge", "Inodes that the kernel knows.", atomic_load(&fs->nodes.live));
	one(b, "inode_collisions_total", "counter", "Different objects with one inode number.",
	    atomic_load(&fs->nodes.ino_collisions));
	one(b, "spaces_bound_total", "counter", "Snapshots bound to a root handle.",
	    stats_get(&s->snapshot_binds));
	one(b, "spaces_died_total", "counter", "Volumes and snapshots that went away.",
	    stats_get(&s->spaces_killed));
	one(b, "notifications_total", "counter", "Invalidations given to the kernel.",
	    stats_get(&s->notifications));
	one(b, "notifications_dropped_total", "counter", "Invalidations lost.",
	    stats_get(&s->notifications_dropped));
}

static void put_nfs_stats(struct fs *fs, struct buf *b)
{
	struct nfsio_counters *n = &fs->nfs_counters;
	head(b, "nfs_calls_total", "counter", "NFSv3 and MOUNT calls that were answered.");
	for (int i = 0; i < NFSIO_NPROCS; i++)
		buf_printf(b, "ontapfs_nfs_calls_total{proc=\"%s\"} %llu\n", nfsio_proc_name(i),
			   (unsigned long long)stats_get(&n->calls[i]));
	head(b, "nfs_errors_total", "counter", "Calls that were answered with an error.");
	for (int i = 0; i < NFSIO_NPROCS; i++)
		buf_printf(b, "ontapfs_nfs_errors_total{proc=\"%s\"} %llu\n", nfsio_proc_name(i),
			   (unsigned long long)stats_get(&n->errors[i]));
	head(b, "nfs_latency_seconds_total", "counter", "Time of all calls together.");
	for (int i = 0; i < NFSIO_NPROCS; i++)
		buf_printf(b, "ontapfs_nfs_latency_seconds_total{proc=\"%s\"} %.9f\n", nfsio_proc_name(i),
			   (double)stats_get(&n->latency_ns[i]) / 1e9);
	one(b, "nfs_read_bytes_total", "counter", "Bytes that READ brought.", stats_get(&n->bytes_read));
	one(b, "nfs_written_bytes_total", "counter", "Bytes that WRITE took.", stats_get(&n->bytes_written));
	one(b, "nfs_connections", "gauge", "Open connections.", stats_get(&n->connections));
	one(b, "nfs_reconnects_total", "counter", "Connections made again.", stats_get(&n->reconnects));
	one(b, "nfs_resends_total", "counter", "Calls sent again.", stats_get(&n->resends));
	one(b, "nfs_jukebox_total", "counter", "JUKEBOX answers.", stats_get(&n->jukebox));
	one(b, "nfs_garbage_total", "counter", "Answers that made no sense.", stats_get(&n->garbage));
	one(b, "nfs_stale_total", "counter", "STALE answers.", stats_get(&n->stale));
}

static void put_stats(struct fs *fs, const struct caller *who, struct buf *b)
{
	(void)who;
	put_fuse_stats(fs, b);
	put_nfs_stats(fs, b);
	volstats_put(fs, b);
	struct ontap_counters *o = ontap_counters(fs->ontap);
	one(b, "rest_requests_total", "counter", "HTTP requests to ONTAP.", stats_get(&o->requests));
	one(b, "rest_retries_total", "counter", "HTTP requests sent again.", stats_get(&o->retries));
	one(b, "rest_failures_total", "counter", "HTTP requests that failed.", stats_get(&o->failures));
	one(b, "rest_jobs_polled_total", "counter", "Questions about jobs.", stats_get(&o->jobs_polled));
	one(b, "rest_received_bytes_total", "counter", "Bytes received from ONTAP.",
	    stats_get(&o->bytes_received));
	head(b, "rest_latency_seconds_total", "counter", "Time of all HTTP requests together.");
	buf_printf(b, "ontapfs_rest_latency_seconds_total %.9f\n", (double)stats_get(&o->latency_ns_sum) / 1e9);
	head(b, "verbs_total", "counter", "Control verbs that ended.");
	for (int i = CTL_SNAPSHOT_CREATE; i < CTL_NOPS; i++)
		buf_printf(b, "ontapfs_verbs_total{verb=\"%s\"} %llu\n", ctl_op_name((enum ctl_op)i),
			   (unsigned long long)stats_get(&fs->stats.verbs[i]));
	head(b, "verb_errors_total", "counter", "Control verbs that failed.");
	for (int i = CTL_SNAPSHOT_CREATE; i < CTL_NOPS; i++)
		buf_printf(b, "ontapfs_verb_errors_total{verb=\"%s\"} %llu\n", ctl_op_name((enum ctl_op)i),
			   (unsigned long long)stats_get(&fs->stats.verb_errors[i]));
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void put_config(struct fs *fs, const struct caller *who, struct buf *b)
{
	(void)who;
	buf_printf(b, "%s\n", fs->p.config_json ? fs->p.config_json : "{}");
}

static void put_jobs(struct fs *fs, const struct caller *who, struct buf *b)
{
	(void)who;
	control_jobs(fs->ctl, b);
}

static void put_last_error(struct fs *fs, const struct caller *who, struct buf *b)
{
	char text[512];
	last_error_get(fs->last_errors, who->uid, who->pid_ns, text, sizeof(text));
	if (text[0])
		buf_printf(b, "%s\n", text);
}

static const struct {
	const char *name;
	bool admin_only;
	text_fn put;
} files[] = {
	{"README", false, put_readme},         {"status", false, put_status},
	{"status.json", false, put_status_json}, {"stats", false, put_stats},
	{"config", true, put_config},          {"jobs", true, put_jobs},
	{"last_error", false, put_last_error},
};

int statfile_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strcmp(files[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *statfile_name(uint64_t which)
{
	return files[which].name;
}

uint64_t statfile_count(void)
{
	return ARRAY_LEN(files);
}

bool statfile_admin_only(uint64_t which)
{
	return which < ARRAY_LEN(files) && files[which].admin_only;
}

char *statfile_text(struct fs *fs, uint64_t which, const struct caller *who, size_t *ret_len)
{
	struct buf b;
	buf_init(&b, TEXT_MAX);
	if (which < ARRAY_LEN(files))
		files[which].put(fs, who, &b);
	char *text = buf_steal(&b, ret_len);
	buf_fini(&b);
	return text;
}
