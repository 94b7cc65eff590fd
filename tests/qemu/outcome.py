# SPDX-License-Identifier: BSD-3-Clause
"""How pytest is run inside the guest, and what came of it."""

from __future__ import annotations

from xml.etree import ElementTree

import guest

SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 PFRING_MODULE={module}
export PYTHONPATH={inside} PFRING_PROGRAMS={programs}
cd {inside}
{python} -m pytest -q --color=no -p no:cacheprovider -c /dev/null --rootdir=. --confcutdir=. \
    -p clean_log -o python_files='check_*.py' -o junit_family=xunit1 \
    --junitxml=/tmp/results.xml {file} >/tmp/said 2>&1
code=$?
echo "--- results"
cat /tmp/results.xml
echo
echo "--- said"
tail -n 200 /tmp/said
exit $code
"""


class Outcome:
    """What the tests inside the guest came to, and the guest's log."""

    def __init__(self, result: guest.Result) -> None:
        self.result = result
        self.failures: dict[str, str] = {}
        self.ran: set[str] = set()
        _, _, rest = result.output.partition("--- results\n")
        text, _, self.said = rest.partition("\n--- said\n")
        if not text.strip():
            return
        for case in ElementTree.fromstring(text.strip()).iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            self.ran.add(name)
            for trouble in [*case.findall("failure"), *case.findall("error")]:
                self.failures[name] = trouble.text or trouble.get("message") or "failed"
