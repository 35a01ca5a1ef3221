/* Tables by libsmartcols. */
#include "mountd/out.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "fs/base/buf.h"

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

char *out_quoted(const char *a, const char *b)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,=-";
	struct buf o;
	buf_init(&o, 65536);
	bool safe = strspn(a, plain) == strlen(a) && strspn(b, plain) == strlen(b);
	buf_puts(&o, safe ? "" : "'");
	for (const char *part[] = {a, b}, **p = part; p < part + 2; p++)
		for (const char *c = *p; *c; c++)
			buf_printf(&o, *c == '\'' ? "'\\''" : "%c", *c);
	buf_puts(&o, safe ? "" : "'");
	char *text = buf_ok(&o) ? buf_steal(&o, NULL) : NULL;
	buf_fini(&o);
	return text;
}

void out_json_string(const char *s)
{
	struct buf b;
	buf_init(&b, 1u << 20);
	buf_json(&b, s);
	fputs(buf_ok(&b) ? b.data : "null", stdout);
	buf_fini(&b);
}
