/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * extra.c - the calls that PF_RING's libpcap has and libpcap has not.
 *
 * Declared for programs in include/pcap-pfring/. On a handle that is not on a
 * ring they fail with PCAP_ERROR (or NULL) and say so in pcap_geterr().
 */
#include <stddef.h>

#include "overlay.h"
#include "pcap-pfring/pfring_pcap.h"

_Static_assert(sizeof(struct ns_pcaphdr) == sizeof(struct pfro_header) &&
		       offsetof(struct ns_pcaphdr, ns) == offsetof(struct pfro_header, ns),
	       "callbacks are given what the header declares");

/* PF_RING's calls set up a handle before or after its activation. */
static struct pfro_handle *known(pcap_t *p)
{
	struct pfro_handle *h = pfro_find(p);

	if (!h)
		pfro_error(p, "this handle is not on a ring of pfring's");
	return h;
}

static struct pfro_handle *live(pcap_t *p)
{
	struct pfro_handle *h = pfro_live(p);

	if (!h) {
		h = pfro_find(p);
		pfro_error(p, "this handle is not on a ring of pfring's%s%s",
			   h && h->why[0] ? ": " : "", h ? h->why : "");
		return NULL;
	}
	return h;
}

static int done(pcap_t *p, int rc)
{
	return rc < 0 ? pfro_error(p, "%s", pfring_last_error()) : 0;
}

PFRO_EXPORT int pcap_get_pfring_id(pcap_t *p)
{
	struct pfro_handle *h = live(p);

	return h ? (int)pfring_get_ring_id(h->ring) : PCAP_ERROR;
}

PFRO_EXPORT pfring *pcap_get_pfring_handle(pcap_t *p)
{
	struct pfro_handle *h = live(p);

	return h ? h->ring : NULL;
}

PFRO_EXPORT int pcap_set_application_name(pcap_t *p, char *name)
{
	struct pfro_handle *h = known(p);

	if (!h)
		return PCAP_ERROR;
	snprintf(h->appname, sizeof(h->appname), "%s", name ? name : "");
	return h->ring ? done(p, pfring_set_application_name(h->ring, h->appname)) : 0;
}

PFRO_EXPORT int pcap_set_cluster_type(pcap_t *p, u_int cluster_id, cluster_type type)
{
	struct pfro_handle *h = known(p);

	if (!h)
		return PCAP_ERROR;
	if (h->ring)
		return done(p, pfring_set_cluster(h->ring, cluster_id, type));
	h->cluster_id = (int)cluster_id;
	h->cluster = type;
	return 0;
}

PFRO_EXPORT int(pcap_set_cluster)(pcap_t *p, u_int cluster_id)
{
	return pcap_set_cluster_type(p, cluster_id, cluster_per_flow);
}

PFRO_EXPORT int pcap_set_watermark(pcap_t *p, u_int watermark)
{
	struct pfro_handle *h = known(p);

	if (!h)
		return PCAP_ERROR;
	h->watermark = (u_int16_t)min_val(watermark, 65535u);
	return h->ring ? done(p, pfring_set_poll_watermark(h->ring, h->watermark)) : 0;
}

PFRO_EXPORT int pcap_set_poll_watermark_timeout(pcap_t *p, u_int timeout_ms)
{
	struct pfro_handle *h = live(p);

	if (!h)
		return PCAP_ERROR;
	return done(p, pfring_set_poll_watermark_timeout(h->ring,
							 (u_int16_t)min_val(timeout_ms, 65535u)));
}

PFRO_EXPORT int pcap_set_master_id(pcap_t *p, u_int32_t master_id)
{
	return pfro_error(p, "a ring cannot follow ring %u; use pcap_set_cluster()", master_id);
}

PFRO_EXPORT int pcap_set_master(pcap_t *p, pcap_t *master)
{
	(void)master;
	return pfro_error(p, "a ring cannot follow another; use pcap_set_cluster()");
}

PFRO_EXPORT int pcap_stats64(pcap_t *p, struct pfring_stats64 *stats)
{
	struct pfro_handle *h = live(p);

	return h ? done(p, pfring_stats64(h->ring, stats)) : PCAP_ERROR;
}

PFRO_EXPORT const char *pcap_get_backend(pcap_t *p, const char **why)
{
	struct pfro_handle *h = pfro_find(p);

	if (h && h->ring)
		return pfring_get_backend(h->ring, why);
	if (why)
		*why = h && h->why[0] ? h->why : "not a live capture of this library's";
	return "libpcap";
}
