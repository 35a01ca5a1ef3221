/* One table: ONTAP code to errno, for replies and for failed jobs alike, since
 * ONTAP reports the same condition at once or in the job, as it likes.
 *
 * Errnos follow what the file system's users expect of the verb: a name that
 * exists is EEXIST, a snapshot that something depends on EBUSY, a volume that
 * cannot be written EROFS. A code that is not here is EIO with its text kept,
 * and counted, so that the table can grow from the field. */
#include "ontap/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "ontap/json.h"

static const struct {
	int32_t code;
	int err;
} table[] = { /* ascending, for the binary search */
	{1, EEXIST},         /* duplicate entry */
	{2, EINVAL},         /* invalid, missing or extra value */
	{3, EOPNOTSUPP},     /* operation or API not supported */
	{4, ENOENT},         /* entry does not exist */
	{6, EACCES},         /* permission denied */
	{8, EBUSY},          /* resource in use */
	{131102, EROFS},     /* files: read-only file system */
	{131138, ENOTEMPTY}, /* files: directory not empty */
	{262186, EINVAL},    /* fields cannot be combined */
	{262196, EINVAL},    /* field not settable here */
	{262197, EINVAL},    /* unknown field */
	{262245, EINVAL},    /* bad value */
	{262247, EINVAL},
	{262256, EINVAL},    /* bad tags */
	{262278, EINVAL},    /* field missing */
	{262325, EACCES},    /* approval by several admins needed */
	{458762, EBUSY},     /* job in a terminal state already */
	{458783, EOPNOTSUPP}, /* job cannot be paused */
	{458784, EOPNOTSUPP}, /* job cannot be cancelled */
	{460770, EIO},       /* job failed, only its text says why */
	{524479, ENOSPC},    /* volume not online, or no space */
	{524481, EBUSY},     /* volume locked or fenced */
	{524486, EBUSY},     /* volume busy */
	{524508, EINVAL},    /* invalid snapshot name */
	{524511, EIO},       /* restore failed */
	{524546, EBUSY},     /* FlexCache still mounted */
	{524597, EIO},       /* clone create failed */
	{524601, ENOENT},    /* clone parent not found */
	{524615, EBUSY},     /* volume has clones */
	{524819, EIO},       /* clone create failed */
	{524849, EPERM},     /* attribute refused */
	{525059, EEXIST},    /* snapshot exists */
	{525062, EMLINK},    /* as many snapshots as a volume may have */
	{542797, ENOENT},    /* snapshot not found */
	{787140, EINVAL},    /* neither aggregates nor style */
	{787141, EINVAL},    /* name and uuid disagree */
	{917505, ENOENT},    /* SVM not found */
	{917506, ENOENT},    /* volume not found */
	{917508, ENOENT},    /* aggregate not found */
	{917525, ENOENT},    /* volume not found */
	{917526, EEXIST},    /* volume name exists */
	{917531, EBUSY},     /* root volume while others exist */
	{917534, EINVAL},    /* size too small */
	{917551, ENOENT},    /* snapshot policy not found */
	{917597, EINVAL},    /* root aggregate */
	{917628, EPERM},     /* not for this type of volume */
	{917752, ESTALE},    /* volume offline */
	{917775, ESTALE},    /* clone parent not online */
	{917812, EINVAL},    /* absolute path */
	{917835, EINVAL},    /* snapshot reserve too large */
	{917864, ENOENT},    /* file not found */
	{917886, ENAMETOOLONG}, /* volume name too long */
	{917887, EINVAL},    /* volume name: first character */
	{917888, EINVAL},    /* volume name: character */
	{917898, EINVAL},    /* bad range */
	{917927, ENOENT},    /* volume not found */
	{918235, ENOENT},    /* no volume of that uuid */
	{918236, EINVAL},    /* name and uuid disagree */
	{918242, EINVAL},    /* a FlexVol has one aggregate */
	{918243, EINVAL},    /* snapshot name and uuid disagree */
	{918244, EINVAL},    /* bad volume type for a clone */
	{918247, EINVAL},    /* field not for clones */
	{918248, EINVAL},    /* split combined with other fields */
	{918251, EINVAL},    /* restore combined with other fields */
	{918252, EINVAL},    /* bad junction path */
	{918271, ENOENT},    /* export policy not found */
	{918667, EBUSY},     /* audit log volume */
	{918693, EBUSY},
	{918701, EOPNOTSUPP}, /* not on this platform */
	{1520351, EPERM},    /* snapshot not allowed */
	{1638400, ENOENT},   /* no information on the snapshot */
	{1638415, EBUSY},    /* snapshot policy in use */
	{1638430, EBUSY},
	{1638431, EPERM},    /* a snapshot policy that is built in */
	{1638451, EINVAL},   /* snapshot policy: too many copies */
	{1638461, EROFS},    /* volume not read-write */
	{1638473, ENOENT},   /* snapshot not found */
	{1638476, EBUSY},    /* reference snapshot */
	{1638477, EINVAL},   /* reserved snapshot name */
	{1638480, EBUSY},    /* newer reference snapshots */
	{1638503, ENOENT},   /* snapshot not found */
	{1638518, EINVAL},   /* invalid snapshot name */
	{1638521, EROFS},    /* volume not read-write */
	{1638522, EROFS},
	{1638527, EEXIST},   /* snapshot policy exists */
	{1638532, EBUSY},    /* revert under way */
	{1638537, EIO},      /* status unknown: the caller looks */
	{1638539, EIO},
	{1638543, EBUSY},    /* snapshot has an owner */
	{1638555, EBUSY},    /* not expired, locked, or base of a clone */
	{1638574, EOPNOTSUPP}, /* expiry time on a FlexGroup */
	{1638590, EBUSY},    /* from before the conversion to FlexGroup */
	{1638600, ENOENT},   /* snapshot not found */
	{1703945, EBUSY},    /* export policy in use */
	{1703947, EPERM},    /* the default export policy */
	{1703953, EBUSY},
	{1703954, ENOENT},   /* export policy not found */
	{1704049, EINVAL},   /* export rule: bad client match */
	{1704070, EEXIST},   /* export rule exists */
	{2621462, ENOENT},   /* SVM not found */
	{2621706, EINVAL},   /* SVM name and uuid disagree */
	{2621707, EINVAL},   /* no SVM given */
	{5242881, EROFS},    /* qtree on a read-only volume */
	{5242886, EIO},      /* qtree create failed */
	{5242894, EPERM},    /* the default qtree */
	{5242900, EOPNOTSUPP}, /* qtree on a FlexCache */
	{5242925, EBUSY},    /* too many qtrees are being deleted */
	{5242948, EOPNOTSUPP},
	{6488084, EINVAL},   /* new file without permissions */
	{6488085, EINVAL},   /* new file without type */
	{6488109, EOPNOTSUPP}, /* files of a FlexCache */
	{6488118, EEXIST},   /* file exists */
	{6619637, EEXIST},   /* SnapMirror relationship exists */
	{6619715, EAGAIN},   /* it is being modified */
	{6684674, ENOENT},   /* file not found */
	{6691623, EACCES},   /* user not authorized */
	{8585320, EIO},      /* internal table missing, passes by itself */
	{8585368, EIO},
	{9437613, EOPNOTSUPP}, /* a FlexCache has no snapshots */
	{9437885, EIO},      /* volume not online */
	{9437886, EBUSY},    /* newer locked snapshots */
	{13107245, ENOSPC},  /* too many volumes */
	{13107256, EOPNOTSUPP}, /* FlexGroup only */
	{13107326, EINVAL},  /* FlexGroup too big */
	{13107341, ENOSPC},  /* no suitable aggregates */
	{13107404, EINVAL},  /* size together with other ways to grow */
	{13107405, EBUSY},   /* create of that name under way */
	{13109187, EINVAL},
	{13172837, EROFS},   /* SVM locked for migration */
	{13303808, EBUSY},   /* transfer under way */
	{13303812, EBUSY},
	{13303822, EAGAIN},  /* relationship is being modified */
	{13303844, EIO},     /* update failed */
	{13303852, EINVAL},  /* bad SnapMirror path */
	{13565952, EIO},     /* file clone did not start */
	{13565983, EPERM},   /* owner 0 on a clone */
	{13565988, EINVAL},  /* backup together with a range */
	{13565998, EOPNOTSUPP}, /* autodelete on a FlexGroup */
	{65539432, EAGAIN},  /* keystore not ready */
	{65539433, EAGAIN},
	{66846731, EIO},     /* FlexCache delete failed */
	{66846735, EACCES},  /* SVMs or clusters are not peers */
	{66846758, EPERM},   /* not for a FlexCache or its origin */
	{66846762, ESTALE},  /* origin offline */
	{66846767, ENOENT},  /* origin not found */
	{66846768, EEXIST},  /* FlexCache exists */
	{66846772, EPERM},
	{66846876, EACCES},  /* SVMs are not peers */
	{66846879, ENOENT},  /* not a FlexCache */
	{66846922, ENOENT},
	{66846925, ENOENT},  /* FlexCache not mounted */
	{66846928, ENOENT},
	{66846943, ENOENT},  /* prepopulate: no such directory */
	{66846947, EBUSY},   /* prepopulate under way */
	{66847172, EBUSY},   /* FlexCache still mounted */
	{92405873, EOPNOTSUPP}, /* object store volume */
};

static int errno_of_status(int http_status)
{
	switch (http_status) {
	case 401:
	case 403:
		return -EACCES;
	case 405:
	case 501:
		return -EOPNOTSUPP;
	case 429:
	case 503:
		return -EAGAIN;
	default:
		/* Also 404: without ONTAP's own code it may come from anything
		 * on the way, and must not pass for "gone". */
		return -EIO;
	}
}

int error_errno(int64_t code, int http_status, bool *ret_known)
{
	size_t lo = 0, hi = ARRAY_LEN(table);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (table[mid].code == code) {
			*ret_known = true;
			return -table[mid].err;
		}
		if (table[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_known = code == 0;
	return errno_of_status(http_status);
}

void error_set(struct ontap_error *e, int err, int http_status, int64_t code, const char *fmt, ...)
{
	*e = (struct ontap_error){.err = err, .http_status = http_status, .code = code};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	for (char *p = e->text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
}

/* ONTAP's sentence without the full stop: ours goes on behind it. */
static void trim_message(const char *message, char out[320])
{
	snprintf(out, 320, "%s", message);
	size_t n = strlen(out);
	while (n > 0 && (out[n - 1] == '.' || out[n - 1] == ' ' || out[n - 1] == '\n'))
		out[--n] = '\0';
}

/* What some refusals have no code of their own for: the text tells. */
static const struct {
	const char *text;
	int err;
} words[] = {
	{"licens", EOPNOTSUPP}, /* FlexClone without its licence */
	{"not supported", EOPNOTSUPP},
	{"snapmirror relationship", EBUSY},
	{"already exists", EEXIST},
	{"file exists", EEXIST},
	{"split load", EBUSY}, /* as many file clones as a node takes */
	{"no space", ENOSPC},
	{"not enough space", ENOSPC},
	{"insufficient space", ENOSPC},
};

static int refine(int64_t code, const char *message, int err)
{
	/* "Not online or no space" in one code. */
	if (code == 524479)
		return strstr(message, "online") ? -EIO : err;
	/* A restore that failed, for whatever reason. */
	if (code == 524511 && strstr(message, "not found"))
		return -ENOENT;
	for (size_t i = 0; err == -EIO && code != 0 && i < ARRAY_LEN(words); i++)
		if (strcasestr(message, words[i].text))
			err = -words[i].err;
	return err;
}

void error_from_reply(struct ontap_error *e, const struct error_who *who, const char *what,
		      int http_status, struct json_object *root)
{
	const char *message = "";
	int64_t code = 0;
	if (root) {
		js_str(root, "error.message", &message);
		js_code(root, "error.code", &code);
	}
	char text[320];
	trim_message(message, text);
	bool known;
	int err = refine(code, message, error_errno(code, http_status, &known));

	if (http_status == 401 && who->user)
		error_set(e, -EACCES, http_status, code,
			  "ONTAP at %s refused the login of user %s (HTTP 401): check username and "
			  "password", who->host, who->user);
	else if (http_status == 401)
		error_set(e, -EACCES, http_status, code,
			  "ONTAP at %s refused the client certificate (HTTP 401): check "
			  "clientCertificate and that an account exists for its common name",
			  who->host);
	else if (err == -EACCES)
		error_set(e, err, http_status, code,
			  "ONTAP at %s does not allow %s%s to %s: %s (HTTP %d, code %lld)", who->host,
			  who->user ? "user " : "the client certificate's account",
			  who->user ? who->user : "", what, *text ? text : "permission denied",
			  http_status, (long long)code);
	else if (code != 0)
		error_set(e, err, http_status, code, "cannot %s: %s (ONTAP code %lld)", what,
			  *text ? text : "no reason given", (long long)code);
	else if (err == -EAGAIN)
		error_set(e, err, http_status, code, "cannot %s: ONTAP at %s is too busy (HTTP %d)",
			  what, who->host, http_status);
	else
		error_set(e, err, http_status, code, "cannot %s: ONTAP at %s answered HTTP %d%s%s",
			  what, who->host, http_status, *text ? ": " : " without a reason", text);
}

void error_from_job(struct ontap_error *e, const char *what, int64_t code, const char *message)
{
	char text[320];
	trim_message(message, text);
	bool known;
	int err = refine(code, message, error_errno(code, 0, &known));
	error_set(e, err, 0, code, "cannot %s: %s (ONTAP code %lld)", what,
		  *text ? text : "the job failed without a reason", (long long)code);
}
