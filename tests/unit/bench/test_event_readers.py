"""What readers of events count, however their bytes are cut."""

import socket
from collections.abc import Iterator

import pytest

from tests.unit.bench.parts import event_readers

STREAM = (
    b"retry: 2000\n\nevent: telemetry\ndata: {}\n\nevent: alive\ndata: 1\n\nevent: telemetry\n" * 2
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_frames_are_counted_once(cut: int, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    reader = event_readers.Reader(ours)
    buffer = memoryview(bytearray(4096))
    for piece in (STREAM[:cut], STREAM[cut:]):
        theirs.sendall(piece)
        reader.read(buffer)
    assert reader.frames == 4
    assert reader.length == len(STREAM)
    theirs.close()
    reader.read(buffer)
    assert reader.gone
