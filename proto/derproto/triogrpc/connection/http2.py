"""h2's connection, with the few changes that a long-lived gRPC link needs.

Bytes enter h2 in one place: ``receive_data`` of this class.
"""

from collections.abc import Mapping
from typing import Any, cast

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import DenialOfServiceError, FrameTooLargeError
from h2.settings import SettingCodes
from hyperframe.frame import Frame, GoAwayFrame, SettingsFrame

from derproto.triogrpc.core.link_limits import LinkLimits

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65535
ANY_STREAM = 2**31 - 1

_SETTINGS = frozenset(SettingCodes)


class _Values(list[int]):
    """A setting's value, and the next one until the peer acknowledges it.

    h2 uses a ``deque`` for each setting: 760 bytes for one number, 10 kB for each connection.
    """

    def popleft(self) -> int:
        return self.pop(0)


class Http2(H2Connection):
    """One HTTP/2 connection's state: bytes in, events out, and the reverse.

    After a GOAWAY without error, from either side, open calls go on. h2 itself would refuse every
    further frame.
    """

    # Closed streams to remember; h2's 65536 would cost megabytes for each connection.
    MAX_CLOSED_STREAMS = 1024

    def __init__(self, limits: LinkLimits, *, client_side: bool) -> None:
        super().__init__(
            H2Configuration(
                client_side=client_side,
                # Latin-1 decodes any bytes; gRPC's header values are ASCII or base64.
                header_encoding="latin-1",
            )
        )
        self.decoder.max_header_list_size = limits.max_header_list_bytes
        self._max_header_bytes = limits.max_header_list_bytes
        settings: dict[SettingCodes | int, int] = {
            SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
            SettingCodes.MAX_HEADER_LIST_SIZE: limits.max_header_list_bytes,
        }
        if client_side:
            settings[SettingCodes.ENABLE_PUSH] = 0
        else:
            newcomers = limits.newcomers or limits
            settings[SettingCodes.MAX_CONCURRENT_STREAMS] = newcomers.max_streams
        self._open(settings)
        for known in (self.local_settings, self.remote_settings):
            queues = cast(dict[int, Any], known._settings)
            for code, values in queues.items():
                queues[code] = _Values(values)
        wider = limits.connection_window_bytes - DEFAULT_WINDOW
        if wider:
            self.increment_flow_control_window(wider)

    def _open(self, settings: Mapping[SettingCodes | int, int]) -> None:
        # h2 would send its defaults in a first SETTINGS frame and ours in a second, and would
        # mistake the peer's acknowledgement of the first for that of the second.
        self.state_machine.process_input(ConnectionInputs.SEND_SETTINGS)
        self.local_settings.update(settings)
        frame = SettingsFrame(0)
        frame.settings = {**self.local_settings, **settings}
        if self.config.client_side:
            self._data_to_send += PREFACE
        self._data_to_send += frame.serialize()

    def consume(self, size: int, stream_id: int) -> bool:
        """Counts consumed bytes of the windows; False if h2 must count and announce them."""
        return False

    # h2 takes any buffer (a protocol that mypy knows from Python 3.12 on).
    def receive_data(self, data: bytes | bytearray) -> list[Event]:  # type: ignore[override]
        """Takes bytes in and returns their events.

        Raises: h2's ProtocolError, with the GOAWAY ready to be sent.
        """
        events = super().receive_data(data)
        # h2 checks a frame's length only once the whole frame has arrived, and would gather up
        # to 16 MiB for a peer that announces a large one.
        rest = self.incoming_buffer._data
        if len(rest) >= 3:
            length = int.from_bytes(rest[:3], "big")
            if length > self.max_inbound_frame_size:
                self._terminate_connection(ErrorCodes.FRAME_SIZE_ERROR)
                raise FrameTooLargeError(f"frame of {length} bytes announced")
        # h2 gathers up to 64 frames of one header block, 1 MiB, before it looks at its size.
        pieces = self.incoming_buffer._headers_buffer
        if pieces and sum(len(piece.data) for piece in pieces) > self._max_header_bytes:
            self._terminate_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            raise DenialOfServiceError("header block too large")
        return events

    def announce_max_streams(self, max_streams: int) -> None:
        """Tells the peer how many calls at a time it may have from now on."""
        self.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})

    def announce_goaway(self) -> None:
        """Tells the peer to start no further calls; open calls go on."""
        # Any stream: a request that is already on its way still gets a proper refusal.
        frame = GoAwayFrame(0, last_stream_id=ANY_STREAM, error_code=ErrorCodes.NO_ERROR)
        self._prepare_for_sending([frame])

    def _receive_settings_frame(self, frame: SettingsFrame) -> tuple[list[Frame], list[Event]]:
        # h2 keeps a queue for each setting. A peer may send 65,536 of them; h2 knows eight.
        frame.settings = {code: n for code, n in frame.settings.items() if code in _SETTINGS}
        return super()._receive_settings_frame(frame)

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        if frame.error_code != ErrorCodes.NO_ERROR:
            return super()._receive_goaway_frame(frame)
        event = ConnectionTerminated()
        event.error_code = ErrorCodes.NO_ERROR
        event.last_stream_id = frame.last_stream_id
        event.additional_data = frame.additional_data or None
        return [], [event]
