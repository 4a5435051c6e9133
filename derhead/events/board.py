"""What readers have and have not been told of telemetry, in one number each: pure.

Time goes in looks. A look notes which assets are another than at the look before, and a reader
needs to remember only the look up to which it was told: what it wants next are the assets noted
since. However long it does not read, it costs no memory, and then it gets the newest state of
each asset once. That is conflation.
"""

from collections.abc import Iterable

Look = tuple[object, bool]
"""What an asset looks like: a thing that stands for its newest sample and setpoint, another one
whenever these change, and whether it is stale."""


class Board:
    """Of each asset how it looked last, and at which look it became so."""

    def __init__(self) -> None:
        self.look = 0
        """The number of the last look that brought something new; 0 = there was none. It never
        goes back, so that whoever remembers one is told of all that came since."""
        self.ready = False
        """There was a look since the beginning, or since all was forgotten."""
        self._seen: dict[str, Look] = {}
        self._changed: dict[str, int] = {}

    def note(self, assets: Iterable[tuple[str, Look]]) -> bool:
        """Takes a look at these; tells whether it brought something new. ``look`` is as before
        until ``close``."""
        seen, changed, number = self._seen, self._changed, self.look + 1
        news = False
        for asset_id, (thing, stale) in assets:
            before = seen.get(asset_id)
            # Identity: things that are equal may be written differently.
            if before is None or before[0] is not thing or before[1] is not stale:
                seen[asset_id] = (thing, stale)
                changed[asset_id] = number
                news = True
        return news

    def close(self) -> None:
        """The look is over: readers may be told of what it noted."""
        self.look += 1
        self.ready = True

    def changed_since(self, asset_id: str, look: int) -> bool:
        return self._changed.get(asset_id, 0) > look

    def clear(self) -> None:
        """Forgets all: to the next look every asset is new."""
        self.ready = False
        self._seen.clear()
        self._changed.clear()
