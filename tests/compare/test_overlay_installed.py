# SPDX-License-Identifier: BSD-3-Clause
"""Our libpcap.so for the whole system, as docs/libpcap.md tells: for privileged programs, too.

Each test runs in a mount namespace with a copy of /etc of its own, so that the
linker's cache of this machine is not touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pfring.lab.netns import Wire
from pfring.lab.tcpdump import find_tcpdump
from support.overlay import BUILD, SYSTEM, environment

# struct vfs_cap_data, version 2: CAP_NET_RAW effective and permitted (capabilities(7)).
NET_RAW = b"".join(n.to_bytes(4, "little") for n in (0x02000001, 1 << 13, 0, 0, 0))
NOBODY = 65534


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("prefix")
    subprocess.run(
        ["cmake", "--install", BUILD, "--prefix", where], check=True, capture_output=True
    )
    for folder in (where, *where.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return where


@pytest.fixture
def capable(tmp_path: Path) -> Path:
    """A tcpdump with file capabilities, as distributions install dumpcap."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    program = tmp_path / "capable-tcpdump"
    shutil.copy(find_tcpdump(), program)
    os.setxattr(program, "security.capability", NET_RAW)
    return program


def elsewhere(script: str, **options: object) -> str:
    """Run a shell script where /etc is a copy of its own."""
    before = (
        "set -e\nmount --make-rprivate /\ncopy=$(mktemp -d)\nmount -t tmpfs none $copy\n"
        "cp -a /etc/. $copy/\nmount --move $copy /etc\nrmdir $copy\n"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", before + script],
        env=environment(SYSTEM),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_nothing_finds_it_by_accident(prefix: Path) -> None:
    library = next(prefix.rglob("libpcap.so.0.8"))
    assert library.parent.name == "pfring"
    assert (library.parent / "libpcap.so.1").exists()
    assert not list(library.parents[1].glob("libpcap.so*"))


def test_the_whole_system_uses_it_and_then_no_more(prefix: Path, capable: Path) -> None:
    folder = next(prefix.rglob("libpcap.so.0.8")).parent
    as_nobody = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {capable} --version"
    out = elsewhere(
        f"{as_nobody}; echo ===; echo {folder} > /etc/ld.so.conf.d/00-pfring.conf; ldconfig\n"
        f"{as_nobody}; tcpdump --version; echo ===\n"
        f"rm /etc/ld.so.conf.d/00-pfring.conf; ldconfig; {as_nobody}; tcpdump --version"
    )
    before, during, after = out.split("===")
    assert before.count("over libpfring") == after.count("over libpfring") == 0
    assert during.count("over libpfring") == 2


PROFILE = "/etc/apparmor.d/local/usr.bin.tcpdump"


def test_pfring_libpcap_installs_it_and_removes_it(tmp_path: Path, capable: Path) -> None:
    pfring = f"{sys.executable} -m pfring libpcap"
    folder = tmp_path / "usr/lib/pfring"
    as_nobody = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {capable} --version"
    state = f"{as_nobody}; cat {PROFILE}; ls {folder} || true; ls /etc/ld.so.conf.d; echo ==="
    out = elsewhere(
        f"mkdir -p {Path(PROFILE).parent}; touch /etc/apparmor.d/usr.bin.tcpdump\n"
        f"printf '# mine' > {PROFILE}\n"
        f"{pfring} remove --prefix {tmp_path}/usr; echo ===; {state}\n"
        f"{pfring} install --prefix {tmp_path}/usr; echo ===; {state}\n"
        f"{pfring} install --prefix {tmp_path}/usr; echo ===; {state}\n"
        f"{pfring} remove --prefix {tmp_path}/usr; echo ===; {state}"
    )
    said = [part.strip() for part in out.split("===")]
    nothing, before, did, during, again, still, undid, after = said[:8]
    assert nothing == "ran      ldconfig"
    assert "over libpfring" not in before
    assert did.splitlines() == again.splitlines()
    assert did.splitlines()[:3] == [
        f"copied   {folder}",
        "wrote    /etc/ld.so.conf.d/00-pfring.conf",
        "ran      ldconfig",
    ]
    assert during == still
    assert "over libpfring" in during
    lines = [
        *("# mine", "# pfring begin", f"{folder}/libpcap.so* mr,", "capability bpf,"),
        *("capability perfmon,", "# pfring end", "libpcap.so.0.8", "libpcap.so.1"),
    ]
    assert "\n".join(lines) in during
    assert undid.splitlines()[-1].startswith(("ran ", "cleaned "))
    assert "over libpfring" not in after
    # The line that had no end has one now.
    assert after == before.replace("# mine", "# mine\n")


def test_installing_without_the_right_to_says_so(tmp_path: Path) -> None:
    # As in test_pfring_exec_refuses_what_the_linker_would.
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom pfring.cli import libpcap\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "sys.exit(libpcap.change('install', Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "usr"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "only root may write there" in done.stderr


def test_a_capable_program_captures_over_it_for_nobody(
    wire: Wire, prefix: Path, capable: Path
) -> None:
    folder = next(prefix.rglob("libpcap.so.0.8")).parent
    # It pings its own neighbourhood: what it captures it sent itself, as root.
    out = elsewhere(
        f"echo {folder} > /etc/ld.so.conf.d/00-pfring.conf; ldconfig\n"
        f"errors=$(mktemp); ip netns exec {wire.rx.name} setpriv --reuid={NOBODY} "
        f"--regid={NOBODY} --clear-groups {capable} -i lo -n -t -l -c 4 icmp 2> $errors & pid=$!\n"
        "until grep -q 'listening on' $errors; do kill -0 $pid; sleep 0.02; done\n"
        f"ip netns exec {wire.rx.name} ping -q -c 2 -i 0.2 127.0.0.1 > /dev/null\n"
        "wait $pid; rm $errors"
    )
    lines = out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "IP 127.0.0.1 > 127.0.0.1: ICMP echo request",
        "IP 127.0.0.1 > 127.0.0.1: ICMP echo reply",
    ] * 2


def test_pfring_exec_refuses_what_the_linker_would(capable: Path) -> None:
    # Nobody may read where this Python lies: it becomes him when it has read all of itself.
    code = (
        "import os, sys\n"
        "from pfring.launcher import main\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, capable, "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 126, done.stderr
    assert "has file capabilities" in done.stderr
    assert "docs/libpcap.md" in done.stderr
