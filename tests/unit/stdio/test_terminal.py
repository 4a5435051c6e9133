"""What commands show on a terminal and in a pipe."""

import io

import pytest
from rich.text import Text

from derproto.stdio.terminal import columns, rendered


class Terminal(io.StringIO):
    """A file that says that people look at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_words_start_alike_and_numbers_end_alike() -> None:
    table = columns("NAME", "MW")
    table.add_row("a", "+1.0")
    table.add_row("long name", "-20.5")
    assert rendered(io.StringIO(), table).splitlines() == [
        "NAME          MW",
        "a           +1.0",
        "long name  -20.5",
    ]
    assert rendered(io.StringIO(), columns("NAME")) == "NAME"


@pytest.mark.parametrize("forced", [False, True])
def test_a_pipe_gets_plain_text_whatever_its_width(
    monkeypatch: pytest.MonkeyPatch, forced: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    if forced:
        monkeypatch.setenv("FORCE_COLOR", "1")
    table = columns("A", "B", words=2)
    table.add_row(Text("x" * 200, style="red"), "[bold]:smile:[/bold]   ")
    assert rendered(io.StringIO(), table).splitlines()[1] == "x" * 200 + "  [bold]:smile:[/bold]"


def test_a_narrow_terminal_gets_whole_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    table = columns("DISPATCH", "STATE", words=2)
    table.add_row("x" * 36, "started")
    assert "x" * 36 + "  started" in rendered(Terminal(), table)


def test_a_terminal_gets_colours_unless_NO_COLOR_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered(Terminal(), Text("failed", style="red")) == "\x1b[31mfailed\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert rendered(Terminal(), Text("failed", style="red")) == "failed"
