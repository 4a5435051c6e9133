"""Agent messages with telemetry as columns."""

from derproto.codec.columns import TelemetryColumns, compile_columns_reader
from derproto.codec.decoding import decoder
from derproto.codec.encoding import compile_writer, encoder
from derproto.codec.fields import fields_of
from derproto.codec.wire import MAX_DEPTH, Buffer, Malformed, read_short_varint, write_varint
from derproto.der.v1 import AgentMessage, Telemetry

(_TELEMETRY_TAG,) = [field.tag for field in fields_of(AgentMessage) if field.name == "telemetry"]

MAX_FIELDS = 120_000
"""Fields of one message, as ``decoder`` counts them; an agent's largest, a Register of 8,192
reports and 1,000 assets, has 116,000. When full, the message is refused before an object is made
of its next field, so that no message holds the loop for more than some 30 ms."""

_decode = decoder(AgentMessage, max_fields=MAX_FIELDS)
_encode = encoder(AgentMessage)
_read_columns = compile_columns_reader()
_write_telemetry = compile_writer(Telemetry)


def decode_agent(data: Buffer) -> AgentMessage | TelemetryColumns:
    """An agent's message; if its body is telemetry, the columns, each made by one copy.

    Unknown fields of AgentMessage itself are dropped in that case.

    Raises: DecodeError for the same bytes as ``decoder(AgentMessage)``.
    """
    if not isinstance(data, bytes):
        data = memoryview(data).cast("B")
    pos = _only_telemetry(data)
    if pos:
        return _read_columns(data, pos, len(data), MAX_DEPTH - 1, MAX_FIELDS)
    message = _decode(data)
    # Telemetry beside other fields, or in parts: correct, but slow.
    telemetry = message.telemetry
    return message if telemetry is None else TelemetryColumns.from_message(telemetry)


def _only_telemetry(data: Buffer) -> int:
    """The start of telemetry that fills the rest of the message; 0 if none does."""
    if len(data) < 2 or data[0] != _TELEMETRY_TAG:
        return 0
    size, pos = data[1], 2
    if size > 127:
        try:
            size, pos = read_short_varint(data, 1)
        except (Malformed, IndexError):
            return 0
    return pos if pos + size == len(data) else 0


def encode_agent(message: AgentMessage | TelemetryColumns) -> bytes:
    """Encodes an agent's message, or columns as a message whose body is telemetry.

    Raises: EncodeError for a value that does not fit its field.
    """
    if isinstance(message, AgentMessage):
        return _encode(message)
    telemetry = _write_telemetry(message)
    return b"".join((bytes((_TELEMETRY_TAG,)), write_varint(len(telemetry)), telemetry))
