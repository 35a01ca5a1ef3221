/* Load of the bench: what a training job does, and nothing else.
 *
 *     readers seq   [-p PROCESSES] [-b BYTES] FILE...       whole files, front to back
 *     readers small [-p PROCESSES] [-b BYTES] [-s SEED] -l LIST DIR
 *                   every file of LIST once, in random order, split among processes
 *     readers walk  DIR                                     like find -ls: readdir and lstat
 *
 * Names come from a list, so that a cold run is cold: nothing was looked up
 * before the clock starts. Prints one JSON object; an error of any process
 * is counted and makes the exit status 1. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct tally { /* in memory shared by all processes, one per process */
	uint64_t bytes, files, errors;
	int first_error;
	uint8_t pad[36]; /* a cache line each */
};

static struct tally *tallies;
static int processes = 1;
static size_t block = 1 << 20;

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void failed(struct tally *t)
{
	if (t->errors++ == 0)
		t->first_error = errno;
}

static void read_whole(int dirfd, const char *name, char *buf, struct tally *t)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		failed(t);
		return;
	}
	for (;;) {
		ssize_t n = read(fd, buf, block);
		if (n < 0)
			failed(t);
		if (n <= 0)
			break;
		t->bytes += (uint64_t)n;
	}
	close(fd);
	t->files++;
}

/* Runs work(rank) in all processes at once; seconds from the start shot to the
 * last one's end. */
static double race(void (*work)(int rank, char *buf))
{
	int shot[2];
	if (pipe(shot) < 0)
		return -1;
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return -1;
		if (pid > 0)
			continue;
		close(shot[1]);
		char *buf = aligned_alloc(4096, block);
		if (!buf)
			_exit(1);
		/* First use of memory is slow here: not on the clock. */
		memset(buf, 1, block);
		char c;
		while (read(shot[0], &c, 1) < 0 && errno == EINTR)
			;
		work(i, buf);
		_exit(0);
	}
	close(shot[0]);
	double begin = now();
	close(shot[1]); /* all wake */
	int bad = 0, status;
	while (wait(&status) > 0)
		bad += status != 0;
	tallies[0].errors += (uint64_t)bad;
	return now() - begin;
}

static char **names;
static int nnames;

static void work_seq(int rank, char *buf)
{
	for (int i = rank; i < nnames; i += processes)
		read_whole(AT_FDCWD, names[i], buf, &tallies[rank]);
}

static int small_dir;

static void work_small(int rank, char *buf)
{
	for (int i = rank; i < nnames; i += processes)
		read_whole(small_dir, names[i], buf, &tallies[rank]);
}

static bool load_list(const char *path, uint64_t seed)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	int cap = 0;
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (nnames == cap) {
			cap = cap ? 2 * cap : 1024;
			char **more = realloc(names, sizeof(*names) * (size_t)cap);
			if (!more)
				return false;
			names = more;
		}
		names[nnames] = strdup(line);
		if (!names[nnames++])
			return false;
	}
	if (!f || nnames == 0)
		return false;
	fclose(f);
	/* Fisher and Yates, with a generator that is the same everywhere. */
	for (int i = nnames - 1; i > 0; i--) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		int j = (int)((seed >> 33) % (uint64_t)(i + 1));
		char *t = names[i];
		names[i] = names[j];
		names[j] = t;
	}
	return true;
}

static void walk(int dirfd, const char *name, struct tally *t)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		failed(t);
		return;
	}
	struct dirent *e;
	while ((e = readdir(d))) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			failed(t);
			continue;
		}
		t->files++;
		t->bytes += (uint64_t)st.st_size;
		if (S_ISDIR(st.st_mode))
			walk(fd, e->d_name, t);
	}
	closedir(d);
}

static int report(double seconds)
{
	struct tally sum = {0};
	for (int i = 0; i < processes; i++) {
		sum.bytes += tallies[i].bytes;
		sum.files += tallies[i].files;
		sum.errors += tallies[i].errors;
		if (tallies[i].first_error)
			sum.first_error = tallies[i].first_error;
	}
	printf("{\"seconds\": %.6f, \"bytes\": %llu, \"files\": %llu, \"errors\": %llu,"
	       " \"first_error\": \"%s\"}\n",
	       seconds, (unsigned long long)sum.bytes, (unsigned long long)sum.files,
	       (unsigned long long)sum.errors, sum.first_error ? strerror(sum.first_error) : "");
	return sum.errors != 0 || seconds < 0;
}

static int usage(void)
{
	fputs("usage: readers seq [-p N] [-b BYTES] FILE... | small [-p N] [-b BYTES] [-s SEED] -l LIST DIR"
	      " | walk DIR\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "", *list = NULL;
	uint64_t seed = 1;
	int c;
	optind = 2;
	while ((c = getopt(argc, argv, "p:b:s:l:")) >= 0) {
		switch (c) {
		case 'p':
			processes = (int)strtol(optarg, NULL, 10);
			break;
		case 'b':
			block = strtoul(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			list = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind >= argc || processes < 1 || processes > 1024 || block < 512 || block % 512)
		return usage();
	block = (block + 4095) & ~(size_t)4095;
	tallies = mmap(NULL, sizeof(*tallies) * (size_t)processes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED)
		return 1;
	if (strcmp(mode, "seq") == 0) {
		names = argv + optind;
		nnames = argc - optind;
		return report(race(work_seq));
	}
	if (strcmp(mode, "small") == 0 && list) {
		if (!load_list(list, seed)) {
			fprintf(stderr, "readers: cannot read the list %s\n", list);
			return 1;
		}
		small_dir = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (small_dir < 0) {
			fprintf(stderr, "readers: %s: %s\n", argv[optind], strerror(errno));
			return 1;
		}
		return report(race(work_small));
	}
	if (strcmp(mode, "walk") == 0) {
		double begin = now();
		walk(AT_FDCWD, argv[optind], &tallies[0]);
		return report(now() - begin);
	}
	return usage();
}
