/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring_pcap.h - what our libpcap.so adds to the system's pcap.h.
 *
 * Programs written for PF_RING's libpcap find these through <pcap.h> when
 * compiled with -I<prefix>/include/pcap-pfring in front.
 * All return 0, or PCAP_ERROR (-1) with the reason in pcap_geterr(), also on
 * handles that the system's libpcap serves.
 */
#ifndef PFRING_PCAP_H
#define PFRING_PCAP_H

#include <pfring.h>
#include <pcap/bpf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Programs test it to know that these calls are there. */
#define PF_RING_PCAP 1

struct pcap;

/*
 * What callbacks and pcap_next_ex() on a ring are really given: the header
 * that they declare, and behind it the nanoseconds within the second, whatever
 * the handle's precision. Only for packets of such handles.
 */
struct ns_pcaphdr {
	struct timeval ts;
	bpf_u_int32 caplen;
	bpf_u_int32 len;
	u_int64_t ns;
};

int pcap_get_pfring_id(struct pcap *p);
/* The ring under the handle; it stays the handle's. NULL if there is none. */
pfring *pcap_get_pfring_handle(struct pcap *p);
int pcap_set_application_name(struct pcap *p, char *name);
/*
 * PF_RING's has two arguments, per flow, and no header: programs declare it for
 * themselves, so the macro leaves that form alone. A third argument is the type.
 */
int pcap_set_cluster(struct pcap *p, u_int cluster_id);
int pcap_set_cluster_type(struct pcap *p, u_int cluster_id, cluster_type type);
#define PFRING_PCAP_FOURTH(a, b, c, name, ...) name
#define pcap_set_cluster(...)                                                                      \
	PFRING_PCAP_FOURTH(__VA_ARGS__, pcap_set_cluster_type, pcap_set_cluster, 0)(__VA_ARGS__)
int pcap_set_watermark(struct pcap *p, u_int watermark);
int pcap_set_poll_watermark_timeout(struct pcap *p, u_int timeout_ms);
/* Rings do not follow a master here: these always fail. pcap_set_cluster() shares a device. */
int pcap_set_master_id(struct pcap *p, u_int32_t master_id);
int pcap_set_master(struct pcap *p, struct pcap *master);

/* Ours: 64-bit books; and the path taken ("libpcap" if not ours) with the reason. */
int pcap_stats64(struct pcap *p, struct pfring_stats64 *stats);
const char *pcap_get_backend(struct pcap *p, const char **why);

#ifdef __cplusplus
}
#endif

#endif /* PFRING_PCAP_H */
