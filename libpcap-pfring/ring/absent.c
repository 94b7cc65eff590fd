/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * absent.c - public calls of PF_RING for what nobody offers here.
 *
 * Adapters with flow tables of their own, commercial modules, retired ways of
 * the kernel module. Each answers -EOPNOTSUPP and says what does the job
 * instead, so that a program which only tries can go on.
 */
#include "handle.h"
#include "names.h"

static int absent(pfring *ring, const char *what)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	return pfri_leave(r, pfri_fail(-EOPNOTSUPP, "%s: %s", r->ops->name, what));
}

int pfring_recv_flow(pfring *ring, pfring_flow_update *flow, u_int8_t wait_for_flows)
{
	(void)flow;
	(void)wait_for_flows;
	return absent(ring, "no adapter here keeps flows; read packets and use their hash");
}

int pfring_set_virtual_device(pfring *ring, virtual_filtering_device_info *info)
{
	(void)info;
	return absent(ring, "virtual filtering devices are no more; use filtering rules");
}

int pfring_set_master_id(pfring *ring, u_int32_t master_id)
{
	(void)master_id;
	return absent(ring, "rings have no masters; use pfring_set_cluster() to share packets");
}

int pfring_set_master(pfring *ring, pfring *master)
{
	(void)master;
	return pfring_set_master_id(ring, 0);
}

int pfring_set_bound_dev_name(pfring *ring, char *custom_dev_name)
{
	(void)custom_dev_name;
	return absent(ring, "a ring has the name of the device it was opened on");
}

int pfring_set_filtering_sampling_rate(pfring *ring, u_int32_t rate)
{
	if (!rate)
		return ring ? 0 : absent(ring, "");
	return absent(ring, "packets that filters refuse are not sampled; sample those that pass "
			    "with pfring_set_sampling_rate()");
}

int pfring_bind(pfring *ring, const char *device_name)
{
	struct pfri_ring *r = pfri_of(ring);
	struct pfri_name name;
	int rc;

	if (!device_name || !device_name[0])
		return pfri_fail(-EINVAL, "pfring_bind: no device was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	if (strcmp(device_name, r->name.device) != 0 &&
	    (pfri_name_parse(device_name, &name) || strcmp(name.device, r->name.device) != 0))
		rc = pfri_fail(-EOPNOTSUPP,
			       "the ring is bound to %s since it was opened; open another one "
			       "for %.100s",
			       r->name.device, device_name);
	return pfri_leave(r, rc);
}

const char *sysdig_event2name(u_int16_t event_type)
{
	static __thread char name[16];

	snprintf(name, sizeof(name), "event %u", event_type);
	return name;
}
