"""Python functions from generated text, which tracebacks and debuggers can show."""

import linecache
from typing import Any


class SourceLines:
    """Indented lines of source for generated functions."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, indent: int, *lines: str) -> None:
        self._lines.extend("    " * indent + line for line in lines)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def define(name: str, source: SourceLines, namespace: dict[str, Any]) -> None:
    """Runs ``source``, which defines functions, with ``namespace`` as its globals."""
    text, filename = source.text(), f"<derproto.codec: {name}>"
    exec(compile(text, filename, "exec"), namespace)
    # Without a time of change, linecache keeps the lines and never looks for a file.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
