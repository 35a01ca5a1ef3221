/* The ceiling of FUSE here: a file system of the bench's shape that has no
 * server behind it and answers everything from memory.
 *
 *     nullfs MOUNTPOINT DIRS FILES-PER-DIR FILE-BYTES BIGS BIG-BYTES [nokeep] [threads=N]
 *
 * big0 .. bigN and dNNN/fNNNNNN, with the numbers that bench.py gives its
 * files. Names and attributes are good for ever; with `nokeep` pages are not
 * kept over opens. Stays in the foreground. */
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOREVER  1e9
#define READ_MAX (1u << 20)

static uint64_t dirs, files, file_bytes, bigs, big_bytes;
static bool keep = true;
static unsigned threads = 8;
static char *data; /* READ_MAX bytes, the content of every file */

/* Inode numbers: 1 the root, then the big files, the directories, the files. */
static uint64_t ino_big(uint64_t i)
{
	return 2 + i;
}

static uint64_t ino_dir(uint64_t d)
{
	return 2 + bigs + d;
}

static uint64_t ino_file(uint64_t d, uint64_t f)
{
	return 2 + bigs + dirs + d * files + f;
}

static bool is_dir(uint64_t ino)
{
	return ino == 1 || (ino >= ino_dir(0) && ino < ino_dir(dirs));
}

static bool fill(uint64_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	if (ino < 1 || ino >= ino_file(dirs, 0))
		return false;
	st->st_ino = ino;
	st->st_nlink = 1;
	st->st_mode = is_dir(ino) ? S_IFDIR | 0755 : S_IFREG | 0644;
	if (!is_dir(ino))
		st->st_size = (off_t)(ino < ino_dir(0) ? big_bytes : file_bytes);
	st->st_blksize = 4096;
	st->st_blocks = (st->st_size + 511) / 512;
	return true;
}

/* A decimal number after a prefix, below limit; -1 when it is none. */
static int64_t number(const char *name, const char *prefix, uint64_t limit)
{
	size_t n = strlen(prefix);
	char *end;
	if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9')
		return -1;
	uint64_t v = strtoull(name + n, &end, 10);
	return *end || v >= limit ? -1 : (int64_t)v;
}

static void reply_ino(fuse_req_t req, uint64_t ino)
{
	struct fuse_entry_param e = {.ino = ino, .attr_timeout = FOREVER, .entry_timeout = FOREVER};
	if (!fill(ino, &e.attr))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &e);
}

static void null_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int64_t n;
	if (parent == 1) {
		if ((n = number(name, "big", bigs)) >= 0)
			reply_ino(req, ino_big((uint64_t)n));
		else if ((n = number(name, "d", dirs)) >= 0)
			reply_ino(req, ino_dir((uint64_t)n));
		else
			fuse_reply_err(req, ENOENT);
		return;
	}
	/* Files are counted through all directories. */
	n = is_dir(parent) ? number(name, "f", dirs * files) : -1;
	if (n < 0 || (uint64_t)n / files != parent - ino_dir(0))
		fuse_reply_err(req, ENOENT);
	else
		reply_ino(req, ino_file((uint64_t)n / files, (uint64_t)n % files));
}

static void null_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	(void)fi;
	if (!fill(ino, &st))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &st, FOREVER);
}

static void null_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (is_dir(ino)) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	fi->keep_cache = keep;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static void null_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->keep_cache = keep;
	fi->cache_readdir = keep;
	fuse_reply_open(req, fi);
}

static void null_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct stat st;
	(void)fi;
	if (!fill(ino, &st) || off < 0) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	size_t n = off >= st.st_size ? 0 : (size_t)(st.st_size - off);
	n = n < size ? n : size;
	struct fuse_bufvec v = FUSE_BUFVEC_INIT(n < READ_MAX ? n : READ_MAX);
	v.buf[0].mem = data;
	fuse_reply_data(req, &v, FUSE_BUF_NO_SPLICE);
}

/* Entry number `at` of a directory: its name and inode. */
static bool entry_at(uint64_t dir, uint64_t at, char name[32], uint64_t *ino)
{
	if (dir != 1) {
		uint64_t d = dir - ino_dir(0);
		snprintf(name, 32, "f%06llu", (unsigned long long)(d * files + at));
		*ino = ino_file(d, at);
		return at < files;
	}
	if (at < bigs) {
		snprintf(name, 32, "big%llu", (unsigned long long)at);
		*ino = ino_big(at);
		return true;
	}
	snprintf(name, 32, "d%03llu", (unsigned long long)(at - bigs));
	*ino = ino_dir(at - bigs);
	return at - bigs < dirs;
}

static void list(fuse_req_t req, fuse_ino_t dir, size_t size, off_t off, bool plus)
{
	char *buf = is_dir(dir) ? malloc(size) : NULL;
	if (!buf) {
		fuse_reply_err(req, is_dir(dir) ? ENOMEM : ENOTDIR);
		return;
	}
	size_t used = 0;
	char name[32];
	uint64_t ino;
	for (uint64_t at = (uint64_t)off; entry_at(dir, at, name, &ino); at++) {
		struct fuse_entry_param e = {.ino = ino, .attr_timeout = FOREVER, .entry_timeout = FOREVER};
		fill(ino, &e.attr);
		size_t room = size - used, n;
		off_t next = (off_t)(at + 1);
		if (plus)
			n = fuse_add_direntry_plus(req, buf + used, room, name, &e, next);
		else
			n = fuse_add_direntry(req, buf + used, room, name, &e.attr, next);
		if (n > room)
			break;
		used += n;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static void null_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

static void null_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			     struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}

static void null_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = READ_MAX;
	conn->max_read = READ_MAX;
	conn->max_readahead = 16u << 20;
	conn->max_background = 64;
	conn->congestion_threshold = 64;
	conn->want |= FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS;
	conn->want |= FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO;
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

static const struct fuse_lowlevel_ops ops = {
	.init = null_init, .lookup = null_lookup, .getattr = null_getattr,
	.open = null_open, .read = null_read, .opendir = null_opendir, .readdir = null_readdir,
	.readdirplus = null_readdirplus,
};

int main(int argc, char **argv)
{
	if (argc < 7) {
		fputs("usage: nullfs MOUNTPOINT DIRS FILES-PER-DIR FILE-BYTES BIGS BIG-BYTES"
		      " [nokeep] [threads=N]\n", stderr);
		return 2;
	}
	dirs = strtoull(argv[2], NULL, 10);
	files = strtoull(argv[3], NULL, 10);
	file_bytes = strtoull(argv[4], NULL, 10);
	bigs = strtoull(argv[5], NULL, 10);
	big_bytes = strtoull(argv[6], NULL, 10);
	for (int i = 7; i < argc; i++) {
		if (strcmp(argv[i], "nokeep") == 0)
			keep = false;
		else if (strncmp(argv[i], "threads=", 8) == 0)
			threads = (unsigned)strtoul(argv[i] + 8, NULL, 10);
	}
	data = aligned_alloc(4096, READ_MAX);
	if (!data || files == 0)
		return 1;
	memset(data, 'n', READ_MAX);

	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	fuse_opt_add_arg(&args, argv[0]);
	fuse_opt_add_arg(&args, "-oallow_other,default_permissions,fsname=nullfs,max_read=1048576");
	struct fuse_session *se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	int r = 1;
	if (se && fuse_set_signal_handlers(se) == 0 && fuse_session_mount(se, argv[1]) == 0) {
		struct fuse_loop_config *cfg = fuse_loop_cfg_create();
		fuse_loop_cfg_set_max_threads(cfg, threads);
		r = fuse_session_loop_mt(se, cfg);
		fuse_loop_cfg_destroy(cfg);
		fuse_session_unmount(se);
	}
	if (se) {
		fuse_remove_signal_handlers(se);
		fuse_session_destroy(se);
	}
	fuse_opt_free_args(&args);
	free(data);
	return r != 0;
}
