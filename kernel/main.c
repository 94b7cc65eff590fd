// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - module parameters, per-namespace state, init and exit.
 *
 * Parameters that ring memory or hooks depend on are read-only once loaded.
 */
#define pr_fmt(fmt) "pf_ring: " fmt

#include <linux/module.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "pfr.h"

unsigned int pfr_min_num_slots = DEFAULT_NUM_SLOTS;
module_param_named(min_num_slots, pfr_min_num_slots, uint, 0444);
MODULE_PARM_DESC(min_num_slots, "packets that a ring holds at least (default 4096)");

bool pfr_enable_tx_capture = true;
module_param_named(enable_tx_capture, pfr_enable_tx_capture, bool, 0444);
MODULE_PARM_DESC(enable_tx_capture, "1: also capture sent packets (default)");

bool pfr_enable_ip_defrag;
module_param_named(enable_ip_defrag, pfr_enable_ip_defrag, bool, 0444);
MODULE_PARM_DESC(enable_ip_defrag, "1: put received IPv4 fragments together");

bool pfr_quick_mode;
module_param_named(quick_mode, pfr_quick_mode, bool, 0444);
MODULE_PARM_DESC(quick_mode, "1: one socket per device, no clusters");

unsigned int pfr_transparent_mode;
module_param_named(transparent_mode, pfr_transparent_mode, uint, 0444);
MODULE_PARM_DESC(
	transparent_mode,
	"received packets: 0: taken beside the stack (default), 1: before it, 2: instead of it");

struct workqueue_struct *pfr_wq;
static unsigned int pfr_net_id;

struct pfr_net *pfr_net(struct net *net)
{
	return net_generic(net, pfr_net_id);
}

static int __net_init net_init(struct net *net)
{
	struct pfr_net *pn = pfr_net(net);

	INIT_HLIST_HEAD(&pn->devs);
	INIT_LIST_HEAD(&pn->any_rings);
	INIT_LIST_HEAD(&pn->clusters);
	INIT_LIST_HEAD(&pn->reflectors);
	return pfr_proc_net_init(net, pn);
}

/* Sockets hold their namespace, so there are none left. */
static void __net_exit net_exit(struct net *net)
{
	struct pfr_net *pn = pfr_net(net);

	WARN_ON(!hlist_empty(&pn->devs) || !list_empty(&pn->clusters));
	pfr_proc_net_exit(net, pn);
	pfr_frags_destroy(pn->frags);
}

static struct pernet_operations pfr_net_ops = {
	.init = net_init,
	.exit = net_exit,
	.id = &pfr_net_id,
	.size = sizeof(struct pfr_net),
};

static int __init pfr_init(void)
{
	int err;

	if (pfr_transparent_mode > 2 || !pfr_min_num_slots || pfr_min_num_slots > 1 << 20) {
		pr_err("transparent_mode is 0..2, min_num_slots 1..%d\n", 1 << 20);
		return -EINVAL;
	}
	get_random_bytes(&pfr_seed, sizeof(pfr_seed));
	pfr_reflect_init();
	pfr_wq = alloc_workqueue("pf_ring", WQ_UNBOUND, 0);
	if (!pfr_wq)
		return -ENOMEM;
	err = register_pernet_subsys(&pfr_net_ops);
	if (err)
		goto err_wq;
	err = register_netdevice_notifier(&pfr_device_notifier);
	if (err)
		goto err_net;
	err = pfr_socket_init();
	if (err)
		goto err_notifier;
	pr_info("%s, ABI %d, at least %u slots, transparent mode %u%s\n", RING_VERSION,
		PF_RING_ABI_VERSION, pfr_min_num_slots, pfr_transparent_mode,
		pfr_quick_mode ? ", quick mode" : "");
	return 0;

err_notifier:
	unregister_netdevice_notifier(&pfr_device_notifier);
err_net:
	unregister_pernet_subsys(&pfr_net_ops);
err_wq:
	destroy_workqueue(pfr_wq);
	return err;
}

/* Runs only when no socket is left: each holds a reference to the module. */
static void __exit pfr_exit(void)
{
	pfr_socket_exit();
	unregister_netdevice_notifier(&pfr_device_notifier);
	unregister_pernet_subsys(&pfr_net_ops);
	rcu_barrier(); /* kfree_rcu() needs no code of ours, rcu_work does */
	destroy_workqueue(pfr_wq);
}

module_init(pfr_init);
module_exit(pfr_exit);

MODULE_DESCRIPTION("PF_RING sockets: packet capture into mapped rings");
MODULE_AUTHOR("the pfring project");
MODULE_LICENSE("GPL");
MODULE_VERSION(RING_VERSION);
