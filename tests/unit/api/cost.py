"""The cost of an attack for the loop, in CPU time, so that other load does not count."""

import gc
import time
from collections.abc import Callable

MAX_STALL_S = 0.05
"""Most CPU time for which one request may keep the loop, seconds."""


def cpu_s(act: Callable[[], object], *, tries: int = 5) -> float:
    """The least CPU time of several tries, seconds."""
    # No collection before, which would cost more than all tries.
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
    """Checks that an attack stalls nothing, and that one of a fourth costs about a fourth.

    Quadratic cost would be sixteen times that of a fourth.
    """
    whole_s, part_s = cpu_s(lambda: attack(size)), cpu_s(lambda: attack(size // 4))
    assert whole_s < MAX_STALL_S
    assert whole_s < 10 * max(part_s, 0.0002)
