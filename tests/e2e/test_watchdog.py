"""Headend and agent as systemd sees them: ready, alive, stuck, reloading, stopped."""

import queue
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, World, running
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.e2e

WATCHDOG_S = 2.0


class Manager:
    """systemd's end of the daemons' messages."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._lines: queue.Queue[str] = queue.Queue()
        # The kernel keeps only ten messages that nobody reads.
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while message := self._socket.recv(1000):
            for line in message.decode().splitlines():
                self._lines.put(line)
        self._socket.close()

    def wait(self, line: str) -> None:
        """Waits for the line, and drops those before it."""
        while self._lines.get(timeout=PATIENCE_S) != line:
            pass

    def hears_nothing(self, for_s: float) -> bool:
        """Whether no line comes for so long, apart from those that wait."""
        while not self._lines.empty():
            self._lines.get()
        try:
            self._lines.get(timeout=for_s)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", str(round(WATCHDOG_S * 1e6)))
    yield Manager(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(b"", str(path))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path / "world", fleet()) as made:
        yield made


def test_a_loop_that_stands_still_is_silent_and_its_end_shows_where_it_stood(
    manager: Manager, world: World
) -> None:
    headend = world.start_headend()
    manager.wait("READY=1")
    for _ in range(3):
        manager.wait("WATCHDOG=1")
    headend.send(signal.SIGSTOP)
    # What it had sent before may still be on its way to the reader.
    manager.hears_nothing(for_s=WATCHDOG_S / 4)
    assert manager.hears_nothing(for_s=WATCHDOG_S)
    # What systemd does to it then.
    headend.send(signal.SIGABRT)
    headend.send(signal.SIGCONT)
    assert headend.popen.wait(10) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in headend.text()
    assert "in get_events" in headend.text() or "in unrolled_run" in headend.text(), headend.text()


def test_an_agent_is_ready_without_a_headend_and_tells_whether_it_has_one(
    manager: Manager, world: World
) -> None:
    agent = world.start_agent(BATTERY)
    manager.wait("READY=1")
    manager.wait("WATCHDOG=1")
    end_of(agent, manager)
    agent = world.start_agent(BATTERY)
    manager.wait(f"STATUS=connecting to {world.headend_address}")
    world.start_headend()
    manager.wait(f"STATUS=connected to {world.headend_address}")
    end_of(agent, manager)


@pytest.mark.parametrize("program", ["derhead", "deragent"])
def test_a_reload_is_told_from_its_begin_to_its_end(
    program: str, manager: Manager, world: World
) -> None:
    daemon = world.start_headend() if program == "derhead" else world.start_agent(BATTERY)
    manager.wait("READY=1")
    daemon.send(signal.SIGHUP)
    manager.wait("RELOADING=1")
    manager.wait("READY=1")
    assert daemon.alive


def end_of(agent: Process, manager: Manager) -> None:
    agent.send(signal.SIGTERM)
    manager.wait("STOPPING=1")
    assert agent.popen.wait(10) == 0
