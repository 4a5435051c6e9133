"""What the tests against grpcio share."""

from types import ModuleType
from typing import Any

import trio
from grpclib.encoding.base import CodecBase

from derproto.triogrpc import Cardinality, LinkLimits, Method, ServerStream

WAIT_S = 20
"""For anything that must come, in seconds of the machine: grpcio has no other clock."""

QUIET_S = 0.3
"""After which what has not changed is taken to be held back."""


class ProtobufCodec(CodecBase):
    """Messages of google.protobuf."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message.SerializeToString())

    def decode(self, data: bytes, message_type: Any) -> Any:
        return message_type.FromString(data)


class EchoSchema:
    """The service of ``echo.proto``, as each of the two libraries sees it."""

    codec = ProtobufCodec()

    def __init__(self, messages: ModuleType, stubs: ModuleType) -> None:
        self.stubs: Any = stubs
        self.Note: Any = messages.Note
        kinds = {
            "Unary": Cardinality.UNARY_UNARY,
            "Down": Cardinality.UNARY_STREAM,
            "Up": Cardinality.STREAM_UNARY,
            "Both": Cardinality.STREAM_STREAM,
        }
        methods = {
            name: Method(f"/triogrpc.test.Echo/{name}", kind, self.Note, self.Note)
            for name, kind in kinds.items()
        }
        self.unary = methods["Unary"]
        self.down = methods["Down"]
        self.up = methods["Up"]
        self.both = methods["Both"]

    def note(self, text: str = "", **fields: Any) -> Any:
        return self.Note(text=text, **fields)


class Progress:
    """A count that a test watches from another task or thread."""

    def __init__(self) -> None:
        self.count = 0

    def step(self) -> None:
        self.count += 1

    async def wait_held_back(self) -> int:
        """Until it has begun and then stands still; the count."""
        with trio.fail_after(WAIT_S):
            last = 0
            while True:
                await trio.sleep(QUIET_S)
                if last and self.count == last:
                    return last
                last = self.count


async def serve_down(stream: ServerStream) -> None:
    """As many notes as asked for, each with so large a payload."""
    asked = await stream.recv_message()
    assert asked is not None
    for number in range(asked.count):
        await stream.send_message(type(asked)(count=number, payload=bytes(asked.size)))


NARROW = LinkLimits(stream_window_bytes=65_535, connection_window_bytes=65_535)
