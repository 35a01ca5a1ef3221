#include "tests/sim/rest/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int fd = -1;

int record_to(const char *path)
{
	int r = 0;

	pthread_mutex_lock(&lock);
	if (fd >= 0)
		close(fd);
	fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (path && fd < 0)
		r = -errno;
	pthread_mutex_unlock(&lock);
	return r;
}

void record_exchange(const char *method, const char *uri, const char *accept, json_t *body,
                     const struct reply *rep)
{
	AUTO_JSON json_t *line = NULL;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *whole = NULL;

	pthread_mutex_lock(&lock);
	if (fd >= 0) {
		line = json_pack("{s:s, s:s, s:s*, s:O*, s:i, s:s*, s:O*}", "method", method, "uri", uri,
		                 "accept", accept, "body", body, "status", rep->status, "location",
		                 rep->location, "reply", rep->body);
		text = line ? json_dumps(line, JSON_COMPACT) : NULL;
		whole = text ? sim_fmt("%s\n", text) : NULL;
		/* One write: simulators may share a file. */
		if (!whole || write(fd, whole, strlen(whole)) != (ssize_t)strlen(whole))
			sim_log("cannot record %s %s", method, uri);
	}
	pthread_mutex_unlock(&lock);
}
