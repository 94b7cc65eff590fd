# SPDX-License-Identifier: BSD-3-Clause
"""An object whose __init__ has not run is refused wherever it turns up, and ends nothing."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pfring
import pytest
from pfring import _core

CLASSES = [c for _, c in inspect.getmembers(_core, inspect.isclass)] + [_core.scapy.Feed]
MADE = [c for c in CLASSES if c is not _core.RingIterator]
# What needs nothing behind it: the same object again, Python's own, what asks the ring later.
HARMLESS = {"__enter__", "__init__", "__new__", "__buffer__", "_pybind11_conduit_v1_"}
LATER = {"batches", "flows", "rules", "hash_rules"}


def calls(empty: Any) -> list[Callable[[], object]]:
    """Return each method and property of the class, to be called in every way that may fit."""
    result: list[Callable[[], object]] = []
    for name, value in inspect.getmembers(type(empty)):
        if name in HARMLESS | LATER or (name.startswith("__") and name in dir(object)):
            continue
        if isinstance(value, property):
            result.append(lambda value=value: value.fget(empty))  # type: ignore[misc]
        elif callable(value):
            for words in ((), (1,), ("x",), (b"x",), (1, 1), (None, None, None, None)):
                result.append(lambda value=value, words=words: value(empty, *words))  # type: ignore[misc]
    return result


@pytest.mark.parametrize("cls", MADE, ids=lambda c: c.__name__)
def test_every_use_of_an_empty_object_is_a_type_error(cls: Any) -> None:
    empty = cls.__new__(cls)
    for call in calls(empty):
        with pytest.raises(TypeError):
            call()


def test_a_ring_says_what_is_missing() -> None:
    empty = pfring.Ring.__new__(pfring.Ring)
    with pytest.raises(TypeError, match=r"Ring is empty: its __init__\(\) has not been called"):
        empty.read()
    for lazily in (empty.batches(), empty.flows()):
        with pytest.raises(TypeError, match="is empty"):
            next(lazily)
    with pytest.raises(TypeError, match="is empty"):
        repr(empty)


def test_a_subclass_that_acts_before_it_is_initialised_is_told_so(trace_file: Path) -> None:
    class Hasty(pfring.Ring):
        def __init__(self, path: Path) -> None:
            self.close()
            super().__init__(f"file:{path}")

    class Patient(pfring.Ring):
        def __init__(self, path: Path) -> None:
            super().__init__(f"file:{path}")
            self.first = self.read(1)

    with pytest.raises(TypeError, match="Hasty is empty"):
        Hasty(trace_file)
    assert len(Patient(trace_file).first) == 1


def test_an_empty_object_is_no_argument_either(trace_file: Path, tmp_path: Path) -> None:
    with pfring.open(trace_file) as ring:
        with pytest.raises(TypeError, match="is empty"):
            ring.save(pfring.Dumper.__new__(pfring.Dumper))
        with pytest.raises(TypeError, match="is empty"):
            ring.tee(pfring.Dumper.__new__(pfring.Dumper))
    with pytest.raises(BufferError):
        memoryview(_core.Column.__new__(_core.Column))


def test_a_ring_cannot_be_copied_or_pickled(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        for way in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                way(ring)
