/* What a client of ontapfs-csi may send: HTTP/2 as it is on the socket, and what lies
 * inside. The first byte chooses. */
#include "mountd/csi/csi.h"
#include "mountd/csi/policy.h"
#include "mountd/csi/services.h"
#include "mountd/csi/tree.h"
#include "tests/fuzz/fuzz.h"

/* Looks at all that the request holds, and answers with it where that is possible. */
static enum grpc_status echo(struct grpc_call *c)
{
	size_t n = protobuf_c_message_get_packed_size(c->request);
	MUST(n <= WIRE_UNPACKED_MAX);
	if (n % 2)
		return grpc_refuse(c, GRPC_NOT_FOUND, "%zu bytes", n);
	c->reply = c->request;
	return GRPC_OK;
}

static const struct grpc_method methods[] = {
	{"/csi.v1.Controller/CreateVolume", &csi__v1__create_volume_request__descriptor, echo},
	{"/csi.v1.Node/NodePublishVolume", &csi__v1__node_publish_volume_request__descriptor, echo},
	{"/csi.v1.Identity/Probe", &csi__v1__probe_request__descriptor, echo},
};

static void swallow(const uint8_t *data, size_t len, void *priv)
{
	(void)data;
	*(size_t *)priv += len;
}

static void connection(const uint8_t *data, size_t size)
{
	size_t out = 0;
	struct grpc *g = grpc_new(methods, sizeof(methods) / sizeof(methods[0]), NULL);
	MUST(g);
	grpc_feed(g, data, size, swallow, &out);
	grpc_free(g);
}

static void message(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size)
{
	ProtobufCMessage *m = NULL;
	const uint8_t *body;
	const char *why = NULL;
	size_t len;
	if (wire_message(data, size, &body, &len, &why) == GRPC_OK)
		MUST(body == data + WIRE_PREFIX && len == size - WIRE_PREFIX);
	else
		MUST(why);
	enum grpc_status s = wire_unpack(d, data, size, &m, &why);
	MUST((s == GRPC_OK) == (m != NULL));
	wire_unpacked_free(m);
}

static void texts(const char *s)
{
	struct csi_id id;
	struct csi_record rec, again;
	char out[2048], name[256];
	int64_t ns = -1;
	if (csi_id_parse(s, &id) == 0 && !id.path) {
		char text[CSI_ID_BUF];
		csi_id_format(text, &id.volume, &id.snapshot, id.hash);
		MUST(strcasecmp(text, s) == 0);
	}
	csi_volume_name("", s, name, sizeof(name));
	MUST(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(name));
	MUST(strlen(name) < 200);
	csi_snapshot_name(s, name, sizeof(name));
	MUST(!strchr(name, '/') && !strchr(name, '@') && name[0] != '.' && name[0] != '-');
	csi_record_parse(s, &rec);
	/* What is not UTF-8 is written as U+FFFD. */
	bool ascii = true;
	for (const char *p = s; *p; p++)
		ascii = ascii && *p > 0;
	if (ascii && rec.found && csi_record_format(&rec, out, sizeof(out)) == 0) {
		csi_record_parse(out, &again);
		MUST(strcmp(again.name, rec.name) == 0 && strcmp(again.users, rec.users) == 0);
		MUST(strcmp(again.rest, rec.rest) == 0);
	}
	if (wire_timeout(s, strlen(s), &ns) == 0)
		MUST(ns >= 0);
	size_t n = wire_escape(out, 64, s);
	MUST(n < 64 && strlen(out) == n && strspn(out, "%") <= n);
	if (tree_path_is_good(s))
		MUST(s[0] != '/' && !strstr(s, "//") && strcmp(s, "..") != 0 && !strstr(s, "/../"));
	policy_match(s, "project1/.snapshots/run1");
	policy_match("project*", s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] % 4) {
	case 0:
		connection(data + 1, size - 1);
		break;
	case 1:
		message(&csi__v1__create_volume_request__descriptor, data + 1, size - 1);
		break;
	case 2:
		message(&csi__v1__node_publish_volume_request__descriptor, data + 1, size - 1);
		break;
	default: {
		char *s = fuzz_text(data + 1, size - 1);
		texts(s);
		free(s);
	}
	}
	return 0;
}
