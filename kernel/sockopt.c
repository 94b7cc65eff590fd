// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockopt.c - a socket's options, checked and put in force.
 *
 * Process context. A value is copied from user space in full, checked, and
 * only then does a lock come: RTNL for what concerns devices and clusters,
 * ring->mutex for the rest.
 */
#include <linux/ctype.h>
#include <linux/rtnetlink.h>

#include "pfr.h"

#define APPL_STATS_MAX 4095

static int get_struct(sockptr_t val, unsigned int len, void *to, unsigned int size)
{
	if (len != size)
		return -EINVAL;
	return copy_from_sockptr(to, val, size) ? -EFAULT : 0;
}

/* Text of at most max characters, made printable ASCII: it is shown in /proc. */
static char *get_text(sockptr_t val, unsigned int len, unsigned int max, bool lines)
{
	char *text, *c;

	if (len > max)
		return ERR_PTR(-EINVAL);
	text = kzalloc(len + 1, GFP_KERNEL_ACCOUNT);
	if (!text)
		return ERR_PTR(-ENOMEM);
	if (copy_from_sockptr(text, val, len)) {
		kfree(text);
		return ERR_PTR(-EFAULT);
	}
	for (c = text; *c; c++)
		if ((!isascii(*c) || !isprint(*c)) && !(lines && (*c == '\n' || *c == '\t')))
			*c = '?';
	return text;
}

/* Puts in force what direction, mode and being enabled come to. The lanes are there if active. */
static void set_takes(struct pfr_ring *ring, bool active)
{
	lockdep_assert_held(&ring->mutex);
	WRITE_ONCE(ring->active, active);
	/* Pairs with the acquire of capture.c. */
	smp_store_release(&ring->takes, active ? ring->directions : 0);
}

/* Which way packets must go to be of interest, after mode and direction. */
static void set_directions(struct pfr_ring *ring)
{
	u8 dirs = PFR_DIR_RX | PFR_DIR_TX;

	if (ring->direction == rx_only_direction)
		dirs = PFR_DIR_RX;
	else if (ring->direction == tx_only_direction)
		dirs = PFR_DIR_TX;
	if (ring->mode == send_only_mode || ring->mode == management_only_mode)
		dirs = 0;
	mutex_lock(&ring->mutex);
	ring->directions = dirs;
	set_takes(ring, ring->active);
	mutex_unlock(&ring->mutex);
	pfr_device_refresh(ring);
}

static int set_activate(struct pfr_ring *ring)
{
	struct pfr_ring_req req = {.caplen = ETH_FRAME_LEN + 4};
	int err = 0;

	mutex_lock(&ring->mutex);
	if (!ring->lanes)
		err = pfr_ring_alloc(ring, &req);
	if (!err)
		set_takes(ring, true);
	mutex_unlock(&ring->mutex);
	return err;
}

static void set_inactive(struct pfr_ring *ring)
{
	mutex_lock(&ring->mutex);
	set_takes(ring, false);
	mutex_unlock(&ring->mutex);
}

static int set_ring(struct pfr_ring *ring, sockptr_t val, unsigned int len)
{
	struct pfr_ring_req req;
	int err = get_struct(val, len, &req, sizeof(req));

	if (err)
		return err;
	mutex_lock(&ring->mutex);
	err = pfr_ring_alloc(ring, &req);
	mutex_unlock(&ring->mutex);
	return err;
}

static int set_cluster(struct pfr_ring *ring, sockptr_t val, unsigned int len)
{
	struct pfr_cluster_req req;
	int err = get_struct(val, len, &req, sizeof(req));

	if (err)
		return err;
	rtnl_lock();
	err = pfr_cluster_join(ring, &req);
	rtnl_unlock();
	return err;
}

static int set_rule(struct pfr_ring *ring, sockptr_t val, unsigned int len)
{
	struct pfr_rule_req *req;
	int err;

	if (len != sizeof(*req))
		return -EINVAL;
	req = memdup_sockptr(val, len);
	if (IS_ERR(req))
		return PTR_ERR(req);
	err = pfr_filter_add(ring, req);
	kfree(req);
	return err;
}

static int set_no_rule(struct pfr_ring *ring, sockptr_t val, unsigned int len)
{
	struct pfr_rule_ref ref;

	return get_struct(val, len, &ref, sizeof(ref)) ?: pfr_filter_remove(ring, &ref);
}

static int set_reflector(struct pfr_ring *ring, sockptr_t val, unsigned int len)
{
	char name[IFNAMSIZ] = "";

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_sockptr(name, val, len))
		return -EFAULT;
	return pfr_filter_reflector(ring, name);
}

static int set_name(struct pfr_ring *ring, sockptr_t val, unsigned int len)
{
	char *text = get_text(val, len, sizeof(ring->appl_name) - 1, false);

	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&ring->mutex);
	strscpy(ring->appl_name, text, sizeof(ring->appl_name));
	mutex_unlock(&ring->mutex);
	kfree(text);
	return 0;
}

static int set_stats_text(struct pfr_ring *ring, sockptr_t val, unsigned int len)
{
	char *text = get_text(val, len, APPL_STATS_MAX, true);

	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&ring->mutex);
	swap(ring->appl_stats, text);
	mutex_unlock(&ring->mutex);
	kfree(text);
	return 0;
}

static int set_promisc(struct pfr_ring *ring, int on)
{
	int err;

	if (on && !ns_capable(sock_net(&ring->sk)->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	rtnl_lock();
	err = pfr_device_promisc(ring, on);
	rtnl_unlock();
	return err;
}

/* direction < 0 or mode < 0: stays as it is. */
static int set_way(struct pfr_ring *ring, int direction, int mode)
{
	rtnl_lock();
	if (direction >= 0)
		ring->direction = direction;
	if (mode >= 0)
		WRITE_ONCE(ring->mode, mode);
	set_directions(ring);
	rtnl_unlock();
	return 0;
}

static int set_number(struct pfr_ring *ring, int optname, int n)
{
	switch (optname) {
	case PFR_SO_SAMPLING:
		if (!n)
			return -EINVAL;
		WRITE_ONCE(ring->sampling, n);
		return 0;
	case PFR_SO_DIRECTION:
		if (n < rx_and_tx_direction || n > tx_only_direction)
			return -EINVAL;
		return set_way(ring, n, -1);
	case PFR_SO_SOCKET_MODE:
		if (n < send_and_recv_mode || n > management_only_mode)
			return -EINVAL;
		return set_way(ring, -1, n);
	case PFR_SO_DISCARD_INJECTED:
		WRITE_ONCE(ring->discard_injected, n);
		return 0;
	case PFR_SO_WATERMARK:
		if (n < 1 || n > U16_MAX)
			return -EINVAL;
		WRITE_ONCE(ring->watermark, n);
		return 0;
	case PFR_SO_WATERMARK_TIMEOUT:
		if (n < 1 || n > 60 * MSEC_PER_SEC)
			return -EINVAL;
		WRITE_ONCE(ring->watermark_ms, n);
		return 0;
	case PFR_SO_TIMESTAMP:
		if (n < PFR_TS_SYSTEM || n > PFR_TS_HARDWARE)
			return -EINVAL;
		WRITE_ONCE(ring->timestamp, n);
		return 0;
	case PFR_SO_PROMISC:
		return set_promisc(ring, n);
	case PFR_SO_POLICY:
		return pfr_filter_policy(ring, n);
	case PFR_SO_PURGE_HASH:
	case PFR_SO_PURGE_RULES:
		if (n < 0)
			return -EINVAL;
		return pfr_filter_purge(ring, optname == PFR_SO_PURGE_HASH, n);
	}
	return -ENOPROTOOPT;
}

int pfr_setsockopt(struct socket *sock, int level, int optname, sockptr_t val, unsigned int len)
{
	struct pfr_ring *ring = pfr_ring(sock->sk);
	int err, n;

	if (level != SOL_PF_RING)
		return -ENOPROTOOPT;
	switch (optname) {
	case PFR_SO_CLUSTER_JOIN:
		return set_cluster(ring, val, len);
	case PFR_SO_CLUSTER_LEAVE:
		rtnl_lock();
		err = pfr_cluster_leave(ring);
		rtnl_unlock();
		return err;
	case PFR_SO_ACTIVATE:
		return set_activate(ring);
	case PFR_SO_DEACTIVATE:
		set_inactive(ring);
		return 0;
	case PFR_SO_SHUTDOWN:
		set_inactive(ring);
		WRITE_ONCE(ring->shut, true);
		ring->sk.sk_state_change(&ring->sk);
		return 0;
	case PFR_SO_SYNC:
		synchronize_net();
		return 0;
	case PFR_SO_RING:
		return set_ring(ring, val, len);
	case PFR_SO_ADD_RULE:
		return set_rule(ring, val, len);
	case PFR_SO_REMOVE_RULE:
		return set_no_rule(ring, val, len);
	case PFR_SO_REFLECTOR:
		return set_reflector(ring, val, len);
	case PFR_SO_APPL_NAME:
		return set_name(ring, val, len);
	case PFR_SO_APPL_STATS:
		return set_stats_text(ring, val, len);
	}
	return get_struct(val, len, &n, sizeof(n)) ?: set_number(ring, optname, n);
}

static void info_fill(struct pfr_ring *ring, struct pfr_info *info)
{
	info->abi = PF_RING_ABI_VERSION;
	info->version = RING_VERSION_NUM;
	info->min_num_slots = pfr_min_num_slots;
	info->transparent_mode = pfr_transparent_mode;
	mutex_lock(&ring->mutex);
	if (ring->lanes) {
		info->caplen = ring->caplen;
		info->lanes = ring->nlanes;
		info->lane_data = ring->lanes[0].data_size;
		info->lane_stride = ring->lane_stride;
	}
	mutex_unlock(&ring->mutex);
}

static void stats_fill(struct pfr_ring *ring, struct pfr_stats *stats)
{
	int cpu;

	stats->recv = pfr_ring_sum(ring, false);
	stats->drop = pfr_ring_sum(ring, true);
	for_each_possible_cpu(cpu) {
		const struct pfr_ring_counters *c = per_cpu_ptr(ring->counters, cpu);

		stats->filtered += READ_ONCE(c->filtered);
		stats->sampled_out += READ_ONCE(c->sampled_out);
		stats->reflected += READ_ONCE(c->reflected);
		stats->reflect_errors += READ_ONCE(c->reflect_errors);
		stats->rule_filtered += READ_ONCE(c->rule_filtered);
		stats->rule_errors += READ_ONCE(c->rule_errors);
	}
	stats->wakeups = atomic64_read(&ring->wakeups);
	stats->tx = atomic64_read(&ring->tx);
	stats->tx_errors = atomic64_read(&ring->tx_errors);
}

/* The one answer whose size depends on what is asked. Too small a room: what it takes at most. */
static int rule_stats(struct pfr_ring *ring, char __user *val, int __user *len, int room)
{
	struct pfr_rule_ref ref;
	void *answer;
	int size;

	if (room < (int)sizeof(ref))
		return -EINVAL;
	if (copy_from_user(&ref, val, sizeof(ref)))
		return -EFAULT;
	answer = kzalloc(PFR_MAX_RULE_STATS, GFP_KERNEL);
	if (!answer)
		return -ENOMEM;
	size = pfr_filter_stats(ring, &ref, answer, PFR_MAX_RULE_STATS);
	if (size > room)
		size = put_user(size, len) ? -EFAULT : -ENOSPC;
	else if (size > 0 && (copy_to_user(val, answer, size) || put_user(size, len)))
		size = -EFAULT;
	kfree(answer);
	return min(size, 0);
}

int pfr_getsockopt(struct socket *sock, int level, int optname, char __user *val, int __user *len)
{
	struct pfr_ring *ring = pfr_ring(sock->sk);
	union {
		u32 n;
		u8 addr[ETH_ALEN];
		struct pfr_info info;
		struct pfr_stats stats;
	} u = {};
	struct net_device *dev;
	int room, err = 0, size = sizeof(u.n);

	if (level != SOL_PF_RING)
		return -ENOPROTOOPT;
	if (get_user(room, len))
		return -EFAULT;
	switch (optname) {
	case PFR_SO_VERSION:
		u.n = RING_VERSION_NUM;
		break;
	case PFR_SO_RING_ID:
		u.n = ring->id;
		break;
	case PFR_SO_QUEUED:
		u.n = pfr_ring_queued(ring, PFR_MAX_QUEUED);
		break;
	case PFR_SO_CHANNELS:
	case PFR_SO_DEVICE_ADDR:
		dev = pfr_device_get(ring);
		if (!dev)
			return -ENODEV;
		if (optname == PFR_SO_CHANNELS) {
			u.n = max_t(u32, 1, READ_ONCE(dev->real_num_rx_queues));
		} else {
			size = sizeof(u.addr);
			memcpy(u.addr, dev->dev_addr, min_t(int, size, dev->addr_len));
		}
		dev_put(dev);
		break;
	case PFR_SO_INFO:
		size = sizeof(u.info);
		info_fill(ring, &u.info);
		break;
	case PFR_SO_STATS:
		size = sizeof(u.stats);
		stats_fill(ring, &u.stats);
		break;
	case PFR_SO_FREE_RULE:
		err = pfr_filter_free_id(ring, &u.n);
		break;
	case PFR_SO_RULE_STATS:
		return rule_stats(ring, val, len, room);
	default:
		return -ENOPROTOOPT;
	}
	if (err)
		return err;
	if (room < size)
		return -EINVAL;
	if (copy_to_user(val, &u, size) || put_user(size, len))
		return -EFAULT;
	return 0;
}
