# SPDX-License-Identifier: BSD-3-Clause
"""The project's own checks find what they are for, and nothing else; the tally adds up."""

from __future__ import annotations

from pathlib import Path

import pytest
import rules
import tally

BSD = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
GPL = "/* SPDX-License-Identifier: GPL-2.0-only */\n"


def test_a_long_file_needs_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(rules.length("a.c", "x\n" * 600))
    assert len(list(rules.length("a.c", "x\n" * 601))) == 1
    monkeypatch.setitem(rules.LONG_FILES, "a.c", "it is a table")
    assert not list(rules.length("a.c", "x\n" * 800))
    assert len(list(rules.length("a.c", "x\n" * 801))) == 1
    assert not list(rules.length("corpus/a.json", "x\n" * 9000))


@pytest.mark.parametrize(
    ("path", "head", "good"),
    [
        ("libpcap-pfring/ring/a.c", BSD, True),
        ("libpcap-pfring/ring/a.c", GPL, False),
        ("libpcap-pfring/ring/a.c", "int x;\n", False),
        ("kernel/ring.c", GPL, True),
        ("kernel/ring.c", BSD, False),
        ("kernel/uapi/pf_ring.h", GPL, False),
        (
            "kernel/uapi/pf_ring.h",
            "/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */\n",
            True,
        ),
        (
            "libpcap-pfring/bpf/a.bpf.c",
            "// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only\n",
            True,
        ),
        ("dev", "#!/usr/bin/env bash\n# SPDX-License-Identifier: BSD-3-Clause\n", True),
        ("dev", "#!/usr/bin/env bash\n", False),
        ("README.md", "# pfring\n", True),
    ],
)
def test_the_licence_line(path: str, head: str, good: bool) -> None:
    assert (not list(rules.licence(path, head))) is good


@pytest.mark.parametrize("text", ["a \n", "a\t\n", "a\r\n", "a", "a\n\n"])
def test_white_space_is_found(text: str) -> None:
    assert list(rules.white_space("a.c", text))
    assert not list(rules.white_space("a.c", "a\n"))
    assert not list(rules.white_space("corpus/01", text))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("libpcap-pfring/ring/packet.c", '"../../kernel/ring.h"'),
        ("drivers/e1000e/rx.c", '"../../kernel/ring.h"'),
        ("kernel/ring.c", '"capture.h"'),
        ("kernel/filter.c", '"capture.h"'),
        ("libpcap-pfring/ring/packet.c", '"file.h"'),
        ("libpcap-pfring/pcap/live.c", '"backend.h"'),
        ("python/src/loop.cpp", '"../../libpcap-pfring/ring/names.h"'),
    ],
)
def test_forbidden_includes_are_found(path: str, name: str) -> None:
    assert len(list(rules.includes(path, f"#include {name}\n"))) >= 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("libpcap-pfring/ring/packet.c", '"backend.h"'),
        ("libpcap-pfring/ring/packet.c", "<linux/if_packet.h>"),
        ("libpcap-pfring/ring/packet.c", "<linux/pf_ring.h>"),
        ("kernel/capture.c", '"ring.h"'),
        ("python/src/ring.cpp", '"ring.h"'),
        ("python/src/ring.cpp", "<pfring.h>"),
    ],
)
def test_allowed_includes_pass(path: str, name: str) -> None:
    assert not list(rules.includes(path, f"#include {name}\n"))


def test_a_heavy_import_belongs_into_a_function() -> None:
    top, inside = "import numpy.random\n", "def f():\n    import numpy\n"
    assert list(rules.heavy_imports("python/pfring/batch.py", top))
    assert not list(rules.heavy_imports("python/pfring/batch.py", inside))
    assert not list(rules.heavy_imports("tests/python/test_batch.py", top))


def test_headers_that_include_each_other_are_a_circle() -> None:
    files = {"k/a.h": '#include "b.h"\n', "k/b.h": '#include "c.h"\n', "k/c.h": '#include "a.h"\n'}
    assert list(rules.cycles(rules.header_graph(files))) == ["k/a.h → k/b.h → k/c.h → k/a.h"]
    files["k/c.h"] = "#include <linux/kernel.h>\n"
    assert not list(rules.cycles(rules.header_graph(files)))


def _level(folder: Path, cases: str) -> tuple[int, int, str]:
    (folder / "x.a.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    counts, _, note = tally.level(folder, "x")
    return counts["passed"], counts["failed"] + counts["skipped"], note


def test_the_tally_counts_what_failed_and_what_did_not_run(tmp_path: Path) -> None:
    good = '<testcase name="a" status="run" time="1"/>'
    assert _level(tmp_path, good * 3) == (3, 0, "")
    assert _level(tmp_path, good + "<testcase><failure/></testcase>")[:2] == (1, 1)
    assert _level(tmp_path, good + "<testcase><error/></testcase>")[:2] == (1, 1)
    assert _level(tmp_path, good + "<testcase><skipped/></testcase>")[:2] == (1, 1)
    assert _level(tmp_path, good + '<testcase status="notrun"/>')[:2] == (1, 1)
    assert _level(tmp_path, "") == (0, 1, "x.a.xml: ran no test")


def test_the_tally_does_not_forget_a_level_that_broke_off(tmp_path: Path) -> None:
    assert tally.level(tmp_path, "gone")[0]["failed"] == 1
    (tmp_path / "x.failed").touch()
    assert _level(tmp_path, '<testcase name="a"/>')[:2] == (1, 1)


def test_the_tally_ends_with_one_plain_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _level(tmp_path, '<testcase name="a"/>' * 2)
    assert tally.main(tmp_path, ["x"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 0 failed"
    assert tally.main(tmp_path, ["x", "gone"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 1 failed"
