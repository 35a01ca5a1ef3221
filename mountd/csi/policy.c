/* The policy of name spaces. */
#include "mountd/csi/policy.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "mountd/secret.h"
#include "ontap/ontap.h"

#define POLICY_MAX (1u << 20) /* bytes, as a ConfigMap */

const char *const policy_verbs[POLICY_NVERBS] = {"read", "write", "create", "clone", "snapshot"};

static void no_key(const char *key, void *priv)
{
	(void)key, (void)priv;
}

/* The part of the file that counts for a name space: base gets its path, "" none. */
static int load(const char *file, const char *name_space, struct ontap_json **ret, char base[96], char err[256])
{
	char *text, why[256];
	size_t len;
	if (strspn(name_space, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name_space) ||
	    strlen(name_space) > 63 || !*name_space) {
		snprintf(err, 256, "'%.64s' is no name space", name_space);
		return -EINVAL;
	}
	int r = secret_read_file(file, POLICY_MAX, &text, &len, NULL);
	if (r < 0) {
		snprintf(err, 256, "the policy %s cannot be read: %s", file, strerror(-r));
		return r;
	}
	*ret = ontap_json_parse(text, len, why);
	secret_free_len(text, len);
	if (!*ret) {
		snprintf(err, 256, "the policy %.100s: %.140s", file, why);
		return -EINVAL;
	}
	snprintf(base, 96, "namespaces.%s", name_space);
	if (ontap_json_keys(*ret, base, no_key, NULL) < 0)
		snprintf(base, 96, "namespaces.*");
	if (ontap_json_keys(*ret, base, no_key, NULL) < 0)
		*base = '\0';
	return 0;
}

/* Calls fn with each text of a list, until it says true. -EINVAL: no list of texts. */
static int any(const struct ontap_json *j, const char *base, const char *key,
	       bool (*fn)(const char *text, void *priv), void *priv, char err[256])
{
	char path[160];
	snprintf(path, sizeof(path), "%s.%s", base, key);
	int n = ontap_json_len(j, path);
	if (n == -ENOENT)
		return 0;
	for (int i = 0; i < n; i++) {
		const char *text;
		snprintf(path, sizeof(path), "%s.%s[%d]", base, key, i);
		if (ontap_json_str(j, path, &text) < 0)
			n = -EINVAL;
		else if (fn(text, priv))
			return 1;
	}
	if (n < 0)
		snprintf(err, 256, "the policy: %s.%s is no list of texts", base, key);
	return n < 0 ? -EINVAL : 0;
}

struct verbs {
	int bits;
	char unknown[64];
};

static bool add_verb(const char *text, void *priv)
{
	struct verbs *v = priv;
	for (int i = 0; i < POLICY_NVERBS; i++) {
		if (strcmp(text, policy_verbs[i]) == 0) {
			v->bits |= 1 << i;
			return false;
		}
	}
	snprintf(v->unknown, sizeof(v->unknown), "%s", text);
	return true;
}

int policy_allows(const char *file, const char *name_space, char err[256])
{
	struct ontap_json *j = NULL;
	struct verbs v = {0};
	char base[96];
	if (!file || !name_space || !*name_space)
		return (1 << POLICY_NVERBS) - 1;
	int r = load(file, name_space, &j, base, err);
	if (r == 0 && *base)
		r = any(j, base, "verbs", add_verb, &v, err);
	if (r == 1) {
		snprintf(err, 256, "the policy: '%s' is no verb", v.unknown);
		r = -EINVAL;
	}
	ontap_json_free(j);
	return r < 0 ? r : v.bits;
}

int policy_match(const char *pattern, const char *path)
{
	for (;;) {
		size_t p = strcspn(pattern, "/"), n = strcspn(path, "/");
		char a[256], b[256];
		if (p >= sizeof(a) || n >= sizeof(b))
			return 0;
		memcpy(a, pattern, p);
		memcpy(b, path, n);
		a[p] = b[n] = '\0';
		if (fnmatch(a, b, FNM_PERIOD) != 0)
			return 0;
		pattern += p + (pattern[p] == '/');
		path += n + (path[n] == '/');
		if (!*pattern)
			return 1;
		if (!*path)
			return 0;
	}
}

static bool matches(const char *text, void *priv)
{
	return policy_match(text, priv);
}

int policy_sees(const char *file, const char *name_space, const char *path, char err[256])
{
	struct ontap_json *j = NULL;
	char base[96], copy[4096];
	if (!file || !name_space || !*name_space || !strcpy_bounded(copy, path, sizeof(copy)))
		return 0;
	int r = load(file, name_space, &j, base, err);
	if (r == 0 && *base)
		r = any(j, base, "paths", matches, copy, err);
	ontap_json_free(j);
	return r;
}
