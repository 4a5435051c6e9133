"""Shields against cancellation, each with a deadline."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from derproto.base.runtime import shielded_for


class Shields:
    """The shields of all connections, so that a stopping server can end them early."""

    def __init__(self) -> None:
        self._open: set[trio.CancelScope] = set()
        self._cut_at = float("inf")

    @contextmanager
    def open(self, seconds: float) -> Iterator[trio.CancelScope]:
        """A shield of at most ``seconds``, shorter while the server stops."""
        with shielded_for(min(seconds, max(0.0, self._cut_at - trio.current_time()))) as scope:
            self._open.add(scope)
            try:
                yield scope
            finally:
                self._open.discard(scope)

    def cut_after(self, seconds: float) -> None:
        """Ends all shields, present and future, at most ``seconds`` from now."""
        self._cut_at = min(self._cut_at, trio.current_time() + seconds)
        for scope in self._open:
            scope.deadline = min(scope.deadline, self._cut_at)
