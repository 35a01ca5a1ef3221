/* The option list of mount -o; two lists with a newline between. */
#include "mountd/mountopts.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mountopts o;
	char err[512] = "", flags[128], *text = fuzz_text(data, size), *second = strchr(text, '\n');
	if (second)
		*second++ = '\0';
	mountopts_init(&o);
	int r = mountopts_add(&o, text, err);
	MUST(r == 0 || err[0]);
	if (r == 0 && second)
		mountopts_add(&o, second, err);
	mountopts_flags(&o, flags);
	MUST(strnlen(flags, sizeof(flags)) < sizeof(flags));
	mountopts_fini(&o);
	free(text);
	return 0;
}
