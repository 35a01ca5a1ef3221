/* JSON texts and the strict getters: the first line is a path, the rest the text. */
#include "ontap/ontap.h"
#include "tests/fuzz/fuzz.h"

static void on_key(const char *key, void *priv)
{
	*(size_t *)priv += strlen(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = size ? memchr(data, '\n', size) : NULL;
	if (!nl)
		return 0;
	char *path = fuzz_text(data, (size_t)(nl - data));
	size_t len = size - (size_t)(nl - data) - 1, keys = 0;
	char *text = malloc(len ? len : 1); /* without a NUL behind it, as from the wire */
	char why[256] = "";
	if (!text)
		exit(1);
	memcpy(text, nl + 1, len);
	struct ontap_json *j = ontap_json_parse(text, len, why);
	MUST(j || why[0]);
	if (j) {
		const char *s;
		int64_t i;
		double d;
		bool b;
		if (ontap_json_str(j, path, &s) == 0)
			keys += strlen(s);
		if (ontap_json_int(j, path, -5, 5, &i) == 0)
			MUST(i >= -5 && i <= 5);
		ontap_json_int(j, path, INT64_MIN, INT64_MAX, &i);
		if (ontap_json_double(j, path, &d) == 0)
			MUST(__builtin_isfinite(d));
		ontap_json_bool(j, path, &b);
		ontap_json_len(j, path);
		ontap_json_keys(j, path, on_key, &keys);
	}
	ontap_json_free(j);
	free(text);
	free(path);
	return 0;
}
