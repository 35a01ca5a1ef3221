/* What a killed server was making.
 *
 * A new object gets its attributes by further system calls. A real filer makes both
 * or neither; so what was made and not finished is removed at the next start, before
 * anybody can ask for it: its maker has had no answer. */
#ifndef SIMNFS_MAKING_H
#define SIMNFS_MAKING_H

#include "tests/sim/nfs/handle.h"

/* Opens the record in the folder of a simulator, and removes what stands in it.  0 or
 * -errno.  fh_init() must have been called. */
int making_init(const char *dir);

/* This thread is about to make `name` in the directory dir, open as dir_fd. */
void making_begin(int dir_fd, const struct kfh *dir, const char *name);

/* It is finished, or failed with an answer. */
void making_end(void);

#endif
