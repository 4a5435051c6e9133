"""Long work in turns, so that other tasks run in between."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import trio

T = TypeVar("T")

LOOKS_A_TURN = 200
"""Things to look at before other tasks have their turn: less than a millisecond."""


async def look_in_turns(items: Iterable[T], look: Callable[[T], object]) -> None:
    """Calls ``look`` for each item; other tasks have their turn in between.

    ``items`` must not change meanwhile: give a copy of what may.
    """
    for place, item in enumerate(items, 1):
        look(item)
        if place % LOOKS_A_TURN == 0:
            await trio.lowlevel.checkpoint()
