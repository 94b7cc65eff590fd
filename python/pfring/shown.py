# SPDX-License-Identifier: BSD-3-Clause
"""How batches and flows look in a notebook: a small HTML table, the first and the last rows.

Called by IPython through `_repr_html_`. No library is needed, and a batch of a million packets
costs no more than one of ten.
"""

from __future__ import annotations

from datetime import datetime, timezone
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batch import _Table

ROWS = 10  # at most, of the batch


def html_table(table: _Table) -> str:
    """Return a batch, or flows, as a table."""
    from .batch import Flows

    if not table._is_there():
        return f"<code>{escape(repr(table))}</code>"
    numbers = list(range(len(table)))
    if len(numbers) > ROWS:
        numbers = [*numbers[: ROWS // 2], *numbers[-ROWS // 2 :]]
    rows, names = [], table.shown()
    before = -1
    for i in numbers:
        if i != before + 1:
            rows.append(f"<tr><td colspan={len(names) + 1}>&#8942;</td></tr>")
        cells = "".join(f"<td>{escape(table.cell(name, i))}</td>" for name in names)
        rows.append(f"<tr><th>{i}</th>{cells}</tr>")
        before = i
    head = "".join(f"<th>{name}</th>" for name in ("", *names))
    what = "flows" if isinstance(table, Flows) else "packets"
    return (
        f"<table><caption>{len(table):,} {what}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def time_of(ts_ns: int) -> str:
    """Return a time stamp as text, UTC, with all nanoseconds."""
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S}.{ns:09}"
