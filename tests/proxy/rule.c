/* What goes wrong with which call: the words of a rule. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/base/cleanup.h"
#include "tests/proxy/proxy.h"

/* How many numbers follow the word. */
static const struct {
	const char *word;
	int args;
	bool of_call; /* where not said otherwise */
} actions[ACTIONS] = {
	[ACT_DELAY] = {"delay", 1, true},  [ACT_HOLD] = {"hold", 0, true},   [ACT_REORDER] = {"reorder", 0, false},
	[ACT_DROP] = {"drop", 0, true},    [ACT_LOSE] = {"lose", 0, false},  [ACT_CUT] = {"cut", 1, false},
	[ACT_DUP] = {"dup", 0, true},      [ACT_XOR] = {"xor", 2, false},    [ACT_SHORT] = {"short", 1, false},
	[ACT_STATUS] = {"status", 1, true},
};

static const struct {
	const char *word;
	uint32_t code;
} statuses[] = {
	{"PERM", 1},      {"NOENT", 2},     {"IO", 5},         {"NXIO", 6},          {"ACCES", 13},
	{"EXIST", 17},    {"XDEV", 18},     {"NODEV", 19},     {"NOTDIR", 20},       {"ISDIR", 21},
	{"INVAL", 22},    {"FBIG", 27},     {"NOSPC", 28},     {"ROFS", 30},         {"MLINK", 31},
	{"NAMETOOLONG", 63}, {"NOTEMPTY", 66}, {"DQUOT", 69},  {"STALE", 70},        {"REMOTE", 71},
	{"BADHANDLE", 10001}, {"NOT_SYNC", 10002}, {"BAD_COOKIE", 10003}, {"NOTSUPP", 10004},
	{"TOOSMALL", 10005}, {"SERVERFAULT", 10006}, {"BADTYPE", 10007}, {"JUKEBOX", 10008},
};

static bool number(const char *s, uint32_t *ret)
{
	char *end;
	errno = 0;
	unsigned long v = strtoul(s, &end, 0);
	if (errno || end == s || *end || *s == '-' || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool status_code(const char *s, uint32_t *ret)
{
	if (strncmp(s, "NFS3ERR_", 8) == 0)
		s += 8;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (strcmp(statuses[i].word, s) == 0) {
			*ret = statuses[i].code;
			return true;
		}
	return number(s, ret);
}

static int action_by_name(const char *s)
{
	for (int i = 0; i < ACTIONS; i++)
		if (strcmp(actions[i].word, s) == 0)
			return i;
	return -1;
}

struct rule *rule_parse(char *words[], int n, char error[200])
{
	cleanup_free struct rule *r = calloc(1, sizeof(*r));
	int i = 0, action;
	if (!r) {
		snprintf(error, 200, "out of memory");
		return NULL;
	}
	list_init(&r->link);
	r->left = 1;
	r->proc = n ? proc_by_name(words[i++]) : -1;
	if (r->proc < 0) {
		snprintf(error, 200, "want a procedure such as READ, any or mount after 'on'");
		return NULL;
	}
	int side = -1;
	if (i < n && (strcmp(words[i], "call") == 0 || strcmp(words[i], "reply") == 0))
		side = words[i++][0] == 'r';
	action = i < n ? action_by_name(words[i++]) : -1;
	if (action < 0) {
		snprintf(error, 200, "want delay, hold, reorder, drop, lose, cut, dup, xor, short or status");
		return NULL;
	}
	r->action = (enum action)action;
	r->reply = side < 0 ? !actions[action].of_call : side;
	for (int k = 0; k < actions[action].args; k++) {
		uint32_t *to = k ? &r->arg2 : &r->arg;
		if (i >= n || !(action == ACT_STATUS ? status_code(words[i], to) : number(words[i], to))) {
			snprintf(error, 200, "%s wants %d number(s)", actions[action].word, actions[action].args);
			return NULL;
		}
		i++;
	}
	for (; i + 1 < n; i += 2) {
		bool skip = strcmp(words[i], "skip") == 0;
		if ((!skip && strcmp(words[i], "count") != 0) || !number(words[i + 1], skip ? &r->skip : &r->left))
			break;
	}
	if (i != n) {
		snprintf(error, 200, "cannot use '%s': want skip N or count N", words[i]);
		return NULL;
	}
	if (!r->left)
		r->left = UINT32_MAX;
	return steal_ptr(r);
}
