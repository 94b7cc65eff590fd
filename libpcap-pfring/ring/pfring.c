/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring.c - the public calls that set or ask something of a handle.
 *
 * Thin: each checks its arguments, enters the handle, and calls the backend
 * or one file of the library. Reading is in receive.c, sending in send.c,
 * facts about the interface in interface.c, opening and closing in handle.c.
 */
#include <stddef.h>

#include "bpf_vm.h"
#include "filter.h"
#include "handle.h"
#include "rules.h"

/* A handle that only sends needs no packets. */
static bool receives(socket_mode mode)
{
	return mode == send_and_recv_mode || mode == recv_only_mode;
}

int pfring_enable_ring(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	if (rc)
		return rc;
	if (!r->enabled) {
		r->enabled = true;
		rc = r->ops->enable && receives(r->mode) ? r->ops->enable(r, true) : 0;
		if (rc)
			r->enabled = false;
		pfri_soft_update(r);
	}
	return pfri_leave_rx(r, rc);
}

int pfring_disable_ring(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	if (rc)
		return rc;
	if (r->enabled) {
		r->enabled = false;
		atomic_store(&r->attention, 1);
		rc = r->ops->enable ? r->ops->enable(r, false) : 0;
	}
	return pfri_leave_rx(r, rc);
}

/* The backend's books, and the library's on top. */
static int all_stats(struct pfri_ring *r, struct pfring_stats64 *st)
{
	u_int head = r->head, count = r->count;
	int rc;

	memset(st, 0, sizeof(*st));
	rc = r->ops->stats ? r->ops->stats(r, st) : 0;
	if (rc)
		return rc;
	st->filtered_user += r->filtered_user;
	st->recv = st->recv > r->filtered_user ? st->recv - r->filtered_user : 0;
	/* Without what is fetched and waits in the handle. */
	st->delivered = r->delivered - (count > head ? count - head : 0);
	st->sent = r->sent;
	st->send_errors = r->send_errors;
	if (r->rules) {
		st->reflected += r->rules->reflector.done;
		st->reflect_failed += r->rules->reflector.failed;
	}
	return 0;
}

int pfring_stats64(pfring *ring, struct pfring_stats64 *stats)
{
	struct pfri_ring *r = pfri_of(ring);
	struct pfring_stats64 st;
	size_t sz;
	int rc;

	if (!stats || stats->sz < offsetof(struct pfring_stats64, filtered_user))
		return pfri_fail(-EINVAL, "pfring_stats64.sz is not set");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	sz = stats->sz;
	rc = all_stats(r, &st);
	if (rc == 0) {
		st.sz = sz;
		memcpy(stats, &st, min_val(sz, sizeof(st)));
	}
	return pfri_leave(r, rc);
}

int pfring_stats(pfring *ring, pfring_stat *stats)
{
	struct pfri_ring *r = pfri_of(ring);
	struct pfring_stats64 st;
	int rc;

	if (!stats)
		return pfri_fail(-EINVAL, "pfring_stats: no place for the counters was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	rc = all_stats(r, &st);
	if (rc == 0) {
		stats->recv = st.recv;
		stats->drop = st.drop;
		stats->shunt = 0;
	}
	return pfri_leave(r, rc);
}

int pfring_version(pfring *ring, u_int32_t *version)
{
	if (!ring)
		return pfri_fail(-EINVAL, "pfring_version: no ring was given");
	return pfring_version_noring(version);
}

int pfring_version_noring(u_int32_t *version)
{
	if (!version)
		return pfri_fail(-EINVAL, "pfring_version: no place for the version was given");
	*version = RING_VERSION_NUM;
	return 0;
}

/* Puts r->prog and r->direction in force, for what was fetched and not handed out, too. */
int pfri_apply_filter(struct pfri_ring *r)
{
	int rc = r->ops->set_filter(r);

	if (rc < 0)
		return rc;
	pfri_soft_update(r);
	r->changed = true;
	r->retest = r->head < r->count;
	return 0;
}

static void swap_programs(struct pfri_ring *r)
{
	u_int n = max_val(r->prog.len, r->next.len);
	u_int len = r->prog.len;

	for (u_int i = 0; i < n; i++) {
		struct sock_filter insn = r->prog.insn[i];

		r->prog.insn[i] = r->next.insn[i];
		r->next.insn[i] = insn;
	}
	r->prog.len = r->next.len;
	r->next.len = len;
}

/* Puts r->next in force; on failure the program in force stays. */
static int install_next(struct pfri_ring *r)
{
	int rc;

	swap_programs(r);
	rc = pfri_apply_filter(r);
	if (rc < 0) {
		swap_programs(r);
		r->ops->set_filter(r);
	}
	return rc;
}

int pfring_set_bpf_filter(pfring *ring, const char *filter_buffer)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!filter_buffer)
		return pfri_fail(-EINVAL, "pfring_set_bpf_filter: no expression was given");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	rc = pfri_filter_compile(r, filter_buffer, &r->next);
	if (rc == 0)
		rc = install_next(r);
	return pfri_leave_rx(r, rc);
}

int pfring_remove_bpf_filter(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	if (rc)
		return rc;
	r->next.len = 0;
	return pfri_leave_rx(r, install_next(r));
}

int pfring_set_bpf_program(pfring *ring, const void *insns, u_int len)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!insns || !len)
		return pfring_remove_bpf_filter(ring);
	if (len > PFRI_MAXPROG)
		return pfri_fail(-E2BIG, "a filter of %u instructions is too long; %u is the most",
				 len, PFRI_MAXPROG);
	if (pfri_bpf_check(insns, len) < 0)
		return pfri_fail(-EINVAL, "the filter's bytecode is not a valid BPF program");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	memcpy(r->next.insn, insns, len * sizeof(r->next.insn[0]));
	r->next.len = len;
	return pfri_leave_rx(r, install_next(r));
}

int pfring_set_direction(pfring *ring, packet_direction direction)
{
	struct pfri_ring *r = pfri_of(ring);
	packet_direction old;
	int rc;

	if (direction > tx_only_direction)
		return pfri_fail(-EINVAL, "%d is no packet direction", (int)direction);
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	if (direction != rx_and_tx_direction && !(r->ops->caps & PFRI_CAP_DIRECTION))
		return pfri_leave_rx(r, pfri_fail(-EOPNOTSUPP,
						  "%s: does not know the packets' direction",
						  r->ops->name));
	old = r->direction;
	r->direction = direction;
	rc = pfri_apply_filter(r);
	if (rc < 0)
		r->direction = old;
	return pfri_leave_rx(r, rc);
}

int pfring_set_socket_mode(pfring *ring, socket_mode mode)
{
	struct pfri_ring *r = pfri_of(ring);
	socket_mode old;
	int rc;

	if (mode > management_only_mode)
		return pfri_fail(-EINVAL, "%d is no socket mode", (int)mode);
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	if (mode == send_only_mode && !r->ops->send_batch)
		return pfri_leave_rx(r, pfri_fail(-EOPNOTSUPP, "%s: cannot send", r->ops->name));
	old = r->mode;
	r->mode = mode;
	/* The ring fills as long as it is enabled and somebody may read it. */
	if (r->enabled && r->ops->enable && receives(old) != receives(mode)) {
		rc = r->ops->enable(r, receives(mode));
		if (rc)
			r->mode = old;
		pfri_soft_update(r);
	}
	return pfri_leave_rx(r, rc);
}

static int told(struct pfri_ring *r, enum pfri_setting what)
{
	return r->ops->tell ? r->ops->tell(r, what) : 0;
}

int pfring_set_sampling_rate(pfring *ring, u_int32_t rate)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!rate)
		return pfri_fail(-EINVAL, "a sampling rate of 0 would deliver nothing; 1 is off");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	r->sampling = rate;
	r->sample_left = 0;
	/* What was fetched and not handed out is sampled like what comes. */
	if (rate > 1 && r->head < r->count) {
		u_int n = r->count - r->head, left;

		r->soft = PFRI_SOFT_SAMPLING;
		left = pfri_sieve(r, &r->batch[r->head], n);
		r->delivered -= n - left;
		r->count = r->head + left;
	}
	r->sampled_below = false;
	rc = told(r, PFRI_SET_SAMPLING);
	pfri_soft_update(r);
	return pfri_leave_rx(r, rc);
}

static int joined(struct pfri_ring *r, u_int id, u_int consumer, cluster_type type,
		  u_int32_t options)
{
	if (type > MAX_CLUSTER_TYPE_ID)
		return pfri_fail(-EINVAL, "%d is no cluster type", (int)type);
	if (!r->ops->set_cluster)
		return pfri_fail(-EOPNOTSUPP, "%s: has no clusters", r->ops->name);
	return r->ops->set_cluster(r, id, consumer, type, options);
}

int pfring_set_cluster_consumer(pfring *ring, u_int clusterId, u_int consumerId,
				cluster_type the_type, u_int32_t options)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	return rc ? rc : pfri_leave_rx(r, joined(r, clusterId, consumerId, the_type, options));
}

int pfring_set_cluster(pfring *ring, u_int clusterId, cluster_type the_type)
{
	return pfring_set_cluster_consumer(ring, clusterId, (u_int)-1, the_type, 0);
}

int pfring_remove_from_cluster(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	if (rc)
		return rc;
	if (!r->ops->remove_from_cluster)
		rc = pfri_fail(-EOPNOTSUPP, "%s: has no clusters", r->ops->name);
	else
		rc = r->ops->remove_from_cluster(r);
	return pfri_leave_rx(r, rc);
}

int pfring_set_promisc(pfring *ring, int enable)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	if (!r->ops->set_promisc)
		rc = pfri_fail(-EOPNOTSUPP, "%s: has no promiscuous mode", r->ops->name);
	else
		rc = r->ops->set_promisc(r, enable != 0);
	return pfri_leave(r, rc);
}

int pfring_set_poll_watermark(pfring *ring, u_int16_t watermark)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	r->watermark = watermark ? watermark : 1;
	return pfri_leave(r, told(r, PFRI_SET_WATERMARK));
}

int pfring_set_poll_watermark_timeout(pfring *ring, u_int16_t poll_watermark_timeout)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	r->watermark_timeout = poll_watermark_timeout;
	return pfri_leave(r, told(r, PFRI_SET_WATERMARK));
}

int pfring_set_poll_duration(pfring *ring, u_int duration)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	r->poll_duration = duration;
	return pfri_leave(r, 0);
}

int pfring_set_application_name(pfring *ring, const char *name)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!name)
		return pfri_fail(-EINVAL, "pfring_set_application_name: no name was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	snprintf(r->appname, sizeof(r->appname), "%s", name);
	return pfri_leave(r, told(r, PFRI_SET_APPNAME));
}

u_int32_t pfring_get_ring_id(pfring *ring)
{
	return ring ? pfri_of(ring)->id : 0;
}

u_int16_t pfring_get_caplen(pfring *ring)
{
	return ring ? (u_int16_t)min_val(pfri_of(ring)->opt.caplen, 65535u) : 0;
}

u_int32_t pfring_get_snaplen(pfring *ring)
{
	return ring ? pfri_of(ring)->opt.caplen : 0;
}

u_int16_t pfring_get_slot_header_len(pfring *ring)
{
	return ring ? sizeof(struct pfr_rec) : 0;
}

int pfring_get_link_type(pfring *ring)
{
	return ring ? pfri_of(ring)->linktype : pfri_fail(-EINVAL, "no ring was given");
}

int pfring_get_selectable_fd(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);

	if (!r)
		return pfri_fail(-EINVAL, "no ring was given");
	if (r->select_fd < 0)
		return pfri_fail(-EOPNOTSUPP, "%s: has no descriptor to wait on", r->ops->name);
	if (!r->select_used) {
		r->select_used = true;
		if (r->enabled && r->ops->poll)
			r->ops->poll(r, 0);
	}
	return r->select_fd;
}

u_int32_t pfring_get_num_queued_pkts(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);

	return r ? r->count - r->head : 0;
}

const char *pfring_get_backend(pfring *ring, const char **why)
{
	struct pfri_ring *r = pfri_of(ring);

	if (!r)
		return NULL;
	if (why)
		*why = r->why;
	return r->ops->name;
}
