"""Trio whose scheduler draws from a seed, so that a run can be repeated."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def deterministic_trio(seed: int) -> Iterator[None]:
    """Trio's scheduler shuffles what is runnable; here, with dice of our own."""
    from trio._core import _run

    with (
        patch.object(_run, "_r", random.Random(seed)),
        patch.object(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
    ):
        yield
