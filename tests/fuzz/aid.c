/* Beside every harness. */
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int fuzz_file(const void *data, size_t size, char path[64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, data, size) != (ssize_t)size) {
		perror("cannot make a file in memory");
		exit(1);
	}
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}
