/* The audit trail: one record for each control verb that ended, refused ones
 * included, as one JSON line. The request id is the one in the object's comment
 * on ONTAP, so each snapshot or clone made here can be led back to its record. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "fs/base/buf.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"

#define RECORD_MAX 8192u

int audit_open(struct fs *fs, char err[512])
{
	fs->audit_fd = -1;
	if (!fs->p.audit_log)
		return 0;
	fs->audit_fd = open(fs->p.audit_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fs->audit_fd >= 0)
		return 0;
	snprintf(err, 512, "cannot open the audit log %s: %s", fs->p.audit_log, strerror(errno));
	return -errno;
}

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

void audit(struct req *r, int err)
{
	struct fs *fs = r->fs;
	const struct caller *c = req_process(r);
	struct buf b;
	char text[64], comm[64], host[128] = "", u[UUID_TEXT_LEN + 1];
	time_t now = (time_t)(clock_wall_ns() / NS_PER_SEC);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	read_comm(c->tgid, comm);
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	buf_init(&b, RECORD_MAX);
	buf_printf(&b, "{\"time\":\"%s\",\"host\":", text);
	buf_json(&b, host);
	buf_printf(&b, ",\"uid\":%u,\"gid\":%u,\"pid\":%d,\"comm\":", c->uid, c->gid, (int)c->tgid);
	buf_json(&b, comm);
	buf_printf(&b, ",\"verb\":\"%s\",\"name\":", fs_verb_names[r->verb - 1]);
	buf_json(&b, r->name ? r->name : "");
	if (r->node && r->node->space) {
		buf_puts(&b, ",\"volume\":");
		buf_json(&b, fs->st.spaces[r->node->space].name);
	}
	if (!uuid_is_zero(&r->object))
		buf_printf(&b, ",\"object\":\"%s\"", uuid_format(&r->object, u));
	if (!uuid_is_zero(&r->request))
		buf_printf(&b, ",\"request\":\"%s\"", uuid_format(&r->request, u));
	buf_printf(&b, ",\"result\":\"%s\"}\n", err ? strerrorname_np(-err) : "ok");
	if (!buf_ok(&b)) {
		log_error("an audit record did not fit");
	} else if (fs->audit_fd < 0) {
		b.data[b.len - 1] = '\0';
		log_info("audit %s", b.data);
	} else if (write(fs->audit_fd, b.data, b.len) != (ssize_t)b.len) {
		b.data[b.len - 1] = '\0';
		log_error("cannot write to the audit log %s: %s; the record: %s", fs->p.audit_log,
			  strerror(errno), b.data);
	}
	buf_fini(&b);
}
