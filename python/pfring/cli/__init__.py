# SPDX-License-Identifier: BSD-3-Clause
"""The command `pfring`.

Each command lives in a module of its own, imported when it is called. Exit
codes: 0 done (also after Ctrl-C), 1 something failed while running, 2 the
command line makes no sense.
"""

import sys

OK, FAILED, USAGE = 0, 1, 2


def main() -> None:
    """Run the command line.

    `run` and `exec` first: their programs' options are not ours, and what `run` runs shall find
    nothing of ours loaded.
    """
    if sys.argv[1:2] == ["run"]:
        from ..runner import main as run

        run(sys.argv[2:])
    elif sys.argv[1:2] == ["exec"]:
        from ..launcher import main as launch

        launch(sys.argv[2:])
    else:
        from .app import app

        app(prog_name="pfring")
