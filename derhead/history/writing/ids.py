"""Small integers for assets and boots: a row of telemetry names them in a byte or two."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from derhead.history.file import inserts
from derhead.history.file.inserts import MAX_PARAMETERS
from derhead.history.sql.row_types import Row

CACHED_IDS = 100_000
"""Small integers of assets and boots in memory, of each kind. When full, the cache starts
empty."""


class Ids:
    """The small integers of assets and boots, created on first use."""

    def __init__(self, con: sqlite3.Connection) -> None:
        self._con = con
        self._assets: dict[str, int] = {}
        self._boots: dict[tuple[str, int], int] = {}

    def forget(self) -> None:
        """Empties the cache after a rollback, which undoes integers created since the last
        commit."""
        self._assets.clear()
        self._boots.clear()

    def assets(self, asset_ids: Iterable[str]) -> Mapping[str, int]:
        """The integers of at least these assets."""
        wanted = dict.fromkeys(asset_ids)
        missing = [(asset_id,) for asset_id in wanted if asset_id not in self._assets]
        if missing:
            if len(self._assets) + len(missing) > CACHED_IDS:
                self._assets.clear()
                missing = [(asset_id,) for asset_id in wanted]
            inserts.ASSETS.execute(self._con, missing)
            for chunk in _chunks(missing, MAX_PARAMETERS):
                marks = ",".join("?" * len(chunk))
                found = self._con.execute(
                    f"SELECT asset_id, id FROM assets WHERE asset_id IN ({marks})",
                    [asset_id for (asset_id,) in chunk],
                )
                self._assets.update(found.fetchall())
        return self._assets

    def boots(self, boots: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """The integers of at least these (agent, boot id) pairs."""
        wanted = dict.fromkeys(boots)
        missing = [key for key in wanted if key not in self._boots]
        if missing:
            if len(self._boots) + len(missing) > CACHED_IDS:
                self._boots.clear()
                missing = list(wanted)
            named = [(agent_id, str(boot_id)) for agent_id, boot_id in missing]
            inserts.BOOTS.execute(self._con, named)
            for chunk in _chunks(named, MAX_PARAMETERS // 2):
                marks = ",".join(["(?,?)"] * len(chunk))
                found = self._con.execute(
                    "SELECT agent_id, boot_id, id FROM boots"
                    f" WHERE (agent_id, boot_id) IN (VALUES {marks})",
                    list(chain.from_iterable(chunk)),
                )
                for agent_id, boot_id, number in found.fetchall():
                    self._boots[agent_id, int(boot_id)] = number
        return self._boots


def _chunks(items: list[Row], size: int) -> Iterator[list[Row]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
