#include "fs/volstats.h"

#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/buf.h"
#include "fs/fs_i.h"

struct volstats *volstats_new(void)
{
	struct volstats *v = calloc(1, sizeof(*v));
	if (v)
		pthread_mutex_init(&v->lock, NULL);
	return v;
}

void volstats_free(struct volstats *v)
{
	if (!v)
		return;
	pthread_mutex_destroy(&v->lock);
	free(v);
}

/* The volume's entry, or the free one where it would be: a chain has no holes, as
 * no entry is ever taken out, and it ends, as half of them stay free. */
static struct volstats_entry *seek(struct volstats *v, const struct uuid *u, bool *ret_known)
{
	uint32_t h;
	memcpy(&h, u->b + 12, sizeof(h)); /* random in ONTAP's uuids or not: only speed depends on it */
	for (;; h++) {
		struct volstats_entry *e = &v->entry[h % VOLSTATS_SLOTS];
		*ret_known = atomic_load_explicit(&e->ready, memory_order_acquire);
		if (!*ret_known || uuid_eq(&e->volume, u))
			return e;
	}
}

static struct volstats_entry *entry_of(struct volstats *v, const struct uuid *u)
{
	bool known;
	struct volstats_entry *e = seek(v, u, &known);
	if (known)
		return e;
	/* It never gets emptier: on a filer of many volumes most requests end here. */
	if (atomic_load_explicit(&v->n, memory_order_relaxed) >= VOLSTATS_MAX)
		return &v->others;
	pthread_mutex_lock(&v->lock);
	e = seek(v, u, &known); /* another thread may have entered it, or one in its place */
	if (!known && v->n >= VOLSTATS_MAX) {
		e = &v->others;
	} else if (!known) {
		e->volume = *u;
		v->n++;
		atomic_store_explicit(&e->ready, 1, memory_order_release);
	}
	pthread_mutex_unlock(&v->lock);
	return e;
}

static struct volstats_entry *of_request(struct req *r)
{
	if (!r->fs->volstats || !r->node || !r->node->space)
		return NULL;
	const struct uuid *u = &r->fs->st.spaces[r->node->space].volume;
	return uuid_is_zero(u) ? NULL : entry_of(r->fs->volstats, u);
}

/* Requests that a cache, a listing or a read ahead may answer in the server's place. */
static bool may_hit(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_READLINK:
	case FUSE_OPEN:
	case FUSE_READ:
	case FUSE_OPENDIR:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_ACCESS:
	case FUSE_GETXATTR: return true;
	default: return false;
	}
}

void volstats_count(struct req *r, int err, int64_t ns)
{
	struct volstats_entry *e = of_request(r);
	if (!e)
		return;
	stats_add(&e->requests, 1);
	stats_add(&e->latency_ns, (uint64_t)ns);
	if (err < 0)
		stats_add(&e->errors, 1);
	if (may_hit(r->opcode))
		stats_add(r->asked ? &e->misses : &e->hits, 1);
}

void volstats_read(struct req *r, uint64_t bytes)
{
	struct volstats_entry *e = of_request(r);
	if (e)
		stats_add(&e->bytes_read, bytes);
}

void volstats_written(struct req *r, uint64_t bytes)
{
	struct volstats_entry *e = of_request(r);
	if (e)
		stats_add(&e->bytes_written, bytes);
}

static void put_family(struct volstats *v, const struct catalog *cat, struct buf *b, const char *name,
		       const char *help, size_t offset)
{
	buf_printf(b, "# HELP ontapfs_volume_%s %s\n# TYPE ontapfs_volume_%s counter\n", name, help, name);
	for (uint32_t i = 0; i <= VOLSTATS_SLOTS; i++) {
		struct volstats_entry *e = i < VOLSTATS_SLOTS ? &v->entry[i] : &v->others;
		const char *volume = "";
		if (i < VOLSTATS_SLOTS) {
			if (!atomic_load_explicit(&e->ready, memory_order_acquire))
				continue;
			const struct catalog_volume *c = catalog_by_uuid(cat, &e->volume);
			if (!c)
				continue;
			volume = c->v.name;
		} else if (!stats_get(&e->requests)) {
			continue;
		}
		uint64_t value = stats_get((_Atomic uint64_t *)((char *)e + offset));
		buf_printf(b, "ontapfs_volume_%s{volume=", name);
		buf_json(b, volume); /* what needs escaping does so in both the same way */
		if (offset == offsetof(struct volstats_entry, latency_ns))
			buf_printf(b, "} %.9f\n", (double)value / 1e9);
		else
			buf_printf(b, "} %llu\n", (unsigned long long)value);
	}
}

void volstats_put(struct fs *fs, struct buf *b)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} family[] = {
		{"requests_total", "Requests of the kernel for a volume; without a name: for all but the first 511.",
		 offsetof(struct volstats_entry, requests)},
		{"errors_total", "Those that were answered with an error.", offsetof(struct volstats_entry, errors)},
		{"latency_seconds_total", "From reading a request to its answer, all together.",
		 offsetof(struct volstats_entry, latency_ns)},
		{"read_bytes_total", "Bytes given to READ.", offsetof(struct volstats_entry, bytes_read)},
		{"written_bytes_total", "Bytes taken by WRITE.", offsetof(struct volstats_entry, bytes_written)},
		{"cache_hits_total", "Requests that read, answered without asking a server.",
		 offsetof(struct volstats_entry, hits)},
		{"cache_misses_total", "Requests that read, for which a server was asked.",
		 offsetof(struct volstats_entry, misses)},
	};
	struct catalog *cat = catalog_get(fs->ctl);
	for (size_t i = 0; i < ARRAY_LEN(family); i++)
		put_family(fs->volstats, cat, b, family[i].name, family[i].help, family[i].offset);
	catalog_put(cat);
}
