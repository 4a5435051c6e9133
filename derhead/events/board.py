"""Which assets changed since a reader's last frame, with one number for each reader: pure.

Time is counted in looks. Each look notes the assets that differ from the look before. A reader
remembers only the number of the look that its last frame covered; its next frame has the assets
noted since. A slow reader costs no memory, and gets the newest state of each asset once
(conflation).
"""

from collections.abc import Iterable

Look = tuple[object, bool]
"""An asset at one moment: an object that changes with each new sample or setpoint, and whether the
sample is stale."""


class Board:
    """The last look at each asset, and the number of the look at which it changed."""

    def __init__(self) -> None:
        self.look = 0
        """The number of the last look that found a change; 0 = none has. It never goes back, so a
        reader that remembers a number gets all later changes."""
        self.ready = False
        """There has been a look since the start or the last ``clear``."""
        self._seen: dict[str, Look] = {}
        self._changed: dict[str, int] = {}

    def note(self, assets: Iterable[tuple[str, Look]]) -> bool:
        """Notes the assets that changed; true if any has. ``look`` rises only at ``close``."""
        seen, changed, number = self._seen, self._changed, self.look + 1
        news = False
        for asset_id, (thing, stale) in assets:
            before = seen.get(asset_id)
            # Identity: equal objects may differ as text.
            if before is None or before[0] is not thing or before[1] is not stale:
                seen[asset_id] = (thing, stale)
                changed[asset_id] = number
                news = True
        return news

    def close(self) -> None:
        """Ends the look: readers may get what it noted."""
        self.look += 1
        self.ready = True

    def changed_since(self, asset_id: str, look: int) -> bool:
        return self._changed.get(asset_id, 0) > look

    def forget(self, asset_id: str) -> None:
        """Forgets the looks at one asset."""
        self._seen.pop(asset_id, None)
        self._changed.pop(asset_id, None)

    def clear(self) -> None:
        """Forgets all looks: at the next look every asset counts as changed."""
        self.ready = False
        self._seen.clear()
        self._changed.clear()
