"""Splits an agent's output into lines, and selects those worth showing. Pure."""

import re

LONGEST_LINE = 65_536
"""Bytes of one line. When full, the rest of the line is dropped."""

_LEVEL = re.compile(
    r"ts=\S+ level=(?P<logfmt>[a-z]+) "
    r'|\{"ts": "[^"]*", "level": "(?P<json>[a-z]+)", '
    r"|\S+ \[(?P<console>[a-z]+) *\] "
)
"""How a log line begins, in each form."""


def level_of(line: str) -> str | None:
    """The level of a log line; None if the line is none, such as a line of a traceback."""
    found = _LEVEL.match(line)
    return found and found[str(found.lastgroup)]


class LineSplitter:
    """Splits a stream of bytes into lines. Holds at most LONGEST_LINE bytes."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes | bytearray) -> list[str]:
        """The lines that these bytes complete, without line ends."""
        *ended, begun = data.split(b"\n")
        lines: list[str] = []
        for part in ended:
            self._add(part)
            lines.append(self.rest())
        self._add(begun)
        return lines

    def rest(self) -> str:
        """Ends and returns the unfinished line."""
        line, self._begun = self._begun, b""
        return line.decode(errors="replace").rstrip("\r")

    def _add(self, part: bytes | bytearray) -> None:
        self._begun += part[: LONGEST_LINE - len(self._begun)]


class ErrorLines:
    """Passes on warnings, errors and the lines under them, at a bounded rate.

    A line with the level debug or info is dropped, with the lines indented under it, unless the log
    is wanted ``whole``. All other lines are passed on: a line without a level is a traceback or a
    last word.
    """

    AT_ONCE = 40
    """Lines passed on at once: a traceback or two. When spent, lines are dropped and counted."""
    PER_S = 2.0
    """Lines passed on per second once ``AT_ONCE`` is spent."""

    def __init__(self, *, whole: bool = False) -> None:
        self._unwanted = () if whole else ("debug", "info")
        self._allowance = float(self.AT_ONCE)
        self._counted_s = 0.0
        self._quiet = False
        self._dropped = 0

    def take(self, line: str, now_s: float) -> list[str]:
        """The lines to show now that the agent wrote this one."""
        if not line.strip():
            return []
        if not line[0].isspace():
            self._quiet = level_of(line) in self._unwanted
        if self._quiet:
            return []
        earned = max(now_s - self._counted_s, 0.0) * self.PER_S
        self._counted_s = now_s
        self._allowance = min(self._allowance + earned, self.AT_ONCE)
        if self._allowance < 1.0:
            self._dropped += 1
            return []
        self._allowance -= 1.0
        return [*self.rest(), line]

    def rest(self) -> list[str]:
        """A line that counts the lines dropped since the last such line, if there were any."""
        dropped, self._dropped = self._dropped, 0
        return [f"({dropped} more lines were not shown)"] if dropped else []
