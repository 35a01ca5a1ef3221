/*
 * The control socket takes one line per connection and answers with one line,
 * "ok" or "error: TEXT".
 */
#include "tests/sim/rest/fault.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "tests/sim/rest/engine.h"
#include "tests/sim/rest/jobs.h"
#include "tests/sim/rest/nfslink.h"
#include "tests/sim/rest/record.h"
#include "tests/sim/rest/server.h"

#define FOREVER (-1)

enum kind { DELAY, STATUS, RESET, LOST, GARBAGE, TRUNCATE, KINDS };

static const char *const kind_name[KINDS] = { "delay", "status", "reset", "lost", "garbage", "truncate" };

static struct {
	pthread_mutex_t lock;
	struct rule {
		int64_t left;   /* requests it is still for, FOREVER, 0 = off */
		char method[8]; /* "" = each */
		int64_t value, retry_after;
	} rule[KINDS];
	int stop_fd; /* eventfd, readable once the process ends */
	int listen_fd;
	pthread_t thread;
	struct model *model;
	char path[108];
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER, .stop_fd = -1, .listen_fd = -1 };

/* Does the fault concern this request?  Then it is used up by one. */
static bool use(enum kind k, const char *method)
{
	struct rule *r = &fault.rule[k];

	if (r->left == 0 || (r->method[0] && strcmp(r->method, method) != 0))
		return false;
	if (r->left > 0)
		r->left--;
	return true;
}

struct fault fault_take(const char *method)
{
	struct fault f = { 0 };

	pthread_mutex_lock(&fault.lock);
	if (use(DELAY, method))
		f.delay_ms = fault.rule[DELAY].value;
	f.reset = use(RESET, method);
	if (!f.reset && use(STATUS, method)) {
		f.status = (int)fault.rule[STATUS].value;
		f.retry_after = fault.rule[STATUS].retry_after;
	}
	/* What spoils a reply needs one that tells how the work went. */
	if (!f.reset && !f.status) {
		f.lost = use(LOST, method);
		f.garbage = !f.lost && use(GARBAGE, method);
		f.truncate = !f.lost && !f.garbage && use(TRUNCATE, method);
	}
	pthread_mutex_unlock(&fault.lock);
	return f;
}

void fault_wait(int64_t ms)
{
	struct pollfd p = { .fd = fault.stop_fd, .events = POLLIN };
	int64_t end = sim_mono_ms() + ms, left;

	while ((left = end - sim_mono_ms()) > 0)
		if (poll(&p, 1, (int)left) > 0)
			return;
}

void fault_stop(void)
{
	uint64_t one = 1;

	(void)!write(fault.stop_fd, &one, sizeof(one));
}

/* ---- commands ------------------------------------------------------------- */

#define WORDS_MAX 8
#define WANT_REST "error: want 'fault rest [METHOD] delay MS|status CODE|reset|lost|garbage|truncate [COUNT]'"

static bool parse_count(const char *word, int64_t *ret)
{
	*ret = FOREVER;
	return !word || sim_parse_int(word, 1, 1000000, ret);
}

/* fault rest [METHOD] KIND [VALUE] [COUNT [RETRY_AFTER]] */
static const char *fault_rest(char **w)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS" };
	struct rule r = { .retry_after = 1 };
	enum kind k = 0;

	for (size_t i = 0; *w && i < ARRAY_LEN(methods); i++)
		if (strcmp(*w, methods[i]) == 0) {
			snprintf(r.method, sizeof(r.method), "%s", *w++);
			break;
		}
	while (*w && k < KINDS && strcmp(*w, kind_name[k]) != 0)
		k++;
	if (!*w++ || k == KINDS)
		return WANT_REST;
	if (k == DELAY && (!*w || !sim_parse_int(*w++, 0, 600000, &r.value)))
		return "error: the delay must be 0 to 600000 milliseconds";
	if (k == STATUS && (!*w || !sim_parse_int(*w++, 400, 599, &r.value)))
		return "error: the status must be 400 to 599";
	if (!parse_count(*w, &r.left))
		return "error: the count must be 1 to 1000000";
	w += *w != NULL;
	if (k == STATUS && *w && !sim_parse_int(*w++, 0, 3600, &r.retry_after))
		return "error: the seconds of Retry-After must be 0 to 3600";
	if (*w)
		return WANT_REST;
	pthread_mutex_lock(&fault.lock);
	fault.rule[k] = r;
	pthread_mutex_unlock(&fault.lock);
	return "ok";
}

/* job delay MS | job stuck [COUNT] | job fail CODE [COUNT] | job release */
static const char *job_command(char **w)
{
	int64_t v, count;

	if (*w && !strcmp(*w, "delay") && w[1] && !w[2]) {
		if (!sim_parse_int(w[1], 0, 600000, &v))
			return "error: the delay must be 0 to 600000 milliseconds";
		atomic_store(&fault.model->job_delay_ms, v);
		return "ok";
	}
	if (*w && !strcmp(*w, "stuck") && (!w[1] || !w[2])) {
		if (!parse_count(w[1], &count))
			return "error: the count must be 1 to 1000000";
		jobs_hold(count);
		return "ok";
	}
	if (*w && !strcmp(*w, "fail") && w[1] && (!w[2] || !w[3])) {
		if (!sim_parse_int(w[1], 1, INT32_MAX, &v) || !parse_count(w[2], &count))
			return "error: want 'job fail CODE [COUNT]'";
		jobs_fail_next(v, count);
		return "ok";
	}
	if (*w && !strcmp(*w, "release") && !w[1]) {
		jobs_release();
		return "ok";
	}
	return "error: want 'job delay MS', 'job stuck [COUNT]', 'job fail CODE [COUNT]' or 'job release'";
}

static const char *put_switch(const char *prefix, const char *name, bool on)
{
	struct model *m = fault.model;
	AUTO_FREE char *key = sim_fmt("%s%s", prefix, name);
	int r;

	model_lock(m);
	r = db_setting_put(m->db, key, on ? "1" : "0");
	model_unlock(m);
	return r < 0 ? "error: state.db cannot be written" : "ok";
}

/* account lock|unlock NAME */
static const char *account_command(char **w)
{
	bool lock = w[0] && !strcmp(w[0], "lock"), known;
	struct model *m = fault.model;

	if (!w[0] || !w[1] || w[2] || (!lock && strcmp(w[0], "unlock") != 0))
		return "error: want 'account lock NAME' or 'account unlock NAME'";
	model_lock(m);
	known = db_int(m->db, 0, "SELECT count(*) FROM accounts WHERE name=?", "s", w[1]) != 0;
	model_unlock(m);
	return known ? put_switch(ACCOUNT_LOCKED, w[1], lock) : "error: there is no such account";
}

/* volume full|room NAME */
static const char *volume_command(char **w)
{
	bool full = w[0] && !strcmp(w[0], "full");
	struct model *m = fault.model;
	AUTO_FREE char *uuid = NULL;
	const char *answer;

	if (!w[0] || !w[1] || w[2] || (!full && strcmp(w[0], "room") != 0))
		return "error: want 'volume full NAME' or 'volume room NAME'";
	model_lock(m);
	uuid = db_text(m->db, "SELECT uuid FROM volumes WHERE name=? AND deleted_at IS NULL", "s", w[1]);
	model_unlock(m);
	if (!uuid)
		return "error: there is no such volume";
	answer = put_switch(VOLUME_FULL, uuid, full);
	nfslink_reload(m->dir);
	return answer;
}

/* license add|remove NAME */
static const char *license_command(char **w)
{
	bool drop = w[0] && !strcmp(w[0], "remove");

	if (!w[0] || !w[1] || w[2] || (!drop && strcmp(w[0], "add") != 0))
		return "error: want 'license add NAME' or 'license remove NAME'";
	return put_switch(UNLICENSED, w[1], drop);
}

/* role PATH ACCESS: the first one takes away all others; role clear */
static const char *role_command(char **w)
{
	struct model *m = fault.model;
	int r;

	if (!w[0] || (!w[1] && strcmp(w[0], "clear") != 0) || (w[1] && (w[2] || !role_word(w[1]))))
		return "error: want 'role /api/PATH ACCESS' or 'role clear'";
	model_lock(m);
	if (w[1]) {
		AUTO_FREE char *key = sim_fmt(ROLE_RIGHT "%s", w[0]);

		r = db_setting_put(m->db, key, w[1]);
	} else {
		r = db_exec(m->db, "DELETE FROM settings WHERE key LIKE '" ROLE_RIGHT "%'", "");
	}
	model_unlock(m);
	return r < 0 ? "error: state.db cannot be written" : "ok";
}

static const char *clear(void)
{
	pthread_mutex_lock(&fault.lock);
	memset(fault.rule, 0, sizeof(fault.rule));
	pthread_mutex_unlock(&fault.lock);
	jobs_hold(0);
	jobs_fail_next(0, 0);
	jobs_release();
	return "ok";
}

static const char *record_command(char **w)
{
	if (!*w || w[1] || (**w != '/' && strcmp(*w, "off") != 0))
		return "error: want 'record /PATH' or 'record off'";
	return record_to(strcmp(*w, "off") ? *w : NULL) < 0 ? "error: the file cannot be written" : "ok";
}

static const char *command(char *line)
{
	char *w[WORDS_MAX + 1] = { NULL }, *save = NULL;
	int n = 0;

	for (char *p = strtok_r(line, " \r\n", &save); p; p = strtok_r(NULL, " \r\n", &save)) {
		if (n == WORDS_MAX)
			return "error: too many words";
		w[n++] = p;
	}
	if (n == 2 && !strcmp(w[0], "fault") && !strcmp(w[1], "clear"))
		return clear();
	if (n >= 2 && !strcmp(w[0], "fault") && !strcmp(w[1], "rest"))
		return fault_rest(w + 2);
	if (n == 2 && !strcmp(w[0], "cert") && !strcmp(w[1], "renew"))
		return server_renew_cert(fault.model) < 0 ? "error: the certificate cannot be renewed" : "ok";
	if (n && !strcmp(w[0], "job"))
		return job_command(w + 1);
	if (n == 2 && !strcmp(w[0], "split")) {
		int64_t v;

		if (!sim_parse_int(w[1], 0, 600000, &v))
			return "error: a split must take 0 to 600000 milliseconds";
		atomic_store(&fault.model->split_ms, v);
		return "ok";
	}
	if (n && !strcmp(w[0], "account"))
		return account_command(w + 1);
	if (n && !strcmp(w[0], "volume"))
		return volume_command(w + 1);
	if (n && !strcmp(w[0], "license"))
		return license_command(w + 1);
	if (n && !strcmp(w[0], "role"))
		return role_command(w + 1);
	if (n && !strcmp(w[0], "record"))
		return record_command(w + 1);
	return "error: unknown command";
}

static void serve_one(int fd)
{
	struct timeval limit = { .tv_sec = 5 };
	char line[512];
	size_t len = 0;
	const char *answer;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (len < sizeof(line) - 1) {
		ssize_t n = recv(fd, line + len, sizeof(line) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (memchr(line, '\n', len))
			break;
	}
	line[len] = '\0';
	sim_log("ctl: %.*s", (int)strcspn(line, "\r\n"), line);
	answer = command(line);
	dprintf(fd, "%s\n", answer);
}

static void *ctl_thread(void *arg)
{
	struct pollfd p[2] = { { .fd = fault.listen_fd, .events = POLLIN },
		               { .fd = fault.stop_fd, .events = POLLIN } };

	(void)arg;
	for (;;) {
		int fd;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents)
			return NULL;
		if (!p[0].revents)
			continue;
		/* cppcheck-suppress nullPointer ; accept(2) takes NULL for both */
		fd = accept4(fault.listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		serve_one(fd);
		close(fd);
	}
}

int ctl_start(struct model *m)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/ctl.sock", m->dir);
	mode_t old;
	int r;

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	fault.model = m;
	memcpy(fault.path, sa.sun_path, sizeof(fault.path));
	fault.stop_fd = eventfd(0, EFD_CLOEXEC);
	fault.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fault.stop_fd < 0 || fault.listen_fd < 0)
		return -errno;
	unlink(sa.sun_path);
	old = umask(077);
	r = bind(fault.listen_fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(old);
	if (r < 0 || listen(fault.listen_fd, 8) < 0)
		return -errno;
	return -pthread_create(&fault.thread, NULL, ctl_thread, NULL);
}

void ctl_stop(void)
{
	fault_stop();
	pthread_join(fault.thread, NULL);
	unlink(fault.path);
	close(fault.listen_fd);
	fault.listen_fd = -1;
}
