/* Collections: following _links.next to the end.
 *
 * The link carries the whole query and a cursor and is followed verbatim. It
 * is text from the wire, though: only a path below /api/ on the same host is
 * taken, or a reply could send our login anywhere. */
#include <errno.h>
#include <string.h>

#include "ontap/call.h"

/* At 1,000 records a page this is far beyond any limit of ONTAP; it ends a
 * chain of links that runs in a circle. */
#define PAGE_COUNT_MAX 10000
#define PAGE_HREF_MAX  3500

int page_check_href(const char *href)
{
	size_t n = strlen(href);
	if (n > PAGE_HREF_MAX || strncmp(href, "/api/", 5) != 0)
		return -EINVAL;
	for (const unsigned char *p = (const unsigned char *)href; *p; p++)
		if (*p <= ' ' || *p >= 127 || *p == '#' || *p == '\\')
			return -EINVAL;
	size_t path = strcspn(href, "?");
	const char *dots = strstr(href, "/..");
	return dots && dots < href + path ? -EINVAL : 0;
}

struct json_object *page_instance(struct json_object *root)
{
	struct json_object *o;
	if (!root)
		return NULL;
	if (js_find(root, "record", &o) == 0)
		return o;
	int n = js_len(root, "records");
	if (n == -ENOENT)
		return root;
	if (n == 1 && js_find(root, "records[0]", &o) == 0)
		return o;
	return NULL;
}

static void bad_page(struct call *c, const char *why)
{
	struct ontap_error e;
	error_set(&e, -EIO, 200, 0, "cannot %s: ONTAP at %s sent a list %s", c->what,
		  http_who(c->o->http)->host, why);
	c->page.end(c, &e);
}

static void on_page(struct call *c, struct json_object *root, const struct ontap_error *e)
{
	if (e) {
		c->page.end(c, e);
		return;
	}
	struct json_object *records;
	int n = js_len(root, "records");
	if (n < 0 || js_find(root, "records", &records) < 0) {
		bad_page(c, "without \"records\"");
		return;
	}
	for (size_t i = 0; i < (size_t)n && !c->cancelled; i++) {
		int r = c->page.record(c, js_at(records, i));
		if (r < 0) {
			struct ontap_error oe;
			error_set(&oe, r, 0, 0, "cannot %s: %s", c->what, strerror(-r));
			c->page.end(c, &oe);
			return;
		}
	}
	const char *href;
	int r = js_str(root, "_links.next.href", &href);
	if (r == -ENOENT) {
		c->page.end(c, NULL);
		return;
	}
	if (r < 0 || page_check_href(href) < 0) {
		bad_page(c, "whose next page is no path below /api/");
		return;
	}
	if (++c->page.count > PAGE_COUNT_MAX || strcmp(href, c->path.data) == 0) {
		bad_page(c, "that does not end");
		return;
	}
	buf_reset(&c->path);
	buf_puts(&c->path, href);
	call_send(c, on_page);
}

void page_run(struct call *c, int (*record)(struct call *c, struct json_object *rec),
	      call_end_fn end)
{
	c->page.record = record;
	c->page.end = end;
	c->page.count = 0;
	call_send(c, on_page);
}
