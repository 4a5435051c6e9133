"""Readers with the same filter, who share their frames."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import trio

from derhead.events.board import Board
from derhead.events.filters import Filter
from derhead.events.frames import telemetry_frame
from derproto.configuration.fleet import Asset

ITEMS_A_TURN = 200
"""Assets that are rendered before other tasks get their turn."""


class _Frame:
    """A frame that is made, or still being made."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.settled = trio.Event()


class Audience:
    """The readers with one filter, and the frames of the present look.

    Readers that keep up share one frame. Slower readers share one if they last had the same look.
    """

    def __init__(self, wanted: Filter, assets: Sequence[Asset]) -> None:
        self.wanted = wanted
        self.readers = 0
        self.ended = False
        """Its streams end."""
        self.followed = len(assets) if wanted.telemetry else 0
        """Assets whose telemetry its frames hold."""
        self._assets = assets
        self._frames: dict[int, _Frame] = {}
        self._look = 0

    async def frame(
        self, board: Board, after: int, write: Callable[[Iterable[Asset]], Iterable[str]]
    ) -> tuple[bytes, bool]:
        """The frame of all changes after the look ``after``, and whether it was made just now.

        The frame is empty if nothing of interest changed. After look 0 it has all assets.
        """
        if self._look != board.look:
            self._frames.clear()
            self._look = board.look
        while (frame := self._frames.get(after)) is not None:
            await frame.settled.wait()
            if frame.data is not None:
                return frame.data, False
        frame = self._frames[after] = _Frame()
        try:
            frame.data = await self._make(board, after, write)
        finally:
            frame.settled.set()
            if frame.data is None and self._frames.get(after) is frame:
                del self._frames[after]
        return frame.data, True

    async def _make(
        self, board: Board, after: int, write: Callable[[Iterable[Asset]], Iterable[str]]
    ) -> bytes:
        changed = [asset for asset in self._assets if board.changed_since(asset.id, after)]
        if not changed and after:
            return b""
        items: list[str] = []
        remaining = iter(changed)
        while turn := list(islice(remaining, ITEMS_A_TURN)):
            items.extend(write(turn))
            await trio.lowlevel.checkpoint()
        return telemetry_frame(items)
