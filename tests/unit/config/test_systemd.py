"""What systemd is told, on a real datagram socket."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from derproto.base.systemd import NOBODY, Notifier


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


def test_each_state_is_one_datagram(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.busy("checking the journal, 5 s so far", 30)
    notifier.ready()
    notifier.stopping()
    assert [receiver.recv(1000).decode().splitlines() for _ in range(3)] == [
        ["EXTEND_TIMEOUT_USEC=30000000", "STATUS=checking the journal, 5 s so far"],
        ["READY=1", "STATUS=running"],
        ["STOPPING=1", "STATUS=stopping"],
    ]


def test_without_systemd_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
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
