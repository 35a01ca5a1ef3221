/* The file system: tree, FUSE operations, data path. The door of fs/.
 *
 * Order of life: fs_new (maps the shared state, connects to ONTAP over REST
 * and NFS, reads the first catalog), then the caller mounts the FUSE
 * descriptor, then fs_serve until the mount ends or fs_stop is called. A fatal
 * condition is an error return with one clear sentence, never an abort. */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/nfs/nfsio.h"
#include "ontap/ontap.h"

enum fs_snapdir { FS_SNAPDIR_HIDDEN, FS_SNAPDIR_VISIBLE, FS_SNAPDIR_OFF };

/* Control verbs that policy may allow; bit numbers of fs_params.allow. */
enum fs_verb {
	FS_SNAPSHOT_CREATE, FS_SNAPSHOT_DELETE, FS_SNAPSHOT_RENAME, FS_CLONE_CREATE,
	FS_CLONE_DELETE, FS_VOLUME_CREATE, FS_VOLUME_DELETE, FS_VOLUME_RESIZE,
	FS_SNAPDIR_ENABLE, FS_SNAPSHOT_RETAIN, FS_FOREIGN, FS_SNAPMIRROR_UPDATE, FS_NVERBS,
	/* No words of `allow`: these go with another verb, or with the right to the
	 * object. They are named in audit records. */
	FS_CLONE_SPLIT = FS_NVERBS, FS_SNAPSHOT_SET, FS_FILE_CLONE, FS_VOLUME_RESTORE, FS_VERB_NAMES
};
/* "snapshot.create" and so on, indexed by enum fs_verb. */
extern const char *const fs_verb_names[FS_VERB_NAMES];

struct fs_params {
	/* Descriptors and memory; fs owns them from fs_new on. */
	int fuse_fd;      /* /dev/fuse, not mounted yet on a first start */
	int state_fd;     /* memfd of the shared state: empty on a first start */
	bool takeover;    /* state_fd holds a predecessor's state, the mount exists */

	struct ontap_params ontap;
	/* Data LIFs by configuration; nlifs 0: discovered by REST. */
	char data_lifs[NFSIO_LIFS_MAX][64];
	uint32_t nlifs;
	uint16_t nfs_port, mount_port; /* 0: portmapper */
	uint32_t nconnect, rsize, wsize; /* bytes, 0: the server's maximum */
	int64_t soft_ns;                /* 0: hard */

	uint32_t workers;               /* 0: one per core, at most 8 */
	uint32_t slots, write_slots, max_nodes;
	int64_t attr_timeout_ns, snapshot_refresh_ns, catalog_refresh_ns;
	int64_t control_timeout_ns, verb_wait_ns;
	uint32_t read_ahead_kb, max_background;
	int64_t spin_ns;                /* 0: never */
	enum fs_snapdir snapdir;
	const char *snapdir_name;       /* NULL: ".snapshots"; copied, as all strings here */
	const char *const *include, *const *exclude; /* NULL-terminated glob lists, or NULL */
	uint32_t allow;                 /* bits of 1 << enum fs_verb */
	int64_t allow_gid[FS_NVERBS];   /* -1: everyone, else that group only */
	const uint32_t *admin_uids;
	size_t nadmin_uids;
	uint32_t snapshots_per_volume, clones_per_uid, verbs_per_minute;
	uint64_t clone_min;             /* bytes from which on ONTAP copies files; 0: never */
	bool split_on_clone;            /* a new clone is split from its parent at once */
	uint64_t limit_volume_size;     /* bytes of a volume that is made or resized; 0: no limit */
	bool skip_recovery_queue;       /* deleted clones free their space at once */
	const char *realm;              /* NULL: the machine id */
	const char *audit_log;          /* file for audit records; NULL: the log */
	bool lock_none;                 /* flock and fcntl locks are refused: ENOLCK */
	/* What `mkdir` at the root makes, where volume.create is allowed. */
	struct {
		bool flexgroup;
		uint64_t size;          /* bytes, 0: ONTAP's smallest */
		const char *export_policy, *snapshot_policy, *unix_permissions, *space_reserve;
		bool snapshot_dir;
	} create;
	const char *config_json;        /* effective configuration for .ontap/config, masked */
	const char *mountpoint;         /* absolute path, for status and for absolute links */
};

struct fs;

/* Everything that can fail before a mount exists: ONTAP login, SVM, LIFs, NFS
 * service, export rule (mounts the root of the tree's first volumes). NULL:
 * `err` holds one sentence for people and errno the reason; EOPNOTSUPP: this
 * daemon can never take over that state. Main thread; starts no worker yet. */
struct fs *fs_new(const struct fs_params *p, char err[512]);

/* Options for mount(2), "fd=%d" excepted: "rootmode=40000,user_id=0,..." */
void fs_mount_options(const struct fs *fs, char *out, size_t len);

/* Starts workers, control thread and notifier, answers INIT; then calls ready
 * (once the tree answers) and serves until unmount or fs_stop. Returns 0 when
 * the file system was unmounted, 1 when stopped by fs_stop, -errno with `err`
 * filled on failure. Main thread. */
int fs_serve(struct fs *fs, void (*ready)(void *priv), void *priv, char err[512]);

/* Asks fs_serve to drain and return. Any thread and signal handlers. */
void fs_stop(struct fs *fs);
/* Reads the login and the catalog again soon. Any thread. */
void fs_refresh(struct fs *fs);
/* Could a daemon with these parameters take the mount over from the one that
 * serves it now? Only looks; the descriptors stay the caller's. 0, or -EPROTO (the
 * shared state, or what was promised to the kernel, is another version's) or another
 * -errno, with one sentence in err. */
int fs_check_takeover(const struct fs_params *p, char err[512]);
void fs_free(struct fs *fs);

/* ---- for commands that run without a mount ---- */

/* Who made an object, by our record at the end of its comment. */
struct fs_creator {
	uint32_t uid;
	char realm[64];
	size_t text_len; /* bytes of the comment that people wrote */
};
/* False: not made through ontapfs; text_len holds all the same. */
bool fs_creator_of(const char *comment, struct fs_creator *ret);
/* "We" in such a record: as configured (may be NULL), else the machine id. */
void fs_realm(const char *configured, char out[64]);
/* What one look over NFS brought. */
struct fs_probe {
	enum nfsio_proc step;  /* the last one: NFSIO_MNT, FSINFO, READDIRPLUS or READ */
	uint32_t rtmax, wtmax; /* bytes, of FSINFO */
	uint32_t entries;      /* listed in the root, the first ones */
	char file[256];        /* in the root, of which something was read; "" there is none */
	uint32_t bytes;        /* read of it */
};
/* Mounts `path` from the LIFs of np (soft_ns is its own) and asks FSINFO; look:
 * lists the root and reads a file. Any thread, waits some seconds at most; as the
 * user of this process. 0, or -errno of ret->step. */
int fs_probe_nfs(const struct nfsio_params *np, const char *path, bool look, struct fs_probe *ret);
/* Why a mount leaves this volume out: a static sentence, NULL: it shows it. */
const char *fs_hidden_why(const struct fs_params *p, const struct ontap_volume *v);

#endif
