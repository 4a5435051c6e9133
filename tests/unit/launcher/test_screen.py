"""Standard output as a pipe, a file and a terminal, read or not."""

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from launcher.screen import LAST_WORDS_S, LINES_WAITING, Screen


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


async def show(screen: Screen, *lines: str) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.keep_screen)
        for line in lines:
            screen.put(line)
        await trio.testing.wait_all_tasks_blocked()
        screen.finish()


async def test_a_pipe_gets_plain_lines(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    await show(Screen(writer, lambda: "agents 2", None), "one", "two · 2")
    assert os.read(reader, 1000).decode() == "one\ntwo · 2\nagents 2\n"


@pytest.mark.parametrize("path", ["out", "/dev/null"])
async def test_a_file_is_always_ready(tmp_path: Path, path: str) -> None:
    out = os.open(tmp_path / path, os.O_WRONLY | os.O_CREAT)
    try:
        await show(Screen(out, lambda: "agents 2", None), *["line"] * 1000)
    finally:
        os.close(out)
    if path == "out":
        assert (tmp_path / path).read_text() == "line\n" * 1000 + "agents 2\n"


def read_at_least(fd: int, size: int) -> bytes:
    """What a terminal shows; the kernel may hand it on in pieces."""
    data = b""
    while len(data) < size:
        data += os.read(fd, 1000)
    return data


async def test_a_terminal_keeps_the_count_at_its_bottom() -> None:
    controller, terminal = pty.openpty()
    try:
        count = "agents 1"
        screen = Screen(terminal, lambda: count, lambda: 80)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.keep_screen)
            await trio.testing.wait_all_tasks_blocked()
            first = b"\r\x1b[Kagents 1"
            assert read_at_least(controller, len(first)) == first
            count = "agents 2"
            screen.put("one")
            screen.finish()
        last = b"\r\x1b[Kone\r\nagents 2\r\n"
        assert read_at_least(controller, len(last)) == last
    finally:
        os.close(controller)
        os.close(terminal)


async def test_a_reader_that_stalls_costs_bounded_memory_and_no_waiting(
    pipe: tuple[int, int], autojump_clock: trio.testing.MockClock
) -> None:
    reader, writer = pipe
    line = "x" * 100
    screen = Screen(writer, lambda: "agents 2", None)
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


async def test_what_was_dropped_is_said(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    screen = Screen(writer, lambda: "", None)
    for _ in range(LINES_WAITING + 5):
        screen.put("x")
    await show(screen)
    assert os.read(reader, 100_000).endswith(b"(5 more lines were dropped: this output is slow)\n")


async def test_an_output_that_was_closed_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(ExceptionGroup) as raised:
            await show(Screen(writer, lambda: "agents 2", None), "one")
        assert raised.group_contains(BrokenPipeError)
    finally:
        os.close(writer)
