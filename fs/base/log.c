#include "fs/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Lines one call site may print in a second before the rest is only counted. */
#define LOG_BURST 20

static const char *log_program = "ontapfs";
static _Atomic int log_fd = 2;
static _Atomic int log_level = LOG_LV_INFO;
static bool log_journal;

static const char *const level_name[] = {"error", "warning", "info", "debug"};
/* syslog priorities, as journald parses them at the start of a line */
static const char *const level_prio[] = {"<3>", "<4>", "<6>", "<7>"};

void log_init(const char *program, int fd)
{
	log_program = program;
	log_journal = getenv("JOURNAL_STREAM") != NULL;
	atomic_store(&log_fd, fd);
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

void log_set_fd(int fd)
{
	atomic_store(&log_fd, fd);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* Returns how many lines of the last window were swallowed, or -1 when this
 * line is one of them. */
static int rate_limit(struct log_site *site)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	long window = atomic_load(&site->window);
	if (window != now.tv_sec &&
	    atomic_compare_exchange_strong(&site->window, &window, now.tv_sec)) {
		int seen = atomic_exchange(&site->count, 1);
		return seen > LOG_BURST ? seen - LOG_BURST : 0;
	}
	return atomic_fetch_add(&site->count, 1) < LOG_BURST ? 0 : -1;
}

int log_write(struct log_site *site, enum log_level level, int ret, const char *fmt, ...)
{
	int swallowed = rate_limit(site);
	if (swallowed < 0)
		return ret;

	char line[2048];
	int n;
	if (log_journal) {
		n = snprintf(line, sizeof(line), "%s%s: %s: ", level_prio[level], log_program,
			     level_name[level]);
	} else {
		struct timespec now;
		struct tm tm;
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		n = (int)strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
		n += snprintf(line + n, sizeof(line) - (size_t)n, ".%03ldZ %s: %s: ",
			      now.tv_nsec / 1000000, log_program, level_name[level]);
	}
	va_list ap;
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (n < (int)sizeof(line) && ret < 0) {
		char text[128];
		n += snprintf(line + n, sizeof(line) - (size_t)n, ": %s",
			      strerror_r(-ret, text, sizeof(text)));
	}
	if (n < (int)sizeof(line) && swallowed > 0)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " (and %d more like it)", swallowed);
	if (n > (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 1;
	/* A log line is one line, whatever bytes a name brought in. */
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 127)
			line[i] = '?';
	line[n] = '\n';
	ssize_t w = write(atomic_load(&log_fd), line, (size_t)n + 1);
	(void)w; /* a full log must not stop the file system */
	return ret;
}
