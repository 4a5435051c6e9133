"""The writer that all connections share: one that fails or stalls is nobody else's matter."""

import socket

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from derproto.triogrpc.core.counters import Counters
from derproto.triogrpc.core.link_errors import PeerStalled
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.sockets.transport import SharedWriter, Transport


class End:
    """A transport on one end of a socket pair, the other end, and what it was told."""

    def __init__(self, writer: SharedWriter, limits: LinkLimits | None = None) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        self.failed: list[Exception] = []
        self.told: list[str] = []
        self.counters = Counters()
        self.transport = Transport(
            self.stream,
            limits or LinkLimits(),
            self.counters,
            writer,
            pause=lambda: self.told.append("pause"),
            resume=lambda: self.told.append("resume"),
            overflow=lambda: self.told.append("overflow"),
            broken=self.failed.append,
        )

    def read(self) -> bytes:
        self.theirs.setblocking(False)
        data = b""
        while True:
            try:
                data += self.theirs.recv(1 << 20)
            except BlockingIOError:
                return data

    def close(self) -> None:
        self.stream.socket.close()
        self.theirs.close()


async def test_the_first_write_leaves_at_once_and_those_soon_after_together(
    nursery: trio.Nursery,
) -> None:
    writer = SharedWriter()
    end = End(writer)
    end.transport.open(nursery)
    end.transport.write(b"first ")
    assert end.read() == b"first "
    end.transport.write(b"second ")
    end.transport.write(b"third")
    assert end.read() == b""
    nursery.start_soon(writer.run)
    await end.transport.wait_sent()
    assert end.read() == b"second third"
    assert end.counters.bytes_sent == len("first second third")
    end.close()


async def test_bytes_written_before_the_opening_are_sent_then(nursery: trio.Nursery) -> None:
    end = End(SharedWriter())
    end.transport.write(b"early")
    assert end.read() == b""
    end.transport.open(nursery)
    assert end.read() == b"early"
    end.close()


async def test_a_transport_whose_peer_is_gone_fails_alone(nursery: trio.Nursery) -> None:
    writer = SharedWriter()
    ends = [End(writer) for _ in range(3)]
    nursery.start_soon(writer.run)
    for end in ends:
        end.transport.open(nursery)
        end.transport.write(b"hello ")
    ends[1].theirs.close()
    for end in ends:
        end.transport.write(b"again")
    await trio.testing.wait_all_tasks_blocked()
    assert [len(end.failed) for end in ends] == [0, 1, 0]
    assert isinstance(ends[1].failed[0], trio.BrokenResourceError)
    assert ends[0].read() == ends[2].read() == b"hello again"
    # Nobody waits for what cannot be sent any more, and it is told once.
    await ends[1].transport.wait_sent()
    ends[1].transport.write(b"more")
    assert len(ends[1].failed) == 1
    for end in ends:
        end.close()


async def test_a_slow_peer_is_sent_to_by_a_task_of_its_own(nursery: trio.Nursery) -> None:
    writer = SharedWriter()
    slow, quick = End(writer), End(writer)
    nursery.start_soon(writer.run)
    for end in (slow, quick):
        end.transport.open(nursery)
    big = bytes(4 << 20)
    slow.transport.write(big)
    assert "pause" in slow.told
    assert "overflow" in slow.told
    for _ in range(5):
        quick.transport.write(b"x")
        await trio.testing.wait_all_tasks_blocked()
    assert quick.read() == b"xxxxx"
    slow.transport.write(b"the end")
    received = bytearray()
    peer = trio.SocketStream(trio.socket.from_stdlib_socket(slow.theirs))
    with trio.fail_after(5):
        while len(received) < len(big) + 7:
            received += await peer.receive_some()
    assert received == big + b"the end"
    await slow.transport.wait_sent()
    assert slow.told[-1] == "resume"
    assert slow.failed == []
    for end in (slow, quick):
        end.close()


async def test_a_peer_that_never_reads_is_given_up(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    end = End(SharedWriter(), LinkLimits(send_timeout_s=20))
    end.transport.open(nursery)
    end.transport.write(bytes(4 << 20))
    await end.transport.wait_sent()
    assert trio.current_time() == pytest.approx(20)
    assert [type(error) for error in end.failed] == [PeerStalled]
    end.close()


async def test_an_abandoned_one_sends_nothing_more(nursery: trio.Nursery) -> None:
    writer = SharedWriter()
    end = End(writer)
    end.transport.open(nursery)
    end.transport.write(b"first")
    end.transport.write(b"second")
    end.transport.abandon()
    nursery.start_soon(writer.run)
    await end.transport.wait_sent()
    assert end.read() == b"first"
    assert end.failed == []
    end.close()
