/* What a harness of tests/fuzz is: one function that takes any bytes. It must
 * not crash, leak or break a rule that MUST states. libFuzzer calls it in
 * `make fuzz`; replay.c runs it over the kept corpus in `make check`. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                              \
	do {                                                                    \
		if (!(cond)) {                                                  \
			fprintf(stderr, "%s:%d: MUST: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                \
		}                                                               \
	} while (0)

/* A copy of the bytes with a NUL behind them, and nothing else: reads beyond are
 * seen. Freed by the caller. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);
	if (!s)
		exit(1);
	if (size)
		memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

/* A file in memory with these bytes, mode 0600, for what takes a path: writes it
 * to path. The descriptor is the caller's. */
int fuzz_file(const void *data, size_t size, char path[64]);

#endif
