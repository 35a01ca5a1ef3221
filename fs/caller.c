#include "fs/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fs/base/cleanup.h"

/* Reads a /proc file whole or not at all; returns its length or -1. */
static ssize_t read_proc(const char *path, char *out, size_t len)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, out, len - 1);
	if (n < 0)
		return -1;
	out[n] = '\0';
	return n;
}

static const char *status_field(const char *text, const char *name)
{
	const char *p = strstr(text, name);
	return p ? p + strlen(name) : NULL;
}

/* Numbers of processes that the kernel tells us mean others in that /proc. */
static bool proc_is_foreign;

bool caller_look_at_proc(void)
{
	char text[4096];
	proc_is_foreign = false;
	if (read_proc("/proc/self/status", text, sizeof(text)) < 0)
		return true; /* without /proc nobody is seen */
	/* From /proc's pid name space down to ours: one number where they are the
	 * same. A kernel without pid name spaces has no such line. */
	const char *p = status_field(text, "\nNSpid:");
	char *end = NULL;
	if (p)
		strtoul(p, &end, 10);
	proc_is_foreign = end && end != p && *end != '\n';
	return !proc_is_foreign;
}

/* Threads that ask come back. A descriptor of /proc/TID/status stays that of
 * its thread: once that ended a read fails, whoever has the number then. */
#define STATUS_FDS 32u
static _Thread_local struct {
	pid_t tid; /* 0: none */
	int fd;
} status_fds[STATUS_FDS];

static ssize_t read_status(pid_t tid, char *out, size_t len)
{
	uint32_t at = (uint32_t)tid % STATUS_FDS;
	if (status_fds[at].tid == tid) {
		ssize_t n = pread(status_fds[at].fd, out, len - 1, 0);
		if (n > 0) {
			out[n] = '\0';
			return n;
		}
	}
	if (status_fds[at].tid)
		close(status_fds[at].fd);
	status_fds[at].tid = 0;
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, out, len - 1, 0);
	if (n <= 0)
		return -1;
	out[n] = '\0';
	status_fds[at].tid = tid;
	status_fds[at].fd = steal_fd(&fd);
	return n;
}

void caller_thread_ends(void)
{
	for (uint32_t i = 0; i < STATUS_FDS; i++) {
		if (status_fds[i].tid)
			close(status_fds[i].fd);
		status_fds[i].tid = 0;
	}
}

void caller_read(struct caller *c, uint32_t uid, uint32_t gid, pid_t tid)
{
	c->uid = uid;
	c->gid = gid;
	c->tid = proc_is_foreign ? 0 : tid;
	c->tgid = 0;
	c->start_time = c->pid_ns = 0;
	c->ngroups = 0;
	if (c->tid <= 0)
		return;
	char text[4096];
	if (read_status(tid, text, sizeof(text)) < 0)
		return;
	const char *p = status_field(text, "\nTgid:");
	if (p)
		c->tgid = (pid_t)strtol(p, NULL, 10);
	p = status_field(text, "\nGroups:");
	while (p && c->ngroups < CALLER_GROUPS_MAX) {
		char *end;
		while (*p == ' ' || *p == '\t')
			p++;
		unsigned long g = strtoul(p, &end, 10);
		if (end == p)
			break;
		c->groups[c->ngroups++] = (uint32_t)g;
		p = end;
	}
}

static uint64_t ns_inode(pid_t pid, const char *which)
{
	char path[64];
	struct stat st;
	if (pid > 0)
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, which);
	else
		snprintf(path, sizeof(path), "/proc/self/ns/%s", which);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

void caller_read_process(struct caller *c)
{
	if (c->tgid <= 0)
		return;
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)c->tgid);
	if (read_proc(path, text, sizeof(text)) > 0) {
		/* The command in parentheses may hold anything, so count from its end. */
		const char *p = strrchr(text, ')');
		for (int field = 2; p && field < 22; field++)
			p = strchr(p + 1, ' ');
		if (p)
			c->start_time = strtoull(p + 1, NULL, 10);
	}
	c->pid_ns = ns_inode(c->tgid, "pid");
}

bool caller_wants_out(pid_t tid, bool if_unseen)
{
	static const struct {
		const char *name;
		bool pending;
	} fields[] = {{"\nSigPnd:", true}, {"\nShdPnd:", true}, {"\nSigBlk:", false}, {"\nSigIgn:", false}};
	char path[64], text[16384]; /* the signals stand behind the groups */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	if (tid <= 0 || proc_is_foreign || read_proc(path, text, sizeof(text)) < 0)
		return if_unseen;
	uint64_t pending = 0, held = 0;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *p = status_field(text, fields[i].name);
		if (!p)
			return if_unseen; /* behind very many groups: as if it could not be seen */
		uint64_t mask = strtoull(p, NULL, 16);
		*(fields[i].pending ? &pending : &held) |= mask;
	}
	const uint64_t kill = 1ull << (SIGKILL - 1);
	const uint64_t ends = 1ull << (SIGINT - 1) | 1ull << (SIGTERM - 1) | 1ull << (SIGQUIT - 1) |
			      1ull << (SIGHUP - 1);
	return (pending & kill) || (pending & ends & ~held);
}

bool caller_in_group(const struct caller *c, uint32_t gid)
{
	if (c->gid == gid)
		return true;
	for (uint32_t i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

void caller_cred(const struct caller *c, int64_t want_gid, struct nfsio_cred *out)
{
	out->uid = c->uid;
	out->gid = c->gid;
	out->ngroups = 0;
	if (want_gid >= 0 && c->ngroups > NFSIO_GROUPS_MAX && (uint32_t)want_gid != c->gid &&
	    caller_in_group(c, (uint32_t)want_gid))
		out->groups[out->ngroups++] = (uint32_t)want_gid;
	for (uint32_t i = 0; i < c->ngroups && out->ngroups < NFSIO_GROUPS_MAX; i++)
		if (out->ngroups == 0 || c->groups[i] != out->groups[0])
			out->groups[out->ngroups++] = c->groups[i];
}

bool caller_is_local_root(const struct caller *c)
{
	if (c->uid != 0 || c->tgid <= 0)
		return false;
	static const char *const which[] = {"user", "pid", "mnt"};
	for (size_t i = 0; i < ARRAY_LEN(which); i++) {
		uint64_t theirs = ns_inode(c->tgid, which[i]);
		if (theirs == 0 || theirs != ns_inode(0, which[i]))
			return false;
	}
	return true;
}
