"""How far an export has come, as a line for people: pure.

A history is read from its newest item backwards, so how far it has come is told by the time of
the item that was read last, as a part of the range.
"""

from dataclasses import dataclass

BAR = 24
"""Characters of the bar."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where an export is."""

    done: int
    """Parts of it that are finished: an asset's or an agent's history each."""
    of: int
    rows: int
    from_us: int | None
    to_us: int
    at_us: int | None
    """The time of the row that was written last, of the part that is on its way."""


def share_of(position: Position) -> float | None:
    """How much is done, 0 to 1; None if the range has no beginning that would tell."""
    if position.done >= position.of:
        return 1.0
    within = 0.0
    if position.at_us is not None:
        if position.from_us is None:
            return None
        length_us = max(position.to_us - position.from_us, 1)
        within = min(max((position.to_us - position.at_us) / length_us, 0.0), 1.0)
    elif position.from_us is None and position.of == 1:
        return None
    return (position.done + within) / position.of


def progress_line(position: Position, name: str) -> str:
    """The line, without its end."""
    share = share_of(position)
    rows = f"{position.rows:,} rows"
    part = f"  {name} ({min(position.done + 1, position.of)} of {position.of})"
    if position.of == 1:
        part = f"  {name}" if name else ""
    if share is None:
        return f"{rows}{part}"
    full = int(share * BAR)
    return f"[{'#' * full}{'.' * (BAR - full)}] {share:4.0%}  {rows}{part}"
