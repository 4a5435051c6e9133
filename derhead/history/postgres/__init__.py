"""PostgreSQL: all that knows the driver and its asyncio loop."""

from derhead.history.postgres.causes import Cause, StoreUnreachable, Trouble
from derhead.history.postgres.port import Postgres

__all__ = ["Cause", "Postgres", "StoreUnreachable", "Trouble"]
