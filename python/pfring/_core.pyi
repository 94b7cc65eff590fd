# SPDX-License-Identifier: BSD-3-Clause
"""Types of the extension module, in the order in which module.cpp registers them."""

def last_error() -> str: ...
