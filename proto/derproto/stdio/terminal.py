"""Output of commands for people: rich, with colours on a terminal and plain text elsewhere.

On a terminal ``NO_COLOR`` is honoured. A pipe or a file gets text that a script can read:
no control codes, no line wrapped or cut, no blanks at a line's end.
"""

from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table

PLAIN_COLUMNS = 10_000
"""Width of text that nothing wraps or cuts: wider than any line."""


def console_of(file: TextIO, *, terminal: bool | None = None) -> Console:
    """A console that shows texts as they are: no markup, no emoji names, no guessed colours.

    ``terminal`` says whether the output goes to a terminal; None = as the file says.
    """
    terminal = file.isatty() if terminal is None else terminal
    return Console(
        file=file,
        force_terminal=terminal,
        width=None if terminal else PLAIN_COLUMNS,
        markup=False,
        emoji=False,
        highlight=False,
    )


def rendered(file: TextIO, *parts: RenderableType) -> str:
    """The parts, one below the other, as they look on that file; without the last line's end.

    No line is cut to a terminal's width: ids in a table can be copied whole.
    """
    console = console_of(file)
    console.width = PLAIN_COLUMNS
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def columns(*headings: str, words: int = 1) -> Table:
    """An empty table without lines; the first ``words`` columns are aligned left, the others
    right, as suits numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < words else "right", no_wrap=True)
    return table
