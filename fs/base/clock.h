/* Time: monotonic nanoseconds for deadlines and stamps, wall time for people. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS  1000000LL
#define NS_PER_SEC 1000000000LL

/* Nanoseconds of CLOCK_MONOTONIC, or of the test clock when one is set. */
int64_t clock_now_ns(void);
/* Nanoseconds since the epoch, CLOCK_REALTIME. */
int64_t clock_wall_ns(void);
/* Tests only: from now on clock_now_ns() returns `ns`; negative turns it off. */
void clock_set_fake(int64_t ns);

static inline int64_t clock_from_ts(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * NS_PER_SEC + ts->tv_nsec;
}

/* Floors, so that times before 1970 keep a nanosecond part of 0..999999999. */
static inline struct timespec clock_to_ts(int64_t ns)
{
	int64_t s = ns / NS_PER_SEC, r = ns % NS_PER_SEC;
	if (r < 0) {
		s--;
		r += NS_PER_SEC;
	}
	return (struct timespec){.tv_sec = (time_t)s, .tv_nsec = (long)r};
}

#endif
