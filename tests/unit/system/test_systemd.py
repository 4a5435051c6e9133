"""What systemd is told, on a real datagram socket."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import trio
from trio.testing import MockClock

from derproto.base.runtime import monotonic_us
from derproto.system.systemd import BEATS, NOBODY, Notifier, feed_watchdog


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address as systemd gives it, and its end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        if request.param == "path":
            address = str(tmp_path / "notify")
            receiver.bind(address)
        else:
            name = f"derhead-{uuid4()}"
            address = f"@{name}"
            receiver.bind(f"\0{name}")
        receiver.settimeout(5)
        yield address, receiver


def received(receiver: socket.socket) -> list[list[str]]:
    """The lines of each datagram that has arrived."""
    receiver.setblocking(False)
    found = []
    while True:
        try:
            found.append(receiver.recv(1000).decode().splitlines())
        except BlockingIOError:
            return found


def test_each_state_is_one_datagram(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.busy("checking the journal, 5 s so far", 30)
    notifier.ready()
    notifier.tell("connected")
    notifier.beat()
    notifier.stopping()
    assert received(receiver) == [
        ["EXTEND_TIMEOUT_USEC=30000000", "STATUS=checking the journal, 5 s so far"],
        ["READY=1", "STATUS=running"],
        ["STATUS=connected"],
        ["WATCHDOG=1"],
        ["STOPPING=1", "STATUS=stopping"],
    ]


def test_without_systemd_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    NOBODY.ready()
    Notifier.from_environment({}).ready()
    assert caplog.records == []


def test_a_socket_that_is_gone_or_full_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Notifier(str(tmp_path / "gone"))
    for _ in range(3):
        gone.ready()
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "full"))
        full = Notifier(str(tmp_path / "full"))
        for _ in range(10_000):
            full.ready()
    assert len(caplog.records) == 2


def test_no_text_of_a_peer_becomes_a_message_of_its_own(
    manager: tuple[str, socket.socket],
) -> None:
    address, receiver = manager
    Notifier(address).tell("not connected: gone\nREADY=1\r\n" + "x" * 10_000)
    ((line,),) = received(receiver)
    assert line.startswith("STATUS=not connected: gone READY=1 xxx")
    assert len(line) < 300


def test_a_reload_has_the_time_of_the_kernel_and_ends_whatever_comes_of_it(
    manager: tuple[str, socket.socket],
) -> None:
    address, receiver = manager
    notifier = Notifier(address)
    notifier.ready()
    notifier.tell("connected")
    before_us = monotonic_us()
    with pytest.raises(ValueError, match="wrong file"), notifier.reload():
        raise ValueError("wrong file")
    began, ended = received(receiver)[2:]
    assert began[0] == "RELOADING=1"
    assert before_us <= int(began[1].removeprefix("MONOTONIC_USEC=")) <= monotonic_us()
    # What it was before, the unit is again.
    assert ended == ["READY=1", "STATUS=connected"]


def test_a_reload_ends_neither_a_start_nor_a_stop(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    notifier = Notifier(address)
    with notifier.reload():
        notifier.busy("checking the journal", 30)
    assert received(receiver) == [["EXTEND_TIMEOUT_USEC=30000000", "STATUS=checking the journal"]]
    with notifier.reload():
        notifier.ready()
    assert received(receiver) == [["READY=1", "STATUS=running"]]
    with notifier.reload():
        notifier.stopping()
    assert [each[0] for each in received(receiver)] == ["RELOADING=1", "STOPPING=1"]


def test_the_time_of_the_kernel_is_no_more_than_that_since_the_boot() -> None:
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 < monotonic_us() / 1e6 <= uptime_s + 1


# --- the watchdog ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_if_systemd_watches_this_process(
    more: dict[str, str], watchdog_s: float | None
) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": "/run/notify", **more})
    assert notifier.watchdog_s == watchdog_s
    assert Notifier.from_environment(more).watchdog_s is None


async def test_the_loop_beats_several_times_in_the_period(
    manager: tuple[str, socket.socket], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    address, receiver = manager
    with trio.move_on_after(20):
        await feed_watchdog(Notifier(address, watchdog_s=10))
    assert received(receiver) == [["WATCHDOG=1"]] * 2 * BEATS
    assert caplog.records == []


async def test_a_late_beat_is_logged(
    manager: tuple[str, socket.socket], mock_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    address, receiver = manager
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed_watchdog, Notifier(address, watchdog_s=30))
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(30 / BEATS + 20)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert received(receiver) == [["WATCHDOG=1"]] * 2
    assert 'event="loop stood still" late_s=20.0 watchdog_s=30 ' in caplog.text


async def test_nothing_beats_if_nobody_watches(autojump_clock: MockClock) -> None:
    with trio.fail_after(1):
        await feed_watchdog(NOBODY)
