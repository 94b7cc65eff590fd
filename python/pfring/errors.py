# SPDX-License-Identifier: BSD-3-Clause
"""Every failure of pfring is an `Error`: an OSError whose text says what failed and what to do.

The extension (python/src/errors.cpp) picks the class from the errno, which stays in `.errno`.
"""


class Error(OSError):
    """Any failure of libpfring."""


class NoSuchDevice(Error):
    """The interface does not exist, or went away while it was being used."""


class NoSuchFile(Error, FileNotFoundError):
    """The capture file does not exist."""


class DeviceDown(Error):
    """The interface is down."""


class PermissionDenied(Error, PermissionError):
    """The process may not capture; the text names the missing capability."""


class FilterError(Error, ValueError):
    """The filter expression is not one; the text is libpcap's own."""


class RuleError(Error, ValueError):
    """A filtering rule is malformed, or there already."""


class NoSuchRule(Error, LookupError):
    """The ring has no such filtering rule."""


class NotSupported(Error):
    """This backend, interface or kernel cannot do that."""


class Closed(Error, ValueError):
    """The ring was closed."""


class InUse(Error):
    """Another thread, or another process since a fork, reads from this ring."""
