"""The tables of bounds, from the constants and their docstrings.

A constant, or a dataclass's field, is a bound if its docstring says "When full" (of an amount) or
"When over" (of a time): what stands before says what it bounds, what follows is the policy.
"""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from itertools import pairwise

from tests.support.repository import modules

SECTIONS = {
    "In the headend": ("derhead",),
    "In the link, at both ends": ("derproto",),
    "In the agent and the launcher": ("deragent", "launcher"),
}
POLICY = re.compile(r"\.? When (?:full|over)[,:]? ")
KIB, MIB = 1024, 1024 * 1024


def draw() -> str:
    """The tables, a section for each end of the link."""
    rows = [row for module, tree in modules().items() for row in _bounds(module, tree)]
    parts = []
    for heading, packages in SECTIONS.items():
        lines = [
            f"## {heading}",
            "",
            "| constant | bound | of | when full or over |",
            "|---|---|---|---|",
        ]
        lines += [text for package, text in rows if package in packages]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _bounds(module: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    for owner, body in [("", tree.body), *_classes(tree)]:
        for name, text in _documented(body):
            if len(halves := POLICY.split(text, maxsplit=1)) == 2:
                dotted = ".".join(filter(None, (module, owner, name)))
                bound = quantity(name, _value(module, owner, name))
                of, policy = (half.replace("``", "`").replace("|", "\\|") for half in halves)
                policy = policy.removesuffix(".")
                yield module.split(".")[0], f"| `{dotted}` | {bound} | {of} | {policy} |"


def _classes(tree: ast.Module) -> Iterator[tuple[str, list[ast.stmt]]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name, node.body


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """(name, docstring in one line) of each assignment that has one."""
    for statement, after in pairwise(body):
        match statement, after:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())


def _value(module: str, owner: str, name: str) -> float:
    found = importlib.import_module(module)
    if not owner:
        value = getattr(found, name)
    else:
        fields = dataclasses.fields(getattr(found, owner))
        value = next(field.default for field in fields if field.name == name)
    assert isinstance(value, int | float), f"{module}.{owner}.{name} has no default"
    return value


def quantity(name: str, value: float) -> str:
    """The value with the unit that its constant's name ends in.

    >>> quantity("BODY_BYTES", 65536), quantity("TTL_US", 900_000_000), quantity("ROWS", 5000)
    ('64 KiB', '900 s', '5,000')
    """
    unit = name.upper().rpartition("_")[2]
    match unit:
        case "BYTES" if value >= MIB:
            return f"{value / MIB:,.4g} MiB"
        case "BYTES" if value >= KIB:
            return f"{value / KIB:,.4g} KiB"
        case "BYTES":
            return f"{value:,} bytes"
        case "US":
            return f"{value / 1_000_000:,.6g} s"
        case "MS":
            return f"{value:,} ms"
        case "S" if not name.upper().endswith(("ROWS_S", "PER_30_S")):
            return f"{value:,.6g} s"
        case "S" if name.upper().endswith("ROWS_S"):
            return f"{value:,} rows/s"
        case "MB" | "GB":
            return f"{value:,.4g} {unit}"
        case "DAYS":
            return f"{value:,.4g} days"
    return f"{value:,}"
