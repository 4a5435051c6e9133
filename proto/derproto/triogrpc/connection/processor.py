"""Takes h2's events to their streams: grpclib's processor, made robust."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, cast

import grpclib.protocol
import h2.events
import trio
from grpclib.exceptions import StreamTerminatedError
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError

from derproto.triogrpc.connection.protocol import Connection, Stream
from derproto.triogrpc.core.budget import Budget
from derproto.triogrpc.core.link_errors import ConnectionLost, Flooding, StreamReset

FLOOD_WINDOW_S = 30.0


class LinkEvents(Protocol):
    """Events of the connection as a whole, for the link."""

    def settled(self) -> None:
        """The peer's SETTINGS have come."""

    def going_away(self, last_stream_id: int) -> None:
        """The peer takes no calls above ``last_stream_id`` and goes on with the others."""

    def terminated(self, error_code: int, detail: bytes | None) -> None:
        """The peer has given up the connection."""


class Processor(grpclib.protocol.EventsProcessor):
    """Takes h2's events to their streams.

    Raises (from ``process``): Flooding.
    """

    connection: Connection
    streams: dict[int, Stream]  # type: ignore[assignment]

    def __init__(
        self, handler: grpclib.protocol.AbstractHandler, connection: Connection, link: LinkEvents
    ) -> None:
        super().__init__(handler, connection)
        self._link = link
        limits = connection.limits
        self._resets = Budget(limits.max_resets_per_30_s, FLOOD_WINDOW_S)
        self._control = Budget(limits.max_control_frames_per_30_s, FLOOD_WINDOW_S)

    def register(self, stream: grpclib.protocol.Stream) -> Callable[[], None]:
        assert isinstance(stream, Stream)
        assert stream.id is not None
        self.streams[stream.id] = stream
        return partial(self._release, stream)

    def _release(self, stream: Stream) -> None:
        assert stream.id is not None
        del self.streams[stream.id]
        self.connection.stream_close_waiter.set()
        self.connection.ack(stream.id, stream.buffer.unacked_size())

    def process(self, event: h2.events.Event) -> None:
        # In quotes: a type built for each frame would cost a microsecond.
        process = cast("Callable[[Any], None] | None", self.processors.get(event.__class__))
        if process is None:
            # Frames without use here, such as extension frames and 1xx headers.
            self._spend(self._control, "frames without use")
        else:
            process(event)

    def close(self, reason: str = "Connection closed") -> None:
        """Ends every stream with ConnectionLost."""
        connection = self.connection
        if connection.lost is None:
            connection.lost = ConnectionLost(reason)
        connection.close()
        for stream in self.streams.values():
            stream.fail(connection.lost)

    def process_request_received(self, event: h2.events.RequestReceived) -> None:
        if len(self.streams) >= self.connection.max_streams:
            self.connection.counters.streams_refused += 1
            # The client may have taken the call back within the same bytes.
            with suppress(StreamClosedError):
                self.connection._connection.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            self._spend(self._resets, "refused streams")
            return
        super().process_request_received(event)

    def process_data_received(self, event: h2.events.DataReceived) -> None:
        # As grpclib's, without its statistics, which read a clock for each frame.
        data = event.data
        if not data and event.stream_ended is None:
            self._spend(self._control, "empty frames")
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.buffer.add(data, event.flow_controlled_length)
        else:
            self.connection.ack(event.stream_id, event.flow_controlled_length)

    def process_remote_settings_changed(self, event: h2.events.RemoteSettingsChanged) -> None:
        self._spend(self._control, "SETTINGS")
        super().process_remote_settings_changed(event)
        self.connection.stream_close_waiter.set()
        self._link.settled()

    def process_stream_reset(self, event: h2.events.StreamReset) -> None:
        if event.remote_reset and not self.connection.client_side:
            self._spend(self._resets, "RST_STREAM")
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.fail(
                StreamReset(event.error_code)
                if event.remote_reset
                else StreamTerminatedError("the peer broke the protocol on this stream")
            )

    def process_priority_updated(self, event: h2.events.PriorityUpdated) -> None:
        self._spend(self._control, "PRIORITY")

    def process_ping_received(self, event: h2.events.PingReceived) -> None:
        self._spend(self._control, "PING")

    def process_ping_ack_received(self, event: h2.events.PingAckReceived) -> None:
        """Nothing: any bytes count as an answer, and the link has seen them."""

    def process_connection_terminated(self, event: h2.events.ConnectionTerminated) -> None:
        if event.error_code != ErrorCodes.NO_ERROR:
            self._link.terminated(event.error_code or 0, event.additional_data)
            return
        self._link.going_away(event.last_stream_id or 0)
        if self.connection.client_side:
            for stream_id, stream in self.streams.items():
                if stream_id > (event.last_stream_id or 0):
                    stream.fail(ConnectionLost("the server goes away and did not take the call"))

    def _spend(self, budget: Budget, what: str) -> None:
        if not budget.spend(trio.current_time()):
            raise Flooding(f"too many {what}")
