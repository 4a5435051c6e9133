"""SIGHUP ends nothing from a program's first moment on, and none of them is lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from derproto.system import hangups
from derproto.system.hangups import HeldHangups, hold_hangups, ignore_hangups, release_hangups
from derproto.system.reloading import watch_hangups


@pytest.fixture(params=[signal.SIG_DFL, signal.SIG_IGN], ids=["plain", "nohup"])
def before(request: pytest.FixtureRequest) -> Iterator[signal.Handlers]:
    """What SIGHUP does when the program starts."""
    kept = signal.signal(signal.SIGHUP, request.param)
    yield request.param
    signal.signal(signal.SIGHUP, kept)


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def held() -> HeldHangups:
    handler = signal.getsignal(signal.SIGHUP)
    assert isinstance(handler, HeldHangups)
    return handler


async def test_a_held_hangup_reloads_once_somebody_can(before: signal.Handlers) -> None:
    hold_hangups()
    hang_up()
    hang_up()
    reloaded = trio.Event()

    async def reload() -> None:
        await trio.lowlevel.checkpoint()
        reloaded.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(watch_hangups, reload)
        with trio.fail_after(10):
            await reloaded.wait()
        nursery.cancel_scope.cancel()
    # Nor is one fatal that comes when the daemon has ended already.
    hang_up()
    assert held().was_ignored is (before is signal.SIG_IGN)


@pytest.mark.parametrize("before", [signal.SIG_DFL], indirect=True)
async def test_a_terminal_that_closes_during_the_start_ends_the_daemon(
    before: signal.Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hangups, "has_terminal", lambda: True)
    hold_hangups()
    hang_up()
    monkeypatch.setattr("derproto.system.reloading.has_terminal", lambda: False)
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            await nursery.start(watch_hangups, trio.sleep_forever)
            with trio.fail_after(10):
                assert await anext(signals) == signal.SIGTERM
        nursery.cancel_scope.cancel()


def test_a_command_gets_its_hangups_back(before: signal.Handlers) -> None:
    hold_hangups()
    release_hangups()
    assert signal.getsignal(signal.SIGHUP) is before
    release_hangups()
    assert signal.getsignal(signal.SIGHUP) is before
    ignore_hangups()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


RELEASED = """
import os, signal
from derproto.system.hangups import hold_hangups, release_hangups
hold_hangups()
os.kill(os.getpid(), signal.SIGHUP)
print("held", flush=True)
release_hangups()
print("not reached", flush=True)
"""


def test_a_hangup_that_was_held_ends_a_command_in_the_end() -> None:
    done = run_child(RELEASED)
    assert (done.returncode, done.stdout) == (-signal.SIGHUP, "held\n")


SPYING = """
import runpy, signal, sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in sys.stdlib_module_names:
            print(name, signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, file=sys.stderr)
sys.meta_path.insert(0, Spy())
sys.argv = ["command", "--version"]
runpy.run_module(sys.orig_argv[-1], run_name="__main__")
"""


@pytest.mark.parametrize("program", ["derhead", "deragent"])
def test_a_program_holds_hangups_before_it_imports_anything_that_takes_time(program: str) -> None:
    lines = run_child(SPYING, program).stderr.split("\n")
    exposed = {line.split()[0] for line in lines if line.endswith(" True")}
    ours = {"derproto", "derproto.system", "derproto.system.hangups"}
    assert exposed == {program, f"{program}.__main__", *ours}
    assert "trio False" in lines


def run_child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CHILD = """
import os, signal, sys
from derproto.system.hangups import has_terminal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print(has_terminal(), flush=True)
os.open(sys.argv[1], os.O_RDWR)  # a session without a terminal takes the first that it opens
print(has_terminal(), flush=True)
sys.stdin.readline()
print(has_terminal(), flush=True)
"""


def test_a_terminal_is_found_and_missed_when_it_closes() -> None:
    ours, theirs = os.openpty()
    source = Path(hangups.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, os.ttyname(theirs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    ) as child:
        os.close(theirs)
        assert child.stdout is not None
        found = [child.stdout.readline().strip() for _ in range(2)]
        os.close(ours)
        found.append(child.communicate("\n", timeout=60)[0].strip())
    assert found == ["False", "True", "False"]
