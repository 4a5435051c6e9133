"""Whether the headend can take records and orders, by checks that its parts add. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum


class Health(IntEnum):
    """How a part is; the worst is how the whole is."""

    READY = 0
    DEGRADED = 1
    """Works, and somebody should look: less is kept, or less is known, than there should be."""
    UNREADY = 2
    """Takes no records, or no orders."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Check:
    """What one look at a part found."""

    name: str
    """``snake_case``, the same at every look."""
    health: Health = Health.READY
    detail: str = ""
    """For people: how it is, or what is wrong and what to do."""


class Readiness:
    """The checks, each looked at whenever somebody asks.

    A look reads what its part keeps in memory: it neither waits nor touches a disk.
    """

    def __init__(self) -> None:
        self._looks: list[Callable[[], Check]] = []

    def add(self, look: Callable[[], Check]) -> None:
        """One more check, shown after those there are."""
        self._looks.append(look)

    def checks(self) -> list[Check]:
        """What each finds now."""
        return [look() for look in self._looks]


def worst(checks: list[Check]) -> Health:
    """How the whole is; without any check it is ready."""
    return max((check.health for check in checks), default=Health.READY)
