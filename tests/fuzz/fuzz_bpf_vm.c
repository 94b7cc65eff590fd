/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cBPF machine: whatever the check lets pass ends, and reads nothing but
 * the packet. Input: one byte of flags, one byte number of instructions, these
 * (8 bytes each), and the rest is the packet.
 */
#include "bpf_vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sock_filter f[256];
	struct pfring_packet pkt = {.if_index = 1, .vlan_tci = 5, .vlan_tpid = 0x8100};
	unsigned len;

	if (size < 2)
		return 0;
	len = data[1];
	if (size - 2 < len * sizeof(*f))
		return 0;
	memcpy(f, data + 2, len * sizeof(*f));
	pkt.data = data + 2 + len * sizeof(*f);
	pkt.caplen = (u_int32_t)(size - 2 - len * sizeof(*f));
	pkt.len = pkt.caplen + (data[0] >> 2);
	pkt.flags = data[0] & 1 ? PKT_FLAGS_VLAN_HWACCEL : 0;
	if (pfri_bpf_check(f, len) < 0)
		return 0;
	pfri_bpf_run(f, &pkt, data[0] & 2);
	return 0;
}
