"""PostgreSQL for whoever has one: its driver is loaded here, and not before."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

from derhead.dsn import Dsn
from derproto.base.runtime import Runtime

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres


def make_postgres(
    dsn: Dsn, runtime: Runtime, rng: random.Random, *, password_file: Path | None = None
) -> "Postgres":
    """The database that ``dsn`` names; its ``run`` keeps the connections.

    It loads asyncpg and trio-asyncio, which take half as long as all else of a command.
    """
    from derhead.history.postgres.database import Postgres

    return Postgres(dsn, runtime, rng, password_file=password_file)
