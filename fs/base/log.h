/* Logging: one line per event, `time program: level: message`, or, when the
 * process has JOURNAL_STREAM, with a syslog priority instead of the time.
 *
 * The first thing a message says is what failed, then on which object, then
 * why. No secrets. Safe from any thread; a line is written by one write(2).
 * Repeats of one call site above `LOG_BURST` a second are counted and summed
 * up in one line instead of printed. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LV_ERROR, LOG_LV_WARN, LOG_LV_INFO, LOG_LV_DEBUG };

struct log_site {
	const char *file;
	int line;
	_Atomic long window; /* second of the current burst window */
	_Atomic int count;   /* lines in it */
};

/* log_init: `program` prefixes each line (borrowed for ever); `fd` is where
 * lines go (2 for stderr). */
void log_init(const char *program, int fd);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* Redirects all later lines to `fd`; the log does not own it. */
void log_set_fd(int fd);

/* Prints when the level is enabled; returns `ret`, so that a failure and its
 * log line are one statement: `return log_errno(r, "open %s", path);` */
__attribute__((format(printf, 4, 5))) int
log_write(struct log_site *site, enum log_level level, int ret, const char *fmt, ...);

#define log_at(level, ret, ...)                                                \
	({                                                                     \
		static struct log_site log_site_ = {                           \
			.file = __FILE__, .line = __LINE__};                   \
		log_enabled(level) ?                                           \
			log_write(&log_site_, (level), (ret), __VA_ARGS__) :   \
			(ret);                                                 \
	})

#define log_error(...)      ((void)log_at(LOG_LV_ERROR, 0, __VA_ARGS__))
#define log_warn(...)       ((void)log_at(LOG_LV_WARN, 0, __VA_ARGS__))
#define log_info(...)       ((void)log_at(LOG_LV_INFO, 0, __VA_ARGS__))
#define log_debug(...)      ((void)log_at(LOG_LV_DEBUG, 0, __VA_ARGS__))
/* r is 0 or -errno; the error's text is appended. Returns r. */
#define log_errno(r, ...)   log_at(LOG_LV_ERROR, (r), __VA_ARGS__)

#endif
