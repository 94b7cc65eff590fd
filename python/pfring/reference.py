# SPDX-License-Identifier: BSD-3-Clause
"""`python -m pfring.reference`: the API reference as Markdown, from signatures and docstrings.

docs/reference.md is its output; a test compares the two, so the page cannot be behind the code.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pfring

HEAD = """\
# API reference

Made from the package's docstrings by `python -m pfring.reference`; do not edit.
The guide is [python.md](python.md).
"""


def _stub() -> dict[str, ast.stmt]:
    """Return classes and functions of the extension's stub: pybind11 has no signatures."""
    tree = ast.parse(Path(pfring.__file__).with_name("_core.pyi").read_text())
    return {n.name: n for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}


def _signature(node: ast.FunctionDef) -> str:
    arguments = ast.unparse(node.args)
    arguments = re.sub(r"^self(, )?", "", arguments)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({arguments}){returns}"


def _stub_members(node: ast.ClassDef, cls: type) -> list[str]:
    lines = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            lines.append(f"* `{item.target.id}: {ast.unparse(item.annotation)}`")
        if not isinstance(item, ast.FunctionDef) or item.name.startswith("_"):
            continue
        doc = ast.get_docstring(item) or _own_doc(getattr(cls, item.name, None))
        is_property = any(
            isinstance(d, ast.Name) and d.id == "property" for d in item.decorator_list
        )
        if is_property:
            lines.append(f"* `{item.name}: {ast.unparse(item.returns) if item.returns else 'Any'}`")
        else:
            lines.append(f"* `{_signature(item)}`" + _indented(doc))
    return lines


def _own_doc(value: object) -> str:
    """Return what a bound method says, without the signature line that pybind11 puts first."""
    doc = inspect.getdoc(value) or "" if value is not None else ""
    return doc.partition("\n\n")[2] if "(self" in doc.partition("\n")[0] else ""


def _indented(doc: str | None) -> str:
    if not doc:
        return ""
    return "  \n  " + "\n  ".join(doc.strip().splitlines())


def _text(function: object) -> str:
    """Return a signature without the quotes that postponed annotations have."""
    text = str(inspect.signature(function))  # type: ignore[arg-type]
    text = re.sub(r"""(: |-> )(['"])(.*?)\2(?=[,)= ]|$)""", r"\1\3", text)
    return text.replace("(self, ", "(").replace("(self)", "()")


def _python_members(cls: type) -> list[str]:
    lines = []
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        kind = type(value).__name__
        if kind == "_Column":
            lines.append(f"* `{name}`: {value.__doc__}")
        elif isinstance(value, property):
            lines.append(f"* `{name}`" + _indented(inspect.getdoc(value)))
        elif isinstance(value, (classmethod, staticmethod)) or inspect.isfunction(value):
            function = getattr(cls, name)
            lines.append(f"* `{name}{_text(function)}`" + _indented(inspect.getdoc(function)))
        elif kind == "_tuplegetter":
            doc = value.__doc__ or ""
            lines.append(f"* `{name}`" + ("" if doc.startswith("Alias") else f": {doc}"))
    return lines


def _entry(name: str, stub: dict[str, ast.stmt]) -> str:
    value = getattr(pfring, name)
    node = stub.get(name) if getattr(value, "__module__", "").endswith("_core") else None
    if inspect.isclass(value):
        members = (
            _stub_members(node, value) if isinstance(node, ast.ClassDef) else _python_members(value)
        )
        bases = [
            b.__name__ for b in value.__bases__ if b.__module__.startswith(("pfring", "built"))
        ]
        bases = [b for b in bases if b not in ("object", "tuple", "pybind11_object")]
        title = f"## {name}" + (f"({', '.join(bases)})" if bases and bases[0][0] != "_" else "")
        doc = inspect.getdoc(value) if "__doc__" in vars(value) else None
        return "\n\n".join(x for x in (title, doc, "\n".join(members)) if x)
    if isinstance(node, ast.FunctionDef):
        doc = (value.__doc__ or "").partition("\n\n")[2].strip()
        return f"## {name}\n\n`{_signature(node)}`\n\n{doc}"
    return f"## {name}\n\n`{name}{_text(value)}`\n\n{inspect.getdoc(value)}"


def page() -> str:
    """Return the whole page."""
    stub = _stub()
    return HEAD + "\n" + "\n\n".join(_entry(name, stub).strip() for name in pfring.__all__) + "\n"


if __name__ == "__main__":
    print(page(), end="")
