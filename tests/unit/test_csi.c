/* ontapfs-csi: bytes of gRPC, a whole server without sockets, names, ids, policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>
#include <nghttp2/nghttp2.h>
#include "fs/base/cleanup.h"
#include "mountd/csi/csi.h"
#include "mountd/csi/policy.h"
#include "mountd/csi/services.h"
#include "mountd/csi/tree.h"

/* ---- bytes --------------------------------------------------------------------- */

static void test_timeouts(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns; /* -1: refused */
	} t[] = {{"1S", 1000000000}, {"5m", 5000000}, {"99999999n", 99999999}, {"2M", 120000000000}, {"7u", 7000},
		 {"1H", 3600000000000}, {"", -1}, {"S", -1}, {"1", -1}, {"-1S", -1}, {"1x", -1}, {"123456789S", -1},
		 {"1 S", -1}};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t ns = -1;
		assert_int_equal(wire_timeout(t[i].text, strlen(t[i].text), &ns), t[i].ns < 0 ? -EINVAL : 0);
		assert_int_equal(ns, t[i].ns);
	}
	int64_t ns;
	assert_int_equal(wire_timeout("99999999H", 9, &ns), 0);
	assert_true(ns > 0);
}

static void test_content_types(void **state)
{
	(void)state;
	static const char *const good[] = {"application/grpc", "application/grpc+proto", "APPLICATION/GRPC",
					   "application/grpc;charset=utf-8"};
	static const char *const bad[] = {"", "application/json", "application/grpcx", "application/grpc+json",
					  "application/grpc-web"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(wire_is_grpc(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(wire_is_grpc(bad[i], strlen(bad[i])));
}

static void test_messages(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		enum grpc_status want;
	} t[] = {{"\0\0\0\0\0", 5, GRPC_OK},         {"\0\0\0\0\2ab", 7, GRPC_OK},
		 {"", 0, GRPC_INTERNAL},             {"\0\0\0", 3, GRPC_INTERNAL},
		 {"\0\0\0\0\2a", 6, GRPC_INTERNAL},  {"\0\0\0\0\1ab", 7, GRPC_INTERNAL},
		 {"\1\0\0\0\0", 5, GRPC_UNIMPLEMENTED}, {"\2\0\0\0\0", 5, GRPC_INTERNAL},
		 {"\0\377\377\377\377", 5, GRPC_RESOURCE_EXHAUSTED}};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const uint8_t *m;
		size_t n;
		const char *why;
		assert_int_equal(wire_message((const uint8_t *)t[i].bytes, t[i].len, &m, &n, &why), t[i].want);
	}
}

static void test_a_message_of_empty_parts_is_bounded(void **state)
{
	(void)state;
	/* Field 3 of CreateVolume, an empty capability, two bytes each. */
	size_t len = WIRE_MESSAGE_MAX;
	uint8_t *data = malloc(len);
	ProtobufCMessage *m;
	const char *why;
	assert_non_null(data);
	for (size_t i = 0; i < len; i += 2) {
		data[i] = 3 << 3 | 2;
		data[i + 1] = 0;
	}
	assert_int_equal(wire_unpack(&csi__v1__create_volume_request__descriptor, data, len, &m, &why),
			 GRPC_RESOURCE_EXHAUSTED);
	assert_null(m);
	assert_int_equal(wire_unpack(&csi__v1__create_volume_request__descriptor, data, 200, &m, &why), GRPC_OK);
	assert_int_equal(((Csi__V1__CreateVolumeRequest *)m)->n_volume_capabilities, 100);
	wire_unpacked_free(m);
	free(data);
}

static void test_texts_are_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		enum grpc_status want;
	} t[] = {{"\x0a\x02\xc3\xa4", GRPC_OK},           {"\x0a\x02\xc3x", GRPC_INVALID_ARGUMENT},
		 {"\x0a\x02\xc0\xaf", GRPC_INVALID_ARGUMENT}, {"\x0a\x03\xed\xa0\x80", GRPC_INVALID_ARGUMENT},
		 {"\x0a\x04\xf0\x9f\x98\x80", GRPC_OK},   {"\x0a\x04\xf5\x80\x80\x80", GRPC_INVALID_ARGUMENT}};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		ProtobufCMessage *m;
		const char *why;
		assert_int_equal(wire_unpack(&csi__v1__delete_volume_request__descriptor, (const uint8_t *)t[i].bytes,
					     strlen(t[i].bytes), &m, &why), t[i].want);
		wire_unpacked_free(m);
	}
}

static void test_escapes(void **state)
{
	(void)state;
	char out[16];
	assert_int_equal(wire_escape(out, sizeof(out), "a%b\n"), 8);
	assert_string_equal(out, "a%25b%0A");
	wire_escape(out, 6, "abcd\xc3\xa4");
	assert_string_equal(out, "abcd"); /* no half of an escape */
}

/* ---- a server without sockets ------------------------------------------------------ */

struct client {
	nghttp2_session *s;
	uint8_t in[65536];
	size_t nin;
	char status[8], grpc[8], message[256];
};

static ssize_t keep(nghttp2_session *s, const uint8_t *data, size_t len, int flags, void *priv)
{
	struct client *c = priv;
	(void)s, (void)flags;
	assert_true(c->nin + len <= sizeof(c->in));
	memcpy(c->in + c->nin, data, len);
	c->nin += len;
	return (ssize_t)len;
}

static int told(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *n, size_t nlen, const uint8_t *v,
		size_t vlen,
		uint8_t flags, void *priv)
{
	struct client *c = priv;
	(void)s, (void)f, (void)flags;
	const struct {
		const char *name;
		char *to;
		size_t room;
	} want[] = {{":status", c->status, sizeof(c->status)},
		    {"grpc-status", c->grpc, sizeof(c->grpc)},
		    {"grpc-message", c->message, sizeof(c->message)}};
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (nlen == strlen(want[i].name) && memcmp(n, want[i].name, nlen) == 0 && vlen < want[i].room) {
			memcpy(want[i].to, v, vlen);
			want[i].to[vlen] = '\0';
		}
	return 0;
}

static void answer(const uint8_t *data, size_t len, void *priv)
{
	struct client *c = priv;
	nghttp2_session_mem_recv(c->s, data, len);
}

static const char *body;
static size_t body_len;

static ssize_t give(nghttp2_session *s, int32_t id, uint8_t *buf, size_t len, uint32_t *flags, nghttp2_data_source *src,
		    void *priv)
{
	(void)s, (void)id, (void)src, (void)priv;
	assert_true(len >= body_len);
	memcpy(buf, body, body_len);
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)body_len;
}

static enum grpc_status handler(struct grpc_call *c)
{
	const Csi__V1__DeleteVolumeRequest *q = (const void *)c->request;
	if (!*q->volume_id)
		return grpc_refuse(c, GRPC_INVALID_ARGUMENT, "100%% wrong");
	c->reply = &grpc_new_message(c, Csi__V1__DeleteVolumeResponse,
			&csi__v1__delete_volume_response__descriptor)->base;
	return GRPC_OK;
}

static nghttp2_nv nv(const char *n, const char *v)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)n, (uint8_t *)(uintptr_t)v, strlen(n), strlen(v), 0};
}

static struct client *ask(const char *method, const char *path, const char *type, const char *data, size_t len)
{
	static const struct grpc_method methods[] = {{"/t/Delete", &csi__v1__delete_volume_request__descriptor,
			handler}};
	static struct client c;
	struct grpc *g = grpc_new(methods, 1, NULL);
	nghttp2_session_callbacks *cb;
	c = (struct client){0};
	assert_non_null(g);
	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_send_callback(cb, keep);
	nghttp2_session_callbacks_set_on_header_callback(cb, told);
	assert_int_equal(nghttp2_session_client_new(&c.s, cb, &c), 0);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(c.s, 0, NULL, 0);
	nghttp2_nv h[] = {nv(":method", method), nv(":path", path), nv(":scheme", "http"),
			  nv(":authority", "%2Fcsi%2Fcsi.sock"), nv("content-type", type), nv("te", "trailers")};
	nghttp2_data_provider p = {.read_callback = give};
	body = data;
	body_len = len;
	nghttp2_submit_request(c.s, NULL, h, ARRAY_LEN(h), &p, NULL);
	nghttp2_session_send(c.s);
	assert_int_equal(grpc_feed(g, c.in, c.nin, answer, &c), 0);
	nghttp2_session_del(c.s);
	grpc_free(g);
	return &c;
}

static void test_calls(void **state)
{
	(void)state;
	static const char ok[] = "\0\0\0\0\3\x0a\1x", empty[] = "\0\0\0\0\0", cut[] = "\0\0\0\0\7\x0a";
	struct client *c = ask("POST", "/t/Delete", "application/grpc", ok, sizeof(ok) - 1);
	assert_string_equal(c->status, "200");
	assert_string_equal(c->grpc, "0");
	c = ask("POST", "/t/Delete", "application/grpc", empty, sizeof(empty) - 1);
	assert_string_equal(c->grpc, "3");
	assert_string_equal(c->message, "100%25 wrong");
	assert_string_equal(ask("POST", "/t/Other", "application/grpc", ok, sizeof(ok) - 1)->grpc, "12");
	assert_string_equal(ask("POST", "/t/Delete", "application/grpc", cut, sizeof(cut) - 1)->grpc, "13");
	assert_string_equal(ask("POST", "/t/Delete", "application/json", ok, sizeof(ok) - 1)->status, "415");
	assert_string_equal(ask("PUT", "/t/Delete", "application/grpc", ok, sizeof(ok) - 1)->status, "405");
}

static void swallow(const uint8_t *data, size_t len, void *priv)
{
	(void)data, (void)len, (void)priv;
}

static void test_no_http2_ends_the_connection(void **state)
{
	(void)state;
	static const struct grpc_method methods[] = {{"/t/Delete", &csi__v1__delete_volume_request__descriptor,
			handler}};
	struct client c = {0};
	struct grpc *g = grpc_new(methods, 1, NULL);
	assert_int_equal(grpc_feed(g, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, swallow, &c), -EPROTO);
	grpc_free(g);
}

/* ---- names and ids ------------------------------------------------------------------- */

static void test_ids(void **state)
{
	(void)state;
	struct csi_id id;
	char out[CSI_ID_BUF];
	static const char v[] = "v1:11111111-2222-3333-4444-555555555555",
			  s[] = "v1:11111111-2222-3333-4444-555555555555:aaaaaaaa-2222-3333-4444-555555555555",
			  h[] = "v1:11111111-2222-3333-4444-555555555555:aaaaaaaa-2222-3333-4444-555555555555"
				":0123456789abcdef";
	static const char *const bad[] = {"", "v1:", "v2:x", "v1:11111111", "path:",
					  "v1:00000000-0000-0000-0000-000000000000",
					  "v1:11111111-2222-3333-4444-555555555555:",
					  "v1:11111111-2222-3333-4444-555555555555:0"};
	const char *const good[] = {v, s, h};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(csi_id_parse(good[i], &id), 0);
		assert_string_equal(csi_id_format(out, &id.volume, &id.snapshot, id.hash), good[i]);
		assert_true(strlen(out) <= CSI_ID_MAX);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(csi_id_parse(bad[i], &id), -EINVAL);
	char text[CSI_ID_BUF];
	snprintf(text, sizeof(text), "%s:0", s);
	assert_int_equal(csi_id_parse(text, &id), -EINVAL);
	assert_int_equal(csi_id_parse("path:project1/x", &id), 0);
	assert_string_equal(id.path, "project1/x");
}

static void test_names(void **state)
{
	(void)state;
	char a[256], b[256], longest[129];
	csi_volume_name("", "pvc-1b2c", a, sizeof(a));
	assert_string_equal(a, "pvc_1b2c");
	csi_volume_name("k8s_", "1", a, sizeof(a));
	assert_string_equal(a, "k8s_1");
	csi_volume_name("", "1-a", a, sizeof(a));
	assert_string_equal(a, "_1_a");
	csi_volume_name("", "a_b", a, sizeof(a));
	csi_volume_name("", "a-b", b, sizeof(b));
	assert_string_not_equal(a, b); /* else two PVCs would be one volume */
	csi_volume_name("", "a.b", b, sizeof(b));
	assert_string_not_equal(a, b);
	memset(longest, 'x', 128);
	longest[128] = '\0';
	csi_volume_name("", longest, a, sizeof(a));
	assert_true(strlen(a) <= 197);
	csi_snapshot_name("snapshot-1", a, sizeof(a));
	assert_string_equal(a, "snapshot-1");
	csi_snapshot_name("-x/@", a, sizeof(a));
	assert_null(strpbrk(a, "/@"));
	assert_int_equal(a[0], 's');
}

static void test_records(void **state)
{
	(void)state;
	struct csi_record r = {.rest = "for people {\"ontapfs\":{\"uid\":0}}"}, got;
	char text[1024];
	strcpy_bounded(r.name, "a \"quoted\" } name", sizeof(r.name));
	strcpy_bounded(r.object, "vol", sizeof(r.object));
	assert_int_equal(csi_users_add(&r, "0123456789abcdef"), 0);
	assert_int_equal(csi_users_add(&r, "0123456789abcdef"), 0);
	assert_int_equal(csi_users_add(&r, "fedcba9876543210"), 0);
	assert_int_equal(csi_record_format(&r, text, sizeof(text)), 0);
	csi_record_parse(text, &got);
	assert_true(got.found);
	assert_string_equal(got.name, r.name);
	assert_string_equal(got.users, "0123456789abcdef,fedcba9876543210");
	assert_string_equal(got.rest, r.rest);
	assert_true(csi_users_remove(&got, "fedcba9876543210"));
	assert_false(csi_users_remove(&got, "fedcba9876543210"));
	assert_string_equal(got.users, "0123456789abcdef");
	csi_record_parse("{\"csi\":{\"nobody\":\"x\"}} text", &got);
	assert_false(got.found);
	assert_string_equal(got.rest, "{\"csi\":{\"nobody\":\"x\"}} text");
	csi_record_parse("by hand", &got);
	assert_false(got.found);
	assert_string_equal(got.rest, "by hand");
	assert_int_equal(csi_record_format(&r, text, 40), -EMSGSIZE);
	char hash[CSI_HASH_LEN + 1];
	int n = 0;
	for (; csi_users_add(&r, (snprintf(hash, sizeof(hash), "%016x", n), hash)) == 0; n++)
		assert_true(n < 100);
	assert_true(n > 20);
}

static void test_paths(void **state)
{
	(void)state;
	static const char *const good[] = {"a", "a/b", ".snapshots/x", "a/...", "a/..b"};
	static const char *const bad[] = {"", "/a", "a/", "a//b", "..", ".", "a/..", "a/../b", "a/./b",
			".ontap", ".ontap/x"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(tree_path_is_good(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(tree_path_is_good(bad[i]));
}

/* ---- policy ------------------------------------------------------------------------------ */

static void test_policy(void **state)
{
	(void)state;
	char file[] = "/tmp/policy.XXXXXX", err[256];
	static const char text[] = "{\"namespaces\":{\"a\":{\"paths\":[\"p1\",\"exp-*\",\"p2/sub\"],"
			"\"verbs\":[\"read\",\"write\"]},"
				   "\"*\":{\"verbs\":[\"read\"]},\"bad\":{\"verbs\":[\"fly\"],\"paths\":3}}}";
	int fd = mkstemp(file);
	assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	close(fd);
	assert_int_equal(policy_allows(file, "a", err), 1 << POLICY_READ | 1 << POLICY_WRITE);
	assert_int_equal(policy_allows(file, "other", err), 1 << POLICY_READ);
	assert_int_equal(policy_allows(file, "bad", err), -EINVAL);
	assert_int_equal(policy_allows(file, "../x", err), -EINVAL);
	assert_int_equal(policy_allows(NULL, "a", err), (1 << POLICY_NVERBS) - 1);
	assert_int_equal(policy_sees(file, "a", "p1", err), 1);
	assert_int_equal(policy_sees(file, "a", "p1/.snapshots/x", err), 1);
	assert_int_equal(policy_sees(file, "a", "p10", err), 0);
	assert_int_equal(policy_sees(file, "a", "exp-7/data", err), 1);
	assert_int_equal(policy_sees(file, "a", "p2", err), 0);
	assert_int_equal(policy_sees(file, "a", "p2/sub/x", err), 1);
	assert_int_equal(policy_sees(file, "other", "p1", err), 0);
	assert_int_equal(policy_sees(file, "bad", "p1", err), -EINVAL);
	assert_int_equal(policy_sees(NULL, "a", "p1", err), 0);
	unlink(file);
	assert_true(policy_allows(file, "a", err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeouts),     cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_messages),     cmocka_unit_test(test_a_message_of_empty_parts_is_bounded),
		cmocka_unit_test(test_texts_are_utf8), cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_calls),        cmocka_unit_test(test_no_http2_ends_the_connection),
		cmocka_unit_test(test_ids),          cmocka_unit_test(test_names),
		cmocka_unit_test(test_records),      cmocka_unit_test(test_paths),
		cmocka_unit_test(test_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
