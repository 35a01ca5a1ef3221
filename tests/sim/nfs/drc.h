/*
 * Duplicate request cache: a client that lost its connection sends calls again, and
 * a REMOVE that was done already must not be answered NOENT.
 *
 * All functions may be called from any thread.
 */
#ifndef SIMNFS_DRC_H
#define SIMNFS_DRC_H

#include <stddef.h>
#include <stdint.h>

/* Replies longer than this are not kept; those of all procedures that change
 * something are shorter. */
#define DRC_REPLY_MAX 416

struct drc_entry;

struct drc_key {
	uint32_t client; /* IPv4 address; the port changes with the connection */
	uint32_t xid;
	uint32_t proc;
	uint64_t sum;    /* over credential and arguments: xids are reused */
};

int drc_init(void);
void drc_fini(void);

/* Looks the call up.  When it was answered before, copies the reply to out (room for
 * DRC_REPLY_MAX) and returns its length; when another thread works on it, waits for
 * that.  Else returns 0, and *ret must be given to drc_end() (NULL: the cache is
 * full of calls at work, nothing to do). */
size_t drc_begin(const struct drc_key *key, char *out, struct drc_entry **ret);

/* Keeps the reply to a call that drc_begin() had not seen.  len 0: none. */
void drc_end(struct drc_entry *e, const char *reply, size_t len);

#endif
