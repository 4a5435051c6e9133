"""What a mutation is: a patch of a daemon's code, and the promises that it breaks."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.soak.plan import Act

FIRST_HOURS = 1.0
"""Hours of the plan in which most mutations show."""

Patch = Callable[[], AbstractContextManager[object]]
"""Makes a daemon wrong for a block."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One deliberate fault."""

    name: str
    part: str
    """The part of the daemons that it makes wrong."""
    wrong: str
    """What is wrong, in one line."""
    patch: Patch
    breaks: tuple[str, ...]
    """The promises by which the judge may find it; empty if it cannot."""
    hours: float = FIRST_HOURS
    """How much of the day's plan is played first; what it does not show, more of the plan may."""
    unseen: str = ""
    """Why the soak cannot see it, and what does."""
    busy: bool = False
    """It shows on a day with more orders than usual."""
    acts: tuple[Act, ...] = ()
    """Added to the day: what shows the fault, if chance brings it too seldom for one day."""


class Table:
    """The mutations of one module, in the order in which they stand there."""

    def __init__(self) -> None:
        self.mutations: list[Mutation] = []

    def __call__(
        self,
        part: str,
        wrong: str,
        *breaks: str,
        hours: float = FIRST_HOURS,
        unseen: str = "",
        busy: bool = False,
        acts: tuple[Act, ...] = (),
    ) -> Callable[[Patch], Patch]:
        """Adds the decorated patch, named after its function."""

        def add(patch: Patch) -> Patch:
            name = patch.__name__.replace("_", "-")
            self.mutations.append(
                Mutation(name, part, wrong, patch, breaks, hours, unseen, busy, acts)
            )
            return patch

        return add


class EveryNth:
    """True at each n-th call, so that a fault is rare."""

    def __init__(self, n: int) -> None:
        self._n, self._calls = n, 0

    def __call__(self) -> bool:
        self._calls += 1
        return self._calls % self._n == 0
