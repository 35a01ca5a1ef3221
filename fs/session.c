/* The session with the kernel, by libfuse: what INIT agrees on, and how replies
 * are written. */
#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "fs/base/log.h"
#include "fs/fs_i.h"

/* Not in the headers of every kernel that we build on; fixed protocol numbers. */
#define INIT_FLAG_PARALLEL_DIROPS   (1u << 18)
#define INIT_FLAG_KILLPRIV_V2       (1u << 28)
#define INIT_FLAG_EXT               (1u << 30)
#define INIT_FLAG2_DIRECT_IO_MMAP   (1u << 4) /* bit 36 */

/* struct fuse_init_in up to its `flags`: what the oldest kernel sends. */
#define FUSE_INIT_IN_MIN 16u

static ssize_t hook_read(int fd, void *buf, size_t len, void *userdata)
{
	(void)userdata;
	return read(fd, buf, len);
}

/* INIT's answer: adds what this libfuse cannot ask for, keeps a copy for a
 * successor, and swallows it when it answers the replay of an old INIT. */
static ssize_t init_reply(struct fs *fs, int fd, struct iovec *iov, int count)
{
	struct state_head *h = fs->st.head;
	const struct fuse_init_in *in =
		(const void *)(h->init + sizeof(struct fuse_in_header));
	if (count == 2 && iov[1].iov_len == sizeof(struct fuse_init_out)) {
		struct fuse_init_out *out = iov[1].iov_base;
		/* Wanted by libfuse, but forgotten in its answer: lookups of one directory
		 * then do not wait for each other. */
		out->flags |= in->flags & (INIT_FLAG_PARALLEL_DIROPS | INIT_FLAG_KILLPRIV_V2);
		if ((in->flags & INIT_FLAG_EXT) && (in->flags2 & INIT_FLAG2_DIRECT_IO_MMAP)) {
			out->flags |= INIT_FLAG_EXT;
			out->flags2 |= INIT_FLAG2_DIRECT_IO_MMAP;
		}
		if (fs->p.takeover) {
			/* The kernel was promised something else once: it still believes that. */
			if (h->init_out_len != sizeof(*out) || memcmp(h->init_out, out, sizeof(*out)) != 0)
				fs->init_differs = true;
		} else {
			memcpy(h->init_out, out, sizeof(*out));
			h->init_out_len = sizeof(*out);
		}
	}
	if (fs->p.takeover) {
		ssize_t n = 0;
		for (int i = 0; i < count; i++)
			n += (ssize_t)iov[i].iov_len;
		return n;
	}
	return writev(fd, iov, count);
}

static ssize_t hook_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct fs *fs = userdata;
	const struct fuse_out_header *out = iov[0].iov_base;
	if (unlikely(fs->init_unique && out->unique == fs->init_unique))
		return init_reply(fs, fd, iov, count);
	for (;;) {
		ssize_t n = writev(fd, iov, count);
		if (n >= 0 || errno != EINTR)
			return n;
	}
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;
	const struct fuse_init_out *promised = (const void *)fs->st.head->init_out;
	if (fs->p.takeover && fs->st.head->init_out_len == sizeof(*promised)) {
		/* The kernel cannot be told anything else any more, whatever the
		 * configuration says now. */
		conn->max_background = promised->max_background;
		conn->congestion_threshold = promised->congestion_threshold;
		conn->max_readahead = promised->max_readahead;
	} else {
		conn->max_background = fs->p.max_background;
		conn->congestion_threshold = fs->p.max_background * 3 / 4;
		conn->max_readahead = fs->p.read_ahead_kb * 1024;
	}
	/* After an asynchronous O_DIRECT write the kernel does not drop the pages
	 * that were read meanwhile: buffered reads would show the old bytes. */
	conn->want &= ~(unsigned)(FUSE_CAP_ASYNC_DIO | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
	conn->time_gran = 1;
}

__attribute__((format(printf, 2, 0))) static void fuse_says(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[512];
	vsnprintf(text, sizeof(text), fmt, ap);
	size_t n = strlen(text);
	if (n && text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("libfuse: %s", text);
	else
		log_debug("libfuse: %s", text);
}

/* lock=none: a program that needs locks between hosts shall not believe that it
 * has them. (Without these the kernel keeps locks, for this host alone.) */
static void refuse_getlk(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
	(void)ino, (void)fi, (void)lock;
	req_err(op_begin(fr), -ENOLCK);
}

static void refuse_setlk(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock,
			 int sleep)
{
	(void)ino, (void)fi, (void)lock, (void)sleep;
	req_err(op_begin(fr), -ENOLCK);
}

static void refuse_flock(fuse_req_t fr, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	(void)ino, (void)fi, (void)op;
	req_err(op_begin(fr), -ENOLCK);
}

int session_new(struct fs *fs, char err[512])
{
	char *argv[] = {(char[]){"ontapfs"}, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	fuse_set_log_func(fuse_says);
	struct fuse_lowlevel_ops ops = fs_ops;
	ops.init = on_init;
	if (fs->p.lock_none) {
		ops.getlk = refuse_getlk;
		ops.setlk = refuse_setlk;
		ops.flock = refuse_flock;
	}
	fs->se = fuse_session_new(&args, &ops, sizeof(ops), fs);
	fuse_opt_free_args(&args);
	static const struct fuse_custom_io io = {.writev = hook_writev, .read = hook_read};
	int r = fs->se ? fuse_session_custom_io(fs->se, &io, fs->p.fuse_fd) : -ENOMEM;
	if (r < 0)
		snprintf(err, 512, "cannot make a FUSE session: %s", strerror(-r));
	return r;
}

int session_init(struct fs *fs, char err[512])
{
	struct state_head *h = fs->st.head;
	while (!fs->p.takeover) {
		struct pollfd pfd = {.fd = fs->p.fuse_fd, .events = POLLIN};
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			return -errno;
		/* The first request is INIT; a read wants room for any request. */
		void *room = state_slot(&fs->st, STATE_SLOTS_LARGE, 0);
		ssize_t n = read(fs->p.fuse_fd, room, SLOT_LARGE_BYTES);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		const struct fuse_in_header *in = room;
		if (n < (ssize_t)sizeof(*in) || in->opcode != FUSE_INIT || (size_t)n > sizeof(h->init)) {
			snprintf(err, 512, "the kernel did not begin the FUSE session as expected: %s",
				 n < 0 ? strerror(errno) : "no INIT request");
			return -EPROTO;
		}
		memcpy(h->init, room, (size_t)n);
		h->init_len = (uint32_t)n;
		atomic_store(&((struct state_slot *)room)->unique, 0);
		break;
	}
	if (h->init_len < sizeof(struct fuse_in_header) + FUSE_INIT_IN_MIN || h->init_len > sizeof(h->init) ||
	    ((const struct fuse_in_header *)(const void *)h->init)->opcode != FUSE_INIT) {
		snprintf(err, 512, "the predecessor left no INIT request to take over with");
		return -EPROTO;
	}
	struct fuse_in_header *in = (void *)h->init;
	fs->init_unique = in->unique;
	struct fuse_buf buf = {.mem = h->init, .size = h->init_len};
	fuse_session_process_buf(fs->se, &buf);
	fs->init_unique = 0;
	if (fs->init_differs) {
		snprintf(err, 512, "this program would agree on another FUSE session with the kernel than the one that "
			 "mounted: unmount and mount again");
		return -EPROTO;
	}
	if (fuse_session_exited(fs->se)) {
		snprintf(err, 512, "the kernel's FUSE is too old, or refused the session");
		return -EPROTO;
	}
	return 0;
}

void fs_end(struct fs *fs, enum fs_end how)
{
	int running = FS_RUNNING;
	atomic_compare_exchange_strong(&fs->ended, &running, how);
	uint64_t one = 1;
	ssize_t n = write(fs->end_fd, &one, sizeof(one));
	(void)n;
}
