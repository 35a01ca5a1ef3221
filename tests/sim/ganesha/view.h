/*
 * .snapshot: each snapshot of a volume is bind-mounted at VOLUME/.snapshot/NAME, in
 * the keeper's mount name space only.  So the rest of the machine sees empty
 * folders there, and no mount outlives the keeper however it ends.
 */
#ifndef SIM_GANESHA_VIEW_H
#define SIM_GANESHA_VIEW_H

#include "tests/sim/ganesha/picture.h"

/* Goes into a mount name space of its own, once.  0 or -errno. */
int view_enter(void);

/* Makes the .snapshot of every volume show what p says.  What does not work is
 * logged and left out.  Takes the volumes out of p. */
void view_apply(const char *dir, struct picture *p);

#endif
