#include "mountd/args.h"

#include <stddef.h>

error_t args_mountpoint(const char **mountpoint, const char *missing, int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG) {
		if (*mountpoint)
			argp_error(state, "one MOUNTPOINT is enough");
		*mountpoint = arg;
		return 0;
	}
	if (key != ARGP_KEY_END || !missing)
		return ARGP_ERR_UNKNOWN;
	if (!*mountpoint)
		argp_error(state, "%s", missing);
	return 0;
}
