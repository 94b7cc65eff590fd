/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapcloser.h - closes libpcap's handles where a signal handler may not.
 *
 * pfring_close() may be called in a handler; pcap_close() frees memory and may
 * not: the handler may have interrupted malloc() itself. A thread of ours, one
 * per process, calls it instead, and pfring_close() waits for it a while.
 */
#ifndef PFRI_PCAPCLOSER_H
#define PFRI_PCAPCLOSER_H

#include "backend.h"
#include "pcaplib.h"

struct pfri_pcapclosing;

/* Gets ready to close p one day. NULL with the reason told. Not for handlers. */
struct pfri_pcapclosing *pfri_pcapcloser_new(const struct pfri_pcaplib *lib, pcap_t *p);

/*
 * Closes the handle and frees c. Any thread, any signal handler. When it
 * returns the handle is closed, or will be within moments of the interrupted
 * call's end.
 */
void pfri_pcapcloser_close(struct pfri_pcapclosing *c);

#endif /* PFRI_PCAPCLOSER_H */
