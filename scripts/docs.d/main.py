"""Draws the parts of the documents that repeat the code."""

import argparse
import sys
from collections.abc import Callable

import alerts
import bounds
import drivers
import example_driver
import figures
import kinds_of_problems
import meanings
import packages
import states

from tests.support.repository import ROOT

PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "bounds": ("docs/bounds.md", bounds.draw),
    "states": ("docs/dispatch.md", states.draw),
    "packages": ("docs/layout.md", packages.draw),
    "arrows": ("ARCHITECTURE.md", packages.picture),
    "dispatch states": ("docs/api.md", meanings.states),
    "gap causes": ("docs/api.md", meanings.causes),
    "alerts": ("docs/operators.md", alerts.draw),
    "example driver": ("docs/devices.md", example_driver.draw),
    "example tests": ("docs/devices.md", example_driver.draw_tests),
    "example map": ("docs/devices.md", example_driver.draw_map),
    "drivers": ("docs/devices.md", drivers.draw),
    "figures": ("docs/metrics.md", figures.draw),
    "figures of agents": ("docs/metrics.md", figures.draw_agent),
    "kinds of problems": ("docs/problems.md", kinds_of_problems.draw),
}
"""Each drawn part: its document and what draws it. In the document a part stands between
``<!-- NAME: drawn by scripts/docs -->`` and ``<!-- NAME: end -->``."""


def insert(document: str, name: str, drawn: str) -> str:
    """The document with one part drawn anew. Raises: ValueError if it has no place for the part."""
    begin, end = f"<!-- {name}: drawn by scripts/docs -->\n", f"<!-- {name}: end -->"
    before, found, rest = document.partition(begin)
    _old, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no place for {name}: write {begin.strip()} and {end}")
    return f"{before}{begin}\n{drawn}\n\n{closed}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument(
        "--check",
        action="store_true",
        help="only compare; exit code 1 if a document is out of date",
    )
    check = parser.parse_args().check
    stale = 0
    for name, (place, draw) in PARTS.items():
        path = ROOT / place
        text = path.read_text(encoding="utf-8")
        new = insert(text, name, draw())
        if new == text:
            continue
        if check:
            print(f"{place}: {name} is out of date; run scripts/docs", file=sys.stderr)
            stale = 1
        else:
            path.write_text(new, encoding="utf-8")
            print(f"{place}: {name} drawn")
    return stale


if __name__ == "__main__":
    sys.exit(main())
