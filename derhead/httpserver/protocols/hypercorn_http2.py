"""Hypercorn's HTTP/2 with a budget of frames, and with answers that wait for their client.

Frames are metered before h2 parses them. An answer waits while its client's window is closed;
Hypercorn alone would buffer the answer without bound.
"""

from typing import Any

import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, PriorityUpdated, RequestReceived
from h2.events import Event as H2Event
from h2.exceptions import DenialOfServiceError, ProtocolError
from h2.settings import SettingCodes
from hypercorn.events import Closed, RawData
from hypercorn.events import Event as IOEvent
from hypercorn.protocol.events import Body, Event
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, H2Protocol
from hyperframe.frame import SettingsFrame

from derhead.httpserver.protocols.frame_meter import FrameMeter, Http2Flood
from derhead.httpserver.protocols.hypercorn_config import ServerConfig
from derhead.httpserver.protocols.request_head import (
    HEADER_BYTES,
    HeadRefusal,
    is_host,
    refusal_of_target,
)
from derproto.configuration.kinds import Address
from derproto.stdio.log_events import event_log

log = event_log(__name__)

CLOSED_STREAMS = 1024
"""Ended requests that a connection remembers. When full, the oldest is forgotten, and a late frame
for it ends the connection."""

_SETTINGS = frozenset(SettingCodes)


class BoundedH2(H2Connection):
    """h2's connection with bounded memory."""

    MAX_CLOSED_STREAMS = CLOSED_STREAMS

    def __init__(self) -> None:
        super().__init__(H2Configuration(client_side=False, header_encoding=None))
        self.decoder.max_header_list_size = HEADER_BYTES

    def _receive_settings_frame(self, frame: SettingsFrame) -> Any:
        # h2 keeps a queue for each of 65,536 possible settings, and knows only eight.
        frame.settings = {code: n for code, n in frame.settings.items() if code in _SETTINGS}
        return super()._receive_settings_frame(frame)


class Http2Answers(H2Protocol):
    """HTTP/2 that bounds the work its clients cause, and whose answers wait for their clients."""

    config: ServerConfig

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        settings = self.connection.local_settings
        self.connection = BoundedH2()
        self.connection.local_settings = settings
        self._meter = FrameMeter(
            control_frames=self.config.control_frames, resets=self.config.resets
        )

    @property
    def waits_for_head(self) -> bool:
        """Whether a part of a request's header has come."""
        return self._meter.is_in_header

    async def handle(self, event: IOEvent) -> None:
        if not isinstance(event, RawData):
            await super().handle(event)
            return
        try:
            for turn in self._meter.turns(event.data, trio.current_time()):
                await self._take(turn)
                await trio.lowlevel.checkpoint()
        except Http2Flood as flood:
            log.warning(
                "HTTP/2 client is dropped",
                peer=self.client and Address(*self.client),
                reason=flood,
            )
            self.config.floods += 1
            self.connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            await self._end()
        except ProtocolError as error:
            # h2 has already queued its GOAWAY frame.
            self.config.floods += isinstance(error, DenialOfServiceError)
            await self._end()

    async def _take(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            if not await self._sort_out(event):
                await self._handle_events([event])
        await self._flush()

    async def _end(self) -> None:
        await self._flush()
        await self.send(Closed())

    async def _sort_out(self, event: H2Event) -> bool:
        """Handles the events that Hypercorn handles badly; True if this was one."""
        match event:
            case DataReceived() if event.stream_id not in self.streams:
                # The answer ended before the request's body did.
                self.connection.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
            case PriorityUpdated():
                # RFC 9113 has deprecated priorities.
                pass
            case RequestReceived():
                refusal = _refusal_of(event)
                if refusal is None:
                    return False
                self._refuse(event.stream_id, refusal)
            case _:
                return False
        return True

    def _refuse(self, stream_id: int, refusal: HeadRefusal) -> None:
        body = self.config.problem_text(*refusal).encode("ascii")
        self.connection.send_headers(
            stream_id,
            [
                (b":status", b"%d" % refusal.status),
                (b"content-type", b"application/problem+json"),
                *self.config.response_headers("h2"),
            ],
        )
        if len(body) <= self.connection.local_flow_control_window(stream_id):
            self.connection.send_data(stream_id, body, end_stream=True)
        self.connection.reset_stream(stream_id, ErrorCodes.NO_ERROR)

    async def _create_stream(self, request: RequestReceived) -> None:
        await super()._create_stream(request)
        # After a number of requests Hypercorn closes the connection, and loses open answers.
        self.keep_alive_requests = 0

    async def _send_data(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        before = 0 if buffer is None else len(buffer.buffer)
        await super()._send_data(stream_id)
        if buffer is not None:
            self._meter.sent(max(0, before - len(buffer.buffer)))

    async def stream_send(self, event: Event) -> None:
        await super().stream_send(event)
        if isinstance(event, Body):
            buffer = self.stream_buffers.get(event.stream_id)
            while buffer is not None and len(buffer.buffer) >= BUFFER_HIGH_WATER:
                # Hypercorn sets the event whenever it took less than a frame, even nothing.
                await buffer._paused.wait()
                await buffer._paused.clear()


def _refusal_of(request: RequestReceived) -> HeadRefusal | None:
    fields = dict(request.headers or ())
    if fields.get(b":method") == b"CONNECT":
        return HeadRefusal(405, "CONNECT is not possible here; use GET, HEAD, POST or DELETE")
    if not is_host(fields.get(b":authority", fields.get(b"host", b""))):
        return HeadRefusal(
            400, "the authority is not a host name; send the one that you connect to"
        )
    return refusal_of_target(fields.get(b":path", b""))
