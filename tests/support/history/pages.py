"""Pages of a journal, read on a connection without the journal's tasks."""

import sqlite3
from typing import TypeVar

from derhead.history.queries import statements
from derhead.history.sql import buckets
from derhead.history.sql.cursors import Page
from derhead.history.sql.listings import Listing
from derhead.history.sql.page_request import PageRequest
from derhead.telemetry import Bucket

T = TypeVar("T")


def page_of(con: sqlite3.Connection, listing: Listing[T]) -> Page[T]:
    return listing.page(statements.find(con, listing))


def buckets_of(
    con: sqlite3.Connection,
    asset_id: str,
    step_us: int,
    page: PageRequest,
    piece_rows: int = statements.PIECE_ROWS,
) -> Page[Bucket]:
    asked = buckets.steps(asset_id, step_us, page)
    gathering = buckets.Gathering(asked, piece_rows)
    while not gathering.done:
        statements.gather_piece(con, gathering, asked.low_us)
    return asked.page(gathering.parts)
