/* Reading the attributes of a mounted tree. */
#include "mountd/treex.h"

#include <errno.h>
#include <linux/limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "mountd/out.h"
#include "ontap/ontap.h"

int treex_get(const char *path, const char *name, char **ret)
{
	cleanup_free char *value = malloc(XATTR_SIZE_MAX + 1);
	if (!value)
		return -ENOMEM;
	ssize_t n = getxattr(path, name, value, XATTR_SIZE_MAX);
	if (n < 0)
		return -errno;
	value[n] = '\0';
	*ret = steal_ptr(value);
	return 0;
}

void treex_last_error(const char *path, char text[512])
{
	ssize_t n = getxattr(path, "ontap.last_error", text, 511);
	text[n > 0 ? n : 0] = '\0';
}

/* How often to look: the verb itself takes seconds. */
#define LOOK_MS 200

struct verb_state {
	char verb[64];
	bool running;
	int percent, err;
	char error[512];
};

static int read_state(const char *dir, const char *attr, struct verb_state *s)
{
	cleanup_free char *text = NULL;
	char why[256];
	const char *word = "";
	int64_t percent = -1, err = 0;
	int r = treex_get(dir, attr, &text);
	if (r < 0)
		return r;
	struct ontap_json *j = text ? ontap_json_parse(text, strlen(text), why) : NULL;
	if (!j)
		return -EPROTO;
	*s = (struct verb_state){0};
	r = ontap_json_bool(j, "running", &s->running);
	ontap_json_int(j, "percent", -1, 100, &percent);
	ontap_json_int(j, "errno", 0, 4095, &err);
	if (ontap_json_str(j, "verb", &word) == 0)
		strcpy_bounded(s->verb, word, sizeof(s->verb));
	if (ontap_json_str(j, "error", &word) == 0)
		strcpy_bounded(s->error, word, sizeof(s->error));
	s->percent = (int)percent;
	s->err = (int)err;
	ontap_json_free(j);
	return r;
}

int treex_wait(const char *dir, const char *name, int64_t timeout_ms, struct progress *p, char err[512])
{
	char attr[XATTR_NAME_MAX + 1];
	struct verb_state s;
	bool seen = false;
	int64_t until = clock_now_ns() + timeout_ms * NS_PER_MS;
	if (snprintf(attr, sizeof(attr), "ontap.verb.%s", name) >= (int)sizeof(attr)) {
		snprintf(err, 512, "the name is too long to ask for");
		return -ENAMETOOLONG;
	}
	for (;;) {
		int r = read_state(dir, attr, &s);
		if (r == -ENODATA)
			return seen;
		if (r < 0) {
			snprintf(err, 512, "%s", r == -EOPNOTSUPP ? "it is in no ontapfs mount" : strerror(-r));
			return r;
		}
		if (!s.running) {
			snprintf(err, 512, "%s: %s", s.verb, s.error[0] ? s.error : strerror(s.err));
			return s.err ? -s.err : 1;
		}
		seen = true;
		progress_tick(p, s.percent);
		if (timeout_ms >= 0 && clock_now_ns() >= until) {
			snprintf(err, 512, "ONTAP is still at work on %s", s.verb);
			return -ETIMEDOUT;
		}
		poll(NULL, 0, LOOK_MS);
	}
}

void snaps_free(struct snaps *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->s[i].name);
		free(l->s[i].comment);
		free(l->s[i].creator);
		free(l->s[i].clones);
	}
	free(l->s);
	free(l->volume);
	*l = (struct snaps){0};
}

static char *creator_of(const struct snap_facts *f)
{
	char text[128];
	const struct passwd *pw = f->here ? getpwuid(f->uid) : NULL;
	if (pw)
		return strdup(pw->pw_name);
	if (f->here)
		snprintf(text, sizeof(text), "%u", f->uid);
	else
		snprintf(text, sizeof(text), "%u@%.64s", f->uid, f->realm);
	return strdup(text);
}

int snaps_add(struct snaps *l, const struct snap_facts *f)
{
	struct snap *grown = reallocarray(l->s, l->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->s = grown;
	struct snap *s = &l->s[l->n++];
	*s = (struct snap){.name = strdup(f->name),
			   .comment = strdup(f->comment),
			   .creator = f->known ? creator_of(f) : NULL,
			   .clones = f->clones && *f->clones ? strdup(f->clones) : NULL,
			   .time = f->time,
			   .size = f->size,
			   .mine = f->known && f->here && f->uid == getuid()};
	strcpy_bounded(s->uuid, f->uuid, sizeof(s->uuid));
	return s->name && s->comment ? 0 : -ENOMEM;
}

static const char *text_at(const struct ontap_json *j, size_t i, const char *key)
{
	char path[64];
	const char *text = "";
	snprintf(path, sizeof(path), "snapshots[%zu].%s", i, key);
	ontap_json_str(j, path, &text);
	return text;
}

static int64_t number_at(const struct ontap_json *j, size_t i, const char *key, int64_t otherwise)
{
	char path[64];
	int64_t v = otherwise;
	snprintf(path, sizeof(path), "snapshots[%zu].%s", i, key);
	ontap_json_int(j, path, 0, INT64_MAX, &v);
	return v;
}

/* "exp1,exp2", and how many more where the list was cut. */
static void clones_at(const struct ontap_json *j, size_t i, char *out, size_t len)
{
	char path[64];
	size_t used = 0;
	snprintf(path, sizeof(path), "snapshots[%zu].clones", i);
	int n = ontap_json_len(j, path);
	out[0] = '\0';
	for (int k = 0; k < n && used < len; k++) {
		const char *name = "";
		snprintf(path, sizeof(path), "snapshots[%zu].clones[%d]", i, k);
		ontap_json_str(j, path, &name);
		used += (size_t)snprintf(out + used, len - used, "%s%s", k ? "," : "", name);
	}
	int64_t all = number_at(j, i, "nclones", n);
	if (all > n && used < len)
		snprintf(out + used, len - used, ",and %lld more", (long long)(all - n));
}

static int add_page(struct snaps *l, const struct ontap_json *j, size_t n)
{
	int r = 0;
	char clones[8192];
	for (size_t i = 0; i < n && r == 0; i++) {
		struct snap_facts f = {.name = text_at(j, i, "name"),
				       .comment = text_at(j, i, "comment"),
				       .uuid = text_at(j, i, "uuid"),
				       .realm = text_at(j, i, "realm"),
				       .clones = clones,
				       .time = number_at(j, i, "time", 0),
				       .size = (uint64_t)number_at(j, i, "size", 0)};
		char path[64];
		int64_t uid = number_at(j, i, "uid", -1);
		snprintf(path, sizeof(path), "snapshots[%zu].here", i);
		ontap_json_bool(j, path, &f.here);
		f.known = uid >= 0;
		f.uid = (uint32_t)uid;
		clones_at(j, i, clones, sizeof(clones));
		r = snaps_add(l, &f);
	}
	return r;
}

int treex_snapshots(const char *path, struct snaps *ret)
{
	struct snaps l = {0};
	int r = 0;
	for (bool more = true; more && r == 0;) {
		char name[48], why[256];
		cleanup_free char *text = NULL;
		snprintf(name, sizeof(name), "ontap.snapshots.%zu", l.n);
		r = treex_get(path, name, &text);
		struct ontap_json *j = r == 0 && text ? ontap_json_parse(text, strlen(text), why) : NULL;
		int n = j ? ontap_json_len(j, "snapshots") : -EPROTO;
		const char *volume = "";
		if (r == 0 && n < 0)
			r = -EPROTO;
		if (r == 0 && !l.volume && ontap_json_str(j, "volume", &volume) == 0)
			l.volume = strdup(volume);
		if (r == 0)
			r = add_page(&l, j, (size_t)n);
		int64_t total = 0;
		if (j)
			ontap_json_int(j, "total", 0, INT32_MAX, &total);
		more = n > 0 && l.n < (size_t)total;
		ontap_json_free(j);
	}
	if (r == 0 && !l.volume)
		r = -ENOMEM;
	if (r < 0) {
		snaps_free(&l);
		return r;
	}
	*ret = l;
	return 0;
}
