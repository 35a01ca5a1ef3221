/* Runs a harness over files and the files of folders: what libFuzzer found once
 * is looked at again by every `make check`, with any compiler. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)

static int replay(const char *path)
{
	FILE *f = fopen(path, "rbe");
	uint8_t *data = malloc(INPUT_MAX);
	if (!f || !data) {
		fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
		exit(1);
	}
	size_t n = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	uint8_t *exact = (uint8_t *)fuzz_text(data, n);
	free(data);
	fprintf(stderr, "%s\n", path); /* the last line names what crashed */
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 1;
}

static int replay_all(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;
	if (!d)
		return replay(path);
	while ((e = readdir(d))) {
		char file[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		n += replay(file);
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;
	for (int i = 1; i < argc; i++)
		n += replay_all(argv[i]);
	printf("%d inputs\n", n);
	return n ? 0 : 1; /* no corpus is no test */
}
