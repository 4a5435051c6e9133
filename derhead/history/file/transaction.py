"""A transaction of the journal's writer."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(con: sqlite3.Connection) -> Iterator[None]:
    """Commits at the end; rolls back on any error."""
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
        con.execute("COMMIT")
    finally:
        # Some errors, such as a full disk, have rolled back already.
        if con.in_transaction:
            con.execute("ROLLBACK")
