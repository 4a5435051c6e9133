"""Seeded noise as a function of time: pure.

Nobody has to step it, so it is the same whatever the reading period, and after a restart.
"""

import math
from random import Random
from statistics import NormalDist

_NORMAL = NormalDist()


def wander(seed: str, at_s: float, every_s: float) -> float:
    """Noise around 0 with a spread of 1, which forgets its value within ``2 * every_s``.

    Normal numbers, drawn for each multiple of ``every_s``, are interpolated: K. Perlin, "An Image
    Synthesizer", SIGGRAPH 1985, in one dimension. The division keeps the spread between two
    multiples.
    """
    number, into_s = divmod(at_s, every_s)
    share = into_s / every_s
    before, after = _normal(f"{seed}/{number:.0f}"), _normal(f"{seed}/{number + 1:.0f}")
    return (before * (1 - share) + after * share) / math.hypot(1 - share, share)


def _normal(seed: str) -> float:
    # Only random() yields the same values in every version of Python.
    return _NORMAL.inv_cdf(min(max(Random(seed).random(), 1e-9), 1 - 1e-9))
