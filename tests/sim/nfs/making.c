#include "tests/sim/nfs/making.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/sim/util.h"

#define THREADS_MAX 64

/* Mapped from run/making, which outlives the process. */
struct slot {
	_Atomic uint32_t busy;
	struct kfh dir;
	char name[NAME_MAX + 1];
};

static struct slot *slots;
static _Atomic uint32_t nthreads;
static _Thread_local struct slot *own;

static void remove_unfinished(const struct slot *s)
{
	AUTO_CLOSE int dir = kfh_open(&s->dir, O_RDONLY | O_DIRECTORY);

	if (dir < 0 || !memchr(s->name, '\0', sizeof s->name) || strchr(s->name, '/'))
		return;
	if (unlinkat(dir, s->name, 0) < 0 && errno == EISDIR)
		unlinkat(dir, s->name, AT_REMOVEDIR);
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

void making_begin(const struct kfh *dir, const char *name)
{
	if (!own) {
		uint32_t i = atomic_fetch_add(&nthreads, 1);

		if (i >= THREADS_MAX)
			return;
		own = &slots[i];
	}
	own->dir = *dir;
	memcpy(own->name, name, strnlen(name, NAME_MAX));
	own->name[strnlen(name, NAME_MAX)] = '\0';
	atomic_store_explicit(&own->busy, 1, memory_order_release);
}

void making_end(void)
{
	if (own)
		atomic_store_explicit(&own->busy, 0, memory_order_release);
}
