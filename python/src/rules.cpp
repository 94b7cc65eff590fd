/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rules.cpp - binds filtering rules for pfring/rules.py.
 *
 * That module has the classes that users see and turns names, addresses and
 * ranges into numbers; here numbers and bytes, by name, become the structures
 * of pfring.h. With the GIL held; the calls take their turn on the handle.
 */
#include <cerrno>
#include <cstring>

#include "errors.h"
#include "registry.h"
#include "ring.h"

namespace py = pybind11;
using namespace py::literals;

static const char *class_of(int ret)
{
	switch (-ret) {
	case EINVAL:
	case EEXIST:
	case ENOSPC:
	case ELOOP:
		return "RuleError";
	case ENOENT:
		return "NoSuchRule";
	default:
		return nullptr;
	}
}

template <class F> static void rule_call(Ring &ring, F f)
{
	ring.check_open();
	int ret = ring.handle->exclusive(f);
	ring_check(ring, ret, class_of(ret));
}

template <class T> static void take(const py::dict &fields, const char *name, T &to)
{
	if (fields.contains(name))
		to = fields[name].cast<T>();
}

/* Bytes: no longer than there is room, as rules.py has made sure of. */
static void take_bytes(const py::dict &fields, const char *name, void *to, size_t room)
{
	if (!fields.contains(name))
		return;
	std::string bytes = fields[name].cast<std::string>();
	memcpy(to, bytes.data(), bytes.size() < room ? bytes.size() : room);
}

/* Four bytes are IPv4, which rules hold in host byte order; sixteen IPv6. */
static void take_address(const py::dict &fields, const char *name, ip_addr &to)
{
	if (!fields.contains(name))
		return;
	std::string bytes = fields[name].cast<std::string>();
	if (bytes.size() == 4) {
		u_int32_t word;
		memcpy(&word, bytes.data(), 4);
		to.v4 = ntohl(word);
	} else if (bytes.size() == 16) {
		memcpy(&to.v6, bytes.data(), 16);
	}
}

template <class Rule> static void take_action(const py::dict &fields, Rule &rule)
{
	int action = 0;
	take(fields, "action", action);
	rule.rule_action = (rule_action_behaviour)action;
	take(fields, "plugin", rule.plugin_action.plugin_id);
	take_bytes(fields, "reflect_to", rule.reflector_device_name,
		   sizeof(rule.reflector_device_name));
}

static unsigned add_rule(Ring &ring, const py::dict &f)
{
	filtering_rule rule;
	memset(&rule, 0, sizeof(rule));
	auto &core = rule.core_fields;
	auto &more = rule.extended_fields;
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	take(f, "id", rule.rule_id);
	take_action(f, rule);
	take(f, "balance_id", rule.balance_id);
	take(f, "balance_pool", rule.balance_pool);
	take(f, "locked", rule.locked);
	take(f, "bidirectional", rule.bidirectional);
	take(f, "if_index", core.if_index);
	take_bytes(f, "eth_src", core.smac, sizeof(core.smac));
	take_bytes(f, "eth_dst", core.dmac, sizeof(core.dmac));
	take(f, "vlan", core.vlan_id);
	take(f, "eth_type", core.eth_type);
	take(f, "proto", core.proto);
	take_address(f, "src", core.shost);
	take_address(f, "src_mask", core.shost_mask);
	take_address(f, "dst", core.dhost);
	take_address(f, "dst_mask", core.dhost_mask);
	take(f, "sport_low", core.sport_low);
	take(f, "sport_high", core.sport_high);
	take(f, "dport_low", core.dport_low);
	take(f, "dport_high", core.dport_high);
	take(f, "tcp_flags", core.tcp.flags);
	take_bytes(f, "payload", more.payload_pattern, sizeof(more.payload_pattern));
	take(f, "filter_plugin", more.filter_plugin_id);
	take_bytes(f, "filter_data", more.filter_plugin_data, sizeof(more.filter_plugin_data));
	take(f, "tunnel_id", more.tunnel.tunnel_id);
	take_address(f, "tunnel_src", more.tunnel.shost);
	take_address(f, "tunnel_src_mask", more.tunnel.shost_mask);
	take_address(f, "tunnel_dst", more.tunnel.dhost);
	take_address(f, "tunnel_dst_mask", more.tunnel.dhost_mask);
	rule_call(ring, [&](pfring *r) { return pfring_add_filtering_rule(r, &rule); });
	return rule.rule_id;
}

static hash_filtering_rule hash_rule_of(const py::dict &f)
{
	hash_filtering_rule rule;
	memset(&rule, 0, sizeof(rule));
	take_action(f, rule);
	take(f, "vlan", rule.vlan_id);
	take(f, "version", rule.ip_version);
	take(f, "proto", rule.proto);
	take_address(f, "a", rule.host_peer_a);
	take_address(f, "b", rule.host_peer_b);
	take(f, "a_port", rule.port_peer_a);
	take(f, "b_port", rule.port_peer_b);
	return rule;
}

static py::tuple counts(const hash_filtering_rule_stats &st)
{
	return py::make_tuple(st.match, st.filtered, st.match_forward, st.inactivity);
}

void register_rules(py::class_<Ring> &ring)
{
	ring.def("_rule_add", &add_rule)
		.def("_rule_remove",
		     [](Ring &r, u_int16_t id) {
			     rule_call(r, [&](pfring *p) {
				     return pfring_remove_filtering_rule(p, id);
			     });
		     })
		.def("_rule_stats",
		     [](Ring &r, u_int16_t id) {
			     hash_filtering_rule_stats st = {};
			     u_int len = sizeof(st);
			     rule_call(r, [&](pfring *p) {
				     return pfring_get_filtering_rule_stats(p, id, (char *)&st,
									    &len);
			     });
			     return counts(st);
		     })
		.def("_hash_rule",
		     [](Ring &r, const py::dict &fields, bool add) {
			     hash_filtering_rule rule = hash_rule_of(fields);
			     rule_call(r, [&](pfring *p) {
				     return pfring_handle_hash_filtering_rule(p, &rule, add);
			     });
		     })
		.def("_hash_rule_stats",
		     [](Ring &r, const py::dict &fields) {
			     hash_filtering_rule rule = hash_rule_of(fields);
			     hash_filtering_rule_stats st = {};
			     rule_call(r, [&](pfring *p) {
				     return pfring_hash_rule_stats(p, &rule, &st);
			     });
			     return counts(st);
		     })
		.def("_rules_purge", [](Ring &r, bool hash, u_int16_t idle) {
			rule_call(r, [&](pfring *p) {
				return hash ? pfring_purge_idle_hash_rules(p, idle)
					    : pfring_purge_idle_rules(p, idle);
			});
		});
}
