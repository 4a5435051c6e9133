"""A fast path for plain DATA frames, both ways; h2 handles all other frames.

For each frame h2 makes a frame object, a dispatch, two state machine steps and a logger call: some
20 µs. Nearly all frames of a long-lived call are DATA frames of an open stream, without flags and
within the windows. For those h2 would only shrink two windows and return ``DataReceived``; this
module does exactly that. Every other frame goes to h2, whole and in order. h2's windows, states
and settings stay the only state. Tests run random and hostile frames through this path and through
h2 alone, and compare events, errors and windows.
"""

from h2.connection import ConnectionState
from h2.events import DataReceived, Event
from h2.stream import StreamState

from derproto.triogrpc.connection.http2 import Http2

HEADER_BYTES = 9

_RECEIVING = frozenset({StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL})
_SENDING = frozenset({StreamState.OPEN, StreamState.HALF_CLOSED_REMOTE})
_OPEN = frozenset({ConnectionState.CLIENT_OPEN, ConnectionState.SERVER_OPEN})


class FastHttp2(Http2):
    """``Http2``, faster for plain DATA frames."""

    _tail = b""
    """The beginning of a frame that h2 does not have yet."""

    def receive_data(self, data: bytes | bytearray) -> list[Event]:  # type: ignore[override]
        """Takes bytes in and returns their events.

        Raises: h2's ProtocolError, with the GOAWAY ready to be sent.
        """
        if not self._between_frames():
            # The preface, or a header block of several frames.
            return super().receive_data(data)
        if self._tail:
            data = self._tail + data
            self._tail = b""
        events: list[Event] = []
        at, end = 0, len(data)
        while end - at >= HEADER_BYTES:
            size = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            stop = at + HEADER_BYTES + size
            # A candidate: type DATA, without flags, not empty.
            plain = data[at + 3] == 0 and data[at + 4] == 0 and size > 0
            if stop > end or size > self.max_inbound_frame_size:
                break
            if not (plain and self._take(data, at, size, stop, events)):
                events += super().receive_data(data[at:stop])
                if not self._between_frames():
                    return events + super().receive_data(data[stop:])
            at = stop
        if at < end:
            self._keep(data[at:], events)
        return events

    def _between_frames(self) -> bool:
        """Whether h2 waits for the beginning of a frame of any kind."""
        buffer = self.incoming_buffer
        return not (buffer._preamble_len or buffer._data or buffer._headers_buffer)

    def _keep(self, rest: bytes | bytearray, events: list[Event]) -> None:
        """Keeps the beginning of a frame; h2 refuses one that announces too much."""
        if len(rest) >= 3:
            size = rest[0] << 16 | rest[1] << 8 | rest[2]
            if size > self.max_inbound_frame_size:
                events += super().receive_data(rest)
                return
        self._tail = bytes(rest)

    def _take(
        self, data: bytes | bytearray, at: int, size: int, stop: int, events: list[Event]
    ) -> bool:
        """Handles a plain DATA frame as h2 would; False if h2 must handle the frame."""
        stream_id = int.from_bytes(data[at + 5 : at + HEADER_BYTES], "big") & 0x7FFFFFFF
        stream = self.streams.get(stream_id)
        if stream is None or self.state_machine.state not in _OPEN:
            return False
        machine = stream.state_machine
        if (
            machine.state not in _RECEIVING
            or not machine.headers_received
            or stream._expected_content_length is not None
        ):
            return False
        whole = self._inbound_flow_control_window_manager
        window = stream._inbound_window_manager
        if size > whole.current_window_size or size > window.current_window_size:
            return False
        whole.current_window_size -= size
        window.current_window_size -= size
        event = DataReceived.__new__(DataReceived)
        event.stream_id = stream_id
        event.data = bytes(data[at + HEADER_BYTES : stop])
        event.flow_controlled_length = size
        event.stream_ended = None
        events.append(event)
        return True

    def consume(self, size: int, stream_id: int) -> bool:
        """Counts consumed bytes of the windows; False if h2 must count and announce them."""
        stream = self.streams.get(stream_id)
        if stream is None:
            return False
        whole = self._inbound_flow_control_window_manager
        window = stream._inbound_window_manager
        # h2 announces a window once half of it is consumed, and an empty window earlier.
        if (
            whole.current_window_size <= 0
            or window.current_window_size <= 0
            or whole._bytes_processed + size >= whole.max_window_size // 2
            or window._bytes_processed + size >= window.max_window_size // 2
        ):
            return False
        whole._bytes_processed += size
        window._bytes_processed += size
        return True

    def send_data(
        self,
        stream_id: int,
        data: bytes | memoryview,
        end_stream: bool = False,
        pad_length: int | None = None,
    ) -> None:
        """As h2's: one DATA frame, within the windows."""
        size = len(data)
        stream = self.streams.get(stream_id)
        if (
            end_stream
            or pad_length is not None
            or stream is None
            or stream.state_machine.state not in _SENDING
            or self.state_machine.state not in _OPEN
            or not 0 < size <= self.max_outbound_frame_size
            or size > stream.outbound_flow_control_window
            or size > self.outbound_flow_control_window
        ):
            super().send_data(stream_id, data, end_stream, pad_length)
            return
        stream.outbound_flow_control_window -= size
        self.outbound_flow_control_window -= size
        self._data_to_send += size.to_bytes(3, "big") + b"\0\0" + stream_id.to_bytes(4, "big")
        self._data_to_send += data
