"""The database that is fed, and what tells it from any other. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepared:
    """A database with tables of this version."""

    identity: str
    """Made with the tables: tells this database from any other, and from one made anew."""
    fed: dict[str, int]
    """By journal, the number of the newest batch that is committed."""
    may_copy: bool = True
    """The role may make temporary tables."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which database a batch is for, and the batch's place among all."""

    identity: str
    journal: str
    number: int
    """One more than that of the journal's batch before, whichever of them got through."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """The database is not the one that was fed, or not as far as it was."""

    prepared: Prepared
