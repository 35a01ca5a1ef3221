#include "tests/sim/rest/model.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/seed.h"

static void __attribute__((format(printf, 5, 0)))
set(struct fail *f, int http, int64_t code, const char *field, const char *fmt, va_list ap)
{
	f->http = http;
	f->code = code;
	snprintf(f->target, sizeof(f->target), "%s", field ? field : "");
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
}

int fail_set(struct fail *f, int http, int64_t code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(f, http, code, NULL, fmt, ap);
	va_end(ap);
	return -1;
}

int fail_field(struct fail *f, int http, int64_t code, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(f, http, code, field, fmt, ap);
	va_end(ap);
	return -1;
}

int fail_internal(struct fail *f, const char *what, int err)
{
	sim_log("cannot %s: %s", what, strerror(err < 0 ? -err : err));
	return fail_set(f, 500, E_INTERNAL, "Internal error: cannot %s: %s", what,
	                strerror(err < 0 ? -err : err));
}

int model_begin(struct model *m, const char *what, struct fail *f)
{
	int r = db_begin(m->db, true);

	return r < 0 ? fail_internal(f, what, r) : 0;
}

int model_end(struct model *m, int rc, const char *what, struct fail *f)
{
	int r = rc < 0 ? rc : db_commit(m->db);

	if (rc < 0)
		db_rollback(m->db);
	return r < 0 ? fail_internal(f, what, r) : 0;
}

json_t *make_ref(const char *name, const char *uuid, const char *href)
{
	json_t *o = json_pack("{s:s*, s:s*}", "name", name, "uuid", uuid);

	if (href)
		json_put(o, "_links.self.href", json_string(href));
	return o;
}

json_t *make_svm_ref(const struct model *m)
{
	AUTO_FREE char *href = sim_fmt("/api/svm/svms/%s", m->svm_uuid);

	return make_ref(SIM_SVM, m->svm_uuid, href);
}

void json_put(json_t *obj, const char *path, json_t *value)
{
	AUTO_FREE char *copy = sim_dup(path);
	char *save = NULL, *name = strtok_r(copy, ".", &save), *next;

	if (!value)
		return;
	while (name && (next = strtok_r(NULL, ".", &save))) {
		json_t *sub = json_object_get(obj, name);

		if (!json_is_object(sub)) {
			sub = json_object();
			json_object_set_new(obj, name, sub);
		}
		obj = sub;
		name = next;
	}
	json_object_set_new(obj, name, value);
}

json_t *json_at(const json_t *obj, const char *path)
{
	char name[80];

	for (;;) {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		obj = json_object_get(obj, name);
		if (!obj || !path[n])
			return (json_t *)(uintptr_t)obj;
		path += n + 1;
	}
}

const char *json_text(const json_t *obj, const char *path)
{
	return json_string_value(json_at(obj, path));
}

int64_t json_num(const json_t *obj, const char *path, int64_t def)
{
	json_t *v = json_at(obj, path);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : def;
}

bool json_flag(const json_t *obj, const char *path, bool def)
{
	json_t *v = json_at(obj, path);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

json_t *json_time(int64_t t)
{
	char text[TIME_BUF];

	sim_iso(t, text);
	return json_string(text);
}

json_t *json_duration(int64_t s)
{
	int64_t t = s > 0 ? s : 0;
	long long d = t / 86400, h = t / 3600 % 24, m = t / 60 % 60;
	AUTO_FREE char *days = d ? sim_fmt("%lldD", d) : sim_dup("");
	AUTO_FREE char *hours = h ? sim_fmt("%lldH", h) : sim_dup("");
	AUTO_FREE char *minutes = m ? sim_fmt("%lldM", m) : sim_dup("");
	AUTO_FREE char *text = sim_fmt("P%sT%s%s%lldS", days, hours, minutes, (long long)(t % 60));

	return json_string(text);
}
