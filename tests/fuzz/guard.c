/* NFS replies before libnfs sees them: the first byte is the procedure, the rest
 * the message. What conv.c makes of what libnfs would have decoded comes along. */
#include "fs/nfs/conv.h"
#include "fs/nfs/guard.h"
#include "fs/nfs/nfs_i.h"
#include "tests/fuzz/fuzz.h"

static void converted(const uint8_t *p, size_t n)
{
	struct fattr3 a;
	struct nfsio_attr out;
	struct nfsio_fh fh;
	bool known;
	if (n < sizeof(a))
		return;
	memcpy(&a, p, sizeof(a));
	if (conv_attr(&a, &out))
		MUST(out.type >= 1 && out.type <= 7);
	conv_time(&a.mtime);
	MUST(conv_status((uint32_t)a.type, &known) <= 0);
	if (conv_handle((const char *)p, (uint32_t)n, &fh))
		MUST(fh.len == n && n >= 1 && n <= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	int proc = data[0] % (PROC_PMAP + 1);
	size_t len = size - 1;
	struct guard_head h = {0};
	uint8_t *msg = malloc(len ? len : 1);
	if (!msg)
		exit(1);
	memcpy(msg, data + 1, len);
	enum guard_verdict whole = guard_reply(proc, msg, len, len, &h);
	/* With all of it there is nothing to wait for; a part of what is good is never bad. */
	MUST(whole != GUARD_MORE);
	MUST(h.deny <= 0);
	for (size_t have = 0; have < len; have += 1 + len / 64) {
		uint8_t *part = (uint8_t *)fuzz_text(msg, have);
		struct guard_head ph = {0};
		enum guard_verdict v = guard_reply(proc, part, have, len, &ph);
		MUST(whole == GUARD_BAD || v != GUARD_BAD);
		free(part);
	}
	char *name = fuzz_text(msg, len);
	if (conv_name_ok(name))
		MUST(name[0] && strlen(name) <= 255 && !strchr(name, '/'));
	converted(msg, len);
	free(name);
	free(msg);
	return 0;
}
