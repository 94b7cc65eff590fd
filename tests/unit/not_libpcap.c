/* SPDX-License-Identifier: BSD-3-Clause */
/* Libraries that pcaplib.c must refuse: our overlay, and something that lacks every call. */
#ifdef OVERLAY
const char pfring_overlay_version[] = "5.4.4";
#else
int pcap_nothing(void);
int pcap_nothing(void)
{
	return 0;
}
#endif
