"""The one rpc of ``der.v1.Headend``, and the codec of its messages."""

from betterproto2 import Message
from grpclib.const import Cardinality
from grpclib.encoding.base import CodecBase

from derproto.der.v1 import AgentMessage, HeadendMessage
from derproto.triogrpc import Method

SESSION = Method(
    path="/der.v1.Headend/Session",
    cardinality=Cardinality.STREAM_STREAM,
    request_type=AgentMessage,
    reply_type=HeadendMessage,
)


class MessageCodec(CodecBase):
    """betterproto2 messages as gRPC bodies.

    Raises: ValueError (or a subclass) for bytes that are not the message.
    """

    __content_subtype__ = "proto"

    def encode(self, message: Message, message_type: type[Message]) -> bytes:
        if not isinstance(message, message_type):
            raise TypeError(f"expected {message_type.__name__}, got {type(message).__name__}")
        return bytes(message)

    def decode(self, data: bytes, message_type: type[Message]) -> Message:
        return message_type.parse(data)
