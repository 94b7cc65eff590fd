/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.c - everything else that a program does with an active handle.
 *
 * Where the real library's verdict matters (is this program valid, may this
 * handle be set so now) its shadow is asked first, and what it accepts is done
 * on the ring.
 */
#include <fcntl.h>

#include "overlay.h"

PFRO_EXPORT int pcap_setfilter(pcap_t *p, struct bpf_program *fp)
{
	struct pfro_handle *h = pfro_live(p);
	int rc;

	/* An error that waits on the shadow's socket would be taken for a failure of this call. */
	if (h)
		pfro_hear_of_interface(h);
	rc = REAL(pcap_setfilter)(p, fp);
	/* It may have come in between; the failure has taken it off. */
	if (h && rc < 0)
		rc = REAL(pcap_setfilter)(p, fp);
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
	packet_direction want = d == PCAP_D_IN	  ? rx_only_direction
				: d == PCAP_D_OUT ? tx_only_direction
						  : rx_and_tx_direction;

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
	/*
	 * As libpcap counts: received is what the kernel's filter let pass, lost or
	 * not, and refused later in user space or not. ifdrop is the shadow's.
	 */
	ps->ps_recv = (u_int)(st.recv + st.drop + st.filtered_user);
	ps->ps_drop = (u_int)st.drop;
	return rc;
}

/*
 * The real handle knows the mode, also where it came about by a negative
 * time-out. Its flag on the descriptor is for sending.
 */
void pfro_nonblock_update(struct pfro_handle *h)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	int fd = pfring_get_selectable_fd(h->ring), flags = fcntl(fd, F_GETFL);

	h->nonblock = REAL(pcap_getnonblock)(h->pcap, errbuf) > 0;
	if (flags >= 0)
		fcntl(fd, F_SETFL, h->nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

PFRO_EXPORT int pcap_setnonblock(pcap_t *p, int nonblock, char *errbuf)
{
	struct pfro_handle *h = pfro_live(p);
	int rc = REAL(pcap_setnonblock)(p, nonblock, errbuf);

	if (h && rc >= 0)
		pfro_nonblock_update(h);
	return rc;
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

PFRO_EXPORT int pcap_inject(pcap_t *p, const void *buf, size_t size)
{
	struct pfro_handle *h = pfro_live(p);
	int rc;

	/* Sizes that cannot be are told by the real library, in its words. */
	if (!h || !size || size > INT32_MAX)
		return REAL(pcap_inject)(p, buf, size);
	rc = size > MAX_CAPLEN ? -EMSGSIZE : pfring_send(h->ring, buf, (u_int)size, 1);
	if (rc < 0)
		return pfro_error(p, "send: %s", pcap_strerror(-rc));
	return rc;
}

PFRO_EXPORT int pcap_sendpacket(pcap_t *p, const u_char *buf, int size)
{
	if (!pfro_live(p) || size <= 0)
		return REAL(pcap_sendpacket)(p, buf, size);
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
