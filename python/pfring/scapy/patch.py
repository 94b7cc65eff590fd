# SPDX-License-Identifier: BSD-3-Clause
"""Puts our methods into scapy's Packet, and watches what dissection depends on; and undoes both.

Three places are touched: nine methods and one slot of Packet (python/src/scapy_methods.cpp);
attributes being set on packet classes (bind_layers, monkeypatches, layer
filters); and five settings of conf. Only backend.py calls this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scapy.config import Conf
from scapy.packet import Packet

from pfring._core import scapy as _core

from . import model

_undo: list[Callable[[], None]] = []


def _replace(owner: type, name: str, value: object) -> None:
    """Set a class attribute so that undo() brings back what was there, or nothing."""
    missing = name not in owner.__dict__
    before = owner.__dict__.get(name)

    def back() -> None:
        if missing:
            type.__delattr__(owner, name)
        else:
            type.__setattr__(owner, name, before)

    type.__setattr__(owner, name, value)
    _undo.append(back)


class _Elsewhere:
    """Stands in for Packet's slot "_pkt", where lazy packets keep what makes them lazy.

    scapy itself never uses the slot; who does so finds the value in the packet's __dict__.
    """

    def __get__(self, packet: Any, cls: type) -> Any:
        if packet is None:
            return self
        try:
            return packet.__dict__["_pkt"]
        except KeyError:
            raise AttributeError("_pkt") from None

    def __set__(self, packet: Any, value: Any) -> None:
        packet.__dict__["_pkt"] = value

    def __delete__(self, packet: Any) -> None:
        try:
            del packet.__dict__["_pkt"]
        except KeyError:
            raise AttributeError("_pkt") from None


def _set_class_attribute(cls: type, name: str, value: object) -> None:
    model.changing()
    type.__setattr__(cls, name, value)


def _delete_class_attribute(cls: type, name: str) -> None:
    model.changing()
    type.__delattr__(cls, name)


def apply() -> None:
    """Make packets lazy from now on. Raises model.Unsupported if this scapy is not understood."""
    if _undo:
        return
    filled, initial = model.slots_to_fill()
    methods = _core.adopt(Packet, filled, initial, model.CHEAP)
    before = Conf.__setattr__

    def set_conf(self: Conf, name: str, value: Any) -> None:
        if name in model.SETTINGS:
            model.changing()
        before(self, name, value)

    meta = type(Packet)
    for name, method in methods.items():
        _replace(Packet, name, method)
    _replace(Packet, "_pkt", _Elsewhere())
    _replace(meta, "__setattr__", _set_class_attribute)
    _replace(meta, "__delattr__", _delete_class_attribute)
    _replace(Conf, "__setattr__", set_conf)


def undo() -> None:
    """Dissect what waits and give Packet its own methods back."""
    model.changing()
    while _undo:
        _undo.pop()()
