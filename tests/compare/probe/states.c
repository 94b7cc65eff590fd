/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * states.c - every call on a handle that is not active yet, and every setting
 * on one that is; and what a fresh active handle says of itself.
 */
#include "probe.h"

static void before(void)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(CAPTURE, errbuf);
	struct bpf_insn all = BPF_STMT(BPF_RET | BPF_K, 100);
	struct bpf_program program = {1, &all};
	struct pcap_pkthdr header, *h;
	const unsigned char *data = NULL;
	struct pcap_stat st;
	int *list = NULL, n;

	title("before activation");
	CODE(p, pcap_dispatch(p, 1, add, NULL));
	CODE(p, pcap_loop(p, 1, add, NULL));
	CODE(p, pcap_next(p, &header) != NULL);
	CODE(p, pcap_next_ex(p, &h, &data));
	CODE(p, pcap_inject(p, "x", 1));
	CODE(p, pcap_inject(p, "x", 0));
	CODE(p, pcap_sendpacket(p, (const unsigned char *)"x", 1));
	CODE(p, pcap_sendpacket(p, (const unsigned char *)"x", -1));
	CODE(p, pcap_setfilter(p, &program));
	CODE(p, pcap_setdirection(p, PCAP_D_IN));
	CODE(p, pcap_setdirection(p, 9));
	CODE(p, pcap_stats(p, &st));
	CODE(p, pcap_getnonblock(p, errbuf));
	CODE(p, pcap_setnonblock(p, 1, errbuf));
	CODE(p, pcap_getnonblock(p, errbuf));
	CODE(p, pcap_setnonblock(p, 0, errbuf));
	CODE(p, pcap_datalink(p));
	CODE(p, pcap_datalink_ext(p));
	CODE(p, pcap_list_datalinks(p, &list));
	CODE(p, pcap_set_datalink(p, DLT_EN10MB));
	CODE(p, pcap_snapshot(p));
	CODE(p, pcap_bufsize(p));
	CODE(p, pcap_is_swapped(p));
	CODE(p, pcap_major_version(p));
	CODE(p, pcap_minor_version(p));
	CODE(p, pcap_fileno(p));
	CODE(p, pcap_get_selectable_fd(p));
	CODE(p, pcap_get_required_select_timeout(p) != NULL);
	CODE(p, pcap_file(p) != NULL);
	CODE(p, pcap_compile(p, &program, "tcp", 1, 0));
	CODE(p, pcap_can_set_rfmon(p));
	CODE(p, pcap_get_tstamp_precision(p));
	n = pcap_list_tstamp_types(p, &list);
	see("time stamp types: %d", n);
	for (int i = 0; i < n; i++)
		see("time stamp type %s", pcap_tstamp_type_val_to_name(list[i]));
	if (n > 0)
		pcap_free_tstamp_types(list);

	title("settings");
	CODE(p, pcap_set_snaplen(p, -1));
	CODE(p, pcap_set_snaplen(p, 100));
	CODE(p, pcap_set_promisc(p, 2));
	CODE(p, pcap_set_rfmon(p, 0));
	CODE(p, pcap_set_timeout(p, -1));
	CODE(p, pcap_set_timeout(p, TO_MS));
	CODE(p, pcap_set_immediate_mode(p, 1));
	CODE(p, pcap_set_immediate_mode(p, 0));
	CODE(p, pcap_set_buffer_size(p, 0));
	CODE(p, pcap_set_buffer_size(p, -1));
	CODE(p, pcap_set_buffer_size(p, 1 << 20));
	CODE(p, pcap_set_tstamp_type(p, PCAP_TSTAMP_HOST));
	CODE(p, pcap_set_tstamp_type(p, PCAP_TSTAMP_HOST_LOWPREC));
	CODE(p, pcap_set_tstamp_type(p, PCAP_TSTAMP_ADAPTER));
	CODE(p, pcap_set_tstamp_type(p, -1));
	CODE(p, pcap_set_tstamp_type(p, 99));
	CODE(p, pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO));
	CODE(p, pcap_set_tstamp_precision(p, 7));
	CODE(p, pcap_set_protocol_linux(p, 0));
	CODE(p, pcap_activate(p));
	pcap_close(p);
}

static void after(void)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program program;
	struct pcap_stat st;
	pcap_t *p = opened(NULL);

	title("after activation");
	CODE(p, pcap_activate(p));
	CODE(p, pcap_set_snaplen(p, 100));
	CODE(p, pcap_set_promisc(p, 1));
	CODE(p, pcap_set_rfmon(p, 1));
	CODE(p, pcap_set_timeout(p, 1));
	CODE(p, pcap_set_immediate_mode(p, 1));
	CODE(p, pcap_set_buffer_size(p, 1));
	CODE(p, pcap_set_tstamp_type(p, 0));
	CODE(p, pcap_set_tstamp_precision(p, 0));
	CODE(p, pcap_set_protocol_linux(p, 0));
	CODE(p, pcap_can_set_rfmon(p));
	CODE(p, pcap_datalink(p));
	CODE(p, pcap_datalink_ext(p));
	see_datalinks(p);
	CODE(p, pcap_set_datalink(p, DLT_IEEE802_11));
	CODE(p, pcap_set_datalink(p, DLT_EN10MB));
	CODE(p, pcap_snapshot(p));
	CODE(p, pcap_bufsize(p));
	CODE(p, pcap_is_swapped(p));
	CODE(p, pcap_major_version(p));
	CODE(p, pcap_minor_version(p));
	CODE(p, pcap_file(p) != NULL);
	CODE(p, pcap_fileno(p) >= 0);
	CODE(p, pcap_fileno(p) == pcap_get_selectable_fd(p));
	CODE(p, pcap_get_required_select_timeout(p) != NULL);
	CODE(p, pcap_get_tstamp_precision(p));
	CODE(p, pcap_stats(p, &st));
	see("books: %u %u %u", st.ps_recv, st.ps_drop, st.ps_ifdrop);
	CODE(p, pcap_getnonblock(p, errbuf));
	CODE(p, pcap_setnonblock(p, 1, errbuf));
	CODE(p, pcap_getnonblock(p, errbuf));
	CODE(p, pcap_setnonblock(p, 1, errbuf));
	CODE(p, pcap_setnonblock(p, 0, errbuf));
	CODE(p, pcap_getnonblock(p, errbuf));
	CODE(p, pcap_setfilter(p, NULL));
	CODE(p, pcap_setdirection(p, 9));
	CODE(p, pcap_setdirection(p, PCAP_D_INOUT));
	CODE(p, pcap_compile(p, &program, "vlan 5 and tcp", 1, 0));
	see("a live VLAN filter has %u instructions, the first loads %d", program.bf_len,
	    (int)program.bf_insns[0].k);
	pcap_freecode(&program);
	CODE(p, pcap_compile(p, &program, "port 70000", 1, 0));
	CODE(p, pcap_compile(p, &program, "inbound", 1, 0));
	pcap_freecode(&program);
	pcap_close(p);
}

void probe_states(void)
{
	before();
	after();
}
