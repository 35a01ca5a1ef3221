/*
 * Rows by rule.  A UUID carries the numbers: 5eed0000-0000-4000-8000-VOLUME for a
 * volume, 5eed0000-SNAPSHOT-4000-8001-VOLUME for a snapshot, in hex.
 */
#include "tests/sim/rest/synthetic.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/seed.h"

#define BORN     INT64_C(1735689600) /* 2025-01-01 */
#define SIZE     (INT64_C(10) << 30)
#define USED     (INT64_C(3) << 30)

static char *volume_uuid(int64_t i)
{
	return sim_fmt("5eed0000-0000-4000-8000-%012llx", (unsigned long long)i);
}

static char *snapshot_uuid(int64_t i, int64_t j)
{
	return sim_fmt("5eed0000-%04llx-4000-8001-%012llx", (unsigned long long)j, (unsigned long long)i);
}

/* The number of the volume, 1 .., or 0. */
static int64_t volume_of(const struct model *m, const char *uuid)
{
	unsigned long long i;
	AUTO_FREE char *again = NULL;

	if (!uuid || sscanf(uuid, "5eed0000-0000-4000-8000-%12llx", &i) != 1)
		return 0;
	again = volume_uuid((int64_t)i);
	return strcmp(again, uuid) == 0 && (int64_t)i <= m->synthetic_volumes ? (int64_t)i : 0;
}

bool synthetic_is_volume(const struct model *m, const char *uuid)
{
	return volume_of(m, uuid) > 0;
}

/* A filter by one plain name, which is what a client asks for a volume by, needs no
 * search.  The number of the volume, 0 when there is none of that name, -1 when
 * the request is no such question. */
static int64_t asked_by_name(const struct req *r)
{
	const char *name = request_param(r, "name");
	unsigned i = 0;
	char again[16];

	if (!name || strpbrk(name, "*|!<>{}\",.") || strcmp(name, "null") == 0)
		return -1;
	if (sscanf(name, "synth%5u", &i) != 1)
		return 0;
	snprintf(again, sizeof(again), "synth%05u", i);
	return strcmp(again, name) == 0 && (int64_t)i <= r->m->synthetic_volumes ? (int64_t)i : 0;
}

/* A record of its own from the one that all have in common. */
static json_t *volume_record(const json_t *like, int64_t i)
{
	AUTO_FREE char *uuid = volume_uuid(i);
	AUTO_FREE char *path = sim_fmt("/synth%05d", (int)i);
	json_t *rec = json_deep_copy(like);

	json_object_set_new(rec, "uuid", json_string(uuid));
	json_object_set_new(rec, "name", json_string(path + 1));
	json_put(rec, "nas.path", json_string(path));
	json_object_set_new(rec, "msid", json_integer((json_int_t)(SYNTHETIC_SEQ + i)));
	return rec;
}

void synthetic_volumes(struct req *r, const char *key, bool whole,
                       json_t *(*make)(struct model *m, const struct volume *v), struct list *out)
{
	static char none[] = "", path[] = "/", style[] = "flexvol", type[] = "rw", state[] = "online",
	            policy[] = "default", guarantee[] = "none", language[] = "c.utf_8", security[] = "unix",
	            tiering[] = "none", aggregates[] = "[\"aggr1\"]", snapshots[] = "none";
	struct volume v = { .uuid = none, .name = none, .style = style, .type = type, .state = state,
		            .junction = path, .export_policy = policy, .comment = none,
		            .snapshot_policy = snapshots, .guarantee = guarantee, .language = language,
		            .security_style = security, .tiering = tiering, .aggregates = aggregates,
		            .size = SIZE, .create_time = BORN, .snapshot_reserve = 5, .snapdir_access = true };
	int64_t named = asked_by_name(r), only = key ? volume_of(r->m, key) : named;
	int64_t from = only > 0 ? only : 1, to = only >= 0 ? only : r->m->synthetic_volumes;
	AUTO_JSON json_t *like = NULL;
	size_t kept = 0;

	if (key && only == 0)
		return;
	if (!whole && out->after >= SYNTHETIC_SEQ + from)
		from = out->after - SYNTHETIC_SEQ + 1;
	if (from > to)
		return;
	like = make(r->m, &v);
	json_put(like, "snapshot_count", json_integer((json_int_t)r->m->synthetic_snapshots));
	json_put(like, "space.used", json_integer((json_int_t)USED));
	json_put(like, "space.available", json_integer((json_int_t)(SIZE / 100 * 95 - USED)));
	for (int64_t i = from; i <= to && (whole || !out->room || kept < out->room); i++)
		kept += list_add(out, SYNTHETIC_SEQ + i, volume_record(like, i));
}

static json_t *snapshot_record(const struct model *m, const char *volume, int64_t i, int64_t j)
{
	AUTO_FREE char *uuid = snapshot_uuid(i, j);
	AUTO_FREE char *name = sim_fmt("synthetic.%04d", (int)j);
	AUTO_FREE char *volume_name = sim_fmt("synth%05d", (int)i);
	AUTO_FREE char *href = sim_fmt("/api/storage/volumes/%s", volume);
	json_t *rec = json_pack("{s:s, s:s, s:s, s:s, s:o}", "uuid", uuid, "name", name, "version_uuid", uuid,
	                        "state", "valid", "create_time", json_time(BORN + j * 3600));

	json_put(rec, "volume", make_ref(volume_name, volume, href));
	json_put(rec, "svm", make_svm_ref(m));
	json_put(rec, "provenance_volume.uuid", json_string(volume));
	return rec;
}

void synthetic_snapshots(struct req *r, const char *volume, const char *key, struct list *out)
{
	int64_t i = volume_of(r->m, volume);

	for (int64_t j = 1; i && j <= r->m->synthetic_snapshots; j++) {
		AUTO_FREE char *uuid = key ? snapshot_uuid(i, j) : NULL;

		if (!key || strcmp(key, uuid) == 0)
			list_add(out, j, snapshot_record(r->m, volume, i, j));
	}
}
