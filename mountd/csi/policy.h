/* Which name spaces of Kubernetes may do what: a JSON file, read anew each time that
 * it is asked, so that a changed ConfigMap counts at once.
 *
 *     {"namespaces": {"team-a": {"paths": ["project1", "exp-*"], "verbs": ["read", "write"]},
 *                     "*":      {"paths": [], "verbs": ["read"]}}}
 *
 * A name space without an entry of its own has that of "*", else nothing. */
#ifndef MOUNTD_CSI_POLICY_H
#define MOUNTD_CSI_POLICY_H

#include <stddef.h>

enum policy_verb { POLICY_READ, POLICY_WRITE, POLICY_CREATE, POLICY_CLONE, POLICY_SNAPSHOT, POLICY_NVERBS };
extern const char *const policy_verbs[POLICY_NVERBS];

/* Bits 1 << enum policy_verb of what the name space may do. Without a file (NULL)
 * everything; in a name space that is not known ("" or NULL) everything, too: the
 * side that asks was not told, and its objects were made by administrators. Else 0
 * or more, or -errno with a sentence: nothing is allowed by a file that cannot be read. */
int policy_allows(const char *file, const char *name_space, char err[256]);

/* Whether the name space sees a path of the tree, by the patterns in "paths": of
 * components, so that "project1" covers all below it, and "exp-*" all volumes called
 * so. 1, 0, or -errno with a sentence. Without a file: 0. */
int policy_sees(const char *file, const char *name_space, const char *path, char err[256]);

/* One pattern on its own. */
int policy_match(const char *pattern, const char *path);

#endif
