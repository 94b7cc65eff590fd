/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse.cpp - binds pfring.parse(): one Ethernet frame taken apart by
 * libpfring, as pfring.records.Parsed.
 *
 * For display and tests, one packet at a time and with the GIL held.
 */
#include <arpa/inet.h>

#include <pybind11/pybind11.h>

#include "pfring.h"
#include "registry.h"

namespace py = pybind11;
using namespace py::literals;

static py::str mac_text(const __u8 mac[ETH_ALEN])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return py::str(text);
}

static py::object address_text(int version, const ip_addr &address)
{
	char text[INET6_ADDRSTRLEN] = "";
	in_addr v4 = {htonl(address.v4)};

	if (version == 4)
		inet_ntop(AF_INET, &v4, text, sizeof(text));
	else if (version == 6)
		inet_ntop(AF_INET6, &address.v6, text, sizeof(text));
	else
		return py::none();
	return py::str(text);
}

static py::object parse(const py::object &data, int level)
{
	Py_buffer view;
	if (level < 2 || level > 5)
		throw py::value_error("level must be 2 (Ethernet) to 5 (tunnels)");
	if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_SIMPLE) < 0)
		throw py::error_already_set();
	pfring_pkthdr hdr = {};
	hdr.caplen = hdr.len = (__u32)view.len;
	int reached = pfring_parse_pkt((u_char *)view.buf, &hdr, (u_int8_t)level, 0, 0);
	PyBuffer_Release(&view);
	if (reached < 2)
		return py::none();

	const pkt_parsing_info &p = hdr.extended_hdr.parsed_pkt;
	bool tunnel = p.tunnel.tunnel_id != NO_TUNNEL_ID || p.tunnel.tunneled_ip_version != 0;
	return py::module_::import("pfring.records")
		.attr("Parsed")(reached, mac_text(p.smac), mac_text(p.dmac), p.eth_type, p.vlan_id,
				p.qinq_vlan_id, p.ip_version, p.l3_proto, p.ip_tos,
				address_text(p.ip_version, p.ip_src),
				address_text(p.ip_version, p.ip_dst), p.l4_src_port, p.l4_dst_port,
				p.icmp_type, p.icmp_code, p.tcp.flags, p.tcp.seqNum, p.tcp.ackNum,
				p.offset.payload_offset,
				tunnel ? py::object(py::int_(p.tunnel.tunnel_id)) : py::none());
}

void register_parse(py::module_ &m)
{
	m.def("parse", &parse, "data"_a, "level"_a = 5,
	      "Take an Ethernet frame apart; None if it is too short to be one.");
}
