"""The fast path, the plain path and h2 alone agree: events, errors, windows, answers.

Random and hostile frame sequences, cut at random places, go into all three.
"""

from typing import Any

import h2.config
import h2.connection
from h2.events import DataReceived, SettingsAcknowledged
from h2.exceptions import ProtocolError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from derproto.triogrpc import LinkLimits
from derproto.triogrpc.connection.data_frames import FastHttp2
from derproto.triogrpc.connection.http2 import Http2

LIMITS = LinkLimits(stream_window_bytes=2_000, connection_window_bytes=65_535)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/t.S/M"),
    (":authority", "x"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )


def request(stream: int, *, length: int | None = None, end: bool = False) -> bytes:
    """HEADERS of a request, as a client's h2 would write them."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.data_to_send()
    headers = [*REQUEST, *([("content-length", str(length))] if length is not None else [])]
    client.send_headers(1, headers, end_stream=end)
    written = client.data_to_send()
    return written[:5] + stream.to_bytes(4, "big") + written[9:]


STREAMS = st.sampled_from([0, 1, 3, 5, 7, 2, 0x80000001])
DATA = st.builds(
    frame,
    st.just(0),
    st.sampled_from([0, 0, 0, 0, 1, 8, 9, 0xFF]),
    STREAMS,
    st.binary(max_size=40) | st.integers(0, 3_000).map(bytes),
)
OTHERS = st.builds(
    frame,
    st.integers(1, 12),
    st.sampled_from([0, 1, 4, 5, 0x20, 0xFF]),
    STREAMS,
    st.binary(max_size=20),
)
REQUESTS = st.builds(
    request,
    st.sampled_from([1, 3, 5, 7]),
    length=st.sampled_from([None, None, None, 5]),
    end=st.sampled_from([False, False, False, True]),
)
RESET = st.builds(lambda stream: frame(3, 0, stream, b"\0\0\0\x08"), st.sampled_from([1, 3, 5]))
SETTINGS = st.just(frame(4, 0, 0, b""))
SPLIT_HEADERS = st.sampled_from([1, 3, 5, 7]).map(
    lambda stream: (
        frame(1, 0, stream, request(stream)[9:20]) + frame(9, 4, stream, request(stream)[20:])
    )
)
HUGE = st.just((20_000).to_bytes(3, "big") + b"\0\0\0\0\0\1" + bytes(20_000))
FRAMES = st.lists(
    st.one_of(DATA, DATA, DATA, DATA, REQUESTS, REQUESTS, OTHERS, RESET, SPLIT_HEADERS, HUGE),
    max_size=30,
)


def plain_h2() -> h2.connection.H2Connection:
    """h2 alone, with the same settings as ours."""
    ours = Http2(LIMITS, client_side=False)
    alone = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
    )
    alone.decoder.max_header_list_size = ours.decoder.max_header_list_size
    alone.MAX_CLOSED_STREAMS = ours.MAX_CLOSED_STREAMS
    Http2._open(
        alone,  # type: ignore[arg-type]
        {
            setting: ours.local_settings._settings[setting][-1]
            for setting in ours.local_settings._settings
        },
    )
    return alone


def told(event: Any) -> Any:
    """What an event says; an object's own identity left out."""
    if isinstance(event, DataReceived):
        ended = event.stream_ended is not None
        return ("data", event.stream_id, bytes(event.data), event.flow_controlled_length, ended)
    if isinstance(event, SettingsAcknowledged):
        # Http2 sends no setting that it leaves as it is, and h2 alone names all.
        changes = event.changed_settings.values()
        return sorted(repr(each) for each in changes if each.original_value != each.new_value)
    return repr(event)


def windows(connection: h2.connection.H2Connection) -> Any:
    manager = connection._inbound_flow_control_window_manager
    return (
        manager.current_window_size,
        connection.state_machine.state,
        {
            stream_id: (
                stream._inbound_window_manager.current_window_size,
                stream.state_machine.state,
                stream.outbound_flow_control_window,
            )
            for stream_id, stream in connection.streams.items()
        },
    )


def consume(connection: h2.connection.H2Connection, size: int, stream_id: int) -> None:
    """Consumes bytes of the windows, as ``Connection.ack`` does."""
    if not (isinstance(connection, Http2) and connection.consume(size, stream_id)):
        connection.acknowledge_received_data(size, stream_id)


def feed(connection: h2.connection.H2Connection, data: bytes, cuts: list[int]) -> list[Any]:
    """What comes of the bytes, cut so: events in order, and the error that ended it."""
    came: list[Any] = []
    start = index = 0
    while start < len(data):
        stop = start + cuts[index % len(cuts)]
        try:
            events = connection.receive_data(data[start:stop])
        except ProtocolError as error:
            return [*came, type(error).__name__]
        came += [told(event) for event in events]
        for event in events:
            if isinstance(event, DataReceived) and event.stream_id in connection.streams:
                half = event.flow_controlled_length // 2
                consume(connection, half, event.stream_id)
        start, index = stop, index + 1
    return came


@settings(max_examples=400, deadline=None)
@given(frames=FRAMES, cuts=st.lists(st.integers(1, 4_000), min_size=1, max_size=8))
@example(frames=[request(1), frame(0, 0, 1, b"abc"), frame(0, 1, 1, b"")], cuts=[1])
@example(frames=[request(1), *[frame(0, 0, 1, bytes(900))] * 4], cuts=[5_000])
@example(frames=[frame(4, 1, 0, b"")], cuts=[1])
def test_all_three_agree(frames: list[bytes], cuts: list[int]) -> None:
    data = PREFACE + frame(4, 0, 0, b"") + b"".join(frames)
    fast, plain = FastHttp2(LIMITS, client_side=False), Http2(LIMITS, client_side=False)
    came_fast, came_plain = feed(fast, data, cuts), feed(plain, data, cuts)
    assert came_fast == came_plain
    assert windows(fast) == windows(plain)
    assert fast.data_to_send() == plain.data_to_send()
    # GOAWAY without error is ours; a frame that announces too much, h2 notices later.
    ours_alone = any(f[3] == 7 for f in frames) or any(len(f) > 17_000 for f in frames)
    if not ours_alone:
        alone = plain_h2()
        assert feed(alone, data, cuts) == came_plain
        assert windows(alone)[1:] == windows(plain)[1:]


def test_the_fast_path_is_taken() -> None:
    """The comparison above would pass if nothing ever took it."""
    fast = FastHttp2(LIMITS, client_side=False)
    fast.receive_data(PREFACE + frame(4, 0, 0, b"") + request(1))

    def refuse(_frame: object) -> Any:
        raise AssertionError("a plain DATA frame went through h2")

    fast._receive_data_frame = refuse  # type: ignore[method-assign, assignment]
    fast._frame_dispatch_table = {}
    data = frame(0, 0, 1, b"abc") * 3
    (event,) = fast.receive_data(data[:15])
    assert isinstance(event, DataReceived)
    events = fast.receive_data(data[15:])
    assert [told(event) for event in events] == [("data", 1, b"abc", 3, False)] * 2


@settings(max_examples=100, deadline=None)
@given(
    sends=st.lists(
        st.tuples(st.sampled_from([1, 3]), st.integers(0, 800), st.booleans()), max_size=12
    )
)
def test_sending_agrees(sends: list[tuple[int, int, bool]]) -> None:
    written: list[list[Any]] = []
    for connection in (FastHttp2(LIMITS, client_side=True), Http2(LIMITS, client_side=True)):
        connection.receive_data(frame(4, 0, 0, b"\0\4" + (2_000).to_bytes(4, "big")))
        for stream in (1, 3):
            connection.send_headers(stream, REQUEST)
        came: list[Any] = []
        for stream, size, end in sends:
            try:
                connection.send_data(stream, bytes(size), end)
            except ProtocolError as error:
                came.append(type(error).__name__)
        came += [connection.data_to_send(), windows(connection)]
        written.append(came)
    assert written[0] == written[1]


@given(sizes=st.lists(st.integers(1, 3_000), max_size=80))
def test_consumed_bytes_are_announced_as_by_h2(sizes: list[int]) -> None:
    fast, alone = FastHttp2(LIMITS, client_side=False), plain_h2()
    for connection in (fast, alone):
        connection.receive_data(PREFACE + frame(4, 0, 0, b"") + request(1))
        connection.data_to_send()
        # Both have the initial window until the peer acknowledges another.
    for size in sizes:
        written = []
        for connection in (fast, alone):
            room = connection.streams[1]._inbound_window_manager.current_window_size
            taken = min(size, room, connection.remote_flow_control_window(1))
            if taken > 0:
                connection.receive_data(frame(0, 0, 1, bytes(taken)))
                consume(connection, taken, 1)
            written.append(connection.data_to_send())
        assert written[0] == written[1]
        assert windows(fast) == windows(alone)
