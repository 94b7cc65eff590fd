// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - the memory of a ring: made, mapped, counted; record.h writes it.
 *
 * Process context under ring->mutex, except mmap, which has its own rule, and
 * pfr_ring_queued(), which timers call as well.
 *
 * The slack behind a lane's data is not memory of its own: it shows the first
 * pages of data a second time, to the kernel and to the reader, so a record
 * that runs over the end continues at the front without either noticing.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/cred.h>
#include <linux/sched/user.h>
#include <linux/if_vlan.h>
#include <linux/vmalloc.h>

#include "pfr.h"

static_assert(PAGE_SIZE == 4096, "the ring format needs pages of 4096 bytes");

#define SLACK_PAGES (PFR_LANE_SLACK / PAGE_SIZE)
#define MAX_FRAME (ETH_FRAME_LEN + VLAN_HLEN) /* what min_num_slots counts in */

/*
 * Charges n pages to the user as BPF maps and AF_XDP do: RLIMIT_MEMLOCK. Half of what is there is
 * left to others, whoever asks, and an eighth of the machine, however many ask: memory to the last
 * page is not taken from the page cache, for that takes a machine minutes, but refused.
 */
static int ring_charge(struct pfr_ring *ring, u64 n)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	u64 available = si_mem_available();
	atomic_long_t *locked;
	unsigned long old;

	if (n > available / 2 || available - n < totalram_pages() / 8)
		return -ENOMEM;
	locked = &current_user()->locked_vm;
	if (capable(CAP_IPC_LOCK)) {
		atomic_long_add(n, locked);
	} else {
		do {
			old = atomic_long_read(locked);
			if (old + n > limit)
				return -ENOBUFS;
		} while (atomic_long_cmpxchg(locked, old, old + n) != old);
	}
	ring->payer = get_current_cred();
	ring->locked_pages = n;
	return 0;
}

static void ring_uncharge(struct pfr_ring *ring)
{
	if (!ring->payer)
		return;
	atomic_long_sub(ring->locked_pages, &ring->payer->user->locked_vm);
	put_cred(ring->payer);
	ring->payer = NULL;
}

static void lane_free(struct pfr_lane *lane)
{
	u32 i;

	if (lane->map)
		vunmap(lane->map);
	for (i = 0; lane->pages && i < lane->npages; i++)
		__free_page(lane->pages[i]);
	kvfree(lane->pages);
}

static void lanes_free(struct pfr_lane *lanes, u32 n)
{
	u32 i;

	for (i = 0; lanes && i < n; i++)
		lane_free(&lanes[i]);
	kvfree(lanes);
}

static int lane_alloc(struct pfr_lane *lane, u64 data_size)
{
	/* NORETRY: a ring that is too large fails, it does not start the OOM killer. */
	const gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN | PFR_GFP_ACCOUNT;
	u32 data_pages = data_size >> PAGE_SHIFT;
	u32 shown = 2 + data_pages + SLACK_PAGES;
	u32 i;

	spin_lock_init(&lane->lock);
	lane->data_size = lane->limit = data_size;
	lane->wake_at = data_size / 2;
	lane->pages = kvcalloc(shown, sizeof(*lane->pages), GFP_KERNEL_ACCOUNT);
	if (!lane->pages)
		return -ENOMEM;
	for (i = 0; i < 2 + data_pages; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		lane->pages[i] = alloc_page(gfp);
		if (!lane->pages[i])
			return -ENOMEM;
		lane->npages++;
		cond_resched();
	}
	for (; i < shown; i++)
		lane->pages[i] = lane->pages[2 + (i - 2) % data_pages];
	lane->map = vmap(lane->pages, shown, VM_MAP, PAGE_KERNEL);
	if (!lane->map)
		return -ENOMEM;
	lane->shared_prod = lane->map;
	lane->shared_cons = lane->map + PAGE_SIZE;
	lane->data = lane->map + PFR_LANE_DATA;
	return 0;
}

void pfr_ring_free(struct pfr_ring *ring)
{
	lanes_free(ring->lanes, ring->nlanes);
	ring->lanes = NULL;
	ring_uncharge(ring);
}

/* Bytes of one lane: what is asked for or what the slots need, and room for one whole record. */
static u64 lane_bytes(const struct pfr_ring_req *req)
{
	u64 bytes = req->lane_bytes;

	if (!bytes)
		bytes = (u64)pfr_min_num_slots * PFR_REC_SIZE(min_t(u32, req->caplen, MAX_FRAME));
	bytes = max_t(u64, bytes, PFR_REC_SIZE(req->caplen + VLAN_HLEN));
	return roundup_pow_of_two(max_t(u64, bytes, PFR_RING_MIN_LANE));
}

/* Once in a ring's life, so the packet path never sees its memory change. */
int pfr_ring_alloc(struct pfr_ring *ring, const struct pfr_ring_req *req)
{
	u32 nlanes = req->lanes ?: num_online_cpus();
	struct pfr_lane *lanes;
	u64 bytes;
	int err;
	u32 i;

	lockdep_assert_held(&ring->mutex);
	if (ring->lanes)
		return -EBUSY;
	if (!req->caplen || req->caplen > MAX_CAPLEN || nlanes > nr_cpu_ids ||
	    req->lane_bytes > PFR_RING_MAX_LANE)
		return -EINVAL;
	bytes = lane_bytes(req);
	err = ring_charge(ring, nlanes * ((bytes >> PAGE_SHIFT) + 2));
	if (err)
		return err;
	lanes = kvcalloc(nlanes, sizeof(*lanes), GFP_KERNEL_ACCOUNT);
	if (!lanes) {
		ring_uncharge(ring);
		return -ENOMEM;
	}
	for (i = 0; i < nlanes; i++) {
		err = lane_alloc(&lanes[i], bytes);
		if (err)
			goto err_lanes;
		/* One CPU with bottom halves off is alone, unless those can be preempted. */
		lanes[i].shared = nlanes < nr_cpu_ids || IS_ENABLED(CONFIG_PREEMPT_RT);
		lanes[i].shared_prod->magic = PFR_RING_MAGIC;
		lanes[i].shared_prod->abi = PF_RING_ABI_VERSION;
		lanes[i].shared_prod->data_size = bytes;
		lanes[i].shared_prod->lane = i;
		lanes[i].shared_prod->lanes = nlanes;
	}
	ring->caplen = req->caplen;
	ring->nlanes = nlanes;
	ring->lane_stride = PFR_LANE_DATA + bytes + PFR_LANE_SLACK;
	/* Pairs with smp_load_acquire() of pfr_ring_mmap(); the packet path waits for active. */
	smp_store_release(&ring->lanes, lanes);
	return 0;

err_lanes:
	lanes_free(lanes, nlanes);
	ring_uncharge(ring);
	return err;
}

/*
 * The kernel's page is read-only for good: mprotect() cannot add what
 * VM_MAYWRITE does not allow. The reader's is its own, and the data may be
 * written too, for programs change packets in place; nothing here goes by it
 * but pfr_ring_queued(), which bounds what it finds. Called with
 * mmap_lock held; lanes never change once set, so no lock of ours is needed,
 * and the mapping holds the file, so they outlive it.
 */
int pfr_ring_mmap(struct file *file, struct socket *sock, struct vm_area_struct *vma)
{
	/* Empty, but there: without any the mapping would pass for anonymous memory. */
	static const struct vm_operations_struct ops = {};
	const struct pfr_ring *ring = pfr_ring(sock->sk);
	struct pfr_lane *lanes = smp_load_acquire(&ring->lanes); /* pairs with pfr_ring_alloc() */
	u64 stride, page, pages = vma_pages(vma);
	u32 lane;

	if (!lanes)
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	stride = ring->lane_stride >> PAGE_SHIFT;
	lane = min_t(u64, div64_u64(vma->vm_pgoff, stride), ring->nlanes);
	if (lane >= ring->nlanes)
		return -EINVAL;
	page = vma->vm_pgoff - lane * stride;
	if (pages > stride - page)
		return -EINVAL;
	if (page == 0) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		pfr_vm_flags_clear(vma, VM_MAYWRITE);
	}
	pfr_vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_ops = &ops;
	return vm_map_pages_zero(vma, lanes[lane].pages + page, stride - page);
}

/*
 * How many packets wait to be read; stops counting at enough. Walks records
 * that the reader may free meanwhile: a hostile one only gets a wrong count,
 * for every step stays inside the lane and there are at most enough of them.
 */
u32 pfr_ring_queued(struct pfr_ring *ring, u32 enough)
{
	struct pfr_lane *lanes = smp_load_acquire(&ring->lanes); /* pairs with pfr_ring_alloc() */
	u32 i, n = 0;

	for (i = 0; lanes && i < ring->nlanes && n < enough; i++) {
		struct pfr_lane *lane = &lanes[i];
		u64 prod = smp_load_acquire(&lane->shared_prod->prod); /* D, pairs with E */
		u64 cons = READ_ONCE(lane->shared_cons->cons);

		if (prod - cons > lane->data_size)
			continue;
		while (cons < prod && n < enough) {
			u64 at = cons & (lane->data_size - 1) & ~(u64)(PFR_REC_ALIGN - 1);
			struct pfr_rec *rec = (struct pfr_rec *)(lane->data + at);

			cons += PFR_REC_SIZE(READ_ONCE(rec->caplen));
			n++;
		}
	}
	return n;
}

/* Packets accepted, or dropped, by all lanes. */
u64 pfr_ring_sum(struct pfr_ring *ring, bool drops)
{
	struct pfr_lane *lanes = smp_load_acquire(&ring->lanes); /* pairs with pfr_ring_alloc() */
	u64 sum = 0;
	u32 i;

	for (i = 0; lanes && i < ring->nlanes; i++)
		sum += drops ? READ_ONCE(lanes[i].shared_prod->drops)
			     : READ_ONCE(lanes[i].shared_prod->accepted);
	return sum;
}
