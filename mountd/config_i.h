/* The table of configuration keys. Private to config*.c. */
#ifndef MOUNTD_CONFIG_I_H
#define MOUNTD_CONFIG_I_H

#include "mountd/config.h"

struct ontap_json;

enum config_type {
	KEY_UINT,   /* uint32_t */
	KEY_SIZE,   /* uint64_t bytes */
	KEY_TIME,   /* int64_t ns, written in seconds */
	KEY_BOOL,   /* bool */
	KEY_TEXT,   /* char * */
	KEY_SECRET, /* char *, masked */
	KEY_PEM,    /* char *, decoded and masked */
	KEY_WORD,   /* uint32_t, index into words */
	KEY_LIST,   /* char **, NULL terminated */
	KEY_ALLOW,  /* allow and allow_gid */
	KEY_UIDS,   /* admin_uids and nadmin_uids */
};

struct config_key {
	const char *path;         /* "svm", "defaults.size", "ontapfs.workers" */
	enum config_type type;
	size_t offset;            /* in struct config */
	const char *def;          /* default as text, NULL none */
	int64_t min, max;         /* KEY_UINT: value; KEY_TIME: ms; KEY_TEXT: length */
	const char *const *words; /* KEY_WORD, NULL terminated */
	bool mount_option;        /* may stand in mount -o, by the last part of its path */
	const char *help;         /* what it does, with its unit */
};

extern const struct config_key config_keys[];
extern const size_t config_nkeys;

/* "workers" of "ontapfs.workers". */
const char *config_key_name(const struct config_key *k);
/* Appends what values it takes: "0 to 8", "hidden, visible, off", or nothing. */
void config_key_range(const struct config_key *k, struct buf *out);
/* NULL when there is none. */
const struct config_key *config_key_find(const char *path);

/* Sets one key from text. 0, or -EINVAL / -ENOMEM with a sentence without file
 * name in err, and the old value kept. */
int config_key_set(struct config *c, const struct config_key *k, const char *text, char err[512]);
/* The same from JSON; a missing key is no error and changes nothing. */
int config_key_read(struct config *c, const struct config_key *k, const struct ontap_json *j,
		    char err[512]);
/* Sets every key to its default. */
int config_key_defaults(struct config *c, char err[512]);

/* Digits and nothing else; false also for what is far too large for any key. */
bool config_number(const char *text, uint64_t *ret);

/* Takes one word of nfsMountOptions ("nconnect=4", "hard"). 1: taken, 0: it is
 * none of those that matter here, -EINVAL with a sentence. */
int config_nfs_word(struct config *c, const char *word, char err[512]);
/* Takes them all; logs what is ignored. 0 or -EINVAL. */
int config_nfs_options(struct config *c, char err[512]);

#endif
