/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sieve.c - which of the packets that a backend hands up the program gets, and
 * how much of each: what no backend does by itself. User-space filters,
 * direction, rules, sampling, the snap length; and all of that again, or only
 * now, for packets that a newer filter finds waiting.
 *
 * Called by receive.c and by those who change a setting, with the handle held.
 */
#include "bpf_vm.h"
#include "handle.h"
#include "rules.h"

/* Whether the program may keep less of a packet than the snap length. */
static bool program_cuts(const struct pfri_ring *r)
{
	for (u_int i = 0; i < r->prog.len; i++) {
		const struct sock_filter *f = &r->prog.insn[i];

		if (BPF_CLASS(f->code) == BPF_RET &&
		    (BPF_RVAL(f->code) != BPF_K || (f->k && f->k < r->opt.caplen)))
			return true;
	}
	return false;
}

void pfri_soft_update(struct pfri_ring *r)
{
	u_int soft = 0;

	if (r->prog.len && r->refilter != PFRI_REFILTER_NONE)
		soft |= PFRI_SOFT_FILTER;
	if (r->whole) {
		soft |= PFRI_SOFT_CAPLEN;
		if (program_cuts(r))
			soft |= PFRI_SOFT_FILTER;
	}
	if (pfri_rules_active(r->rules))
		soft |= PFRI_SOFT_RULES;
	if (r->direction != rx_and_tx_direction)
		soft |= PFRI_SOFT_DIRECTION;
	if (r->sampling > 1 && !r->sampled_below)
		soft |= PFRI_SOFT_SAMPLING;
	if (r->opt.caplen < r->longest && !(r->ops->caps & PFRI_CAP_CUTS))
		soft |= PFRI_SOFT_CAPLEN;
	if (r->choice.queues != RING_ANY_CHANNEL || r->choice.vlan >= 0)
		soft |= PFRI_SOFT_CHOICE;
	if (r->choice.slice != FULL_PACKET_SLICING)
		soft |= PFRI_SOFT_SLICE;
	if (r->trailer)
		soft |= PFRI_SOFT_TRAILER;
	r->soft = soft;
}

static bool wanted_direction(const struct pfri_ring *r, const struct pfring_packet *p)
{
	return r->direction == rx_only_direction ? p->rx_direction : !p->rx_direction;
}

u_int pfri_keeps(const struct pfri_ring *r, const struct pfring_packet *p)
{
	const bool view = r->ops->caps & PFRI_CAP_KERNEL_VIEW;
	u_int keep = pfri_bpf_run(r->prog.insn, p, view);

	/* The verdict counts bytes as the program saw them: without the tag. */
	if (view && (p->flags & PKT_FLAGS_VLAN_HWACCEL) &&
	    keep >= (p->vlan_at ? p->vlan_at : 12u) && keep < MAX_CAPLEN)
		keep += 4;
	return keep;
}

/* When the backend has said that everything queued under an older filter is gone. */
static void refilter_over(struct pfri_ring *r)
{
	if (r->refilter == PFRI_REFILTER_NONE && !r->whole)
		r->soft &= ~PFRI_SOFT_FILTER;
}

u_int pfri_sieve(struct pfri_ring *r, struct pfring_packet *pkt, u_int n)
{
	u_int kept = 0;

	refilter_over(r);
	if (r->soft & PFRI_SOFT_RULES)
		pfri_rules_clock(r->rules);
	for (u_int i = 0; i < n; i++) {
		struct pfring_packet *p = &pkt[i];
		u_int keep = r->opt.caplen;

		if ((r->soft & PFRI_SOFT_DIRECTION) && !wanted_direction(r, p)) {
			r->filtered_user++;
			continue;
		}
		if ((r->soft & PFRI_SOFT_CHOICE) && !pfri_chosen(r, p)) {
			r->filtered_user++;
			continue;
		}
		if (p->flags & PFRI_PKT_CURRENT && !r->whole) {
			p->flags &= (u_int16_t)~PFRI_PKT_CURRENT;
		} else if (r->soft & PFRI_SOFT_FILTER) {
			u_int verdict = pfri_keeps(r, p);

			p->flags &= (u_int16_t)~PFRI_PKT_CURRENT;
			if (!verdict) {
				r->filtered_user++;
				continue;
			}
			keep = min_val(keep, verdict);
		}
		if (p->flags & PFRI_PKT_DECIDED) {
			p->flags &= (u_int16_t)~PFRI_PKT_DECIDED;
		} else if ((r->soft & PFRI_SOFT_RULES) && !pfri_rules_pass(r, p)) {
			r->filtered_user++;
			continue;
		}
		if ((r->soft & PFRI_SOFT_TRAILER) && !pfri_take_trailer(r, p)) {
			r->filtered_user++;
			continue;
		}
		if (r->soft & PFRI_SOFT_SAMPLING) {
			if (r->sample_left) {
				r->sample_left--;
				continue;
			}
			r->sample_left = r->sampling - 1;
		}
		if (p->caplen > keep)
			p->caplen = keep;
		if (r->soft & PFRI_SOFT_SLICE)
			pfri_slice(r, p);
		if (kept != i)
			pkt[kept] = *p;
		kept++;
	}
	return kept;
}

bool pfri_mark_untested(struct pfri_ring *r, struct pfring_packet *pkt, u_int n)
{
	refilter_over(r);
	if (!(r->soft & PFRI_SOFT_FILTER))
		return false;
	for (u_int i = 0; i < n; i++)
		pkt[i].flags |= PKT_FLAGS_UNTESTED;
	return true;
}

/* Whether the filter and the direction in force take a packet that was looked at before. */
static bool passes_again(struct pfri_ring *r, struct pfring_packet *p, u_int more)
{
	const enum pfri_refilter was = r->refilter;
	const u_int soft = r->soft;
	bool passes;

	r->soft = more | (r->prog.len ? PFRI_SOFT_FILTER : 0);
	if (r->direction != rx_and_tx_direction)
		r->soft |= PFRI_SOFT_DIRECTION;
	r->refilter = PFRI_REFILTER_ALWAYS;
	if (r->changed)
		p->flags &= (u_int16_t)~PFRI_PKT_CURRENT;
	passes = pfri_sieve(r, p, 1);
	r->delivered -= !passes;
	r->refilter = was;
	r->soft = soft;
	return passes;
}

bool pfri_held(struct pfri_ring *r)
{
	while (r->head < r->count && r->retest && !passes_again(r, &r->batch[r->head], 0)) {
		/* The one before stays the last that was handed out. */
		if (r->head)
			r->batch[r->head] = r->batch[r->head - 1];
		r->head++;
	}
	return r->head < r->count;
}

u_int pfring_refilter(pfring *ring, struct pfring_packet *packets, u_int n)
{
	struct pfri_ring *r = pfri_of(ring);
	u_int kept = 0;

	if (!packets || pfri_enter_rx(r))
		return 0;
	for (u_int i = 0; i < n; i++) {
		/* What was not tested yet has not been looked at in any other way, either. */
		u_int more = packets[i].flags & PKT_FLAGS_UNTESTED ? r->soft : 0;

		packets[i].flags &= (u_int16_t)~PKT_FLAGS_UNTESTED;
		if (!passes_again(r, &packets[i], more))
			continue;
		if (kept != i)
			packets[kept] = packets[i];
		kept++;
	}
	pfri_leave_rx(r, 0);
	return kept;
}
