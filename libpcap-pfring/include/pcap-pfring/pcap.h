/* SPDX-License-Identifier: BSD-3-Clause */
/* The system's <pcap.h>, and what our libpcap.so adds to it. */
#include_next <pcap.h>
#include "pfring_pcap.h"
