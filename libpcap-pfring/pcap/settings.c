/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settings.c - what a program sets on a handle that is not active yet.
 *
 * The real library judges each call (its codes and texts are the answer);
 * what it accepted is remembered, because it cannot be asked back and the
 * ring wants it too.
 */
#include "overlay.h"

#define SETTING(call, member)                                                                      \
	PFRO_EXPORT int call(pcap_t *p, int value)                                                 \
	{                                                                                          \
		struct pfro_handle *h = pfro_find(p);                                              \
		int rc = REAL(call)(p, value);                                                     \
                                                                                                   \
		/* A warning (a time stamp type that the device has not) leaves the old value. */  \
		if (h && rc == 0)                                                                  \
			h->member = value;                                                         \
		return rc;                                                                         \
	}

SETTING(pcap_set_snaplen, snaplen)
SETTING(pcap_set_promisc, promisc)
SETTING(pcap_set_timeout, timeout)
SETTING(pcap_set_immediate_mode, immediate)
SETTING(pcap_set_rfmon, rfmon)
SETTING(pcap_set_tstamp_type, tstamp_type)
SETTING(pcap_set_protocol_linux, protocol)

PFRO_EXPORT int pcap_set_buffer_size(pcap_t *p, int value)
{
	struct pfro_handle *h = pfro_find(p);
	int rc = REAL(pcap_set_buffer_size)(p, value);

	/* Sizes that make no sense are accepted and leave the old one. */
	if (h && rc == 0 && value > 0)
		h->buffer_size = value;
	return rc;
}
