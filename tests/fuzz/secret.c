/* Secrets: a line of a file, PEM, base64 of PEM. */
#include <unistd.h>

#include "mountd/secret.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], *s = NULL, *text = fuzz_text(data, size);
	int fd = fuzz_file(data, size, path);
	if (secret_read_line(path, &s, NULL) == 0) {
		MUST(s && s[0] && !strpbrk(s, "\r\n"));
		secret_free(&s);
	}
	if (text[0] != '/' && secret_pem(text, &s) == 0) {
		MUST(s && strstr(s, "-----BEGIN"));
		secret_free(&s);
	}
	if (secret_pem(path, &s) == 0)
		secret_free(&s);
	close(fd);
	free(text);
	return 0;
}
