"""Problems of a configuration, each as a line that says what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

MOST_NAMED = 16
"""Most known words that a message lists; if there are more, it names only the nearest."""

MOST_SHOWN = 20
"""Problems that the text of a ``ConfigError`` lists. When full, its last line counts the others."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem and its remedy: ``file:line: key: text``."""

    file: str | None
    """None for a flag, an environment variable or a missing value."""
    line: int | None
    """From 1."""
    key: str
    """``assets[2].rated_mw``, ``--http`` or ``DERHEAD_HTTP``; empty for the whole file."""
    text: str

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        return ": ".join(part for part in (place, self.key, self.text) if part)


class ConfigError(Exception):
    """A configuration with problems, at least one.

    Its text is one line for each problem, up to ``MOST_SHOWN``; those of a file are in the file's
    order.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file or "", p.line or 0)))
        lines = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        more = len(self.problems) - len(lines)
        if more:
            lines.append(f"and {more} more problem{'s' if more > 1 else ''}")
        super().__init__("\n".join(lines))


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice for an unknown word: the known one that it resembles, else all known ones."""
    known = tuple(known)
    by_folded = {name.casefold(): name for name in reversed(known)}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    if close:
        return f"did you mean {by_folded[close[0]]}?"
    if not known or len(known) > MOST_NAMED:
        return "see docs/configuration.md"
    return f"there are: {', '.join(known)}"
