"""What an attack costs the loop, in CPU time: what else the machine does is not counted."""

import gc
import time
from collections.abc import Callable

MAX_STALL_S = 0.05
"""The longest that one request may keep the loop, of CPU time."""


def cpu_s(act: Callable[[], object], *, tries: int = 5) -> float:
    """The least CPU time of some tries, seconds."""
    # Without a collection before: it would cost more than all the tries.
    gc.disable()
    try:
        return min(_once_s(act) for _ in range(tries))
    finally:
        gc.enable()


def _once_s(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


def hold_linear(attack: Callable[[int], object], size: int) -> None:
    """An attack of that size stalls nothing, and one of a fourth costs about a fourth.

    Quadratic cost would be sixteen times that of a fourth.
    """
    whole_s, part_s = cpu_s(lambda: attack(size)), cpu_s(lambda: attack(size // 4))
    assert whole_s < MAX_STALL_S
    assert whole_s < 10 * max(part_s, 0.0002)
