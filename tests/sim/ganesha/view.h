/*
 * .snapshot: each snapshot of a volume is bind-mounted at VOLUME/.snapshot/NAME, in
 * the keeper's mount name space only.  So the rest of the machine sees empty
 * folders there, and no mount outlives the keeper however it ends.
 */
#ifndef SIM_GANESHA_VIEW_H
#define SIM_GANESHA_VIEW_H

#include "tests/sim/ganesha/picture.h"

/* Goes into a mount name space of its own, once, and leaves behind every mount that
 * the servers of dir do not need: a copy of it here would keep it alive when it is
 * unmounted outside.  0 or -errno. */
int view_enter(const char *dir);

/* Makes the .snapshot of every volume show what p says.  What does not work is
 * logged and left out.  Takes the volumes out of p. */
void view_apply(const char *dir, struct picture *p);

#endif
