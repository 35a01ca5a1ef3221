/* What the driver tells over HTTP: /metrics for Prometheus, /healthz for kubelet,
 * /readyz. A thread of its own, which only reads counters. */
#ifndef MOUNTD_CSI_HTTP_H
#define MOUNTD_CSI_HTTP_H

#include "fs/base/buf.h"
#include "mountd/csi/csi.h"

struct http;
/* address is "ADDRESS:PORT", brackets around IPv6; port 0 takes a free one, which is
 * logged. NULL with a sentence in err. */
struct http *csi_http_start(const struct csi *s, const char *address, char err[256]);
void csi_http_stop(struct http *h);
/* The text of /metrics. */
void csi_http_metrics(const struct csi *s, struct buf *out);
/* Whether the loop still runs: it beats every other second. */
bool csi_http_alive(const struct csi *s);

#endif
