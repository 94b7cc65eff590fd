# SPDX-License-Identifier: BSD-3-Clause
"""What `cmake --install` yields: programs find, build against and run on it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from pfring.lab.trace import Trace

# The workers of a level share no fixtures: one of them makes the costly one and uses it.
pytestmark = pytest.mark.xdist_group("install")

TOP = Path(__file__).parents[2]
BUILD = TOP / "build/dev"

COUNT = """
#include <pfring.h>

static unsigned packets;
static unsigned long bytes;

static void on_packet(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	(void)p;
	(void)user;
	packets++;
	bytes += h->len;
}

int main(int argc, char *argv[])
{
	pfring *ring = pfring_open(argv[argc - 1], 65535, PF_RING_PROMISC);

	if (!ring) {
		fprintf(stderr, "%s\\n", pfring_last_error());
		return 1;
	}
	pfring_enable_ring(ring);
	if (pfring_loop(ring, on_packet, NULL, 1) != 0)
		return 2;
	pfring_close(ring);
	printf("%u %lu\\n", packets, bytes);
	return 0;
}
"""

# The guide's chapter 9.5: a rule for SIP's INVITE.
RULE = """
int invite(pfring *ring)
{
	filtering_rule rule;
	struct sip_filter *filter = (struct sip_filter *)rule.extended_fields.filter_plugin_data;

	memset(&rule, 0, sizeof(rule));
	rule.rule_id = 5;
	rule.plugin_action.plugin_id = SIP_PLUGIN_ID;
	rule.extended_fields.filter_plugin_id = SIP_PLUGIN_ID;
	filter->method = method_invite;
	filter->caller[0] = '\\0'; /* Any caller */
	filter->called[0] = '\\0'; /* Any called */
	filter->call_id[0] = '\\0'; /* Any call-id */
	return pfring_add_filtering_rule(ring, &rule);
}
"""


def run(*command: str | Path, **env: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", where)
    return where


def flags(prefix: Path, *what: str, name: str = "libpfring") -> list[str]:
    pc = next(prefix.rglob(f"{name}.pc")).parent
    return run("pkg-config", *what, name, PKG_CONFIG_PATH=str(pc)).split()


def test_pkg_config_knows_both_names(prefix: Path) -> None:
    both = ("--cflags", "--libs")
    assert flags(prefix, *both, name="pfring") == flags(prefix, *both)


@pytest.mark.parametrize("standard", ["c99", "c11", "gnu17", "c++17"])
def test_the_headers_need_no_feature_macro(standard: str, prefix: Path, tmp_path: Path) -> None:
    plus = standard.startswith("c++")
    source = tmp_path / ("program.cpp" if plus else "program.c")
    # Programs for PF_RING's C++ class include PFring.h, and pfring.h in extern "C".
    header = '"PFring.h"\nextern "C" {\n#include <pfring.h>\n}' if plus else "<pfring.h>"
    source.write_text(f"#include {header}\n#include <linux/pf_ring_plugins.h>\n{RULE}")
    strict = [f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    run("c++" if plus else "cc", *strict, "-fsyntax-only", *flags(prefix, "--cflags"), source)


@pytest.mark.parametrize("linking", ["shared", "static"])
def test_a_program_counts_a_capture_file(
    linking: str, prefix: Path, tmp_path: Path, trace: Trace, trace_file: Path
) -> None:
    source = tmp_path / "count.c"
    source.write_text(COUNT)
    library = next(prefix.rglob("libpfring.so")).parent
    link = (
        [*flags(prefix, "--libs"), f"-Wl,-rpath,{library}"]
        if linking == "shared"
        else [str(library / "libpfring.a"), "-lpthread", "-ldl"]
    )
    program = tmp_path / "count"
    run("cc", "-Wall", "-Werror", *flags(prefix, "--cflags"), source, "-o", program, *link)
    frames = trace.frames
    expect = f"{len(frames)} {sum(len(f) for f in frames)}\n"
    assert run(program, f"file:{trace_file}") == expect


def test_the_library_exports_only_its_own_names(prefix: Path) -> None:
    library = next(prefix.rglob("libpfring.so"))
    names = {
        line.split()[-1].split("@")[0]
        for line in run("nm", "-D", "--defined-only", library).splitlines()
    }
    # Two calls of PF_RING have no prefix.
    names -= {"gmt_to_local", "sysdig_event2name"}
    assert not {n for n in names if not n.startswith(("pfring_", "PFRING_"))}


def test_every_declared_call_is_exported(prefix: Path) -> None:
    library = next(prefix.rglob("libpfring.so"))
    exported = run("nm", "-D", "--defined-only", library)
    probe = prefix / "probe.c"
    probe.write_text("#include <pfring.h>\n")
    preprocessed = run("cc", "-E", "-P", *flags(prefix, "--cflags"), probe)
    declared = set(re.findall(r"\b(pfring_[a-z0-9_]+)\s*\(", preprocessed))
    # Written out in the header, for C's overloads.
    declared -= set(re.findall(r"\bstatic inline \w+ (pfring_\w+)\(", preprocessed))
    assert len(declared) > 60
    assert not {d for d in declared if f" {d}@" not in exported}
