"""SIGABRT ends a daemon and shows where its main thread stood, whatever its other threads do."""

import signal
import subprocess
import sys

STANDING = """
import itertools, threading, trio, trio.testing
from derproto.base.runtime import real_runtime, start_thread
from derproto.system.abort_stack import show_stack_at_abort

ALL = threading.Barrier(5)

def work_on():
    ALL.wait()
    for _ in itertools.count():
        sum(range(100))

def stand_still():
    ALL.wait()
    print("stands", flush=True)
    for _ in itertools.count():
        sum(range(100))

async def main():
    show_stack_at_abort()
    start_thread(work_on, "log")
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(real_runtime().run_blocking, work_on)
        await trio.testing.wait_all_tasks_blocked()
        stand_still()

trio.run(main)
"""


def test_an_abort_shows_where_the_main_thread_stood() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STANDING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stands\n"
        # The kernel gives a signal of a stopped process to any thread that takes it.
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGABRT)
        process.send_signal(signal.SIGCONT)
        _, shown = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in shown
    assert "in stand_still" in shown
    assert shown.count("(most recent call first)") == 1
