# SPDX-License-Identifier: BSD-3-Clause
"""Source packages of the installed Debian packages, for the tests that they carry.

Downloaded once to .cache/sources with apt-get and a configuration of its own:
the system's lists are not touched. The mirror is the system's own, with
"deb-src" in place of "deb".
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache/sources"


def installed_version(package: str) -> str:
    """Return the version of a binary package that is installed here."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${source:Version}", package],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def upstream(package: str) -> Path:
    """Return the unpacked upstream source of an installed package, as it was released."""
    version = installed_version(package)
    folder = CACHE / f"{package}_{version.replace(':', '_')}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(package, version, folder)
        archive = next(iter(folder.glob("*.orig.tar.*[!c]")))
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (folder / "complete").touch()
    return next(path for path in folder.iterdir() if path.is_dir() and path.name != "apt")


def _download(package: str, version: str, folder: Path) -> None:
    apt = folder / "apt"
    (apt / "lists/partial").mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text("\n".join(_source_lines()) + "\n")
    options = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt,
        "APT::Sandbox::User": "root",
    }
    flags = [f"-o{key}={value}" for key, value in options.items()]
    for command in (["update"], ["source", "--download-only", f"{package}={version}"]):
        done = subprocess.run(
            ["apt-get", "-q", *flags, *command],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"the registry does not offer the source of {package} {version}: "
                f"apt-get {command[0]} said: {done.stderr.strip()}"
            )


def _source_lines() -> Iterator[str]:
    """The system's own archives, as one-line entries for sources."""
    for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")):
        text = path.read_text() if path.exists() else ""
        if path.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                fields = dict(re.findall(r"^([\w-]+):[ \t]*(.+)$", stanza, re.MULTILINE))
                keys = f"[signed-by={fields['Signed-By']}] " if "Signed-By" in fields else ""
                for suite in fields.get("Suites", "").split():
                    if _is_distribution(fields["URIs"]):
                        yield f"deb-src {keys}{fields['URIs']} {suite} main"
        else:
            for keys, uri, suite in re.findall(
                r"^deb[ \t]+(\[[^\]]*\])?[ \t]*(\S+)[ \t]+(\S+)", text, re.MULTILINE
            ):
                if _is_distribution(uri):
                    yield f"deb-src {keys} {uri} {suite} main"


def _is_distribution(uri: str) -> bool:
    return bool(re.search(r"/(debian|ubuntu)(-security)?/?$", uri.strip()))
