# SPDX-License-Identifier: BSD-3-Clause
"""Writers of packets: pcap and pcapng through the extension, Parquet through pyarrow.

All rotate by size and time, take batches or everything that a ring delivers (`ring.tee`), and
lose nothing that was flushed, whatever happens to the process. pyarrow is imported when a
Parquet file is opened.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from . import _core
from .batch import Batch, Flows
from .closing import Closing
from .errors import Closed

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

Format = Literal["pcap", "pcap_ns", "pcapng", "parquet"]

_SUFFIXES: dict[str, Format] = {".pcapng": "pcapng", ".ntar": "pcapng", ".parquet": "parquet"}
_ETHERNET = 1


class PacketWriter(Protocol):
    """What `ring.tee()` and `Batch.write()` take."""

    @property
    def written(self) -> int:
        """Packets written so far."""

    def write(self, batch: Batch) -> None:
        """Append a batch."""

    def flush(self) -> None:
        """Make everything written so far outlive this process."""

    def close(self) -> None:
        """Finish the file. Closing twice is fine."""


class Writer(Closing):
    """Writes pcap or pcapng files, one after the other if it rotates.

    rotate_bytes: the next file begins before this size is passed; None: no limit.
    rotate_seconds: a file holds packets of at most this time, counted from its first.
    keep: the oldest files beyond so many are deleted; None: all stay.
    flush_every: seconds after which what was written is handed to the system by itself.

    A file that rotates is named like `trace_00001_20261122093015.pcap`: number, and UTC of the
    first packet. No file is cut inside a packet, also on a full disk: that raises, and what was
    written before can be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: Literal["pcap", "pcap_ns", "pcapng"] | None = None,
        linktype: int = _ETHERNET,
        snaplen: int = 262144,
        rotate_bytes: int | None = None,
        rotate_seconds: float | None = None,
        keep: int | None = None,
        flush_every: float | None = 1.0,
    ) -> None:
        _check(rotate_bytes, rotate_seconds, keep)
        kind = format or format_of(path)
        if kind == "parquet":
            raise ValueError("Writer writes pcap and pcapng; ParquetWriter writes Parquet")
        self._sink = _core.Rotation(
            path,
            kind,
            linktype,
            snaplen,
            rotate_bytes or 0,
            int((rotate_seconds or 0) * 1e9),
            keep or 0,
            -1 if flush_every is None else int(flush_every * 1e9),
        )

    @property
    def written(self) -> int:
        """Packets written so far."""
        return self._sink.written

    @property
    def files(self) -> list[Path]:
        """The files written, oldest first, without those that `keep` has deleted."""
        return [Path(name) for name in self._sink.files]

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._sink.closed

    def write(self, batch: Batch) -> None:
        """Append a batch."""
        if not isinstance(batch, Batch):
            raise TypeError(
                f"write() takes a pfring.Batch, not {type(batch).__name__}: single packets go to "
                "a pfring.Dumper, flows to a ParquetWriter with columns='flows'"
            )
        batch.write(self)

    def flush(self, sync: bool = False) -> None:
        """Hand everything to the system, which outlives this process.

        sync: wait for the disk too, which outlives the machine's power.
        """
        self._sink.flush(sync)

    def close(self) -> None:
        """Finish the file. Closing twice is fine."""
        self._sink.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<pfring.Writer {state}, {self.written:,} packets in {len(self.files)} files>"


class ParquetWriter(Closing):
    """Writes Parquet, a row for each packet; needs pyarrow.

    columns: "packets" (time, lengths, interface, direction, VLAN, and the bytes as `data`) or
    "flows" (the parsed columns, no bytes).
    rotate_rows, rotate_seconds, keep: as in Writer, by rows instead of bytes.

    A Parquet file can be read only once its end is written. Therefore every part is written
    under a name with a dot in front, and gets its own when it is whole; `flush()` ends a part.
    With rotation or after a flush, parts are named like `trace_00001_20261122093015.parquet`,
    and the folder can be read as one data set.
    """

    ROWS = 65536  # of a row group

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Literal["packets", "flows"] = "packets",
        rotate_rows: int | None = None,
        rotate_seconds: float | None = None,
        keep: int | None = None,
        compression: str = "zstd",
        linktype: int = _ETHERNET,
    ) -> None:
        _check(rotate_rows, rotate_seconds, keep)
        if columns not in ("packets", "flows"):
            raise ValueError(f"columns must be 'packets' or 'flows', not {columns!r}")
        try:
            import pyarrow.parquet
        except ImportError as e:
            raise ImportError("ParquetWriter needs pyarrow: pip install 'pfring[arrow]'") from e
        self._parquet = pyarrow.parquet
        self._path = Path(path)
        self._columns, self._compression = columns, compression
        self._rotate_rows = rotate_rows
        self._rotate_ns = int(rotate_seconds * 1e9) if rotate_seconds else None
        self._keep = keep
        self._numbered = bool(rotate_rows or rotate_seconds)
        self._number = 0
        self._part: pyarrow.parquet.ParquetWriter | None = None
        self._rows = self._first_ns = 0
        self._lock = threading.RLock()
        self._sink = _core.Collector(self._append, self.ROWS, linktype == _ETHERNET)
        self.files: list[Path] = []
        self.written = 0
        self.closed = False
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {self._path.parent} to write to")

    def write(self, batch: Batch | Flows) -> None:
        """Append a batch, or with columns="flows" also flows."""
        kinds = (Batch, Flows) if self._columns == "flows" else (Batch,)
        if not isinstance(batch, kinds):
            names = " or ".join(f"pfring.{kind.__name__}" for kind in kinds)
            raise TypeError(f"write() takes a {names} here, not {type(batch).__name__}")
        if self.closed:
            raise Closed(9, f"the writer of {self._path} is closed")
        self._sink.flush()  # what a ring has delivered before comes first
        self._append_rows(batch)

    def _append(self, core: _core.PacketBatch) -> None:
        self._append_rows(Batch(core))

    def _append_rows(self, batch: Batch | Flows) -> None:
        if self.closed:
            raise Closed(9, f"the writer of {self._path} is closed")
        if self._columns == "flows" and isinstance(batch, Batch):
            batch = batch.flows()
        rows = batch.to_arrow()
        with self._lock:
            start = 0
            while start < len(rows):
                stop = self._room(rows, start)
                self._put(rows.slice(start, stop - start))
                start = stop

    def _stamp(self, rows: pyarrow.RecordBatch, i: int) -> int:
        value = rows.column(0)[i].value
        assert isinstance(value, int)
        return value

    def _room(self, rows: pyarrow.RecordBatch, start: int) -> int:
        """Return up to which row the part now open, or a new one, may go."""
        if self._part is not None and self._is_full(self._stamp(rows, start)):
            self._end_part()
        if self._part is None:
            self._begin_part(rows, self._stamp(rows, start))
        stop = len(rows)
        if self._rotate_rows:
            stop = min(stop, start + self._rotate_rows - self._rows)
        if self._rotate_ns and self._stamp(rows, stop - 1) >= self._first_ns + self._rotate_ns:
            for i in range(start + 1, stop):
                if self._stamp(rows, i) >= self._first_ns + self._rotate_ns:
                    return i
        return stop

    def _is_full(self, ts_ns: int) -> bool:
        return bool(
            (self._rotate_rows and self._rows >= self._rotate_rows)
            or (self._rotate_ns and ts_ns >= self._first_ns + self._rotate_ns)
        )

    def _name(self) -> Path:
        if not self._numbered:
            return self._path
        seconds = self._first_ns // 1_000_000_000
        stamp = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y%m%d%H%M%S")
        name = f"{self._path.stem}_{self._number:05}_{stamp}{self._path.suffix}"
        return self._path.with_name(name)

    @property
    def _hidden(self) -> Path:
        return self._path.with_name(f".{self._path.name}.part")

    def _begin_part(self, rows: pyarrow.RecordBatch, first_ns: int) -> None:
        self._number += 1
        self._rows, self._first_ns = 0, first_ns
        self._part = self._parquet.ParquetWriter(
            self._hidden, rows.schema, compression=self._compression
        )

    def _put(self, rows: pyarrow.RecordBatch) -> None:
        assert self._part is not None
        try:
            self._part.write_batch(rows, row_group_size=self.ROWS)
        except BaseException:
            self._give_up()
            raise
        self._rows += len(rows)
        self.written += len(rows)

    def _end_part(self) -> None:
        if self._part is None:
            return
        try:
            self._part.close()
        except BaseException:
            self._give_up()
            raise
        self._part = None
        name = self._name()
        self._hidden.rename(name)
        self.files.append(name)
        while self._keep and len(self.files) > self._keep:
            self.files.pop(0).unlink(missing_ok=True)

    def _give_up(self) -> None:
        """Drop a part that cannot be finished; those before it are whole."""
        part, self._part = self._part, None
        self.written -= self._rows
        with suppress(OSError):
            if part is not None:
                part.close()
        with suppress(OSError):
            self._hidden.unlink(missing_ok=True)

    def flush(self) -> None:
        """End the part, so that it can be read whatever happens to this process."""
        if self.closed:
            raise Closed(9, f"the writer of {self._path} is closed")
        self._sink.flush()
        with self._lock:
            self._numbered = True
            self._end_part()

    def close(self) -> None:
        """Finish the file. Closing twice is fine."""
        if self.closed:
            return
        try:
            self._sink.flush()
            with self._lock:
                self._end_part()
        finally:
            self.closed = True

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<pfring.ParquetWriter {state}, {self.written:,} rows, {len(self.files)} files>"


def _check(size: int | None, seconds: float | None, keep: int | None) -> None:
    for name, value in (("size", size), ("rotate_seconds", seconds), ("keep", keep)):
        if value is not None and value <= 0:
            raise ValueError(f"{name} must be more than 0, or None; not {value}")
    if keep is not None and size is None and seconds is None:
        raise ValueError("keep= is for files that rotate: give a size or rotate_seconds= too")


def format_of(path: str | os.PathLike[str]) -> Format:
    """Return the format that a file's name asks for; "pcap" where it says nothing."""
    return _SUFFIXES.get(Path(os.fsdecode(path)).suffix.lower(), "pcap")


def writer(path: str | os.PathLike[str], **options: object) -> Writer | ParquetWriter:
    """Open a writer for a path: `.parquet`, `.pcapng`, anything else is pcap.

    The options are those of Writer or ParquetWriter.
    """
    kind = ParquetWriter if format_of(path) == "parquet" else Writer
    return kind(path, **options)  # type: ignore[arg-type]
