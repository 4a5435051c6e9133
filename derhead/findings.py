"""The faults of a request, as many as one answer lists: pure."""

from collections.abc import Iterable

from derproto.configuration.problems import nearest

MAX_FINDINGS = 20
"""Findings that one answer lists. When full: further ones are counted, and cost nothing else."""

MAX_NAME = 80
"""Characters of a caller's name that an answer repeats. When full: the rest is cut off."""


class Findings:
    """Findings in order. Each names a parameter or a member and says what to write."""

    def __init__(self) -> None:
        self.listed: list[tuple[str, str]] = []
        self.more = 0
        """Number of findings that are not listed."""

    def __bool__(self) -> bool:
        return bool(self.listed)

    def add(self, name: str, detail: str) -> None:
        if len(self.listed) < MAX_FINDINGS:
            self.listed.append((name[:MAX_NAME], detail))
        else:
            self.more += 1

    def add_unknown(self, name: str, detail: str, word: str, known: Iterable[str]) -> None:
        """Adds a finding whose detail ends with the known word nearest to ``word``."""
        # The search for the nearest word takes 10 µs, so only listed findings have it.
        full = len(self.listed) >= MAX_FINDINGS
        self.add(name, "" if full else f"{detail}; {nearest(word[:MAX_NAME], known)}")


def pointer_to(name: str) -> str:
    """The JSON pointer (RFC 6901) to a member of that name."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
