# SPDX-License-Identifier: BSD-3-Clause
"""Puts pfring's sockets into scapy's configuration, and keeps them there.

scapy chooses its sockets anew whenever conf.use_pcap or conf.use_bpf is set, in
scapy.config._set_conf_sockets: that function is wrapped, so that the choice is
ours afterwards too. What scapy chose serves what pfring does not (sockets.py).
This module imports scapy; only pfring.scapy loads it.
"""

from __future__ import annotations

import functools
import sys
import sysconfig
from dataclasses import dataclass
from typing import Any, cast

import scapy.arch
import scapy.config
from scapy.config import conf
from scapy.error import log_runtime

from . import model, offline, options, patch, sockets


@dataclass
class _State:
    installed: bool = False
    chooser: Any = None
    """scapy's own _set_conf_sockets."""


state = _State()


def install(*, lazy: bool, buffer: int | None) -> None:
    """Take over the choice of sockets."""
    if not sys.platform.startswith("linux"):
        raise OSError("pfring's sockets are for Linux")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        lazy = False
    options.buffer = buffer
    if lazy:
        try:
            patch.apply()
            model.refresh()
        except model.Unsupported as e:
            log_runtime.info("pfring.scapy: packets are dissected at once: %s", e)
            lazy = False
    else:
        patch.undo()
    options.lazy = lazy
    offline.apply()
    if not state.installed:
        state.chooser = scapy.config._set_conf_sockets
        scapy.config._set_conf_sockets = _choose
        state.installed = True
    _take()


def uninstall() -> None:
    """Give the choice back to scapy."""
    if not state.installed:
        return
    scapy.config._set_conf_sockets = state.chooser
    state.installed = False
    options.lazy = False
    offline.undo()
    patch.undo()
    state.chooser()


def _choose() -> None:
    try:
        state.chooser()
    finally:
        _take()


def _take() -> None:
    for kind in ("L2listen", "L2socket", "L3socket"):
        chosen = getattr(conf, kind)
        if not (isinstance(chosen, type) and issubclass(chosen, sockets.RingSocket)):
            sockets.native[kind] = chosen
    conf.L2listen = sockets.L2Listen
    conf.L2socket = sockets.L2
    conf.L3socket = sockets.L3
    conf.L3socket6 = cast(Any, functools.partial(sockets.L3, filter="ip6"))
