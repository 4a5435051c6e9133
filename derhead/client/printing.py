"""What the commands print: results on standard output, everything else on stderr."""

import json
import sys

from rich.console import RenderableType

from derproto.stdio.terminal import rendered


def tell(line: str) -> None:
    """Prints a line for people, on stderr."""
    print(f"derhead: {line}", file=sys.stderr, flush=True)


def show(*parts: RenderableType) -> None:
    """Prints to standard output: with colours on a terminal, else as plain text."""
    print(rendered(sys.stdout, *parts), flush=True)


def show_json(shape: object) -> None:
    """Prints an object on a line of its own."""
    print(json.dumps(shape, ensure_ascii=False), flush=True)
