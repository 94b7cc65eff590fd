# SPDX-License-Identifier: BSD-3-Clause
"""The pages on Python and the command line name what is there, and nothing else."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pfring
import pytest
import typer.main
from pfring.cli.app import app

DOCS = Path(__file__).parents[2] / "docs"


def test_every_option_of_open_is_documented() -> None:
    table = (DOCS / "python.md").read_text().partition("## Opening")[2].partition("## Reading")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    parameters = list(inspect.signature(pfring.open).parameters)
    assert rows == parameters[1:]


def test_every_error_is_documented_with_its_bases() -> None:
    table = (DOCS / "python.md").read_text().partition("## Errors")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(\w*)`? ?\|", table, re.MULTILINE))
    errors = {
        name: value
        for name in pfring.__all__
        if isinstance(value := getattr(pfring, name), type)
        and issubclass(value, pfring.Error)
        and value is not pfring.Error
    }
    assert set(rows) == set(errors)
    for name, also in rows.items():
        bases = [base.__name__ for base in errors[name].__bases__ if base is not pfring.Error]
        assert bases == ([also] if also else [])


def test_every_member_of_ring_is_documented() -> None:
    text = (DOCS / "python.md").read_text()
    members = [name for name in dir(pfring.Ring) if not name.startswith("_")]
    assert [name for name in members if not re.search(rf"\b{name}\b", text)] == []


def test_the_reference_is_made_of_the_docstrings() -> None:
    from pfring.reference import page

    hint = "make it anew: python -m pfring.reference > docs/reference.md"
    assert (DOCS / "reference.md").read_text() == page(), hint


def test_everything_public_says_what_it_is() -> None:
    from pfring.reference import page

    silent = [x for x in page().split("\n## ")[1:] if re.fullmatch(r"\S+\n*", x)]
    assert silent == []


def test_the_examples_that_need_no_device_run(
    trace_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trace.pcap").symlink_to(trace_file)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / "python.md").read_text(), re.M | re.S)
    ran = 0
    for block in blocks:
        code = compile(block, "python.md", "exec")  # all of them are Python
        assert "import pfring" in block, "does not run as it stands"
        if '"eth0"' not in block:
            exec(code, {})
            ran += 1
    assert ran >= 1
    assert len(blocks) >= 4


def test_the_examples_of_the_filters_page_run(
    trace_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trace.pcap").symlink_to(trace_file)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / "filters.md").read_text(), re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "filters.md", "exec"), {})


def test_every_field_of_a_rule_and_every_action_is_documented() -> None:
    text = (DOCS / "filters.md").read_text()
    fields = set(pfring.Rule.__dataclass_fields__) - {"action", "plugin", "plugin_filter"}
    assert [name for name in sorted(fields) if f"`{name}`" not in text] == []
    actions = re.findall(r'"(\w+)"', pfring.Rule.__doc__ or "")[:8]
    assert [name for name in actions if f"`{name}`" not in text and name[0] != "_"] == []


def test_every_command_and_option_is_documented() -> None:
    text = (DOCS / "cli.md").read_text()
    commands = typer.main.get_group(app).commands
    assert sorted(re.findall(r"^## pfring (\w+)", text, re.MULTILINE)) == sorted(commands)
    section = text.partition("## pfring capture")[2].partition("## ")[0]
    documented = set(
        re.findall(r"`(-[\w-]+)", "".join(re.findall(r"^\|.*", section, re.MULTILINE)))
    )
    documented |= set(re.findall(r"`(--[\w-]+)", section))
    offered = {
        option
        for parameter in commands["capture"].params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-")
    }
    assert documented == offered - {"-h", "--help"}
