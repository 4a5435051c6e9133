"""The feed's session: one connection, and what is known of the database behind it.

Runs on the asyncio loop.
"""

from derhead.history.postgres.driver import Connection
from derhead.history.postgres.schema import Prepared


class Loader:
    """Writes to PostgreSQL over one connection; what it remembers dies with it."""

    def __init__(self, connection: Connection, prepared: Prepared) -> None:
        self.connection = connection
        self.prepared = prepared
