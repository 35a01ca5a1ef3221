/* The progress line. */
#include <stdio.h>
#include <unistd.h>
#include "fs/base/clock.h"
#include "mountd/out.h"

#define PATIENCE_NS NS_PER_SEC
#define BAR_WIDTH   30

void progress_begin(struct progress *p, const char *what)
{
	*p = (struct progress){.what = what, .started_ns = clock_now_ns()};
}

void progress_tick(struct progress *p, int percent)
{
	int64_t age = clock_now_ns() - p->started_ns;
	if (age < PATIENCE_NS || !isatty(STDERR_FILENO))
		return;
	char bar[BAR_WIDTH + 1];
	/* Without a number a mark that moves: it is not dead. */
	int full = percent < 0 ? -1 : BAR_WIDTH * (percent > 100 ? 100 : percent) / 100;
	int mark = (int)(age / NS_PER_SEC) % BAR_WIDTH;
	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < full ? '#' : full < 0 && i == mark ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	p->shown = true;
	if (percent < 0)
		fprintf(stderr, "\r%s [%s] %lld s\033[K", p->what, bar, (long long)(age / NS_PER_SEC));
	else
		fprintf(stderr, "\r%s [%s] %d %%, %lld s\033[K", p->what, bar, percent,
			(long long)(age / NS_PER_SEC));
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
