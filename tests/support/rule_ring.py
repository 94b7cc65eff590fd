# SPDX-License-Identifier: BSD-3-Clause
"""A ring driven through the C calls for filtering rules, for the model test.

ctypes over libpfring.so, whose place the caller tells: the structures are
written down here a second time, so a change of the layout that programs
compile against fails the test too. Needs nothing but the library.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from pathlib import Path

from support.rule_model import IPV6, Counts, Flow, Model, Rule, Setup


class _Addr(c.Structure):
    _fields_ = (("word", c.c_uint32 * 4),)


class _Tcp(c.Structure):
    _fields_ = (("flags", c.c_uint8),)


class _Core(c.Structure):
    _fields_ = (
        ("if_index", c.c_uint32),
        ("smac", c.c_uint8 * 6),
        ("dmac", c.c_uint8 * 6),
        ("vlan_id", c.c_uint16),
        ("eth_type", c.c_uint16),
        ("proto", c.c_uint8),
        ("shost", _Addr),
        ("dhost", _Addr),
        ("shost_mask", _Addr),
        ("dhost_mask", _Addr),
        ("sport_low", c.c_uint16),
        ("sport_high", c.c_uint16),
        ("dport_low", c.c_uint16),
        ("dport_high", c.c_uint16),
        ("tcp", _Tcp),
    )


class _Tunnel(c.Structure):
    _fields_ = (
        ("tunnel_id", c.c_uint32),
        ("shost", _Addr),
        ("dhost", _Addr),
        ("shost_mask", _Addr),
        ("dhost_mask", _Addr),
    )


class _Extended(c.Structure):
    _fields_ = (
        ("payload_pattern", c.c_char * 32),
        ("filter_plugin_id", c.c_uint16),
        ("filter_plugin_data", c.c_char * 256),
        ("tunnel", _Tunnel),
    )


class _Internals(c.Structure):
    _fields_ = (("last_match_ns", c.c_uint64), ("reserved", c.c_uint64))


class WildRule(c.Structure):
    """filtering_rule of <linux/pf_ring.h>."""

    _fields_ = (
        ("rule_id", c.c_uint16),
        ("rule_action", c.c_int),
        ("balance_id", c.c_uint8),
        ("balance_pool", c.c_uint8),
        ("locked", c.c_uint8),
        ("bidirectional", c.c_uint8),
        ("core", _Core),
        ("extended", _Extended),
        ("plugin_id", c.c_uint16),
        ("reflector_device_name", c.c_char * 16),
        ("internals", _Internals),
    )


class HashRule(c.Structure):
    """hash_filtering_rule of <linux/pf_ring.h>."""

    _fields_ = (
        ("rule_id", c.c_uint16),
        ("vlan_id", c.c_uint16),
        ("ip_version", c.c_uint8),
        ("proto", c.c_uint8),
        ("host_peer_a", _Addr),
        ("host_peer_b", _Addr),
        ("port_peer_a", c.c_uint16),
        ("port_peer_b", c.c_uint16),
        ("rule_action", c.c_int),
        ("plugin_id", c.c_uint16),
        ("reflector_device_name", c.c_char * 16),
        ("internals", _Internals),
    )


class _Stats(c.Structure):
    _fields_ = (
        ("match", c.c_uint64),
        ("filtered", c.c_uint64),
        ("match_forward", c.c_uint64),
        ("inactivity", c.c_uint32),
    )


class _Packet(c.Structure):
    _fields_ = (
        ("data", c.c_void_p),
        ("ts_ns", c.c_uint64),
        ("caplen", c.c_uint32),
        ("len", c.c_uint32),
        ("if_index", c.c_int32),
        ("rest", c.c_uint8 * 20),
    )


class Stats64(c.Structure):
    """struct pfring_stats64."""

    _fields_ = (
        ("sz", c.c_size_t),
        *((name, c.c_uint64) for name in "recv drop filtered_user delivered ifdrop".split()),
        *((name, c.c_uint64) for name in "sent send_errors ring_bytes queued_bytes".split()),
        *((name, c.c_uint64) for name in "wakeups reflected reflect_failed".split()),
    )


class _Details(c.Structure):
    """struct pfring_details."""

    _fields_ = (
        ("sz", c.c_size_t),
        ("numbers", c.c_uint32 * 6),
        ("clock", c.c_char * 16),
        ("rules", c.c_uint32),
        ("rules_why", c.c_char * 100),
    )


def _put(to: _Addr, host: bytes) -> None:
    """Write an address as rules hold it: IPv4 in host byte order, IPv6 as on the wire."""
    if len(host) == 4:
        to.word[0] = int.from_bytes(host, "big")
    elif host:
        c.memmove(c.byref(to), host, 16)


def wild_rule(rule: Rule) -> WildRule:
    """Return the C structure of a wildcard rule."""
    out = WildRule(rule_id=rule.rule_id, rule_action=rule.action)
    out.balance_id, out.balance_pool = rule.balance
    out.bidirectional = rule.bidirectional
    core, extended = out.core, out.extended
    core.if_index, core.vlan_id, core.eth_type = rule.if_index, rule.vlan, rule.eth_type
    core.proto, core.tcp.flags = rule.proto, rule.tcp_flags
    if rule.smac:
        core.smac[:] = rule.smac
    if rule.dmac:
        core.dmac[:] = rule.dmac
    _put(core.shost, rule.src)
    _put(core.shost_mask, rule.src_mask)
    _put(core.dhost, rule.dst)
    _put(core.dhost_mask, rule.dst_mask)
    core.sport_low, core.sport_high = rule.sport
    core.dport_low, core.dport_high = rule.dport
    c.memmove(c.addressof(extended), rule.pattern, len(rule.pattern))
    tunnel = extended.tunnel
    tunnel.tunnel_id = rule.tunnel_id
    _put(tunnel.shost, rule.inner_src)
    _put(tunnel.shost_mask, rule.inner_src_mask)
    _put(tunnel.dhost, rule.inner_dst)
    _put(tunnel.dhost_mask, rule.inner_dst_mask)
    out.reflector_device_name = rule.device.encode()
    return out


def hash_rule(flow: Flow) -> HashRule:
    """Return the C structure of a hash rule."""
    out = HashRule(vlan_id=flow.vlan, ip_version=flow.version, proto=flow.proto)
    _put(out.host_peer_a, flow.a)
    _put(out.host_peer_b, flow.b)
    out.port_peer_a, out.port_peer_b = flow.a_port, flow.b_port
    out.rule_action = flow.action
    out.reflector_device_name = flow.device.encode()
    return out


class RuleRing:
    """One open and enabled ring of libpfring."""

    def __init__(self, library: Path, device: str, caplen: int = 0) -> None:
        lib = self.lib = c.CDLL(str(library), use_errno=True)
        lib.pfring_open.restype = c.c_void_p
        lib.pfring_open.argtypes = [c.c_char_p, c.c_uint32, c.c_uint32]
        lib.pfring_last_error.restype = c.c_char_p
        lib.pfring_recv_batch.argtypes = [c.c_void_p, c.c_void_p, c.c_uint, c.c_int]
        self.ring = c.c_void_p(lib.pfring_open(device.encode(), caplen, 0))
        if not self.ring:
            raise OSError(self.why())
        self._batch = (_Packet * 256)()

    def why(self) -> str:
        return str(self.lib.pfring_last_error().decode())

    def call(self, name: str, *args: object) -> None:
        rc = getattr(self.lib, name)(self.ring, *args)
        if rc < 0:
            raise OSError(-rc, f"{name}: {self.why()}")

    def set_up(self, setup: Setup) -> None:
        """Put rules in force, in whatever order they come, and enable the ring."""
        for rule in setup.wild:
            self.call("pfring_add_filtering_rule", c.byref(wild_rule(rule)))
        for flow in setup.flows:
            self.call("pfring_handle_hash_filtering_rule", c.byref(hash_rule(flow)), 1)
        self.call("pfring_toggle_filtering_policy", int(setup.accept))
        self.call("pfring_enable_ring")

    def clear(self) -> None:
        """Remove all rules."""
        self.call("pfring_purge_idle_rules", 0)
        self.call("pfring_purge_idle_hash_rules", 0)
        self.call("pfring_toggle_filtering_policy", 1)

    def batch(self, timeout_ms: int) -> list[bytes] | None:
        """Return the packets that are there, none in time; None at a file's end."""
        n = self.lib.pfring_recv_batch(self.ring, self._batch, 256, timeout_ms)
        if n < 0:
            if n == -61:  # ENODATA
                return None
            raise OSError(-n, self.why())
        return [c.string_at(p.data, p.caplen) for p in self._batch[:n]]

    def until(self, last: bytes, timeout_ms: int = 30000) -> Iterator[bytes]:
        """Yield frames up to one that is equal to last, which must come, and is not given."""
        while True:
            got = self.batch(timeout_ms)
            if not got:
                raise TimeoutError("the last frame did not come")
            for frame in got:
                if frame == last:
                    return
                yield frame

    def rest(self) -> list[bytes]:
        """Return everything up to the end of the file."""
        found: list[bytes] = []
        while (got := self.batch(-1)) is not None:
            found += got
        return found

    def wild_counts(self, rule_id: int) -> Counts:
        stats, length = _Stats(), c.c_uint(c.sizeof(_Stats))
        self.call(
            "pfring_get_filtering_rule_stats", c.c_uint16(rule_id), c.byref(stats), c.byref(length)
        )
        return Counts(stats.match, stats.filtered, stats.match_forward)

    def flow_counts(self, flow: Flow) -> Counts:
        stats, length = _Stats(), c.c_uint(c.sizeof(_Stats))
        rule = hash_rule(flow)
        self.call(
            "pfring_get_hash_filtering_rule_stats", c.byref(rule), c.byref(stats), c.byref(length)
        )
        return Counts(stats.match, stats.filtered, stats.match_forward)

    def assert_counts(self, setup: Setup, model: Model) -> None:
        """What every rule counted is what the model says; a flow that was removed has nothing."""
        for rule in setup.wild:
            found = self.wild_counts(rule.rule_id)
            wanted = model.wild_counts[rule.rule_id]
            assert found == wanted, f"{rule}: {found}, not {wanted}"
        for flow in setup.flows:
            try:
                of_flow: Counts | None = self.flow_counts(flow)
            except FileNotFoundError:
                of_flow = None
            expected = model.flow_counts.get(flow.key)
            assert of_flow == expected, f"{flow}: {of_flow}, not {expected}"

    def stats(self) -> Stats64:
        stats = Stats64(sz=c.sizeof(Stats64))
        self.call("pfring_stats64", c.byref(stats))
        return stats

    def rules_place(self) -> tuple[int, str]:
        """Return where rules are evaluated, an enum pfring_rules, and why there."""
        details = _Details(sz=c.sizeof(_Details))
        self.call("pfring_get_details", c.byref(details))
        return int(details.rules), details.rules_why.decode()

    def close(self) -> None:
        self.lib.pfring_close(self.ring)


class _Extra(c.Structure):
    """The start of struct pfring_extended_pkthdr."""

    _fields_ = (
        ("timestamp_ns", c.c_uint64),
        ("flags", c.c_uint32),
        ("rx_direction", c.c_uint8),
        ("port_id", c.c_uint8),
        ("device_id", c.c_uint16),
        ("if_index", c.c_int32),
        ("pkt_hash", c.c_uint32),
    )


class _Header(c.Structure):
    _fields_ = (
        ("seconds", c.c_long),
        ("fraction", c.c_long),
        ("caplen", c.c_uint32),
        ("len", c.c_uint32),
        ("extra", _Extra),
        ("room", c.c_uint8 * 512),
    )


def pkt_hash(library: Path, frame: bytes) -> int:
    """Return the hash that pfring_parse_pkt() gives: what balancing goes by."""
    header = _Header(caplen=len(frame), len=len(frame))
    c.CDLL(str(library)).pfring_parse_pkt(
        c.create_string_buffer(frame, len(frame)), c.byref(header), 4, 0, 1
    )
    return int(header.extra.pkt_hash)


__all__ = ["IPV6", "HashRule", "RuleRing", "WildRule", "hash_rule", "pkt_hash", "wild_rule"]
