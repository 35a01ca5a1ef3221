/* Refusing requests with EIO; see the header. A request must be answered by
 * its `unique`, nothing else of it matters, so this needs to know no layouts
 * but the two headers of the protocol and the head of the shared state. */
#include "mountd/hold_fallback.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fs/base/statehead.h"

/* Room for the largest request of any kernel; untouched pages cost nothing. */
#define READ_BUF   (64u << 20)
#define READ_BATCH 64
#define NOTIFY_RESEND 7 /* FUSE_NOTIFY_RESEND, Linux 6.9; not in older headers */

static char *read_buf;

int fallback_init(void)
{
	read_buf = mmap(NULL, READ_BUF, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return read_buf == MAP_FAILED ? -errno : 0;
}

/* False when the connection is gone. A request that the kernel does not know
 * any more (ENOENT) is as good as answered. */
static bool answer(int fuse_fd, uint64_t unique, int err)
{
	struct fuse_out_header out = {.len = sizeof(out), .error = err, .unique = unique};
	return write(fuse_fd, &out, sizeof(out)) >= 0 || errno != ENODEV;
}

static bool wants_no_answer(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

static bool slots_fit(const struct state_slots *s, uint64_t size)
{
	/* n and stride have 32 bits each: the product cannot wrap. */
	return s->stride >= sizeof(struct state_slot) && s->stride % 8 == 0 && s->off % 8 == 0 &&
	       s->off <= size && (uint64_t)s->n * s->stride <= size - s->off;
}

static void answer_slots(int fuse_fd, char *state, const struct state_slots *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct state_slot *slot =
			(void *)(state + s->off + (uint64_t)i * s->stride);
		uint64_t unique = slot->unique;
		if (unique && !wants_no_answer(slot->opcode))
			answer(fuse_fd, unique, -EIO);
		slot->unique = 0;
	}
}

static int answer_journal(int fuse_fd, int state_fd)
{
	struct stat st;
	struct state_head head;
	if (fstat(state_fd, &st) < 0)
		return -errno;
	if (pread(state_fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    head.magic != STATE_MAGIC)
		return -EUCLEAN;
	uint64_t size = (uint64_t)st.st_size;
	for (int c = 0; c < STATE_NCLASSES; c++)
		if (head.slots[c].n && !slots_fit(&head.slots[c], size))
			return -EUCLEAN;
	char *state = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
	if (state == MAP_FAILED)
		return -errno;
	for (int c = 0; c < STATE_NCLASSES; c++)
		answer_slots(fuse_fd, state, &head.slots[c]);
	munmap(state, (size_t)size);
	return 0;
}

int fallback_begin(int fuse_fd, int state_fd)
{
	int r = answer_journal(fuse_fd, state_fd);
	/* What is in no slot comes back to be read, on kernels that can do that;
	 * others refuse the notification, which changes nothing. */
	struct fuse_out_header resend = {.len = sizeof(resend), .error = NOTIFY_RESEND};
	ssize_t w = write(fuse_fd, &resend, sizeof(resend));
	(void)w;
	return r;
}

bool fallback_serve(int fuse_fd)
{
	for (int i = 0; i < READ_BATCH; i++) {
		struct fuse_in_header in;
		ssize_t n = read(fuse_fd, read_buf, READ_BUF);
		if (n < 0) {
			if (errno == ENODEV)
				return false;
			if (errno == EINTR || errno == ENOENT)
				continue; /* ENOENT: taken back before we got it */
			return true;
		}
		if (n < (ssize_t)sizeof(in))
			continue;
		memcpy(&in, read_buf, sizeof(in));
		if (wants_no_answer(in.opcode))
			continue;
		bool last = in.opcode == FUSE_DESTROY;
		if (!answer(fuse_fd, in.unique, last ? 0 : -EIO) || last)
			return false;
	}
	return true;
}
