"""The identity of the database that is fed. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepared:
    """A database whose tables have this version."""

    identity: str
    """Chosen with the tables: it tells this database from any other, and from one made anew."""
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
    """One more than the number of the journal's batch before, whichever of them succeeded."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """The database is another than the one fed, or lacks some of what it was fed."""

    prepared: Prepared
