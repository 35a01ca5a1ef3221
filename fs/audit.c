/* The audit trail: one record for each control verb that ended, refused ones
 * included, as one JSON line. The request id is the one in the object's comment
 * on ONTAP, so each snapshot or clone made here can be led back to its record. */
#include "fs/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include "fs/base/buf.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

#define RECORD_MAX     8192u
#define JOURNAL        "journal"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* ---- where it goes ---------------------------------------------------------------- */

/* The journal's native protocol: a datagram of NAME=VALUE lines. Spoken here, since
 * libsystemd knows one journal only, and containers and name spaces have others. */
static int journal_open(struct fs *fs, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (!strcpy_bounded(a.sun_path, path, sizeof(a.sun_path)))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		int e = -errno;
		close(fd);
		return e;
	}
	fs->audit_journal = true;
	return fd;
}

/* The socket that audit_log names, or NULL: it is a file. */
static const char *journal_path(const char *audit_log)
{
	size_t n = strlen(JOURNAL);
	if (strncmp(audit_log, JOURNAL, n) != 0)
		return NULL;
	return !audit_log[n] ? JOURNAL_SOCKET : audit_log[n] == ':' ? audit_log + n + 1 : NULL;
}

int audit_open(struct fs *fs, char err[512])
{
	fs->audit_fd = -1;
	if (!fs->p.audit_log)
		return 0;
	const char *socket_path = journal_path(fs->p.audit_log);
	int fd = socket_path ? journal_open(fs, socket_path)
			     : open(fs->p.audit_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	int e = socket_path ? fd : fd < 0 ? -errno : 0;
	if (e < 0) {
		snprintf(err, 512, "cannot open the audit log %s: %s", socket_path ? socket_path : fs->p.audit_log,
			 strerror(-e));
		return e;
	}
	fs->audit_fd = fd;
	return 0;
}

/* Fields of their own for what people select by; the line itself is the message. */
static ssize_t journal_send(struct fs *fs, const struct audit_record *a, const struct buf *line, bool failed)
{
	struct buf b;
	char u[UUID_TEXT_LEN + 1];
	buf_init(&b, 2 * RECORD_MAX);
	buf_printf(&b, "PRIORITY=%d\nSYSLOG_IDENTIFIER=ontapfs\nONTAPFS_VERB=%s\nONTAPFS_UID=%u\n", failed ? 4 : 6,
		   fs_verb_names[a->verb - 1], a->uid);
	if (!uuid_is_zero(&a->object))
		buf_printf(&b, "ONTAPFS_OBJECT=%s\n", uuid_format(&a->object, u));
	if (!uuid_is_zero(&a->request))
		buf_printf(&b, "ONTAPFS_REQUEST=%s\n", uuid_format(&a->request, u));
	buf_printf(&b, "MESSAGE=%s", line->data); /* JSON: one line */
	ssize_t n = -1;
	errno = ENOMEM;
	if (buf_ok(&b)) {
		n = send(fs->audit_fd, b.data, b.len, MSG_NOSIGNAL);
		const char *path = journal_path(fs->p.audit_log);
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		/* A journal that was started again listens on a new socket of that name. */
		if (n < 0 && (errno == ECONNREFUSED || errno == ENOTCONN) &&
		    strcpy_bounded(to.sun_path, path, sizeof(to.sun_path)) &&
		    connect(fs->audit_fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
			n = send(fs->audit_fd, b.data, b.len, MSG_NOSIGNAL);
	}
	buf_fini(&b);
	return n;
}

/* ---- what it says ------------------------------------------------------------------ */

/* The command of a process, for people; it may call itself anything. */
static void read_comm(pid_t pid, char out[64])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	cleanup_fd int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 ? read(fd, out, 63) : 0;
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

void audit_fill(struct audit_record *a, struct req *r)
{
	const struct caller *c = req_process(r);
	uint32_t space = r->verb_space ? r->verb_space : r->node ? r->node->space : 0;
	*a = (struct audit_record){.verb = r->verb, .uid = c->uid, .gid = c->gid, .pid = c->tgid,
				   .object = r->object, .request = r->request};
	read_comm(c->tgid, a->comm);
	strcpy_bounded(a->name, r->name ? r->name : "", sizeof(a->name));
	if (space)
		strcpy_bounded(a->volume, r->fs->st.spaces[space].name, sizeof(a->volume));
}

static void put_record(struct buf *b, const struct audit_record *a, int err)
{
	char text[64], host[128] = "", u[UUID_TEXT_LEN + 1];
	time_t now = (time_t)(clock_wall_ns() / NS_PER_SEC);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	buf_printf(b, "{\"time\":\"%s\",\"host\":", text);
	buf_json(b, host);
	buf_printf(b, ",\"uid\":%u,\"gid\":%u,\"pid\":%d,\"comm\":", a->uid, a->gid, (int)a->pid);
	buf_json(b, a->comm);
	buf_printf(b, ",\"verb\":\"%s\",\"name\":", fs_verb_names[a->verb - 1]);
	buf_json(b, a->name);
	if (a->volume[0]) {
		buf_puts(b, ",\"volume\":");
		buf_json(b, a->volume);
	}
	if (!uuid_is_zero(&a->object))
		buf_printf(b, ",\"object\":\"%s\"", uuid_format(&a->object, u));
	if (!uuid_is_zero(&a->request))
		buf_printf(b, ",\"request\":\"%s\"", uuid_format(&a->request, u));
	buf_printf(b, ",\"result\":\"%s\"}", err ? strerrorname_np(-err) : "ok");
}

void audit_write(struct fs *fs, const struct audit_record *a, int err)
{
	struct buf b;
	buf_init(&b, RECORD_MAX);
	put_record(&b, a, err);
	ssize_t want = (ssize_t)b.len + 1, n = want;
	if (!buf_ok(&b)) {
		log_error("an audit record did not fit");
		buf_fini(&b);
		return;
	}
	if (fs->audit_fd < 0) {
		log_info("audit %s", b.data);
	} else if (fs->audit_journal) {
		n = journal_send(fs, a, &b, err != 0) < 0 ? -1 : want;
	} else {
		const struct iovec line[] = {{b.data, b.len}, {(char[]){'\n'}, 1}};
		n = writev(fs->audit_fd, line, 2);
	}
	if (n != want)
		log_error("cannot write to the audit log %s: %s; the record: %s", fs->p.audit_log,
			  n < 0 ? strerror(errno) : "it is full", b.data);
	buf_fini(&b);
}

void audit(struct req *r, int err)
{
	struct audit_record a;
	audit_fill(&a, r);
	audit_write(r->fs, &a, err);
}
