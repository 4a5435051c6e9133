"""The account of a run: what happened, and every promise that was tried or broken."""

import hashlib
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import trio

from derhead.dispatch import Dispatch
from tests.soak.weather import Weather

MOST_VIOLATIONS = 200
"""Violations that are kept in words; further ones are only counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    at_s: float
    promise: str
    words: str


@dataclass
class Kept:
    """How often a promise was put to the test, and its worst case, if it has a bound."""

    tried: int = 0
    bound: float | None = None
    worst: float = 0.0
    worst_at_s: float = 0.0

    def note(self, value: float, bound: float, at_s: float) -> bool:
        """Notes a trial; returns whether the promise held."""
        self.tried += 1
        self.bound = bound
        if value > self.worst:
            self.worst, self.worst_at_s = value, at_s
        return value <= bound


@dataclass(frozen=True, slots=True)
class Given:
    """An order that was answered with a dispatch."""

    at_s: float
    asset: int
    mw: float
    dispatch_id: str
    number: int
    """Counts orders from 0, and names the dispatch in reports: ids are random."""


@dataclass(frozen=True, slots=True)
class Look:
    """The resources at one time."""

    at_s: float
    rss_bytes: int
    objects: int
    blocks: int
    """Blocks of memory that Python has allocated."""
    tasks: int
    files: int
    journal_bytes: int
    outbox_rows: int


@dataclass
class Seen:
    """What looks at one asset found, from its first sample on."""

    looks: int = 0
    fresh: int = 0
    held: int = 0
    """Looks at which an agent with the asset was connected."""


@dataclass
class Account:
    """Everything that the judge and the report need."""

    weather: Weather = field(default_factory=Weather)
    violations: list[Violation] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    """Violations by promise."""
    kept: dict[str, Kept] = field(default_factory=dict)
    acts: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    """Answers of REST by status."""
    events: Counter[str] = field(default_factory=Counter)
    """Events of agents by kind."""
    log_lines: Counter[str] = field(default_factory=Counter)
    """Log lines by event."""
    messages: int = 0
    """Messages that the headend took from agents."""
    samples: int = 0
    """Samples audited."""
    backfilled: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    """Entries of the gap ledger by cause."""
    given: dict[str, Given] = field(default_factory=dict)
    """By the dispatch's id."""
    withdrawn: dict[str, float] = field(default_factory=dict)
    """When the withdrawal of a dispatch or a site's order was answered, by its id."""
    dispatches: dict[str, Dispatch] = field(default_factory=dict)
    """As the journal held them once they had ended."""
    connected_at: "dict[int, array[float]]" = field(default_factory=dict)
    """Times at which each agent's sessions began."""
    seen: dict[int, Seen] = field(default_factory=dict)
    """By the asset's number."""
    levels: list[dict[str, Any]] = field(default_factory=list)
    """What ``GET /slo?by=asset`` said at the end."""
    looks: list[Look] = field(default_factory=list)
    tasks_left: int = 0
    files_left: int = 0
    temporary_left: list[str] = field(default_factory=list)
    first_broken: trio.Event = field(default_factory=trio.Event)
    """Set once a promise is broken."""
    stopped_s: float = 0.0
    """How long the run was."""
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def note(self, at_s: float, *words: object) -> None:
        """Adds what happened to the digest. Words must follow from the seed alone."""
        self._digest.update(f"{at_s:.6f} {' '.join(map(str, words))}\n".encode())

    def now_s(self) -> float:
        """The time of the run; its end, after it."""
        return trio.current_time() if trio.lowlevel.in_trio_run() else self.stopped_s

    @property
    def digest(self) -> str:
        """Equal for runs in which the same happened."""
        return self._digest.hexdigest()

    def fault(self, at_s: float, promise: str, words: str) -> None:
        """Notes a broken promise."""
        self.broken[promise] += 1
        self.first_broken.set()
        self.note(at_s, "broken", promise)
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(Violation(at_s, promise, words))

    def count(self, promise: str, times: int = 1) -> None:
        """Counts trials of a promise without a bound; ``fault`` notes those in which it broke."""
        self.kept.setdefault(promise, Kept()).tried += times

    def try_promise(
        self, promise: str, value: float, bound: float, at_s: float, words: str
    ) -> None:
        """Puts a promise with a bound to the test."""
        kept = self.kept.setdefault(promise, Kept())
        if not kept.note(value, bound, at_s):
            self.fault(at_s, promise, words)
