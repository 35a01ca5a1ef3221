/* The counters of volumes in the text of .ontap/stats, and their growth. */
#ifndef MOUNTD_TOP_H
#define MOUNTD_TOP_H

#include <stddef.h>
#include <stdint.h>

enum top_counter { TOP_REQUESTS, TOP_ERRORS, TOP_LATENCY, TOP_READ, TOP_WRITTEN, TOP_HITS, TOP_MISSES, TOP_NCOUNTERS };

struct top_volume {
	char name[256];
	double value[TOP_NCOUNTERS];
};

struct top_sample {
	int64_t at_ns;        /* CLOCK_MONOTONIC; set by the caller */
	struct top_volume *v; /* owned */
	size_t n;
};

/* Reads the text, which it changes, in place of what *s held. 0 or -ENOMEM. Lines
 * that it does not know are none of its business. */
int top_parse(char *text, struct top_sample *s);
void top_sample_fini(struct top_sample *s);

struct top_rate {
	char name[256];                                     /* "(others)" for those that share counters */
	double read_bytes, written_bytes, requests, errors; /* a second; without `before` sums */
	double latency_ms, hit_percent;                     /* means; -1: nothing to tell it from */
};

/* What happened between two samples (before NULL: since the daemon began), the
 * busiest first; malloc'ed. A counter that went back belongs to a new daemon and
 * counts from 0. NULL and *ret_n 0: no volume; NULL and more: no memory. */
struct top_rate *top_rates(const struct top_sample *now, const struct top_sample *before, size_t *ret_n);

#endif
