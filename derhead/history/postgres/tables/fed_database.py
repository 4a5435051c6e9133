"""The identity of the database that is fed. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepared:
    """A database whose tables have this software's version."""

    identity: str
    """Chosen when the tables are made. It differs in any other database, and in one made anew."""
    fed: dict[str, int]
    """The number of the newest committed batch, by journal."""
    may_copy: bool = True
    """Whether the role may make temporary tables."""


@dataclass(frozen=True, slots=True)
class Target:
    """The database that a batch is for, and the batch's number."""

    identity: str
    journal: str
    number: int
    """One more than the number of the journal's newest batch that is known to be committed."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """The database is not the one that was fed so far, or it has lost rows."""

    prepared: Prepared
