#include "tests/sim/nfs/making.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/util.h"

#define THREADS_MAX 64

/* Mapped from run/making, which outlives the process. */
struct slot {
	_Atomic uint32_t busy;
	struct kfh dir;
	struct timespec begun;
	char name[NAME_MAX + 1];
};

static struct slot *slots;
static _Atomic uint32_t nthreads;
static _Thread_local struct slot *own;

static int64_t ns_of(int64_t sec, int64_t nsec)
{
	return sec * 1000000000 + nsec;
}

/* Made since then, and just as the kernel makes it: nobody gave it its attributes. */
static bool is_unfinished(const struct slot *s, const struct statx *sx)
{
	int64_t born = ns_of(sx->stx_btime.tv_sec, sx->stx_btime.tv_nsec);

	return born >= ns_of(s->begun.tv_sec, s->begun.tv_nsec) &&
	       born == ns_of(sx->stx_atime.tv_sec, sx->stx_atime.tv_nsec) &&
	       born == ns_of(sx->stx_mtime.tv_sec, sx->stx_mtime.tv_nsec);
}

static void remove_unfinished(const struct slot *s)
{
	AUTO_CLOSE int dir = kfh_open(&s->dir, O_RDONLY | O_DIRECTORY);
	struct statx sx;

	if (dir < 0 || !memchr(s->name, '\0', sizeof s->name) || strchr(s->name, '/') ||
	    statx(dir, s->name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0 ||
	    !is_unfinished(s, &sx))
		return;
	unlinkat(dir, s->name, S_ISDIR(sx.stx_mode) ? AT_REMOVEDIR : 0);
	sim_log("nfs: %s was being made when the server was killed: removed", s->name);
}

int making_init(const char *dir)
{
	AUTO_FREE char *path = sim_fmt("%s/run/making", dir);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, THREADS_MAX * sizeof *slots) < 0)
		return -errno;
	slots = mmap(NULL, THREADS_MAX * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (slots == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < THREADS_MAX; i++) {
		if (atomic_load(&slots[i].busy))
			remove_unfinished(&slots[i]);
		atomic_store(&slots[i].busy, 0);
	}
	return 0;
}

void making_begin(int dir_fd, const struct kfh *dir, const char *name)
{
	size_t len = strnlen(name, NAME_MAX);
	struct stat st;

	if (!own) {
		uint32_t i = atomic_fetch_add(&nthreads, 1);

		if (i >= THREADS_MAX)
			return;
		own = &slots[i];
	}
	/* What is there already is another's, whatever comes of this. */
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &own->begun);
	own->dir = *dir;
	memcpy(own->name, name, len);
	own->name[len] = '\0';
	atomic_store_explicit(&own->busy, 1, memory_order_release);
}

void making_end(void)
{
	if (own)
		atomic_store_explicit(&own->busy, 0, memory_order_release);
}
