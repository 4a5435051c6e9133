"""The link's codecs, on top of the compiled functions."""

import pytest

from derproto.codec import TelemetryColumns
from derproto.der.v1 import AgentMessage, Alive, HeadendMessage, Heartbeat, Telemetry
from derproto.headend_rpc import ColumnCodec, MessageCodec
from tests.support.columns import message_of

TELEMETRY = AgentMessage(telemetry=Telemetry(boot_id=1, first_seq=2, p_mw=[0.5]))
ALIVE = HeadendMessage(alive=Alive(clock_us=1, session_us=2))


@pytest.mark.parametrize("codec", [MessageCodec(), ColumnCodec()])
def test_messages_go_both_ways(codec: MessageCodec) -> None:
    data = codec.encode(ALIVE, HeadendMessage)
    assert data == bytes(ALIVE)
    assert codec.decode(data, HeadendMessage) == ALIVE
    heartbeat = AgentMessage(heartbeat=Heartbeat(uptime_ms=3))
    assert codec.decode(codec.encode(heartbeat, AgentMessage), AgentMessage) == heartbeat


def test_telemetry_is_a_message_or_columns_as_asked() -> None:
    data = MessageCodec().encode(TELEMETRY, AgentMessage)
    assert MessageCodec().decode(data, AgentMessage) == TELEMETRY
    columns = ColumnCodec().decode(data, AgentMessage)
    assert isinstance(columns, TelemetryColumns)
    assert message_of(columns) == TELEMETRY.telemetry
    assert ColumnCodec().encode(columns, AgentMessage) == data


@pytest.mark.parametrize("codec", [MessageCodec(), ColumnCodec()])
def test_a_message_of_another_class_is_refused(codec: MessageCodec) -> None:
    with pytest.raises(TypeError, match="expected AgentMessage, got HeadendMessage"):
        codec.encode(ALIVE, AgentMessage)
    with pytest.raises(TypeError, match="expected HeadendMessage, got TelemetryColumns"):
        codec.encode(TelemetryColumns(), HeadendMessage)


@pytest.mark.parametrize("codec", [MessageCodec(), ColumnCodec()])
@pytest.mark.parametrize("message_type", [AgentMessage, HeadendMessage])
def test_bytes_that_are_not_a_message_are_a_value_error(
    codec: MessageCodec, message_type: type[AgentMessage | HeadendMessage]
) -> None:
    with pytest.raises(ValueError, match="cut short"):
        codec.decode(b"\x12\x05\x09", message_type)
