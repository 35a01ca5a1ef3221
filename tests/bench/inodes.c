/* Memory of N inodes that the kernel knows, by the daemon's own table of them:
 *
 *     inodes N
 *
 * Prints one JSON object: the bytes that N inodes added to this process, shared
 * memory included, and how long making and finding one took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fs/base/clock.h"
#include "fs/node.h"

/* Memory of this process, shared and not. */
static uint64_t resident(void)
{
	char line[128] = "", *rest = line;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fgets(line, sizeof(line), f))
		(void)strtoul(line, &rest, 10); /* all of its address space */
	unsigned long rss = strtoul(rest, NULL, 10);
	if (f)
		fclose(f);
	return (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Handles as a filer's: 28 bytes, most of them alike. */
static struct node_key key(uint32_t i)
{
	struct node_key k = {.space = 1, .kind = NODE_FILE, .fh = {.len = 28}};
	memcpy(k.fh.data + 12, &i, sizeof(i));
	return k;
}

int main(int argc, char **argv)
{
	uint32_t n = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	struct state st;
	struct nodes nt;
	int fd = memfd_create("inodes", MFD_CLOEXEC);
	if (!n || fd < 0 || state_create(&st, fd, &(struct state_sizes){1, 1, n + 16}) < 0) {
		fprintf(stderr, "usage: inodes N\n");
		return 2;
	}
	uint64_t before = resident(); /* the index of the table counts, too */
	if (nodes_init(&nt, &st) < 0)
		return 1;
	int64_t begin = clock_now_ns();
	for (uint32_t i = 0; i < n; i++) {
		struct node_key k = key(i);
		struct node *node = node_get(&nt, &k, 1000000u + i);
		if (!node) {
			fprintf(stderr, "inodes: no room for number %u\n", i);
			return 1;
		}
		struct nfsio_attr a = {.type = NFSIO_REG, .mode = 0644, .nlink = 1, .size = i, .fileid = i};
		node_attr_put(&nt, node, &a, 1);
	}
	int64_t made = clock_now_ns();
	uint32_t lost = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct node_key k = key(i);
		lost += node_find(&nt, &k, 1000000u + i) == 0;
	}
	int64_t found = clock_now_ns();
	uint64_t bytes = resident() - before;
	printf("{\"inodes\": %u, \"lost\": %u, \"bytes\": %llu, \"bytes_per_inode\": %.1f,"
	       " \"make_ns\": %.0f, \"find_ns\": %.0f}\n",
	       n, lost, (unsigned long long)bytes, (double)bytes / n,
	       (double)(made - begin) / n, (double)(found - made) / n);
	nodes_fini(&nt);
	state_unmap(&st);
	close(fd);
	return lost != 0;
}
