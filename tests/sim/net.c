#include "tests/sim/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tests/sim/util.h"

void net_lif_address(const char *dir, int attempt, int n, char out[INET_ADDRSTRLEN])
{
	uint64_t h = 14695981039346656037ULL; /* FNV-1a */

	for (const char *p = dir; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	h = (h ^ (unsigned)attempt) * 1099511628211ULL;
	h ^= h >> 29;
	snprintf(out, INET_ADDRSTRLEN, "127.%u.%u.%u", 16 + (unsigned)(h % 224),
	         (unsigned)(h >> 16 & 255), (unsigned)n + 1);
}

/* Binds a socket to address:port (0 = any) and tells the port, 0 on failure.
 * Closing it frees the port at once: nothing was ever connected. */
static int try_bind(const char *address, int port, int *ret_fd)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (inet_pton(AF_INET, address, &sa.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
		close(fd);
		return 0;
	}
	*ret_fd = fd;
	return ntohs(sa.sin_port);
}

static bool free_at_all(const char *dir, int attempt, int count, int port)
{
	for (int i = 0; i < count; i++) {
		AUTO_CLOSE int fd = -1;
		char address[INET_ADDRSTRLEN];

		net_lif_address(dir, attempt, i, address);
		if (!try_bind(address, port, &fd))
			return false;
	}
	return true;
}

/* Below the ports that the kernel gives to clients: one that is kept from one
 * `up` to the next is not some connection's meanwhile. */
static int random_port(void)
{
	uint16_t r;

	sim_random(&r, sizeof(r));
	return 20000 + r % 12000;
}

int net_pick_nfs_port(const char *dir, int attempt, int count, int want)
{
	if (want)
		return free_at_all(dir, attempt, count, want) ? want : 0;
	for (int tries = 0; tries < 50; tries++) {
		int port = random_port();

		if (free_at_all(dir, attempt, count, port))
			return port;
	}
	return 0;
}

int net_pick_rest_port(int want)
{
	for (int tries = 0; tries < 50; tries++) {
		AUTO_CLOSE int fd = -1;
		int port = try_bind("127.0.0.1", want ? want : random_port(), &fd);

		if (port || want)
			return port;
	}
	return 0;
}
