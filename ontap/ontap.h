/* The control plane: ONTAP's REST API as plain C calls. The door of ontap/.
 *
 * One `struct ontap` belongs to one thread (the control thread). Every call
 * takes a completion function, runs it exactly once on that thread, and never
 * before the call returned. Results handed to a completion are valid during
 * it only; copy what must live longer (or take ownership where said so).
 *
 * Errors: 0 or -errno by the one table in ontap/error.c, with ONTAP's own code
 * and text beside it for people. -ETIMEDOUT when the deadline passed. */
#ifndef ONTAP_ONTAP_H
#define ONTAP_ONTAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fs/base/uuid.h"

#define ONTAP_NAME_MAX    255
#define ONTAP_PATH_MAX    255
#define ONTAP_COMMENT_MAX 1023
#define ONTAP_ADDR_MAX    63
#define ONTAP_LOGIN_S     60 /* seconds until the secrets are read again */
#define ONTAP_SNAPSHOTS_MAX 1023 /* per volume, 9.4+ */
#define ONTAP_QUEUE_S       (12 * 3600) /* of a deleted volume in the recovery queue, by default */

/* A code that callers look at: the base of a clone, or kept until its expiry. */
#define ONTAP_SNAPSHOT_BUSY 1638555

/* Why a call failed, for errno and for people. */
struct ontap_error {
	int err;            /* -errno; 0 when there is none */
	int http_status;    /* 0 when no reply came */
	int64_t code;       /* ONTAP's code, of the reply or of the failed job; 0 none */
	char text[512];     /* one sentence: what failed, on what object, why */
};

/* The login: Basic, or a client certificate where client_cert_pem is given; and
 * who may ask for it. */
struct ontap_login {
	const char *username, *password;              /* NULL with a client certificate */
	const char *client_cert_pem, *client_key_pem; /* PEM text, or NULL */
	const char *ca_pem;         /* PEM text of a pinned CA or server certificate: no host
	                               name check then; NULL: system CAs and host name check */
};

struct ontap;
struct ontap_params {
	/* Host names or addresses, brackets allowed for IPv6; NULL terminated, 1 to 4.
	 * When one does not answer the next is taken, and kept. */
	const char *const *management_lifs;
	uint16_t port;              /* 0: 443 */
	const char *svm;            /* NULL or "": the only one that the account sees */
	struct ontap_login login;
	/* Called on the control thread every ONTAP_LOGIN_S, after ontap_relogin(), and
	 * when the login was refused (HTTP 401, or one side's certificate in TLS): reads
	 * the secrets again and hands them to ontap_set_credentials(o, ...). A refused
	 * request is then sent once more, if they are others. NULL: never. */
	void (*read_login)(struct ontap *o, void *priv);
	void *read_login_priv;
	const char *app;            /* X-Dot-Client-App */
	int request_timeout_ms;     /* of one HTTP exchange; 0: 15,000 */
	int deadline_ms;            /* of one call with its retries and job polls; 0: 30,000 */
};

/* All strings are copied. NULL: *ret_error says why (bad PEM, no memory). */
struct ontap *ontap_new(const struct ontap_params *p, struct ontap_error *ret_error);
/* Calls in flight end with -ECANCELED first. Wipes the secrets. */
void ontap_free(struct ontap *o);

/* Runs transfers, timers and completions; waits at most timeout_ms (-1: until
 * something happens). Returns early when extra_fd (-1: none) is readable.
 * 0 or -errno. */
int ontap_poll(struct ontap *o, int timeout_ms, int extra_fd);
/* Wakes ontap_poll from another thread. */
void ontap_wakeup(struct ontap *o);

/* Another login for all requests from now on; those on the wire keep theirs.
 * Copied. 0, or -errno with *ret_error, the old one kept. Control thread. */
int ontap_set_credentials(struct ontap *o, const struct ontap_login *l,
			  struct ontap_error *ret_error);
/* Has read_login asked soon. Any thread. */
void ontap_relogin(struct ontap *o);
/* Deadline of the calls made from now on; 0: that of ontap_params. */
void ontap_set_deadline(struct ontap *o, int deadline_ms);
/* Ends the calls under way that were made with this priv: their completions run
 * soon, with -ECANCELED. What was sent already may still be carried out. Returns
 * how many. */
size_t ontap_cancel(struct ontap *o, const void *priv);

/* Counters for metrics: may be read from any thread. */
struct ontap_counters {
	_Atomic uint64_t requests, retries, failures, jobs_polled, bytes_received;
	_Atomic uint64_t latency_ns_sum;
	_Atomic int64_t last_success_ns; /* CLOCK_MONOTONIC, 0 never */
	_Atomic int64_t last_failure_ns;
	_Atomic uint64_t records_rejected; /* list entries left out: a bad name or field */
	_Atomic uint64_t unknown_codes;    /* ONTAP codes that the error table lacks */
};
struct ontap_counters *ontap_counters(struct ontap *o);

/* ---- discovery -------------------------------------------------------- */

struct ontap_cluster {
	char name[ONTAP_NAME_MAX + 1];
	char version_full[256];
	int generation, major, minor; /* 9, 15, 1 */
};

struct ontap_svm {
	struct uuid uuid;
	char name[ONTAP_NAME_MAX + 1];
	char state[32]; /* "running" */
};

struct ontap_lif {
	char name[ONTAP_NAME_MAX + 1];
	char address[ONTAP_ADDR_MAX + 1];
	bool up; /* state up and enabled */
};

struct ontap_nfs_service {
	bool enabled, v3_enabled;
	bool mount_root_only;        /* true when not reported (ONTAP's default) */
	bool v3_64bit_ids;
	uint32_t tcp_max_transfer_size; /* bytes; 0 when not reported */
};

/* What ontap_discover brings. Arrays belong to it and live during the callback. */
struct ontap_discovery {
	struct ontap_cluster cluster;
	struct ontap_svm svm;
	struct ontap_nfs_service nfs;
	bool nfs_known; /* false: the account may not read the NFS service */
	struct ontap_lif *lifs; /* data LIFs with NFS */
	size_t nlifs;
};
typedef void (*ontap_discover_fn)(const struct ontap_discovery *d, const struct ontap_error *e,
				  void *priv);
/* GET /cluster, /svm/svms, /protocols/nfs/services, /network/ip/interfaces, in
 * this order. Exactly one of d and e is not NULL. Remembers the SVM for the
 * later calls. -ENOENT names an SVM that is not there, -EACCES a refused login
 * or certificate. */
void ontap_discover(struct ontap *o, ontap_discover_fn fn, void *priv);

/* ---- volumes ---------------------------------------------------------- */

enum ontap_vol_style { ONTAP_FLEXVOL, ONTAP_FLEXGROUP };
enum ontap_vol_type { ONTAP_RW, ONTAP_DP, ONTAP_LS };

struct ontap_volume {
	struct uuid uuid;
	char name[ONTAP_NAME_MAX + 1];
	char junction[ONTAP_PATH_MAX + 1]; /* "" when not mounted */
	char comment[ONTAP_COMMENT_MAX + 1];
	char export_policy[ONTAP_NAME_MAX + 1];
	enum ontap_vol_style style;
	enum ontap_vol_type type;
	bool online;
	bool is_svm_root;
	bool is_flexcache;         /* flexcache_endpoint_type cache */
	bool snapdir_access;       /* true when not reported (before 9.13.1) */
	uint64_t size, used;       /* bytes; size with the snapshot reserve */
	uint64_t afs_total;        /* bytes that files may use: what statfs shows */
	int64_t create_time;       /* seconds since the epoch */
	int snapshot_count;
	bool is_flexclone;
	struct uuid clone_parent;  /* zero unless a clone */
	struct uuid clone_snapshot;
	char clone_parent_name[ONTAP_NAME_MAX + 1];
	char clone_snapshot_name[ONTAP_NAME_MAX + 1];
	int split_percent;         /* -1: no split under way */
};

typedef void (*ontap_done_fn)(const struct ontap_error *e, void *priv);
typedef void (*ontap_volumes_fn)(const struct ontap_volume *v, size_t n,
				 const struct ontap_error *e, void *priv);
/* All volumes of the SVM, all pages. e is NULL on success. */
void ontap_volume_list(struct ontap *o, ontap_volumes_fn fn, void *priv);
/* The same for a caller that needs no array of them: each sees them one by one as
 * the pages come, done ends it. After an error those seen are not all. */
void ontap_volume_scan(struct ontap *o, void (*each)(const struct ontap_volume *v, void *priv),
		       void *each_priv, ontap_done_fn done, void *priv);
/* The volume of that name: n is 0 or 1 (no such volume is no error). */
void ontap_volume_find(struct ontap *o, const char *name, ontap_volumes_fn fn, void *priv);
/* n is 0 (gone) or 1. */
void ontap_volume_get(struct ontap *o, const struct uuid *volume, ontap_volumes_fn fn, void *priv);

/* ---- new volumes, and changes of volumes -------------------------------- */

/* A FlexClone. Strings are borrowed until the call returned. */
struct ontap_clone {
	const char *name;
	/* The parent and its snapshot: by uuid, or by name where the uuid is zero.
	 * No snapshot at all: of now, ONTAP makes one itself. */
	struct uuid parent;
	const char *parent_name;
	struct uuid snapshot;
	const char *snapshot_name;
	const char *junction;      /* where it is mounted, "/NAME"; NULL: nowhere */
	const char *export_policy; /* NULL: leave what ONTAP chooses */
	const char *comment;       /* ends in a record that holds request_id */
	const char *request_id;
};
/* POST /storage/volumes with clone, waits for the job, mounts the clone and sets
 * its export policy where ONTAP did not, and reads it back until it is online
 * and mounted. Idempotent as ontap_snapshot_create: -EEXIST unless the volume of
 * that name carries request_id in its comment. fn gets n == 1 on success.
 * Also -EOPNOTSUPP (no licence, FlexGroup refused), -ENOSPC, -EBUSY, -ENOENT
 * (parent, snapshot or export policy gone). A clone whose export policy was
 * refused is left as it is; the same call again goes on with it. */
void ontap_volume_clone(struct ontap *o, const struct ontap_clone *c, ontap_volumes_fn fn,
			void *priv);

/* An empty volume. Strings are borrowed until the call returned; NULL where not
 * said otherwise: what ONTAP chooses. */
struct ontap_create {
	const char *name;
	enum ontap_vol_style style;
	uint64_t size;                /* bytes; 0: ONTAP's smallest */
	const char *junction;         /* NULL: not mounted */
	const char *export_policy, *snapshot_policy;
	const char *comment;          /* ends in a record that holds request_id */
	const char *request_id;
	const char *unix_permissions; /* octal, "0777" */
	uint32_t uid, gid;            /* of its root directory */
	const char *space_reserve;    /* "none" or "volume" */
	bool snapshot_dir;            /* false: switch clients' access to it off */
};
/* POST /storage/volumes; otherwise as ontap_volume_clone. A FlexVol goes to the
 * aggregate of the SVM with most room, as far as the account may see that, else
 * to the first one of the SVM. Then switches the snapshot directory off if asked:
 * -EOPNOTSUPP before 9.13.1. */
void ontap_volume_create(struct ontap *o, const struct ontap_create *c, ontap_volumes_fn fn,
			 void *priv);

/* Unmounts the volume, then deletes it; not before it is known that no visible
 * volume is a clone of it, and when ONTAP refuses it is mounted again. Gone
 * already is success. skip_recovery_queue: for good, its space is free at once.
 * -EBUSY: the sentence names clones, junctions, locks or SnapMirror that hold it. */
void ontap_volume_delete(struct ontap *o, const struct uuid *volume, bool skip_recovery_queue,
			 ontap_done_fn fn, void *priv);
/* Clients' access to .snapshot. -EOPNOTSUPP before 9.13.1. */
void ontap_volume_snapdir(struct ontap *o, const struct uuid *volume, bool on, ontap_done_fn fn,
			  void *priv);
void ontap_volume_comment(struct ontap *o, const struct uuid *volume, const char *comment,
			  ontap_done_fn fn, void *priv);
/* Starts to split a clone from its parent and does not wait: split_percent tells
 * how far it is. Success also when it is under way already. A refusal that comes
 * in the job only (no space in the aggregate) is not seen here. */
void ontap_volume_split(struct ontap *o, const struct uuid *volume, ontap_done_fn fn, void *priv);

/* ---- snapshots -------------------------------------------------------- */

struct ontap_snapshot {
	struct uuid uuid;
	char name[ONTAP_NAME_MAX + 1];
	char comment[ONTAP_COMMENT_MAX + 1];
	char label[32];            /* snapmirror_label */
	char owners[256];          /* comma separated, "" none */
	int64_t create_time;       /* seconds since the epoch */
	int64_t expiry_time;       /* seconds since the epoch, 0 none */
	uint64_t size;             /* bytes; 0 when not reported */
};

typedef void (*ontap_snapshots_fn)(const struct ontap_snapshot *s, size_t n,
				   const struct ontap_error *e, void *priv);
/* All snapshots of a volume, oldest first, all pages. */
void ontap_snapshot_list(struct ontap *o, const struct uuid *volume, ontap_snapshots_fn fn,
			 void *priv);
/* n is 0 or 1. */
void ontap_snapshot_find(struct ontap *o, const struct uuid *volume, const char *name,
			 ontap_snapshots_fn fn, void *priv);
/* n is 0 (gone) or 1. */
void ontap_snapshot_get(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			ontap_snapshots_fn fn, void *priv);

/* POST .../snapshots, waits for the job, then reads the snapshot back by name.
 * Idempotent: `comment` must end in a record that holds `request_id`; where the
 * outcome is unknown (reply lost, job unknown), or ONTAP says that the name
 * exists, the snapshot is looked up and is ours only when its comment holds
 * that id. -EEXIST otherwise. fn gets n == 1 on success. */
void ontap_snapshot_create(struct ontap *o, const struct uuid *volume, const char *name,
			   const char *comment, const char *request_id, ontap_snapshots_fn fn,
			   void *priv);
/* DELETE by uuid, waits for the job. Gone already (404) is success. */
void ontap_snapshot_delete(struct ontap *o, const struct uuid *volume,
			   const struct uuid *snapshot, ontap_done_fn fn, void *priv);
/* PATCH name by uuid, waits for the job. */
void ontap_snapshot_rename(struct ontap *o, const struct uuid *volume,
			   const struct uuid *snapshot, const char *new_name, ontap_done_fn fn,
			   void *priv);
/* PATCH one attribute: field is "comment", "snapmirror_label" or "expiry_time". */
void ontap_snapshot_set(struct ontap *o, const struct uuid *volume, const struct uuid *snapshot,
			const char *field, const char *value, ontap_done_fn fn, void *priv);

/* ---- JSON for other modules (json-c lives here) ------------------------ */

/* A read-only JSON tree with strict getters. Missing, wrong type and out of
 * range are told apart: -ENOENT, -EINVAL, -ERANGE. Keys are dotted paths
 * ("defaults.exportPolicy"). Any thread; one tree at a time by one thread. */
struct ontap_json;
/* At most len bytes are read; depth at most 32. NULL: *ret_text says why and where. */
struct ontap_json *ontap_json_parse(const char *text, size_t len, char ret_text[256]);
/* Wipes all texts first: they may be secrets. NULL is fine. */
void ontap_json_free(struct ontap_json *j);
/* *ret belongs to the tree. */
int ontap_json_str(const struct ontap_json *j, const char *path, const char **ret);
int ontap_json_int(const struct ontap_json *j, const char *path, int64_t min, int64_t max,
		   int64_t *ret);
int ontap_json_bool(const struct ontap_json *j, const char *path, bool *ret);
/* Any finite number, whole or with a fraction. */
int ontap_json_double(const struct ontap_json *j, const char *path, double *ret);
/* Number of elements of an array, or -errno; elements are read with paths such
 * as "ontapfs.admin_uids[2]". */
int ontap_json_len(const struct ontap_json *j, const char *path);
/* Calls fn with each key of the object at path ("" for the top). */
int ontap_json_keys(const struct ontap_json *j, const char *path,
		    void (*fn)(const char *key, void *priv), void *priv);

/* ---- split, file clones, jobs, FlexCache, SnapMirror, ... --------------- */

#include "ontap/resources.h"

#endif
