"""Standard output as a pipe, a file and a terminal, read or not."""

import io
import os
import pty
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from rich.text import Text
from trio.testing import MockClock

from derproto.stdio.terminal import console_of
from launcher.display.fleet_log import FleetLog
from launcher.display.fleet_status import Tally
from launcher.display.screen import LAST_WORDS_S, LINES_WAITING, Screen, terminal_text


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def make_screen(fd: int, columns: int | None = None, agents: int = 2) -> Screen:
    tally = Tally(str(number) for number in range(agents))
    return Screen(
        fd, tally, FleetLog("logfmt"), None if columns is None else lambda: columns, lambda: 0
    )


COUNTED = (
    'ts=1970-01-01T00:00:00.000Z level=info event="fleet counted" agents=2 connected=0 '
    "connecting=0 starting=0 waiting=2 in_force=0 logger=launcher\n"
)


async def show(screen: Screen, *lines: str) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.keep_screen)
        for line in lines:
            screen.put(Text(line))
        await trio.testing.wait_all_tasks_blocked()
        screen.finish()


async def test_a_pipe_gets_plain_lines(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    await show(make_screen(writer), "one", "two · 2")
    assert os.read(reader, 1000).decode() == f"one\ntwo · 2\n{COUNTED}"


@pytest.mark.parametrize("path", ["out", "/dev/null"])
async def test_a_file_is_always_ready(tmp_path: Path, path: str) -> None:
    out = os.open(tmp_path / path, os.O_WRONLY | os.O_CREAT)
    try:
        await show(make_screen(out), *["line"] * 1000)
    finally:
        os.close(out)
    if path == "out":
        assert (tmp_path / path).read_text() == "line\n" * 1000 + COUNTED


def read_at_least(fd: int, size: int) -> bytes:
    """What a terminal shows; the kernel may hand it on in pieces."""
    data = b""
    while len(data) < size:
        data += os.read(fd, 1000)
    return data


async def test_a_terminal_keeps_the_count_at_its_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    controller, terminal = pty.openpty()
    try:
        screen = make_screen(terminal, 80, agents=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.keep_screen)
            await trio.testing.wait_all_tasks_blocked()
            count = "agents 1: 1 waiting to start · dispatches in force 0"
            first = f"\r\x1b[0K\x1b[1m{count}\x1b[0m".encode()
            assert read_at_least(controller, len(first)) == first
            screen.put(Text("one", "red"))
            screen.finish()
        last = f"\r\x1b[0K\x1b[31mone\x1b[0m\r\n\x1b[1m{count}\x1b[0m\r\n".encode()
        assert read_at_least(controller, len(last)) == last
    finally:
        os.close(controller)
        os.close(terminal)


@pytest.mark.parametrize(("columns", "kept"), [(9, "agents 2"), (8, "agents…"), (2, "…"), (0, "…")])
def test_a_count_wider_than_the_terminal_is_cut(
    columns: int, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    console = console_of(io.StringIO(), terminal=True)
    shown = terminal_text(console, [Text("a line of any length")], "agents 2", columns)
    assert re.sub(r"\x1b\[\d*[a-zA-Z]", "", shown) == f"\ra line of any length\n{kept}"


async def test_a_reader_that_stalls_costs_bounded_memory_and_no_waiting(
    pipe: tuple[int, int], autojump_clock: MockClock
) -> None:
    reader, writer = pipe
    line = Text("x" * 100)
    screen = make_screen(writer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.keep_screen)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            # The first of these is being written when the pipe is full.
            for _ in range(LINES_WAITING):
                screen.put(line)
            await trio.testing.wait_all_tasks_blocked()
        began_s = trio.current_time()
        screen.finish()
    assert trio.current_time() - began_s == LAST_WORDS_S
    assert len(os.read(reader, 1_000_000)) < LINES_WAITING * len(line)


async def test_dropped_lines_are_counted(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    screen = make_screen(writer)
    for _ in range(LINES_WAITING + 5):
        screen.put(Text("x"))
    await show(screen)
    last, counted = os.read(reader, 100_000).decode().splitlines()[-2:]
    assert 'level=warning event="lines dropped" lines=5 reason="standard output is' in last
    assert f"{counted}\n" == COUNTED


async def test_an_output_that_was_closed_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(ExceptionGroup) as raised:
            await show(make_screen(writer), "one")
        assert raised.group_contains(BrokenPipeError)
    finally:
        os.close(writer)
