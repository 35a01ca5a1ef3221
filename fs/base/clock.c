#include "fs/base/clock.h"

#include <stdatomic.h>

static _Atomic int64_t fake_ns = -1;

int64_t clock_now_ns(void)
{
	int64_t f = atomic_load_explicit(&fake_ns, memory_order_relaxed);
	if (f >= 0)
		return f;
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return clock_from_ts(&ts);
}

int64_t clock_wall_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return clock_from_ts(&ts);
}

void clock_set_fake(int64_t ns)
{
	atomic_store(&fake_ns, ns);
}
