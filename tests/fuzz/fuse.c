/* Requests as they come from /dev/fuse, with any bytes in them: each that wants an
 * answer gets one, none gets two, and the next honest request is answered.
 *
 * The whole of fs/ runs, on a socket in the place of the device, in front of an NFS
 * server that knows one file and one directory, and of no ONTAP at all. The input is
 * a list of requests: 2 bytes length, then what follows the unique in the header
 * (from opcode on: 4 bytes opcode, 8 nodeid, 4 uid, 4 gid, 4 pid) and the body. The
 * highest bit of the length makes the header say another length than it has. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fs_i.h"
#include "tests/fuzz/fuzz.h"

#define HEAD         24 /* bytes of an input's request before the body */
#define REQUESTS_MAX 32
#define PATIENCE_MS  30000
#define TREE_FILE    1u /* last byte of the server's handles */
#define TREE_DIR     2u

static struct {
	int fd;
	uint64_t unique;
	uint32_t opcode[REQUESTS_MAX + 1]; /* of the requests that wait, for who looks at a find */
	sem_t ready;
	char err[512];
	uint8_t reply[(1 << 20) + 65536];
} H;

/* ---- a server with one file in one directory -------------------------------------- */

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
	return p + 4;
}

static uint8_t *put_attr(uint8_t *p, uint32_t which)
{
	bool dir = which == TREE_DIR;
	const uint32_t fattr[21] = {dir ? 2 : 1, dir ? 0777 : 0666, 1, 0, 0, 0, 4096, 0, 4096,
				    0, 0, 0, 7, 0, 100 + which, 1, 0, 1, 0, 1, 0};
	for (size_t i = 0; i < ARRAY_LEN(fattr); i++)
		p = put32(p, fattr[i]);
	return p;
}

static uint8_t *put_handle(uint8_t *p, uint32_t which)
{
	p = put32(p, 8);
	p = put32(p, 0);
	return put32(p, which);
}

/* What is not written here ends with NFS3ERR_IO. */
static size_t answer(const uint8_t *call, uint8_t *out)
{
	/* Words that say "no attributes", by procedure. */
	static const uint8_t words[22] = {0, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 4, 3, 1, 1, 1, 1, 1, 2};
	uint32_t prog, proc, which = TREE_DIR;
	memcpy(&prog, call + 12, 4);
	memcpy(&proc, call + 20, 4);
	proc = ntohl(proc);
	uint8_t *p = out;
	memcpy(p, call, 4);
	p += 4;
	const uint32_t accepted[5] = {1, 0, 0, 0, 0};
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
		p = put32(p, accepted[i]);
	if (ntohl(prog) == 100005) { /* MOUNT: the directory */
		p = put_handle(put32(p, 0), TREE_DIR);
		return (size_t)(put32(p, 0) - out);
	}
	switch (proc) {
	case 0:
		break;
	case 1:
		p = put_attr(put32(p, 0), which);
		break;
	case 3:
		p = put_handle(put32(p, 0), TREE_FILE);
		p = put_attr(put32(p, 1), TREE_FILE);
		p = put32(p, 0);
		break;
	case 4:
		p = put32(put32(put32(p, 0), 0), 0x3f);
		break;
	default:
		p = put32(p, 5);
		for (size_t i = 0; proc < ARRAY_LEN(words) && i < words[proc]; i++)
			p = put32(p, 0);
	}
	return (size_t)(p - out);
}

static bool get(int fd, void *to, size_t len)
{
	return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

static void *connection(void *arg)
{
	int fd = (int)(intptr_t)arg;
	static const size_t max = (1 << 20) + 65536;
	uint8_t *call = malloc(max), out[512];
	uint32_t mark;
	while (call && get(fd, &mark, 4)) {
		size_t len = ntohl(mark) & 0x7fffffff;
		if (len < 24 || len > max || !get(fd, call, len))
			break;
		size_t n = answer(call, out + 4);
		put32(out, (uint32_t)n | 0x80000000u);
		if (send(fd, out, n + 4, MSG_NOSIGNAL) < 0)
			break;
	}
	free(call);
	close(fd);
	return NULL;
}

static void *serve_nfs(void *arg)
{
	for (int fd; (fd = accept((int)(intptr_t)arg, NULL, NULL)) >= 0;) {
		pthread_t t;
		if (pthread_create(&t, NULL, connection, (void *)(intptr_t)fd) != 0)
			exit(1);
		pthread_detach(t);
	}
	return NULL;
}

static uint16_t nfs_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	pthread_t t;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0 ||
	    pthread_create(&t, NULL, serve_nfs, (void *)(intptr_t)fd) != 0)
		exit(1);
	return ntohs(a.sin_port);
}

/* ---- the daemon's side: a volume and a snapshot are bound, as for a successor ------- */

static void bind_spaces(struct state *st)
{
	static const char *const names[] = {NULL, "volume", "snapshot"};
	for (uint32_t i = 1; i <= 2; i++) {
		struct space *s = &st->spaces[i];
		*s = (struct space){.volume_space = 1, .volume.b = {1}, .snapshot.b = {i == 2}, .fsid = 7,
				    .root_fileid = 102, .rtmax = 65536,
				    .wtmax = 65536, .dtpref = 8192, .btime = 1, .bound_ns = 1};
		s->root.len = 8;
		s->root.data[7] = TREE_DIR;
		strcpy_bounded(s->name, names[i], sizeof(s->name));
		atomic_store(&s->state, SPACE_LIVE);
	}
	atomic_store(st->spaces_used, 3);
}

static void is_ready(void *priv)
{
	(void)priv;
	sem_post(&H.ready);
}

static void *serve(void *arg)
{
	fs_serve(arg, is_ready, NULL, H.err);
	fprintf(stderr, "the daemon ended: %s\n", H.err);
	abort();
}

/* Sends one request whose header is whole. */
static uint64_t send_request(struct fuse_in_header *in, const void *body, size_t len, int lie)
{
	struct iovec iov[2] = {{in, sizeof(*in)}, {(void *)(uintptr_t)body, len}};
	in->len = (uint32_t)((int)(sizeof(*in) + len) + lie);
	in->unique = H.unique += 2;
	MUST(writev(H.fd, iov, 2) == (ssize_t)(sizeof(*in) + len));
	return in->unique;
}

/* The unique of the next answer. */
static uint64_t next_reply(size_t n)
{
	struct pollfd p = {.fd = H.fd, .events = POLLIN};
	for (;;) {
		int r;
		while ((r = poll(&p, 1, PATIENCE_MS)) < 0 && errno == EINTR)
			; /* libFuzzer has a timer */
		if (r != 1) {
			for (size_t i = 0; i < n; i++) /* opcodes */
				fprintf(stderr, "no answer to opcode %u\n", H.opcode[i]);
			abort();
		}
		ssize_t got = recv(H.fd, H.reply, sizeof(H.reply), 0);
		const struct fuse_out_header *out = (const void *)H.reply;
		MUST(got >= (ssize_t)sizeof(*out) && out->len == (uint32_t)got);
		MUST(out->error <= 0 && out->error > -512 ? true : out->unique == 0);
		if (out->unique)
			return out->unique;
	}
}

static void begin(void)
{
	static const char *const lifs[] = {"127.0.0.1", NULL};
	const struct state_sizes sizes = {.slots = 32 * 4, .write_slots = 2 * 16 + STATE_WORKERS_MAX,
					  .max_nodes = 4096};
	int sv[2], big = 8 << 20;
	struct state st = {0};
	pthread_t t;
	signal(SIGPIPE, SIG_IGN);
	const char *log = getenv("FUZZ_LOG");
	log_set_fd(open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		exit(1);
	for (int i = 0; i < 2; i++)
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	H.fd = sv[0];
	struct fs_params p = {
		.fuse_fd = sv[1], .state_fd = memfd_create("fuzz", MFD_CLOEXEC), .takeover = true,
		.ontap = {.management_lifs = lifs, .port = 1, .svm = "s", .login = {.username = "u", .password = "p"},
			  .request_timeout_ms = 50, .deadline_ms = 50},
		.soft_ns = NS_PER_SEC, .workers = 2, .slots = 32, .write_slots = 2, .max_nodes = 4096,
		.attr_timeout_ns = NS_PER_SEC, .snapshot_refresh_ns = 5 * NS_PER_SEC,
		.catalog_refresh_ns = 60 * NS_PER_SEC,
		.control_timeout_ns = 20 * NS_PER_MS, .verb_wait_ns = 20 * NS_PER_MS, .snapdir = FS_SNAPDIR_VISIBLE,
		.allow = ~0u, .clone_min = 1, .realm = "fuzz", .mountpoint = "/"};
	for (size_t i = 0; i < FS_NVERBS; i++)
		p.allow_gid[i] = -1;
	if (p.state_fd < 0 || state_create(&st, p.state_fd, &sizes) < 0)
		exit(1);
	bind_spaces(&st);
	state_unmap(&st);
	struct fs *fs = fs_new(&p, H.err);
	if (!fs) {
		fprintf(stderr, "%s\n", H.err);
		exit(1);
	}
	/* No predecessor promised the kernel anything. */
	fs->p.takeover = false;
	fs->nfs_params.nlifs = 1;
	fs->nfs_params.lifs[0] = (struct nfsio_lif){.address = "127.0.0.1", .nfs_port = nfs_port()};
	fs->nfs_params.lifs[0].mount_port = fs->nfs_params.lifs[0].nfs_port;
	struct fuse_init_in init = {.major = FUSE_KERNEL_VERSION, .minor = 36, .max_readahead = 1 << 20,
				    .flags = FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES | FUSE_INIT_EXT};
	sem_init(&H.ready, 0, 0);
	uint64_t unique = send_request(&(struct fuse_in_header){.opcode = FUSE_INIT}, &init, sizeof(init), 0);
	if (pthread_create(&t, NULL, serve, fs) != 0)
		exit(1);
	while (sem_wait(&H.ready) < 0 && errno == EINTR)
		;
	MUST(next_reply(0) == unique);
}

/* ---- one input ------------------------------------------------------------------------ */

static bool wants_reply(uint32_t opcode, int lie)
{
	return !lie && opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t first, waiting[REQUESTS_MAX + 1];
	size_t n = 0;
	if (!H.fd)
		begin();
	first = H.unique;
	for (size_t at = 0; at + 2 + HEAD <= size && n < REQUESTS_MAX;) {
		uint32_t field[6];
		uint16_t len = (uint16_t)(data[at] | data[at + 1] << 8);
		int lie = len & 0x8000 ? (len & 0xff) - 128 : 0;
		size_t body = MIN_OF((size_t)(len & 0x7fff), size - at - 2 - HEAD);
		memcpy(field, data + at + 2, HEAD);
		struct fuse_in_header in = {.opcode = field[0], .nodeid = field[1] | (uint64_t)field[2] << 32,
					    .uid = field[3], .gid = field[4], .pid = field[5]};
		/* The kernel ends the session by it, and only at its end. */
		if (in.opcode != FUSE_DESTROY) {
			uint64_t unique = send_request(&in, data + at + 2 + HEAD, body, lie);
			if (wants_reply(in.opcode, lie)) {
				H.opcode[n] = in.opcode;
				waiting[n++] = unique;
			}
		}
		at += 2 + HEAD + body;
	}
	/* Honest, so it is answered; by then, or soon, all others are, too. */
	const struct fuse_getattr_in root = {0};
	H.opcode[n] = FUSE_GETATTR;
	waiting[n++] = send_request(&(struct fuse_in_header){.opcode = FUSE_GETATTR, .nodeid = FUSE_ROOT_ID}, &root,
				    sizeof(root), 0);
	while (n) {
		uint64_t unique = next_reply(n);
		size_t i = 0;
		while (i < n && waiting[i] != unique)
			i++;
		if (i < n) {
			waiting[i] = waiting[--n];
			H.opcode[i] = H.opcode[n];
		}
		else /* else it may be the answer to an interrupt, of this input or of the one before */
			MUST(unique > first - 2 * REQUESTS_MAX && unique <= H.unique);
	}
	return 0;
}
