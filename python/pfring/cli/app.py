# SPDX-License-Identifier: BSD-3-Clause
"""What the commands of `pfring` take; what they do is in the modules they import."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="pfring",
    help="Packet capture with the fastest ring this machine offers.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(str, Enum):
    """Formats of capture files."""

    PCAP = "pcap"
    PCAP_NS = "pcap-ns"
    PCAPNG = "pcapng"


class Direction(str, Enum):
    """Which way the packets go."""

    INOUT = "inout"
    IN = "in"
    OUT = "out"


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"pfring {__version__}")
        raise typer.Exit


class Everywhere(str, Enum):
    """What `pfring libpcap` can do to the whole system."""

    INSTALL = "install"
    REMOVE = "remove"


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    del version


@app.command()
def capture(
    expression: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILTER", help="pcap-filter(7); the words are joined."),
    ] = None,
    interface: Annotated[
        str | None,
        typer.Option("-i", "--interface", help="Device: eth0, any, packet:eth0@2 ..."),
    ] = None,
    read: Annotated[
        Path | None, typer.Option("-r", "--read", help="Take the packets of a capture file.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "-w", "--write", help="Capture file to write; - is standard output. Default: print."
        ),
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="Default: pcapng for *.pcapng, else pcap.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("-c", "--count", min=1, help="Stop after so many packets.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many seconds.")
    ] = None,
    snaplen: Annotated[
        int, typer.Option("-s", "--snaplen", min=0, help="Bytes kept of a packet; 0: all.")
    ] = 0,
    promisc: Annotated[
        bool, typer.Option("--promisc/--no-promisc", help="Also packets for other hosts.")
    ] = True,
    buffer: Annotated[
        int | None, typer.Option("-B", "--buffer", min=1, help="Ring memory in KiB.")
    ] = None,
    immediate: Annotated[
        bool, typer.Option("--immediate", help="Show each packet at once.")
    ] = False,
    direction: Annotated[
        Direction, typer.Option("-Q", "--direction", help="Which way the packets go.")
    ] = Direction.INOUT,
) -> None:
    """Capture packets: into a file, or as a line each.

    Ends with Ctrl-C, the count, the duration, or the end of the file it reads.
    Exit code 0; 1 if something failed (what was captured is in the file); 2 for
    a wrong command line.
    """
    from . import capture as command

    if (interface is None) == (read is None):
        raise typer.BadParameter("give either -i DEVICE or -r FILE")
    options = command.Options(
        source=interface if interface is not None else read or "",
        filter=" ".join(expression or []) or None,
        write=write,
        format=format.value.replace("-", "_") if format else None,
        count=count,
        duration=duration,
        snaplen=snaplen,
        promisc=promisc,
        buffer=buffer * 1024 if buffer else None,
        immediate=immediate,
        direction=direction.value,
    )
    if write is not None and str(write) == "-" and command.is_terminal(1):
        raise typer.BadParameter("-w - writes bytes no terminal can show; redirect the output")
    raise typer.Exit(command.run(options))


@app.command()
def top(
    expression: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILTER", help="pcap-filter(7); the words are joined."),
    ] = None,
    interface: Annotated[
        str, typer.Option("-i", "--interface", help="Device: eth0, packet:eth0@2 ...")
    ] = ...,  # type: ignore[assignment]
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    count: Annotated[int | None, typer.Option("-c", "--count", min=1, help="Looks.")] = None,
) -> None:
    """Watch a device: rate, drops, ring fill, protocols and hosts. Ctrl-C ends.

    A screen on a terminal; a tab-separated line per interval when piped.
    """
    from . import top as command

    options = command.Options(interface, " ".join(expression or []) or None, interval, count)
    raise typer.Exit(command.run(options))


@app.command()
def stats(
    expression: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILTER", help="pcap-filter(7); the words are joined."),
    ] = None,
    interface: Annotated[
        str | None, typer.Option("-i", "--interface", help="Device: eth0, packet:eth0@2 ...")
    ] = None,
    read: Annotated[Path | None, typer.Option("-r", "--read", help="A capture file.")] = None,
    duration: Annotated[
        float | None, typer.Option(min=0, help="Seconds of a live run; default: until Ctrl-C.")
    ] = None,
    rows: Annotated[int, typer.Option("--top", min=1, help="Rows of each table.")] = 10,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it, too: a file name with .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Tell what is in a capture file, or goes over a device: totals, protocols, hosts."""
    from . import stats as command

    if (interface is None) == (read is None):
        raise typer.BadParameter("give either -i DEVICE or -r FILE")
    if plot is not None and plot.suffix.lower() not in command.PICTURES:
        raise typer.BadParameter(f"--plot draws {', '.join(command.PICTURES)}")
    source = interface if interface is not None else read or ""
    words = " ".join(expression or []) or None
    raise typer.Exit(command.run(command.Options(source, words, duration, rows, plot)))


@app.command()
def devices() -> None:
    """List the interfaces, and which path a capture on each would take."""
    from . import devices as command

    raise typer.Exit(command.run())


@app.command()
def doctor() -> None:
    """Tell what this machine offers, what is missing, and what to do about it.

    Exit code 1 if packets cannot be captured at all.
    """
    from . import doctor as command

    raise typer.Exit(command.run())


module_app = typer.Typer(no_args_is_help=True, help="The kernel module pf_ring on this machine.")
app.add_typer(module_app, name="module")


@module_app.command("build")
def module_build(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Default: in ~/.cache/pfring.")
    ] = None,
    kernel: Annotated[
        str | None, typer.Option(help="Release to build for. Default: the running kernel's.")
    ] = None,
    headers: Annotated[
        Path | None, typer.Option(help="Default: /lib/modules/RELEASE/build.")
    ] = None,
) -> None:
    """Build pf_ring.ko; needs the kernel's headers, make and a compiler."""
    from . import module as command

    raise typer.Exit(command.build(output, kernel, headers))


@module_app.command("sign")
def module_sign(
    module: Annotated[Path | None, typer.Argument(help="Default: the one just built.")] = None,
    key: Annotated[Path | None, typer.Option(help="Default: a key made for this machine.")] = None,
    cert: Annotated[Path | None, typer.Option(help="The key's certificate, DER.")] = None,
) -> None:
    """Sign it for Secure Boot (see docs/module.md)."""
    from . import module as command

    raise typer.Exit(command.sign(module, key, cert))


@module_app.command("load")
def module_load(
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=NUMBER]...", help="Module parameters.")
    ] = None,
    module: Annotated[
        Path | None, typer.Option("-m", "--module", help="Default: the one just built.")
    ] = None,
) -> None:
    """Load it into the running kernel."""
    from . import module as command

    raise typer.Exit(command.load(module, parameters or []))


@module_app.command("unload")
def module_unload() -> None:
    """Unload it; fails, naming them, while rings are open."""
    from . import module as command

    raise typer.Exit(command.unload())


@module_app.command("status")
def module_status() -> None:
    """Tell whether it is loaded and what it does. Exit code 1 unless it is ours."""
    from . import module as command

    raise typer.Exit(command.status())


@app.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def run(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run an unmodified Python program (pcapy, pypcap or scapy) over pfring."""
    from ..runner import main

    main(arguments or [])


@app.command(
    "exec",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def execute(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run an unmodified libpcap program (tcpdump, dumpcap, nmap ...) over our rings."""
    from ..launcher import main

    main(arguments or [])


@app.command()
def demo(
    expression: Annotated[
        list[str] | None, typer.Argument(metavar="FILTER", help="Default: a telling one.")
    ] = None,
    packets: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many to send.")] = 24_000,
    rate: Annotated[float, typer.Option(min=1, help="Packets a second.")] = 8_000,
) -> None:
    """Show it at work: an unmodified pcapy program captures, tcpdump beside it.

    Needs root for two network namespaces of its own; touches nothing else. Exit
    code 0 if every packet is accounted for and all bytes are the same.
    """
    from ..demo.show import show

    raise typer.Exit(show(" ".join(expression or []) or None, packets, rate))


@app.command()
def libpfring(
    path: Annotated[bool, typer.Option("--path", help="Only the path of the library.")] = False,
) -> None:
    """Tell where the C library and its header are."""
    from .. import libpfring_path

    library = libpfring_path()
    if path:
        typer.echo(library)
    else:
        typer.echo(f"library  {library}\nheader   {library.parent / 'include' / 'pfring.h'}")


@app.command()
def libpcap(
    action: Annotated[
        Everywhere | None,
        typer.Argument(help="Make it every program's on this machine, or undo that; needs root."),
    ] = None,
    path: Annotated[bool, typer.Option("--path", help="Only the path of the library.")] = False,
    prefix: Annotated[Path, typer.Option(help="Where install puts it: PREFIX/lib/pfring.")] = Path(
        "/usr/local"
    ),
) -> None:
    """Tell where our libpcap.so is, and which real one it stands on."""
    from . import libpcap as command

    if action is None:
        command.tell(path)
    else:
        raise typer.Exit(command.change(action.value, prefix))
