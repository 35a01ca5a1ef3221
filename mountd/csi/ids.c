/* Names and identifiers. */
#include "mountd/csi/ids.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/buf.h"
#include "fs/base/cleanup.h"
#include "ontap/ontap.h"

#define VOLUME_KEPT   120 /* characters of a name that is too long */
#define SNAPSHOT_KEPT 200
#define RECORD_MARK   "{\"csi\":{"

/* ---- ids ----------------------------------------------------------------------- */

static const char *take_uuid(const char *p, struct uuid *ret)
{
	char text[UUID_TEXT_LEN + 1];
	if (strnlen(p, UUID_TEXT_LEN) < UUID_TEXT_LEN)
		return NULL;
	memcpy(text, p, UUID_TEXT_LEN);
	text[UUID_TEXT_LEN] = '\0';
	return uuid_parse(text, ret) == 0 && !uuid_is_zero(ret) ? p + UUID_TEXT_LEN : NULL;
}

int csi_id_parse(const char *text, struct csi_id *ret)
{
	struct csi_id id = {0};
	if (strncmp(text, "path:", 5) == 0 && text[5]) {
		id.path = text + 5;
		*ret = id;
		return 0;
	}
	if (strncmp(text, "v1:", 3) != 0)
		return -EINVAL;
	const char *p = take_uuid(text + 3, &id.volume);
	if (p && *p == ':')
		p = take_uuid(p + 1, &id.snapshot);
	if (p && *p == ':' && !uuid_is_zero(&id.snapshot)) {
		p++;
		if (strlen(p) != CSI_HASH_LEN || strspn(p, "0123456789abcdef") != CSI_HASH_LEN)
			return -EINVAL;
		memcpy(id.hash, p, CSI_HASH_LEN);
		p += CSI_HASH_LEN;
	}
	if (!p || *p)
		return -EINVAL;
	*ret = id;
	return 0;
}

char *csi_id_format(char out[CSI_ID_BUF], const struct uuid *volume, const struct uuid *snapshot, const char *hash)
{
	char v[UUID_TEXT_LEN + 1], s[UUID_TEXT_LEN + 1] = "";
	bool more = snapshot && !uuid_is_zero(snapshot);
	if (more)
		uuid_format(snapshot, s);
	snprintf(out, CSI_ID_BUF, "v1:%s%s%s%s%s", uuid_format(volume, v), more ? ":" : "", s, *hash ? ":" : "", hash);
	return out;
}

/* ---- hashes ---------------------------------------------------------------------- */

typedef unsigned __int128 u128;

static u128 fnv(u128 h, const char *s, size_t len)
{
	const u128 prime = ((u128)1 << 88) + 0x13b;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * prime;
	return h;
}

static u128 fnv_start(void)
{
	return (u128)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d;
}

void csi_hash(const char *driver, const char *kind, const char *name, struct uuid *ret)
{
	/* With the NULs, so that no two triples run together. */
	u128 h = fnv(fnv_start(), driver, strlen(driver) + 1);
	h = fnv(h, kind, strlen(kind) + 1);
	h = fnv(h, name, strlen(name) + 1);
	for (int i = 0; i < 16; i++)
		ret->b[i] = (uint8_t)(h >> (120 - 8 * i));
}

void csi_hash_text(const char *name, char out[CSI_HASH_LEN + 1])
{
	u128 h = fnv(fnv_start(), name, strlen(name));
	snprintf(out, CSI_HASH_LEN + 1, "%016llx", (unsigned long long)(h >> 64 ^ h));
}

/* ---- names ------------------------------------------------------------------------- */

void csi_volume_name(const char *prefix, const char *name, char *out, size_t len)
{
	/* '-' alone is replaced without a hash: pvc-UUID stays readable, and without '_'
	 * in the name no other one can look the same. */
	bool exact = strlen(name) <= VOLUME_KEPT;
	for (const char *p = name; *p; p++)
		exact = exact && (isalnum((unsigned char)*p) || *p == '-');
	const char *first = *prefix ? prefix : name;
	bool digit = isdigit((unsigned char)*first);
	int n = snprintf(out, len, "%s%s%.*s", digit ? "_" : "", prefix, VOLUME_KEPT, name);
	n = MIN_OF(n, (int)len - 1);
	for (char *p = out; *p; p++)
		if (!(*p & 0x80 ? 0 : isalnum((unsigned char)*p)))
			*p = '_';
	char hash[CSI_HASH_LEN + 1];
	csi_hash_text(name, hash);
	if (!exact)
		snprintf(out + n, len - (size_t)n, "_%.8s", hash);
}

void csi_snapshot_name(const char *name, char *out, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	size_t n = strlen(name);
	if (n <= SNAPSHOT_KEPT && strspn(name, allowed) == n && *name != '.' && *name != '-') {
		snprintf(out, len, "%s", name);
		return;
	}
	char hash[CSI_HASH_LEN + 1];
	csi_hash_text(name, hash);
	int w = snprintf(out, len, "s_%.*s", SNAPSHOT_KEPT, name);
	w = MIN_OF(w, (int)len - 1);
	for (char *p = out; *p; p++)
		if (!strchr(allowed, *p))
			*p = '_';
	snprintf(out + w, len - (size_t)w, "_%.8s", hash);
}

/* ---- records --------------------------------------------------------------------------- */

/* The end of the JSON object that starts at p, or NULL. */
static const char *object_end(const char *p)
{
	int depth = 0;
	bool quoted = false;
	for (; *p; p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && *p == '{')
			depth++;
		else if (!quoted && *p == '}' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

static void take_text(const struct ontap_json *j, const char *path, char *out, size_t len, bool *bad)
{
	const char *v;
	if (ontap_json_str(j, path, &v) == 0 && !strcpy_bounded(out, v, len))
		*bad = true;
}

void csi_record_parse(const char *comment, struct csi_record *ret)
{
	struct csi_record r = {.rest = comment};
	*ret = r;
	const char *end = strncmp(comment, RECORD_MARK, strlen(RECORD_MARK)) == 0 ? object_end(comment) : NULL;
	if (!end)
		return;
	char why[256];
	struct ontap_json *j = ontap_json_parse(comment, (size_t)(end - comment), why);
	if (!j)
		return;
	bool bad = false;
	take_text(j, "csi.name", r.name, sizeof(r.name), &bad);
	take_text(j, "csi.object", r.object, sizeof(r.object), &bad);
	take_text(j, "csi.source", r.source, sizeof(r.source), &bad);
	take_text(j, "csi.users", r.users, sizeof(r.users), &bad);
	ontap_json_free(j);
	/* One without anything in it is none: it would not be written again. */
	r.found = !bad && (*r.name || *r.object || *r.source || *r.users);
	r.rest = *end == ' ' ? end + 1 : end;
	if (r.found)
		*ret = r;
}

static void put(struct buf *b, const char *key, const char *value, bool *first)
{
	if (!*value)
		return;
	buf_printf(b, "%s\"%s\":", *first ? "" : ",", key);
	buf_json(b, value);
	*first = false;
}

int csi_record_format(const struct csi_record *r, char *out, size_t len)
{
	struct buf b;
	bool first = true;
	buf_init(&b, len - 1);
	if (*r->name || *r->object || *r->source || *r->users) {
		buf_puts(&b, RECORD_MARK);
		put(&b, "name", r->name, &first);
		put(&b, "object", r->object, &first);
		put(&b, "source", r->source, &first);
		put(&b, "users", r->users, &first);
		buf_puts(&b, *r->rest ? "}} " : "}}");
	}
	buf_puts(&b, r->rest);
	bool ok = buf_ok(&b);
	if (ok)
		memcpy(out, b.data ? b.data : "", b.len + 1);
	buf_fini(&b);
	return ok ? 0 : -EMSGSIZE;
}

static char *find_user(struct csi_record *r, const char *hash)
{
	return strlen(hash) == CSI_HASH_LEN ? strstr(r->users, hash) : NULL;
}

int csi_users_add(struct csi_record *r, const char *hash)
{
	size_t n = strlen(r->users);
	if (find_user(r, hash))
		return 0;
	if (n + 1 + CSI_HASH_LEN >= sizeof(r->users))
		return -ENOSPC;
	snprintf(r->users + n, sizeof(r->users) - n, "%s%s", n ? "," : "", hash);
	return 0;
}

bool csi_users_remove(struct csi_record *r, const char *hash)
{
	char *at = find_user(r, hash);
	if (!at)
		return false;
	char *next = at + CSI_HASH_LEN;
	if (*next == ',')
		next++;
	else if (at > r->users)
		at--; /* the last: the comma before it goes, too */
	memmove(at, next, strlen(next) + 1);
	return true;
}
