/* What the commands show: tables for people (libsmartcols: fitted to a terminal,
 * else plain and aligned), the same as JSON for programs, and a progress line. */
#ifndef MOUNTD_OUT_H
#define MOUNTD_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out_column {
	const char *name; /* heading, upper case; in JSON the same in lower case */
	bool number;      /* right aligned; a number in JSON */
	bool elastic;     /* cut first when the terminal is too narrow */
};

struct out;
/* `title` names the list in JSON. NULL: no memory. */
struct out *out_new(const char *title, const struct out_column *columns, size_t n, bool json);
/* One cell for each column, copied; NULL: nothing known ("-", in JSON null). A
 * colour ("red", ...; NULL none) tints the first cell on a terminal. */
int out_row(struct out *o, const char *const *cells, const char *colour);
/* Prints and frees it. 0 or -errno. */
int out_end(struct out *o);

/* "1.5G", into a buffer of 16. */
char *out_size(uint64_t bytes, char text[16]);
/* Local time, "2026-11-23 19:20"; for JSON in UTC, "2026-11-23T19:20:00Z". */
char *out_time(int64_t seconds, bool json, char text[32]);

/* Prints s to stdout as a JSON string. */
void out_json_string(const char *s);
/* s with all that is not printable in this locale as \xHH, as the tables show it; line
 * ends and tabs stay. malloc'ed; NULL: no memory. Names and texts of others may hold
 * what makes a terminal do things. */
char *out_plain(const char *s);
/* a and b as one word for a shell, harmless to show, malloc'ed. NULL: no memory. */
char *out_quoted(const char *a, const char *b);

/* A line on stderr that tells what is waited for, once that takes longer than a
 * second; on a terminal only. */
struct progress {
	const char *what;   /* borrowed: "restoring project1" */
	int64_t started_ns; /* set by progress_begin */
	bool shown;
};
void progress_begin(struct progress *p, const char *what);
/* percent -1: not known. */
void progress_tick(struct progress *p, int percent);
/* Takes the line away. */
void progress_end(struct progress *p);

#endif
