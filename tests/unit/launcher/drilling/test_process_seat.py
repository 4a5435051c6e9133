"""Seats of processes, with real processes."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from launcher.drilling.process_seat import ProcessSeat
from tests.support.waiting import PATIENCE_S

WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "a") as file:
            file.write(line)
        print("written", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


@pytest.fixture
def writer(tmp_path: object) -> Iterator[subprocess.Popen[str]]:
    """A process that writes each line of its input to a file, and says how that went."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", WRITER, f"{tmp_path}/file"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("x\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_process_on_a_full_disk_can_write_no_file(writer: subprocess.Popen[str]) -> None:
    seat = ProcessSeat("agent")
    seat.started(writer.pid)
    assert said(writer) == "written"
    seat.limit_files(0)
    assert said(writer) == "File too large"
    seat.limit_files(None)
    assert said(writer) == "written"
    seat.ended()


def test_a_signal_reaches_the_process_that_sits_there_and_nobody_else(
    writer: subprocess.Popen[str],
) -> None:
    seat = ProcessSeat("agent")
    seat.send(signal.SIGKILL)
    seat.started(writer.pid)
    seat.send(signal.SIGKILL)
    assert writer.wait(PATIENCE_S) == -signal.SIGKILL
    # The number is free now, and may be somebody else's soon.
    seat.send(signal.SIGKILL)
    seat.limit_files(0)
    seat.ended()
    seat.ended()


async def test_no_process_starts_while_the_seat_is_held() -> None:
    seat, started = ProcessSeat("agent"), []

    async def start() -> None:
        await seat.wait_free()
        started.append(True)

    async with trio.open_nursery() as nursery:
        with seat.held(), seat.held():
            nursery.start_soon(start)
            await wait_all_tasks_blocked()
            assert not started
    assert started
