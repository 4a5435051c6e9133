"""What retention measures before it deletes: the file's size, and what PostgreSQL lacks.

Synchronous.
"""

import os
import sqlite3

from derhead.history.file import facts
from derhead.history.retention.policy import NOTHING_FED, Sizes, Spared


def read_sizes(con: sqlite3.Connection) -> Sizes:
    """The size of the file."""
    page_bytes, pages, free_pages = (
        int(con.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    path = con.execute("PRAGMA database_list").fetchone()[2]
    try:
        wal_bytes = os.stat(f"{path}-wal").st_size
    except FileNotFoundError:
        wal_bytes = 0
    return Sizes(page_bytes, pages, free_pages, wal_bytes)


def read_spared(con: sqlite3.Connection, fed: bool) -> Spared:
    """What PostgreSQL was not fed yet, if it is configured."""
    if not fed:
        return Spared()
    if facts.get(con, facts.FED_WHOLE) is None:
        return NOTHING_FED
    samples_us, records_us = con.execute(
        "SELECT (SELECT min(oldest_ts_us) FROM unfed), (SELECT committed_us FROM unfed"
        " ORDER BY id LIMIT 1)"
    ).fetchone()
    return Spared(samples_us, records_us)


def count_gap_assets(con: sqlite3.Connection) -> int:
    """How many assets have gaps."""
    (count,) = con.execute(
        # DISTINCT would read every gap; this hops from asset to asset.
        "WITH RECURSIVE named(id) AS (SELECT min(asset_id) FROM gaps UNION ALL"
        " SELECT (SELECT min(asset_id) FROM gaps WHERE asset_id > named.id)"
        " FROM named WHERE named.id IS NOT NULL) SELECT count(id) FROM named"
    ).fetchone()
    return int(count)


def read_oldest(con: sqlite3.Connection) -> int | None:
    """When the oldest sample was measured or the oldest heartbeat arrived; None if there is
    none."""
    (oldest_us,) = con.execute(
        # DISTINCT would read every heartbeat; this hops from agent to agent.
        "WITH RECURSIVE agents(id) AS (SELECT min(agent_id) FROM heartbeats UNION ALL"
        " SELECT (SELECT min(agent_id) FROM heartbeats WHERE agent_id > agents.id)"
        " FROM agents WHERE agents.id IS NOT NULL)"
        " SELECT min(us) FROM ("
        "SELECT (SELECT min(ts_us) FROM telemetry WHERE asset = assets.id) AS us FROM assets"
        " UNION ALL SELECT (SELECT min(received_us) FROM heartbeats WHERE agent_id = agents.id)"
        " FROM agents)"
    ).fetchone()
    return None if oldest_us is None else int(oldest_us)
