/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * activate.c - the moment in which a handle becomes ours or stays the real one's.
 *
 * Our ring is opened first; when that fails nothing has happened and the real
 * library captures, or says why it cannot. Then the real handle is activated
 * too, as a shadow: promiscuity, link types, time stamp lists, warnings and
 * error texts, and the code generator's VLAN handling come from it. So that it
 * costs nothing it listens to an EtherType that nobody sends, on one small
 * block.
 */
#include <pcap/dlt.h>
#include <stdarg.h>

#include "overlay.h"

#define SHADOW_PROTOCOL 0x88b5 /* local experimental EtherType, IEEE 802 */
#define DEFAULT_BUFFER  (2 * 1024 * 1024)

char *pcap_geterr(pcap_t *p);

int pfro_error(pcap_t *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pcap_geterr(p), PCAP_ERRBUF_SIZE, fmt, ap);
	va_end(ap);
	return PCAP_ERROR;
}

/* What only the real library does. The reason goes to h->why. */
static bool drivable(struct pfro_handle *h)
{
	const char *no = NULL;

	if (pfro_env_refuses())
		no = "PCAP_NO_PF_RING is set";
	else if (!strcmp(h->device, "any"))
		no = "\"any\" is cooked capture";
	else if (h->rfmon)
		no = "monitor mode";
	else if (h->protocol)
		no = "a protocol was set";
	else if (h->tstamp_type > PCAP_TSTAMP_HOST_HIPREC)
		no = "the adapter's time stamps were asked for";
	if (no)
		snprintf(h->why, sizeof(h->why), "%s", no);
	return !no;
}

static pfring *open_ring(struct pfro_handle *h)
{
	struct pfring_open_options opt = {
		.sz = sizeof(opt),
		.caplen = h->snaplen > 0 && h->snaplen <= MAX_CAPLEN ? (u_int32_t)h->snaplen : 0,
		.flags = (h->promisc ? PF_RING_PROMISC : 0) | pfro_env_flags(),
		.timeout_ms = h->timeout > 0 ? h->timeout : 0,
		.immediate = h->immediate != 0,
		.buffer_bytes = h->buffer_size > 0 ? (u_int64_t)h->buffer_size : 0,
	};
	pfring *ring = pfring_open_opts(h->device, &opt);

	if (!ring) {
		snprintf(h->why, sizeof(h->why), "%s", pfring_last_error());
		return NULL;
	}
	if (pfring_get_link_type(ring) != DLT_EN10MB) {
		snprintf(h->why, sizeof(h->why), "the device has no Ethernet headers");
		pfring_close(ring);
		return NULL;
	}
	return ring;
}

/* Everything that may fail before packets flow. 0, or the ring is of no use. */
static int prepare(struct pfro_handle *h, pfring *ring)
{
	int rc = 0;

	if (h->appname[0])
		pfring_set_application_name(ring, h->appname);
	if (h->immediate)
		pfring_set_poll_watermark(ring, 1);
	else if (h->watermark)
		pfring_set_poll_watermark(ring, h->watermark);
	if (h->direction == PCAP_D_IN)
		rc = pfring_set_direction(ring, rx_only_direction);
	if (!rc && h->cluster_id >= 0)
		rc = pfring_set_cluster(ring, (u_int)h->cluster_id, h->cluster);
	if (rc)
		snprintf(h->why, sizeof(h->why), "%s", pfring_last_error());
	return rc;
}

PFRO_EXPORT int pcap_activate(pcap_t *p)
{
	struct pfro_handle *h = pfro_find(p);
	pfring *ring;
	int rc;

	if (!h || h->ring)
		return REAL(pcap_activate)(p);
	pfro_env_read(h);
	ring = drivable(h) ? open_ring(h) : NULL;
	if (ring && prepare(h, ring)) {
		pfring_close(ring);
		ring = NULL;
	}
	if (!ring) {
		rc = REAL(pcap_activate)(p);
		if (rc >= 0)
			pfro_tell(h);
		return rc;
	}
	REAL(pcap_set_buffer_size)(p, 1);
	REAL(pcap_set_immediate_mode)(p, 0);
	REAL(pcap_set_protocol_linux)(p, SHADOW_PROTOCOL);
	rc = REAL(pcap_activate)(p);
	if (rc >= 0 && pfring_enable_ring(ring) < 0)
		rc = pfro_error(p, "%s", pfring_last_error());
	if (rc < 0) {
		/* The program may change its mind and activate again. */
		REAL(pcap_set_buffer_size)(p, h->buffer_size > 0 ? h->buffer_size : DEFAULT_BUFFER);
		REAL(pcap_set_immediate_mode)(p, h->immediate);
		REAL(pcap_set_protocol_linux)(p, 0);
		pfring_close(ring);
		return rc;
	}
	h->nano = pcap_get_tstamp_precision(p) == PCAP_TSTAMP_PRECISION_NANO;
	h->ring = ring;
	pfro_tell(h);
	return rc;
}

/*
 * As the real one is made of the same four calls; when activation fails the
 * real one is run for its error text.
 */
PFRO_EXPORT pcap_t *pcap_open_live(const char *device, int snaplen, int promisc, int to_ms,
				   char *errbuf)
{
	pcap_t *p = pcap_create(device, errbuf);

	if (!p)
		return NULL;
	if (pcap_set_snaplen(p, snaplen) < 0 || pcap_set_promisc(p, promisc) < 0 ||
	    pcap_set_timeout(p, to_ms) < 0 || pcap_activate(p) < 0) {
		pcap_close(p);
		return REAL(pcap_open_live)(device, snaplen, promisc, to_ms, errbuf);
	}
	return p;
}

PFRO_EXPORT void pcap_close(pcap_t *p)
{
	struct pfro_handle *h = pfro_find(p);

	if (h) {
		if (h->ring)
			pfring_close(h->ring);
		pfro_remove(h);
	}
	REAL(pcap_close)(p);
}
