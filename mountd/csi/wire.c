/* gRPC's own bytes. */
#include "mountd/csi/wire.h"

#include <stdio.h>
#include <strings.h>
#include "fs/base/cleanup.h"
#include "fs/base/clock.h"

const char *grpc_status_name(enum grpc_status s)
{
	static const char *const name[GRPC_NCODES] = {
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
		"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
		"UNAUTHENTICATED"};
	return (unsigned)s < GRPC_NCODES ? name[s] : "?";
}

bool wire_is_grpc(const char *content_type, size_t len)
{
	static const char type[] = "application/grpc", proto[] = "+proto";
	size_t n = sizeof(type) - 1;
	if (len < n || strncasecmp(content_type, type, n) != 0)
		return false;
	if (len - n >= sizeof(proto) - 1 && strncasecmp(content_type + n, proto, sizeof(proto) - 1) == 0)
		n += sizeof(proto) - 1;
	return len == n || content_type[n] == ';' || content_type[n] == ' ';
}

int wire_timeout(const char *text, size_t len, int64_t *ret_ns)
{
	if (len < 2 || len > 9)
		return -EINVAL;
	int64_t n = 0;
	for (size_t i = 0; i < len - 1; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + (text[i] - '0');
	}
	switch (text[len - 1]) {
	case 'H':
		/* 99,999,999 hours are more than an int64_t holds; a year is enough. */
		*ret_ns = MIN_OF(n, (int64_t)8766) * 3600 * NS_PER_SEC;
		return 0;
	case 'M':
		*ret_ns = n * 60 * NS_PER_SEC;
		return 0;
	case 'S':
		*ret_ns = n * NS_PER_SEC;
		return 0;
	case 'm':
		*ret_ns = n * NS_PER_MS;
		return 0;
	case 'u':
		*ret_ns = n * 1000;
		return 0;
	case 'n':
		*ret_ns = n;
		return 0;
	default:
		return -EINVAL;
	}
}

enum grpc_status wire_message(const uint8_t *body, size_t len, const uint8_t **ret, size_t *ret_len,
			      const char **ret_why)
{
	if (len < WIRE_PREFIX) {
		*ret_why = len ? "the request ends inside the prefix of its message" : "the request has no message";
		return GRPC_INTERNAL;
	}
	size_t n = (size_t)body[1] << 24 | (size_t)body[2] << 16 | (size_t)body[3] << 8 | body[4];
	if (body[0] == 1) {
		*ret_why = "compressed messages are not supported";
		return GRPC_UNIMPLEMENTED;
	}
	if (body[0] != 0) {
		*ret_why = "the message has an unknown flag";
		return GRPC_INTERNAL;
	}
	if (n > WIRE_MESSAGE_MAX) {
		*ret_why = "the message is larger than 4 MiB";
		return GRPC_RESOURCE_EXHAUSTED;
	}
	if (n != len - WIRE_PREFIX) {
		*ret_why = n > len - WIRE_PREFIX ? "the message is cut" : "there is more than one message";
		return GRPC_INTERNAL;
	}
	*ret = body + WIRE_PREFIX;
	*ret_len = n;
	return GRPC_OK;
}

void wire_prefix(uint8_t out[WIRE_PREFIX], size_t message_len)
{
	out[0] = 0;
	for (int i = 0; i < 4; i++)
		out[1 + i] = (uint8_t)(message_len >> (24 - 8 * i));
}

size_t wire_escape(char *out, size_t len, const char *text)
{
	size_t n = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool plain = *p >= 0x20 && *p <= 0x7e && *p != '%';
		if (n + (plain ? 1 : 3) >= len)
			break;
		if (plain)
			out[n++] = (char)*p;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", *p);
	}
	out[n] = '\0';
	return n;
}

/* ---- protobuf ---------------------------------------------------------------- */

/* Lies in front of each block, so that freeing knows the size; keeps alignment. */
union head {
	size_t size;
	max_align_t align;
};

struct budget {
	ProtobufCAllocator a;
	size_t left;
	bool spent;
};

static void *budget_alloc(void *priv, size_t size)
{
	struct budget *b = priv;
	if (size > b->left || b->left - size < sizeof(union head)) {
		b->spent = true;
		return NULL;
	}
	union head *h = malloc(sizeof(*h) + size);
	if (!h)
		return NULL;
	h->size = size + sizeof(*h);
	b->left -= h->size;
	return h + 1;
}

static void budget_free(void *priv, void *p)
{
	struct budget *b = priv;
	if (!p)
		return;
	union head *h = (union head *)p - 1;
	b->left += h->size;
	free(h);
}

/* UTF-8 without overlong forms, surrogates, or what is beyond U+10FFFF. */
static bool is_utf8(const unsigned char *p)
{
	while (*p) {
		unsigned c = *p++;
		if (c < 0x80)
			continue;
		int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		if (c < 0xc2 || c > 0xf4)
			return false;
		uint32_t v = c & (0x3fu >> more);
		for (int i = 0; i < more; i++, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			v = v << 6 | (*p & 0x3f);
		}
		if ((more == 2 && v < 0x800) || (more == 3 && (v < 0x10000 || v > 0x10ffff)) ||
		    (v >= 0xd800 && v <= 0xdfff))
			return false;
	}
	return true;
}

static bool texts_ok(const ProtobufCMessage *m);

static bool part_ok(const ProtobufCFieldDescriptor *f, const void *at)
{
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(char *const *)at;
		return !s || is_utf8((const unsigned char *)s);
	}
	const ProtobufCMessage *sub = *(ProtobufCMessage *const *)at;
	return !sub || texts_ok(sub);
}

static bool texts_ok(const ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const char *base = (const char *)m;
		if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
			void *const *array = *(void *const *const *)(const void *)(base + f->offset);
			for (size_t k = 0; k < n; k++)
				if (!part_ok(f, &array[k]))
					return false;
			continue;
		}
		/* The members of a oneof share their place: only the chosen one is there. */
		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
		    *(const uint32_t *)(const void *)(base + f->quantifier_offset) != f->id)
			continue;
		if (!part_ok(f, base + f->offset))
			return false;
	}
	return true;
}

enum grpc_status wire_unpack(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t len,
			     ProtobufCMessage **ret, const char **ret_why)
{
	struct budget b = {{budget_alloc, budget_free, NULL}, WIRE_UNPACKED_MAX, false};
	b.a.allocator_data = &b;
	*ret = NULL;
	ProtobufCMessage *m = protobuf_c_message_unpack(d, &b.a, len, data);
	if (!m) {
		*ret_why = b.spent ? "the message has too many parts" : "the message is no valid protobuf";
		return b.spent ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT;
	}
	if (!texts_ok(m)) {
		protobuf_c_message_free_unpacked(m, &b.a);
		*ret_why = "a text of the message is not UTF-8";
		return GRPC_INVALID_ARGUMENT;
	}
	*ret = m;
	return GRPC_OK;
}

void wire_unpacked_free(ProtobufCMessage *m)
{
	struct budget b = {{budget_alloc, budget_free, NULL}, 0, false};
	b.a.allocator_data = &b;
	if (m)
		protobuf_c_message_free_unpacked(m, &b.a);
}
