"""Who may take, keep or lose the claim on a database: pure decisions.

A claim is a row with a *term*, one higher than the row before, and a lock that ends with its
holder's session. The lock alone does not tell whether its holder lives. A headend whose session
breaks goes on serving its agents, and takes the lock again as soon as PostgreSQL answers. So:

- A headend that starts takes a claim at once if nobody holds the lock and the last holder gave it
  back, was this same headend, or is certainly gone. Otherwise the lock must have been free for
  ``takeover_s`` without a break, as seen by the headend that waits. In that time a living holder
  that reaches PostgreSQL has taken it again.
- A headend that runs takes its lock again unless a later term, or another headend's claim, shows
  that it was replaced. Then it must stop: the other one has its fleet.
"""

from dataclasses import dataclass
from enum import Enum, auto

REPEAT_S = 10.0
"""Seconds between two log lines about one obstacle of a start, such as a pooler, whose words
change. When over, the next line may come."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of ``claims``: a headend that held the database, or holds it."""

    term: int
    claimant: str
    """The headend's id; its journal keeps it."""
    name: str
    """For people: host, process and folder."""
    process: str
    """The identity of its process; see ``claimant``."""
    claimed_us: int
    seen_us: int
    """When the holder last wrote, by PostgreSQL's clock, microseconds since the epoch."""
    released_us: int | None
    """When it was given back; None = it was not."""


@dataclass(frozen=True, slots=True)
class ClaimLook:
    """The claim as of one moment."""

    held: bool
    """A session holds the lock."""
    newest: Claim | None
    """None = nobody ever claimed this database."""


class ClaimAnswer(Enum):
    """What to do about a claim."""

    TAKE = auto()
    HELD = auto()
    """Another headend holds it."""
    UNSURE = auto()
    """Nobody holds it, but its last holder may live and want it back."""
    EVICT = auto()
    """A broken session of this same process still holds it: end that session."""
    REPLACED = auto()
    """Another headend took it from this one."""


def judge_start(
    look: ClaimLook, claimant: str, *, is_gone: bool, free_s: float, takeover_s: float
) -> ClaimAnswer:
    """The answer for a headend that serves nobody yet.

    ``is_gone``: the last holder's process is certainly gone. ``free_s``: for how long the lock was
    seen free without a break.
    """
    if look.held:
        return ClaimAnswer.HELD
    newest = look.newest
    if newest is None or newest.released_us is not None or newest.claimant == claimant:
        return ClaimAnswer.TAKE
    return ClaimAnswer.TAKE if is_gone or free_s >= takeover_s else ClaimAnswer.UNSURE


def judge_running(look: ClaimLook, claimant: str, term: int | None) -> ClaimAnswer:
    """The answer for a headend that serves its fleet.

    ``term``: of its own claim; None = it started while PostgreSQL was away.
    """
    newest = look.newest
    is_ours = newest is None or newest.claimant == claimant
    if term is None:
        if not is_ours:
            return ClaimAnswer.REPLACED
        return ClaimAnswer.UNSURE if look.held else ClaimAnswer.TAKE
    # A lower term than ours: the database was set back to a backup.
    if newest is not None and (newest.term > term or (newest.term == term and not is_ours)):
        return ClaimAnswer.REPLACED
    if not look.held:
        return ClaimAnswer.TAKE
    return ClaimAnswer.EVICT if is_ours and newest is not None else ClaimAnswer.UNSURE


class Obstacles:
    """Decides which obstacles of a start get a log line: each new one, and new words of it later.

    Behind a pooler of transactions the words differ at each attempt.
    """

    def __init__(self) -> None:
        self._said = ""
        self._told_s: dict[object, float] = {}

    def is_news(self, kind: object, said: str, now_s: float) -> bool:
        """Whether a line is due; ``kind`` comes from a small, fixed set."""
        told_s = self._told_s.get(kind)
        if said == self._said or (told_s is not None and now_s - told_s < REPEAT_S):
            return False
        self._said = said
        self._told_s[kind] = now_s
        return True
