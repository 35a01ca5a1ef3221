/* Breaks one rule of C on purpose: `address` reads freed memory, `undefined`
 * overflows an int, `thread` races. A sanitizer that is on ends the process
 * with a report; without one it exits 0, which the runner counts as a failure
 * of the build, not of the program. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *racer(void *arg)
{
	for (int i = 0; i < 100000; i++)
		shared++;
	return arg;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "address") == 0) {
		volatile char *p = malloc(8);
		free((void *)p);
		printf("%d\n", p[3]);
	} else if (strcmp(what, "undefined") == 0) {
		volatile int i = INT_MAX;
		i = i + argc;
		printf("%d\n", i);
	} else if (strcmp(what, "thread") == 0) {
		pthread_t t;
		if (pthread_create(&t, NULL, racer, NULL) != 0)
			return 2;
		racer(NULL);
		pthread_join(t, NULL);
		printf("%d\n", shared);
	} else {
		fprintf(stderr, "usage: san-probe address|undefined|thread\n");
		return 2;
	}
	return 0;
}
