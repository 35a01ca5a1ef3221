/*
 * The Ganesha processes: one for each LIF.  One thread, that of the keeper.
 */
#ifndef SIM_GANESHA_CHILD_H
#define SIM_GANESHA_CHILD_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

struct child {
	char address[INET_ADDRSTRLEN]; /* "" : free */
	pid_t pid;
	int log; /* read end of its stderr */
	bool ready, stopped, ended;
	unsigned rereads; /* of its exports, so far */
	bool refused;     /* one of them went wrong */
	size_t len;
	char line[2048];
	char complaint[256]; /* the first serious one */
};

/* Starts it; "ready" comes by child_read.  0 or -errno. */
int child_start(const char *dir, const char *address, const char *config, struct child *ret);

/* Ends it and forgets it.  What clients were told is in the kernel's cache, so
 * there is nothing to say goodbye for. */
void child_kill(const char *dir, struct child *c);

/* Reads what it says, and notes what matters of it. */
void child_read(struct child *c);

/* After SIGCHLD: has it stopped, gone on, ended? */
void child_check(struct child *c);

#endif
