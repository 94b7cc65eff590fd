/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * producer.c - emits the capture program; see producer.h.
 *
 * It runs in the kernel with bottom halves off, so a lane has one producer at
 * a time: the CPU whose number it bears. The letters are those of
 * <linux/pf_ring_lane.h>. Registers:
 *
 *      R6  context        R7  bytes of the frame to copy
 *      R8  the lane       R9  the record
 *
 * and on the stack what must outlive a helper call.
 */
#include "producer.h"

#include <stddef.h>

#include "backend.h"
#include "bpf_translate.h"

#define CTX BPF_REG_6
#define COPY BPF_REG_7
#define LANE BPF_REG_8
#define REC BPF_REG_9
#define FP BPF_REG_10

#define SLOT_CPU (-4)
#define SLOT_SIZE (-16) /* of the record */
#define SLOT_TAG (-24)	/* bytes that the put-back tag adds: 0 or 4 */
#define SLOT_NEXT (-32) /* where in the pool the next segment lies */
#define SLOT_KEY (-36)	/* of the pool's array */
#define SLOT_MARK (-40) /* 0 or PFR_REC_DECIDED */

#define ADDRESSES 12
#define TAG_LEN 4

/* Shorter frames cannot be two segments: two TCP headers' worth and the smallest MSS. */
#define MIN_GSO_FRAME 128

#define PROD_FIELD(f) ((int)offsetof(struct pfr_lane_prod, f))
#define CONS_FIELD(f) (4096 + (int)offsetof(struct pfr_lane_cons, f))
#define FREE_FIELD (4096 + (int)offsetof(struct pfr_lane_cons, free))
#define REC_FIELD(f) ((int)offsetof(struct pfr_rec, f))
#define SKB(f) ((int)offsetof(struct __sk_buff, f))

/* Newer than the oldest headers we build with. */
#define FUNC_KTIME_GET_TAI_NS 208
#define ATOMIC_FETCH 1

/* How often a CPU whose free segment was taken away under its eyes tries another. */
#define CLAIMS 4

/* Up to so many jumps to one place. */
struct exits {
	unsigned n, jump[16];
};

static void leave(struct exits *x, unsigned jump)
{
	x->jump[x->n++] = jump;
}

static void land_all(struct pfri_ebpf *e, const struct exits *x)
{
	for (unsigned i = 0; i < x->n; i++)
		ebpf_land(e, x->jump[i]);
}

/* COPY = min(verdict in COPY, length, caplen); SLOT_TAG = room for a stripped tag. */
static void size_up(struct pfri_ebpf *e, uint32_t caplen, struct exits *out)
{
	/* The addresses are always copied, so that the tag has a place behind them. */
	int32_t tagged_max = caplen > ADDRESSES + TAG_LEN ? (int32_t)caplen - TAG_LEN : ADDRESSES;
	unsigned over, under, none, cut, done;

	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(len));
	over = ebpf_jump_if(e, BPF_JLE, COPY, BPF_REG_1);
	ebpf_alu64(e, BPF_MOV, COPY, BPF_REG_1);
	ebpf_land(e, over);

	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_present));
	none = ebpf_jump32_if_imm(e, BPF_JEQ, BPF_REG_1, 0);
	cut = ebpf_jump_if_imm(e, BPF_JLT, COPY, ADDRESSES);
	ebpf_alu64_imm(e, BPF_MOV, REC, TAG_LEN);
	over = ebpf_jump_if_imm(e, BPF_JLE, COPY, tagged_max);
	ebpf_alu64_imm(e, BPF_MOV, COPY, tagged_max);
	done = ebpf_jump(e);
	ebpf_land(e, cut);
	ebpf_land(e, none);
	ebpf_alu64_imm(e, BPF_MOV, REC, 0);
	under = ebpf_jump_if_imm(e, BPF_JLE, COPY, (int32_t)caplen);
	ebpf_alu64_imm(e, BPF_MOV, COPY, (int32_t)caplen);
	ebpf_land(e, under);
	ebpf_land(e, over);
	ebpf_land(e, done);
	/* Last: so the verifier knows, also where it thinks of paths that cannot be. */
	leave(out, ebpf_jump_if_imm(e, BPF_JLT, COPY, 1));
	ebpf_store(e, BPF_DW, FP, SLOT_TAG, REC);
}

/* LANE = this CPU's lane; a CPU without one counts its packet in lane 0. */
static void find_lane(struct pfri_ebpf *e, const struct pfri_producer *p, struct exits *out)
{
	unsigned found;

	ebpf_call(e, BPF_FUNC_get_smp_processor_id);
	ebpf_map_value(e, LANE, p->at.lanes_fd, 0);
	found = ebpf_jump_if_imm(e, BPF_JLT, BPF_REG_0, (int32_t)p->at.lanes);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_1, 1);
	ebpf_atomic64(e, BPF_ADD, LANE, PROD_FIELD(lost), BPF_REG_1);
	leave(out, ebpf_jump(e));
	ebpf_land(e, found);
	ebpf_store(e, BPF_W, FP, SLOT_CPU, BPF_REG_0);
	ebpf_alu64_imm(e, BPF_MUL, BPF_REG_0, PFR_LANE_DATA);
	ebpf_alu64(e, BPF_ADD, LANE, BPF_REG_0);
}

/*
 * What rules refuse ends here; of what they decide on no more than the snap
 * length is copied, while the library wants to see the rest whole.
 */
static void decide(struct pfri_ebpf *e, const struct pfri_producer *p, struct exits *out)
{
	struct pfri_decisions to = {0};
	unsigned sized;

	pfri_decide_emit(e, p->decider, &to);
	if (to.refused.n) {
		pfri_land_all(e, &to.refused);
		ebpf_load(e, BPF_DW, BPF_REG_1, LANE, PROD_FIELD(filtered));
		ebpf_alu64_imm(e, BPF_ADD, BPF_REG_1, 1);
		ebpf_store(e, BPF_DW, LANE, PROD_FIELD(filtered), BPF_REG_1);
		leave(out, ebpf_jump(e));
	}
	sized = 0;
	if (to.forwarded.n) {
		pfri_land_all(e, &to.forwarded);
		ebpf_store_imm(e, BPF_W, FP, SLOT_MARK, PFR_REC_DECIDED);
		size_up(e, min_val(p->caplen, p->decider->caplen), out);
		sized = ebpf_jump(e);
	}
	pfri_land_all(e, &to.undecided);
	ebpf_store_imm(e, BPF_W, FP, SLOT_MARK, 0);
	size_up(e, p->caplen, out);
	if (to.forwarded.n)
		ebpf_land(e, sized);
}

/* REC = the byte of the pool whose number is in the lane's field at. */
static void locate(struct pfri_ebpf *e, const struct pfri_producer *p, struct exits *full)
{
	ebpf_load(e, BPF_DW, BPF_REG_0, LANE, PROD_FIELD(at));
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_0, -PFR_REC_ALIGN);
	if (p->at.chunks == 1) {
		/* Ours, and right; but the verifier does not know. */
		leave(full, ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_0, (int32_t)p->at.chunk));
		ebpf_map_value(e, REC, p->at.pool_fd, 0);
		ebpf_alu64(e, BPF_ADD, REC, BPF_REG_0);
		return;
	}
	ebpf_alu64(e, BPF_MOV, REC, BPF_REG_0);
	ebpf_alu64_imm(e, BPF_AND, REC, (int32_t)p->at.chunk - 1);
	ebpf_alu64_imm(e, BPF_RSH, BPF_REG_0, __builtin_ctzll(p->at.chunk));
	ebpf_store(e, BPF_W, FP, SLOT_KEY, BPF_REG_0);
	ebpf_map(e, BPF_REG_1, p->at.pool_fd);
	ebpf_alu64(e, BPF_MOV, BPF_REG_2, FP);
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_2, SLOT_KEY);
	ebpf_call(e, BPF_FUNC_map_lookup_elem);
	leave(full, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_0, 0));
	ebpf_alu64(e, BPF_ADD, REC, BPF_REG_0);
}

/* E, pairs with D: what was written before is seen by who sees the position. Uses R5. */
static void store_prod(struct pfri_ebpf *e, uint8_t position)
{
#if defined(__x86_64__) || defined(__i386__)
	/* Stores are seen in their order here. */
	ebpf_store(e, BPF_DW, LANE, PROD_FIELD(prod), position);
#else
	ebpf_alu64(e, BPF_MOV, BPF_REG_5, position);
	ebpf_atomic64(e, BPF_XCHG, LANE, PROD_FIELD(prod), BPF_REG_5);
#endif
}

/* R2 = the bit of a segment that was free and is this lane's now. */
static void claim(struct pfri_ebpf *e, const struct pfri_producer *p, struct exits *full)
{
	struct exits got = {0};

	ebpf_map_value(e, REC, p->at.lanes_fd, 0);
	if (p->at.groups > 1) {
		ebpf_load(e, BPF_W, BPF_REG_0, FP, SLOT_CPU);
		ebpf_alu64_imm(e, BPF_MOD, BPF_REG_0, (int32_t)p->at.groups);
		leave(full, ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_0, (int32_t)p->at.groups));
		ebpf_alu64_imm(e, BPF_MUL, BPF_REG_0, PFR_LANE_DATA);
		ebpf_alu64(e, BPF_ADD, REC, BPF_REG_0);
	}
	for (int i = 0; i < CLAIMS; i++) {
		ebpf_load(e, BPF_DW, BPF_REG_1, REC, FREE_FIELD);
		leave(full, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, 0));
		ebpf_alu64(e, BPF_MOV, BPF_REG_2, BPF_REG_1);
		ebpf_alu64_imm(e, BPF_NEG, BPF_REG_2, 0);
		ebpf_alu64(e, BPF_AND, BPF_REG_2, BPF_REG_1); /* the lowest bit */
		ebpf_alu64(e, BPF_MOV, BPF_REG_3, BPF_REG_2);
		if (p->private_) {
			/* I. Nobody else takes from here; without fetching it is no acquire,
			 * but the stores that follow depend on the bit that was loaded. */
			ebpf_alu64_imm(e, BPF_NEG, BPF_REG_3, 0);
			ebpf_atomic64(e, BPF_ADD, REC, FREE_FIELD, BPF_REG_3);
			return;
		}
		ebpf_alu64_imm(e, BPF_XOR, BPF_REG_3, -1);
		ebpf_atomic64(e, BPF_AND | ATOMIC_FETCH, REC, FREE_FIELD, BPF_REG_3); /* I */
		ebpf_alu64(e, BPF_AND, BPF_REG_3, BPF_REG_2);
		leave(&got, ebpf_jump_if_imm(e, BPF_JNE, BPF_REG_3, 0));
	}
	leave(full, ebpf_jump(e));
	land_all(e, &got);
}

/* R4 = the segment whose bit is set in R2. */
static void segment_number(struct pfri_ebpf *e)
{
	ebpf_load_imm64(e, BPF_REG_4, 0, PFR_DE_BRUIJN);
	ebpf_alu64(e, BPF_MUL, BPF_REG_4, BPF_REG_2);
	ebpf_alu64_imm(e, BPF_RSH, BPF_REG_4, 58);
}

/* R2 = the position at which the next segment of the lane's sequence starts, R3 = the present. */
static void next_start(struct pfri_ebpf *e, const struct pfri_producer *p)
{
	ebpf_load(e, BPF_DW, BPF_REG_3, LANE, PROD_FIELD(prod));
	ebpf_alu64(e, BPF_MOV, BPF_REG_2, BPF_REG_3);
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_2, (int32_t)p->at.segment - 1);
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_2, -(int32_t)p->at.segment);
}

/*
 * The record does not fit into the lane's segment: takes another one. If there
 * is none, this one is closed all the same, so that no shorter packet slips in
 * behind the one that is dropped: a gap is one gap.
 */
static void next_segment(struct pfri_ebpf *e, const struct pfri_producer *p, struct exits *full)
{
	const int shift = __builtin_ctzll(p->at.segment);
	unsigned whole;

	ebpf_store_imm(e, BPF_DW, LANE, PROD_FIELD(left), 0);
	claim(e, p, full);
	segment_number(e);
	leave(full, ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_4, (int32_t)p->at.each));

	next_start(e, p);
	ebpf_alu64(e, BPF_MOV, BPF_REG_0, BPF_REG_2);
	ebpf_alu64_imm(e, BPF_RSH, BPF_REG_0, shift);
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_0, PFR_MAX_SEGMENTS - 1);
	ebpf_alu64(e, BPF_MOV, BPF_REG_1, LANE);
	ebpf_alu64(e, BPF_ADD, BPF_REG_1, BPF_REG_0);
	ebpf_store(e, BPF_B, BPF_REG_1, PROD_FIELD(place), BPF_REG_4);
	if (p->at.groups > 1) {
		ebpf_load(e, BPF_W, BPF_REG_0, FP, SLOT_CPU);
		ebpf_alu64_imm(e, BPF_MOD, BPF_REG_0, (int32_t)p->at.groups);
		ebpf_alu64_imm(e, BPF_MUL, BPF_REG_0, (int32_t)p->at.each);
		ebpf_alu64(e, BPF_ADD, BPF_REG_4, BPF_REG_0);
	}
	ebpf_alu64_imm(e, BPF_LSH, BPF_REG_4, shift);
	ebpf_store(e, BPF_DW, FP, SLOT_NEXT, BPF_REG_4);

	/* C: the rest of this one is skipped. */
	whole = ebpf_jump_if(e, BPF_JEQ, BPF_REG_2, BPF_REG_3);
	locate(e, p, full);
	ebpf_store_imm(e, BPF_W, REC, REC_FIELD(caplen), 0);
	ebpf_store_imm(e, BPF_B, REC, REC_FIELD(flags), PFR_REC_SKIP);
	next_start(e, p);
	ebpf_land(e, whole);

	ebpf_load(e, BPF_DW, BPF_REG_4, FP, SLOT_NEXT);
	ebpf_store(e, BPF_DW, LANE, PROD_FIELD(at), BPF_REG_4);
	ebpf_store_imm(e, BPF_DW, LANE, PROD_FIELD(left), (uint32_t)p->at.segment);
	store_prod(e, BPF_REG_2);
}

/* REC = where the record goes, SLOT_SIZE = its size. Full: leaves. */
static void reserve(struct pfri_ebpf *e, const struct pfri_producer *p, struct exits *full)
{
	unsigned fits;

	ebpf_alu64(e, BPF_MOV, BPF_REG_1, COPY);
	ebpf_load(e, BPF_DW, BPF_REG_2, FP, SLOT_TAG);
	ebpf_alu64(e, BPF_ADD, BPF_REG_1, BPF_REG_2);
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_1, sizeof(struct pfr_rec) + PFR_REC_ALIGN - 1);
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_1, -PFR_REC_ALIGN);
	ebpf_store(e, BPF_DW, FP, SLOT_SIZE, BPF_REG_1);
	ebpf_load(e, BPF_DW, BPF_REG_2, LANE, PROD_FIELD(left));
	fits = ebpf_jump_if(e, BPF_JLE, BPF_REG_1, BPF_REG_2);
	next_segment(e, p, full);
	ebpf_land(e, fits);
	locate(e, p, full);
}

/* C: the record's header. */
static void describe(struct pfri_ebpf *e, const struct pfri_producer *p)
{
	static const int clocks[] = {
		[PFRI_CLOCK_TAI] = FUNC_KTIME_GET_TAI_NS,
		[PFRI_CLOCK_MONOTONIC] = BPF_FUNC_ktime_get_ns,
		[PFRI_CLOCK_COARSE] = BPF_FUNC_ktime_get_coarse_ns,
	};
	unsigned untagged, small, alone, fits;

	ebpf_call(e, clocks[p->clock]);
	ebpf_store(e, BPF_DW, REC, REC_FIELD(ts_ns), BPF_REG_0);
	ebpf_load(e, BPF_DW, BPF_REG_3, FP, SLOT_TAG);
	ebpf_alu64(e, BPF_MOV, BPF_REG_1, COPY);
	ebpf_alu64(e, BPF_ADD, BPF_REG_1, BPF_REG_3);
	if (p->caplen < ADDRESSES + TAG_LEN) {
		fits = ebpf_jump_if_imm(e, BPF_JLE, BPF_REG_1, (int32_t)p->caplen);
		ebpf_alu64_imm(e, BPF_MOV, BPF_REG_1, (int32_t)p->caplen);
		ebpf_land(e, fits);
	}
	ebpf_store(e, BPF_W, REC, REC_FIELD(caplen), BPF_REG_1);
	ebpf_load(e, BPF_W, BPF_REG_4, CTX, SKB(len));
	ebpf_alu64(e, BPF_MOV, BPF_REG_1, BPF_REG_4);
	ebpf_alu64(e, BPF_ADD, BPF_REG_1, BPF_REG_3);
	ebpf_store(e, BPF_W, REC, REC_FIELD(len), BPF_REG_1);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(ifindex));
	ebpf_store(e, BPF_W, REC, REC_FIELD(ifindex), BPF_REG_1);
	ebpf_store_imm(e, BPF_W, REC, REC_FIELD(hash), p->generation);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(pkt_type));
	ebpf_store(e, BPF_B, REC, REC_FIELD(pkttype), BPF_REG_1);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(queue_mapping));
	ebpf_store(e, BPF_H, REC, REC_FIELD(queue), BPF_REG_1);

	if (p->decider)
		ebpf_load(e, BPF_W, BPF_REG_5, FP, SLOT_MARK);
	else
		ebpf_alu64_imm(e, BPF_MOV, BPF_REG_5, 0);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_1, 0);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_2, 0);
	untagged = ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_3, 0);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_tci));
	ebpf_load(e, BPF_W, BPF_REG_2, CTX, SKB(vlan_proto));
	ebpf_be16(e, BPF_REG_2);
	ebpf_alu64_imm(e, BPF_OR, BPF_REG_5, PFR_REC_VLAN);
	ebpf_land(e, untagged);
	ebpf_store(e, BPF_H, REC, REC_FIELD(vlan_tci), BPF_REG_1);
	ebpf_store(e, BPF_H, REC, REC_FIELD(vlan_tpid), BPF_REG_2);
	small = ebpf_jump_if_imm(e, BPF_JLE, BPF_REG_4, MIN_GSO_FRAME);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(gso_size));
	alone = ebpf_jump32_if_imm(e, BPF_JEQ, BPF_REG_1, 0);
	ebpf_alu64_imm(e, BPF_OR, BPF_REG_5, PFR_REC_GSO);
	ebpf_land(e, alone);
	ebpf_land(e, small);
	ebpf_store(e, BPF_B, REC, REC_FIELD(flags), BPF_REG_5);
}

/*
 * C: the bytes. With a tag they are copied four bytes further on, then the two
 * addresses move back and the tag goes between.
 */
static void copy(struct pfri_ebpf *e, struct exits *full)
{
	const int data = sizeof(struct pfr_rec);
	unsigned untagged;

	ebpf_alu64(e, BPF_MOV, BPF_REG_1, CTX);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_2, 0);
	ebpf_load(e, BPF_DW, BPF_REG_4, FP, SLOT_TAG);
	ebpf_alu64(e, BPF_MOV, BPF_REG_3, REC);
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_3, data);
	untagged = ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_4, 0);
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_3, TAG_LEN);
	ebpf_land(e, untagged);
	ebpf_alu64(e, BPF_MOV, BPF_REG_4, COPY);
	ebpf_call(e, BPF_FUNC_skb_load_bytes);
	leave(full, ebpf_jump_if_imm(e, BPF_JNE, BPF_REG_0, 0));
	ebpf_load(e, BPF_DW, BPF_REG_1, FP, SLOT_TAG);
	untagged = ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, 0);
	for (int i = 0; i < ADDRESSES; i += 4) {
		ebpf_load(e, BPF_W, BPF_REG_1, REC, data + TAG_LEN + i);
		ebpf_store(e, BPF_W, REC, data + i, BPF_REG_1);
	}
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_proto));
	ebpf_store(e, BPF_H, REC, data + ADDRESSES, BPF_REG_1);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_tci));
	ebpf_be16(e, BPF_REG_1);
	ebpf_store(e, BPF_H, REC, data + ADDRESSES + 2, BPF_REG_1);
	ebpf_land(e, untagged);
}

/* Leaves the new position in R3. */
static void publish(struct pfri_ebpf *e)
{
	static const struct {
		int field, op;
	} steps[] = {{PROD_FIELD(at), BPF_ADD}, {PROD_FIELD(left), BPF_SUB}};

	ebpf_load(e, BPF_DW, BPF_REG_2, FP, SLOT_SIZE);
	for (unsigned i = 0; i < 2; i++) {
		ebpf_load(e, BPF_DW, BPF_REG_3, LANE, steps[i].field);
		ebpf_alu64(e, (uint8_t)steps[i].op, BPF_REG_3, BPF_REG_2);
		ebpf_store(e, BPF_DW, LANE, steps[i].field, BPF_REG_3);
	}
	ebpf_load(e, BPF_DW, BPF_REG_1, LANE, PROD_FIELD(accepted));
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_1, 1);
	ebpf_store(e, BPF_DW, LANE, PROD_FIELD(accepted), BPF_REG_1);
	ebpf_load(e, BPF_DW, BPF_REG_3, LANE, PROD_FIELD(prod));
	ebpf_alu64(e, BPF_ADD, BPF_REG_3, BPF_REG_2);
	store_prod(e, BPF_REG_3);
}

/* R3 = position. Wakes a reader that sleeps, once per sleep, when enough is there. */
static void wake(struct pfri_ebpf *e, const struct pfri_producer *p, struct exits *out)
{
	ebpf_load(e, BPF_W, BPF_REG_1, LANE, CONS_FIELD(need_wakeup)); /* F, pairs with G */
	leave(out, ebpf_jump32_if_imm(e, BPF_JEQ, BPF_REG_1, 0));
	ebpf_load(e, BPF_W, BPF_REG_2, LANE, PROD_FIELD(woken));
	leave(out, ebpf_jump32_if(e, BPF_JEQ, BPF_REG_1, BPF_REG_2));
	ebpf_load(e, BPF_DW, BPF_REG_2, LANE, CONS_FIELD(cons));
	ebpf_alu64(e, BPF_SUB, BPF_REG_3, BPF_REG_2);
	ebpf_load(e, BPF_W, BPF_REG_2, LANE, CONS_FIELD(watermark));
	leave(out, ebpf_jump_if(e, BPF_JLT, BPF_REG_3, BPF_REG_2));
	ebpf_store(e, BPF_W, LANE, PROD_FIELD(woken), BPF_REG_1);
	ebpf_load(e, BPF_DW, BPF_REG_1, LANE, PROD_FIELD(wakeups));
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_1, 1);
	ebpf_store(e, BPF_DW, LANE, PROD_FIELD(wakeups), BPF_REG_1);
	/* What is written does not matter, that something is there does. */
	ebpf_map(e, BPF_REG_1, p->at.wake_fd);
	ebpf_alu64(e, BPF_MOV, BPF_REG_2, FP);
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_2, SLOT_TAG);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_3, 8);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_4, BPF_RB_FORCE_WAKEUP);
	ebpf_call(e, BPF_FUNC_ringbuf_output);
}

static void count_drop(struct pfri_ebpf *e)
{
	ebpf_load(e, BPF_DW, BPF_REG_1, LANE, PROD_FIELD(drops));
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_1, 1);
	ebpf_store(e, BPF_DW, LANE, PROD_FIELD(drops), BPF_REG_1);
}

int pfri_producer_emit(struct pfri_ebpf *e, const struct pfri_producer *asked,
		       const struct sock_filter *filter, unsigned len)
{
	/* A record lies in one segment; only frames far beyond 64 KiB are cut by that. */
	const uint32_t most = (uint32_t)asked->at.segment - 2 * PFR_REC_ALIGN - TAG_LEN;
	const struct pfri_producer fitting =
					   {
						   .at = asked->at,
						   .private_ = asked->private_,
						   .caplen = asked->caplen < most ? asked->caplen
										  : most,
						   .generation = asked->generation,
						   .clock = asked->clock,
						   .decider = asked->decider,
					   },
				   *p = &fitting;
	struct exits out = {0}, full = {0};
	int err;

	ebpf_alu64(e, BPF_MOV, CTX, BPF_REG_1);
	err = pfri_bpf_translate(filter, len, e);
	if (err)
		return err;
	leave(&out, ebpf_jump32_if_imm(e, BPF_JEQ, BPF_REG_0, 0));
	ebpf_alu64(e, BPF_MOV, COPY, BPF_REG_0);
	find_lane(e, p, &out);
	if (p->decider)
		decide(e, p, &out);
	else
		size_up(e, p->caplen, &out);
	reserve(e, p, &full);
	describe(e, p);
	copy(e, &full);
	publish(e);
	wake(e, p, &out);
	leave(&out, ebpf_jump(e));
	land_all(e, &full);
	count_drop(e);
	land_all(e, &out);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_0, 0);
	ebpf_exit(e);
	return e->err;
}
