/* The configuration for people: effective values, --help, the man page's rows.
 *
 * Numbers are put together from whole ones, since printf's decimal point
 * follows the locale and JSON's does not. */
#include "mountd/config_i.h"

#include <inttypes.h>
#include <string.h>

#include "fs/base/clock.h"

static const void *cfield(const struct config *c, const struct config_key *k)
{
	return (const char *)c + k->offset;
}

/* ---- what a key wants, in words ------------------------------------------ */

/* Seconds with as many decimals as they need. */
static void put_seconds(struct buf *b, int64_t ns)
{
	buf_printf(b, "%lld", (long long)(ns / NS_PER_SEC));
	if (ns % NS_PER_SEC) {
		char frac[16];
		snprintf(frac, sizeof(frac), "%09lld", (long long)(ns % NS_PER_SEC));
		size_t n = strlen(frac);
		while (n > 1 && frac[n - 1] == '0')
			frac[--n] = '\0';
		buf_printf(b, ".%s", frac);
	}
}

static void put_words(struct buf *b, const struct config_key *k)
{
	for (size_t i = 0; k->words[i]; i++)
		buf_printf(b, "%s%s", i ? ", " : "", k->words[i]);
}

void config_key_range(const struct config_key *k, struct buf *b)
{
	switch (k->type) {
	case KEY_UINT:
		if (k->min == k->max)
			buf_printf(b, "%" PRId64, k->min);
		else
			buf_printf(b, "%" PRId64 " to %" PRId64, k->min, k->max);
		break;
	case KEY_TIME:
		put_seconds(b, k->min * NS_PER_MS);
		buf_puts(b, " to ");
		put_seconds(b, k->max * NS_PER_MS);
		break;
	case KEY_WORD:
		put_words(b, k);
		break;
	default:
		break;
	}
}

static const char *const type_text[] = {
	[KEY_UINT] = "number",  [KEY_SIZE] = "size",   [KEY_TIME] = "seconds", [KEY_BOOL] = "boolean",
	[KEY_TEXT] = "text",    [KEY_SECRET] = "text", [KEY_PEM] = "PEM",      [KEY_WORD] = "word",
	[KEY_LIST] = "list",    [KEY_ALLOW] = "list",  [KEY_UIDS] = "list",
};

/* ---- for people --------------------------------------------------------- */

static void dump_list(char *const *l, struct buf *out)
{
	buf_puts(out, "[");
	for (size_t i = 0; l && l[i]; i++) {
		buf_puts(out, i ? ", " : "");
		buf_json(out, l[i]);
	}
	buf_puts(out, "]");
}

static void dump_allow(const struct config *c, struct buf *out)
{
	const char *sep = "";
	buf_puts(out, "[");
	for (size_t i = 0; i < CONFIG_NVERBS; i++) {
		if (!(c->allow & 1u << i))
			continue;
		if (c->allow_gid[i] >= 0)
			buf_printf(out, "%s\"%s:gid=%" PRId64 "\"", sep, config_verb_names[i],
				   c->allow_gid[i]);
		else
			buf_printf(out, "%s\"%s\"", sep, config_verb_names[i]);
		sep = ", ";
	}
	buf_puts(out, "]");
}

static void dump_value(const struct config *c, const struct config_key *k, struct buf *out)
{
	const void *v = cfield(c, k);
	switch (k->type) {
	case KEY_UINT:
		buf_printf(out, "%" PRIu32, *(const uint32_t *)v);
		break;
	case KEY_SIZE:
		buf_printf(out, "%" PRIu64, *(const uint64_t *)v);
		break;
	case KEY_TIME:
		put_seconds(out, *(const int64_t *)v);
		break;
	case KEY_BOOL:
		buf_puts(out, *(const bool *)v ? "true" : "false");
		break;
	case KEY_WORD:
		buf_json(out, k->words[*(const uint32_t *)v]);
		break;
	case KEY_LIST:
		dump_list(*(char **const *)v, out);
		break;
	case KEY_ALLOW:
		dump_allow(c, out);
		break;
	case KEY_UIDS:
		buf_puts(out, "[");
		for (size_t i = 0; i < c->nadmin_uids; i++)
			buf_printf(out, "%s%" PRIu32, i ? ", " : "", c->admin_uids[i]);
		buf_puts(out, "]");
		break;
	case KEY_SECRET:
	case KEY_PEM:
		buf_json(out, "***");
		break;
	case KEY_TEXT:
		buf_json(out, *(char *const *)v);
		break;
	}
}

/* Texts and certificates that were not given are left out. */
static bool is_set(const struct config *c, const struct config_key *k)
{
	switch (k->type) {
	case KEY_TEXT:
	case KEY_SECRET:
	case KEY_PEM:
	case KEY_LIST:
		return *(void *const *)cfield(c, k) != NULL;
	default:
		return true;
	}
}

static void dump_section(const struct config *c, const char *section, const char *indent,
			 const char *sep, struct buf *out)
{
	size_t n = strlen(section);
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		const char *name = config_key_name(k);
		if ((size_t)(name - k->path) != n || strncmp(k->path, section, n) != 0 || !is_set(c, k))
			continue;
		buf_printf(out, "%s\n%s\"%s\": ", sep, indent, name);
		dump_value(c, k, out);
		sep = ",";
	}
}

void config_dump_json(const struct config *c, struct buf *out)
{
	buf_puts(out, "{\n  \"source\": ");
	buf_json(out, c->source ? c->source : "");
	dump_section(c, "", "  ", ",", out);
	buf_puts(out, ",\n  \"defaults\": {");
	dump_section(c, "defaults.", "    ", "", out);
	buf_puts(out, "\n  },\n  \"ontapfs\": {");
	dump_section(c, "ontapfs.", "    ", "", out);
	buf_printf(out, "\n  },\n  \"nfs\": {\n    \"nconnect\": %" PRIu32 ",\n    \"rsize\": %" PRIu32
		   ",\n    \"wsize\": %" PRIu32 ",\n    \"soft\": ", c->nconnect, c->rsize, c->wsize);
	put_seconds(out, c->soft_ns);
	buf_puts(out, "\n  }\n}\n");
}

void config_print_table(FILE *out)
{
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		struct buf b;
		buf_init(&b, 400);
		config_key_range(k, &b);
		fprintf(out, "%s\t%s\t%s\t%s\t%s\n", k->path, type_text[k->type], k->def ? k->def : "",
			b.data ? b.data : "", k->help);
		buf_fini(&b);
	}
}

void config_print_help(FILE *out)
{
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		struct buf b;
		buf_init(&b, 400);
		config_key_range(k, &b);
		fprintf(out, "  %s (%s%s%s%s%s)\n      %s\n", k->path, type_text[k->type],
			b.len ? ", " : "", b.data ? b.data : "", k->def ? "; default " : "",
			k->def ? k->def : "", k->help);
		buf_fini(&b);
	}
}
