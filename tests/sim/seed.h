/*
 * What a new simulator contains, and the files that tell clients about it.
 * Command line process only; failures are told by sim_err.
 */
#ifndef SIM_SEED_H
#define SIM_SEED_H

#include "tests/sim/db.h"

#define SIM_SVM          "svm1"
#define SIM_CLUSTER      "simcluster"
#define SIM_MGMT_ADDRESS "127.0.0.1"

/* Synthetic volumes (see rest/synthetic.h): the one folder that all show, and the
 * number behind which theirs come, as fsid and as place in a listing: after every
 * volume that has a row, before the constituents of FlexGroups. */
#define SYNTHETIC_SUBVOL "vol/synthetic"
#define SYNTHETIC_SEQ    (INT64_C(1) << 39)

/* Fills an empty database and store: cluster, SVM, accounts, aggregates, export
 * and snapshot policies, the root volume and the three example volumes.  Does
 * nothing when it was done before.  The store must be up. */
int seed_model(const char *dir, sqlite3 *db);

/* Makes the folder of the synthetic volumes, if there are to be any.  0 or -1. */
int seed_synthetic(const char *dir, sqlite3 *db);

/* Replaces the data LIFs by count ones with the addresses of this attempt (see
 * net.h).  Inside the caller's transaction.  0 or -EIO. */
int seed_lifs(const char *dir, sqlite3 *db, int attempt, int count);

/* Writes DIR/backend.json and DIR/accounts.json (0600). */
int seed_files(const char *dir, sqlite3 *db);

#endif
