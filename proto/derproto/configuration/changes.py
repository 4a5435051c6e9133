"""What a reload changed, for people and for the audit trail: pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChangedItem:
    """One thing that a reload changed, such as a token."""

    name: str
    before: Mapping[str, object] | None
    """As it was, without secrets; None = it is new."""
    after: Mapping[str, object] | None
    """As it is now, in the same form; None = it is gone."""
    told: str = ""
    """What became of it, in words, if the whole list is not enough."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload changed."""

    words: str
    items: tuple[ChangedItem, ...] = ()
