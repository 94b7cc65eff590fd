// SPDX-License-Identifier: GPL-2.0-only
/*
 * socket.c - the life of a PF_RING socket: create, bind, map, wait, close.
 *
 * A socket is a struct pfr_ring. It holds its network namespace and the module
 * from creation until its memory is freed, one RCU grace period after close:
 * until then the packet path of another CPU may still be writing into it.
 */
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>

#include "pfr.h"

static struct proto pfr_proto = {
	.name = "PF_RING",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct pfr_ring),
};

static void ring_free_work(struct work_struct *work)
{
	struct pfr_ring *ring = container_of(to_rcu_work(work), struct pfr_ring, free_work);

	hrtimer_cancel(&ring->timer); /* nobody arms it any more */
	pfr_filter_free(ring);
	pfr_ring_free(ring);
	free_percpu(ring->counters);
	kfree(ring->appl_stats);
	mem_cgroup_put(ring->memcg);
	sock_put(&ring->sk);
}

static int pfr_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct pfr_ring *ring;

	if (!sk)
		return 0;
	ring = pfr_ring(sk);
	WRITE_ONCE(ring->takes, 0);
	pfr_proc_remove(ring);
	rtnl_lock();
	pfr_cluster_leave(ring);
	pfr_device_unbind(ring);
	pfr_reflect_release(ring);
	rtnl_unlock();
	atomic_dec(&ring->pn->rings);
	sock_orphan(sk);
	sock->sk = NULL;
	INIT_RCU_WORK(&ring->free_work, ring_free_work);
	queue_rcu_work(pfr_wq, &ring->free_work);
	return 0;
}

static int pfr_bind(struct socket *sock, pfr_sockaddr *addr, int len)
{
	const struct sockaddr_pfr *sa = (const struct sockaddr_pfr *)addr;
	struct pfr_ring *ring = pfr_ring(sock->sk);
	int err;

	if (len < (int)sizeof(*sa) || sa->family != PF_RING || sa->pad || sa->ifindex < 0 ||
	    !sa->queues)
		return -EINVAL;
	rtnl_lock();
	err = pfr_device_bind(ring, sa->ifindex, sa->queues);
	rtnl_unlock();
	if (!err)
		pfr_proc_add(ring);
	return err;
}

static int pfr_getname(struct socket *sock, struct sockaddr *addr, int peer)
{
	struct pfr_ring *ring = pfr_ring(sock->sk);
	struct sockaddr_pfr *sa = (struct sockaddr_pfr *)addr;

	if (peer)
		return -EOPNOTSUPP;
	memset(sa, 0, sizeof(*sa));
	sa->family = PF_RING;
	sa->ifindex = READ_ONCE(ring->ifindex);
	sa->queues = READ_ONCE(ring->queues);
	return sizeof(*sa);
}

static __poll_t pfr_poll(struct file *file, struct socket *sock, poll_table *wait)
{
	struct pfr_ring *ring = pfr_ring(sock->sk);
	__poll_t mask;

	sock_poll_wait(file, sock, wait);
	mask = pfr_wake_poll(ring);
	if (READ_ONCE(ring->gone))
		mask |= EPOLLERR | EPOLLHUP;
	if (READ_ONCE(ring->shut))
		mask |= EPOLLHUP | EPOLLRDHUP;
	if (READ_ONCE(ring->sk.sk_err))
		mask |= EPOLLERR;
	if (sock_writeable(&ring->sk))
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return mask;
}

/* Nothing of ours; the core then tries the device's ioctls (flags, hardware stamps). */
static int pfr_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	return -ENOIOCTLCMD;
}

static const struct proto_ops pfr_ops = {
	.family = PF_RING,
	.owner = THIS_MODULE,
	.release = pfr_release,
	.bind = pfr_bind,
	.connect = sock_no_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = pfr_getname,
	.poll = pfr_poll,
	.ioctl = pfr_ioctl,
	.gettstamp = sock_gettstamp,
	.listen = sock_no_listen,
	.shutdown = sock_no_shutdown,
	.setsockopt = pfr_setsockopt,
	.getsockopt = pfr_getsockopt,
	.sendmsg = pfr_tx_sendmsg,
	.recvmsg = sock_no_recvmsg,
	.mmap = pfr_ring_mmap,
};

static int pfr_create(struct net *net, struct socket *sock, int protocol, int kern)
{
	struct pfr_ring *ring;
	struct sock *sk;

	if (!ns_capable(net->user_ns, CAP_NET_RAW))
		return -EPERM;
	if (sock->type != SOCK_RAW)
		return -ESOCKTNOSUPPORT;
	if (protocol != (__force int)htons(ETH_P_ALL))
		return -EPROTONOSUPPORT;
	sk = sk_alloc(net, PF_RING, GFP_KERNEL, &pfr_proto, kern);
	if (!sk)
		return -ENOMEM;
	ring = pfr_ring(sk);
	ring->counters = alloc_percpu_gfp(struct pfr_ring_counters, GFP_KERNEL_ACCOUNT);
	if (!ring->counters) {
		sk_free(sk);
		return -ENOMEM;
	}
	sock->ops = &pfr_ops;
	sock_init_data(sock, sk);
	sk->sk_family = PF_RING;
	ring->pn = pfr_net(net);
	mutex_init(&ring->mutex);
	INIT_LIST_HEAD(&ring->subs);
	INIT_LIST_HEAD(&ring->any_node);
	INIT_LIST_HEAD(&ring->cluster_node);
	INIT_LIST_HEAD(&ring->reflectors);
	ring->directions = PFR_DIR_RX | PFR_DIR_TX;
	ring->sampling = 1;
	ring->memcg = get_mem_cgroup_from_mm(current->mm);
	ring->id = atomic_inc_return(&ring->pn->next_ring_id) - 1;
	ring->pid = task_tgid_vnr(current);
	ring->cookie = get_random_u32() | 1;
	pfr_wake_init(ring);
	atomic_inc(&ring->pn->rings);
	return 0;
}

static const struct net_proto_family pfr_family = {
	.family = PF_RING,
	.create = pfr_create,
	.owner = THIS_MODULE,
};

int __init pfr_socket_init(void)
{
	int err = proto_register(&pfr_proto, 1); /* a cache, so that sockets are charged */

	if (err)
		return err;
	err = sock_register(&pfr_family);
	if (err)
		proto_unregister(&pfr_proto);
	return err;
}

void pfr_socket_exit(void)
{
	sock_unregister(PF_RING);
	proto_unregister(&pfr_proto);
}
