"""Whether the headend can take records and orders: checks that its parts add. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum


class Health(IntEnum):
    """The state of a part; the whole is as good as its worst part."""

    READY = 0
    DEGRADED = 1
    """The part works, but it keeps or knows less than it should: somebody should look."""
    UNREADY = 2
    """The headend takes no records, or no orders."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    """``snake_case``, always the same."""
    health: Health = Health.READY
    detail: str = ""
    """For people: the state, or what is wrong and what to do."""


class Readiness:
    """All checks, made whenever somebody asks.

    A check reads memory only: it neither waits nor touches a disk.
    """

    def __init__(self) -> None:
        self._looks: list[Callable[[], Check]] = []

    def add(self, look: Callable[[], Check]) -> None:
        """Adds a check after the present ones."""
        self._looks.append(look)

    def checks(self) -> list[Check]:
        """The result of each check now."""
        return [look() for look in self._looks]


def worst(checks: list[Check]) -> Health:
    """The state of the whole; ready if there are no checks."""
    return max((check.health for check in checks), default=Health.READY)
