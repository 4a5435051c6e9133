"""How far an export has come."""

import io
import re

import pytest

from derhead.export.export_progress import ExportPosition, open_progress_bar, share_of


@pytest.mark.parametrize(
    ("position", "share"),
    [
        (ExportPosition(0, 1, 0, 0, 100, None), 0.0),
        (ExportPosition(0, 1, 500, 0, 100, 75), 0.25),
        (ExportPosition(1, 2, 12_345, 0, 100, 50), 0.75),
        (ExportPosition(2, 2, 9, 0, 100, None), 1.0),
        (ExportPosition(0, 0, 0, None, 100, None), 1.0),
        # Without a beginning nobody knows how much there is.
        (ExportPosition(0, 1, 1000, None, 100, 50), None),
        (ExportPosition(1, 3, 1000, None, 100, 50), None),
    ],
)
def test_the_share_that_is_done(position: ExportPosition, share: float | None) -> None:
    assert share_of(position) == share


@pytest.mark.parametrize("at_us", [-50, 0, 99, 100, 150])
def test_the_share_stays_within(at_us: int) -> None:
    share = share_of(ExportPosition(0, 2, 1, 0, 100, at_us))
    assert share is not None
    assert 0 <= share <= 0.5


class Terminal(io.StringIO):
    """A file that says that people look at it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", ["roof", "[red]roof"])
async def test_a_terminal_sees_share_rows_and_part(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    with open_progress_bar(terminal) as bar:
        bar.show(ExportPosition(1, 2, 12_345, 0, 100, 50), name)
    shown = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", terminal.getvalue())
    assert f" 75% 12,345 rows {name} (2 of 2)" in shown


async def test_a_pipe_gets_no_progress_bar() -> None:
    pipe = io.StringIO()
    with open_progress_bar(pipe) as bar:
        bar.show(ExportPosition(1, 1, 5, 0, 100, None), "")
    assert pipe.getvalue() == ""
