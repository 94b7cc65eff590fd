# SPDX-License-Identifier: BSD-3-Clause
"""Boots a kernel in QEMU with the host's files read-only, and runs a script in it.

Software emulation, so that it runs everywhere; a guest is up in seconds because
it has no more than an initramfs of busybox and a handful of modules. Kernels
are Debian's (fetched with apt to .cache/kernel, never installed), those of the
suite that PFRING_QEMU_SUITE names (suite.py), or a build tree that
PFRING_QEMU_KERNEL names.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import suite

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
CACHE = PROJECT / ".cache" / "kernel"
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "e1000e", "veth", "dummy", "tun", "8021q", "bridge"]
PACKAGES = ["qemu-system-x86", "busybox-static", "cpio", "kmod", "linux-headers-amd64"]

# What must not be in a guest's log, however the tests ended.
BAD_LOG = re.compile(
    r"BUG:|BUG \S+ \(|kernel BUG|WARNING:|KASAN|UBSAN|Oops|general protection|"
    r"possible circular locking|suspicious RCU|inconsistent lock state|unreferenced object|"
    r"refcount_t:|Poison overwritten|Redzone|pagealloc:|list_(?:add|del) corruption|"
    r"Kernel panic|soft lockup|hung_task|blocked for more than|bad page state|"
    r"rcu_(?:sched|preempt) (?:self-)?detected"
)

# What Debian's kernel can check without a build of its own: each object of the
# slab allocator has red zones and poison, free pages are poisoned, a task that
# is stuck says where. U, which costs most, finds nothing more: it makes a report
# tell who allocated and who freed. A guest that its host lets stand still for half a minute
# is neither stuck nor stalled.
FULL = os.environ.get("PFRING_QEMU") == "full"
CHECKS = (
    f"slub_debug={'FZPU' if FULL else 'FZP'} page_poison=1 watchdog_thresh=60"
    " sysctl.kernel.hung_task_timeout_secs=300 rcupdate.rcu_cpu_stall_timeout=300"
)
# A kernel with every checker is slow: it and its tests get so much more time.
PATIENCE = 5 if os.environ.get("PFRING_QEMU_KERNEL") else 1
if PATIENCE > 1:
    # Nor need it run the firmware's programs for interrupts, minutes of such a boot.
    CHECKS += " acpi=noirq tsc=reliable"
    # Watching every allocation takes several times what all other checkers take together.
    CHECKS += "" if FULL else " kmemleak=off"
# Grace periods take most of a device's life here; the quick set has them short.
QUICK = "rcupdate.rcu_expedited=1"

MULTI = ("-accel", "tcg,thread=multi", "-smp", "2")
COUNTING = ("-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0,sleep=off")


@dataclass(frozen=True)
class Kernel:
    """An image, the tree that modules are built against, and the modules it needs."""

    release: str
    image: Path
    build: Path
    modules: list[Path]
    root: Path | None = None  # where it is built, if not on this machine


@dataclass(frozen=True)
class Result:
    """What the script wrote and returned, and the guest's whole log."""

    code: int
    output: str
    log: str

    def complaints(self) -> list[str]:
        """Lines of the log that no healthy kernel writes."""
        return [line for line in self.log.splitlines() if BAD_LOG.search(line)]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command to its end; its output is the error text if it fails."""
    done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"[-4000:])
    return done.stdout


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold a lock between processes: one guest, one download at a time."""
    with open(Path(tempfile.gettempdir()) / f"pfring-{name}.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _module_order(root: Path) -> list[Path]:
    """The files of MODULES with what they depend on first."""
    needs: dict[str, list[str]] = {}
    for line in (root / "modules.dep").read_text().splitlines():
        name, _, rest = line.partition(":")
        needs[name] = rest.split()
    by_name = {Path(path).name.split(".ko")[0].replace("-", "_"): path for path in needs}
    order: list[Path] = []
    for module in MODULES:
        path = by_name.get(module)
        for each in [*reversed(needs.get(path, [])), path] if path else []:
            if root / each not in order:
                order.append(root / each)
    return order


def debian_kernel() -> Kernel:
    """Debian's newest kernel with its headers; the image is fetched once."""
    missing = [
        p
        for p in PACKAGES
        if subprocess.run(["dpkg", "-s", p], capture_output=True, check=False).returncode
    ]
    if missing:
        raise RuntimeError(f"missing packages: apt-get install {' '.join(missing)}")
    headers = max(Path("/usr/src").glob("linux-headers-*-amd64"), key=os.path.getmtime)
    release = headers.name.removeprefix("linux-headers-")
    root = CACHE / release
    image = root / "boot" / f"vmlinuz-{release}"
    with lock("kernel"):
        if not image.exists():
            with tempfile.TemporaryDirectory() as scratch:
                os.chmod(scratch, 0o777)
                run("apt-get", "download", f"linux-image-{release}", cwd=Path(scratch))
                (package,) = Path(scratch).glob("*.deb")
                fresh = CACHE / f"{release}.new"
                CACHE.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(fresh, ignore_errors=True)
                run("dpkg-deb", "-x", package, fresh)
                run("depmod", "-b", fresh, release)
                shutil.rmtree(root, ignore_errors=True)
                fresh.rename(root)
    return Kernel(release, image, headers, _module_order(root / "lib" / "modules" / release))


def built_kernel(build: Path) -> Kernel:
    """A kernel built from source, such as one with KASAN and lockdep."""
    image = build / "arch" / "x86" / "boot" / "bzImage"
    if not image.exists():
        raise RuntimeError(f"PFRING_QEMU_KERNEL: {image} is not there")
    release = (build / "include" / "config" / "kernel.release").read_text().strip()
    return Kernel(release, image, build.resolve(), sorted(build.glob("drivers/net/**/e1000e.ko")))


def suite_kernel(name: str) -> Kernel:
    """The kernel of another suite of Debian's."""
    root = CACHE / name
    with lock("kernel"):
        release = suite.prepare(root, name, run)
    image = root / "image"
    order = _module_order(image / "lib" / "modules" / release)
    headers = root / "usr" / "src" / f"linux-headers-{release}"
    return Kernel(release, image / "vmlinuz", headers, order, root)


def kernel() -> Kernel:
    """Debian 12's, or what PFRING_QEMU_KERNEL or PFRING_QEMU_SUITE names."""
    if tree := os.environ.get("PFRING_QEMU_KERNEL"):
        return built_kernel(Path(tree))
    if name := os.environ.get("PFRING_QEMU_SUITE"):
        return suite_kernel(name)
    return debian_kernel()


def kept(name: str) -> Path:
    """A folder that a guest can see, for its /tmp hides the host's; one for each kind of kernel."""
    named = os.environ.get("PFRING_QEMU_SUITE") or "debian"
    kind = "built" if os.environ.get("PFRING_QEMU_KERNEL") else named
    return PROJECT / ".cache" / "qemu" / kind / name


def workshop(name: str) -> Path:
    """The same, empty."""
    where = kept(name)
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    return where


def build_module(target: Kernel) -> Path:
    """Build pf_ring.ko from a copy of kernel/, or take the one built from the same text."""
    sources = PROJECT / "kernel"
    unwanted = shutil.ignore_patterns("*.o", "*.ko", ".*", "*.mod*")
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(sources, Path(scratch) / "pf_ring", ignore=unwanted)
        digest = hashlib.sha256(f"{target.build}\0{target.release}".encode())
        for path in sorted(path for path in copy.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(copy)}\0".encode() + path.read_bytes())
        where = kept("module") / digest.hexdigest()[:16]
        with lock("module"):
            if not (where / "pf_ring.ko").exists():
                shutil.rmtree(where.parent, ignore_errors=True)
                shutil.copytree(copy, where)
                if target.root:
                    suite.make(target.root, where, target.release, run)
                else:
                    words = [f"KERNEL_SRC={target.build}", f"KERNELRELEASE={target.release}"]
                    run("make", "-C", where, *words, "-j2")
    return where / "pf_ring.ko"


def build_programs(where: Path) -> Path:
    """Compile programs/ into a folder of where."""
    include, folder = where / "include", where / "programs"
    folder.mkdir()
    shutil.copytree(PROJECT / "kernel" / "uapi", include / "linux")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{include}"]
    flags += [f"-I{PROJECT / 'libpcap-pfring' / 'include'}"]
    library = PROJECT / "build" / "dev" / "libpcap-pfring"
    for source in (HERE / "programs").glob("*.c"):
        # Those that measure or compare speak to the library; the others must not even link with it.
        needs = [f"-L{library}", f"-Wl,-rpath,{library}", "-lpfring", "-lpcap"]
        linked = needs if source.stem in {"cost", "parity", "rate"} else []
        run("cc", *flags, "-o", folder / source.stem, source, *linked)
    return folder


def _initramfs(target: Kernel, script: str, where: Path) -> Path:
    tree = where / "initramfs"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    shutil.copy(HERE / "init.sh", tree / "init")
    (tree / "init").chmod(0o755)
    for module in target.modules:
        shutil.copy(module, tree / "modules" / module.name)
    (tree / "modules" / "order").write_text("".join(f"{m.name}\n" for m in target.modules))
    (tree / "payload").write_text(script)
    packed = where / "initramfs.gz"
    command = "find . -print0 | cpio -0 -o -H newc --quiet | gzip -1"
    with open(packed, "wb") as file:
        subprocess.run(["sh", "-c", command], cwd=tree, stdout=file, check=True)
    return packed


def _watch(process: subprocess.Popen[bytes], output: Path, seconds: int, silence: int) -> None:
    """Wait for the guest's end; kill it when its time is over or nothing new is heard of it."""
    start = heard = time.monotonic()
    size = 0
    while process.poll() is None:
        now = time.monotonic()
        grown = output.stat().st_size if output.exists() else 0
        if grown != size:
            size, heard = grown, now
        if now - start > seconds or now - heard > silence:
            process.kill()
        time.sleep(0.2)


def boot(
    target: Kernel,
    script: str,
    where: Path,
    *,
    seconds: int = 3600 * PATIENCE,
    silence: int = 900,
    counting: bool = False,
    checked: bool = True,
) -> Result:
    """Boot, run script as root, power off. Two NICs hang on one hub.

    counting: one processor, whose clock ticks once a nanosecond and instruction.
    checked: with CHECKS; what is measured is measured without.
    """
    log, output = where / "log", where / "output"
    nics = [
        word
        for i in (0, 1)
        for word in (
            *("-netdev", f"hubport,id=h{i},hubid=0"),
            *("-device", f"e1000e,netdev=h{i},mac=52:54:00:00:00:0{i + 1}"),
        )
    ]
    words = "console=ttyS0 panic=-1 oops=panic quiet loglevel=5 mitigations=off"
    command = [
        *("setpriv", "--pdeathsig", "KILL", "nice", "-n", "5", "qemu-system-x86_64"),
        *(COUNTING if counting else MULTI),
        *("-m", "1G", "-nodefaults", "-no-user-config"),
        *("-display", "none", "-no-reboot", "-kernel", str(target.image)),
        *("-initrd", str(_initramfs(target, script, where))),
        *("-append", f"{words} {CHECKS} {'' if FULL else QUICK}" if checked else words),
        *("-serial", f"file:{log}", "-serial", f"file:{output}"),
        *("-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"),
        *nics,
    ]
    for old in (log, output):
        old.unlink(missing_ok=True)
    with lock("guest"), open(where / "qemu", "wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        _watch(process, output, seconds, silence)
    text = output.read_text(errors="replace").replace("\r", "") if output.exists() else ""
    kernel_log = log.read_text(errors="replace").replace("\r", "") if log.exists() else ""
    kernel_log += (where / "qemu").read_text(errors="replace")
    found = re.search(r"^guest: exit (\d+)$", text, re.M)
    return Result(int(found.group(1)) if found else -1, text, kernel_log)
