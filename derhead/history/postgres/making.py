"""Loads PostgreSQL's driver for a headend that uses it."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

from derhead.dsn import Dsn
from derproto.base.runtime import Runtime

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres
    from derhead.history.postgres.tables.loader import Gate


def make_postgres(
    dsn: Dsn,
    runtime: Runtime,
    rng: random.Random,
    *,
    password_file: Path | None = None,
    gate: "Gate | None" = None,
) -> "Postgres":
    """The database that ``dsn`` names; its ``run`` keeps the connections.

    ``gate`` decides whether this headend may write; None = it may.

    Imports asyncpg and trio-asyncio only now: a command without PostgreSQL starts faster.
    """
    from derhead.history.postgres.database import Postgres

    return Postgres(dsn, runtime, rng, password_file=password_file, gate=gate)
