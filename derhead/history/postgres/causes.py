"""Why PostgreSQL cannot be used: the driver's errors sorted by what there is to do. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
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
    OTHER = "other"


_BY_STATE = {
    "28P01": Cause.PASSWORD,
    "28000": Cause.PASSWORD,
    "3D000": Cause.NO_DATABASE,
    "25006": Cause.READ_ONLY,
    "42501": Cause.RIGHTS,
    "53100": Cause.FULL,
    "53300": Cause.UNREACHABLE,
    "57014": Cause.INTERRUPTED,
    "55P03": Cause.INTERRUPTED,
    "57P01": Cause.UNREACHABLE,
    "57P02": Cause.UNREACHABLE,
    "57P03": Cause.UNREACHABLE,
    "57P04": Cause.NO_DATABASE,
}

_BY_CLASS = {
    "08": Cause.UNREACHABLE,
    "22": Cause.VALUE,
    "23": Cause.VALUE,
    "28": Cause.PASSWORD,
    "40": Cause.INTERRUPTED,
}

ADVICE = {
    Cause.STARTING: "the connection is being made",
    Cause.UNREACHABLE: "see that it runs and can be reached; it is tried again by itself",
    Cause.PASSWORD: "correct postgres.password_file, PGPASSWORD or the server's pg_hba.conf",
    Cause.NO_DATABASE: "create the database, or correct postgres.dsn",
    Cause.READ_ONLY: "this server is a standby; name the primary, or all hosts, in postgres.dsn",
    Cause.RIGHTS: "grant the role CREATE and USAGE on the schema and let it own its tables",
    Cause.SCHEMA: "run the software that made the tables, or newer, or name another database",
    Cause.FULL: "make room on the database's disk",
    Cause.INTERRUPTED: "it is tried again by itself",
    Cause.VALUE: "it is held back; the log tells of it",
    Cause.OTHER: "see the server's log; it is tried again by itself",
}
"""What there is to do, for log lines and ``/readyz``."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why PostgreSQL cannot be used now."""

    cause: Cause
    said: str
    """In the words of the server, or of the system."""

    def __str__(self) -> str:
        return f"{self.said}; {ADVICE[self.cause]}"


class StoreUnreachable(Exception):
    """PostgreSQL did not answer: nothing is known of what it holds."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


def cause_of(sqlstate: str | None) -> Cause:
    """By the code that came with an error of the server; None = it did not come to that."""
    if sqlstate is None:
        return Cause.UNREACHABLE
    return _BY_STATE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2]) or Cause.OTHER
