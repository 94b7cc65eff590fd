/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inspect.c - the public calls that tell how a handle works (`pfring doctor`,
 * `pfring stats`): its lanes, its clock, the filter in force. They change
 * nothing. Called by the handle's owner.
 */
#include <stddef.h>

#include "bpf_vm.h"
#include "handle.h"
#include "rules.h"

static u_int inspect(struct pfri_ring *r, struct pfring_details *d, struct pfring_lane *lanes,
		     u_int max)
{
	memset(d, 0, sizeof(*d));
	d->snaplen = r->opt.caplen;
	d->filter_len = r->prog.len;
	if (r->prog.len)
		d->filter = r->soft & PFRI_SOFT_FILTER && r->refilter == PFRI_REFILTER_ALWAYS
				    ? PFRING_FILTER_USER
			    : r->ops->caps & PFRI_CAP_KERNEL_FILTER ? PFRING_FILTER_KERNEL
								    : PFRING_FILTER_USER;
	d->rules = r->ops->rules		 ? PFRING_RULES_KERNEL
		   : pfri_rules_active(r->rules) ? PFRING_RULES_USER
						 : PFRING_RULES_NONE;
	d->refiltered = r->refilter == PFRI_REFILTER_QUEUED;
	return r->ops->inspect ? r->ops->inspect(r, d, lanes, max) : 0;
}

int pfring_get_details(pfring *ring, struct pfring_details *details)
{
	struct pfri_ring *r = pfri_of(ring);
	struct pfring_details d;
	size_t sz;
	int rc;

	if (!details || details->sz < offsetof(struct pfring_details, copies))
		return pfri_fail(-EINVAL, "pfring_details.sz is not set");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	sz = details->sz;
	d.lanes = 0;
	u_int lanes = inspect(r, &d, NULL, 0);

	d.sz = sz;
	d.lanes = lanes;
	memcpy(details, &d, min_val(sz, sizeof(d)));
	return pfri_leave(r, 0);
}

int pfring_get_lanes(pfring *ring, struct pfring_lane *lanes, u_int max)
{
	struct pfri_ring *r = pfri_of(ring);
	struct pfring_details d;
	int rc;

	if (max && !lanes)
		return pfri_fail(-EINVAL, "pfring_get_lanes: no room was given");
	rc = pfri_enter(r);
	return rc ? rc : pfri_leave(r, (int)inspect(r, &d, lanes, max));
}

int pfring_print_filter(pfring *ring, char *buf, u_int buf_len)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	if (buf && buf_len)
		buf[0] = 0;
	if (r->prog.len)
		rc = (int)pfri_bpf_print(r->prog.insn, r->prog.len, buf, buf_len);
	return pfri_leave(r, rc);
}

int pfring_print_program(const void *insns, u_int len, char *buf, u_int buf_len)
{
	if (!insns || pfri_bpf_check(insns, len) < 0)
		return pfri_fail(-EINVAL, "this is not a valid BPF program");
	return (int)pfri_bpf_print(insns, len, buf, buf_len);
}
