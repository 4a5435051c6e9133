"""Why PostgreSQL cannot be used: the driver's errors, sorted by what to do about them. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class StoreCause(StrEnum):
    """What stands between the headend and PostgreSQL."""

    STARTING = "starting"
    UNREACHABLE = "unreachable"
    PASSWORD = "password"
    NO_DATABASE = "no_database"
    READ_ONLY = "read_only"
    RIGHTS = "rights"
    SCHEMA = "schema"
    FULL = "full"
    INTERRUPTED = "interrupted"
    VALUE = "value"
    CLAIM = "claim"
    POOLER = "pooler"
    OTHER = "other"


_BY_STATE = {
    "28P01": StoreCause.PASSWORD,
    "28000": StoreCause.PASSWORD,
    "3D000": StoreCause.NO_DATABASE,
    "25006": StoreCause.READ_ONLY,
    "42501": StoreCause.RIGHTS,
    # Another client of the pooler prepared that statement, or ours in another session.
    "42P05": StoreCause.POOLER,
    "26000": StoreCause.POOLER,
    "53100": StoreCause.FULL,
    "53300": StoreCause.UNREACHABLE,
    "57014": StoreCause.INTERRUPTED,
    "55P03": StoreCause.INTERRUPTED,
    "57P01": StoreCause.UNREACHABLE,
    "57P02": StoreCause.UNREACHABLE,
    "57P03": StoreCause.UNREACHABLE,
    "57P04": StoreCause.NO_DATABASE,
}

_BY_CLASS = {
    "08": StoreCause.UNREACHABLE,
    "22": StoreCause.VALUE,
    "23": StoreCause.VALUE,
    "28": StoreCause.PASSWORD,
    "40": StoreCause.INTERRUPTED,
}

ADVICE = {
    StoreCause.STARTING: "the headend is connecting",
    StoreCause.UNREACHABLE: "see that PostgreSQL runs and can be reached; the headend keeps trying",
    StoreCause.PASSWORD: "correct postgres.password_file, PGPASSWORD or the server's pg_hba.conf",
    StoreCause.NO_DATABASE: "create the database, or correct postgres.dsn",
    StoreCause.READ_ONLY: (
        "this server is a standby; name the primary, or all hosts, in postgres.dsn"
    ),
    StoreCause.RIGHTS: "grant the role CREATE and USAGE on the schema and let it own its tables",
    StoreCause.SCHEMA: "or name another database in postgres.dsn",
    StoreCause.FULL: "make room on the database's disk",
    StoreCause.INTERRUPTED: "the headend tries again",
    StoreCause.VALUE: "the log names the commit that PostgreSQL refuses; it stays in the spool",
    StoreCause.CLAIM: "one headend a database: stop the other one, or name another database",
    StoreCause.POOLER: "connect directly, or make the pooler pool sessions, not transactions",
    StoreCause.OTHER: "see also PostgreSQL's log; the headend tries again",
}
"""What to do, for log lines and ``/readyz``."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why PostgreSQL cannot be used now."""

    cause: StoreCause
    said: str
    """In the words of the server or the system."""

    def __str__(self) -> str:
        return f"{self.said}; {ADVICE[self.cause]}"


class StoreUnreachable(Exception):
    """PostgreSQL did not answer: what it holds is unknown."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


def cause_of(sqlstate: str | None) -> StoreCause:
    """The cause of a server's error by its code; None = the server was not reached."""
    if sqlstate is None:
        return StoreCause.UNREACHABLE
    return _BY_STATE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2]) or StoreCause.OTHER
