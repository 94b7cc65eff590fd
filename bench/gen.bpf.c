// SPDX-License-Identifier: BSD-3-Clause
/*
 * gen.bpf.c - numbers live frames and sends them out of the device.
 *
 * Run by gen.c through BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES: the
 * kernel makes the frames from a page pool, this program is called on each,
 * and XDP_TX puts it on the wire. The only generator that is faster than the
 * receivers. Single threaded: one loader, one array, one CPU.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "frame.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gen_state);
} state SEC(".maps");

struct wait {
	__u64 until;
};

/* 2^17 turns of some 20 ns: longer than any slice at the lowest rate that is paced here. */
#define SPIN_MAX (1u << 17)

static long spin(__u32 i, struct wait *w)
{
	(void)i;
	return bpf_ktime_get_ns() >= w->until;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct gen_state *g;
	__u32 zero = 0;
	__u64 seq;

	g = bpf_map_lookup_elem(&state, &zero);
	if (!g || data + FRAME_MIN > end)
		return XDP_ABORTED;
	seq = g->seq++;
	if (!(seq % SLICE_FRAMES)) {
		__u64 now = bpf_ktime_get_ns();

		if (!seq)
			g->start_ns = now;
		g->slice[(seq / SLICE_FRAMES) % SLICE_MAX] = now;
	}
	/* Frames leave in the kernel's batches of 64, so pacing each one would be lost labour. */
	if (g->period_q20 && !(seq % 32)) {
		struct wait w = {g->start_ns + ((seq * g->period_q20) >> 20)};
		__u64 from = bpf_ktime_get_ns();

		if (from < w.until) {
			bpf_loop(SPIN_MAX, spin, &w, 0);
			g->spun_ns += bpf_ktime_get_ns() - from;
		}
	}
	*(__u32 *)(data + FRAME_OFF_MAGIC) = FRAME_MAGIC;
	*(__u32 *)(data + FRAME_OFF_FLOW) = g->flow;
	*(__u64 *)(data + FRAME_OFF_SEQ) = seq;
	if (g->flows)
		*(__u16 *)(data + FRAME_OFF_SPORT) =
			__builtin_bswap16(FRAME_SPORT + seq % g->flows);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
