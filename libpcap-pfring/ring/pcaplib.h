/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcaplib.h - the system libpcap, loaded when first needed.
 *
 * Loaded by absolute path (never by bare SONAME first: that could be our own
 * overlay), RTLD_LOCAL, once per process, any thread. Importing pfring or
 * capturing without a filter never loads it. PFRING_LIBPCAP in the environment
 * names another one.
 */
#ifndef PFRI_PCAPLIB_H
#define PFRI_PCAPLIB_H

#include <pcap/pcap.h>

/* The calls we use; all are there or the table is not. */
struct pfri_pcaplib {
	pcap_t *(*open_dead)(int, int);
	int (*compile)(pcap_t *, struct bpf_program *, const char *, int, bpf_u_int32);
	void (*freecode)(struct bpf_program *);
	char *(*geterr)(pcap_t *);
	void (*close)(pcap_t *);
	pcap_t *(*create)(const char *, char *);
	int (*set_snaplen)(pcap_t *, int);
	int (*set_promisc)(pcap_t *, int);
	int (*set_timeout)(pcap_t *, int);
	int (*set_immediate_mode)(pcap_t *, int);
	int (*set_buffer_size)(pcap_t *, int);
	int (*set_tstamp_precision)(pcap_t *, int);
	int (*set_protocol_linux)(pcap_t *, int);
	int (*activate)(pcap_t *);
	const char *(*statustostr)(int);
	pcap_t *(*fopen_offline_with_tstamp_precision)(FILE *, u_int, char *);
	int (*next_ex)(pcap_t *, struct pcap_pkthdr **, const u_char **);
	int (*setnonblock)(pcap_t *, int, char *);
	int (*get_selectable_fd)(pcap_t *);
	const struct timeval *(*get_required_select_timeout)(pcap_t *);
	int (*setfilter)(pcap_t *, struct bpf_program *);
	int (*setdirection)(pcap_t *, pcap_direction_t);
	int (*stats)(pcap_t *, struct pcap_stat *);
	int (*inject)(pcap_t *, const void *, size_t);
	int (*datalink)(pcap_t *);
	int (*snapshot)(pcap_t *);
	int (*findalldevs)(pcap_if_t **, char *);
	void (*freealldevs)(pcap_if_t *);
	const char *(*lib_version)(void);
};

/* NULL with pfring_last_error() set if there is no usable libpcap. */
const struct pfri_pcaplib *pfri_pcaplib(void);

#endif /* PFRI_PCAPLIB_H */
