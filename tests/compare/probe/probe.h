/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe.h - what a program can see of libpcap, one line per observation.
 *
 *      probe TX_NAMESPACE FOLDER       inside the namespace of the capturing end
 *
 * A plain client of <pcap.h>. It runs over the system's libpcap and over ours
 * on traffic of its own (gen0 to cap0, see python/pfring/lab/netns.py), and the
 * two outputs must be the same, line by line: so it prints counts, bytes, codes
 * and texts, never a time, an address or a descriptor, and waits until what it
 * has to see has come. test_overlay_probe.py runs and compares it.
 */
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pcap.h>

#define CAPTURE "cap0"
#define TO_MS 10       /* the handles' read time-out: blocks come soon */
#define PATIENCE 30000 /* ms until what must come is missing */
#define QUIET 150      /* ms after which what must not come has not */

/* main.c */
extern const char *folder; /* for files */
extern const char *tx_namespace;
void title(const char *text); /* what the following observations are about */
void see(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The handle's error text and a place for it to be new in. */
#define SAID(p) pcap_geterr(p)
#define CODE(p, call)                                                                              \
	do {                                                                                       \
		int code_;                                                                         \
		*SAID(p) = 0;                                                                      \
		errno = 0;                                                                         \
		code_ = (call);                                                                    \
		see("%s: %d \"%s\"", #call, code_, SAID(p));                                       \
	} while (0)
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Calls fn(arg) in a thread after ms milliseconds. */
pthread_t later(int ms, void *(*fn)(void *), void *arg);

/* frames.c: numbered frames, of every kind; the number says everything about a frame. */
#define FRAME_MAX 1514
enum kind { UDP, TCP, ICMP, ARP, TAGGED, QINQ, AD_TAGGED, KINDS };
unsigned frame_make(uint8_t *frame, enum kind kind, unsigned number, unsigned length);
void send_frame(enum kind kind, unsigned number, unsigned length);
void send_frames(enum kind kind, unsigned count, unsigned length); /* numbered from 0 */
void send_each_kind(unsigned count);				   /* of each kind, mixed sizes */
void send_out(unsigned count); /* from the capturing end: outgoing there */
int arrived(void);	       /* how many frames injected at the capturing end came to gen0 */
void await_carrier(void);      /* until gen0 says that its peer is up */
void frames_open(void);

/* frames.c: packets as they come, added up. */
struct sum {
	pcap_t *p;
	unsigned count, stop_at; /* stop_at: pcap_breakloop() then; 0 never */
	uint64_t bytes, wire, hash;
};
void add(unsigned char *sum, const struct pcap_pkthdr *h, const unsigned char *data);
void see_sum(const char *what, const struct sum *sum);
/* Reads until count packets have come, or none comes any more. */
struct sum gather(pcap_t *p, unsigned count);
/* Waits until the handle has count packets in its books. */
void settle(pcap_t *p, unsigned count);
/* Reads until nothing comes any more. */
struct sum drain(pcap_t *p);

/* handles.c */
struct how {
	int snaplen, timeout, immediate, promisc, buffer, nano, nonblock;
};
pcap_t *made(const struct how *how);   /* created and set up; how NULL: the default */
pcap_t *opened(const struct how *how); /* and activated */
void filter(pcap_t *p, const char *text);
void see_datalinks(pcap_t *p);

/* The parts, each a file. */
void probe_names(void);
void probe_states(void);
void probe_activation(void);
void probe_kinds(void);
void probe_reading(void);
void probe_breakloop(void);
void probe_filters(void);
void probe_sending(void);
void probe_waiting(void);
void probe_interface(void);
void probe_processes(void);
void probe_files(void);
void probe_behind(void);

#endif /* PROBE_H */
