#include "tests/sim/cert.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "tests/sim/util.h"

#define DAY 86400

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	static const unsigned char loopback[4] = { 127, 0, 0, 1 };
	unsigned char serial[16];
	unsigned char id[64];
	size_t id_len = sizeof(id);
	time_t now = time(NULL);
	int r;

	sim_random(serial, sizeof(serial));
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive, full length */

	if ((r = gnutls_x509_crt_set_version(crt, 3)) < 0 ||
	    (r = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial))) < 0 ||
	    (r = gnutls_x509_crt_set_dn(crt, "CN=ontapsim,O=ontapfs", NULL)) < 0 ||
	    (r = gnutls_x509_crt_set_activation_time(crt, now - DAY)) < 0 ||
	    (r = gnutls_x509_crt_set_expiration_time(crt, now + 3650L * DAY)) < 0 ||
	    (r = gnutls_x509_crt_set_key(crt, key)) < 0 ||
	    (r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9,
	                                              GNUTLS_FSAN_SET)) < 0 ||
	    (r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, loopback,
	                                              sizeof(loopback), GNUTLS_FSAN_APPEND)) < 0 ||
	    (r = gnutls_x509_crt_set_basic_constraints(crt, 1, -1)) < 0 ||
	    (r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE |
	                                                    GNUTLS_KEY_KEY_CERT_SIGN)) < 0 ||
	    (r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
	    (r = gnutls_x509_crt_get_key_id(crt, 0, id, &id_len)) < 0 ||
	    (r = gnutls_x509_crt_set_subject_key_id(crt, id, id_len)) < 0 ||
	    (r = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0)) < 0)
		return r;
	return 0;
}

int cert_make(const char *cert_path, const char *key_path)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t key_pem = { 0 }, crt_pem = { 0 };
	int r, w = 0;

	if ((r = gnutls_x509_privkey_init(&key)) == 0 && (r = gnutls_x509_crt_init(&crt)) == 0 &&
	    (r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
	                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0)) == 0 &&
	    (r = fill(crt, key)) == 0 &&
	    (r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem)) == 0 &&
	    (r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem)) == 0) {
		w = sim_write_file(key_path, key_pem.data, key_pem.size, 0600);
		if (w == 0)
			w = sim_write_file(cert_path, crt_pem.data, crt_pem.size, 0644);
	}
	if (key_pem.data)
		memset(key_pem.data, 0, key_pem.size);
	gnutls_free(key_pem.data);
	gnutls_free(crt_pem.data);
	if (crt)
		gnutls_x509_crt_deinit(crt);
	if (key)
		gnutls_x509_privkey_deinit(key);
	if (r < 0)
		return sim_err("cannot make the TLS certificate: %s", gnutls_strerror(r));
	if (w < 0)
		return sim_err("cannot write %s: %s", cert_path, strerror(-w));
	return 0;
}
