/* Tables by libsmartcols. */
#include "mountd/out.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>
#include "fs/base/buf.h"
#include "fs/base/cleanup.h"

#define TEXT_MAX 65536

struct out {
	struct libscols_table *table;
	const struct out_column *columns; /* borrowed */
	size_t n;
	bool json, colours;
};

struct out *out_new(const char *title, const struct out_column *columns, size_t n, bool json)
{
	struct out *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->table = scols_new_table();
	o->columns = columns;
	o->n = n;
	o->json = json;
	o->colours = !json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	bool ok = o->table && scols_table_set_name(o->table, title) == 0;
	if (ok) {
		scols_table_enable_json(o->table, json);
		scols_table_enable_colors(o->table, o->colours);
	}
	for (size_t i = 0; ok && i < n; i++) {
		int flags = (columns[i].number ? SCOLS_FL_RIGHT : 0) | (columns[i].elastic ? SCOLS_FL_TRUNC : 0);
		struct libscols_column *c = scols_table_new_column(o->table, columns[i].name, 0, flags);
		ok = c != NULL;
		if (ok && columns[i].number)
			scols_column_set_json_type(c, SCOLS_JSON_NUMBER);
	}
	if (ok)
		return o;
	scols_unref_table(o->table);
	free(o);
	return NULL;
}

int out_row(struct out *o, const char *const *cells, const char *colour)
{
	struct libscols_line *l = scols_table_new_line(o->table, NULL);
	if (!l)
		return -ENOMEM;
	for (size_t i = 0; i < o->n; i++) {
		const char *text = cells[i] ? cells[i] : o->json ? NULL : "-";
		if (text && scols_line_set_data(l, i, text) != 0)
			return -ENOMEM;
	}
	if (o->colours && colour)
		scols_cell_set_color(scols_line_get_cell(l, 0), colour);
	return 0;
}

int out_end(struct out *o)
{
	int r = scols_print_table(o->table);
	scols_unref_table(o->table);
	free(o);
	return r;
}

char *out_size(uint64_t bytes, char text[16])
{
	static const char units[] = "BKMGTPE";
	double v = (double)bytes;
	size_t u = 0;
	while (v >= 1023.95 && u + 2 < sizeof(units)) {
		v /= 1024;
		u++;
	}
	snprintf(text, 16, u && v < 99.95 ? "%.1f%c" : "%.0f%c", v, units[u]);
	return text;
}

char *out_time(int64_t seconds, bool json, char text[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	if (json)
		gmtime_r(&t, &tm);
	else
		localtime_r(&t, &tm);
	strftime(text, 32, json ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M", &tm);
	return text;
}

/* Bytes of the next character that a terminal may show as it is, in the locale;
 * 0: it would do something else with it. */
static size_t harmless(const char *s)
{
	wchar_t wc;
	mbstate_t state = {0};
	size_t n = mbrtowc(&wc, s, MB_CUR_MAX, &state);
	return n < (size_t)-2 && iswprint((wint_t)wc) ? n : 0;
}

/* What is harmless, and the rest as \xHH. True: all was. */
static bool put_escaped(struct buf *o, const char *s, const char *keep, const char *backslash)
{
	bool all = true;
	while (*s) {
		size_t n = harmless(s);
		if (n == 1 && strchr(backslash, *s)) {
			buf_printf(o, "\\%c", *s);
		} else if (n || strchr(keep, *s)) {
			buf_append(o, s, MAX_OF(n, (size_t)1));
		} else {
			buf_printf(o, "\\x%02x", (unsigned char)*s);
			all = false;
		}
		s += MAX_OF(n, (size_t)1);
	}
	return all;
}

static char *finish(struct buf *o)
{
	char *text = buf_ok(o) ? buf_steal(o, NULL) : NULL;
	buf_fini(o);
	return text;
}

char *out_plain(const char *s)
{
	struct buf o;
	buf_init(&o, TEXT_MAX);
	buf_puts(&o, "");
	put_escaped(&o, s, "\n\t", "");
	return finish(&o);
}

char *out_quoted(const char *a, const char *b)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,=-";
	struct buf o;
	buf_init(&o, TEXT_MAX);
	if (strspn(a, plain) == strlen(a) && strspn(b, plain) == strlen(b)) {
		buf_puts(&o, a);
		buf_puts(&o, b);
		return finish(&o);
	}
	/* $'...' is of bash, zsh and POSIX 2024: only where it must be. */
	buf_puts(&o, "$'");
	bool all = put_escaped(&o, a, "", "\\'");
	all = put_escaped(&o, b, "", "\\'") && all;
	if (all) {
		buf_reset(&o);
		buf_puts(&o, "'");
		for (const char *part[] = {a, b}, **p = part; p < part + 2; p++)
			for (const char *c = *p; *c; c++)
				buf_printf(&o, *c == '\'' ? "'\\''" : "%c", *c);
	}
	buf_puts(&o, "'");
	return finish(&o);
}

void out_json_string(const char *s)
{
	struct buf b;
	buf_init(&b, 1u << 20);
	buf_json(&b, s);
	fputs(buf_ok(&b) ? b.data : "null", stdout);
	buf_fini(&b);
}
