/*
 * One list of writes for each file, in the order they came; a reader lays them
 * over what the file has.  The lock is held over the whole of a read or flush, so
 * that a reader never sees the moment between.  None of this is quick; it runs
 * only for tests of clients.
 */
#include "tests/sim/nfs/unstable.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/util.h"

#define PENDING_MAX (256u << 20) /* bytes in all files */

struct piece {
	struct piece *next;
	uint64_t off;
	size_t len;
	char data[];
};

struct pending {
	struct pending *next;
	struct kfh k;
	struct piece *head, **tail;
	uint64_t end;          /* of the furthest write */
	struct timespec mtime; /* of the last one */
};

char unstable_verf[8];

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct pending *files; /* under lock */
static size_t bytes;          /* under lock */
static _Atomic unsigned nfiles;

void unstable_init(void)
{
	sim_random(unstable_verf, sizeof unstable_verf);
}

static struct pending **find(uint64_t root, uint64_t ino)
{
	struct pending **p = &files;

	while (*p && ((*p)->k.ino != ino || (*p)->k.root != root))
		p = &(*p)->next;
	return p;
}

static void forget(struct pending **p)
{
	struct pending *f = *p;
	struct piece *w, *next;

	for (w = f->head; w; w = next) {
		next = w->next;
		bytes -= w->len;
		free(w);
	}
	*p = f->next;
	free(f);
	nfiles--;
}

int unstable_write(const struct kfh *k, uint64_t off, const void *data, size_t len)
{
	struct piece *w = malloc(sizeof *w + len);
	struct pending **p;
	int r = -ENOMEM;

	if (!w)
		return r;
	w->next = NULL;
	w->off = off;
	w->len = len;
	memcpy(w->data, data, len);

	pthread_rwlock_wrlock(&lock);
	p = find(k->root, k->ino);
	if (bytes + len <= PENDING_MAX && !*p) {
		*p = calloc(1, sizeof **p);
		if (*p) {
			(*p)->k = *k;
			(*p)->tail = &(*p)->head;
			nfiles++;
		}
	}
	if (bytes + len <= PENDING_MAX && *p) {
		*(*p)->tail = w;
		(*p)->tail = &w->next;
		if (off + len > (*p)->end)
			(*p)->end = off + len;
		clock_gettime(CLOCK_REALTIME, &(*p)->mtime);
		bytes += len;
		w = NULL;
		r = 0;
	}
	pthread_rwlock_unlock(&lock);
	free(w);
	return r;
}

static ssize_t overlay(const struct pending *f, char *buf, size_t len, uint64_t off, ssize_t have)
{
	if (f->end > off && off + (size_t)have < f->end) {
		size_t want = f->end - off < len ? f->end - off : len;

		memset(buf + have, 0, want - (size_t)have);
		have = (ssize_t)want;
	}
	for (const struct piece *w = f->head; w; w = w->next) {
		uint64_t from = w->off > off ? w->off : off;
		uint64_t to = w->off + w->len < off + (size_t)have ? w->off + w->len : off + (size_t)have;

		if (from < to)
			memcpy(buf + (from - off), w->data + (from - w->off), to - from);
	}
	return have;
}

ssize_t unstable_read(const struct kfh *k, int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n;
	struct pending *f;

	if (atomic_load_explicit(&nfiles, memory_order_relaxed) == 0)
		return pread(fd, buf, len, (off_t)off);
	pthread_rwlock_rdlock(&lock);
	n = pread(fd, buf, len, (off_t)off);
	f = *find(k->root, k->ino);
	if (n >= 0 && f)
		n = overlay(f, buf, len, off, n);
	pthread_rwlock_unlock(&lock);
	return n;
}

void unstable_stat(const struct kfh *k, struct stat *st)
{
	struct pending *f;

	if (atomic_load_explicit(&nfiles, memory_order_relaxed) == 0)
		return;
	pthread_rwlock_rdlock(&lock);
	f = *find(k->root, k->ino);
	if (f) {
		if ((uint64_t)st->st_size < f->end)
			st->st_size = (off_t)f->end;
		st->st_mtim = st->st_ctim = f->mtime;
	}
	pthread_rwlock_unlock(&lock);
}

static int write_piece(int fd, const struct piece *w)
{
	for (size_t done = 0; done < w->len;) {
		ssize_t n = pwrite(fd, w->data + done, w->len - done, (off_t)(w->off + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Under the lock.  On success the entry is gone. */
static int flush(struct pending **p, int fd)
{
	AUTO_CLOSE int own = fd < 0 ? kfh_open(&(*p)->k, O_RDWR | O_NOFOLLOW) : -1;
	int r = 0;

	if (fd < 0)
		fd = own;
	if (fd < 0)
		return fd;
	for (const struct piece *w = (*p)->head; w && r == 0; w = w->next)
		r = write_piece(fd, w);
	if (r == 0)
		forget(p);
	return r;
}

int unstable_flush(const struct kfh *k, int fd)
{
	struct pending **p;
	int r = 0;

	if (atomic_load_explicit(&nfiles, memory_order_relaxed) == 0)
		return 0;
	pthread_rwlock_wrlock(&lock);
	p = find(k->root, k->ino);
	if (*p)
		r = flush(p, fd);
	pthread_rwlock_unlock(&lock);
	return r;
}

void unstable_drop(uint64_t root, uint64_t ino)
{
	struct pending **p;

	if (atomic_load_explicit(&nfiles, memory_order_relaxed) == 0)
		return;
	pthread_rwlock_wrlock(&lock);
	p = find(root, ino);
	if (*p)
		forget(p);
	pthread_rwlock_unlock(&lock);
}

void unstable_flush_all(bool (*keep)(const void *arg, uint64_t root), const void *arg)
{
	struct pending **p = &files;

	pthread_rwlock_wrlock(&lock);
	while (*p) {
		if (keep && keep(arg, (*p)->k.root)) {
			p = &(*p)->next;
		} else if (flush(p, -1) < 0) {
			sim_log("nfs: pending writes of inode %llu are lost: their file cannot be written",
			        (unsigned long long)(*p)->k.ino);
			forget(p);
		}
	}
	pthread_rwlock_unlock(&lock);
}
