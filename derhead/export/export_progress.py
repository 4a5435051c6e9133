"""The progress of an export, for people at a terminal.

A history is read from its newest item backwards, so the time of the last item read shows how much
of the range is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

import trio
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from derproto.stdio.terminal import console_of

PROGRESS_S = 0.2
"""Least time between two updates."""


@dataclass(frozen=True, slots=True)
class ExportPosition:
    """The progress of an export."""

    done: int
    """Finished parts, each the history of an asset or agent."""
    of: int
    rows: int
    from_us: int | None
    to_us: int
    at_us: int | None
    """Time of the current part's last written row; None before its first."""


def share_of(position: ExportPosition) -> float | None:
    """The share that is done, 0 to 1; None if the range has no beginning."""
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


class ProgressBar:
    """A line on a terminal that is redrawn as the export goes on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=1.0, rows=0)
        self._next_s = 0.0

    def show(self, position: ExportPosition, name: str) -> None:
        """Draws the progress, at most every ``PROGRESS_S`` and at the end."""
        now_s = trio.current_time()
        due = now_s >= self._next_s or position.done >= position.of
        if due:
            self._next_s = now_s + PROGRESS_S
        share = share_of(position)
        part = f"{name} ({position.done + 1} of {position.of})" if position.of > 1 else name
        self._progress.update(
            self._task,
            total=None if share is None else 1.0,
            completed=share or 0.0,
            rows=position.rows,
            description=part if position.done < position.of else "",
            refresh=due,
        )


@contextmanager
def open_progress_bar(stream: TextIO) -> Iterator[ProgressBar]:
    """A progress bar for the block. If ``stream`` is not a terminal, nothing is drawn."""
    console = console_of(stream)
    progress = Progress(
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.description}", markup=False),
        console=console,
        disable=not console.is_terminal,
        auto_refresh=False,
        # The export itself may go to standard output.
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with progress:
        yield ProgressBar(progress)
