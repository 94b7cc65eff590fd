/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * send.c - whole frames out of a handle, one by one, queued, or in batches.
 *
 * Frames given with flush_packet 0 are copied to a queue of their own (mapped
 * when first needed, so that closing stays safe in a signal handler) and leave
 * together with the next flush, when the transmit watermark is reached, or
 * when the queue is full. One thread at a time, or under tx_lock.
 */
#include <sys/mman.h>

#include "bpf_vm.h"
#include "handle.h"

#define TX_FRAMES 256
#define TX_BYTES (512 * 1024)

struct pfri_tx {
	u_int n;
	u_int used; /* bytes of data in use */
	pid_t pid;  /* of the process that queued the first */
	int ifindex;
	struct iovec frame[TX_FRAMES];
	u_char data[TX_BYTES];
};

static int check_frame(struct pfri_ring *r, const void *pkt, size_t len)
{
	if (!r->ops->send_batch)
		return pfri_fail(-EOPNOTSUPP, "%s: cannot send", r->ops->name);
	if (r->mode == recv_only_mode || r->mode == management_only_mode)
		return pfri_fail(-EOPNOTSUPP, "the ring's socket mode is receive-only");
	if (!pkt || !len || len > MAX_CAPLEN)
		return pfri_fail(-EINVAL, "a frame of %zu bytes cannot be sent", len);
	return 0;
}

/* PF_RING_TX_BPF: a frame that the filter refuses is counted sent by nobody and told as 0. */
static bool tx_refused(struct pfri_ring *r, const void *pkt, u_int len)
{
	struct pfring_packet p = {.data = pkt, .caplen = len, .len = len, .pkt_type = 4};

	return (r->opt.flags & PF_RING_TX_BPF) && r->prog.len &&
	       !pfri_bpf_run(r->prog.insn, &p, false);
}

/* Sends all n or stops at the first error. Returns how many went, negative if none. */
static int send_all(struct pfri_ring *r, const struct iovec *frames, u_int n, int ifindex)
{
	u_int done = 0;
	int rc = 0;

	while (done < n) {
		rc = r->ops->send_batch(r, frames + done, n - done, ifindex);
		if (rc <= 0)
			break;
		done += (u_int)rc;
	}
	r->sent += done;
	if (done < n)
		r->send_errors += 1;
	return done ? (int)done : rc;
}

static int flush(struct pfri_ring *r)
{
	struct pfri_tx *tx = r->tx;
	int rc = 0;
	u_int n;

	if (!tx || !tx->n)
		return 0;
	n = tx->n;
	rc = send_all(r, tx->frame, n, tx->ifindex);
	tx->n = 0;
	tx->used = 0;
	if (rc >= 0 && (u_int)rc < n)
		return pfri_fail(-EIO, "only %d of %u queued frames were sent", rc, n);
	return rc < 0 ? rc : 0;
}

static int enqueue(struct pfri_ring *r, const void *pkt, u_int len, int ifindex)
{
	struct pfri_tx *tx = r->tx;
	u_int mark = r->tx_watermark ? min_val(r->tx_watermark, TX_FRAMES) : 64;
	int rc;

	if (!tx) {
		tx = mmap(NULL, sizeof(*tx), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
		if (tx == MAP_FAILED)
			return pfri_fail(-ENOMEM, "no memory for a transmit queue");
		r->tx = tx;
	}
	if (tx->n && (tx->ifindex != ifindex || tx->used + len > TX_BYTES)) {
		rc = flush(r);
		if (rc)
			return rc;
	}
	tx->ifindex = ifindex;
	if (!tx->n)
		tx->pid = getpid();
	memcpy(tx->data + tx->used, pkt, len);
	tx->frame[tx->n].iov_base = tx->data + tx->used;
	tx->frame[tx->n].iov_len = len;
	tx->used += len;
	tx->n++;
	return tx->n >= mark ? flush(r) : 0;
}

static void tx_lock(struct pfri_ring *r)
{
	if (r->opt.flags & PF_RING_REENTRANT)
		pthread_mutex_lock(&r->tx_lock);
}

static void tx_unlock(struct pfri_ring *r)
{
	if (r->opt.flags & PF_RING_REENTRANT)
		pthread_mutex_unlock(&r->tx_lock);
}

static int send_one(struct pfri_ring *r, const void *pkt, u_int len, bool now, int ifindex)
{
	struct iovec frame = {.iov_base = (void *)(uintptr_t)pkt, .iov_len = len};
	int rc = check_frame(r, pkt, len);

	if (rc)
		return rc;
	if (tx_refused(r, pkt, len))
		return 0;
	tx_lock(r);
	if (now) {
		rc = flush(r);
		if (!rc)
			rc = send_all(r, &frame, 1, ifindex);
	} else {
		rc = enqueue(r, pkt, len, ifindex);
	}
	tx_unlock(r);
	return rc < 0 ? rc : (int)len;
}

int(pfring_send)(pfring *ring, char *pkt, u_int pkt_len, u_int8_t flush_packet)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	return pfri_leave(r, send_one(r, pkt, pkt_len, flush_packet, 0));
}

int(pfring_send_ifindex)(pfring *ring, char *pkt, u_int pkt_len, u_int8_t flush_packet,
			 int if_index)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (if_index <= 0)
		return pfri_fail(-EINVAL, "%d is no interface index", if_index);
	rc = pfri_enter(r);
	if (rc)
		return rc;
	return pfri_leave(r, send_one(r, pkt, pkt_len, flush_packet, if_index));
}

int(pfring_send_get_time)(pfring *ring, char *pkt, u_int pkt_len, struct timespec *ts)
{
	struct iovec frame = {.iov_base = pkt, .iov_len = pkt_len};
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!ts)
		return pfri_fail(-EINVAL, "pfring_send_get_time: no place for the time was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	rc = check_frame(r, pkt, pkt_len);
	if (!rc && !r->ops->send_stamped)
		rc = pfri_fail(-EOPNOTSUPP, "%s: has no transmit time stamps", r->ops->name);
	if (!rc) {
		tx_lock(r);
		rc = flush(r);
		if (!rc)
			rc = r->ops->send_stamped(r, &frame, ts);
		if (rc > 0 || rc == -ETIMEDOUT)
			r->sent++;
		tx_unlock(r);
	}
	return pfri_leave(r, rc);
}

int pfring_send_last_rx_packet(pfring *ring, int tx_interface_id)
{
	struct pfri_ring *r = pfri_of(ring);
	const struct pfring_packet *p;
	int rc;

	if (tx_interface_id <= 0)
		return pfri_fail(-EINVAL, "%d is no interface index", tx_interface_id);
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	if (!r->holding || !r->head)
		return pfri_leave_rx(r, pfri_fail(-EAGAIN, "no packet was received yet"));
	p = &r->batch[r->head - 1];
	if (p->caplen < p->len)
		return pfri_leave_rx(
			r, pfri_fail(-EMSGSIZE,
				     "the last packet was cut to %u of %u bytes; open the "
				     "ring with a larger caplen",
				     p->caplen, p->len));
	rc = send_one(r, p->data, p->caplen, true, tx_interface_id);
	return pfri_leave_rx(r, rc < 0 ? rc : 0);
}

int pfring_send_batch(pfring *ring, const struct iovec *frames, u_int n)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	if (!frames && n)
		return pfri_leave(r, pfri_fail(-EINVAL, "pfring_send_batch: no frames were given"));
	for (u_int i = 0; i < n; i++) {
		rc = check_frame(r, frames[i].iov_base, frames[i].iov_len);
		if (rc)
			return pfri_leave(r, rc);
	}
	tx_lock(r);
	rc = flush(r);
	if (!rc && n)
		rc = send_all(r, frames, n, 0);
	tx_unlock(r);
	return pfri_leave(r, rc);
}

int pfring_flush_tx_packets(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	tx_lock(r);
	rc = flush(r);
	tx_unlock(r);
	return pfri_leave(r, rc);
}

int pfring_set_tx_watermark(pfring *ring, u_int16_t watermark)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	r->tx_watermark = watermark;
	return pfri_leave(r, 0);
}

void pfri_tx_close(struct pfri_ring *r)
{
	if (!r->tx)
		return;
	/* A child that closes its copy of the handle leaves the parent's frames to the parent. */
	if (r->tx->pid == getpid())
		flush(r);
	munmap(r->tx, sizeof(*r->tx));
	r->tx = NULL;
}
