/* A message on the notifier's pipe: what reaches the kernel is a whole notification
 * with the name that the message has, or nothing does. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdalign.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/notify.h"
#include "tests/fuzz/fuzz.h"

static void check_entry(const struct fuse_out_header *out, const uint8_t *data)
{
	struct fuse_notify_inval_entry_out e;
	const char *name = (const char *)(out + 1) + sizeof(e);
	memcpy(&e, out + 1, sizeof(e));
	MUST(out->len == sizeof(*out) + sizeof(e) + e.namelen + 1);
	MUST(e.namelen > 0 && strlen(name) == e.namelen);
	MUST(memcmp(name, data + 16, e.namelen) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	alignas(8) uint8_t got[1024], *msg = malloc(size + 1); /* its own: reads beyond it are seen */
	int sv[2];
	if (!msg || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		exit(1);
	memcpy(msg, data, size);
	int r = notify_pass(sv[1], msg, size);
	ssize_t n = recv(sv[0], got, sizeof(got) - 1, 0);
	MUST(r == 0 || r == -EBADMSG);
	MUST((r == 0) == (n > 0));
	if (n > 0) {
		const struct fuse_out_header *out = (const void *)got;
		got[n] = '\0';
		MUST(out->len == (uint32_t)n && out->unique == 0);
		if (out->error == FUSE_NOTIFY_INVAL_ENTRY)
			check_entry(out, data);
		else
			MUST(out->error == FUSE_NOTIFY_INVAL_INODE &&
			     out->len == sizeof(*out) + sizeof(struct fuse_notify_inval_inode_out));
	}
	free(msg);
	close(sv[0]);
	close(sv[1]);
	return 0;
}
