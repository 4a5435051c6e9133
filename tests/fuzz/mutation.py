"""How long each fuzz goes on, and bytes that begin as valid ones.

Without ``DERHEAD_FUZZ`` every run plays the same examples. ``DERHEAD_FUZZ=N`` in the environment
plays N times as many, new ones each time; a failure prints the example.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONGER = os.environ.get("DERHEAD_FUZZ")


def effort(examples: int) -> Callable[[Any], Any]:
    """The settings of a fuzz that plays so many ``examples`` in the suite."""
    return settings(
        max_examples=examples * int(LONGER or 1),
        derandomize=not LONGER,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def mutated(
    draw: st.DrawFn, corpus: Sequence[bytes], tokens: Sequence[bytes] = (), most: int = 6
) -> bytes:
    """One of the corpus after up to ``most`` edits: flip, set, cut, repeat, splice or insert."""
    data = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["flip", "set", "cut", "repeat", "splice", "insert"])):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if data:
                data[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
            case "cut":
                del data[at : at + draw(st.integers(1, 64))]
            case "repeat":
                piece = bytes(data[at : at + draw(st.integers(1, 64))])
                data[at:at] = piece * draw(st.sampled_from([1, 2, 40]))
            case "splice":
                other = draw(st.sampled_from(corpus))
                start = draw(st.integers(0, max(len(other) - 1, 0)))
                data[at:] = other[start:]
            case _:
                data[at:at] = draw(st.sampled_from(tokens) if tokens else st.binary(max_size=16))
    return bytes(data)
