// SPDX-License-Identifier: GPL-2.0-only
/*
 * proc.c - /proc/net/pf_ring, in the format of the guide (6.1 and 7.14).
 *
 *      info                   the module, as this network namespace sees it
 *      dev                    devices that rings listen on
 *      plugins_info           plugins that filter and handle packets
 *      <pid>-<device>.<id>    one ring
 *      stats/<same name>      what its program says of itself
 *
 * One directory per network namespace. proc_remove() waits for readers, so a
 * ring's files never outlive it. User text is shown as data, never as format.
 */
#include <linux/proc_fs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>

#include "pfr.h"

static __printf(3, 4) void row(struct seq_file *m, const char *name, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	seq_printf(m, "%-21s: %pV\n", name, &vaf);
	va_end(args);
}

static int info_show(struct seq_file *m, void *v)
{
	struct pfr_net *pn = m->private;

	row(m, "Version", "%s", RING_VERSION);
	row(m, "Ring slots", "%u", pfr_min_num_slots);
	row(m, "Slot version", "%d", PF_RING_ABI_VERSION);
	row(m, "Capture TX", "%s", pfr_enable_tx_capture ? "Yes [RX+TX]" : "No [RX only]");
	row(m, "IP Defragment", "%s", pfr_enable_ip_defrag ? "Yes" : "No");
	row(m, "Socket Mode", "%s", pfr_quick_mode ? "Quick" : "Standard");
	row(m, "Transparent mode", "Yes (mode %u)", pfr_transparent_mode);
	row(m, "Total rings", "%d", atomic_read(&pn->rings));
	row(m, "Total plugins", "%u", pfr_plugins_count());
	return 0;
}

static int dev_show(struct seq_file *m, void *v)
{
	struct pfr_net *pn = m->private;
	struct pfr_dev *d;

	seq_puts(m, "Name             Ifindex Queues Rings Mode\n");
	rtnl_lock();
	hlist_for_each_entry(d, &pn->devs, node) {
		struct pfr_sub *sub;
		u32 rings = 0;

		hlist_for_each_entry(sub, &d->subs, node)
			rings++;
		seq_printf(m, "%-16s %7d %6u %5u %u\n", d->dev->name, d->dev->ifindex,
			   d->dev->real_num_rx_queues, rings, d->mode);
	}
	rtnl_unlock();
	return 0;
}

static int ring_show(struct seq_file *m, void *v)
{
	static const char *const direction[] = {"RX+TX", "RX only", "TX only"};
	struct pfr_ring *ring = m->private;
	char appl[sizeof(ring->appl_name)];
	u32 wild = 0, flows = 0;
	bool accept = true;
	u64 memory = 0;

	mutex_lock(&ring->mutex);
	strscpy(appl, ring->appl_name, sizeof(appl));
	if (ring->lanes)
		memory = ring->locked_pages << PAGE_SHIFT;
	if (ring->own_rules) {
		wild = ring->own_rules->wild_count;
		flows = atomic_read(&ring->own_rules->flow_count);
		accept = ring->own_rules->accept;
	}
	mutex_unlock(&ring->mutex);
	row(m, "Bound Device", "%s", ring->device);
	row(m, "Slot Version", "%d [%s]", PF_RING_ABI_VERSION, RING_VERSION);
	row(m, "Active", "%d", READ_ONCE(ring->active));
	row(m, "Sampling Rate", "%u", READ_ONCE(ring->sampling));
	row(m, "Appl. Name", "%s", *appl ? appl : "<unknown>");
	row(m, "IP Defragment", "%s", pfr_enable_ip_defrag ? "Yes" : "No");
	row(m, "Capture Direction", "%s", direction[READ_ONCE(ring->direction)]);
	row(m, "BPF Filtering", "%s",
	    rcu_access_pointer(ring->sk.sk_filter) ? "Enabled" : "Disabled");
	row(m, "# Filters", "%u wildcard, %u hash, policy %s", wild, flows,
	    accept ? "accept" : "drop");
	row(m, "Promisc", "%s", READ_ONCE(ring->promisc) ? "Yes" : "No");
	row(m, "Poll Pkt Watermark", "%u", READ_ONCE(ring->watermark));
	row(m, "Poll Watermark Timeout", "%u", READ_ONCE(ring->watermark_ms));
	row(m, "Capture Length", "%u", READ_ONCE(ring->caplen));
	row(m, "Lanes", "%u", READ_ONCE(ring->nlanes));
	row(m, "Tot Memory", "%llu", memory);
	row(m, "Tot Packets", "%llu", pfr_ring_sum(ring, false) + pfr_ring_sum(ring, true));
	row(m, "Tot Pkt Lost", "%llu", pfr_ring_sum(ring, true));
	row(m, "Tot Insert", "%llu", pfr_ring_sum(ring, false));
	row(m, "TX: Send Ok", "%lld", (s64)atomic64_read(&ring->tx));
	row(m, "TX: Send Errors", "%lld", (s64)atomic64_read(&ring->tx_errors));
	return 0;
}

static int stats_show(struct seq_file *m, void *v)
{
	struct pfr_ring *ring = m->private;

	mutex_lock(&ring->mutex);
	if (ring->appl_stats)
		seq_puts(m, ring->appl_stats);
	mutex_unlock(&ring->mutex);
	return 0;
}

/* After bind(), which gives the name its device. A ring without /proc files still works. */
void pfr_proc_add(struct pfr_ring *ring)
{
	char name[48];

	snprintf(name, sizeof(name), "%d-%s.%u", ring->pid, ring->device, ring->id);
	mutex_lock(&ring->mutex);
	ring->proc = proc_create_single_data(name, 0444, ring->pn->proc, ring_show, ring);
	ring->proc_stats =
		proc_create_single_data(name, 0444, ring->pn->proc_stats, stats_show, ring);
	mutex_unlock(&ring->mutex);
}

/* Waits for readers, who take ring->mutex: so not with it held. */
void pfr_proc_remove(struct pfr_ring *ring)
{
	proc_remove(ring->proc);
	proc_remove(ring->proc_stats);
}

int pfr_proc_net_init(struct net *net, struct pfr_net *pn)
{
	/* Not proc_mkdir(): a process that changes its namespace must see the new one's. */
	pn->proc = proc_net_mkdir(net, "pf_ring", net->proc_net);
	if (!pn->proc)
		return -ENOMEM;
	pn->proc_stats = proc_mkdir("stats", pn->proc);
	if (!pn->proc_stats || !proc_create_single_data("info", 0444, pn->proc, info_show, pn) ||
	    !proc_create_single_data("dev", 0444, pn->proc, dev_show, pn) ||
	    !proc_create_single_data("plugins_info", 0444, pn->proc, pfr_plugins_show, pn)) {
		proc_remove(pn->proc);
		return -ENOMEM;
	}
	return 0;
}

void pfr_proc_net_exit(struct net *net, struct pfr_net *pn)
{
	proc_remove(pn->proc);
}
