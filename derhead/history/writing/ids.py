"""Small integers for assets and boots: a row of telemetry names them in a byte or two."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import TypeVar

from derhead.history.file import inserts
from derhead.history.file.inserts import MAX_PARAMETERS
from derhead.history.sql.row_types import Row

K = TypeVar("K")

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
        return self._look_up("assets", inserts.ASSETS, self._assets, asset_ids, lambda key: (key,))

    def boots(self, boots: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """The integers of at least these (agent, boot id) pairs."""
        return self._look_up(
            "boots", inserts.BOOTS, self._boots, boots, lambda key: (key[0], str(key[1]))
        )

    def _look_up(
        self,
        table: str,
        insert: inserts.Insert,
        known: dict[K, int],
        keys: Iterable[K],
        row_of: Callable[[K], Row],
    ) -> Mapping[K, int]:
        wanted = dict.fromkeys(keys)
        missing = {row_of(key): key for key in wanted if key not in known}
        if missing and len(known) + len(missing) > CACHED_IDS:
            known.clear()
            missing = {row_of(key): key for key in wanted}
        insert.execute(self._con, missing)
        names = ", ".join(insert.columns)
        mark = f"({','.join('?' * len(insert.columns))})"
        remaining = iter(missing)
        while chunk := list(islice(remaining, MAX_PARAMETERS // len(insert.columns))):
            found = self._con.execute(
                f"SELECT {names}, id FROM {table} WHERE ({names}) IN"
                f" (VALUES {','.join([mark] * len(chunk))})",
                list(chain.from_iterable(chunk)),
            )
            known.update((missing[tuple(row)], number) for *row, number in found.fetchall())
        return known
