"""What triogrpc touches of grpclib and h2 that they do not promise.

A failure here says that a new version has changed something of it: read their difference,
adapt ``derproto.triogrpc``, then these expectations.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import grpclib.client
import grpclib.encoding.base
import grpclib.events
import grpclib.metadata
import grpclib.protocol
import grpclib.server
import h2.connection
import h2.events
import h2.frame_buffer
import h2.settings
import h2.stream
import pytest
from grpclib.const import Cardinality
from h2.connection import ConnectionInputs, ConnectionState

from derproto.triogrpc import LinkLimits
from derproto.triogrpc.connection.http2 import Http2
from derproto.triogrpc.connection.inbound import Inbound
from derproto.triogrpc.connection.processor import Processor
from derproto.triogrpc.connection.protocol import Connection, Stream
from derproto.triogrpc.core.waits import Flag
from derproto.triogrpc.sockets.transport import Transport


def parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (grpclib.protocol.Connection.ack, ["stream_id", "size"]),
        (grpclib.protocol.Connection.create_stream, ["stream_id", "wrapper"]),
        (grpclib.protocol.Connection.flush, []),
        (grpclib.protocol.Connection.headers_send_process, []),
        (grpclib.protocol.Connection.get_peer, []),
        (grpclib.protocol.Stream.init_stream, ["stream_id", "connection"]),
        (grpclib.protocol.Stream.send_request, ["headers", "end_stream", "_processor"]),
        (grpclib.protocol.Stream.send_data, ["data", "end_stream"]),
        (grpclib.protocol.Stream.end, []),
        (grpclib.protocol.Stream.reset_nowait, ["error_code"]),
        (grpclib.protocol.Stream.__ended__, []),
        (grpclib.protocol.Stream.__terminated__, ["reason"]),
        (grpclib.protocol.EventsProcessor.__init__, ["handler", "connection"]),
        (grpclib.protocol.EventsProcessor.register, ["stream"]),
        (grpclib.protocol.AbstractHandler.accept, ["stream", "headers", "release_stream"]),
        (grpclib.protocol.Buffer.add, ["data", "ack_size"]),
        (grpclib.metadata.Deadline.__init__, ["_timestamp"]),
        (h2.connection.H2Connection.receive_data, ["data"]),
        (h2.connection.H2Connection._receive_goaway_frame, ["frame"]),
        (h2.connection.H2Connection._terminate_connection, ["error_code"]),
        (h2.connection.H2Connection._prepare_for_sending, ["frames"]),
        (h2.settings.Settings.update, ["other", "kwds"]),
    ],
)
def test_signatures(function: Callable[..., Any], expected: list[str]) -> None:
    assert parameters(function) == expected


def digest(function: Any) -> str:
    if isinstance(function, property):
        function = function.fget
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


# Bodies that run as they are, over attributes of ours.
REUSED = [
    (grpclib.protocol.Stream.send_headers, "7ac295084a1d"),
    (grpclib.protocol.Stream.closable, "8750fcd51816"),
    (grpclib.protocol.EventsProcessor.__init__, "555ebaf27d5c"),
    (grpclib.protocol.EventsProcessor.process_request_received, "00ffcb660d6c"),
    (grpclib.protocol.EventsProcessor.process_response_received, "6604b501cde0"),
    (grpclib.protocol.EventsProcessor.process_remote_settings_changed, "23829af221c7"),
    (grpclib.protocol.EventsProcessor.process_data_received, "2345e80fd787"),
    (grpclib.protocol.EventsProcessor.process_window_updated, "1fc3e49671de"),
    (grpclib.protocol.EventsProcessor.process_trailers_received, "f065f6117fd9"),
    (grpclib.protocol.EventsProcessor.process_stream_ended, "a85a2462a45d"),
    (grpclib.server.Stream.__init__, "78866f620062"),
    (grpclib.server.Stream.send_initial_metadata, "0783bddf6339"),
    (grpclib.server.Stream.send_trailing_metadata, "a1cae6b7f4a1"),
    (grpclib.client.Stream.__init__, "b788ffa00cb8"),
    (grpclib.client.Stream.send_request, "49b4a04bf8fe"),
    (grpclib.client.Stream.recv_initial_metadata, "2cfaf4cc630d"),
    (grpclib.client.Stream._process_grpc_status, "f6e565b650f7"),
    (grpclib.client.Stream._raise_for_status, "f6d2ae438acf"),
    (grpclib.client.Stream._raise_for_content_type, "5e18435ad559"),
    (grpclib.metadata.decode_metadata, "e3d69bd7549a"),
    (grpclib.metadata.encode_metadata, "2a66bf676d66"),
    (h2.connection.H2Connection.initiate_connection, "f197c4fc0ab7"),
]


@pytest.mark.parametrize(("function", "expected"), REUSED)
def test_reused_code_is_what_was_read(function: Any, expected: str) -> None:
    assert digest(function) == expected


def test_every_event_that_grpclib_processes_is_known() -> None:
    names = {name for name in vars(grpclib.protocol.EventsProcessor) if name.startswith("process_")}
    assert names == {
        "process_connection_terminated",
        "process_data_received",
        "process_ping_ack_received",
        "process_ping_received",
        "process_priority_updated",
        "process_remote_settings_changed",
        "process_request_received",
        "process_response_received",
        "process_settings_acknowledged",
        "process_stream_ended",
        "process_stream_reset",
        "process_trailers_received",
        "process_window_updated",
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Connection, grpclib.protocol.Connection),
        (Stream, grpclib.protocol.Stream),
        (Processor, grpclib.protocol.EventsProcessor),
        (Http2, h2.connection.H2Connection),
    ],
)
def test_overridden_methods_exist(ours: type, theirs: type) -> None:
    """A method of ours that replaces nothing any more would never be called."""
    own = {
        Connection: {"admit"},
        Stream: {"fail", "_wake", "check_sendable", "send_data_nowait", "admit"},
        Processor: {"_release", "_spend"},
        Http2: {"_open", "announce_goaway", "announce_max_streams", "consume"},
    }[ours]
    for name, value in vars(ours).items():
        if inspect.isfunction(value) and name not in own:
            assert hasattr(theirs, name), name


def test_h2_has_the_attributes() -> None:
    http2 = Http2(LinkLimits(), client_side=False)
    assert isinstance(http2._data_to_send, bytearray)
    assert isinstance(http2.incoming_buffer._data, bytearray)
    assert http2.incoming_buffer._headers_buffer == []
    assert http2.state_machine.state is ConnectionState.IDLE
    assert http2.decoder.max_header_list_size == LinkLimits().max_header_list_bytes
    assert http2._closed_streams._size_limit == http2.MAX_CLOSED_STREAMS  # type: ignore[attr-defined]
    assert ConnectionInputs.SEND_SETTINGS
    # What every peer takes: the size of our DATA frames.
    assert http2.max_outbound_frame_size == 16_384
    assert http2.max_inbound_frame_size == 16_384


def test_h2_keeps_no_setting_that_it_does_not_know() -> None:
    http2 = Http2(LinkLimits(), client_side=False)
    settings = b"".join(n.to_bytes(2, "big") + bytes(4) for n in range(100, 2_100))
    frame = len(settings).to_bytes(3, "big") + b"\4" + bytes(5) + settings
    http2.receive_data(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame)
    assert len(http2.remote_settings) < 16


def test_grpclib_calls_only_what_ours_have() -> None:
    """asyncio's event, buffer and transport, as far as grpclib uses them."""
    assert {"is_set", "set", "clear", "wait"} <= set(dir(Flag))
    assert {"add", "eof", "unacked_size"} <= set(dir(Inbound))
    assert {"write", "is_closing", "close"} <= set(dir(Transport))


def test_cardinality_is_a_pair_of_flags() -> None:
    assert Cardinality.UNARY_STREAM.client_streaming is False
    assert Cardinality.UNARY_STREAM.server_streaming is True


def test_grpclib_has_the_rest() -> None:
    assert grpclib.events._DispatchServerEvents()
    assert grpclib.events._DispatchChannelEvents()
    assert grpclib.encoding.base.GRPC_CONTENT_TYPE == "application/grpc"
    for name in ("_send_initial_metadata_done", "_send_message_done"):
        assert getattr(grpclib.server.Stream, name) is False
    for name in ("_send_trailing_metadata_done", "_cancel_done"):
        assert getattr(grpclib.server.Stream, name) is False
    for name in (
        "_send_request_done",
        "_send_message_done",
        "_end_done",
        "_recv_initial_metadata_done",
        "_recv_trailing_metadata_done",
        "_cancel_done",
    ):
        assert getattr(grpclib.client.Stream, name) is False
    assert grpclib.client.Stream._trailers_only is None
