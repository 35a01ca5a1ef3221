#include "tests/sim/ganesha/picture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/db.h"
#include "tests/sim/ganesha/ganesha.h"

/* A list one longer, or NULL. */
static void *grow(void *list, size_t n, size_t size)
{
	void *longer = n % 64 ? list : realloc(list, (n + 64) * size);

	if (longer)
		memset((char *)longer + n * size, 0, size);
	return longer;
}

static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ',' || p[-1] == ' ') &&
		    (!p[len] || p[len] == ',' || p[len] == ' '))
			return true;
	return false;
}

static bool allows(const char *list)
{
	return listed(list, "any") || listed(list, "sys") || listed(list, "none");
}

static void put_rule(FILE *f, sqlite3_stmt *s, bool read_only)
{
	const char *ro = db_col_text(s, 1), *rw = db_col_text(s, 2), *su = db_col_text(s, 3);
	bool read = allows(ro), write = read && allows(rw) && !read_only;
	bool known = listed(ro, "any") || listed(ro, "sys");
	bool root = listed(su, "any") || listed(su, "sys");

	fprintf(f,
	        "  CLIENT { Clients = %s; Access_Type = %s; Squash = %s; Protocols = 3;"
	        " Anonymous_Uid = %lld; Anonymous_Gid = %lld; }\n",
	        db_col_text(s, 0), write ? "RW" : read ? "RO" : "None",
	        !known ? "All_Squash" : root ? "No_Root_Squash" : "Root_Squash",
	        (long long)db_col_int(s, 4), (long long)db_col_int(s, 4));
}

/* The row: rowid, subvol, junction, fsid, snapdir_access, export_policy, type. */
static int add_export(const char *dir, sqlite3 *db, sqlite3_stmt *v, struct picture *p)
{
	struct pic_export *e = grow(p->exports, p->nexports, sizeof(*e));
	AUTO_STMT sqlite3_stmt *rule = NULL;
	long long id = db_col_int(v, 0), fsid = db_col_int(v, 3), xfer = db_setting_int(db, "max_xfer", 65536);
	const char *type = db_col_text(v, 6);
	size_t len = 0;
	FILE *f;

	if (!e)
		return -ENOMEM;
	p->exports = e;
	e += p->nexports;
	e->id = id;
	/* File handles hold the number of their export in 16 bits. */
	if (id > UINT16_MAX) {
		sim_log("nfs: %s is not exported: Ganesha counts to 65535 only", db_col_text(v, 2));
		return 0;
	}
	e->identity = sim_fmt("Export_Id = %lld; Path = \"%s/store/%s\"; Pseudo = \"%s\";\n"
	                      "  Filesystem_Id = %lld.0;",
	                      id, dir, db_col_text(v, 1), db_col_text(v, 2), fsid);
	p->nexports++;
	f = open_memstream(&e->block, &len);
	if (!f)
		return -ENOMEM;
	fprintf(f,
	        "EXPORT {\n  %s\n  Access_Type = None; MaxRead = %lld; MaxWrite = %lld;"
	        " PrefRead = %lld; PrefWrite = %lld;\n  FSAL { Name = VFS; }\n",
	        e->identity, xfer, xfer, xfer, xfer);
	rule = db_query(db,
	                "SELECT clients,ro_rule,rw_rule,superuser,anonymous_user FROM export_rules"
	                " WHERE policy=? ORDER BY idx",
	                "s", db_col_text(v, 5));
	while (db_row(rule))
		put_rule(f, rule, strcmp(type, "rw") != 0);
	fputs("}\n", f);
	return fclose(f) == 0 ? 0 : -ENOMEM;
}

static int add_volume(sqlite3 *db, sqlite3_stmt *v, struct picture *p)
{
	struct pic_volume *vol = grow(p->vols, p->nvols, sizeof(*vol));
	AUTO_STMT sqlite3_stmt *s = NULL;

	if (!vol)
		return -ENOMEM;
	p->vols = vol;
	vol += p->nvols++;
	vol->subvol = sim_dup(db_col_text(v, 1));
	vol->shown = db_col_int(v, 4) != 0;
	if (!vol->shown)
		return 0;
	s = db_query(db,
	             "SELECT s.name,s.subvol FROM snapshots s JOIN volumes v ON v.uuid=s.volume_uuid"
	             " WHERE v.rowid=? ORDER BY s.name",
	             "i", db_col_int(v, 0));
	while (db_row(s)) {
		struct pic_snap *snap = grow(vol->snaps, vol->nsnaps, sizeof(*snap));

		if (!snap)
			return -ENOMEM;
		vol->snaps = snap;
		snap[vol->nsnaps++] = (struct pic_snap){ .name = sim_dup(db_col_text(s, 0)),
			                                 .subvol = sim_dup(db_col_text(s, 1)) };
	}
	return 0;
}

static int load(const char *dir, sqlite3 *db, struct picture *p)
{
	AUTO_STMT sqlite3_stmt *lif = NULL;
	AUTO_STMT sqlite3_stmt *v = NULL;
	bool served = db_setting_int(db, "v3_enabled", 1) != 0;
	int r = 0;

	p->nfs_port = (int)db_setting_int(db, "nfs_port", 0);
	p->mnt_port = (int)db_setting_int(db, "mnt_port", 0);
	lif = db_query(db, "SELECT address FROM lifs WHERE state='up' ORDER BY name", "");
	while (db_row(lif) && p->nlifs < GANESHA_LIFS_MAX) {
		void *lifs = grow(p->lifs, p->nlifs, sizeof(*p->lifs));

		if (!lifs)
			return -ENOMEM;
		p->lifs = lifs;
		snprintf(p->lifs[p->nlifs++], sizeof(*p->lifs), "%s", db_col_text(lif, 0));
	}
	v = db_query(db,
	             "SELECT rowid,subvol,junction,fsid,snapdir_access,export_policy,type FROM volumes"
	             " WHERE state='online' AND deleted_at IS NULL ORDER BY rowid",
	             "");
	while (r == 0 && db_row(v)) {
		r = add_volume(db, v, p);
		if (r == 0 && served && db_col_text(v, 2))
			r = add_export(dir, db, v, p);
	}
	return v && lif ? r : -EIO;
}

int picture_load(const char *dir, struct picture *ret)
{
	sqlite3 *db = NULL;
	int r;

	*ret = (struct picture){ 0 };
	r = db_open_ro(dir, &db);
	if (r < 0)
		return r;
	/* One transaction: one moment. */
	if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		r = -EIO;
	else
		r = load(dir, db, ret);
	sqlite3_close(db);
	return r;
}

void picture_free(struct picture *p)
{
	for (size_t i = 0; i < p->nexports; i++) {
		free(p->exports[i].identity);
		free(p->exports[i].block);
	}
	for (size_t i = 0; i < p->nvols; i++) {
		for (size_t j = 0; j < p->vols[i].nsnaps; j++) {
			free(p->vols[i].snaps[j].name);
			free(p->vols[i].snaps[j].subvol);
		}
		free(p->vols[i].snaps);
		free(p->vols[i].subvol);
	}
	free(p->exports);
	free(p->vols);
	free(p->lifs);
	*p = (struct picture){ 0 };
}

/* Both lists rise by id. */
static const struct pic_export *same_export(const struct picture *p, const struct pic_export *e)
{
	size_t lo = 0, hi = p->nexports;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->exports[mid].id < e->id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == p->nexports || strcmp(p->exports[lo].identity, e->identity) != 0)
		return NULL;
	return &p->exports[lo];
}

bool picture_drops(const struct picture *p, const struct picture *old)
{
	for (size_t i = 0; i < old->nexports; i++)
		if (!same_export(p, &old->exports[i]))
			return true;
	return false;
}

char *picture_exports(const struct picture *p, const struct picture *also)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < p->nexports; i++)
		if (!also || same_export(also, &p->exports[i]))
			fputs(p->exports[i].block, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

char *picture_core(const struct picture *p, const char *address, const char *exports)
{
	/* Names and attributes are asked of the file system every time: several
	 * servers and the simulator's own commands change it. */
	return sim_fmt("NFS_CORE_PARAM {\n"
	               "  Protocols = 3; Bind_addr = %s; NFS_Port = %d; MNT_Port = %d;\n"
	               "  Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false;\n"
	               "  Mount_Path_Pseudo = true;\n"
	               "}\n"
	               "NFS_KRB5 { Active_krb5 = false; }\n"
	               "NFSV4 { Graceless = true; RecoveryRoot = /run/ganesha; }\n"
	               "MDCACHE { Dir_Chunk = 0; LRU_Run_Interval = 1; FD_LWMark_Percent = 0; }\n"
	               "EXPORT_DEFAULTS {\n"
	               "  Protocols = 3; Transports = TCP; SecType = sys, none;\n"
	               "  Attr_Expiration_Time = 0;\n"
	               "}\n"
	               "LOG { Default_Log_Level = EVENT; }\n"
	               "%%include %s\n",
	               address, p->nfs_port, p->mnt_port, exports);
}
