/* The configuration of a mount: a Trident backend file as it is, with our own
 * keys in one object "ontapfs", checked and turned into plain values.
 *
 * Every key stands in one table (config.c): it feeds the parser, mount -o,
 * --help, the man page and the dump. Warnings (unknown keys, options that have
 * no meaning here) are logged, one line each; an error is one sentence that
 * names the file, the key and the remedy. */
#ifndef MOUNTD_CONFIG_H
#define MOUNTD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "fs/base/buf.h"

#define CONFIG_LIFS_MAX 64
#define CONFIG_MANAGEMENT_MAX 4

enum config_snapdir { CONFIG_SNAPDIR_HIDDEN, CONFIG_SNAPDIR_VISIBLE, CONFIG_SNAPDIR_OFF };
enum config_lock { CONFIG_LOCK_LOCAL, CONFIG_LOCK_NONE };

/* Verbs that "allow" may name, in the order of `enum fs_verb`. */
enum config_verb {
	CONFIG_SNAPSHOT_CREATE, CONFIG_SNAPSHOT_DELETE, CONFIG_SNAPSHOT_RENAME,
	CONFIG_CLONE_CREATE, CONFIG_CLONE_DELETE, CONFIG_VOLUME_CREATE, CONFIG_VOLUME_DELETE,
	CONFIG_VOLUME_RESIZE, CONFIG_SNAPDIR_ENABLE, CONFIG_SNAPSHOT_RETAIN, CONFIG_FOREIGN,
	CONFIG_SNAPMIRROR_UPDATE, CONFIG_NVERBS
};
extern const char *const config_verb_names[CONFIG_NVERBS];

/* All strings are owned; NULL where a key was not given, unless said otherwise. */
struct config {
	char *source;             /* as given to config_load */
	uint32_t version;         /* of the backend format: 1 */
	unsigned warnings;        /* lines logged while reading */

	/* ---- where and who ---- */
	char *storage_driver;     /* "ontap-nas" or "ontap-nas-flexgroup" */
	char *backend_name;
	char **management_lifs;   /* NULL terminated, one at least; without port, IPv6 without brackets */
	char **data_lifs;         /* NULL terminated, or NULL: discover them */
	char *svm;
	char *username;
	char *password;           /* secret */
	char *client_cert_pem;    /* PEM text */
	char *client_key_pem;     /* PEM text, secret */
	char *ca_pem;             /* PEM text */
	uint32_t rest_port;

	/* ---- for volumes and clones that are made ---- */
	char *storage_prefix;
	uint64_t limit_volume_size; /* bytes, 0 none */
	bool skip_recovery_queue;
	uint64_t default_size;    /* bytes, 0 not given */
	char *snapshot_policy, *export_policy, *unix_permissions, *space_reserve;
	bool snapshot_dir, split_on_clone;

	/* ---- data path ---- */
	char *nfs_mount_options;  /* as given */
	uint32_t nfs_port;        /* 0: ask the portmapper */
	uint32_t mount_port;      /* 0: ask the portmapper */
	uint32_t nconnect;        /* connections per LIF and worker, 1..16 */
	uint32_t rsize, wsize;    /* bytes, 0: the server's maximum */
	int64_t soft_ns;          /* 0: hard; else total deadline of a call */
	uint32_t workers;         /* 0: one per core, at most 8 */
	uint32_t slots, write_slots, max_nodes;
	uint32_t read_ahead_kb, max_background, spin_us;
	uint32_t lock;            /* enum config_lock */
	uint64_t clone_min;       /* bytes */

	/* ---- times ---- */
	int64_t attr_timeout_ns, snapshot_refresh_ns, catalog_refresh_ns;
	int64_t control_timeout_ns, verb_wait_ns, grace_ns;

	/* ---- tree and policy ---- */
	char **include, **exclude; /* NULL-terminated globs, or NULL */
	uint32_t snapdir;          /* enum config_snapdir */
	char *snapdir_name;        /* never NULL */
	uint32_t allow;            /* bits 1 << enum config_verb */
	int64_t allow_gid[CONFIG_NVERBS]; /* -1: everyone, else members of that group */
	uint32_t *admin_uids;
	size_t nadmin_uids;
	uint32_t snapshots_per_volume, clones_per_uid, verbs_per_minute;
	char *realm;               /* NULL: the machine id */
	char *audit_log;           /* NULL: records go to the log */
	uint32_t log_level;        /* enum log_level */

	/* where the password comes from, when not from the file itself */
	char *password_file, *password_env, *credential;
};

/* Reads the configuration of SOURCE: a path to a file, or HOST[:SVM] where no
 * such file exists and the text has no '/'. For HOST, /etc/ontapfs/HOST.json is
 * read when it exists; else the login comes from ONTAPFS_USERNAME and
 * ONTAPFS_PASSWORD. 0: *ret is complete and to be freed by config_free(). Else
 * -errno, *ret is empty (freeing it does no harm), and err holds the sentence:
 * -ENOENT no such file, -EACCES not readable or a password that others may read,
 * -EINVAL anything in it. Any thread. */
int config_load(const char *source, struct config *ret, char err[512]);
/* Puts "key=value,key=value" over it, as mount -o brings them: our own keys by
 * bare name, svm, dataLIF, and the words of nfsMountOptions; lists are joined
 * by '+'. All or, with -EINVAL and a sentence in err, an undefined part of it is
 * taken. Secrets are refused here: command lines are public. */
int config_set_list(struct config *c, const char *list, char err[512]);
/* Wipes the secrets. */
void config_free(struct config *c);

/* All effective values as one JSON object, secrets masked. Check buf_ok(). */
void config_dump_json(const struct config *c, struct buf *out);

/* The table for people: --help. */
void config_print_help(FILE *out);
/* The same as rows for a man page: name, type, default, range, help, separated
 * by tabs. */
void config_print_table(FILE *out);

#endif
