/* A configuration file; a text behind a NUL is what `-o` adds to it. */
#include <unistd.h>

#include "fs/base/buf.h"
#include "fs/base/log.h"
#include "mountd/config.h"
#include "ontap/ontap.h"
#include "tests/fuzz/fuzz.h"

static void accepted(struct config *c)
{
	struct buf b;
	size_t len;
	char why[256];
	buf_init(&b, 4u << 20);
	config_dump_json(c, &b);
	char *text = buf_steal(&b, &len);
	buf_fini(&b);
	/* .ontap/config shows it. */
	struct ontap_json *j = text ? ontap_json_parse(text, len, why) : NULL;
	MUST(j);
	ontap_json_free(j);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	size_t len = nul ? (size_t)(nul - data) : size;
	char path[64], err[512] = "";
	struct config c = {0};
	log_set_level(LOG_LV_ERROR);
	int fd = fuzz_file(data, len, path);
	int r = config_load(path, &c, err);
	MUST(r <= 0 && (r == 0 || err[0]));
	if (r == 0) {
		if (nul) {
			char *list = fuzz_text(nul + 1, size - len - 1);
			err[0] = '\0';
			if (config_set_list(&c, list, err) < 0)
				MUST(err[0]);
			free(list);
		}
		accepted(&c);
		config_free(&c);
	}
	close(fd);
	return 0;
}
