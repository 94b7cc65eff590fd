# SPDX-License-Identifier: BSD-3-Clause
"""Every example program explains itself, refuses what it does not know, and has its page."""

from __future__ import annotations

import re
import subprocess

import pytest
from support.built import program
from support.tools_page import BLOCK, PAGE, help_of, page, tools


def call(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(program(f"libpcap-pfring/tools/{name}")), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("name", tools())
def test_help_names_every_option_once(name: str) -> None:
    text = help_of(name)
    assert text.startswith(f"{name} - ")
    assert f"usage: {name} [OPTION]..." in text
    letters = re.findall(r"^  -(\w), --[\w-]+", text, re.MULTILINE)
    assert "h" in letters
    assert len(letters) == len(set(letters))
    assert all(len(line) <= 100 for line in text.splitlines())
    assert call(name, "-h").stdout == text


@pytest.mark.parametrize("name", tools())
def test_wrong_options_end_with_2_and_a_sentence(name: str) -> None:
    for wrong in (["-Z"], ["--no-such-option"], ["surplus"]):
        done = call(name, *wrong)
        assert done.returncode == 2, wrong
        assert done.stdout == ""
        first, hint = done.stderr.splitlines()
        assert first.startswith(f"{name}: ")
        assert wrong[0].lstrip("-") in first
        assert hint == f"{name}: --help lists the options"


@pytest.mark.parametrize("name", tools())
def test_a_device_that_is_not_there_ends_with_1(name: str) -> None:
    text = help_of(name)
    options = {
        "alldevs": None,  # takes none
        "pfbridge": ["-a", "pfr-none", "-b", "lo"],
        "preflect": ["-i", "pfr-none", "-o", "lo"],
        "pcap2nspcap": ["-i", "/nonexistent", "-o", "/dev/null"],
        "pfwrite": ["-i", "pfr-none", "-w", "/dev/null"],
    }.get(name, ["-i", "pfr-none"])
    if options is None:
        assert "DEVICE" not in text
        return
    done = call(name, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith(f"{name}: ")
    assert "none" in done.stderr or "nonexistent" in done.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["pfsend", "-i", "lo", "-n", "-1"], "from 0 to"),
        (["pfsend", "-i", "lo", "-r", "fast"], "fast"),
        (["pfsend", "-i", "lo", "-r", "1", "-p", "1"], "choose one"),
        (["pfsend", "-i", "lo", "-m", "02:00"], "no MAC address"),
        (["pfsend", "-i", "lo", "-S", "1.2.3"], "no IPv4 address"),
        (["pfsend", "-i", "lo", "-V", "1", "-l", "44"], "at least 46 bytes"),
        (["pfsend", "-i", "lo", "-x", "-b", "2"], "one made frame"),
        (["pfcount", "-i", "lo", "-e", "3"], "from 0 to 2"),
        (["pfcount", "-i"], "wants a value"),
        (["pfcount"], "no device"),
        (["pfbridge", "-a", "lo", "-b", "lo"], "loop"),
        (["preflect", "-i", "lo", "-o", "lo"], "loop"),
        (["pfwrite", "-i", "lo"], "-w"),
        (["pfwrite", "-i", "lo", "-w", "x", "-F", "zip"], "zip"),
        (["pcap2nspcap", "-i", "a", "-o", "a"], "overwritten"),
        (["pfbounce", "-i", "lo", "-k"], "circles"),
        (["pfcount_aggregator"], "no devices"),
    ],
)
def test_wrong_values_are_told(options: list[str], complaint: str) -> None:
    done = call(*options)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_a_bad_filter_ends_with_1() -> None:
    done = call("pfcount", "-i", "lo", "-f", "tcp port (")
    assert done.returncode == 1
    assert "tcp port (" in done.stderr


def test_the_page_has_every_tool_word_for_word() -> None:
    text = PAGE.read_text()
    assert sorted(block[1] for block in BLOCK.finditer(text)) == tools()
    assert text == page(), "put it in anew: python tests/support/tools_page.py"
