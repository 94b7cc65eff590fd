/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * environment.c - what the environment asks of handles.
 *
 * PF_RING's own variables keep their names and meanings; PFRING_VERBOSE and
 * PCAP_PF_RING_READ_TIMEOUT are ours. Read at activation, by the activating
 * thread. Nothing is ever written to standard error unless PFRING_VERBOSE asks.
 */
#include "overlay.h"

const char *pfro_env(const char *name)
{
	const char *v = secure_getenv(name);

	return v && v[0] && strcmp(v, "0") ? v : NULL;
}

bool pfro_env_refuses(void)
{
	return pfro_env("PCAP_NO_PF_RING");
}

u_int32_t pfro_env_flags(void)
{
	static const struct {
		const char *name;
		u_int32_t flag;
	} flags[] = {
		{"PCAP_PF_RING_HW_TIMESTAMP", PF_RING_HW_TIMESTAMP},
		{"PCAP_PF_RING_STRIP_HW_TIMESTAMP", PF_RING_STRIP_HW_TIMESTAMP},
		{"PCAP_PF_RING_USERSPACE_BPF", PF_RING_USERSPACE_BPF},
		{"PCAP_PF_RING_ZC_RSS", PF_RING_ZC_SYMMETRIC_RSS},
		{"PCAP_PF_RING_DNA_RSS", PF_RING_DNA_SYMMETRIC_RSS},
	};
	u_int32_t out = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (pfro_env(flags[i].name))
			out |= flags[i].flag;
	return out;
}

static const struct {
	const char *name; /* behind PCAP_PF_RING_USE_CLUSTER_ */
	cluster_type type;
} clusters[] = {
	{"PER_FLOW", cluster_per_flow},
	{"PER_FLOW_2_TUPLE", cluster_per_flow_2_tuple},
	{"PER_FLOW_4_TUPLE", cluster_per_flow_4_tuple},
	{"PER_FLOW_TCP_5_TUPLE", cluster_per_flow_tcp_5_tuple},
	{"PER_FLOW_5_TUPLE", cluster_per_flow_5_tuple},
	{"ROUNDROBIN", cluster_round_robin},
	{"PER_INNER_FLOW", cluster_per_inner_flow},
	{"PER_INNER_FLOW_2_TUPLE", cluster_per_inner_flow_2_tuple},
	{"PER_INNER_FLOW_4_TUPLE", cluster_per_inner_flow_4_tuple},
	{"PER_INNER_FLOW_5_TUPLE", cluster_per_inner_flow_5_tuple},
	{"PER_INNER_FLOW_TCP_5_TUPLE", cluster_per_inner_flow_tcp_5_tuple},
	{"PER_FLOW_IP_5_TUPLE", cluster_per_flow_ip_5_tuple},
	{"PER_INNER_FLOW_IP_5_TUPLE", cluster_per_inner_flow_ip_5_tuple},
	{"PER_FLOW_IP_WITH_DUP_TUPLE", cluster_per_flow_ip_with_dup_tuple},
};

void pfro_env_read(struct pfro_handle *h)
{
	const char *v = pfro_env("PCAP_PF_RING_CLUSTER_ID");
	char name[64];

	if (v && h->cluster_id < 0) {
		int id = atoi(v);

		if (id > 0 && id < 255)
			h->cluster_id = id;
		for (size_t i = 0; i < sizeof(clusters) / sizeof(clusters[0]); i++) {
			snprintf(name, sizeof(name), "PCAP_PF_RING_USE_CLUSTER_%s",
				 clusters[i].name);
			if (pfro_env(name))
				h->cluster = clusters[i].type;
		}
	}
	v = pfro_env("PCAP_PF_RING_APPNAME");
	if (v && !h->appname[0])
		snprintf(h->appname, sizeof(h->appname), "%s", v);
	if (pfro_env("PCAP_PF_RING_RECV_ONLY") && h->direction == PCAP_D_INOUT)
		h->direction = PCAP_D_IN;
	h->spin = pfro_env("PCAP_PF_RING_ACTIVE_POLL");
	h->read_timeout = pfro_env("PCAP_PF_RING_READ_TIMEOUT");
}

void pfro_tell(const struct pfro_handle *h)
{
	const char *why = h->why;

	if (!pfro_env("PFRING_VERBOSE"))
		return;
	if (h->ring)
		fprintf(stderr, "pfring: %s: backend %s", h->device,
			pfring_get_backend(h->ring, &why));
	else
		fprintf(stderr, "pfring: %s: system libpcap", h->device);
	fprintf(stderr, " (%s)\n", why && why[0] ? why : "no reason");
}
