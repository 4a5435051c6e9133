"""The rpc of ``der.v1.Headend``, and the codecs of its messages."""

from typing import Any

from betterproto2 import Message
from grpclib.const import Cardinality
from grpclib.encoding.base import CodecBase

from derproto.codec import (
    MAX_FIELDS,
    TelemetryColumns,
    decode_agent,
    decoder,
    encode_agent,
    encoder,
)
from derproto.der.v1 import AgentMessage, HeadendMessage
from derproto.triogrpc import Method

SESSION = Method(
    path="/der.v1.Headend/Session",
    cardinality=Cardinality.STREAM_STREAM,
    request_type=AgentMessage,
    reply_type=HeadendMessage,
)


class MessageCodec(CodecBase):
    """betterproto2 messages as gRPC bodies, by compiled functions.

    Raises: DecodeError for bytes that are not the message, EncodeError for a value that does
    not fit its field (both ValueErrors), TypeError for a message of another class.
    """

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: type[Message]) -> bytes:
        if not isinstance(message, message_type):
            raise TypeError(f"expected {message_type.__name__}, got {type(message).__name__}")
        return encoder(message_type)(message)

    def decode(self, data: bytes, message_type: type[Message]) -> Any:
        return decoder(message_type, max_fields=MAX_FIELDS)(data)


class ColumnCodec(MessageCodec):
    """A ``MessageCodec`` with TelemetryColumns for AgentMessages whose body is telemetry.

    A receiver gets either class from the stream; a sender may send either.
    """

    def encode(self, message: Any, message_type: type[Message]) -> bytes:
        if message_type is AgentMessage and isinstance(message, TelemetryColumns):
            return encode_agent(message)
        return super().encode(message, message_type)

    def decode(self, data: bytes, message_type: type[Message]) -> Any:
        if message_type is AgentMessage:
            return decode_agent(data)
        return super().decode(data, message_type)
