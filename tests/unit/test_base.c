/* The helpers under everything: buffers and JSON text, uuids, lists, the event
 * loop, time, one log line. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/base/buf.h"
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/ev.h"
#include "fs/base/log.h"
#include "fs/base/uuid.h"

/* ---- buf ---- */

static void buf_grows_to_its_maximum(void **state)
{
	(void)state;
	for (size_t max = 0; max < 700; max += 1 + max / 3) {
		struct buf b;
		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(buf_append(&b, &(char){(char)('a' + i % 26)}, 1), 0);
		assert_true(buf_ok(&b));
		assert_int_equal(b.len, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(b.data[i], 'a' + i % 26);
		if (max)
			assert_int_equal(b.data[max], '\0');
		assert_int_equal(buf_append(&b, "x", 1), -EMSGSIZE);
		assert_false(buf_ok(&b));
		assert_int_equal(b.len, max);
		buf_fini(&b);
	}
}

static void buf_failure_sticks(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4);
	assert_int_equal(buf_puts(&b, "abc"), 0);
	assert_int_equal(buf_puts(&b, "de"), -EMSGSIZE);
	assert_int_equal(buf_puts(&b, "d"), -EMSGSIZE); /* it would fit, but there is a hole before it */
	assert_int_equal(buf_printf(&b, "%d", 1), -EMSGSIZE);
	assert_int_equal(buf_json(&b, ""), -EMSGSIZE);
	assert_null(buf_steal(&b, NULL));
	assert_string_equal(b.data, "abc");
	buf_reset(&b);
	assert_true(buf_ok(&b));
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_puts(&b, "wxyz"), 0);
	assert_string_equal(b.data, "wxyz");
	buf_fini(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 4);
	/* An append of "all there is" does not wrap round. */
	assert_int_equal(buf_puts(&b, "a"), 0);
	assert_int_equal(buf_append(&b, "", SIZE_MAX), -EMSGSIZE);
	buf_fini(&b);
}

static void buf_prints(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	assert_int_equal(buf_printf(&b, "%s-%05d", "a", 42), 0);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_int_equal(buf_printf(&b, "%500d", 1), 0); /* more than it had room for */
	assert_int_equal(b.len, 507);
	assert_memory_equal(b.data, "a-00042   ", 10);
	assert_int_equal(buf_printf(&b, "%494d", 1), -EMSGSIZE);
	buf_fini(&b);
}

static void buf_is_handed_over(void **state)
{
	(void)state;
	struct buf b;
	size_t len = 99;
	buf_init(&b, 100);
	cleanup_free char *empty = buf_steal(&b, &len);
	assert_string_equal(empty, "");
	assert_int_equal(len, 0);
	buf_append(&b, "a\0b", 3);
	cleanup_free char *p = buf_steal(&b, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(p, "a\0b", 4);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

static void json_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"", "\"\""}, {"plain", "\"plain\""}, {"a\"b", "\"a\\\"b\""}, {"a\\b", "\"a\\\\b\""}, {"/", "\"/\""},
		{"\n\t\r", "\"\\u000a\\u0009\\u000d\""}, {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
		{"\xc3\xa9", "\"\xc3\xa9\""}, {"\xe2\x82\xac", "\"\xe2\x82\xac\""},
		{"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""}, {"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""},
		{"\xed\x9f\xbf", "\"\xed\x9f\xbf\""},
#define BAD "\\ufffd"
		{"\x80", "\"" BAD "\""}, {"\xc3", "\"" BAD "\""}, {"\xc3(", "\"" BAD "(\""},
		{"\xc0\xaf", "\"" BAD BAD "\""}, {"\xe0\x80\xaf", "\"" BAD BAD BAD "\""},
		{"\xe2\x82", "\"" BAD BAD "\""}, {"\xed\xa0\x80", "\"" BAD BAD BAD "\""},
		{"\xf0\x80\x80\xaf", "\"" BAD BAD BAD BAD "\""}, {"\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""},
		{"\xf5\x80\x80\x80", "\"" BAD BAD BAD BAD "\""}, {"\xff\xfe", "\"" BAD BAD "\""},
		{"a\xf0\x9f", "\"a" BAD BAD "\""}, {"\xc3\xa9\xc3", "\"\xc3\xa9" BAD "\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b;
		buf_init(&b, 200);
		assert_int_equal(buf_json(&b, rows[i].in), 0);
		if (strcmp(b.data, rows[i].out) != 0)
			fail_msg("row %zu: %s, want %s", i, b.data, rows[i].out);
		buf_fini(&b);
	}
}

/* ---- uuid ---- */

static void uuids(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{"00000000-0000-0000-0000-000000000000", 0},
		{"0123abcd-4567-89ef-0123-456789abcdef", 0},
		{"0123ABCD-4567-89EF-0123-456789ABCDEF", 0},
		{"", -EINVAL}, {"0", -EINVAL},
		{"0123abcd-4567-89ef-0123-456789abcde", -EINVAL},
		{"0123abcd-4567-89ef-0123-456789abcdef0", -EINVAL},
		{"0123abcd-4567-89ef-0123-456789abcdef ", -EINVAL},
		{" 123abcd-4567-89ef-0123-456789abcdef", -EINVAL},
		{"0123abcd.4567-89ef-0123-456789abcdef", -EINVAL},
		{"0123abcd4567-89ef-0123-456789abcdef-", -EINVAL},
		{"0123abcg-4567-89ef-0123-456789abcdef", -EINVAL},
		{"0123abcd-4567-89ef-0123-456789abcd-f", -EINVAL},
		{"{123abcd-4567-89ef-0123-456789abcde}", -EINVAL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct uuid u;
		char text[UUID_TEXT_LEN + 1];
		memset(&u, 0xee, sizeof(u));
		const struct uuid before = u;
		if (uuid_parse(rows[i].text, &u) != rows[i].want)
			fail_msg("%s", rows[i].text);
		if (rows[i].want)
			assert_true(uuid_eq(&u, &before)); /* nothing written */
		else
			assert_int_equal(strcasecmp(uuid_format(&u, text), rows[i].text), 0);
	}
	struct uuid a, b;
	uuid_random(&a);
	uuid_random(&b);
	assert_false(uuid_eq(&a, &b));
	assert_false(uuid_is_zero(&a));
	assert_int_equal(a.b[6] >> 4, 4);
	assert_int_equal(a.b[8] >> 6, 2);
	assert_true(uuid_is_zero(&(struct uuid){0}));
}

/* ---- list ---- */

struct item {
	int v;
	struct list link;
};

static int sum_in_order(struct list *head)
{
	struct list *l, *tmp;
	int v = 0;
	list_for_each(l, tmp, head)
		v = v * 10 + list_entry(l, struct item, link)->v;
	return v;
}

static void lists(void **state)
{
	(void)state;
	struct list head;
	struct item it[5];
	list_init(&head);
	assert_true(list_empty(&head));
	assert_null(list_pop(&head));
	for (int i = 0; i < 5; i++) {
		it[i].v = i + 1;
		list_init(&it[i].link);
		list_remove(&it[i].link); /* on no list: nothing happens */
		list_append(&head, &it[i].link);
	}
	assert_int_equal(sum_in_order(&head), 12345);
	list_remove(&it[2].link);
	list_remove(&it[2].link);
	assert_int_equal(sum_in_order(&head), 1245);
	assert_ptr_equal(list_pop(&head), &it[0].link);
	assert_true(list_empty(&it[0].link));
	struct list *l, *tmp;
	list_for_each(l, tmp, &head)
		list_remove(l);
	assert_true(list_empty(&head));
}

static void strings_are_cut(void **state)
{
	(void)state;
	char out[5] = "zzzz";
	assert_true(strcpy_bounded(out, "abcd", sizeof(out)));
	assert_string_equal(out, "abcd");
	assert_false(strcpy_bounded(out, "vwxyz", sizeof(out)));
	assert_string_equal(out, "vwxy");
	assert_true(strcpy_bounded(out, "", sizeof(out)));
	assert_string_equal(out, "");
}

/* ---- the event loop ---- */

struct heard {
	struct ev *ev;
	char log[64];
	struct ev_timer t[8];
	struct ev_source src[3], *doomed;
	atomic_int count;
};

static void note(struct heard *h, char c)
{
	size_t n = strlen(h->log);
	assert_true(n + 1 < sizeof(h->log));
	h->log[n] = c;
}

static void on_timer(struct ev_timer *t)
{
	struct heard *h = t->ctx;
	note(h, (char)('0' + (t - h->t)));
}

static void timers_run_by_due_time(void **state)
{
	(void)state;
	struct heard h = {.ev = ev_new()};
	static const int after_ms[] = {50, 10, 30, 10, 20};
	clock_set_fake(1000 * NS_PER_SEC);
	for (size_t i = 0; i < ARRAY_LEN(after_ms); i++) {
		ev_timer_init(&h.t[i], on_timer, &h);
		ev_timer_arm(h.ev, &h.t[i], after_ms[i] * NS_PER_MS);
	}
	assert_int_equal(ev_run_once(h.ev, 0), 0);
	clock_set_fake(1000 * NS_PER_SEC + 25 * NS_PER_MS);
	assert_int_equal(ev_run_once(h.ev, 0), 3);
	assert_string_equal(h.log, "134"); /* equal times in the order of arming */
	ev_timer_disarm(&h.t[2]);
	ev_timer_disarm(&h.t[2]);
	ev_timer_arm(h.ev, &h.t[1], 1 * NS_PER_MS);
	clock_set_fake(1001 * NS_PER_SEC);
	assert_int_equal(ev_run_once(h.ev, -1), 2); /* overdue: does not wait */
	assert_string_equal(h.log, "13410");
	/* Armed twice is armed once, for the later word. */
	ev_timer_arm(h.ev, &h.t[0], 1 * NS_PER_MS);
	ev_timer_arm(h.ev, &h.t[0], 5 * NS_PER_MS);
	clock_set_fake(1001 * NS_PER_SEC + 2 * NS_PER_MS);
	assert_int_equal(ev_run_once(h.ev, 0), 0);
	clock_set_fake(1001 * NS_PER_SEC + 5 * NS_PER_MS);
	assert_int_equal(ev_run_once(h.ev, 0), 1);
	clock_set_fake(-1);
	ev_free(h.ev);
	ev_free(NULL);
}

static void rearm(struct ev_timer *t)
{
	struct heard *h = t->ctx;
	note(h, 'r');
	if (strlen(h->log) < 3)
		ev_timer_arm(h->ev, t, 0);
}

static void timer_arms_itself(void **state)
{
	(void)state;
	struct heard h = {.ev = ev_new()};
	ev_timer_init(&h.t[0], rearm, &h);
	ev_timer_arm(h.ev, &h.t[0], 0);
	while (strlen(h.log) < 3)
		assert_true(ev_run_once(h.ev, 1000) >= 0);
	/* Real time: it waits until the timer is due, not for ever. */
	ev_timer_init(&h.t[1], on_timer, &h);
	ev_timer_arm(h.ev, &h.t[1], 3 * NS_PER_MS);
	int64_t before = clock_now_ns();
	while (strlen(h.log) < 4)
		assert_true(ev_run_once(h.ev, -1) >= 0);
	assert_true(clock_now_ns() - before >= 3 * NS_PER_MS);
	ev_free(h.ev);
}

static void a_loop_that_polls_hears_and_ends(void **state)
{
	(void)state;
	struct heard h = {.ev = ev_new()};
	for (int i = 0; i < 20; i++) {
		ev_spin(h.ev, NS_PER_MS / 10);
		assert_int_equal(ev_run_once(h.ev, 1), 0); /* in vain, so later it pauses */
	}
	ev_timer_init(&h.t[0], on_timer, &h);
	for (int i = 0; i < 300; i++) {
		ev_timer_arm(h.ev, &h.t[0], 0);
		ev_spin(h.ev, NS_PER_MS / 10);
		while (ev_run_once(h.ev, -1) == 0)
			;
		h.log[0] = '\0';
	}
	ev_free(h.ev);
}

static void on_source(struct ev_source *src, uint32_t events)
{
	struct heard *h = src->ctx;
	uint64_t n;
	assert_true(events & EPOLLIN);
	assert_int_equal(read(src->fd, &n, sizeof(n)), sizeof(n));
	note(h, (char)('a' + (src - h->src)));
	if (h->doomed) {
		ev_del(h->ev, h->doomed);
		if (h->doomed == &h->src[0] && src != &h->src[0])
			note(h, '!');
	}
}

static void ring(int fd)
{
	assert_int_equal(write(fd, &(uint64_t){1}, 8), 8);
}

static void sources(void **state)
{
	(void)state;
	struct heard h = {.ev = ev_new()};
	for (int i = 0; i < 3; i++) {
		h.src[i] = (struct ev_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .fn = on_source, .ctx = &h};
		assert_int_equal(ev_add(h.ev, &h.src[i], EPOLLIN), 0);
	}
	assert_int_equal(ev_add(h.ev, &h.src[0], EPOLLIN), -EEXIST);
	ring(h.src[1].fd);
	assert_int_equal(ev_run_once(h.ev, 1000), 1);
	assert_string_equal(h.log, "b");
	assert_int_equal(ev_mod(h.ev, &h.src[1], 0), 0);
	ring(h.src[1].fd);
	assert_int_equal(ev_run_once(h.ev, 0), 0);
	assert_int_equal(ev_mod(h.ev, &h.src[1], EPOLLIN), 0);
	assert_int_equal(ev_run_once(h.ev, 0), 1);
	/* Deleted by a callback while its own event waits in the same batch. */
	memset(h.log, 0, sizeof(h.log));
	ring(h.src[0].fd);
	ring(h.src[2].fd);
	h.doomed = &h.src[2];
	assert_true(ev_run_once(h.ev, 0) >= 1);
	if (h.log[0] == 'a')
		assert_string_equal(h.log, "a");
	else
		assert_string_equal(h.log, "ca"); /* it was first, and deleted itself */
	for (int i = 0; i < 3; i++)
		close(h.src[i].fd);
	ev_free(h.ev);
}

struct letter {
	struct ev_msg msg;
	struct heard *h;
	int from, number;
};

enum { POSTERS = 4, LETTERS = 500 };
static int next_from[POSTERS];

static void on_letter(struct ev_msg *msg)
{
	struct letter *l = container_of(msg, struct letter, msg);
	assert_int_equal(l->number, next_from[l->from]); /* in the order of posting */
	next_from[l->from]++;
	atomic_fetch_add(&l->h->count, 1);
	free(l);
}

struct poster {
	pthread_t thread;
	struct heard *h;
	int from;
};

static void *post_all(void *arg)
{
	struct poster *p = arg;
	for (int i = 0; i < LETTERS; i++) {
		struct letter *l = calloc(1, sizeof(*l));
		*l = (struct letter){.msg.fn = on_letter, .h = p->h, .from = p->from, .number = i};
		ev_post(p->h->ev, &l->msg);
	}
	return NULL;
}

static void posts_from_threads(void **state)
{
	(void)state;
	struct heard h = {.ev = ev_new()};
	struct poster p[POSTERS];
	memset(next_from, 0, sizeof(next_from));
	for (int i = 0; i < POSTERS; i++) {
		p[i] = (struct poster){.h = &h, .from = i};
		assert_int_equal(pthread_create(&p[i].thread, NULL, post_all, &p[i]), 0);
	}
	/* No wake-up is lost: it never has to wait for a second. */
	while (atomic_load(&h.count) < POSTERS * LETTERS)
		if (ev_run_once(h.ev, 10000) == 0)
			fail_msg("nothing came after %d messages", atomic_load(&h.count));
	for (int i = 0; i < POSTERS; i++)
		pthread_join(p[i].thread, NULL);
	assert_int_equal(ev_run_once(h.ev, 0), 0);
	ev_free(h.ev);
}

/* ---- time ---- */

static void clock_floors(void **state)
{
	(void)state;
	static const struct {
		int64_t ns, s;
		long rest;
	} rows[] = {
		{0, 0, 0}, {1, 0, 1}, {999999999, 0, 999999999}, {NS_PER_SEC, 1, 0}, {-1, -1, 999999999},
		{-NS_PER_SEC, -1, 0}, {-NS_PER_SEC - 1, -2, 999999999}, {-NS_PER_SEC + 1, -1, 1},
		{INT64_MAX, 9223372036, 854775807}, {INT64_MIN, -9223372037, 145224192},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct timespec ts = clock_to_ts(rows[i].ns);
		if (ts.tv_sec != rows[i].s || ts.tv_nsec != rows[i].rest)
			fail_msg("%lld: %lld + %ld", (long long)rows[i].ns, (long long)ts.tv_sec, ts.tv_nsec);
		if (rows[i].ns != INT64_MIN)
			assert_true(clock_from_ts(&ts) == rows[i].ns);
	}
}

static void clock_fake(void **state)
{
	(void)state;
	clock_set_fake(0);
	assert_true(clock_now_ns() == 0);
	clock_set_fake(77);
	assert_true(clock_now_ns() == 77);
	clock_set_fake(-1);
	int64_t a = clock_now_ns(), b = clock_now_ns();
	assert_true(a > 77 && b >= a);
	assert_true(clock_wall_ns() > 1600000000ll * NS_PER_SEC);
}

/* ---- log ---- */

static int log_pipe[2];

static void log_to_pipe(const char *program)
{
	assert_int_equal(pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC), 0);
	log_init(program, log_pipe[1]);
	log_set_level(LOG_LV_INFO);
}

/* What was written since, of one line without the time in front of it. */
static char *logged(char out[8192])
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
	ssize_t n = read(log_pipe[0], out, 8191);
	out[n > 0 ? n : 0] = '\0';
	if (n <= 0 || out[0] == '<')
		return out;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? out[i] < '0' || out[i] > '9' : out[i] != form[i])
			fail_msg("no time: %s", out);
	memmove(out, out + strlen(form), strlen(out + strlen(form)) + 1);
	return out;
}

static void log_end(void)
{
	log_init("test_base", 2);
	close(log_pipe[0]);
	close(log_pipe[1]);
}

static void log_lines(void **state)
{
	(void)state;
	char out[8192], big[4000];
	unsetenv("JOURNAL_STREAM");
	log_to_pipe("prog");
	log_info("mounted %s n=%d", "vol", 5);
	assert_string_equal(logged(out), "prog: info: mounted vol n=5\n");
	log_warn("a\nb\tc\x7f\x1b[0m");
	assert_string_equal(logged(out), "prog: warning: a?b?c??[0m\n"); /* a line is a line */
	assert_int_equal(log_errno(-ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_string_equal(logged(out), "prog: error: cannot open x: No such file or directory\n");
	assert_int_equal(log_errno(0, "odd"), 0);
	assert_string_equal(logged(out), "prog: error: odd\n");
	log_debug("not shown");
	assert_string_equal(logged(out), "");
	log_set_level(LOG_LV_DEBUG);
	assert_true(log_enabled(LOG_LV_DEBUG));
	log_debug("shown");
	assert_string_equal(logged(out), "prog: debug: shown\n");
	log_set_level(LOG_LV_ERROR);
	log_warn("not shown");
	assert_string_equal(logged(out), "");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_error("%s", big);
	logged(out);
	size_t len = strlen(out);
	assert_true(len > 1900 && len <= 2048); /* cut, in one write(2) */
	assert_ptr_equal(strchr(out, '\n'), out + len - 1);
	log_end();
}

static void log_for_the_journal(void **state)
{
	(void)state;
	char out[8192];
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_to_pipe("prog");
	unsetenv("JOURNAL_STREAM");
	log_warn("x");
	assert_string_equal(logged(out), "<4>prog: warning: x\n");
	log_error("y");
	assert_string_equal(logged(out), "<3>prog: error: y\n");
	log_end();
}

static void say_again(int i)
{
	log_info("line %d", i);
}

static void log_floods_are_cut(void **state)
{
	(void)state;
	char out[8192];
	log_to_pipe("p");
	for (int i = 0; i < 1000; i++)
		say_again(i);
	size_t lines = 0;
	for (const char *p = logged(out); *p; p++)
		lines += *p == '\n';
	/* 20 a second; the second may end meanwhile. */
	if (lines < 20 || lines > 60)
		fail_msg("%zu lines", lines);
	log_info("another place is not held back");
	assert_string_equal(logged(out), "p: info: another place is not held back\n");
	log_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_grows_to_its_maximum), cmocka_unit_test(buf_failure_sticks),
		cmocka_unit_test(buf_prints), cmocka_unit_test(buf_is_handed_over), cmocka_unit_test(json_text),
		cmocka_unit_test(uuids), cmocka_unit_test(lists), cmocka_unit_test(strings_are_cut),
		cmocka_unit_test(timers_run_by_due_time), cmocka_unit_test(timer_arms_itself),
		cmocka_unit_test(a_loop_that_polls_hears_and_ends),
		cmocka_unit_test(sources), cmocka_unit_test(posts_from_threads), cmocka_unit_test(clock_floors),
		cmocka_unit_test(clock_fake), cmocka_unit_test(log_lines), cmocka_unit_test(log_for_the_journal),
		cmocka_unit_test(log_floods_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
