"""Columns hold what the message holds, and are refused when it is."""

from hypothesis import event, given, settings
from hypothesis import strategies as st

from derproto.codec import (
    DecodeError,
    TelemetryColumns,
    decode_agent,
    decoder,
    encode_agent,
    encoder,
)
from derproto.codec.wire import write_varint
from derproto.der.v1 import AgentMessage, Telemetry
from tests.property.codec.models import attempt, plain
from tests.property.codec.strategies import messages, mutated, wire_bytes
from tests.support.columns import message_of

telemetry_alone = messages(Telemetry).map(lambda telemetry: AgentMessage(telemetry=telemetry))
written = st.one_of(messages(AgentMessage), telemetry_alone).map(encoder(AgentMessage))
wired = wire_bytes(Telemetry).map(lambda data: b"\x12" + write_varint(len(data)) + data)
some_bytes = st.one_of(written, wired, mutated(written), mutated(wired), wire_bytes(AgentMessage))


@settings(max_examples=600, deadline=None)
@given(some_bytes)
def test_columns_are_the_message(data: bytes) -> None:
    message = attempt(decoder(AgentMessage), data)
    decoded = attempt(decode_agent, memoryview(data))
    if isinstance(message, DecodeError):
        event("refused")
        assert str(decoded) == str(message)
        return
    if message.telemetry is None:
        assert isinstance(decoded, AgentMessage)
        assert plain(decoded, AgentMessage) == plain(message, AgentMessage)
        return
    event("columns")
    assert isinstance(decoded, TelemetryColumns)
    assert plain(decoded, Telemetry) == plain(message.telemetry, Telemetry)
    assert plain(message_of(decoded), Telemetry) == plain(message.telemetry, Telemetry)
    assert decoded._unknown_fields == message.telemetry._unknown_fields


@settings(max_examples=150, deadline=None)
@given(telemetry_alone)
def test_columns_are_written_as_the_message(message: AgentMessage) -> None:
    assert message.telemetry is not None
    columns = TelemetryColumns.from_message(message.telemetry)
    assert plain(columns, Telemetry) == plain(message.telemetry, Telemetry)
    assert encode_agent(columns) == encode_agent(message) == encoder(AgentMessage)(message)
