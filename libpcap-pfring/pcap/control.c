/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.c - everything else that a program does with an active handle.
 *
 * Where the real library's verdict matters (is this program valid, may this
 * handle be set so now) its shadow is asked first, and what it accepts is done
 * on the ring.
 */
#include "overlay.h"

PFRO_EXPORT int pcap_setfilter(pcap_t *p, struct bpf_program *fp)
{
	struct pfro_handle *h = pfro_live(p);
	int rc = REAL(pcap_setfilter)(p, fp);

	if (!h || rc < 0)
		return rc;
	if (pfring_set_bpf_program(h->ring, fp->bf_insns, fp->bf_len) < 0)
		return pfro_error(p, "%s", pfring_last_error());
	pfro_refilter(h);
	return rc;
}

PFRO_EXPORT int pcap_setdirection(pcap_t *p, pcap_direction_t d)
{
	struct pfro_handle *h = pfro_live(p);
	int rc = REAL(pcap_setdirection)(p, d);
	packet_direction want = d == PCAP_D_IN  ? rx_only_direction :
				d == PCAP_D_OUT ? tx_only_direction :
						  rx_and_tx_direction;

	if (!h || rc < 0)
		return rc;
	if (pfring_set_direction(h->ring, want) < 0)
		return pfro_error(p, "%s", pfring_last_error());
	h->direction = d;
	pfro_refilter(h);
	return rc;
}

PFRO_EXPORT int pcap_stats(pcap_t *p, struct pcap_stat *ps)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	struct pfro_handle *h = pfro_live(p);
	int rc = REAL(pcap_stats)(p, ps);

	if (!h || rc < 0)
		return rc;
	if (pfring_stats64(h->ring, &st) < 0)
		return pfro_error(p, "%s", pfring_last_error());
	/* As libpcap counts: received is what passed the filter, lost or not. ifdrop is the shadow's. */
	ps->ps_recv = (u_int)(st.recv + st.drop);
	ps->ps_drop = (u_int)st.drop;
	return rc;
}

PFRO_EXPORT int pcap_setnonblock(pcap_t *p, int nonblock, char *errbuf)
{
	struct pfro_handle *h = pfro_find(p);
	int rc = REAL(pcap_setnonblock)(p, nonblock, errbuf);

	if (h && rc >= 0)
		h->nonblock = nonblock != 0;
	return rc;
}

PFRO_EXPORT int pcap_getnonblock(pcap_t *p, char *errbuf)
{
	return REAL(pcap_getnonblock)(p, errbuf);
}

PFRO_EXPORT int pcap_get_selectable_fd(pcap_t *p)
{
	struct pfro_handle *h = pfro_live(p);

	return h ? pfring_get_selectable_fd(h->ring) : REAL(pcap_get_selectable_fd)(p);
}

PFRO_EXPORT int pcap_fileno(pcap_t *p)
{
	struct pfro_handle *h = pfro_live(p);

	return h ? pfring_get_selectable_fd(h->ring) : REAL(pcap_fileno)(p);
}

PFRO_EXPORT const struct timeval *pcap_get_required_select_timeout(pcap_t *p)
{
	/* The ring's descriptor always becomes readable: none is required, as on the real one. */
	return pfro_live(p) ? NULL : REAL(pcap_get_required_select_timeout)(p);
}

PFRO_EXPORT int pcap_inject(pcap_t *p, const void *buf, size_t size)
{
	struct pfro_handle *h = pfro_live(p);
	int rc;

	if (!h)
		return REAL(pcap_inject)(p, buf, size);
	if (size > INT32_MAX)
		return pfro_error(p, "More than %d bytes cannot be injected", INT32_MAX);
	rc = pfring_send(h->ring, buf, (u_int)size, 1);
	if (rc < 0)
		return pfro_error(p, "send: %s", pcap_strerror(-rc));
	return rc;
}

PFRO_EXPORT int pcap_sendpacket(pcap_t *p, const u_char *buf, int size)
{
	if (!pfro_live(p))
		return REAL(pcap_sendpacket)(p, buf, size);
	if (size <= 0)
		return pfro_error(p, "The number of bytes to be sent must be positive");
	return pcap_inject(p, buf, (size_t)size) < 0 ? PCAP_ERROR : 0;
}

PFRO_EXPORT const char *pcap_lib_version(void)
{
	static char text[512];
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&once);
	if (!text[0])
		snprintf(text, sizeof(text), "%s, over libpfring %s", REAL(pcap_lib_version)(),
			 RING_VERSION);
	pthread_mutex_unlock(&once);
	return text;
}
