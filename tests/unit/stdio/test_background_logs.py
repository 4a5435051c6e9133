"""Whoever logs never waits, and what was not written is counted."""

import logging
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from derproto.stdio import log_repeats, logs
from derproto.stdio.log_lines import VALUE_CHARACTERS
from derproto.stdio.log_repeats import LINES_A_PERIOD
from derproto.stdio.logs import BackgroundHandler, write_to

LINES = 5_000
WAITING = 256 * 1024
LONG = "x" * 200


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that nobody reads: (read, write)."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def log_of(handler: logging.Handler, name: str = "derhead.test") -> logging.Logger:
    log = logging.Logger(name)
    log.addHandler(handler)
    return log


def read_all(fd: int) -> list[str]:
    """All lines in the pipe, once nobody writes there any more."""
    os.set_blocking(fd, False)
    data = b""
    try:
        while piece := os.read(fd, 1 << 20):
            data += piece
    except BlockingIOError:
        pass
    return data.decode().splitlines()


def read_to_the_end(pipe: tuple[int, int], handler: BackgroundHandler) -> list[str]:
    """All lines, now that somebody reads."""
    reading, writing = pipe
    with ThreadPoolExecutor(1) as executor, open(reading, closefd=False) as lines:
        read = executor.submit(list, lines)
        while not handler.drain():
            pass
        handler.close()
        # The pipe ends where nobody can write into it any more.
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), writing)
        return [line.removesuffix("\n") for line in read.result()]


@pytest.fixture
def _any_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_repeats, "LINES_A_PERIOD", 10**9)


@pytest.mark.usefixtures("_any_repeats")
def test_a_pipe_that_nobody_reads_holds_nobody_up_and_costs_bounded_memory(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FLUSH_S", 0.05)
    monkeypatch.setattr(logs, "WAITING_BYTES", WAITING)
    handler = BackgroundHandler(write_to(pipe[1]))
    log = log_of(handler)
    tracemalloc.start()
    for number in range(LINES):
        log.warning(f"{number} {LONG}")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 3 * WAITING
    assert not handler.drain()
    full = handler.statistics()
    assert WAITING - 1000 < full.waiting_bytes <= WAITING
    assert full.dropped_lines > 0
    lines = read_to_the_end(pipe, handler)
    assert handler.statistics().waiting_bytes == 0
    numbers = [int(match[1]) for line in lines if (match := re.search(r'event="(\d+) x', line))]
    # Where lines were dropped depends on when the thread writes; none is out of order.
    assert numbers == sorted(set(numbers))
    told = [
        int(match[1])
        for line in lines
        if (match := re.search(r'event="log lines dropped" lines=(\d+) reason=', line))
    ]
    assert len(numbers) + sum(told) == LINES
    assert sum(told) == handler.statistics().dropped_lines


@pytest.mark.usefixtures("_any_repeats")
def test_a_file_has_every_line_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        handler = BackgroundHandler(write_to(file.fileno()))
        log = log_of(handler)
        for number in range(1_000):
            log.warning(f"{number} said")
        assert handler.drain()
        handler.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split('"')[1] for line in lines] == [f"{n} said" for n in range(1_000)]


def test_repeats_are_limited_and_counted(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    handler = BackgroundHandler(write_to(writing))
    log = log_of(handler)
    for number in range(LINES_A_PERIOD + 75):
        log.warning("a report of %s is bad", number)
    log.warning("something else")
    assert handler.drain()
    lines = read_all(reading)
    assert sum(" is bad" in line for line in lines[:-1]) == LINES_A_PERIOD
    assert 'event="something else"' in lines[-2]
    assert 'event="more lines left out" lines=75 like="a report of %s is bad"' in lines[-1]
    handler.close()


def test_a_line_has_a_longest_length(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    handler = BackgroundHandler(write_to(writing))
    log_of(handler).warning("%s", "y" * 30_000)
    assert handler.drain()
    (line,) = read_all(reading)
    assert len(line) < VALUE_CHARACTERS + 100
    assert 'y (cut)" logger' in line
    handler.close()


def test_a_record_that_cannot_be_formatted_is_a_line_that_says_so(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    handler = BackgroundHandler(write_to(writing))
    log_of(handler).warning("%d apples", "many")
    assert handler.drain()
    (line,) = read_all(reading)
    assert line.startswith("derhead.test: '%d apples' cannot be written: TypeError")
    handler.close()


def test_a_pipe_whose_reader_has_gone_is_not_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    handler = BackgroundHandler(write_to(writing))
    log_of(handler).warning("hello")
    assert handler.drain()
    handler.close()
    os.close(writing)


@pytest.mark.usefixtures("_any_repeats")
def test_a_pipe_that_is_non_blocking_for_all_gets_every_line(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    handler = BackgroundHandler(write_to(pipe[1]))
    log = log_of(handler)
    for number in range(2_000):
        log.warning(f"{number} {LONG}")
    assert len(read_to_the_end(pipe, handler)) == 2_000


STUCK = """
import logging
from derproto.stdio.logs import configure_logging
configure_logging("info")
for number in range(20_000):
    logging.getLogger("x").warning(f"{number} " + "x" * 200)
print("done", flush=True)
"""


def test_a_process_whose_stderr_nobody_reads_ends_by_itself() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        assert process.wait(timeout=60) == 0


def test_a_process_that_ends_at_once_has_written_its_lines() -> None:
    said = "from derproto.stdio.logs import configure_logging; configure_logging('info');"
    said += "import logging; logging.getLogger('x').info('last words')"
    done = subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True)
    assert done.stderr.endswith('level=info event="last words" logger=x\n')
